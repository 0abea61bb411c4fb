//! The revocations that this process knows of, to be asked for every request without asking the database.
//!
//! Asking is a lock for reading and a look into five maps, which are empty on most days. An entry is kept until its time is over, however often
//! rows are read again.
//!
//! **Partners** that do not take part are a state and no revocation: their tokens are refused, of whatever age, for as long as it lasts. Their list is read
//! whole. What this process committed while a reading was under way is newer than what the reading found, and stays.

use super::{Model, RevocationKind};
use crate::clock::Timestamp;
use crate::id::{OAuthGrantId, PartnerId};
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// What a token says of what it follows from.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'t> {
    /// Its own id.
    pub token_id: &'t str,
    /// Whom it is for.
    pub subject: &'t str,
    /// The epoch of the subject when it was made.
    pub subject_epoch: i64,
    /// The client that received it.
    pub client: &'t str,
    /// The epoch of the client when it was made.
    pub client_epoch: i64,
    /// The grant it follows from.
    pub grant: Option<OAuthGrantId>,
    /// The partner whose person or software it is for.
    pub partner: Option<PartnerId>,
}

/// Whether a partner is kept out, and since which reading that is known.
#[derive(Clone, Copy, Debug)]
struct Standing {
    out: bool,
    reading: u64,
}

/// Tokens below `epoch` are refused until `ends`.
#[derive(Clone, Copy, Debug)]
struct Below {
    epoch: i64,
    ends: Timestamp,
}

#[derive(Debug, Default)]
struct Lists {
    tokens: HashMap<String, Timestamp>,
    grants: HashMap<OAuthGrantId, Timestamp>,
    subjects: HashMap<String, Below>,
    clients: HashMap<String, Below>,
    partners: HashMap<PartnerId, Standing>,
    /// How many readings of the partners have begun.
    readings: u64,
}

/// What is refused, as this process knows it.
#[derive(Debug, Default)]
pub struct Revocations(RwLock<Lists>);

impl Revocations {
    /// Whether a token is refused.
    #[must_use]
    pub fn refuses(&self, token: Presented<'_>) -> bool {
        let lists = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let below = |list: &HashMap<String, Below>, name: &str, epoch: i64| {
            !list.is_empty() && list.get(name).is_some_and(|below| epoch < below.epoch)
        };
        (!lists.tokens.is_empty() && lists.tokens.contains_key(token.token_id))
            || token
                .grant
                .is_some_and(|grant| lists.grants.contains_key(&grant))
            || token.partner.is_some_and(|partner| {
                !lists.partners.is_empty()
                    && lists.partners.get(&partner).is_some_and(|known| known.out)
            })
            || below(&lists.subjects, token.subject, token.subject_epoch)
            || below(&lists.clients, token.client, token.client_epoch)
    }

