//! The addresses of the authorization server, in one table. The routes are made from it and so is the metadata, so that the two cannot differ.

/// An address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// What there is (RFC 8414).
    Metadata,
    /// The keys that verify our tokens (RFC 7517).
    Jwks,
    /// Where a person is asked.
    Authorization,
    /// Where the person's answer goes; no client's business.
    Consent,
    /// Where tokens come from.
    Token,
    /// Where a client learns what a token is (RFC 7662).
    Introspection,
    /// Where a client ends a token (RFC 7009).
    Revocation,
}

/// How an address is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// By GET.
    Get,
    /// By POST.
    Post,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The address.
    pub endpoint: Endpoint,
    /// Its path below the public address.
    pub path: &'static str,
    /// How it is asked.
    pub method: Method,
    /// The member of the metadata that names it, if one does.
    pub member: Option<&'static str>,
    /// Whether clients prove themselves there, and the metadata says how.
    pub authenticates: bool,
    /// Whether requests from one address are counted.
    pub is_limited: bool,
}

/// The table.
pub const TABLE: [Row; 7] = [
    Row {
        endpoint: Endpoint::Metadata,
        path: "/.well-known/oauth-authorization-server",
        method: Method::Get,
        member: None,
        authenticates: false,
        is_limited: false,
    },
    Row {
        endpoint: Endpoint::Jwks,
        path: "/.well-known/jwks.json",
        method: Method::Get,
        member: Some("jwks_uri"),
        authenticates: false,
        is_limited: false,
    },
    Row {
        endpoint: Endpoint::Authorization,
        path: "/oauth/authorize",
        method: Method::Get,
        member: Some("authorization_endpoint"),
        authenticates: false,
        is_limited: true,
    },
    Row {
        endpoint: Endpoint::Consent,
        path: "/oauth/consent",
        method: Method::Post,
        member: None,
        authenticates: false,
        is_limited: true,
    },
    Row {
        endpoint: Endpoint::Token,
        path: "/oauth/token",
        method: Method::Post,
        member: Some("token_endpoint"),
        authenticates: true,
        is_limited: true,
    },
    Row {
        endpoint: Endpoint::Introspection,
        path: "/oauth/introspect",
        method: Method::Post,
        member: Some("introspection_endpoint"),
        authenticates: true,
        is_limited: true,
    },
    Row {
        endpoint: Endpoint::Revocation,
        path: "/oauth/revoke",
        method: Method::Post,
        member: Some("revocation_endpoint"),
        authenticates: true,
        is_limited: true,
    },
];

impl Endpoint {
    /// Its path below the public address.
    #[must_use]
    pub fn path(self) -> &'static str {
        // Every address has a row; an address without one would be nowhere.
        TABLE
            .iter()
            .find(|row| row.endpoint == self)
            .map_or("", |row| row.path)
    }
}
