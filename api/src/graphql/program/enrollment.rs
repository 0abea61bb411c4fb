//! That a partnership takes part in a programme.

use super::Program;
use crate::graphql::references;
use crate::graphql::scalar::Date;
use crate::graphql::siblings::Member;
use async_graphql::{Context, ID, Object, Result};
use entities::program;
use entities::program_enrollment::Model;

/// That a partnership takes part in a programme.
#[derive(Clone)]
pub struct ProgramEnrollment(pub(crate) Member<Model>);

/// That a partnership takes part in a programme.
#[Object]
impl ProgramEnrollment {
    /// The global id.
    async fn id(&self) -> ID {
        self.0.row().id.to_string().into()
    }
    /// From which day on.
    async fn enrolled_on(&self) -> Date {
        Date(self.0.row().enrolled_on)
    }
    /// In which.
    pub(crate) async fn program(&self, ctx: &Context<'_>) -> Result<Option<Program>> {
        let reference = |row: &Model| Some(row.program_id.0);
        let id = |row: &program::Model| row.id.0;
        references::to::<program::Entity, _, _>(ctx, &self.0, "program", reference, id, Program)
            .await
    }
}
