//! Making or continuing a team, and serving it.
//!
//! Order: options are checked, then the folder is locked and compared, then the team is made or loaded, then the port is taken, and only
//! then is anything answered. Invariant: a start that fails leaves no team behind that a later start would take for whole.

use std::sync::{Arc, Mutex, OnceLock};

use actix_web::HttpResponse;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use url::Url;

use super::answer::Refusal;
use super::ids::seeded;
use super::interactivity::ResponseUrls;
use super::message::{Channel, Person, Team};
use super::methods::Windows;
use super::options::{Secret, SlackOptions};
use super::store::{Rooms, Store};
use super::tokens::Tokens;
use super::{Slack, Workspace, admin, events, gate, interactivity, methods, oauth};
use crate::app::App;
use crate::delivery::{Deliveries, webhook_client};
use crate::faults::FaultBook;
use crate::folder::Folder;
use crate::listening::{listen, reached};
use crate::starting::{prepared, resume_app, serve};
use crate::stats::Stats;
use crate::{Clock, SandboxError};

pub(crate) const HEAD: &str = "slack.json";

/// What identifies a team over restarts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Head {
    pub(crate) source: String,
    pub(crate) port: u16,
    pub(crate) app: App,
    pub(crate) signing_secret: Secret,
    pub(crate) webhook_target: Option<Url>,
    /// The address that has answered the vendor's challenge.
    pub(crate) verified: Option<Url>,
}

struct Prepared {
    head: Head,
    rooms: Rooms,
    folder: Option<Arc<Folder>>,
    fresh: bool,
}

pub(crate) async fn start(options: SlackOptions) -> Result<Slack, SandboxError> {
    options.check()?;
    let clock = Arc::new(Clock::system());
    let now = clock.now_ms();
    let (options, prepared) = prepared(options, move |options| prepare(options, now)).await?;
    serve(options, prepared, clock)
}

fn prepare(options: &SlackOptions, now: i64) -> Result<Prepared, SandboxError> {
    let fresh_head = || Head {
        source: options.describe(),
        port: 0,
        app: options.app.clone(),
        signing_secret: Secret(options.signing_secret.clone()),
        webhook_target: options.webhook_target.clone(),
        verified: None,
    };
    let Some(folder) = &options.state else {
        return Ok(Prepared {
            head: fresh_head(),
            rooms: make(options, now),
            folder: None,
            fresh: true,
        });
    };
    let folder = Arc::new(Folder::open(folder)?);
    // The head is written after the rooms: a team without a head was never served.
    let (head, rooms, fresh) = match folder.load_json::<Head>(HEAD)? {
        None => (fresh_head(), make(options, now), true),
        Some(head) => {
            let rooms = Store::load(&folder)?.ok_or_else(|| SandboxError::State {
                path: folder.file(HEAD),
                line: 0,
                problem: "the team's own file is missing".to_owned(),
            })?;
            (resume(options, head)?, rooms, false)
        }
    };
    Ok(Prepared {
        head,
        rooms,
        folder: Some(folder),
        fresh,
    })
}

fn resume(options: &SlackOptions, mut head: Head) -> Result<Head, SandboxError> {
    let asked = options.describe();
    if head.source != asked {
        return Err(SandboxError::OtherSource {
            stored: head.source,
            asked,
        });
    }
    resume_app(
        (&mut head.app, &mut head.webhook_target),
        (&options.app, options.webhook_target.as_ref()),
    )?;
    Ok(head)
}

/// The team every sandbox begins with: a few people, a few channels, one of them private and one put away.
fn make(options: &SlackOptions, now: i64) -> Rooms {
    let mut chance = StdRng::seed_from_u64(options.seed);
    let mut id = |kind| seeded(kind, &mut chance);
    let people = [
        ("ada", "Ada Brandt"),
        ("bo", "Bo Lindqvist"),
        ("chiara", "Chiara Moretti"),
        ("dmitri", "Dmitri Sokolov"),
    ];
    let people = people.map(|(name, real_name)| Person {
        id: id('U'),
        name: name.to_owned(),
        real_name: real_name.to_owned(),
        email: format!("{name}@team.example"),
    });
    let mut channel = |name: &str| Channel {
        id: id('C'),
        name: name.to_owned(),
        private: false,
        archived: false,
        general: name == "general",
        app_is_member: false,
        previous_names: Vec::new(),
        created_ms: now,
        updated_ms: now,
    };
    let mut channels: Vec<Channel> = ["general", "random", "deals", "partners"]
        .into_iter()
        .map(&mut channel)
        .collect();
    channels.push(Channel {
        private: true,
        ..channel("deal-desk")
    });
    channels.push(Channel {
        archived: true,
        ..channel("old-deals")
    });
    channels.extend((1..=options.more_channels).map(|n| channel(&format!("channel-{n:04}"))));
    Rooms {
        team: Team {
            id: id('T'),
            name: "Sandbox Team".to_owned(),
            domain: "sandbox-team".to_owned(),
        },
        bot_user_id: id('U'),
        bot_id: id('B'),
        people: people.to_vec(),
        channels,
        messages: std::collections::BTreeMap::new(),
        pings: Vec::new(),
        last_us: 0,
    }
}

fn serve(
    options: SlackOptions,
    prepared: Prepared,
    clock: Arc<Clock>,
) -> Result<Slack, SandboxError> {
    let Prepared {
        mut head,
        rooms,
        folder,
        fresh,
    } = prepared;
    let listener = listen(options.listen, head.port)?;
    let (url, port) = reached(&listener)?;
    head.port = port;
    let (events, inbox) = mpsc::unbounded_channel();
    let workspace = Arc::new(Workspace {
        tokens: Tokens::load(folder.clone(), Arc::clone(&clock))?,
        store: Store::new(rooms, folder.clone(), Arc::clone(&clock)),
        clock,
        faults: FaultBook::new(options.faults),
        limits: options.limits,
        windows: Windows::default(),
        stats: Stats::default(),
        deliveries: Deliveries::default(),
        response_urls: ResponseUrls::default(),
        app: head.app.clone(),
        signing_secret: head.signing_secret.clone(),
        events: options.events,
        happened: events,
        client: webhook_client()?,
        folder,
        head: Mutex::new(head),
        url: OnceLock::from(url.clone()),
        stop: watch::Sender::new(false),
    });
    if fresh {
        workspace.store.save_now()?;
    }
    workspace.save_head()?;
    let (handle, server) = serve!(
        workspace: Workspace,
        listener,
        url,
        gate::pass,
        [
            oauth::routes,
            methods::routes,
            interactivity::routes,
            admin::routes,
        ],
        unknown
    );
    let tasks = vec![
        server,
        tokio::spawn(events::run(
            Arc::clone(&workspace),
            inbox,
            workspace.client.clone(),
        )),
    ];
    Ok(Slack::new(workspace, handle, tasks, url))
}

async fn unknown() -> HttpResponse {
    let mut answer = Refusal::new("not_found").response();
    *answer.status_mut() = actix_web::http::StatusCode::NOT_FOUND;
    answer
}
