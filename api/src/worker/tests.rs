#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// Plays one outcome after another, then has nothing to do.
struct Script {
    outcomes: Vec<fn() -> Result<bool, String>>,
    steps: AtomicUsize,
    stepped: Notify,
}

impl Script {
    fn new(outcomes: Vec<fn() -> Result<bool, String>>) -> Arc<Self> {
        Arc::new(Self {
            outcomes,
            steps: AtomicUsize::new(0),
            stepped: Notify::new(),
        })
    }

    async fn reaches(&self, steps: usize) {
        loop {
            let stepped = self.stepped.notified();
            if self.steps.load(Ordering::SeqCst) >= steps {
                return;
            }
            stepped.await;
        }
    }
}

impl Work for Arc<Script> {
    type Error = String;

    async fn step(&self) -> Result<bool, String> {
        let number = self.steps.fetch_add(1, Ordering::SeqCst);
        self.stepped.notify_one();
        self.outcomes
            .get(number)
            .map_or(Ok(false), |outcome| outcome())
    }
}

struct Bench {
    local: watch::Sender<u64>,
    _remote: watch::Sender<u64>,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

fn start(script: &Arc<Script>, poll: Duration) -> Bench {
    let (local, remote) = (watch::Sender::new(0), watch::Sender::new(0));
    let wakers = Wakers {
        local: local.subscribe(),
        remote: remote.subscribe(),
    };
    let stop = CancellationToken::new();
    let task = tokio::spawn(run(
        Arc::clone(script),
        wakers,
        WorkerSettings {
            concurrency: 1,
            poll,
        },
        stop.clone(),
    ));
    Bench {
        local,
        _remote: remote,
        stop,
        task,
    }
}

const NEVER: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn it_works_while_there_is_work_and_wakes_for_more() {
    let script = Script::new(vec![|| Ok(true), || Ok(true)]);
    let bench = start(&script, NEVER);
    script.reaches(3).await;
    bench.local.send_modify(|turn| *turn += 1);
    script.reaches(4).await;
    bench.stop.cancel();
    bench.task.await.unwrap();
}

#[tokio::test]
async fn failures_and_panics_do_not_end_it() {
    let script = Script::new(vec![
        || Err("no".to_owned()),
        || panic!("a step panics"),
        || Ok(true),
    ]);
    let bench = start(&script, Duration::from_millis(1));
    script.reaches(5).await;
    bench.stop.cancel();
    bench.task.await.unwrap();
}

#[tokio::test]
async fn it_stops_while_it_waits_also_without_wakers() {
    let script = Script::new(vec![]);
    let Bench {
        local,
        _remote,
        stop,
        task,
    } = start(&script, NEVER);
    drop((local, _remote));
    script.reaches(1).await;
    stop.cancel();
    task.await.unwrap();
}
