//! Writing customers and companies.

use super::*;
use crate::connector::{Push, PushItem, PushOutcome};
use crate::record::{Fields, Record};

fn item(id: Option<&str>, fields: &[(&str, Option<&str>)]) -> PushItem {
    PushItem {
        reference: "contact_01k".to_owned(),
        external_id: id.map(str::to_owned),
        fields: fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.map(str::to_owned)))
            .collect::<Fields>(),
        links: vec![],
        unlinks: vec![],
        archive: false,
    }
}

fn written(kind: &str, id: &str) -> Reply {
    data(
        json!({"written": {"record": {"id": format!("gid://shopify/{kind}/{id}")}, "userErrors": []}}),
    )
}

fn refused_with(errors: Value) -> Reply {
    data(json!({"written": {"record": null, "userErrors": errors}}))
}

fn found(id: Option<&str>) -> Reply {
    let id = id.map(|id| json!({"id": format!("gid://shopify/Customer/{id}")}));
    data(json!({ "customerByIdentifier": id }))
}

fn shown(posted: &Posted) -> Reply {
    let ids = posted.variables["ids"].as_array().unwrap();
    let nodes: Vec<Value> = ids
        .iter()
        .map(|gid| customer(gid.as_str().unwrap().rsplit('/').next().unwrap()))
        .collect();
    data(json!({ "nodes": nodes }))
}

impl Rig {
    async fn push(
        &self,
        resource: Resource,
        items: &[PushItem],
    ) -> Result<Vec<PushOutcome>, ConnectorError> {
        self.shopify
            .apply(&self.context(), resource, items, &[])
            .await
    }
}

fn applied(outcome: &PushOutcome) -> &Record {
    match outcome {
        PushOutcome::Applied(record) => record,
        other => panic!("{other:?}"),
    }
}

