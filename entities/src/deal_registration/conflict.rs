//! What stands against a claim: other registrations, open deals, customers, exclusive agreements.
//!
//! Staff sees what and whose. A partner is told AVAILABLE, CLAIMED until a day, CUSTOMER or EXCLUDED, and nothing else (domain, invariant 9): never who,
//! whom or how much. Every question is kept, and there is a bound on how many a partner may ask in an hour.

use super::account::{Account, bare_name};
use super::{Column, Entity, Model, RegistrationStatus};
use crate::agreement::exclusivity::{self, Claim, meeting, shares};
use crate::agreement::{self, Exclusivity, Scope};
use crate::change::Change;
use crate::clock::Timestamp;
use crate::customer;
use crate::deal::{self, DealStage};
use crate::domain_name::DomainName;
use crate::error::{Error, Result, ViolationCode, Violations};
use crate::id::{AccountCheckId, AgreementId, CustomerId, DealId, DealRegistrationId, PartnerId};
use crate::text_enum::text_enum;
use crate::viewer::Viewer;
use crate::visible::{self, Own, Visible, nothing};
use crate::{deal_partner, partner};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use sea_orm::{QueryOrder as _, QuerySelect as _};
use std::collections::BTreeSet;

/// The spellings under which a registration's account is found.
pub mod key {
    use super::*;

    /// A spelling.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "registration_key")]
    #[expect(missing_docs, reason = "named by the module")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub registration_id: DealRegistrationId,
        #[sea_orm(primary_key, auto_increment = false)]
        pub key: String,
    }

    /// Relations are walked by id.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}

    impl Visible for Entity {
        fn visible_to_partner(_: Own) -> Condition {
            nothing()
        }
    }
}

/// What a partner asked about an account.
pub mod check {
    use super::*;

    /// A question and its answer.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "account_check")]
    #[expect(missing_docs, reason = "named by the module")]
    pub struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: AccountCheckId,
        pub created_at: Timestamp,
        pub partner_id: PartnerId,
        pub actor: String,
        pub account_key: String,
        pub answer: AccountAnswer,
    }

    /// Relations are walked by id.
    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}

    impl Visible for Entity {
        fn visible_to_partner(_: Own) -> Condition {
            nothing()
        }
    }
}

text_enum! {
    /// What a partner is told of an account.
    AccountAnswer {
        /// Nothing stands against a registration.
        Available,
        /// Somebody works on it.
        Claimed,
        /// It buys from us.
        Customer,
        /// An agreement keeps it for somebody.
        Excluded,
    }
}

/// What stands against a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Against {
    /// Another partner's registration.
    Registration {
        /// Which.
        id: DealRegistrationId,
        /// Whose.
        partner_id: PartnerId,
        /// How far it is.
        status: RegistrationStatus,
        /// Which of two was first.
        turn: i64,
        /// How long it is protected.
        protected_until: Option<Timestamp>,
    },
    /// A deal under way that is not the partner's.
    OpenDeal(DealId),
    /// A customer that has bought.
    Customer(CustomerId),
    /// Another partner's exclusive agreement.
    Exclusive(AgreementId),
}

/// Something that stands against a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// What.
    pub against: Against,
    /// Whether it does so surely, or only by its name or where a business is not known.
    pub is_certain: bool,
}

/// What is claimed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The account.
    pub account: Account,
    /// Which products; empty for all.
    pub products: Vec<String>,
    /// Where; empty for everywhere.
    pub territories: Vec<String>,
}

/// Everything that stands against a partner's claim at an instant. For staff and for deciding; not for the partner.
///
/// # Errors
/// When the database fails.
pub async fn conflicts(
    connection: &impl ConnectionTrait,
    partner_id: PartnerId,
    wanted: &Wanted,
    except: Option<DealRegistrationId>,
    now: Timestamp,
) -> Result<Vec<Conflict>> {
    let mut found = registrations(connection, partner_id, wanted, except).await?;
    found.extend(deals(connection, partner_id, wanted).await?);
    found.extend(exclusive(connection, partner_id, wanted, now).await?);
    Ok(found)
}

/// The registrations that are still being decided or are approved, and share a spelling with an account; of everybody. One whose claim was changed and not
/// handed in again has no place yet and stands against nobody (domain, 8).
pub(super) async fn of_account(
    connection: &impl ConnectionTrait,
    wanted: &Wanted,
) -> Result<Vec<(Model, bool)>> {
    let system = Viewer::system("deal_registration");
    let mut keys = wanted.account.keys();
    keys.push(wanted.account.name_key());
    let spelled = key::Entity::visible_to(&system)
        .filter(key::Column::Key.is_in(keys.iter().map(String::as_str)))
        .all(connection)
        .await?;
    let ids: BTreeSet<Uuid> = spelled.iter().map(|row| row.registration_id.0).collect();
    let rows = visible::find_all::<Entity, _>(connection, &system, ids).await?;
    let hard = wanted.account.keys();
    Ok(rows
        .into_iter()
        .filter(|row| row.status.is_live() && row.turn > 0)
        .filter(|row| {
            shares(&row.products.0, &wanted.products)
                && shares(&row.territories.0, &wanted.territories)
        })
        .map(|row| {
            let sure = row.account().keys().iter().any(|key| hard.contains(key));
            (row, sure)
        })
        .collect())
}

