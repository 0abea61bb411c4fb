//! A deal: a sale to a customer, in which partners may share.
//!
//! State machine: open stages move freely among themselves; any open stage may be won or lost, and a person gives a lost deal
//! its reason. A closed deal is reopened only by an outside system's record or a correction, and that is recorded as such.
//! An unknown amount is absent, never zero. What a won deal is worth is revenue ([`revenue_event`]), booked in the transaction that wins, changes or reopens
//! it.

pub mod revenue;

use crate::change::Change;
use crate::clock::Timestamp;
use crate::deal_partner;
use crate::diff::{Diff, Texts, archived};
use crate::error::{Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::{CustomerId, DealId};
use crate::money::{Currency, Money};
use crate::viewer::Viewer;
use crate::visible::{Own, Versioned, Visible};
use crate::{customer, revenue_event, visible};
use chrono::NaiveDate;
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::Iterable;
use sea_orm::TryIntoModel;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, Query};
use serde_json::json;
use std::collections::HashSet;

/// How far a deal is.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    EnumIter,
    DeriveActiveEnum,
    serde::Serialize,
    serde::Deserialize,
)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DealStage {
    /// First contact.
    Prospect,
    /// Worth pursuing.
    Qualified,
    /// The product is being proved.
    TechnicalValidation,
    /// The case is being made.
    BusinessValidation,
    /// Promised.
    Committed,
    /// Closed with a sale.
    Won,
    /// Closed without one.
    Lost,
}

impl DealStage {
    /// Whether the stage is an end.
    #[must_use]
    pub const fn is_closed(self) -> bool {
        matches!(self, Self::Won | Self::Lost)
    }

    /// Whether the deal was won.
    #[must_use]
    pub const fn is_won(self) -> bool {
        matches!(self, Self::Won)
    }

    /// The stages a caller of the API may move to; a closed deal has none.
    #[must_use]
    pub fn transitions(self) -> Vec<Self> {
        if self.is_closed() {
            Vec::new()
        } else {
            Self::iter().filter(|next| *next != self).collect()
        }
    }
}

/// A deal.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "deal")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DealId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub name: String,
    pub customer_id: Option<CustomerId>,
    pub stage: DealStage,
    /// The vendor's own label of the stage.
    pub source_stage: Option<String>,
    /// Minor units; set together with the currency or not at all.
    pub amount_minor: Option<i64>,
    pub amount_currency: Option<Currency>,
    pub expected_close_on: Option<NaiveDate>,
    pub closed_at: Option<Timestamp>,
    pub lost_reason: Option<String>,
    pub owner_name: Option<String>,
    pub owner_email: Option<String>,
    pub products: Texts,
    pub archived_at: Option<Timestamp>,
}

impl Model {
    /// The amount, where it is known.
    #[must_use]
    pub fn amount(&self) -> Option<Money> {
        Some(Money {
            minor: self.amount_minor?,
            currency: self.amount_currency?,
        })
    }
}

/// Relations are walked by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Versioned for Model {
    fn version(&self) -> i64 {
        self.version
    }
}

impl Visible for Entity {
    fn visible_to_partner(own: Own) -> Condition {
        let shared = Query::select()
            .column(deal_partner::Column::DealId)
            .from(deal_partner::Entity)
            .and_where(own.holds((deal_partner::Entity, deal_partner::Column::PartnerId)))
            .to_owned();
        Condition::all().add(Column::Id.in_subquery(shared))
    }
}

/// What a new deal is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewDeal {
    pub name: String,
    pub customer_id: Option<CustomerId>,
    pub stage: DealStage,
    pub source_stage: Option<String>,
    pub amount: Option<Money>,
    pub expected_close_on: Option<NaiveDate>,
    pub closed_at: Option<Timestamp>,
    pub lost_reason: Option<String>,
    pub owner_name: Option<String>,
    pub owner_email: Option<String>,
    pub products: Vec<String>,
    pub archived: bool,
}

/// What an update sets; `None` keeps, `Some(None)` clears.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct DealPatch {
    pub name: Option<String>,
    pub customer_id: Option<Option<CustomerId>>,
    pub stage: Option<DealStage>,
    pub source_stage: Option<Option<String>>,
    pub amount: Option<Option<Money>>,
    pub expected_close_on: Option<Option<NaiveDate>>,
    pub closed_at: Option<Option<Timestamp>>,
    pub lost_reason: Option<Option<String>>,
    pub owner_name: Option<Option<String>>,
    pub owner_email: Option<Option<String>>,
    pub products: Option<Vec<String>>,
    pub archived: Option<bool>,
}

