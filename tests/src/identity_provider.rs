//! A double of an organisation's OpenID Connect provider, made from the standard and from none of our code but the signing of bytes.
//!
//! It checks what a provider checks (registration, redirect address, PKCE, a code good once) and says of people what it is told to say, also what no
//! honest provider would.

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use api::oauth::keys::SigningKey;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entities::chance::SeededChance;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};

/// Our registration's id.
const CLIENT_ID: &str = "entente-at-the-provider";
/// Its secret.
const CLIENT_SECRET: &str = "a secret between the two";

struct Way {
    nonce: Option<String>,
    challenge: String,
    redirect_uri: String,
}

struct Inner {
    claims: Map<String, Value>,
    header: Map<String, Value>,
    keys: Vec<SigningKey>,
    published: usize,
    ways: HashMap<String, Way>,
    issuer: String,
    tells_issuer: Option<String>,
    calls: Vec<String>,
    made: u64,
}

/// A running provider. It ends with the test's runtime.
#[derive(Clone)]
pub struct IdentityProvider {
    address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
}

impl IdentityProvider {
    /// Starts a provider that knows a person.
    pub async fn start(subject: &str, email: &str) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let issuer = format!("http://{address}");
        let keys = [1, 2].map(|seed| {
            SigningKey::generate(&SeededChance::new(u64::from(address.port()) * 7 + seed))
                .expect("a key")
        });
        let inner = Inner {
            claims: Map::new(),
            header: Map::new(),
            keys: keys.into(),
            published: 1,
            ways: HashMap::new(),
            issuer,
            tells_issuer: None,
            calls: Vec::new(),
            made: 0,
        };
        let provider = Self {
            address,
            inner: Arc::new(Mutex::new(inner)),
        };
        provider.says(json!({ "sub": subject, "email": email, "email_verified": true }));
        let data = web::Data::new(provider.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .route(
                    "/.well-known/openid-configuration",
                    web::get().to(configuration),
                )
                .route("/keys", web::get().to(keys_of))
                .route("/authorize", web::get().to(authorize))
                .route("/token", web::post().to(token))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .expect("the provider listens")
        .run();
        tokio::spawn(server);
        provider
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its issuer.
    #[must_use]
    pub fn issuer(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Our registration with it: id and secret.
    #[must_use]
    pub const fn registration(&self) -> (&'static str, &'static str) {
        (CLIENT_ID, CLIENT_SECRET)
    }

    /// The settings that make it the staff's.
    #[must_use]
    pub fn as_staffs(&self, options: crate::Options, domains: &str) -> crate::Options {
        let mut options = options
            .with("ENTENTE_OIDC_ISSUER", self.issuer())
            .with("ENTENTE_OIDC_CLIENT_ID", CLIENT_ID)
            .with("ENTENTE_OIDC_CLIENT_SECRET", CLIENT_SECRET)
            .with("ENTENTE_OIDC_DOMAINS", domains)
            .with("ENTENTE_OIDC_NAME", "Acme ID");
        options.reachable.push(self.address);
        options
    }

    /// Changes what its tokens say; null takes a claim out.
    pub fn says(&self, claims: Value) {
        let Value::Object(claims) = claims else {
            panic!("claims are an object")
        };
        self.inner().claims.extend(claims);
    }

    /// Changes the header of its tokens; null takes a member out.
    pub fn heads(&self, header: Value) {
        let Value::Object(header) = header else {
            panic!("a header is an object")
        };
        self.inner().header.extend(header);
    }

    /// Forgets what it was told to say in these claims and this header; what a provider says of itself is as it should be again.
    pub fn forgets(&self, claims: &Value, header: &Value) {
        let mut inner = self.inner();
        for name in claims.as_object().into_iter().flat_map(Map::keys) {
            inner.claims.remove(name);
        }
        for name in header.as_object().into_iter().flat_map(Map::keys) {
            inner.header.remove(name);
        }
    }

    /// Signs with its second key from now on, and publishes both keys or the first only.
    pub fn signs_anew(&self, publishes: bool) {
        let mut inner = self.inner();
        inner.keys.swap(0, 1);
        inner.published = if publishes { 2 } else { 0 };
    }

    /// Describes itself as another issuer.
    pub fn pretends(&self, issuer: &str) {
        self.inner().issuer = issuer.to_owned();
    }

    /// Names an issuer in its answers to the browser, and says that it does.
    pub fn tells_issuer(&self, issuer: &str) {
        self.inner().tells_issuer = Some(issuer.to_owned());
    }

    /// The paths it was asked for since they were last taken.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        std::mem::take(&mut self.inner().calls)
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nobody fails while it is held")
    }
}

async fn configuration(
    provider: web::Data<IdentityProvider>,
    request: HttpRequest,
) -> HttpResponse {
    let base = provider.issuer();
    let mut inner = provider.inner();
    inner.calls.push(request.path().to_owned());
    HttpResponse::Ok().json(json!({
        "issuer": inner.issuer,
        "authorization_endpoint": format!("{base}/authorize"),
        "token_endpoint": format!("{base}/token"),
        "jwks_uri": format!("{base}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["EdDSA"],
        "authorization_response_iss_parameter_supported": inner.tells_issuer.is_some(),
    }))
}

async fn keys_of(provider: web::Data<IdentityProvider>, request: HttpRequest) -> HttpResponse {
    let mut inner = provider.inner();
    inner.calls.push(request.path().to_owned());
    // After `signs_anew(false)` it publishes only the key it no longer signs with.
    let published: Vec<Value> = match inner.published {
        0 => inner.keys.iter().skip(1).map(jwk).collect(),
        some => inner.keys.iter().take(some).map(jwk).collect(),
    };
    // A key of a kind that nobody knows stands among the others.
    let mut keys = vec![json!({ "kty": "FUTURE", "kid": "x" })];
    keys.extend(published);
    HttpResponse::Ok().json(json!({ "keys": keys }))
}

fn jwk(key: &SigningKey) -> Value {
    key.public().jwk().clone()
}

async fn authorize(
    provider: web::Data<IdentityProvider>,
    query: web::Query<HashMap<String, String>>,
) -> HttpResponse {
    let mut inner = provider.inner();
    inner.calls.push("/authorize".to_owned());
    let of = |name: &str| query.get(name).cloned();
    let right = of("client_id").as_deref() == Some(CLIENT_ID)
        && of("response_type").as_deref() == Some("code")
        && of("code_challenge_method").as_deref() == Some("S256")
        && of("scope").is_some_and(|scope| scope.split(' ').any(|word| word == "openid"));
    let (Some(redirect_uri), Some(state), Some(challenge), true) =
        (of("redirect_uri"), of("state"), of("code_challenge"), right)
    else {
        return HttpResponse::BadRequest().body("not an authorization request");
    };
    inner.made += 1;
    let code = format!("code-{}", inner.made);
    let way = Way {
        nonce: of("nonce"),
        challenge,
        redirect_uri: redirect_uri.clone(),
    };
    inner.ways.insert(code.clone(), way);
    let mut to = url::Url::parse(&redirect_uri).expect("a redirect address");
    to.query_pairs_mut()
        .append_pair("code", &code)
        .append_pair("state", &state);
    if let Some(issuer) = &inner.tells_issuer {
        to.query_pairs_mut().append_pair("iss", issuer);
    }
    HttpResponse::SeeOther()
        .insert_header(("location", to.as_str()))
        .finish()
}

async fn token(
    provider: web::Data<IdentityProvider>,
    form: web::Form<HashMap<String, String>>,
) -> HttpResponse {
    let mut inner = provider.inner();
    inner.calls.push("/token".to_owned());
    let of = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    if (of("client_id"), of("client_secret")) != (CLIENT_ID, CLIENT_SECRET) {
        return HttpResponse::Unauthorized().json(json!({ "error": "invalid_client" }));
    }
    let way = inner.ways.remove(of("code"));
    let verifier = URL_SAFE_NO_PAD.encode(Sha256::digest(of("code_verifier").as_bytes()));
    let Some(way) = way.filter(|way| {
        way.challenge == verifier
            && way.redirect_uri == of("redirect_uri")
            && of("grant_type") == "authorization_code"
    }) else {
        return HttpResponse::BadRequest().json(json!({ "error": "invalid_grant" }));
    };
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("a clock after 1970")
        .as_secs();
    let signing = &inner.keys[0];
    let mut header = json!({ "alg": "EdDSA", "typ": "JWT", "kid": signing.public().kid() });
    let mut claims = json!({
        "iss": inner.issuer,
        "aud": CLIENT_ID,
        "iat": now,
        "exp": now + 300,
        "nonce": way.nonce,
    });
    for (told, into) in [(&inner.header, &mut header), (&inner.claims, &mut claims)] {
        let into = into.as_object_mut().expect("an object");
        for (name, value) in told {
            if value.is_null() {
                into.remove(name);
            } else {
                into.insert(name.clone(), value.clone());
            }
        }
    }
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let signature = signing.sign(signed.as_bytes()).expect("it signs");
    HttpResponse::Ok().json(json!({
        "access_token": "of no use",
        "token_type": "Bearer",
        "expires_in": 300,
        "id_token": format!("{signed}.{signature}"),
    }))
}
