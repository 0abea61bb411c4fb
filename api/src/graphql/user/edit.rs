//! Inviting people, and changing what they may do.
//!
//! Invariant: everything here goes through [`entities::management`]: a partner's administrator reaches its own company's people only, gives them a
//! partner's roles only, nobody gives a role that may more than their token, and nobody changes their own role or keeps themselves out.

use super::{User, UserRole};
use crate::graphql::context::{request, requires_scope, state};
use crate::graphql::edit::{Edit, Opened, Outcome, id_input, payload};
use crate::people::invitation::{self, Invited};
use async_graphql::{Context, ID, InputObject, Object, Result};
use entities::error::{Error, ViolationCode};
use entities::id::UserId;
use entities::management;
use entities::user::{self, Entity, Model, NewUser};
use entities::viewer::Scope;

/// Somebody to be invited.
#[derive(Debug, InputObject)]
pub struct InviteUserInput {
    /// The person's name, one line.
    pub name: String,
    /// The e-mail address, which nobody else has; the invitation goes there.
    pub email: String,
    /// What the person is to be.
    pub role: UserRole,
    /// The partner the person is of; absent for the programme's staff. A partner's administrator invites for its own.
    pub partner_id: Option<ID>,
    /// Makes a repeated request harmless for 24 hours.
    pub idempotency_key: Option<String>,
    /// True: check everything, write nothing and mail nobody.
    pub validate_only: Option<bool>,
}

/// Changes to a person: an absent field keeps its value.
#[derive(Debug, InputObject)]
pub struct UpdateUserInput {
    /// Who.
    pub id: ID,
    /// The version you saw; another one refuses the update.
    pub expected_version: Option<i64>,
    /// The person's name.
    pub name: Option<String>,
    /// What the person is from now on; what was proved under the role before ends. Never your own.
    pub role: Option<UserRole>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

/// A person, and the version that was seen.
#[derive(Debug, InputObject)]
pub struct DisableUserInput {
    /// Who; never yourself.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

/// A person, and the version that was seen.
#[derive(Debug, InputObject)]
pub struct EnableUserInput {
    /// Who.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

/// Who is to be invited once more.
#[derive(Debug, InputObject)]
pub struct ResendInvitationInput {
    /// Who; somebody who has not come yet.
    pub id: ID,
    /// True: check everything, write nothing and mail nobody.
    pub validate_only: Option<bool>,
}

payload!(
    InviteUserPayload { user: User },
    "inviteUser",
    Scope::UsersManage
);
payload!(
    UpdateUserPayload { user: User },
    "updateUser",
    Scope::UsersManage
);
payload!(
    DisableUserPayload { user: User },
    "disableUser",
    Scope::UsersManage
);
payload!(
    EnableUserPayload { user: User },
    "enableUser",
    Scope::UsersManage
);
payload!(
    ResendInvitationPayload { user: User },
    "resendInvitation",
    Scope::UsersManage
);

impl InviteUserInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Invited> {
        let only_validates = edit.only_validates();
        let named = self
            .partner_id
            .as_ref()
            .map(|id| id_input(id, "partnerId"))
            .transpose()?;
        let partner = management::organisation_for(&edit.request.viewer, named)?;
        let role = user::UserRole::read(partner, self.role.as_str()).ok_or_else(|| {
            let message = match partner {
                None => "This is a role of partners' people; name the partner.",
                Some(_) => "This is no role of a partner's people.",
            };
            Error::invalid(ViolationCode::Invalid, "role", message)
        })?;
        management::refuse_greater(&edit.request.viewer, role, "role")?;
        let new = NewUser {
            role,
            name: self.name,
            email: self.email,
        };
        invitation::invite_for(&mut edit.change, &edit.request.viewer, new, only_validates).await
    }
}

/// Has the invitation mailed if there is one to mail, and ends the mutation: what is not committed is not mailed.
async fn finish_and_mail(
    ctx: &Context<'_>,
    edit: Edit<'_>,
    result: entities::error::Result<Invited>,
) -> Result<Outcome<Model>> {
    let (only_validates, people) = (edit.only_validates(), &state(ctx)?.people);
    let mailed = async {
        let invited = result?;
        match &invited {
            _ if only_validates => {}
            Invited::Now(row, ticket) => people.send(&edit.change, row, ticket).await?,
            Invited::Elsewhere {
                holder: Some(holder),
                ..
            } => people.tell_holder(&edit.change, holder).await?,
            Invited::Checked(_) | Invited::Elsewhere { .. } => {}
        }
        Ok(invited)
    };
    let mailed = mailed.await;
    let created = |invited: &Invited| Some(invited.shown().id.0);
    let outcome = edit.finish(mailed, created).await?;
    Ok(outcome.map(|invited| invited.shown().clone()))
}

impl UpdateUserInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let id: UserId = id_input(&self.id, "id")?;
        let viewer = &edit.request.viewer;
        let mut row =
            management::lock::<Entity>(&edit.change, viewer, id.0, self.expected_version).await?;
        if let Some(name) = self.name {
            row = user::rename(&mut edit.change, row, name).await?;
        }
        if let Some(role) = self.role.filter(|role| role.as_str() != row.role) {
            management::refuse_oneself(viewer, &row)?;
            let role = user::UserRole::read(row.partner_id, role.as_str()).ok_or_else(|| {
                Error::invalid(
                    ViolationCode::Invalid,
                    "role",
                    "The role is not one of this person's side.",
                )
            })?;
            management::refuse_greater(viewer, role, "role")?;
            row = user::set_role(&mut edit.change, row, role).await?;
        }
        Ok(row)
    }
}

