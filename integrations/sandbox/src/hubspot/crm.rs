//! Reads a CSV export of a CRM (accounts, opportunities, products, sales teams) into a portal.
//!
//! Refuses: the whole export, at the first line that is malformed or that names an account or agent the other files do not know; the error
//! says file and line. Values are taken as they stand: a product spelled otherwise than in the price list is data, not an error.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chrono::NaiveDate;
use csv::{ReaderBuilder, StringRecord};

use super::inner::Inner;
use super::kind::Kind;
use super::load;
use super::portal::Owner;
use super::schema::{Property, ValueType};
use crate::SandboxError;
use crate::clock::instant;

const ACCOUNTS: (&str, &[&str]) = (
    "accounts.csv",
    &[
        "account",
        "sector",
        "year_established",
        "revenue",
        "employees",
        "office_location",
        "subsidiary_of",
    ],
);
const TEAMS: (&str, &[&str]) = (
    "sales_teams.csv",
    &["sales_agent", "manager", "regional_office"],
);
const PRODUCTS: (&str, &[&str]) = ("products.csv", &["product", "series", "sales_price"]);
const PIPELINE: (&str, &[&str]) = (
    "sales_pipeline.csv",
    &[
        "opportunity_id",
        "sales_agent",
        "product",
        "account",
        "deal_stage",
        "engage_date",
        "close_date",
        "close_value",
    ],
);

/// One checked line of a file.
struct Line {
    file: &'static str,
    number: u64,
    record: StringRecord,
}

impl Line {
    fn get(&self, column: usize) -> &str {
        self.record.get(column).unwrap_or_default()
    }

    fn wrong(&self, problem: String) -> SandboxError {
        SandboxError::Csv {
            file: self.file.to_owned(),
            line: self.number,
            problem,
        }
    }

    fn required(&self, column: usize, what: &str) -> Result<&str, SandboxError> {
        match self.get(column) {
            "" => Err(self.wrong(format!("{what} is empty"))),
            value => Ok(value),
        }
    }

    /// A number that is not negative, or nothing.
    fn number(&self, column: usize, what: &str) -> Result<&str, SandboxError> {
        let value = self.get(column);
        let plain = value.chars().all(|c| c.is_ascii_digit() || c == '.');
        if value.is_empty() || (plain && value.parse::<f64>().is_ok()) {
            return Ok(value);
        }
        Err(self.wrong(format!("{what} {value:?} is not a number")))
    }

    /// A day written day-month-year, as midnight UTC; or nothing.
    fn day(&self, column: usize, what: &str) -> Result<Option<i64>, SandboxError> {
        let value = self.get(column);
        if value.is_empty() {
            return Ok(None);
        }
        NaiveDate::parse_from_str(value, "%d-%m-%Y")
            .ok()
            .and_then(|day| day.and_hms_opt(0, 0, 0))
            .map(|midnight| Some(midnight.and_utc().timestamp_millis()))
            .ok_or_else(|| self.wrong(format!("{what} {value:?} is not a date written DD-MM-YYYY")))
    }
}

fn read(
    folder: &Path,
    (file, columns): (&'static str, &[&str]),
) -> Result<Vec<Line>, SandboxError> {
    let path = folder.join(file);
    let bytes = fs::read(&path).map_err(|source| SandboxError::File {
        attempt: "reading",
        path,
        source,
    })?;
    let malformed = |line: u64, problem: String| SandboxError::Csv {
        file: file.to_owned(),
        line,
        problem,
    };
    let mut reader = ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(bytes.as_slice());
    let header = reader
        .headers()
        .map_err(|error| malformed(1, error.to_string()))?;
    if header != columns {
        return Err(malformed(
            1,
            format!("the columns must be {}", columns.join(",")),
        ));
    }
    let mut lines = Vec::new();
    let mut count = LineCount::new(&bytes);
    for record in reader.into_records() {
        let record = record.map_err(|error| {
            let line = count.at(error.position());
            let problem = match error.kind() {
                csv::ErrorKind::UnequalLengths {
                    expected_len, len, ..
                } => {
                    format!("{len} columns instead of {expected_len}")
                }
                csv::ErrorKind::Utf8 { .. } => "not valid UTF-8".to_owned(),
                _ => error.to_string(),
            };
            malformed(line, problem)
        })?;
        lines.push(Line {
            file,
            number: count.at(record.position()),
            record,
        });
    }
    Ok(lines)
}

/// Counts lines up to a position. The reader's own count is one behind where lines end in CR LF: it has not read the LF yet.
struct LineCount<'a> {
    rest: &'a [u8],
    read: usize,
    line: u64,
}

