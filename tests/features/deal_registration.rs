//! Deal registrations: who registers first is protected, and others learn one word.

use crate::scene::{Scene, done};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::time::Duration;
use tests::Answer;

fn content(name: &str, domain: &str) -> Value {
    json!({
        "account": { "name": name, "domain": domain, "country": "DE" }, "contact": { "name": "Kim", "email": "kim@buyer.example" },
        "products": ["Core"], "territories": ["DE"], "value": { "amount": "50000", "currency": "EUR" }, "expectedCloseOn": "2027-02-01",
        "useCase": "One bill for all.",
    })
}

/// Drafts and hands in a registration with a token; the answer is its id and what was said.
async fn register(
    scene: &Scene,
    token: &str,
    partnership: &str,
    content: Value,
) -> (String, Answer) {
    let input = json!({ "partnershipId": partnership, "content": content });
    let answer = scene
        .app
        .mutate(
            token,
            "createDealRegistration",
            input,
            "dealRegistration { id status }",
        )
        .await;
    let made = done(&answer, "createDealRegistration")["dealRegistration"].clone();
    assert_eq!(made["status"], "DRAFT");
    let id = made["id"].as_str().unwrap().to_owned();
    let answer = scene
        .app
        .mutate(
            token,
            "submitDealRegistration",
            json!({ "id": id }),
            "dealRegistration { status submittedAt receipt }",
        )
        .await;
    (id, answer)
}

fn status(answer: &Answer) -> Value {
    done(answer, "submitDealRegistration")["dealRegistration"]["status"].clone()
}

async fn decide(scene: &Scene, mutation: &str, input: Value) -> Value {
    let fields = "dealRegistration { status protectedUntil extensions decision decidedBy }";
    scene.admin(mutation, input, fields).await["dealRegistration"].clone()
}

#[tokio::test]
async fn nothing_is_approved_or_converted_through_a_partnership_that_rests() {
    let scene = Scene::start().await;
    let own = scene.own();
    let (id, _) = register(
        &scene,
        &own,
        &scene.partnership,
        content("Buyer GmbH", "buyer.example"),
    )
    .await;
    let rests = async |status: &str| {
        let input = json!({ "id": scene.partnership, "status": status });
        scene
            .admin("updatePartnership", input, "partnership { status }")
            .await;
    };
    let refused = ["LOCKED partnershipId"];
    rests("ON_HOLD").await;
    let approve = json!({ "id": id });
    let name = "approveDealRegistration";
    assert_eq!(scene.refused(name, approve.clone()).await, refused);
    rests("OPEN").await;
    decide(&scene, name, approve.clone()).await;
    rests("ON_HOLD").await;
    let name = "convertDealRegistration";
    assert_eq!(scene.refused(name, approve.clone()).await, refused);
    rests("OPEN").await;
    assert_eq!(scene.refused(name, approve).await, Vec::<String>::new());
    scene.app.finish().await;
}

#[tokio::test]
async fn a_partner_registers_and_is_protected_and_its_receipt_is_signed() {
    let scene = Scene::start().await;
    let own = scene.own();
    let (id, answer) = register(
        &scene,
        &own,
        &scene.partnership,
        content("Buyer GmbH", "buyer.example"),
    )
    .await;
    assert_eq!(status(&answer), "SUBMITTED");
    let receipt = answer.text("/submitDealRegistration/dealRegistration/receipt");
    let parts: Vec<&str> = receipt.split('.').collect();
    let header: Value =
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(parts[0]).unwrap()).unwrap();
    assert_eq!(
        (&header["alg"], &header["typ"]),
        (&json!("EdDSA"), &json!("deal-registration-receipt+jws"))
    );
    let keys = scene.app.state.tokens.keys();
    let key = keys.find(header["kid"].as_str().unwrap()).unwrap();
    let signed = format!("{}.{}", parts[0], parts[1]);
    assert!(key.verifies(parts[2], signed.as_bytes()));
    assert!(!key.verifies(parts[2], format!("{signed}x").as_bytes()));
    let said: Value =
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(parts[1]).unwrap()).unwrap();
    assert_eq!(
        (&said["registration"], &said["submittedAt"]),
        (&json!(id), &json!("2026-11-02T09:00:00Z"))
    );
    // A receipt opens nothing.
    let answer = scene
        .app
        .graphql(&receipt, "{ viewer { kind } }", json!({}))
        .await;
    assert_eq!(answer.status, 401, "{answer}");

    let approved = decide(
        &scene,
        "approveDealRegistration",
        json!({ "id": id, "message": "Go on.", "internalNote": "big fish" }),
    )
    .await;
    // 90 days, to the end of the day in Berlin.
    assert_eq!(
        approved,
        json!({ "status": "APPROVED", "protectedUntil": "2027-01-31T23:00:00Z", "extensions": 0, "decision": "Go on.", "decidedBy": "tests" })
    );
    let query = format!(
        "{{ dealRegistration(id: {id:?}) {{ account {{ name domain country duns }} contact {{ name email }} products territories value {{ amount }} \
         expectedCloseOn useCase decision decidedBy availableTransitions notes {{ kind text internal author }} program {{ name }} partner {{ name }} }} }}"
    );
    let shown = scene.app.ask(&own, &query).await;
    assert_eq!(
        shown.at("/dealRegistration"),
        &json!({
            "account": { "name": "Buyer GmbH", "domain": "buyer.example", "country": "DE", "duns": null },
            "contact": { "name": "Kim", "email": "kim@buyer.example" }, "products": ["Core"], "territories": ["DE"], "value": { "amount": "50000.00" },
            "expectedCloseOn": "2027-02-01", "useCase": "One bill for all.", "decision": "Go on.", "decidedBy": null,
            "availableTransitions": ["CONVERTED", "EXPIRED", "WITHDRAWN"], "notes": [], "program": { "name": "Partners" }, "partner": { "name": "Acme" },
        })
    );
    let ours = scene.app.ask(&scene.admin, &query).await;
    assert_eq!(
        ours.at("/dealRegistration/notes"),
        &json!([{ "kind": "DECISION", "text": "big fish", "internal": true, "author": "tests" }])
    );
    scene.app.finish().await;
}

