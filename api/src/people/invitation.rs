//! Tickets by mail: an invitation to come for the first time, and the way to a new password.
//!
//! A ticket is 256 random bits in a link. Opening the link shows a page and changes nothing; sending the page's form with a password uses the
//! ticket up, in the transaction that sets the password and begins the session. Asking for a new password answers the same for every address, and
//! before it is known whether there is such a person; and nobody's mailbox is filled: one message in five minutes.

use super::password::{self, Weak};
use super::target::local;
use super::{People, PeopleError, Welcome, author};
use entities::change::Change;
use entities::error::{Error, ViolationCode};
use entities::event::{EventKind, NewEvent};
use entities::failed_attempt;
use entities::session::SignInMethod;
use entities::user::{self, NewUser, UserStatus};
use entities::user_ticket::{self, TicketPurpose};
use entities::{partner, secret, visible};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::mail::{INVITATION_MS, NOTICE_MS, PASSWORD_RESET_MS};
use entities::mail_message::MailPurpose;
use entities::viewer::Viewer;
use integrations::mail::Letter;

/// How long the same person is sent nothing more on anybody's wish, in milliseconds.
const AGAIN_MILLIS: i64 = 5 * 60 * 1_000;

/// Where invitations are opened.
pub const INVITATION: &str = "/invitation";
/// Where a new password is chosen.
pub const NEW_PASSWORD: &str = "/new-password";

/// A ticket that was written and is to be sent.
#[derive(Debug)]
pub struct Ticket {
    purpose: TicketPurpose,
    secret: SecretString,
}

/// Whose ticket it is and what it opens.
#[derive(Debug)]
pub struct Opened {
    /// The person.
    pub user: user::Model,
    /// What for.
    pub purpose: TicketPurpose,
    /// Whether a password may be chosen; else the organisation's provider is the way.
    pub takes_password: bool,
}

/// What came of using a ticket.
#[derive(Debug)]
pub enum Accepted {
    /// The person is in.
    Welcome(Box<Welcome>),
    /// The ticket is unknown, used, too old, or opens nothing any more.
    NoTicket,
    /// The password is not taken; the ticket is still good.
    Weak(Weak),
}

/// Writes a ticket for a person.
async fn issue(
    change: &Change,
    user: &user::Model,
    purpose: TicketPurpose,
) -> Result<Ticket, Error> {
    let secret = secret::generate(change.database().ids());
    let hash = secret::digest(secret.expose_secret());
    user_ticket::issue(change, user.id, purpose, hash).await?;
    Ok(Ticket { purpose, secret })
}

/// Invites a person. Hand the ticket to [`People::send`] within the same change.
///
/// # Errors
/// Refused fields, or a fault of the database.
pub async fn invite(change: &mut Change, input: NewUser) -> Result<(user::Model, Ticket), Error> {
    let user = user::invite(change, input).await?;
    let ticket = issue(change, &user, TicketPurpose::Invitation).await?;
    Ok((user, ticket))
}

/// Invites a person again who has not come yet; the first ticket is worth nothing from then on. Hand the ticket to [`People::send`] within the same change.
///
/// # Errors
/// When the person has come, or a fault of the database.
pub async fn invite_again(change: &mut Change, user: &user::Model) -> Result<Ticket, Error> {
    if user.status != UserStatus::Invited {
        return Err(Error::invalid(
            ViolationCode::TransitionNotAllowed,
            "id",
            "Only who is invited and has not come yet can be invited again.",
        ));
    }
    let since = change.now().plus_millis(-AGAIN_MILLIS);
    let purpose = TicketPurpose::Invitation;
    if user_ticket::was_issued_since(change.transaction(), user.id, purpose, since).await? {
        return Err(Error::invalid(
            ViolationCode::Locked,
            "id",
            "An invitation was mailed less than five minutes ago.",
        ));
    }
    let ticket = issue(change, user, purpose).await?;
    change.record(about(
        EventKind::UserInvited,
        user,
        json!({ "again": true }),
    ));
    Ok(ticket)
}

/// What came of wanting to invite a person in the name of a viewer.
#[derive(Debug)]
pub enum Invited {
    /// They are invited: hand the ticket to [`People::send`] within the same change.
    Now(user::Model, Ticket),
    /// They would be; nothing was written, and whether somebody has the address was not looked at.
    Checked(user::Model),
    /// Somebody of another side has the address, which is not the viewer's to know.
    Elsewhere {
        /// What is answered: as if they were invited.
        shown: user::Model,
        /// Who has the address. They are told within the same change ([`People::tell_holder`]); not so when they were told lately.
        holder: Option<Box<user::Model>>,
    },
}