impl<'a> LineCount<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            read: 0,
            line: 1,
        }
    }

    /// The line of a position, which must not lie before the last one asked for.
    fn at(&mut self, position: Option<&csv::Position>) -> u64 {
        let target = position.map_or(0, |p| usize::try_from(p.byte()).unwrap_or(usize::MAX));
        while let Some((byte, rest)) = self.rest.split_first() {
            if self.read >= target && !matches!(byte, b'\r' | b'\n') {
                break;
            }
            self.line += u64::from(*byte == b'\n');
            self.read += 1;
            self.rest = rest;
        }
        self.line
    }
}

/// How long before the portal's first hour its records were last changed. A portal that somebody connects has a past; records
/// changed this very minute would lie in the window that every incremental read looks at again.
const AGE_MS: i64 = 24 * 60 * 60 * 1_000;

/// Fills a new portal from the export in `folder`.
pub(crate) fn import(inner: &mut Inner, folder: &Path, now: i64) -> Result<(), SandboxError> {
    let now = now - AGE_MS;
    inner.schema.define(
        Kind::Companies,
        Property::custom("subsidiary_of", ValueType::String),
    );
    inner.schema.define(
        Kind::Deals,
        Property::custom("opportunity_id", ValueType::String),
    );
    inner
        .schema
        .define(Kind::Deals, Property::custom("product", ValueType::String));
    for line in read(folder, PRODUCTS)? {
        line.required(0, "product")?;
        line.number(2, "sales_price")?;
    }
    let companies = import_accounts(inner, folder, now)?;
    let agents = import_teams(inner, folder, now)?;
    import_opportunities(inner, folder, now, &companies, &agents)
}

fn import_accounts(
    inner: &mut Inner,
    folder: &Path,
    now: i64,
) -> Result<BTreeMap<String, u64>, SandboxError> {
    let mut companies = BTreeMap::new();
    for line in read(folder, ACCOUNTS)? {
        let name = line.required(0, "account")?;
        if companies.contains_key(name) {
            return Err(line.wrong(format!("account {name:?} is there twice")));
        }
        let year = line.number(2, "year_established")?;
        if !year.is_empty() && (year.len() != 4 || year.parse::<u16>().is_err()) {
            return Err(line.wrong(format!("year_established {year:?} is not a year")));
        }
        let employees = line.get(4);
        if !employees.is_empty() && employees.parse::<u64>().is_err() {
            return Err(line.wrong(format!("employees {employees:?} is not a whole number")));
        }
        let id = load::add(
            inner,
            Kind::Companies,
            now,
            now,
            &[
                ("name", name),
                ("industry", line.get(1)),
                ("founded_year", year),
                ("annualrevenue", line.number(3, "revenue")?),
                ("numberofemployees", employees),
                ("country", line.get(5)),
                ("subsidiary_of", line.get(6)),
            ],
        );
        companies.insert(name.to_owned(), id);
    }
    Ok(companies)
}

/// A sales agent: the owner's id, and the company of the team.
struct Agent {
    owner: u64,
    team: u64,
}

