//! What a query costs.
//!
//! Owns: reading the cost that comes with every answer, and how long the next query must wait. Refuses: to guess when Shopify says nothing: then
//! nobody is held up, and a throttled query waits a moment. Invariant: a wait is never shorter than what is missing takes to come back.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::time::Duration;

/// How long to wait when Shopify throttles and does not say how much is missing.
const UNTOLD: Duration = Duration::from_secs(2);
/// The longest wait that is believed: the largest bucket is full after twenty seconds.
const LONGEST: Duration = Duration::from_secs(120);

/// What an answer says of its cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Cost {
    #[serde(deserialize_with = "points")]
    requested_query_cost: Option<f64>,
    throttle_status: Throttle,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Throttle {
    #[serde(deserialize_with = "points")]
    currently_available: Option<f64>,
    #[serde(deserialize_with = "points")]
    restore_rate: Option<f64>,
}

/// Points, as far as they are some; anything else is as good as nothing.
fn points<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(value
        .as_f64()
        .filter(|points| points.is_finite() && *points >= 0.0))
}

impl Cost {
    /// Reads it from the extensions of an answer.
    pub(super) fn read(extensions: Option<&Value>) -> Self {
        extensions
            .and_then(|extensions| extensions.get("cost"))
            .and_then(|cost| Self::deserialize(cost).ok())
            .unwrap_or_default()
    }

    /// How long the same query would have to wait now; none when it would not, or nothing is known.
    pub(super) fn wait(&self) -> Option<Duration> {
        let missing = self.requested_query_cost? - self.throttle_status.currently_available?;
        let rate = self
            .throttle_status
            .restore_rate
            .filter(|rate| *rate > 0.0)?;
        if missing <= 0.0 {
            return None;
        }
        // To the next whole millisecond, and never longer than is believed.
        let millis = (missing / rate * 1000.0).ceil();
        Some(Duration::try_from_secs_f64(millis / 1000.0).map_or(LONGEST, |wait| wait.min(LONGEST)))
    }

    /// How long a query that was throttled must wait.
    pub(super) fn throttled(&self) -> Duration {
        self.wait().unwrap_or(UNTOLD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn cost(requested: Value, available: Value, rate: Value) -> Cost {
        Cost::read(Some(
            &json!({"cost": {"requestedQueryCost": requested, "actualQueryCost": null,
            "throttleStatus": {"maximumAvailable": 1000.0, "currentlyAvailable": available, "restoreRate": rate}}}),
        ))
    }

    #[test]
    fn the_wait_is_what_is_missing_by_the_rate() {
        let published = cost(json!(202), json!(118), json!(50.0));
        assert_eq!(published.throttled(), Duration::from_millis(1680));
        assert_eq!(cost(json!(101), json!(1954), json!(100.0)).wait(), None);
        assert_eq!(
            cost(json!(100), json!(100), json!(50)).throttled(),
            UNTOLD,
            "throttled although enough seems to be there"
        );
        assert_eq!(
            cost(json!(1e300), json!(0), json!(1e-300)).throttled(),
            LONGEST
        );
    }

    #[test]
    fn what_is_not_said_is_not_known() {
        for strange in [
            json!(null),
            json!({}),
            json!({"cost": 7}),
            json!({"cost": {"requestedQueryCost": "many", "throttleStatus": {"restoreRate": -1}}}),
            json!({"cost": {"throttleStatus": []}}),
        ] {
            let cost = Cost::read(Some(&strange));
            assert_eq!((cost.wait(), cost.throttled()), (None, UNTOLD), "{strange}");
        }
        assert_eq!(Cost::read(None).wait(), None);
        assert_eq!(cost(json!(5), json!(0), json!(0)).wait(), None);
    }
}
