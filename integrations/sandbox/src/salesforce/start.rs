//! Making or continuing an org, and serving it.
//!
//! Order: options are checked, then the folder is locked and compared, then records are made or loaded, then the port is taken, and only
//! then is anything answered. Invariant: a start that fails leaves no org behind that a later start would take for whole.

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};

use actix_web::HttpResponse;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use url::Url;

use super::answer::Refusal;
use super::bulk::Bulk;
use super::inner::Inner;
use super::options::{SalesforceFeatures, SalesforceOptions};
use super::outbound::{self, Target};
use super::query::Cursors;
use super::store::SalesforceStore;
use super::tokens::{Lives, Tokens};
use super::{
    Org, Salesforce, admin, bulk, collections, connect, describe, gate, generate, oauth, query,
    sobjects, standard,
};
use crate::app::check_start;
use crate::delivery::{Deliveries, webhook_client};
use crate::door::World as _;
use crate::faults::FaultBook;
use crate::folder::Folder;
use crate::listening::{listen, reached};
use crate::snapshot::Snapshot;
use crate::starting::{prepared, resume_app, serve};
use crate::stats::Stats;
use crate::window::Window;
use crate::{App, Clock, SandboxError};

const HEAD: &str = "org.json";
const RECORDS: &str = "records.json";

/// `org.json`: everything but the records and the tokens.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Head {
    source: String,
    features: SalesforceFeatures,
    port: u16,
    app: App,
    pub(crate) webhook_target: Option<Url>,
}

/// An org that is made or loaded, before it listens.
struct Prepared {
    inner: Inner,
    head: Head,
    folder: Option<Arc<Folder>>,
}

pub(crate) async fn start(options: SalesforceOptions) -> Result<Salesforce, SandboxError> {
    check_start(
        &options.app,
        options.listen,
        options.webhook_target.as_ref(),
    )?;
    let clock = Arc::new(Clock::system());
    let now = clock.now_ms();
    let (options, prepared) = prepared(options, move |options| prepare(options, now)).await?;
    let listener = listen(options.listen, prepared.head.port)?;
    serve(options, prepared, clock, listener)
}

fn prepare(options: &SalesforceOptions, now: i64) -> Result<Prepared, SandboxError> {
    let Some(path) = &options.state else {
        let (inner, head) = make(options, now);
        return Ok(Prepared {
            inner,
            head,
            folder: None,
        });
    };
    let folder = Arc::new(Folder::open(path)?);
    let (inner, head) = match folder.load_json::<Head>(HEAD)? {
        Some(head) => resume(options, &folder, head)?,
        None => {
            let (inner, head) = make(options, now);
            folder.save_json(RECORDS, &inner)?;
            // The head comes last: with it, the org is whole.
            folder.save_json(HEAD, &head)?;
            (inner, head)
        }
    };
    Ok(Prepared {
        inner,
        head,
        folder: Some(folder),
    })
}

fn make(options: &SalesforceOptions, now: i64) -> (Inner, Head) {
    let mut chance = StdRng::seed_from_u64(options.seed);
    let letter = |chance: &mut StdRng| char::from(b'a' + chance.random_range(0..26_u8));
    let pod: String = [
        letter(&mut chance).to_ascii_uppercase(),
        letter(&mut chance),
    ]
    .iter()
    .collect();
    let schema = standard::schema(&options.features);
    let mut inner = Inner::new(options.features, schema, pod);
    generate::fill(&mut inner, options.source, options.seed, now);
    let head = Head {
        source: options.describe_source(),
        features: options.features,
        port: 0,
        app: options.app.clone(),
        webhook_target: options.webhook_target.clone(),
    };
    (inner, head)
}

fn resume(
    options: &SalesforceOptions,
    folder: &Folder,
    mut head: Head,
) -> Result<(Inner, Head), SandboxError> {
    let asked = options.describe_source();
    if head.source != asked || head.features != options.features {
        return Err(SandboxError::OtherSource {
            stored: format!("{} with {:?}", head.source, head.features),
            asked: format!("{asked} with {:?}", options.features),
        });
    }
    resume_app(
        (&mut head.app, &mut head.webhook_target),
        (&options.app, options.webhook_target.as_ref()),
    )?;
    let inner = folder
        .load_json(RECORDS)?
        .ok_or_else(|| SandboxError::State {
            path: folder.file(RECORDS),
            line: 0,
            problem: "the file is missing".to_owned(),
        })?;
    Ok((inner, head))
}

fn serve(
    options: SalesforceOptions,
    prepared: Prepared,
    clock: Arc<Clock>,
    listener: TcpListener,
) -> Result<Salesforce, SandboxError> {
    let Prepared {
        inner,
        mut head,
        folder,
    } = prepared;
    let (url, port) = reached(&listener)?;
    head.port = port;
    let client = webhook_client()?;
    let (messages, inbox) = mpsc::unbounded_channel();
    let deliveries = Arc::new(Deliveries::default());
    let (org_id, user_id) = (inner.org_id.clone(), inner.app_user.clone());
    let store = Arc::new(SalesforceStore::new(
        inner,
        Arc::clone(&clock),
        Arc::clone(&deliveries),
    ));
    let snapshot = folder
        .clone()
        .map(|folder| Arc::new(Snapshot::start(folder, RECORDS, store.reading())));
    store.attach(messages, snapshot.clone());
    let limits = options.limits;
    let lives = Lives {
        session_ms: i64::from(limits.session_seconds) * 1000,
        refresh_ms: i64::from(limits.refresh_seconds) * 1000,
        code_ms: i64::from(limits.code_seconds) * 1000,
        rotate: limits.rotate_refresh_tokens,
    };
    let org = Arc::new(Org {
        tokens: Tokens::load(folder.clone(), Arc::clone(&clock), lives, &org_id)?,
        quota: Window::new(Some(limits.daily_requests), 24 * 3600 * 1000),
        cursors: Cursors::default(),
        bulk: Bulk::default(),
        target: Target::new(head.webhook_target.clone()),
        faults: FaultBook::new(options.faults),
        stats: Stats::default(),
        app: head.app.clone(),
        // What is no record still has ids; they begin behind those of any earlier run.
        serial: AtomicU64::new(u64::try_from(clock.now_ms()).unwrap_or(0)),
        head: Mutex::new(head),
        url: url.clone(),
        moved: AtomicBool::new(false),
        known_as: std::sync::Mutex::default(),
        stop: watch::Sender::new(false),
        clock,
        store,
        deliveries,
        limits,
        folder,
        org_id,
        user_id,
    });
    org.change_faults(|_| {});
    org.save_head()?;
    let (handle, server) = serve!(
        org: Org,
        listener,
        url,
        gate::pass,
        [
            oauth::routes,
            query::routes,
            describe::routes,
            collections::routes,
            bulk::routes,
            connect::routes,
            sobjects::routes,
            admin::routes,
        ],
        unknown
    );
    let tasks = vec![
        server,
        tokio::spawn(outbound::run(Arc::clone(&org), inbox, client, options.seed)),
    ];
    Ok(Salesforce {
        org,
        server: handle,
        tasks,
        snapshot,
    })
}

impl Org {
    /// Puts port and target on disk.
    pub(crate) fn save_head(&self) -> Result<(), SandboxError> {
        let mut head = self
            .head
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        head.webhook_target = self.target.get();
        match &self.folder {
            Some(folder) => folder.save_json(HEAD, &*head),
            None => Ok(()),
        }
    }
}

async fn unknown() -> HttpResponse {
    Refusal::not_found().response()
}