async fn registrations(
    connection: &impl ConnectionTrait,
    partner_id: PartnerId,
    wanted: &Wanted,
    except: Option<DealRegistrationId>,
) -> Result<Vec<Conflict>> {
    let mut rows = of_account(connection, wanted).await?;
    rows.retain(|(row, _)| Some(row.id) != except && row.partner_id != partner_id);
    rows.sort_unstable_by_key(|(row, _)| (row.turn, row.id));
    let conflict = |(row, is_certain): (Model, bool)| Conflict {
        against: Against::Registration {
            id: row.id,
            partner_id: row.partner_id,
            status: row.status,
            turn: row.turn,
            protected_until: row.protected_until,
        },
        is_certain,
    };
    Ok(rows.into_iter().map(conflict).collect())
}

/// The customers that are the account: by domain, or by name and country; and those of the same name whose country is not known.
async fn customers(
    connection: &impl ConnectionTrait,
    account: &Account,
) -> Result<Vec<(CustomerId, bool)>> {
    let bare = bare_name(&account.name);
    let mut either = Condition::any();
    if let Some(domain) = &account.domain {
        either = either.add(customer::Column::Domain.eq(domain.as_str()));
    }
    if !bare.is_empty() {
        either = either.add(customer::Column::NameKey.eq(bare));
    }
    if either.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(CustomerId, String, Option<DomainName>, Option<String>)> =
        customer::Entity::visible_to(&Viewer::system("deal_registration"))
            .filter(customer::Column::ArchivedAt.is_null())
            .filter(either)
            .select_only()
            .column(customer::Column::Id)
            .column(customer::Column::Name)
            .column(customer::Column::Domain)
            .column(customer::Column::Country)
            .order_by_asc(customer::Column::Id)
            .into_tuple()
            .all(connection)
            .await?;
    let mut found = Vec::new();
    for (id, name, domain, country) in rows {
        let other = Account {
            name,
            domain,
            country,
            duns: None,
        };
        if other.keys().iter().any(|key| account.keys().contains(key)) {
            found.push((id, true));
        } else if other.name_key() == account.name_key() {
            found.push((id, false));
        }
    }
    Ok(found)
}

async fn deals(
    connection: &impl ConnectionTrait,
    partner_id: PartnerId,
    wanted: &Wanted,
) -> Result<Vec<Conflict>> {
    let system = Viewer::system("deal_registration");
    let mut found = Vec::new();
    let customers = customers(connection, &wanted.account).await?;
    let mut known: BTreeSet<CustomerId> = BTreeSet::new();
    for chunk in customers.chunks(500) {
        let rows = deal::Entity::visible_to(&system)
            .filter(deal::Column::CustomerId.is_in(chunk.iter().map(|(id, _)| *id)))
            .filter(deal::Column::Stage.ne(DealStage::Lost))
            .filter(deal::Column::ArchivedAt.is_null())
            .order_by_asc(deal::Column::Id)
            .all(connection)
            .await?;
        let own = deal_partner::Entity::visible_to(&system)
            .filter(deal_partner::Column::PartnerId.eq(partner_id))
            .filter(deal_partner::Column::DealId.is_in(rows.iter().map(|row| row.id)))
            .all(connection)
            .await?;
        let spoken_for = spoken_for(connection, &rows).await?;
        for row in rows {
            let Some(customer) = row.customer_id else {
                continue;
            };
            let is_certain = chunk.iter().any(|(id, sure)| *id == customer && *sure);
            if row.stage.is_won() {
                if known.insert(customer) {
                    found.push(Conflict {
                        against: Against::Customer(customer),
                        is_certain,
                    });
                }
            } else if !spoken_for.contains(&row.id)
                && own.iter().all(|share| share.deal_id != row.id)
                && shares(&row.products.0, &wanted.products)
            {
                found.push(Conflict {
                    against: Against::OpenDeal(row.id),
                    is_certain,
                });
            }
        }
    }
    Ok(found)
}

/// The deals for which their registration speaks: what was made with an approval stands against others as long as the registration does, and by itself
/// once it has gone on or was converted.
async fn spoken_for(
    connection: &impl ConnectionTrait,
    deals: &[deal::Model],
) -> Result<BTreeSet<DealId>> {
    let begun = |row: &&deal::Model| row.stage == DealStage::Prospect;
    let begun: BTreeSet<DealId> = deals.iter().filter(begun).map(|row| row.id).collect();
    let rows = Entity::visible_to(&Viewer::system("deal_registration"))
        .filter(Column::DealId.is_in(deals.iter().map(|row| row.id)))
        .filter(Column::Status.is_in([
            RegistrationStatus::Approved,
            RegistrationStatus::Expired,
            RegistrationStatus::Withdrawn,
        ]))
        .all(connection)
        .await?;
    let speaks = |row: &Model| {
        let deal = row.deal_id?;
        (row.status == RegistrationStatus::Approved || begun.contains(&deal)).then_some(deal)
    };
    Ok(rows.iter().filter_map(speaks).collect())
}