impl Invited {
    /// The person as the viewer sees them.
    #[must_use]
    pub const fn shown(&self) -> &user::Model {
        match self {
            Self::Now(user, _) | Self::Checked(user) => user,
            Self::Elsewhere { shown, .. } => shown,
        }
    }
}

/// Invites a person in the name of a viewer. A partner does not learn who else has an account: for an address of another side the answer is that of a
/// new one, and its holder is told by mail; a check does not look.
///
/// # Errors
/// Refused fields, or a fault of the database.
pub async fn invite_for(
    change: &mut Change,
    viewer: &Viewer,
    input: NewUser,
    only_validates: bool,
) -> Result<Invited, Error> {
    let Some(own) = viewer.partner() else {
        let (user, ticket) = invite(change, input).await?;
        return Ok(Invited::Now(user, ticket));
    };
    if only_validates {
        return Ok(Invited::Checked(user::proposed(change, input).await?));
    }
    let shown = user::proposed(change, input.clone()).await?;
    match user::find_by_email(change.transaction(), &shown.email).await? {
        Some(holder) if holder.partner_id != Some(own) => {
            let since = change.now().plus_millis(-AGAIN_MILLIS);
            let tell = user::invited_elsewhere(change, &holder, own, since).await?;
            let holder = tell.then(|| Box::new(holder));
            Ok(Invited::Elsewhere { shown, holder })
        }
        _ => {
            let (user, ticket) = invite(change, input).await?;
            Ok(Invited::Now(user, ticket))
        }
    }
}

/// Writes a ticket for the command line, where whoever runs the deployment stands in for the mail: to the first password of an invited
/// administrator, or to a new one of an active person.
///
/// # Errors
/// A person who is disabled, or a fault of the database.
pub async fn ticket_by_hand(change: &mut Change, user: &user::Model) -> Result<Ticket, Error> {
    match user.status {
        UserStatus::Invited => issue(change, user, TicketPurpose::FirstAdministrator).await,
        UserStatus::Active => {
            let kind = EventKind::UserPasswordResetRequested;
            change.record(about(kind, user, json!({ "by": "command line" })));
            issue(change, user, TicketPurpose::PasswordReset).await
        }
        UserStatus::Disabled => Err(Error::invalid(
            ViolationCode::TransitionNotAllowed,
            "",
            "The person is disabled.",
        )),
    }
}

fn about(kind: EventKind, user: &user::Model, data: serde_json::Value) -> NewEvent {
    let event = NewEvent::about(kind, user.id, data).internal();
    match user.partner_id {
        Some(partner) => event.for_partner(partner),
        None => event,
    }
}

impl Ticket {
    /// The link that opens it, below a public address.
    #[must_use]
    pub fn link(&self, public_url: &crate::config::public_url::PublicUrl) -> SecretString {
        let path = match self.purpose {
            TicketPurpose::Invitation | TicketPurpose::FirstAdministrator => INVITATION,
            TicketPurpose::PasswordReset => NEW_PASSWORD,
        };
        let mut url = public_url.url_at(path);
        url.query_pairs_mut()
            .append_pair("ticket", self.secret.expose_secret());
        String::from(url).into()
    }
}

impl People {
    /// Has a ticket sent to its person, within the change that wrote it.
    ///
    /// # Errors
    /// When the database or the vault fails.
    pub async fn send(
        &self,
        change: &Change,
        user: &user::Model,
        ticket: &Ticket,
    ) -> Result<(), Error> {
        let link = ticket.link(&self.public_url);
        let link = link.expose_secret();
        let name = &user.name;
        let host = self.public_url.as_str();
        let (subject, text, purpose, good_for) = match ticket.purpose {
            TicketPurpose::Invitation | TicketPurpose::FirstAdministrator => (
                "You are invited to Entente",
                format!(
                    "Hello {name},\n\nyou are invited to sign in at {host}. Open this link within 72 hours to begin:\n\n{link}\n\n\
                     If you do not know what this is about, do nothing: without you nothing happens.\n"
                ),
                MailPurpose::Invitation,
                INVITATION_MS,
            ),
            TicketPurpose::PasswordReset => (
                "A new password for Entente",
                format!(
                    "Hello {name},\n\nsomebody, most likely you, asked for a new password at {host}. Open this link within an hour to choose one:\n\n{link}\n\n\
                     If it was not you, do nothing: your password stays as it is.\n"
                ),
                MailPurpose::PasswordReset,
                PASSWORD_RESET_MS,
            ),
        };
        let letter = Letter {
            to: user.email.clone(),
            subject: subject.to_owned(),
            text: text.into(),
        };
        self.mail
            .write(change, &letter, (purpose, user.id), good_for)
            .await
    }

