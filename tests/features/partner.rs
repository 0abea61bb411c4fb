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
    let read = app
        .ask(
            &token,
            &format!("{{ partner(id: {id:?}) {fields} node(id: {id:?}) {{ __typename id }} }}"),
        )
        .await;
    assert_eq!(read.at("/partner"), &partner);
    assert_eq!(
        read.at("/node"),
        &json!({ "__typename": "Partner", "id": id })
    );
    app.finish().await;
}

#[tokio::test]
async fn an_update_changes_what_it_names_and_null_clears() {
    let app = TestApp::start(Options::standing_at("2026-11-01T08:00:00Z")).await;
    let token = app.admin();
    let made = app
        .mutate(
            &token,
            "createPartner",
            json!({ "name": "Acme", "domain": "acme.com", "country": "Norway", "tags": ["a"] }),
            "partner { id }",
        )
        .await;
    let id = made.text("/createPartner/partner/id");
    app.advance(std::time::Duration::from_secs(60));

    let changed = app.mutate(&token, "updatePartner", json!({ "id": id, "name": "Acme AS", "domain": null, "employees": 7, "expectedVersion": 1 }), ROW).await;
    assert_eq!(changed.refusals("updatePartner"), Vec::<String>::new());
    let row = changed.at("/updatePartner/partner");
    assert_eq!(
        (
            &row["version"],
            &row["updatedAt"],
            &row["createdAt"],
            &row["name"],
            &row["domain"],
            &row["country"],
            &row["employees"],
            &row["tags"]
        ),
        (
            &json!(2),
            &json!("2026-11-01T08:01:00Z"),
            &json!("2026-11-01T08:00:00Z"),
            &json!("Acme AS"),
            &json!(null),
            &json!("Norway"),
            &json!(7),
            &json!(["a"])
        )
    );

    // What says nothing new writes nothing: no version, no event.
    let events = app.number("SELECT COUNT(*) FROM event").await;
    let same = app
        .mutate(
            &token,
            "updatePartner",
            json!({ "id": id, "name": "Acme AS" }),
            "partner { version updatedAt }",
        )
        .await;
    assert_eq!(
        same.at("/updatePartner/partner"),
        &json!({ "version": 2, "updatedAt": "2026-11-01T08:01:00Z" })
    );
    assert_eq!(app.number("SELECT COUNT(*) FROM event").await, events);
    app.finish().await;
}

#[tokio::test]
async fn the_status_follows_its_transitions_and_ends_for_good() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let candidate = app
        .mutate(
            &token,
            "createPartner",
            json!({ "name": "Acme", "status": "CANDIDATE" }),
            "partner { id availableTransitions }",
        )
        .await;
    assert_eq!(
        candidate.at("/createPartner/partner/availableTransitions"),
        &json!(["ACTIVE", "MERGED"])
    );
    let id = candidate.text("/createPartner/partner/id");
    let step = async |status: &str| {
        let answer = app
            .mutate(
                &token,
                "updatePartner",
                json!({ "id": id, "status": status }),
                "partner { status }",
            )
            .await;
        (
            answer.refusals("updatePartner"),
            answer.at("/updatePartner/partner/status").clone(),
        )
    };
    let refused = (
        vec!["TRANSITION_NOT_ALLOWED status".to_owned()],
        json!(null),
    );
    assert_eq!(step("SUSPENDED").await, refused);
    for status in ["ACTIVE", "SUSPENDED", "ACTIVE", "TERMINATED"] {
        assert_eq!(step(status).await, (vec![], json!(status)));
    }
    for status in ["ACTIVE", "SUSPENDED", "CANDIDATE", "MERGED"] {
        assert_eq!(step(status).await, refused, "{status}");
    }
    let late = app
        .mutate(
            &token,
            "createPartner",
            json!({ "name": "Late", "status": "TERMINATED" }),
            "partner { id }",
        )
        .await;
    assert_eq!(
        late.refusals("createPartner"),
        ["TRANSITION_NOT_ALLOWED status"]
    );
    app.finish().await;
}

#[tokio::test]
async fn a_domain_belongs_to_one_partner_however_it_is_written() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let first = app
        .mutate(
            &token,
            "createPartner",
            json!({ "name": "One", "domain": "one.example" }),
            "partner { id }",
        )
        .await;
    assert_eq!(first.refusals("createPartner"), Vec::<String>::new());
    for domain in [
        "one.example",
        "HTTPS://www.One.Example/path?x#y",
        "one.example.",
    ] {
        let second = app
            .mutate(
                &token,
                "createPartner",
                json!({ "name": "Two", "domain": domain }),
                "partner { id }",
            )
            .await;
        assert_eq!(
            second.refusals("createPartner"),
            ["TAKEN domain"],
            "{domain}"
        );
        assert_eq!(second.at("/createPartner/partner"), &json!(null));
    }
    // Names never merge two partners.
    let same_name = app
        .mutate(
            &token,
            "createPartner",
            json!({ "name": "One", "domain": "two.example" }),
            "partner { id }",
        )
        .await;
    let id = same_name.text("/createPartner/partner/id");
    let moved = app
        .mutate(
            &token,
            "updatePartner",
            json!({ "id": id, "domain": "www.one.example" }),
            "partner { id }",
        )
        .await;
    assert_eq!(moved.refusals("updatePartner"), ["TAKEN domain"]);
    for nonsense in ["", "localhost", "10.0.0.1", "a b.example"] {
        let refused = app
            .mutate(
                &token,
                "createPartner",
                json!({ "name": "Bad", "domain": nonsense }),
                "partner { id }",
            )
            .await;
        assert_eq!(refused.codes(), ["BAD_USER_INPUT"], "{nonsense}: {refused}");
    }
    app.finish().await;
}

