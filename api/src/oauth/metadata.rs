//! What the authorization server says of itself (RFC 8414). Everything in it is read from the tables that the server works by.

use super::AuthorizationServer;
use super::client_key;
use super::endpoint::{Endpoint, TABLE};
use super::pkce;
use entities::oauth_client::{AuthMethod, GrantType};
use entities::viewer::Scope;
use serde_json::{Map, Value, json};

impl AuthorizationServer {
    /// The metadata document.
    #[must_use]
    pub fn metadata(&self) -> Value {
        let mut document = Map::new();
        let mut say = |member: &str, value: Value| {
            document.insert(member.to_owned(), value);
        };
        say("issuer", self.tokens.issuer().into());
        for row in TABLE {
            let Some(member) = row.member else { continue };
            say(member, self.public_url.at(row.path).into());
            if row.authenticates {
                // Whoever cannot prove itself is told nothing of tokens.
                let methods = AuthMethod::ALL.into_iter().filter(|method| {
                    row.endpoint != Endpoint::Introspection || *method != AuthMethod::None
                });
                let methods: Vec<&str> = methods.map(AuthMethod::as_str).collect();
                say(&format!("{member}_auth_methods_supported"), json!(methods));
                say(
                    &format!("{member}_auth_signing_alg_values_supported"),
                    json!(client_key::ALGORITHMS),
                );
            }
        }
        let scopes: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
        let grants: Vec<&str> = GrantType::ALL.iter().map(|grant| grant.as_str()).collect();
        say("scopes_supported", json!(scopes));
        say("grant_types_supported", json!(grants));
        say("response_types_supported", json!(["code"]));
        say("response_modes_supported", json!(["query"]));
        say("code_challenge_methods_supported", json!([pkce::METHOD]));
        say(
            "authorization_response_iss_parameter_supported",
            true.into(),
        );
        Value::Object(document)
    }

    /// The published keys.
    #[must_use]
    pub fn jwks(&self) -> Value {
        self.tokens.keys().jwks()
    }
}