    /// Has whoever holds an address told that a partner wanted to invite it, within the change that notes it.
    ///
    /// # Errors
    /// When the database or the vault fails.
    pub async fn tell_holder(&self, change: &Change, holder: &user::Model) -> Result<(), Error> {
        let (name, host) = (&holder.name, self.public_url.as_str());
        let letter = Letter {
            to: holder.email.clone(),
            subject: "You were invited to Entente once more".to_owned(),
            text: format!(
                "Hello {name},\n\na company wanted to invite you to {host} with this address, which has an account there already. Nothing was changed, and \
                 the company was not told.\n\nIf you are to come for that company too, ask it to invite another address of yours. If you do not know what \
                 this is about, do nothing.\n"
            )
            .into(),
        };
        let about = (MailPurpose::InvitedElsewhere, holder.id);
        self.mail.write(change, &letter, about, NOTICE_MS).await
    }

    /// Whose ticket it is, if it is still good. It stays good.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub async fn open(&self, ticket: &SecretString) -> Result<Option<Opened>, PeopleError> {
        let hash = secret::digest(ticket.expose_secret());
        let now = self.database.now();
        let row = user_ticket::find_good(self.database.read(), &hash, now).await?;
        let Some(row) = row else {
            return Ok(None);
        };
        let user = user::find(self.database.read(), row.user_id).await?;
        let side = user.as_ref().and_then(|user| user.partner_id);
        let takes_part = partner::takes_part(self.database.read(), side).await?;
        Ok(user
            .filter(|user| takes_part && fits(user, row.purpose))
            .map(|user| Opened {
                takes_password: self.takes_password(&user, row.purpose),
                purpose: row.purpose,
                user,
            }))
    }

    /// Staff that has a provider comes by it, unless whoever runs the deployment wrote the ticket. A ticket for another password is written for
    /// who has one, or by hand.
    fn takes_password(&self, user: &user::Model, purpose: TicketPurpose) -> bool {
        user.partner_id.is_some() || self.staff.is_none() || purpose != TicketPurpose::Invitation
    }

    /// Uses a ticket with a password: the person is active from then on, or has a new password, and is signed in.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub async fn accept(
        &self,
        ticket: &SecretString,
        password: &SecretString,
        user_agent: Option<String>,
    ) -> Result<Accepted, PeopleError> {
        // The costly hash is made only for who has a good ticket.
        let Some(opened) = self.open(ticket).await?.filter(|open| open.takes_password) else {
            return Ok(Accepted::NoTicket);
        };
        if let Err(weak) = password::judge(password, &opened.user.email, &opened.user.name) {
            return Ok(Accepted::Weak(weak));
        }
        let hash = self.passwords.hash(password, self.chance.as_ref()).await?;
        let mut change = Change::begin(&self.database, author(opened.user.id)).await?;
        let user = user::find_locked(&change, opened.user.id).await?;
        let used = user_ticket::redeem(&change, &secret::digest(ticket.expose_secret())).await?;
        let (Some(user), Some(used)) = (user, used) else {
            return Ok(Accepted::NoTicket);
        };
        let takes_part = partner::takes_part(change.transaction(), user.partner_id).await?;
        if !takes_part || !fits(&user, used.purpose) {
            return Ok(Accepted::NoTicket);
        }
        let user = match used.purpose {
            TicketPurpose::Invitation | TicketPurpose::FirstAdministrator => {
                user::activate(&mut change, user, Some(hash)).await?
            }
            TicketPurpose::PasswordReset => {
                user::set_password(&mut change, user, hash, None).await?
            }
        };
        let cookie = self
            .begin_session(&mut change, &user, SignInMethod::Ticket, user_agent)
            .await?;
        change.commit().await?;
        // Whoever can open the person's mail has proved enough to try again.
        let attempts = self.attempts_of(&user.email);
        failed_attempt::forgotten(&self.database, &attempts).await?;
        Ok(Accepted::Welcome(Box::new(Welcome { user, cookie })))
    }

    /// Somebody forgot the password of an address. What comes of it is a message or nothing; the caller neither waits nor learns which.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub async fn forgotten(&self, email: &str) -> Result<(), PeopleError> {
        let Some(user) = user::find_by_email(self.database.read(), email).await? else {
            return Ok(());
        };
        let purpose = match user.status {
            UserStatus::Active if user.password_hash.is_some() => TicketPurpose::PasswordReset,
            UserStatus::Invited => TicketPurpose::Invitation,
            _ => return Ok(()),
        };
        let mut change = Change::begin(&self.database, super::anonymous()).await?;
        let Some(user) = user::find_locked(&change, user.id).await? else {
            return Ok(());
        };
        let since = change.now().plus_millis(-AGAIN_MILLIS);
        let lately =
            user_ticket::was_issued_since(change.transaction(), user.id, purpose, since).await?;
        let takes_part = partner::takes_part(change.transaction(), user.partner_id).await?;
        if lately || !takes_part || !fits(&user, purpose) {
            return Ok(());
        }
        let ticket = match purpose {
            TicketPurpose::PasswordReset => {
                let kind = EventKind::UserPasswordResetRequested;
                change.record(about(kind, &user, json!({})));
                issue(&change, &user, purpose).await?
            }
            _ => invite_again(&mut change, &user).await?,
        };
        self.send(&change, &user, &ticket).await?;
        change.commit().await?;
        Ok(())
    }

    /// Changes the password of a person who is signed in and knows the old one. The answer is false when the old one is wrong.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub async fn change_password(
        &self,
        signed_in: &user::Model,
        session: entities::id::SessionId,
        old: &SecretString,
        new: &SecretString,
    ) -> Result<Result<(), PasswordRefusal>, PeopleError> {
        // Whoever is signed in is counted by themselves: nobody outside can keep them from it.
        let attempts = self.attempts_from(&signed_in.email, "the account page");
        if let failed_attempt::Attempt::Locked { .. } =
            failed_attempt::claim(&self.database, &attempts, failed_attempt::STRICT).await?
        {
            return Ok(Err(PasswordRefusal::Locked));
        }
        let kept = signed_in.password_hash.as_ref();
        if !self.passwords.verify(old, kept).await? {
            return Ok(Err(PasswordRefusal::Wrong));
        }
        failed_attempt::succeeded(&self.database, &attempts).await?;
        if let Err(weak) = password::judge(new, &signed_in.email, &signed_in.name) {
            return Ok(Err(PasswordRefusal::Weak(weak)));
        }
        let hash = self.passwords.hash(new, self.chance.as_ref()).await?;
        let mut change = Change::begin(&self.database, author(signed_in.id)).await?;
        let row = user::find_locked(&change, signed_in.id).await?;
        let Some(row) = row.filter(|row| row.password_hash == signed_in.password_hash) else {
            return Ok(Err(PasswordRefusal::Wrong));
        };
        user::set_password(&mut change, row, hash, Some(session)).await?;
        change.commit().await?;
        Ok(Ok(()))
    }

    /// The name of the partner a person is of.
    ///
    /// # Errors
    /// [`PeopleError`].
    pub async fn partner_name(&self, user: &user::Model) -> Result<Option<String>, PeopleError> {
        let Some(partner) = user.partner_id else {
            return Ok(None);
        };
        let viewer = Viewer::system("people");
        let row = visible::find_one::<partner::Entity, _>(self.database.read(), &viewer, partner.0);
        Ok(row.await?.map(|row| row.name))
    }

    /// A path of ours as the browser is told it.
    #[must_use]
    pub fn path(&self, path: &str) -> String {
        local(&self.public_url, path)
    }
}

/// Why a password was not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordRefusal {
    /// The old one is wrong.
    Wrong,
    /// Too many failures in a row.
    Locked,
    /// The new one is not taken.
    Weak(Weak),
}

/// Whether a ticket still opens something for a person as they are now.
const fn fits(user: &user::Model, purpose: TicketPurpose) -> bool {
    match purpose {
        TicketPurpose::Invitation | TicketPurpose::FirstAdministrator => {
            matches!(user.status, UserStatus::Invited)
        }
        TicketPurpose::PasswordReset => matches!(user.status, UserStatus::Active),
    }
}
