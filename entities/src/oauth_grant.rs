//! What a person allowed a client, and the family of refresh tokens that follows from it.
//!
//! Each time a person agrees there is one grant, and everything the client gets on that ground carries its id: ending the grant ends all of it, also
//! the tokens that are signed and out in the world. Refuses nothing by itself; who may agree to what is the authorization server's to say.
//!
//! A grant that was not ended is also the memory of a consent: the same person need not be asked again for the same client and no more than the
//! same scopes.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::error::Result;
use crate::event::{EventKind, NewEvent};
use crate::id::{OAuthClientId, OAuthGrantId, UserId};
use crate::viewer::{Scopes, Viewer};
use crate::visible::{self, Own, Visible};
use crate::{oauth_client, token_revocation, user};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::{Condition, Query};
use sea_orm::{IntoActiveModel as _, QueryOrder as _, QuerySelect as _};
use serde_json::json;

/// A grant.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "oauth_grant")]
#[expect(missing_docs, reason = "each field is named by the module")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OAuthGrantId,
    pub client_id: OAuthClientId,
    pub user_id: UserId,
    /// What was allowed at most; see [`Model::scopes`].
    pub scope: String,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// In one of our own words.
    pub revoked_because: Option<String>,
}

/// Relations are walked by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    /// What the partner's own people allowed.
    fn visible_to_partner(own: Own) -> Condition {
        let people = Query::select()
            .column(user::Column::Id)
            .from(user::Entity)
            .and_where(own.holds((user::Entity, user::Column::PartnerId)))
            .to_owned();
        Condition::all().add(Column::UserId.in_subquery(people))
    }
}

impl Model {
    /// What was allowed at most.
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        Scopes::from_claim(&self.scope)
    }

    /// Whether it has not been ended.
    #[must_use]
    pub const fn is_live(&self) -> bool {
        self.revoked_at.is_none()
    }
}

fn all() -> Select<Entity> {
    Entity::visible_to(&Viewer::system("oauth_grant"))
}

/// Notes that a person allows a client these scopes.
///
/// # Errors
/// When the database fails.
pub async fn create(
    change: &mut Change,
    client: &oauth_client::Model,
    user: UserId,
    scopes: Scopes,
) -> Result<Model> {
    let row = Model {
        id: change.new_id(),
        client_id: client.id,
        user_id: user,
        scope: scopes.to_claim(),
        created_at: change.now(),
        last_used_at: None,
        revoked_at: None,
        revoked_because: None,
    };
    Entity::insert(row.clone().into_active_model())
        .exec_without_returning(change.transaction())
        .await?;
    let data = json!({ "client": client.id, "user": user, "scope": row.scope });
    change.record(NewEvent::about(EventKind::OAuthGrantCreated, row.id, data).internal());
    Ok(row)
}

/// Notes that a person did not, or could not, allow a client these scopes.
pub fn refused(
    change: &mut Change,
    client: &oauth_client::Model,
    user: UserId,
    scopes: Scopes,
    because: &'static str,
) {
    let data = json!({ "user": user, "scope": scopes.to_claim(), "because": because });
    change.record(oauth_client::about(
        EventKind::OAuthGrantRefused,
        client,
        data,
    ));
}

/// Notes that a client got tokens by a grant.
///
/// # Errors
/// When the database fails.
pub async fn used(change: &Change, id: OAuthGrantId) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::LastUsedAt, Expr::value(change.now()))
        .filter(Column::Id.eq(id))
        .exec(change.transaction())
        .await?;
    Ok(())
}

/// Ends a grant and everything that followed from it. The answer is false when it had ended already; then nothing is written.
///
/// # Errors
/// When the database fails.
pub async fn revoke(change: &mut Change, row: &Model, because: &'static str) -> Result<bool> {
    end(change, row, because, EventKind::OAuthGrantRevoked).await
}

/// Ends a grant because something of it that is good once was presented twice: somebody else may have it. The answer is false when it had ended
/// already.
///
/// # Errors
/// When the database fails.
pub async fn revoke_reused(change: &mut Change, row: &Model, what: &'static str) -> Result<bool> {
    end(change, row, what, EventKind::OAuthGrantReused).await
}

async fn end(
    change: &mut Change,
    row: &Model,
    because: &'static str,
    kind: EventKind,
) -> Result<bool> {
    let done = Entity::update_many()
        .col_expr(Column::RevokedAt, Expr::value(change.now()))
        .col_expr(Column::RevokedBecause, Expr::value(because))
        .filter(Column::Id.eq(row.id))
        .filter(Column::RevokedAt.is_null())
        .exec(change.transaction())
        .await?;
    if done.rows_affected != 1 {
        return Ok(false);
    }
    token_revocation::revoke_grant(change, row.id).await?;
    let data = json!({ "client": row.client_id, "user": row.user_id, "because": because });
    change.record(NewEvent::about(kind, row.id, data).internal());
    Ok(true)
}

/// Ends what a person allowed, all of it or what one client was allowed, and says how many grants that were.
///
/// # Errors
/// When the database fails.
pub async fn revoke_of(
    change: &mut Change,
    user: UserId,
    client: Option<OAuthClientId>,
    because: &'static str,
) -> Result<u64> {
    let mut select = all()
        .filter(Column::UserId.eq(user))
        .filter(Column::RevokedAt.is_null())
        .order_by_asc(Column::Id);
    if let Some(client) = client {
        select = select.filter(Column::ClientId.eq(client));
    }
    let mut ended = 0;
    for row in select.all(change.transaction()).await? {
        ended += u64::from(revoke(change, &row, because).await?);
    }
    Ok(ended)
}

/// Finds a grant.
///
/// # Errors
/// When the database fails.
pub async fn find(connection: &impl ConnectionTrait, id: OAuthGrantId) -> Result<Option<Model>> {
    visible::find_one::<Entity, _>(connection, &Viewer::system("oauth_grant"), id.0).await
}

/// What a person allows now, for each client once, the one they last agreed to first: since when, last used when, and all that was allowed at any
/// time. The row's id is that of the newest grant; [`revoke_of`] ends them all.
///
/// # Errors
/// When the database fails.
pub async fn list_live(connection: &impl ConnectionTrait, user: UserId) -> Result<Vec<Model>> {
    let select = all()
        .filter(Column::UserId.eq(user))
        .filter(Column::RevokedAt.is_null())
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .limit(1_000);
    let mut clients: Vec<Model> = Vec::new();
    for row in select.all(connection).await? {
        let known = clients
            .iter_mut()
            .find(|known| known.client_id == row.client_id);
        match known {
            None => clients.push(row),
            Some(known) => {
                let all = format!("{} {}", known.scope, row.scope);
                known.scope = Scopes::from_claim(&all).to_claim();
                known.created_at = row.created_at;
                known.last_used_at = known.last_used_at.max(row.last_used_at);
            }
        }
    }
    Ok(clients)
}

/// Whether a person has allowed a client all of these scopes before, at once.
///
/// # Errors
/// When the database fails.
pub async fn covers(
    connection: &impl ConnectionTrait,
    user: UserId,
    client: OAuthClientId,
    scopes: Scopes,
) -> Result<bool> {
    let select = all()
        .filter(Column::UserId.eq(user))
        .filter(Column::ClientId.eq(client))
        .filter(Column::RevokedAt.is_null())
        .order_by_desc(Column::CreatedAt)
        .limit(20);
    let rows = select.all(connection).await?;
    Ok(rows.iter().any(|row| scopes.within(row.scopes()) == scopes))
}
