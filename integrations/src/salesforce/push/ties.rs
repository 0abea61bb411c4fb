//! Links as Salesforce keeps them: a field for the account, a field for the partner of a deal, and a record for each role.
//!
//! Owns: what making and taking away links means in fields and roles. Refuses: a role that does not exist, before anything is written, and a link of a
//! kind there is no place for. Invariant: a field is cleared only when it holds what is to be taken away, and not when something else takes its place.

use super::super::{
    Salesforce,
    descriptor::Object,
    id,
    map::PARTNER,
    partners::ASKED_AT_ONCE,
    row::value,
    soql::{Query, is_one_of},
};
use crate::{
    connector::Context,
    error::{ConnectorError, Result},
    push::PushItem,
    record::{RecordLink, Resource},
};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const ACCOUNT: &str = "AccountId";
pub(super) const PARTNER_ACCOUNT: &str = "PartnerAccountId";

/// What there is to know before links are changed.
#[derive(Default)]
pub(super) struct Ties {
    /// The roles a partner of a deal may have.
    roles: BTreeSet<String>,
    /// Whether deals have a field for their partner.
    names_partner: bool,
    /// Whether that field may be written.
    writes_partner: bool,
    /// What the fields hold now, by record, as far as something is to be taken away.
    held: BTreeMap<String, Held>,
}

#[derive(Clone, Default)]
struct Held {
    account: Option<String>,
    partner: Option<String>,
}

/// What changes of one record's links.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// Fields to set; none clears.
    pub(super) fields: BTreeMap<&'static str, Option<String>>,
    /// Roles to give: account and role.
    pub(super) cast: BTreeSet<(String, String)>,
    /// Roles to take away: account, and which; none takes all of the account's.
    pub(super) dropped: BTreeSet<(String, Option<String>)>,
}

impl Ties {
    /// What an item asks for.
    pub(super) fn change(&self, object: Object, item: &PushItem) -> Result<Change> {
        let mut change = Change::default();
        for link in &item.links {
            self.make(object, link, &mut change)?;
        }
        let held = item
            .external_id
            .as_deref()
            .and_then(id::key)
            .and_then(|key| self.held.get(key))
            .cloned()
            .unwrap_or_default();
        for link in &item.unlinks {
            self.take_away(object, link, &held, &mut change)?;
        }
        Ok(change)
    }

    fn make(&self, object: Object, link: &RecordLink, change: &mut Change) -> Result<()> {
        let account = linkable(object, link)?;
        if link.labels.is_empty() {
            change.fields.insert(ACCOUNT, Some(account));
            return Ok(());
        }
        if link.primary {
            change.fields.insert(ACCOUNT, Some(account.clone()));
        }
        for label in &link.labels {
            if object.resource == Resource::Deal && self.roles.contains(label) {
                change.cast.insert((account.clone(), label.clone()));
            } else if self.names_partner && label == PARTNER {
                self.may_name()?;
                change.fields.insert(PARTNER_ACCOUNT, Some(account.clone()));
            } else {
                return Err(ConnectorError::permanent(
                    "unknown_label",
                    format!(
                        "this Salesforce account has no partner role {label:?} for {}",
                        object.resource
                    ),
                ));
            }
        }
        Ok(())
    }

    /// Where partner users own deals, Salesforce sets the field by the owner and lets nobody write it.
    fn may_name(&self) -> Result<()> {
        if self.writes_partner {
            return Ok(());
        }
        Err(ConnectorError::permanent(
            "label_not_writable",
            "PartnerAccountId: Salesforce sets a deal's partner by its owner; change the owner there, or map the role to another label",
        ))
    }

