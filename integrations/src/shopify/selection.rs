//! What is asked of each record.
//!
//! Owns: adding the metafields somebody wants, and leaving out what a shop does not grant. Refuses: to take null for an answer where the
//! shop denied one: a denied field is absent, because null means that somebody emptied it. Invariant: whatever names come from outside, the
//! text stays one valid document: a name that could not be one is not asked for.
//!
//! Personal data is protected apart from scopes, and companies apart from customers, so single fields of an answer may be denied. Where such a
//! field may be null, the rest of the answer is there. Where it may not, all of the answer is missing, and it is asked for once more
//! without that field.

use super::descriptor::Object;
use std::collections::BTreeSet;

/// How a metafield is called among the fields of a record: `metafield.<namespace>.<key>`.
const PREFIX: &str = "metafield.";
/// More metafields than this are not read; each costs a point for each record.
const MOST_METAFIELDS: usize = 20;
/// The most transactions a page reads of an order. An order with more is asked for its money by itself.
pub(super) const FEW_TRANSACTIONS: usize = 20;
/// The most transactions of an order that are read at all.
pub(super) const MOST_TRANSACTIONS: usize = 250;

/// A custom field of a record.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Metafield {
    pub(super) namespace: String,
    pub(super) key: String,
}

impl Metafield {
    /// The metafield of a field's name; none for other fields, and for what cannot be a name.
    pub(super) fn of(field: &str) -> Option<Self> {
        let (namespace, key) = field.strip_prefix(PREFIX)?.split_once('.')?;
        let sound = |text: &str| {
            (1..=255).contains(&text.len())
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_$:".contains(&byte))
        };
        (sound(namespace) && sound(key)).then(|| Self {
            namespace: namespace.to_owned(),
            key: key.to_owned(),
        })
    }

    /// Its name among the fields of a record.
    pub(super) fn field(&self) -> String {
        format!("{PREFIX}{}.{}", self.namespace, self.key)
    }
}

/// What is asked of each record of one kind.
#[derive(Clone, Debug)]
pub(super) struct Selection<'a> {
    pub(super) object: &'static Object,
    /// The fields somebody wants; empty for the usual ones.
    pub(super) wanted: &'a [String],
    metafields: Vec<Metafield>,
    /// What the shop does not grant, by the name in the answer.
    pub(super) omitted: BTreeSet<String>,
}

impl<'a> Selection<'a> {
    pub(super) fn new(
        object: &'static Object,
        wanted: &'a [String],
        omitted: BTreeSet<String>,
    ) -> Self {
        let metafields: BTreeSet<Metafield> = wanted
            .iter()
            .filter_map(|name| Metafield::of(name))
            .collect();
        Self {
            object,
            wanted,
            metafields: metafields.into_iter().take(MOST_METAFIELDS).collect(),
            omitted,
        }
    }

    /// The metafields that are asked for, with their names in the answer.
    pub(super) fn metafields(&self) -> impl Iterator<Item = (String, &Metafield)> {
        let numbered = self.metafields.iter().enumerate();
        numbered.map(|(number, metafield)| (format!("m{number}"), metafield))
    }

    /// A document that asks for these records, with what is asked of each.
    pub(super) fn document(&self, asking: &str) -> String {
        let kind = self.object.kind;
        let fields = self.fields();
        format!("{asking}\nfragment {kind}Fields on {kind} {{\n{fields}}}\n")
    }

    /// The query of a bulk operation for all records. It holds no nested list with pages of its own, so that each record is one line.
    pub(super) fn bulk(&self) -> String {
        let few = format!("(first: {FEW_TRANSACTIONS})");
        let most = format!("(first: {MOST_TRANSACTIONS})");
        let fields = self.fields().replace(&few, &most);
        let connection = self.object.connection;
        format!("{{\n{connection} {{\nedges {{\nnode {{\n{fields}}}\n}}\n}}\n}}\n")
    }

    /// About how many points so many records cost. Shopify counts a list by the logarithm of its size, and says with every answer what is left,
    /// which is what holds the next query back; this only keeps queries side by side from all starting at once.
    pub(super) fn points(&self, records: u32) -> u32 {
        let each = self
            .object
            .points
            .saturating_add(u32::try_from(self.metafields.len()).unwrap_or(u32::MAX));
        (records.saturating_mul(each) / 10).saturating_add(10)
    }

