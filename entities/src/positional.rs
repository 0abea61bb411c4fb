//! Reading rows by the place of their columns, for the lists that many callers read.
//!
//! The ORM finds each column by its name, which for a page of wide rows costs more than reading them. A model that is [`Positional`] reads its
//! columns one after the other, in the order in which a SELECT of the entity names them; a test holds that order against the entity's.

use crate::clock::Timestamp;
use crate::diff::Texts;
use crate::{
    connection, contact, customer, deal, deal_confirmation, deal_partner, partner, partnership,
    privacy_request, revenue_event, sync_conflict, sync_run, webhook_delivery, webhook_endpoint,
};
use sea_orm::{DbErr, QueryResult, TryGetable};

/// Which columns of a model are read, in the model's order. A column that is left out has its blank value in the model, so whoever asks for less
/// than all must know that nobody looks at the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Columns(u32);

impl Columns {
    /// All columns of a model.
    #[must_use]
    pub const fn all<M: Positional>() -> Self {
        Self((1 << M::COLUMNS.len()) - 1)
    }

    /// The columns that a model is never read without.
    #[must_use]
    pub const fn least<M: Positional>() -> Self {
        Self(M::ALWAYS)
    }

    /// These and more, by name. A name that the model does not have asks for all.
    #[must_use]
    pub fn with<'a, M: Positional>(self, names: impl IntoIterator<Item = &'a str>) -> Self {
        let place = |name: &str| M::COLUMNS.iter().position(|column| *column == name);
        names
            .into_iter()
            .fold(self, |columns, name| match place(name) {
                Some(place) => Self(columns.0 | 1 << place),
                None => Self::all::<M>(),
            })
    }

    /// Whether the column at this place is read.
    #[must_use]
    pub const fn contains(self, place: usize) -> bool {
        self.0 >> place & 1 == 1
    }

    /// How many are read.
    #[must_use]
    pub const fn count(self) -> usize {
        self.0.count_ones() as usize
    }
}

/// A model that can be read from columns in its own order.
pub trait Positional: Sized {
    /// Its columns, in order; fewer than 32.
    const COLUMNS: &'static [&'static str];

    /// The places of those that it is never read without, as bits.
    const ALWAYS: u32;

    /// Reads a row of which these columns were selected, the first of them at `first`.
    ///
    /// # Errors
    /// When a column does not hold what the model expects.
    fn read_at(row: &QueryResult, first: usize, columns: Columns) -> Result<Self, DbErr>;
}

/// Walks through a row.
struct Walk<'a> {
    row: &'a QueryResult,
    columns: Columns,
    /// Where the next selected column stands in the row.
    place: usize,
    /// Which column of the model is next.
    column: usize,
}

impl Walk<'_> {
    fn always<T: TryGetable>(&mut self) -> Result<T, DbErr> {
        let value = self.row.try_get_by_index(self.place)?;
        self.place += 1;
        self.column += 1;
        Ok(value)
    }

    fn or<T: TryGetable>(&mut self, blank: T) -> Result<T, DbErr> {
        if self.columns.contains(self.column) {
            return self.always();
        }
        self.column += 1;
        Ok(blank)
    }
}

/// A field without a blank value is always read.
macro_rules! read {
    ($walk:ident) => {
        $walk.always()?
    };
    ($walk:ident, $blank:expr) => {
        $walk.or($blank)?
    };
}

macro_rules! is_always {
    () => {
        true
    };
    ($blank:expr) => {
        false
    };
}

const fn places(always: &[bool]) -> u32 {
    let (mut bits, mut rest, mut bit) = (0, always, 1);
    while let [first, others @ ..] = rest {
        if *first {
            bits |= bit;
        }
        bit <<= 1;
        rest = others;
    }
    bits
}

