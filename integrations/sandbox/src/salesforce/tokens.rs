//! Codes, sessions and refresh tokens: issued, redeemed, used, expired, revoked.
//!
//! Owns: the book of all grants and its file. Refuses: a code twice, a token after its idle time, a rotated refresh token.
//! Invariant: nothing is answered before it is on disk; when the disk refuses, the grant is undone and the caller hears an error. When a
//! session was last used is kept in memory only: after a restart it lives from its last saved use.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::folder::Folder;
use crate::ids::fresh_id;
use crate::{Clock, SandboxError};

const FILE: &str = "tokens.json";
/// An app has this many grants of one user; the next one ends the oldest.
const GRANTS: usize = 5;

/// An authorization code.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Code {
    redirect_uri: String,
    scopes: Vec<String>,
    challenge: String,
    expires_at: i64,
}

/// A refresh token. `grant` numbers the consent it comes from.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Refresh {
    grant: u64,
    scopes: Vec<String>,
    used_at: i64,
}

/// An access token, which is a session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    grant: u64,
    pub(crate) scopes: Vec<String>,
    pub(crate) issued_at: i64,
    used_at: i64,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Book {
    codes: BTreeMap<String, Code>,
    refresh: BTreeMap<String, Refresh>,
    sessions: BTreeMap<String, Session>,
    grants: u64,
}

/// What a grant answers.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) access: String,
    /// None when the caller keeps the one it has, or never gets one.
    pub(crate) refresh: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) issued_at: i64,
}

/// Why a grant is refused.
#[derive(Debug)]
pub(crate) enum GrantError {
    BadCode,
    RedirectMismatch,
    NoVerifier,
    BadVerifier,
    BadRefreshToken,
    UnknownToken,
    NotSaved(SandboxError),
}

/// How long things live.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lives {
    pub(crate) session_ms: i64,
    pub(crate) refresh_ms: i64,
    pub(crate) code_ms: i64,
    pub(crate) rotate: bool,
}

/// The book of grants.
#[derive(Debug)]
pub(crate) struct Tokens {
    book: Mutex<Book>,
    folder: Option<Arc<Folder>>,
    clock: Arc<Clock>,
    lives: Lives,
    /// What access tokens begin with: the org's id.
    org: String,
}

