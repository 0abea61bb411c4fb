//! Handing over and erasing what is held of a person, wherever the programme knows them.

use crate::raw::execute;
use entities::audit_link;
use entities::change::{Author, Change};
use entities::deal_confirmation::{self, Decision, NewConfirmation};
use entities::id::UserId;
use entities::session::{self, NewSession, SignInMethod};
use entities::viewer::{Scope, Viewer};
use entities::{deal, user, user_identity};
use integrations::sync::SyncKind;
use sandbox::Kind;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;
use tests::{Answer, Backend, HubSpotSetup, Options, TestApp, eventually};

const EMAIL: &str = "jane.roe@secret.example";
const NAME: &str = "Jane Roe-Zebulon";
const BROWSER: &str = "Zebulon's own browser";
const ERASED: &str = "erased { users contacts deals registrations partnerships confirmations conflicts events records deliveries }";

async fn seal(app: &TestApp) {
    eventually(
        "every event is sealed",
        Duration::from_secs(60),
        async || {
            while audit_link::seal(app.database(), 100).await.unwrap() {}
            let left =
                "SELECT COUNT(*) FROM event WHERE id NOT IN (SELECT event_id FROM audit_link)";
            (app.number(left).await == 0).then_some(())
        },
    )
    .await;
}

async fn verified(app: &TestApp) -> audit_link::Report {
    audit_link::verify(app.database(), None, 10)
        .await
        .unwrap()
        .unwrap()
}

/// Every place of the database that holds one of these texts, whatever its case: `table.column`.
async fn places_holding(app: &TestApp, texts: &[&str]) -> Vec<String> {
    let columns = match Backend::of_run() {
        Backend::Sqlite => {
            "SELECT m.name, p.name, lower(p.type) FROM sqlite_master m, pragma_table_info(m.name) p WHERE m.type = 'table' ORDER BY 1"
        }
        Backend::Postgres => {
            "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1"
        }
    };
    let mut tables: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for row in app.rows(columns).await {
        let [table, column, kind] =
            [0, 1, 2].map(|index| row.try_get_by_index::<String>(index).unwrap());
        let shown = if kind == "bytea" {
            format!("encode({column}, 'escape')")
        } else {
            format!("CAST(\"{column}\" AS TEXT)")
        };
        let holds = |text: &&str| {
            let text = text.to_lowercase().replace('\'', "''");
            format!("lower({shown}) LIKE '%{text}%'")
        };
        let any: Vec<String> = texts.iter().map(holds).collect();
        let count = format!("COUNT(CASE WHEN {} THEN 1 END)", any.join(" OR "));
        tables.entry(table).or_default().push((column, count));
    }
    let mut places = Vec::new();
    for (table, columns) in tables {
        let counts: Vec<&str> = columns.iter().map(|(_, count)| count.as_str()).collect();
        let rows = app
            .rows(&format!("SELECT {} FROM \"{table}\"", counts.join(", ")))
            .await;
        for (index, (column, _)) in columns.iter().enumerate() {
            if rows[0].try_get_by_index::<i64>(index).unwrap() > 0 {
                places.push(format!("{table}.{column}"));
            }
        }
    }
    places
}

async fn traces(app: &TestApp) -> Vec<String> {
    places_holding(app, &[EMAIL, NAME, BROWSER, "subject-of-jane"]).await
}

/// Somebody who signs in, is a contact, owns deals, is responsible for a partnership and said something in a chat.
struct Scene {
    app: TestApp,
    user: UserId,
    contact: String,
    deal: String,
}

