//! The figures of each connection, read from the database when somebody scrapes.
//!
//! They are no counters of this process: every node shows the same, and a node that has just begun shows them too. Labels are ids of rows and
//! closed sets. What was read is shown again for five seconds, so that scraping costs the database next to nothing.

use entities::clock::Timestamp;
use entities::connection::{self, ConnectionStatus};
use entities::database::Database;
use entities::error::Result;
use entities::viewer::Viewer;
use entities::visible::Visible;
use integrations::health::{self, Facts};
use sea_orm::{ActiveEnum as _, QueryOrder as _, QuerySelect as _};
use std::fmt::Write as _;
use tokio::sync::Mutex;

/// How long what was read is shown, in milliseconds.
const SHOWN_MILLIS: i64 = 5_000;

/// The most connections that are shown.
const MOST: u64 = 1_000;

/// The figures of all connections.
pub struct ConnectionFigures {
    database: Database,
    shown: Mutex<Option<(Timestamp, String)>>,
}

struct Family {
    name: &'static str,
    help: &'static str,
    lines: String,
}

impl Family {
    const fn new(name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            help,
            lines: String::new(),
        }
    }

    fn add(&mut self, labels: &str, value: impl std::fmt::Display) {
        let _infallible = writeln!(self.lines, "{}{{{labels}}} {value}", self.name);
    }

    fn show(&self, text: &mut String) {
        let Self { name, help, lines } = self;
        let _infallible = write!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{lines}\n");
    }
}

/// A label's value as the text format writes it.
fn quoted(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

impl ConnectionFigures {
    /// Figures out of this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        Self {
            database,
            shown: Mutex::new(None),
        }
    }

    /// The figures in the text format of Prometheus.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn text(&self) -> Result<String> {
        // Held while reading: scrapers that come together are answered by one reading.
        let mut shown = self.shown.lock().await;
        let now = self.database.now();
        if let Some((at, text)) = shown.as_ref()
            && (0..SHOWN_MILLIS).contains(&(now.millis() - at.millis()))
        {
            return Ok(text.clone());
        }
        let rows = connection::Entity::visible_to(&Viewer::system("metrics"))
            .order_by_asc(connection::Column::Id)
            .limit(MOST)
            .all(self.database.read())
            .await?;
        let facts = health::facts(&self.database, &rows).await?;
        let known: Vec<(&connection::Model, &Facts)> = rows
            .iter()
            .filter_map(|row| Some((row, facts.get(&row.id)?)))
            .collect();
        let text = render(&known, now);
        *shown = Some((now, text.clone()));
        Ok(text)
    }
}

fn render(known: &[(&connection::Model, &Facts)], now: Timestamp) -> String {
    let mut status = Family::new(
        "entente_connection_status",
        "1 for the status a connection has.",
    );
    let mut lag = Family::new(
        "entente_sync_lag_seconds",
        "Since the last run that read all that had changed began.",
    );
    let mut waiting = Family::new(
        "entente_sync_waiting",
        "Records that wait to be looked at (inbound) or sent (outbound).",
    );
    let mut dead = Family::new(
        "entente_sync_dead",
        "Records given up after too many attempts.",
    );
    let mut conflicts = Family::new(
        "entente_sync_conflicts_open",
        "Conflicts that wait for a person.",
    );
    let mut drift = Family::new(
        "entente_sync_drift",
        "Records the last reconciliation found that synchronisation had missed.",
    );
    for (row, facts) in known {
        let labels = format!(
            "connection=\"{}\",connector=\"{}\"",
            row.id,
            quoted(&row.connector)
        );
        let name: String = ConnectionStatus::to_value(&facts.status);
        status.add(&format!("{labels},status=\"{name}\""), 1);
        let since = facts.fresh_at.unwrap_or(facts.created_at);
        lag.add(&labels, (now.secs() - since.secs()).max(0));
        waiting.add(
            &format!("{labels},direction=\"inbound\""),
            facts.waiting_inbound,
        );
        waiting.add(
            &format!("{labels},direction=\"outbound\""),
            facts.waiting_outbound,
        );
        dead.add(&labels, facts.dead);
        conflicts.add(&labels, facts.open_conflicts);
        drift.add(&labels, facts.drift);
    }
    let mut text = String::new();
    for family in [&status, &lag, &waiting, &dead, &conflicts, &drift] {
        family.show(&mut text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_end_early() {
        assert_eq!(quoted("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }

    #[test]
    fn nothing_connected_is_a_valid_text() {
        let text = render(&[], Timestamp::from_millis(0));
        assert_eq!(text.matches("# TYPE").count(), 6, "{text}");
    }
}
