//! Invents a portal: companies, partners, contacts and deals, the same for the same seed, apart from the clock.
//!
//! The oddities are on purpose: domains shared or missing, amounts missing, three currencies, records already archived.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::inner::Inner;
use super::kind::Kind;
use super::links::{CONTACT_TO_COMPANY, CONTACT_TO_PRIMARY_COMPANY, DEAL_TO_CONTACT};
use super::load;
use super::portal::Owner;
use crate::clock::instant;

/// 2026-09-30: the last change of the newest record.
const NEWEST: i64 = 1_790_726_400_000;
const DAY: i64 = 24 * 3600 * 1000;

const FIRST: [&str; 24] = [
    "Amber",
    "Birch",
    "Cobalt",
    "Delta",
    "Ember",
    "Fjord",
    "Granite",
    "Harbour",
    "Indigo",
    "Juniper",
    "Kestrel",
    "Lumen",
    "Meridian",
    "Northwind",
    "Opal",
    "Pinnacle",
    "Quarry",
    "Redwood",
    "Silver",
    "Tundra",
    "Umbra",
    "Vertex",
    "Willow",
    "Zephyr",
];
const SECOND: [&str; 16] = [
    "Analytics",
    "Biotech",
    "Capital",
    "Dynamics",
    "Energy",
    "Foods",
    "Freight",
    "Health",
    "Instruments",
    "Labs",
    "Logistics",
    "Media",
    "Robotics",
    "Software",
    "Systems",
    "Textiles",
];
const FORM: [&str; 6] = ["Inc", "GmbH", "Ltd", "SA", "KK", "BV"];
const GIVEN: [&str; 20] = [
    "Aiko", "Amara", "Ben", "Carla", "Daniel", "Elif", "Farid", "Grace", "Hugo", "Ines", "Jonas",
    "Keiko", "Lena", "Marco", "Nadia", "Oscar", "Priya", "Ravi", "Sofia", "Tomás",
];
const FAMILY: [&str; 20] = [
    "Abe", "Bauer", "Costa", "Dubois", "Eriksson", "Fischer", "Garcia", "Haddad", "Ito", "Jensen",
    "Kowalski", "Lopez", "Meyer", "Novak", "Okafor", "Patel", "Rossi", "Schmidt", "Tanaka",
    "Weber",
];
const INDUSTRY: [&str; 6] = [
    "SOFTWARE",
    "RETAIL",
    "HEALTHCARE",
    "FINANCE",
    "LOGISTICS",
    "MANUFACTURING",
];
const COUNTRY: [&str; 6] = [
    "Germany",
    "United States",
    "Japan",
    "France",
    "Brazil",
    "Norway",
];
const TITLE: [&str; 6] = [
    "CTO",
    "Head of Partnerships",
    "Procurement Lead",
    "VP Sales",
    "Engineer",
    "CFO",
];
const WORK: [&str; 8] = [
    "platform rollout",
    "renewal",
    "expansion",
    "pilot",
    "migration",
    "support plan",
    "data integration",
    "onboarding",
];

struct Maker<'a> {
    inner: &'a mut Inner,
    chance: StdRng,
}

/// Fills a new portal with `deals` deals and what belongs to them.
pub(crate) fn generate(inner: &mut Inner, deals: usize, seed: u64) {
    let mut maker = Maker {
        inner,
        chance: StdRng::seed_from_u64(seed),
    };
    let owners = maker.owners();
    let partners = maker.partners(6 + (deals / 5000).min(18));
    let companies = maker.companies(deals.div_ceil(8).max(6), &owners);
    let contacts = maker.contacts(deals.div_ceil(6).max(6), &companies);
    maker.deals(deals, &owners, &partners, &companies, &contacts);
    maker.archive_few(&companies);
}

