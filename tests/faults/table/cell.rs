//! One cell: a fault is on while the worker does all it can, then it is lifted and time passes.

use super::scene::Scene;
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
    Ended,
}

impl Outcome {
    pub const ALL: [Self; 8] = [
        Self::Retried,
        Self::Waited,
        Self::Refreshed,
        Self::KeptOut,
        Self::FailedSafe,
        Self::GivenUp,
        Self::Reauth,
        Self::Ended,
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
            Self::Ended => "ENDED",
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
    pub fn of(scene: &Scene) -> Self {
        // A peak from before is none of the fault's.
        let _not_linux = std::fs::write("/proc/self/clear_refs", "5");
        Self {
            tokens: scene.vendor.redemptions(&scene.app),
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
    /// Posting.
    Messages,
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
            Self::Messages => {
                "SELECT resource, 'message', attempts, error FROM chat_message WHERE error IS NOT NULL ORDER BY attempts DESC"
            }
        }
    }
}

/// Pushes and messages that are given up.
const DEAD: &str = "SELECT (SELECT COUNT(*) FROM outbound_push WHERE dead) + (SELECT COUNT(*) FROM chat_message WHERE dead)";

/// Pushes and messages that wait.
const WAITING: &str =
    "SELECT (SELECT COUNT(*) FROM outbound_push) + (SELECT COUNT(*) FROM chat_message)";

/// The codes of failures that may pass by themselves.
const PASSING: [&str; 3] = ["TRANSIENT", "RATE_LIMITED", "TOKEN_REFUSED"];

/// Judges what the fault has led to, while it lasts.
pub async fn judge(
    scene: &Scene,
    work: Work,
    before: &Before,
    what: &str,
) -> (Outcome, String, String) {
    let took = before.started.elapsed();
    assert!(took < LONGEST, "{what}: the worker was held for {took:?}");
    let row = scene.row().await;
    let lanes = scene.app.rows(work.failed()).await;
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
    let run = scene.last_run().await;
    let renewed = scene.vendor.redemptions(&scene.app) - before.tokens;
    let issues = run.as_ref().map_or(0, |run| run.findings.issues.len());
    let detail = format!(
        "{:?} paused until {:?}, run {:?} {:?} with {issues} issues, renewed {renewed}, rows {failed:?}",
        row.status,
        row.paused_until,
        run.as_ref().map(|run| run.status),
        run.as_ref().and_then(|run| run.error.as_ref()),
    );
    let now = scene.app.database().now();
    let counted = failed.first().map_or(0, |(_, _, attempts, _)| *attempts);
    let for_good = failed
        .iter()
        .any(|(_, _, _, error)| !PASSING.iter().any(|code| error.starts_with(code)));
    let outcome = if row.status == ConnectionStatus::ReauthRequired {
        Outcome::Reauth
    } else if row.status == ConnectionStatus::Revoked {
        Outcome::Ended
    } else if row.paused_until.is_some_and(|until| until > now) && counted == 0 {
        Outcome::Waited
    } else if scene.app.number(DEAD).await > 0 {
        Outcome::GivenUp
    } else if for_good {
        assert!(
            work != Work::Lanes || counted >= 5,
            "{what}: a lane is not tried again at once: {detail}"
        );
        Outcome::FailedSafe
    } else if counted > 0 {
        Outcome::Retried
    } else if failed
        .iter()
        .any(|(_, _, _, error)| error.starts_with("RATE_LIMITED"))
    {
        // A limit of its own kind holds up its own kind of work: the row waits and the rest goes on.
        Outcome::Waited
    } else if issues > 0 {
        Outcome::KeptOut
    } else {
        assert!(
            run.is_none_or(|run| run.status == SyncRunStatus::Completed) && renewed == 1,
            "{what}: nothing failed, so it was renewed once: {detail}"
        );
        // Messages of one channel are a second apart, so the next may have its turn still to come.
        if work != Work::Messages {
            assert_eq!(scene.app.number(WAITING).await, 0, "{what}: {detail}");
        }
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

/// Lets time pass after the fault, and says whether everything came by itself. If it did not, a person connects the account again or replays what
/// was given up, after which it must. Nothing may be lost or doubled either way.
///
/// The answer is the outcome and whether it came by itself: with a vendor that takes a refresh token once, an answer that was lost on its way shows only
/// now.
pub async fn recover(scene: &Scene, outcome: Outcome, what: &str) -> (Outcome, bool) {
    let mut outcome = outcome;
    let mut by_itself = false;
    // What needs a person needs one after an hour too.
    let (times, step) = match outcome {
        Outcome::Reauth | Outcome::Ended | Outcome::GivenUp => (3, 1_200),
        _ => (40, 90),
    };
    for _ in 0..times {
        scene.app.advance(Duration::from_secs(step));
        scene.app.drain().await;
        let run = scene.last_run().await;
        if run.is_none_or(|run| run.status == SyncRunStatus::Completed)
            && scene.is_active().await
            && scene.is_whole().await
        {
            by_itself = true;
            break;
        }
    }
    match outcome {
        _ if by_itself => {}
        Outcome::Reauth | Outcome::Ended => {
            scene.app.connect(scene.vendor.id()).await;
            scene.settle_long().await;
        }
        Outcome::GivenUp => {
            let input = json!({"connectionId": scene.connection.to_string()});
            let replayed = scene
                .app
                .mutate(scene.admin(), "replaySyncFailures", input, "replayed")
                .await;
            assert_ne!(replayed.at("/replaySyncFailures/replayed"), &json!(0));
            scene.app.drain().await;
        }
        _ if scene.row().await.status == ConnectionStatus::ReauthRequired => {
            outcome = Outcome::Reauth;
            scene.app.connect(scene.vendor.id()).await;
            scene.settle_long().await;
        }
        _ => panic!(
            "{what}: it does not come back: {:?}",
            scene.row().await.status
        ),
    }
    scene.assert_mirrors(what).await;
    if let Some(run) = scene.sync_everything().await {
        assert_eq!(run.status, SyncRunStatus::Completed, "{what}");
        assert!(
            run.findings.issues.is_empty(),
            "{what}: {:?}",
            run.findings.issues
        );
    }
    scene.assert_mirrors(what).await;
    (outcome, by_itself)
}
