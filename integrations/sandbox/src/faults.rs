//! Failures that can be switched on while the sandbox runs.
//!
//! A write may fail before it is done (`Status`, `RateLimited`, `Close`), be done without an answer (`CloseAfter`), or be done and denied
//! (`StatusAfter`); `path` and `contains` choose it, such as `/batch/up` for changes and upserts of records.
//!
//! Owns: the rules; how an answer is spoiled is in `spoiling`. Invariant: without a rule nothing is spoiled, and a rule with a count
//! stops by itself.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// All switches; the default switches nothing on.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Rules for answers, tried in order; the first that matches applies.
    pub rules: Vec<Fault>,
    /// Replaces the lag of the limits, after which a write becomes visible to searches and queries, in milliseconds.
    pub index_lag_ms: Option<u64>,
    /// Failures of webhooks.
    pub webhooks: WebhookFaults,
    /// Scopes that are not granted although they are asked for: the account has no right to them. At HubSpot, optional ones.
    pub withhold_scopes: Vec<String>,
}

/// One rule.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Applies to paths that begin so; empty means all paths of the vendor.
    #[serde(default)]
    pub path: String,
    /// Applies to paths that also contain this.
    #[serde(default)]
    pub contains: String,
    /// Applies to this method only.
    #[serde(default)]
    pub method: Option<String>,
    /// How many matching requests pass before it applies.
    #[serde(default)]
    pub skip: u32,
    /// How often it applies; `None` is until it is removed.
    #[serde(default)]
    pub times: Option<u32>,
    /// What happens.
    pub effect: Effect,
}

impl Fault {
    /// The next `times` requests whose path begins with `path` suffer `effect`.
    pub fn next(path: &str, times: u32, effect: Effect) -> Self {
        Self {
            path: path.to_owned(),
            contains: String::new(),
            method: None,
            skip: 0,
            times: Some(times),
            effect,
        }
    }

    /// Every request whose path begins with `path` suffers `effect`, until the rule is removed.
    pub fn always(path: &str, effect: Effect) -> Self {
        Self {
            times: None,
            ..Self::next(path, 0, effect)
        }
    }
}

/// What a rule does to a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// Answers with this status and body instead of doing anything.
    Status {
        /// The status.
        status: u16,
        /// The JSON body; a standard error when absent.
        #[serde(default)]
        body: Option<Value>,
        /// Seconds for a `Retry-After` header.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// Answers with a page of HTML, as a proxy in front of the vendor does.
    Html {
        /// The status.
        status: u16,
    },
    /// Answers as the vendor does to a caller over its limits.
    RateLimited {
        /// Which limit, in the vendor's words; HubSpot has `TEN_SECONDLY_ROLLING`, `SECONDLY` and `DAILY`.
        policy: String,
    },
    /// Answers as for an expired token.
    Expired {},
    /// Waits, then answers as usual.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// Closes the connection without an answer; the request is not done.
    Close {},
    /// Does the request, then closes the connection without an answer.
    CloseAfter {},
    /// Does the request, then answers with this status all the same.
    StatusAfter {
        /// The status.
        status: u16,
    },
    /// Does the request and cuts its answer in the middle.
    Truncate {},
    /// Does the request and answers numbers, lists and nulls where strings belong.
    WrongTypes {},
    /// Does the request and leaves out how to get the next page; only where the vendor has such a field.
    NoPaging {},
    /// Does the request and moves the first result into `errors`, status 207; HubSpot only.
    Partial {},
    /// Does the request and replaces what a JSON pointer points to.
    Replace {
        /// The pointer, such as `/results/0/properties/amount`.
        pointer: String,
        /// The new value.
        value: Value,
    },
}

/// Failures of webhooks.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WebhookFaults {
    /// Every event is delivered twice.
    pub duplicate: bool,
    /// The events of a batch arrive in another order.
    pub shuffle: bool,
    /// All events are lost.
    pub drop: bool,
    /// Requests carry a wrong signature.
    pub wrong_signature: bool,
    /// Requests carry no signature.
    pub no_signature: bool,
    /// Milliseconds added to the signed time; negative is the past.
    pub time_shift_ms: i64,
}

/// The rules in force.
#[derive(Debug, Default)]
pub(crate) struct FaultBook {
    faults: Mutex<Faults>,
}

impl FaultBook {
    pub(crate) fn new(faults: Faults) -> Self {
        Self {
            faults: Mutex::new(faults),
        }
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Faults) -> T) -> T {
        change(&mut self.faults.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn current(&self) -> Faults {
        self.change(|faults| faults.clone())
    }

    /// The effect that strikes this request; counts it.
    pub(crate) fn strike(&self, method: &str, path: &str) -> Option<Effect> {
        self.change(|faults| {
            let at = faults.rules.iter_mut().position(|rule| {
                let matches = path.starts_with(&rule.path)
                    && path.contains(&rule.contains)
                    && rule
                        .method
                        .as_deref()
                        .is_none_or(|m| m.eq_ignore_ascii_case(method));
                if matches && rule.skip > 0 {
                    rule.skip -= 1;
                    return false;
                }
                matches
            })?;
            let rule = faults.rules.get_mut(at)?;
            let effect = rule.effect.clone();
            if let Some(times) = &mut rule.times {
                *times = times.saturating_sub(1);
                if *times == 0 {
                    faults.rules.remove(at);
                }
            }
            Some(effect)
        })
    }
}
