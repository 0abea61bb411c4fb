//! Finalising statements.

use super::Statement;
use crate::graphql::context::requires_scope;
use crate::graphql::edit::{Edit, id_input, payload};
use crate::graphql::scalar::{Currency, Date};
use async_graphql::{Context, ID, InputObject, Object, Result};
use entities::calendar::Zone;
use entities::error::{Error, ViolationCode};
use entities::statement::{self, Model};
use entities::viewer::Scope;

/// A period that is over.
#[derive(Debug, InputObject)]
pub struct FinalizeStatementInput {
    /// Of which partner.
    pub partner_id: ID,
    /// In which currency.
    pub currency: Currency,
    /// The day after the last it tells of.
    pub ends_on: Date,
    /// The time zone in which the days begin, as the IANA database names it; UTC when nothing is said.
    pub time_zone: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl FinalizeStatementInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let zone: Option<Zone> = self
            .time_zone
            .map(|zone| zone.parse())
            .transpose()
            .map_err(|fault| {
                let message = format!("This is {fault}.");
                Error::invalid(ViolationCode::Invalid, "timeZone", message)
            })?;
        let partner = id_input(&self.partner_id, "partnerId")?;
        let (currency, ends_on) = (self.currency.0, self.ends_on.0);
        let zone = zone.unwrap_or(Zone::UTC);
        statement::finalize(&mut edit.change, partner, currency, ends_on, zone).await
    }
}

payload!(
    FinalizeStatementPayload {
        statement: Statement
    },
    "finalizeStatement",
    Scope::EarningsRead
);

/// Changes of statements.
#[derive(Default)]
pub struct StatementMutation;

#[Object]
impl StatementMutation {
    /// Finalises a partner's statement: all that was written before the day and that no statement has told of is in it.
    #[graphql(directive = requires_scope::apply("payouts:write".to_owned()))]
    async fn finalize_statement(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which period of which partner.")] input: FinalizeStatementInput,
    ) -> Result<FinalizeStatementPayload> {
        let mut edit = Edit::begin(ctx, Scope::PayoutsWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(FinalizeStatementPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Statement::one,
        ))
    }
}
