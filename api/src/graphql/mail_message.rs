//! Messages by mail in the API: which wait, which were given up and why, and trying those again. What they say, and to whom, is not shown.

use super::context::{RequireScope, cost, request, requires_scope};
use super::edit::{Edit, id_input, payload};
use super::filter::{DateTimeFilter, enum_filter};
use super::list::{self, list_type, order_type};
use super::page::PageArguments;
use super::scalar::DateTime;
use super::siblings::Member;
use async_graphql::{Context, Enum, ID, InputObject, Object, Result};
use entities::id::{self, MailMessageId};
use entities::mail_message::{self, Column, Entity, Model};
use entities::viewer::Scope;
use entities::visible::Visible;
use sea_orm::sea_query::Expr;
use sea_orm::{QueryFilter, Select};

/// How far a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "mail_message::MailState")]
pub enum MailState {
    /// It will be tried, or tried again.
    Pending,
    /// The mail server took it.
    Sent,
    /// It was given up.
    Dead,
}

enum_filter! {
    /// A state of a message to look for.
    MailStateFilter of MailState, mail_message::MailState
}

/// What a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "mail_message::MailPurpose")]
pub enum MailPurpose {
    /// Asking a person to come.
    Invitation,
    /// The way to a new password.
    PasswordReset,
    /// Telling a person that a partner wanted to invite them elsewhere.
    InvitedElsewhere,
    /// What an automation says.
    Automation,
}

/// Which messages.
#[derive(Clone, Debug, Default, InputObject)]
pub struct MailMessageFilter {
    /// By how far they are.
    pub state: Option<MailStateFilter>,
    /// By when they were written.
    pub created_at: Option<DateTimeFilter>,
}

impl MailMessageFilter {
    fn on(self, mut select: Select<Entity>) -> Result<Select<Entity>> {
        let column = |column: Column| Expr::col((Entity, column));
        if let Some(filter) = self.state {
            select = select.filter(filter.on(column(Column::State))?);
        }
        if let Some(filter) = self.created_at {
            select = select.filter(filter.on(column(Column::CreatedAt)));
        }
        Ok(select)
    }
}

order_type!(MailMessageOrder, MailMessageOrderField, Entity, "messages by mail", {
    /// When it was written.
    CreatedAt => Column::CreatedAt, false;
});

/// A message by mail on its way. Its id stands in its `Message-ID`, the same over all attempts.
#[derive(Clone)]
pub struct MailMessage(pub(crate) Member<Model>);

/// A message by mail on its way. Its id stands in its `Message-ID`, the same over all attempts.
#[Object]
impl MailMessage {
    /// The global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// When it was written.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.row().created_at)
    }
    /// What it is for.
    async fn purpose(&self) -> MailPurpose {
        self.0.row().purpose.into()
    }
    /// The id of the person it goes to.
    async fn subject_id(&self) -> ID {
        let row = self.0.row();
        id::show(&row.subject_kind, row.subject_id).into()
    }
    /// How far it is.
    async fn state(&self) -> MailState {
        self.0.row().state.into()
    }
    /// How often it was tried; eight times at most.
    async fn attempts(&self) -> i32 {
        self.0.row().attempts
    }
    /// When it is tried next; null when it is not.
    async fn next_attempt_at(&self) -> Option<DateTime> {
        let row = self.0.row();
        let waits = row.state == mail_message::MailState::Pending;
        waits.then_some(DateTime(row.available_at))
    }
    /// From then on it is of no use and is not sent.
    async fn expires_at(&self) -> DateTime {
        DateTime(self.0.row().expires_at)
    }
    /// When it was sent or given up.
    async fn settled_at(&self) -> Option<DateTime> {
        self.0.row().settled_at.map(DateTime)
    }
    /// Why the last attempt failed.
    async fn error(&self) -> Option<&str> {
        self.0.row().error.as_deref()
    }
}

list_type!(
    MailMessageConnection,
    MailMessageEdge,
    MailMessage,
    Entity,
    "messages by mail"
);

/// Queries about messages by mail.
#[derive(Default)]
pub struct MailMessageQuery;

#[Object]
impl MailMessageQuery {
    /// The messages by mail: those that wait, and for a while those that were sent or given up.
    #[graphql(guard = "RequireScope(Scope::Admin)", directive = requires_scope::apply("admin".to_owned()), directive = cost::apply(1))]
    #[expect(
        clippy::too_many_arguments,
        reason = "the arguments of a Relay connection"
    )]
    async fn mail_messages(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which messages.")] filter: Option<MailMessageFilter>,
        #[graphql(desc = "By which keys; then by id.")] order_by: Option<Vec<MailMessageOrder>>,
        #[graphql(
            desc = "This many from the beginning, or after `after`; 20 when nothing is said, 100 at most."
        )]
        first: Option<i32>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "This many from the end, or before `before`.")] last: Option<i32>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<MailMessageConnection> {
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
        let order = MailMessageOrder::ordering(order_by)?;
        Ok(MailMessageConnection::new(
            list::whole(request, select, order, page).await?,
        ))
    }
}

/// Which message is to be tried again.
#[derive(Debug, InputObject)]
pub struct RetryMailInput {
    /// Which message.
    pub id: ID,
}

payload!(
    RetryMailPayload {
        mail_message: MailMessage
    },
    "retryMail",
    Scope::Admin
);

/// Changes of messages by mail.
#[derive(Default)]
pub struct MailMessageMutation;

#[Object]
impl MailMessageMutation {
    /// Lets a message that was given up be tried again, with all its attempts, while what it says is still of use.
    #[graphql(directive = requires_scope::apply("admin".to_owned()))]
    async fn retry_mail(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which message.")] input: RetryMailInput,
    ) -> Result<RetryMailPayload> {
        let edit = Edit::begin(ctx, Scope::Admin, None).await?;
        let request = edit.request;
        let retried = async {
            let id: MailMessageId = id_input(&input.id, "id")?;
            mail_message::retry(&edit.change, &request.viewer, id).await
        }
        .await;
        let done = edit.finish(retried, |_| None).await?;
        request.database.wake().wake();
        Ok(RetryMailPayload::from_outcome(done, |row| {
            MailMessage(Member::single(row))
        }))
    }
}
