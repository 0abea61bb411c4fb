//! What the table has to know of a vendor, and one cell of it: an account behind a proxy, a fault, and what becomes of it.
//!
//! Owns: the order of a cell, alike for every vendor. Refuses: knowledge of any vendor, but for what a [`Vendor`] tells of it.

use super::Fault;
use super::cell::{Before, Observed, Work, assert_frugal, held, judge, recover};
use entities::connection::{self, ConnectionStatus};
use entities::id::{self, ConnectionId};
use entities::sync_run::{self, SyncRunStatus};
use futures::future::BoxFuture;
use integrations::http::ClientSettings;
use integrations::sync::SyncKind;
use serde_json::Value;
use std::time::Duration;
use tests::chaos::{Mishap, Rule};
use tests::{Chaos, Options, Setups, TestApp};
use uuid::Uuid;

/// What the worker may say while a fault lasts.
const SAID: [&str; 10] = [
    "a message could not be said",
    "webhook subscriptions could not be looked after",
    "a push was given up",
    "a lane stumbled",
    "pushes could not be worked on",
    "a connection must be authorized again",
    "signals could not be worked on",
    "another process",
    "a message was given up",
    "messages could not be posted",
];

/// What is changed and created here, by name.
pub const CHANGED: &str = "Changed here";
pub const CREATED: &str = "Created here";

/// Which call of a vendor a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The renewal of an expired token.
    Token,
    /// The first reading of a list.
    List,
    /// A change and a creation on their way out; with a chat, a message.
    Write,
}

/// A call, as rules find it.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    pub method: &'static str,
    pub path: &'static str,
    /// A part of its body, where all calls go to one address.
    pub body: &'static str,
    pub work: Work,
}

