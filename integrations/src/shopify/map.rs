//! From Shopify's records to neutral ones.
//!
//! Owns: ids, times, links and the names of fields. Refuses: to touch a value, and to call a field empty that was not answered: what the shop
//! denied is absent. Invariant: a record either comes through whole or is answered as malformed with its reason; nothing is filled in.
//!
//! Fields are called as Shopify calls them; where it nests a value, by the last part that says what it is (`email`, `phone`, `company`). Lists
//! of words are one text with a line for each.

use super::{id, order, selection::Selection, shop};
use crate::{
    connector::Context,
    push::REFERENCE,
    record::{Fields, Kind, MalformedRecord, Record, RecordLink, Resource},
};
use entities::clock::Timestamp;
use serde_json::{Map, Value, value::RawValue};

/// Why a record cannot be used.
pub(super) type Flaw = String;

/// A record as it came.
pub(super) type Node = Map<String, Value>;

/// The entry for a record that cannot be used.
pub(super) fn malformed(
    selection: &Selection<'_>,
    raw: &RawValue,
    reason: Flaw,
) -> MalformedRecord {
    let value: Value = serde_json::from_str(raw.get()).unwrap_or(Value::Null);
    let global = value.get("id").and_then(Value::as_str);
    MalformedRecord {
        external_id: global.and_then(|global| id::digits(selection.object.kind, global)),
        reason,
        raw: value,
    }
}

/// Reads one record.
pub(super) fn record(
    ctx: &Context<'_>,
    selection: &Selection<'_>,
    node: &Node,
) -> Result<Record, Flaw> {
    let object = selection.object;
    let external_id = id::required(object.kind, node.get("id").and_then(Value::as_str))?;
    let updated_at_ms = time(node, "updatedAt")?.ok_or("it has no readable time of change")?;
    let mut fields = Fields::new();
    let mut add = Adding {
        node,
        selection,
        fields: &mut fields,
    };
    match object.resource {
        Resource::Company => company(&mut add)?,
        Resource::Contact => contact(&mut add)?,
        _ => order::fields(&mut add)?,
    }
    for (alias, metafield) in selection.metafields() {
        add.nested(&metafield.field(), &alias, &["value"])?;
    }
    // Whoever wants certain fields gets those and no others. An order's are fixed: what becomes of it is decided by all of them.
    if object.resource != Resource::Order && !selection.wanted.is_empty() {
        fields.retain(|name, _| selection.wanted.contains(name));
    }
    let (links, links_complete) = match object.resource {
        Resource::Company => (Vec::new(), true),
        Resource::Contact => companies(node, selection)?,
        _ => order::links(node, selection)?,
    };
    Ok(Record {
        url: address(ctx, object.admin, &external_id),
        external_id,
        updated_at_ms,
        created_at_ms: time(node, "createdAt")?,
        archived: false,
        fields,
        links,
        links_complete,
        kind: match object.resource {
            Resource::Company => Kind::Company,
            Resource::Contact => Kind::Contact,
            _ => Kind::Order(order::money(node, selection)?),
        },
    })
}

/// Fields in the making.
pub(super) struct Adding<'a> {
    pub(super) node: &'a Node,
    selection: &'a Selection<'a>,
    fields: &'a mut Fields,
}

impl Adding<'_> {
    /// Adds a field of the record itself.
    pub(super) fn plain(&mut self, name: &str) -> Result<(), Flaw> {
        self.nested(name, name, &[])
    }

    /// Adds what lies at `path` within a field of the record; null on the way is null.
    pub(super) fn nested(&mut self, name: &str, field: &str, path: &[&str]) -> Result<(), Flaw> {
        if self.selection.omitted.contains(field) {
            return Ok(());
        }
        let Some(mut value) = self.node.get(field) else {
            return Ok(());
        };
        for part in path {
            value = value.get(part).unwrap_or(&Value::Null);
        }
        let value = text(value).map_err(|flaw| format!("{field}: {flaw}"))?;
        self.put(name, value);
        Ok(())
    }

    /// Adds a value that was read elsewhere.
    pub(super) fn put(&mut self, name: &str, value: Option<String>) {
        self.fields.insert(name.to_owned(), value);
    }

    /// Whether a field of the record was answered.
    pub(super) fn has(&self, field: &str) -> bool {
        !self.selection.omitted.contains(field) && self.node.contains_key(field)
    }
}

