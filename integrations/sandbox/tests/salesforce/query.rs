use std::time::Duration;

use sandbox::{SalesforceFeatures, SalesforceSource};
use serde_json::{Value, json};

use crate::harness::{DATA, empty, opportunity, options, started, with};

#[tokio::test]
async fn a_query_answers_what_it_is_asked() {
    let (salesforce, client) = empty().await;
    let store = salesforce.store();
    let (account, deal) = opportunity(&salesforce, "O'Hara & \"Söhne\" \\ 1");
    store
        .update("Opportunity", &deal, json!({"Amount": 12_345_678.9}))
        .unwrap();
    let other = opportunity(&salesforce, "Second").1;
    store
        .update(
            "Opportunity",
            &other,
            json!({"Amount": "1500", "StageName": "Closed Won"}),
        )
        .unwrap();
    let soql = "SELECT Id, Name, Amount, Account.Name, Account.Owner.Name, Owner.Email, SystemModstamp FROM Opportunity \
                WHERE Name = 'O\\'Hara & \"Söhne\" \\\\ 1'";
    let (status, body) = client.ask("query", soql).await;
    assert_eq!(status, 200, "{body}");
    assert_eq!(
        (&body["totalSize"], &body["done"]),
        (&json!(1), &json!(true))
    );
    let row = &body["records"][0];
    assert_eq!(row["Id"], json!(deal));
    assert_eq!(
        row["attributes"]["url"],
        json!(format!("{DATA}/sobjects/Opportunity/{deal}"))
    );
    assert_eq!(row["Account"]["Name"], "Customer");
    assert_eq!(row["Account"]["Owner"]["Name"], "Dana Admin");
    assert_eq!(row["Owner"]["Email"], "admin@org.example");
    let stamp = row["SystemModstamp"].as_str().unwrap();
    assert!(stamp.ends_with(".000+0000"), "{stamp}");
    let raw = client
        .request(
            "GET",
            &format!("{DATA}/query?q=SELECT+Amount+FROM+Opportunity+ORDER+BY+Amount"),
        )
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        raw.contains("\"Amount\":1500.0}") && raw.contains("\"Amount\":1.23456789E7}"),
        "{raw}"
    );
    let short = &account[..15];
    for (condition, found) in [
        (format!("AccountId = '{account}'"), vec![&deal]),
        (
            format!("AccountId IN ('{short}', '001000000000000')"),
            vec![&deal],
        ),
        (format!("Id > '{deal}'"), vec![&other]),
        ("IsWon = true".to_owned(), vec![&other]),
        (
            "Amount >= 1500 AND Amount < 1500.01".to_owned(),
            vec![&other],
        ),
        (
            "(Amount > 1e7 OR StageName = 'closed won') AND IsDeleted = false".to_owned(),
            vec![&deal, &other],
        ),
        ("NOT (Name LIKE 'sec%')".to_owned(), vec![&deal]),
        (
            "Name NOT IN ('Second') AND CloseDate = 2026-12-24".to_owned(),
            vec![&deal],
        ),
        (
            "Account.Name = 'CUSTOMER' AND NextStep = null".to_owned(),
            vec![&deal, &other],
        ),
        (
            "CreatedDate > 2020-01-01T00:00:00Z AND CreatedDate < 2099-01-01T00:00:00.000+02:00"
                .to_owned(),
            vec![&deal, &other],
        ),
        ("CloseDate != 2026-12-24".to_owned(), vec![]),
    ] {
        let soql = format!("SELECT Id FROM Opportunity WHERE {condition} ORDER BY Id");
        assert_eq!(
            client.column(&soql, "Id").await.iter().collect::<Vec<_>>(),
            found,
            "{condition}"
        );
    }
    let count = client
        .ask("query", "SELECT COUNT() FROM Opportunity")
        .await
        .1;
    assert_eq!(count, json!({"totalSize": 2, "done": true, "records": []}));
    let named = client
        .column(
            "select id, name from account order by name desc nulls last, id limit 1 offset 1",
            "Name",
        )
        .await;
    assert_eq!(named, ["Customer"]);
}

#[tokio::test]
async fn children_and_missing_parents_are_shown() {
    let (salesforce, client) = empty().await;
    let store = salesforce.store();
    let (_, deal) = opportunity(&salesforce, "Deal");
    let partner = store.create("Account", json!({"Name": "Partner"})).unwrap();
    store
        .add_partner(&deal, &partner, "System Integrator", true)
        .unwrap();
    let fields = json!({"Name": "Alone", "StageName": "Prospecting", "CloseDate": "2026-01-01"});
    store.create("Opportunity", fields).unwrap();
    let rows = client
        .query(
            "SELECT Name, Account.Name, (SELECT AccountToId, AccountTo.Name, Role, IsPrimary FROM OpportunityPartnersFrom) \
             FROM Opportunity ORDER BY Name",
        )
        .await;
    assert_eq!(
        (&rows[0]["Account"], &rows[0]["OpportunityPartnersFrom"]),
        (&Value::Null, &Value::Null)
    );
    let partners = &rows[1]["OpportunityPartnersFrom"];
    assert_eq!(partners["totalSize"], 1);
    assert_eq!(partners["records"][0]["AccountTo"]["Name"], "Partner");
    assert_eq!(partners["records"][0]["AccountToId"], json!(partner));
}