/// What a vendor says when something is wrong.
pub struct Words {
    /// Header lines of every answer, each ended by CR LF.
    pub headers: &'static str,
    /// Too many calls: status and body.
    pub limited: (u16, &'static str),
    /// It went wrong, under a status of failure or, as a success that is none, under 200.
    pub failed: &'static str,
    /// The token is not valid (any more): status and body.
    pub expired: (u16, &'static str),
    /// A success whose values have other types than promised; none where the double makes them.
    pub mistyped: Option<&'static str>,
}

/// A vendor, as the table has to know it.
pub trait Vendor: Send + Sync {
    /// The connector's id.
    fn id(&self) -> &'static str;
    /// The double, for a fault.
    fn setups(&self, fault: Fault) -> Setups;
    /// Whether anything is read there; with a chat only writing needs a token.
    fn reads(&self) -> bool {
        true
    }
    /// Five records of the kind that is read and written, with what they need.
    fn fill(&self, app: &TestApp);
    /// One more, changed after everything was read.
    fn add_late(&self, app: &TestApp);
    /// Which kind that is.
    fn resource(&self) -> &'static str;
    /// The calls of a place.
    fn target(&self, place: Place) -> Target;
    /// What it says there.
    fn words(&self, place: Place) -> Words;
    /// Makes the double answer with wrong types.
    fn mistype(&self, app: &TestApp);
    /// How long an access token lives by its own word; none where the vendor does not say.
    fn token_life(&self) -> Option<Duration>;
    /// Ends every access token, which nobody tells us; the refresh tokens stay good.
    fn expire(&self, app: &TestApp);
    /// Ends the grant.
    fn uninstall(&self, app: &TestApp);
    /// Waits until what the double tells us of that has arrived.
    fn told<'a>(&'a self, _: &'a TestApp) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
    /// Ends what [`Self::mistype`] began.
    fn mend(&self, app: &TestApp);
    /// How often a token was asked for.
    fn redemptions(&self, app: &TestApp) -> u64;
    /// How many live records of the kind are there.
    fn live(&self, app: &TestApp) -> usize;
    /// Sets the connection up for what is written.
    fn prepare<'a>(&'a self, _: &'a Scene) -> BoxFuture<'a, ()> {
        Box::pin(async {})
    }
    /// Changes one record here and creates another, or says what is posted.
    fn write<'a>(&'a self, scene: &'a Scene) -> BoxFuture<'a, ()>;
    /// Fails unless what was changed and created here is there, once.
    fn assert_written(&self, app: &TestApp, what: &str);
}

/// A connected account behind a proxy.
pub struct Scene {
    pub app: TestApp,
    pub connection: ConnectionId,
    pub vendor: &'static dyn Vendor,
    admin: String,
}

impl Scene {
    /// With short time limits, connected, nothing read yet.
    async fn set(vendor: &'static dyn Vendor, fault: Fault) -> Self {
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
            others: vendor.setups(fault),
            ..Options::default()
        };
        let mut app = TestApp::start(options).await;
        for said in SAID {
            app.expect_warning(said);
        }
        vendor.fill(&app);
        let connection = app.connect(vendor.id()).await;
        // An hour is not enough where days pass.
        let request = api::oauth::token::TokenRequest {
            subject: "tests".to_owned(),
            client_id: "tests".to_owned(),
            kind: entities::viewer::ViewerKind::Staff(entities::viewer::StaffRole::Admin),
            scopes: entities::viewer::Scopes::all(),
            lifetime_seconds: 30 * 24 * 3_600,
            basis: api::oauth::token::Basis::default(),
        };
        let admin = app.issue(&request);
        Self {
            app,
            connection,
            vendor,
            admin,
        }
    }

    /// A token with every scope.
    pub fn admin(&self) -> &str {
        &self.admin
    }

    /// Sends a mutation that must be taken.
    pub async fn mutate(&self, field: &str, input: Value, selection: &str) -> Value {
        let answer = self.app.mutate(&self.admin, field, input, selection).await;
        answer.data().clone()
    }

    /// Our id of a record of the kind that is written.
    pub async fn ours(&self) -> String {
        let resource = self.vendor.resource();
        let statement = format!(
            "SELECT subject_kind, subject_id FROM external_link WHERE resource = '{resource}' AND subject_id IS NOT NULL ORDER BY external_id"
        );
        let rows = self.app.rows(&statement).await;
        let row = rows.first().expect("a linked record");
        let kind: String = row.try_get_by_index(0).unwrap();
        let subject: Uuid = row.try_get_by_index(1).unwrap();
        id::show(&kind, subject)
    }

    /// The connection as it stands.
    pub async fn row(&self) -> connection::Model {
        let system = entities::viewer::Viewer::system("tests");
        let read = self.app.database().read();
        let found =
            entities::visible::find_one::<connection::Entity, _>(read, &system, self.connection.0);
        found.await.unwrap().expect("the connection")
    }

    /// The latest run, webhooks aside; none where nothing is read.
    pub async fn last_run(&self) -> Option<sync_run::Model> {
        use entities::visible::Visible;
        use sea_orm::{ColumnTrait, QueryFilter, QueryOrder};
        let runs = sync_run::Entity::visible_to(&entities::viewer::Viewer::system("tests"))
            .filter(sync_run::Column::Kind.ne("webhook"))
            .order_by_desc(sync_run::Column::StartedAt)
            .order_by_desc(sync_run::Column::Id);
        runs.one(self.app.database().read()).await.unwrap()
    }

    /// Lets the worker work and time pass until no run is going, at most for an hour.
    pub async fn settle(&self) {
        for _ in 0..720 {
            self.app.drain().await;
            let run = self.last_run().await;
            if run.is_none_or(|run| run.status != SyncRunStatus::Running) {
                return;
            }
            self.app.advance(Duration::from_secs(5));
        }
        panic!("the run finds no end: {:?}", self.last_run().await);
    }

    /// The same, until what waits in rows for its time has had it too.
    pub async fn settle_long(&self) {
        for _ in 0..20 {
            self.settle().await;
            if self.is_whole().await {
                return;
            }
            self.app.advance(Duration::from_secs(90));
        }
    }

    /// Reads everything anew, to the end; nothing where nothing is read.
    pub async fn sync_everything(&self) -> Option<sync_run::Model> {
        self.last_run().await?;
        let engine = &self.app.state.core.engine;
        let run = engine.sync_connection(self.connection, SyncKind::Everything, |_| {});
        Some(run.await.unwrap())
    }

    /// Whether the connection works.
    pub async fn is_active(&self) -> bool {
        self.row().await.status == ConnectionStatus::Active
    }

    /// Whether everything the vendor has is here, and everything that was changed here has left.
    pub async fn is_whole(&self) -> bool {
        for table in ["outbound_push", "chat_message"] {
            let waiting = format!("SELECT COUNT(*) FROM {table}");
            if self.app.number(&waiting).await > 0 {
                return false;
            }
        }
        let resource = self.vendor.resource();
        let linked = format!(
            "SELECT COUNT(*) FROM external_link WHERE resource = '{resource}' AND subject_id IS NOT NULL AND NOT archived"
        );
        let there = i64::try_from(self.vendor.live(&self.app)).unwrap();
        self.app.number(&linked).await == there
    }

    /// Fails unless each live record is linked once, to a row of its own, and no row was made twice.
    pub async fn assert_mirrors(&self, what: &str) {
        assert!(self.is_whole().await, "{what}: something is lost");
        let resource = self.vendor.resource();
        let distinct = format!(
            "SELECT COUNT(DISTINCT subject_id) FROM external_link WHERE resource = '{resource}' AND NOT archived"
        );
        let there = i64::try_from(self.vendor.live(&self.app)).unwrap();
        assert_eq!(
            self.app.number(&distinct).await,
            there,
            "{what}: one row each"
        );
        let doubled = "SELECT COUNT(*) FROM (SELECT kind, subject_id FROM event WHERE kind IN ('deal.created', 'contact.created', 'customer.created') \
                       GROUP BY kind, subject_id HAVING COUNT(*) > 1) AS doubled";
        assert_eq!(self.app.number(doubled).await, 0, "{what}: told twice");
    }
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

/// Produces a cell: the fault meets the call of that place.
pub async fn cell(vendor: &'static dyn Vendor, place: Place, fault: Fault) -> Observed {
    let what = format!("{} {place:?}, {fault:?}", vendor.id());
    let scene = Scene::set(vendor, fault).await;
    match place {
        Place::Token => {
            scene.settle().await;
            vendor.prepare(&scene).await;
            vendor.add_late(&scene.app);
            match vendor.token_life() {
                Some(life) => scene.app.advance(life),
                None => vendor.expire(&scene.app),
            }
            // The next run is due.
            scene.app.advance(Duration::from_secs(120));
            if !vendor.reads() {
                vendor.write(&scene).await;
                scene.app.log_settled().await;
            }
        }
        Place::List => {}
        Place::Write => {
            scene.settle().await;
            vendor.prepare(&scene).await;
            vendor.write(&scene).await;
            scene.app.log_settled().await;
        }
    }
    let target = vendor.target(place);
    let trap = Trap::set();
    let before = Before::of(&scene);
    let memory = held();
    let chaos = scene.app.chaos();
    if fault == Fault::RefreshRace {
        race(&scene, place).await;
    } else {
        commit(&scene, chaos, fault, (place, target), &trap).await;
        scene.app.drain().await;
    }
    let (outcome, status, detail) = judge(&scene, target.work, &before, &what).await;
    let by_double = fault == Fault::WrongType && vendor.words(place).mistyped.is_none();
    let elsewhere = matches!(
        fault,
        Fault::ConnectionRefused | Fault::GrantRevoked | Fault::RefreshRace
    );
    assert!(
        chaos.struck() > 0 || by_double || elsewhere,
        "{what}: the fault met no call: {:?}",
        chaos.calls()
    );
    assert_frugal(memory, &what);
    assert!(trap.is_untouched(), "{what}: a redirect was followed");
    if fault == Fault::ConnectionRefused {
        chaos.open().await;
    }
    chaos.lift();
    vendor.mend(&scene.app);
    let (outcome, by_itself) = Box::pin(recover(&scene, outcome, &what)).await;
    let status = match outcome {
        super::Outcome::Reauth => "ReauthRequired".to_owned(),
        _ => status,
    };
    if place == Place::Write || !vendor.reads() {
        vendor.assert_written(&scene.app, &what);
        assert_ne!(outcome.as_str(), "KEPT_OUT", "{what}");
    }
    scene.app.end().await;
    Observed {
        outcome,
        status,
        by_itself,
        detail,
    }
}

/// Switches a fault on.
async fn commit(
    scene: &Scene,
    chaos: &Chaos,
    fault: Fault,
    (place, target): (Place, Target),
    trap: &Trap,
) {
    let words = scene.vendor.words(place);
    let json = format!("content-type: application/json\r\n{}", words.headers);
    let answer = |status, headers: String, body: &str| Mishap::Answer {
        status,
        headers,
        body: body.to_owned(),
    };
    let mut times = None;
    let (limited, limit) = words.limited;
    let mishap = match fault {
        Fault::LimitedWithTime => answer(limited, format!("{json}retry-after: 17\r\n"), limit),
        Fault::LimitedWithoutTime => answer(limited, json, limit),
        Fault::Broken => answer(500, json, words.failed),
        Fault::Unavailable => answer(503, json, words.failed),
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
        Fault::WrongType => match words.mistyped {
            Some(body) => answer(200, json, body),
            None => return scene.vendor.mistype(&scene.app),
        },
        Fault::ErrorAsSuccess => answer(200, json, words.failed),
        Fault::GzipBomb => Mishap::Bomb,
        Fault::HugeBody => Mishap::Huge,
        Fault::Redirect => answer(302, format!("location: {}\r\n", trap.address()), ""),
        Fault::UnauthorizedOnce => {
            times = Some(1);
            answer(words.expired.0, json, words.expired.1)
        }
        Fault::GrantRevoked => {
            scene.vendor.uninstall(&scene.app);
            return scene.vendor.told(&scene.app).await;
        }
        Fault::RefreshRace => unreachable!("two nodes commit it together"),
    };
    let rule = Rule {
        body: target.body.to_owned(),
        ..Rule::on(target.method, target.path, mishap)
    };
    chaos.strike(match times {
        Some(times) => rule.times(times),
        None => rule,
    });
}

/// Two nodes meet the end of the token at the same time.
async fn race(scene: &Scene, place: Place) {
    if place != Place::Token {
        // Ours believe the token to be good; the vendor no longer does.
        scene.vendor.expire(&scene.app);
    }
    let other = scene.app.another_node().await;
    tokio::join!(scene.app.drain(), other.drain());
    for _ in 0..10 {
        scene.app.advance(Duration::from_secs(3));
        tokio::join!(scene.app.drain(), other.drain());
    }
    other.end().await;
}
