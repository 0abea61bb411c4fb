//! Codes and tokens: issued, redeemed, refreshed, expired, revoked.
//!
//! Owns: the book of all grants and its file. Refuses: a code twice, a token after its time, a refresh token once its successor was used.
//! Invariant: nothing is answered before it is on disk; when the disk refuses, the grant is undone and the caller hears an error.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::folder::Folder;
use crate::ids::fresh_id;
use crate::{Clock, SandboxError};

const FILE: &str = "tokens.json";
const CODE_LIFE_MS: i64 = 60_000;

/// An authorization code.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Code {
    scopes: Vec<String>,
    expires_at: i64,
}

/// An access token.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Access {
    pub(crate) scopes: Vec<String>,
    /// `None` for a token that lives until the app is removed.
    pub(crate) expires_at: Option<i64>,
    /// The refresh token it came with.
    refresh: Option<String>,
}

impl Access {
    /// What the app may do while it does it in the background, without a token.
    pub(crate) fn of(scopes: Vec<String>) -> Self {
        Self {
            scopes,
            ..Self::default()
        }
    }
}

/// A refresh token.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Refresh {
    scopes: Vec<String>,
    expires_at: i64,
    /// The pair that replaced it: until that is used, this one may be tried again and gives the same.
    next: Option<(String, String)>,
    /// What it replaced.
    previous: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Book {
    codes: BTreeMap<String, Code>,
    access: BTreeMap<String, Access>,
    refresh: BTreeMap<String, Refresh>,
    installed: bool,
    scopes: Vec<String>,
}

/// What a grant answers.
#[derive(Debug)]
pub(crate) struct Issued {
    pub(crate) access: String,
    pub(crate) scopes: Vec<String>,
    /// The refresh token, and the seconds left to both.
    pub(crate) expiring: Option<(String, i64, i64)>,
}

/// Why a grant is refused.
#[derive(Debug)]
pub(crate) enum GrantError {
    BadCode,
    BadRefreshToken,
    NotSaved(SandboxError),
}

/// What an access token is worth.
#[derive(Debug)]
pub(crate) enum Standing {
    Valid(Access),
    Unknown,
}

/// How long tokens live, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lives {
    pub(crate) access: u32,
    pub(crate) refresh: u32,
}

/// The book of grants.
#[derive(Debug)]
pub(crate) struct Tokens {
    book: Mutex<Book>,
    disk: Option<Arc<Folder>>,
    clock: Arc<Clock>,
}

