//! Making or continuing a portal, and serving it.
//!
//! Order: options are checked, then the folder is locked and compared, then records are made or loaded, then the port is taken, and only
//! then is anything answered. Invariant: a start that fails leaves no portal behind that a later start would take for whole.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{App as WebApp, HttpResponse, HttpServer, web};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::{mpsc, watch};
use url::Url;

use super::admin::Stats;
use super::answer::Refusal;
use super::faults::FaultBook;
use super::inner::Inner;
use super::journal::Journal;
use super::limits::Window;
use super::options::{HubSpotOptions, Source, check_target};
use super::portal::PortalInfo;
use super::state::{Disk, Head};
use super::store::Store;
use super::tokens::Tokens;
use super::webhooks::{self, Webhooks};
use super::{
    HubSpot, Portal, admin, associations, crm, gate, generate, meta, oauth, objects, properties,
    subscriptions,
};
use crate::{Clock, SandboxError};

/// The largest body taken: a batch of two thousand associations is well below.
const BODY_LIMIT: usize = 8 * 1024 * 1024;

/// A portal that is made or loaded, before it listens.
struct Prepared {
    inner: Inner,
    head: Head,
    disk: Option<Arc<Disk>>,
    journal: Option<Journal>,
}

pub(crate) async fn start(options: HubSpotOptions) -> Result<HubSpot, SandboxError> {
    check(&options)?;
    let clock = Arc::new(Clock::system());
    let now = clock.now_ms();
    let (options, prepared) = tokio::task::spawn_blocking(move || {
        let prepared = prepare(&options, now);
        (options, prepared)
    })
    .await
    .map_err(|panic| SandboxError::Option {
        name: "source",
        problem: panic.to_string(),
    })?;
    let prepared = prepared?;
    let listener = listen(options.listen, prepared.head.port)?;
    let address = listener
        .local_addr()
        .map_err(|source| SandboxError::Listen {
            address: options.listen.to_string(),
            source,
        })?;
    serve(options, prepared, clock, listener, address)
}

fn check(options: &HubSpotOptions) -> Result<(), SandboxError> {
    options.app.check()?;
    if !options.listen.ip().is_loopback() {
        return Err(SandboxError::Option {
            name: "listen",
            problem: format!("{} is not on loopback", options.listen),
        });
    }
    if let Some(target) = &options.webhook_target {
        check_target(target).map_err(|problem| SandboxError::Option {
            name: "webhook_target",
            problem,
        })?;
    }
    Ok(())
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
    if head.app.client_id != options.app.client_id || head.app.app_id != options.app.app_id {
        return Err(SandboxError::OtherApp {
            stored: head.app.client_id,
            asked: options.app.client_id.clone(),
        });
    }
    // The secret stays the one of the first start; where consents may return to follows the caller's present address.
    head.app
        .redirect_uris
        .clone_from(&options.app.redirect_uris);
    if options.webhook_target.is_some() {
        head.webhook_target.clone_from(&options.webhook_target);
    }
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

/// Takes the port asked for; with port 0 the port of the last run when it is free, else any.
fn listen(asked: SocketAddr, last_port: u16) -> Result<TcpListener, SandboxError> {
    let mut address = asked;
    if asked.port() == 0 && last_port != 0 {
        address.set_port(last_port);
        if let Ok(listener) = TcpListener::bind(address) {
            return Ok(listener);
        }
    }
    TcpListener::bind(asked).map_err(|source| SandboxError::Listen {
        address: asked.to_string(),
        source,
    })
}

fn serve(
    options: HubSpotOptions,
    prepared: Prepared,
    clock: Arc<Clock>,
    listener: TcpListener,
    address: SocketAddr,
) -> Result<HubSpot, SandboxError> {
    let Prepared {
        inner,
        mut head,
        disk,
        journal,
    } = prepared;
    head.port = address.port();
    let listening = |source| SandboxError::Listen {
        address: address.to_string(),
        source,
    };
    let url = Url::parse(&format!("http://{address}/"))
        .map_err(|error| listening(std::io::Error::other(error)))?;
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
    let data = web::Data::from(Arc::clone(&portal));
    let server = HttpServer::new(move || {
        WebApp::new()
            .app_data(data.clone())
            .app_data(web::PayloadConfig::new(BODY_LIMIT))
            .wrap(from_fn(gate::pass))
            .configure(oauth::routes)
            .configure(associations::routes)
            .configure(objects::routes)
            .configure(meta::routes)
            .configure(properties::routes)
            .configure(subscriptions::routes)
            .configure(admin::routes)
            .default_service(web::to(unknown))
    })
    .workers(2)
    .shutdown_timeout(2)
    .disable_signals()
    .on_connect(gate::keep_wire)
    .listen(listener)
    .map_err(listening)?
    .run();
    let handle = server.handle();
    let tasks = vec![
        tokio::spawn(async move {
            // The server ends when it is told to; its error would be one of accepting, which it retries.
            let _ = server.await;
        }),
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

#[expect(
    clippy::disallowed_methods,
    reason = "the sandbox plays the vendor: its webhooks leave by a client of their own, to loopback only"
)]
fn webhook_client() -> Result<reqwest::Client, SandboxError> {
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(2))
        .build()
        .map_err(SandboxError::Client)
}

async fn unknown() -> HttpResponse {
    Refusal::not_found().response()
}
