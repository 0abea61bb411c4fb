use sandbox::SalesforceFeatures;
use sandbox::salesforce::{DuplicateRule, FieldKind, Rules, SalesforceField, ValidationRule};
use serde_json::{Value, json};

use crate::harness::{DATA, empty, opportunity, with};

#[tokio::test]
async fn a_record_is_created_read_changed_and_deleted() {
    let (_salesforce, client) = empty().await;
    let id = client
        .create(
            "Account",
            json!({"Name": "One", "Website": "https://one.example"}),
        )
        .await;
    assert_eq!(id.len(), 18);
    let path = format!("{DATA}/sobjects/Account/{id}");
    let shown = client
        .get(&format!(
            "{DATA}/sobjects/Account/{}?fields=Name,Website,OwnerId",
            &id[..15]
        ))
        .await;
    assert_eq!(shown["Website"], "https://one.example");
    assert!(shown["OwnerId"].as_str().unwrap().starts_with("005"));
    let (status, _) = client
        .send(
            "PATCH",
            &path,
            Some(json!({"Name": "Two", "Website": null})),
        )
        .await;
    assert_eq!(status, 204);
    let whole = client.get(&path).await;
    assert_eq!(
        (&whole["Name"], &whole["Website"]),
        (&json!("Two"), &Value::Null)
    );
    assert_eq!(client.send("DELETE", &path, None).await.0, 204);
    for (method, body) in [
        ("GET", None),
        ("PATCH", Some(json!({"Name": "x"}))),
        ("DELETE", None),
    ] {
        let (status, answer) = client.send(method, &path, body).await;
        assert_eq!(
            (status, answer),
            (
                404,
                json!([{"message": "entity is deleted", "errorCode": "ENTITY_IS_DELETED"}])
            ),
            "{method}"
        );
    }
    let (status, answer) = client
        .send(
            "GET",
            &format!("{DATA}/sobjects/Account/001000000000001"),
            None,
        )
        .await;
    assert_eq!(
        (status, &answer[0]["errorCode"]),
        (404, &json!("NOT_FOUND"))
    );
}

#[tokio::test]
async fn a_write_is_refused_with_its_code() {
    let (salesforce, client) = empty().await;
    let (account, deal) = opportunity(&salesforce, "Deal");
    let gone = client.create("Account", json!({"Name": "Gone"})).await;
    salesforce.store().delete("Account", &gone).unwrap();
    let long = "x".repeat(256);
    for (object, fields, code, about) in [
        ("Account", json!({}), "REQUIRED_FIELD_MISSING", "Name"),
        (
            "Account",
            json!({"Name": ""}),
            "REQUIRED_FIELD_MISSING",
            "Name",
        ),
        ("Account", json!({"Name": long}), "STRING_TOO_LONG", "Name"),
        (
            "Account",
            json!({"Name": "A", "CreatedDate": "2026-01-01T00:00:00Z"}),
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            "CreatedDate",
        ),
        (
            "Account",
            json!({"Name": "A", "NoSuch": 1}),
            "INVALID_FIELD",
            "",
        ),
        (
            "Account",
            json!({"Name": "A", "ParentId": "nonsense"}),
            "MALFORMED_ID",
            "ParentId",
        ),
        (
            "Account",
            json!({"Name": "A", "ParentId": deal}),
            "FIELD_INTEGRITY_EXCEPTION",
            "ParentId",
        ),
        (
            "Account",
            json!({"Name": "A", "ParentId": "001000000000001"}),
            "INVALID_CROSS_REFERENCE_KEY",
            "ParentId",
        ),
        (
            "Account",
            json!({"Name": "A", "ParentId": gone}),
            "ENTITY_IS_DELETED",
            "ParentId",
        ),
        (
            "Contact",
            json!({"LastName": "A", "Email": "nonsense"}),
            "INVALID_EMAIL_ADDRESS",
            "Email",
        ),
        (
            "Opportunity",
            json!({"Name": "A", "StageName": "Prospecting"}),
            "REQUIRED_FIELD_MISSING",
            "CloseDate",
        ),
        (
            "Opportunity",
            json!({"Name": "A", "StageName": "Prospecting", "CloseDate": "24.12.2026"}),
            "JSON_PARSER_ERROR",
            "",
        ),
        (
            "Opportunity",
            json!({"Name": "A", "StageName": "Prospecting", "CloseDate": "2026-12-24", "Amount": "many"}),
            "JSON_PARSER_ERROR",
            "",
        ),
        (
            "Opportunity",
            json!({"Name": "A", "StageName": "Prospecting", "CloseDate": "2026-12-24", "IsWon": true}),
            "INVALID_FIELD_FOR_INSERT_UPDATE",
            "IsWon",
        ),
        (
            "User",
            json!({"LastName": "A"}),
            "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY",
            "",
        ),
    ] {
        let before = salesforce.store().count(object);
        let (status, answer) = client
            .send(
                "POST",
                &format!("{DATA}/sobjects/{object}"),
                Some(fields.clone()),
            )
            .await;
        assert!((400..=404).contains(&status), "{fields}: {answer}");
        assert_eq!(answer[0]["errorCode"], code, "{fields}: {answer}");
        assert_eq!(
            answer[0]["fields"][0].as_str().unwrap_or_default(),
            about,
            "{answer}"
        );
        assert_eq!(salesforce.store().count(object), before);
    }
    let (status, answer) = client
        .send("POST", &format!("{DATA}/sobjects/Nothing"), Some(json!({})))
        .await;
    assert_eq!(
        (status, &answer[0]["errorCode"]),
        (404, &json!("NOT_FOUND"))
    );
    let partner = salesforce
        .store()
        .add_partner(&deal, &account, "Agency", false)
        .unwrap();
    let path = format!("{DATA}/sobjects/OpportunityPartner/{partner}");
    assert_eq!(
        client
            .send("PATCH", &path, Some(json!({"Role": "Broker"})))
            .await
            .0,
        400,
        "it is not changed, only replaced"
    );
    assert_eq!(client.send("DELETE", &path, None).await.0, 204);
}

