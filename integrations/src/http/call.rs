//! One outgoing request, before it is sent.
//!
//! Owns: method, address, body and the budget it counts against. Refuses: headers that authorise or that the client sets itself, so that
//! nothing can add a second authorization. Invariant: `Debug` shows neither body nor query, which may hold secrets.

use crate::connector::Lane;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};
use serde::Serialize;
use std::num::NonZeroU32;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

/// What is sent along.
#[derive(Clone)]
pub enum Body {
    /// Nothing.
    Empty,
    /// JSON.
    Json(Bytes),
    /// Bytes of another media type.
    Bytes(&'static str, Bytes),
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
    pub(super) cost: NonZeroU32,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

/// What the client and the session set, and nobody else.
const RESERVED: [HeaderName; 7] = [
    header::AUTHORIZATION,
    header::PROXY_AUTHORIZATION,
    header::COOKIE,
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::TRANSFER_ENCODING,
];

impl Call {
    /// A call of any method.
    #[must_use]
    pub const fn new(method: http::Method, url: Url, body: Body) -> Self {
        Self {
            method,
            url,
            body,
            lane: Lane::Standard,
            cost: NonZeroU32::MIN,
            headers: Vec::new(),
        }
    }

    /// Sends a value as JSON with another method than `POST`.
    ///
    /// # Errors
    /// When the value cannot be written as JSON.
    pub fn json<T: Serialize + ?Sized>(
        method: http::Method,
        url: Url,
        value: &T,
    ) -> Result<Self, serde_json::Error> {
        let body = Body::Json(serde_json::to_vec(value)?.into());
        Ok(Self::new(method, url, body))
    }

    /// Reads `url`.
    #[must_use]
    pub const fn get(url: Url) -> Self {
        Self::new(http::Method::GET, url, Body::Empty)
    }

    /// Posts a value as JSON.
    ///
    /// # Errors
    /// When the value cannot be written as JSON.
    pub fn post_json<T: Serialize + ?Sized>(
        url: Url,
        value: &T,
    ) -> Result<Self, serde_json::Error> {
        Self::json(http::Method::POST, url, value)
    }

    /// Posts form fields.
    #[must_use]
    pub fn post_form(url: Url, fields: &[(&str, &str)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        Self::post_encoded_form(url, Zeroizing::new(body))
    }

    /// Posts a form that is already encoded.
    #[must_use]
    pub const fn post_encoded_form(url: Url, body: Zeroizing<String>) -> Self {
        Self::new(http::Method::POST, url, Body::Form(body))
    }

    /// Counts the call against another budget.
    #[must_use]
    pub const fn in_lane(mut self, lane: Lane) -> Self {
        self.lane = lane;
        self
    }

    /// Says how many points of the budget the call takes, with a vendor that counts points; less than one counts as one.
    #[must_use]
    pub fn costing(mut self, points: u32) -> Self {
        self.cost = NonZeroU32::new(points).unwrap_or(NonZeroU32::MIN);
        self
    }

    /// Adds a header of the vendor's own. One that authorises, or that the client sets itself, is left out.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        if !RESERVED.contains(&name) {
            self.headers.push((name, value));
        }
        self
    }

    /// Asks for some bytes of what is there: from `first` on, `length` of them.
    #[must_use]
    pub fn range(self, first: u64, length: u64) -> Self {
        let last = first.saturating_add(length.max(1) - 1);
        match HeaderValue::from_str(&format!("bytes={first}-{last}")) {
            Ok(value) => self.header(header::RANGE, value),
            Err(_) => self,
        }
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
