//! What a vendor says is left of a budget.
//!
//! Owns: reading it from an answer's headers, and what may still start until the window it speaks of is over. Refuses: to allow more
//! than our own pace does; it only ever lowers. Invariant: every call that is under way or was answered within one interval counts as
//! spent, whether or not the vendor had counted it when it spoke, so that calls side by side never share one place.
//!
//! Other software of the customer spends the same budget, which shows nowhere but here. Of what was spent, only our own calls are known to
//! come free at a certain time: one interval after their answer, whether the vendor's window rolls or starts anew. The rest comes free, at
//! the latest, one interval after the vendor spoke.

use super::Answer;
use crate::connector::{Lane, LimitHeaders};
use std::collections::VecDeque;
use std::time::Duration;

/// The longest window that is believed.
const LONGEST: Duration = Duration::from_secs(3600);

/// What one answer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Left {
    pub(super) limit: u32,
    pub(super) remaining: u32,
    pub(super) interval: Duration,
}

impl Left {
    /// Reads it from the answer to a call in `lane`; none unless the vendor says all of it and it makes sense.
    pub(super) fn read(headers: &LimitHeaders, lane: Lane, answer: &Answer) -> Option<Self> {
        let LimitHeaders::Window {
            lane: spoken_of,
            limit,
            remaining,
            interval_ms,
        } = headers
        else {
            return None;
        };
        if *spoken_of != lane {
            return None;
        }
        let number = |name: &str| answer.header(name)?.trim().parse::<u32>().ok();
        let left = Self {
            limit: number(limit)?,
            remaining: number(remaining)?,
            interval: Duration::from_millis(number(interval_ms)?.into()),
        };
        let sound =
            left.remaining <= left.limit && !left.interval.is_zero() && left.interval <= LONGEST;
        sound.then_some(left)
    }
}

/// How long a customer's quota is left alone once our share of it is used. Its window is a day; looking four times an hour costs little.
const SHARE_USED: Duration = Duration::from_secs(900);

/// How long to hold back because our share of the customer's quota is used, if it is.
pub(super) fn share_used(headers: &LimitHeaders, answer: &Answer) -> Option<Duration> {
    let LimitHeaders::Usage {
        header,
        read,
        stop_at_percent,
    } = headers
    else {
        return None;
    };
    let usage = read(answer.header(header)?)?;
    let share = usage.allowed.saturating_mul((*stop_at_percent).into()) / 100;
    (usage.allowed > 0 && usage.used >= share).then_some(SHARE_USED)
}

/// What may still start. Times are those of the pace's clock.
#[derive(Debug, Default)]
pub(super) struct Told {
    last: Option<Window>,
    /// When our own calls were answered, within the last interval, oldest first.
    answered: VecDeque<Duration>,
    under_way: u32,
}

#[derive(Debug)]
struct Window {
    limit: u32,
    left: u32,
    read_at: Duration,
    interval: Duration,
}

impl Told {
    /// How long a call must wait, if it must. `modest` work leaves the last tenth to others.
    pub(super) fn wait(&mut self, now: Duration, modest: bool) -> Option<Duration> {
        self.pass(now);
        let window = self.last.as_ref()?;
        let reserve = if modest { window.limit / 10 } else { 0 };
        if window.left > reserve {
            return None;
        }
        let ours = self.answered.front().copied().unwrap_or(window.read_at);
        let free = ours.min(window.read_at).saturating_add(window.interval);
        Some(free.saturating_sub(now).max(Duration::from_millis(1)))
    }

    /// A call starts.
    pub(super) fn start(&mut self) {
        self.under_way += 1;
        if let Some(window) = &mut self.last {
            window.left = window.left.saturating_sub(1);
        }
    }

    /// A call that started at `started` is over, and the vendor may have said something.
    pub(super) fn end(&mut self, now: Duration, started: Duration, said: Option<Left>) {
        self.pass(now);
        self.under_way = self.under_way.saturating_sub(1);
        if let Some(said) = said {
            let left = said.remaining.saturating_sub(self.under_way);
            match &mut self.last {
                // Sent before the vendor spoke last: its answer may have overtaken newer ones, so it can only lower.
                Some(window) if started < window.read_at => window.left = window.left.min(left),
                last => {
                    *last = Some(Window {
                        limit: said.limit,
                        left,
                        read_at: now,
                        interval: said.interval,
                    });
                }
            }
        }
        // Without a word of the vendor's nothing will ever be counted, so nothing is kept.
        if self.last.is_some() {
            self.answered.push_back(now);
        }
    }