#[tokio::test]
async fn an_external_id_finds_changes_and_makes() {
    let (salesforce, client) = empty().await;
    let path = format!("{DATA}/sobjects/Account/Entente_Reference__c/p-1");
    let (status, made) = client
        .send("PATCH", &path, Some(json!({"Name": "One"})))
        .await;
    assert_eq!((status, &made["created"]), (201, &json!(true)));
    let (status, again) = client
        .send(
            "PATCH",
            &path.replace("p-1", "P-1"),
            Some(json!({"Name": "Two"})),
        )
        .await;
    assert_eq!(
        (status, &again["created"], &again["id"]),
        (200, &json!(false), &made["id"])
    );
    assert_eq!(client.get(&path).await["Name"], "Two");
    assert_eq!(salesforce.store().count("Account"), 1);
    let (status, answer) = client
        .send(
            "POST",
            &format!("{DATA}/sobjects/Account"),
            Some(json!({"Name": "A", "Entente_Reference__c": "p-1"})),
        )
        .await;
    assert_eq!(
        (status, &answer[0]["errorCode"]),
        (400, &json!("DUPLICATE_VALUE"))
    );
    let nested = json!({
        "Name": "D", "StageName": "Prospecting", "CloseDate": "2026-12-24", "Account": {"Entente_Reference__c": "p-1"},
    });
    let deal = client.create("Opportunity", nested.clone()).await;
    assert_eq!(
        client
            .get(&format!("{DATA}/sobjects/Opportunity/{deal}"))
            .await["AccountId"],
        made["id"]
    );
    let mut lost = nested;
    lost["Account"]["Entente_Reference__c"] = json!("p-2");
    let (status, answer) = client
        .send("POST", &format!("{DATA}/sobjects/Opportunity"), Some(lost))
        .await;
    assert_eq!(
        (status, &answer[0]["errorCode"]),
        (400, &json!("INVALID_FIELD"))
    );
    assert_eq!(client.send("DELETE", &path, None).await.0, 204);
    assert_eq!(client.send("GET", &path, None).await.0, 404);
    let (status, answer) = client
        .send("PATCH", &path, Some(json!({"Name": "New"})))
        .await;
    assert_eq!(
        status, 201,
        "a deleted record no longer has its id: {answer}"
    );
}

