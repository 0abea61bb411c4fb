//! Recording what was done with a partner.

use super::{Activity, ActivityKind, ActivityOutcome};
use crate::graphql::context::{request, requires_scope};
use crate::graphql::edit::{Edit, Opened, id_input, payload};
use crate::graphql::scalar::DateTime;
use async_graphql::{Context, ID, InputObject, Object, Result};
use entities::activity::{self, Model, NewActivity};
use entities::viewer::Scope;

/// Something that was done with a partner.
#[derive(Debug, InputObject)]
pub struct RecordActivityInput {
    /// In which partnership.
    pub partnership_id: ID,
    /// What was done.
    pub kind: ActivityKind,
    /// When; now when nothing is said.
    pub occurred_at: Option<DateTime>,
    /// How it went. The partner does not see it.
    pub outcome: Option<ActivityOutcome>,
    /// What happened, in words that the partner reads as well. Without any, the partner does not see the activity.
    pub summary: Option<String>,
    /// What is noted among ourselves.
    pub internal_note: Option<String>,
    /// Makes a repeated request harmless for 24 hours.
    pub idempotency_key: Option<String>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl RecordActivityInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Model> {
        let now = edit.change.now();
        let new = NewActivity {
            partnership_id: id_input(&self.partnership_id, "partnershipId")?,
            kind: self.kind.into(),
            occurred_at: self.occurred_at.map_or(now, |at| at.0),
            outcome: self.outcome.map(Into::into),
            summary: self.summary,
            internal_note: self.internal_note,
        };
        activity::record(&mut edit.change, &edit.request.viewer, new).await
    }
}

payload!(
    RecordActivityPayload { activity: Activity },
    "recordActivity",
    Scope::PartnersRead
);

/// Changes of activities.
#[derive(Default)]
pub struct ActivityMutation;

#[Object]
impl ActivityMutation {
    /// Records what was done with a partner.
    #[graphql(directive = requires_scope::apply("partners:write".to_owned()))]
    async fn record_activity(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What was done.")] input: RecordActivityInput,
    ) -> Result<RecordActivityPayload> {
        let opened = Edit::create(
            ctx,
            Scope::PartnersWrite,
            "recordActivity",
            &input,
            input.idempotency_key.as_ref(),
            input.validate_only,
        )
        .await?;
        let mut edit = match opened {
            Opened::Fresh(edit) => *edit,
            Opened::Repeated(id) => {
                return Ok(RecordActivityPayload::found(
                    Activity::find(request(ctx)?, id).await?,
                ));
            }
            Opened::Refused(refused) => return Ok(RecordActivityPayload::refused(refused)),
        };
        let result = input.apply(&mut edit).await;
        Ok(RecordActivityPayload::from_outcome(
            edit.finish(result, |row| Some(row.id.0)).await?,
            Activity::one,
        ))
    }
}