#[tokio::test]
async fn another_partner_learns_one_word_and_comes_second() {
    let scene = Scene::start().await;
    let (other, others) = scene.partner("Bolt").await;
    let (own, theirs) = (scene.own(), scene.app.partner_token(other));
    let check = async |token: &str, name: &str, domain: Value| {
        let input = json!({ "account": { "name": name, "domain": domain, "country": "DE" } });
        let answer = scene
            .app
            .mutate(token, "checkAccount", input, "availability claimedUntil")
            .await;
        answer.at("/checkAccount").clone()
    };
    let free = json!({ "availability": "AVAILABLE", "claimedUntil": null, "userErrors": [] });
    assert_eq!(check(&theirs, "Buyer", json!("buyer.example")).await, free);
    let (first, _) = register(
        &scene,
        &own,
        &scene.partnership,
        content("Buyer GmbH", "buyer.example"),
    )
    .await;
    decide(&scene, "approveDealRegistration", json!({ "id": first })).await;
    // The same account by its domain, and by its name without the legal form.
    for (name, domain) in [
        ("Something else", json!("buyer.example")),
        ("The BUYER", json!(null)),
    ] {
        assert_eq!(
            check(&theirs, name, domain).await,
            json!({ "availability": "CLAIMED", "claimedUntil": "2027-01-31T23:00:00Z", "userErrors": [] })
        );
    }
    assert_eq!(
        check(&own, "Buyer GmbH", json!("buyer.example")).await,
        free,
        "its own claim stands against nobody it is"
    );
    let (second, answer) =
        register(&scene, &theirs, &others, content("Buyer", "buyer.example")).await;
    assert_eq!(status(&answer), "CONFLICTED");
    assert_eq!(
        scene
            .refused("approveDealRegistration", json!({ "id": second }))
            .await
            .len(),
        1
    );
    let query = "query($id: ID!) { registrationConflicts(id: $id) { isCertain dealRegistration { id partner { name } } deal { id } customer { id } agreement { id } } }";
    let answer = scene
        .app
        .graphql(&scene.admin, query, json!({ "id": second }))
        .await;
    assert_eq!(
        answer.at("/registrationConflicts"),
        &json!([{
            "isCertain": true, "dealRegistration": { "id": first, "partner": { "name": "Acme" } }, "deal": null, "customer": null, "agreement": null,
        }])
    );
    let answer = scene
        .app
        .graphql(&theirs, query, json!({ "id": second }))
        .await;
    assert_eq!(answer.codes(), ["FORBIDDEN"]);
    // To the other partner the first registration is one that never was.
    let ask = |id: &str| {
        format!(
            "{{ dealRegistration(id: {id:?}) {{ id }} node(id: {id:?}) {{ id }} dealRegistrations {{ totalCount }} }}"
        )
    };
    let never = ask("deal_registration_01h2xcejqtf2nbrexx3vqjhp41");
    assert_eq!(
        scene.app.ask(&theirs, &ask(&first)).await.data(),
        scene.app.ask(&theirs, &never).await.data()
    );
    let back = |id: &str| json!({ "id": id, "reason": "mine" });
    for mutation in ["withdrawDealRegistration", "submitDealRegistration"] {
        let mut input = back(&first);
        if mutation == "submitDealRegistration" {
            input = json!({ "id": first });
        }
        let answer = scene
            .app
            .mutate(&theirs, mutation, input, "__typename")
            .await;
        assert_eq!(answer.refusals(mutation), ["NOT_FOUND id"]);
    }
    let through_ours =
        json!({ "partnershipId": scene.partnership, "content": content("A", "a.example") });
    let answer = scene
        .app
        .mutate(
            &theirs,
            "createDealRegistration",
            through_ours,
            "__typename",
        )
        .await;
    assert_eq!(
        answer.refusals("createDealRegistration"),
        ["NOT_FOUND partnershipId"]
    );
    let answer = scene
        .app
        .mutate(
            &theirs,
            "approveDealRegistration",
            json!({ "id": second }),
            "__typename",
        )
        .await;
    assert_eq!(answer.codes(), ["FORBIDDEN"]);
    scene.app.finish().await;
}

