//! What every mutation has in common: scope, change, idempotency, `validateOnly`, and refused input as `userErrors`.
//!
//! A resolver opens an [`Edit`], calls one operation of an entity and finishes. A violation becomes a `userError` and nothing is
//! written; a fault becomes a top-level error and nothing is written either.

mod many;
mod own;

pub(crate) use many::payload_many;

use super::context::{self, RequestContext};
use super::error::ErrorCode;
use async_graphql::{Context, Enum, InputType, Result, SimpleObject};
use entities::change::{Author, Change};
use entities::error::{Error, Violation, ViolationCode};
use entities::idempotency_key;
use entities::viewer::Scope;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Why an input was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "ViolationCode")]
pub enum UserErrorCode {
    /// A value is missing or blank.
    Blank,
    /// A value has the wrong form.
    Invalid,
    /// A value is longer or larger than allowed.
    TooLong,
    /// Another row has this value, and it must be unique.
    Taken,
    /// A named row does not exist.
    NotFound,
    /// The state machine has no such transition.
    TransitionNotAllowed,
    /// The row is closed or locked.
    Locked,
    /// The weights of the earning roles would exceed 100 %.
    WeightsExceedWhole,
    /// The row has changed since the version you saw.
    VersionConflict,
    /// The idempotency key was used with another input.
    IdempotencyMismatch,
}

/// A refused input: nothing was written.
#[derive(Clone, Debug, SimpleObject)]
pub struct UserError {
    /// Why, as a stable code.
    pub code: UserErrorCode,
    /// Which field of the input, outermost first; absent for the input as a whole.
    pub field: Option<Vec<String>>,
    /// One sentence for a person.
    pub message: String,
}

impl From<Violation> for UserError {
    fn from(violation: Violation) -> Self {
        let path = || violation.field.split('.').map(str::to_owned).collect();
        Self {
            code: violation.code.into(),
            field: (!violation.field.is_empty()).then(path),
            message: violation.message,
        }
    }
}

/// What an operation brought: a row, or refused input.
pub type Outcome<T> = std::result::Result<T, Vec<UserError>>;

/// A mutation in progress.
pub struct Edit<'a> {
    /// The request.
    pub request: &'a RequestContext,
    /// The change to hand to the operation.
    pub change: Change,
    validate_only: bool,
    repeat: Option<Repeat>,
}

/// The beginning of a creation.
pub enum Opened<'a> {
    /// Nothing was created under this key before.
    Fresh(Box<Edit<'a>>),
    /// This row was.
    Repeated(Uuid),
    /// The key cannot be used.
    Refused(Vec<UserError>),
}

struct Repeat {
    key: String,
    request: String,
}

impl<'a> Edit<'a> {
    /// Begins a mutation. Partners' tokens change nothing here, whatever their scopes: what a partner may write has operations of
    /// its own.
    ///
    /// # Errors
    /// `FORBIDDEN` without the scope.
    pub async fn begin(
        ctx: &Context<'a>,
        scope: Scope,
        validate_only: Option<bool>,
    ) -> Result<Self> {
        let request = staff(ctx, scope)?;
        let change = Change::begin(&request.database, Author::of(&request.viewer)).await?;
        Ok(Self {
            request,
            change,
            validate_only: validate_only.unwrap_or(false),
            repeat: None,
        })
    }

