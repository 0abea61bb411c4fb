//! What the vendor itself fills in: defaults, composed names, what a stage means, partners of owners, the contact behind a person.
//!
//! Invariant: derived fields follow from the record as it is saved, so no caller can set them to something else.

use super::held::Held;
use super::record::Record;
use super::schema::Object;
use super::transaction::Transaction;

impl Transaction<'_> {
    /// Gives a new record what it has when nothing is said.
    pub(super) fn fill_defaults(&self, described: &Object, record: &mut Record) {
        let text = |value: &str| Some(Held::Text(value.to_owned()));
        if described.field("OwnerId").is_some() {
            record.set("OwnerId", Some(Held::Text(self.user())));
        }
        if described.field("CurrencyIsoCode").is_some() {
            record.set("CurrencyIsoCode", text("USD"));
        }
        if described.name == "Lead" {
            record.set("Status", text("Open - Not Contacted"));
        }
        for field in &described.fields {
            if field.kind == super::schema::FieldKind::Boolean && field.name != "IsDeleted" {
                record.set(&field.name, Some(Held::Flag(false)));
            }
        }
    }

    /// Sets the fields that follow from others.
    pub(super) fn derive(&self, described: &Object, record: &mut Record) {
        match described.name.as_str() {
            "Opportunity" => self.derive_opportunity(described, record),
            "Contact" | "Lead" => compose_name(record),
            "Account" if described.field("IsPersonAccount").is_some() => {
                let person = record.text("LastName").is_some();
                record.set("IsPersonAccount", Some(Held::Flag(person)));
                if person {
                    compose_name(record);
                }
            }
            _ => {}
        }
    }

    fn derive_opportunity(&self, described: &Object, record: &mut Record) {
        let before = self.inner.record("Opportunity", &record.id);
        let stage = record.text("StageName").map(str::to_owned);
        let moved = before.and_then(|before| before.text("StageName")) != stage.as_deref();
        let meaning = self
            .inner
            .table("OpportunityStage")
            .find(|known| stage.is_some() && known.text("MasterLabel") == stage.as_deref());
        let flag = |name: &str| {
            let set = meaning.and_then(|meaning| meaning.get(name));
            Some(set.unwrap_or(Held::Flag(false)))
        };
        record.set("IsClosed", flag("IsClosed"));
        record.set("IsWon", flag("IsWon"));
        if let Some(meaning) = meaning {
            record.set("ForecastCategoryName", meaning.get("ForecastCategoryName"));
            let given = before.map(|before| before.get("Probability"))
                != Some(record.get("Probability"))
                && record.get("Probability").is_some();
            if moved && !given {
                record.set("Probability", meaning.get("DefaultProbability"));
            }
        }
        if described.field("PartnerAccountId").is_some() {
            let owner = record
                .text("OwnerId")
                .and_then(|owner| self.inner.record("User", owner));
            record.set(
                "PartnerAccountId",
                owner.and_then(|owner| owner.get("AccountId")),
            );
        }
    }

    /// What a saved record changes in others.
    pub(super) fn follow(&mut self, object: &str, id: &str) {
        match object {
            "OpportunityPartner" => self.only_one_primary(id),
            "Account" => self.follow_person(id),
            _ => {}
        }
    }

    /// A new primary partner takes the place of the old one.
    fn only_one_primary(&mut self, id: &str) {
        let Some(record) = self.inner.record("OpportunityPartner", id) else {
            return;
        };
        if record.get("IsPrimary") != Some(Held::Flag(true)) {
            return;
        }
        let opportunity = record.text("OpportunityId").unwrap_or_default().to_owned();
        let others = self
            .inner
            .referring("OpportunityPartner", "OpportunityId", &opportunity);
        for other in others.into_iter().filter(|other| other != id) {
            if let Some(mut record) = self.inner.record("OpportunityPartner", &other).cloned()
                && record.get("IsPrimary") == Some(Held::Flag(true))
            {
                record.set("IsPrimary", Some(Held::Flag(false)));
                self.put_quietly("OpportunityPartner", record);
            }
        }
    }

    /// A person account is an account and a contact in one: the contact is made with it and follows it.
    fn follow_person(&mut self, id: &str) {
        let Some(mut account) = self.inner.record("Account", id).cloned() else {
            return;
        };
        if account.get("IsPersonAccount") != Some(Held::Flag(true)) {
            return;
        }
        let known = account
            .text("PersonContactId")
            .and_then(|contact| self.inner.record("Contact", contact))
            .cloned();
        let is_new = known.is_none();
        let mut contact = match known {
            Some(contact) => contact,
            None => {
                let mut contact = account.clone();
                contact.id = self.inner.next_id("003");
                contact.fields.clear();
                contact
            }
        };
        contact.set("AccountId", Some(Held::Text(id.to_owned())));
        contact.set("IsPersonAccount", Some(Held::Flag(true)));
        for (of_account, of_contact) in [
            ("FirstName", "FirstName"),
            ("LastName", "LastName"),
            ("PersonEmail", "Email"),
            ("Phone", "Phone"),
            ("OwnerId", "OwnerId"),
        ] {
            contact.set(of_contact, account.get(of_account));
        }
        compose_name(&mut contact);
        let contact_id = contact.id.clone();
        self.put_quietly("Contact", contact);
        if is_new {
            account.set("PersonContactId", Some(Held::Text(contact_id)));
            self.put_quietly("Account", account);
        }
    }
}

fn compose_name(record: &mut Record) {
    let parts = [record.text("FirstName"), record.text("LastName")];
    let name: Vec<&str> = parts.into_iter().flatten().collect();
    let name = name.join(" ");
    record.set("Name", (!name.is_empty()).then_some(Held::Text(name)));
}
