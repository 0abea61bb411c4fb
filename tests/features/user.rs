//! People who sign in, managed through the API: by staff, and by a partner's administrator for its own company.

use crate::raw::execute;
use entities::change::{Author, Change};
use entities::id::{PartnerId, UserId};
use entities::user;
use entities::viewer::{PartnerRole, Scope, Scopes, StaffRole, Viewer, ViewerKind};
use serde_json::{Value, json};
use tests::programme::{self, Size};
use tests::{Answer, Options, TestApp};

const ROW: &str =
    "user { id version name email role status lastSignedInAt erasedAt partner { id } }";

async fn with_partners() -> (TestApp, PartnerId, PartnerId) {
    let app = TestApp::start(Options::default().with("ENTENTE_DEV_MAIL", true)).await;
    let size = Size {
        partners: 2,
        customers: 0,
        deals: 0,
    };
    let made = programme::fill(&app, size).await;
    (app, made.partners[0].id, made.partners[1].id)
}

fn admin_of(app: &TestApp, partner: PartnerId) -> String {
    app.token_for(
        ViewerKind::Partner(partner, PartnerRole::Admin),
        Scopes::all(),
    )
}

/// A token of a person.
fn token_of(app: &TestApp, id: &str, kind: ViewerKind) -> String {
    app.issue(&api::oauth::token::TokenRequest {
        subject: id.to_owned(),
        client_id: "tests".to_owned(),
        kind,
        scopes: Scopes::all(),
        lifetime_seconds: 3_600,
        basis: api::oauth::token::Basis {
            subject_epoch: 1,
            ..api::oauth::token::Basis::default()
        },
    })
}

async fn invite(app: &TestApp, token: &str, input: Value) -> Answer {
    app.mutate(token, "inviteUser", input, ROW).await
}

async fn invited(app: &TestApp, token: &str, input: Value) -> String {
    let answer = invite(app, token, input).await;
    assert_eq!(
        answer.refusals("inviteUser"),
        Vec::<String>::new(),
        "{answer}"
    );
    answer.text("/inviteUser/user/id")
}

/// The person has come.
async fn activate(app: &TestApp, id: &str) {
    let id: UserId = id.parse().unwrap();
    let author = Author::of(&Viewer::system("tests"));
    let mut change = Change::begin(app.database(), author).await.unwrap();
    let row = user::find_locked(&change, id).await.unwrap().unwrap();
    user::activate(&mut change, row, None).await.unwrap();
    change.commit().await.unwrap();
}

async fn mails(app: &TestApp) -> Vec<String> {
    let shown = app.state.people.mail().shown().await.unwrap().unwrap();
    shown.into_iter().map(|mail| mail.message.to).collect()
}

#[tokio::test]
async fn staff_invites_and_the_invitation_is_mailed_once_it_is_written() {
    let (app, partner, _) = with_partners().await;
    let token = app.admin();
    let input = json!({ "name": " Ada ", "email": "Ada@Partner.Example", "role": "PARTNER_REP", "partnerId": partner.to_string(), "idempotencyKey": "k" });
    let only = json!({ "validateOnly": true, "name": "Ada", "email": "ada@partner.example", "role": "PARTNER_REP", "partnerId": partner.to_string() });
    let checked = invite(&app, &token, only).await;
    assert_eq!(checked.refusals("inviteUser"), Vec::<String>::new());
    assert!(mails(&app).await.is_empty(), "nobody is mailed by a check");
    let made = invite(&app, &token, input.clone()).await;
    let row = made.at("/inviteUser/user").clone();
    assert_eq!(
        row,
        json!({
            "id": row["id"], "version": 1, "name": "Ada", "email": "ada@partner.example", "role": "PARTNER_REP", "status": "INVITED",
            "lastSignedInAt": null, "erasedAt": null, "partner": { "id": partner.to_string() },
        })
    );
    assert_eq!(mails(&app).await, ["ada@partner.example"]);
    let repeated = invite(&app, &token, input).await;
    assert_eq!(repeated.at("/inviteUser/user/id"), &row["id"]);
    assert_eq!(
        mails(&app).await.len(),
        1,
        "a repeated request mails nobody"
    );
    let again = invite(
        &app,
        &token,
        json!({ "name": "Eve", "email": "ada@partner.example", "role": "AUDITOR" }),
    )
    .await;
    assert_eq!(again.refusals("inviteUser"), ["TAKEN email"]);
    for (input, refusal) in [
        (
            json!({ "name": "E", "email": "e@x.example", "role": "PARTNER_REP" }),
            "INVALID role",
        ),
        (
            json!({ "name": "E", "email": "e@x.example", "role": "ADMIN", "partnerId": partner.to_string() }),
            "INVALID role",
        ),
        (
            json!({ "name": "E", "email": "nobody", "role": "ADMIN" }),
            "INVALID email",
        ),
        (
            json!({ "name": " ", "email": "e@x.example", "role": "ADMIN" }),
            "BLANK name",
        ),
        (
            json!({ "name": "E", "email": "e@x.example", "role": "PARTNER_REP", "partnerId": "partner_01h2xcejqtf2nbrexx3vqjhp41" }),
            "NOT_FOUND partnerId",
        ),
    ] {
        let refused = invite(&app, &token, input.clone()).await;
        assert_eq!(refused.refusals("inviteUser"), [refusal], "{input}");
    }
    app.advance(std::time::Duration::from_secs(301));
    let resent = app
        .mutate(&token, "resendInvitation", json!({ "id": row["id"] }), ROW)
        .await;
    assert_eq!(resent.refusals("resendInvitation"), Vec::<String>::new());
    assert_eq!(mails(&app).await.len(), 2);
    let tickets = app
        .number("SELECT COUNT(*) FROM user_ticket WHERE used_at IS NULL")
        .await;
    assert_eq!(tickets, 1, "the ticket before is worth nothing");
    activate(&app, row["id"].as_str().unwrap()).await;
    let come = app
        .mutate(&token, "resendInvitation", json!({ "id": row["id"] }), ROW)
        .await;
    assert_eq!(
        come.refusals("resendInvitation"),
        ["TRANSITION_NOT_ALLOWED id"]
    );
    app.end().await;
}

