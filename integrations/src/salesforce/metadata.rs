//! Stages and roles.
//!
//! Owns: the resources that are few and have no walk of their own. Refuses: a delta over them: each reading reads all. Invariant: a finished reading
//! leaves a position from which the next one begins anew.

use super::{
    Salesforce,
    call::is_unknown_object,
    cursor::Position,
    descriptor::{PARTNERS, object},
    map::{self, PARTNER},
    soql::Query,
};
use crate::{
    connector::{Context, Fetched, Mode, Next, Page, PageRequest},
    error::{ConnectorError, Result},
    record::{AssociationLabel, Fields, Kind, Record, Resource},
};

/// What is read of a stage, where the account has it.
const OF_A_STAGE: [&str; 8] = [
    "Id",
    "MasterLabel",
    "ApiName",
    "IsActive",
    "IsClosed",
    "IsWon",
    "SortOrder",
    "DefaultProbability",
];

const STAGES: &str = "OpportunityStage";

impl Salesforce {
    pub(super) async fn metadata(
        &self,
        ctx: &Context<'_>,
        request: &PageRequest<'_>,
        position: Option<Position>,
    ) -> Result<Page> {
        if !matches!(position, None | Some(Position::Done {})) {
            return Err(Position::foreign(request.mode));
        }
        let records = match (request.mode, request.resource) {
            // Neither can be put away.
            (Mode::Archived, _) => Vec::new(),
            (_, Resource::Pipeline) => vec![self.stages(ctx).await?],
            (_, Resource::AssociationLabel) => self.labels(ctx).await?,
            (_, other) => {
                return Err(ConnectorError::permanent(
                    "unknown_resource",
                    format!("Salesforce has no {other}"),
                ));
            }
        };
        Ok(Page {
            records,
            ..map::Reading::default().page(Next::CaughtUp(Position::Done {}.write()?))
        })
    }

    pub(super) async fn fetch_metadata(
        &self,
        ctx: &Context<'_>,
        resource: Resource,
        ids: &[String],
    ) -> Result<Fetched> {
        if resource != Resource::Pipeline {
            return Err(ConnectorError::permanent(
                "not_fetchable",
                format!("Salesforce has no read by id for {resource}"),
            ));
        }
        let stages = self.stages(ctx).await?;
        let (there, missing): (Vec<String>, Vec<String>) = ids
            .iter()
            .cloned()
            .partition(|id| *id == stages.external_id);
        Ok(Fetched {
            records: if there.is_empty() {
                Vec::new()
            } else {
                vec![stages]
            },
            missing,
            ..Fetched::default()
        })
    }

    /// All stages, as the one row of them that Salesforce has.
    async fn stages(&self, ctx: &Context<'_>) -> Result<Record> {
        let shape = self.shape(ctx, STAGES).await?;
        let columns: Vec<String> = OF_A_STAGE
            .iter()
            .filter(|name| shape.lists(name))
            .map(|name| (*name).to_owned())
            .collect();
        let soql = Query::new(&columns, STAGES).text();
        Ok(map::pipeline(&self.all_rows(ctx, &soql).await?))
    }

    /// The roles a partner may have in a deal.
    pub(super) async fn roles(&self, ctx: &Context<'_>) -> Result<Vec<String>> {
        let shape = match self.shape(ctx, PARTNERS).await {
            Ok(shape) => shape,
            Err(error) if is_unknown_object(&error) => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let roles = shape.fields.get("Role").map(|field| &field.picklist);
        Ok(roles
            .into_iter()
            .flatten()
            .map(|(value, _)| value.clone())
            .collect())
    }

    /// Whether deals name their partner in a field of their own: only accounts with partner users have it.
    pub(super) async fn names_partner(&self, ctx: &Context<'_>) -> Result<bool> {
        match object(Resource::Deal) {
            Some(deal) => Ok(self.shape(ctx, deal.name).await?.has("PartnerAccountId")),
            None => Ok(false),
        }
    }

    async fn labels(&self, ctx: &Context<'_>) -> Result<Vec<Record>> {
        let mut labels = vec![label(Resource::Contact, None), label(Resource::Deal, None)];
        let mut names = self.roles(ctx).await?;
        if self.names_partner(ctx).await? && !names.iter().any(|name| name == PARTNER) {
            names.push(PARTNER.to_owned());
        }
        labels.extend(
            names
                .into_iter()
                .map(|name| label(Resource::Deal, Some(name))),
        );
        Ok(labels)
    }
}

/// A kind of tie to a company: the main one, or one with a role.
fn label(from: Resource, name: Option<String>) -> Record {
    let key = name.as_deref().map_or("main", |_| "role");
    Record {
        external_id: format!(
            "{from}/company/{key}/{}",
            name.as_deref().unwrap_or_default()
        ),
        updated_at_ms: 0,
        created_at_ms: None,
        archived: false,
        fields: Fields::from([("label".to_owned(), name.clone())]),
        links: Vec::new(),
        links_complete: true,
        url: None,
        kind: Kind::AssociationLabel(AssociationLabel {
            from,
            to: Resource::Company,
            primary: name.is_none(),
            custom: false,
            label: name,
        }),
    }
}