#[tokio::test]
async fn an_external_id_that_several_records_share_is_told() {
    let (salesforce, client) = empty().await;
    let shared = SalesforceField::new("Shared__c", FieldKind::String).external_id(false);
    assert!(salesforce.store().define_field("Account", shared));
    for name in ["A", "B"] {
        client
            .create("Account", json!({"Name": name, "Shared__c": "s"}))
            .await;
    }
    let path = format!("{DATA}/sobjects/Account/Shared__c/s");
    let (status, answer) = client
        .send("PATCH", &path, Some(json!({"Name": "C"})))
        .await;
    assert_eq!((status, answer.as_array().unwrap().len()), (300, 2));
    let absent = format!("{DATA}/sobjects/Account/Absent__c/s");
    let (status, answer) = client
        .send("PATCH", &absent, Some(json!({"Name": "C"})))
        .await;
    assert_eq!(
        (status, &answer[0]["errorCode"]),
        (404, &json!("NOT_FOUND"))
    );
}

#[tokio::test]
async fn stages_mean_something_and_primary_partners_are_alone() {
    let (salesforce, client) = empty().await;
    let store = salesforce.store();
    let (account, deal) = opportunity(&salesforce, "Deal");
    let path = format!("{DATA}/sobjects/Opportunity/{deal}");
    assert_eq!(client.get(&path).await["Probability"].as_f64(), Some(10.0));
    client
        .send("PATCH", &path, Some(json!({"StageName": "Closed Won"})))
        .await;
    let shown = client.get(&path).await;
    assert_eq!(
        (
            &shown["IsClosed"],
            &shown["IsWon"],
            shown["Probability"].as_f64()
        ),
        (&json!(true), &json!(true), Some(100.0))
    );
    let stages = client
        .column(
            "SELECT ApiName FROM OpportunityStage WHERE IsActive = true ORDER BY SortOrder",
            "ApiName",
        )
        .await;
    assert_eq!((stages.len(), stages[8].as_str()), (10, "Closed Won"));
    let first = store.add_partner(&deal, &account, "Agency", true).unwrap();
    let made =
        json!({"OpportunityId": deal, "AccountToId": account, "Role": "Broker", "IsPrimary": true});
    let second = client.create("OpportunityPartner", made).await;
    let primary = client
        .column(
            "SELECT Id FROM OpportunityPartner WHERE IsPrimary = true",
            "Id",
        )
        .await;
    assert_eq!(primary, [second]);
    assert!(store.get("OpportunityPartner", &first).is_some());
}

