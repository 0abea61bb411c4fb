//! Programmes in the API, and which partnerships take part in them.

mod enrollment;
mod filter;
mod mutation;

use super::context::{RequestContext, RequireScope, cost, request, requires_scope};
use super::list::{self, list_type};
use super::page::PageArguments;
use super::references::{self, Children, internal};
use super::scalar::{Currency, DateTime, Money};
use super::siblings::Member;
use super::tier::Tier;
use async_graphql::{Context, ID, Object, Result};
use chrono::NaiveDate;
use entities::calendar::Zone;
use entities::change::Change;
use entities::error::Error;
use entities::id::{PartnershipId, ProgramId};
use entities::money;
use entities::program::{Entity, Model};
use entities::viewer::{Scope, Viewer};
use entities::visible::{self, Visible};
use entities::{program_enrollment, tier};
use uuid::Uuid;

pub use enrollment::ProgramEnrollment;
pub use filter::{ProgramFilter, ProgramOrder, ProgramOrderField};
pub use mutation::ProgramMutation;

/// A partner programme: the settings that every partnership in it goes by.
#[derive(Clone)]
pub struct Program(pub(crate) Member<Model>);

impl Program {
    pub(crate) fn one(row: Model) -> Self {
        Self(Member::single(row))
    }

    pub(crate) async fn find(request: &RequestContext, id: Uuid) -> Result<Option<Self>> {
        Ok(
            visible::find_one::<Entity, _>(request.database.read(), &request.viewer, id)
                .await?
                .map(Self::one),
        )
    }
}

/// A partner programme: the settings that every partnership in it goes by.
#[Object]
impl Program {
    /// The global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// Rises with every change; name it in an update as `expectedVersion`.
    async fn version(&self) -> i64 {
        self.0.row().version
    }
    /// When the row was made here.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.row().created_at)
    }
    /// When it was last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.row().updated_at)
    }
    /// What it is called.
    async fn name(&self) -> &str {
        &self.0.row().name
    }
    /// What it is about.
    async fn description(&self) -> &str {
        &self.0.row().description
    }
    /// The time zone in which its days begin, as the IANA database names it.
    async fn time_zone(&self) -> String {
        self.0.row().zone.to_string()
    }
    /// The currency of its limits.
    async fn currency(&self) -> Currency {
        Currency(self.0.row().currency)
    }
    /// For how many days an approved deal registration protects.
    async fn protection_days(&self) -> i32 {
        self.0.row().protection_days
    }
    /// By how many days an extension lengthens that.
    async fn extension_days(&self) -> i32 {
        self.0.row().extension_days
    }
    /// For how many days an earning waits after its payment, where an agreement says nothing else.
    async fn hold_days(&self) -> i32 {
        self.0.row().hold_days
    }
    /// Payouts above this need two people. Internal: null for partners.
    async fn four_eyes_limit(&self, ctx: &Context<'_>) -> Result<Option<Money>> {
        let row = self.0.row();
        let limit = money::Money {
            minor: row.four_eyes_minor,
            currency: row.currency,
        };
        internal(ctx, Some(limit.into()))
    }
    /// What may be registered; empty means that products are not told apart.
    async fn products(&self) -> &[String] {
        &self.0.row().products.0
    }
    /// Where; empty means that territories are not told apart.
    async fn territories(&self) -> &[String] {
        &self.0.row().territories.0
    }
    /// Whether companies may apply to it, also by its public form.
    async fn accepts_applications(&self) -> bool {
        self.0.row().accepts_applications
    }
    /// When it was put away.
    async fn archived_at(&self) -> Option<DateTime> {
        self.0.row().archived_at.map(DateTime)
    }

    /// Its tiers, the lowest first.
    async fn tiers(&self, ctx: &Context<'_>) -> Result<Vec<Tier>> {
        let how = Children::<tier::Entity, Model> {
            field: "tiers",
            parent: |row| row.id.0,
            column: tier::Column::ProgramId,
            of: |row| Some(row.program_id.0),
            order: tier::Column::Rank,
            id: tier::Column::Id,
        };
        references::children(ctx, &self.0, how, Tier).await
    }
}

list_type!(
    ProgramConnection,
    ProgramEdge,
    Program,
    Entity,
    "programmes"
);

/// The day it is, in the zone of the programme.
pub(crate) fn today(change: &Change, zone: Zone) -> entities::error::Result<NaiveDate> {
    let missing = || Error::Damaged("an instant without a day".to_owned());
    zone.day_of(change.now()).ok_or_else(missing)
}

/// The zone of the programme that a partnership takes part in.
pub(crate) async fn zone_of(
    change: &Change,
    partnership: PartnershipId,
) -> entities::error::Result<Zone> {
    program_enrollment::zone_of(change.transaction(), partnership).await
}

/// The zone of a programme; that of an unknown one is as good as any, for nothing is written for it.
pub(crate) async fn zone(change: &Change, program: ProgramId) -> entities::error::Result<Zone> {
    let system = Viewer::system("program");
    let found = visible::find_one::<Entity, _>(change.transaction(), &system, program.0).await?;
    Ok(found.map_or(Zone::UTC, |program| program.zone))
}

/// Queries about programmes.
#[derive(Default)]
pub struct ProgramQuery;

#[Object]
impl ProgramQuery {
    /// One programme; null when there is none that you may see.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn program(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its id.")] id: ID,
    ) -> Result<Option<Program>> {
        match id.parse() {
            Ok(ProgramId(id)) => Program::find(request(ctx)?, id).await,
            Err(_) => Ok(None),
        }
    }

    /// The programmes; a partner sees those it takes part in.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn programs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which programmes.")] filter: Option<ProgramFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<ProgramOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<ProgramConnection> {
        let request = request(ctx)?;
        let select = filter
            .unwrap_or_default()
            .on(Entity::visible_to(&request.viewer))?;
        let page = PageArguments {
            first,
            after,
            last,
            before,
        };
        Ok(ProgramConnection::new(
            list::whole(request, select, ProgramOrder::ordering(order_by)?, page).await?,
        ))
    }
}