async fn scene() -> Scene {
    let app = TestApp::start(Options::hubspot(HubSpotSetup::empty())).await;
    let connection = app.connect_hubspot().await;
    app.drain().await;
    let token = app.admin();
    let made = |answer: Answer, pointer: &str| answer.text(pointer);
    let contact = made(
        app.mutate(
            &token,
            "createContact",
            json!({ "name": NAME, "email": "Jane.Roe@Secret.example", "phone": "1" }),
            "contact { id }",
        )
        .await,
        "/createContact/contact/id",
    );
    let new = json!({ "name": "A deal", "owner": { "name": NAME, "email": EMAIL } });
    let answer = app.mutate(&token, "createDeal", new, "deal { id }").await;
    assert_eq!(
        answer.refusals("createDeal"),
        Vec::<String>::new(),
        "{answer}"
    );
    let deal = made(answer, "/createDeal/deal/id");
    // The log holds what the owner was, and who it was before.
    for owner in [
        json!({ "name": "Somebody", "email": "else@other.example" }),
        json!({ "name": NAME, "email": EMAIL }),
    ] {
        let answer = app
            .mutate(
                &token,
                "updateDeal",
                json!({ "id": deal, "owner": owner }),
                "deal { id }",
            )
            .await;
        assert_eq!(
            answer.refusals("updateDeal"),
            Vec::<String>::new(),
            "{answer}"
        );
    }
    let partner = made(
        app.mutate(
            &token,
            "createPartner",
            json!({ "name": "Acme" }),
            "partner { id }",
        )
        .await,
        "/createPartner/partner/id",
    );
    let partnership = made(
        app.mutate(
            &token,
            "createPartnership",
            json!({ "partnerId": partner, "type": "CHANNEL", "dri": "Somebody" }),
            "partnership { id }",
        )
        .await,
        "/createPartnership/partnership/id",
    );
    let content = json!({
        "account": { "name": "Buyer", "country": "DE" }, "contact": { "name": "J. R. Zebulon", "email": "JANE.roe@secret.example" },
        "useCase": "One bill for all.",
    });
    let answer = app
        .mutate(
            &token,
            "createDealRegistration",
            json!({ "partnershipId": partnership, "content": content }),
            "dealRegistration { id }",
        )
        .await;
    assert_eq!(
        answer.refusals("createDealRegistration"),
        Vec::<String>::new(),
        "{answer}"
    );
    let answer = app
        .mutate(
            &token,
            "updatePartnership",
            json!({ "id": partnership, "dri": NAME }),
            "partnership { id }",
        )
        .await;
    assert_eq!(
        answer.refusals("updatePartnership"),
        Vec::<String>::new(),
        "{answer}"
    );

    let mut change = Change::begin(app.database(), Author::of(&Viewer::system("tests")))
        .await
        .unwrap();
    let role = user::UserRole::read(None, "FINANCE").unwrap();
    let new = user::NewUser {
        role,
        name: NAME.to_owned(),
        email: EMAIL.to_owned(),
    };
    let row = user::invite(&mut change, new).await.unwrap();
    let row = user::activate(
        &mut change,
        row,
        Some(user::PasswordHash::new("hash".to_owned())),
    )
    .await
    .unwrap();
    assert!(
        user_identity::link(&mut change, &row, "https://id.example", "subject-of-jane")
            .await
            .unwrap()
    );
    let new = NewSession {
        secret_hash: "x".to_owned(),
        method: SignInMethod::Password,
        user_agent: Some(BROWSER.to_owned()),
    };
    session::start(&mut change, &row, new).await.unwrap();
    let said = NewConfirmation {
        deal_id: deal.parse().unwrap(),
        outcome: deal::DealStage::Won,
        decision: Decision::Confirmed,
        event_id: change.new_id(),
        connection_id: connection,
        user_id: "U0JANE".to_owned(),
        user_name: Some(NAME.to_uppercase()),
        occurred_at: change.now(),
        dedupe_key: "k".to_owned(),
    };
    assert!(deal_confirmation::confirm(&mut change, said).await.unwrap());
    change.commit().await.unwrap();
    Scene {
        app,
        user: row.id,
        contact,
        deal,
    }
}

async fn erase(app: &TestApp, input: Value) -> Answer {
    app.mutate(&app.admin(), "erasePerson", input, ERASED).await
}

