//! One outgoing request, before it is sent.
//!
//! Owns: method, address, body and the budget it counts against. Refuses: headers of the caller's own, so that nothing can add a
//! second authorization. Invariant: `Debug` shows neither body nor query, which may hold secrets.

use crate::connector::Lane;
use bytes::Bytes;
use serde::Serialize;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

/// What is sent along.
#[derive(Clone)]
pub enum Body {
    /// Nothing.
    Empty,
    /// JSON.
    Json(Bytes),
    /// A form. It may hold secrets and is wiped when dropped.
    Form(Zeroizing<String>),
}

/// One outgoing request.
#[derive(Clone)]
pub struct Call {
    pub(super) method: http::Method,
    pub(super) url: Url,
    pub(super) body: Body,
    pub(super) lane: Lane,
}

impl Call {
    /// Reads `url`.
    #[must_use]
    pub const fn get(url: Url) -> Self {
        Self {
            method: http::Method::GET,
            url,
            body: Body::Empty,
            lane: Lane::Standard,
        }
    }

    /// Posts a value as JSON.
    ///
    /// # Errors
    /// When the value cannot be written as JSON.
    pub fn post_json<T: Serialize + ?Sized>(
        url: Url,
        value: &T,
    ) -> Result<Self, serde_json::Error> {
        let body = Body::Json(serde_json::to_vec(value)?.into());
        Ok(Self {
            method: http::Method::POST,
            url,
            body,
            lane: Lane::Standard,
        })
    }

    /// Posts form fields.
    #[must_use]
    pub fn post_form(url: Url, fields: &[(&str, &str)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        Self {
            method: http::Method::POST,
            url,
            body: Body::Form(Zeroizing::new(body)),
            lane: Lane::Standard,
        }
    }

    /// Posts a form that is already encoded.
    #[must_use]
    pub const fn post_encoded_form(url: Url, body: Zeroizing<String>) -> Self {
        Self {
            method: http::Method::POST,
            url,
            body: Body::Form(body),
            lane: Lane::Standard,
        }
    }

    /// Counts the call against another budget.
    #[must_use]
    pub const fn in_lane(mut self, lane: Lane) -> Self {
        self.lane = lane;
        self
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} {}{}",
            self.method,
            self.url.host_str().unwrap_or_default(),
            self.url.path()
        )
    }
}
