//! A person who signs in: programme staff, or somebody of a partner.
//!
//! Owns the rows of people, who they are and what may become of them: invited, active, disabled, erased. Refuses: a role that is not one of
//! the person's side (a partner's user cannot become staff, nor move to another partner), two people with one address, and the end of
//! the last active administrator. A password is kept as its argon2 hash only, which nothing shows.
//!
//! **What a token says of a person must stay true.** A token and a session are proof of what the person was when they began. Whatever takes
//! something away from a person (another role, a disabled row, erasure) therefore raises the row's `token_epoch`, has the older tokens
//! refused, and ends the sessions, in the same transaction. Invariant: a token of an epoch below the row's is worth nothing.
//!
//! The log names which fields of a person changed, never a name or an address. Its events are the audit trail's and not for partners.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::contact::is_email;
use crate::diff::Diff;
use crate::domain_name::DomainName;
use crate::error::{Error, Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::{PartnerId, UserId};
use crate::turn::{self, Turn};
use crate::viewer::{PartnerRole, Scopes, StaffRole, Viewer, ViewerKind};
use crate::visible::{self, Own, Versioned, Visible};
use crate::{
    event, oauth_grant, partner, session, token_revocation, user_identity, user_ticket, write,
};
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use sea_orm::{DeriveValueType, IntoActiveModel as _, QuerySelect as _, SqlErr};
use serde_json::{Value as Json, json};
use std::collections::HashSet;

/// How far a person has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, serde::Serialize)]
#[sea_orm(
    rs_type = "String",
    db_type = "Text",
    rename_all = "SCREAMING_SNAKE_CASE"
)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UserStatus {
    /// Asked to come; has not signed in yet.
    Invited,
    /// May sign in.
    Active,
    /// May not, for now or for good.
    Disabled,
}

/// On which side a person stands, and as what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UserRole {
    /// Programme staff.
    Staff(StaffRole),
    /// Somebody of a partner.
    Partner(PartnerId, PartnerRole),
}

impl UserRole {
    /// The role of a person of a partner, or of staff where there is none, as its text says. A word of the other side is no role, and
    /// neither is that of software.
    #[must_use]
    pub fn read(partner: Option<PartnerId>, role: &str) -> Option<Self> {
        match partner {
            None => StaffRole::from_claim(role).map(Self::Staff),
            Some(partner) => PartnerRole::from_claim(role)
                .filter(|role| role.is_a_persons())
                .map(|role| Self::Partner(partner, role)),
        }
    }

    /// The role as the database and a token's `role` claim write it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Staff(role) => role.as_str(),
            Self::Partner(_, role) => role.as_str(),
        }
    }

    /// The partner it is at; none for staff.
    #[must_use]
    pub const fn partner(self) -> Option<PartnerId> {
        match self {
            Self::Staff(_) => None,
            Self::Partner(partner, _) => Some(partner),
        }
    }

    /// What kind of party such a person is.
    #[must_use]
    pub const fn viewer_kind(self) -> ViewerKind {
        match self {
            Self::Staff(role) => ViewerKind::Staff(role),
            Self::Partner(partner, role) => ViewerKind::Partner(partner, role),
        }
    }

    /// What such a person may do at most.
    #[must_use]
    pub const fn bounds(self) -> Scopes {
        match self {
            Self::Staff(role) => role.bounds(),
            Self::Partner(_, role) => role.bounds(),
        }
    }

    const fn is_admin(self) -> bool {
        matches!(self, Self::Staff(StaffRole::Admin))
    }
}

/// The hash of a password in its own notation (PHC). It is never shown.
#[derive(Clone, PartialEq, Eq, DeriveValueType)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// A hash that was made elsewhere.
    #[must_use]
    pub const fn new(hash: String) -> Self {
        Self(hash)
    }

    /// The notation, to verify with.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user_account")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UserId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub partner_id: Option<PartnerId>,
    /// Its meaning depends on the side; see [`Model::user_role`].
    pub role: String,
    pub name: String,
    /// In lower case; no two people have the same.
    pub email: String,
    pub status: UserStatus,
    pub password_hash: Option<PasswordHash>,
    /// Rises when what a token says of the person is no longer so.
    pub token_epoch: i64,
    pub last_signed_in_at: Option<Timestamp>,
    pub erased_at: Option<Timestamp>,
}

