//! Who asks, as the API shows it to the one who asks.

use super::context::request;
use super::partner::Partner;
use async_graphql::{Context, Enum, Object, Result};
use entities::viewer::{Scope, ViewerKind as Kind};

/// What kind of party asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum ViewerKind {
    /// The programme's staff.
    Staff,
    /// A partner's user or software.
    Partner,
    /// Software of the programme owner.
    Integration,
}

/// Who asks.
pub struct Viewer;

/// Who asks.
#[Object]
impl Viewer {
    /// What kind of party.
    async fn kind(&self, ctx: &Context<'_>) -> Result<Option<ViewerKind>> {
        Ok(match request(ctx)?.viewer.kind() {
            Kind::Staff(_) => Some(ViewerKind::Staff),
            Kind::Partner(..) => Some(ViewerKind::Partner),
            Kind::Integration => Some(ViewerKind::Integration),
            Kind::Nobody | Kind::System => None,
        })
    }
    /// The token's subject.
    async fn subject(&self, ctx: &Context<'_>) -> Result<String> {
        Ok(request(ctx)?.viewer.subject().to_owned())
    }
    /// The role: of staff ADMIN, PARTNER_MANAGER, FINANCE, MARKETING, SUPPORT or AUDITOR, of a partner's people and software PARTNER_ADMIN,
    /// PARTNER_MANAGER, PARTNER_REP, PARTNER_FINANCE, PARTNER_VIEWER or PARTNER_SOFTWARE; none for the programme's own software.
    async fn role(&self, ctx: &Context<'_>) -> Result<Option<&'static str>> {
        Ok(match request(ctx)?.viewer.kind() {
            Kind::Staff(role) => Some(role.as_str()),
            Kind::Partner(_, role) => Some(role.as_str()),
            _ => None,
        })
    }
    /// The token's scopes.
    async fn scopes(&self, ctx: &Context<'_>) -> Result<Vec<&'static str>> {
        let viewer = &request(ctx)?.viewer;
        Ok(Scope::ALL
            .iter()
            .copied()
            .filter(|scope| viewer.may(*scope))
            .map(Scope::as_str)
            .collect())
    }
    /// The partner a partner's token is bound to.
    async fn partner(&self, ctx: &Context<'_>) -> Result<Option<Partner>> {
        let request = request(ctx)?;
        match request.viewer.partner() {
            Some(partner) if request.viewer.may(Scope::PartnersRead) => {
                Partner::find(request, partner).await
            }
            _ => Ok(None),
        }
    }
}

/// Queries about the one who asks.
#[derive(Default)]
pub struct ViewerQuery;

#[Object]
impl ViewerQuery {
    /// Who you are to this API.
    async fn viewer(&self) -> Viewer {
        Viewer
    }
}
