//! Shares in deals in the API.

use super::context::{RequestContext, RequireScope, request, requires_scope};
use super::edit::id_input;
use super::partner::Partner;
use super::partnership::Partnership;
use super::siblings::{self, Group, Member, Targets};
use async_graphql::{Context, Enum, ID, InputObject, Object, Result};
use entities::deal_partner::{self, Column, Entity, Model, Share};
use entities::error::{Error, ViolationCode};
use entities::id::DealId;
use entities::money::BasisPoints;
use entities::viewer::Scope;
use entities::visible::Visible;
use entities::{partner, partnership};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, FromQueryResult, IdenStatic, Iterable, QueryFilter, QueryOrder, QueryTrait};
use std::sync::Arc;

/// What a partner did for a deal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "deal_partner::DealPartnerRole")]
pub enum DealPartnerRole {
    /// Brought the deal.
    Sourced,
    /// Helped it along; never earns.
    Influenced,
    /// Sold it in its own name.
    Resold,
    /// Sold it together with us.
    CoSold,
    /// Put it into operation.
    Implemented,
    /// Referred the customer.
    Referred,
}

/// A partner's share in a deal.
#[derive(Clone)]
pub struct DealPartner(pub(crate) Member<Model>);

/// A partner's share in a deal.
#[Object]
impl DealPartner {
    /// The global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// What the partner did.
    async fn role(&self) -> DealPartnerRole {
        self.0.row().role.into()
    }
    /// Its weight in basis points: 10,000 is the whole deal.
    async fn weight_bp(&self) -> i32 {
        self.0.row().weight_bp.points()
    }

    /// Who.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn partner(&self, ctx: &Context<'_>) -> Result<Option<Partner>> {
        let request = request(ctx)?;
        let (target, reference) = (self.0.row().partner_id.0, |share: &Model| Some(share.partner_id.0));
        Ok(siblings::follow::<partner::Entity, _>(request, self.0.group(), "partner", target, reference, |row| row.id.0).await?.map(Partner))
    }

    /// Through which partnership.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn partnership(&self, ctx: &Context<'_>) -> Result<Option<Partnership>> {
        let request = request(ctx)?;
        let (target, reference) = (self.0.row().partnership_id.0, |share: &Model| Some(share.partnership_id.0));
        Ok(siblings::follow::<partnership::Entity, _>(request, self.0.group(), "partnership", target, reference, |row| row.id.0).await?.map(Partnership))
    }
}

/// Reads the shares in these deals that the viewer may see and, in the same statement, the partners they belong to.
pub(crate) async fn read(request: &RequestContext, deals: impl Iterator<Item = DealId>, with_partner: bool) -> Result<Arc<Group<Model>>> {
    let mut select = Entity::visible_to(&request.viewer)
        .filter(Column::DealId.is_in(deals))
        .order_by_asc(Column::DealId)
        .order_by_asc(Column::Id);
    if !with_partner {
        return Ok(Group::new(select.all(request.database.read()).await?));
    }
    let joined = Expr::col((partner::Entity, partner::Column::Id)).equals((Entity, Column::PartnerId));
    let visible = Condition::all().add(joined).add_option(partner::Entity::visibility(&request.viewer));
    let statement = QueryTrait::query(&mut select);
    statement.left_join(partner::Entity, visible);
    for column in partner::Column::iter() {
        statement.expr_as(Expr::col((partner::Entity, column)), format!("{PARTNER}{}", column.as_str()));
    }
    let (mut shares, mut partners) = (Vec::new(), Vec::new());
    for row in request.database.read().query_all(statement).await? {
        shares.push(Model::from_query_result(&row, "")?);
        partners.extend(partner::Model::from_query_result_optional(&row, PARTNER)?);
    }
    let group = Group::new(shares);
    group.put("partner".to_owned(), Targets::new(partners, |row: &partner::Model| row.id.0));
    Ok(group)
}

/// What the partner's columns begin with in the joined statement.
const PARTNER: &str = "partner_";

/// A share in a deal.
#[derive(Debug, InputObject)]
pub struct AttributionInput {
    /// Through which partnership.
    pub partnership_id: ID,
    /// What the partner does.
    pub role: DealPartnerRole,
    /// Its weight in basis points, 0 to 10,000.
    pub weight_bp: i32,
}

impl AttributionInput {
    /// The inputs as shares.
    ///
    /// # Errors
    /// An id that is no partnership's, or a weight outside its range.
    pub(crate) fn shares(inputs: &[Self]) -> entities::error::Result<Vec<Share>> {
        let share = |input: &Self| {
            let weight = BasisPoints::new(input.weight_bp)
                .ok_or_else(|| Error::invalid(ViolationCode::Invalid, "partners.weightBp", "Between 0 and 10,000 basis points."))?;
            Ok(Share { partnership_id: id_input(&input.partnership_id, "partners.partnershipId")?, role: input.role.into(), weight_bp: weight })
        };
        inputs.iter().map(share).collect()
    }
}
