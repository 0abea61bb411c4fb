//! What every sandbox does when it starts: making or loading its account beside the async threads, holding what is stored against what is
//! asked for, and serving.
//!
//! Refuses: to go on with an account of another app. Invariant: a server runs only over a port that was taken before.

use url::Url;

use crate::{App, SandboxError};

/// Makes or loads an account on a thread that may block.
pub(crate) async fn prepared<O, P>(
    options: O,
    prepare: impl FnOnce(&O) -> Result<P, SandboxError> + Send + 'static,
) -> Result<(O, P), SandboxError>
where
    O: Send + 'static,
    P: Send + 'static,
{
    let work = move || prepare(&options).map(|prepared| (options, prepared));
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|panic| {
            Err(SandboxError::Option {
                name: "source",
                problem: panic.to_string(),
            })
        })
}

/// Goes on with a stored app and target. The secret stays the one of the first start; where consents may return to follows the caller's
/// present address.
pub(crate) fn resume_app(
    (app, target): (&mut App, &mut Option<Url>),
    (asked, new_target): (&App, Option<&Url>),
) -> Result<(), SandboxError> {
    if app.client_id != asked.client_id || app.app_id != asked.app_id {
        return Err(SandboxError::OtherApp {
            stored: app.client_id.clone(),
            asked: asked.client_id.clone(),
        });
    }
    app.redirect_uris.clone_from(&asked.redirect_uris);
    if let Some(new) = new_target {
        *target = Some(new.clone());
    }
    Ok(())
}

/// Serves an account behind its gate, which answers only what is on disk: the routes, and an answer to all that is unknown. The answer is the server's handle, and the task in
/// which it runs.
macro_rules! serve {
    ($world:ident: $kind:ty, $listener:expr, $url:expr, $gate:path, [$($routes:expr),+ $(,)?], $unknown:path) => {{
        let data = actix_web::web::Data::from(std::sync::Arc::clone(&$world));
        let server = actix_web::HttpServer::new(move || {
            actix_web::App::new()
                .app_data(data.clone())
                .app_data(actix_web::web::PayloadConfig::new(crate::listening::BODY_LIMIT))
                .wrap(actix_web::middleware::from_fn($gate))
                .wrap(actix_web::middleware::from_fn(crate::door::kept::<$kind>))
                $(.configure($routes))+
                .default_service(actix_web::web::to($unknown))
        })
        .workers(2)
        .shutdown_timeout(2)
        .disable_signals()
        .on_connect(crate::spoiling::keep_wire)
        .listen($listener)
        .map_err(|source| crate::SandboxError::Listen {
            address: $url.to_string(),
            source,
        })?
        .run();
        let handle = server.handle();
        let task = tokio::spawn(async move {
            // The server ends when it is told to; its error would be one of accepting, which it retries.
            let _ = server.await;
        });
        (handle, task)
    }};
}

pub(crate) use serve;
