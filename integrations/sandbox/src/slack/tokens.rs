//! Codes and tokens: issued, redeemed, rotated, ended.
//!
//! Owns: the book of all grants and its file. Refuses: a code twice, a refresh token twice. Invariant: nothing is answered before it is on
//! disk; when the disk refuses, the grant is undone and the caller hears an error.
//!
//! Without rotation an app has one token per team, which stays the same when it is installed again, only with more scopes: scopes add up.
//! With rotation each refresh gives a new pair, and of several access tokens the two youngest are valid.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::folder::Folder;
use crate::ids::fresh_id;
use crate::{Clock, SandboxError};

const FILE: &str = "tokens.json";
/// How many access tokens of a rotating app are valid at a time.
const ACTIVE: usize = 2;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Code {
    redirect_uri: String,
    /// Whether the request named the address, so that the exchange must as well.
    redirect_named: bool,
    scopes: BTreeSet<String>,
    expires_at: i64,
}

/// Why a token is valid no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum End {
    Revoked,
    Uninstalled,
    Displaced,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Access {
    issued: u64,
    expires_at: Option<i64>,
    ended: Option<End>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Book {
    codes: BTreeMap<String, Code>,
    refresh: BTreeSet<String>,
    access: BTreeMap<String, Access>,
    scopes: BTreeSet<String>,
    installed: bool,
    issued: u64,
}

/// What a grant answers.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) access: String,
    pub(crate) refresh: Option<String>,
    pub(crate) scopes: BTreeSet<String>,
}

/// Why a grant is refused.
#[derive(Debug)]
pub(crate) enum GrantError {
    BadCode,
    RedirectMismatch,
    BadRefreshToken,
    NotSaved(SandboxError),
}

/// What an access token is worth.
#[derive(Debug, PartialEq)]
pub(crate) enum Standing {
    Valid(BTreeSet<String>),
    Expired,
    Revoked,
    Uninstalled,
    Unknown,
}

/// Whether and how tokens rotate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rotation {
    pub(crate) on: bool,
    pub(crate) life_seconds: u32,
}

/// The book of grants.
#[derive(Debug)]
pub(crate) struct Tokens {
    book: Mutex<Book>,
    folder: Option<Arc<Folder>>,
    clock: Arc<Clock>,
}

