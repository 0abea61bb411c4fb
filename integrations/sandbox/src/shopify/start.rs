//! Making or continuing a shop, and serving it.
//!
//! Order: options are checked, then the folder is locked and compared, then records are made or loaded, then the port is taken, and only
//! then is anything answered. Invariant: a start that fails leaves no shop behind that a later start would take for whole.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use actix_web::HttpResponse;
use serde_json::json;
use tokio::sync::{mpsc, watch};

use super::bucket::Bucket;
use super::graphql::Schema;
use super::options::{ShopSource, ShopifyOptions};
use super::shop::{HEAD, Head, Shop};
use super::state::{ShopInfo, State};
use super::store::Store;
use super::tokens::{GrantError, Tokens};
use super::{Shopify, admin, api, gate, generate, oauth, running, webhooks};
use crate::delivery::{Deliveries, webhook_client};
use crate::faults::FaultBook;
use crate::folder::Folder;
use crate::listening::{listen, reached};
use crate::snapshot::Snapshot;
use crate::starting::{prepared, resume_app, serve};
use crate::stats::Stats;
use crate::{Clock, SandboxError};

const RECORDS: &str = "records.json";
const SCHEMA: &str = include_str!("schema.graphql");

/// A shop that is made or loaded, before it listens.
struct Prepared {
    state: State,
    head: Head,
    disk: Option<Arc<Folder>>,
}

/// The schema the sandbox serves.
pub(crate) fn schema() -> Result<Schema, SandboxError> {
    Schema::parse(SCHEMA).map_err(|problem| SandboxError::Option {
        name: "schema",
        problem,
    })
}

/// A grant that failed where only the disk can be the reason.
pub(crate) fn saved(error: GrantError) -> SandboxError {
    match error {
        GrantError::NotSaved(error) => error,
        other => SandboxError::Option {
            name: "tokens",
            problem: format!("{other:?}"),
        },
    }
}

pub(crate) async fn start(options: ShopifyOptions) -> Result<Shopify, SandboxError> {
    options.check()?;
    let clock = Arc::new(Clock::system());
    let now = clock.now_ms();
    let (options, prepared) = prepared(options, move |options| prepare(options, now)).await?;
    serve(options, prepared, clock)
}

fn prepare(options: &ShopifyOptions, now: i64) -> Result<Prepared, SandboxError> {
    let disk = options
        .state
        .as_deref()
        .map(Folder::open)
        .transpose()?
        .map(Arc::new);
    let stored: Option<Head> = disk
        .as_ref()
        .map_or(Ok(None), |disk| disk.load_json(HEAD))?;
    let (state, head) = match (stored, &disk) {
        (Some(head), Some(disk)) => {
            let head = resume(options, head)?;
            let mut state: State = disk.load_json(RECORDS)?.unwrap_or_default();
            state.reindex();
            (state, head)
        }
        (_, disk) => {
            let state = make(options, now);
            let head = Head {
                port: 0,
                source: options.source.describe(),
                domain: options.domain.clone(),
                app: options.app.clone(),
                old_secret: None,
                new_secret: None,
                webhook_target: options.webhook_target.clone(),
            };
            if let Some(disk) = disk {
                disk.save_json(RECORDS, &state)?;
                disk.save_json(HEAD, &head)?;
            }
            (state, head)
        }
    };
    Ok(Prepared { state, head, disk })
}

fn make(options: &ShopifyOptions, now: i64) -> State {
    let name = options
        .domain
        .split('.')
        .next()
        .unwrap_or_default()
        .to_owned();
    let mut state = State::new(ShopInfo {
        id: 548_380_009 + options.seed % 1000,
        name,
        domain: options.domain.clone(),
        email: "owner@shop.example".to_owned(),
        currency: "USD".to_owned(),
        created_at: now - 400 * 24 * 3600 * 1000,
    });
    if let ShopSource::Generated { orders } = options.source {
        generate::generate(&mut state, orders, options.seed, now);
    }
    state.reindex();
    state
}

fn resume(options: &ShopifyOptions, mut head: Head) -> Result<Head, SandboxError> {
    let asked = options.source.describe();
    if head.source != asked || head.domain != options.domain {
        return Err(SandboxError::OtherSource {
            stored: format!("{} for {}", head.source, head.domain),
            asked: format!("{asked} for {}", options.domain),
        });
    }
    resume_app(
        (&mut head.app, &mut head.webhook_target),
        (&options.app, options.webhook_target.as_ref()),
    )?;
    Ok(head)
}

fn serve(
    options: ShopifyOptions,
    prepared: Prepared,
    clock: Arc<Clock>,
) -> Result<Shopify, SandboxError> {
    let Prepared {
        state,
        mut head,
        disk,
    } = prepared;
    let schema = schema()?;
    let client = webhook_client()?;
    let listener = listen(options.listen, head.port)?;
    let (url, port) = reached(&listener)?;
    head.port = port;
    let (events, inbox) = mpsc::unbounded_channel();
    let (bulk, operations) = mpsc::unbounded_channel();
    let deliveries = Arc::new(Deliveries::default());
    let interrupted: Vec<u64> = state
        .operations
        .values()
        .filter(|one| one.status.runs())
        .map(|one| one.id)
        .collect();
    let shop_id = state.shop.id;
    let store = Arc::new(Store::new(
        state,
        Arc::clone(&clock),
        events,
        Arc::clone(&deliveries),
    ));
    if let Some(disk) = &disk {
        let reader = Arc::clone(&store);
        let snapshot = Snapshot::start(Arc::clone(disk), RECORDS, move || reader.read().clone());
        // The cell is new, so it takes it.
        let _ = store.snapshot.set(snapshot);
    }
    let limits = options.limits;
    let shop = Arc::new(Shop {
        tokens: Tokens::load(disk.clone(), Arc::clone(&clock))?,
        bucket: Bucket::new(
            limits.bucket.unwrap_or(2000),
            limits.restore_per_second,
            limits.bucket.is_some(),
            clock.now_ms(),
        ),
        clock,
        store,
        deliveries,
        faults: FaultBook::new(options.faults),
        stats: Stats::default(),
        schema,
        configured_topics: options.configured_topics,
        app: head.app.clone(),
        domain: head.domain.clone(),
        shop_id,
        disk,
        head: Mutex::new(head.clone()),
        oldest: Mutex::new(limits.oldest_version.clone()),
        results: Mutex::new(HashMap::new()),
        bulk,
        url: OnceLock::from(url.clone()),
        limits,
        stop: watch::Sender::new(false),
    });
    shop.save_head(&head)?;
    for id in interrupted {
        shop.start_bulk(id);
    }
    let (handle, server) = serve!(
        shop: Shop,
        listener,
        url,
        gate::pass,
        [oauth::routes, api::routes, running::routes, admin::routes,],
        unknown
    );
    let tasks = vec![
        server,
        tokio::spawn(webhooks::run(
            Arc::clone(&shop),
            inbox,
            client,
            options.seed,
        )),
        tokio::spawn(webhooks::parting(Arc::clone(&shop))),
        tokio::spawn(running::run(Arc::clone(&shop), operations)),
    ];
    Ok(Shopify {
        shop,
        server: handle,
        tasks,
        url,
    })
}

async fn unknown() -> HttpResponse {
    HttpResponse::NotFound().json(json!({"errors": "Not Found"}))
}
