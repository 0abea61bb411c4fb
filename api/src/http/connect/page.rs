//! The plain pages on which a consent ends: a few sentences for a person.

use crate::config::public_url::PublicUrl;
use crate::http::page::Page;
use actix_web::HttpResponse;
use actix_web::http::StatusCode;

/// A page with a heading and sentences. It takes the cookie of the consent away: the consent has ended.
pub fn page(
    url: &PublicUrl,
    status: StatusCode,
    heading: &str,
    sentences: &[String],
) -> HttpResponse {
    Page::of_sentences(heading, sentences)
        .status(status)
        .answer_with_cookie(super::cookie(url, None))
}