/// Relations are walked by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Versioned for Model {
    fn version(&self) -> i64 {
        self.version
    }
}

impl Visible for Entity {
    fn visible_to_partner(own: Own) -> Condition {
        Condition::all().add(own.holds((Entity, Column::PartnerId)))
    }
}

impl Model {
    /// What the person is.
    ///
    /// # Errors
    /// [`Error::Damaged`] for a role this version does not know: such a person may do nothing.
    pub fn user_role(&self) -> Result<UserRole> {
        UserRole::read(self.partner_id, &self.role)
            .ok_or_else(|| Error::Damaged(format!("the role of {}", self.id)))
    }

    /// Whether the person may sign in and act.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.status == UserStatus::Active
    }
}

/// What a new person is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewUser {
    pub role: UserRole,
    pub name: String,
    pub email: String,
}

/// An e-mail address as it is kept and looked for.
#[must_use]
pub fn normal_email(email: &str) -> String {
    email.trim().to_lowercase()
}

/// Invites a person. The caller issues the ticket ([`user_ticket::issue`]) and sends it when this has been committed.
///
/// # Errors
/// Refused fields, or an address that somebody has already.
pub async fn invite(change: &mut Change, input: NewUser) -> Result<Model> {
    let row = proposed(change, input).await?;
    if find_by_email(change.transaction(), &row.email)
        .await?
        .is_some()
    {
        return Err(taken());
    }
    Entity::insert(row.clone().into_active_model())
        .exec_without_returning(change.transaction())
        .await
        .map_err(|fault| match fault.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => taken(),
            _ => fault.into(),
        })?;
    let data = json!({ "role": row.role });
    change.record(about(EventKind::UserInvited, &row, data));
    Ok(row)
}

/// Notes that somebody of a partner wanted to invite a person of another side, who is to be told and the partner is not. The answer is false when
/// one was noted after `since`.
///
/// # Errors
/// When the database fails.
pub async fn invited_elsewhere(
    change: &mut Change,
    holder: &Model,
    by: PartnerId,
    since: Timestamp,
) -> Result<bool> {
    let kind = EventKind::UserInvitedElsewhere;
    let lately = event::Entity::visible_to(&Viewer::system("user"))
        .filter(event::Column::SubjectId.eq(holder.id.0))
        .filter(event::Column::Kind.eq(kind.as_str()))
        .filter(event::Column::OccurredAt.gt(since))
        .limit(1)
        .one(change.transaction())
        .await?;
    change.record(about(kind, holder, json!({ "by": by })));
    Ok(lately.is_none())
}

/// The person as an invitation would make them, when all is right but perhaps the address: whether somebody has it is not looked at, and nothing
/// is written.
///
/// # Errors
/// Refused fields.
pub async fn proposed(change: &Change, input: NewUser) -> Result<Model> {
    let email = normal_email(&input.email);
    let mut violations = Violations::default();
    violations.line("name", &input.name, 300);
    violations.text("email", &email, 320);
    if !is_email(&email) {
        violations.add(ViolationCode::Invalid, "email", "Not an e-mail address.");
    }
    if matches!(input.role, UserRole::Partner(_, role) if !role.is_a_persons()) {
        violations.add(
            ViolationCode::Invalid,
            "role",
            "This role is not a person's.",
        );
    }
    if let Some(partner) = input.role.partner() {
        let system = Viewer::system("user");
        let found =
            visible::find_one::<partner::Entity, _>(change.transaction(), &system, partner.0);
        if found.await?.is_none() {
            violations.add(ViolationCode::NotFound, "partnerId", "No such partner.");
        }
    }
    violations.finish()?;
    let now = change.now();
    Ok(Model {
        id: change.new_id(),
        version: 1,
        created_at: now,
        updated_at: now,
        partner_id: input.role.partner(),
        role: input.role.as_str().to_owned(),
        name: input.name.trim().to_owned(),
        email,
        status: UserStatus::Invited,
        password_hash: None,
        token_epoch: 1,
        last_signed_in_at: None,
        erased_at: None,
    })
}

