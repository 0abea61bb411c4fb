//! A partner's objection to an entry, and our answer.
//!
//! Invariants: of one entry there is at most one open objection, by the database's own rule; an objection holds what is not payable yet until it is
//! answered, and its answer lifts that hold and no other; an answer changes no amount: where the partner is right, a person writes an adjustment.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::{Error, Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::{LedgerDisputeId, LedgerEntryId, PartnerId};
use crate::ledger_entry::{self, LedgerStatus, Step};
use crate::text_enum::text_enum;
use crate::viewer::Viewer;
use crate::visible::{self, Own, Versioned, Visible};
use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use serde_json::json;

/// Why an entry stands still that is objected to.
const OBJECTED: &str = "The partner objects.";

text_enum! {
    /// What became of an objection.
    DisputeStatus {
        /// It waits for an answer.
        Open,
        /// The partner was right.
        Upheld,
        /// The entry stands.
        Rejected,
        /// The partner took it back.
        Withdrawn,
    }
}

/// An objection.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ledger_dispute")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: LedgerDisputeId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub ledger_entry_id: LedgerEntryId,
    pub partner_id: PartnerId,
    pub status: DisputeStatus,
    pub claim: String,
    pub raised_by: String,
    pub answer: Option<String>,
    /// Internal.
    pub internal_note: Option<String>,
    pub resolved_by: Option<String>,
    pub resolved_at: Option<Timestamp>,
    /// Whether the objection stopped the entry, which the answer then lets go on.
    pub held_entry: bool,
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
        Condition::all().add(own.holds((Entity, Column::PartnerId)))
    }
}

/// Objects to an entry that the viewer may see.
///
/// # Errors
/// An entry that is not the viewer's, is void or is objected to already; no words; then nothing is written.
pub async fn raise(
    change: &mut Change,
    viewer: &Viewer,
    entry: LedgerEntryId,
    claim: String,
) -> Result<Model> {
    let found = visible::lock_all::<ledger_entry::Entity>(change, viewer, [entry.0])
        .await?
        .pop();
    let Some(entry) = found else {
        return Err(Error::not_found("entryId"));
    };
    let mut violations = Violations::default();
    violations.text("claim", &claim, 5_000);
    if entry.status == LedgerStatus::Voided {
        violations.add(ViolationCode::Locked, "entryId", "The entry is void.");
    }
    let open = Entity::visible_to(&Viewer::system("ledger_dispute"))
        .filter(Column::LedgerEntryId.eq(entry.id))
        .filter(Column::Status.eq(DisputeStatus::Open));
    if open.one(change.transaction()).await?.is_some() {
        violations.add(
            ViolationCode::Taken,
            "entryId",
            "It is objected to already.",
        );
    }
    violations.finish()?;
    let stops = matches!(entry.status, LedgerStatus::Pending | LedgerStatus::Approved)
        && entry.reverses_id.is_none();
    if stops {
        let reason = OBJECTED.to_owned();
        ledger_entry::step(change, &[entry.id], Step::Hold(reason)).await?;
    }
    let now = change.now();
    let row = Model {
        id: change.new_id(),
        version: 1,
        created_at: now,
        updated_at: now,
        ledger_entry_id: entry.id,
        partner_id: entry.partner_id,
        status: DisputeStatus::Open,
        claim,
        raised_by: change.author().actor.clone(),
        answer: None,
        internal_note: None,
        resolved_by: None,
        resolved_at: None,
        held_entry: stops,
    };
    crate::write::insert::<Entity>(change, std::slice::from_ref(&row)).await?;
    let data = json!({ "entry": entry.id, "amount": entry.amount() });
    change.record(
        NewEvent::about(EventKind::CommissionDisputed, row.id, data).for_partner(row.partner_id),
    );
    Ok(row)
}

/// Answers an objection, or takes it back.
///
/// # Errors
/// One that is answered; no words; then nothing is written.
pub async fn resolve(
    change: &mut Change,
    row: Model,
    status: DisputeStatus,
    answer: String,
    internal_note: Option<String>,
) -> Result<Model> {
    if row.status != DisputeStatus::Open || status == DisputeStatus::Open {
        let message = "An objection is answered once.";
        return Err(Error::invalid(
            ViolationCode::TransitionNotAllowed,
            "status",
            message,
        ));
    }
    let mut violations = Violations::default();
    violations.text("answer", &answer, 5_000);
    violations.optional_text("internalNote", internal_note.as_deref(), 5_000);
    violations.finish()?;
    let version = row.version;
    let mut active: ActiveModel = row.into();
    active.version = Set(version + 1);
    active.updated_at = Set(change.now());
    active.status = Set(status);
    active.answer = Set(Some(answer));
    active.internal_note = Set(internal_note);
    active.resolved_by = Set(Some(change.author().actor.clone()));
    active.resolved_at = Set(Some(change.now()));
    let resolved = crate::write::update(change, active, version).await?;
    if resolved.held_entry {
        let (system, id) = (Viewer::system("ledger_dispute"), resolved.ledger_entry_id);
        let entry = visible::lock_all::<ledger_entry::Entity>(change, &system, [id.0])
            .await?
            .pop();
        // Somebody may have voided it meanwhile, or stopped it for a reason of their own.
        let holds = |entry: &ledger_entry::Model| {
            entry.status == LedgerStatus::Held && entry.held_reason.as_deref() == Some(OBJECTED)
        };
        if entry.as_ref().is_some_and(holds) {
            ledger_entry::step(change, &[id], Step::Release).await?;
        }
    }
    let data = json!({ "entry": resolved.ledger_entry_id, "status": status });
    change.record(
        NewEvent::about(EventKind::CommissionDisputeResolved, resolved.id, data)
            .for_partner(resolved.partner_id),
    );
    Ok(resolved)
}

/// Whether any of these entries is objected to and the objection waits for an answer.
pub(crate) async fn any_open(
    connection: &impl ConnectionTrait,
    entries: &[LedgerEntryId],
) -> Result<bool> {
    for chunk in entries.chunks(500) {
        let open = Entity::visible_to(&Viewer::system("ledger_dispute"))
            .filter(Column::LedgerEntryId.is_in(chunk.iter().copied()))
            .filter(Column::Status.eq(DisputeStatus::Open));
        if open.one(connection).await?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}