#[tokio::test]
async fn a_partners_administrator_manages_its_own_people_and_nobody_elses() {
    let (app, own, other) = with_partners().await;
    let staff = app.admin();
    let token = admin_of(&app, own);
    let mine = invited(
        &app,
        &token,
        json!({ "name": "A", "email": "a@own.example", "role": "PARTNER_FINANCE" }),
    )
    .await;
    let theirs = invited(
        &app,
        &staff,
        json!({ "name": "B", "email": "b@other.example", "role": "PARTNER_ADMIN", "partnerId": other.to_string() }),
    )
    .await;
    let of_staff = invited(
        &app,
        &staff,
        json!({ "name": "S", "email": "s@us.example", "role": "AUDITOR" }),
    )
    .await;
    let listed = app
        .ask(&token, "{ users { totalCount nodes { id } } }")
        .await;
    assert_eq!(listed.texts("/users/nodes", "/id"), [mine.as_str()]);
    assert_eq!(listed.at("/users/totalCount"), &json!(1));
    let nobody = "user_01h2xcejqtf2nbrexx3vqjhp41";
    for foreign in [theirs.as_str(), of_staff.as_str(), nobody, "nonsense"] {
        for query in ["{ user(id: \"ID\") { id } }", "{ node(id: \"ID\") { id } }"] {
            let answer = app.ask(&token, &query.replace("ID", foreign)).await;
            assert!(
                answer
                    .data()
                    .as_object()
                    .unwrap()
                    .values()
                    .all(Value::is_null)
            );
        }
        for (mutation, more) in [
            ("updateUser", json!({ "name": "Mine now" })),
            (
                "updateUser",
                json!({ "role": "PARTNER_VIEWER", "expectedVersion": 77 }),
            ),
            ("disableUser", json!({})),
            ("enableUser", json!({})),
            ("resendInvitation", json!({})),
        ] {
            let mut input = more;
            input["id"] = foreign.into();
            let answer = app.mutate(&token, mutation, input.clone(), ROW).await;
            input["id"] = nobody.into();
            let absent = app.mutate(&token, mutation, input, ROW).await;
            assert_eq!(
                answer.body["data"], absent.body["data"],
                "{mutation} {foreign}"
            );
            assert_eq!(
                answer.refusals(mutation),
                ["NOT_FOUND id"],
                "{mutation} {foreign}"
            );
        }
    }
    let there = |id: &str| json!({ "name": "C", "email": "c@x.example", "role": "PARTNER_REP", "partnerId": id });
    let at_other = invite(&app, &token, there(&other.to_string())).await;
    let at_nobody = invite(&app, &token, there("partner_01h2xcejqtf2nbrexx3vqjhp41")).await;
    assert_eq!(at_other.refusals("inviteUser"), ["NOT_FOUND partnerId"]);
    assert_eq!(at_other.body["data"], at_nobody.body["data"]);
    for role in ["ADMIN", "AUDITOR", "FINANCE", "SUPPORT"] {
        let input = json!({ "name": "C", "email": "c@x.example", "role": role });
        let refused = invite(&app, &token, input).await;
        assert_eq!(refused.refusals("inviteUser"), ["INVALID role"], "{role}");
        let refused = app
            .mutate(
                &token,
                "updateUser",
                json!({ "id": mine, "role": role }),
                ROW,
            )
            .await;
        assert_eq!(refused.refusals("updateUser"), ["INVALID role"], "{role}");
    }
    let changed = app
        .mutate(
            &token,
            "updateUser",
            json!({ "id": mine, "role": "PARTNER_REP", "name": "Anna", "expectedVersion": 1 }),
            ROW,
        )
        .await;
    assert_eq!(
        (
            changed.at("/updateUser/user/role"),
            changed.at("/updateUser/user/name"),
            changed.at("/updateUser/user/version")
        ),
        (&json!("PARTNER_REP"), &json!("Anna"), &json!(3))
    );
    // Every other role of the partner manages nobody, whatever its token says.
    for role in PartnerRole::ALL
        .iter()
        .filter(|role| **role != PartnerRole::Admin)
    {
        let token = app.token_for(ViewerKind::Partner(own, *role), Scopes::all());
        let refused = app
            .mutate(&token, "disableUser", json!({ "id": mine }), ROW)
            .await;
        assert_eq!(refused.codes(), ["FORBIDDEN"], "{}", role.as_str());
        let refused = app
            .graphql(&token, "{ users { totalCount } }", json!({}))
            .await;
        assert_eq!(refused.codes(), ["FORBIDDEN"], "{}", role.as_str());
    }
    app.end().await;
}

