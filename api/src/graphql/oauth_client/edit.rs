//! Registering clients, changing them, and exchanging their secrets.
//!
//! Invariants: a partner's administrator reaches its own company's clients only ([`entities::management`]); a secret is answered once, and not at
//! all by a request that only validates or repeats.

use super::{OAuthClient, OAuthClientAuthMethod, OAuthGrantType};
use crate::graphql::context::{request, requires_scope};
use crate::graphql::edit::{Edit, Opened, Outcome, UserError, id_input, payload};
use async_graphql::{Context, ID, InputObject, Json, Object, Result};
use entities::error::{Error, Violation, ViolationCode};
use entities::id::OAuthClientId;
use entities::management;
use entities::oauth_client::{self, Entity, Model, NewOAuthClient, OAuthClientPatch};
use entities::viewer::{Scope, Scopes};
use secrecy::{ExposeSecret as _, SecretString};

/// A new client.
#[derive(Debug, InputObject)]
#[graphql(name = "CreateOAuthClientInput")]
pub struct CreateOAuthClientInput {
    /// What people read when they are asked to agree.
    pub name: String,
    /// The partner it belongs to; absent for the programme's own. A partner's administrator registers for its own.
    pub partner_id: Option<ID>,
    /// How it proves that it is the one.
    pub auth_method: OAuthClientAuthMethod,
    /// How it may come by tokens.
    pub grant_types: Vec<OAuthGrantType>,
    /// Where people may be sent back to: https, or http on 127.0.0.1 or [::1], where any port is accepted. Compared letter for letter.
    #[graphql(default)]
    pub redirect_uris: Vec<String>,
    /// What it may have at most: no more than you have, and for a partner's no more than its partner may have.
    pub scopes: Vec<String>,
    /// The public keys of a client that proves itself by signatures, as a JSON Web Key Set.
    pub jwks: Option<Json<serde_json::Value>>,
    /// Makes a repeated request harmless for 24 hours. The secret is answered the first time only.
    pub idempotency_key: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

/// Changes to a client: an absent field keeps its value. What takes something away ends the tokens it has. Its keys, addresses and grant types are changed
/// by whoever may all that the client may.
#[derive(Debug, InputObject)]
#[graphql(name = "UpdateOAuthClientInput")]
pub struct UpdateOAuthClientInput {
    /// Which client.
    pub id: ID,
    /// The version you saw; another one refuses the update.
    pub expected_version: Option<i64>,
    /// What people read when they are asked to agree.
    pub name: Option<String>,
    /// How it may come by tokens.
    pub grant_types: Option<Vec<OAuthGrantType>>,
    /// Where people may be sent back to.
    pub redirect_uris: Option<Vec<String>>,
    /// What it may have at most.
    pub scopes: Option<Vec<String>>,
    /// The public keys by which it proves itself.
    pub jwks: Option<Json<serde_json::Value>>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

/// A client whose secret is exchanged.
#[derive(Debug, InputObject)]
#[graphql(name = "RotateOAuthClientSecretInput")]
pub struct RotateOAuthClientSecretInput {
    /// Which client.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// For how many seconds the secret before goes on, at most 2,592,000. With 0 it ends now, and the tokens that were got with it too.
    pub overlap: i32,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

/// A client, and the version that was seen.
#[derive(Debug, InputObject)]
#[graphql(name = "DisableOAuthClientInput")]
pub struct DisableOAuthClientInput {
    /// Which client.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

/// A client, and the version that was seen.
#[derive(Debug, InputObject)]
#[graphql(name = "EnableOAuthClientInput")]
pub struct EnableOAuthClientInput {
    /// Which client.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

payload!(
    UpdateOAuthClientPayload[name = "UpdateOAuthClientPayload"] { client: OAuthClient },
    "updateOAuthClient",
    Scope::ClientsManage
);
payload!(
    DisableOAuthClientPayload[name = "DisableOAuthClientPayload"] { client: OAuthClient },
    "disableOAuthClient",
    Scope::ClientsManage
);
payload!(
    EnableOAuthClientPayload[name = "EnableOAuthClientPayload"] { client: OAuthClient },
    "enableOAuthClient",
    Scope::ClientsManage
);

/// Makes the payload of a mutation that also answers a secret.
macro_rules! secret_payload {
    ($name:ident, $graphql_name:literal, $what:literal) => {
        #[doc = concat!("The answer of ", $what, ".")]
        pub struct $name(Answered);

        #[doc = concat!("The answer of ", $what, ".")]
        #[Object(name = $graphql_name)]
        impl $name {
            /// The client as it now is; null when the input was refused. With `validateOnly` it is the client as it would be.
            async fn client(&self) -> Option<OAuthClient> {
                self.0.client.clone()
            }
            /// The client's secret. It is shown this once; what is kept is a digest. Null for a client without a secret, with `validateOnly`, and
            /// for a request that repeats an earlier one.
            async fn client_secret(&self) -> Option<&str> {
                self.0.secret.as_ref().map(|secret| secret.expose_secret())
            }
            /// Why the input was refused; empty on success.
            async fn user_errors(&self) -> &[UserError] {
                &self.0.user_errors
            }
        }
    };
}

secret_payload!(
    CreateOAuthClientPayload,
    "CreateOAuthClientPayload",
    "createOAuthClient"
);
secret_payload!(
    RotateOAuthClientSecretPayload,
    "RotateOAuthClientSecretPayload",
    "rotateOAuthClientSecret"
);

/// A client, perhaps with its new secret, or why it was refused.
#[derive(Default)]
struct Answered {
    client: Option<OAuthClient>,
    secret: Option<SecretString>,
    user_errors: Vec<UserError>,
}

impl Answered {
    /// What is shown of an outcome. A secret that was not written is none.
    fn of(outcome: Outcome<(Model, Option<SecretString>)>, only_validated: bool) -> Self {
        match outcome {
            Ok((row, secret)) => Self {
                client: Some(OAuthClient::one(row)),
                secret: secret.filter(|_| !only_validated),
                user_errors: Vec::new(),
            },
            Err(user_errors) => Self {
                user_errors,
                ..Self::default()
            },
        }
    }
}

/// Reads scopes; a word that is none is refused, for it can only be a mistake here.
fn read_scopes(words: &[String]) -> entities::error::Result<Scopes> {
    let mut scopes = Vec::with_capacity(words.len());
    let mut unknown = Vec::new();
    for word in words {
        match word.parse::<Scope>() {
            Ok(scope) => scopes.push(scope),
            Err(error) => unknown.push(Violation::new(
                ViolationCode::Invalid,
                "scopes",
                format!("There is no such scope: {:?}.", shortened(&error.0)),
            )),
        }
    }
    if unknown.is_empty() {
        Ok(scopes.into_iter().collect())
    } else {
        unknown.truncate(10);
        Err(Error::Invalid(unknown))
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

fn grants(given: Vec<OAuthGrantType>) -> Vec<oauth_client::GrantType> {
    given.into_iter().map(Into::into).collect()
}

impl CreateOAuthClientInput {
    async fn apply(
        self,
        edit: &mut Edit<'_>,
    ) -> entities::error::Result<(Model, Option<SecretString>)> {
        let viewer = &edit.request.viewer;
        let named = self
            .partner_id
            .as_ref()
            .map(|id| id_input(id, "partnerId"))
            .transpose()?;
        let new = NewOAuthClient {
            name: self.name,
            partner_id: management::organisation_for(viewer, named)?,
            auth_method: self.auth_method.into(),
            redirect_uris: self.redirect_uris,
            grant_types: grants(self.grant_types),
            scopes: read_scopes(&self.scopes)?,
            jwks: self.jwks.map(|keys| keys.0),
        };
        oauth_client::create(&mut edit.change, viewer, new).await
    }
}

impl UpdateOAuthClientInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let row = locked(edit, &self.id, self.expected_version).await?;
        let patch = OAuthClientPatch {
            name: self.name,
            redirect_uris: self.redirect_uris,
            grant_types: self.grant_types.map(grants),
            scopes: self.scopes.as_deref().map(read_scopes).transpose()?,
            jwks: self.jwks.map(|keys| keys.0),
        };
        oauth_client::update(&mut edit.change, &edit.request.viewer, row, patch).await
    }
}

impl RotateOAuthClientSecretInput {
    async fn apply(
        self,
        edit: &mut Edit<'_>,
    ) -> entities::error::Result<(Model, Option<SecretString>)> {
        let row = locked(edit, &self.id, self.expected_version).await?;
        let overlap_millis = i64::from(self.overlap) * 1_000;
        let viewer = &edit.request.viewer;
        let (row, secret) =
            oauth_client::rotate_secret(&mut edit.change, viewer, row, overlap_millis).await?;
        Ok((row, Some(secret)))
    }
}

async fn begin<'a>(ctx: &Context<'a>, validate_only: Option<bool>) -> Result<Edit<'a>> {
    Edit::begin_managing_own_organisation(ctx, Scope::ClientsManage, validate_only).await
}

async fn locked(
    edit: &Edit<'_>,
    id: &ID,
    expected_version: Option<i64>,
) -> entities::error::Result<Model> {
    let id: OAuthClientId = id_input(id, "id")?;
    management::lock::<Entity>(&edit.change, &edit.request.viewer, id.0, expected_version).await
}

/// Changes of clients.
#[derive(Default)]
pub struct OAuthClientMutation;

#[Object]
impl OAuthClientMutation {
    /// Registers a client. The secret, where it has one, is answered this once.
    #[graphql(name = "createOAuthClient", directive = requires_scope::apply("clients:manage".to_owned()))]
    async fn create_oauth_client(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The new client.")] input: CreateOAuthClientInput,
    ) -> Result<CreateOAuthClientPayload> {
        let edit = begin(ctx, input.validate_only).await?;
        let opened = edit
            .under_key("createOAuthClient", &input, input.idempotency_key.as_ref())
            .await?;
        let mut edit = match opened {
            Opened::Fresh(edit) => *edit,
            Opened::Repeated(id) => {
                return Ok(CreateOAuthClientPayload(Answered {
                    client: OAuthClient::find(request(ctx)?, OAuthClientId(id)).await?,
                    ..Answered::default()
                }));
            }
            Opened::Refused(user_errors) => {
                return Ok(CreateOAuthClientPayload(Answered {
                    user_errors,
                    ..Answered::default()
                }));
            }
        };
        let only_validated = edit.only_validates();
        let result = input.apply(&mut edit).await;
        let outcome = edit.finish(result, |(row, _)| Some(row.id.0)).await?;
        Ok(CreateOAuthClientPayload(Answered::of(
            outcome,
            only_validated,
        )))
    }

