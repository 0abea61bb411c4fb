//! Codes and tokens: issued, redeemed, expired, revoked.
//!
//! Owns: the book of all grants and its file. Refuses: a code twice, a token after its time, another client's grant.
//! Invariant: nothing is answered before it is on disk; when the disk refuses, the grant is undone and the caller hears an error.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::state::Disk;
use crate::ids::fresh_id;
use crate::{Clock, SandboxError};

const FILE: &str = "tokens.json";
/// Expired access tokens are remembered this long, to be called expired and not unknown.
const REMEMBER_MS: i64 = 24 * 3600 * 1000;

/// An authorization code.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Code {
    pub(crate) redirect_uri: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) challenge: Option<String>,
    expires_at: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Refresh {
    scopes: Vec<String>,
}

/// An access token.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Access {
    pub(crate) scopes: Vec<String>,
    pub(crate) expires_at: i64,
    /// For the app itself (client credentials), not for an account.
    pub(crate) app_only: bool,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Book {
    codes: BTreeMap<String, Code>,
    refresh: BTreeMap<String, Refresh>,
    access: BTreeMap<String, Access>,
    installed: bool,
}

/// What a grant answers.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) access: String,
    pub(crate) refresh: Option<String>,
    pub(crate) scopes: Vec<String>,
}

/// Why a grant is refused.
#[derive(Debug)]
pub(crate) enum GrantError {
    BadCode,
    RedirectMismatch,
    BadVerifier,
    BadRefreshToken,
    NotSaved(SandboxError),
}

/// What an access token is worth.
#[derive(Debug)]
pub(crate) enum Standing {
    Valid(Access),
    Expired { seconds: i64 },
    Unknown,
}

/// The book of grants.
#[derive(Debug)]
pub(crate) struct Tokens {
    book: Mutex<Book>,
    disk: Option<Arc<Disk>>,
    clock: Arc<Clock>,
}

