//! Publishing commission rules.

use super::CommissionRule;
use crate::graphql::context::requires_scope;
use crate::graphql::earning_terms::EarningTermsInput;
use crate::graphql::edit::{Edit, id_input, payload_many};
use crate::graphql::partnership::PartnerType;
use crate::graphql::program;
use crate::graphql::scalar::Date;
use async_graphql::{Context, ID, InputObject, Object, Result};
use chrono::NaiveDate;
use entities::calendar::Zone;
use entities::change::Change;
use entities::commission_rule::{self, Model, NewCommissionRule};
use entities::error::{Error, ViolationCode};
use entities::viewer::Scope;

/// The most rules at a time.
const MOST: usize = 50;

/// A rule. Without a programme it is the preset of its type.
#[derive(Clone, Debug, InputObject)]
pub struct CommissionRuleInput {
    /// Of which programme.
    pub program_id: Option<ID>,
    /// For which type of partnership; for every type of the programme when nothing is said.
    pub r#type: Option<PartnerType>,
    /// From which day on; today when nothing is said, and never earlier.
    pub effective_on: Option<Date>,
    /// What it says.
    pub terms: EarningTermsInput,
    /// A note.
    pub note: Option<String>,
}

impl CommissionRuleInput {
    async fn read(
        &self,
        change: &Change,
    ) -> entities::error::Result<(NewCommissionRule, NaiveDate)> {
        let program_id = self.program_id.as_ref();
        let program_id = program_id.map(|id| id_input(id, "programId")).transpose()?;
        let zone = match program_id {
            Some(id) => program::zone(change, id).await?,
            None => Zone::UTC,
        };
        let today = program::today(change, zone)?;
        let new = NewCommissionRule {
            program_id,
            kind: self.r#type.map(Into::into),
            effective_on: self.effective_on.as_ref().map_or(today, |day| day.0),
            terms: self.terms.read()?,
            note: self.note.clone().unwrap_or_default(),
        };
        Ok((new, today))
    }
}

/// How the rules would look; nothing is written.
pub(super) async fn propose(
    change: &Change,
    rules: &[CommissionRuleInput],
) -> entities::error::Result<Vec<Model>> {
    few(rules)?;
    let mut rows = Vec::with_capacity(rules.len());
    for rule in rules {
        let (new, today) = rule.read(change).await?;
        rows.extend(commission_rule::propose(change, vec![new], today).await?);
    }
    Ok(rows)
}

fn few(rules: &[CommissionRuleInput]) -> entities::error::Result<()> {
    if rules.is_empty() || rules.len() > MOST {
        let message = format!("1 to {MOST} rules.");
        return Err(Error::invalid(ViolationCode::Invalid, "rules", message));
    }
    Ok(())
}

/// Rules to publish, all or none.
#[derive(Debug, InputObject)]
pub struct PublishCommissionRulesInput {
    /// The rules, 1 to 50.
    pub rules: Vec<CommissionRuleInput>,
    /// True: check everything and write nothing.
    pub validate_only: Option<bool>,
}

impl PublishCommissionRulesInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Vec<Model>> {
        few(&self.rules)?;
        let mut rows = Vec::with_capacity(self.rules.len());
        for rule in &self.rules {
            // Each is judged by the day it is in its own programme.
            let (new, today) = rule.read(&edit.change).await?;
            rows.extend(commission_rule::publish(&mut edit.change, vec![new], today).await?);
        }
        Ok(rows)
    }
}

payload_many!(
    PublishCommissionRulesPayload { commission_rules: CommissionRule of Model },
    "publishCommissionRules",
    Scope::AgreementsRead
);

/// Changes of commission rules.
#[derive(Default)]
pub struct CommissionRuleMutation;

#[Object]
impl CommissionRuleMutation {
    /// Publishes rules for what is earned from a day on. What was earned before stays; `simulateCommissions` says beforehand what a rule would have changed.
    #[graphql(directive = requires_scope::apply("agreements:write".to_owned()))]
    async fn publish_commission_rules(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The rules.")] input: PublishCommissionRulesInput,
    ) -> Result<PublishCommissionRulesPayload> {
        let mut edit = Edit::begin(ctx, Scope::AgreementsWrite, input.validate_only).await?;
        let result = input.apply(&mut edit).await;
        Ok(PublishCommissionRulesPayload::from_outcome(
            edit.finish(result, |_| None).await?,
            CommissionRule,
        ))
    }
}
