//! What the authorization server works with.

use super::token::TokenAuthority;
use crate::config::public_url::PublicUrl;
use entities::chance::Chance;
use entities::database::Database;
use std::sync::Arc;

/// The authorization server of one process.
#[derive(Clone)]
pub struct AuthorizationServer {
    pub(super) database: Database,
    pub(super) tokens: Arc<TokenAuthority>,
    pub(super) chance: Arc<dyn Chance>,
    pub(super) public_url: PublicUrl,
}

impl AuthorizationServer {
    /// A server that is reached at `public_url` and issues tokens by `tokens`.
    #[must_use]
    pub const fn new(
        database: Database,
        tokens: Arc<TokenAuthority>,
        chance: Arc<dyn Chance>,
        public_url: PublicUrl,
    ) -> Self {
        Self {
            database,
            tokens,
            chance,
            public_url,
        }
    }
}

impl std::fmt::Debug for AuthorizationServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthorizationServer")
            .field("public_url", &self.public_url)
            .finish_non_exhaustive()
    }
}
