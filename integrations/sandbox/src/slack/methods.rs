//! The table of methods, and what every call passes: its token, its scopes, its tier.
//!
//! Refuses: methods it does not have (`unknown_method`), calls without a valid token. Invariant: a method added to the table is behind the
//! token without doing anything for it; only those marked [`Door::App`] are called by the app itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use actix_web::http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;

use super::answer::{Done, Refusal};
use super::args::Args;
use super::tokens::Standing;
use super::{Workspace, chat, conversations, oauth, people};
use crate::window::Window;

const MINUTE_MS: i64 = 60_000;

/// How often a method may be called.
#[derive(Debug, Clone, Copy)]
enum Tier {
    One,
    Two,
    Three,
    Four,
    /// Counted elsewhere, or so generously that it does not matter here.
    Special,
}

/// Who may call a method.
#[derive(Debug, Clone, Copy)]
enum Door {
    /// Whoever holds a token with one of these scopes; with none listed, any token.
    Token(&'static [&'static str]),
    /// The app with its id and secret.
    App,
}

/// One call.
pub(crate) struct Call<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) request: &'a HttpRequest,
    pub(crate) args: &'a Args,
    pub(crate) token: &'a str,
    scopes: BTreeSet<String>,
}

impl Call<'_> {
    pub(crate) fn has(&self, scope: &str) -> bool {
        self.scopes.contains(scope)
    }

    pub(crate) fn need(&self, scopes: &[&str]) -> Result<(), Refusal> {
        if scopes.is_empty() || scopes.iter().any(|scope| self.has(scope)) {
            return Ok(());
        }
        Err(Refusal::new("missing_scope")
            .with("needed", json!(scopes.join(",")))
            .with("provided", json!(self.provided())))
    }

    fn provided(&self) -> String {
        let scopes: Vec<&str> = self.scopes.iter().map(String::as_str).collect();
        scopes.join(",")
    }
}

type Run = fn(&Call<'_>) -> Result<Done, Refusal>;

struct Method {
    name: &'static str,
    tier: Tier,
    door: Door,
    run: Run,
}

const fn method(name: &'static str, tier: Tier, door: Door, run: Run) -> Method {
    Method {
        name,
        tier,
        door,
        run,
    }
}

const METHODS: &[Method] = &[
    method("api.test", Tier::Special, Door::App, |_| {
        Ok(Done::new(json!({"args": {}})))
    }),
    method("oauth.v2.access", Tier::Four, Door::App, |call| {
        oauth::access(call.workspace, call.request, call.args)
    }),
    method(
        "auth.test",
        Tier::Special,
        Door::Token(&[]),
        people::auth_test,
    ),
    method("auth.revoke", Tier::Three, Door::Token(&[]), people::revoke),
    method(
        "apps.uninstall",
        Tier::One,
        Door::Token(&[]),
        people::uninstall,
    ),
    method(
        "team.info",
        Tier::Three,
        Door::Token(&["team:read"]),
        people::team,
    ),
    method(
        "users.info",
        Tier::Four,
        Door::Token(&["users:read"]),
        people::person,
    ),
    method(
        "users.lookupByEmail",
        Tier::Three,
        Door::Token(&["users:read.email"]),
        people::by_email,
    ),
    method(
        "conversations.list",
        Tier::Two,
        Door::Token(&[]),
        conversations::list,
    ),
    method(
        "conversations.info",
        Tier::Three,
        Door::Token(&[]),
        conversations::info,
    ),
    method(
        "conversations.join",
        Tier::Three,
        Door::Token(&["channels:join"]),
        conversations::join,
    ),
    method(
        "conversations.history",
        Tier::Three,
        Door::Token(&[]),
        conversations::history,
    ),
    method(
        "chat.postMessage",
        Tier::Special,
        Door::Token(&["chat:write"]),
        chat::post,
    ),
    method(
        "chat.update",
        Tier::Three,
        Door::Token(&["chat:write"]),
        chat::update,
    ),
    method(
        "chat.delete",
        Tier::Three,
        Door::Token(&["chat:write"]),
        chat::delete,
    ),
];

/// The rate windows of one team.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    methods: Mutex<BTreeMap<&'static str, Window>>,
    channels: Mutex<BTreeMap<String, Window>>,
}

impl Windows {
    fn take_method(&self, workspace: &Workspace, method: &Method) -> Result<(), Refusal> {
        let Some([one, two, three, four]) = workspace.limits.tiers_per_minute else {
            return Ok(());
        };
        let max = match method.tier {
            Tier::One => one,
            Tier::Two => two,
            Tier::Three => three,
            Tier::Four => four,
            Tier::Special => return Ok(()),
        };
        self.methods
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(method.name)
            .or_insert_with(|| Window::new(Some(max), MINUTE_MS))
            .take(workspace.store.now())
            .map(drop)
            .map_err(|_| Refusal::limited(60))
    }

    /// Takes a place for a message in a channel.
    pub(crate) fn take_channel(&self, workspace: &Workspace, channel: &str) -> Result<(), Refusal> {
        self.channels
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(channel.to_owned())
            .or_insert_with(|| Window::new(workspace.limits.posts_per_second, 1000))
            .take(workspace.store.now())
            .map(drop)
            .map_err(|_| Refusal::limited(1))
    }
}

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::resource("/api/{method}")
            .route(web::get().to(call))
            .route(web::post().to(call)),
    );
}

async fn call(
    workspace: web::Data<Workspace>,
    request: HttpRequest,
    name: web::Path<String>,
    body: web::Bytes,
) -> HttpResponse {
    let answered = answer(&workspace, &request, &name, &body);
    let (scopes, answer) = match answered {
        Ok((scopes, done)) => (scopes, HttpResponse::Ok().json(done.body())),
        Err(refusal) => (None, refusal.response()),
    };
    let mut answer = answer;
    if let Some(value) = scopes.and_then(|text| HeaderValue::from_str(&text).ok()) {
        answer
            .headers_mut()
            .insert(HeaderName::from_static("x-oauth-scopes"), value);
    }
    answer
}

fn answer(
    workspace: &Workspace,
    request: &HttpRequest,
    name: &str,
    body: &[u8],
) -> Result<(Option<String>, Done), Refusal> {
    let Some(method) = METHODS.iter().find(|method| method.name == name) else {
        return Err(Refusal::new("unknown_method").with("req_method", json!(name)));
    };
    let args = Args::read(request, body)?;
    let token = bearer(request).or(args.token()).unwrap_or_default();
    let scopes = match method.door {
        Door::App => BTreeSet::new(),
        Door::Token(_) => standing(workspace, token)?,
    };
    let call = Call {
        workspace,
        request,
        args: &args,
        token,
        scopes,
    };
    workspace.windows.take_method(workspace, method)?;
    if let Door::Token(scopes) = method.door {
        call.need(scopes)?;
    }
    let done = (method.run)(&call)?.warn_all(&args.warnings);
    Ok((Some(call.provided()), done))
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let header = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = header.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}

fn standing(workspace: &Workspace, token: &str) -> Result<BTreeSet<String>, Refusal> {
    if token.is_empty() {
        return Err(Refusal::new("not_authed"));
    }
    match workspace.tokens.standing(token) {
        Standing::Valid(scopes) => Ok(scopes),
        Standing::Expired => Err(Refusal::new("token_expired")),
        Standing::Revoked => Err(Refusal::new("token_revoked")),
        Standing::Uninstalled => Err(Refusal::new("account_inactive")),
        Standing::Unknown => Err(Refusal::new("invalid_auth")),
    }
}