    /// Begins the creation of a row. Under an idempotency key that this caller used before it answers what was created then.
    ///
    /// # Errors
    /// `FORBIDDEN` without the scope, or a fault of the database.
    pub async fn create(
        ctx: &Context<'a>,
        scope: Scope,
        mutation: &str,
        input: &impl InputType,
        key: Option<&String>,
        validate_only: Option<bool>,
    ) -> Result<Opened<'a>> {
        let edit = Self::begin(ctx, scope, validate_only).await?;
        edit.under_key(mutation, input, key).await
    }

    /// Begins a mutation that a partner's people may make as well, of what is their own organisation's: its users, its software, its identity
    /// providers. **Nothing here narrows it to that.** Every row it touches must come from [`entities::management`], which does; a mutation that
    /// reads rows in any other way must use [`Edit::begin`], which lets no partner in.
    ///
    /// # Errors
    /// `FORBIDDEN` without the scope.
    pub async fn begin_managing_own_organisation(
        ctx: &Context<'a>,
        scope: Scope,
        validate_only: Option<bool>,
    ) -> Result<Self> {
        let request = context::request(ctx)?;
        context::require(request, scope)?;
        let change = Change::begin(&request.database, Author::of(&request.viewer)).await?;
        Ok(Self {
            request,
            change,
            validate_only: validate_only.unwrap_or(false),
            repeat: None,
        })
    }

    /// Whether nothing will be written, whatever the operation does.
    #[must_use]
    pub const fn only_validates(&self) -> bool {
        self.validate_only
    }

    /// The edit, as the creation of a row under an idempotency key where one is given.
    ///
    /// # Errors
    /// A fault of the database.
    pub async fn under_key(
        self,
        mutation: &str,
        input: &impl InputType,
        key: Option<&String>,
    ) -> Result<Opened<'a>> {
        let mut edit = self;
        let Some(key) = key else {
            return Ok(Opened::Fresh(Box::new(edit)));
        };
        let digest = Sha256::digest(input.to_value().to_string());
        let request = format!("{mutation}:{}", hex::encode(digest));
        let found =
            idempotency_key::find(&edit.change, &edit.request.viewer.identity(), key, &request)
                .await;
        let opened = match outcome(found)? {
            Ok(None) => {
                edit.repeat = Some(Repeat {
                    key: key.clone(),
                    request,
                });
                return Ok(Opened::Fresh(Box::new(edit)));
            }
            Ok(Some(id)) => Opened::Repeated(id),
            Err(refused) => Opened::Refused(refused),
        };
        edit.change.rollback().await?;
        Ok(opened)
    }

    /// Ends the mutation: commits what the operation did, unless it was refused or only to be validated. `created` is the id of a
    /// new row, kept under the idempotency key.
    ///
    /// # Errors
    /// A fault of the database; then nothing was written.
    pub async fn finish<T>(
        self,
        result: entities::error::Result<T>,
        created: impl FnOnce(&T) -> Option<Uuid>,
    ) -> Result<Outcome<T>> {
        let value = match outcome(result)? {
            Ok(value) => value,
            Err(refused) => {
                self.change.rollback().await?;
                return Ok(Err(refused));
            }
        };
        if self.validate_only {
            self.change.rollback().await?;
            return Ok(Ok(value));
        }
        if let (Some(repeat), Some(id)) = (&self.repeat, created(&value)) {
            let kept = idempotency_key::keep(
                &self.change,
                &self.request.viewer.identity(),
                &repeat.key,
                &repeat.request,
                id,
            )
            .await?;
            if !kept {
                self.change.rollback().await?;
                return Err(ErrorCode::Conflict
                    .error("The same idempotency key is being used at this moment; ask again."));
            }
        }
        // The database's constraints have the last word, also at the commit.
        match outcome(self.change.commit().await)? {
            Ok(()) => Ok(Ok(value)),
            Err(refused) => Ok(Err(refused)),
        }
    }
}

/// Lets staff and integrations with a scope through, and no partner. For what the engine does by itself, in changes of its own.
///
/// # Errors
/// `FORBIDDEN`.
pub fn staff<'a>(ctx: &Context<'a>, scope: Scope) -> Result<&'a RequestContext> {
    let request = context::request(ctx)?;
    context::require(request, scope)?;
    if request.viewer.sees_internal() {
        Ok(request)
    } else {
        Err(ErrorCode::Forbidden.error("This is for the programme's staff."))
    }
}

/// Separates what the engine refuses from its faults. `field` is the field of the input that names the connection or the connector.
///
/// # Errors
/// The faults.
pub fn engine_outcome<T>(
    result: Result<T, integrations::sync::SyncError>,
    field: &str,
) -> Result<Outcome<T>> {
    use integrations::sync::SyncError;
    let refused = |code: ViolationCode, message: String| {
        Ok(Err(vec![UserError::from(Violation::new(
            code, field, message,
        ))]))
    };
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(SyncError::Entity(error)) => outcome(Err(error)),
        Err(error @ SyncError::UnknownConnection) => {
            refused(ViolationCode::NotFound, sentence(&error))
        }
        Err(error @ (SyncError::UnknownConnector(_) | SyncError::NoApp(_))) => {
            refused(ViolationCode::Invalid, sentence(&error))
        }
        Err(error @ SyncError::NotWorking { .. }) => {
            refused(ViolationCode::Locked, sentence(&error))
        }
        Err(error) => {
            tracing::warn!(%error, "the engine could not do what was asked");
            let code = if error.is_retryable() {
                ErrorCode::Unavailable
            } else {
                ErrorCode::Internal
            };
            Err(code.error("The engine could not do this just now."))
        }
    }
}