impl Tokens {
    pub(crate) fn load(
        folder: Option<Arc<Folder>>,
        clock: Arc<Clock>,
    ) -> Result<Self, SandboxError> {
        let book = match &folder {
            Some(folder) => folder.load_json(FILE)?.unwrap_or_default(),
            None => Book::default(),
        };
        Ok(Self {
            book: Mutex::new(book),
            folder,
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
        let value = change(&mut draft, now)?;
        if let Some(folder) = &self.folder {
            folder
                .save_json(FILE, &draft)
                .map_err(GrantError::NotSaved)?;
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
        redirect_named: bool,
        scopes: BTreeSet<String>,
        life_seconds: u32,
    ) -> Result<String, GrantError> {
        self.change(|book, now| {
            let code = format!("{now}.{}", fresh_id().replace('-', ""));
            book.codes.insert(
                code.clone(),
                Code {
                    redirect_uri: redirect_uri.to_owned(),
                    redirect_named,
                    scopes,
                    expires_at: now + i64::from(life_seconds) * 1000,
                },
            );
            Ok(code)
        })
    }

    pub(crate) fn redeem_code(
        &self,
        code: &str,
        redirect_uri: Option<&str>,
        rotation: Rotation,
    ) -> Result<Issued, GrantError> {
        self.change(|book, now| {
            let grant = book.codes.get(code).cloned().ok_or(GrantError::BadCode)?;
            let matches = match redirect_uri {
                Some(uri) => uri == grant.redirect_uri,
                None => !grant.redirect_named,
            };
            if !matches {
                return Err(GrantError::RedirectMismatch);
            }
            book.codes.remove(code);
            book.installed = true;
            book.scopes.extend(grant.scopes);
            Ok(book.issue(now, rotation))
        })
    }

    pub(crate) fn refresh(&self, refresh: &str, rotation: Rotation) -> Result<Issued, GrantError> {
        self.change(|book, now| {
            if !book.refresh.remove(refresh) {
                return Err(GrantError::BadRefreshToken);
            }
            Ok(book.issue(now, rotation))
        })
    }

    /// Ends one access token. True when it was the last: the app is then no longer installed.
    pub(crate) fn revoke(&self, access: &str) -> Result<bool, GrantError> {
        self.change(|book, now| {
            if let Some(token) = book.access.get_mut(access) {
                token.ended = token.ended.or(Some(End::Revoked));
            }
            let left = book.access.values().any(|token| token.is_valid(now));
            if !left {
                book.forget_install();
            }
            Ok(!left)
        })
    }

    /// The team removes the app: every grant ends. False when it was not installed.
    pub(crate) fn uninstall(&self) -> Result<bool, GrantError> {
        self.change(|book, _| {
            let was = book.installed;
            for token in book.access.values_mut() {
                token.ended = token.ended.or(Some(End::Uninstalled));
            }
            book.codes.clear();
            book.forget_install();
            Ok(was)
        })
    }

    /// Lets all access tokens expire now, also those that would not without rotation.
    pub(crate) fn expire_all(&self) -> Result<(), GrantError> {
        self.change(|book, now| {
            for token in book.access.values_mut() {
                token.expires_at =
                    Some(token.expires_at.map_or(now - 1000, |at| at.min(now - 1000)));
            }
            Ok(())
        })
    }

    pub(crate) fn standing(&self, token: &str) -> Standing {
        let now = self.clock.now_ms();
        let book = self.lock();
        match book.access.get(token) {
            None => Standing::Unknown,
            Some(access) => match access.ended {
                Some(End::Revoked) => Standing::Revoked,
                Some(End::Uninstalled) => Standing::Uninstalled,
                Some(End::Displaced) => Standing::Expired,
                None if access.is_valid(now) => Standing::Valid(book.scopes.clone()),
                None => Standing::Expired,
            },
        }
    }
}

impl Access {
    fn is_valid(&self, now: i64) -> bool {
        self.ended.is_none() && self.expires_at.is_none_or(|at| at > now)
    }
}

impl Book {
    fn forget_install(&mut self) {
        self.refresh.clear();
        self.scopes.clear();
        self.installed = false;
    }

    fn issue(&mut self, now: i64, rotation: Rotation) -> Issued {
        self.issued += 1;
        let scopes = self.scopes.clone();
        let secret = || fresh_id().replace('-', "");
        if !rotation.on {
            let lasting = self
                .access
                .iter()
                .find(|(_, token)| token.expires_at.is_none() && token.ended.is_none())
                .map(|(text, _)| text.clone());
            let access = lasting.unwrap_or_else(|| format!("xoxb-{}-{}", self.issued, secret()));
            self.access.entry(access.clone()).or_insert(Access {
                issued: self.issued,
                expires_at: None,
                ended: None,
            });
            return Issued {
                access,
                refresh: None,
                scopes,
            };
        }
        let access = format!("xoxe.xoxb-1-{}{}", secret(), secret());
        let refresh = format!("xoxe-1-{}{}", secret(), secret());
        self.refresh.insert(refresh.clone());
        self.access.insert(
            access.clone(),
            Access {
                issued: self.issued,
                expires_at: Some(now + i64::from(rotation.life_seconds) * 1000),
                ended: None,
            },
        );
        let mut valid: Vec<&mut Access> = self
            .access
            .values_mut()
            .filter(|token| token.is_valid(now))
            .collect();
        valid.sort_by_key(|token| std::cmp::Reverse(token.issued));
        for token in valid.into_iter().skip(ACTIVE) {
            token.ended = Some(End::Displaced);
        }
        Issued {
            access,
            refresh: Some(refresh),
            scopes,
        }
    }
}