fn import_teams(
    inner: &mut Inner,
    folder: &Path,
    now: i64,
) -> Result<BTreeMap<String, Agent>, SandboxError> {
    let mut teams: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut agents = BTreeMap::new();
    for (n, line) in (1_u64..).zip(read(folder, TEAMS)?) {
        let agent = line.required(0, "sales_agent")?;
        let manager = line.required(1, "manager")?;
        if agents.contains_key(agent) {
            return Err(line.wrong(format!("sales agent {agent:?} is there twice")));
        }
        let number = teams.len() as u64 + 1;
        let (team_id, company) = *teams.entry(manager.to_owned()).or_insert_with(|| {
            let properties = [("name", manager), ("type", "PARTNER")];
            let company = load::add(inner, Kind::Companies, now, now, &properties);
            (number, company)
        });
        let owner = Owner::named(n, agent, Some((team_id, manager.to_owned())));
        agents.insert(
            agent.to_owned(),
            Agent {
                owner: owner.id,
                team: company,
            },
        );
        inner.owners.insert(owner.id, owner);
    }
    Ok(agents)
}

fn import_opportunities(
    inner: &mut Inner,
    folder: &Path,
    now: i64,
    companies: &BTreeMap<String, u64>,
    agents: &BTreeMap<String, Agent>,
) -> Result<(), SandboxError> {
    let lines = read(folder, PIPELINE)?;
    let count = i64::try_from(lines.len()).unwrap_or(i64::MAX);
    let mut seen = std::collections::BTreeSet::new();
    for (n, line) in (0_i64..).zip(&lines) {
        let opportunity = line.required(0, "opportunity_id")?;
        if !seen.insert(opportunity) {
            return Err(line.wrong(format!("opportunity {opportunity} is there twice")));
        }
        let agent = line.required(1, "sales_agent")?;
        let agent = agents
            .get(agent)
            .ok_or_else(|| line.wrong(format!("sales agent {agent:?} is not in {}", TEAMS.0)))?;
        let product = line.required(2, "product")?;
        let account = Some(line.get(3)).filter(|name| !name.is_empty() && *name != "null");
        let company =
            match account {
                Some(name) => Some(*companies.get(name).ok_or_else(|| {
                    line.wrong(format!("account {name:?} is not in {}", ACCOUNTS.0))
                })?),
                None => None,
            };
        let (stage, closed) = match line.get(4) {
            "Prospecting" => ("prospecting", false),
            "Engaging" => ("engaging", false),
            "Won" => ("closedwon", true),
            "Lost" => ("closedlost", true),
            other => return Err(line.wrong(format!("deal_stage {other:?} is not known"))),
        };
        let engaged = line.day(5, "engage_date")?;
        let closed_on = line.day(6, "close_date")?;
        let value = line.number(7, "close_value")?;
        if closed && (closed_on.is_none() || value.is_empty()) {
            return Err(line.wrong(format!("a {stage} deal needs close_date and close_value")));
        }
        // The 0 of an open deal means not known.
        let unknown = !closed && value.parse::<f64>().is_ok_and(|v| v == 0.0);
        let amount = if unknown { "" } else { value };
        let name = format!("{} — {product}", account.unwrap_or(opportunity));
        let owner = agent.owner.to_string();
        let closedate = closed_on.map(instant).unwrap_or_default();
        // An import of many lines takes a while: a few records share each millisecond.
        let updated = now - (count - n) / 5;
        let deal = load::add(
            inner,
            Kind::Deals,
            engaged.unwrap_or(updated),
            updated,
            &[
                ("dealname", &name),
                ("dealstage", stage),
                ("pipeline", "default"),
                ("amount", amount),
                ("closedate", &closedate),
                ("deal_currency_code", "USD"),
                ("hubspot_owner_id", &owner),
                ("opportunity_id", opportunity),
                ("product", product),
            ],
        );
        if let Some(company) = company {
            load::link_customer(inner, deal, company);
        }
        load::link_partner(inner, deal, agent.team);
    }
    Ok(())
}
