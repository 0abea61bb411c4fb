//! What a partner does with its registrations, and staff for it.

use super::{DealRegistration, receipt};
use crate::graphql::context::{request, requires_scope, state};
use crate::graphql::edit::{Edit, Opened, created, id_input, payload};
use crate::graphql::scalar::{Date, Domain, MoneyInput};
use crate::oauth::keys::SigningKey;
use async_graphql::{Context, ID, InputObject, Object, Result};
use entities::deal_registration::{self, Account, Draft, Entity, Model};
use entities::error::{Error, ViolationCode};
use entities::id::DealRegistrationId;
use entities::registration_note::{self, NoteKind};
use entities::viewer::Scope;
use entities::visible;

type Changed = entities::error::Result<Model>;

pub(super) async fn lock(edit: &Edit<'_>, id: &ID, expected_version: Option<i64>) -> Changed {
    let id: DealRegistrationId = id_input(id, "id")?;
    visible::lock_one::<Entity>(&edit.change, &edit.request.viewer, id.0, expected_version).await
}

/// An account.
#[derive(Clone, Debug, InputObject)]
pub struct AccountInput {
    /// Its name.
    pub name: String,
    /// Its internet domain.
    pub domain: Option<Domain>,
    /// Its country: two letters of ISO 3166.
    pub country: Option<String>,
    /// Its D-U-N-S number.
    pub duns: Option<String>,
}

impl AccountInput {
    pub(super) fn read(self) -> Account {
        Account {
            name: self.name,
            domain: self.domain.map(|domain| domain.0),
            country: self.country,
            duns: self.duns,
        }
    }
}

/// Whom the partner speaks with.
#[derive(Clone, Debug, InputObject)]
pub struct RegisteredContactInput {
    /// The name.
    pub name: String,
    /// The e-mail address.
    pub email: Option<String>,
}

/// What a registration says.
#[derive(Clone, Debug, InputObject)]
pub struct RegistrationContentInput {
    /// The account that is claimed.
    pub account: AccountInput,
    /// Whom the partner speaks with there.
    pub contact: RegisteredContactInput,
    /// Which products of the programme are claimed; all when nothing is said.
    #[graphql(default)]
    pub products: Vec<String>,
    /// In which of its territories; everywhere when nothing is said.
    #[graphql(default)]
    pub territories: Vec<String>,
    /// What the deal may be worth.
    pub value: Option<MoneyInput>,
    /// The day on which it may close.
    pub expected_close_on: Option<Date>,
    /// What the account wants it for.
    pub use_case: String,
}

impl RegistrationContentInput {
    fn read(self) -> entities::error::Result<Draft> {
        let value = self.value.map(|value| value.to_amount("value"));
        Ok(Draft {
            account: self.account.read(),
            contact_name: self.contact.name,
            contact_email: self.contact.email,
            products: self.products,
            territories: self.territories,
            value: value.transpose()?,
            expected_close_on: self.expected_close_on.map(|day| day.0),
            use_case: self.use_case,
        })
    }
}

/// A new registration; it is a draft.
#[derive(Debug, InputObject)]
pub struct CreateDealRegistrationInput {
    /// Through which partnership.
    pub partnership_id: ID,
    /// What it says.
    pub content: RegistrationContentInput,
    /// Makes a repeated request harmless for 24 hours.
    pub idempotency_key: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl CreateDealRegistrationInput {
    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        let partnership = id_input(&self.partnership_id, "partnershipId")?;
        let (viewer, draft) = (&edit.request.viewer, self.content.read()?);
        deal_registration::create(&mut edit.change, viewer, vec![(partnership, draft)])
            .await
            .and_then(created)
    }
}

/// Other words for a draft, or for what was submitted and is asked about.
#[derive(Debug, InputObject)]
pub struct ReviseDealRegistrationInput {
    /// Which registration.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// What it says, all of it. Another account, product or territory loses its place: it is as if it had not been handed in before.
    pub content: RegistrationContentInput,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl ReviseDealRegistrationInput {
    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        let row = lock(edit, &self.id, self.expected_version).await?;
        deal_registration::revise(&mut edit.change, row, self.content.read()?).await
    }
}

/// A registration to be handed in, for the first time or with what was asked for.
#[derive(Debug, InputObject)]
pub struct SubmitDealRegistrationInput {
    /// Which registration.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// True: check whether it may be handed in and write nothing. The row is answered as it is: neither a receipt nor whether something stands against it
    /// is given for what was not handed in; `checkAccount` says the latter.
    pub validate_only: Option<bool>,
}

impl SubmitDealRegistrationInput {
    async fn apply(self, edit: &mut Edit<'_>, key: &SigningKey) -> Changed {
        let row = lock(edit, &self.id, self.expected_version).await?;
        if edit.only_validates() {
            deal_registration::check_submission(&edit.change, &row).await?;
            return Ok(row);
        }
        let row = deal_registration::submit(&mut edit.change, row).await?;
        receipt::sign(&edit.change, row, key).await
    }
}

/// Why a protection should last longer.
#[derive(Debug, InputObject)]
pub struct RequestDealRegistrationExtensionInput {
    /// Which registration.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// What there is to show: a meeting, a quote, an evaluation.
    pub evidence: String,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl RequestDealRegistrationExtensionInput {
    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        let row = lock(edit, &self.id, self.expected_version).await?;
        deal_registration::request_extension(&mut edit.change, row, self.evidence).await
    }
}

/// A registration to be taken back.
#[derive(Debug, InputObject)]
pub struct WithdrawDealRegistrationInput {
    /// Which registration.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// Why.
    pub reason: String,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl WithdrawDealRegistrationInput {
    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        let row = lock(edit, &self.id, self.expected_version).await?;
        deal_registration::withdraw(&mut edit.change, row, self.reason).await
    }
}