    /// Adds revocations, and forgets those whose time is over. What is known already is raised and never lowered.
    pub fn add<'r>(&self, rows: impl IntoIterator<Item = &'r Model>, now: Timestamp) {
        let mut lists = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            lists.add(row);
        }
        lists.tokens.retain(|_, ends| *ends > now);
        lists.grants.retain(|_, ends| *ends > now);
        lists.subjects.retain(|_, below| below.ends > now);
        lists.clients.retain(|_, below| below.ends > now);
    }

    /// Refuses the tokens of a partner from now on, or no longer.
    pub fn keep_out(&self, partner: PartnerId, out: bool) {
        let mut lists = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let reading = lists.readings;
        lists.partners.insert(partner, Standing { out, reading });
    }

    /// Begins a reading of the partners that are kept out; the answer goes with what was found to [`Revocations::keep_out_all`].
    #[must_use]
    pub fn begin_reading(&self) -> u64 {
        let mut lists = self.0.write().unwrap_or_else(PoisonError::into_inner);
        lists.readings = lists.readings.saturating_add(1);
        lists.readings
    }

    /// Refuses the tokens of these partners and of no others, but for those of which this process has learnt since the reading began.
    pub fn keep_out_all(&self, reading: u64, partners: impl IntoIterator<Item = PartnerId>) {
        let mut lists = self.0.write().unwrap_or_else(PoisonError::into_inner);
        lists.partners.retain(|_, known| known.reading >= reading);
        let before = reading.saturating_sub(1);
        for partner in partners {
            let found = Standing {
                out: true,
                reading: before,
            };
            lists.partners.entry(partner).or_insert(found);
        }
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let lists = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let kept_out = lists.partners.values().filter(|known| known.out).count();
        lists.tokens.len()
            + lists.grants.len()
            + lists.subjects.len()
            + lists.clients.len()
            + kept_out
    }

    /// Whether nothing is refused.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Lists {
    fn add(&mut self, row: &Model) {
        let ends = row.expires_at;
        let below = match row.kind {
            RevocationKind::Token => {
                let known = self.tokens.entry(row.subject.clone()).or_insert(ends);
                *known = (*known).max(ends);
                return;
            }
            RevocationKind::Grant => {
                // What is no grant's id can be no token's grant either.
                if let Ok(grant) = row.subject.parse() {
                    let known = self.grants.entry(grant).or_insert(ends);
                    *known = (*known).max(ends);
                }
                return;
            }
            RevocationKind::Subject => &mut self.subjects,
            RevocationKind::Client => &mut self.clients,
        };
        let epoch = row.epoch;
        let known = below
            .entry(row.subject.clone())
            .or_insert(Below { epoch, ends });
        known.epoch = known.epoch.max(epoch);
        known.ends = known.ends.max(ends);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::TypedId as _;
    use uuid::Uuid;

    const NOW: Timestamp = Timestamp::from_secs(1_000);

    fn row(kind: RevocationKind, subject: &str, epoch: i64, seconds: i64) -> Model {
        Model {
            kind,
            subject: subject.to_owned(),
            epoch,
            created_at: NOW,
            expires_at: Timestamp::from_secs(1_000 + seconds),
        }
    }

    fn token() -> Presented<'static> {
        Presented {
            token_id: "t",
            subject: "s",
            subject_epoch: 3,
            client: "c",
            client_epoch: 7,
            grant: Some(OAuthGrantId::from_uuid(Uuid::nil())),
            partner: Some(PartnerId::from_uuid(Uuid::nil())),
        }
    }

    #[test]
    fn a_partner_is_out_until_it_is_not_and_what_was_committed_here_is_newer_than_a_reading() {
        let known = Revocations::default();
        let partner = PartnerId::from_uuid(Uuid::nil());
        let other = PartnerId::from_uuid(Uuid::from_u128(1));
        known.keep_out(other, true);
        assert!(!known.refuses(token()));
        let reading = known.begin_reading();
        known.keep_out_all(reading, [partner]);
        assert!(known.refuses(token()));
        assert_eq!(known.len(), 1, "the other is out no more");
        // It comes back here while an older state is being read, and goes again while the newer one is.
        let reading = known.begin_reading();
        known.keep_out(partner, false);
        known.keep_out_all(reading, [partner]);
        assert!(!known.refuses(token()));
        let reading = known.begin_reading();
        known.keep_out(partner, true);
        known.keep_out_all(reading, []);
        assert!(known.refuses(token()));
        let reading = known.begin_reading();
        known.keep_out_all(reading, []);
        assert!(!known.refuses(token()) && known.is_empty());
    }

    #[test]
    fn each_kind_refuses_its_own_and_no_other() {
        let grant = OAuthGrantId::from_uuid(Uuid::nil()).to_string();
        for (kind, subject, epoch, refused) in [
            (RevocationKind::Token, "t", 0, true),
            (RevocationKind::Token, "s", 0, false),
            (RevocationKind::Grant, grant.as_str(), 0, true),
            (RevocationKind::Grant, "t", 0, false),
            (RevocationKind::Subject, "s", 4, true),
            (RevocationKind::Subject, "s", 3, false),
            (RevocationKind::Subject, "c", 9, false),
            (RevocationKind::Client, "c", 8, true),
            (RevocationKind::Client, "c", 7, false),
            (RevocationKind::Client, "s", 9, false),
        ] {
            let known = Revocations::default();
            assert!(!known.refuses(token()));
            known.add(&[row(kind, subject, epoch, 60)], NOW);
            assert_eq!(
                known.refuses(token()),
                refused,
                "{kind:?} {subject} {epoch}"
            );
        }
    }

    #[test]
    fn older_rows_let_nothing_in_and_time_does() {
        let known = Revocations::default();
        known.add(&[row(RevocationKind::Subject, "s", 4, 60)], NOW);
        known.add(&[row(RevocationKind::Subject, "s", 2, 10)], NOW);
        assert!(known.refuses(token()));
        known.add(&[], Timestamp::from_secs(1_059));
        assert!(known.refuses(token()));
        known.add(&[], Timestamp::from_secs(1_060));
        assert!(!known.refuses(token()));
        assert!(known.is_empty());
    }
}
