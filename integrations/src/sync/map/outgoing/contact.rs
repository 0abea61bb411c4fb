//! People. Our one name becomes a first and a last name at its last space.

use super::{Difference, Outgoing, There, Write, until_it_reads};
use crate::record::Fields;
use crate::sync::map::contact as read_contact;
use crate::sync::merge::Flag;
use entities::connection::mapping::{ContactField, ContactMapping};
use entities::contact;
use std::collections::BTreeMap;

/// What has to be written so that a person there reads like ours.
pub(in crate::sync) fn contact(
    mapping: &ContactMapping,
    there: &There<'_>,
    row: &contact::Model,
) -> Outgoing {
    let of = |field| mapping.fields.get(&field);
    let (first, last) = (of(ContactField::FirstName), of(ContactField::LastName));
    let differences = |candidate: &Fields| {
        let reading = read_contact(mapping, candidate);
        let text =
            |field, property, reading, ours| there.text(field, property, candidate, reading, ours);
        let mut all = Vec::new();
        if let Some(property) = last.or(first)
            && there.name_differs(("name", property), candidate, &reading.name, &row.name)
        {
            all.push(Difference::of("name", split(first, last, row.name.trim())));
        }
        all.extend(text(
            "email",
            of(ContactField::Email),
            &reading.email,
            &row.email,
        ));
        all.extend(text(
            "phone",
            of(ContactField::Phone),
            &reading.phone,
            &row.phone,
        ));
        all.extend(text(
            "title",
            of(ContactField::Title),
            &reading.title,
            &row.title,
        ));
        all
    };
    let mut outgoing = until_it_reads(there, BTreeMap::new(), differences);
    if last.or(first).is_none() {
        outgoing.uncreatable = Some(Flag {
            property: "name".to_owned(),
            code: "NAME_MISSING",
            message: "The mapping names no property for the name of a person.".to_owned(),
        });
    }
    outgoing
}

/// A name in its parts. One that would not come back together the same, or has only one part, is a last name as a whole.
fn split(first: Option<&String>, last: Option<&String>, name: &str) -> Vec<(String, Write)> {
    let (Some(first), Some(last)) = (first, last) else {
        let whole = Write::plain(Some(name.to_owned()));
        return last
            .or(first)
            .map(|one| (one.clone(), whole))
            .into_iter()
            .collect();
    };
    let parts = name.rsplit_once(' ').filter(|(front, back)| {
        front.trim() == *front && !front.is_empty() && back.trim() == *back
    });
    let (front, back) = match parts {
        Some((front, back)) => (Some(front.to_owned()), back.to_owned()),
        None => (None, name.to_owned()),
    };
    vec![
        (first.clone(), Write::plain(front)),
        (last.clone(), Write::plain(Some(back))),
    ]
}