/// Something to be said of a registration.
#[derive(Debug, InputObject)]
pub struct CommentDealRegistrationInput {
    /// Which registration.
    pub id: ID,
    /// What is said.
    pub text: String,
    /// True: among ourselves. Not for partners.
    #[graphql(default)]
    pub internal: bool,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl CommentDealRegistrationInput {
    async fn apply(self, edit: &mut Edit<'_>) -> Changed {
        if self.internal && !edit.request.viewer.sees_internal() {
            let message = "A partner has no notes that it does not see itself.";
            return Err(Error::invalid(ViolationCode::Invalid, "internal", message));
        }
        let row = lock(edit, &self.id, None).await?;
        let (change, kind) = (&mut edit.change, NoteKind::Comment);
        registration_note::write(change, &row, kind, self.internal, self.text).await?;
        Ok(row)
    }
}

macro_rules! registration_payload {
    ($name:ident, $what:literal) => {
        payload!(
            $name {
                deal_registration: DealRegistration
            },
            $what,
            Scope::RegistrationsRead
        );
    };
}
pub(super) use registration_payload;

registration_payload!(CreateDealRegistrationPayload, "createDealRegistration");
registration_payload!(ReviseDealRegistrationPayload, "reviseDealRegistration");
registration_payload!(SubmitDealRegistrationPayload, "submitDealRegistration");
registration_payload!(
    RequestDealRegistrationExtensionPayload,
    "requestDealRegistrationExtension"
);
registration_payload!(WithdrawDealRegistrationPayload, "withdrawDealRegistration");
registration_payload!(CommentDealRegistrationPayload, "commentDealRegistration");

/// Changes of registrations that a partner makes of its own.
#[derive(Default)]
pub struct DealRegistrationMutation;

#[Object]
impl DealRegistrationMutation {
    /// Drafts a registration; a partner its own.
    #[graphql(directive = requires_scope::apply("registrations:submit".to_owned()))]
    async fn create_deal_registration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new registration.")] input: CreateDealRegistrationInput,
    ) -> Result<CreateDealRegistrationPayload> {
        let opened = Edit::create_own(
            ctx,
            Scope::RegistrationsSubmit,
            "createDealRegistration",
            &input,
            input.idempotency_key.as_ref(),
            input.validate_only,
        )
        .await?;
        let mut edit = match opened {
            Opened::Fresh(edit) => *edit,
            Opened::Repeated(id) => {
                return Ok(CreateDealRegistrationPayload::found(
                    DealRegistration::find(request(ctx)?, id).await?,
                ));
            }
            Opened::Refused(refused) => return Ok(CreateDealRegistrationPayload::refused(refused)),
        };
        let result = input.apply(&mut edit).await;
        Ok(CreateDealRegistrationPayload::from_outcome(
            edit.finish(result, |row| Some(row.id.0)).await?,
            DealRegistration::one,
        ))
    }

    /// Rewrites a draft, or what was handed in and is asked about.
    #[graphql(directive = requires_scope::apply("registrations:submit".to_owned()))]
    async fn revise_deal_registration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What it says.")] input: ReviseDealRegistrationInput,
    ) -> Result<ReviseDealRegistrationPayload> {
        let mut edit =
            Edit::begin_own(ctx, Scope::RegistrationsSubmit, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(ReviseDealRegistrationPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            DealRegistration::one,
        ))
    }

    /// Hands a registration in. It is CONFLICTED where something surely stands against it or somebody was first; the partner is not told what. The
    /// answer carries a signed `receipt`.
    #[graphql(directive = requires_scope::apply("registrations:submit".to_owned()))]
    async fn submit_deal_registration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which registration.")] input: SubmitDealRegistrationInput,
    ) -> Result<SubmitDealRegistrationPayload> {
        let scope = Scope::RegistrationsSubmit;
        let mut edit = Edit::begin_own(ctx, scope, input.validate_only).await?;
        let keys = state(ctx)?.tokens.keys();
        let result = input.apply(&mut edit, keys.current()).await;
        Ok(SubmitDealRegistrationPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            DealRegistration::one,
        ))
    }

    /// Asks for a longer protection; `extendDealRegistration` grants it.
    #[graphql(directive = requires_scope::apply("registrations:submit".to_owned()))]
    async fn request_deal_registration_extension(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which registration, and why.")]
        input: RequestDealRegistrationExtensionInput,
    ) -> Result<RequestDealRegistrationExtensionPayload> {
        let mut edit =
            Edit::begin_own(ctx, Scope::RegistrationsSubmit, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(RequestDealRegistrationExtensionPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            DealRegistration::one,
        ))
    }

    /// Takes a registration back; the account is free again.
    #[graphql(directive = requires_scope::apply("registrations:submit".to_owned()))]
    async fn withdraw_deal_registration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which registration, and why.")] input: WithdrawDealRegistrationInput,
    ) -> Result<WithdrawDealRegistrationPayload> {
        let mut edit =
            Edit::begin_own(ctx, Scope::RegistrationsSubmit, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(WithdrawDealRegistrationPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            DealRegistration::one,
        ))
    }

    /// Says something of a registration.
    #[graphql(directive = requires_scope::apply("registrations:submit".to_owned()))]
    async fn comment_deal_registration(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Of which registration, and what.")] input: CommentDealRegistrationInput,
    ) -> Result<CommentDealRegistrationPayload> {
        let mut edit =
            Edit::begin_own(ctx, Scope::RegistrationsSubmit, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(CommentDealRegistrationPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            DealRegistration::one,
        ))
    }
}
