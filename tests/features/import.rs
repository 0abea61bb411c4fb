//! Files of revenue: good rows come in, bad ones are told of, and the same file again changes nothing.

use crate::scene::Scene;
use serde_json::{Value, json};
use tests::Answer;

const PATH: &str = "/imports?kind=revenue";

async fn send(scene: &Scene, token: &str, path: &str, kind: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str()), ("content-type", kind)];
    scene.app.post_raw(path, &headers, body.to_owned()).await
}

#[tokio::test]
async fn good_rows_come_in_bad_ones_are_told_of_and_again_changes_nothing() {
    let scene = Scene::start().await;
    scene.agree(&scene.partnership, Scene::technology()).await;
    let own = &scene.partnership;
    let file = format!(
        "external_key,kind,amount,currency,occurred_at,partnership_id\n\
         a,PAYMENT,1000.00,EUR,2026-11-02T10:00:00Z,{own}\n\
         b,PAYMENT,12.345,EUR,2026-11-02T10:00:00Z,{own}\n\
         c,GIFT,1,XXX,yesterday,partnership_01h2xcejqtf2nbrexx3vqjhp41\n\
         a,PAYMENT,7,EUR,2026-11-02T10:00:00Z,\n\
         d,PAYMENT,1,EUR,2026-11-02T10:00:00Z,partnership_01h2xcejqtf2nbrexx3vqjhp41\n\
         e,REFUND,-1,EUR,2026-11-02T10:00:00Z,{own}\n\
         f,PAYMENT,5,EUR,2026-11-02T10:00:00Z,{own}\n"
    );
    let look = format!("{PATH}&validateOnly=true");
    let looked = send(&scene, &scene.admin, &look, "text/csv", &file).await;
    assert_eq!(
        scene.app.number("SELECT COUNT(*) FROM revenue_event").await,
        0
    );
    let answer = send(&scene, &scene.admin, PATH, "text/csv; charset=utf-8", &file).await;
    assert_eq!(answer.status, 200, "{answer}");
    assert_eq!(looked.body, answer.body, "looking first says the same");
    let report = &answer.body;
    assert_eq!(
        (
            &report["rows"],
            &report["recorded"],
            &report["known"],
            &report["refused"]
        ),
        (&json!(7), &json!(2), &json!(0), &json!(5))
    );
    let told: Vec<String> = report["refusals"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|refusal| {
            let errors = refusal["errors"].as_array().unwrap();
            errors.iter().map(|error| {
                format!(
                    "{} {} {}",
                    refusal["row"],
                    error["code"].as_str().unwrap(),
                    error["field"].as_str().unwrap()
                )
            })
        })
        .collect();
    assert_eq!(
        told,
        [
            "2 INVALID amount",
            "3 INVALID kind",
            "3 INVALID currency",
            "3 INVALID occurred_at",
            "4 TAKEN external_key",
            "5 NOT_FOUND partnership_id",
            "6 INVALID amount",
        ]
    );
    let again = send(&scene, &scene.admin, PATH, "text/csv", &file).await;
    assert_eq!(
        (&again.body["recorded"], &again.body["known"]),
        (&json!(0), &json!(2))
    );
    // A file is history, and history does not act.
    scene.work().await;
    assert_eq!(scene.ledger(&scene.admin).await, []);
    scene.app.finish().await;
}

#[tokio::test]
async fn lines_of_json_say_the_same_and_a_key_that_stands_for_something_else_is_refused() {
    let scene = Scene::start().await;
    let line = |key: &str, amount: &str| {
        json!({ "external_key": key, "kind": "PAYMENT", "amount": amount, "currency": "EUR", "occurred_at": "2026-11-02T10:00:00Z" }).to_string()
    };
    let file = format!("{}\n\n{}\n", line("a", "1"), line("b", "2"));
    let kind = "application/jsonl";
    let answer = send(&scene, &scene.admin, PATH, kind, &file).await;
    assert_eq!(answer.body["recorded"], json!(2), "{answer}");
    let other = format!("{}\n{{\"external_key\": 1}}\n", line("a", "3"));
    let answer = send(&scene, &scene.admin, PATH, kind, &other).await;
    let rows: Vec<&Value> = answer.body["refusals"]
        .as_array()
        .unwrap()
        .iter()
        .map(|refusal| &refusal["errors"][0]["code"])
        .collect();
    assert_eq!(rows, [&json!("TAKEN"), &json!("INVALID")]);
    scene.app.finish().await;
}

#[tokio::test]
async fn what_is_no_file_and_who_may_not_are_refused_whole() {
    let scene = Scene::start().await;
    let good =
        "external_key,kind,amount,currency,occurred_at\na,PAYMENT,1,EUR,2026-11-02T10:00:00Z\n";
    let own = scene.own();
    let reader = scene.app.token([entities::viewer::Scope::DealsRead]);
    let admin = scene.admin.as_str();
    for (token, path, kind, body, status) in [
        (own.as_str(), PATH, "text/csv", good, 403),
        (reader.as_str(), PATH, "text/csv", good, 403),
        ("nonsense", PATH, "text/csv", good, 401),
        (admin, "/imports", "text/csv", good, 400),
        (admin, "/imports?kind=people", "text/csv", good, 400),
        (admin, PATH, "text/plain", good, 415),
        (admin, PATH, "text/csv", "name,age\nx,1\n", 400),
        (admin, PATH, "text/csv", "", 400),
    ] {
        let answer = send(&scene, token, path, kind, body).await;
        assert_eq!(answer.status, status, "{path} {kind} {body}: {answer}");
    }
    let large = "x".repeat(16 * 1024 * 1024 + 1);
    let answer = send(&scene, admin, PATH, "text/csv", &large).await;
    assert_eq!(answer.status, 413, "{answer}");
    assert_eq!(
        scene.app.number("SELECT COUNT(*) FROM revenue_event").await,
        0
    );
    scene.app.finish().await;
}