    /// Lets time pass: calls of ours that no longer count give their place back, and what was said loses its force.
    fn pass(&mut self, now: Duration) {
        let Some(window) = &mut self.last else {
            self.answered.clear();
            return;
        };
        while let Some(at) = self.answered.front() {
            if at.saturating_add(window.interval) > now {
                break;
            }
            self.answered.pop_front();
            window.left = window.left.saturating_add(1).min(window.limit);
        }
        if window.read_at.saturating_add(window.interval) <= now {
            self.last = None;
            self.answered.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use bytes::Bytes;
    use http::{HeaderMap, HeaderName, HeaderValue};

    const NAMES: LimitHeaders = LimitHeaders::Window {
        lane: Lane::Standard,
        limit: "x-max",
        remaining: "x-remaining",
        interval_ms: "x-interval",
    };

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    const fn left(remaining: u32) -> Left {
        Left {
            limit: 110,
            remaining,
            interval: ms(10_000),
        }
    }

    #[test]
    fn what_makes_no_sense_was_not_said() {
        let said = |limit, remaining, interval| {
            let mut headers = HeaderMap::new();
            for (name, value) in [
                ("x-max", limit),
                ("x-remaining", remaining),
                ("x-interval", interval),
            ] {
                if value != "absent" {
                    headers.insert(
                        HeaderName::from_static(name),
                        HeaderValue::from_static(value),
                    );
                }
            }
            let answer = Answer {
                status: 200,
                headers,
                body: Bytes::new(),
            };
            Left::read(&NAMES, Lane::Standard, &answer)
        };
        assert_eq!(said("110", " 109 ", "10000"), Some(left(109)));
        for (limit, remaining, interval) in [
            ("absent", "9", "10000"),
            ("110", "absent", "10000"),
            ("110", "9", "absent"),
            ("110", "-1", "10000"),
            ("110", "111", "10000"),
            ("110", "9", "0"),
            ("110", "9", "3600001"),
            ("110", "9.5", "10000"),
            ("", "", ""),
        ] {
            assert_eq!(
                said(limit, remaining, interval),
                None,
                "{limit} {remaining} {interval}"
            );
        }
    }

    #[test]
    fn the_share_of_a_quota_is_kept() {
        fn read(text: &str) -> Option<crate::connector::Usage> {
            let (used, allowed) = text.split_once('/')?;
            Some(crate::connector::Usage {
                used: used.parse().ok()?,
                allowed: allowed.parse().ok()?,
            })
        }
        let headers = LimitHeaders::Usage {
            header: "x-usage",
            read,
            stop_at_percent: 80,
        };
        let held = |value: &'static str| {
            let mut map = HeaderMap::new();
            map.insert("x-usage", HeaderValue::from_static(value));
            let answer = Answer {
                status: 200,
                headers: map,
                body: Bytes::new(),
            };
            share_used(&headers, &answer).is_some()
        };
        assert!(held("80/100") && held("4000/5000") && held("99/100"));
        for value in ["79/100", "0/0", "1/0", "", "many", "-1/2"] {
            assert!(!held(value), "{value}");
        }
    }

    #[test]
    fn what_others_spent_is_waited_for_and_what_we_spent_comes_back() {
        let mut told = Told::default();
        assert_eq!(told.wait(ms(0), false), None, "nothing was said");
        told.start();
        told.end(ms(100), ms(0), Some(left(2)));
        for _ in 0..2 {
            assert_eq!(told.wait(ms(200), false), None);
            told.start();
        }
        assert_eq!(
            told.wait(ms(200), false),
            Some(ms(9_900)),
            "until our first call no longer counts"
        );
        told.end(ms(300), ms(200), None);
        told.end(ms(400), ms(200), None);
        assert_eq!(told.wait(ms(10_099), false), Some(ms(1)));
        assert_eq!(
            told.wait(ms(10_100), false),
            None,
            "what was said lost its force"
        );
    }

    #[test]
    fn calls_side_by_side_share_no_place_and_an_overtaken_answer_only_lowers() {
        let mut told = Told::default();
        for _ in 0..5 {
            told.start();
        }
        // The vendor had counted one of the five; the other four will take the rest.
        told.end(ms(100), ms(0), Some(left(4)));
        assert!(told.wait(ms(100), false).is_some());
        told.end(ms(110), ms(0), Some(left(90)));
        assert!(
            told.wait(ms(110), false).is_some(),
            "sent before the vendor spoke"
        );
        for _ in 0..3 {
            told.end(ms(120), ms(0), None);
        }
        assert!(told.wait(ms(10_099), false).is_some());
        assert_eq!(told.wait(ms(10_100), false), None);
        told.start();
        told.end(ms(10_200), ms(10_150), Some(left(50)));
        told.start();
        told.end(ms(10_400), ms(10_300), Some(left(80)));
        assert_eq!(told.wait(ms(10_400), false), None);
    }

    #[test]
    fn a_steady_caller_that_is_alone_is_never_held_up() {
        // Ten calls a second against a rolling budget of 110 in ten seconds; the vendor's own count is kept beside.
        let mut told = Told::default();
        let mut counted: VecDeque<Duration> = VecDeque::new();
        for call in 0..2_000_u64 {
            let start = ms(call * 100);
            assert_eq!(told.wait(start, false), None, "call {call}");
            told.start();
            while counted.front().is_some_and(|at| *at + ms(10_000) <= start) {
                counted.pop_front();
            }
            counted.push_back(start + ms(20));
            let remaining = 110 - u32::try_from(counted.len()).unwrap();
            told.end(start + ms(50), start, Some(left(remaining)));
            assert!(told.answered.len() <= 101);
        }
    }

    #[test]
    fn modest_work_leaves_the_last_tenth() {
        let mut told = Told::default();
        told.start();
        told.end(ms(0), ms(0), Some(left(11)));
        assert!(told.wait(ms(1), true).is_some());
        assert_eq!(told.wait(ms(1), false), None);
    }
}
