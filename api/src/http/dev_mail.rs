//! The messages to people, for whoever develops: there only with `dev_mail`, and only on loopback. Otherwise the address is one of those that
//! do not exist.

use super::page::{Page, instant};
use super::{Shared, Unknown, unknown};
use actix_web::{HttpRequest, HttpResponse, web};
use maud::html;
use secrecy::ExposeSecret as _;

/// Shows the messages, the newest first.
pub async fn show(request: HttpRequest, state: Shared, known: web::Data<Unknown>) -> HttpResponse {
    let shown = match state.people.mail().shown().await {
        Ok(Some(shown)) => shown,
        Ok(None) => return unknown(request, known).await,
        Err(error) => {
            tracing::error!(%error, "messages cannot be read");
            Vec::new()
        }
    };
    let body = html! {
        p.quiet { "What is to be sent, or was. At most fifty." }
        @if shown.is_empty() { p { "Nothing yet." } }
        @for shown in &shown {
            section {
                h2 { (shown.message.subject) }
                p.quiet { "To " (shown.message.to) ", " (instant(shown.at)) }
                pre { (with_links(shown.message.text.expose_secret())) }
            }
        }
    };
    Page::new("Mail", body).wide().answer(&request)
}

/// A text in which lines that are an address are links.
fn with_links(text: &str) -> maud::Markup {
    html! {
        @for line in text.lines() {
            @if line.starts_with("http://") || line.starts_with("https://") { a href=(line) { (line) } } @else { (line) }
            "\n"
        }
    }
}
