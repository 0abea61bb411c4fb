use std::collections::BTreeMap;
use std::fs;

use sandbox::hubspot::{DEAL_TO_COMPANY, DEAL_TO_PARTNER, DEAL_TO_PRIMARY_COMPANY, LinkType};
use sandbox::{HubSpot, Kind, SandboxError, Source};
use serde_json::json;

use crate::harness::{options, shared, started};

#[tokio::test]
async fn the_real_export_is_counted() {
    let Some(folder) = shared("data/crm") else {
        return;
    };
    let (hubspot, client) = started(options(Source::Crm(folder))).await;
    let store = hubspot.store();
    assert_eq!(
        (store.count(Kind::Companies), store.count(Kind::Contacts)),
        (91, 0)
    );
    assert_eq!(store.count(Kind::Deals), 8800);
    let partners = store.find_by(Kind::Companies, "type", "PARTNER");
    assert_eq!(partners.len(), 6);
    let mut stages: BTreeMap<String, (usize, u64, usize)> = BTreeMap::new();
    for id in store.ids(Kind::Deals) {
        let deal = store.get(Kind::Deals, id).unwrap();
        let (count, sum, known) = stages
            .entry(deal.properties["dealstage"].clone())
            .or_default();
        *count += 1;
        if let Some(amount) = deal.properties.get("amount") {
            *sum += amount.parse::<u64>().unwrap();
            *known += 1;
        }
    }
    assert_eq!(stages["closedwon"], (4238, 10_005_534, 4238));
    assert_eq!(stages["closedlost"], (2473, 0, 2473));
    assert_eq!(stages["engaging"], (1589, 0, 0));
    assert_eq!(stages["prospecting"], (500, 0, 0));
    let deals_of = |company: u64, wanted: LinkType| {
        store
            .ids(Kind::Deals)
            .into_iter()
            .filter(|deal| {
                store
                    .link_types((Kind::Deals, *deal), (Kind::Companies, company))
                    .contains(&wanted)
            })
            .collect::<Vec<u64>>()
    };
    let melvin = store.find_by(Kind::Companies, "name", "Melvin Marxen")[0];
    let deals = deals_of(melvin, DEAL_TO_PARTNER);
    assert_eq!(deals.len(), 1929);
    let won: u64 = deals
        .iter()
        .filter_map(|id| store.get(Kind::Deals, *id))
        .filter(|deal| deal.properties["dealstage"] == "closedwon")
        .map(|deal| deal.properties["amount"].parse::<u64>().unwrap())
        .sum();
    assert_eq!(won, 2_251_930);
    let read = json!({"filterGroups": [{"filters": [{"propertyName": "opportunity_id", "operator": "EQ", "value": "1C1I7A6R"}]}],
        "properties": ["dealname", "amount", "closedate", "createdate", "product", "deal_currency_code", "hubspot_owner_id"]});
    let found = client.search("deals", read).await;
    let deal = &found["results"][0];
    let properties = &deal["properties"];
    assert_eq!(properties["dealname"], "Cancity — GTX Plus Basic");
    assert_eq!(
        (&properties["amount"], &properties["deal_currency_code"]),
        (&json!("1054"), &json!("USD"))
    );
    assert_eq!(properties["closedate"], "2017-03-01T00:00:00Z");
    assert_eq!(properties["createdate"], "2016-10-20T00:00:00Z");
    let owner = client
        .get(&format!(
            "/crm/owners/2026-09/{}",
            properties["hubspot_owner_id"].as_str().unwrap()
        ))
        .await;
    assert_eq!(owner["email"], "moses.frase@sales.example");
    let deal: u64 = deal["id"].as_str().unwrap().parse().unwrap();
    let cancity = store.find_by(Kind::Companies, "name", "Cancity")[0];
    assert_eq!(
        store.link_types((Kind::Deals, deal), (Kind::Companies, cancity)),
        [DEAL_TO_PRIMARY_COMPANY, DEAL_TO_COMPANY]
    );
    let spelled = client
        .search("deals", json!({"filterGroups": [{"filters": [{"propertyName": "product", "operator": "EQ", "value": "GTXPro"}]}]}))
        .await;
    assert_eq!(spelled["total"], 1480);
    let orphans = store
        .ids(Kind::Deals)
        .into_iter()
        .filter(|id| {
            store.get(Kind::Deals, *id).unwrap().properties["dealname"]
                .starts_with(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit())
        })
        .count();
    assert!(orphans > 0);
    assert_eq!(
        client.get("/crm/owners/2026-09").await["results"]
            .as_array()
            .unwrap()
            .len(),
        35
    );
}