impl Tokens {
    pub(crate) fn load(disk: Option<Arc<Folder>>, clock: Arc<Clock>) -> Result<Self, SandboxError> {
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
            .retain(|_, access| access.expires_at.is_none_or(|at| at > now));
        draft.refresh.retain(|_, refresh| refresh.expires_at > now);
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

    pub(crate) fn granted(&self) -> Vec<String> {
        self.lock().scopes.clone()
    }

    pub(crate) fn issue_code(&self, scopes: Vec<String>) -> Result<String, GrantError> {
        self.change(|book, now| {
            let code = fresh_id().replace('-', "");
            book.codes.insert(
                code.clone(),
                Code {
                    scopes,
                    expires_at: now + CODE_LIFE_MS,
                },
            );
            Ok(code)
        })
    }

    pub(crate) fn redeem_code(
        &self,
        code: &str,
        expiring: bool,
        lives: Lives,
    ) -> Result<Issued, GrantError> {
        self.change(|book, now| {
            let code = book.codes.remove(code).ok_or(GrantError::BadCode)?;
            book.installed = true;
            book.scopes.clone_from(&code.scopes);
            if expiring {
                return Ok(book.pair(code.scopes, None, now, lives));
            }
            let access = format!("shpat_{}", fresh_id().replace('-', ""));
            let kept = Access {
                scopes: code.scopes.clone(),
                expires_at: None,
                refresh: None,
            };
            book.access.insert(access.clone(), kept);
            Ok(Issued {
                access,
                scopes: code.scopes,
                expiring: None,
            })
        })
    }

    pub(crate) fn refresh(&self, refresh: &str, lives: Lives) -> Result<Issued, GrantError> {
        self.change(|book, now| {
            let old = book
                .refresh
                .get(refresh)
                .cloned()
                .ok_or(GrantError::BadRefreshToken)?;
            // A retry of a refresh whose answer was lost gives the same pair again.
            if let Some((access, next)) = &old.next
                && let (Some(kept), Some(successor)) =
                    (book.access.get(access), book.refresh.get(next))
            {
                let left = |at: i64| (at - now).div_euclid(1000);
                let expiring = (
                    next.clone(),
                    left(kept.expires_at.unwrap_or(now)),
                    left(successor.expires_at),
                );
                return Ok(Issued {
                    access: access.clone(),
                    scopes: kept.scopes.clone(),
                    expiring: Some(expiring),
                });
            }
            let issued = book.pair(old.scopes, Some(refresh.to_owned()), now, lives);
            if let (Some((next, _, _)), Some(old)) =
                (&issued.expiring, book.refresh.get_mut(refresh))
            {
                old.next = Some((issued.access.clone(), next.clone()));
            }
            // A replacement that is itself replaced was used: what it replaced is over.
            book.settle(refresh);
            Ok(issued)
        })
    }

    /// What a token is worth. The first use of a replacement ends what it replaced.
    pub(crate) fn standing(&self, token: &str) -> Standing {
        let now = self.clock.now_ms();
        let (found, settles) = {
            let book = self.lock();
            let Some(access) = book
                .access
                .get(token)
                .filter(|access| access.expires_at.is_none_or(|at| at > now))
            else {
                return Standing::Unknown;
            };
            let refresh = access.refresh.clone();
            let replaced = refresh
                .as_ref()
                .and_then(|refresh| book.refresh.get(refresh))
                .and_then(|r| r.previous.clone());
            (access.clone(), refresh.filter(|_| replaced.is_some()))
        };
        if let Some(refresh) = settles {
            let settled = self.change(|book, _| {
                book.settle(&refresh);
                Ok(())
            });
            if settled.is_err() {
                return Standing::Unknown;
            }
        }
        Standing::Valid(found)
    }

    /// The account removes the app: every grant ends. False when it was not installed.
    pub(crate) fn uninstall(&self) -> Result<bool, GrantError> {
        self.change(|book, _| {
            let installed = book.installed;
            *book = Book::default();
            Ok(installed)
        })
    }

    /// Lets all access tokens that expire do so now.
    pub(crate) fn expire_all(&self) -> Result<(), GrantError> {
        self.change(|book, _| {
            book.access.retain(|_, access| access.expires_at.is_none());
            Ok(())
        })
    }

    /// Takes scopes away from, or gives them to, every token. Answers the scopes before and after.
    pub(crate) fn rescope(
        &self,
        scopes: Vec<String>,
    ) -> Result<(Vec<String>, Vec<String>), GrantError> {
        self.change(|book, _| {
            let before = std::mem::replace(&mut book.scopes, scopes.clone());
            for access in book.access.values_mut() {
                access.scopes.clone_from(&scopes);
            }
            for refresh in book.refresh.values_mut() {
                refresh.scopes.clone_from(&scopes);
            }
            Ok((before, scopes))
        })
    }
}

impl Book {
    fn pair(
        &mut self,
        scopes: Vec<String>,
        previous: Option<String>,
        now: i64,
        lives: Lives,
    ) -> Issued {
        let access = format!("shpat_{}", fresh_id().replace('-', ""));
        let refresh = format!("shprt_{}", fresh_id().replace('-', ""));
        let (access_life, refresh_life) = (i64::from(lives.access), i64::from(lives.refresh));
        self.access.insert(
            access.clone(),
            Access {
                scopes: scopes.clone(),
                expires_at: Some(now + access_life * 1000),
                refresh: Some(refresh.clone()),
            },
        );
        self.refresh.insert(
            refresh.clone(),
            Refresh {
                scopes: scopes.clone(),
                expires_at: now + refresh_life * 1000,
                next: None,
                previous,
            },
        );
        Issued {
            access,
            scopes,
            expiring: Some((refresh, access_life, refresh_life)),
        }
    }

    /// The pair of this refresh token was used: the pair it replaced ends.
    fn settle(&mut self, refresh: &str) {
        let Some(previous) = self
            .refresh
            .get_mut(refresh)
            .and_then(|known| known.previous.take())
        else {
            return;
        };
        self.refresh.remove(&previous);
        self.access
            .retain(|_, access| access.refresh.as_deref() != Some(previous.as_str()));
    }
}
