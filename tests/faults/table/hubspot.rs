//! HubSpot's columns: which call each fault strikes, and how the double or the proxy before it is made to commit it.

use super::Fault;
use super::cell::{Before, Observed, Work, assert_frugal, held, judge, recover};
use crate::portal::Portal;
use integrations::http::ClientSettings;
use sandbox::hubspot::{Effect, Fault as Switch};
use sandbox::{Kind, Limits};
use serde_json::json;
use std::time::Duration;
use tests::chaos::{Mishap, Rule};
use tests::{Chaos, HubSpotSetup, Options, TestApp};

/// What the worker may say while a fault lasts.
const SAID: [&str; 6] = [
    "a push was given up",
    "a lane stumbled",
    "pushes could not be worked on",
    "a connection must be authorized again",
    "signals could not be worked on",
    "another process",
];

/// What is changed and created here, by name.
const CHANGED: &str = "Changed here";
const CREATED: &str = "Created here";

/// A call of this vendor, as rules find it.
#[derive(Clone, Copy)]
struct Target {
    method: &'static str,
    path: &'static str,
    work: Work,
}

const TOKEN: Target = Target {
    method: "POST",
    path: "/oauth/",
    work: Work::Lanes,
};
const LIST: Target = Target {
    method: "GET",
    path: "/deals?",
    work: Work::Lanes,
};
/// A change and a creation: `batch/update` and `batch/upsert`.
const WRITE: Target = Target {
    method: "POST",
    path: "/deals/batch/up",
    work: Work::Pushes,
};

/// A portal behind a proxy, with short time limits. HubSpot gives the same refresh token back; where the fault is a race the double
/// takes each only once, so that a second redemption would show.
async fn behind_a_proxy(fault: Fault) -> Portal {
    let setup = HubSpotSetup::empty();
    let setup = HubSpotSetup {
        limits: Limits {
            rotate_refresh_tokens: fault == Fault::RefreshRace,
            ..setup.limits.clone()
        },
        ..setup
    };
    let limits = ClientSettings {
        connect: Duration::from_millis(350),
        read: Duration::from_millis(350),
        total: Duration::from_millis(900),
        // The double has no budget to keep.
        paced: false,
        ..ClientSettings::default()
    };
    let options = Options {
        chaos: true,
        client: Some(limits),
        ..Options::hubspot(setup)
    };
    let mut portal = Portal::on(TestApp::start(options).await).await;
    for said in SAID {
        portal.app.expect_warning(said);
    }
    let customer = portal.company(&[("name", "Customer")]);
    for n in 0..5 {
        let deal = portal.plain_deal(&format!("Deal {n}"));
        portal.tie(deal, customer);
    }
    portal
}

/// A listener on a private address that nobody may be sent to.
struct Trap {
    listener: std::net::TcpListener,
}

impl Trap {
    fn set() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self { listener }
    }

    fn address(&self) -> String {
        format!("http://{}/latest", self.listener.local_addr().unwrap())
    }

    fn is_untouched(&self) -> bool {
        self.listener.accept().is_err()
    }
}

/// A renewal of an expired token.
pub async fn token(fault: Fault) -> Observed {
    let portal = behind_a_proxy(fault).await;
    portal.sync().await;
    portal.plain_deal("Late");
    // An access token lives for half an hour.
    portal.app.advance(Duration::from_secs(1_800));
    cell(portal, fault, TOKEN, "hubspot token").await
}

/// The first reading of a list.
pub async fn list(fault: Fault) -> Observed {
    let portal = behind_a_proxy(fault).await;
    cell(portal, fault, LIST, "hubspot list").await
}

/// A change and a creation on their way to the vendor.
pub async fn write(fault: Fault) -> Observed {
    let portal = behind_a_proxy(fault).await;
    portal.settle().await;
    let deal = portal.store().ids(Kind::Deals)[0];
    let ours = portal.link("deal", deal).await.unwrap().subject.unwrap();
    let app = &portal.app;
    let input = json!({"id": ours, "name": CHANGED});
    app.mutate(portal.admin(), "updateDeal", input, "deal { id }")
        .await
        .data();
    let input = json!({"name": CREATED});
    app.mutate(portal.admin(), "createDeal", input, "deal { id }")
        .await
        .data();
    app.log_settled().await;
    let observed = cell(portal, fault, WRITE, "hubspot write").await;
    assert_ne!(observed.outcome.as_str(), "KEPT_OUT");
    observed
}

/// Fails unless what was changed and created here is there, once.
fn assert_written(portal: &Portal, what: &str) {
    for name in [CHANGED, CREATED] {
        let there = portal.store().find_by(Kind::Deals, "dealname", name);
        assert_eq!(there.len(), 1, "{what}: {name:?} is there {there:?}");
    }
}

