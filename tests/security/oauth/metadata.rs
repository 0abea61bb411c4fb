//! What is advertised exists and works, and nothing works that is not advertised.

use super::scene::*;
use entities::oauth_client::{AuthMethod, GrantType};
use entities::viewer::{Scope, StaffRole};
use serde_json::Value;
use std::collections::BTreeSet;
use tests::TestApp;

async fn metadata(app: &TestApp) -> Value {
    let answer = app
        .get("/.well-known/oauth-authorization-server", &[])
        .await;
    assert_eq!(answer.status, 200, "{answer}");
    assert!(
        answer
            .header("content-type")
            .starts_with("application/json")
    );
    answer.body
}

fn words(document: &Value, member: &str) -> BTreeSet<String> {
    let list = document[member].as_array();
    let list = list.unwrap_or_else(|| panic!("{member}: {document}"));
    list.iter()
        .map(|word| word.as_str().unwrap().to_owned())
        .collect()
}

/// The path of an advertised address.
fn path(app: &TestApp, address: &Value) -> String {
    let base = app.public_url().as_str();
    let path = address.as_str().unwrap().strip_prefix(base);
    path.unwrap().to_owned()
}

#[tokio::test]
async fn every_advertised_address_answers_and_no_other_does() {
    let app = app().await;
    let document = metadata(&app).await;
    assert_eq!(document["issuer"], app.public_url().as_str());
    assert_eq!(
        document["authorization_response_iss_parameter_supported"],
        true
    );
    let advertised: BTreeSet<String> = document
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| name.ends_with("_endpoint") || *name == "jwks_uri")
        .map(|(_, address)| path(&app, address))
        .collect();
    let wanted = [
        "/.well-known/jwks.json",
        "/oauth/authorize",
        "/oauth/introspect",
        "/oauth/revoke",
        "/oauth/token",
    ];
    assert!(
        advertised.iter().map(String::as_str).eq(wanted),
        "{advertised:?}"
    );
    // The answer of what is not there is the one of any address nobody has.
    let there = async |path: &str| {
        let mut found = false;
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH"] {
            let request = app.http.request(method.parse().unwrap(), app.url(path));
            let answer = app.send(request).await;
            let is_nothing = answer.body["code"] == "UNAUTHENTICATED" || answer.status == 405;
            found |= !is_nothing && answer.status != 404;
        }
        found
    };
    for path in &advertised {
        assert!(there(path).await, "{path}");
    }
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server/",
        "/.well-known/oauth-authorization-server/x",
        "/.well-known/jwks",
        "/oauth",
        "/oauth/",
        "/oauth/authorise",
        "/oauth/authorization",
        "/oauth/auth",
        "/oauth/tokens",
        "/oauth/token/",
        "/oauth/introspection",
        "/oauth/revocation",
        "/oauth/register",
        "/oauth/registration",
        "/oauth/userinfo",
        "/oauth/par",
        "/oauth/device",
        "/oauth/device_authorization",
        "/oauth/end_session",
        "/oauth/logout",
        "/oauth/keys",
        "/oauth/jwks",
        "/oauth2/token",
        "/token",
        "/authorize",
        "/userinfo",
    ] {
        assert!(!there(path).await, "{path}");
    }
    // Beside them there is the address of a person's answer, which is no client's.
    assert!(there("/oauth/consent").await);
    app.finish().await;
}

