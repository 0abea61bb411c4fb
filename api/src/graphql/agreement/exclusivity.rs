//! What if we agreed to be exclusive? Whom that would meet.

use super::Agreement;
use super::terms::{Exclusivity, ExclusivityScopeInput};
use crate::graphql::context::{RequireScope, requires_scope};
use crate::graphql::edit::{self, id_input};
use crate::graphql::references::refused;
use crate::graphql::scalar::Date;
use crate::graphql::siblings::{Group, Member};
use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use entities::agreement;
use entities::agreement::exclusivity::{self, Claim};
use entities::error::{Error, ViolationCode};
use entities::viewer::Scope;
use entities::visible;

/// How two claims meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "exclusivity::Meeting")]
pub enum ExclusivityMeeting {
    /// Both exclude each other: they cannot both be in force.
    Conflict,
    /// One excludes the other, which excludes nobody.
    Inside,
}

/// An agreement that a claim would meet.
#[derive(Clone, SimpleObject)]
pub struct ExclusivityOverlap {
    /// How.
    pub meeting: ExclusivityMeeting,
    /// Which.
    pub agreement: Agreement,
}

/// What might be agreed.
#[derive(Debug, InputObject)]
pub struct ExclusivityInput {
    /// How exclusive; EXCLUSIVE when nothing is said.
    pub exclusivity: Option<Exclusivity>,
    /// In what.
    pub scope: ExclusivityScopeInput,
    /// From this day.
    pub from: Date,
    /// To the day before; open when nothing is said.
    pub until: Option<Date>,
    /// For which partnership: its own agreements are in nobody's way.
    pub partnership_id: Option<ID>,
}

/// The query about exclusivity.
#[derive(Default)]
pub struct ExclusivityQuery;

#[Object]
impl ExclusivityQuery {
    /// The agreements, signed or in force, that an exclusive one would meet. For staff.
    #[graphql(guard = "RequireScope(Scope::AgreementsRead)", directive = requires_scope::apply("agreements:read".to_owned()))]
    async fn exclusivity_overlaps(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What might be agreed.")] input: ExclusivityInput,
    ) -> Result<Vec<ExclusivityOverlap>> {
        let request = edit::staff(ctx, Scope::AgreementsRead)?;
        let partnership = input.partnership_id.as_ref();
        let partnership = partnership.map(|id| id_input(id, "partnershipId"));
        let partnership = partnership.transpose().map_err(refused)?;
        if input
            .until
            .as_ref()
            .is_some_and(|until| until.0 <= input.from.0)
        {
            let message = "It ends before it begins.";
            return Err(refused(Error::invalid(
                ViolationCode::Invalid,
                "until",
                message,
            )));
        }
        let claim = Claim {
            exclusivity: input
                .exclusivity
                .map_or(agreement::Exclusivity::Exclusive, Into::into),
            scope: input.scope.read(),
            from: input.from.0,
            until: input.until.map(|until| until.0),
        };
        let (connection, viewer) = (request.database.read(), &request.viewer);
        let found = exclusivity::what_if(connection, viewer, partnership, &claim).await?;
        let ids = found.iter().map(|overlap| overlap.agreement_id.0);
        let rows = visible::find_all::<agreement::Entity, _>(connection, viewer, ids).await?;
        let group = Group::new(rows);
        let overlap = |overlap: exclusivity::Overlap| {
            let rows = group.rows();
            let place = rows.iter().position(|row| row.id == overlap.agreement_id)?;
            Some(ExclusivityOverlap {
                meeting: overlap.meeting.into(),
                agreement: Agreement(Member::of(&group, place)?),
            })
        };
        Ok(found.into_iter().filter_map(overlap).collect())
    }
}
