//! The places messages can be posted to, in the API: asked of the vendor at that moment, because people make channels and invite apps at any time.

use super::context::{RequireScope, requires_scope, state};
use super::edit::staff;
use super::error::ErrorCode;
use async_graphql::{Context, ID, Object, Result, SimpleObject};
use entities::connection;
use entities::id::ConnectionId;
use entities::viewer::Scope;
use entities::visible;
use integrations::connector::{Channel, ConnectorError};
use integrations::http::Work;
use integrations::sync::{Engine, SyncError};

/// A place messages can be posted to.
#[derive(SimpleObject)]
pub struct ChatChannel {
    /// The vendor's id of it; a mapping names it.
    pub id: ID,
    /// Its name, as people see it.
    pub name: String,
    /// Whether our app is a member. Where it is not, posting may be refused.
    pub is_member: bool,
}

impl From<Channel> for ChatChannel {
    fn from(channel: Channel) -> Self {
        Self {
            id: channel.external_id.into(),
            name: channel.name,
            is_member: channel.is_member,
        }
    }
}

/// Asks the vendor, and once more with renewed tokens when it does not take the ones we have.
async fn channels(
    engine: &Engine,
    row: &connection::Model,
) -> std::result::Result<Option<Vec<Channel>>, SyncError> {
    let keeper = engine.keeper();
    let connector = keeper.connector(&row.connector)?;
    let Some(notify) = connector.notify() else {
        return Ok(None);
    };
    let opened = keeper.open(row.id).await?.doing(Work::Interactive);
    match notify.channels(&opened.context(engine.database())).await {
        Err(ConnectorError::Auth {
            reconnect: false, ..
        }) => {
            let seen = opened.connection.credentials_version;
            let opened = keeper.renew(row.id, seen).await?.doing(Work::Interactive);
            let again = notify.channels(&opened.context(engine.database())).await?;
            Ok(Some(again))
        }
        found => Ok(Some(found?)),
    }
}

/// Queries about chats.
#[derive(Default)]
pub struct ChatQuery;

#[Object]
impl ChatQuery {
    /// The places a connection can post messages to, for the channels of its mapping.
    #[graphql(guard = "RequireScope(Scope::IntegrationsManage)", directive = requires_scope::apply("integrations:manage".to_owned()))]
    async fn chat_channels(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The connection to a chat.")] connection_id: ID,
    ) -> Result<Vec<ChatChannel>> {
        let request = staff(ctx, Scope::IntegrationsManage)?;
        let row = match connection_id.parse::<ConnectionId>() {
            Ok(id) => {
                let read = request.database.read();
                visible::find_one::<connection::Entity, _>(read, &request.viewer, id.0).await?
            }
            Err(_) => None,
        };
        let Some(row) = row else {
            return Err(ErrorCode::BadUserInput.error("There is no such connection."));
        };
        let engine = &state(ctx)?.core.engine;
        match Box::pin(channels(engine, &row)).await {
            Ok(Some(found)) => Ok(found.into_iter().map(ChatChannel::from).collect()),
            Ok(None) => Err(ErrorCode::BadUserInput.error("Nothing can be posted there.")),
            Err(error) => {
                tracing::warn!(%error, connection = %row.id, "the channels could not be read");
                Err(ErrorCode::Unavailable.error("The vendor could not be asked just now."))
            }
        }
    }
}
