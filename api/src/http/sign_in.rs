//! Signing in and out in a browser: the page with a password, the way by an organisation's provider, and the way out.
//!
//! `continue` says where a person was going ([`Target`]); it is carried through every step. Whoever cannot be signed in reads one sentence,
//! whatever the reason, with one status for each kind of trouble: 401 for what was typed, 429 for too often, 403 for a form that is not ours.

mod forgotten;
mod provider;

use super::limit::Limits;
use super::page::{Field, Page, Wrong, field, form_token, href, redirect, summary};
use super::session::{self, SignedIn, current, form_is_ours, user_agent};
use super::{Shared, account, dev_mail, invitation, limit, unknown};
use crate::people::target::Target;
use crate::people::{PeopleError, SignIn, Tried};
use crate::state::State;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderValue, RETRY_AFTER};
use actix_web::middleware::from_fn;
use actix_web::{HttpRequest, HttpResponse, web};
use maud::{Markup, html};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer};

/// A form as it was sent, if it could be read.
pub(super) type Form<T> = Result<web::Form<T>, actix_web::Error>;

/// The addresses of people's pages. Where somebody proves who they are, each address they come from may knock so often and no more.
pub fn routes(config: &mut web::ServiceConfig) {
    let limited = |path: &str| web::resource(path).wrap(from_fn(limit::sign_in));
    config
        .service(
            limited("/sign-in")
                .route(web::get().to(show))
                .route(web::post().to(send)),
        )
        .service(limited("/sign-in/organisation").route(web::post().to(provider::choose)))
        .service(limited("/sign-in/with/{provider}").route(web::get().to(provider::begin)))
        .service(limited("/sign-in/callback/{provider}").route(web::get().to(provider::arrive)))
        .service(
            limited("/forgotten-password")
                .route(web::get().to(forgotten::show))
                .route(web::post().to(forgotten::send)),
        )
        .service(
            limited("/invitation")
                .route(web::get().to(invitation::show))
                .route(web::post().to(invitation::send)),
        )
        .service(
            limited("/new-password")
                .route(web::get().to(invitation::show))
                .route(web::post().to(invitation::send)),
        )
        .service(web::resource("/sign-out").route(web::post().to(sign_out)))
        .service(web::resource("/account").route(web::get().to(account::show)))
        .service(limited("/account/password").route(web::post().to(account::password)))
        .service(web::resource("/account/sessions/end").route(web::post().to(account::end_session)))
        .service(web::resource("/account/clients/revoke").route(web::post().to(account::revoke)))
        .service(
            web::resource("/dev/mail")
                .route(web::get().to(dev_mail::show))
                .default_service(web::route().to(unknown)),
        );
}

/// Reads a text that nothing may show.
pub(super) fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(Into::into)
}

/// As [`secret`], for one that may be left out.
pub(super) fn optional_secret<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<SecretString>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Into::into))
}

/// Where somebody was going.
#[derive(Deserialize)]
pub(super) struct Going {
    r#continue: Option<String>,
}

impl Going {
    pub(super) fn target(query: Result<web::Query<Self>, actix_web::Error>) -> Target {
        let given = query.ok().and_then(|query| query.into_inner().r#continue);
        Target::read(given.as_deref())
    }
}

/// The hidden input that carries on where somebody was going.
pub(super) fn carried(target: &Target) -> Markup {
    html! { input type="hidden" name="continue" value=(target.as_str()); }
}

pub(super) const EMAIL: Field<'static> = Field {
    name: "email",
    label: "E-mail address",
    kind: "email",
    autocomplete: "username",
    hint: None,
    value: None,
};

async fn show(
    request: HttpRequest,
    query: Result<web::Query<Going>, actix_web::Error>,
    state: Shared,
) -> HttpResponse {
    let target = Going::target(query);
    if current(&request, &state).await.is_some() {
        return redirect(&request, &href(&state, target.as_str()));
    }
    page(&state, &target, None, &[]).answer(&request)
}

/// The page with the password. `email` is what was typed before.
fn page(state: &State, target: &Target, email: Option<&str>, wrongs: &[Wrong]) -> Page {
    let staff = state.people.staff_provider();
    let body = html! {
        (summary(wrongs))
        form method="post" action=(href(state, "/sign-in")) {
            (carried(target))
            (field(&Field { value: email, ..EMAIL }, wrongs))
            (field(&Field {
                name: "password",
                label: "Password",
                kind: "password",
                autocomplete: "current-password",
                hint: None,
                value: None,
            }, wrongs))
            button type="submit" { "Sign in" }
        }
        p.after { a href=(href(state, "/forgotten-password")) { "Forgotten your password?" } }
        @if let Some(staff) = staff {
            section {
                h2 { "Programme staff" }
                a.button.second href=(href(state, &target.after("/sign-in/with/staff"))) {
                    "Continue with " (staff.name)
                }
            }
        }
        section {
            h2 { "Your organisation’s sign-in" }
            form method="post" action=(href(state, "/sign-in/organisation")) {
                (carried(target))
                (field(&Field {
                    name: "work_email",
                    label: "Work e-mail address",
                    kind: "email",
                    autocomplete: "email",
                    hint: Some("Its ending tells us where your organisation signs in."),
                    value: None,
                }, wrongs))
                button.second type="submit" { "Find my organisation" }
            }
        }
    };
    let page = Page::new("Sign in", body);
    if wrongs.is_empty() {
        page
    } else {
        page.wrong()
    }
}

