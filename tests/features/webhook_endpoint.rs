//! Webhook endpoints: what is taken and refused, who sees which, rotation, and what they are told.

use api::oauth::token::{Basis, TokenRequest};
use entities::change::{Author, Change, Origin};
use entities::event::{EventKind, NewEvent};
use entities::id::{PartnerId, SessionId};
use entities::oauth_client::{self, AuthMethod, GrantType, NewOAuthClient};
use entities::user::{self, UserRole};
use entities::viewer::{PartnerRole, Scope, Scopes, StaffRole, Viewer, ViewerKind};
use serde_json::{Value, json};
use std::time::Duration;
use tests::programme::{Size, fill};
use tests::{Options, Receiver, Reply, TestApp, people};

const NOW: &str = "2026-11-21T12:00:00Z";

pub async fn started(receivers: &[&Receiver]) -> TestApp {
    TestApp::start(Options {
        receivers: receivers
            .iter()
            .map(|receiver| receiver.address())
            .collect(),
        ..Options::standing_at(NOW)
    })
    .await
}

/// Makes an endpoint and answers its id and secret.
pub async fn endpoint(app: &TestApp, token: &str, url: &str, more: Value) -> (String, String) {
    let mut input = json!({ "name": "Ours", "url": url });
    for (name, value) in more.as_object().unwrap() {
        input[name] = value.clone();
    }
    let made = app
        .mutate(
            token,
            "createWebhookEndpoint",
            input,
            "webhookEndpoint { id status } secret",
        )
        .await;
    assert_eq!(
        made.refusals("createWebhookEndpoint"),
        Vec::<String>::new(),
        "{made}"
    );
    (
        made.text("/createWebhookEndpoint/webhookEndpoint/id"),
        made.text("/createWebhookEndpoint/secret"),
    )
}

pub async fn partner(app: &TestApp, name: &str) -> String {
    let made = app
        .mutate(
            &app.admin(),
            "createPartner",
            json!({ "name": name }),
            "partner { id }",
        )
        .await;
    made.text("/createPartner/partner/id")
}

#[tokio::test]
async fn an_event_is_told_in_the_subscribers_own_words_and_signed() {
    let receiver = Receiver::start();
    let app = started(&[&receiver]).await;
    let selection =
        "{ id type subject { __typename ... on Partner { name country } ... on Deal { name } } }";
    let (_, secret) = endpoint(
        &app,
        &app.admin(),
        &receiver.url("/hook?key=1"),
        json!({ "selection": selection, "types": ["partner.created"] }),
    )
    .await;
    assert!(secret.starts_with("whsec_"), "{secret}");
    let id = partner(&app, "Harbour").await;
    app.drain().await;
    let messages = receiver.take();
    assert_eq!(messages.len(), 1, "its own making is not of its types");
    let message = &messages[0];
    assert!(message.is_signed_by(&secret));
    assert!(!message.is_signed_by("whsec_AAAA"));
    assert_eq!(message.path, "/hook?key=1");
    assert_eq!(message.timestamp, "1795262400", "the time of the attempt");
    assert!(message.id.starts_with("webhook_delivery_"));
    let said = message.json();
    assert_eq!(said["type"], "partner.created");
    assert_eq!(
        said["data"]["subject"],
        json!({ "__typename": "Partner", "name": "Harbour", "country": null })
    );
    let text = String::from_utf8(message.body.clone()).unwrap();
    assert!(
        text.starts_with("{\"type\":\"partner.created\",\"timestamp\":"),
        "{text}"
    );

    // What is not of its types is not told; what the default says is.
    let (_, _) = endpoint(&app, &app.admin(), &receiver.url("/all"), json!({})).await;
    app.mutate(
        &app.admin(),
        "updatePartner",
        json!({ "id": id, "country": "Norway" }),
        "partner { id }",
    )
    .await;
    app.drain().await;
    let told: Vec<(String, String)> = receiver
        .take()
        .iter()
        .map(|message| (message.path.clone(), message.kind()))
        .collect();
    assert_eq!(
        told,
        [
            ("/all".to_owned(), "webhook_endpoint.created".to_owned()),
            ("/all".to_owned(), "partner.updated".to_owned())
        ]
    );
    app.finish().await;
}

