//! Making or continuing a portal, and serving it.
//!
//! Order: options are checked, then the folder is locked and compared, then records are made or loaded, then the port is taken, and only
//! then is anything answered. Invariant: a start that fails leaves no portal behind that a later start would take for whole.

use std::net::TcpListener;
use std::sync::{Arc, Mutex, OnceLock};

use actix_web::HttpResponse;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::{mpsc, watch};

use super::answer::Refusal;
use super::inner::Inner;
use super::journal::Journal;
use super::options::{HubSpotOptions, Source};
use super::portal::PortalInfo;
use super::state::{Disk, Head};
use super::store::Store;
use super::tokens::Tokens;
use super::webhooks::{self, Webhooks};
use super::{
    HubSpot, Portal, admin, associations, crm, gate, generate, meta, oauth, objects, properties,
    subscriptions,
};
use crate::app::check_start;
use crate::delivery::webhook_client;
use crate::door::World as _;
use crate::faults::FaultBook;
use crate::listening::{listen, reached};
use crate::starting::{prepared, resume_app, serve};
use crate::stats::Stats;
use crate::window::Window;
use crate::{Clock, SandboxError};

/// A portal that is made or loaded, before it listens.
struct Prepared {
    inner: Inner,
    head: Head,
    disk: Option<Arc<Disk>>,
    journal: Option<Journal>,
}

pub(crate) async fn start(options: HubSpotOptions) -> Result<HubSpot, SandboxError> {
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

fn prepare(options: &HubSpotOptions, now: i64) -> Result<Prepared, SandboxError> {
    let Some(folder) = &options.state else {
        let (inner, head) = make(options, now)?;
        return Ok(Prepared {
            inner,
            head,
            disk: None,
            journal: None,
        });
    };
    let disk = Arc::new(Disk::open(folder)?);
    let (inner, head) = match disk.head()? {
        Some(head) => resume(options, &disk, head)?,
        None => {
            let (inner, head) = make(options, now)?;
            disk.save_generation(head.generation, &inner)?;
            disk.save_head(&head)?;
            (inner, head)
        }
    };
    let journal = disk.journal(head.generation)?;
    Ok(Prepared {
        inner,
        head,
        disk: Some(disk),
        journal: Some(journal),
    })
}

fn make(options: &HubSpotOptions, now: i64) -> Result<(Inner, Head), SandboxError> {
    let mut chance = StdRng::seed_from_u64(options.seed);
    let info = PortalInfo {
        portal_id: chance.random_range(20_000_000..50_000_000),
        currency: "USD".to_owned(),
        additional_currencies: match options.source {
            Source::Generated { .. } => vec!["EUR".to_owned(), "JPY".to_owned()],
            Source::Crm(_) | Source::Empty => Vec::new(),
        },
        time_zone: "UTC".to_owned(),
        created_at: now,
    };
    let mut inner = Inner::new(info.clone());
    match &options.source {
        Source::Generated { deals } => generate::generate(&mut inner, *deals, options.seed),
        Source::Crm(folder) => crm::import(&mut inner, folder, now)?,
        Source::Empty => {}
    }
    let head = Head {
        generation: 1,
        source: options.source.describe(),
        port: 0,
        app: options.app.clone(),
        info,
        webhook_target: options.webhook_target.clone(),
    };
    Ok((inner, head))
}

fn resume(
    options: &HubSpotOptions,
    disk: &Disk,
    mut head: Head,
) -> Result<(Inner, Head), SandboxError> {
    let asked = options.source.describe();
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
    let mut inner = Inner::new(head.info.clone());
    let grown = disk.load_generation(head.generation, &mut inner)?;
    if grown {
        let old = head.generation;
        head.generation += 1;
        disk.save_generation(head.generation, &inner)?;
        disk.save_head(&head)?;
        disk.drop_generation(old);
    }
    Ok((inner, head))
}

fn serve(
    options: HubSpotOptions,
    prepared: Prepared,
    clock: Arc<Clock>,
    listener: TcpListener,
) -> Result<HubSpot, SandboxError> {
    let Prepared {
        inner,
        mut head,
        disk,
        journal,
    } = prepared;
    let (url, port) = reached(&listener)?;
    head.port = port;
    let client = webhook_client()?;
    let (events, inbox) = mpsc::unbounded_channel();
    let webhooks = Arc::new(Webhooks::new(head.webhook_target.clone()));
    let store = Arc::new(Store::new(inner, Arc::clone(&clock)));
    store.attach(journal.clone(), events, Arc::clone(&webhooks));
    let limits = options.limits;
    let portal = Arc::new(Portal {
        tokens: Tokens::load(disk.clone(), Arc::clone(&clock))?,
        window: Window::new(limits.per_ten_seconds, 10_000),
        search_window: Window::new(limits.searches_per_second, 1_000),
        clock,
        store,
        webhooks,
        faults: FaultBook::new(options.faults),
        limits,
        stats: Stats::default(),
        app: head.app.clone(),
        disk,
        head: Mutex::new(head),
        url: OnceLock::from(url.clone()),
        stop: watch::Sender::new(false),
    });
    portal.change_faults(|_| {});
    portal.save_head()?;
    let (handle, server) = serve!(
        portal: Portal,
        listener,
        url,
        gate::pass,
        [
            oauth::routes,
            associations::routes,
            objects::routes,
            meta::routes,
            properties::routes,
            subscriptions::routes,
            admin::routes,
        ],
        unknown
    );
    let tasks = vec![
        server,
        tokio::spawn(webhooks::run(
            Arc::clone(&portal),
            inbox,
            client,
            options.seed,
        )),
    ];
    Ok(HubSpot {
        portal,
        server: handle,
        tasks,
        journal,
        url,
    })
}

async fn unknown() -> HttpResponse {
    Refusal::not_found().response()
}