#[tokio::test]
async fn who_leads_a_company_does_not_manage_the_people_of_those_below_it() {
    let (app, parent, child) = with_partners().await;
    let staff = app.admin();
    // Ids rise: the first partner is the parent of the second.
    execute(
        &app,
        "UPDATE partner SET parent_id = (SELECT id FROM partner ORDER BY id LIMIT 1) \
         WHERE id = (SELECT id FROM partner ORDER BY id DESC LIMIT 1)",
    )
    .await;
    let below = invited(
        &app,
        &staff,
        json!({ "name": "B", "email": "b@child.example", "role": "PARTNER_REP", "partnerId": child.to_string() }),
    )
    .await;
    let token = admin_of(&app, parent);
    let seen = app.ask(&token, "{ users { nodes { id } } }").await;
    assert_eq!(seen.texts("/users/nodes", "/id"), [below.as_str()]);
    let refused = app
        .mutate(&token, "disableUser", json!({ "id": below }), ROW)
        .await;
    assert_eq!(refused.refusals("disableUser"), ["NOT_FOUND id"]);
    app.end().await;
}

#[tokio::test]
async fn nobody_changes_their_own_role_or_keeps_themselves_out_and_an_administrator_stays() {
    let (app, own, _) = with_partners().await;
    let staff = app.admin();
    let boss = invited(
        &app,
        &staff,
        json!({ "name": "Boss", "email": "boss@us.example", "role": "ADMIN" }),
    )
    .await;
    activate(&app, &boss).await;
    let token = token_of(&app, &boss, ViewerKind::Staff(StaffRole::Admin));
    let itself = app
        .mutate(&token, "disableUser", json!({ "id": boss }), ROW)
        .await;
    assert_eq!(
        itself.refusals("disableUser"),
        ["TRANSITION_NOT_ALLOWED id"]
    );
    let itself = app
        .mutate(
            &token,
            "updateUser",
            json!({ "id": boss, "role": "FINANCE" }),
            ROW,
        )
        .await;
    assert_eq!(itself.refusals("updateUser"), ["TRANSITION_NOT_ALLOWED id"]);
    let renamed = app
        .mutate(
            &token,
            "updateUser",
            json!({ "id": boss, "name": "The boss", "role": "ADMIN" }),
            ROW,
        )
        .await;
    assert_eq!(renamed.at("/updateUser/user/name"), &json!("The boss"));
    // The only administrator who can come stays, whoever asks.
    for (mutation, input) in [
        ("disableUser", json!({ "id": boss })),
        ("updateUser", json!({ "id": boss, "role": "FINANCE" })),
    ] {
        let refused = app.mutate(&staff, mutation, input, ROW).await;
        assert_eq!(
            refused.refusals(mutation),
            ["TRANSITION_NOT_ALLOWED"],
            "{mutation}"
        );
    }
    let second = invited(
        &app,
        &staff,
        json!({ "name": "Two", "email": "two@us.example", "role": "ADMIN" }),
    )
    .await;
    activate(&app, &second).await;
    let gone = app
        .mutate(&staff, "disableUser", json!({ "id": boss }), ROW)
        .await;
    assert_eq!(gone.at("/disableUser/user/status"), &json!("DISABLED"));
    let back = app
        .mutate(&staff, "enableUser", json!({ "id": boss }), ROW)
        .await;
    assert_eq!(
        back.at("/enableUser/user/status"),
        &json!("INVITED"),
        "no way to sign in is known of them"
    );
    let lead = invited(&app, &staff, json!({ "name": "Lead", "email": "lead@own.example", "role": "PARTNER_ADMIN", "partnerId": own.to_string() })).await;
    let token = token_of(&app, &lead, ViewerKind::Partner(own, PartnerRole::Admin));
    let itself = app
        .mutate(&token, "disableUser", json!({ "id": lead }), ROW)
        .await;
    assert_eq!(
        itself.refusals("disableUser"),
        ["TRANSITION_NOT_ALLOWED id"]
    );
    app.end().await;
}