#[tokio::test]
async fn what_cannot_be_an_endpoint_is_refused_and_nothing_is_written() {
    let receiver = Receiver::start();
    let app = started(&[&receiver]).await;
    let good = receiver.url("/");
    let long = "x".repeat(201);
    for (input, field) in [
        (json!({ "name": "", "url": good }), "name"),
        (json!({ "name": long, "url": good }), "name"),
        (json!({ "name": "A", "url": "nowhere" }), "url"),
        (json!({ "name": "A", "url": "http://127.0.0.1:1/" }), "url"),
        (
            json!({ "name": "A", "url": "http://169.254.169.254/" }),
            "url",
        ),
        (json!({ "name": "A", "url": format!("{good}#part") }), "url"),
        (
            json!({ "name": "A", "url": good, "types": ["deal.exploded"] }),
            "types",
        ),
        (
            json!({ "name": "A", "url": good, "partnerIds": ["partner_x"] }),
            "partnerIds",
        ),
        (
            json!({ "name": "A", "url": good, "selection": "{ id colour }" }),
            "selection",
        ),
        (
            json!({ "name": "A", "url": good, "selection": "id" }),
            "selection",
        ),
        (
            json!({ "name": "A", "url": good, "selection": "{ id } viewer { subject }" }),
            "selection",
        ),
        (
            json!({ "name": "A", "url": good, "selection": "{ id } } mutation { __typename" }),
            "selection",
        ),
        (
            json!({ "name": "A", "url": good, "selection": "{ subject { ... on Secret { id } } }" }),
            "selection",
        ),
    ] {
        let made = app
            .mutate(
                &app.admin(),
                "createWebhookEndpoint",
                input.clone(),
                "secret webhookEndpoint { id }",
            )
            .await;
        let errors = made.list("/createWebhookEndpoint/userErrors");
        assert!(
            errors.iter().any(|error| error["field"][0] == field),
            "{input}: {made}"
        );
        assert!(made.at("/createWebhookEndpoint/secret").is_null());
    }
    // Only to be validated: no secret is answered either.
    let only = json!({ "name": "A", "url": good, "validateOnly": true });
    let made = app
        .mutate(
            &app.admin(),
            "createWebhookEndpoint",
            only,
            "secret webhookEndpoint { id }",
        )
        .await;
    assert!(made.at("/createWebhookEndpoint/secret").is_null());
    assert_eq!(app.number("SELECT COUNT(*) FROM webhook_endpoint").await, 0);
    // The same key twice makes one endpoint, and its secret is told once.
    let twice = json!({ "name": "A", "url": good, "idempotencyKey": "k" });
    for is_first in [true, false] {
        let made = app
            .mutate(
                &app.admin(),
                "createWebhookEndpoint",
                twice.clone(),
                "secret webhookEndpoint { id }",
            )
            .await;
        assert_eq!(
            made.at("/createWebhookEndpoint/secret").is_string(),
            is_first,
            "{made}"
        );
        made.text("/createWebhookEndpoint/webhookEndpoint/id");
    }
    assert_eq!(app.number("SELECT COUNT(*) FROM webhook_endpoint").await, 1);
    let kept = app.rows("SELECT secret FROM webhook_endpoint").await;
    let sealed: String = kept[0].try_get_by_index(0).unwrap();
    assert!(sealed.starts_with("v1."), "the secret is sealed");
    app.end().await;
}

#[tokio::test]
async fn while_a_secret_is_rotated_both_sign_and_then_the_new_one_alone() {
    let receiver = Receiver::start();
    let app = started(&[&receiver]).await;
    let token = app.admin();
    let types = json!({ "types": ["partner.created"] });
    let (id, old) = endpoint(&app, &token, &receiver.url("/"), types).await;
    let rotate = async |hours: i32| {
        let input = json!({ "id": id, "overlapHours": hours });
        app.mutate(
            &app.admin(),
            "rotateWebhookSecret",
            input,
            "secret webhookEndpoint { previousSecretUntil }",
        )
        .await
    };
    for wrong in [-1, 169] {
        let refused = rotate(wrong).await;
        assert_eq!(
            refused.list("/rotateWebhookSecret/userErrors").len(),
            1,
            "{refused}"
        );
    }
    let new = rotate(24).await.text("/rotateWebhookSecret/secret");
    assert_ne!(new, old);
    let said = async |name: &str| {
        partner(&app, name).await;
        app.drain().await;
        receiver.take().remove(0)
    };
    let both = said("A").await;
    assert!(both.is_signed_by(&old) && both.is_signed_by(&new));
    app.advance(Duration::from_secs(24 * 3_600));
    let one = said("B").await;
    assert!(!one.is_signed_by(&old) && one.is_signed_by(&new));
    let newest = rotate(0).await.text("/rotateWebhookSecret/secret");
    let alone = said("C").await;
    assert!(alone.is_signed_by(&newest) && !alone.is_signed_by(&new));
    app.finish().await;
}