#[tokio::test]
async fn every_advertised_way_works_and_no_other_does() {
    let app = app().await;
    let document = metadata(&app).await;
    let cookie = signed_in(&app, &staff(&app, StaffRole::Admin).await).await;
    // Ways to prove oneself, at each address that says so; signatures have tests of their own.
    let methods = words(&document, "token_endpoint_auth_methods_supported");
    let known: BTreeSet<String> = AuthMethod::ALL.map(|it| it.as_str().to_owned()).into();
    assert_eq!(methods, known);
    assert_eq!(
        methods,
        words(&document, "revocation_endpoint_auth_methods_supported")
    );
    let mut proving = methods.clone();
    proving.remove("none");
    assert_eq!(
        proving,
        words(&document, "introspection_endpoint_auth_methods_supported")
    );
    for method in AuthMethod::ALL {
        if method == AuthMethod::PrivateKeyJwt {
            continue;
        }
        let client = register(&app, registration(method, None)).await;
        let id = client.id();
        for member in ["token", "revocation", "introspection"] {
            let address = path(&app, &document[format!("{member}_endpoint")]);
            let mut form = vec![
                ("token", "x"),
                ("grant_type", "refresh_token"),
                ("refresh_token", "x"),
            ];
            let mut request = app.http.post(app.url(&address));
            match method {
                AuthMethod::ClientSecretBasic => {
                    request = request.header("authorization", client.basic());
                }
                AuthMethod::ClientSecretPost => {
                    form.extend([
                        ("client_id", id.as_str()),
                        ("client_secret", &client.secret),
                    ]);
                }
                _ => form.push(("client_id", &id)),
            }
            let answer = app.send(request.form(&form)).await;
            let says = words(
                &document,
                &format!("{member}_endpoint_auth_methods_supported"),
            );
            let knows_who = answer.body["error"] != "invalid_client";
            assert_eq!(
                knows_who,
                says.contains(method.as_str()),
                "{member}: {answer}"
            );
        }
    }
    let signing = words(
        &document,
        "token_endpoint_auth_signing_alg_values_supported",
    );
    let known: BTreeSet<String> = ["EdDSA", "Ed25519", "ES256", "PS256", "RS256"]
        .map(str::to_owned)
        .into();
    assert_eq!(
        signing, known,
        "as the strict clients use them, in the conformance suite"
    );
    // Ways to tokens.
    let grants = words(&document, "grant_types_supported");
    let known: BTreeSet<String> = GrantType::ALL.map(|it| it.as_str().to_owned()).into();
    assert_eq!(grants, known);
    let client = software(&app, None).await;
    for grant in [
        "authorization_code",
        "refresh_token",
        "client_credentials",
        "password",
        "implicit",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:ietf:params:oauth:grant-type:saml2-bearer",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "urn:openid:params:grant-type:ciba",
    ] {
        let form = [("grant_type", grant), ("username", "u"), ("password", "p")];
        let answer = client.exchange(&app, &form).await;
        let is_known = answer.body["error"] != "unsupported_grant_type";
        assert_eq!(is_known, grants.contains(grant), "{grant}: {answer}");
    }
    // What can be asked of a person.
    for (parameter_name, member, tried) in [
        (
            "response_type",
            "response_types_supported",
            &[
                "code",
                "token",
                "id_token",
                "none",
                "code token",
                "code id_token",
            ][..],
        ),
        (
            "response_mode",
            "response_modes_supported",
            &["query", "fragment", "form_post", "query.jwt"],
        ),
        (
            "code_challenge_method",
            "code_challenge_methods_supported",
            &["S256", "plain", "S512"],
        ),
    ] {
        let says = words(&document, member);
        assert!(says.iter().all(|word| tried.contains(&word.as_str())));
        for word in tried {
            let request = client.request_with(parameter_name, word);
            let works = asked(&app, &cookie, &request).await.status == 200;
            assert_eq!(works, says.contains(*word), "{parameter_name}={word}");
        }
    }
    let scopes = words(&document, "scopes_supported");
    let known: BTreeSet<String> = Scope::ALL.iter().map(|it| it.as_str().to_owned()).collect();
    assert_eq!(scopes, known);
    app.finish().await;
}

#[tokio::test]
async fn the_published_keys_verify_the_tokens() {
    let app = app().await;
    let client = software(&app, None).await;
    let form = [("grant_type", "client_credentials")];
    let token = tokens(&client.exchange(&app, &form).await).access;
    let header = token.split('.').next().unwrap();
    let document = metadata(&app).await;
    let keys = app.get(&path(&app, &document["jwks_uri"]), &[]).await;
    let keys = keys.body["keys"].as_array().unwrap().clone();
    use base64::Engine;
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header);
    let header: Value = serde_json::from_slice(&header.unwrap()).unwrap();
    assert!(
        keys.iter()
            .any(|key| key["kid"] == header["kid"] && key["alg"] == header["alg"])
    );
    app.finish().await;
}
