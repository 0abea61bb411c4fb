//! A programme with people and software in it, and what a browser and a client do.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use entities::change::{Author, Change, Origin};
use entities::id::PartnerId;
use entities::oauth_client::{self, AuthMethod, GrantType, NewOAuthClient};
use entities::partner::{self, NewPartner};
use entities::secret;
use entities::session::{self, NewSession, SignInMethod};
use entities::user::{self, NewUser, UserRole};
use entities::viewer::{PartnerRole, Scopes, StaffRole, Viewer};
use secrecy::ExposeSecret;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tests::{Answer, Options, TestApp};
use url::Url;

/// Where clients have people sent back to.
pub const REDIRECT: &str = "https://app.example.com/callback";
/// What a client knows and nobody else.
pub const VERIFIER: &str = "a-verifier-that-is-long-enough-to-be-one-0123456789";
/// What the clients of a scene may have.
pub const SCOPE: &str = "partners:read deals:read registrations:submit";

/// The challenge of [`VERIFIER`].
pub fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

/// An app whose clients are not held up.
pub async fn app() -> TestApp {
    TestApp::start(options()).await
}

/// The options of such an app.
pub fn options() -> Options {
    Options::default().with("ENTENTE_LIMITS_TOKEN_PER_MINUTE", 1_000_000)
}

async fn change(app: &TestApp) -> Change {
    let author = Author {
        actor: "tests".to_owned(),
        origin: Origin::Api,
        connection: None,
    };
    Change::begin(app.database(), author).await.unwrap()
}

/// A partner company.
pub async fn company(app: &TestApp, name: &str) -> PartnerId {
    let mut change = change(app).await;
    let made = partner::create(&mut change, vec![NewPartner::named(name)]).await;
    change.commit().await.unwrap();
    made.unwrap()[0].id
}

/// Somebody who may sign in.
pub async fn person(app: &TestApp, role: UserRole) -> user::Model {
    let mut change = change(app).await;
    let id: entities::id::UserId = change.new_id();
    let input = NewUser {
        role,
        name: "Some Body".to_owned(),
        email: format!("{id}@example.com"),
    };
    let invited = user::invite(&mut change, input).await.unwrap();
    let active = user::activate(&mut change, invited, None).await.unwrap();
    change.commit().await.unwrap();
    active
}

/// A member of staff with a role.
pub async fn staff(app: &TestApp, role: StaffRole) -> user::Model {
    person(app, UserRole::Staff(role)).await
}

/// A partner's administrator.
pub async fn partner_admin(app: &TestApp, partner: PartnerId) -> user::Model {
    person(app, UserRole::Partner(partner, PartnerRole::Admin)).await
}

/// Changes a person.
pub async fn changed<F>(app: &TestApp, who: &user::Model, how: F) -> user::Model
where
    F: AsyncFnOnce(&mut Change, user::Model) -> entities::error::Result<user::Model>,
{
    let mut change = change(app).await;
    let row = user::find_locked(&change, who.id).await.unwrap().unwrap();
    let row = how(&mut change, row).await.unwrap();
    change.commit().await.unwrap();
    row
}

/// Changes a client.
pub async fn reregistered<F>(app: &TestApp, client: &Software, how: F)
where
    F: AsyncFnOnce(
        &mut Change,
        oauth_client::Model,
    ) -> entities::error::Result<oauth_client::Model>,
{
    let mut change = change(app).await;
    let row = oauth_client::find(change.transaction(), client.row.id).await;
    how(&mut change, row.unwrap().unwrap()).await.unwrap();
    change.commit().await.unwrap();
}

/// The cookie of a browser in which somebody has signed in.
pub async fn signed_in(app: &TestApp, who: &user::Model) -> String {
    let mut change = change(app).await;
    let made = secret::generate(app.database().ids());
    let new = NewSession {
        secret_hash: secret::digest(made.expose_secret()),
        method: SignInMethod::Password,
        user_agent: None,
    };
    session::start(&mut change, who, new).await.unwrap();
    change.commit().await.unwrap();
    format!("entente={}", made.expose_secret())
}

