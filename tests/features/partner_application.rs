//! A company applies to a programme: by the public form, as a partner, or by staff; and what becomes of it.

use crate::scene::{Scene, TODAY, done};
use api::worker::Work;
use api::worker::programme::Clockwork;
use entities::viewer::{PartnerRole, Scopes, ViewerKind};
use serde_json::{Value, json};
use std::time::Duration;
use tests::{Browser, Options};

const FIELDS: &str = "partnerApplication { id status source type companyName domain contactName contactEmail question answer reason decidedBy \
    submittedBy internalNote availableTransitions partner { id name domain status } partnership { type stage status enrollment { program { id } } } }";

fn wish(program: &str) -> Value {
    json!({
        "programId": program, "type": "CHANNEL", "companyName": "Umbrella", "domain": "https://www.umbrella.example/x", "country": "DE",
        "contactName": "Ada Lovelace", "contactEmail": "ada@umbrella.example", "message": "We sell in Austria.",
    })
}

async fn applied(scene: &Scene) -> String {
    let made = scene
        .admin("submitPartnerApplication", wish(&scene.program), FIELDS)
        .await;
    made["partnerApplication"]["id"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn an_approved_application_is_a_partner_with_a_partnership_in_the_programme() {
    let scene = Scene::start().await;
    let id = applied(&scene).await;
    let input = |more: Value| {
        let mut input = more;
        input["id"] = json!(id);
        input
    };
    assert_eq!(
        scene
            .refused("approvePartnerApplication", input(json!({})))
            .await,
        ["TRANSITION_NOT_ALLOWED status"],
        "nobody has looked at it"
    );
    scene
        .admin("reviewPartnerApplication", input(json!({})), FIELDS)
        .await;
    let dry = input(json!({ "validateOnly": true }));
    scene.admin("approvePartnerApplication", dry, FIELDS).await;
    assert_eq!(scene.app.number("SELECT COUNT(*) FROM partner").await, 1);
    let approve = input(json!({ "reason": "Welcome", "internalNote": "Met in Graz" }));
    let made = scene
        .admin("approvePartnerApplication", approve.clone(), FIELDS)
        .await;
    let row = &made["partnerApplication"];
    assert_eq!(row["status"], "APPROVED");
    assert_eq!(row["availableTransitions"], json!([]));
    assert_eq!(row["partner"]["name"], "Umbrella");
    assert_eq!(row["partner"]["domain"], "umbrella.example");
    assert_eq!(row["partner"]["status"], "ACTIVE");
    assert_eq!(
        row["partnership"],
        json!({ "type": "CHANNEL", "stage": "PROSPECT", "status": "OPEN", "enrollment": { "program": { "id": scene.program } } })
    );
    assert_eq!(
        scene.refused("approvePartnerApplication", approve).await,
        ["TRANSITION_NOT_ALLOWED status"]
    );
    assert_eq!(
        scene
            .app
            .number("SELECT COUNT(*) FROM contact WHERE email = 'ada@umbrella.example'")
            .await,
        1
    );
    let events = "SELECT COUNT(*) FROM event WHERE kind IN ('partner_application.submitted', 'partner_application.in_review', 'partner_application.approved')";
    assert_eq!(scene.app.number(events).await, 3);
    assert_eq!(
        scene
            .app
            .number("SELECT COUNT(*) FROM event WHERE CAST(data AS text) LIKE '%Lovelace%'")
            .await,
        0,
        "the log names no person"
    );
    scene.app.finish().await;
}

#[tokio::test]
async fn a_domain_that_a_partner_has_is_not_taken_by_an_application() {
    let scene = Scene::start().await;
    let owner = scene
        .admin(
            "createPartner",
            json!({ "name": "Umbrella Holding", "domain": "umbrella.example" }),
            "partner { id }",
        )
        .await["partner"]["id"]
        .clone();
    let id = applied(&scene).await;
    scene
        .admin("reviewPartnerApplication", json!({ "id": id }), FIELDS)
        .await;
    assert_eq!(
        scene
            .refused("approvePartnerApplication", json!({ "id": id }))
            .await,
        ["TAKEN partnerId"]
    );
    let never = "partner_01h2xcejqtf2nbrexx3vqjhp41";
    assert_eq!(
        scene
            .refused(
                "approvePartnerApplication",
                json!({ "id": id, "partnerId": never })
            )
            .await,
        ["NOT_FOUND partnerId"]
    );
    let made = scene
        .admin(
            "approvePartnerApplication",
            json!({ "id": id, "partnerId": owner }),
            FIELDS,
        )
        .await;
    assert_eq!(made["partnerApplication"]["partner"]["id"], owner);
    // The same type a second time is no second partnership.
    let mut again = wish(&scene.program);
    again["partnerId"] = owner.clone();
    let second = scene.admin("submitPartnerApplication", again, FIELDS).await;
    let second = second["partnerApplication"]["id"].clone();
    scene
        .admin("reviewPartnerApplication", json!({ "id": second }), FIELDS)
        .await;
    assert_eq!(
        scene
            .refused("approvePartnerApplication", json!({ "id": second }))
            .await,
        ["TAKEN partnerId"]
    );
    scene
        .admin(
            "updatePartner",
            json!({ "id": owner, "status": "SUSPENDED" }),
            "partner { id }",
        )
        .await;
    assert_eq!(
        scene
            .refused("approvePartnerApplication", json!({ "id": second }))
            .await,
        ["LOCKED partnerId"]
    );
    assert_eq!(
        scene.app.number("SELECT COUNT(*) FROM partnership").await,
        2
    );
    scene.app.finish().await;
}

#[tokio::test]
async fn a_question_waits_thirty_days_for_its_answer() {
    let scene = Scene::start().await;
    let ids = [applied(&scene).await, applied(&scene).await];
    for id in &ids {
        scene
            .admin("reviewPartnerApplication", json!({ "id": id }), FIELDS)
            .await;
        assert_eq!(
            scene
                .refused(
                    "answerPartnerApplication",
                    json!({ "id": id, "answer": "Unasked" })
                )
                .await,
            ["TRANSITION_NOT_ALLOWED status"]
        );
        let ask = json!({ "id": id, "question": "How many sellers?" });
        scene
            .admin("requestPartnerApplicationInformation", ask, FIELDS)
            .await;
    }
    let made = scene
        .admin(
            "answerPartnerApplication",
            json!({ "id": ids[0], "answer": "Twelve" }),
            FIELDS,
        )
        .await;
    assert_eq!(made["partnerApplication"]["status"], "SUBMITTED");
    assert_eq!(made["partnerApplication"]["answer"], "Twelve");
    let clockwork = Clockwork(scene.app.database().clone());
    scene.app.advance(Duration::from_secs(29 * 86_400));
    clockwork.step().await.unwrap();
    let expired = "SELECT COUNT(*) FROM partner_application WHERE status = 'EXPIRED'";
    assert_eq!(scene.app.number(expired).await, 0);
    scene.app.advance(Duration::from_secs(86_400));
    clockwork.step().await.unwrap();
    assert_eq!(scene.app.number(expired).await, 1);
    assert_eq!(
        scene
            .refused(
                "answerPartnerApplication",
                json!({ "id": ids[1], "answer": "Late" })
            )
            .await,
        ["TRANSITION_NOT_ALLOWED status"]
    );
    scene.app.finish().await;
}

#[tokio::test]
async fn a_partners_administrator_applies_for_its_own_company_and_nobody_elses() {
    let scene = Scene::start().await;
    let (other, _) = scene.partner("Other").await;
    let token = |partner, role| {
        scene
            .app
            .token_for(ViewerKind::Partner(partner, role), Scopes::all())
    };
    let admin = token(scene.partner, PartnerRole::Admin);
    let apply = async |token: &str, input: Value| {
        scene
            .app
            .mutate(token, "submitPartnerApplication", input, FIELDS)
            .await
    };
    let name = "submitPartnerApplication";
    assert_eq!(
        apply(&admin, wish(&scene.program)).await.refusals(name),
        ["NOT_FOUND programId"],
        "a programme that takes no applications is none"
    );
    scene
        .admin(
            "updateProgram",
            json!({ "id": scene.program, "acceptsApplications": true }),
            "program { acceptsApplications }",
        )
        .await;
    let rep = token(scene.partner, PartnerRole::Rep);
    assert_eq!(
        apply(&rep, wish(&scene.program)).await.refusals(name),
        ["INVALID partnerId"]
    );
    let mut for_other = wish(&scene.program);
    for_other["partnerId"] = json!(other.to_string());
    assert_eq!(
        apply(&admin, for_other).await.refusals(name),
        ["INVALID partnerId"]
    );
    let answer = apply(&admin, wish(&scene.program)).await;
    let made = done(&answer, name)["partnerApplication"].clone();
    assert_eq!(made["source"], "PARTNER");
    assert_eq!(made["partner"]["name"], "Acme");
    assert_eq!(made["submittedBy"], json!(null), "internal");
    assert_eq!(
        apply(&admin, wish(&scene.program)).await.refusals(name),
        ["TAKEN programId"],
        "one at a time"
    );
    // The other one sees and changes nothing of it.
    let theirs = token(other, PartnerRole::Admin);
    let seen = scene
        .app
        .ask(&theirs, "{ partnerApplications { nodes { id } } }")
        .await;
    assert_eq!(seen.at("/partnerApplications/nodes"), &json!([]));
    let withdraw = json!({ "id": made["id"], "reason": "Changed our mind" });
    let name = "withdrawPartnerApplication";
    let answer = scene
        .app
        .mutate(&theirs, name, withdraw.clone(), FIELDS)
        .await;
    assert_eq!(answer.refusals(name), ["NOT_FOUND id"]);
    let answer = scene.app.mutate(&rep, name, withdraw.clone(), FIELDS).await;
    assert_eq!(answer.refusals(name), ["INVALID id"]);
    let answer = scene.app.mutate(&admin, name, withdraw, FIELDS).await;
    assert_eq!(
        done(&answer, name)["partnerApplication"]["status"],
        "WITHDRAWN"
    );
    let filter = json!({ "status": { "eq": "WITHDRAWN" }, "domain": { "eq": "umbrella.example" } });
    let query = "query($filter: PartnerApplicationFilter) { partnerApplications(filter: $filter) { totalCount } }";
    let found = scene
        .app
        .graphql(&scene.app.admin(), query, json!({ "filter": filter }))
        .await;
    assert_eq!(found.at("/partnerApplications/totalCount"), &json!(1));
    scene.app.finish().await;
}

#[tokio::test]
async fn the_public_form_takes_an_application_and_tells_nobody_anything() {
    let options = Options::standing_at(TODAY).with("ENTENTE_LIMITS_APPLICATIONS_PER_HOUR", "4");
    let scene = Scene::start_with(options).await;
    let mut browser = Browser::new(&scene.app);
    let path = format!("/apply/{}", scene.program);
    let nowhere = browser
        .get("/apply/program_01h2xcejqtf2nbrexx3vqjhp41")
        .await;
    assert_eq!(nowhere.status, 404);
    let closed = browser.get(&path).await;
    assert_eq!((closed.status, &closed.text), (404, &nowhere.text), "alike");
    let update = json!({ "id": scene.program, "acceptsApplications": true });
    scene.admin("updateProgram", update, "program { id }").await;
    scene
        .admin(
            "createPartner",
            json!({ "name": "Umbrella", "domain": "umbrella.example" }),
            "partner { id }",
        )
        .await;
    let shown = browser.get(&path).await;
    assert_eq!(shown.status, 200);
    assert!(shown.says("Apply to Partners") && !shown.says("<script"));
    let typed = |website: &'static str, email: &'static str| {
        [
            ("company", "Umbrella"),
            ("website", website),
            ("country", "de"),
            ("kind", "CHANNEL"),
            ("person", "Ada"),
            ("email", email),
            ("message", "Hello"),
        ]
    };
    let foreign = browser
        .post_from(
            Some("https://evil.example"),
            &path,
            &typed("", "ada@x.example"),
        )
        .await;
    assert_eq!(foreign.status, 403);
    let wrong = browser.post(&path, &typed("", "nobody")).await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.says("Error: ") && wrong.says("This is no e-mail address."));
    let known = browser
        .post(&path, &typed("umbrella.example", "ada@umbrella.example"))
        .await;
    let new = browser
        .post(
            &path,
            &typed("nobody-knows.example", "ada@umbrella.example"),
        )
        .await;
    assert_eq!((known.status, new.status), (200, 200));
    assert_eq!(known.text, new.text, "whether it is known cannot be told");
    let again = browser
        .post(&path, &typed("umbrella.example", "ada@umbrella.example"))
        .await;
    assert_eq!(again.text, known.text);
    let often = browser
        .post(&path, &typed("", "ada@umbrella.example"))
        .await;
    assert_eq!(often.status, 429);
    assert!(often.headers.contains_key("retry-after"));
    let listed = scene
        .app
        .ask(&scene.app.admin(), "{ partnerApplications(filter: {source: {eq: FORM}}) { nodes { status country submittedBy partner { id } } } }")
        .await;
    let row = json!({ "status": "SUBMITTED", "country": "DE", "submittedBy": "application form", "partner": null });
    assert_eq!(
        listed.at("/partnerApplications/nodes"),
        &json!([row, row, row]),
        "what nobody proved is tied to nobody"
    );
    scene.app.finish().await;
}

#[tokio::test]
async fn bad_input_is_named_and_a_person_is_forgotten() {
    let scene = Scene::start().await;
    for (field, value, refusal) in [
        ("companyName", json!(" "), "BLANK companyName"),
        ("companyName", json!("a\nb"), "INVALID companyName"),
        ("contactEmail", json!("nobody"), "INVALID contactEmail"),
        ("website", json!("javascript:alert(1)"), "INVALID website"),
        ("country", json!("Germany"), "INVALID country"),
        ("employees", json!(-1), "INVALID employees"),
        (
            "programId",
            json!("program_01h2xcejqtf2nbrexx3vqjhp41"),
            "NOT_FOUND programId",
        ),
        (
            "partnerId",
            json!("partner_01h2xcejqtf2nbrexx3vqjhp41"),
            "NOT_FOUND partnerId",
        ),
    ] {
        let mut input = wish(&scene.program);
        input[field] = value;
        assert_eq!(
            scene.refused("submitPartnerApplication", input).await,
            [refusal],
            "{field}"
        );
    }
    let count = "SELECT COUNT(*) FROM partner_application";
    assert_eq!(scene.app.number(count).await, 0);
    let id = applied(&scene).await;
    assert_eq!(
        scene
            .refused(
                "refusePartnerApplication",
                json!({ "id": id, "reason": " " })
            )
            .await,
        ["BLANK reason"]
    );
    let refuse =
        json!({ "id": id, "reason": "Not now", "internalNote": "Too small", "expectedVersion": 1 });
    let made = scene
        .admin("refusePartnerApplication", refuse, FIELDS)
        .await;
    assert_eq!(made["partnerApplication"]["status"], "REFUSED");
    assert_eq!(made["partnerApplication"]["reason"], "Not now");
    let erased = scene
        .admin(
            "erasePerson",
            json!({ "email": "ADA@umbrella.example" }),
            "erased { applications }",
        )
        .await;
    assert_eq!(erased["erased"]["applications"], json!(1));
    let left = scene
        .app
        .ask(
            &scene.app.admin(),
            "{ partnerApplications { nodes { companyName contactName contactEmail } } }",
        )
        .await;
    assert_eq!(
        left.at("/partnerApplications/nodes"),
        &json!([{ "companyName": "Umbrella", "contactName": "Erased person", "contactEmail": null }])
    );
    scene.app.finish().await;
}