#[tokio::test]
async fn a_partners_endpoint_is_its_own_and_hears_of_its_own() {
    let receiver = Receiver::start();
    let app = started(&[&receiver]).await;
    let size = Size {
        partners: 2,
        customers: 2,
        deals: 0,
    };
    let made = fill(&app, size).await;
    let [one, other] = [made.partners[0].id, made.partners[1].id];
    let (token, stranger) = (app.partner_token(one), app.partner_token(other));
    let selection = "{ type actor subject { ... on Partner { name tags } } }";
    let (id, _) = endpoint(
        &app,
        &token,
        &receiver.url("/one"),
        json!({ "selection": selection }),
    )
    .await;
    let update = async |partner: PartnerId| {
        let input = json!({ "id": partner.to_string(), "country": "Chile", "tags": ["secret"] });
        app.mutate(&app.admin(), "updatePartner", input, "partner { id }")
            .await
    };
    update(one).await;
    update(other).await;
    app.drain().await;
    let told = receiver.take();
    let kinds: Vec<String> = told.iter().map(tests::Message::kind).collect();
    assert_eq!(kinds, ["webhook_endpoint.created", "partner.updated"]);
    let said = told[1].json();
    let name = &made.partners[0].name;
    assert_eq!(said["data"]["actor"], Value::Null, "internal");
    assert_eq!(said["data"]["subject"]["name"], name.as_str());

    // Another partner neither sees it nor changes it, and the deliveries are as invisible.
    let list =
        "{ webhookEndpoints { nodes { id } } webhookDeliveries { nodes { id request { body } } } }";
    let theirs = app.ask(&stranger, list).await;
    assert_eq!(theirs.list("/webhookEndpoints/nodes").len(), 0);
    assert_eq!(theirs.list("/webhookDeliveries/nodes").len(), 0);
    for (mutation, input, selected) in [
        (
            "updateWebhookEndpoint",
            json!({ "id": id, "name": "Mine" }),
            "webhookEndpoint { id }",
        ),
        ("rotateWebhookSecret", json!({ "id": id }), "secret"),
        (
            "pauseWebhookEndpoint",
            json!({ "id": id }),
            "webhookEndpoint { id }",
        ),
        (
            "resumeWebhookEndpoint",
            json!({ "id": id }),
            "webhookEndpoint { id }",
        ),
        ("testWebhook", json!({ "id": id }), "deliveryId"),
        (
            "replayWebhook",
            json!({ "id": id, "failed": true }),
            "replayed",
        ),
    ] {
        let refused = app.mutate(&stranger, mutation, input, selected).await;
        let errors = refused.list(&format!("/{mutation}/userErrors"));
        assert_eq!(errors[0]["code"], "NOT_FOUND", "{mutation}: {refused}");
    }
    // The programme's staff sees it, and neither redirects it nor gets its secret: what staff may read is not for the partner's address.
    let own = app.ask(&app.admin(), list).await;
    assert_eq!(own.list("/webhookEndpoints/nodes").len(), 1);
    for (mutation, input) in [
        (
            "updateWebhookEndpoint",
            json!({ "id": id, "url": receiver.url("/ours") }),
        ),
        ("rotateWebhookSecret", json!({ "id": id })),
    ] {
        let refused = app
            .mutate(&app.admin(), mutation, input, "webhookEndpoint { id }")
            .await;
        let errors = refused.list(&format!("/{mutation}/userErrors"));
        assert_eq!(errors[0]["code"], "LOCKED", "{mutation}: {refused}");
    }
    // A partner cannot listen to another partner either.
    let input = json!({ "name": "B", "url": receiver.url("/"), "partnerIds": [other.to_string()] });
    let refused = app
        .mutate(&token, "createWebhookEndpoint", input, "secret")
        .await;
    let errors = refused.list("/createWebhookEndpoint/userErrors");
    assert_eq!(errors[0]["code"], "NOT_FOUND", "{refused}");
    app.finish().await;
}

