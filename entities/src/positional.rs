//! Reading rows by the place of their columns, for the lists that many callers read.
//!
//! The ORM finds each column by its name, which for a page of wide rows costs more than reading them. A model that is [`Positional`] reads its
//! columns one after the other, in the order in which a SELECT of the entity names them; a test holds that order against the entity's.

use crate::{connection, contact, customer, deal, deal_partner, partner, partnership, sync_run};
use sea_orm::{DbErr, QueryResult, TryGetable};

/// A model that can be read from columns in its own order.
pub trait Positional: Sized {
    /// Its columns, in order.
    const COLUMNS: &'static [&'static str];

    /// Reads the row whose first column stands at `first`.
    ///
    /// # Errors
    /// When a column does not hold what the model expects.
    fn read_at(row: &QueryResult, first: usize) -> Result<Self, DbErr>;
}

fn next<T: TryGetable>(row: &QueryResult, place: &mut usize) -> Result<T, DbErr> {
    let value = row.try_get_by_index(*place)?;
    *place += 1;
    Ok(value)
}

macro_rules! positional {
    ($($stem:ident { $($field:ident),* $(,)? })*) => {
        $(
            impl Positional for $stem::Model {
                const COLUMNS: &'static [&'static str] = &[$(stringify!($field)),*];

                fn read_at(row: &QueryResult, first: usize) -> Result<Self, DbErr> {
                    let mut place = first;
                    // The fields are evaluated in the order in which they are written.
                    Ok(Self { $($field: next(row, &mut place)?,)* })
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
    partner { id, version, created_at, updated_at, name, domain, website, country, regions, verticals, employees, description, status, parent_id, tags, archived_at }
    partnership {
        id, version, created_at, updated_at, partner_id, kind, models, stage, status, priority, dri, value_for_us, value_for_them, value_for_customers,
        revenue_target_minor, revenue_target_currency, timeline_months, tags, started_at, live_at, ended_at, ended_reason,
    }
    contact { id, version, created_at, updated_at, partner_id, customer_id, name, email, phone, title, roles, archived_at }
    customer { id, version, created_at, updated_at, name, domain, country, segment, archived_at }
    deal {
        id, version, created_at, updated_at, name, customer_id, stage, source_stage, amount_minor, amount_currency, expected_close_on, closed_at, lost_reason,
        owner_name, owner_email, products, archived_at,
    }
    deal_partner { id, version, created_at, updated_at, deal_id, partnership_id, partner_id, role, weight_bp }
    connection {
        id, version, created_at, updated_at, connector, tenant_id, status, status_reason, account, granted_scopes, mapping, credentials, credentials_version,
        paused_until, renewing_until,
    }
    sync_run { id, connection_id, kind, status, started_at, finished_at, findings, error }
}
