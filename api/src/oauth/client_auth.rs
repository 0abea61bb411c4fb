//! Which client speaks: by a secret in a header or in the body, by a signature, or without proof (RFC 6749, section 2.3; RFC 7523).
//!
//! A client proves itself in the one way it was registered with; two ways in one request are refused, and so is any other than the registered one, so that
//! nobody can choose the weakest. An unknown, a disabled and a wrong client are told the same, after the same work.
//!
//! **Failures** are counted by client and by the address they come from: from the fifth on each locks that pair for a while (see
//! [`entities::failed_attempt`]). Not by the client alone: its name is no secret, and anybody could keep it out. A success is not counted first and forgiven
//! later as with people's passwords, for a client asks many times at once and its secret cannot be guessed anyway.

use super::AuthorizationServer;
use super::authorize::author;
use super::client_key::ClientKey;
use super::endpoint::Endpoint;
use super::parameters::Parameters;
use super::refusal::{Code, Refusal, Result};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use entities::change::Change;
use entities::clock::Timestamp;
use entities::failed_attempt;
use entities::id::OAuthClientId;
use entities::oauth_client::{self, AuthMethod};
use entities::viewer::Viewer;
use entities::visible::Visible as _;
use entities::{client_assertion, partner, secret};
use sea_orm::{ColumnTrait as _, QueryFilter as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use std::borrow::Cow;

/// The one `client_assertion_type`.
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How long an assertion may be good, in seconds. Each counts once, so that this bounds how long its id is kept and no more.
const LONGEST_ASSERTION_SECONDS: i64 = 3_600;
/// How far a client's clock may differ, in seconds.
const CLOCKS_DIFFER_SECONDS: i64 = 30;
/// The longest assertion, in bytes.
const LONGEST_ASSERTION: usize = 8 * 1024;

/// A request at an address where clients prove themselves.
pub struct ClientRequest<'r> {
    /// The `Authorization` headers, as they came.
    pub authorization: &'r [&'r str],
    /// The form.
    pub parameters: &'r Parameters,
    /// Where it comes from.
    pub peer: &'r str,
}

/// What is presented as proof.
enum Proof {
    Basic(SecretString),
    Post(SecretString),
    Signed(SecretString),
    Nothing,
}

impl Proof {
    const fn method(&self) -> AuthMethod {
        match self {
            Self::Basic(_) => AuthMethod::ClientSecretBasic,
            Self::Post(_) => AuthMethod::ClientSecretPost,
            Self::Signed(_) => AuthMethod::PrivateKeyJwt,
            Self::Nothing => AuthMethod::None,
        }
    }
}

/// The one answer to whoever does not prove which client it is.
const fn not_proved() -> Refusal {
    Refusal::new(Code::InvalidClient, "The client did not prove who it is.")
}

impl AuthorizationServer {
    /// The client that a request comes from.
    ///
    /// # Errors
    /// A refusal, or a fault of the database.
    pub async fn authenticate(&self, request: &ClientRequest<'_>) -> Result<oauth_client::Model> {
        let (name, proof) = read(request)?;
        let client = match name.parse::<OAuthClientId>() {
            Ok(id) => oauth_client::find(self.database.read(), id).await?,
            Err(_) => None,
        };
        // All that is unknown counts as one, else whoever invents names would fill the table with them.
        let known = client.as_ref().map(|client| client.id.to_string());
        let pair = format!(
            "oauth_client {} {}",
            known.unwrap_or_default(),
            request.peer
        );
        let pair = secret::digest(&pair);
        let had_failures = self.refuse_locked(&pair).await?;
        let proved = self.is_proved(client.as_ref(), &proof).await?;
        match client {
            Some(client) if proved && self.is_let_in(&client).await? => {
                if had_failures {
                    failed_attempt::succeeded(&self.database, &pair).await?;
                }
                Ok(client)
            }
            client => {
                failed_attempt::claim(&self.database, &pair, failed_attempt::STRICT).await?;
                if let Some(client) = client {
                    self.note_refused(&client, &proof).await?;
                }
                Err(not_proved().into())
            }
        }
    }

    /// Whether a client may come in at all: it is enabled, and whose it is takes part.
    async fn is_let_in(&self, client: &oauth_client::Model) -> Result<bool> {
        let takes_part = partner::takes_part(self.database.read(), client.partner_id).await?;
        Ok(client.is_enabled() && takes_part)
    }

    /// Refuses while a client is locked out from where it asks, and says whether there were failures.
    async fn refuse_locked(&self, pair: &str) -> Result<bool> {
        let select = failed_attempt::Entity::visible_to(&Viewer::system("client_auth"))
            .filter(failed_attempt::Column::Subject.eq(pair));
        let failures = select.one(self.database.read()).await;
        let failures = failures.map_err(entities::error::Error::from)?;
        let now = self.database.now();
        if let Some(until) = failures.as_ref().and_then(|row| row.locked_until)
            && until > now
        {
            let wait = until.millis().saturating_sub(now.millis());
            return Err(Refusal {
                retry_after_seconds: Some(wait.div_euclid(1_000).saturating_add(1)),
                ..Refusal::new(
                    Code::TemporarilyUnavailable,
                    "The client has failed to prove itself too often from here.",
                )
            }
            .into());
        }
        Ok(failures.is_some())
    }

