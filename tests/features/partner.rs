//! Partners: created, changed, put away, and what an input is refused for.

use serde_json::json;
use tests::{Options, TestApp};

const ROW: &str = "partner { id version createdAt updatedAt name domain website country regions verticals employees description status availableTransitions tags archivedAt }";

#[tokio::test]
async fn a_partner_is_created_and_read_back() {
    let app = TestApp::start(Options::standing_at("2026-11-01T08:00:00Z")).await;
    let token = app.admin();
    let input = json!({
        "name": "Acme", "domain": "https://WWW.Acme.com/about", "website": "https://acme.com", "country": "Norway",
        "regions": ["Nordics"], "verticals": ["Retail", "Energy"], "employees": 120, "description": "Makes everything.", "tags": ["var"],
    });
    let made = app.mutate(&token, "createPartner", input, ROW).await;
    assert_eq!(made.refusals("createPartner"), Vec::<String>::new());
    let partner = made.at("/createPartner/partner").clone();
    assert_eq!(
        partner,
        json!({
            "id": partner["id"], "version": 1, "createdAt": "2026-11-01T08:00:00Z", "updatedAt": "2026-11-01T08:00:00Z",
            "name": "Acme", "domain": "acme.com", "website": "https://acme.com", "country": "Norway", "regions": ["Nordics"],
            "verticals": ["Retail", "Energy"], "employees": 120, "description": "Makes everything.", "status": "ACTIVE",
            "availableTransitions": ["SUSPENDED", "TERMINATED", "MERGED"], "tags": ["var"], "archivedAt": null,
        })
    );
    let id = partner["id"].as_str().unwrap();
    assert!(id.starts_with("partner_"));
    let fields = ROW.trim_start_matches("partner ");
    let read = app.ask(&token, &format!("{{ partner(id: {id:?}) {fields} node(id: {id:?}) {{ __typename id }} }}")).await;
    assert_eq!(read.at("/partner"), &partner);
    assert_eq!(read.at("/node"), &json!({ "__typename": "Partner", "id": id }));
    app.finish().await;
}
