//! The versions of an agreement and their signatures in the API.

use super::AgreementTerms;
use crate::graphql::references::{self, Children, internal};
use crate::graphql::scalar::{Date, DateTime};
use crate::graphql::siblings::Member;
use async_graphql::{Context, Enum, ID, Object, Result};
use entities::agreement;
use entities::agreement_signature::{self, Model as Signature};
use entities::agreement_version::Model;

/// A side of an agreement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "agreement_signature::Side")]
pub enum AgreementSide {
    /// The owner of the programme.
    Us,
    /// The partner.
    Partner,
}

/// What an agreement says from a day on. Once both sides have signed it, it never changes.
#[derive(Clone)]
pub struct AgreementVersion(pub(crate) Member<Model>);

/// What an agreement says from a day on. Once both sides have signed it, it never changes.
#[Object]
impl AgreementVersion {
    /// The global id.
    pub(crate) async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// Rises with every change; name it in an update as `expectedVersion`.
    async fn version(&self) -> i64 {
        self.0.row().version
    }
    /// When the row was made here.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.row().created_at)
    }
    /// When it was last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.row().updated_at)
    }
    /// 1 for what was agreed first.
    async fn number(&self) -> i32 {
        self.0.row().number
    }
    /// The first day on which it holds, once it is signed.
    async fn effective_on(&self) -> Date {
        Date(self.0.row().effective_on)
    }
    /// What it says.
    async fn terms(&self) -> AgreementTerms {
        AgreementTerms(self.0.row().terms.clone())
    }
    /// The hash of what it says: what is signed.
    async fn terms_hash(&self) -> &str {
        &self.0.row().terms_hash
    }
    /// Whether what it says is still what the hash stands for.
    async fn is_intact(&self, ctx: &Context<'_>) -> Result<bool> {
        let reference = |row: &Model| Some(row.agreement_id.0);
        let id = |row: &agreement::Model| row.id.0;
        let to = references::to::<agreement::Entity, _, _>;
        let found = to(ctx, &self.0, "agreement", reference, id, |member| member).await?;
        match found {
            Some(agreement) => Ok(self.0.row().is_intact(agreement.row())?),
            None => Ok(false),
        }
    }
    /// What an amendment changes, in words.
    async fn summary(&self) -> &str {
        &self.0.row().summary
    }
    /// When both sides had signed.
    async fn signed_at(&self) -> Option<DateTime> {
        self.0.row().signed_at.map(DateTime)
    }
    /// Who signed it.
    async fn signatures(&self, ctx: &Context<'_>) -> Result<Vec<AgreementSignature>> {
        let how = Children::<agreement_signature::Entity, Model> {
            field: "signatures",
            parent: |row| row.id.0,
            column: agreement_signature::Column::AgreementVersionId,
            of: |row| Some(row.agreement_version_id.0),
            order: agreement_signature::Column::CreatedAt,
            id: agreement_signature::Column::Id,
        };
        references::children(ctx, &self.0, how, AgreementSignature).await
    }
}

/// That somebody signed a version.
#[derive(Clone)]
pub struct AgreementSignature(Member<Signature>);

/// That somebody signed a version.
#[Object]
impl AgreementSignature {
    /// The global id.
    async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// For which side.
    async fn side(&self) -> AgreementSide {
        self.0.row().side.into()
    }
    /// Who.
    async fn signer_name(&self) -> &str {
        &self.0.row().signer_name
    }
    /// As what.
    async fn signer_title(&self) -> &str {
        &self.0.row().signer_title
    }
    /// When.
    async fn signed_at(&self) -> DateTime {
        DateTime(self.0.row().created_at)
    }
    /// The hash of what was signed.
    async fn signed_hash(&self) -> &str {
        &self.0.row().signed_hash
    }
    /// The account by which it was recorded. Internal: null for partners.
    async fn signed_by(&self, ctx: &Context<'_>) -> Result<Option<&str>> {
        internal(ctx, Some(self.0.row().signed_by.as_str()))
    }
}
