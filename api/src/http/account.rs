//! A person's own page: who they are here, where they are signed in, what software they allowed, and their password.
//!
//! Everything on it is the person's own and found by the person, never by an id alone: a session or grant of somebody else answers like one that
//! is not there.

use super::Shared;
use super::invitation::new_password_fields;
use super::page::{
    Field, Page, Wrong, field, form_token, href, instant, redirect, summary, username,
};
use super::session::{SignedIn, form_is_ours};
use super::sign_in::{Form, button_form, failed, not_ours, secret, signed_in_or_away, unreadable};
use crate::people::invitation::PasswordRefusal;
use crate::people::{PeopleError, author};
use crate::state::State;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use entities::change::Change;
use entities::id::{OAuthGrantId, SessionId};
use entities::session::{self, SignInMethod};
use entities::{oauth_client, oauth_grant};
use maud::{Markup, html};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// The account page's own address.
const ACCOUNT: &str = crate::people::target::ACCOUNT;

/// What the page shows.
struct Shown {
    partner: Option<String>,
    sessions: Vec<session::Model>,
    grants: Vec<(oauth_grant::Model, oauth_client::Model)>,
}

async fn read(state: &State, signed_in: &SignedIn) -> Result<Shown, PeopleError> {
    let (user, database) = (&signed_in.user, &state.core.database);
    let mut grants = Vec::new();
    for grant in oauth_grant::list_live(database.read(), user.id).await? {
        if let Some(client) = oauth_client::find(database.read(), grant.client_id).await? {
            grants.push((grant, client));
        }
    }
    Ok(Shown {
        partner: state.people.partner_name(user).await?,
        sessions: session::list_live(database.read(), user.id, database.now()).await?,
        grants,
    })
}

pub(super) async fn show(request: HttpRequest, state: Shared) -> HttpResponse {
    let signed_in = match signed_in_or_away(&request, &state, ACCOUNT).await {
        Ok(signed_in) => signed_in,
        Err(away) => return away,
    };
    // What was just done, in a word of ours; anything else says nothing.
    let notice = match request.query_string() {
        "done=password" => Some("Your password is changed. Other browsers are signed out."),
        "done=session" => Some("The browser is signed out."),
        "done=client" => Some("The software has lost its access."),
        _ => None,
    };
    page(&request, &state, &signed_in, notice, &[]).await
}

async fn page(
    request: &HttpRequest,
    state: &State,
    signed_in: &SignedIn,
    notice: Option<&str>,
    wrongs: &[Wrong],
) -> HttpResponse {
    let shown = match read(state, signed_in).await {
        Ok(shown) => shown,
        Err(error) => return failed(request, &error),
    };
    let user = &signed_in.user;
    let body = html! {
        (summary(wrongs))
        @if let Some(notice) = notice { p.notice role="status" { (notice) } }
        dl {
            dt { "Name" } dd { (user.name) }
            dt { "E-mail" } dd { (user.email) }
            @if let Some(partner) = &shown.partner { dt { "Company" } dd { (partner) } }
            dt { "Role" } dd { (role_in_words(&user.role)) }
        }
        (sessions(state, signed_in, &shown.sessions))
        (grants(state, signed_in, &shown.grants))
        @if user.password_hash.is_some() { (password_form(state, signed_in, wrongs)) }
    };
    let page = Page::new("Your account", body)
        .wide()
        .signed_in(state, signed_in);
    if wrongs.is_empty() {
        page.answer(request)
    } else {
        page.wrong()
            .status(StatusCode::UNPROCESSABLE_ENTITY)
            .answer(request)
    }
}

/// A role's word in a sentence's spelling: `PARTNER_ADMIN` is "Partner admin".
fn role_in_words(role: &str) -> String {
    let lower = role.to_lowercase().replace('_', " ");
    let mut letters = lower.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}

fn sessions(state: &State, signed_in: &SignedIn, rows: &[session::Model]) -> Markup {
    html! {
        section {
            h2 { "Where you are signed in" }
            ul.list {
                @for row in rows {
                    li {
                        div {
                            p { (browser_in_words(row.user_agent.as_deref())) @if row.id == signed_in.session_id { strong { " – this browser" } } }
                            p.quiet {
                                "Since " (instant(row.created_at)) ", " (method_in_words(row.method)) ". Last used " (instant(row.last_used_at)) "."
                            }
                        }
                        @if row.id != signed_in.session_id {
                            (button_form(state, signed_in, "/account/sessions/end", ("session", &row.id.to_string()),
                                ("Sign out", &format!("Sign out the browser that signed in {}", row.created_at.to_rfc3339()))))
                        }
                    }
                }
            }
        }
    }
}

/// What a browser calls itself, cut down to what a person knows it by.
fn browser_in_words(user_agent: Option<&str>) -> String {
    let Some(text) = user_agent else {
        return "A browser that does not say its name".to_owned();
    };
    let first = |known: &[(&str, &'static str)]| {
        known
            .iter()
            .find(|(part, _)| text.contains(part))
            .map(|(_, name)| *name)
    };
    let browser = first(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
    ]);
    let system = first(&[
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        _ => text.chars().take(80).collect(),
    }
}

const fn method_in_words(method: SignInMethod) -> &'static str {
    match method {
        SignInMethod::Password => "with your password",
        SignInMethod::Ticket => "with a link from a message",
        SignInMethod::IdentityProvider => "with your organisation’s sign-in",
    }
}