/// Software with its secret.
pub struct Software {
    pub row: oauth_client::Model,
    pub secret: String,
}

/// How software is registered.
pub fn registration(method: AuthMethod, partner_id: Option<PartnerId>) -> NewOAuthClient {
    let mut grant_types = vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
    if method != AuthMethod::None {
        grant_types.push(GrantType::ClientCredentials);
    }
    NewOAuthClient {
        name: "Some software".to_owned(),
        partner_id,
        auth_method: method,
        redirect_uris: vec![REDIRECT.to_owned()],
        grant_types,
        scopes: Scopes::from_claim(SCOPE),
        jwks: None,
    }
}

/// Registers software.
pub async fn register(app: &TestApp, input: NewOAuthClient) -> Software {
    let mut change = change(app).await;
    let made = oauth_client::create(&mut change, &Viewer::system("tests"), input).await;
    change.commit().await.unwrap();
    let (row, secret) = made.unwrap();
    Software {
        row,
        secret: secret.map_or_else(String::new, |secret| secret.expose_secret().to_owned()),
    }
}

/// Software that proves itself by a secret in the header.
pub async fn software(app: &TestApp, partner: Option<PartnerId>) -> Software {
    register(app, registration(AuthMethod::ClientSecretBasic, partner)).await
}

impl Software {
    /// Its name.
    pub fn id(&self) -> String {
        self.row.id.to_string()
    }

    /// Its `Authorization` header.
    pub fn basic(&self) -> String {
        format!(
            "Basic {}",
            STANDARD.encode(format!("{}:{}", self.id(), self.secret))
        )
    }

    /// A request for a person's consent that is right in every respect.
    pub fn request(&self) -> Vec<(&'static str, String)> {
        vec![
            ("response_type", "code".to_owned()),
            ("client_id", self.id()),
            ("redirect_uri", REDIRECT.to_owned()),
            ("scope", SCOPE.to_owned()),
            ("state", "some state".to_owned()),
            ("code_challenge", challenge()),
            ("code_challenge_method", "S256".to_owned()),
        ]
    }

    /// The same with a parameter set; an empty value leaves it out.
    pub fn request_with(&self, name: &'static str, value: &str) -> Vec<(&'static str, String)> {
        let mut request = self.request();
        request.retain(|(known, _)| *known != name);
        if !value.is_empty() {
            request.push((name, value.to_owned()));
        }
        request
    }

    /// Posts a form to an address as this software.
    pub async fn post(&self, app: &TestApp, path: &str, form: &[(&str, &str)]) -> Answer {
        let request = app.http.post(app.url(path)).form(form);
        app.send(request.header("authorization", self.basic()))
            .await
    }

    /// Asks for tokens.
    pub async fn exchange(&self, app: &TestApp, form: &[(&str, &str)]) -> Answer {
        self.post(app, "/oauth/token", form).await
    }

    /// Redeems a code as it should be.
    pub async fn redeem(&self, app: &TestApp, code: &str) -> Answer {
        self.exchange(app, &redemption(code)).await
    }

    /// Exchanges a refresh token.
    pub async fn refresh(&self, app: &TestApp, token: &str) -> Answer {
        let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.exchange(app, &form).await
    }

    /// A code that somebody agreed to.
    pub async fn code(&self, app: &TestApp, cookie: &str) -> String {
        let back = agreed(app, cookie, &self.request()).await;
        parameter(&back, "code").unwrap_or_else(|| panic!("no code: {back}"))
    }

    /// Tokens that somebody agreed to.
    pub async fn tokens(&self, app: &TestApp, cookie: &str) -> Tokens {
        let code = self.code(app, cookie).await;
        tokens(&self.redeem(app, &code).await)
    }
}

/// The form that redeems a code.
pub fn redemption(code: &str) -> [(&str, &str); 4] {
    [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ]
}

