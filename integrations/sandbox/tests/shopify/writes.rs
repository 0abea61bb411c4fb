use sandbox::shopify::{CustomerDraft, OrderDraft};
use serde_json::{Value, json};

use crate::harness::{Client, Receiver, options, started, subscribe};

const CREATE: &str = "mutation($input: CustomerInput!) { customerCreate(input: $input) { customer { id firstName note tags reference: metafield(namespace: \"$app:entente\", key: \"reference\") { value namespace } } userErrors { field message } } }";
const UPDATE: &str = "mutation($input: CustomerInput!) { customerUpdate(input: $input) { customer { id note } userErrors { field message } } }";
const COMPANY: &str = "mutation($input: CompanyCreateInput!) { companyCreate(input: $input) { company { id name externalId mainContact { id customer { email } } } userErrors { field message code } } }";
const SET: &str = "mutation($fields: [MetafieldsSetInput!]!) { metafieldsSet(metafields: $fields) { metafields { id value compareDigest ownerType } userErrors { field message code elementIndex } } }";

async fn defined(client: &Client) {
    let query = "mutation($definition: MetafieldDefinitionInput!) { metafieldDefinitionCreate(definition: $definition) { createdDefinition { type { name } } userErrors { code } } }";
    let definition = json!({"name": "Reference", "namespace": "$app:entente", "key": "reference", "type": "id", "ownerType": "CUSTOMER"});
    let data = client.data(query, json!({"definition": definition})).await;
    assert_eq!(
        data["metafieldDefinitionCreate"]["createdDefinition"]["type"]["name"],
        "id"
    );
    let data = client.data(query, json!({"definition": definition})).await;
    assert_eq!(
        data["metafieldDefinitionCreate"]["userErrors"][0]["code"],
        "TAKEN"
    );
}

#[tokio::test]
async fn business_errors_are_user_errors() {
    let (_shop, client) = started(options()).await;
    let made = client
        .data(
            CREATE,
            json!({"input": {"firstName": "Ann", "email": "ann@lee.example", "tags": ["partner"]}}),
        )
        .await;
    assert_eq!(made["customerCreate"]["userErrors"], json!([]));
    assert_eq!(
        made["customerCreate"]["customer"]["tags"],
        json!(["partner"])
    );
    for (input, field, words) in [
        (
            json!({"email": "ANN@lee.example"}),
            json!(["email"]),
            "Email has already been taken",
        ),
        (
            json!({"email": "nobody"}),
            json!(["email"]),
            "Email is invalid",
        ),
        (
            json!({"phone": "abc"}),
            json!(["phone"]),
            "Phone is invalid",
        ),
        (
            json!({}),
            Value::Null,
            "Customer must have a name, phone number or email address",
        ),
    ] {
        let answer = client.data(CREATE, json!({"input": input})).await["customerCreate"].clone();
        assert_eq!(answer["customer"], Value::Null);
        assert_eq!(
            answer["userErrors"][0],
            json!({"field": field, "message": words})
        );
    }
    let answer = client
        .data(
            UPDATE,
            json!({"input": {"id": "gid://shopify/Customer/1", "note": "x"}}),
        )
        .await;
    assert_eq!(
        answer["customerUpdate"]["userErrors"][0]["message"],
        "Customer does not exist"
    );
}

#[tokio::test]
async fn a_write_that_changes_nothing_tells_nobody() {
    let receiver = Receiver::start();
    let (shop, client) = started(options()).await;
    subscribe(&client, "CUSTOMERS_UPDATE", &receiver.url, json!({})).await;
    let id = shop
        .store()
        .create_customer(CustomerDraft::named("A", "B", "a@b.example"))
        .unwrap();
    let id = format!("gid://shopify/Customer/{id}");
    for note in ["one", "one", "two"] {
        client
            .data(UPDATE, json!({"input": {"id": id, "note": note}}))
            .await;
    }
    shop.webhooks_idle().await;
    assert_eq!(receiver.of("customers/update").len(), 2);
}