    fn take_away(
        &self,
        object: Object,
        link: &RecordLink,
        held: &Held,
        change: &mut Change,
    ) -> Result<()> {
        let account = linkable(object, link)?;
        let is = |field: &Option<String>| {
            field
                .as_deref()
                .is_some_and(|field| id::same(field, &account))
        };
        let whole = link.labels.is_empty() && !link.primary;
        if (whole || link.primary) && is(&held.account) {
            change.fields.entry(ACCOUNT).or_insert(None);
        }
        if object.resource != Resource::Deal {
            return Ok(());
        }
        let names = |label: &str| link.labels.iter().any(|one| one == label);
        if (whole || names(PARTNER) && !self.roles.contains(PARTNER)) && is(&held.partner) {
            self.may_name()?;
            change.fields.entry(PARTNER_ACCOUNT).or_insert(None);
        }
        if whole {
            change.dropped.insert((account, None));
        } else {
            // A role that is no more is nobody's; one that a row still has is taken away all the same.
            let roles = link.labels.iter().cloned();
            change
                .dropped
                .extend(roles.map(|role| (account.clone(), Some(role))));
        }
        Ok(())
    }
}

fn linkable(object: Object, link: &RecordLink) -> Result<String> {
    let has_account = matches!(object.resource, Resource::Contact | Resource::Deal);
    if link.resource != Resource::Company || !has_account {
        return Err(ConnectorError::permanent(
            "not_linkable",
            format!("{} cannot be linked to {}", object.resource, link.resource),
        ));
    }
    id::long(&link.external_id).ok_or_else(|| ConnectorError::NotFound {
        what: "the company of a link, whose id is not one of Salesforce's".to_owned(),
    })
}