fn grants(
    state: &State,
    signed_in: &SignedIn,
    rows: &[(oauth_grant::Model, oauth_client::Model)],
) -> Markup {
    html! {
        section {
            h2 { "Software that acts for you" }
            @if rows.is_empty() { p.quiet { "None. When you allow some, you can take it back here." } }
            @else {
                ul.list {
                    @for (grant, client) in rows {
                        li {
                            div {
                                p { strong { (client.name) } }
                                p.quiet {
                                    "Since " (instant(grant.created_at))
                                    @if let Some(at) = grant.last_used_at { ". Last used " (instant(at)) }
                                    ". It may: " (grant.scope) "."
                                }
                            }
                            (button_form(state, signed_in, "/account/clients/revoke", ("grant", &grant.id.to_string()),
                                ("Take back", &format!("Take back what {} may do", client.name))))
                        }
                    }
                }
            }
        }
    }
}

fn password_form(state: &State, signed_in: &SignedIn, wrongs: &[Wrong]) -> Markup {
    html! {
        section {
            h2 { "Change your password" }
            form method="post" action=(href(state, "/account/password")) {
                (form_token(signed_in))
                (username(&signed_in.user.email))
                (field(&Field {
                    name: "old_password",
                    label: "Your present password",
                    kind: "password",
                    autocomplete: "current-password",
                    hint: None,
                    value: None,
                }, wrongs))
                (new_password_fields(wrongs))
                button type="submit" { "Change the password" }
            }
        }
    }
}

#[derive(Deserialize)]
pub(super) struct PasswordForm {
    form_token: Option<String>,
    #[serde(deserialize_with = "secret")]
    old_password: SecretString,
    #[serde(deserialize_with = "secret")]
    new_password: SecretString,
    #[serde(deserialize_with = "secret")]
    repeated: SecretString,
}

pub(super) async fn password(
    request: HttpRequest,
    form: Form<PasswordForm>,
    state: Shared,
) -> HttpResponse {
    let signed_in = match signed_in_or_away(&request, &state, ACCOUNT).await {
        Ok(signed_in) => signed_in,
        Err(away) => return away,
    };
    let Ok(web::Form(form)) = form else {
        return unreadable(&request);
    };
    if !form_is_ours(&request, &state, &signed_in, form.form_token.as_deref()) {
        return not_ours(&request);
    }
    let wrong = if form.new_password.expose_secret() == form.repeated.expose_secret() {
        let changed = state.people.change_password(
            &signed_in.user,
            signed_in.session_id,
            &form.old_password,
            &form.new_password,
        );
        match changed.await {
            Ok(Ok(())) => {
                return redirect(&request, &href(&state, "/account?done=password"));
            }
            Ok(Err(PasswordRefusal::Wrong)) => {
                Wrong::with("old_password", "This is not your present password.")
            }
            Ok(Err(PasswordRefusal::Locked)) => Wrong::with(
                "old_password",
                "Too many attempts in a row. Try again in a quarter of an hour.",
            ),
            Ok(Err(PasswordRefusal::Weak(weak))) => Wrong::with("new_password", weak.message()),
            Err(error) => return failed(&request, &error),
        }
    } else {
        Wrong::with("repeated", "The two passwords are not the same.")
    };
    page(&request, &state, &signed_in, None, &[wrong]).await
}

#[derive(Deserialize)]
pub(super) struct EndForm {
    form_token: Option<String>,
    session: String,
}

pub(super) async fn end_session(
    request: HttpRequest,
    form: Form<EndForm>,
    state: Shared,
) -> HttpResponse {
    let signed_in = match signed_in_or_away(&request, &state, ACCOUNT).await {
        Ok(signed_in) => signed_in,
        Err(away) => return away,
    };
    let Ok(web::Form(form)) = form else {
        return unreadable(&request);
    };
    if !form_is_ours(&request, &state, &signed_in, form.form_token.as_deref()) {
        return not_ours(&request);
    }
    if let Ok(id) = form.session.parse::<SessionId>() {
        let ended = state
            .people
            .end_session(&signed_in.user, id, "ended_by_person");
        if let Err(error) = ended.await {
            return failed(&request, &error);
        }
    }
    redirect(&request, &href(&state, "/account?done=session"))
}

#[derive(Deserialize)]
pub(super) struct RevokeForm {
    form_token: Option<String>,
    grant: String,
}

pub(super) async fn revoke(
    request: HttpRequest,
    form: Form<RevokeForm>,
    state: Shared,
) -> HttpResponse {
    let signed_in = match signed_in_or_away(&request, &state, ACCOUNT).await {
        Ok(signed_in) => signed_in,
        Err(away) => return away,
    };
    let Ok(web::Form(form)) = form else {
        return unreadable(&request);
    };
    if !form_is_ours(&request, &state, &signed_in, form.form_token.as_deref()) {
        return not_ours(&request);
    }
    if let Err(error) = take_back(&state, &signed_in, &form.grant).await {
        return failed(&request, &error);
    }
    redirect(&request, &href(&state, "/account?done=client"))
}

/// Takes back what the person allowed a client; a grant of somebody else is none.
async fn take_back(state: &State, signed_in: &SignedIn, grant: &str) -> Result<(), PeopleError> {
    let Ok(id) = grant.parse::<OAuthGrantId>() else {
        return Ok(());
    };
    let author = author(signed_in.user.id);
    let mut change = Change::begin(&state.core.database, author).await?;
    let row = oauth_grant::find(change.transaction(), id).await?;
    if let Some(row) = row.filter(|row| row.user_id == signed_in.user.id) {
        let client = Some(row.client_id);
        oauth_grant::revoke_of(&mut change, signed_in.user.id, client, "taken_back").await?;
        change.commit().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_people() {
        assert_eq!(role_in_words("PARTNER_ADMIN"), "Partner admin");
        let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Safari/537.36";
        assert_eq!(browser_in_words(Some(chrome)), "Chrome on Linux");
        assert_eq!(browser_in_words(Some("curl/8")), "curl/8");
        assert!(browser_in_words(None).starts_with("A browser"));
    }
}
