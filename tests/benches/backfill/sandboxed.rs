//! The process that holds the CRM.

use sandbox::{App, Faults, HubSpot, HubSpotOptions, Limits, Source};
use serde_json::json;
use std::net::{Ipv4Addr, SocketAddr};

/// The app that connects.
pub const CLIENT_ID: &str = "entente-bench";
/// Its secret.
pub const CLIENT_SECRET: &str = "the-secret-of-the-bench-app";
/// Where a consent returns to. Nobody listens there: the engine's process reads the redirect itself.
pub const REDIRECT_URI: &str = "http://127.0.0.1:8080/oauth/callback/hubspot";

/// Serves a CRM with this many deals until it is told to end.
pub fn serve(deals: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let options = HubSpotOptions {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            state: None,
            source: Source::Generated { deals },
            app: App {
                app_id: 920_001,
                client_id: CLIENT_ID.to_owned(),
                client_secret: CLIENT_SECRET.to_owned(),
                redirect_uris: vec![REDIRECT_URI.to_owned()],
            },
            webhook_target: None,
            limits: Limits::none(),
            faults: Faults::default(),
            seed: 7,
        };
        let sandbox = HubSpot::start(options).await.expect("the sandbox starts");
        println!("{}", json!({ "url": sandbox.url() }));
        tokio::signal::ctrl_c()
            .await
            .expect("signals can be waited for");
        sandbox.stop().await.expect("the sandbox stops");
    });
}