/// An error as a sentence.
fn sentence(error: &impl std::fmt::Display) -> String {
    let text = error.to_string();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        format!("{}{}.", first.to_uppercase(), letters.as_str())
    })
}

/// Separates refused input from faults.
///
/// # Errors
/// The faults.
pub fn outcome<T>(result: entities::error::Result<T>) -> Result<Outcome<T>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(Error::Invalid(violations)) => {
            Ok(Err(violations.into_iter().map(UserError::from).collect()))
        }
        Err(fault) => Err(fault.into()),
    }
}

/// Reads an id out of an input; another kind of id, or none at all, is the id of no row.
///
/// # Errors
/// A violation of `field`.
pub fn id_input<T: std::str::FromStr>(
    id: &async_graphql::ID,
    field: &str,
) -> entities::error::Result<T> {
    id.parse().map_err(|_| Error::not_found(field))
}

/// The one row that a creation of one brought.
///
/// # Errors
/// When the operation answered with none.
pub fn created<M>(rows: Vec<M>) -> entities::error::Result<M> {
    rows.into_iter()
        .next()
        .ok_or_else(|| Error::Damaged("a creation without a row".to_owned()))
}

/// Makes a mutation's payload: the row, or why it was refused. The row is shown to tokens that may read such rows. A name that the library would
/// spell otherwise is given in brackets.
macro_rules! payload {
    ($name:ident { $field:ident: $node:ident }, $what:literal, $read:expr) => {
        $crate::graphql::edit::payload!($name[] { $field: $node }, $what, $read);
    };
    ($name:ident[$($graphql_name:tt)*] { $field:ident: $node:ident }, $what:literal, $read:expr) => {
        #[doc = concat!("The answer of ", $what, ".")]
        pub struct $name {
            $field: Option<$node>,
            user_errors: Vec<$crate::graphql::edit::UserError>,
        }

        #[doc = concat!("The answer of ", $what, ".")]
        #[async_graphql::Object($($graphql_name)*)]
        impl $name {
            /// The row as it now is; null when the input was refused, or when the token may write such rows but not read them. With
            /// `validateOnly` it is the row as it would be.
            async fn $field(
                &self,
                ctx: &async_graphql::Context<'_>,
            ) -> async_graphql::Result<Option<$node>> {
                Ok(
                    if $crate::graphql::context::request(ctx)?.viewer.may($read) {
                        self.$field.clone()
                    } else {
                        None
                    },
                )
            }

            /// Why the input was refused; empty on success.
            async fn user_errors(&self) -> &[$crate::graphql::edit::UserError] {
                &self.user_errors
            }
        }

        impl $name {
            #[allow(dead_code, reason = "only creations can be repeated")]
            pub(crate) fn found($field: Option<$node>) -> Self {
                Self {
                    $field,
                    user_errors: Vec::new(),
                }
            }

            pub(crate) fn refused(user_errors: Vec<$crate::graphql::edit::UserError>) -> Self {
                Self {
                    $field: None,
                    user_errors,
                }
            }

            pub(crate) fn from_outcome<M>(
                outcome: $crate::graphql::edit::Outcome<M>,
                node: impl FnOnce(M) -> $node,
            ) -> Self {
                match outcome {
                    Ok(row) => Self {
                        $field: Some(node(row)),
                        user_errors: Vec::new(),
                    },
                    Err(user_errors) => Self::refused(user_errors),
                }
            }
        }
    };
}
pub(crate) use payload;

/// The three states of an input field as a patch: absent keeps, null clears, a value sets.
pub(crate) fn nullable<T>(value: async_graphql::MaybeUndefined<T>) -> Option<Option<T>> {
    match value {
        async_graphql::MaybeUndefined::Undefined => None,
        async_graphql::MaybeUndefined::Null => Some(None),
        async_graphql::MaybeUndefined::Value(value) => Some(Some(value)),
    }
}
