//! Whose an account of a chat is: what is pressed there counts as that person's doing.
//!
//! Invariant: only the programme's administrators say so, for whoever ties an account to a person gives it what the person may do; and only staff is tied.

use super::User;
use crate::graphql::context::requires_scope;
use crate::graphql::edit::{Edit, id_input, payload};
use async_graphql::{Context, ID, InputObject, Object, Result};
use entities::error::Error;
use entities::id::{ConnectionId, UserId};
use entities::user::{self, Entity, Model};
use entities::viewer::Scope;
use entities::{chat_user, connection, management, visible};

/// An account of a chat, and whose it is.
#[derive(Debug, InputObject)]
pub struct LinkChatUserInput {
    /// The connection to the chat.
    pub connection_id: ID,
    /// The account's id there.
    pub chat_user_id: String,
    /// Whose it is; an active person of staff.
    pub user_id: ID,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

/// An account of a chat that is to be nobody's.
#[derive(Debug, InputObject)]
pub struct UnlinkChatUserInput {
    /// The connection to the chat.
    pub connection_id: ID,
    /// The account's id there.
    pub chat_user_id: String,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

payload!(
    LinkChatUserPayload { user: User },
    "linkChatUser",
    Scope::UsersManage
);
payload!(
    UnlinkChatUserPayload { user: User },
    "unlinkChatUser",
    Scope::UsersManage
);

async fn chat(edit: &Edit<'_>, id: &ID) -> entities::error::Result<ConnectionId> {
    let id: ConnectionId = id_input(id, "connectionId")?;
    let (transaction, viewer) = (edit.change.transaction(), &edit.request.viewer);
    match visible::count_among::<connection::Entity, _>(transaction, viewer, [id.0]).await? {
        0 => Err(Error::not_found("connectionId")),
        _ => Ok(id),
    }
}

impl LinkChatUserInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let chat = chat(edit, &self.connection_id).await?;
        let id: UserId = id_input(&self.user_id, "userId")?;
        let viewer = &edit.request.viewer;
        let person = match management::lock::<Entity>(&edit.change, viewer, id.0, None).await {
            Err(Error::Invalid(_)) => return Err(Error::not_found("userId")),
            found => found?,
        };
        chat_user::link(&mut edit.change, chat, &self.chat_user_id, &person).await?;
        Ok(person)
    }
}

impl UnlinkChatUserInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let chat = chat(edit, &self.connection_id).await?;
        let id = chat_user::unlink(&mut edit.change, chat, &self.chat_user_id).await?;
        let person = user::find(edit.change.transaction(), id).await?;
        person.ok_or_else(|| Error::not_found("chatUserId"))
    }
}

/// Changes of whose the accounts of chats are.
#[derive(Default)]
pub struct ChatAccountMutation;

#[Object]
impl ChatAccountMutation {
    /// Says whose an account of a chat is: its presses of buttons decide what that person may decide.
    #[graphql(directive = requires_scope::apply("admin".to_owned()))]
    async fn link_chat_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which account, and whose.")] input: LinkChatUserInput,
    ) -> Result<LinkChatUserPayload> {
        let mut edit = Edit::begin(ctx, Scope::Admin, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        let outcome = edit.finish(result, |_| None).await?;
        Ok(LinkChatUserPayload::from_outcome(outcome, User::one))
    }

    /// Says that an account of a chat is nobody's any more: what it presses decides nothing.
    #[graphql(directive = requires_scope::apply("admin".to_owned()))]
    async fn unlink_chat_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which account.")] input: UnlinkChatUserInput,
    ) -> Result<UnlinkChatUserPayload> {
        let mut edit = Edit::begin(ctx, Scope::Admin, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        let outcome = edit.finish(result, |_| None).await?;
        Ok(UnlinkChatUserPayload::from_outcome(outcome, User::one))
    }
}