#[tokio::test]
async fn whoever_changes_an_endpoint_decides_what_it_may_be_told() {
    let receiver = Receiver::start();
    let app = started(&[&receiver]).await;
    let types = json!({ "types": ["partner.created"] });
    let (id, _) = endpoint(&app, &app.admin(), &receiver.url("/"), types).await;
    partner(&app, "A").await;
    app.drain().await;
    let log = "{ webhookDeliveries(orderBy: [{ field: CREATED_AT }]) { nodes { type request { body } answer { status } } } }";
    let support = app.token_for(ViewerKind::Staff(StaffRole::Support), Scopes::all());
    let body = "/webhookDeliveries/nodes/0/request/body";
    assert!(app.ask(&app.admin(), log).await.at(body).is_string());
    let less = app.ask(&support, log).await;
    assert!(
        less.at(body).is_null(),
        "support may read less than the owner: {less}"
    );
    assert_eq!(
        less.at("/webhookDeliveries/nodes/0/answer/status"),
        &json!(204)
    );

    let input = json!({ "id": id, "url": receiver.url("/support") });
    let changed = app
        .mutate(
            &support,
            "updateWebhookEndpoint",
            input,
            "webhookEndpoint { owner }",
        )
        .await;
    assert_eq!(
        changed.refusals("updateWebhookEndpoint"),
        Vec::<String>::new(),
        "{changed}"
    );
    // What was rendered for the administrator is rendered anew before it goes to another address.
    let replay =
        json!({ "id": id, "from": "2026-11-21T00:00:00Z", "until": "2026-11-22T00:00:00Z" });
    app.mutate(&support, "replayWebhook", replay, "replayed")
        .await;
    let _ = receiver.take();
    app.drain().await;
    assert_eq!(receiver.take().len(), 1);
    assert!(app.ask(&support, log).await.at(body).is_string());
    // Events of the audit trail are not for support, whoever owned the endpoint before.
    let wide = json!({ "id": id, "types": [] });
    app.mutate(
        &support,
        "updateWebhookEndpoint",
        wide,
        "webhookEndpoint { id }",
    )
    .await;
    let author = Author {
        actor: "somebody".to_owned(),
        origin: Origin::Human,
        connection: None,
    };
    let mut change = Change::begin(app.database(), author).await.unwrap();
    let session: SessionId = change.new_id();
    change.record(NewEvent::about(
        EventKind::SessionStarted,
        session,
        json!({}),
    ));
    change.commit().await.unwrap();
    app.drain().await;
    let kinds: Vec<String> = receiver.take().iter().map(tests::Message::kind).collect();
    assert_eq!(kinds, ["webhook_endpoint.updated"]);
    app.finish().await;
}

/// A token that names a row: a person's, or a client's.
fn token_of(app: &TestApp, subject: String, kind: ViewerKind) -> String {
    app.issue(&TokenRequest {
        subject,
        client_id: "tests".to_owned(),
        kind,
        scopes: Scopes::all(),
        lifetime_seconds: 3_600,
        basis: Basis::default(),
    })
}

async fn person(app: &TestApp, role: UserRole, name: &str) -> (user::Model, String) {
    let email = format!("{name}@people.example");
    let user = people::member(app, role, name, &email).await;
    let token = token_of(app, user.id.to_string(), role.viewer_kind());
    (user, token)
}

async fn software(
    app: &TestApp,
    partner_id: Option<PartnerId>,
    name: &str,
) -> (oauth_client::Model, String) {
    let mut change = people::change(app).await;
    let scopes = [
        Scope::WebhooksManage,
        Scope::EventsRead,
        Scope::PartnersRead,
    ];
    let new = NewOAuthClient {
        name: name.to_owned(),
        partner_id,
        auth_method: AuthMethod::ClientSecretBasic,
        redirect_uris: Vec::new(),
        grant_types: vec![GrantType::ClientCredentials],
        scopes: scopes.into_iter().collect(),
        jwks: None,
    };
    let (client, _) = oauth_client::create(&mut change, &Viewer::system("tests"), new)
        .await
        .unwrap();
    change.commit().await.unwrap();
    let kind = partner_id.map_or(ViewerKind::Integration, |partner| {
        ViewerKind::Partner(partner, PartnerRole::Software)
    });
    let token = token_of(app, client.id.to_string(), kind);
    (client, token)
}

/// The paths at which something arrived, in order, each once.
fn paths(receiver: &Receiver) -> Vec<String> {
    let messages = receiver.take();
    let mut paths: Vec<String> = messages.into_iter().map(|message| message.path).collect();
    paths.sort();
    paths.dedup();
    paths
}

