//! Changes of obligations: what they take and what they answer.

use super::{Obligation, ObligationStatus};
use crate::graphql::context::requires_scope;
use crate::graphql::edit::{Edit, id_input, payload};
use async_graphql::{Context, ID, InputObject, Object, Result};
use entities::id::ObligationId;
use entities::obligation::{self, Entity, Model};
use entities::viewer::Scope;
use entities::visible;

async fn lock(
    edit: &Edit<'_>,
    id: &ID,
    expected_version: Option<i64>,
) -> entities::error::Result<Model> {
    let id: ObligationId = id_input(id, "id")?;
    visible::lock_one::<Entity>(&edit.change, &edit.request.viewer, id.0, expected_version).await
}

/// An obligation that is done, or need not be.
#[derive(Debug, InputObject)]
pub struct CloseObligationInput {
    /// Which obligation.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// DONE or WAIVED.
    pub status: ObligationStatus,
    /// What there is to say; needed where it is waived. The partner does not read it.
    pub note: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl CloseObligationInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let row = lock(edit, &self.id, self.expected_version).await?;
        obligation::close(&mut edit.change, row, self.status.into(), self.note).await
    }
}

/// Who is to see to an obligation.
#[derive(Debug, InputObject)]
pub struct AssignObligationInput {
    /// Which obligation.
    pub id: ID,
    /// The version you saw; another one refuses the change.
    pub expected_version: Option<i64>,
    /// Who; nobody when nothing is said.
    pub owner: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl AssignObligationInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let row = lock(edit, &self.id, self.expected_version).await?;
        obligation::assign(&mut edit.change, row, self.owner).await
    }
}

payload!(
    CloseObligationPayload {
        obligation: Obligation
    },
    "closeObligation",
    Scope::AgreementsRead
);
payload!(
    AssignObligationPayload {
        obligation: Obligation
    },
    "assignObligation",
    Scope::AgreementsRead
);

/// Changes of obligations.
#[derive(Default)]
pub struct ObligationMutation;

#[Object]
impl ObligationMutation {
    /// Marks an obligation done, or says that it need not be.
    #[graphql(directive = requires_scope::apply("agreements:write".to_owned()))]
    async fn close_obligation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which obligation, and how.")] input: CloseObligationInput,
    ) -> Result<CloseObligationPayload> {
        let mut edit = Edit::begin(ctx, Scope::AgreementsWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(CloseObligationPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Obligation::one,
        ))
    }

    /// Says who sees to an obligation.
    #[graphql(directive = requires_scope::apply("agreements:write".to_owned()))]
    async fn assign_obligation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which obligation, and who.")] input: AssignObligationInput,
    ) -> Result<AssignObligationPayload> {
        let mut edit = Edit::begin(ctx, Scope::AgreementsWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(AssignObligationPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            Obligation::one,
        ))
    }
}
