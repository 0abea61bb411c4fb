//! Contacts: people of a partner or of a customer, whose values never enter the event log.

use serde_json::json;
use tests::TestApp;

const ROW: &str = "contact { id version name email phone title roles partner { name } customer { name } archivedAt }";

#[tokio::test]
async fn a_person_works_for_a_partner_or_for_a_customer_not_for_both() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let partner = app
        .mutate(
            &token,
            "createPartner",
            json!({ "name": "Acme" }),
            "partner { id }",
        )
        .await
        .text("/createPartner/partner/id");
    let customer = app
        .mutate(
            &token,
            "createCustomer",
            json!({ "name": "Globex" }),
            "customer { id }",
        )
        .await
        .text("/createCustomer/customer/id");
    let input = json!({ "name": "Ada", "email": "ada@acme.com", "phone": "+47 1", "title": "CTO", "roles": ["technical"], "partnerId": partner });
    let made = app.mutate(&token, "createContact", input, ROW).await;
    let row = made.at("/createContact/contact").clone();
    assert_eq!(
        row,
        json!({
            "id": row["id"], "version": 1, "name": "Ada", "email": "ada@acme.com", "phone": "+47 1", "title": "CTO", "roles": ["technical"],
            "partner": { "name": "Acme" }, "customer": null, "archivedAt": null,
        })
    );
    let both = app
        .mutate(
            &token,
            "createContact",
            json!({ "name": "B", "partnerId": partner, "customerId": customer }),
            ROW,
        )
        .await;
    assert_eq!(both.refusals("createContact"), ["INVALID customerId"]);
    let too = app
        .mutate(
            &token,
            "updateContact",
            json!({ "id": row["id"], "customerId": customer }),
            ROW,
        )
        .await;
    assert_eq!(too.refusals("updateContact"), ["INVALID customerId"]);
    let moved = app
        .mutate(
            &token,
            "updateContact",
            json!({ "id": row["id"], "customerId": customer, "partnerId": null }),
            ROW,
        )
        .await;
    assert_eq!(
        moved.at("/updateContact/contact/customer/name"),
        &json!("Globex")
    );
    assert_eq!(moved.at("/updateContact/contact/partner"), &json!(null));
    for email in ["ada", "@acme.com", "ada@", "a da@acme.com", "a@b@c"] {
        let refused = app
            .mutate(
                &token,
                "createContact",
                json!({ "name": "C", "email": email }),
                ROW,
            )
            .await;
        assert_eq!(
            refused.refusals("createContact"),
            ["INVALID email"],
            "{email}"
        );
    }
    let nowhere = app
        .mutate(
            &token,
            "createContact",
            json!({ "name": "D", "partnerId": "partner_01h2xcejqtf2nbrexx3vqjhp41" }),
            ROW,
        )
        .await;
    assert_eq!(nowhere.refusals("createContact"), ["NOT_FOUND partnerId"]);
    app.finish().await;
}

/// Erasing a person must leave the log intact, so no personal value may be in it.
#[tokio::test]
async fn the_log_names_the_fields_of_a_person_and_keeps_no_value() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let input =
        json!({ "name": "Zebulon", "email": "zebulon@secret.example", "phone": "555-0100" });
    let id = app
        .mutate(&token, "createContact", input, ROW)
        .await
        .text("/createContact/contact/id");
    let changed = app
        .mutate(
            &token,
            "updateContact",
            json!({ "id": id, "name": "Zacharias", "phone": null }),
            ROW,
        )
        .await;
    assert_eq!(changed.refusals("updateContact"), Vec::<String>::new());
    let events = app
        .ask(
            &token,
            "{ events { edges { node { type subjectId data } } } }",
        )
        .await;
    assert_eq!(
        events.texts("/events/edges", "/node/type"),
        ["contact.created", "contact.updated"]
    );
    let text = events.body.to_string();
    for value in ["Zebulon", "Zacharias", "secret.example", "555-0100"] {
        assert!(!text.contains(value), "{text}");
    }
    assert!(
        text.contains("\"name\"") && text.contains("\"phone\""),
        "{text}"
    );
    app.finish().await;
}
