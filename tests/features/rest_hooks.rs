//! REST hooks, as Zapier and Make use them: subscribe, be told, unsubscribe, and samples.

use super::webhook_endpoint::{partner, started};
use entities::viewer::{PartnerRole, Scope, Scopes, ViewerKind};
use serde_json::{Value, json};
use tests::{Receiver, TestApp, people};

async fn post(app: &TestApp, token: &str, body: &Value) -> (u16, Value) {
    let request = app.http.post(app.url("/rest-hooks")).bearer_auth(token);
    let answer = request.json(body).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json().await.unwrap_or_default())
}

async fn delete(app: &TestApp, token: &str, id: &str) -> u16 {
    let request = app.http.delete(app.url(&format!("/rest-hooks/{id}")));
    let answer = request.bearer_auth(token).send().await.unwrap();
    answer.status().as_u16()
}

async fn get(app: &TestApp, token: &str, path: &str) -> (u16, Value) {
    let request = app.http.get(app.url(path)).bearer_auth(token);
    let answer = request.send().await.unwrap();
    (
        answer.status().as_u16(),
        answer.json().await.unwrap_or_default(),
    )
}

#[tokio::test]
async fn a_hook_is_subscribed_told_and_unsubscribed() {
    let receiver = Receiver::start();
    let app = started(&[&receiver]).await;
    let token = app.token([
        Scope::WebhooksManage,
        Scope::EventsRead,
        Scope::PartnersRead,
    ]);
    let wish = json!({
        "targetUrl": receiver.url("/zap"), "event": "partner.created",
        "selection": "{ id subject { ... on Partner { name } } }",
    });
    let (status, made) = post(&app, &token, &wish).await;
    assert_eq!(status, 201, "{made}");
    assert_eq!(made["event"], "partner.created");
    let id = made["id"].as_str().unwrap().to_owned();
    partner(&app, "Heard").await;
    app.drain().await;
    let told = receiver.take();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].json()["data"]["subject"]["name"], "Heard");

    // A sample has the form of what arrives.
    let path = "/rest-hooks/samples/partner.created?selection=%7B%20id%20subject%20%7B%20...%20on%20Partner%20%7B%20name%20%7D%20%7D%20%7D";
    let (status, sample) = get(&app, &token, path).await;
    assert_eq!((status, &sample[0]), (200, &told[0].json()));
    let (status, none) = get(&app, &token, "/rest-hooks/samples/deal.won").await;
    assert_eq!((status, none), (200, json!([])));
    let (status, kinds) = get(&app, &token, "/rest-hooks/events").await;
    assert_eq!(status, 200);
    assert!(
        kinds
            .as_array()
            .unwrap()
            .contains(&json!({ "id": "deal.won", "name": "deal.won" }))
    );

    assert_eq!(delete(&app, &token, &id).await, 204);
    assert_eq!(delete(&app, &token, &id).await, 404);
    partner(&app, "Unheard").await;
    app.drain().await;
    assert!(receiver.take().is_empty());
    app.finish().await;
}

#[tokio::test]
async fn what_is_wrong_is_a_problem_document() {
    let receiver = Receiver::start();
    let app = started(&[&receiver]).await;
    let token = app.token([Scope::WebhooksManage, Scope::EventsRead]);
    let good = json!({ "targetUrl": receiver.url("/x"), "event": "deal.won" });
    for (wish, status, words) in [
        (
            json!({ "targetUrl": "http://10.0.0.1/x", "event": "deal.won" }),
            400,
            "targetUrl",
        ),
        (
            json!({ "targetUrl": receiver.url("/x"), "event": "deal.wonn" }),
            400,
            "event: ",
        ),
        (
            json!({ "targetUrl": receiver.url("/x"), "event": "deal.won", "selection": "{ nobody }" }),
            400,
            "selection",
        ),
        (json!({ "targetUrl": receiver.url("/x") }), 400, "Wanted is"),
        (
            json!({ "targetUrl": receiver.url("/x"), "event": "deal.won", "more": 1 }),
            400,
            "Wanted is",
        ),
    ] {
        let (answered, problem) = post(&app, &token, &wish).await;
        assert_eq!(answered, status, "{wish}: {problem}");
        assert!(
            problem["detail"].as_str().unwrap().contains(words),
            "{problem}"
        );
        assert_eq!(problem["type"], "about:blank");
    }
    for scopes in [vec![Scope::WebhooksManage], vec![Scope::EventsRead], vec![]] {
        let (status, problem) = post(&app, &app.token(scopes), &good).await;
        assert_eq!((status, &problem["code"]), (403, &json!("FORBIDDEN")));
    }
    assert_eq!(post(&app, "nonsense", &good).await.0, 401);
    assert_eq!(
        get(&app, &token, "/rest-hooks/samples/deal.wonn").await.0,
        404
    );
    assert_eq!(delete(&app, &token, "nonsense").await, 404);
    assert_eq!(app.number("SELECT COUNT(*) FROM webhook_endpoint").await, 0);
    app.finish().await;
}

#[tokio::test]
async fn a_partner_subscribes_for_itself_and_removes_its_own_only() {
    let receiver = Receiver::start();
    let app = started(&[&receiver]).await;
    let (own, other) = (
        people::partner(&app, "Own").await,
        people::partner(&app, "Other").await,
    );
    let token = |partner| {
        let kind = ViewerKind::Partner(partner, PartnerRole::Software);
        app.token_for(kind, Scopes::all())
    };
    let wish = json!({ "targetUrl": receiver.url("/own"), "event": "partner.updated" });
    let (status, made) = post(&app, &token(own), &wish).await;
    assert_eq!(status, 201, "{made}");
    let id = made["id"].as_str().unwrap().to_owned();
    for stranger in [token(other), app.admin()] {
        assert_eq!(delete(&app, &stranger, &id).await, 404);
    }
    let (_, sample) = get(&app, &token(other), "/rest-hooks/samples/partner.created").await;
    let told = sample.to_string();
    assert!(told.contains(&other.to_string()) && !told.contains(&own.to_string()));
    let (_, kinds) = get(&app, &token(own), "/rest-hooks/events").await;
    assert!(!kinds.to_string().contains("session."));
    for partner in [own, other] {
        let input = json!({ "id": partner.to_string(), "country": "Peru" });
        app.mutate(&app.admin(), "updatePartner", input, "partner { id }")
            .await;
    }
    app.drain().await;
    let told = receiver.take();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].json()["data"]["subjectId"], own.to_string());
    assert_eq!(delete(&app, &token(own), &id).await, 204);
    app.finish().await;
}