#[tokio::test]
async fn a_reference_is_unique_and_found() {
    let (_shop, client) = started(options()).await;
    let find = "query($identifier: CustomerIdentifierInput!) { customerByIdentifier(identifier: $identifier) { id } }";
    let identifier = json!({"identifier": {"customId": {"namespace": "$app:entente", "key": "reference", "value": "r-1"}}});
    let answer = client.ask(find, identifier.clone()).await;
    assert!(
        answer["errors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("definition of type 'id' is required")
    );
    let input = |email: &str, value: &str| json!({"input": {"email": email, "metafields": [{"namespace": "$app:entente", "key": "reference", "type": "id", "value": value}]}});
    let early = client.data(CREATE, input("a@b.example", "r-1")).await;
    assert!(
        early["customerCreate"]["userErrors"][0]["message"]
            .as_str()
            .unwrap()
            .contains("needs a metafield definition")
    );
    defined(&client).await;
    assert_eq!(
        client.data(find, identifier.clone()).await["customerByIdentifier"],
        Value::Null
    );
    let made = client.data(CREATE, input("a@b.example", "r-1")).await["customerCreate"].clone();
    assert_eq!(
        made["customer"]["reference"],
        json!({"value": "r-1", "namespace": "app--580111--entente"})
    );
    let found = client.data(find, identifier).await;
    assert_eq!(found["customerByIdentifier"]["id"], made["customer"]["id"]);
    let twice = client.data(CREATE, input("c@d.example", "r-1")).await["customerCreate"].clone();
    assert_eq!(
        twice["userErrors"][0]["message"],
        "Value has already been taken."
    );
    assert_eq!(twice["customer"], Value::Null);
    let count = client.data("{ customersCount { count } }", json!({})).await;
    assert_eq!(count["customersCount"]["count"], 1);
}

#[tokio::test]
async fn companies_and_their_contacts() {
    let (_shop, client) = started(options()).await;
    let input = json!({"input": {"company": {"name": "Acme", "externalId": "e-1"}, "companyContact": {"email": "buyer@acme.example"}}});
    let made = client.data(COMPANY, input.clone()).await["companyCreate"].clone();
    assert_eq!(
        made["company"]["mainContact"]["customer"]["email"],
        "buyer@acme.example"
    );
    let taken = client.data(COMPANY, input).await["companyCreate"].clone();
    assert_eq!(taken["userErrors"][0]["code"], "TAKEN");
    assert_eq!(
        taken["userErrors"][0]["field"],
        json!(["input", "company", "externalId"])
    );
    let blank = client
        .data(COMPANY, json!({"input": {"company": {"name": " "}}}))
        .await["companyCreate"]
        .clone();
    assert_eq!(blank["userErrors"][0]["code"], "BLANK");
    let update = "mutation($id: ID!, $input: CompanyInput!) { companyUpdate(companyId: $id, input: $input) { company { name note } userErrors { code } } }";
    let id = made["company"]["id"].clone();
    let changed = client
        .data(update, json!({"id": id, "input": {"note": "big"}}))
        .await;
    assert_eq!(
        changed["companyUpdate"]["company"],
        json!({"name": "Acme", "note": "big"})
    );
    let absent = client
        .data(
            update,
            json!({"id": "gid://shopify/Company/1", "input": {"note": "big"}}),
        )
        .await;
    assert_eq!(
        absent["companyUpdate"]["userErrors"][0]["code"],
        "RESOURCE_NOT_FOUND"
    );
    let customer = client
        .data(CREATE, json!({"input": {"email": "second@acme.example"}}))
        .await["customerCreate"]["customer"]["id"]
        .clone();
    let assign = "mutation($company: ID!, $customer: ID!) { companyAssignCustomerAsContact(companyId: $company, customerId: $customer) { companyContact { id isMainContact } userErrors { message } } }";
    let variables = json!({"company": id, "customer": customer});
    let contact =
        client.data(assign, variables.clone()).await["companyAssignCustomerAsContact"].clone();
    assert_eq!(contact["companyContact"]["isMainContact"], false);
    let twice = client.data(assign, variables).await["companyAssignCustomerAsContact"].clone();
    assert_eq!(twice["userErrors"].as_array().unwrap().len(), 1);
    let remove = "mutation($id: ID!) { companyContactRemoveFromCompany(companyContactId: $id) { removedCompanyContactId userErrors { code } } }";
    let contact = contact["companyContact"]["id"].clone();
    let gone = client.data(remove, json!({"id": contact})).await;
    assert_eq!(
        gone["companyContactRemoveFromCompany"]["removedCompanyContactId"],
        contact
    );
    let gone = client.data(remove, json!({"id": contact})).await;
    assert_eq!(
        gone["companyContactRemoveFromCompany"]["userErrors"][0]["code"],
        "RESOURCE_NOT_FOUND"
    );
}

#[tokio::test]
async fn metafields_are_set_together_or_not_at_all() {
    let (shop, client) = started(options()).await;
    let order = format!(
        "gid://shopify/Order/{}",
        shop.store().place_order(OrderDraft::paid("5")).unwrap()
    );
    let field = |owner: &str, key: &str, kind: &str, value: &str| json!({"ownerId": owner, "namespace": "custom", "key": key, "type": kind, "value": value});
    let good = field(&order, "partner", "single_line_text_field", "acme");
    let bad = field(&order, "seats", "number_integer", "many");
    let answer = client.data(SET, json!({"fields": [good, bad]})).await["metafieldsSet"].clone();
    assert_eq!(answer["userErrors"][0]["code"], "INVALID_VALUE");
    assert_eq!(answer["userErrors"][0]["elementIndex"], 1);
    let read = "query($id: ID!) { order(id: $id) { metafield(namespace: \"custom\", key: \"partner\") { value } metafields(first: 5) { nodes { key } } } }";
    assert_eq!(
        client.data(read, json!({"id": order})).await["order"]["metafield"],
        Value::Null
    );
    let answer = client.data(SET, json!({"fields": [good]})).await["metafieldsSet"].clone();
    let digest = answer["metafields"][0]["compareDigest"].clone();
    assert_eq!(answer["metafields"][0]["ownerType"], "ORDER");
    let mut second = good.clone();
    second["value"] = json!("globex");
    second["compareDigest"] = digest;
    assert_eq!(
        client.data(SET, json!({"fields": [second]})).await["metafieldsSet"]["userErrors"],
        json!([])
    );
    let stale = client.data(SET, json!({"fields": [second]})).await["metafieldsSet"].clone();
    assert_eq!(stale["userErrors"][0]["code"], "STALE_OBJECT");
    let order = client.data(read, json!({"id": order})).await["order"].clone();
    assert_eq!(
        order,
        json!({"metafield": {"value": "globex"}, "metafields": {"nodes": [{"key": "partner"}]}})
    );
    let absent = field(
        "gid://shopify/Order/1",
        "partner",
        "single_line_text_field",
        "x",
    );
    let answer = client.data(SET, json!({"fields": [absent]})).await["metafieldsSet"].clone();
    assert_eq!(answer["userErrors"][0]["message"], "Owner does not exist.");
}

#[tokio::test]
async fn orders_and_tags() {
    let (shop, client) = started(options()).await;
    let id = format!(
        "gid://shopify/Order/{}",
        shop.store().place_order(OrderDraft::paid("5")).unwrap()
    );
    let update = "mutation($input: OrderInput!) { orderUpdate(input: $input) { order { note tags poNumber customAttributes { key value } } userErrors { field message } } }";
    let input = json!({"id": id, "note": "n", "tags": ["b"], "poNumber": "77", "customAttributes": [{"key": "k", "value": "v"}]});
    let order = client.data(update, json!({"input": input})).await["orderUpdate"]["order"].clone();
    assert_eq!(
        order,
        json!({"note": "n", "tags": ["b"], "poNumber": "77", "customAttributes": [{"key": "k", "value": "v"}]})
    );
    let tags = "mutation($id: ID!, $tags: [String!]!) { tagsAdd(id: $id, tags: $tags) { node { ... on Order { tags } } userErrors { message } } }";
    let added = client
        .data(tags, json!({"id": id, "tags": ["a", "b"]}))
        .await;
    assert_eq!(added["tagsAdd"]["node"]["tags"], json!(["a", "b"]));
    let absent = client
        .data(update, json!({"input": {"id": "gid://shopify/Order/1"}}))
        .await;
    assert_eq!(
        absent["orderUpdate"]["userErrors"][0]["message"],
        "Order does not exist"
    );
}
