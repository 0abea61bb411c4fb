//! How often one address may knock at the doors where people and clients prove who they are.
//!
//! Owns a bucket for each address and kind of door, in this process's memory and bounded in number, and says from which address a request comes: the
//! connection's own, or, behind proxies that we run, the one that the outermost of them saw. Refuses to believe an address that a caller could have
//! written: of `X-Forwarded-For` exactly as many entries count as there are proxies of ours, from the end. An IPv6 caller has a whole /64 to choose from and
//! counts as one.
//!
//! The buckets let through in bursts what a minute allows and refill by the second; whoever is over learns with 429 when to come back.

use super::page::Page;
use super::problem::problem;
use crate::config::{HttpSettings, LimitSettings};
use crate::graphql::admission::budget::{Budget, Budgets};
use crate::graphql::error::ErrorCode;
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, RETRY_AFTER};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, HttpResponse, web};
use entities::clock::Clock;
use serde_json::json;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// What one knock costs, in the buckets' unit, so that a rate by the minute is a whole number by the second.
const KNOCK: u64 = 60;
/// What one application costs, so that a rate by the hour is a whole number by the second.
const APPLICATION: u64 = 3_600;
/// How many addresses are remembered for each kind of door.
const ADDRESSES: usize = 100_000;

/// A kind of door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// Where people sign in.
    SignIn,
    /// The authorization server's addresses.
    OAuth,
}

/// Applications from one address: in a burst what an hour allows.
fn per_hour(applications: u64) -> Budgets {
    let budget = Budget {
        capacity: applications.saturating_mul(APPLICATION),
        restore_rate: applications,
    };
    Budgets::new(budget, ADDRESSES)
}

/// The limits of a server.
pub struct Limits {
    sign_in: Budgets,
    oauth: Budgets,
    applications: Budgets,
    forwarded_hops: usize,
    clock: Arc<dyn Clock>,
}

impl Limits {
    /// As configured.
    #[must_use]
    pub fn new(limits: &LimitSettings, http: &HttpSettings, clock: Arc<dyn Clock>) -> Self {
        let per_minute = |knocks: u64| {
            let budget = Budget {
                capacity: knocks.saturating_mul(KNOCK),
                restore_rate: knocks,
            };
            Budgets::new(budget, ADDRESSES)
        };
        Self {
            sign_in: per_minute(limits.sign_in_per_minute),
            oauth: per_minute(limits.token_per_minute),
            applications: per_hour(limits.applications_per_hour),
            forwarded_hops: http.forwarded_hops,
            clock,
        }
    }

    /// Counts a knock.
    ///
    /// # Errors
    /// After how many seconds the address may knock again.
    pub fn knock(&self, door: Door, address: &str) -> Result<(), u64> {
        let budgets = match door {
            Door::SignIn => &self.sign_in,
            Door::OAuth => &self.oauth,
        };
        budgets
            .take(address, KNOCK, self.clock.now())
            .map(drop)
            .map_err(|exhausted| exhausted.retry_after_seconds.unwrap_or(KNOCK))
    }

    /// Counts an application by the public form.
    ///
    /// # Errors
    /// After how many seconds the address may send another.
    pub fn application(&self, address: &str) -> Result<(), u64> {
        self.applications
            .take(address, APPLICATION, self.clock.now())
            .map(drop)
            .map_err(|exhausted| exhausted.retry_after_seconds.unwrap_or(APPLICATION))
    }

    /// The address a request comes from, as it is counted.
    #[must_use]
    pub fn address(&self, request: &HttpRequest) -> String {
        let peer = request.peer_addr().map(|peer| peer.ip());
        let forwarded = request.headers().get_all("x-forwarded-for");
        let texts: Vec<&str> = forwarded.filter_map(|value| value.to_str().ok()).collect();
        counted(seen_by(self.forwarded_hops, peer, &texts))
    }
}

/// The address that the outermost of our proxies saw; the connection's own without any, or where the header does not hold as many as there should be.
fn seen_by(hops: usize, peer: Option<IpAddr>, forwarded: &[&str]) -> Option<IpAddr> {
    let Some(skipped) = hops.checked_sub(1) else {
        return peer;
    };
    let mut entries = forwarded.iter().flat_map(|text| text.split(',')).rev();
    let entry = entries.nth(skipped).map(str::trim);
    entry.and_then(|entry| entry.parse().ok()).or(peer)
}

fn counted(address: Option<IpAddr>) -> String {
    match address.map(|address| address.to_canonical()) {
        Some(IpAddr::V4(address)) => address.to_string(),
        Some(IpAddr::V6(address)) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            format!("{}/64", Ipv6Addr::from(network))
        }
        None => String::new(),
    }
}

/// Counts requests for the pages where people sign in.
///
/// # Errors
/// Those of what it is wrapped around.
pub async fn sign_in(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    limited(Door::SignIn, request, next).await
}

