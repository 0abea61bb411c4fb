//! Signing in by an organisation's provider: which one, on the way to it, and back.
//!
//! The pages lead to a provider by links and not by forms: the policy of our pages lets a form end nowhere but here, redirects included.

use super::{Form, Going, not_ours, optional_secret, page, unreadable, welcomed};
use crate::http::Shared;
use crate::http::page::{Page, Wrong, href, redirect, set_cookie};
use crate::http::session::{self, SignedIn, cookie_value, user_agent};
use crate::people::oidc::{OidcError, Returned};
use crate::people::target::Target;
use crate::state::State;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use entities::domain_name::DomainName;
use entities::viewer::Viewer;
use entities::{identity_provider, partner, sign_in_request, visible};
use maud::html;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

const fn cookie_name(public_url_is_https: bool) -> &'static str {
    if public_url_is_https {
        "__Host-entente_way"
    } else {
        "entente_way"
    }
}

#[derive(Deserialize)]
pub(super) struct ChooseForm {
    work_email: String,
    r#continue: Option<String>,
}

/// The providers that speak for an address's ending.
pub(super) async fn choose(
    request: HttpRequest,
    form: Form<ChooseForm>,
    state: Shared,
) -> HttpResponse {
    if !session::comes_from_us(&request, &state) {
        return not_ours(&request);
    }
    let Ok(web::Form(form)) = form else {
        return unreadable(&request);
    };
    let target = Target::read(form.r#continue.as_deref());
    let found = match providers(&state, &form.work_email).await {
        Ok(found) => found,
        Err(error) => return super::failed(&request, &error.into()),
    };
    if found.is_empty() {
        let message = "No organisation signs in here with addresses of this ending. Use your password, or ask whoever invited you.";
        return page(&state, &target, None, &[Wrong::with("work_email", message)])
            .status(StatusCode::NOT_FOUND)
            .answer(&request);
    }
    let body = html! {
        p { "You go on to your organisation’s own sign-in, and come back when you are done." }
        div.choices {
            @for (key, name) in &found {
                a.button href=(href(&state, &target.after(&format!("/sign-in/with/{key}")))) {
                    "Continue with " (name)
                }
            }
        }
        p.after { a href=(href(&state, &target.after("/sign-in"))) { "Back to sign in" } }
    };
    Page::new("Your organisation’s sign-in", body).answer(&request)
}

async fn providers(
    state: &State,
    email: &str,
) -> Result<Vec<(String, String)>, entities::error::Error> {
    let email = email.trim();
    let mut found = Vec::new();
    if let Some(staff) = state.people.staff_provider()
        && staff.speaks_for(email)
    {
        found.push((staff.key(), staff.name.clone()));
    }
    let domain = email
        .rsplit_once('@')
        .and_then(|(_, host)| host.parse::<DomainName>().ok());
    if let Some(domain) = domain {
        let rows = identity_provider::list_enabled_for(state.core.database.read(), &domain).await?;
        // What is the staff's by configuration is nobody else's either, whatever was confirmed before.
        let staff = state.people.staff_provider();
        if staff.is_none_or(|staff| !staff.has_domain(&domain)) {
            found.extend(of_partners(state, rows).await?);
        }
    }
    Ok(found)
}

/// Partners' providers, each with the name of its partner: what a provider is called is the partner's to say.
async fn of_partners(
    state: &State,
    rows: Vec<identity_provider::Model>,
) -> Result<Vec<(String, String)>, entities::error::Error> {
    let ids = rows.iter().map(|row| row.partner_id.0);
    let (read, viewer) = (state.core.database.read(), Viewer::system("sign_in"));
    let partners = visible::find_all::<partner::Entity, _>(read, &viewer, ids).await?;
    let named = rows.into_iter().filter_map(|row| {
        let partner = partners.iter().find(|one| one.id == row.partner_id)?;
        Some((
            row.id.to_string(),
            format!("{} ({})", row.name, partner.name),
        ))
    });
    Ok(named.collect())
}

/// Sends a browser to a provider. Who is signed in and comes from elsewhere is asked first: another site could otherwise have them go on as somebody
/// of its choice, and what they then do would be done in that name.
pub(super) async fn begin(
    request: HttpRequest,
    path: web::Path<String>,
    query: Result<web::Query<Going>, actix_web::Error>,
    state: Shared,
) -> HttpResponse {
    let target = Going::target(query);
    if comes_from_elsewhere(&request)
        && let Some(signed_in) = session::current(&request, &state).await
    {
        return ask_first(&request, &state, &signed_in, &path, &target);
    }
    let begun = match state.people.provider(&path).await {
        Ok(provider) => state.people.begin(&provider, &target).await,
        Err(error) => Err(error),
    };
    match begun {
        Ok(begun) => {
            let url = &state.public_url;
            let cookie = session::cookie(
                url,
                cookie_name(url.is_https()),
                begun.cookie.expose_secret(),
                sign_in_request::VALID_MILLIS / 1_000,
            );
            set_cookie(&request, cookie);
            redirect(&request, begun.authorize.as_str())
        }
        Err(error) => came_to_nothing(&request, &state, &error),
    }
}

/// Whether another site sent the browser here, as far as the browser tells.
fn comes_from_elsewhere(request: &HttpRequest) -> bool {
    let site = request.headers().get("sec-fetch-site");
    site.is_some_and(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"))
}

fn ask_first(
    request: &HttpRequest,
    state: &State,
    signed_in: &SignedIn,
    key: &str,
    target: &Target,
) -> HttpResponse {
    // The key was written by whoever made the link: as a path's segment it is one, whatever is in it.
    let key: String = url::form_urlencoded::byte_serialize(key.as_bytes()).collect();
    let body = html! {
        p { "You are signed in as " (signed_in.user.name) " (" (signed_in.user.email) "). The page you come from wants you to sign in anew, perhaps as somebody else." }
        p { "If you did not ask for that, stay." }
        div.choices {
            a.button href=(href(state, "/account")) { "Stay signed in" }
            a.button.second href=(href(state, &target.after(&format!("/sign-in/with/{key}")))) { "Sign in anew" }
        }
    };
    Page::new("Sign in anew?", body)
        .signed_in(state, signed_in)
        .answer(request)
}

/// What a provider sends along.
#[derive(Deserialize)]
pub(super) struct Answer {
    #[serde(default, deserialize_with = "optional_secret")]
    code: Option<SecretString>,
    #[serde(default, deserialize_with = "optional_secret")]
    state: Option<SecretString>,
    iss: Option<String>,
    error: Option<String>,
}

/// Takes a browser back from a provider.
pub(super) async fn arrive(
    request: HttpRequest,
    path: web::Path<String>,
    query: Result<web::Query<Answer>, actix_web::Error>,
    state: Shared,
) -> HttpResponse {
    let url = &state.public_url;
    let name = cookie_name(url.is_https());
    let cookie = cookie_value(request.headers(), name);
    set_cookie(&request, session::cookie(url, name, "", 0));
    let answer = query.ok().map(web::Query::into_inner);
    let (code, given, issuer) = match (answer, &cookie) {
        (
            Some(Answer {
                error: Some(error), ..
            }),
            _,
        ) => {
            // The word comes from outside; it is cut and quoted, so that it cannot forge a line of the log.
            let error = error.chars().take(100).collect::<String>();
            tracing::info!(?error, "an identity provider sent somebody back");
            return came_to_nothing(&request, &state, &OidcError::UnknownState);
        }
        (
            Some(Answer {
                code: Some(code),
                state: Some(given),
                iss,
                error: None,
            }),
            Some(_),
        ) => (code, given, iss),
        _ => return came_to_nothing(&request, &state, &OidcError::UnknownState),
    };
    let returned = Returned {
        provider: path.into_inner(),
        state: given,
        code,
        issuer,
        cookie: cookie.unwrap_or_default().into(),
    };
    let arrived = match state.people.arrive(returned).await {
        Ok(arrived) => arrived,
        Err(error) => return came_to_nothing(&request, &state, &error),
    };
    match state.people.admit(&arrived, user_agent(&request)).await {
        Ok(Ok(welcome)) => welcomed(&request, &state, &welcome.cookie, &arrived.target).await,
        Ok(Err(refusal)) => {
            tracing::info!(
                ?refusal,
                provider = arrived.provider.key(),
                "somebody whom a provider vouches for was not let in"
            );
            Page::of_sentences(
                "You cannot sign in here this way",
                &[
                    "Your organisation knows you, but nobody was invited here with the address it has for you, or not by your organisation.",
                    "Ask whoever invited you which address the invitation was for.",
                ],
            )
            .status(StatusCode::FORBIDDEN)
            .answer(&request)
        }
        Err(error) => super::failed(&request, &error),
    }
}

/// The one page for a way that did not end well; whose fault it was is for the log.
fn came_to_nothing(request: &HttpRequest, state: &State, error: &OidcError) -> HttpResponse {
    let (status, sentence) = match error {
        OidcError::UnknownState | OidcError::NoProvider => (
            StatusCode::BAD_REQUEST,
            "The sign-in was broken off, took too long, or began in another browser.",
        ),
        OidcError::People(error) => return super::failed(request, error),
        error => {
            tracing::warn!(%error, "an identity provider could not be used");
            (
                StatusCode::BAD_GATEWAY,
                "Your organisation’s sign-in does not answer as it should. Tell whoever looks after it, and try again later.",
            )
        }
    };
    let body = html! {
        p { (sentence) }
        p { a href=(href(state, "/sign-in")) { "Back to sign in" } }
    };
    Page::new("You are not signed in", body)
        .status(status)
        .answer(request)
}
