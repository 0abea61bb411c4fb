//! Shares in deals in the API.

use super::context::{RequestContext, RequireScope, request, requires_scope};
use super::edit::id_input;
use super::page;
use super::partner::Partner;
use super::partnership::Partnership;
use super::rows::{One, Plain, Row};
use super::siblings::{self, Group, Member, Targets};
use async_graphql::resolver_utils::enum_value;
use async_graphql::{Context, Enum, ID, InputObject, Object, Result, Value};
use entities::deal_partner::{self, Column, Entity, Model, Share};
use entities::error::{Error, ViolationCode};
use entities::id::{DealId, PartnerId};
use entities::money::BasisPoints;
use entities::positional::{Columns, Positional};
use entities::viewer::Scope;
use entities::visible::Visible;
use entities::{partner, partnership};
use sea_orm::sea_query::extension::postgres::PgFunc;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{Condition, ConnectionTrait, IdenStatic, QueryFilter, QueryOrder, QueryTrait};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
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
    async fn partner(&self, ctx: &Context<'_>) -> Result<Option<One<Partner>>> {
        let request = request(ctx)?;
        let (target, reference) = (self.0.row().partner_id.0, |share: &Model| {
            Some(share.partner_id.0)
        });
        // In a box, or the future of every other field of the share would be as large.
        let found = Box::pin(siblings::follow::<partner::Entity, _>(
            request,
            self.0.group(),
            "partner",
            target,
            reference,
            |row| row.id.0,
        ))
        .await?;
        Ok(found.map(|partner| One(Partner(partner))))
    }

    /// Through which partnership.
    #[graphql(guard = "RequireScope(Scope::PartnersRead)", directive = requires_scope::apply("partners:read".to_owned()))]
    async fn partnership(&self, ctx: &Context<'_>) -> Result<Option<Partnership>> {
        let request = request(ctx)?;
        let (target, reference) = (self.0.row().partnership_id.0, |share: &Model| {
            Some(share.partnership_id.0)
        });
        let found = Box::pin(siblings::follow::<partnership::Entity, _>(
            request,
            self.0.group(),
            "partnership",
            target,
            reference,
            |row| row.id.0,
        ))
        .await?;
        Ok(found.map(Partnership))
    }
}

impl Row for DealPartner {
    fn plain(field: &str) -> Option<Plain<Self>> {
        Some(Plain::Leaf(match field {
            "id" => |share| Value::String(share.0.row().id.to_string()),
            "role" => |share| enum_value(DealPartnerRole::from(share.0.row().role)),
            "weightBp" => |share| share.0.row().weight_bp.points().into(),
            _ => return None,
        }))
    }
}

/// Reads the shares in these deals that the viewer may see and, in the same statement, the partners they belong to.
pub(crate) async fn read(
    request: &RequestContext,
    deals: impl Iterator<Item = DealId>,
    with_partner: Option<Columns>,
) -> Result<Arc<Group<Model>>> {
    let connection = request.database.read();
    let deal = Expr::col((Entity, Column::DealId));
    let among = if request.database.is_postgres() {
        // One array, so that every number of deals is the same prepared statement.
        deal.eq(PgFunc::any(deals.map(|id| id.0).collect::<Vec<_>>()))
    } else {
        deal.is_in(deals)
    };
    let mut select = Entity::visible_to(&request.viewer)
        .filter(among)
        .order_by_asc(Column::DealId)
        .order_by_asc(Column::Id);
    let statement = QueryTrait::query(&mut select);
    if let Some(columns) = with_partner {
        let joined =
            Expr::col((partner::Entity, partner::Column::Id)).equals((Entity, Column::PartnerId));
        statement.left_join(
            partner::Entity,
            Condition::all()
                .add(joined)
                .add_option(partner::Entity::visibility(&request.viewer)),
        );
        for column in page::chosen::<partner::Entity>(columns) {
            // Read by place; the names only keep those of the two tables apart.
            statement.expr_as(
                Expr::col((partner::Entity, column)),
                format!("partner_{}", column.as_str()),
            );
        }
    }
    let (mut shares, mut partners) = (Vec::new(), HashMap::new());
    let first = Model::COLUMNS.len();
    for row in connection.query_all(statement).await? {
        shares.push(Model::read_at(&row, 0, Columns::all::<Model>())?);
        // The id stands first. The same partner comes with each of its shares and is read once.
        if let Some(columns) = with_partner
            && let Some(id) = row.try_get_by_index::<Option<PartnerId>>(first)?
            && let Entry::Vacant(place) = partners.entry(id)
        {
            place.insert(partner::Model::read_at(&row, first, columns)?);
        }
    }
    let group = Group::new(shares);
    if with_partner.is_some() {
        group.put(
            "partner".to_owned(),
            Targets::new(partners.into_values().collect(), |row: &partner::Model| {
                row.id.0
            }),
        );
    }
    Ok(group)
}

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
            let weight = BasisPoints::new(input.weight_bp).ok_or_else(|| {
                Error::invalid(
                    ViolationCode::Invalid,
                    "partners.weightBp",
                    "Between 0 and 10,000 basis points.",
                )
            })?;
            Ok(Share {
                partnership_id: id_input(&input.partnership_id, "partners.partnershipId")?,
                role: input.role.into(),
                weight_bp: weight,
            })
        };
        inputs.iter().map(share).collect()
    }
}