#[tokio::test]
async fn an_owner_that_lost_its_rights_hears_nothing_any_more() {
    let receiver = Receiver::start();
    let app = TestApp::start(Options {
        receivers: vec![receiver.address()],
        ..people::standing()
    })
    .await;
    let staff = UserRole::Staff;
    let ours = people::partner(&app, "Ours").await;
    let ended = people::partner(&app, "Ended").await;
    let of_ours = |role| UserRole::Partner(ours, role);
    let (_, stays_token) = person(&app, staff(StaffRole::Admin), "stays").await;
    let (disabled, disabled_token) = person(&app, staff(StaffRole::Admin), "disabled").await;
    // Finance reads events and manages no webhooks; a partner's seller neither.
    let (demoted, demoted_token) = person(&app, staff(StaffRole::Support), "demoted").await;
    let (seller, seller_token) = person(&app, of_ours(PartnerRole::Admin), "seller").await;
    let (lead, lead_token) = person(&app, of_ours(PartnerRole::Admin), "lead").await;
    let (_, of_ended) = person(
        &app,
        UserRole::Partner(ended, PartnerRole::Admin),
        "of-ended",
    )
    .await;
    let (client, client_token) = software(&app, Some(ours), "client").await;
    let (narrowed, narrowed_token) = software(&app, None, "narrowed").await;
    let (_, works_token) = software(&app, Some(ours), "works").await;
    let (_, software_of_ended) = software(&app, Some(ended), "software of the ended").await;
    let all = [
        ("/client", &client_token),
        ("/demoted", &demoted_token),
        ("/disabled", &disabled_token),
        ("/lead", &lead_token),
        ("/narrowed", &narrowed_token),
        ("/of-ended", &of_ended),
        ("/seller", &seller_token),
        ("/software-of-ended", &software_of_ended),
        ("/stays", &stays_token),
        ("/works", &works_token),
    ];
    for (path, token) in all {
        let more = json!({ "types": ["partner.updated"] });
        endpoint(&app, token, &receiver.url(path), more).await;
    }
    let happen = async |country: &str| {
        for id in [ours, ended] {
            let input = json!({ "id": id.to_string(), "country": country });
            app.mutate(&app.admin(), "updatePartner", input, "partner { id }")
                .await;
        }
    };
    // What waits for another attempt is kept with its bytes; they were made for somebody who may read them.
    receiver.answers(Reply::status(500));
    happen("Peru").await;
    app.drain().await;
    assert_eq!(paths(&receiver), all.map(|(path, _)| path.to_owned()));

    let mut change = people::change(&app).await;
    user::disable(&mut change, disabled).await.unwrap();
    user::set_role(&mut change, demoted, staff(StaffRole::Finance))
        .await
        .unwrap();
    user::set_role(&mut change, seller, of_ours(PartnerRole::Rep))
        .await
        .unwrap();
    oauth_client::disable(&mut change, client).await.unwrap();
    let patch = oauth_client::OAuthClientPatch {
        scopes: Some([Scope::WebhooksManage].into_iter().collect()),
        ..oauth_client::OAuthClientPatch::default()
    };
    oauth_client::update(&mut change, &Viewer::system("tests"), narrowed, patch)
        .await
        .unwrap();
    change.commit().await.unwrap();
    let input = json!({ "id": ended.to_string(), "status": "TERMINATED" });
    let done = app
        .mutate(&app.admin(), "updatePartner", input, "partner { status }")
        .await;
    assert_eq!(done.text("/updatePartner/partner/status"), "TERMINATED");
    receiver.answers(Reply::status(204));
    let hear_still = ["/lead", "/stays", "/works"];
    app.advance(Duration::from_secs(60));
    app.drain().await;
    assert_eq!(paths(&receiver), hear_still, "neither what waited");
    happen("Chile").await;
    app.drain().await;
    assert_eq!(paths(&receiver), hear_still, "nor what is new");
    let waits = "SELECT COUNT(*) FROM webhook_delivery WHERE state = 'PENDING'";
    assert_eq!(app.number(waits).await, 0);
    // Whose owner is out is disabled, and says so; a partner that is out rests, for that may end.
    let out = "SELECT COUNT(*) FROM webhook_endpoint WHERE status = 'DISABLED' AND disabled_reason LIKE 'its owner may not%'";
    assert_eq!(app.number(out).await, 5);
    let told = "SELECT COUNT(*) FROM event WHERE kind = 'webhook_endpoint.disabled'";
    assert_eq!(app.number(told).await, 5);

    // Of a partner's people too those only hear who may read events and manage webhooks.
    let mut change = people::change(&app).await;
    let row = user::find(change.transaction(), lead.id).await.unwrap();
    user::set_role(&mut change, row.unwrap(), of_ours(PartnerRole::Finance))
        .await
        .unwrap();
    change.commit().await.unwrap();
    happen("Brazil").await;
    app.drain().await;
    assert_eq!(paths(&receiver), ["/stays", "/works"]);
    app.finish().await;
}