#[tokio::test]
async fn a_person_is_erased_everywhere_and_the_chain_holds() {
    let Scene {
        app,
        user,
        contact,
        deal,
    } = scene().await;
    seal(&app).await;
    let sealed = verified(&app).await;
    // One more event that is not sealed yet.
    let token = app.admin();
    let answer = app
        .mutate(
            &token,
            "updateDeal",
            json!({ "id": deal, "owner": { "name": NAME, "email": null } }),
            "deal { id }",
        )
        .await;
    assert_eq!(
        answer.refusals("updateDeal"),
        Vec::<String>::new(),
        "{answer}"
    );
    let other = app
        .mutate(
            &token,
            "createDeal",
            json!({ "name": "Another", "owner": { "name": NAME, "email": EMAIL } }),
            "deal { id }",
        )
        .await;
    let other = other.text("/createDeal/deal/id");
    let before = traces(&app).await;
    for place in [
        "user_account.email",
        "contact.email",
        "deal.owner_name",
        "deal.owner_email",
        "partnership.dri",
        "event.data",
        "session.user_agent",
        "user_identity.subject",
        "deal_confirmation.user_name",
        "deal_registration.contact_email",
    ] {
        assert!(
            before.iter().any(|known| known == place),
            "{place} is not in {before:?}"
        );
    }
    let checked = erase(
        &app,
        json!({ "id": user.to_string(), "validateOnly": true }),
    )
    .await;
    assert_eq!(
        checked.at("/erasePerson/erased/users"),
        &json!(1),
        "{checked}"
    );
    assert_eq!(traces(&app).await, before, "a check erases nothing");

    let done = erase(&app, json!({ "id": user.to_string() })).await;
    let erased = done.at("/erasePerson/erased");
    assert_eq!(
        (
            &erased["users"],
            &erased["contacts"],
            &erased["deals"],
            &erased["registrations"],
            &erased["partnerships"],
            &erased["confirmations"]
        ),
        (
            &json!(1),
            &json!(1),
            &json!(2),
            &json!(1),
            &json!(1),
            &json!(1)
        ),
        "{done}"
    );
    assert!(erased["events"].as_u64().unwrap() >= 4, "{done}");
    assert_eq!(traces(&app).await, Vec::<String>::new());

    // What stays: the rows, their history, and a chain that holds and says what was done.
    let shown = app.ask(&token, &format!("{{ deal(id: \"{other}\") {{ name owner {{ name email }} }} contact(id: \"{contact}\") {{ name email archivedAt }} }}")).await;
    assert_eq!(
        shown.at("/deal"),
        &json!({ "name": "Another", "owner": { "name": "Erased person", "email": null } })
    );
    assert_eq!(shown.at("/contact/name"), &json!("Erased person"));
    let row = user::find(app.database().read(), user)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        (row.status, row.password_hash),
        (user::UserStatus::Disabled, None)
    );
    assert_eq!(
        app.number("SELECT COUNT(*) FROM session WHERE ended_at IS NULL")
            .await,
        0
    );
    seal(&app).await;
    let report = verified(&app).await;
    assert!(
        report.redacted >= 3 && report.sealed > sealed.sealed,
        "{report:?}"
    );
    let told = app.ask(&token, "{ auditTrail(filter: {kinds: [\"person.erased\", \"user.erased\"]}) { edges { node { type data actor } } } }").await;
    assert_eq!(
        told.texts("/auditTrail/edges", "/node/type"),
        ["person.erased", "user.erased"]
    );
    assert_eq!(
        told.at("/auditTrail/edges/0/node/data/userIds"),
        &json!([user.to_string()])
    );
    // And it is still found when somebody tampers with what was redacted.
    execute(&app, "UPDATE event SET data = '{}' WHERE seq = (SELECT MIN(seq) FROM audit_link WHERE redacted_at IS NOT NULL)").await;
    assert!(
        audit_link::verify(app.database(), None, 10)
            .await
            .unwrap()
            .is_err()
    );

    let again = erase(&app, json!({ "id": user.to_string() })).await;
    assert_eq!(again.at("/erasePerson/erased/users"), &json!(0), "{again}");
    assert_eq!(again.at("/erasePerson/erased/events"), &json!(0), "{again}");
    app.drain().await;
    app.end().await;
}