macro_rules! positional {
    ($($stem:ident { $($field:ident $(= $blank:expr)?),* $(,)? })*) => {
        $(
            impl Positional for $stem::Model {
                const COLUMNS: &'static [&'static str] = &[$(stringify!($field)),*];
                const ALWAYS: u32 = places(&[$(is_always!($($blank)?)),*]);

                fn read_at(row: &QueryResult, first: usize, columns: Columns) -> Result<Self, DbErr> {
                    let mut walk = Walk { row, columns, place: first, column: 0 };
                    // The fields are evaluated in the order in which they are written.
                    Ok(Self { $($field: read!(walk $(, $blank)?),)* })
                }
            }
        )*

        #[cfg(test)]
        mod tests {
            use super::*;
            use sea_orm::{EntityTrait, IdenStatic, Iterable};

            fn columns<E: EntityTrait>() -> Vec<&'static str> {
                E::Column::iter().map(|column| column.as_str()).collect()
            }

            #[test]
            fn the_order_is_that_of_the_entity() {
                $(assert_eq!(columns::<$stem::Entity>(), <$stem::Model as Positional>::COLUMNS, stringify!($stem));)*
            }
        }
    };
}

positional! {
    partner {
        id, version = 0, created_at = Timestamp::default(), updated_at = Timestamp::default(), name = String::new(), domain = None, website = None,
        country = None, regions = Texts::default(), verticals = Texts::default(), employees = None, description = None, status, parent_id = None,
        tags = Texts::default(), archived_at = None,
    }
    partnership {
        id, version, created_at, updated_at, partner_id, kind, models, stage, status, priority, dri, value_for_us, value_for_them, value_for_customers,
        revenue_target_minor, revenue_target_currency, timeline_months, tags, started_at, live_at, ended_at, ended_reason,
    }
    contact { id, version, created_at, updated_at, partner_id, customer_id, name, email, phone, title, roles, archived_at }
    customer { id, version, created_at, updated_at, name, domain, country, segment, archived_at }
    deal {
        id, version = 0, created_at = Timestamp::default(), updated_at = Timestamp::default(), name = String::new(), customer_id = None, stage,
        source_stage = None, amount_minor = None, amount_currency = None, expected_close_on = None, closed_at = None, lost_reason = None,
        owner_name = None, owner_email = None, products = Texts::default(), archived_at = None,
    }
    deal_partner { id, version, created_at, updated_at, deal_id, partnership_id, partner_id, role, weight_bp }
    connection {
        id, version, created_at, updated_at, connector, tenant_id, status, status_reason, account, site, granted_scopes, mapping, hook_hash, hook, credentials, credentials_version,
        paused_until, renewing_until, authorized_at, scopes_changed_at, tended_at, tending_error,
    }
    revenue_event {
        id, created_at, source, external_key, connection_id, customer_id, deal_id, partnership_id, partner_id, kind, amount_minor, amount_currency,
        occurred_at,
    }
    deal_confirmation {
        id, created_at, deal_id, outcome, decision, event_id, connection_id, user_id, user_name, occurred_at, dedupe_key, superseded_at,
    }
    privacy_request {
        id, version, created_at, updated_at, connection_id, kind, request_id, status, subject, export, done, completed_at, attempts, available_at,
        error,
    }
    sync_run { id, connection_id, kind, status, started_at, finished_at, findings, error }
    sync_conflict {
        id, version, created_at, updated_at, connection_id, resource, external_id, subject_kind, subject_id, field, ours, theirs, policy, status,
        winner, resolved_by, resolved_at,
    }
    webhook_endpoint {
        id, version, created_at, updated_at, partner_id, name, url, kinds, partners, with_history, selection, rendering, owner, secret,
        previous_secret, previous_secret_until, status, disabled_reason, failing_since,
    }
    webhook_delivery {
        id, created_at, endpoint_id, event_id, kind, occurred_at, state, rendering, body, attempts, retry, available_at, lease_owner, lease_until,
        fence, settled_at, attempted_at, address, answer_status, answer_body, answer_millis, error,
    }
}
