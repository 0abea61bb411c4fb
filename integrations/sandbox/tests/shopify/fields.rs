//! Every field of the schema has a value: each is asked for, of something there is.

use std::collections::BTreeMap;
use std::path::Path;

use async_graphql_parser::parse_schema;
use async_graphql_parser::types::{
    BaseType, FieldDefinition, Type, TypeKind, TypeSystemDefinition,
};
use sandbox::shopify::{CompanyDraft, CustomerDraft, OrderDraft, Utm};
use sandbox::{ShopifyLimits, ShopifyOptions};
use serde_json::json;

use crate::harness::{options, started, subscribe};

fn base(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name.as_str(),
        BaseType::List(inner) => base(inner),
    }
}

type Types = BTreeMap<String, TypeKind>;

fn types() -> Types {
    let text = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/shopify/schema.graphql"),
    )
    .unwrap();
    parse_schema(text)
        .unwrap()
        .definitions
        .into_iter()
        .filter_map(|definition| match definition {
            TypeSystemDefinition::Type(ty) => Some((ty.node.name.node.to_string(), ty.node.kind)),
            _ => None,
        })
        .collect()
}

/// A selection of all fields of a type, `depth` objects deep; counts them.
fn select(types: &Types, ty: &str, depth: usize, count: &mut usize) -> String {
    let fields: Vec<&FieldDefinition> = match types.get(ty) {
        Some(TypeKind::Object(kind)) => kind.fields.iter().map(|field| &field.node).collect(),
        Some(TypeKind::Interface(_) | TypeKind::Union(_)) => return "{ __typename }".to_owned(),
        _ => return String::new(),
    };
    let mut out = String::from("{ __typename ");
    for field in fields {
        let inner = base(&field.ty.node);
        let composite = matches!(
            types.get(inner),
            Some(TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_))
        );
        let frame = inner.ends_with("Connection")
            || inner.ends_with("Edge")
            || inner == "PageInfo"
            || inner == "MoneyV2";
        if composite && depth == 0 && !frame {
            continue;
        }
        let name = field.name.node.as_str();
        let sized = field
            .arguments
            .iter()
            .any(|argument| argument.node.name.node.as_str() == "first");
        let arguments = match name {
            "metafield" => "(key: \"custom.partner\")",
            _ if sized => "(first: 2)",
            _ => "",
        };
        let deeper = if frame {
            depth
        } else {
            depth.saturating_sub(1)
        };
        let selection = select(types, inner, deeper, count);
        if composite
            && selection == "{ __typename }"
            && !inner.starts_with("Purchasing")
            && !inner.starts_with("Has")
            && !inner.starts_with("Webhook")
        {
            continue;
        }
        *count += 1;
        out.push_str(&format!("{name}{arguments} {selection} "));
    }
    out.push('}');
    out
}

#[tokio::test]
async fn no_field_is_without_a_value() {
    let (shop, client) = started(ShopifyOptions {
        limits: ShopifyLimits {
            max_query_cost: u32::MAX,
            ..ShopifyLimits::none()
        },
        ..options()
    })
    .await;
    let store = shop.store();
    let customer = store
        .create_customer(CustomerDraft {
            phone: Some("+15551234567".to_owned()),
            ..CustomerDraft::named("A", "B", "a@b.example")
        })
        .unwrap();
    let company = store
        .create_company(CompanyDraft {
            customer: Some(customer),
            ..CompanyDraft::named("C")
        })
        .unwrap();
    let order = store
        .place_order(OrderDraft {
            company: Some(company),
            utm: Some(Utm {
                source: Some("x".to_owned()),
                ..Utm::default()
            }),
            attributes: vec![("k".to_owned(), "v".to_owned())],
            metafields: vec![("custom".to_owned(), "partner".to_owned(), "acme".to_owned())],
            ..OrderDraft::paid("50")
        })
        .unwrap();
    store
        .set_metafield(
            &format!("gid://shopify/Customer/{customer}"),
            "custom",
            "partner",
            "acme",
        )
        .unwrap();
    let refund = store.refund_order(order, None).unwrap();
    store.cancel_order(order, "other").unwrap();
    subscribe(
        &client,
        "ORDERS_CREATE",
        &"http://127.0.0.1:9/x".parse().unwrap(),
        json!({}),
    )
    .await;
    client.data("mutation { bulkOperationRunQuery(query: \"{ orders { nodes { id } } }\") { bulkOperation { id } } }", json!({})).await;
    let define = "mutation($d: MetafieldDefinitionInput!) { metafieldDefinitionCreate(definition: $d) { createdDefinition { id } } }";
    client.data(define, json!({"d": {"name": "N", "namespace": "custom", "key": "tier", "type": "json", "ownerType": "CUSTOMER"}})).await;
    let types = types();
    let mut count = 0;
    let roots = [
        ("orders(first: 2)".to_owned(), "OrderConnection", 3),
        ("customers(first: 2)".to_owned(), "CustomerConnection", 3),
        ("companies(first: 2)".to_owned(), "CompanyConnection", 3),
        (
            format!("refund(id: \"gid://shopify/Refund/{refund}\")"),
            "Refund",
            2,
        ),
        ("shop".to_owned(), "Shop", 2),
        ("currentAppInstallation".to_owned(), "AppInstallation", 2),
        (
            "webhookSubscriptions(first: 2)".to_owned(),
            "WebhookSubscriptionConnection",
            2,
        ),
        (
            "bulkOperations(first: 2)".to_owned(),
            "BulkOperationConnection",
            1,
        ),
        (
            "metafieldDefinitions(first: 2, ownerType: CUSTOMER)".to_owned(),
            "MetafieldDefinitionConnection",
            2,
        ),
        ("publicApiVersions".to_owned(), "ApiVersion", 1),
    ];
    for (root, ty, depth) in roots {
        let query = format!("{{ it: {root} {} }}", select(&types, ty, depth, &mut count));
        let answer = client.ask(&query, json!({})).await;
        assert!(
            answer.get("errors").is_none(),
            "{root}: {}",
            answer["errors"]
        );
        let nodes = &answer["data"]["it"]["nodes"];
        assert!(
            !nodes.is_array() || !nodes.as_array().unwrap().is_empty(),
            "{root} has nothing to ask"
        );
    }
    assert!(count > 500, "{count} fields");
}
