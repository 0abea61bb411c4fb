//! The pages that a ticket opens: an invitation, and a new password. Opening one changes nothing; the form does.

use super::Shared;
use super::page::{Field, Page, Wrong, field, href, summary, username};
use super::session::{self, user_agent};
use super::sign_in::{Form, failed, not_ours, optional_secret, secret, unreadable, welcomed};
use crate::people::target::Target;
use crate::people::{Accepted, Opened};
use crate::state::State;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use entities::user_ticket::TicketPurpose;
use maud::{Markup, html};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// What is in the link.
#[derive(Deserialize)]
pub(super) struct Link {
    #[serde(default, deserialize_with = "optional_secret")]
    ticket: Option<SecretString>,
}

pub(super) async fn show(
    request: HttpRequest,
    query: Result<web::Query<Link>, actix_web::Error>,
    state: Shared,
) -> HttpResponse {
    let Some(ticket) = query.ok().and_then(|query| query.into_inner().ticket) else {
        return no_ticket(&request, &state);
    };
    match state.people.open(&ticket).await {
        Ok(Some(opened)) => page(&request, &state, &ticket, &opened, &[]).await,
        Ok(None) => no_ticket(&request, &state),
        Err(error) => failed(&request, &error),
    }
}

async fn page(
    request: &HttpRequest,
    state: &State,
    ticket: &SecretString,
    opened: &Opened,
    wrongs: &[Wrong],
) -> HttpResponse {
    let partner = match state.people.partner_name(&opened.user).await {
        Ok(partner) => partner,
        Err(error) => return failed(request, &error),
    };
    let is_new = opened.purpose != TicketPurpose::PasswordReset;
    let ways = match ways(state, opened).await {
        Ok(ways) => ways,
        Err(error) => return failed(request, &error.into()),
    };
    let whose = match &partner {
        Some(partner) => format!("{}, of {partner}", opened.user.name),
        None => opened.user.name.clone(),
    };
    let body = html! {
        (summary(wrongs))
        p {
            @if is_new { "You are invited as " strong { (whose) } ", with the address " strong { (opened.user.email) } "." }
            @else { "Choose a new password for " strong { (opened.user.email) } ". Browsers that are signed in with the old one will be signed out." }
        }
        @if opened.takes_password {
            form method="post" action=(href(state, if is_new { "/invitation" } else { "/new-password" })) {
                input type="hidden" name="ticket" value=(ticket.expose_secret());
                (username(&opened.user.email))
                (new_password_fields(wrongs))
                button type="submit" { @if is_new { "Begin" } @else { "Set the password" } }
            }
        }
        @if ways.is_empty() && !opened.takes_password {
            p { "You come by your organisation’s own sign-in, and none of those that are set up here speaks for this address. Tell whoever invited you." }
        }
        @if is_new && !ways.is_empty() {
            section {
                @if opened.takes_password { h2 { "Or with your organisation’s sign-in" } }
                div.choices {
                    @for (key, name) in &ways {
                        a.button.second[opened.takes_password] href=(href(state, &format!("/sign-in/with/{key}"))) {
                            "Continue with " (name)
                        }
                    }
                }
            }
        }
    };
    let heading = if is_new {
        "Welcome"
    } else {
        "Choose a new password"
    };
    let page = Page::new(heading, body);
    if wrongs.is_empty() {
        page.answer(request)
    } else {
        page.wrong()
            .status(StatusCode::UNPROCESSABLE_ENTITY)
            .answer(request)
    }
}

/// The two inputs of a new password.
pub(super) fn new_password_fields(wrongs: &[Wrong]) -> Markup {
    html! {
        (field(&Field {
            name: "new_password",
            label: "New password",
            kind: "password",
            autocomplete: "new-password",
            hint: Some("At least 12 characters. A few words that do not belong together are good."),
            value: None,
        }, wrongs))
        (field(&Field {
            name: "repeated",
            label: "The same once more",
            kind: "password",
            autocomplete: "new-password",
            hint: None,
            value: None,
        }, wrongs))
    }
}

/// The providers by which the person may come.
async fn ways(
    state: &State,
    opened: &Opened,
) -> Result<Vec<(String, String)>, entities::error::Error> {
    let email = &opened.user.email;
    let Some(partner) = opened.user.partner_id else {
        let staff = state.people.staff_provider();
        return Ok(staff
            .filter(|staff| staff.speaks_for(email))
            .map(|staff| (staff.key(), staff.name.clone()))
            .into_iter()
            .collect());
    };
    let read = state.core.database.read();
    let rows = entities::identity_provider::list_enabled_of(read, partner).await?;
    let domain = email
        .rsplit_once('@')
        .and_then(|(_, host)| host.parse().ok());
    Ok(rows
        .into_iter()
        .filter(|row| domain.as_ref().is_some_and(|domain| row.speaks_for(domain)))
        .map(|row| (row.id.to_string(), row.name))
        .collect())
}

#[derive(Deserialize)]
pub(super) struct AcceptForm {
    #[serde(deserialize_with = "secret")]
    ticket: SecretString,
    #[serde(deserialize_with = "secret")]
    new_password: SecretString,
    #[serde(deserialize_with = "secret")]
    repeated: SecretString,
}

pub(super) async fn send(
    request: HttpRequest,
    form: Form<AcceptForm>,
    state: Shared,
) -> HttpResponse {
    if !session::comes_from_us(&request, &state) {
        return not_ours(&request);
    }
    let Ok(web::Form(form)) = form else {
        return unreadable(&request);
    };
    let wrong = if form.new_password.expose_secret() == form.repeated.expose_secret() {
        let accepted = state
            .people
            .accept(&form.ticket, &form.new_password, user_agent(&request));
        match accepted.await {
            Ok(Accepted::Welcome(welcome)) => {
                let target = Target::read(None);
                return welcomed(&request, &state, &welcome.cookie, &target).await;
            }
            Ok(Accepted::NoTicket) => return no_ticket(&request, &state),
            Ok(Accepted::Weak(weak)) => Wrong::with("new_password", weak.message()),
            Err(error) => return failed(&request, &error),
        }
    } else {
        Wrong::with("repeated", "The two passwords are not the same.")
    };
    match state.people.open(&form.ticket).await {
        Ok(Some(opened)) => page(&request, &state, &form.ticket, &opened, &[wrong]).await,
        Ok(None) => no_ticket(&request, &state),
        Err(error) => failed(&request, &error),
    }
}

/// The one answer to a ticket that opens nothing, whatever is wrong with it.
fn no_ticket(request: &HttpRequest, state: &State) -> HttpResponse {
    let body = html! {
        p { "It was used already, is too old, or there is a newer one." }
        p { "If you were invited, ask for another invitation. If you have forgotten your password, "
            a href=(href(state, "/forgotten-password")) { "ask for a new link" } "." }
    };
    Page::new("This link opens nothing any more", body)
        .status(StatusCode::GONE)
        .answer(request)
}
