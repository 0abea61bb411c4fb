//! A partner's claim on an account: who registers a deal first is protected for a while.
//!
//! State machine: DRAFT → SUBMITTED → UNDER_REVIEW → APPROVED, REJECTED or DUPLICATE; UNDER_REVIEW → INFO_REQUESTED → SUBMITTED; SUBMITTED and UNDER_REVIEW →
//! CONFLICTED → APPROVED or DUPLICATE; APPROVED → CONVERTED or EXPIRED; before CONVERTED → WITHDRAWN.
//!
//! Invariants (domain, 7 to 9): of an account and scope at most one registration is approved, by the database's own rule ([`claim`]); who came first is
//! told by the server's clock, and by the turn at the same instant; a changed claim comes last again; what a partner learns of others is one word
//! ([`conflict`]).

mod account;
mod claim;
pub mod conflict;
mod decision;
mod protection;
mod receipt;

pub use account::{Account, bare_name};
pub use claim::cell;
pub(crate) use claim::widen_claims;
pub use decision::{Decision, approve, convert, decide, request_information, review};
pub use protection::{
    MOST_EXTENSIONS, announce_expiring, expire, extend, request_extension, withdraw,
};
pub use receipt::{receipt_of, sign_receipt};

use crate::change::Change;
use crate::clock::Timestamp;
use crate::diff::Texts;
use crate::domain_name::DomainName;
use crate::error::{Error, Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::{DealId, DealRegistrationId, PartnerId, PartnershipId, ProgramId};
use crate::money::{Currency, Money};
use crate::partnership::{self, PartnershipStatus};
use crate::program_enrollment;
use crate::text_enum::text_enum;
use crate::viewer::Viewer;
use crate::visible::{self, Own, Versioned, Visible};
use crate::write;
use chrono::NaiveDate;
use claim::Lists;
use conflict::Wanted;
use sea_orm::ActiveValue::Set;
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use sea_orm::{QueryOrder as _, QuerySelect as _};
use serde_json::json;

text_enum! {
    /// How far a registration is.
    RegistrationStatus {
        /// Being written.
        Draft,
        /// Handed in.
        Submitted,
        /// Being looked at.
        UnderReview,
        /// Waiting for what the partner was asked.
        InfoRequested,
        /// Something stands against it.
        Conflicted,
        /// Protected.
        Approved,
        /// Refused.
        Rejected,
        /// Refused, for somebody was first.
        Duplicate,
        /// Its protection is over.
        Expired,
        /// Taken back.
        Withdrawn,
        /// A deal has come of it.
        Converted,
    }
}

impl RegistrationStatus {
    /// Those that stand against others.
    pub const LIVE: [Self; 5] = [
        Self::Submitted,
        Self::UnderReview,
        Self::InfoRequested,
        Self::Conflicted,
        Self::Approved,
    ];

    /// Whether it stands against others.
    #[must_use]
    pub fn is_live(self) -> bool {
        Self::LIVE.contains(&self)
    }

    /// The states that may follow.
    #[must_use]
    pub const fn transitions(self) -> &'static [Self] {
        match self {
            Self::Draft => &[Self::Submitted, Self::Conflicted, Self::Withdrawn],
            Self::Submitted => &[Self::UnderReview, Self::Conflicted, Self::Withdrawn],
            Self::UnderReview => &[
                Self::Approved,
                Self::Rejected,
                Self::Duplicate,
                Self::InfoRequested,
                Self::Conflicted,
                Self::Withdrawn,
            ],
            Self::InfoRequested => &[Self::Submitted, Self::Conflicted, Self::Withdrawn],
            Self::Conflicted => &[Self::Approved, Self::Duplicate, Self::Withdrawn],
            Self::Approved => &[Self::Converted, Self::Expired, Self::Withdrawn],
            Self::Rejected
            | Self::Duplicate
            | Self::Expired
            | Self::Withdrawn
            | Self::Converted => &[],
        }
    }
}