fn taken() -> Error {
    Error::invalid(
        ViolationCode::Taken,
        "email",
        "Somebody has this address already.",
    )
}

/// An invited person has come, with a password or through their organisation.
///
/// # Errors
/// When the person is not invited (any longer), or a fault of the database.
pub async fn activate(
    change: &mut Change,
    row: Model,
    password: Option<PasswordHash>,
) -> Result<Model> {
    if row.status != UserStatus::Invited {
        return Err(not_allowed("The invitation is over."));
    }
    let version = row.version;
    let active = ActiveModel {
        status: Set(UserStatus::Active),
        password_hash: Set(password.or_else(|| row.password_hash.clone())),
        ..touched(change, row)
    };
    let row = write::update(change, active, version).await?;
    change.record(about(EventKind::UserActivated, &row, json!({})));
    Ok(row)
}

/// Gives a person another password. The sessions that began with the old one end, but for the one in which it was changed; tokens of software
/// that the person allowed stay, for they were not got with the password.
///
/// # Errors
/// When the person is not active, or a fault of the database.
pub async fn set_password(
    change: &mut Change,
    row: Model,
    password: PasswordHash,
    keep: Option<crate::id::SessionId>,
) -> Result<Model> {
    if !row.is_active() {
        return Err(not_allowed("Only an active person has a password."));
    }
    let version = row.version;
    let active = ActiveModel {
        password_hash: Set(Some(password)),
        ..touched(change, row)
    };
    let row = write::update(change, active, version).await?;
    change.record(about(EventKind::UserPasswordChanged, &row, json!({})));
    user_ticket::void(change, row.id).await?;
    session::end_all(change, &row, keep, "password_changed").await?;
    Ok(row)
}

/// Gives a person another name.
///
/// # Errors
/// A refused name; then nothing is written.
pub async fn rename(change: &mut Change, row: Model, name: String) -> Result<Model> {
    let mut violations = Violations::default();
    violations.line("name", &name, 300);
    violations.finish()?;
    refuse_erased(&row)?;
    let mut diff = Diff::private();
    let version = row.version;
    let field = diff.field("name", row.name.clone(), Some(name.trim().to_owned()));
    if diff.is_empty() {
        return Ok(row);
    }
    let active = ActiveModel {
        name: field,
        ..touched(change, row)
    };
    let row = write::update(change, active, version).await?;
    change.record(about(EventKind::UserUpdated, &row, diff.into_data()));
    Ok(row)
}

/// Gives a person another role on the same side. What was proved under the old one ends.
///
/// # Errors
/// A role of another side, the last active administrator, or a fault of the database.
pub async fn set_role(change: &mut Change, row: Model, role: UserRole) -> Result<Model> {
    refuse_erased(&row)?;
    let is_a_persons = UserRole::read(role.partner(), role.as_str()).is_some();
    if role.partner() != row.partner_id || !is_a_persons {
        return Err(Error::invalid(
            ViolationCode::Invalid,
            "role",
            "The role is not one of this person's side.",
        ));
    }
    if row.role == role.as_str() {
        return Ok(row);
    }
    refuse_last_admin(change, &row).await?;
    let version = row.version;
    let data = json!({ "role": { "from": row.role, "to": role.as_str() } });
    let active = ActiveModel {
        role: Set(role.as_str().to_owned()),
        token_epoch: Set(row.token_epoch + 1),
        ..touched(change, row)
    };
    let row = write::update(change, active, version).await?;
    change.record(about(EventKind::UserRoleChanged, &row, data));
    cut_off(change, &row, "role_changed").await?;
    Ok(row)
}