    async fn is_proved(&self, client: Option<&oauth_client::Model>, proof: &Proof) -> Result<bool> {
        let now = self.database.now();
        let Some(client) = client else {
            // As much work as for a client that is there.
            if let Proof::Basic(secret) | Proof::Post(secret) = proof {
                let _ = secret::matches(secret.expose_secret(), "");
            }
            return Ok(false);
        };
        if client.auth_method != proof.method() {
            return Ok(false);
        }
        match proof {
            Proof::Basic(secret) | Proof::Post(secret) => {
                Ok(client.accepts_secret(secret.expose_secret(), now))
            }
            Proof::Signed(assertion) => {
                let Some(assertion) = self.verified(client, assertion.expose_secret(), now) else {
                    return Ok(false);
                };
                let ends = Timestamp::from_secs(assertion.exp);
                let used =
                    client_assertion::use_up(&self.database, client.id, &assertion.jti, ends);
                Ok(used.await?)
            }
            Proof::Nothing => Ok(true),
        }
    }

    /// What an assertion says, if it is this client's, for us, and good now.
    fn verified(
        &self,
        client: &oauth_client::Model,
        assertion: &str,
        now: Timestamp,
    ) -> Option<Assertion> {
        let (message, signature) = assertion.rsplit_once('.')?;
        let (header, payload) = message.split_once('.')?;
        let header: Header = decoded(header)?;
        let keys = ClientKey::of_set(client.jwks.as_ref()?);
        let mut meant = keys
            .iter()
            .filter(|key| key.is_meant_by(header.kid.as_deref(), &header.alg));
        if header.crit.is_some() || !meant.any(|key| key.verifies(signature, message)) {
            return None;
        }
        let claims: Assertion = decoded(payload)?;
        let second = now.secs();
        let id = client.id.to_string();
        let of_the_client = claims.iss == id && claims.sub == id;
        let not_before = claims
            .nbf
            .unwrap_or(i64::MIN)
            .max(claims.iat.unwrap_or(i64::MIN));
        let latest = second + LONGEST_ASSERTION_SECONDS + CLOCKS_DIFFER_SECONDS;
        let in_time = second < claims.exp
            && claims.exp <= latest
            && not_before <= second + CLOCKS_DIFFER_SECONDS;
        let has_id = (1..=200).contains(&claims.jti.len()) && !claims.jti.contains('\0');
        (of_the_client && in_time && has_id && self.is_for_us(&claims.aud)).then_some(claims)
    }

    /// Whether everybody an assertion is for is us: one that is for another server too could be shown to us by that one.
    fn is_for_us(&self, audience: &Audience) -> bool {
        let token = self.public_url.at(Endpoint::Token.path());
        let ours = |name: &String| *name == self.tokens.issuer() || *name == token;
        match audience {
            Audience::One(name) => ours(name),
            Audience::Several(names) => !names.is_empty() && names.iter().all(ours),
        }
    }

    async fn note_refused(&self, client: &oauth_client::Model, proof: &Proof) -> Result<()> {
        let why = if client.auth_method != proof.method() {
            "another_method"
        } else if !client.is_enabled() {
            "disabled"
        } else {
            "wrong_proof"
        };
        tracing::info!(client = %client.id, why, "a client did not prove who it is");
        let mut change = Change::begin(&self.database, author(client.id.to_string())).await?;
        oauth_client::refused(&mut change, client, why);
        change.commit().await?;
        Ok(())
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    crit: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Assertion {
    iss: String,
    sub: String,
    aud: Audience,
    exp: i64,
    iat: Option<i64>,
    nbf: Option<i64>,
    jti: String,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

fn decoded<T: for<'de> Deserialize<'de>>(part: &str) -> Option<T> {
    let json = URL_SAFE_NO_PAD.decode(part).ok()?;
    (json.first() == Some(&b'{'))
        .then(|| serde_json::from_slice(&json).ok())
        .flatten()
}

/// Which client is named, and what is presented as proof.
fn read<'r>(request: &ClientRequest<'r>) -> Result<(Cow<'r, str>, Proof), Refusal> {
    let parameters = request.parameters;
    parameters.refuse_repeated()?;
    let named = parameters.one("client_id")?;
    let secret = parameters.one("client_secret")?;
    let assertion = parameters.one("client_assertion")?;
    let kind = parameters.one("client_assertion_type")?;
    let header = match request.authorization {
        [] => None,
        [header] => Some(basic(header).ok_or(not_proved())?),
        _ => return Err(Refusal::request("The Authorization header is repeated.")),
    };
    match (header, secret, assertion, kind) {
        (Some((id, secret)), None, None, None) => {
            if named.is_some_and(|named| named != id) {
                return Err(Refusal::request(
                    "client_id is another than in the Authorization header.",
                ));
            }
            Ok((Cow::Owned(id), Proof::Basic(secret)))
        }
        (None, Some(secret), None, None) => {
            let named = named.ok_or(Refusal::request("client_id is missing."))?;
            Ok((Cow::Borrowed(named), Proof::Post(secret.into())))
        }
        (None, None, Some(assertion), Some(ASSERTION_TYPE)) => {
            if assertion.len() > LONGEST_ASSERTION {
                return Err(not_proved());
            }
            let id = subject_of(assertion).ok_or(not_proved())?;
            if named.is_some_and(|named| named != id) {
                return Err(Refusal::request(
                    "client_id is another than in the assertion.",
                ));
            }
            Ok((Cow::Owned(id), Proof::Signed(assertion.into())))
        }
        (None, None, None, None) => {
            let named = named.ok_or(not_proved())?;
            Ok((Cow::Borrowed(named), Proof::Nothing))
        }
        (None, None, Some(_), _) | (None, None, None, Some(_)) => Err(Refusal::request(
            "client_assertion and its client_assertion_type (jwt-bearer) belong together.",
        )),
        _ => Err(Refusal::request(
            "The client proves itself in more than one way.",
        )),
    }
}

/// Whom an assertion names, before anything of it is believed: it says whose keys to try.
fn subject_of(assertion: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        sub: String,
    }
    let payload = assertion.split('.').nth(1)?;
    decoded::<Named>(payload).map(|named| named.sub)
}

/// Client and secret of a Basic header; both were form-encoded before they were joined (RFC 6749, section 2.3.1).
fn basic(header: &str) -> Option<(String, SecretString)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = STANDARD.decode(encoded.trim()).ok()?;
    let pair = String::from_utf8(bytes).ok()?;
    let (id, secret) = pair.split_once(':')?;
    Some((form_decoded(id), form_decoded(secret).into()))
}

