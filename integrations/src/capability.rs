//! What a connection can do, by what its account's owner granted.
//!
//! Owns: comparing granted scopes with what a connector says it needs. Refuses: to let a missing scope show up as a failure later: what cannot be
//! done is said beforehand, with the reason. Invariant: a scope that was not granted never counts as granted; a vendor that tells no scopes at
//! all is believed to have granted what was asked, because nothing else can be known.

use crate::connector::{Connector, ResourceDescriptor};
use crate::record::Resource;

/// What can be done with the records of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    /// Which records.
    pub resource: Resource,
    /// Whether they can be read.
    pub read: bool,
    /// Whether they can be written.
    pub write: bool,
    /// Why not everything is possible, in words.
    pub reason: Option<String>,
}

/// What a connection with these scopes can do, in the order of a first synchronisation.
#[must_use]
pub fn capabilities(connector: &dyn Connector, granted: &[String]) -> Vec<Capability> {
    let descriptor = connector.descriptor();
    let has = |scope: &str| granted.is_empty() || granted.iter().any(|given| given == scope);
    let missing: Vec<&str> = descriptor
        .required_scopes
        .iter()
        .copied()
        .filter(|scope| !has(scope))
        .collect();
    let of = |described: &ResourceDescriptor| {
        let read = connector.pull().is_some() && missing.is_empty();
        let (write, unwritable) = match described.push_scope {
            Some(scope) if connector.push().is_some() && has(scope) => (true, None),
            Some(scope) if connector.push().is_some() => (
                false,
                Some(format!("The consent does not include {scope}.")),
            ),
            _ => (
                false,
                Some("These records are only read, never written.".to_owned()),
            ),
        };
        let unreadable =
            (!read).then(|| format!("The consent does not include {}.", missing.join(", ")));
        Capability {
            resource: described.resource,
            read,
            write: read && write,
            reason: unreadable.or(unwritable),
        }
    };
    descriptor.resources.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::Endpoints;

    fn of(granted: &[&str], resource: Resource) -> Capability {
        let registry = crate::connectors(Endpoints::default());
        let connector = registry.get(crate::hubspot::ID).unwrap();
        let granted: Vec<String> = granted.iter().map(|scope| (*scope).to_owned()).collect();
        let all = capabilities(connector.as_ref(), &granted);
        all.into_iter()
            .find(|capability| capability.resource == resource)
            .unwrap()
    }

    const READING: [&str; 5] = [
        "oauth",
        "crm.objects.companies.read",
        "crm.objects.contacts.read",
        "crm.objects.deals.read",
        "crm.objects.owners.read",
    ];

    #[test]
    fn what_is_not_granted_is_not_offered_and_says_why() {
        let deal = of(&READING, Resource::Deal);
        assert!(deal.read && !deal.write);
        assert!(deal.reason.unwrap().contains("deals.write"));
        let less = of(&READING[1..], Resource::Deal);
        assert!(!less.read && !less.write);
        assert!(less.reason.unwrap().contains("oauth"));
        let owner = of(&READING, Resource::Owner);
        assert!(owner.read && !owner.write);
        assert!(owner.reason.unwrap().contains("only read"));
    }

    #[test]
    fn one_resource_may_be_writable_and_another_not() {
        let granted: Vec<&str> = READING
            .into_iter()
            .chain(["crm.objects.companies.write"])
            .collect();
        assert!(!of(&granted, Resource::Deal).write);
        let company = of(&granted, Resource::Company);
        let pushes = crate::connectors(Endpoints::default())
            .get(crate::hubspot::ID)
            .unwrap()
            .push()
            .is_some();
        assert_eq!(company.write, pushes);
    }
}
