//! What people do that the connector's API does not: undeleting, emptying the bin, merging, converting leads, odd times.

use serde_json::{Map, Value, json};

use super::held::Held;
use super::id;
use super::inner::Inner;
use super::refused::SalesforceRefused as Refused;
use super::store::SalesforceStore;
use super::transaction::{By, Transaction};
use super::writes::Allowed;

/// What a converted lead became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Converted {
    /// The account.
    pub account: String,
    /// The contact.
    pub contact: String,
    /// The opportunity.
    pub opportunity: String,
}

impl SalesforceStore {
    /// Brings a record back from the recycle bin.
    pub fn undelete(&self, object: &str, id: &str) -> Result<(), Refused> {
        self.change(By::Person, |transaction| {
            let id = id::parse(id).ok_or_else(Refused::not_found)?;
            let mut record = transaction
                .inner
                .record(object, &id)
                .filter(|record| Inner::in_bin(record, transaction.now) && record.master.is_none())
                .cloned()
                .ok_or_else(Refused::not_found)?;
            record.deleted_at = None;
            transaction.put(object, record);
            transaction.inner.deletions.retain(|gone| gone.id != id);
            Ok(())
        })
    }

    /// Empties the recycle bin: the records vanish from every query, and only the log of deletions still knows them.
    pub fn empty_bin(&self) {
        let mut inner = self.write();
        let gone: Vec<(String, String)> = inner
            .tables
            .iter()
            .flat_map(|(object, table)| {
                table
                    .values()
                    .filter(|record| record.deleted_at.is_some())
                    .map(|record| (object.clone(), record.id.clone()))
            })
            .collect();
        for (object, id) in gone {
            inner.lift(&object, &id);
        }
        drop(inner);
        self.changed();
    }

    /// Forgets deletions before a time, in milliseconds since the epoch, as the vendor does when the log grows too long.
    pub fn purge_delete_log(&self, before_ms: i64) {
        let mut inner = self.write();
        inner.deletions.retain(|gone| gone.at >= before_ms);
        inner.log_from = inner.log_from.max(before_ms);
        drop(inner);
        self.changed();
    }

    /// Merges records into the first; the losers are deleted, and what hung on them moves over without being told.
    pub fn merge(&self, object: &str, winner: &str, losers: &[&str]) -> Result<(), Refused> {
        self.change(By::Person, |transaction| {
            let described = transaction.described(object)?;
            if !described.mergeable || losers.is_empty() || losers.len() > 2 {
                let message = format!("{object} records cannot be merged so");
                return Err(Refused::new("INVALID_TYPE", message));
            }
            let record = transaction.live(&described, winner)?;
            let winner = record.id.clone();
            for loser in losers {
                let loser = transaction.live(&described, loser)?;
                if loser.id == winner {
                    return Err(Refused::new(
                        "INVALID_ID_FIELD",
                        "a record cannot be merged with itself",
                    ));
                }
                let id = loser.id.clone();
                transaction.bin(object, loser, Some(&winner));
                for child in &described.children {
                    transaction.reparent(&child.object, &child.field, &id, &winner);
                }
            }
            transaction.put(object, record);
            Ok(())
        })
    }

    /// Converts a lead. The lead itself keeps its `LastModifiedDate`; only `SystemModstamp` moves.
    pub fn convert_lead(&self, lead: &str) -> Result<Converted, Refused> {
        self.change(By::Person, |transaction| {
            let described = transaction.described("Lead")?;
            let mut lead = transaction.live(&described, lead)?;
            if lead.get("IsConverted") == Some(Held::Flag(true)) {
                let message = "cannot convert a lead that is already converted";
                return Err(Refused::new("CANNOT_UPDATE_CONVERTED_LEAD", message));
            }
            let given = |name: &str| lead.text(name).map_or(Value::Null, Value::from);
            let account = object(json!({
                "Name": given("Company"), "Website": given("Website"), "Phone": given("Phone"),
                "Industry": given("Industry"), "BillingCountry": given("Country"),
            }));
            let account = transaction.create("Account", &account, Allowed::default())?;
            let contact = object(json!({
                "AccountId": account, "LastName": given("LastName"), "FirstName": given("FirstName"),
                "Email": given("Email"), "Phone": given("Phone"), "Title": given("Title"),
            }));
            let contact = transaction.create("Contact", &contact, Allowed::default())?;
            let today = Held::At(transaction.now).plain();
            let opportunity = object(json!({
                "AccountId": account, "Name": format!("{}-", lead.text("Company").unwrap_or_default()),
                "StageName": "Prospecting", "CloseDate": today, "LeadSource": given("LeadSource"),
            }));
            let opportunity = transaction.create("Opportunity", &opportunity, Allowed::default())?;
            lead.set("IsConverted", Some(Held::Flag(true)));
            lead.set("ConvertedDate", super::held::read_day(&today).map(Held::Day));
            lead.set("Status", Some(Held::Text("Closed - Converted".to_owned())));
            for (name, id) in [
                ("ConvertedAccountId", &account),
                ("ConvertedContactId", &contact),
                ("ConvertedOpportunityId", &opportunity),
            ] {
                lead.set(name, Some(Held::Text(id.clone())));
            }
            transaction.put_quietly("Lead", lead);
            Ok(Converted {
                account,
                contact,
                opportunity,
            })
        })
    }

    /// Changes fields as the vendor's own background work does: `LastModifiedDate` stays, no outbound message is sent.
    pub fn update_in_background(
        &self,
        object: &str,
        id: &str,
        fields: Value,
    ) -> Result<(), Refused> {
        let fields = self::object(fields);
        self.change(By::System, |transaction| {
            transaction.update(object, id, &fields, Allowed::default())
        })
    }

    /// Gives a record another `SystemModstamp`: a long transaction that began at this time ends only now, behind everybody's cursor.
    pub fn set_stamp(&self, object: &str, id: &str, at_ms: i64) -> Result<(), Refused> {
        let id = id::parse(id).ok_or_else(Refused::not_found)?;
        let mut inner = self.write();
        let mut record = inner
            .record(object, &id)
            .cloned()
            .ok_or_else(Refused::not_found)?;
        record.stamp = at_ms - at_ms.rem_euclid(1000);
        inner.place(object, record);
        drop(inner);
        self.changed();
        Ok(())
    }

    /// Gives all live records of an object the same `SystemModstamp`: the tie a keyset must walk.
    pub fn stamp_all(&self, object: &str, at_ms: i64) {
        let at_ms = at_ms - at_ms.rem_euclid(1000);
        let mut inner = self.write();
        if let Some(table) = inner.tables.get_mut(object) {
            for record in table
                .values_mut()
                .filter(|record| record.deleted_at.is_none())
            {
                record.stamp = at_ms;
            }
        }
        drop(inner);
        self.changed();
    }
}

impl Transaction<'_> {
    /// What referred to one record refers to another; the records themselves tell nobody.
    fn reparent(&mut self, object: &str, field: &str, from: &str, to: &str) {
        for id in self.inner.referring(object, field, from) {
            if let Some(mut record) = self.inner.record(object, &id).cloned() {
                record.set(field, Some(Held::Text(to.to_owned())));
                self.put_quietly(object, record);
            }
        }
    }
}

/// The fields of a JSON object; anything else has none.
pub(super) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}