#[tokio::test]
async fn everything_that_is_held_is_handed_over() {
    let Scene {
        app,
        user,
        contact,
        deal,
    } = scene().await;
    let export = async |input: Value| {
        app.mutate(&app.admin(), "exportPerson", input, "export")
            .await
    };
    let by_user = export(json!({ "id": user.to_string() })).await;
    let document = by_user.at("/exportPerson/export");
    assert_eq!(document["users"][0]["email"], EMAIL, "{by_user}");
    assert_eq!(
        document["users"][0]["identities"][0]["subject"],
        "subject-of-jane"
    );
    assert_eq!(document["sessions"][0]["userAgent"], BROWSER);
    assert_eq!(document["contacts"][0]["id"], contact.as_str());
    assert_eq!(document["deals"][0]["id"], deal.as_str());
    assert_eq!(document["registrations"][0]["contactName"], "J. R. Zebulon");
    assert_eq!(document["signatures"], json!([]));
    assert_eq!(document["partnerships"][0]["dri"], NAME);
    assert_eq!(document["confirmations"][0]["userId"], "U0JANE");
    assert!(document["events"].as_array().unwrap().len() >= 3);
    assert!(
        !by_user.to_string().contains("hash\""),
        "no secret is handed over"
    );
    for input in [
        json!({ "id": contact }),
        json!({ "email": EMAIL.to_uppercase() }),
    ] {
        let same = export(input).await;
        for part in [
            "users",
            "sessions",
            "contacts",
            "deals",
            "registrations",
            "partnerships",
            "confirmations",
        ] {
            assert_eq!(
                same.at("/exportPerson/export")[part],
                document[part],
                "{part}"
            );
        }
    }
    let told = app
        .ask(
            &app.admin(),
            "{ auditTrail(filter: {kinds: [\"person.exported\"]}) { edges { node { data } } } }",
        )
        .await;
    assert_eq!(told.list("/auditTrail/edges").len(), 3);
    assert!(
        !told.to_string().contains("roe"),
        "the log tells of rows, not of the person"
    );
    app.drain().await;
    app.finish().await;
}

#[tokio::test]
async fn letters_of_all_alphabets_have_two_cases() {
    let app = TestApp::plain().await;
    let token = app.admin();
    let done = async |mutation: &str, input: Value, selection: &str| {
        let answer = app.mutate(&token, mutation, input, selection).await;
        assert_eq!(answer.refusals(mutation), Vec::<String>::new(), "{answer}");
        answer
    };
    let owner = |name: &str, email: Value| json!({ "name": "A deal", "owner": { "name": name, "email": email } });
    for (name, email) in [
        ("Jürgen Özil", json!("JÜRGEN@bücher.example")),
        ("JÜRGEN ÖZIL", Value::Null),
        ("Jürgen özil", Value::Null),
    ] {
        done("createDeal", owner(name, email), "deal { id }").await;
    }
    // Whoever is written with other letters is somebody else.
    let other = owner("Jorgen Ozil", json!("jorgen@bacher.example"));
    done("createDeal", other, "deal { id }").await;
    let input = json!({ "email": "jürgen@bücher.example" });
    let erased = done("erasePerson", input, ERASED).await;
    assert_eq!(
        erased.at("/erasePerson/erased/deals"),
        &json!(3),
        "{erased}"
    );
    let left = "SELECT COUNT(*) FROM deal WHERE lower(owner_name) LIKE '%zil' OR lower(owner_email) LIKE '%cher%'";
    assert_eq!(app.number(left).await, 1);
    let kept = "SELECT COUNT(*) FROM deal WHERE owner_name = 'Jorgen Ozil'";
    assert_eq!(app.number(kept).await, 1);
    app.end().await;
}