/// The exclusive agreements, in force or to come, that keep an account for somebody else.
async fn exclusive(
    connection: &impl ConnectionTrait,
    partner_id: PartnerId,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<Vec<Conflict>> {
    let system = Viewer::system("deal_registration");
    let others = Condition::all().add(agreement::Column::PartnerId.ne(partner_id));
    let mut found = Vec::new();
    for (row, claims) in exclusivity::claims(connection, &system, others).await? {
        let today = row.zone.day_of(now);
        let claim = Claim {
            exclusivity: Exclusivity::NonExclusive,
            scope: Scope {
                territories: wanted.territories.clone(),
                verticals: Vec::new(),
                products: wanted.products.clone(),
            },
            from: today.ok_or_else(|| Error::Damaged("an instant without a day".to_owned()))?,
            until: None,
        };
        let mut met = claims
            .iter()
            .filter(|own| meeting(&claim, own).is_some())
            .peekable();
        if met.peek().is_some() {
            found.push(Conflict {
                against: Against::Exclusive(row.id),
                // In which business the account is, nobody has said.
                is_certain: met.any(|own| {
                    own.exclusivity == Exclusivity::ExclusiveTerritory
                        || own.scope.verticals.is_empty()
                }),
            });
        }
    }
    Ok(found)
}

/// What a partner is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// The answer.
    pub answer: AccountAnswer,
    /// Of CLAIMED, until when, where that is known.
    pub until: Option<Timestamp>,
}

/// Answers a partner's question whether an account is free, and keeps the question. At most `hourly` questions of a partner are answered in an hour.
///
/// # Errors
/// An account that cannot be, or too many questions; then nothing is kept.
pub async fn check_account(
    change: &mut Change,
    partner_id: PartnerId,
    wanted: &Wanted,
    hourly: u64,
) -> Result<Told> {
    let system = Viewer::system("deal_registration");
    let mut violations = Violations::default();
    wanted.account.check(&mut violations);
    violations.finish()?;
    // The partner's row is the turn, so that many questions at once are counted like one after the other.
    if visible::lock_all::<partner::Entity>(change, &system, [partner_id.0])
        .await?
        .is_empty()
    {
        return Err(Error::not_found("partnerId"));
    }
    let asked = check::Entity::visible_to(&system)
        .filter(check::Column::PartnerId.eq(partner_id))
        .filter(check::Column::CreatedAt.gt(change.now().plus_millis(-3_600_000)))
        .count(change.transaction())
        .await?;
    if asked >= hourly {
        let message = format!("At most {hourly} accounts an hour.");
        return Err(Error::invalid(ViolationCode::Locked, "account", message));
    }
    let now = change.now();
    let found = conflicts(change.transaction(), partner_id, wanted, None, now).await?;
    // Who came after the partner's own registration does not stand against it.
    let live = of_account(change.transaction(), wanted).await?;
    let own = live
        .iter()
        .filter(|(row, sure)| *sure && row.partner_id == partner_id);
    let first = own.map(|(row, _)| row.turn).min().unwrap_or(i64::MAX);
    let stands = |one: &&Conflict| match &one.against {
        Against::Registration { turn, status, .. } => {
            *turn < first || *status == RegistrationStatus::Approved
        }
        _ => true,
    };
    let certain = found.iter().filter(|one| one.is_certain).filter(stands);
    let mut told = Told {
        answer: AccountAnswer::Available,
        until: None,
    };
    for conflict in certain {
        let (answer, until) = match &conflict.against {
            Against::Exclusive(_) => (AccountAnswer::Excluded, None),
            Against::Customer(_) => (AccountAnswer::Customer, None),
            Against::Registration {
                protected_until, ..
            } => (AccountAnswer::Claimed, *protected_until),
            Against::OpenDeal(_) => (AccountAnswer::Claimed, None),
        };
        if answer > told.answer {
            told = Told { answer, until };
        } else if answer == told.answer {
            told.until = std::cmp::max(told.until, until);
        }
    }
    let keys = wanted.account.keys();
    let row = check::Model {
        id: change.new_id(),
        created_at: change.now(),
        partner_id,
        actor: change.author().actor.clone(),
        account_key: keys.first().cloned().unwrap_or_default(),
        answer: told.answer,
    };
    crate::write::insert::<check::Entity>(change, &[row]).await?;
    Ok(told)
}

/// The registrations that wait for a decision or are approved, oldest first, for a list to decide from.
///
/// # Errors
/// When the database fails.
pub async fn list_live(
    connection: &impl ConnectionTrait,
    viewer: &Viewer,
    limit: u64,
) -> Result<Vec<Model>> {
    let select = Entity::visible_to(viewer)
        .filter(Column::Status.is_in(RegistrationStatus::LIVE))
        .order_by_asc(Column::Turn)
        .order_by_asc(Column::Id)
        .limit(limit);
    Ok(select.all(connection).await?)
}