#[tokio::test]
async fn of_two_administrators_who_remove_each_other_one_stays() {
    let (app, _, _) = with_partners().await;
    let staff = app.admin();
    for round in 0..5 {
        let mut both = Vec::new();
        for name in ["one", "two"] {
            let email = format!("{name}-{round}@us.example");
            let input = json!({ "name": name, "email": email, "role": "ADMIN" });
            let id = invited(&app, &staff, input).await;
            activate(&app, &id).await;
            both.push(id);
        }
        // Of the rounds before nobody is left.
        let others = format!(
            "UPDATE user_account SET status = 'DISABLED' WHERE email NOT LIKE '%-{round}@us.example'"
        );
        execute(&app, &others).await;
        let [one, two] = [0, 1].map(|index| json!({ "id": both[index] }));
        let (first, second) = futures::join!(
            app.mutate(&staff, "disableUser", one, ROW),
            app.mutate(&staff, "disableUser", two, ROW),
        );
        let mut refusals = [first, second].map(|answer| answer.refusals("disableUser"));
        refusals.sort();
        assert_eq!(
            refusals,
            [vec![], vec!["TRANSITION_NOT_ALLOWED".to_owned()]]
        );
    }
    app.end().await;
}

#[tokio::test]
async fn people_are_found_by_what_they_are() {
    let (app, own, other) = with_partners().await;
    let staff = app.admin();
    for (name, role, partner) in [
        ("anna", "PARTNER_MANAGER", Some(own)),
        ("bert", "PARTNER_MANAGER", None),
        ("carl", "PARTNER_VIEWER", Some(other)),
        ("dora", "AUDITOR", None),
    ] {
        let partner = partner.map(|id| id.to_string());
        let input = json!({ "name": name, "email": format!("{name}@x.example"), "role": role, "partnerId": partner });
        invited(&app, &staff, input).await;
    }
    for (filter, found) in [
        ("staff: true", &["bert", "dora"][..]),
        ("staff: false", &["anna", "carl"]),
        ("role: {eq: PARTNER_MANAGER}", &["anna", "bert"]),
        ("role: {in: [AUDITOR, PARTNER_VIEWER]}", &["carl", "dora"]),
        ("status: {eq: ACTIVE}", &[]),
        ("email: {eq: \"carl@x.example\"}", &["carl"]),
    ] {
        let query = format!(
            "{{ users(filter: {{{filter}}}, orderBy: [{{field: EMAIL}}]) {{ totalCount nodes {{ name }} }} }}"
        );
        let answer = app.ask(&staff, &query).await;
        assert_eq!(answer.texts("/users/nodes", "/name"), found, "{filter}");
        assert_eq!(
            answer.at("/users/totalCount"),
            &json!(found.len()),
            "{filter}"
        );
    }
    let query = format!(
        "{{ users(filter: {{partnerId: {{eq: \"{own}\"}}}}) {{ nodes {{ name partner {{ name }} }} }} }}"
    );
    let answer = app.ask(&staff, &query).await;
    assert_eq!(
        answer.texts("/users/nodes", "/partner/name"),
        ["Partner 000"]
    );
    let first = app.ask(&staff, "{ users(first: 2, orderBy: [{field: EMAIL, direction: DESC}]) { nodes { name } pageInfo { endCursor hasNextPage } } }").await;
    assert_eq!(first.texts("/users/nodes", "/name"), ["dora", "carl"]);
    let after = first.text("/users/pageInfo/endCursor");
    let rest = format!(
        "{{ users(first: 2, after: \"{after}\", orderBy: [{{field: EMAIL, direction: DESC}}]) {{ nodes {{ name }} }} }}"
    );
    assert_eq!(
        app.ask(&staff, &rest).await.texts("/users/nodes", "/name"),
        ["bert", "anna"]
    );
    let without = app.token(
        Scope::ALL
            .iter()
            .copied()
            .filter(|scope| *scope != Scope::UsersManage),
    );
    for query in [
        "{ users { totalCount } }",
        "{ user(id: \"user_01h2xcejqtf2nbrexx3vqjhp41\") { id } }",
    ] {
        assert_eq!(
            app.graphql(&without, query, json!({})).await.codes(),
            ["FORBIDDEN"]
        );
    }
    app.end().await;
}