impl Salesforce {
    /// Reads what has to be known before the links of these items can be changed.
    pub(super) async fn ties(
        &self,
        ctx: &Context<'_>,
        object: Object,
        items: &[PushItem],
    ) -> Result<Ties> {
        let mut ties = Ties::default();
        let live = || items.iter().filter(|item| !item.archive);
        let labelled = live()
            .flat_map(|item| item.links.iter().chain(&item.unlinks))
            .any(|link| !link.labels.is_empty());
        let loosened: Vec<&str> = live()
            .filter(|item| !item.unlinks.is_empty())
            .filter_map(|item| item.external_id.as_deref())
            .filter(|id| id::key(id).is_some())
            .collect();
        if object.resource == Resource::Deal && (labelled || !loosened.is_empty()) {
            ties.roles = self.roles(ctx).await?.into_iter().collect();
            let shape = self.shape(ctx, object.name).await?;
            let field = shape.fields.get(PARTNER_ACCOUNT);
            ties.names_partner = field.is_some();
            ties.writes_partner = field.is_some_and(|field| field.updateable && field.createable);
        }
        if loosened.is_empty() {
            return Ok(ties);
        }
        let columns = if ties.names_partner {
            vec!["Id", ACCOUNT, PARTNER_ACCOUNT]
        } else {
            vec!["Id", ACCOUNT]
        };
        let columns: Vec<String> = columns.into_iter().map(str::to_owned).collect();
        for few in loosened.chunks(ASKED_AT_ONCE) {
            let soql = Query::new(&columns, object.name)
                .filter(is_one_of("Id", few.iter().copied()))
                .text();
            for row in self.all_rows(ctx, &soql).await? {
                let Some(key) = value(&row, "Id").and_then(id::key) else {
                    continue;
                };
                let held = Held {
                    account: value(&row, ACCOUNT).map(str::to_owned),
                    partner: value(&row, PARTNER_ACCOUNT).map(str::to_owned),
                };
                ties.held.insert(key.to_owned(), held);
            }
        }
        Ok(ties)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::{record::Fields, salesforce::descriptor::object};

    const A: &str = "001D000000IRFmaIAH";
    const B: &str = "001D000000IRFmbIAH";
    const DEAL: &str = "006D000000IRFmaIAH";

    fn link(account: &str, labels: &[&str], primary: bool) -> RecordLink {
        RecordLink {
            resource: Resource::Company,
            external_id: account.to_owned(),
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            primary,
        }
    }

    fn change(ties: &Ties, links: Vec<RecordLink>, unlinks: Vec<RecordLink>) -> Result<Change> {
        let item = PushItem {
            reference: "deal_x".to_owned(),
            external_id: Some(DEAL.to_owned()),
            fields: Fields::new(),
            links,
            unlinks,
            archive: false,
        };
        ties.change(object(Resource::Deal).unwrap(), &item)
    }

    fn ties(account: Option<&str>, partner: Option<&str>) -> Ties {
        let held = Held {
            account: account.map(str::to_owned),
            partner: partner.map(str::to_owned),
        };
        Ties {
            roles: BTreeSet::from(["Agency".to_owned()]),
            names_partner: true,
            writes_partner: true,
            held: BTreeMap::from([(id::key(DEAL).unwrap().to_owned(), held)]),
        }
    }

    #[test]
    fn a_plain_link_is_the_account_and_a_labelled_one_a_role() {
        let ties = ties(None, None);
        let made = change(
            &ties,
            vec![link(A, &[], false), link(B, &["Agency", PARTNER], false)],
            vec![],
        )
        .unwrap();
        assert_eq!(
            made.fields,
            BTreeMap::from([
                (ACCOUNT, Some(A.to_owned())),
                (PARTNER_ACCOUNT, Some(B.to_owned()))
            ])
        );
        assert_eq!(
            made.cast,
            BTreeSet::from([(B.to_owned(), "Agency".to_owned())])
        );
        let unknown = change(&ties, vec![link(A, &["Nobody"], false)], vec![]);
        assert!(
            matches!(unknown, Err(ConnectorError::Permanent { code, .. }) if code == "unknown_label")
        );
    }

    #[test]
    fn a_field_is_cleared_only_when_it_holds_what_goes_and_nothing_comes() {
        let both = ties(Some(A), Some(A));
        let gone = change(&both, vec![], vec![link(A, &[], false)]).unwrap();
        assert_eq!(
            gone.fields,
            BTreeMap::from([(ACCOUNT, None), (PARTNER_ACCOUNT, None)])
        );
        assert_eq!(gone.dropped, BTreeSet::from([(A.to_owned(), None)]));
        let replaced = change(&both, vec![link(B, &[], false)], vec![link(A, &[], false)]).unwrap();
        assert_eq!(replaced.fields.get(ACCOUNT), Some(&Some(B.to_owned())));
        let other = change(&ties(Some(B), None), vec![], vec![link(A, &[], false)]).unwrap();
        assert!(other.fields.is_empty());
        let label = change(&both, vec![], vec![link(A, &["Agency"], false)]).unwrap();
        assert!(label.fields.is_empty());
        assert_eq!(
            label.dropped,
            BTreeSet::from([(A.to_owned(), Some("Agency".to_owned()))])
        );
        let partner = change(&both, vec![], vec![link(A, &[PARTNER], false)]).unwrap();
        assert_eq!(partner.fields, BTreeMap::from([(PARTNER_ACCOUNT, None)]));
        let by_owner = Ties {
            writes_partner: false,
            ..both
        };
        for (links, unlinks) in [
            (vec![link(B, &[PARTNER], false)], vec![]),
            (vec![], vec![link(A, &[PARTNER], false)]),
        ] {
            let refused = change(&by_owner, links, unlinks);
            assert!(
                matches!(refused, Err(ConnectorError::Permanent { code, .. }) if code == "label_not_writable")
            );
        }
    }

    #[test]
    fn what_has_no_place_there_is_refused() {
        let company = object(Resource::Company).unwrap();
        let item = PushItem {
            reference: "x".to_owned(),
            external_id: None,
            fields: Fields::new(),
            links: vec![link(A, &[], false)],
            unlinks: vec![],
            archive: false,
        };
        assert!(Ties::default().change(company, &item).is_err());
        let strange = change(&ties(None, None), vec![link("7", &[], false)], vec![]);
        assert_eq!(strange.err().map(|error| error.code()), Some("NOT_FOUND"));
    }
}
