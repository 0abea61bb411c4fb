//! What partners' ledgers hold.

use super::LedgerStatus;
use crate::graphql::context::request;
use crate::graphql::scalar::Money;
use crate::graphql::siblings::Member;
use async_graphql::{Context, Result, SimpleObject};
use entities::ledger_entry::{self, Balance};
use entities::{money, partner};

/// The sum of a partner's entries in one state and currency.
#[derive(Clone, SimpleObject)]
pub struct LedgerBalance {
    /// In which state.
    pub status: LedgerStatus,
    /// The sum.
    pub amount: Money,
    /// Of how many entries.
    pub count: i64,
}

/// The balances of a partner, read together with those of its siblings.
pub(crate) async fn balances(
    ctx: &Context<'_>,
    row: &Member<partner::Model>,
) -> Result<Vec<LedgerBalance>> {
    let request = request(ctx)?;
    let load = async {
        let ids: Vec<_> = row.group().rows().iter().map(|row| row.id).collect();
        let (connection, viewer) = (request.database.read(), &request.viewer);
        Ok(ledger_entry::balances(connection, viewer, &ids).await?)
    };
    let all = Box::pin(row.group().load("balances".to_owned(), load)).await?;
    let balance = |balance: &Balance| LedgerBalance {
        status: balance.status.into(),
        amount: money::Money {
            minor: balance.minor,
            currency: balance.currency,
        }
        .into(),
        count: balance.count,
    };
    let own = all.iter().filter(|one| one.partner_id == row.row().id);
    Ok(own.map(balance).collect())
}
