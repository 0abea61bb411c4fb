//! The public form by which a company applies to a programme that is open to applications.
//!
//! Owns the page and its form. Refuses: a programme that takes no applications, in the same words as one that does not exist; a form of another origin;
//! and more from one address than an hour allows. Invariant: the answer is the same whether the company, its domain or its person is known here or not,
//! and nothing of what was sent is tied to a partner before staff has looked at it. The page needs no script.

mod form;

use super::Shared;
use super::limit::Limits;
use super::page::{Page, Wrong, href, summary};
use super::session;
use super::sign_in::{Form, not_ours, unreadable};
use crate::state::State;
use actix_web::http::StatusCode;
use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpRequest, HttpResponse, web};
use entities::change::{Author, Change, Origin};
use entities::error::{Error, Result};
use entities::id::ProgramId;
use entities::{partner_application, program};
use form::ApplicationForm;
use maud::html;

/// The addresses of the form.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::resource("/apply/{program}")
            .route(web::get().to(show))
            .route(web::post().to(send)),
    );
}

/// The programme of an address, if it is open.
async fn open_program(state: &State, named: &str) -> Result<Option<program::Model>> {
    let Ok(id) = named.parse::<ProgramId>() else {
        return Ok(None);
    };
    partner_application::find_open_program(state.core.database.read(), id).await
}

async fn show(request: HttpRequest, path: web::Path<String>, state: Shared) -> HttpResponse {
    match open_program(&state, &path).await {
        Ok(Some(program)) => {
            page(&state, &program, &ApplicationForm::default(), &[]).answer(&request)
        }
        Ok(None) => closed(&request),
        Err(error) => failed(&request, &error),
    }
}

fn page(
    state: &State,
    program: &program::Model,
    typed: &ApplicationForm,
    wrongs: &[Wrong],
) -> Page {
    let action = href(state, &format!("/apply/{}", program.id));
    let body = html! {
        (summary(wrongs))
        @if !program.description.is_empty() { p { (program.description) } }
        form method="post" action=(action) {
            (typed.inputs(wrongs))
            button type="submit" { "Send the application" }
        }
        p.after.quiet { "Somebody of the programme reads what you send and answers to the address you give. It is kept for that and for nothing else." }
    };
    let page = Page::new(format!("Apply to {}", program.name), body);
    if wrongs.is_empty() {
        page
    } else {
        page.wrong().status(StatusCode::BAD_REQUEST)
    }
}

async fn send(
    request: HttpRequest,
    path: web::Path<String>,
    form: Form<ApplicationForm>,
    state: Shared,
    limits: web::Data<Limits>,
) -> HttpResponse {
    if !session::comes_from_us(&request, &state) {
        return not_ours(&request);
    }
    if let Err(seconds) = limits.application(&limits.address(&request)) {
        return too_many(&request, seconds);
    }
    let Ok(web::Form(typed)) = form else {
        return unreadable(&request);
    };
    let program = match open_program(&state, &path).await {
        Ok(Some(program)) => program,
        Ok(None) => return closed(&request),
        Err(error) => return failed(&request, &error),
    };
    let new = match typed.read(program.id) {
        Ok(new) => new,
        Err(wrongs) => return page(&state, &program, &typed, &wrongs).answer(&request),
    };
    match taken(&state, new).await {
        Ok(true) => Page::of_sentences(
            "Thank you",
            &[
                "Your application has arrived. Somebody of the programme reads it and answers to the address you gave.",
                "You can close this page.",
            ],
        )
        .answer(&request),
        Ok(false) => closed(&request),
        Err(Error::Invalid(violations)) => {
            let wrongs = form::wrongs(violations);
            page(&state, &program, &typed, &wrongs).answer(&request)
        }
        Err(error) => failed(&request, &error),
    }
}

/// Writes an application down; false where the programme was closed meanwhile.
async fn taken(state: &State, new: partner_application::NewApplication) -> Result<bool> {
    let author = Author {
        actor: "application form".to_owned(),
        origin: Origin::Human,
        connection: None,
    };
    let mut change = Change::begin(&state.core.database, author).await?;
    let written = partner_application::submit_form(&mut change, new).await?;
    if written.is_none() {
        change.rollback().await?;
        return Ok(false);
    }
    change.commit().await?;
    Ok(true)
}

fn closed(request: &HttpRequest) -> HttpResponse {
    Page::of_sentences(
        "There is no form here",
        &["The programme takes no applications, or the address is not right. Ask whoever gave it to you."],
    )
    .status(StatusCode::NOT_FOUND)
    .answer(request)
}

fn too_many(request: &HttpRequest, seconds: u64) -> HttpResponse {
    let mut response = Page::of_sentences(
        "Not so fast",
        &["Too many applications came from this address. Nothing was kept of this one; try again later."],
    )
    .status(StatusCode::TOO_MANY_REQUESTS)
    .answer(request);
    response.headers_mut().insert(RETRY_AFTER, seconds.into());
    response
}

fn failed(request: &HttpRequest, error: &Error) -> HttpResponse {
    tracing::error!(%error, "an application could not be taken");
    Page::of_sentences(
        "That did not work just now",
        &["The fault is ours, and nothing was kept. Try again in a few minutes."],
    )
    .status(StatusCode::SERVICE_UNAVAILABLE)
    .answer(request)
}
