//! From our rows to a vendor's property values: the way back through the same mapping.
//!
//! Owns: which properties have to be written so that the vendor's record reads like our row. Refuses: to compare texts: a field is written only if
//! what the mapping reads of the vendor's values differs from our value, so that no spelling (`1500` for `1500.00`) causes a call. Invariant: what is
//! written reads back as our value; a value for which that cannot be achieved is a flag and is not written.
//!
//! A field that both sides changed and nobody has decided is passed over, and so is a value of the vendor's that could not be taken over: ours is not
//! an answer to it.

mod company;
mod contact;
mod deal;
#[cfg(test)]
mod tests;

pub(in crate::sync) use company::{customer, partner};
pub(in crate::sync) use contact::contact;
pub(in crate::sync) use deal::deal;

use crate::record::Fields;
use crate::sync::merge::{Flag, Reading};
use std::collections::{BTreeMap, BTreeSet};

/// The code of a value that would not read back as what it is here.
const NOT_EXPRESSIBLE: &str = "NOT_EXPRESSIBLE";

/// One property to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sync) struct Write {
    /// What is sent; none clears.
    pub(in crate::sync) value: Option<String>,
    /// What reads exactly as our value, where the vendor cannot hold it as exactly. The answer is merged as if this had been sent.
    pub(in crate::sync) means: Option<String>,
}

impl Write {
    fn plain(value: Option<String>) -> Self {
        Self {
            means: value.clone(),
            value,
        }
    }
}

/// What is written of a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::sync) struct Outgoing {
    /// By the vendor's property.
    pub(in crate::sync) writes: BTreeMap<String, Write>,
    /// What the vendor cannot be told, and why.
    pub(in crate::sync) flags: Vec<Flag>,
    /// Why no record can be created of the row, if so.
    pub(in crate::sync) uncreatable: Option<Flag>,
}

/// What is known of the vendor's record.
#[derive(Clone, Copy, Debug)]
pub(in crate::sync) struct There<'a> {
    /// The values it is known to hold; none of a record that is yet to be created.
    pub(in crate::sync) fields: &'a Fields,
    /// The properties whose values could not be taken over.
    pub(in crate::sync) flagged: &'a BTreeMap<String, String>,
    /// Our fields with an open conflict.
    pub(in crate::sync) open: &'a BTreeSet<String>,
    /// Whether the record is yet to be created.
    pub(in crate::sync) creating: bool,
}

impl There<'_> {
    /// Whether a field may be written at all.
    fn is_free(&self, field: &str, property: &str) -> bool {
        self.creating || (!self.open.contains(field) && !self.flagged.contains_key(property))
    }

    /// Whether the candidate reads otherwise than our value.
    fn differs<T: PartialEq>(
        &self,
        (field, property): (&str, &str),
        candidate: &Fields,
        reading: &Reading<T>,
        ours: &T,
    ) -> bool {
        self.is_free(field, property)
            && match reading {
                Reading::Unread => false,
                Reading::Value(value) => value != ours,
                // What the vendor holds and we could not read is left alone; what we wrote and cannot read is a failure of ours.
                Reading::Flagged(_) => {
                    self.creating || candidate.get(property) != self.fields.get(property)
                }
            }
    }

    /// As [`Self::differs`], for a name: blanks around it are nobody's intention.
    fn name_differs(
        &self,
        place: (&str, &str),
        candidate: &Fields,
        reading: &Reading<String>,
        ours: &str,
    ) -> bool {
        self.differs(place, candidate, reading, &ours.trim().to_owned())
    }

    /// A difference of an optional text.
    fn text(
        &self,
        field: &'static str,
        property: Option<&String>,
        candidate: &Fields,
        reading: &Reading<Option<String>>,
        ours: &Option<String>,
    ) -> Option<Difference> {
        let property = property?;
        self.differs((field, property), candidate, reading, ours)
            .then(|| Difference::plain(field, property, ours.clone()))
    }
}

/// A field of which the vendor's record says something else.
struct Difference {
    field: &'static str,
    wish: Result<Vec<(String, Write)>, Flag>,
}

impl Difference {
    fn plain(field: &'static str, property: &str, value: Option<String>) -> Self {
        Self::of(field, vec![(property.to_owned(), Write::plain(value))])
    }

    const fn of(field: &'static str, writes: Vec<(String, Write)>) -> Self {
        Self {
            field,
            wish: Ok(writes),
        }
    }

    fn flag(
        field: &'static str,
        property: &str,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        let flag = Flag {
            property: property.to_owned(),
            code,
            message: message.into(),
        };
        Self {
            field,
            wish: Err(flag),
        }
    }
}

/// Writes until the record would read like the row. What one property says may depend on another (a date on the stage, a name on its stand-in), so
/// the reading is repeated over what was decided so far.
fn until_it_reads(
    there: &There<'_>,
    begun: BTreeMap<String, Write>,
    differences: impl Fn(&Fields) -> Vec<Difference>,
) -> Outgoing {
    let mut outgoing = Outgoing {
        writes: begun,
        ..Outgoing::default()
    };
    let mut tried: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    let mut given_up: BTreeSet<&'static str> = BTreeSet::new();
    // Each round tries or gives up at least one field, so this ends.
    loop {
        let candidate = overlaid(there.fields, &outgoing.writes);
        let mut is_news = false;
        for Difference { field, wish } in differences(&candidate) {
            if given_up.contains(field) {
                continue;
            }
            is_news = true;
            let before = tried.remove(field);
            match (wish, before) {
                (Ok(writes), None) => {
                    tried.insert(field, writes.iter().map(|(name, _)| name.clone()).collect());
                    outgoing.writes.extend(writes);
                }
                (wish, before) => {
                    given_up.insert(field);
                    for name in before.into_iter().flatten() {
                        outgoing.writes.remove(&name);
                    }
                    outgoing.flags.push(match wish {
                        Err(flag) => flag,
                        Ok(writes) => Flag {
                            property: writes.into_iter().map(|(name, _)| name).next().unwrap_or_default(),
                            code: NOT_EXPRESSIBLE,
                            message: format!("The vendor could not read our value of {field:?} back; it is not sent."),
                        },
                    });
                }
            }
        }
        if !is_news {
            return outgoing;
        }
    }
}

/// Values as they will be read once these are written.
fn overlaid(fields: &Fields, writes: &BTreeMap<String, Write>) -> Fields {
    let mut all = fields.clone();
    for (name, write) in writes {
        match write.means.as_ref().filter(|text| !text.is_empty()) {
            Some(text) => all.insert(name.clone(), Some(text.clone())),
            None => all.remove(name),
        };
    }
    all
}
