#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
use super::*;

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A clock that a test moves.
#[derive(Clone, Default)]
struct Hand(Arc<Mutex<Duration>>);

impl Hand {
    fn ticks(&self) -> Ticks {
        let now = Arc::clone(&self.0);
        Ticks(Arc::new(move || *now.lock().unwrap()))
    }

    fn forward(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }

    fn now(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}

fn limit(lane: Lane, requests: u32, secs: u64) -> RateLimit {
    RateLimit {
        lane,
        requests,
        per: Duration::from_secs(secs),
        burst: None,
    }
}

fn pace(hand: &Hand) -> Arc<LanePace> {
    Arc::new(LanePace::new(limit(Lane::Standard, 110, 10), hand.ticks()).unwrap())
}

/// Starts what it can at once, for this long, and answers when each call started.
fn run(pace: &Arc<LanePace>, hand: &Hand, work: Work, secs: u64) -> Vec<Duration> {
    let mut starts = Vec::new();
    let end = hand.now() + Duration::from_secs(secs);
    while hand.now() < end {
        match pace.start(work, NonZeroU32::MIN) {
            Ok(_) => starts.push(hand.now()),
            Err(wait) => hand.forward(wait.min(end - hand.now())),
        }
    }
    starts
}

fn most_in_a_window(starts: &[Duration], window: Duration) -> usize {
    let within = |from: &Duration| {
        starts
            .iter()
            .filter(|at| *at >= from && **at < *from + window)
            .count()
    };
    starts.iter().map(within).max().unwrap_or(0)
}

#[test]
fn burst_and_refill_never_exceed_the_budget_in_any_window() {
    for (requests, seconds) in [(110, 10), (5, 1), (190, 10), (100, 10), (2, 1), (1, 1)] {
        let limit = limit(Lane::Standard, requests, seconds);
        let quota = quota(limit).unwrap();
        let refilled = limit.per.as_nanos() / quota.replenish_interval().as_nanos();
        assert!(
            u128::from(quota.burst_size().get()) + refilled <= u128::from(requests.max(2)),
            "{requests}/{seconds}"
        );
    }
}

#[test]
fn a_backfill_takes_half_of_any_window_and_the_others_the_rest() {
    let hand = Hand::default();
    let pace = pace(&hand);
    let starts = run(&pace, &hand, Work::Backfill, 60);
    assert_eq!(most_in_a_window(&starts, Duration::from_secs(10)), 55);
    assert!(
        starts.len() >= 300,
        "but it does take half: {}",
        starts.len()
    );
    let hand = Hand::default();
    let pace = self::pace(&hand);
    let starts = run(&pace, &hand, Work::Delta, 60);
    let most = most_in_a_window(&starts, Duration::from_secs(10));
    assert!((100..=110).contains(&most), "{most}");
    // While the others take all they can, a backfill stays within the one budget.
    let hand = Hand::default();
    let pace = self::pace(&hand);
    let (mut all, mut slow) = (Vec::new(), Vec::new());
    while hand.now() < Duration::from_secs(60) {
        let mut waits = Vec::new();
        for work in [Work::Backfill, Work::Webhook] {
            match pace.start(work, NonZeroU32::MIN) {
                Ok(_) => {
                    all.push(hand.now());
                    if work == Work::Backfill {
                        slow.push(hand.now());
                    }
                }
                Err(wait) => waits.push(wait),
            }
        }
        hand.forward(waits.into_iter().min().unwrap_or(ms(1)));
    }
    assert!(most_in_a_window(&all, Duration::from_secs(10)) <= 110);
    assert!(most_in_a_window(&slow, Duration::from_secs(10)) <= 55);
}

#[test]
fn while_an_urgent_call_waits_no_other_takes_its_turn() {
    let hand = Hand::default();
    let pace = pace(&hand);
    while pace.start(Work::Delta, NonZeroU32::MIN).is_ok() {}
    let webhook = Queued::join(&pace, Work::Webhook);
    hand.forward(ms(500));
    assert!(pace.start(Work::Backfill, NonZeroU32::MIN).is_err());
    assert!(pace.start(Work::Delta, NonZeroU32::MIN).is_err());
    assert!(
        pace.start(Work::Interactive, NonZeroU32::MIN).is_ok(),
        "more urgent still"
    );
    assert!(
        pace.start(Work::Webhook, NonZeroU32::MIN).is_ok(),
        "the one that waits"
    );
    drop(webhook);
    assert!(pace.start(Work::Backfill, NonZeroU32::MIN).is_ok());
}

#[test]
fn the_vendors_count_lowers_and_never_raises() {
    let hand = Hand::default();
    let pace = pace(&hand);
    let said = |remaining| {
        Some(Left {
            limit: 190,
            remaining,
            interval: Duration::from_secs(10),
        })
    };
    let mut pass = pace.start(Work::Delta, NonZeroU32::MIN).unwrap();
    hand.forward(ms(50));
    pass.note(said(3));
    drop(pass);
    let starts = run(&pace, &hand, Work::Delta, 9);
    assert_eq!(starts.len(), 3, "somebody else spent the rest");
    assert!(pace.start(Work::Interactive, NonZeroU32::MIN).is_err());
    hand.forward(Duration::from_secs(11));
    // Plenty is left there, by another plan; our own pace holds still.
    let mut pass = pace.start(Work::Delta, NonZeroU32::MIN).unwrap();
    pass.note(said(190));
    drop(pass);
    let starts = run(&pace, &hand, Work::Delta, 30);
    assert!(most_in_a_window(&starts, Duration::from_secs(10)) <= 110);
}

#[test]
fn a_backfill_is_not_held_up_by_its_own_traces() {
    let hand = Hand::default();
    let pace = pace(&hand);
    let mut taken: VecDeque<Duration> = VecDeque::new();
    let mut started = 0;
    while hand.now() < Duration::from_secs(60) {
        match pace.start(Work::Backfill, NonZeroU32::MIN) {
            Ok(mut pass) => {
                started += 1;
                while taken
                    .front()
                    .is_some_and(|at| *at + Duration::from_secs(10) <= hand.now())
                {
                    taken.pop_front();
                }
                taken.push_back(hand.now());
                hand.forward(ms(30));
                pass.note(Some(Left {
                    limit: 110,
                    remaining: 110 - u32::try_from(taken.len()).unwrap(),
                    interval: Duration::from_secs(10),
                }));
            }
            Err(wait) => hand.forward(wait),
        }
    }
    assert!(started >= 300, "{started}");
}

#[tokio::test]
async fn a_long_wait_is_an_answer_and_another_lane_is_free() {
    let limits = [
        limit(Lane::Search, 2, 3600),
        limit(Lane::Standard, 1_000_000, 1),
    ];
    let pace = AccountPace::new(&limits, &Ticks::real());
    let second = Duration::from_secs(1);
    assert!(
        pace.admit((Lane::Search, NonZeroU32::MIN), Work::Delta, Duration::ZERO)
            .await
            .unwrap()
            .is_some()
    );
    for work in Work::ALL {
        let refused = pace
            .admit((Lane::Search, NonZeroU32::MIN), work, second)
            .await;
        assert!(
            matches!(refused, Err(HttpError::Paced { wait, .. }) if wait > Duration::from_secs(1000)),
            "{work:?}"
        );
    }
    assert_eq!(
        pace.lanes[0].state().waiting,
        [0; 4],
        "nobody is left in the queue"
    );
    for _ in 0..1000 {
        pace.admit((Lane::Standard, NonZeroU32::MIN), Work::Delta, second)
            .await
            .unwrap();
    }
    let free = AccountPace::new(&[], &Ticks::real());
    assert!(
        free.admit(
            (Lane::Search, NonZeroU32::MIN),
            Work::Backfill,
            Duration::ZERO
        )
        .await
        .unwrap()
        .is_none()
    );
}

#[tokio::test]
async fn a_caller_that_goes_away_leaves_the_queue() {
    let hand = Hand::default();
    let pace = AccountPace::new(&[limit(Lane::Standard, 10, 10)], &hand.ticks());
    let _first = pace
        .admit(
            (Lane::Standard, NonZeroU32::MIN),
            Work::Delta,
            Duration::ZERO,
        )
        .await
        .unwrap();
    let patient = Duration::from_secs(60);
    let waits = pace.admit(
        (Lane::Standard, NonZeroU32::MIN),
        Work::Interactive,
        patient,
    );
    assert!(tokio::time::timeout(ms(20), waits).await.is_err());
    assert_eq!(pace.lanes[0].state().waiting, [0; 4]);
    hand.forward(Duration::from_secs(2));
    assert!(
        pace.admit(
            (Lane::Standard, NonZeroU32::MIN),
            Work::Backfill,
            Duration::ZERO
        )
        .await
        .is_ok()
    );
}

#[test]
fn a_call_spends_what_it_costs_and_no_more_than_may_start_at_once() {
    let hand = Hand::default();
    let limit = RateLimit {
        lane: Lane::Standard,
        requests: 2_000,
        per: Duration::from_secs(10),
        burst: Some(1_000),
    };
    let pace = Arc::new(LanePace::new(limit, hand.ticks()).unwrap());
    let cost = |points| NonZeroU32::new(points).unwrap();
    assert!(pace.start(Work::Delta, cost(600)).is_ok());
    let Err(wait) = pace.start(Work::Delta, cost(600)) else {
        panic!("only 400 are left")
    };
    assert!(
        ms(1_900) <= wait && wait <= ms(2_100),
        "200 come back in 2 s: {wait:?}"
    );
    hand.forward(wait);
    assert!(pace.start(Work::Delta, cost(600)).is_ok());
    hand.forward(ms(10_000));
    assert!(
        pace.start(Work::Delta, cost(5_000)).is_ok(),
        "more than fits takes all"
    );
    assert!(pace.start(Work::Delta, cost(1)).is_err());
}

#[test]
fn a_hold_stops_everything_but_what_a_person_waits_for() {
    let hand = Hand::default();
    let pace = AccountPace::new(&[limit(Lane::Standard, 110, 10)], &hand.ticks());
    pace.hold(Lane::Search, ms(1));
    pace.hold(Lane::Standard, ms(5_000));
    pace.hold(Lane::Standard, ms(1_000));
    let lane = &pace.lanes[0];
    for work in [Work::Webhook, Work::Delta, Work::Backfill] {
        let wait = lane.start(work, NonZeroU32::MIN).err();
        assert_eq!(wait, Some(ms(5_000)), "{work:?}: the longer hold counts");
    }
    assert!(lane.start(Work::Interactive, NonZeroU32::MIN).is_ok());
    hand.forward(ms(5_000));
    assert!(lane.start(Work::Delta, NonZeroU32::MIN).is_ok());
}