    /// Changes a client.
    #[graphql(name = "updateOAuthClient", directive = requires_scope::apply("clients:manage".to_owned()))]
    async fn update_oauth_client(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What changes.")] input: UpdateOAuthClientInput,
    ) -> Result<UpdateOAuthClientPayload> {
        let mut edit = begin(ctx, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        let outcome = edit.finish(result, |_| None).await?;
        Ok(UpdateOAuthClientPayload::from_outcome(
            outcome,
            OAuthClient::one,
        ))
    }

    /// Gives a client another secret. It is answered this once; the one before goes on for as long as you say. For whoever may all that the client may.
    #[graphql(name = "rotateOAuthClientSecret", directive = requires_scope::apply("clients:manage".to_owned()))]
    async fn rotate_oauth_client_secret(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Whose secret, and how long the one before goes on.")]
        input: RotateOAuthClientSecretInput,
    ) -> Result<RotateOAuthClientSecretPayload> {
        let mut edit = begin(ctx, input.validate_only).await?;
        let only_validated = edit.only_validates();
        let result = input.apply(&mut edit).await;
        let outcome = edit.finish(result, |_| None).await?;
        Ok(RotateOAuthClientSecretPayload(Answered::of(
            outcome,
            only_validated,
        )))
    }

    /// Keeps a client from getting tokens, and ends those it has.
    #[graphql(name = "disableOAuthClient", directive = requires_scope::apply("clients:manage".to_owned()))]
    async fn disable_oauth_client(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which client.")] input: DisableOAuthClientInput,
    ) -> Result<DisableOAuthClientPayload> {
        let mut edit = begin(ctx, input.validate_only).await?;
        let result = async {
            let row = locked(&edit, &input.id, input.expected_version).await?;
            oauth_client::disable(&mut edit.change, row).await
        };
        let result = result.await;
        let outcome = edit.finish(result, |_| None).await?;
        Ok(DisableOAuthClientPayload::from_outcome(
            outcome,
            OAuthClient::one,
        ))
    }

    /// Lets a disabled client get tokens again. For whoever may all that the client may.
    #[graphql(name = "enableOAuthClient", directive = requires_scope::apply("clients:manage".to_owned()))]
    async fn enable_oauth_client(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which client.")] input: EnableOAuthClientInput,
    ) -> Result<EnableOAuthClientPayload> {
        let mut edit = begin(ctx, input.validate_only).await?;
        let result = async {
            let row = locked(&edit, &input.id, input.expected_version).await?;
            oauth_client::enable(&mut edit.change, &edit.request.viewer, row).await
        };
        let result = result.await;
        let outcome = edit.finish(result, |_| None).await?;
        Ok(EnableOAuthClientPayload::from_outcome(
            outcome,
            OAuthClient::one,
        ))
    }
}