impl Maker<'_> {
    fn pick<'t, T>(&mut self, from: &'t [T]) -> Option<&'t T> {
        if from.is_empty() {
            return None;
        }
        from.get(self.chance.random_range(0..from.len()))
    }

    fn word(&mut self, from: &[&'static str]) -> &'static str {
        self.pick(from).copied().unwrap_or_default()
    }

    fn chance_of(&mut self, share: f64) -> bool {
        self.chance.random_bool(share)
    }

    /// The n-th of `of` records of a run that ended at `NEWEST`; a few share a millisecond.
    fn changed(n: usize, of: usize) -> i64 {
        let behind = i64::try_from(of.saturating_sub(n) / 3).unwrap_or(0);
        NEWEST - behind * 977
    }

    fn owners(&mut self) -> Vec<u64> {
        let mut ids = Vec::new();
        for n in 1..=12 {
            let name = format!("{} {}", self.word(&GIVEN), self.word(&FAMILY));
            let mut owner = Owner::named(n, &name, None);
            owner.email = format!("owner{n}@sales.example");
            ids.push(owner.id);
            self.inner.owners.insert(owner.id, owner);
        }
        ids
    }

    fn company_name(&mut self, n: usize) -> (String, String) {
        let (first, second) = (self.word(&FIRST), self.word(&SECOND));
        let form = self.word(&FORM);
        let domain = format!(
            "{}{}-{n}.example",
            first.to_lowercase(),
            second.to_lowercase()
        );
        (format!("{first} {second} {n} {form}"), domain)
    }

    fn partners(&mut self, count: usize) -> Vec<u64> {
        let mut ids = Vec::new();
        for n in 0..count {
            let (name, domain) = self.company_name(n + 1);
            let kind = if n % 3 == 2 { "RESELLER" } else { "PARTNER" };
            let at = Self::changed(n, count) - 30 * DAY;
            let properties = [
                ("name", name.as_str()),
                ("domain", domain.as_str()),
                ("type", kind),
                ("industry", "SOFTWARE"),
                ("country", self.word(&COUNTRY)),
            ];
            ids.push(load::add(
                self.inner,
                Kind::Companies,
                at - 300 * DAY,
                at,
                &properties,
            ));
        }
        ids
    }

    fn companies(&mut self, count: usize, owners: &[u64]) -> Vec<u64> {
        let mut ids = Vec::new();
        let mut last_domain = String::new();
        for n in 0..count {
            let (name, domain) = self.company_name(n + 101);
            // Every fifteenth company repeats the domain before, every tenth has none.
            let domain = match n {
                n if n % 15 == 14 => last_domain.clone(),
                n if n % 10 == 9 => String::new(),
                _ => domain,
            };
            last_domain.clone_from(&domain);
            let at = Self::changed(n, count);
            let revenue = (self.chance.random_range(1..5000_u32) * 10_000).to_string();
            let employees = self.chance.random_range(3..20_000_u32).to_string();
            let owner = self.pick(owners).map(u64::to_string).unwrap_or_default();
            let kind = if n % 4 == 0 { "PROSPECT" } else { "" };
            let properties = [
                ("name", name.as_str()),
                ("domain", domain.as_str()),
                ("type", kind),
                ("industry", self.word(&INDUSTRY)),
                ("country", self.word(&COUNTRY)),
                ("annualrevenue", revenue.as_str()),
                ("numberofemployees", employees.as_str()),
                ("hubspot_owner_id", owner.as_str()),
            ];
            let created = at - self.chance.random_range(10..900) * DAY;
            ids.push(load::add(
                self.inner,
                Kind::Companies,
                created,
                at,
                &properties,
            ));
        }
        ids
    }

    fn contacts(&mut self, count: usize, companies: &[u64]) -> Vec<(u64, u64)> {
        let mut ids = Vec::new();
        for n in 0..count {
            let (given, family) = (self.word(&GIVEN), self.word(&FAMILY));
            let email = format!("{}.{}.{n}@people.example", ascii(given), ascii(family));
            let email = if n % 25 == 24 { String::new() } else { email };
            let at = Self::changed(n, count);
            let properties = [
                ("firstname", given),
                ("lastname", family),
                ("email", email.as_str()),
                ("jobtitle", self.word(&TITLE)),
            ];
            let created = at - self.chance.random_range(5..700) * DAY;
            let id = load::add(self.inner, Kind::Contacts, created, at, &properties);
            let Some(company) = self.pick(companies).copied() else {
                continue;
            };
            let types = [CONTACT_TO_COMPANY, CONTACT_TO_PRIMARY_COMPANY];
            load::link(
                self.inner,
                (Kind::Contacts, id),
                (Kind::Companies, company),
                &types,
            );
            ids.push((id, company));
        }
        ids
    }

    fn deals(
        &mut self,
        count: usize,
        owners: &[u64],
        partners: &[u64],
        companies: &[u64],
        contacts: &[(u64, u64)],
    ) {
        for n in 0..count {
            let at = Self::changed(n, count);
            let created = at - self.chance.random_range(1..400) * DAY;
            let stage = match self.chance.random_range(0..100) {
                0..15 => "prospecting",
                15..45 => "engaging",
                45..78 => "closedwon",
                _ => "closedlost",
            };
            let currency = match self.chance.random_range(0..10) {
                0..6 => "USD",
                6..9 => "EUR",
                _ => "JPY",
            };
            let known = stage == "closedwon" || self.chance_of(0.8);
            let amount = if known {
                self.amount(currency)
            } else {
                String::new()
            };
            let closedate = instant((at + self.chance.random_range(-60..60) * DAY) / DAY * DAY);
            let name = format!("{} {}", self.word(&FIRST), self.word(&WORK));
            let name = format!("{name} #{}", n + 1);
            let owner = self.pick(owners).map(u64::to_string).unwrap_or_default();
            let properties = [
                ("dealname", name.as_str()),
                ("dealstage", stage),
                ("pipeline", "default"),
                ("amount", amount.as_str()),
                ("deal_currency_code", currency),
                ("closedate", closedate.as_str()),
                ("hubspot_owner_id", owner.as_str()),
            ];
            let deal = load::add(self.inner, Kind::Deals, created, at, &properties);
            self.deal_links(deal, partners, companies, contacts);
        }
    }

    fn amount(&mut self, currency: &str) -> String {
        let whole = self.chance.random_range(5..2500_u32) * 100;
        match currency {
            "JPY" => (whole * 100).to_string(),
            _ if self.chance_of(0.3) => format!("{whole}.{:02}", self.chance.random_range(0..100)),
            _ => whole.to_string(),
        }
    }

    fn deal_links(
        &mut self,
        deal: u64,
        partners: &[u64],
        companies: &[u64],
        contacts: &[(u64, u64)],
    ) {
        if self.chance_of(0.9) {
            let contact = self.pick(contacts).copied();
            let company = match contact {
                Some((_, company)) => Some(company),
                None => self.pick(companies).copied(),
            };
            if let Some(company) = company {
                load::link_customer(self.inner, deal, company);
            }
            if let Some((contact, _)) = contact {
                let (from, to) = ((Kind::Deals, deal), (Kind::Contacts, contact));
                load::link(self.inner, from, to, &[DEAL_TO_CONTACT]);
            }
        }
        if self.chance_of(0.6)
            && let Some(partner) = self.pick(partners).copied()
        {
            load::link_partner(self.inner, deal, partner);
        }
    }

    /// Archives two companies without deals, so that the list of archived records is not empty.
    fn archive_few(&mut self, companies: &[u64]) {
        let idle: Vec<u64> = companies
            .iter()
            .copied()
            .filter(|id| {
                let mut deals = self.inner.links.of(Kind::Companies, *id, Kind::Deals, 0);
                deals.next().is_none()
            })
            .take(2)
            .collect();
        for id in idle {
            if let Some(mut record) = self.inner.lift(Kind::Companies, id) {
                record.archived_at = Some(NEWEST);
                record.updated_at = NEWEST;
                self.inner.place(Kind::Companies, record);
            }
        }
    }
}

fn ascii(name: &str) -> String {
    name.to_lowercase()
        .chars()
        .filter(char::is_ascii_alphabetic)
        .collect()
}
