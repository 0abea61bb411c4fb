//! Makes an org: its users, stages and organization always, and invented accounts, contacts and opportunities when asked.
//!
//! The same for the same seed, apart from the clock. The oddities are on purpose: websites shared or missing, amounts missing or above
//! ten millions, several records of the same second, leads converted and records already in the recycle bin.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::{Value, json};

use super::held::{Held, instant};
use super::human::object;
use super::inner::Inner;
use super::options::SalesforceSource;
use super::record::Record;
use super::standard::STAGES;

/// 2026-09-30: the last change of the newest record.
const NEWEST: i64 = 1_790_726_400_000;
const DAY: i64 = 24 * 3600 * 1000;

const FIRST: [&str; 16] = [
    "Alder", "Basalt", "Cinder", "Dune", "Elm", "Flint", "Grove", "Heath", "Iris", "Jade", "Kelp",
    "Larch", "Moss", "Nimbus", "Onyx", "Pearl",
];
const SECOND: [&str; 12] = [
    "Aerospace",
    "Bank",
    "Clinics",
    "Devices",
    "Estates",
    "Fabrics",
    "Grain",
    "Hotels",
    "Insurance",
    "Mobility",
    "Networks",
    "Publishing",
];
const GIVEN: [&str; 12] = [
    "Anna", "Bilal", "Chiara", "David", "Emre", "Fatou", "Georg", "Hana", "Ivan", "José", "Klara",
    "Li",
];
const FAMILY: [&str; 12] = [
    "Andersen", "Brown", "Chen", "Diaz", "Evans", "Fontaine", "Gupta", "Huber", "Ivanova", "Jones",
    "Kim", "Larsson",
];
const WORK: [&str; 6] = [
    "rollout",
    "renewal",
    "pilot",
    "migration",
    "expansion",
    "support",
];
const ROLES: [&str; 4] = ["System Integrator", "VAR/Reseller", "Distributor", "Agency"];

/// Fills a new org.
pub(crate) fn fill(inner: &mut Inner, source: SalesforceSource, seed: u64, now: i64) {
    let mut maker = Maker {
        inner,
        chance: StdRng::seed_from_u64(seed),
    };
    maker.set_up(now);
    if let SalesforceSource::Generated { opportunities } = source {
        maker.invent(opportunities);
    }
    maker.inner.reindex();
}

struct Maker<'a> {
    inner: &'a mut Inner,
    chance: StdRng,
}