async fn cell(portal: Portal, fault: Fault, target: Target, column: &str) -> Observed {
    let what = format!("{column}, {fault:?}");
    let trap = Trap::set();
    let before = Before::of(&portal);
    let memory = held();
    let chaos = portal.app.chaos();
    if fault == Fault::RefreshRace {
        race(&portal, target).await;
    } else {
        commit(&portal, chaos, fault, target, &trap).await;
        portal.app.drain().await;
    }
    let (outcome, status, detail) = judge(&portal, target.work, &before, &what).await;
    let by_proxy = match fault {
        Fault::ConnectionRefused | Fault::GrantRevoked | Fault::RefreshRace => false,
        Fault::WrongType => target.path != LIST.path,
        _ => true,
    };
    assert!(
        chaos.struck() > 0 || !by_proxy,
        "{what}: the fault met no call: {:?}",
        chaos.calls()
    );
    assert_frugal(memory, &what);
    assert!(trap.is_untouched(), "{what}: a redirect was followed");
    if fault == Fault::ConnectionRefused {
        chaos.open().await;
    }
    chaos.lift();
    portal.hubspot().faults(|faults| faults.rules.clear());
    let by_itself = recover(&portal, outcome, &what).await;
    if target.work == Work::Pushes {
        assert_written(&portal, &what);
    }
    portal.app.end().await;
    Observed {
        outcome,
        status,
        by_itself,
        detail,
    }
}

/// Switches a fault on.
async fn commit(portal: &Portal, chaos: &Chaos, fault: Fault, target: Target, trap: &Trap) {
    let limited = r#"{"status":"error","message":"You have reached your limit.","errorType":"RATE_LIMIT","policyName":"TEN_SECONDLY_ROLLING"}"#;
    let failed = r#"{"status":"error","message":"It went wrong.","correlationId":"1"}"#;
    let expired = r#"{"status":"error","message":"The OAuth token used to make this call expired 7 second(s) ago.","category":"EXPIRED_AUTHENTICATION"}"#;
    let json = "content-type: application/json\r\n";
    let answer = |status, headers: String, body: &str| Mishap::Answer {
        status,
        headers,
        body: body.to_owned(),
    };
    let mut times = None;
    let mishap = match fault {
        Fault::LimitedWithTime => answer(429, format!("{json}retry-after: 17\r\n"), limited),
        Fault::LimitedWithoutTime => Mishap::json(429, limited),
        Fault::Broken => Mishap::json(500, failed),
        Fault::Unavailable => Mishap::json(503, failed),
        Fault::ProxyPage => answer(
            502,
            "content-type: text/html\r\n".to_owned(),
            "<html><body>Bad Gateway</body></html>",
        ),
        Fault::ConnectionRefused => return chaos.shut().await,
        Fault::Hang => Mishap::Hang,
        Fault::Stall => Mishap::Stall,
        Fault::Drip => Mishap::Drip,
        Fault::CutJson => Mishap::CutBody,
        Fault::WrongType if target.path == LIST.path => {
            portal.hubspot().fail(Switch {
                contains: "/deals".to_owned(),
                method: Some("GET".to_owned()),
                ..Switch::always("/crm/objects", Effect::WrongTypes {})
            });
            return;
        }
        Fault::WrongType if target.path == WRITE.path => Mishap::json(
            200,
            r#"{"status":"COMPLETE","results":[{"id":17.5,"properties":[]},{"id":null,"properties":"none"}]}"#,
        ),
        Fault::WrongType => Mishap::json(
            200,
            r#"{"access_token":17,"refresh_token":[],"expires_in":"soon","token_type":null}"#,
        ),
        Fault::ErrorAsSuccess => Mishap::json(200, failed),
        Fault::GzipBomb => Mishap::Bomb,
        Fault::HugeBody => Mishap::Huge,
        Fault::Redirect => answer(302, format!("location: {}\r\n", trap.address()), ""),
        Fault::UnauthorizedOnce => {
            times = Some(1);
            Mishap::json(401, expired)
        }
        Fault::GrantRevoked => {
            portal.hubspot().uninstall().unwrap();
            return;
        }
        Fault::RefreshRace => unreachable!("two nodes commit it together"),
    };
    let rule = Rule::on(target.method, target.path, mishap);
    chaos.strike(match times {
        Some(times) => rule.times(times),
        None => rule,
    });
}

/// Two nodes meet the end of the token at the same time.
async fn race(portal: &Portal, target: Target) {
    if target.path == LIST.path || target.path == WRITE.path {
        // Ours believe the token to be good; the vendor no longer does.
        portal.hubspot().expire_tokens().unwrap();
    }
    let other = portal.app.another_node().await;
    tokio::join!(portal.app.drain(), other.drain());
    for _ in 0..10 {
        portal.app.advance(Duration::from_secs(3));
        tokio::join!(portal.app.drain(), other.drain());
    }
    other.end().await;
    assert!(portal.store().count(Kind::Deals) > 0);
}