/// Keeps a person out until [`enable`]. Disabling again changes nothing.
///
/// # Errors
/// The last active administrator, or a fault of the database.
pub async fn disable(change: &mut Change, row: Model) -> Result<Model> {
    if row.status == UserStatus::Disabled {
        return Ok(row);
    }
    refuse_last_admin(change, &row).await?;
    let version = row.version;
    let active = ActiveModel {
        status: Set(UserStatus::Disabled),
        token_epoch: Set(row.token_epoch + 1),
        ..touched(change, row)
    };
    let row = write::update(change, active, version).await?;
    change.record(about(EventKind::UserDisabled, &row, json!({})));
    user_ticket::void(change, row.id).await?;
    oauth_grant::revoke_of(change, row.id, None, "disabled").await?;
    cut_off(change, &row, "disabled").await?;
    Ok(row)
}

/// Lets a disabled person in again: as active where there is a way to sign in, else as invited, for whom a new invitation is needed.
///
/// # Errors
/// An erased person, or a fault of the database.
pub async fn enable(change: &mut Change, row: Model) -> Result<Model> {
    refuse_erased(&row)?;
    if row.status != UserStatus::Disabled {
        return Ok(row);
    }
    let has_a_way = row.password_hash.is_some()
        || user_identity::exists_for(change.transaction(), row.id).await?;
    let version = row.version;
    let active = ActiveModel {
        status: Set(if has_a_way {
            UserStatus::Active
        } else {
            UserStatus::Invited
        }),
        ..touched(change, row)
    };
    let row = write::update(change, active, version).await?;
    change.record(about(EventKind::UserEnabled, &row, json!({})));
    Ok(row)
}

/// The name of a person who was erased.
pub const ERASED: &str = crate::contact::ERASED;

/// Replaces everything personal of a person, for good: name, address, password, identities, tickets, and the browsers of the sessions, which end
/// (domain, invariant 17). What refers to the row stays whole. Erasing again changes nothing.
///
/// # Errors
/// The last active administrator, or a fault of the database.
pub async fn erase(change: &mut Change, row: Model) -> Result<Model> {
    if row.erased_at.is_some() {
        return Ok(row);
    }
    refuse_last_admin(change, &row).await?;
    let version = row.version;
    let now = change.now();
    let active = ActiveModel {
        name: Set(ERASED.to_owned()),
        // Unique as addresses are, and one that no mail can reach (RFC 2606).
        email: Set(format!("{}@erased.invalid", row.id)),
        status: Set(UserStatus::Disabled),
        password_hash: Set(None),
        token_epoch: Set(row.token_epoch + 1),
        erased_at: Set(Some(now)),
        ..touched(change, row)
    };
    let row = write::update(change, active, version).await?;
    change.record(about(EventKind::UserErased, &row, json!({})));
    user_ticket::void(change, row.id).await?;
    user_identity::forget(change, row.id).await?;
    // What waits for them would go to the address that is erased.
    crate::mail_message::forget(change, row.id.0).await?;
    crate::chat_user::forget(change, row.id).await?;
    oauth_grant::revoke_of(change, row.id, None, "erased").await?;
    cut_off(change, &row, "erased").await?;
    session::forget_browsers(change, row.id).await?;
    Ok(row)
}

/// Ends what was proved of a person before: tokens below the row's epoch, and sessions.
async fn cut_off(change: &mut Change, row: &Model, because: &'static str) -> Result<()> {
    token_revocation::revoke_subject(change, row.id, row.token_epoch).await?;
    session::end_all(change, row, None, because).await
}

/// Notes that a person has signed in. The row's version stays: nobody who edits the person need read it again for that.
pub(crate) async fn signed_in(change: &Change, id: UserId) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::LastSignedInAt, Expr::value(change.now()))
        .filter(Column::Id.eq(id))
        .exec(change.transaction())
        .await?;
    Ok(())
}

/// Finds a person.
///
/// # Errors
/// When the database fails.
pub async fn find(connection: &impl ConnectionTrait, id: UserId) -> Result<Option<Model>> {
    visible::find_one::<Entity, _>(connection, &Viewer::system("user"), id.0).await
}