    /// The lines of the selection: those of the file but for what is omitted, and the metafields.
    fn fields(&self) -> String {
        let mut text = String::new();
        let mut leaving_out = false;
        for line in body(self.object.fields) {
            if let Some(name) = top_name(line) {
                leaving_out = self.omitted.contains(name);
            }
            if !leaving_out {
                text.push_str(line);
                text.push('\n');
            }
        }
        for (alias, Metafield { namespace, key }) in self.metafields() {
            if !self.omitted.contains(&alias) {
                text.push_str(&format!(
                    "  {alias}: metafield(namespace: \"{namespace}\", key: \"{key}\") {{\n    value\n  }}\n"
                ));
            }
        }
        text
    }
}

/// The lines between the first and the last of a fragment.
fn body(fragment: &str) -> impl Iterator<Item = &str> {
    fragment
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with('}'))
}

/// The name under which a line of a fragment begins a field of the record itself; the lines of what is nested in it, and of its end, begin none.
fn top_name(line: &str) -> Option<&str> {
    let field = line.strip_prefix("  ")?;
    let name = field
        .split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))
        .next()?;
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::record::Resource;
    use crate::shopify::descriptor::{EACH, object};
    use proptest::prelude::*;

    fn omitting(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_denied_field_goes_with_all_that_is_in_it() {
        let order = object(Resource::Order).unwrap();
        let text =
            Selection::new(order, &[], omitting(&["customerJourneySummary", "email"])).document("");
        assert!(!text.contains("utmParameters") && !text.contains("email"));
        assert!(text.contains("purchasingEntity") && text.contains("transactions(first: 20)"));
        assert_eq!(text.matches('{').count(), text.matches('}').count());
    }

    #[test]
    fn each_field_of_a_file_can_be_left_out_alone() {
        for object in EACH {
            let names: Vec<&str> = body(object.fields).filter_map(top_name).collect();
            assert!(names.len() > 5 && names.contains(&"id"));
            for name in names {
                let text = Selection::new(object, &[], omitting(&[name])).document("");
                assert_eq!(
                    text.matches('{').count(),
                    text.matches('}').count(),
                    "{name}"
                );
                let begin = format!("\n  {name}");
                let begins = |end: &str| text.contains(&format!("{begin}{end}"));
                assert!(!begins("\n") && !begins(" {") && !begins(":") && !begins("("));
            }
        }
    }

    #[test]
    fn metafields_are_asked_for_by_their_names() {
        let order = object(Resource::Order).unwrap();
        let wanted = [
            "name".to_owned(),
            "metafield.custom.partner".to_owned(),
            "metafield.$app:entente.reference".to_owned(),
            "metafield.custom.partner".to_owned(),
        ];
        let selection = Selection::new(order, &wanted, omitting(&[]));
        let text = selection.document("");
        assert!(text.contains(r#"m0: metafield(namespace: "$app:entente", key: "reference")"#));
        assert!(text.contains(r#"m1: metafield(namespace: "custom", key: "partner")"#));
        assert!(!text.contains("m2:"));
        let names: Vec<String> = selection
            .metafields()
            .map(|(_, metafield)| metafield.field())
            .collect();
        assert_eq!(names, [wanted[2].clone(), wanted[1].clone()]);
        let without = Selection::new(order, &wanted, omitting(&["m1"])).document("");
        assert!(without.contains("m0:") && !without.contains("m1:"));
    }

    #[test]
    fn a_bulk_query_names_each_transaction_and_nests_no_pages() {
        for object in EACH {
            let text = Selection::new(object, &[], omitting(&[])).bulk();
            assert_eq!(text.matches("edges").count(), 1);
            assert!(!text.contains("nodes") && !text.contains('$') || object.kind == "Customer");
            assert_eq!(text.matches('{').count(), text.matches('}').count());
        }
        let order = Selection::new(object(Resource::Order).unwrap(), &[], omitting(&[])).bulk();
        assert!(order.contains("transactions(first: 250)") && !order.contains("first: 20)"));
    }

    proptest! {
        /// No name of a field can say more than a name.
        #[test]
        fn nothing_is_smuggled_into_a_document(name in r#"metafield\.[a-z."{}()$:# \\]{0,20}"#) {
            let order = object(Resource::Order).unwrap();
            let wanted = [name];
            let text = Selection::new(order, &wanted, omitting(&[])).document("");
            let plain = Selection::new(order, &[], omitting(&[])).document("");
            prop_assert_eq!(text.matches('"').count(), if text == plain { 0 } else { 4 });
            prop_assert!(!text.contains('\\') && !text.contains('#'));
        }
    }
}
