//! Telling of money by the API: what no connected system tells. It is never changed; what was told wrongly is put right by a further event.

use super::{RevenueEvent, RevenueKind};
use crate::graphql::context::requires_scope;
use crate::graphql::edit::{Edit, id_input, payload};
use crate::graphql::scalar::{DateTime, MoneyInput};
use crate::graphql::siblings::Member;
use async_graphql::{Context, ID, InputObject, Object, Result};
use entities::error::{Error, ViolationCode};
use entities::id::{CustomerId, DealId, PartnershipId, RevenueEventId};
use entities::revenue_event::{self, Column, Concerns, Entity, MANUAL, Model, NewRevenue};
use entities::viewer::Scope;
use entities::visible::{self, Visible as _};
use entities::{customer, deal, partnership};
use sea_orm::{ColumnTrait as _, QueryFilter as _};

type Changed = entities::error::Result<Model>;

/// Money that came or went back.
#[derive(Debug, InputObject)]
pub struct RecordRevenueInput {
    /// What it is called by who tells of it; the same one again changes nothing.
    pub external_key: String,
    /// What kind of money it is. A refund of a payment that is known here is `refundRevenue`.
    pub kind: RevenueKind,
    /// How much, without the sign of its kind; of an ADJUSTMENT it may be negative.
    pub amount: MoneyInput,
    /// When the money moved.
    pub occurred_at: DateTime,
    /// Who paid.
    pub customer_id: Option<ID>,
    /// For which deal: its partners earn by their shares in it.
    pub deal_id: Option<ID>,
    /// Whose doing it was, where there is no deal or the deal says nothing.
    pub partnership_id: Option<ID>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl RecordRevenueInput {
    /// The rows it concerns, each of them one that exists.
    async fn concerns(&self, edit: &Edit<'_>) -> entities::error::Result<Concerns> {
        let (connection, viewer) = (edit.change.transaction(), &edit.request.viewer);
        let mut concerns = Concerns::default();
        if let Some(id) = &self.customer_id {
            let id: CustomerId = id_input(id, "customerId")?;
            if visible::count_among::<customer::Entity, _>(connection, viewer, [id.0]).await? == 0 {
                return Err(Error::not_found("customerId"));
            }
            concerns.customer_id = Some(id);
        }
        if let Some(id) = &self.deal_id {
            let id: DealId = id_input(id, "dealId")?;
            if visible::count_among::<deal::Entity, _>(connection, viewer, [id.0]).await? == 0 {
                return Err(Error::not_found("dealId"));
            }
            concerns.deal_id = Some(id);
        }
        if let Some(id) = &self.partnership_id {
            let id: PartnershipId = id_input(id, "partnershipId")?;
            let found = visible::find_one::<partnership::Entity, _>(connection, viewer, id.0);
            let row = found.await?;
            let row = row.ok_or_else(|| Error::not_found("partnershipId"))?;
            concerns.partnership = Some((row.id, row.partner_id));
        }
        Ok(concerns)
    }

    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        let new = NewRevenue {
            external_key: self.external_key.clone(),
            kind: self.kind.into(),
            amount: self.amount.to_amount("amount")?,
            occurred_at: self.occurred_at.0,
            concerns: self.concerns(edit).await?,
        };
        let recorded = revenue_event::record(&mut edit.change, None, vec![new]).await?;
        if !recorded.differing.is_empty() {
            let message = "Something else is known by this key.";
            return Err(Error::invalid(ViolationCode::Taken, "externalKey", message));
        }
        if let Some(row) = recorded.created.into_iter().next() {
            return Ok(row);
        }
        let known = Entity::visible_to(&edit.request.viewer)
            .filter(Column::Source.eq(MANUAL))
            .filter(Column::ExternalKey.eq(self.external_key))
            .one(edit.change.transaction())
            .await?;
        known.ok_or_else(|| Error::Damaged("an event that is known and is not there".to_owned()))
    }
}

/// Money that went back of a payment that is known here.
#[derive(Debug, InputObject)]
pub struct RefundRevenueInput {
    /// Of which payment.
    pub payment_id: ID,
    /// What the refund is called by who tells of it.
    pub external_key: String,
    /// How much; not more than is left of the payment.
    pub amount: MoneyInput,
    /// When the money moved.
    pub occurred_at: DateTime,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl RefundRevenueInput {
    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        let id: RevenueEventId = id_input(&self.payment_id, "paymentId")?;
        let (connection, viewer) = (edit.change.transaction(), &edit.request.viewer);
        let found = visible::find_one::<Entity, _>(connection, viewer, id.0).await?;
        let payment = found.ok_or_else(|| Error::not_found("paymentId"))?;
        let (amount, at) = (self.amount.to_amount("amount")?, self.occurred_at.0);
        let key = self.external_key;
        revenue_event::refund(&mut edit.change, &payment, key, amount, at).await
    }
}

payload!(
    RecordRevenuePayload {
        revenue_event: RevenueEvent
    },
    "recordRevenue",
    Scope::DealsRead
);
payload!(
    RefundRevenuePayload {
        revenue_event: RevenueEvent
    },
    "refundRevenue",
    Scope::DealsRead
);

fn one(row: Model) -> RevenueEvent {
    RevenueEvent(Member::single(row))
}

/// What is told of money.
#[derive(Default)]
pub struct RevenueEventMutation;

#[Object]
impl RevenueEventMutation {
    /// Tells of money that came or went back. What partners earn of it is computed by the worker.
    #[graphql(directive = requires_scope::apply("deals:write".to_owned()))]
    async fn record_revenue(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The money.")] input: RecordRevenueInput,
    ) -> Result<RecordRevenuePayload> {
        let mut edit = Edit::begin(ctx, Scope::DealsWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(RecordRevenuePayload::from_outcome(
            edit.finish(result, |_| None).await?,
            one,
        ))
    }

    /// Tells of money that went back of a payment: what was earned of it is taken back in proportion.
    #[graphql(directive = requires_scope::apply("deals:write".to_owned()))]
    async fn refund_revenue(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The money.")] input: RefundRevenueInput,
    ) -> Result<RefundRevenuePayload> {
        let mut edit = Edit::begin(ctx, Scope::DealsWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(RefundRevenuePayload::from_outcome(
            edit.finish(result, |_| None).await?,
            one,
        ))
    }
}