impl Tokens {
    pub(crate) fn load(disk: Option<Arc<Disk>>, clock: Arc<Clock>) -> Result<Self, SandboxError> {
        let book = match &disk {
            Some(disk) => disk.load_json(FILE)?.unwrap_or_default(),
            None => Book::default(),
        };
        Ok(Self {
            book: Mutex::new(book),
            disk,
            clock,
        })
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes a draft of the book, saves it, and only then lets it count.
    fn change<T>(
        &self,
        change: impl FnOnce(&mut Book, i64) -> Result<T, GrantError>,
    ) -> Result<T, GrantError> {
        let now = self.clock.now_ms();
        let mut book = self.lock();
        let mut draft = book.clone();
        draft.codes.retain(|_, code| code.expires_at > now);
        draft
            .access
            .retain(|_, access| access.expires_at.saturating_add(REMEMBER_MS) > now);
        let value = change(&mut draft, now)?;
        if let Some(disk) = &self.disk {
            disk.save_json(FILE, &draft).map_err(GrantError::NotSaved)?;
        }
        *book = draft;
        Ok(value)
    }

    pub(crate) fn installed(&self) -> bool {
        self.lock().installed
    }

    pub(crate) fn issue_code(
        &self,
        redirect_uri: &str,
        scopes: Vec<String>,
        challenge: Option<String>,
        life_seconds: u32,
    ) -> Result<String, GrantError> {
        self.change(|book, now| {
            let code = format!("na1-{}", fresh_id());
            book.codes.insert(
                code.clone(),
                Code {
                    redirect_uri: redirect_uri.to_owned(),
                    scopes,
                    challenge,
                    expires_at: now + i64::from(life_seconds) * 1000,
                },
            );
            Ok(code)
        })
    }

    pub(crate) fn redeem_code(
        &self,
        code: &str,
        redirect_uri: &str,
        verifier: Option<&str>,
        life_seconds: u32,
    ) -> Result<Issued, GrantError> {
        self.change(|book, now| {
            let grant = book.codes.get(code).ok_or(GrantError::BadCode)?;
            if grant.redirect_uri != redirect_uri {
                return Err(GrantError::RedirectMismatch);
            }
            if let Some(challenge) = &grant.challenge {
                let proof = verifier.map(|v| URL_SAFE_NO_PAD.encode(Sha256::digest(v.as_bytes())));
                if proof.as_deref() != Some(challenge) {
                    return Err(GrantError::BadVerifier);
                }
            }
            let scopes = grant.scopes.clone();
            book.codes.remove(code);
            book.installed = true;
            let refresh = format!("na1-{}", fresh_id());
            book.refresh.insert(
                refresh.clone(),
                Refresh {
                    scopes: scopes.clone(),
                },
            );
            let access = book.issue_access(&scopes, now, life_seconds, false);
            Ok(Issued {
                access,
                refresh: Some(refresh),
                scopes,
            })
        })
    }

    pub(crate) fn refresh(
        &self,
        refresh: &str,
        life_seconds: u32,
        rotate: bool,
    ) -> Result<Issued, GrantError> {
        self.change(|book, now| {
            let grant = book
                .refresh
                .get(refresh)
                .cloned()
                .ok_or(GrantError::BadRefreshToken)?;
            let scopes = grant.scopes.clone();
            let answered = if rotate {
                book.refresh.remove(refresh);
                let fresh = format!("na1-{}", fresh_id());
                book.refresh.insert(fresh.clone(), grant);
                fresh
            } else {
                refresh.to_owned()
            };
            let access = book.issue_access(&scopes, now, life_seconds, false);
            Ok(Issued {
                access,
                refresh: Some(answered),
                scopes,
            })
        })
    }

    /// A token for the app itself, as its own settings need one.
    pub(crate) fn app_token(&self, life_seconds: u32) -> Result<Issued, GrantError> {
        self.change(|book, now| {
            let scopes = vec!["developer.app.settings".to_owned()];
            let access = book.issue_access(&scopes, now, life_seconds, true);
            Ok(Issued {
                access,
                refresh: None,
                scopes,
            })
        })
    }

    /// Ends a refresh token. Live access tokens stay, as at the vendor.
    pub(crate) fn revoke(&self, refresh: &str) -> Result<bool, GrantError> {
        self.change(|book, _| Ok(book.refresh.remove(refresh).is_some()))
    }

    /// The account removes the app: every grant ends.
    pub(crate) fn uninstall(&self) -> Result<(), GrantError> {
        self.change(|book, _| {
            book.refresh.clear();
            book.codes.clear();
            book.access.retain(|_, access| access.app_only);
            book.installed = false;
            Ok(())
        })
    }

    /// Lets all access tokens of the account expire now.
    pub(crate) fn expire_all(&self) -> Result<(), GrantError> {
        self.change(|book, now| {
            for access in book.access.values_mut().filter(|access| !access.app_only) {
                access.expires_at = access.expires_at.min(now - 1000);
            }
            Ok(())
        })
    }

    pub(crate) fn standing(&self, token: &str) -> Standing {
        let now = self.clock.now_ms();
        match self.lock().access.get(token) {
            None => Standing::Unknown,
            Some(access) if access.expires_at <= now => Standing::Expired {
                seconds: (now - access.expires_at) / 1000,
            },
            Some(access) => Standing::Valid(access.clone()),
        }
    }

    pub(crate) fn refresh_scopes(&self, refresh: &str) -> Option<Vec<String>> {
        self.lock().refresh.get(refresh).map(|r| r.scopes.clone())
    }
}

impl Book {
    fn issue_access(
        &mut self,
        scopes: &[String],
        now: i64,
        life_seconds: u32,
        app_only: bool,
    ) -> String {
        let token = format!("CPb{}{}", fresh_id(), fresh_id()).replace('-', "");
        self.access.insert(
            token.clone(),
            Access {
                scopes: scopes.to_vec(),
                expires_at: now + i64::from(life_seconds) * 1000,
                app_only,
            },
        );
        token
    }
}
