use sandbox::Kind;
use sandbox::hubspot::{DEAL_TO_COMPANY, DEAL_TO_PARTNER, DEAL_TO_PRIMARY_COMPANY};
use serde_json::{Value, json};

use crate::harness::empty;

#[tokio::test]
async fn a_batch_read_tells_types_and_what_has_none() {
    let (hubspot, client) = empty().await;
    let store = hubspot.store();
    let customer = store
        .create(Kind::Companies, &[("name", "Customer")])
        .unwrap();
    let partner = store
        .create(Kind::Companies, &[("name", "Partner")])
        .unwrap();
    let deal = store.create(Kind::Deals, &[("dealname", "D")]).unwrap();
    let lonely = store.create(Kind::Deals, &[("dealname", "L")]).unwrap();
    store
        .associate(
            (Kind::Deals, deal),
            (Kind::Companies, customer),
            DEAL_TO_PRIMARY_COMPANY,
        )
        .unwrap();
    store
        .associate(
            (Kind::Deals, deal),
            (Kind::Companies, partner),
            DEAL_TO_PARTNER,
        )
        .unwrap();
    let inputs = json!({"inputs": [{"id": deal.to_string()}, {"id": lonely.to_string()}]});
    let (status, body) = client
        .post(
            "/crm/associations/2026-09/deals/companies/batch/read",
            inputs.clone(),
        )
        .await;
    assert_eq!(status, 207);
    assert_eq!(body["results"][0]["from"], json!({"id": deal.to_string()}));
    assert_eq!(
        body["results"][0]["to"],
        json!([
            {"toObjectId": customer.to_string(), "associationTypes": [
                {"category": "HUBSPOT_DEFINED", "typeId": 5, "label": "Primary"},
                {"category": "HUBSPOT_DEFINED", "typeId": 341, "label": null},
            ]},
            {"toObjectId": partner.to_string(), "associationTypes": [
                {"category": "HUBSPOT_DEFINED", "typeId": 341, "label": null},
                {"category": "USER_DEFINED", "typeId": 11, "label": "Partner"},
            ]},
        ])
    );
    assert_eq!(
        body["errors"][0]["subCategory"],
        "crm.associations.NO_ASSOCIATIONS_FOUND"
    );
    assert_eq!(
        body["errors"][0]["context"]["fromObjectId"],
        json!([lonely.to_string()])
    );
    let (_, older) = client
        .post("/crm/v4/associations/deals/companies/batch/read", inputs)
        .await;
    assert_eq!(older["results"][0]["to"][0]["toObjectId"], customer);
    let listed = client
        .get("/crm/objects/2026-09/deals?associations=companies")
        .await;
    assert_eq!(
        listed["results"][0]["associations"]["companies"]["results"],
        json!([
            {"id": customer.to_string(), "type": "deal_to_company"},
            {"id": customer.to_string(), "type": "deal_to_company_unlabeled"},
            {"id": partner.to_string(), "type": "deal_to_company_unlabeled"},
            {"id": partner.to_string(), "type": "partner"},
        ])
    );
    assert!(listed["results"][1].get("associations").is_none());
    let back = client
        .get(&format!(
            "/crm/v4/objects/companies/{partner}/associations/deals"
        ))
        .await;
    assert_eq!(back["results"][0]["toObjectId"], deal);
}

#[tokio::test]
async fn labels_are_listed() {
    let (_hubspot, client) = empty().await;
    let labels = client
        .get("/crm/associations/2026-09/deals/companies/labels")
        .await;
    let all = labels["results"].as_array().unwrap();
    assert_eq!(all.len(), 3);
    assert!(all.contains(&json!({"category": "USER_DEFINED", "typeId": 11, "label": "Partner"})));
    assert!(all.contains(&json!({"category": "HUBSPOT_DEFINED", "typeId": 341, "label": null})));
}