impl Tokens {
    pub(crate) fn load(
        folder: Option<Arc<Folder>>,
        clock: Arc<Clock>,
        lives: Lives,
        org: &str,
    ) -> Result<Self, SandboxError> {
        let book = match &folder {
            Some(folder) => folder.load_json(FILE)?.unwrap_or_default(),
            None => Book::default(),
        };
        Ok(Self {
            book: Mutex::new(book),
            folder,
            clock,
            lives,
            org: org.to_owned(),
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
            .sessions
            .retain(|_, session| session.used_at + self.lives.session_ms > now);
        let value = change(&mut draft, now)?;
        if let Some(folder) = &self.folder {
            folder
                .save_json(FILE, &draft)
                .map_err(GrantError::NotSaved)?;
        }
        *book = draft;
        Ok(value)
    }

    pub(crate) fn issue_code(
        &self,
        redirect_uri: &str,
        scopes: Vec<String>,
        challenge: &str,
    ) -> Result<String, GrantError> {
        self.change(|book, now| {
            // The vendor's codes end in characters a query must escape.
            let code = format!("aPrx{}==", fresh_id().replace('-', ""));
            book.codes.insert(
                code.clone(),
                Code {
                    redirect_uri: redirect_uri.to_owned(),
                    scopes,
                    challenge: challenge.to_owned(),
                    expires_at: now + self.lives.code_ms,
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
    ) -> Result<Issued, GrantError> {
        self.change(|book, now| {
            let known = book.codes.get(code).ok_or(GrantError::BadCode)?;
            if known.redirect_uri != redirect_uri {
                return Err(GrantError::RedirectMismatch);
            }
            let verifier = verifier.ok_or(GrantError::NoVerifier)?;
            if URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes())) != known.challenge {
                return Err(GrantError::BadVerifier);
            }
            let scopes = known.scopes.clone();
            book.codes.remove(code);
            book.grants += 1;
            let grant = book.grants;
            let refresh = scopes
                .iter()
                .any(|scope| scope == "refresh_token")
                .then(|| book.add_refresh(grant, &scopes, now));
            book.end_oldest();
            let access = self.add_session(book, grant, &scopes, now);
            Ok(Issued {
                access,
                refresh,
                scopes,
                issued_at: now,
            })
        })
    }

    pub(crate) fn refresh(&self, refresh: &str) -> Result<Issued, GrantError> {
        self.change(|book, now| {
            let live = |known: &&mut Refresh| known.used_at + self.lives.refresh_ms > now;
            let known = book.refresh.get_mut(refresh).filter(live);
            let known = known.ok_or(GrantError::BadRefreshToken)?;
            known.used_at = now;
            let (grant, scopes) = (known.grant, known.scopes.clone());
            let fresh = self.lives.rotate.then(|| {
                book.refresh.remove(refresh);
                book.add_refresh(grant, &scopes, now)
            });
            let access = self.add_session(book, grant, &scopes, now);
            Ok(Issued {
                access,
                refresh: fresh,
                scopes,
                issued_at: now,
            })
        })
    }

    fn add_session(&self, book: &mut Book, grant: u64, scopes: &[String], now: i64) -> String {
        let org = super::id::short(&self.org);
        let token = format!("{org}!AQ{}{}", fresh_id(), fresh_id()).replace('-', "");
        book.sessions.insert(
            token.clone(),
            Session {
                grant,
                scopes: scopes.to_vec(),
                issued_at: now,
                used_at: now,
            },
        );
        token
    }

    /// Ends a token. With a refresh token its sessions end too.
    pub(crate) fn revoke(&self, token: &str) -> Result<(), GrantError> {
        self.change(|book, _| {
            if book.sessions.remove(token).is_some() {
                return Ok(());
            }
            let known = book.refresh.remove(token).ok_or(GrantError::UnknownToken)?;
            book.sessions
                .retain(|_, session| session.grant != known.grant);
            Ok(())
        })
    }

    /// The customer removes the app: every grant ends.
    pub(crate) fn uninstall(&self) -> Result<(), GrantError> {
        self.change(|book, _| {
            book.codes.clear();
            book.refresh.clear();
            book.sessions.clear();
            Ok(())
        })
    }

    /// Ends all sessions; refresh tokens stay.
    pub(crate) fn expire_all(&self) -> Result<(), GrantError> {
        self.change(|book, _| {
            book.sessions.clear();
            Ok(())
        })
    }

    /// The session of an access token, when it lives. Using it keeps it alive.
    pub(crate) fn session(&self, token: &str) -> Option<Session> {
        let now = self.clock.now_ms();
        let mut book = self.lock();
        let session = book.sessions.get_mut(token)?;
        if session.used_at + self.lives.session_ms <= now {
            return None;
        }
        // As at the vendor, a use counts once half of the time has passed.
        if session.used_at + self.lives.session_ms / 2 <= now {
            session.used_at = now;
        }
        Some(session.clone())
    }

    /// When a session ends unless it is used.
    pub(crate) fn ends_at(&self, session: &Session) -> i64 {
        session.used_at + self.lives.session_ms
    }

    /// The scopes of a live refresh token.
    pub(crate) fn refresh_scopes(&self, token: &str) -> Option<Vec<String>> {
        let now = self.clock.now_ms();
        let book = self.lock();
        let known = book.refresh.get(token)?;
        (known.used_at + self.lives.refresh_ms > now).then(|| known.scopes.clone())
    }
}

impl Book {
    fn add_refresh(&mut self, grant: u64, scopes: &[String], now: i64) -> String {
        let token = format!("5Aep861{}{}", fresh_id(), fresh_id()).replace('-', "");
        self.refresh.insert(
            token.clone(),
            Refresh {
                grant,
                scopes: scopes.to_vec(),
                used_at: now,
            },
        );
        token
    }

    fn end_oldest(&mut self) {
        let mut grants: Vec<u64> = self.refresh.values().map(|known| known.grant).collect();
        grants.sort_unstable();
        grants.dedup();
        let surplus = grants.len().saturating_sub(GRANTS);
        for grant in grants.into_iter().take(surplus) {
            self.refresh.retain(|_, known| known.grant != grant);
            self.sessions.retain(|_, session| session.grant != grant);
        }
    }
}
