//! Values of ours that left for the vendor in a call whose answer nobody has taken in: the worker died, or the connection broke.
//!
//! Owns: the note of what was sent, and telling what arrived of it from what somebody changed there. Refuses: to believe the note alone: what was sent
//! counts as held by the vendor only where the vendor's record shows it. Invariant: a value of ours that comes back is never a change of theirs, so
//! that what somebody has changed here since neither loses against it nor is a conflict with it.

use super::adopt::relink;
use super::{Incoming, Scope};
use crate::record::{Fields, RecordLink, Resource};
use crate::sync::error::Result;
use entities::change::Change;
use entities::external_link::{self, Model, Sent, Shadow};

/// What is about to leave for a record.
pub(in crate::sync) struct Leaving<'a> {
    /// The record's link, as the plan was made of it.
    pub(in crate::sync) link: &'a Model,
    /// The values; none clears.
    pub(in crate::sync) fields: Fields,
    pub(in crate::sync) made: &'a [RecordLink],
    pub(in crate::sync) unmade: &'a [RecordLink],
}

/// Notes durably what is about to leave. It replaces what was noted of an earlier call: that was looked for when the record was read for this one.
pub(in crate::sync) async fn note(change: &Change, leaving: Vec<Leaving<'_>>) -> Result<()> {
    let noted: Vec<Model> = leaving
        .into_iter()
        .map(|leaving| {
            let mut shadow = leaving.link.shadow.clone();
            let relinks = !leaving.made.is_empty() || !leaving.unmade.is_empty();
            let links = relinks.then(|| {
                let mut links = shadow.links.clone();
                relink(&mut links, leaving.made, leaving.unmade);
                links
            });
            shadow.sent = Some(Sent {
                fields: leaving.fields,
                links,
            });
            with(change, leaving.link, shadow)
        })
        .collect();
    external_link::upsert(change, &noted).await?;
    Ok(())
}

/// Forgets what left for these records: the vendor has said that it did not take it.
pub(in crate::sync) async fn forget(
    change: &Change,
    scope: &Scope<'_>,
    resource: Resource,
    ids: &[&str],
) -> Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    let of = scope.connection.id;
    let known = external_link::find_all(change.transaction(), of, resource.as_str(), ids).await?;
    let forgotten: Vec<Model> = known
        .iter()
        .filter(|link| link.shadow.sent.is_some())
        .map(|link| {
            let mut shadow = link.shadow.clone();
            shadow.sent = None;
            with(change, link, shadow)
        })
        .collect();
    external_link::upsert(change, &forgotten).await?;
    Ok(())
}

fn with(change: &Change, link: &Model, shadow: Shadow) -> Model {
    Model {
        version: link.version + 1,
        updated_at: change.now(),
        shadow,
        ..link.clone()
    }
}

/// The shadow with what we had sent and the record shows; none where it shows nothing of it.
pub(super) fn arrived(shadow: &Shadow, incoming: &Incoming) -> Option<Box<Shadow>> {
    let sent = shadow.sent.as_ref()?;
    let mut known = shadow.clone();
    let mut rest = Sent::default();
    for (name, value) in &sent.fields {
        let there = incoming.fields.get(name).cloned().flatten();
        if is_same(value.as_deref(), there.as_deref()) {
            match there {
                Some(text) => known.fields.insert(name.clone(), Some(text)),
                None => known.fields.remove(name),
            };
        } else {
            rest.fields.insert(name.clone(), value.clone());
        }
    }
    if let Some(links) = &sent.links {
        let changed: Vec<&String> = links
            .keys()
            .chain(shadow.links.keys())
            .filter(|key| links.get(*key) != shadow.links.get(*key))
            .collect();
        for key in changed
            .iter()
            .filter(|key| links.get(**key) == incoming.links.get(**key))
        {
            match links.get(*key) {
                Some(labels) => known.links.insert((*key).clone(), labels.clone()),
                None => known.links.remove(*key),
            };
        }
        if changed
            .iter()
            .any(|key| links.get(*key) != incoming.links.get(*key))
        {
            rest.links = Some(links.clone());
        }
    }
    known.sent = (rest != Sent::default()).then_some(rest);
    (known != *shadow).then(|| Box::new(known))
}

/// Whether two texts are one value: vendors write `1500` for `1500.00`, and nothing for blanks.
fn is_same(sent: Option<&str>, there: Option<&str>) -> bool {
    let plain = |text: Option<&str>| {
        let text = text.unwrap_or_default().trim();
        number(text).unwrap_or(text).to_owned()
    };
    plain(sent) == plain(there)
}

/// A number without the zeros that say nothing; none where the text is no plain decimal number.
fn number(text: &str) -> Option<&str> {
    let (whole, fraction) = text.split_once('.')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let whole_is = digits(whole.strip_prefix('-').unwrap_or(whole));
    (whole_is && digits(fraction)).then(|| text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        reason = "tests"
    )]

    use super::*;

    #[test]
    fn a_number_is_the_same_however_many_zeros_it_has_and_nothing_else_is() {
        for (sent, there, same) in [
            (Some("1500.00"), Some("1500"), true),
            (Some("1500"), Some("1500.0"), true),
            (Some("-0.50"), Some("-0.5"), true),
            (Some("1500"), Some("15"), false),
            (Some("100"), Some("1"), false),
            (Some("v1.10"), Some("v1.1"), false),
            (Some("a "), Some("a"), true),
            (Some("a"), Some("A"), false),
            (None, Some(""), true),
            (None, Some("a"), false),
        ] {
            assert_eq!(is_same(sent, there), same, "{sent:?} {there:?}");
        }
    }

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), Some((*value).to_owned()));
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn what_came_is_known_and_what_did_not_come_is_waited_for() {
        let shadow = Shadow {
            fields: fields(&[("a", "1"), ("b", "1"), ("c", "1")]),
            links: [("company:1".to_owned(), vec![])].into(),
            sent: Some(Sent {
                fields: fields(&[("a", "2"), ("b", "2")]),
                links: Some([("company:2".to_owned(), vec![])].into()),
            }),
            ..Shadow::default()
        };
        let incoming = |pairs, ties: &[&str]| Incoming {
            external_id: "1".to_owned(),
            updated_at: None,
            archived: false,
            fields: fields(pairs),
            links: ties.iter().map(|tie| ((*tie).to_owned(), vec![])).collect(),
        };
        let same = incoming(&[("a", "1"), ("b", "1"), ("c", "9")], &["company:1"]);
        assert_eq!(arrived(&shadow, &same), None, "nothing of it is there");
        let partly = incoming(
            &[("a", "2"), ("b", "3"), ("c", "9")],
            &["company:1", "company:2"],
        );
        let known = arrived(&shadow, &partly).unwrap();
        assert_eq!(known.fields, fields(&[("a", "2"), ("b", "1"), ("c", "1")]));
        let both: Vec<&String> = known.links.keys().collect();
        assert_eq!(both, ["company:1", "company:2"]);
        assert_eq!(known.sent.as_ref().unwrap().fields, fields(&[("b", "2")]));
        let all = incoming(&[("a", "2"), ("b", "2"), ("c", "1")], &["company:2"]);
        let known = arrived(&shadow, &all).unwrap();
        assert_eq!((&known.fields, &known.links), (&all.fields, &all.links));
        assert_eq!(known.sent, None);
    }
}