#[tokio::test]
async fn a_bad_query_is_refused_with_its_code() {
    let (_salesforce, client) = empty().await;
    for (soql, code) in [
        ("", "MALFORMED_QUERY"),
        ("SELECT", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account WHERE", "MALFORMED_QUERY"),
        (
            "SELECT Id FROM Account WHERE Name = 'a' AND Name = 'b' OR Name = 'c'",
            "MALFORMED_QUERY",
        ),
        (
            "SELECT Id FROM Account WHERE Name = 'open",
            "MALFORMED_QUERY",
        ),
        (
            "SELECT Id FROM Account WHERE Name = 'a\\q'",
            "MALFORMED_QUERY",
        ),
        ("SELECT Id FROM Account LIMIT many", "MALFORMED_QUERY"),
        ("SELECT Id, Id FROM Account", "MALFORMED_QUERY"),
        ("SELECT Id FROM Account; DROP", "MALFORMED_QUERY"),
        (
            "SELECT Id FROM Account WHERE SystemModstamp > 2026-11-01T10:00:00.000 0000",
            "MALFORMED_QUERY",
        ),
        ("SELECT Foo FROM Account", "INVALID_FIELD"),
        ("SELECT Foo.Name FROM Account", "INVALID_FIELD"),
        ("SELECT CurrencyIsoCode FROM Opportunity", "INVALID_FIELD"),
        ("SELECT Id FROM Account WHERE Foo = 1", "INVALID_FIELD"),
        (
            "SELECT Id FROM Account WHERE SystemModstamp > '2026-11-01T10:00:00Z'",
            "INVALID_FIELD",
        ),
        ("SELECT Id FROM Account WHERE Name = 5", "INVALID_FIELD"),
        (
            "SELECT Id FROM Account WHERE IsDeleted = 'true'",
            "INVALID_FIELD",
        ),
        (
            "SELECT Id FROM Account WHERE Description = 'x'",
            "INVALID_FIELD",
        ),
        (
            "SELECT Id FROM Account WHERE Id = 'nonsense'",
            "INVALID_QUERY_FILTER_OPERATOR",
        ),
        (
            "SELECT Id FROM Opportunity WHERE Amount LIKE '5'",
            "INVALID_QUERY_FILTER_OPERATOR",
        ),
        ("SELECT Id FROM Nothing", "INVALID_TYPE"),
        (
            "SELECT (SELECT Id FROM Nothings) FROM Account",
            "INVALID_TYPE",
        ),
    ] {
        let (status, found, message) = client.query_error(soql).await;
        assert_eq!((status, found.as_str()), (400, code), "{soql}: {message}");
    }
    let (_, _, message) = client.query_error("SELECT Foo FROM Account").await;
    assert!(message.starts_with("\nSELECT Foo FROM Account\n       ^\nERROR at Row:1:Column:8\nNo such column 'Foo' on entity 'Account'."), "{message}");
    // A plus that was not escaped is a space.
    let path = format!(
        "{DATA}/query?q=SELECT+Id+FROM+Account+WHERE+CreatedDate>2026-01-01T00:00:00+02:00"
    );
    assert_eq!(
        client.send("GET", &path, None).await.1[0]["errorCode"],
        "MALFORMED_QUERY"
    );
    let long = format!("{DATA}/query?q={}", "x".repeat(17_000));
    assert_eq!(client.send("GET", &long, None).await.0, 414);
}

#[tokio::test]
async fn pages_hold_every_record_once() {
    let mut small = options(SalesforceSource::Generated { opportunities: 450 });
    small.limits.query_page = 100;
    let (salesforce, client) = started(small).await;
    let (_, mut page) = client
        .ask(
            "query",
            "SELECT Id FROM Opportunity ORDER BY SystemModstamp, Id",
        )
        .await;
    assert_eq!(page["totalSize"], 450);
    let mut seen = Vec::new();
    loop {
        seen.extend(
            page["records"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row["Id"].clone()),
        );
        let Some(next) = page["nextRecordsUrl"].as_str() else {
            break;
        };
        assert_eq!(page["done"], false);
        assert!(next.starts_with(&format!("{DATA}/query/01g")), "{next}");
        page = client.get(next).await;
    }
    assert_eq!(page["done"], true);
    let expected: Vec<Value> = salesforce
        .store()
        .ids("Opportunity")
        .into_iter()
        .map(Value::from)
        .collect();
    assert_eq!(seen.len(), 450);
    let mut sorted = seen.clone();
    sorted.sort_by_key(|id| id.as_str().unwrap().to_owned());
    assert_eq!(sorted, expected);
    let (status, body) = client
        .send("GET", &format!("{DATA}/query/01gSb0000000000AAA-100"), None)
        .await;
    assert_eq!(
        (status, &body[0]["errorCode"]),
        (400, &json!("INVALID_QUERY_LOCATOR"))
    );
}

#[tokio::test]
async fn a_caller_may_ask_for_smaller_pages() {
    let (_salesforce, client) =
        started(options(SalesforceSource::Generated { opportunities: 450 })).await;
    let ask = |header: &'static str| {
        client
            .request("GET", &format!("{DATA}/query?q=SELECT+Id+FROM+Opportunity"))
            .header("Sforce-Query-Options", header)
            .send()
    };
    let page: Value = ask("batchSize=10").await.unwrap().json().await.unwrap();
    assert_eq!(
        page["records"].as_array().unwrap().len(),
        200,
        "no page is smaller"
    );
    assert_eq!(ask("pages=few").await.unwrap().status(), 400);
}