/// Creates deals. Only an outside system may bring one that is already closed.
///
/// # Errors
/// Refused fields; then none is created.
pub async fn create(change: &mut Change, inputs: Vec<NewDeal>) -> Result<Vec<Model>> {
    let mut violations = Violations::default();
    let external = change.author().origin.is_external();
    for input in &inputs {
        check_texts(
            &mut violations,
            Some(&input.name),
            [
                ("lostReason", &input.lost_reason),
                ("owner.name", &input.owner_name),
                ("owner.email", &input.owner_email),
            ],
        );
        violations.tags("products", &input.products);
        if input.stage.is_closed() && !external {
            violations.add(
                ViolationCode::TransitionNotAllowed,
                "stage",
                "A new deal is open; win or lose it afterwards.",
            );
        }
        if input.stage != DealStage::Lost && input.lost_reason.is_some() && !external {
            violations.add(
                ViolationCode::Invalid,
                "lostReason",
                "Only a lost deal has a reason.",
            );
        }
    }
    known_customers(
        change,
        &mut violations,
        inputs.iter().filter_map(|input| input.customer_id),
    )
    .await?;
    violations.finish()?;

    let now = change.now();
    let rows: Vec<Model> = inputs
        .into_iter()
        .map(|input| Model {
            id: change.new_id(),
            version: 1,
            created_at: now,
            updated_at: now,
            name: input.name,
            customer_id: input.customer_id,
            stage: input.stage,
            source_stage: input.source_stage,
            amount_minor: input.amount.map(|money| money.minor),
            amount_currency: input.amount.map(|money| money.currency),
            expected_close_on: input.expected_close_on,
            closed_at: input.closed_at,
            lost_reason: input.lost_reason,
            owner_name: input.owner_name,
            owner_email: input.owner_email,
            products: Texts(input.products),
            archived_at: input.archived.then_some(now),
        })
        .collect();
    crate::write::insert::<Entity>(change, &rows).await?;
    let history = change.author().origin.is_history();
    for row in &rows {
        change.record(NewEvent::about(
            EventKind::DealCreated,
            row.id,
            json!({ "name": row.name, "stage": row.stage, "amount": row.amount() }),
        ));
        if !history && row.stage.is_closed() {
            change.record(closing_event(row));
        }
    }
    revenue_event::book_new(change, &rows).await?;
    Ok(rows)
}

/// Changes a deal that was read in this change. A patch that changes nothing writes nothing.
///
/// # Errors
/// Refused fields or a transition the stage does not have; then nothing is written.
pub async fn update(change: &mut Change, row: Model, patch: DealPatch) -> Result<Model> {
    let mut violations = Violations::default();
    let flat = |text: &Option<Option<String>>| text.clone().flatten();
    check_texts(
        &mut violations,
        patch.name.as_deref(),
        [
            ("lostReason", &flat(&patch.lost_reason)),
            ("owner.name", &flat(&patch.owner_name)),
            ("owner.email", &flat(&patch.owner_email)),
        ],
    );
    violations.tags("products", patch.products.as_deref().unwrap_or_default());
    let external = change.author().origin.is_external();
    let stage = row.stage;
    if let Some(next) = patch.stage
        && next != stage
        && !external
        && !stage.transitions().contains(&next)
    {
        violations.add(
            ViolationCode::TransitionNotAllowed,
            "stage",
            format!("A {stage:?} deal is closed."),
        );
    }
    if !external && patch.stage.unwrap_or(stage) == DealStage::Lost {
        let reason = patch
            .lost_reason
            .clone()
            .unwrap_or_else(|| row.lost_reason.clone());
        if patch.stage.is_some() && reason.is_none_or(|text| text.trim().is_empty()) {
            violations.add(
                ViolationCode::Blank,
                "reason",
                "A lost deal needs its reason.",
            );
        }
    }
    if stage.is_won() && !external && patch.amount.is_some_and(|amount| amount != row.amount()) {
        violations.add(
            ViolationCode::Locked,
            "amount",
            "The deal is won: its amount is locked.",
        );
    }
    known_customers(change, &mut violations, patch.customer_id.flatten()).await?;
    violations.finish()?;

    let now = change.now();
    let mut diff = Diff::new();
    let was_archived = row.archived_at.is_some();
    let (archived_at, archiving) = archived(row.archived_at, patch.archived, now);
    let amount = row.amount();
    let next_amount = patch.amount.unwrap_or(amount);
    if next_amount != amount {
        diff.note("amount", &amount, &next_amount);
    }
    // Closing sets the instant, reopening clears it, unless the patch brings one of its own.
    let next_stage = patch.stage.unwrap_or(stage);
    let closed_at = patch
        .closed_at
        .or_else(|| match (stage.is_closed(), next_stage.is_closed()) {
            // As exactly as vendors count, so that all of them can hold the same moment.
            (false, true) => Some(Some(Timestamp::from_millis(now.millis()))),
            (true, false) => Some(None),
            _ => None,
        });
    let mut active = ActiveModel {
        id: Unchanged(row.id),
        version: Set(row.version + 1),
        created_at: Unchanged(row.created_at),
        updated_at: Set(now),
        name: diff.field("name", row.name, patch.name),
        customer_id: diff.field("customer", row.customer_id, patch.customer_id),
        stage: diff.field("stage", row.stage, patch.stage),
        source_stage: diff.field("sourceStage", row.source_stage, patch.source_stage),
        amount_minor: Set(next_amount.map(|money| money.minor)),
        amount_currency: Set(next_amount.map(|money| money.currency)),
        expected_close_on: diff.field(
            "expectedCloseOn",
            row.expected_close_on,
            patch.expected_close_on,
        ),
        closed_at: diff.field("closedAt", row.closed_at, closed_at),
        lost_reason: diff.field("lostReason", row.lost_reason, patch.lost_reason),
        owner_name: diff.field("owner.name", row.owner_name, patch.owner_name),
        owner_email: diff.field("owner.email", row.owner_email, patch.owner_email),
        products: diff.field("products", row.products, patch.products.map(Texts)),
        archived_at,
    };
    if diff.is_empty() && archiving.is_none() {
        active.version = Unchanged(row.version);
        active.updated_at = Unchanged(row.updated_at);
        return Ok(active.try_into_model()?);
    }
    let updated = crate::write::update(change, active, row.version).await?;
    if let Some(archived) = archiving {
        let kind = if archived {
            EventKind::DealArchived
        } else {
            EventKind::DealRestored
        };
        change.record(NewEvent::about(kind, updated.id, json!({})));
    }
    if updated.stage != stage {
        let facts = json!({ "from": stage, "to": updated.stage });
        change.record(NewEvent::about(
            EventKind::DealStageChanged,
            updated.id,
            facts.clone(),
        ));
        if stage.is_closed() {
            change.record(NewEvent::about(EventKind::DealReopened, updated.id, facts));
        }
        if updated.stage.is_closed() {
            change.record(closing_event(&updated));
        }
    }
    if !diff.is_empty() {
        change.record(diff.into_event(EventKind::DealUpdated, updated.id));
    }
    revenue_event::book_changed(change, (stage, amount, was_archived), &updated).await?;
    Ok(updated)
}