/// What a client got.
#[derive(Clone, Debug)]
pub struct Tokens {
    pub access: String,
    pub refresh: String,
    pub scope: String,
}

/// The tokens of an answer that must hold some.
#[track_caller]
pub fn tokens(answer: &Answer) -> Tokens {
    assert_eq!(answer.status, 200, "{answer}");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.body["token_type"], "Bearer");
    assert_eq!(answer.body["expires_in"], 600);
    let text = |name: &str| answer.body[name].as_str().unwrap_or_default().to_owned();
    Tokens {
        access: text("access_token"),
        refresh: text("refresh_token"),
        scope: text("scope"),
    }
}

/// Fails unless an answer is this refusal.
#[track_caller]
pub fn refused(answer: &Answer, status: u16, error: &str) {
    assert_eq!(
        (answer.status, answer.body["error"].as_str()),
        (status, Some(error)),
        "{answer}"
    );
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.body.get("access_token").is_none());
}

/// The claims of a token.
pub fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

/// Whether a token opens GraphQL.
pub async fn opens(app: &TestApp, token: &str) -> bool {
    let answer = app
        .graphql(token, "{ __typename }", serde_json::json!({}))
        .await;
    match answer.status {
        200 => true,
        401 => false,
        _ => panic!("{answer}"),
    }
}

/// Opens a request in a browser.
pub async fn asked(app: &TestApp, cookie: &str, request: &[(&str, String)]) -> Answer {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in request {
        query.append_pair(name, value);
    }
    let path = format!("/oauth/authorize?{}", query.finish());
    app.get(&path, &[("cookie", cookie)]).await
}

/// The hidden fields of a page's form.
pub fn hidden(page: &Answer) -> Vec<(String, String)> {
    let text = String::from_utf8(page.bytes.clone()).unwrap();
    let fields = text.split("<input").skip(1).filter_map(|field| {
        let field = field.split('>').next().unwrap();
        let value = |name: &str| {
            let after = field.split(&format!(" {name}=\"")).nth(1)?;
            Some(after.split('"').next().unwrap().to_owned())
        };
        (value("type")? == "hidden").then_some((value("name")?, value("value")?))
    });
    let plain = |text: String| {
        text.replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&#39;", "'")
            .replace("&amp;", "&")
    };
    fields.map(|(name, value)| (name, plain(value))).collect()
}

/// Sends the answer of a person who was asked.
pub async fn answered(app: &TestApp, cookie: &str, fields: &[(String, String)]) -> Answer {
    let origin = app.public_url().as_str().to_owned();
    let request = app.http.post(app.url("/oauth/consent")).form(fields);
    let request = request.header("cookie", cookie).header("origin", origin);
    app.send(request).await
}

/// Where a person ends who is asked and decides so.
pub async fn decided(
    app: &TestApp,
    cookie: &str,
    request: &[(&str, String)],
    decision: &str,
) -> Url {
    let page = asked(app, cookie, request).await;
    if page.status == 303 {
        return back(&page);
    }
    assert_eq!(page.status, 200, "{page}");
    let mut fields = hidden(&page);
    fields.push(("decision".to_owned(), decision.to_owned()));
    back(&answered(app, cookie, &fields).await)
}

/// Where a person ends who is asked and agrees.
pub async fn agreed(app: &TestApp, cookie: &str, request: &[(&str, String)]) -> Url {
    decided(app, cookie, request, "allow").await
}

/// Where an answer sends its reader.
#[track_caller]
pub fn back(answer: &Answer) -> Url {
    assert_eq!(answer.status, 303, "{answer}");
    Url::parse(answer.header("location")).unwrap()
}

/// A parameter of an address.
pub fn parameter(address: &Url, name: &str) -> Option<String> {
    let mut values = address.query_pairs().filter(|(known, _)| known == name);
    values.next().map(|(_, value)| value.into_owned())
}