#[tokio::test]
async fn only_administrators_may_and_what_names_nobody_is_refused() {
    let app = TestApp::plain().await;
    let token = app.admin();
    for (input, refusal) in [
        (json!({}), "INVALID id"),
        (
            json!({ "id": "user_01h2xcejqtf2nbrexx3vqjhp41", "email": EMAIL }),
            "INVALID id",
        ),
        (
            json!({ "id": "user_01h2xcejqtf2nbrexx3vqjhp41" }),
            "NOT_FOUND id",
        ),
        (
            json!({ "id": "contact_01h2xcejqtf2nbrexx3vqjhp41" }),
            "NOT_FOUND id",
        ),
        (
            json!({ "id": "deal_01h2xcejqtf2nbrexx3vqjhp41" }),
            "NOT_FOUND id",
        ),
        (json!({ "email": "nobody" }), "INVALID email"),
    ] {
        for (mutation, selection) in [("erasePerson", ERASED), ("exportPerson", "export")] {
            let refused = app.mutate(&token, mutation, input.clone(), selection).await;
            assert_eq!(refused.refusals(mutation), [refusal], "{mutation} {input}");
        }
    }
    let every_other = app.token(
        Scope::ALL
            .iter()
            .copied()
            .filter(|scope| *scope != Scope::Admin),
    );
    for (mutation, selection) in [("erasePerson", ERASED), ("exportPerson", "export")] {
        let refused = app
            .mutate(&every_other, mutation, json!({ "email": EMAIL }), selection)
            .await;
        assert_eq!(refused.codes(), ["FORBIDDEN"]);
    }
    // An address that nobody has here is nobody's, and that it was asked for is told.
    let none = erase(&app, json!({ "email": EMAIL })).await;
    assert_eq!(none.at("/erasePerson/erased/users"), &json!(0));
    assert_eq!(
        app.number("SELECT COUNT(*) FROM event WHERE kind = 'person.erased'")
            .await,
        1
    );
    assert_eq!(places_holding(&app, &[EMAIL]).await, Vec::<String>::new());
    app.end().await;
}

#[tokio::test]
async fn what_a_vendor_told_is_erased_too_and_does_not_come_back() {
    let app = TestApp::start(Options::hubspot(HubSpotSetup::generated(40))).await;
    let connection = app.connect_hubspot().await;
    app.drain().await;
    let owned = "SELECT owner_email FROM deal WHERE owner_email IS NOT NULL ORDER BY id LIMIT 1";
    let email: String = app.rows(owned).await[0].try_get_by_index(0).unwrap();
    let name: String = app
        .rows(&format!(
            "SELECT owner_name FROM deal WHERE owner_email = '{email}' LIMIT 1"
        ))
        .await[0]
        .try_get_by_index(0)
        .unwrap();
    // The owner is a contact there as well.
    app.hubspot()
        .store()
        .create(
            Kind::Contacts,
            &[("email", &email), ("lastname", "Also a contact")],
        )
        .unwrap();
    app.advance(Duration::from_secs(600));
    app.sync(connection).await;
    app.drain().await;
    let before = places_holding(&app, &[&email]).await;
    for place in ["external_link.shadow", "deal.owner_email", "contact.email"] {
        assert!(
            before.iter().any(|known| known == place),
            "{place} is not in {before:?}"
        );
    }
    seal(&app).await;
    let count = |what: &str| format!("SELECT COUNT(*) FROM {what}");
    let (deals, contacts) = (
        app.number(&count("deal")).await,
        app.number(&count("contact")).await,
    );
    let done = erase(&app, json!({ "email": email })).await;
    assert_eq!(done.refusals("erasePerson"), Vec::<String>::new(), "{done}");
    assert!(
        done.at("/erasePerson/erased/records").as_u64().unwrap() >= 2,
        "{done}"
    );
    let nowhere = async |when: &str| {
        assert_eq!(
            places_holding(&app, &[&email]).await,
            Vec::<String>::new(),
            "{when}"
        );
        let named = app
            .number(&format!(
                "SELECT COUNT(*) FROM deal WHERE owner_name = '{name}'"
            ))
            .await;
        assert_eq!(named, 0, "{when}");
    };
    nowhere("at once").await;
    // Nothing of it is sent to the vendor, and whatever is read again names nobody.
    app.drain().await;
    let pushed = app.number("SELECT COUNT(*) FROM outbound_push").await;
    assert_eq!(pushed, 0);
    let run = app
        .state
        .core
        .engine
        .sync_connection(connection, SyncKind::Everything, |_| {});
    run.await.unwrap();
    app.drain().await;
    nowhere("after everything was read again").await;
    assert_eq!(
        (
            app.number(&count("deal")).await,
            app.number(&count("contact")).await
        ),
        (deals, contacts)
    );
    seal(&app).await;
    verified(&app).await;
    app.end().await;
}