fn form_decoded(text: &str) -> String {
    // One value, whatever it holds: an ampersand that was not encoded is its own. So are percent signs that encode nothing.
    let value = format!("v={}", text.replace('&', "%26"));
    let mut pairs = url::form_urlencoded::parse(value.as_bytes());
    pairs
        .next()
        .map_or_else(String::new, |(_, value)| value.into_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn asked(authorization: &[&str], form: &str) -> Result<(String, AuthMethod), Code> {
        let parameters = Parameters::read(form).unwrap();
        let request = ClientRequest {
            authorization,
            parameters: &parameters,
            peer: "",
        };
        read(&request)
            .map(|(id, proof)| (id.into_owned(), proof.method()))
            .map_err(|refusal| refusal.code)
    }

    #[test]
    fn one_way_at_a_time() {
        let basic = format!("Basic {}", STANDARD.encode("c%5F1:s%2B+%25"));
        let jwt = format!("e30.{}.x", URL_SAFE_NO_PAD.encode(r#"{"sub":"c"}"#));
        let signed = format!(
            "client_assertion={jwt}&client_assertion_type={}",
            ASSERTION_TYPE.replace(':', "%3A")
        );
        assert_eq!(
            asked(&[&basic], ""),
            Ok(("c_1".to_owned(), AuthMethod::ClientSecretBasic))
        );
        assert_eq!(
            asked(&[], "client_id=c&client_secret=s"),
            Ok(("c".to_owned(), AuthMethod::ClientSecretPost))
        );
        assert_eq!(
            asked(&[], &signed),
            Ok(("c".to_owned(), AuthMethod::PrivateKeyJwt))
        );
        assert_eq!(
            asked(&[], "client_id=c"),
            Ok(("c".to_owned(), AuthMethod::None))
        );
        let both = format!("{signed}&client_secret=s&client_id=c");
        for (headers, form, code) in [
            (
                &[basic.as_str()][..],
                "client_secret=s",
                Code::InvalidRequest,
            ),
            (&[basic.as_str()], signed.as_str(), Code::InvalidRequest),
            (&[basic.as_str()], "client_id=other", Code::InvalidRequest),
            (&[basic.as_str(), basic.as_str()], "", Code::InvalidRequest),
            (&[], both.as_str(), Code::InvalidRequest),
            (&[], "client_secret=s", Code::InvalidRequest),
            (&[], "client_assertion=x", Code::InvalidRequest),
            (&[], "client_assertion_type=x", Code::InvalidRequest),
            (&[], "client_id=c&client_id=c", Code::InvalidRequest),
            (&["Bearer x"], "", Code::InvalidClient),
            (&["Basic !"], "", Code::InvalidClient),
            (&["Basic"], "", Code::InvalidClient),
            (&[], "", Code::InvalidClient),
        ] {
            assert_eq!(
                asked(headers, form).unwrap_err(),
                code,
                "{headers:?} {form}"
            );
        }
    }

    #[test]
    fn what_was_form_encoded_is_read_and_what_was_not_too() {
        for (text, read) in [
            ("a%2Bb", "a+b"),
            ("a+b", "a b"),
            ("plain-_.~", "plain-_.~"),
            ("a%zz&=b", "a%zz&=b"),
        ] {
            assert_eq!(form_decoded(text), read);
        }
    }
}
