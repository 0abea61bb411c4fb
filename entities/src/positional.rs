//! Reading rows by the place of their columns, for the lists that many callers read.
//!
//! The ORM finds each column by its name, which for a page of wide rows costs more than reading them. A model that is [`Positional`] reads its
//! columns one after the other, in the order in which a SELECT of the entity names them; a test holds that order against the entity's.

use crate::clock::Timestamp;
use crate::diff::Texts;
use crate::{
    activity, agreement, automation, automation_run, commission_rule, connection, contact,
    customer, deal, deal_confirmation, deal_partner, deal_registration, goal, identity_provider,
    ledger_dispute, ledger_entry, mail_message, oauth_client, obligation, partner,
    partner_application, partnership, payout, privacy_request, program, revenue_event, statement,
    sync_conflict, sync_run, user, webhook_delivery, webhook_endpoint,
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
    customer { id, version, created_at, updated_at, name, name_key, domain, country, segment, archived_at }
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
    deal_registration {
        id, version, created_at, updated_at, turn, partnership_id, partner_id, program_id, status, account_name, account_domain, account_country,
        account_duns, contact_name, contact_email, products, territories, value_minor, value_currency, expected_close_on, use_case, submitted_at,
        protected_until, extensions, decided_at, decided_by, decision, deal_id, receipt, receipt_signature, expiring_announced_at,
    }
    program {
        id, version, created_at, updated_at, name, description, zone, currency, protection_days, extension_days, hold_days, four_eyes_minor, products,
        territories, accepts_applications, archived_at,
    }
    partner_application {
        id, version, created_at, updated_at, program_id, partner_id, partnership_id, source, status, kind, company_name, domain, website, country, employees,
        contact_name, contact_email, message, submitted_by, question, answer_until, answer, reason, internal_note, decided_by, decided_at,
        override_reason,
    }
    activity {
        id, created_at, partnership_id, partner_id, kind, occurred_at, outcome, summary, internal_note, recorded_by,
    }
    goal {
        id, version, created_at, updated_at, key, name, metric, scope, unit, currency, baseline_micros, target_micros, due_on, owner, benchmark,
        archived_at,
    }
    commission_rule { id, created_at, program_id, kind, effective_on, terms, note, published_by }
    agreement {
        id, version, created_at, updated_at, partnership_id, partner_id, number, status, shown, effective_on, zone, term_months, auto_renew, notice_days,
        confidentiality_months, term, term_ends_on, notice_given_on, notice_reason, terminates_on, ended_on, superseded_by,
    }
    obligation {
        id, version, created_at, updated_at, agreement_id, partnership_id, partner_id, kind, subject, due_on, owner, status, done_at, done_by, note,
        announced_at,
    }
    ledger_entry {
        id, version, created_at, updated_at, partnership_id, partner_id, kind, status, amount_minor, amount_currency, revenue_event_id, cause_event_id,
        deal_id, agreement_id, agreement_version_id, commission_rule_id, commitment_year_id, reverses_id, run_id, available_on, held_reason,
        statement_id, payout_id, explanation,
    }
    ledger_dispute {
        id, version, created_at, updated_at, ledger_entry_id, partner_id, status, claim, raised_by, answer, internal_note, resolved_by, resolved_at,
        held_entry,
    }
    statement {
        id, version, created_at, updated_at, partner_id, currency, number, starts_on, ends_on, opening_minor, earned_minor, clawed_back_minor,
        paid_minor, closing_minor, entries, finalized_by,
    }
    payout {
        id, version, created_at, updated_at, partner_id, batch, status, amount_minor, amount_currency, entries, four_eyes, created_by, approved_by,
        approved_at, reference, failure, paid_at, attempts,
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
        previous_secret, previous_secret_until, status, disabled_reason, failing_since, only_called,
    }
    automation {
        id, version, created_at, updated_at, name, kind, partners, selection, conditions, action, owner, per_hour, status, disabled_reason, enabled_at,
    }
    automation_run {
        id, created_at, automation_id, event_id, kind, state, sent_at, attempts, available_at, lease_owner, lease_until, fence, settled_at, error,
    }
    mail_message {
        id, created_at, purpose, subject_kind, subject_id, sealed, expires_at, state, attempts, available_at, lease_owner, lease_until, fence,
        settled_at, error,
    }
    webhook_delivery {
        id, created_at, endpoint_id, event_id, kind, occurred_at, state, rendering, body, attempts, retry, available_at, lease_owner, lease_until,
        fence, settled_at, attempted_at, address, answer_status, answer_body, answer_millis, error,
    }
    user {
        id, version, created_at, updated_at, partner_id, role, name, email, status, password_hash, token_epoch, last_signed_in_at, erased_at,
    }
    oauth_client {
        id, version, created_at, updated_at, partner_id, name, auth_method, secret_hash, previous_secret_hash, previous_secret_until, jwks,
        redirect_uris, grant_types, scope, token_epoch, created_by, last_used_at, disabled_at,
    }
    identity_provider {
        id, version, created_at, updated_at, partner_id, name, issuer, client_id, sealed_secret, domains, confirmed_domains,
        disabled_at,
    }
}