/// Two requests at the same moment: the unique index decides, and the loser reads a refusal, not a fault.
#[tokio::test]
async fn two_partners_of_one_domain_at_once_leave_one() {
    let app = TestApp::plain().await;
    let token = app.admin();
    for round in 0..5 {
        let input = json!({ "name": "Twin", "domain": format!("twin{round}.example") });
        let both = futures::future::join_all(
            (0..4).map(|_| app.mutate(&token, "createPartner", input.clone(), "partner { id }")),
        )
        .await;
        let made = both
            .iter()
            .filter(|answer| answer.refusals("createPartner").is_empty())
            .count();
        assert_eq!(made, 1, "{both:#?}");
        assert!(both.iter().all(|answer| {
            answer
                .refusals("createPartner")
                .iter()
                .all(|refusal| refusal == "TAKEN domain")
        }));
    }
    app.finish().await;
}

#[tokio::test]
async fn a_partner_is_put_away_and_brought_back_never_deleted() {
    let app = TestApp::start(Options::standing_at("2026-11-01T08:00:00Z")).await;
    let token = app.admin();
    let id = app
        .mutate(
            &token,
            "createPartner",
            json!({ "name": "Acme" }),
            "partner { id }",
        )
        .await
        .text("/createPartner/partner/id");
    let listed = async |filter: &str| {
        app.ask(&token, &format!("{{ partners{filter} {{ totalCount }} }}"))
            .await
            .at("/partners/totalCount")
            .clone()
    };
    let put = async |archived: bool| {
        let answer = app
            .mutate(
                &token,
                "updatePartner",
                json!({ "id": id, "archived": archived }),
                "partner { version archivedAt }",
            )
            .await;
        answer.at("/updatePartner/partner").clone()
    };
    assert_eq!(
        put(true).await,
        json!({ "version": 2, "archivedAt": "2026-11-01T08:00:00Z" })
    );
    assert_eq!(
        (
            listed("").await,
            listed("(filter: {includeArchived: true})").await
        ),
        (json!(0), json!(1))
    );
    assert_eq!(
        app.ask(&token, &format!("{{ partner(id: {id:?}) {{ name }} }}"))
            .await
            .at("/partner/name"),
        &json!("Acme")
    );
    assert_eq!(put(true).await["version"], json!(2), "already away");
    assert_eq!(
        put(false).await,
        json!({ "version": 3, "archivedAt": null })
    );
    assert_eq!(listed("").await, json!(1));
    app.finish().await;
}

#[tokio::test]
async fn an_input_that_cannot_be_is_refused_field_by_field() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let cases = [
        (json!({ "name": " \t" }), "BLANK name"),
        (json!({ "name": "x".repeat(301) }), "TOO_LONG name"),
        (json!({ "name": "a\u{0}b" }), "INVALID name"),
        (json!({ "name": "a", "employees": -1 }), "INVALID employees"),
        (
            json!({ "name": "a", "tags": ["x".repeat(101)] }),
            "TOO_LONG tags",
        ),
        (json!({ "name": "a", "regions": [""] }), "BLANK regions"),
        (
            json!({ "name": "a", "country": "x".repeat(101) }),
            "TOO_LONG country",
        ),
        (
            json!({ "name": "a", "parentId": "partner_01h2xcejqtf2nbrexx3vqjhp41" }),
            "NOT_FOUND parentId",
        ),
        (
            json!({ "name": "a", "parentId": "nonsense" }),
            "NOT_FOUND parentId",
        ),
    ];
    for (input, refusal) in cases {
        let answer = app
            .mutate(&token, "createPartner", input.clone(), "partner { id }")
            .await;
        assert_eq!(answer.refusals("createPartner"), [refusal], "{input}");
    }
    let all_at_once = app
        .mutate(
            &token,
            "createPartner",
            json!({ "name": "", "employees": -1, "tags": [""] }),
            "partner { id }",
        )
        .await;
    assert_eq!(
        all_at_once.refusals("createPartner").len(),
        3,
        "{all_at_once}"
    );
    assert_eq!(app.number("SELECT COUNT(*) FROM partner").await, 0);
    assert_eq!(app.number("SELECT COUNT(*) FROM event").await, 0);
    app.finish().await;
}
