//! Where a person is asked: `/oauth/authorize` shows what a client asks for, `/oauth/consent` takes the person's answer.
//!
//! Whoever is not signed in is sent to sign in and comes back with the same request, also one that cannot be answered: a link to us never leads on
//! elsewhere before anybody has signed in here (RFC 9700, 4.11.2). The answer's form carries the whole request, which is read and verified
//! anew, and a word that only a page of this session for this very request can hold: another site can neither send the form for the person nor exchange
//! what they agree to.
//!
//! **Leaving.** A person leaves for the client's address by a redirect, but for one case: browsers hold every redirect that follows a form to the policy of
//! the form's page, and the page where people sign in cannot know where they will end. Who comes from a page of ours therefore leaves by a page of ours.

use super::consent_page::{self, Asked};
use crate::http::Shared;
use crate::http::page::{self, Page};
use crate::http::session::{self, SignedIn};
use crate::oauth::authorize::{AuthorizationRequest, Unasked};
use crate::oauth::endpoint::Endpoint;
use crate::oauth::parameters::Parameters;
use crate::people::target::Target;
use actix_web::http::StatusCode;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use entities::viewer::Scopes;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Has a browser go on by itself, which is no redirect of a form.
const REFRESH: HeaderName = HeaderName::from_static("refresh");

/// Shows a person what a client asks for.
pub async fn authorize(request: HttpRequest, state: Shared) -> HttpResponse {
    let query = request.query_string();
    let read = state.authorization.read_request(query).await;
    if let Err(unasked @ (Unasked::Page(_) | Unasked::Database(_))) = &read {
        return turned_away(&request, unasked);
    }
    let Some(signed_in) = session::current(&request, &state).await else {
        let back = format!("{}?{query}", Endpoint::Authorization.path());
        let path = Target::read(Some(&back)).after("/sign-in");
        return page::redirect(&request, &page::href(&state, &path));
    };
    let asked = match read {
        Ok(asked) => asked,
        Err(unasked) => return turned_away(&request, &unasked),
    };
    let user = &signed_in.user;
    let scopes = match state.authorization.allowable(&asked, user).await {
        Ok(scopes) => scopes,
        Err(unasked) => return turned_away(&request, &unasked),
    };
    match state.authorization.is_agreed(&asked, user, scopes).await {
        Ok(true) => match state.authorization.agree(&asked, user, scopes).await {
            Ok(address) => leave(&request, &address),
            Err(error) => turned_away(&request, &error.into()),
        },
        Ok(false) => shown(&request, &state, &signed_in, &asked, scopes).await,
        Err(error) => turned_away(&request, &error.into()),
    }
}

/// Takes a person's answer.
pub async fn consent(
    request: HttpRequest,
    form: Result<String, actix_web::Error>,
    state: Shared,
) -> HttpResponse {
    let Some(signed_in) = session::current(&request, &state).await else {
        return begin_again(&request);
    };
    let Some((query, word, allows)) = form.ok().and_then(|form| read_answer(&form)) else {
        return begin_again(&request);
    };
    let expected = word_of(&signed_in, &query);
    let is_ours: bool = word.as_bytes().ct_eq(expected.as_bytes()).into();
    if !is_ours || !session::comes_from_us(&request, &state) {
        return begin_again(&request);
    }
    let asked = match state.authorization.read_request(&query).await {
        Ok(asked) => asked,
        Err(unasked) => return turned_away(&request, &unasked),
    };
    let user = &signed_in.user;
    let scopes = match state.authorization.allowable(&asked, user).await {
        Ok(scopes) => scopes,
        Err(unasked) => return turned_away(&request, &unasked),
    };
    let decided = if allows {
        state.authorization.agree(&asked, user, scopes).await
    } else {
        state.authorization.decline(&asked, user, scopes).await
    };
    match decided {
        Ok(address) => page::redirect(&request, address.expose_secret()),
        Err(error) => turned_away(&request, &error.into()),
    }
}

/// The request, the word and the decision of an answer.
fn read_answer(form: &str) -> Option<(String, String, bool)> {
    let parameters = Parameters::read(form).ok()?;
    let one = |name| parameters.one(name).ok().flatten().map(str::to_owned);
    let allows = match one("decision")?.as_str() {
        "allow" => true,
        "deny" => false,
        _ => return None,
    };
    Some((one("request")?, one("word")?, allows))
}

/// What only a page of this session for this request can hold.
fn word_of(signed_in: &SignedIn, query: &str) -> String {
    let mut word = Sha256::new();
    for part in ["oauth consent", signed_in.form_token.as_str(), query] {
        word.update(part.as_bytes());
        word.update(b"\0");
    }
    hex::encode(word.finalize())
}

async fn shown(
    request: &HttpRequest,
    state: &Shared,
    signed_in: &SignedIn,
    asked: &AuthorizationRequest,
    scopes: Scopes,
) -> HttpResponse {
    let owner = match state.authorization.owner_of(&asked.client).await {
        Ok(owner) => owner,
        Err(error) => return turned_away(request, &error.into()),
    };
    let query = request.query_string();
    let asked = Asked {
        client: &asked.client.name,
        owner: owner.as_deref(),
        scopes,
        back_to: &asked.redirect_uri,
        request: query,
        word: &word_of(signed_in, query),
    };
    consent_page::page(state, signed_in, &asked).answer(request)
}

/// Sends a person to the client's address, which was verified.
fn leave(request: &HttpRequest, address: &SecretString) -> HttpResponse {
    let address = address.expose_secret();
    let came_from = request.headers().get("sec-fetch-site");
    if came_from.is_some_and(|site| site.as_bytes() == b"same-origin") {
        let mut response = consent_page::leaving(address).answer(request);
        if let Ok(going_on) = HeaderValue::from_str(&format!("0;url={address}")) {
            response.headers_mut().insert(REFRESH, going_on);
        }
        response
    } else {
        page::redirect(request, address)
    }
}

fn turned_away(request: &HttpRequest, unasked: &Unasked) -> HttpResponse {
    let (status, heading, sentences) = match unasked {
        Unasked::Back(address) => return leave(request, address),
        Unasked::Page(why) => (
            StatusCode::BAD_REQUEST,
            "This application cannot be answered",
            [
                *why,
                "Nothing was allowed. The people who make the application can mend this.",
            ],
        ),
        Unasked::Database(error) => {
            tracing::error!(%error, "a person could not be asked");
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "You cannot be asked just now",
                ["Nothing was allowed.", "Try again later."],
            )
        }
    };
    let page = Page::of_sentences(heading, &sentences).status(status);
    page.answer(request)
}

fn begin_again(request: &HttpRequest) -> HttpResponse {
    let sentences = [
        "The page is too old, or you are signed in as somebody else by now.",
        "Nothing was allowed: begin again in the application.",
    ];
    let page = Page::of_sentences("This answer cannot be taken", &sentences);
    page.status(StatusCode::BAD_REQUEST).answer(request)
}
