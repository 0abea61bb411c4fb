//! The bounds of one request. They are values, so that configuration can set them; the defaults are the documented ones.

/// What one request may be. Every bound is inclusive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request body.
    pub body_bytes: usize,
    /// Bytes of a GraphQL document.
    pub document_bytes: usize,
    /// Tokens of a GraphQL document.
    pub tokens: usize,
    /// Nesting of brackets in a document, of selections after its fragments are expanded, and of its variables.
    pub nesting: usize,
    /// Selections once every fragment is expanded where it is spread.
    pub expanded_fields: u64,
    /// Aliases written in a document.
    pub aliases: usize,
    /// Fields at the root of the operation, fragments expanded.
    pub root_fields: u64,
    /// The price of one operation; the unit is one object in the answer.
    pub cost: u64,
    /// The objects and values an introspection may be expected to produce.
    pub introspection: u64,
    /// Bytes of variables times the places that use a variable: each use makes the executor copy the value.
    pub variable_copies: u64,
    /// The page size of a connection that names none.
    pub default_page: u64,
    /// The largest page; more is refused by the page's own argument check, so that it need not be priced.
    pub max_page: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 256 * 1024,
            document_bytes: 16 * 1024,
            tokens: 2_000,
            nesting: 32,
            expanded_fields: 5_000,
            aliases: 30,
            root_fields: 10,
            cost: 25_000,
            introspection: 1_000_000,
            variable_copies: 8 * 1024 * 1024,
            default_page: 20,
            max_page: 100,
        }
    }
}
