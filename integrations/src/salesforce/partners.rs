//! The partners of deals.
//!
//! Owns: reading, for some deals, which accounts are tied to them and in which role. Refuses: to take "may not be read" for "has none": then links stay
//! incomplete. Invariant: two reads of the same state are equal, whatever the order of the rows.
//!
//! A role is a record of its own between a deal and an account. Making or deleting one leaves the deal's own time of change alone, so a walk over
//! changes looks for changed roles as well.

use super::{
    Salesforce,
    call::{Bin, is_unknown_object},
    descriptor::PARTNERS,
    id, map,
    row::{self, Row, value},
    shape::{Selection, Shape},
    soql::{Query, is_one_of},
    wire::{self, QueryFrame},
};
use crate::{
    connector::Context,
    error::{ConnectorError, Result},
    record::{Record, Resource},
};
use futures::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};

/// Ids of one question: with its quotes each takes 27 characters of an address, of which Salesforce reads 16,000.
pub(super) const ASKED_AT_ONCE: usize = 400;

/// One partner of a deal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Partner {
    /// The id of the tie itself.
    pub(super) id: String,
    pub(super) account: String,
    pub(super) role: Option<String>,
}

impl Partner {
    /// Whether this is its role.
    pub(super) fn plays(&self, role: &str) -> bool {
        self.role.as_deref() == Some(role)
    }
}

/// The partners of some deals, by deal; none when the account does not let us read them.
pub(super) type Partners = Option<BTreeMap<String, Vec<Partner>>>;

impl Salesforce {
    /// Adds the partners to deals that were read.
    pub(super) async fn tie(&self, ctx: &Context<'_>, records: &mut [Record]) -> Result<()> {
        let deals: BTreeSet<&str> = records
            .iter()
            .filter(|record| record.resource() == Resource::Deal && !record.archived)
            .map(|record| record.external_id.as_str())
            .collect();
        if deals.is_empty() {
            return Ok(());
        }
        let deals: Vec<&str> = deals.into_iter().collect();
        let Some(partners) = self.partners_of(ctx, &deals).await? else {
            return Ok(());
        };
        for record in records
            .iter_mut()
            .filter(|record| record.resource() == Resource::Deal && !record.archived)
        {
            for partner in partners.get(&record.external_id).into_iter().flatten() {
                let account = partner.account.clone();
                map::add(&mut record.links, account, partner.role.as_deref(), false);
            }
            record.links_complete = true;
        }
        Ok(())
    }

    /// The partners of these deals.
    pub(super) async fn partners_of(&self, ctx: &Context<'_>, deals: &[&str]) -> Result<Partners> {
        let reads = deals
            .chunks(ASKED_AT_ONCE)
            .map(|few| self.some_partners(ctx, few));
        let rows = match try_join_all(reads).await {
            Ok(rows) => rows,
            Err(error) if is_unknown_object(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut partners: BTreeMap<String, Vec<Partner>> = BTreeMap::new();
        for row in rows.into_iter().flatten() {
            let read = |column: &str| value(&row, column).and_then(id::long);
            let (Some(tie), Some(deal), Some(account)) =
                (read("Id"), read("OpportunityId"), read("AccountToId"))
            else {
                return Err(ConnectorError::schema(
                    "a partner of a deal comes without its ids",
                ));
            };
            partners.entry(deal).or_default().push(Partner {
                id: tie,
                account,
                role: value(&row, "Role").map(str::to_owned),
            });
        }
        Ok(Some(partners))
    }

    async fn some_partners(&self, ctx: &Context<'_>, deals: &[&str]) -> Result<Vec<Row>> {
        let columns = ["Id", "OpportunityId", "AccountToId", "Role"].map(str::to_owned);
        let soql = Query::new(&columns, PARTNERS)
            .filter(is_one_of("OpportunityId", deals.iter().copied()))
            .text();
        self.all_rows(ctx, &soql).await
    }

    /// All rows of a query over an object of a few plain fields, page after page.
    pub(super) async fn all_rows(&self, ctx: &Context<'_>, soql: &str) -> Result<Vec<Row>> {
        let shape = Shape::default();
        let selection = Selection::none();
        let mut answer = self.query(ctx, Bin::Hidden, soql).await?;
        let mut rows = Vec::new();
        let mut seen = BTreeSet::new();
        loop {
            let frame: QueryFrame<'_> = wire::read(&answer.body)?;
            for raw in frame.records {
                let read = row::of_json(&shape, &selection, raw).map_err(|flaw| {
                    ConnectorError::schema(format!("a row cannot be read: {flaw}"))
                })?;
                rows.push(read);
            }
            if frame.done {
                return Ok(rows);
            }
            let Some(next) = frame
                .next_records_url
                .filter(|next| seen.insert(next.clone()))
            else {
                return Err(ConnectorError::schema(
                    "Salesforce does not say how its list goes on",
                ));
            };
            answer = self.next_page(ctx, &next).await?;
        }
    }
}
