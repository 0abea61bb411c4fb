//! `node` and `nodes`: any row by its global id. Unknown, malformed and not yours answer alike: null.

use super::connection::Connection;
use super::contact::Contact;
use super::context::{RequestContext, request};
use super::customer::Customer;
use super::deal::Deal;
use super::error::ErrorCode;
use super::partner::Partner;
use super::partnership::Partnership;
use super::sync_run::SyncRun;
use async_graphql::{Context, ID, Interface, Object, Result};
use entities::id::{self, ConnectionId, ContactId, CustomerId, DealId, PartnerId, PartnershipId, SyncRunId, TypedId};
use entities::viewer::Scope;

/// Anything with a global id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "The global id."))]
pub enum Node {
    /// A partner.
    Partner(Partner),
    /// A partnership.
    Partnership(Partnership),
    /// A contact.
    Contact(Contact),
    /// A customer.
    Customer(Customer),
    /// A deal.
    Deal(Deal),
    /// A connection.
    Connection(Connection),
    /// A synchronisation run.
    SyncRun(SyncRun),
}

/// The most ids of one `nodes`.
const MAX_IDS: usize = 100;

async fn find(request: &RequestContext, id: &ID) -> Result<Option<Node>> {
    let Ok((prefix, uuid)) = id::parse_any(id) else { return Ok(None) };
    // A row of a kind the token may not read is as invisible as one that does not exist.
    let may = |scope| request.viewer.may(scope);
    Ok(match prefix.as_str() {
        PartnerId::PREFIX if may(Scope::PartnersRead) => Partner::find(request, PartnerId(uuid)).await?.map(Node::from),
        PartnershipId::PREFIX if may(Scope::PartnersRead) => Partnership::find(request, PartnershipId(uuid)).await?.map(Node::from),
        ContactId::PREFIX if may(Scope::PartnersRead) => Contact::find(request, ContactId(uuid)).await?.map(Node::from),
        CustomerId::PREFIX if may(Scope::PartnersRead) => Customer::find(request, CustomerId(uuid)).await?.map(Node::from),
        DealId::PREFIX if may(Scope::DealsRead) => Deal::find(request, DealId(uuid)).await?.map(Node::from),
        ConnectionId::PREFIX if may(Scope::IntegrationsRead) => Connection::find(request, ConnectionId(uuid)).await?.map(Node::from),
        SyncRunId::PREFIX if may(Scope::IntegrationsRead) => SyncRun::find(request, SyncRunId(uuid)).await?.map(Node::from),
        _ => None,
    })
}

/// Queries by global id.
#[derive(Default)]
pub struct NodeQuery;

#[Object]
impl NodeQuery {
    /// The row with this id; null when there is none that you may see.
    async fn node(&self, ctx: &Context<'_>, #[graphql(desc = "The global id.")] id: ID) -> Result<Option<Node>> {
        find(request(ctx)?, &id).await
    }

    /// The rows with these ids, in the same order; null for each that is none that you may see.
    async fn nodes(&self, ctx: &Context<'_>, #[graphql(desc = "The global ids, at most 100.")] ids: Vec<ID>) -> Result<Vec<Option<Node>>> {
        if ids.len() > MAX_IDS {
            return Err(ErrorCode::BadUserInput.error(format!("At most {MAX_IDS} ids.")));
        }
        let request = request(ctx)?;
        futures::future::try_join_all(ids.iter().map(|id| find(request, id))).await
    }
}