/// Reads a person for a change and keeps others from changing the row until it ends.
///
/// # Errors
/// When the database fails.
pub async fn find_locked(change: &Change, id: UserId) -> Result<Option<Model>> {
    let rows = visible::lock_all::<Entity>(change, &Viewer::system("user"), [id.0]).await?;
    Ok(rows.into_iter().next())
}

/// Finds the person with an address.
///
/// # Errors
/// When the database fails.
pub async fn find_by_email(
    connection: &impl ConnectionTrait,
    email: &str,
) -> Result<Option<Model>> {
    let email = normal_email(email);
    // Not every database takes this character, and nobody has it in an address.
    if email.contains('\0') {
        return Ok(None);
    }
    let select = Entity::visible_to(&Viewer::system("user")).filter(Column::Email.eq(email));
    Ok(select.one(connection).await?)
}

/// The domains of the addresses of the programme's own people, who are few enough to be read whole.
///
/// # Errors
/// When the database fails.
pub async fn staff_domains(connection: &impl ConnectionTrait) -> Result<HashSet<DomainName>> {
    let emails: Vec<String> = Entity::visible_to(&Viewer::system("user"))
        .filter(Column::PartnerId.is_null())
        .filter(Column::ErasedAt.is_null())
        .select_only()
        .column(Column::Email)
        .into_tuple()
        .all(connection)
        .await?;
    let hosts = emails.iter().filter_map(|email| email.rsplit_once('@'));
    Ok(hosts.filter_map(|(_, host)| host.parse().ok()).collect())
}

/// An event about a person: the audit trail's, and never a partner's.
pub(crate) fn about(kind: EventKind, row: &Model, data: Json) -> NewEvent {
    let event = NewEvent::about(kind, row.id, data).internal();
    match row.partner_id {
        Some(partner) => event.for_partner(partner),
        None => event,
    }
}

/// The row as it is, a version further; what changes is set over it.
fn touched(change: &Change, row: Model) -> ActiveModel {
    ActiveModel {
        id: Unchanged(row.id),
        version: Set(row.version + 1),
        created_at: Unchanged(row.created_at),
        updated_at: Set(change.now()),
        partner_id: Unchanged(row.partner_id),
        role: Unchanged(row.role),
        name: Unchanged(row.name),
        email: Unchanged(row.email),
        status: Unchanged(row.status),
        password_hash: Unchanged(row.password_hash),
        token_epoch: Unchanged(row.token_epoch),
        last_signed_in_at: Unchanged(row.last_signed_in_at),
        erased_at: Unchanged(row.erased_at),
    }
}

fn refuse_erased(row: &Model) -> Result<()> {
    match row.erased_at {
        None => Ok(()),
        Some(_) => Err(not_allowed("The person was erased.")),
    }
}

fn not_allowed(message: &str) -> Error {
    Error::invalid(ViolationCode::TransitionNotAllowed, "", message)
}

/// The programme must not lock itself out. Whoever takes something from an administrator waits for a turn, so that of two who take it from each other
/// the second sees what the first has done. The other rows are read and not locked: each of the two holds its own by now.
async fn refuse_last_admin(change: &Change, row: &Model) -> Result<()> {
    if !row.is_active() || !row.user_role().is_ok_and(UserRole::is_admin) {
        return Ok(());
    }
    turn::take(change, Turn::Administrators).await?;
    let another = Entity::visible_to(&Viewer::system("user"))
        .filter(Column::PartnerId.is_null())
        .filter(Column::Role.eq(StaffRole::Admin.as_str()))
        .filter(Column::Status.eq(UserStatus::Active))
        .filter(Column::Id.ne(row.id))
        .limit(1)
        .one(change.transaction())
        .await?;
    if another.is_some() {
        Ok(())
    } else {
        Err(Error::invalid(
            ViolationCode::TransitionNotAllowed,
            "",
            "The last active administrator stays.",
        ))
    }
}