#[tokio::test]
async fn the_admins_rules_bind_the_api_and_not_a_person() {
    let (salesforce, client) = empty().await;
    let store = salesforce.store();
    let (account, deal) = opportunity(&salesforce, "Deal");
    store.set_rules(Rules {
        validation: vec![ValidationRule {
            object: "Opportunity".to_owned(),
            requires: "NextStep".to_owned(),
            when: Some(("StageName".to_owned(), "Closed Lost".to_owned())),
            message: "Say why it was lost".to_owned(),
        }],
        duplicates: vec![DuplicateRule {
            object: "Account".to_owned(),
            field: "Name".to_owned(),
            blocks: false,
        }],
        ..Rules::default()
    });
    let path = format!("{DATA}/sobjects/Opportunity/{deal}");
    let (status, answer) = client
        .send("PATCH", &path, Some(json!({"StageName": "Closed Lost"})))
        .await;
    assert_eq!(
        (status, answer),
        (
            400,
            json!([{"message": "Say why it was lost", "errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "fields": ["NextStep"]}])
        )
    );
    assert_eq!(client.get(&path).await["StageName"], "Prospecting");
    store
        .update("Opportunity", &deal, json!({"StageName": "Closed Lost"}))
        .unwrap();
    let create = |header: &'static str| {
        let request = client
            .request("POST", &format!("{DATA}/sobjects/Account"))
            .json(&json!({"Name": "CUSTOMER"}));
        request
            .header("Sforce-Duplicate-Rule-Header", header)
            .send()
    };
    let answer = create("allowSave=false").await.unwrap();
    assert_eq!(answer.status(), 400);
    assert_eq!(
        answer.json::<Value>().await.unwrap()[0]["errorCode"],
        "DUPLICATES_DETECTED"
    );
    assert_eq!(
        create("allowSave=true; runAsCurrentUser=true")
            .await
            .unwrap()
            .status(),
        201
    );
    store.lock_row(&account, 1);
    let path = format!("{DATA}/sobjects/Account/{account}");
    let (status, answer) = client
        .send("PATCH", &path, Some(json!({"Phone": "1"})))
        .await;
    assert_eq!(
        (status, &answer[0]["errorCode"]),
        (400, &json!("UNABLE_TO_LOCK_ROW"))
    );
}

#[tokio::test]
async fn an_org_says_what_it_is_made_of() {
    let (salesforce, client) = empty().await;
    let versions = crate::harness::http()
        .get(salesforce.url().join("/services/data/").unwrap())
        .send()
        .await
        .unwrap();
    let versions: Value = versions.json().await.unwrap();
    let last = versions.as_array().unwrap().last().unwrap();
    assert_eq!(
        last,
        &json!({"label": "Winter '27", "url": "/services/data/v68.0", "version": "68.0"})
    );
    assert_eq!(
        client
            .send("GET", "/services/data/v30.0/sobjects", None)
            .await
            .0,
        410
    );
    assert_eq!(
        client
            .send("GET", "/services/data/v69.0/sobjects", None)
            .await
            .0,
        404
    );
    let described = client
        .get(&format!("{DATA}/sobjects/opportunity/describe"))
        .await;
    let field = |name: &str| {
        let fields = described["fields"].as_array().unwrap();
        fields
            .iter()
            .find(|field| field["name"] == name)
            .unwrap()
            .clone()
    };
    assert_eq!(
        (&field("CloseDate")["type"], &field("CloseDate")["nillable"]),
        (&json!("date"), &json!(false))
    );
    assert_eq!(field("AccountId")["referenceTo"], json!(["Account"]));
    assert_eq!(field("AccountId")["relationshipName"], "Account");
    assert_eq!(
        field("StageName")["picklistValues"][8]["value"],
        "Closed Won"
    );
    let reference = field("Entente_Reference__c");
    assert_eq!(
        (
            &reference["externalId"],
            &reference["unique"],
            &reference["custom"]
        ),
        (&json!(true), &json!(true), &json!(true))
    );
    assert_eq!(field("PartnerAccountId")["updateable"], false);
    let objects = client.get(&format!("{DATA}/sobjects")).await;
    let partner = objects["sobjects"]
        .as_array()
        .unwrap()
        .iter()
        .find(|o| o["name"] == "OpportunityPartner")
        .unwrap();
    assert_eq!(
        (
            &partner["createable"],
            &partner["updateable"],
            &partner["replicateable"]
        ),
        (&json!(true), &json!(false), &json!(false))
    );
    let organization = client.query("SELECT Id, Name FROM Organization").await;
    assert_eq!(organization[0]["Id"], json!(salesforce.tenant()));
}

#[tokio::test]
async fn a_person_account_is_an_account_and_a_contact() {
    let features = SalesforceFeatures {
        person_accounts: true,
        ..SalesforceFeatures::default()
    };
    let (salesforce, client) = with(features).await;
    let person = client.create("Account", json!({"FirstName": "Ada", "LastName": "Lovelace", "PersonEmail": "ada@people.example"})).await;
    let row = &client
        .query("SELECT Name, IsPersonAccount, PersonContactId FROM Account")
        .await[0];
    assert_eq!(
        (&row["Name"], &row["IsPersonAccount"]),
        (&json!("Ada Lovelace"), &json!(true))
    );
    let contact = &client
        .query("SELECT Id, Email, AccountId, IsPersonAccount FROM Contact")
        .await[0];
    assert_eq!(
        (&contact["Id"], &contact["AccountId"]),
        (&row["PersonContactId"], &json!(person))
    );
    let path = format!("{DATA}/sobjects/Account/{person}");
    client
        .send(
            "PATCH",
            &path,
            Some(json!({"PersonEmail": "a@people.example"})),
        )
        .await;
    assert_eq!(
        client.column("SELECT Email FROM Contact", "Email").await,
        ["a@people.example"]
    );
    assert_eq!(salesforce.store().count("Contact"), 1);
}