#[tokio::test]
async fn nobody_hears_more_than_on_the_day_the_endpoint_was_made() {
    let receiver = Receiver::start();
    let app = TestApp::start(Options {
        receivers: vec![receiver.address()],
        ..people::standing()
    })
    .await;
    // Somebody stays, for the last administrator loses nothing.
    person(&app, UserRole::Staff(StaffRole::Admin), "stays").await;
    let support = UserRole::Staff(StaffRole::Support);
    let (rises, rises_token) = person(&app, support, "rises").await;
    let (falls, falls_token) = person(&app, UserRole::Staff(StaffRole::Admin), "falls").await;
    let more = json!({ "types": ["user.enabled", "partner.created"] });
    for (path, token) in [("/rises", &rises_token), ("/falls", &falls_token)] {
        endpoint(&app, token, &receiver.url(path), more.clone()).await;
    }
    let mut change = people::change(&app).await;
    user::set_role(&mut change, rises, UserRole::Staff(StaffRole::Admin))
        .await
        .unwrap();
    user::set_role(&mut change, falls, support).await.unwrap();
    change.commit().await.unwrap();
    let (other, _) = person(&app, support, "other").await;
    let mut change = people::change(&app).await;
    let row = user::disable(&mut change, other).await.unwrap();
    user::enable(&mut change, row).await.unwrap();
    change.commit().await.unwrap();
    partner(&app, "New").await;
    app.drain().await;
    let mut told: Vec<(String, String)> = receiver
        .take()
        .iter()
        .map(|message| (message.path.clone(), message.kind()))
        .collect();
    told.sort();
    let created = "partner.created".to_owned();
    assert_eq!(
        told,
        [
            ("/falls".to_owned(), created.clone()),
            ("/rises".to_owned(), created)
        ],
        "the audit trail is told to neither"
    );
    app.finish().await;
}

#[tokio::test]
async fn an_endpoint_is_removed_with_what_was_on_its_way() {
    let receiver = Receiver::start();
    let app = started(&[&receiver]).await;
    let admin = app.admin();
    let more = json!({ "types": ["partner.created"] });
    let (id, _) = endpoint(&app, &admin, &receiver.url("/gone"), more.clone()).await;
    let (kept, _) = endpoint(&app, &admin, &receiver.url("/kept"), more).await;
    receiver.answers(Reply::status(500));
    partner(&app, "One").await;
    app.drain().await;
    let _ = receiver.take();
    let delete = async |token: &str, input: Value| {
        app.mutate(token, "deleteWebhookEndpoint", input, "deletedId")
            .await
    };
    let stale = delete(&admin, json!({ "id": id, "expectedVersion": 7 })).await;
    assert_eq!(
        stale.refusals("deleteWebhookEndpoint"),
        ["VERSION_CONFLICT expectedVersion"]
    );
    let gone = delete(&admin, json!({ "id": id })).await;
    assert_eq!(gone.text("/deleteWebhookEndpoint/deletedId"), id);
    let again = delete(&admin, json!({ "id": id })).await;
    assert_eq!(again.refusals("deleteWebhookEndpoint"), ["NOT_FOUND id"]);
    // Nobody removes another's.
    let own = people::partner(&app, "Own").await;
    let theirs = delete(&app.partner_token(own), json!({ "id": kept })).await;
    assert_eq!(theirs.refusals("deleteWebhookEndpoint"), ["NOT_FOUND id"]);
    receiver.answers(Reply::status(204));
    app.advance(Duration::from_secs(60));
    partner(&app, "Two").await;
    app.drain().await;
    assert_eq!(paths(&receiver), ["/kept"]);
    let left = "SELECT COUNT(*) FROM webhook_delivery WHERE state = 'PENDING'";
    assert_eq!(app.number(left).await, 0);
    let told = "SELECT COUNT(*) FROM event WHERE kind = 'webhook_endpoint.deleted'";
    assert_eq!(app.number(told).await, 1);
    app.finish().await;
}
