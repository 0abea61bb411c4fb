//! How a record is printed: every value a string or null, the asked properties plus the three the vendor always adds.

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use super::inner::Inner;
use super::kind::Kind;
use super::record::{Name, View};
use crate::clock::instant;

/// How many associated ids a record carries before it points to a further page.
const LINKS_SHOWN: usize = 100;

/// The properties an answer shows, sorted.
#[derive(Debug, Clone)]
pub(crate) struct Wanted(Vec<Name>);

impl Wanted {
    /// Unknown names are left out without a word, as at the vendor.
    pub(crate) fn of<'a>(
        inner: &Inner,
        kind: Kind,
        asked: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut names: Vec<Name> = asked
            .into_iter()
            .filter(|name| inner.schema.get(kind, name).is_some())
            .map(Name::from)
            .collect();
        if names.is_empty() {
            names.extend(
                kind.default_properties()
                    .iter()
                    .map(|name| Name::from(*name)),
            );
        }
        for always in ["createdate", "hs_object_id", kind.modified_property()] {
            names.push(Name::from(always));
        }
        names.sort_unstable();
        names.dedup();
        Self(names)
    }
}

/// One record in an answer.
pub(crate) struct Shown<'a> {
    pub(crate) view: View<'a>,
    pub(crate) wanted: &'a Wanted,
    /// The kinds whose association is asked for, and where they are read.
    pub(crate) links: Option<(&'a Inner, &'a [Kind], &'a str)>,
    pub(crate) new: Option<bool>,
    pub(crate) trace: Option<&'a str>,
}

impl<'a> Shown<'a> {
    pub(crate) fn plain(view: View<'a>, wanted: &'a Wanted) -> Self {
        Self {
            view,
            wanted,
            links: None,
            new: None,
            trace: None,
        }
    }
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("id", &self.view.id.to_string())?;
        if let Some(new) = self.new {
            map.serialize_entry("new", &new)?;
        }
        map.serialize_entry("properties", &ShownProperties(self))?;
        map.serialize_entry("createdAt", &instant(self.view.created_at))?;
        map.serialize_entry("updatedAt", &instant(self.view.updated_at))?;
        map.serialize_entry("archived", &self.view.archived_at.is_some())?;
        if let Some(at) = self.view.archived_at {
            map.serialize_entry("archivedAt", &instant(at))?;
        }
        if let Some(trace) = self.trace {
            map.serialize_entry("objectWriteTraceId", trace)?;
        }
        if let Some((inner, kinds, base)) = self.links {
            let links = ShownLinks {
                view: self.view,
                inner,
                kinds,
                base,
            };
            if links.any() {
                map.serialize_entry("associations", &links)?;
            }
        }
        map.end()
    }
}

struct ShownProperties<'a>(&'a Shown<'a>);

impl Serialize for ShownProperties<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let view = self.0.view;
        let names = &self.0.wanted.0;
        let mut map = serializer.serialize_map(Some(names.len()))?;
        for name in names {
            let name = name.as_ref();
            match name {
                "hs_object_id" => map.serialize_entry(name, &view.id.to_string())?,
                "createdate" => map.serialize_entry(name, &instant(view.created_at))?,
                modified if modified == view.kind.modified_property() => {
                    map.serialize_entry(name, &instant(view.updated_at))?;
                }
                other => map.serialize_entry(name, &view.properties.get(other))?,
            }
        }
        map.end()
    }
}

/// `associations` of a listed record: one row per link and type.
struct ShownLinks<'a> {
    view: View<'a>,
    inner: &'a Inner,
    kinds: &'a [Kind],
    base: &'a str,
}

#[derive(Serialize)]
struct Row<'a> {
    id: String,
    #[serde(rename = "type")]
    name: &'a str,
}

impl<'a> ShownLinks<'a> {
    fn rows(&self, to: Kind) -> impl Iterator<Item = Row<'a>> {
        let inner = self.inner;
        inner
            .links
            .of(self.view.kind, self.view.id, to, 0)
            .filter(move |link| inner.shelf(to).live.contains_key(&link.to))
            .map(move |link| Row {
                id: link.to.to_string(),
                name: inner
                    .definition(link.from_kind, link.to_kind, link.link_type)
                    .map_or("", |d| d.name.as_str()),
            })
    }

    fn any(&self) -> bool {
        self.kinds
            .iter()
            .any(|kind| self.rows(*kind).next().is_some())
    }
}

impl Serialize for ShownLinks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for to in self.kinds {
            let mut rows: Vec<Row<'_>> = self.rows(*to).take(LINKS_SHOWN + 1).collect();
            if rows.is_empty() {
                continue;
            }
            let more = rows.len() > LINKS_SHOWN;
            rows.truncate(LINKS_SHOWN);
            let last = rows.last().map(|row| row.id.clone()).unwrap_or_default();
            let mut value = serde_json::json!({"results": rows});
            if more && let Some(object) = value.as_object_mut() {
                let link = format!(
                    "{}crm/v4/objects/{}/{}/associations/{}?after={last}",
                    self.base,
                    self.view.kind.plural(),
                    self.view.id,
                    to.plural()
                );
                object.insert(
                    "paging".to_owned(),
                    serde_json::json!({"next": {"after": last, "link": link}}),
                );
            }
            map.serialize_entry(to.plural(), &value)?;
        }
        map.end()
    }
}

/// A page of records.
pub(crate) struct Page<'a> {
    pub(crate) total: Option<usize>,
    pub(crate) results: Vec<Shown<'a>>,
    /// Cursor and, for lists, link.
    pub(crate) next: Option<(String, Option<String>)>,
}

impl Serialize for Page<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(total) = self.total {
            map.serialize_entry("total", &total)?;
        }
        map.serialize_entry("results", &Listed(&self.results))?;
        if let Some((after, link)) = &self.next {
            let mut next = serde_json::json!({"after": after});
            if let (Some(link), Some(object)) = (link, next.as_object_mut()) {
                object.insert("link".to_owned(), serde_json::json!(link));
            }
            map.serialize_entry("paging", &serde_json::json!({"next": next}))?;
        }
        map.end()
    }
}

struct Listed<'a>(&'a [Shown<'a>]);

impl Serialize for Listed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(self.0.len()))?;
        for shown in self.0 {
            seq.serialize_element(shown)?;
        }
        seq.end()
    }
}