/// A registration.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "deal_registration")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DealRegistrationId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    /// Rises with every submission; 0 before the first.
    pub turn: i64,
    pub partnership_id: PartnershipId,
    pub partner_id: PartnerId,
    pub program_id: Option<ProgramId>,
    pub status: RegistrationStatus,
    pub account_name: String,
    pub account_domain: Option<DomainName>,
    pub account_country: Option<String>,
    pub account_duns: Option<String>,
    pub contact_name: String,
    pub contact_email: Option<String>,
    /// Empty for all.
    pub products: Texts,
    /// Empty for everywhere.
    pub territories: Texts,
    pub value_minor: Option<i64>,
    pub value_currency: Option<Currency>,
    pub expected_close_on: Option<NaiveDate>,
    pub use_case: String,
    /// By the server's clock.
    pub submitted_at: Option<Timestamp>,
    pub protected_until: Option<Timestamp>,
    pub extensions: i32,
    pub decided_at: Option<Timestamp>,
    /// Internal.
    pub decided_by: Option<String>,
    /// What the partner is told.
    pub decision: Option<String>,
    pub deal_id: Option<DealId>,
    /// The bytes that a signature confirms.
    pub receipt: Option<Vec<u8>>,
    pub receipt_signature: Option<Vec<u8>>,
    pub expiring_announced_at: Option<Timestamp>,
}

impl Model {
    /// The account that is claimed.
    #[must_use]
    pub fn account(&self) -> Account {
        Account {
            name: self.account_name.clone(),
            domain: self.account_domain.clone(),
            country: self.account_country.clone(),
            duns: self.account_duns.clone(),
        }
    }

    /// What is claimed.
    #[must_use]
    pub fn wanted(&self) -> Wanted {
        Wanted {
            account: self.account(),
            products: self.products.0.clone(),
            territories: self.territories.0.clone(),
        }
    }

