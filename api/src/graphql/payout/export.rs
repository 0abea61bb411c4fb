//! A batch of payouts as a file.

use crate::graphql::context::{RequireScope, requires_scope};
use crate::graphql::edit;
use async_graphql::{Context, Object, Result};
use entities::payout;
use entities::viewer::Scope;

/// The query that exports.
#[derive(Default)]
pub struct PayoutExportQuery;

#[Object]
impl PayoutExportQuery {
    /// The payouts of a batch that are approved or further, as CSV for a bank or an accountant. For staff.
    #[graphql(guard = "RequireScope(Scope::EarningsRead)", directive = requires_scope::apply("earnings:read".to_owned()))]
    async fn payout_batch_csv(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What the batch is called.")] batch: String,
    ) -> Result<String> {
        let request = edit::staff(ctx, Scope::EarningsRead)?;
        // No batch's name holds one, and PostgreSQL would not even read it.
        let batch = batch.replace('\0', "");
        Ok(payout::to_csv(request.database.read(), &request.viewer, &batch).await?)
    }
}