/// A value as text. A number may have been rounded on the way, and none of what is read is one.
fn text(value: &Value) -> Result<Option<String>, Flaw> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Bool(flag) => Ok(Some(flag.to_string())),
        Value::Array(values) => {
            let lines: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
            lines
                .map(|lines| Some(lines.join("\n")))
                .ok_or_else(|| "a list of something else than texts".to_owned())
        }
        Value::Number(_) => Err("a number where a text was promised".to_owned()),
        Value::Object(_) => Err("an object where a text was promised".to_owned()),
    }
}

/// Milliseconds since 1970 of a time of a record; none when it is null or was not answered.
pub(super) fn time(node: &Node, field: &str) -> Result<Option<i64>, Flaw> {
    match node.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => value
            .as_str()
            .and_then(time_ms)
            .map(Some)
            .ok_or_else(|| format!("{field} is no time")),
    }
}

/// Milliseconds since 1970 of a time as Shopify writes it: RFC 3339, with any offset and any number of decimals.
pub(super) fn time_ms(text: &str) -> Option<i64> {
    Timestamp::parse_rfc3339(text).map(Timestamp::millis)
}

/// Where a person finds a record.
fn address(ctx: &Context<'_>, section: &str, id: &str) -> Option<String> {
    let host = shop::host_of(ctx.tenant_id)?;
    Some(format!("https://{host}/admin/{section}/{id}"))
}

fn company(add: &mut Adding<'_>) -> Result<(), Flaw> {
    for name in ["name", "note", "externalId", "customerSince"] {
        add.plain(name)?;
    }
    // Our reference is kept as the company's external id; that of another system is none of ours and is told apart by its form.
    add.nested(REFERENCE, "externalId", &[])
}

fn contact(add: &mut Adding<'_>) -> Result<(), Flaw> {
    for name in [
        "firstName",
        "lastName",
        "displayName",
        "note",
        "tags",
        "state",
        "locale",
    ] {
        add.plain(name)?;
    }
    add.nested("email", "defaultEmailAddress", &["emailAddress"])?;
    add.nested("phone", "defaultPhoneNumber", &["phoneNumber"])?;
    add.nested("company", "defaultAddress", &["company"])?;
    add.nested("city", "defaultAddress", &["city"])?;
    add.nested("country", "defaultAddress", &["countryCodeV2"])?;
    add.nested(REFERENCE, "reference", &["value"])?;
    if add.has("companyContactProfiles") {
        let profiles = profiles(add.node)?;
        let main = profiles
            .iter()
            .find(|profile| profile.get("isMainContact") == Some(&Value::Bool(true)))
            .or(profiles.first());
        let title = main.and_then(|profile| profile.get("title"));
        let title = text(title.unwrap_or(&Value::Null))?;
        add.put("title", title);
    }
    Ok(())
}

/// The ties of a customer to companies.
pub(super) fn profiles(node: &Node) -> Result<&[Value], Flaw> {
    match node.get("companyContactProfiles") {
        Some(Value::Array(profiles)) => Ok(profiles),
        _ => Err("its ties to companies are no list".to_owned()),
    }
}

/// The companies a customer belongs to. One that is the main contact of any belongs to that first.
fn companies(node: &Node, selection: &Selection<'_>) -> Result<(Vec<RecordLink>, bool), Flaw> {
    let field = "companyContactProfiles";
    if selection.omitted.contains(field) || !node.contains_key(field) {
        return Ok((Vec::new(), false));
    }
    let mut links = Vec::new();
    for profile in profiles(node)? {
        let company = profile.get("company").and_then(|company| company.get("id"));
        links.push(RecordLink {
            resource: Resource::Company,
            external_id: id::required("Company", company.and_then(Value::as_str))?,
            labels: Vec::new(),
            primary: profile.get("isMainContact") == Some(&Value::Bool(true)),
        });
    }
    if !links.iter().any(|link| link.primary)
        && let Some(first) = links.first_mut()
    {
        first.primary = true;
    }
    links.sort();
    links.dedup_by(|one, other| one.external_id == other.external_id);
    Ok((links, true))
}