#[derive(Deserialize)]
struct SignInForm {
    email: String,
    #[serde(deserialize_with = "secret")]
    password: SecretString,
    r#continue: Option<String>,
}

async fn send(
    request: HttpRequest,
    form: Form<SignInForm>,
    state: Shared,
    limits: web::Data<Limits>,
) -> HttpResponse {
    if !session::comes_from_us(&request, &state) {
        return not_ours(&request);
    }
    let Ok(web::Form(form)) = form else {
        return unreadable(&request);
    };
    let target = Target::read(form.r#continue.as_deref());
    let given = SignIn {
        email: form.email.clone(),
        password: form.password,
        address: limits.address(&request),
        user_agent: user_agent(&request),
    };
    let (status, message, wait) = match state.people.sign_in(given).await {
        Ok(Tried::Welcome(welcome)) => {
            return welcomed(&request, &state, &welcome.cookie, &target).await;
        }
        Ok(Tried::Refused) => (
            StatusCode::UNAUTHORIZED,
            "The e-mail address or the password is not right.".to_owned(),
            None,
        ),
        Ok(Tried::Locked { until }) => {
            let millis = until.millis() - state.core.database.now().millis();
            let seconds = millis.max(0) / 1_000 + 1;
            (
                StatusCode::TOO_MANY_REQUESTS,
                format!(
                    "Too many attempts in a row. Try again in {}.",
                    in_words(seconds)
                ),
                Some(seconds),
            )
        }
        Err(error) => return failed(&request, &error),
    };
    let wrongs = [Wrong::with("email", message)];
    let mut response = page(&state, &target, Some(&form.email), &wrongs)
        .status(status)
        .answer(&request);
    if let Some(seconds) = wait {
        response
            .headers_mut()
            .insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

fn in_words(seconds: i64) -> String {
    match seconds {
        ..=60 => "a minute".to_owned(),
        _ => format!("{} minutes", (seconds + 59) / 60),
    }
}

/// Goes on as who has just signed in. A session that this browser had before ends: nobody keeps a secret that was there before.
pub(super) async fn welcomed(
    request: &HttpRequest,
    state: &State,
    cookie: &SecretString,
    target: &Target,
) -> HttpResponse {
    if let Some(before) = current(request, state).await {
        let ended = state
            .people
            .end_session(&before.user, before.session_id, "signed_in_again");
        if let Err(error) = ended.await {
            tracing::error!(%error, "an earlier session could not be ended");
        }
    }
    session::keep(request, state, cookie);
    redirect(request, &href(state, target.as_str()))
}

#[derive(Deserialize)]
struct SignOutForm {
    form_token: Option<String>,
}

async fn sign_out(request: HttpRequest, form: Form<SignOutForm>, state: Shared) -> HttpResponse {
    let Some(signed_in) = current(&request, &state).await else {
        session::forget(&request, &state);
        return redirect(&request, &href(&state, "/sign-in"));
    };
    let token = form.ok().and_then(|form| form.into_inner().form_token);
    if !form_is_ours(&request, &state, &signed_in, token.as_deref()) {
        return not_ours(&request);
    }
    let ended = state
        .people
        .end_session(&signed_in.user, signed_in.session_id, "signed_out");
    if let Err(error) = ended.await {
        return failed(&request, &error);
    }
    session::forget(&request, &state);
    Page::of_sentences("You are signed out", &["You can close this page."]).answer(&request)
}

/// A form that was not sent from a page of ours, or from one that was made for another session.
pub(super) fn not_ours(request: &HttpRequest) -> HttpResponse {
    Page::of_sentences(
        "This form is out of date",
        &[
            "It was not sent from a page of this site, or from one that was opened before you signed in. Nothing was changed.",
            "Go back, load the page anew, and send it again.",
        ],
    )
    .status(StatusCode::FORBIDDEN)
    .answer(request)
}

/// A form that cannot be read.
pub(super) fn unreadable(request: &HttpRequest) -> HttpResponse {
    Page::of_sentences(
        "This form cannot be read",
        &["Something is missing, or there is too much of it. Nothing was changed."],
    )
    .status(StatusCode::BAD_REQUEST)
    .answer(request)
}

/// Something of ours failed.
pub(super) fn failed(request: &HttpRequest, error: &PeopleError) -> HttpResponse {
    tracing::error!(%error, "a page for people failed");
    Page::of_sentences(
        "That did not work just now",
        &["The fault is ours, and nothing was changed. Try again in a few minutes."],
    )
    .status(StatusCode::SERVICE_UNAVAILABLE)
    .answer(request)
}

/// Who is signed in, or the way to it and back.
pub(super) async fn signed_in_or_away(
    request: &HttpRequest,
    state: &State,
    path: &str,
) -> Result<SignedIn, HttpResponse> {
    match current(request, state).await {
        Some(signed_in) => Ok(signed_in),
        None => {
            let way = Target::read(Some(path)).after("/sign-in");
            Err(redirect(request, &href(state, &way)))
        }
    }
}

/// A button that sends one form of its own.
pub(super) fn button_form(
    state: &State,
    signed_in: &SignedIn,
    path: &str,
    (name, value): (&str, &str),
    (label, spoken): (&str, &str),
) -> Markup {
    html! {
        form method="post" action=(href(state, path)) {
            (form_token(signed_in))
            input type="hidden" name=(name) value=(value);
            button.second type="submit" aria-label=(spoken) { (label) }
        }
    }
}
