//! The roles of partners in deals that were written.
//!
//! Owns: giving and taking away. Refuses: to give a role twice: a role is a record of its own, and a repeated attempt would make a second one, so what is
//! there is read first. Invariant: what is given comes before what is taken away, so that an attempt that fails in between loses none.

use super::super::{Salesforce, descriptor::PARTNERS, partners::Partner};
use super::{
    Progress, set,
    ties::Change,
    typed,
    values::{Body, Sent},
};
use crate::{
    connector::Context,
    error::{ConnectorError, Result},
};
use http::Method;
use std::collections::BTreeMap;

impl Salesforce {
    /// Gives and takes away the roles of what was written.
    pub(super) async fn recast(
        &self,
        ctx: &Context<'_>,
        changes: &[Change],
        progress: &mut [Progress],
    ) {
        let concerned: Vec<(usize, String, &Change)> = changes
            .iter()
            .enumerate()
            .filter(|(_, change)| !change.cast.is_empty() || !change.dropped.is_empty())
            .filter_map(|(place, change)| match progress.get(place) {
                Some(Progress::Written(id)) => Some((place, id.clone(), change)),
                _ => None,
            })
            .collect();
        if concerned.is_empty() {
            return;
        }
        let held = match self.held_roles(ctx, &concerned).await {
            Ok(held) => held,
            Err(error) => {
                for (place, id, _) in concerned {
                    set(progress, place, Progress::Unlinked(id, error.clone()));
                }
                return;
            }
        };
        let (mut bodies, mut places) = (Vec::new(), Vec::new());
        let (mut ids, mut owners) = (Vec::new(), Vec::new());
        for (place, deal, change) in &concerned {
            let partners = held.get(deal).map(Vec::as_slice).unwrap_or_default();
            for (account, role) in &change.cast {
                let is_there = |one: &Partner| one.account == *account && one.plays(role);
                if !partners.iter().any(is_there) {
                    bodies.push(typed(PARTNERS, None, casting(deal, account, role)));
                    places.push(*place);
                }
            }
            for partner in partners {
                let goes = change.dropped.iter().any(|(account, role)| {
                    partner.account == *account
                        && role.as_ref().is_none_or(|role| partner.plays(role))
                });
                let stays = partner.role.as_ref().is_some_and(|role| {
                    change
                        .cast
                        .contains(&(partner.account.clone(), role.clone()))
                });
                if goes && !stays {
                    ids.push(partner.id.clone());
                    owners.push(*place);
                }
            }
        }
        let given = self
            .write_all(ctx, Method::POST, "composite/sobjects", &bodies)
            .await;
        let mut failed: BTreeMap<usize, ConnectorError> = BTreeMap::new();
        for (place, outcome) in places.into_iter().zip(given) {
            if let Err(error) = outcome {
                failed.entry(place).or_insert(error);
            }
        }
        // What could not be given must not cost what is there.
        let (ids, owners): (Vec<String>, Vec<usize>) = ids
            .into_iter()
            .zip(owners)
            .filter(|(_, place)| !failed.contains_key(place))
            .unzip();
        let taken = self.delete_all(ctx, &ids).await;
        for (place, outcome) in owners.into_iter().zip(taken) {
            match outcome {
                // What is to be taken away and is not there is away.
                Ok(_) | Err(ConnectorError::NotFound { .. }) => {}
                Err(error) => {
                    failed.entry(place).or_insert(error);
                }
            }
        }
        for (place, id, _) in concerned {
            if let Some(error) = failed.remove(&place) {
                set(progress, place, Progress::Unlinked(id, error));
            }
        }
    }

    async fn held_roles(
        &self,
        ctx: &Context<'_>,
        concerned: &[(usize, String, &Change)],
    ) -> Result<BTreeMap<String, Vec<Partner>>> {
        let deals: Vec<&str> = concerned.iter().map(|(_, id, _)| id.as_str()).collect();
        self.partners_of(ctx, &deals).await?.ok_or_else(|| {
            ConnectorError::permanent(
                "partners_not_readable",
                "the connected user may not see the partners of deals, so none is tied or cut",
            )
        })
    }
}

fn casting(deal: &str, account: &str, role: &str) -> Body {
    let text = |text: &str| Sent::Text(text.to_owned());
    Body::from([
        ("OpportunityId".to_owned(), text(deal)),
        ("AccountToId".to_owned(), text(account)),
        ("Role".to_owned(), text(role)),
    ])
}