impl Maker<'_> {
    /// Puts a record in its place as it stands, with its times.
    fn plant(&mut self, name: &str, fields: Value, created: i64, changed: i64) -> String {
        let Some(described) = self.inner.schema.object(name).cloned() else {
            return String::new();
        };
        let id = self.inner.next_id(&described.prefix);
        let mut kept = BTreeMap::new();
        for (field, value) in object(fields) {
            // What the org's features leave out is left out here too.
            let held = described
                .field(&field)
                .and_then(|known| Held::read(known, &value).ok());
            if let Some(Some(held)) = held {
                kept.insert(field, held);
            }
        }
        let whole = |at: i64| at - at.rem_euclid(1000);
        let owner = self.inner.person.clone();
        if described.field("OwnerId").is_some() {
            kept.entry("OwnerId".to_owned())
                .or_insert(Held::Text(owner.clone()));
        }
        if described.field("CurrencyIsoCode").is_some() {
            kept.entry("CurrencyIsoCode".to_owned())
                .or_insert(Held::Text("USD".to_owned()));
        }
        let record = Record {
            id: id.clone(),
            fields: kept,
            created_at: whole(created),
            created_by: owner.clone(),
            modified_at: whole(changed),
            modified_by: owner,
            stamp: whole(changed),
            deleted_at: None,
            master: None,
            visible_at: 0,
            earlier: None,
        };
        self.inner.place(&described.name, record);
        id
    }

    fn set_up(&mut self, now: i64) {
        let org = self.inner.org_id.clone();
        self.inner.person = self.user("Dana", "Admin", "admin", None);
        self.inner.app_user = self.user("Integration", "User", "integration", None);
        let organization = json!({
            "Name": "Example Org", "InstanceName": "SBX1", "IsSandbox": true, "OrganizationType": "Developer Edition",
            "DefaultLocaleSidKey": "en_US", "LanguageLocaleKey": "en_US", "TimeZoneSidKey": "Etc/UTC", "Country": "US",
        });
        let made = self.plant("Organization", organization, now, now);
        // The organization's own record has the org's id.
        if let Some(mut record) = self.inner.lift("Organization", &made) {
            record.id = org;
            self.inner.place("Organization", record);
        }
        for (n, (name, closed, won, probability, forecast)) in STAGES.iter().enumerate() {
            let stage = json!({
                "MasterLabel": name, "ApiName": name, "IsActive": true, "SortOrder": n + 1, "IsClosed": closed,
                "IsWon": won, "DefaultProbability": probability, "ForecastCategoryName": forecast,
            });
            self.plant("OpportunityStage", stage, now, now);
        }
        for (code, rate, decimals) in [("USD", 1.0, 2), ("EUR", 0.9, 2), ("JPY", 150.0, 0)] {
            let currency = json!({
                "IsoCode": code, "ConversionRate": rate, "DecimalPlaces": decimals, "IsActive": true,
                "IsCorporate": code == "USD",
            });
            self.plant("CurrencyType", currency, now, now);
        }
    }

    fn user(&mut self, given: &str, family: &str, login: &str, account: Option<&str>) -> String {
        let mail = format!("{login}@org.example");
        let user = json!({
            "Username": mail, "Email": mail, "FirstName": given, "LastName": family,
            "Name": format!("{given} {family}"), "IsActive": true, "AccountId": account,
            "UserType": if account.is_some() { "PowerPartner" } else { "Standard" },
            "TimeZoneSidKey": "Etc/UTC", "LocaleSidKey": "en_US",
        });
        let at = NEWEST - 900 * DAY;
        self.plant("User", user, at, at)
    }

    fn word(&mut self, words: &[&'static str]) -> &'static str {
        let at = self.chance.random_range(0..words.len());
        words.get(at).copied().unwrap_or_default()
    }

    fn pick(&mut self, from: &[String]) -> Option<String> {
        if from.is_empty() {
            return None;
        }
        let at = self.chance.random_range(0..from.len());
        from.get(at).cloned()
    }

    /// Times in steps of half a minute up to the newest, so that some records share a second.
    fn changed(n: usize, count: usize) -> i64 {
        let behind = i64::try_from(count - n).unwrap_or(0);
        NEWEST - behind / 3 * 30_000
    }

    fn invent(&mut self, opportunities: usize) {
        let partners = self.accounts(6 + opportunities / 400, true);
        let customers = self.accounts(10 + opportunities / 4, false);
        let mut owners = vec![self.inner.person.clone()];
        if self.inner.features.partner_users {
            for (n, partner) in partners.iter().take(3).enumerate() {
                let login = format!("partner{n}");
                owners.push(self.user(
                    "Partner",
                    FAMILY.get(n).copied().unwrap_or("User"),
                    &login,
                    Some(partner),
                ));
            }
        }
        let contacts = self.contacts(10 + opportunities / 3, &customers);
        self.opportunities(opportunities, &customers, &partners, &contacts, &owners);
        self.leads(5 + opportunities / 20);
        self.bin_some();
    }

    fn accounts(&mut self, count: usize, partner: bool) -> Vec<String> {
        (0..count)
            .map(|n| {
                let name = format!("{} {} {}", self.word(&FIRST), self.word(&SECOND), n + 1);
                let host = name.to_lowercase().replace(' ', "-");
                let website = match self.chance.random_range(0..10) {
                    0 => Value::Null,
                    1 => json!("https://shared.example"),
                    _ => json!(format!("https://{host}.example")),
                };
                let kind = if partner { "Channel Partner / Reseller" } else { "Customer - Direct" };
                let account = json!({
                    "Name": name, "Type": kind, "Website": website, "IsPartner": partner, "IsPersonAccount": false,
                    "Industry": "Technology", "BillingCountry": "Germany", "Phone": "+49 30 123456",
                });
                let at = Self::changed(n, count);
                self.plant("Account", account, at - 200 * DAY, at)
            })
            .collect()
    }

    fn contacts(&mut self, count: usize, accounts: &[String]) -> Vec<String> {
        (0..count)
            .map(|n| {
                let (given, family) = (self.word(&GIVEN), self.word(&FAMILY));
                let contact = json!({
                    "FirstName": given, "LastName": family, "Name": format!("{given} {family}"),
                    "Email": format!("person{n}@people.example"), "AccountId": self.pick(accounts),
                    "Title": "Head of Procurement", "IsPersonAccount": false,
                });
                let at = Self::changed(n, count);
                self.plant("Contact", contact, at - 100 * DAY, at)
            })
            .collect()
    }

    fn opportunities(
        &mut self,
        count: usize,
        customers: &[String],
        partners: &[String],
        contacts: &[String],
        owners: &[String],
    ) {
        for n in 0..count {
            let at = Self::changed(n, count);
            let stage = self.chance.random_range(0..STAGES.len());
            let Some((stage, closed, won, probability, forecast)) = STAGES.get(stage) else {
                continue;
            };
            let amount = match self.chance.random_range(0..20) {
                0 => Value::Null,
                1 => json!(self.chance.random_range(100..900_u32) * 100_000),
                2 => json!(f64::from(self.chance.random_range(10_000..900_000_u32)) / 100.0),
                _ => json!(self.chance.random_range(5..900_u32) * 100),
            };
            let close = instant(at + self.chance.random_range(-60..60_i64) * DAY);
            let owner = self.pick(owners).unwrap_or_default();
            let partner_of_owner = self
                .inner
                .record("User", &owner)
                .and_then(|user| user.text("AccountId"))
                .map(str::to_owned);
            let opportunity = json!({
                "Name": format!("{} {} #{}", self.word(&FIRST), self.word(&WORK), n + 1), "StageName": stage,
                "CloseDate": close.get(..10), "Amount": amount, "AccountId": self.pick(customers), "IsClosed": closed,
                "IsWon": won, "Probability": probability, "ForecastCategoryName": forecast, "IsPrivate": false,
                "OwnerId": owner, "PartnerAccountId": partner_of_owner,
            });
            let created = at - self.chance.random_range(1..300_i64) * DAY;
            let id = self.plant("Opportunity", opportunity, created, at);
            if self.chance.random_range(0..10) < 6
                && let Some(partner) = self.pick(partners)
            {
                let role = self.word(&ROLES);
                let relation = json!({
                    "OpportunityId": id, "AccountToId": partner, "Role": role, "IsPrimary": true,
                });
                self.plant("OpportunityPartner", relation, at, at);
            }
            if let Some(contact) = self.pick(contacts) {
                let role = json!({
                    "OpportunityId": id, "ContactId": contact, "Role": "Decision Maker", "IsPrimary": true,
                });
                self.plant("OpportunityContactRole", role, at, at);
            }
        }
    }

    fn leads(&mut self, count: usize) {
        for n in 0..count {
            let (given, family) = (self.word(&GIVEN), self.word(&FAMILY));
            let lead = json!({
                "FirstName": given, "LastName": family, "Name": format!("{given} {family}"),
                "Company": format!("{} {}", self.word(&FIRST), self.word(&SECOND)),
                "Email": format!("lead{n}@leads.example"), "Status": "Open - Not Contacted",
                "LeadSource": "Partner Referral", "IsConverted": false,
            });
            let at = Self::changed(n, count);
            self.plant("Lead", lead, at - 20 * DAY, at);
        }
    }

    /// Two leads have been deleted, so that the recycle bin is not empty.
    fn bin_some(&mut self) {
        let ids: Vec<String> = self
            .inner
            .table("Lead")
            .take(2)
            .map(|lead| lead.id.clone())
            .collect();
        for id in ids {
            if let Some(mut lead) = self.inner.lift("Lead", &id) {
                lead.deleted_at = Some(NEWEST);
                lead.stamp = NEWEST;
                self.inner.place("Lead", lead);
            }
        }
    }
}