fn refused(outcome: &PushOutcome) -> &ConnectorError {
    match outcome {
        PushOutcome::Refused(error) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_written_is_what_a_fetch_says() {
    let rig = Rig::new(|posted| match posted.name.as_str() {
        "CustomerUpdate" => {
            assert_eq!(posted.variables["input"], json!({"id": "gid://shopify/Customer/7", "email": "a@example.com", "note": null}));
            written("Customer", "7")
        }
        "CustomerCreate" => {
            assert_eq!(
                posted.variables["input"],
                json!({"firstName": "Ada", "metafields": [{"namespace": "$app:entente", "key": "reference", "type": "id", "value": "contact_01k"}]})
            );
            written("Customer", "8")
        }
        "CustomersById" => shown(posted),
        other => panic!("{other}"),
    })
    .await;
    let items = [
        item(
            Some("7"),
            &[("email", Some("a@example.com")), ("note", None)],
        ),
        item(None, &[("firstName", Some("Ada"))]),
    ];
    let outcomes = rig.push(Resource::Contact, &items).await.unwrap();
    let fetched = rig
        .fetch(Resource::Contact, &["7", "8"], &[])
        .await
        .unwrap();
    assert_eq!(
        [applied(&outcomes[0]), applied(&outcomes[1])],
        [&fetched.records[0], &fetched.records[1]]
    );
}

#[tokio::test]
async fn a_company_carries_our_reference_as_its_external_id() {
    let rig = Rig::new(|posted| match posted.name.as_str() {
        "CompanyCreate" => {
            assert_eq!(posted.variables["input"], json!({"company": {"name": "Engines", "externalId": "contact_01k"}}));
            written("Company", "9")
        }
        "CompaniesById" => data(json!({"nodes": [{"id": "gid://shopify/Company/9", "createdAt": "2026-11-01T09:00:00Z",
            "updatedAt": "2026-11-01T09:00:00Z", "name": "Engines", "note": null, "externalId": "contact_01k", "customerSince": "2026-11-01T09:00:00Z"}]})),
        other => panic!("{other}"),
    })
    .await;
    let outcomes = rig
        .push(
            Resource::Company,
            &[item(None, &[("name", Some("Engines"))])],
        )
        .await
        .unwrap();
    assert_eq!(
        applied(&outcomes[0]).value("entente_reference"),
        Some("contact_01k")
    );
    let both = item(None, &[("externalId", Some("ERP-1"))]);
    let outcomes = rig.push(Resource::Company, &[both]).await.unwrap();
    assert!(permanent(refused(&outcomes[0]), "reference_field"));
}

#[tokio::test]
async fn a_creation_that_is_repeated_finds_itself() {
    let rig = Rig::new(|posted| match posted.name.as_str() {
        "CustomerCreate" => {
            refused_with(json!([{"field": ["email"], "message": "Email has already been taken"}]))
        }
        "CustomerFind" => {
            assert_eq!(
                posted.variables["identifier"]["customId"]["value"],
                "contact_01k"
            );
            found(Some("8"))
        }
        "CustomerUpdate" => written("Customer", "8"),
        "CustomersById" => shown(posted),
        other => panic!("{other}"),
    })
    .await;
    let outcomes = rig
        .push(
            Resource::Contact,
            &[item(None, &[("email", Some("a@example.com"))])],
        )
        .await
        .unwrap();
    assert_eq!(applied(&outcomes[0]).external_id, "8");
    assert_eq!(
        rig.asked(),
        [
            "CustomerCreate",
            "CustomerFind",
            "CustomerUpdate",
            "CustomersById"
        ]
    );
}

/// Trap: a customer with that address exists, made by the merchant.
#[tokio::test]
async fn a_clash_names_the_customer_that_exists() {
    let rig = Rig::new(|posted| match posted.name.as_str() {
        "CustomerCreate" => {
            refused_with(json!([{"field": ["email"], "message": "Email has already been taken"}]))
        }
        "CustomerFind" if posted.variables["identifier"]["emailAddress"] == "a@example.com" => {
            found(Some("377"))
        }
        "CustomerFind" => found(None),
        other => panic!("{other}"),
    })
    .await;
    let outcomes = rig
        .push(
            Resource::Contact,
            &[item(None, &[("email", Some("a@example.com"))])],
        )
        .await
        .unwrap();
    assert!(
        matches!(refused(&outcomes[0]), ConnectorError::Conflict { existing_id: Some(id), .. } if id == "377")
    );
    let invalid = Rig::new(|posted| match posted.name.as_str() {
        "CustomerCreate" => {
            refused_with(json!([{"field": ["email"], "message": "Email is invalid"}]))
        }
        _ => found(None),
    })
    .await;
    let outcomes = invalid
        .push(Resource::Contact, &[item(None, &[("email", Some("a@"))])])
        .await
        .unwrap();
    assert!(
        matches!(refused(&outcomes[0]), ConnectorError::Permanent { message, .. } if message.contains("email: Email is invalid"))
    );
}

/// Trap: search is behind; what is there and does not show is not made again.
#[tokio::test]
async fn a_company_that_does_not_show_yet_is_waited_for() {
    let rig = Rig::new(|posted| match posted.name.as_str() {
        "CompanyCreate" => refused_with(json!([{"field": ["input", "company", "externalId"], "message": "taken", "code": "TAKEN"}])),
        "CompanyFind" => {
            assert_eq!(posted.variables["query"], "external_id:'contact_01k'");
            // A search may find what only resembles it.
            data(json!({"companies": {"nodes": [{"id": "gid://shopify/Company/1", "externalId": "contact_01"}]}}))
        }
        other => panic!("{other}"),
    })
    .await;
    let error = rig
        .push(
            Resource::Company,
            &[item(None, &[("name", Some("Engines"))])],
        )
        .await
        .unwrap_err();
    assert_eq!(error.code(), "TRANSIENT");
}

#[tokio::test]
async fn each_item_has_its_own_outcome() {
    let rig = Rig::new(|posted| {
        match (
            posted.name.as_str(),
            posted.variables["input"]["id"].as_str(),
        ) {
            ("CustomerUpdate", Some("gid://shopify/Customer/404")) => {
                refused_with(json!([{"field": ["id"], "message": "Customer does not exist"}]))
            }
            ("CustomerUpdate", Some("gid://shopify/Customer/2")) => {
                refused_with(json!([{"field": ["phone"], "message": "Phone is invalid"}]))
            }
            ("CustomerUpdate", Some(id)) => written("Customer", id.rsplit('/').next().unwrap()),
            _ => shown(posted),
        }
    })
    .await;
    let name = [("firstName", Some("x"))];
    let archive = PushItem {
        archive: true,
        ..item(Some("5"), &[])
    };
    let items = [
        item(Some("1"), &name),
        item(Some("2"), &name),
        item(Some("404"), &name),
        item(Some("x"), &name),
        archive,
        item(Some("3"), &[("state", Some("x"))]),
    ];
    let outcomes = rig.push(Resource::Contact, &items).await.unwrap();
    assert_eq!(applied(&outcomes[0]).external_id, "1");
    assert!(
        matches!(refused(&outcomes[1]), ConnectorError::Permanent { message, .. } if message.contains("phone"))
    );
    for place in [2, 3] {
        assert!(matches!(
            refused(&outcomes[place]),
            ConnectorError::NotFound { .. }
        ));
    }
    assert!(permanent(refused(&outcomes[4]), "not_archivable"));
    assert!(permanent(refused(&outcomes[5]), "not_writable"));
    assert!(!rig.asked().iter().any(|name| name.contains("Delete")));
}

#[tokio::test]
async fn a_spent_budget_ends_the_work_and_keeps_what_was_done() {
    let rig = Rig::new(|posted| {
        match (
            posted.name.as_str(),
            posted.variables["input"]["id"].as_str(),
        ) {
            ("CustomerUpdate", Some("gid://shopify/Customer/1")) => written("Customer", "1"),
            ("CustomerUpdate", _) => body(
                &json!({"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]}),
            ),
            _ => shown(posted),
        }
    })
    .await;
    let name = [("firstName", Some("x"))];
    let outcomes = rig
        .push(
            Resource::Contact,
            &[
                item(Some("1"), &name),
                item(Some("2"), &name),
                item(Some("3"), &name),
            ],
        )
        .await
        .unwrap();
    applied(&outcomes[0]);
    assert_eq!(refused(&outcomes[1]), refused(&outcomes[2]));
    assert_eq!(
        rig.asked()
            .iter()
            .filter(|name| *name == "CustomerUpdate")
            .count(),
        2
    );
    let error = rig
        .push(
            Resource::Contact,
            &[item(Some("2"), &name), item(Some("3"), &name)],
        )
        .await
        .unwrap_err();
    assert_eq!(error.code(), "RATE_LIMITED");
}

#[tokio::test]
async fn a_missing_scope_hinders_the_write_and_not_the_connection() {
    let rig = Rig::new(|_| denied(json!(["written"]), json!({"written": null}))).await;
    let outcomes = rig
        .push(
            Resource::Contact,
            &[item(Some("1"), &[("note", Some("x"))])],
        )
        .await
        .unwrap();
    assert!(permanent(refused(&outcomes[0]), "ACCESS_DENIED"));
    for resource in [Resource::Order, Resource::Deal, Resource::Owner] {
        assert!(permanent(
            &rig.push(resource, &[item(Some("1"), &[])])
                .await
                .unwrap_err(),
            "not_writable"
        ));
    }
}

#[tokio::test]
async fn ties_to_companies_are_made_and_taken_away() {
    let rig = Rig::new(|posted| match posted.name.as_str() {
        "CustomerProfiles" => data(json!({"customer": {"companyContactProfiles": [
            {"id": "gid://shopify/CompanyContact/70", "company": {"id": "gid://shopify/Company/7"}},
            {"id": "gid://shopify/CompanyContact/80", "company": {"id": "gid://shopify/Company/8"}}]}})),
        "CompanyContact" if posted.variables["company"] == "gid://shopify/Company/404" => {
            refused_with(json!([{"field": ["companyId"], "message": "gone", "code": "RESOURCE_NOT_FOUND"}]))
        }
        "CompanyContact" => {
            assert_eq!(posted.variables, json!({"company": "gid://shopify/Company/9", "customer": "gid://shopify/Customer/1"}));
            written("CompanyContact", "90")
        }
        "CompanyContactRemove" => {
            assert_eq!(posted.variables, json!({"id": "gid://shopify/CompanyContact/80"}));
            data(json!({"written": {"removedCompanyContactId": "gid://shopify/CompanyContact/80", "userErrors": []}}))
        }
        "CustomersById" => shown(posted),
        other => panic!("{other}"),
    })
    .await;
    let link = |id: &str, labels: &[&str]| RecordLink {
        resource: Resource::Company,
        external_id: id.to_owned(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        primary: true,
    };
    let mut first = item(Some("1"), &[]);
    first.links = vec![link("7", &[]), link("9", &[])];
    first.unlinks = vec![link("8", &[]), link("6", &[])];
    let mut second = item(Some("2"), &[]);
    second.links = vec![link("404", &[])];
    let mut third = item(Some("3"), &[]);
    third.links = vec![link("7", &["Partner"])];
    let outcomes = rig
        .push(Resource::Contact, &[first, second, third])
        .await
        .unwrap();
    applied(&outcomes[0]);
    for place in [1, 2] {
        assert!(
            matches!(
                &outcomes[place],
                PushOutcome::Partly(_, ConnectorError::Permanent { .. })
            ),
            "{:?}",
            outcomes[place]
        );
    }
}

#[tokio::test]
async fn the_metafield_is_defined_once_and_must_be_an_id() {
    let rig = Rig::new(|posted| match posted.name.as_str() {
        "ReferenceDefinition" => data(json!({"metafieldDefinition": null})),
        "ReferenceCreate" => {
            let definition = &posted.variables["definition"];
            assert_eq!((&definition["type"], &definition["ownerType"]), (&json!("id"), &json!("CUSTOMER")));
            data(json!({"written": {"createdDefinition": {"type": {"name": "id"}}, "userErrors": []}}))
        }
        other => panic!("{other}"),
    })
    .await;
    let prepare = |rig: Rig, resource| async move {
        let outcome = rig.shopify.prepare(&rig.context(), resource).await;
        (outcome, rig.asked().len())
    };
    assert_eq!(prepare(rig, Resource::Contact).await, (Ok(()), 2));
    let there = |kind: &'static str| {
        Rig::new(move |_| data(json!({"metafieldDefinition": {"type": {"name": kind}}})))
    };
    assert_eq!(
        prepare(there("id").await, Resource::Contact).await,
        (Ok(()), 1)
    );
    let (outcome, _) = prepare(there("single_line_text_field").await, Resource::Contact).await;
    assert!(permanent(&outcome.unwrap_err(), "reference_metafield"));
    assert_eq!(
        prepare(there("id").await, Resource::Company).await,
        (Ok(()), 0)
    );
    let refuses = Rig::new(|posted| match posted.name.as_str() {
        "ReferenceDefinition" => data(json!({"metafieldDefinition": null})),
        _ => refused_with(
            json!([{"field": ["definition"], "message": "no", "code": "LIMIT_EXCEEDED"}]),
        ),
    })
    .await;
    let (outcome, _) = prepare(refuses, Resource::Contact).await;
    assert!(permanent(&outcome.unwrap_err(), "LIMIT_EXCEEDED"));
}

#[tokio::test]
async fn records_are_found_by_our_reference_or_the_search_fails() {
    let rig = Rig::new(|posted| match posted.name.as_str() {
        "CustomerFind" => {
            let there = posted.variables["identifier"]["customId"]["value"] == "contact_a";
            found(there.then_some("5"))
        }
        _ => shown(posted),
    })
    .await;
    let references = ["contact_a".to_owned(), "contact_b".to_owned()];
    let found = rig
        .shopify
        .find(&rig.context(), Resource::Contact, &references, &[])
        .await
        .unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].0.as_str(), found[0].1.external_id.as_str()),
        ("contact_a", "5")
    );
    for strange in ["", "a' OR '1", "a b", "a\""] {
        let error = rig
            .shopify
            .find(
                &rig.context(),
                Resource::Contact,
                &[strange.to_owned()],
                &[],
            )
            .await;
        assert!(error.is_err(), "{strange}");
    }
    // An account that cannot keep references (any more) is an error, never an empty answer.
    let undefined = Rig::new(|_| body(&json!({"errors": [{"message": "Metafield definition of type 'id' is required", "path": ["customerByIdentifier"]}], "data": {"customerByIdentifier": null}}))).await;
    assert!(
        undefined
            .shopify
            .find(&undefined.context(), Resource::Contact, &references, &[])
            .await
            .is_err()
    );
    let denies = Rig::new(|_| {
        denied(
            json!(["customerByIdentifier"]),
            json!({"customerByIdentifier": null}),
        )
    })
    .await;
    assert!(
        denies
            .shopify
            .find(&denies.context(), Resource::Contact, &references, &[])
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_good_status_alone_is_no_success() {
    for strange in [
        json!({}),
        json!({"data": null}),
        json!({"data": {}}),
        json!({"data": {"written": null}}),
        json!({"data": {"written": {"record": {"id": "x"}, "userErrors": []}}}),
        json!({"data": {"written": {}}}),
    ] {
        let text = strange.to_string();
        let rig = Rig::new(move |_| answer(200, HEADERS, &text)).await;
        for id in [None, Some("1")] {
            match rig
                .push(Resource::Contact, &[item(id, &[("note", Some("x"))])])
                .await
            {
                Ok(outcomes) => {
                    refused(&outcomes[0]);
                }
                Err(error) => assert!(error.is_retryable(), "{strange}: {error}"),
            }
        }
        assert!(
            rig.shopify
                .prepare(&rig.context(), Resource::Contact)
                .await
                .is_err()
                || strange["data"].is_object()
        );
    }
}