#[tokio::test]
async fn questions_about_accounts_are_counted() {
    let scene = Scene::start().await;
    let own = scene.own();
    let ask = async |n: u32| {
        let input = json!({ "account": { "name": format!("Account {n}"), "country": "DE" } });
        scene
            .app
            .mutate(&own, "checkAccount", input, "availability")
            .await
    };
    for n in 0..60 {
        assert_eq!(
            ask(n).await.at("/checkAccount/availability"),
            "AVAILABLE",
            "{n}"
        );
    }
    assert_eq!(ask(60).await.refusals("checkAccount"), ["LOCKED account"]);
    scene.app.advance(Duration::from_secs(3_601));
    let input = json!({ "account": { "name": "Account", "country": "DE" } });
    let later = scene
        .app
        .mutate(&scene.own(), "checkAccount", input, "availability")
        .await;
    assert_eq!(later.at("/checkAccount/availability"), "AVAILABLE");
    let unsaid = json!({ "account": { "name": "Account" } });
    let answer = scene
        .app
        .mutate(&scene.app.admin(), "checkAccount", unsaid, "availability")
        .await;
    assert_eq!(answer.refusals("checkAccount"), ["BLANK partnerId"]);
    scene.app.finish().await;
}

#[tokio::test]
async fn a_question_is_answered_a_protection_extended_and_a_deal_comes_of_it() {
    let scene = Scene::start().await;
    let own = scene.own();
    let buyer = content("Buyer GmbH", "buyer.example");
    let (id, _) = register(&scene, &own, &scene.partnership, buyer.clone()).await;
    let asked = json!({ "id": id, "question": "Who decides there?" });
    decide(&scene, "requestDealRegistrationInformation", asked).await;
    let mut more = buyer;
    more["useCase"] = json!("Kim decides.");
    let answer = scene
        .app
        .mutate(
            &own,
            "reviseDealRegistration",
            json!({ "id": id, "content": more }),
            "dealRegistration { useCase status }",
        )
        .await;
    done(&answer, "reviseDealRegistration");
    let answer = scene
        .app
        .mutate(
            &own,
            "submitDealRegistration",
            json!({ "id": id }),
            "dealRegistration { status }",
        )
        .await;
    assert_eq!(status(&answer), "SUBMITTED");
    decide(
        &scene,
        "approveDealRegistration",
        json!({ "id": id, "protectionDays": 10 }),
    )
    .await;
    let request = json!({ "id": id, "evidence": "They want a pilot." });
    let answer = scene
        .app
        .mutate(
            &own,
            "requestDealRegistrationExtension",
            request.clone(),
            "dealRegistration { protectedUntil }",
        )
        .await;
    // Asking changes nothing yet.
    assert_eq!(
        done(&answer, "requestDealRegistrationExtension")["dealRegistration"]["protectedUntil"],
        "2026-11-12T23:00:00Z"
    );
    let extended = decide(&scene, "extendDealRegistration", request.clone()).await;
    assert_eq!(
        (&extended["protectedUntil"], &extended["extensions"]),
        (&json!("2026-12-27T23:00:00Z"), &json!(1))
    );
    assert_eq!(
        scene.refused("extendDealRegistration", request).await,
        ["TAKEN evidence"]
    );
    let answer = scene
        .app
        .mutate(
            &own,
            "commentDealRegistration",
            json!({ "id": id, "text": "hush", "internal": true }),
            "__typename",
        )
        .await;
    assert_eq!(
        answer.refusals("commentDealRegistration"),
        ["INVALID internal"]
    );
    scene
        .admin(
            "convertDealRegistration",
            json!({ "id": id }),
            "dealRegistration { status }",
        )
        .await;
    let query = "{ partnerships { nodes { registrations { nodes { status deal { name stage amount { amount } products customer { domain } partners { role weightBp } } notes \
        { kind text } } } } } }";
    let shown = scene.app.ask(&own, query).await;
    assert_eq!(
        shown.at("/partnerships/nodes/0/registrations/nodes"),
        &json!([{
            "status": "CONVERTED",
            "deal": {
                "name": "Buyer GmbH", "stage": "PROSPECT", "amount": { "amount": "50000.00" }, "products": ["Core"],
                "customer": { "domain": "buyer.example" }, "partners": [{ "role": "SOURCED", "weightBp": 10_000 }],
            },
            "notes": [
                { "kind": "QUESTION", "text": "Who decides there?" }, { "kind": "EXTENSION_REQUEST", "text": "They want a pilot." },
                { "kind": "EVIDENCE", "text": "They want a pilot." },
            ],
        }])
    );
    scene.app.finish().await;
}

