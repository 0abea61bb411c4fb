//! "I forgot my password": one answer for every address, given before anybody has looked whether there is such a person.

use super::{EMAIL, Form, not_ours, unreadable};
use crate::http::Shared;
use crate::http::page::{Field, Page, field, href};
use crate::http::session;
use actix_web::{HttpRequest, HttpResponse, web};
use maud::html;
use serde::Deserialize;
use std::sync::Arc;

pub(super) async fn show(request: HttpRequest, state: Shared) -> HttpResponse {
    let body = html! {
        p { "Tell us your e-mail address. If somebody signs in with it here, we send a link with which you choose a new password." }
        form method="post" action=(href(&state, "/forgotten-password")) {
            (field(&Field { hint: None, ..EMAIL }, &[]))
            button type="submit" { "Send the link" }
        }
        p.after { a href=(href(&state, "/sign-in")) { "Back to sign in" } }
    };
    Page::new("Forgotten your password?", body).answer(&request)
}

#[derive(Deserialize)]
pub(super) struct ForgottenForm {
    email: String,
}

pub(super) async fn send(
    request: HttpRequest,
    form: Form<ForgottenForm>,
    state: Shared,
) -> HttpResponse {
    if !session::comes_from_us(&request, &state) {
        return not_ours(&request);
    }
    let Ok(web::Form(form)) = form else {
        return unreadable(&request);
    };
    let people = Arc::clone(&state.people);
    // The answer does not wait: how long the rest takes would tell whether there is anything to do.
    actix_web::rt::spawn(async move {
        if let Err(error) = people.forgotten(&form.email).await {
            tracing::error!(%error, "a forgotten password could not be looked after");
        }
    });
    Page::of_sentences(
        "Look into your mail",
        &[
            "If somebody signs in here with that address, a message with a link is on its way. The link is good for one hour.",
            "Nothing came? Look among unwanted mail, and at the spelling of the address. We send at most one message in five minutes.",
        ],
    )
    .answer(&request)
}
