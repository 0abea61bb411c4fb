//! Who has no valid token: one answer to every field, whatever it is asked about, a row that is there or one that never was.
//!
//! So it is for who never had one and for whose has ended: by time, by being revoked, with the grant it followed from, with the person's access, and with
//! the partner's part in the programme.

use crate::contract::{Contract, Takes};
use crate::oauth::scene::{
    changed, company, opens, partner_admin, signed_in, software, staff, tokens,
};
use entities::id::PartnerId;
use entities::user;
use entities::viewer::{Scopes, StaffRole, ViewerKind};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use tests::{Answer, Options, TestApp};

fn face(answer: &Answer) -> (u16, Vec<(String, String)>, Vec<u8>) {
    let headers = answer.headers.iter().filter(|(name, _)| *name != "date");
    let text = headers.map(|(name, value)| (name.to_string(), format!("{value:?}")));
    let mut headers: Vec<(String, String)> = text.collect();
    headers.sort();
    (answer.status, headers, answer.bytes.clone())
}

/// Tokens that were good, and are taken back, each in a way of its own.
async fn taken_back(app: &TestApp, partner: PartnerId) -> Vec<(&'static str, String)> {
    let (owners, own) = (
        software(app, None).await,
        software(app, Some(partner)).await,
    );
    let boss = staff(app, StaffRole::Admin).await;
    let helper = staff(app, StaffRole::Support).await;
    let cookie = signed_in(app, &boss).await;
    let revoked = owners.tokens(app, &cookie).await;
    let with_grant = owners.tokens(app, &cookie).await;
    let of_helper = owners.tokens(app, &signed_in(app, &helper).await).await;
    let of_partner = signed_in(app, &partner_admin(app, partner).await).await;
    let of_partner = own.tokens(app, &of_partner).await;
    let for_itself = [("grant_type", "client_credentials")];
    let of_software = tokens(&own.exchange(app, &for_itself).await);
    let all = vec![
        ("revoked", revoked.access.clone()),
        ("of a grant that ended", with_grant.access.clone()),
        ("of somebody who was disabled", of_helper.access),
        ("of a suspended partner's person", of_partner.access),
        ("of a suspended partner's software", of_software.access),
    ];
    for (who, token) in &all {
        assert!(opens(app, token).await, "{who}");
    }
    for token in [&revoked.access, &with_grant.refresh] {
        let answer = owners.post(app, "/oauth/revoke", &[("token", token)]).await;
        assert_eq!(answer.status, 200, "{answer}");
    }
    changed(app, &helper, user::disable).await;
    let input = json!({ "id": partner.to_string(), "status": "SUSPENDED" });
    app.mutate(&app.admin(), "updatePartner", input, "__typename")
        .await;
    all
}

#[tokio::test]
async fn without_a_valid_token_every_field_is_one_answer() {
    let options = Options::standing_at("2026-11-21T12:00:00Z");
    let app = TestApp::start(options.with("ENTENTE_LIMITS_TOKEN_PER_MINUTE", 1_000_000)).await;
    let contract = Contract::published();
    let there = company(&app, "Acme").await;
    let never: PartnerId = app.database().new_id();
    let expired = app.token_for(ViewerKind::Staff(StaffRole::Admin), Scopes::all());
    assert_eq!(
        app.graphql(&expired, "{ __typename }", json!({}))
            .await
            .status,
        200
    );
    app.advance(Duration::from_secs(3_600));
    let taken_back = taken_back(&app, there).await;
    let mut faces = BTreeSet::new();
    let mut asked = 0;
    for (operation, root, path) in [
        ("query", "Query", "/graphql"),
        ("mutation", "Mutation", "/graphql"),
        ("subscription", "Subscription", "/graphql/stream"),
    ] {
        for field in contract.fields(root) {
            let place = contract.places(field);
            let place = place.iter().find(|place| place.takes == Takes::Id);
            let mut calls = vec![contract.call(field)];
            for id in [there, never] {
                calls.extend(place.map(|place| contract.call_at(field, place, &id.to_string())));
            }
            let mut callers = vec![None, Some(expired.as_str()), Some("none"), Some("")];
            callers.extend(taken_back.iter().map(|(_, token)| Some(token.as_str())));
            for (token, call) in callers
                .iter()
                .flat_map(|token| calls.iter().map(move |call| (*token, call)))
            {
                let query = format!("{operation} {{ {call} }}");
                let request = app
                    .http
                    .post(app.url(path))
                    .header("x-request-id", "always-this")
                    .json(&json!({ "query": query }));
                let request = match token {
                    Some(token) => request.bearer_auth(token),
                    None => request,
                };
                let answer = app.send(request).await;
                assert_eq!(answer.status, 401, "{query}");
                faces.insert(face(&answer));
                asked += 1;
            }
        }
    }
    assert!(
        asked > 150 && faces.len() == 1,
        "{} answers differ",
        faces.len()
    );
    app.finish().await;
}