/// Wins an open deal. The amount, where given, is set first, because it locks.
///
/// # Errors
/// When the deal is already closed.
pub async fn win(
    change: &mut Change,
    row: Model,
    amount: Option<Money>,
    closed_at: Option<Timestamp>,
) -> Result<Model> {
    if row.stage.is_closed() {
        return Err(closed(row.stage));
    }
    let patch = DealPatch {
        stage: Some(DealStage::Won),
        amount: amount.map(Some),
        closed_at: closed_at.map(Some),
        ..DealPatch::default()
    };
    update(change, row, patch).await
}

/// Loses an open deal for a reason.
///
/// # Errors
/// When the deal is already closed or the reason is blank.
pub async fn lose(
    change: &mut Change,
    row: Model,
    reason: String,
    closed_at: Option<Timestamp>,
) -> Result<Model> {
    if row.stage.is_closed() {
        return Err(closed(row.stage));
    }
    let patch = DealPatch {
        stage: Some(DealStage::Lost),
        lost_reason: Some(Some(reason)),
        closed_at: closed_at.map(Some),
        ..DealPatch::default()
    };
    update(change, row, patch).await
}

fn closed(stage: DealStage) -> crate::error::Error {
    crate::error::Error::invalid(
        ViolationCode::TransitionNotAllowed,
        "stage",
        format!("The deal is already closed ({stage:?})."),
    )
}

fn closing_event(row: &Model) -> NewEvent {
    let kind = if row.stage.is_won() {
        EventKind::DealWon
    } else {
        EventKind::DealLost
    };
    NewEvent::about(
        kind,
        row.id,
        json!({ "amount": row.amount(), "closedAt": row.closed_at, "reason": row.lost_reason }),
    )
}

fn check_texts(
    violations: &mut Violations,
    name: Option<&str>,
    others: [(&str, &Option<String>); 3],
) {
    if let Some(name) = name {
        violations.text("name", name, 500);
    }
    for (field, text) in others {
        violations.optional_text(field, text.as_deref(), 1_000);
    }
}

async fn known_customers(
    change: &Change,
    violations: &mut Violations,
    ids: impl IntoIterator<Item = CustomerId>,
) -> Result<()> {
    let asked: HashSet<CustomerId> = ids.into_iter().collect();
    if asked.is_empty() {
        return Ok(());
    }
    let known = visible::count_among::<customer::Entity, _>(
        change.transaction(),
        &Viewer::system("deal"),
        asked.iter().map(|id| id.0),
    )
    .await?;
    if known < asked.len() {
        violations.add(ViolationCode::NotFound, "customerId", "No such customer.");
    }
    Ok(())
}