/// Counts requests at the authorization server's addresses.
///
/// # Errors
/// Those of what it is wrapped around.
pub async fn oauth(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    limited(Door::OAuth, request, next).await
}

async fn limited(
    door: Door,
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let Some(limits) = request.app_data::<web::Data<Limits>>() else {
        // A server that was put together without limits lets nobody in.
        let refused = problem(
            request.request(),
            ErrorCode::Unavailable,
            "The server has no limits.",
        );
        return Ok(request.into_response(refused));
    };
    let address = limits.address(request.request());
    match limits.knock(door, &address) {
        Ok(()) => Ok(next.call(request).await?.map_into_boxed_body()),
        Err(seconds) => {
            let refused = too_often(door, request.request(), seconds);
            Ok(request.into_response(refused))
        }
    }
}

fn too_often(door: Door, request: &HttpRequest, seconds: u64) -> HttpResponse {
    const DETAIL: &str = "Too many requests from this address.";
    let mut refused = match door {
        Door::OAuth => HttpResponse::TooManyRequests()
            .insert_header((CACHE_CONTROL, "no-store"))
            .json(json!({ "error": "temporarily_unavailable", "error_description": DETAIL })),
        Door::SignIn => Page::of_sentences("Not so fast", &[DETAIL, "Try again in a minute."])
            .status(StatusCode::TOO_MANY_REQUESTS)
            .answer(request),
    };
    refused.headers_mut().insert(RETRY_AFTER, seconds.into());
    refused
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use entities::clock::{ManualClock, Timestamp};

    fn limits(sign_in: u64) -> (Limits, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(Timestamp::from_secs(1_000)));
        let budgets = |knocks| {
            let budget = Budget {
                capacity: knocks * KNOCK,
                restore_rate: knocks,
            };
            Budgets::new(budget, 10)
        };
        let limits = Limits {
            sign_in: budgets(sign_in),
            oauth: budgets(1),
            applications: per_hour(2),
            forwarded_hops: 0,
            clock: clock.clone(),
        };
        (limits, clock)
    }

    #[test]
    fn each_address_and_door_has_its_minute() {
        let (limits, clock) = limits(2);
        assert_eq!(limits.knock(Door::SignIn, "a"), Ok(()));
        assert_eq!(limits.knock(Door::SignIn, "a"), Ok(()));
        assert_eq!(limits.knock(Door::SignIn, "a"), Err(30));
        assert_eq!(limits.knock(Door::SignIn, "b"), Ok(()));
        assert_eq!(limits.knock(Door::OAuth, "a"), Ok(()));
        assert_eq!(limits.knock(Door::OAuth, "a"), Err(60));
        clock.advance_millis(30_000);
        assert_eq!(limits.knock(Door::SignIn, "a"), Ok(()));
        assert_eq!(limits.knock(Door::SignIn, "a"), Err(30));
    }

    #[test]
    fn an_hour_has_so_many_applications() {
        let (limits, clock) = limits(1);
        assert_eq!(limits.application("a"), Ok(()));
        assert_eq!(limits.application("a"), Ok(()));
        assert_eq!(limits.application("a"), Err(1_800));
        assert_eq!(limits.application("b"), Ok(()));
        clock.advance_millis(1_800_000);
        assert_eq!(limits.application("a"), Ok(()));
        assert_eq!(limits.application("a"), Err(1_800));
    }

    #[test]
    fn only_what_our_own_proxies_wrote_is_believed() {
        let peer: Option<IpAddr> = Some("10.0.0.1".parse().unwrap());
        let seen = |hops, forwarded: &[&str]| counted(seen_by(hops, peer, forwarded));
        assert_eq!(seen(0, &["198.51.100.7"]), "10.0.0.1");
        assert_eq!(seen(1, &["198.51.100.7"]), "198.51.100.7");
        assert_eq!(seen(1, &["203.0.113.9, 198.51.100.7"]), "198.51.100.7");
        assert_eq!(seen(1, &["203.0.113.9", "198.51.100.7"]), "198.51.100.7");
        assert_eq!(seen(2, &["203.0.113.9, 198.51.100.7"]), "203.0.113.9");
        assert_eq!(seen(2, &["198.51.100.7"]), "10.0.0.1");
        assert_eq!(seen(1, &["unknown"]), "10.0.0.1");
        assert_eq!(seen(1, &[]), "10.0.0.1");
    }

    #[test]
    fn one_caller_cannot_look_like_many() {
        let shown = |text: &str| counted(Some(text.parse().unwrap()));
        assert_eq!(shown("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(shown("2001:db8:1:2:ffff::1"), "2001:db8:1:2::/64");
        assert_eq!(shown("::ffff:198.51.100.7"), "198.51.100.7");
    }
}
