//! One cell: a fault is on while the worker does all it can, then it is lifted and time passes.

use crate::outage::connection;
use crate::portal::{Portal, issues};
use entities::connection::ConnectionStatus;
use entities::sync_run::SyncRunStatus;
use serde_json::json;
use std::time::{Duration, Instant};

/// The most real time the worker may spend under a fault, with time limits under a second.
const LONGEST: Duration = Duration::from_secs(30);
/// The most memory a fault may cost, in KiB: an answer up to the cap, and its copy while it grows.
const MOST_KIB: u64 = 64 << 10;

/// What a fault comes to. The table says what each means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Retried,
    Waited,
    Refreshed,
    KeptOut,
    FailedSafe,
    GivenUp,
    Reauth,
}

impl Outcome {
    pub const ALL: [Self; 7] = [
        Self::Retried,
        Self::Waited,
        Self::Refreshed,
        Self::KeptOut,
        Self::FailedSafe,
        Self::GivenUp,
        Self::Reauth,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retried => "RETRIED",
            Self::Waited => "WAITED",
            Self::Refreshed => "REFRESHED",
            Self::KeptOut => "KEPT_OUT",
            Self::FailedSafe => "FAILED_SAFE",
            Self::GivenUp => "GIVEN_UP",
            Self::Reauth => "REAUTH",
        }
    }
}

/// What was seen of a cell. That nothing was lost or doubled, and that time and memory were bounded, is asserted where it is seen.
#[derive(Clone, Debug)]
pub struct Observed {
    pub outcome: Outcome,
    /// The connection's status while the fault lasted.
    pub status: String,
    /// Whether everything arrived once the fault had ended and time had passed, without a person.
    pub by_itself: bool,
    /// What stood in the rows, for a reader of a failure.
    pub detail: String,
}

/// How often each thing had happened before the fault.
pub struct Before {
    tokens: u64,
    started: Instant,
}

impl Before {
    pub fn of(portal: &Portal) -> Self {
        // A peak from before is none of the fault's.
        let _not_linux = std::fs::write("/proc/self/clear_refs", "5");
        Self {
            tokens: portal.hubspot().counts().of("/token"),
            started: Instant::now(),
        }
    }
}

/// The process's peak of memory since it was last reset, and what it holds now, in KiB; none where the system does not say.
fn memory() -> Option<(u64, u64)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let of = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    Some((of("VmHWM:")?, of("VmRSS:")?))
}

/// Which work meets the fault, and so in which rows it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Reading.
    Lanes,
    /// Writing.
    Pushes,
}

impl Work {
    /// The rows that say that something failed, those with the most attempts first.
    const fn failed(self) -> &'static str {
        match self {
            Self::Lanes => {
                "SELECT resource, lane, attempts, error FROM sync_cursor WHERE error IS NOT NULL ORDER BY attempts DESC"
            }
            Self::Pushes => {
                "SELECT resource, subject_kind, attempts, error FROM outbound_push WHERE error IS NOT NULL ORDER BY attempts DESC"
            }
        }
    }
}

/// Pushes that are given up.
const DEAD: &str = "SELECT COUNT(*) FROM outbound_push WHERE dead";

/// The codes of failures that may pass by themselves.
const PASSING: [&str; 3] = ["TRANSIENT", "RATE_LIMITED", "TOKEN_REFUSED"];