#[tokio::test]
async fn what_cannot_be_registered_is_refused_and_protection_ends_by_the_clock() {
    let scene = Scene::start().await;
    let own = scene.own();
    let create = async |content: Value| {
        let input = json!({ "partnershipId": scene.partnership, "content": content });
        scene
            .app
            .mutate(&own, "createDealRegistration", input, "__typename")
            .await
            .refusals("createDealRegistration")
    };
    let with = |part: &str, value: Value| {
        let mut content = content("Buyer", "buyer.example");
        *content.pointer_mut(part).unwrap() = value;
        content
    };
    for (content, refusal) in [
        (with("/products", json!(["Other"])), "NOT_FOUND products"),
        (with("/useCase", json!(" ")), "BLANK useCase"),
        (with("/value/amount", json!("-1")), "INVALID value"),
        (
            with("/value/amount", json!("1.001")),
            "INVALID value.amount",
        ),
    ] {
        assert_eq!(create(content.clone()).await, [refusal], "{content}");
    }
    assert_eq!(
        scene
            .app
            .number("SELECT COUNT(*) FROM deal_registration")
            .await,
        0
    );
    let (id, _) = register(
        &scene,
        &own,
        &scene.partnership,
        content("Buyer", "buyer.example"),
    )
    .await;
    decide(
        &scene,
        "approveDealRegistration",
        json!({ "id": id, "protectionDays": 1 }),
    )
    .await;
    scene.app.advance(Duration::from_hours(24 * 2));
    scene.work().await;
    let query = format!("{{ dealRegistration(id: {id:?}) {{ status }} }}");
    let shown = scene.app.ask(&scene.own(), &query).await;
    assert_eq!(shown.at("/dealRegistration/status"), "EXPIRED");
    scene.app.finish().await;
}

#[tokio::test]
async fn who_only_asks_whether_it_may_hand_in_gets_no_receipt_and_learns_of_nobody() {
    let scene = Scene::start().await;
    let (other, others) = scene.partner("Bolt").await;
    let (own, theirs) = (scene.own(), scene.app.partner_token(other));
    let buyer = content("Buyer GmbH", "buyer.example");
    register(&scene, &own, &scene.partnership, buyer).await;
    let draft = async |domain: &str| {
        let input = json!({ "partnershipId": others, "content": content(domain, domain) });
        let fields = "dealRegistration { id }";
        let answer = scene
            .app
            .mutate(&theirs, "createDealRegistration", input, fields)
            .await;
        done(&answer, "createDealRegistration")["dealRegistration"]["id"].clone()
    };
    let fields = "dealRegistration { status submittedAt receipt availableTransitions }";
    let mut answers = Vec::new();
    for domain in ["buyer.example", "free.example"] {
        let input = json!({ "id": draft(domain).await, "validateOnly": true });
        let answer = scene
            .app
            .mutate(&theirs, "submitDealRegistration", input, fields)
            .await;
        answers.push(done(&answer, "submitDealRegistration"));
    }
    let asked = &answers[0]["dealRegistration"];
    assert_eq!(
        (&asked["status"], &asked["submittedAt"], &asked["receipt"]),
        (&json!("DRAFT"), &json!(null), &json!(null))
    );
    assert_eq!(answers[0], answers[1], "claimed and free answer alike");
    // What is refused for a reason of the partner's own is told all the same.
    let (mine, answer) = register(&scene, &theirs, &others, content("Mine", "mine.example")).await;
    assert_eq!(status(&answer), "SUBMITTED");
    let receipt = answer.text("/submitDealRegistration/dealRegistration/receipt");
    let said = receipt.split('.').nth(1).unwrap();
    let said: Value =
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(said).unwrap()).unwrap();
    assert_eq!(said["registration"], json!(mine));
    assert_eq!(
        said.get("turn"),
        None,
        "it would count what all partners hand in"
    );
    for (id, refusal) in [
        (json!(mine), "TRANSITION_NOT_ALLOWED status"),
        (draft("mine.example").await, "TAKEN account"),
    ] {
        let input = json!({ "id": id, "validateOnly": true });
        let answer = scene
            .app
            .mutate(&theirs, "submitDealRegistration", input, fields)
            .await;
        assert_eq!(answer.refusals("submitDealRegistration"), [refusal]);
    }
    scene.app.finish().await;
}