const GOOD: [(&str, &str); 4] = [
    (
        "accounts.csv",
        "account,sector,year_established,revenue,employees,office_location,subsidiary_of\r\nAcme,retail,1996,1100.04,2822,Kenya,\r\n",
    ),
    (
        "products.csv",
        "product,series,sales_price\nGTX Pro,GTX,4821\n",
    ),
    (
        "sales_teams.csv",
        "sales_agent,manager,regional_office\nAnn Bee,Cee Dee,East\n",
    ),
    (
        "sales_pipeline.csv",
        "opportunity_id,sales_agent,product,account,deal_stage,engage_date,close_date,close_value\nA1,Ann Bee,GTXPro,Acme,Won,20-10-2016,01-03-2017,1054\nA2,Ann Bee,GTX Pro,null,Engaging,20-10-2016,,0\n",
    ),
];

fn export(changed: &str, from: &str, to: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (file, text) in GOOD {
        let text = if file == changed {
            text.replacen(from, to, 1)
        } else {
            text.to_owned()
        };
        fs::write(folder.path().join(file), text).unwrap();
    }
    folder
}

#[tokio::test]
async fn a_small_export_is_read() {
    let folder = export("", "", "");
    let hubspot = HubSpot::start(options(Source::Crm(folder.path().to_owned())))
        .await
        .unwrap();
    let store = hubspot.store();
    let open = store.find_by(Kind::Deals, "opportunity_id", "A2")[0];
    let open = store.get(Kind::Deals, open).unwrap();
    assert_eq!(open.properties.get("amount"), None);
    assert_eq!(open.properties.get("closedate"), None);
}

#[tokio::test]
async fn malformed_lines_are_named() {
    for (file, from, to, line, says) in [
        (
            "accounts.csv",
            "account,sector",
            "name,sector",
            1,
            "columns",
        ),
        (
            "accounts.csv",
            "1100.04",
            "1,100.04",
            2,
            "8 columns instead of 7",
        ),
        ("accounts.csv", "2822", "many", 2, "employees"),
        ("accounts.csv", "Acme,", ",", 2, "account is empty"),
        ("sales_teams.csv", "Cee Dee", "", 2, "manager is empty"),
        (
            "sales_pipeline.csv",
            "20-10-2016",
            "2016-10-20",
            2,
            "DD-MM-YYYY",
        ),
        (
            "sales_pipeline.csv",
            "01-03-2017",
            "31-02-2017",
            2,
            "close_date",
        ),
        ("sales_pipeline.csv", "1054", "-5", 2, "close_value"),
        ("sales_pipeline.csv", "1054", "abc", 2, "close_value"),
        ("sales_pipeline.csv", "Acme", "Nobody", 2, "accounts.csv"),
        (
            "sales_pipeline.csv",
            "A2,Ann Bee",
            "A2,Ann",
            3,
            "sales_teams.csv",
        ),
        ("sales_pipeline.csv", "A2", "A1", 3, "twice"),
        ("sales_pipeline.csv", "Engaging", "Hoping", 3, "deal_stage"),
        (
            "sales_pipeline.csv",
            "Won,20-10-2016,01-03-2017",
            "Won,20-10-2016,",
            2,
            "close_date",
        ),
        ("products.csv", "4821", "x", 2, "sales_price"),
    ] {
        let folder = export(file, from, to);
        let state = tempfile::tempdir().unwrap();
        let mut asked = options(Source::Crm(folder.path().to_owned()));
        asked.state = Some(state.path().join("portal"));
        let error = HubSpot::start(asked).await.unwrap_err();
        match &error {
            SandboxError::Csv {
                file: named,
                line: at,
                problem,
            } => {
                assert_eq!((named.as_str(), *at), (file, line), "{error}");
                assert!(problem.contains(says), "{error}");
            }
            other => panic!("{other}"),
        }
        assert!(
            !state.path().join("portal/portal.json").exists(),
            "nothing is half imported"
        );
    }
    let missing = tempfile::tempdir().unwrap();
    let error = HubSpot::start(options(Source::Crm(missing.path().to_owned())))
        .await
        .unwrap_err();
    assert!(matches!(error, SandboxError::File { .. }), "{error}");
}