    /// What the deal may be worth.
    #[must_use]
    pub fn value(&self) -> Option<Money> {
        Some(Money {
            minor: self.value_minor?,
            currency: self.value_currency?,
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
        Condition::all().add(own.holds((Entity, Column::PartnerId)))
    }
}

/// What a registration says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct Draft {
    pub account: Account,
    pub contact_name: String,
    pub contact_email: Option<String>,
    pub products: Vec<String>,
    pub territories: Vec<String>,
    pub value: Option<Money>,
    pub expected_close_on: Option<NaiveDate>,
    pub use_case: String,
}

/// Writes drafts of registrations for partnerships that the viewer may see.
///
/// # Errors
/// A partnership that is not the viewer's or not open, refused fields; then none is written.
pub async fn create(
    change: &mut Change,
    viewer: &Viewer,
    inputs: Vec<(PartnershipId, Draft)>,
) -> Result<Vec<Model>> {
    let mut violations = Violations::default();
    let lists = Lists::load(change).await?;
    let ids = inputs.iter().map(|(id, _)| id.0);
    let known =
        visible::find_all::<partnership::Entity, _>(change.transaction(), viewer, ids).await?;
    let all: Vec<PartnershipId> = known.iter().map(|row| row.id).collect();
    let system = Viewer::system("deal_registration");
    let parts = program_enrollment::of_partnerships(change.transaction(), &system, &all).await?;
    let (now, mut rows) = (change.now(), Vec::with_capacity(inputs.len()));
    for (id, draft) in inputs {
        check(&mut violations, &lists, &draft);
        let Some(partnership) = known.iter().find(|row| row.id == id) else {
            violations.add(
                ViolationCode::NotFound,
                "partnershipId",
                "No such partnership.",
            );
            continue;
        };
        if partnership.status != PartnershipStatus::Open {
            violations.add(
                ViolationCode::Locked,
                "partnershipId",
                "The partnership is not open.",
            );
        }
        rows.push(Model {
            id: change.new_id(),
            version: 1,
            created_at: now,
            updated_at: now,
            turn: 0,
            partnership_id: partnership.id,
            partner_id: partnership.partner_id,
            program_id: parts
                .iter()
                .find(|part| part.partnership_id == id)
                .map(|part| part.program_id),
            status: RegistrationStatus::Draft,
            account_name: draft.account.name,
            account_domain: draft.account.domain,
            account_country: draft.account.country,
            account_duns: draft.account.duns,
            contact_name: draft.contact_name,
            contact_email: draft.contact_email,
            products: Texts(draft.products),
            territories: Texts(draft.territories),
            value_minor: draft.value.map(|value| value.minor),
            value_currency: draft.value.map(|value| value.currency),
            expected_close_on: draft.expected_close_on,
            use_case: draft.use_case,
            submitted_at: None,
            protected_until: None,
            extensions: 0,
            decided_at: None,
            decided_by: None,
            decision: None,
            deal_id: None,
            receipt: None,
            receipt_signature: None,
            expiring_announced_at: None,
        });
    }
    violations.finish()?;
    write::insert::<Entity>(change, &rows).await?;
    for row in &rows {
        tell(change, EventKind::RegistrationCreated, row, json!({}));
    }
    Ok(rows)
}

/// Rewrites a draft, or what was submitted and is asked about. A changed claim loses its place: it is as if it had not been submitted before.
///
/// # Errors
/// A registration that is further on, refused fields; then nothing is written.
pub async fn revise(change: &mut Change, row: Model, draft: Draft) -> Result<Model> {
    if !matches!(
        row.status,
        RegistrationStatus::Draft | RegistrationStatus::InfoRequested
    ) {
        let message = "What is being decided is not rewritten: withdraw it, and register anew.";
        return Err(Error::invalid(ViolationCode::Locked, "status", message));
    }
    let mut violations = Violations::default();
    check(&mut violations, &Lists::load(change).await?, &draft);
    violations.finish()?;
    let wanted = Wanted {
        account: draft.account.clone(),
        products: draft.products.clone(),
        territories: draft.territories.clone(),
    };
    let moves = wanted != row.wanted();
    let version = row.version;
    let mut active: ActiveModel = row.into();
    active.version = Set(version + 1);
    active.updated_at = Set(change.now());
    active.account_name = Set(draft.account.name);
    active.account_domain = Set(draft.account.domain);
    active.account_country = Set(draft.account.country);
    active.account_duns = Set(draft.account.duns);
    active.contact_name = Set(draft.contact_name);
    active.contact_email = Set(draft.contact_email);
    active.products = Set(Texts(draft.products));
    active.territories = Set(Texts(draft.territories));
    active.value_minor = Set(draft.value.map(|value| value.minor));
    active.value_currency = Set(draft.value.map(|value| value.currency));
    active.expected_close_on = Set(draft.expected_close_on);
    active.use_case = Set(draft.use_case);
    if moves {
        active.turn = Set(0);
        active.submitted_at = Set(None);
    }
    let updated = write::update(change, active, version).await?;
    tell(
        change,
        EventKind::RegistrationUpdated,
        &updated,
        json!({ "claimChanged": moves }),
    );
    Ok(updated)
}

/// Notes it where the partnership of a registration does not go on: nothing is claimed, protected or sold through one that rests or is over.
async fn still_open(change: &Change, row: &Model, violations: &mut Violations) -> Result<()> {
    let system = Viewer::system("deal_registration");
    let id = row.partnership_id.0;
    let partnership =
        visible::find_one::<partnership::Entity, _>(change.transaction(), &system, id).await?;
    if partnership.is_none_or(|row| row.status != PartnershipStatus::Open) {
        let message = "The partnership is not open.";
        violations.add(ViolationCode::Locked, "partnershipId", message);
    }
    Ok(())
}

/// Whether a registration may be handed in, as far as that is its partner's own affair. What others have claimed is not looked at, so that whoever asks
/// without handing in learns nothing of them.
///
/// # Errors
/// A registration that is handed in already, a partnership that is not open, what has left the programme's lists, or a registration of the partner's own
/// that overlaps.
pub async fn check_submission(change: &Change, row: &Model) -> Result<()> {
    follows(row, RegistrationStatus::Submitted)?;
    let mut violations = Violations::default();
    still_open(change, row, &mut violations).await?;
    let lists = Lists::load(change).await?;
    listed(&mut violations, &lists, &row.products.0, &row.territories.0);
    let others = conflict::of_account(change.transaction(), &row.wanted()).await?;
    if others
        .iter()
        .any(|(other, sure)| *sure && other.partner_id == row.partner_id && other.id != row.id)
    {
        let message = "You have registered this account already.";
        violations.add(ViolationCode::Taken, "account", message);
    }
    violations.finish()
}

/// Hands a registration in, for the first time or with what it was asked for. It is CONFLICTED where something surely stands against it or somebody was
/// before it; what that is the partner is not told.
///
/// # Errors
/// Whatever [`check_submission`] refuses; then nothing is written.
pub async fn submit(change: &mut Change, row: Model) -> Result<Model> {
    claim::take_turn(change, &row).await?;
    check_submission(change, &row).await?;
    // The instant is taken after the turn, not at the change's beginning: who waited longer for it did not come earlier.
    let now = change.database().now();
    let system = Viewer::system("deal_registration");
    let found = conflict::conflicts(
        change.transaction(),
        row.partner_id,
        &row.wanted(),
        Some(row.id),
        now,
    )
    .await?;
    let last: Option<(i64, Option<Timestamp>)> = Entity::visible_to(&system)
        .select_only()
        .column(Column::Turn)
        .column(Column::SubmittedAt)
        .order_by_desc(Column::Turn)
        .limit(1)
        .into_tuple()
        .one(change.transaction())
        .await?;
    let (last_turn, last_at) = last.unwrap_or_default();
    let now = now.max(last_at.unwrap_or_default());
    let keeps = row.turn > 0;
    let (place, submitted_at) = match row.submitted_at {
        Some(at) if keeps => (row.turn, at),
        _ => (last_turn + 1, now),
    };
    // Who kept its place is stood against only by who came before it.
    let against = found.iter().any(|one| {
        one.is_certain
            && match &one.against {
                conflict::Against::Registration { turn, status, .. } => {
                    *turn < place || *status == RegistrationStatus::Approved
                }
                _ => true,
            }
    });
    let status = if against {
        RegistrationStatus::Conflicted
    } else {
        RegistrationStatus::Submitted
    };
    let version = row.version;
    let mut active: ActiveModel = row.into();
    active.version = Set(version + 1);
    active.updated_at = Set(change.now());
    active.status = Set(status);
    active.turn = Set(place);
    active.submitted_at = Set(Some(submitted_at));
    let mut updated = write::update(change, active, version).await?;
    let bytes = receipt_of(&updated)?;
    Entity::update_many()
        .col_expr(Column::Receipt, Expr::value(Some(bytes.clone())))
        .col_expr(Column::ReceiptSignature, Expr::value(None::<Vec<u8>>))
        .filter(Column::Id.eq(updated.id))
        .exec(change.transaction())
        .await?;
    (updated.receipt, updated.receipt_signature) = (Some(bytes), None);
    spell(change, &updated).await?;
    tell(
        change,
        EventKind::RegistrationSubmitted,
        &updated,
        json!({ "submittedAt": submitted_at, "again": keeps }),
    );
    if against {
        tell(
            change,
            EventKind::RegistrationConflicted,
            &updated,
            json!({}),
        );
    }
    Ok(updated)
}

/// Writes the spellings under which the account is found.
async fn spell(change: &Change, row: &Model) -> Result<()> {
    conflict::key::Entity::delete_many()
        .filter(conflict::key::Column::RegistrationId.eq(row.id))
        .exec(change.transaction())
        .await?;
    let account = row.account();
    let mut keys = account.keys();
    keys.push(account.name_key());
    let rows: Vec<_> = keys
        .into_iter()
        .map(|key| conflict::key::Model {
            registration_id: row.id,
            key,
        })
        .collect();
    write::insert::<conflict::key::Entity>(change, &rows).await
}

fn check(violations: &mut Violations, lists: &Lists, draft: &Draft) {
    draft.account.check(violations);
    violations.text("contact.name", &draft.contact_name, 200);
    violations.optional_text("contact.email", draft.contact_email.as_deref(), 320);
    violations.text("useCase", &draft.use_case, 5_000);
    violations.tags("products", &draft.products);
    violations.tags("territories", &draft.territories);
    listed(violations, lists, &draft.products, &draft.territories);
    if draft.value.is_some_and(|value| value.minor <= 0) {
        violations.add(
            ViolationCode::Invalid,
            "value",
            "A value is more than nothing.",
        );
    }
}

/// Notes what is in none of the programmes' lists.
fn listed(violations: &mut Violations, lists: &Lists, products: &[String], territories: &[String]) {
    for (field, word) in lists.unknown(products, territories) {
        let message = format!("The programme has no {word:?}.");
        violations.add(ViolationCode::NotFound, field, message);
    }
}

/// An event about a registration, which its partner sees.
fn tell(change: &mut Change, kind: EventKind, row: &Model, data: serde_json::Value) {
    let event = NewEvent::about(kind, row.id, data);
    change.record(event.for_partner(row.partner_id));
}

fn follows(row: &Model, to: RegistrationStatus) -> Result<()> {
    if row.status.transitions().contains(&to) {
        return Ok(());
    }
    let message = format!("A registration cannot go from {:?} to {to:?}.", row.status);
    Err(Error::invalid(
        ViolationCode::TransitionNotAllowed,
        "status",
        message,
    ))
}

async fn set_status(
    change: &Change,
    row: Model,
    to: RegistrationStatus,
    more: impl FnOnce(&mut ActiveModel),
) -> Result<Model> {
    let version = row.version;
    let mut active: ActiveModel = row.into();
    active.version = Set(version + 1);
    active.updated_at = Set(change.now());
    active.status = Set(to);
    more(&mut active);
    write::update(change, active, version).await
}