#[tokio::test]
async fn writes_keep_one_primary_company() {
    let (hubspot, client) = empty().await;
    let store = hubspot.store();
    let a = store.create(Kind::Companies, &[("name", "A")]).unwrap();
    let b = store.create(Kind::Companies, &[("name", "B")]).unwrap();
    let body = json!({
        "properties": {"dealname": "D"},
        "associations": [{"to": {"id": a.to_string()}, "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 5}]}],
    });
    let (status, made) = client.post("/crm/objects/2026-09/deals", body).await;
    assert_eq!(status, 201);
    let deal: u64 = made["id"].as_str().unwrap().parse().unwrap();
    let primary = json!({"inputs": [{
        "from": {"id": deal.to_string()}, "to": {"id": b.to_string()},
        "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 5}],
    }]});
    let (status, body) = client
        .post(
            "/crm/associations/2026-09/deals/companies/batch/create",
            primary,
        )
        .await;
    assert_eq!(
        (status, &body["results"][0]["labels"]),
        (201, &json!(["Primary"]))
    );
    assert_eq!(
        store.link_types((Kind::Deals, deal), (Kind::Companies, a)),
        [DEAL_TO_COMPANY]
    );
    assert_eq!(
        store.link_types((Kind::Deals, deal), (Kind::Companies, b)),
        [DEAL_TO_PRIMARY_COMPANY, DEAL_TO_COMPANY]
    );
    let unknown = json!({"inputs": [{
        "from": {"id": deal.to_string()}, "to": {"id": b.to_string()},
        "types": [{"associationCategory": "USER_DEFINED", "associationTypeId": 5}],
    }]});
    let (status, body) = client
        .post(
            "/crm/associations/2026-09/deals/companies/batch/create",
            unknown,
        )
        .await;
    assert_eq!((status, &body["numErrors"]), (207, &json!(1)));
    let gone =
        json!({"inputs": [{"from": {"id": deal.to_string()}, "to": [{"id": b.to_string()}]}]});
    let (status, _) = client
        .post(
            "/crm/associations/2026-09/deals/companies/batch/archive",
            gone,
        )
        .await;
    assert_eq!(status, 204);
    assert!(
        store
            .link_types((Kind::Companies, b), (Kind::Deals, deal))
            .is_empty()
    );
    let path = format!("/crm/objects/2026-09/deals/{deal}/associations/default/companies/{b}");
    assert_eq!(client.send("PUT", &path, None).await.0, 200);
    store.archive(Kind::Companies, b).unwrap();
    let read = json!({"inputs": [{"id": deal.to_string()}]});
    let (_, body) = client
        .post("/crm/associations/2026-09/deals/companies/batch/read", read)
        .await;
    assert_eq!(
        body["results"][0]["to"].as_array().map(Vec::len),
        Some(1),
        "an archived end is not told"
    );
}

#[tokio::test]
async fn many_links_come_in_pages() {
    let (hubspot, client) = empty().await;
    let store = hubspot.store();
    let company = store.create(Kind::Companies, &[("name", "Hub")]).unwrap();
    for n in 0..620 {
        let deal = store
            .create(Kind::Deals, &[("dealname", &n.to_string())])
            .unwrap();
        store
            .associate(
                (Kind::Deals, deal),
                (Kind::Companies, company),
                DEAL_TO_COMPANY,
            )
            .unwrap();
    }
    let path = "/crm/associations/2026-09/companies/deals/batch/read";
    let (status, first) = client
        .post(path, json!({"inputs": [{"id": company.to_string()}]}))
        .await;
    assert_eq!(status, 200);
    let rows = |body: &Value| body["results"][0]["to"].as_array().unwrap().len();
    assert_eq!(rows(&first), 500);
    let after = &first["results"][0]["paging"]["next"]["after"];
    let (_, rest) = client
        .post(
            path,
            json!({"inputs": [{"id": company.to_string(), "after": after}]}),
        )
        .await;
    assert_eq!(rows(&rest), 120);
    assert!(rest["results"][0].get("paging").is_none());
    let listed = client
        .get("/crm/objects/2026-09/companies?associations=deals")
        .await;
    let shown = &listed["results"][0]["associations"]["deals"];
    assert_eq!(shown["results"].as_array().unwrap().len(), 100);
    assert!(shown["paging"]["next"]["link"].is_string());
}
