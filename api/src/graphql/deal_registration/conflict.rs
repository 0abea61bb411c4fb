//! What stands against a registration, for who decides.

use super::DealRegistration;
use crate::graphql::agreement::Agreement;
use crate::graphql::context::{RequireScope, request, requires_scope};
use crate::graphql::customer::Customer;
use crate::graphql::deal::Deal;
use crate::graphql::edit;
use crate::graphql::siblings::Member;
use async_graphql::{Context, ID, Object, Result};
use entities::customer;
use entities::deal_registration::Entity;
use entities::deal_registration::conflict::{self, Against, Conflict};
use entities::id::DealRegistrationId;
use entities::viewer::Scope;
use entities::visible;

/// Something that stands against a registration: one of the four rows.
pub struct RegistrationConflict(Conflict);

/// Something that stands against a registration: one of the four rows. What does is seldom more than one or two.
#[Object]
impl RegistrationConflict {
    /// Whether it does so surely, or only by its name or where a business is not known.
    async fn is_certain(&self) -> bool {
        self.0.is_certain
    }
    /// Another partner's registration.
    #[graphql(guard = "RequireScope(Scope::RegistrationsRead)", directive = requires_scope::apply("registrations:read".to_owned()))]
    async fn deal_registration(&self, ctx: &Context<'_>) -> Result<Option<DealRegistration>> {
        match self.0.against {
            Against::Registration { id, .. } => DealRegistration::find(request(ctx)?, id.0).await,
            _ => Ok(None),
        }
    }
    /// A deal under way that is not the partner's.
    #[graphql(guard = "RequireScope(Scope::DealsRead)", directive = requires_scope::apply("deals:read".to_owned()))]
    async fn deal(&self, ctx: &Context<'_>) -> Result<Option<Deal>> {
        match self.0.against {
            Against::OpenDeal(id) => Deal::find(request(ctx)?, id).await,
            _ => Ok(None),
        }
    }
    /// A customer that has bought.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn customer(&self, ctx: &Context<'_>) -> Result<Option<Customer>> {
        let Against::Customer(id) = self.0.against else {
            return Ok(None);
        };
        let request = request(ctx)?;
        let (connection, viewer) = (request.database.read(), &request.viewer);
        let found = visible::find_one::<customer::Entity, _>(connection, viewer, id.0).await?;
        Ok(found.map(Member::single).map(Customer))
    }
    /// Another partner's exclusive agreement.
    #[graphql(guard = "RequireScope(Scope::AgreementsRead)", directive = requires_scope::apply("agreements:read".to_owned()))]
    async fn agreement(&self, ctx: &Context<'_>) -> Result<Option<Agreement>> {
        match self.0.against {
            Against::Exclusive(id) => Agreement::find(request(ctx)?, id.0).await,
            _ => Ok(None),
        }
    }
}

/// The most that is answered.
const MOST: usize = 50;

/// The query about conflicts.
#[derive(Default)]
pub struct RegistrationConflictQuery;

#[Object]
impl RegistrationConflictQuery {
    /// What stands against a registration, 50 at most; null when there is no such registration. For staff.
    #[graphql(guard = "RequireScope(Scope::RegistrationsDecide)", directive = requires_scope::apply("registrations:decide".to_owned()))]
    async fn registration_conflicts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The registration's id.")] id: ID,
    ) -> Result<Option<Vec<RegistrationConflict>>> {
        let request = edit::staff(ctx, Scope::RegistrationsDecide)?;
        let Ok(id) = id.parse::<DealRegistrationId>() else {
            return Ok(None);
        };
        let (connection, viewer) = (request.database.read(), &request.viewer);
        let row = visible::find_one::<Entity, _>(connection, viewer, id.0).await?;
        let Some(row) = row else { return Ok(None) };
        let wanted = row.wanted();
        let found = conflict::conflicts(
            connection,
            row.partner_id,
            &wanted,
            Some(row.id),
            request.database.now(),
        )
        .await?;
        let shown = found.into_iter().take(MOST).map(RegistrationConflict);
        Ok(Some(shown.collect()))
    }
}