/// Changes of the people who sign in.
#[derive(Default)]
pub struct UserMutation;

#[Object]
impl UserMutation {
    /// Invites a person by e-mail. The invitation is good for 72 hours. The role is one that may no more than your token. To a partner an address that
    /// somebody elsewhere has already is answered like any other; nobody is invited then, and its holder is told.
    #[graphql(directive = requires_scope::apply("users:manage".to_owned()))]
    async fn invite_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who is invited, and as what.")] input: InviteUserInput,
    ) -> Result<InviteUserPayload> {
        let edit = begin(ctx, input.validate_only).await?;
        let opened = edit
            .under_key("inviteUser", &input, input.idempotency_key.as_ref())
            .await?;
        let mut edit = match opened {
            Opened::Fresh(edit) => *edit,
            Opened::Repeated(id) => {
                let found = User::find(request(ctx)?, UserId(id)).await?;
                return Ok(InviteUserPayload::found(found));
            }
            Opened::Refused(refused) => return Ok(InviteUserPayload::refused(refused)),
        };
        let result = input.apply(&mut edit).await;
        let outcome = finish_and_mail(ctx, edit, result).await?;
        Ok(InviteUserPayload::from_outcome(outcome, User::one))
    }

    /// Mails the invitation again to a person who has not come yet, five minutes after the last one at the earliest. The one before is worth nothing from
    /// then on.
    #[graphql(directive = requires_scope::apply("users:manage".to_owned()))]
    async fn resend_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "To whom.")] input: ResendInvitationInput,
    ) -> Result<ResendInvitationPayload> {
        let mut edit = begin(ctx, input.validate_only).await?;
        let result = again(&mut edit, &input.id).await;
        let outcome = finish_and_mail(ctx, edit, result).await?;
        Ok(ResendInvitationPayload::from_outcome(outcome, User::one))
    }

    /// Changes a person's name or role. The role is one that may no more than your token.
    #[graphql(directive = requires_scope::apply("users:manage".to_owned()))]
    async fn update_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes.")] input: UpdateUserInput,
    ) -> Result<UpdateUserPayload> {
        let mut edit = begin(ctx, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        let outcome = edit.finish(result, |_| None).await?;
        Ok(UpdateUserPayload::from_outcome(outcome, User::one))
    }

    /// Keeps a person out. Sessions and tokens end. The last active administrator of the programme stays.
    #[graphql(directive = requires_scope::apply("users:manage".to_owned()))]
    async fn disable_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who.")] input: DisableUserInput,
    ) -> Result<DisableUserPayload> {
        let mut edit = begin(ctx, input.validate_only).await?;
        let result = async {
            let row = locked(&edit, &input.id, input.expected_version).await?;
            management::refuse_oneself(&edit.request.viewer, &row)?;
            user::disable(&mut edit.change, row).await
        };
        let result = result.await;
        let outcome = edit.finish(result, |_| None).await?;
        Ok(DisableUserPayload::from_outcome(outcome, User::one))
    }

    /// Lets a person in again. Who has no way to sign in yet needs an invitation again.
    #[graphql(directive = requires_scope::apply("users:manage".to_owned()))]
    async fn enable_user(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Who.")] input: EnableUserInput,
    ) -> Result<EnableUserPayload> {
        let mut edit = begin(ctx, input.validate_only).await?;
        let result = async {
            let row = locked(&edit, &input.id, input.expected_version).await?;
            user::enable(&mut edit.change, row).await
        };
        let result = result.await;
        let outcome = edit.finish(result, |_| None).await?;
        Ok(EnableUserPayload::from_outcome(outcome, User::one))
    }
}

async fn begin<'a>(ctx: &Context<'a>, validate_only: Option<bool>) -> Result<Edit<'a>> {
    Edit::begin_managing_own_organisation(ctx, Scope::UsersManage, validate_only).await
}

async fn locked(
    edit: &Edit<'_>,
    id: &ID,
    expected_version: Option<i64>,
) -> entities::error::Result<Model> {
    let id: UserId = id_input(id, "id")?;
    management::lock::<Entity>(&edit.change, &edit.request.viewer, id.0, expected_version).await
}

async fn again(edit: &mut Edit<'_>, id: &ID) -> entities::error::Result<Invited> {
    let row = locked(edit, id, None).await?;
    let ticket = invitation::invite_again(&mut edit.change, &row).await?;
    Ok(Invited::Now(row, ticket))
}