/// Judges what the fault has led to, while it lasts.
pub async fn judge(
    portal: &Portal,
    work: Work,
    before: &Before,
    what: &str,
) -> (Outcome, String, String) {
    let took = before.started.elapsed();
    assert!(took < LONGEST, "{what}: the worker was held for {took:?}");
    let row = connection(portal).await;
    let lanes = portal.app.rows(work.failed()).await;
    let failed: Vec<(String, String, i32, String)> = lanes
        .iter()
        .map(|lane| {
            (
                lane.try_get_by_index(0).unwrap(),
                lane.try_get_by_index(1).unwrap(),
                lane.try_get_by_index(2).unwrap(),
                lane.try_get_by_index(3).unwrap(),
            )
        })
        .collect();
    let run = portal.last_run().await;
    let renewed = portal.hubspot().counts().of("/token") - before.tokens;
    let detail = format!(
        "paused until {:?}, run {:?} {:?} with {} issues, renewed {renewed}, lanes {failed:?}",
        row.paused_until,
        run.status,
        run.error,
        run.findings.issues.len()
    );
    let now = portal.app.database().now();
    let counted = failed.first().map_or(0, |(_, _, attempts, _)| *attempts);
    let for_good = failed
        .iter()
        .any(|(_, _, _, error)| !PASSING.iter().any(|code| error.starts_with(code)));
    let outcome = if row.status == ConnectionStatus::ReauthRequired {
        Outcome::Reauth
    } else if row.paused_until.is_some_and(|until| until > now) && counted == 0 {
        Outcome::Waited
    } else if portal.app.number(DEAD).await > 0 {
        Outcome::GivenUp
    } else if for_good {
        assert!(
            work == Work::Pushes || counted >= 5,
            "{what}: a lane is not tried again at once: {detail}"
        );
        Outcome::FailedSafe
    } else if counted > 0 {
        Outcome::Retried
    } else if !run.findings.issues.is_empty() {
        Outcome::KeptOut
    } else {
        assert_eq!(
            (run.status, renewed),
            (SyncRunStatus::Completed, 1),
            "{what}: nothing failed, so it was renewed once: {detail}"
        );
        let waiting = "SELECT COUNT(*) FROM outbound_push";
        assert_eq!(portal.app.number(waiting).await, 0, "{what}: {detail}");
        Outcome::Refreshed
    };
    let status = format!("{:?}", row.status);
    (outcome, status, detail)
}

/// Fails when the fault cost more memory than it may.
pub fn assert_frugal(held_before: Option<u64>, what: &str) {
    if let (Some((peak, _)), Some(held)) = (memory(), held_before) {
        let cost = peak.saturating_sub(held);
        assert!(cost < MOST_KIB, "{what}: it cost {cost} KiB");
    }
}

/// What the process holds now, in KiB.
pub fn held() -> Option<u64> {
    memory().map(|(_, held)| held)
}

/// Whether everything the vendor has is here, and everything that was changed here is there.
async fn whole(portal: &Portal) -> bool {
    let waiting = "SELECT COUNT(*) FROM outbound_push";
    if portal.app.number(waiting).await > 0 {
        return false;
    }
    let deals = i64::try_from(portal.store().count(sandbox::Kind::Deals)).unwrap();
    let linked = "SELECT COUNT(*) FROM external_link WHERE resource = 'deal' AND subject_id IS NOT NULL AND NOT archived";
    portal.app.number(linked).await == deals
}

/// Lets time pass after the fault, and says whether everything came by itself. If it did not, a person connects the account again or replays what
/// was given up, after which it must. Nothing may be lost or doubled either way.
pub async fn recover(portal: &Portal, outcome: Outcome, what: &str) -> bool {
    let mut by_itself = false;
    // What needs a person needs one after an hour too.
    let (times, step) = match outcome {
        Outcome::Reauth | Outcome::GivenUp => (3, 1_200),
        _ => (40, 90),
    };
    for _ in 0..times {
        portal.app.advance(Duration::from_secs(step));
        portal.app.drain().await;
        let run = portal.last_run().await;
        if run.status == SyncRunStatus::Completed
            && connection(portal).await.status == ConnectionStatus::Active
            && whole(portal).await
        {
            by_itself = true;
            break;
        }
    }
    match outcome {
        _ if by_itself => {}
        Outcome::Reauth => {
            portal.app.connect_hubspot().await;
            portal.settle().await;
        }
        Outcome::GivenUp => {
            let input = json!({"connectionId": portal.connection.to_string()});
            let admin = portal.admin();
            let replayed = portal
                .app
                .mutate(admin, "replaySyncFailures", input, "replayed")
                .await;
            assert_ne!(replayed.at("/replaySyncFailures/replayed"), &json!(0));
            portal.app.drain().await;
        }
        _ => panic!("{what}: it does not come back"),
    }
    assert!(whole(portal).await, "{what}: something is lost");
    let run = portal.sync_everything().await;
    assert_eq!(run.status, SyncRunStatus::Completed, "{what}");
    assert!(issues(&run, "").is_empty(), "{what}");
    portal.mirrors().await;
    let doubled = "SELECT COUNT(*) FROM (SELECT subject_id FROM event WHERE kind = 'deal.created' GROUP BY subject_id HAVING COUNT(*) > 1) AS doubled";
    assert_eq!(portal.app.number(doubled).await, 0, "{what}: told twice");
    by_itself
}