#[tokio::test]
async fn ties_are_walked_by_time_and_id() {
    let (salesforce, client) =
        started(options(SalesforceSource::Generated { opportunities: 300 })).await;
    salesforce
        .store()
        .stamp_all("Opportunity", 1_790_000_000_500);
    let (mut time, mut id) = (
        "2000-01-01T00:00:00Z".to_owned(),
        "000000000000000".to_owned(),
    );
    let mut seen = Vec::new();
    loop {
        let rows = client
            .query(&format!(
                "SELECT Id, SystemModstamp FROM Opportunity WHERE SystemModstamp > {time} \
                 OR (SystemModstamp = {time} AND Id > '{id}') ORDER BY SystemModstamp ASC, Id ASC LIMIT 70"
            ))
            .await;
        let Some(last) = rows.last() else {
            break;
        };
        time = last["SystemModstamp"]
            .as_str()
            .unwrap()
            .replace("+0000", "Z");
        id = last["Id"].as_str().unwrap().to_owned();
        seen.extend(
            rows.iter()
                .map(|row| row["Id"].as_str().unwrap().to_owned()),
        );
    }
    assert_eq!(time, "2026-09-21T14:13:20.000Z", "times have whole seconds");
    assert_eq!(seen, salesforce.store().ids("Opportunity"));
}

#[tokio::test]
async fn rows_become_visible_late_when_the_org_is_slow() {
    let (salesforce, client) = empty().await;
    let (_, deal) = opportunity(&salesforce, "Before");
    salesforce.faults(|faults| faults.index_lag_ms = Some(60_000));
    salesforce
        .store()
        .update("Opportunity", &deal, json!({"Name": "After"}))
        .unwrap();
    opportunity(&salesforce, "New");
    let names = "SELECT Name FROM Opportunity ORDER BY Name";
    assert_eq!(client.column(names, "Name").await, ["Before"]);
    let direct = client
        .get(&format!("{DATA}/sobjects/Opportunity/{deal}?fields=Name"))
        .await;
    assert_eq!(
        direct["Name"], "After",
        "a record asked for by its id is as it is"
    );
    salesforce.clock().advance(Duration::from_secs(61));
    assert_eq!(client.column(names, "Name").await, ["After", "New"]);
}

#[tokio::test]
async fn currencies_exist_in_orgs_that_have_several() {
    let features = SalesforceFeatures {
        multi_currency: true,
        reference_field: false,
        ..SalesforceFeatures::default()
    };
    let (salesforce, client) = with(features).await;
    opportunity(&salesforce, "Deal");
    assert_eq!(
        client
            .column("SELECT CurrencyIsoCode FROM Opportunity", "CurrencyIsoCode")
            .await,
        ["USD"]
    );
    let corporate = client
        .column(
            "SELECT IsoCode FROM CurrencyType WHERE IsCorporate = TRUE",
            "IsoCode",
        )
        .await;
    assert_eq!(corporate, ["USD"]);
    let described = client
        .get(&format!("{DATA}/sobjects/Opportunity/describe"))
        .await;
    let field = |name: &str| {
        let fields = described["fields"].as_array().unwrap();
        fields.iter().find(|field| field["name"] == name).cloned()
    };
    assert_eq!(field("Entente_Reference__c"), None);
    let code = field("CurrencyIsoCode").unwrap();
    assert_eq!(code["picklistValues"][0]["value"], "USD");
    let bad = client
        .send(
            "POST",
            &format!("{DATA}/sobjects/Account"),
            Some(json!({"Name": "A", "CurrencyIsoCode": "XXX"})),
        )
        .await;
    assert_eq!(
        (bad.0, &bad.1[0]["errorCode"]),
        (400, &json!("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"))
    );
    let error = client
        .query_error("SELECT Entente_Reference__c FROM Account")
        .await;
    assert_eq!(error.1, "INVALID_FIELD");
}
