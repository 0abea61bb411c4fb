//! The process that holds a vendor's records.

use super::vendors::Vendor;
use sandbox::App;
use serde_json::json;
use std::any::Any;
use url::Url;

/// The app that connects.
pub const CLIENT_ID: &str = "entente-bench";
/// Its secret.
pub const CLIENT_SECRET: &str = "the-secret-of-the-bench-app";

/// A double: where it is, and what keeps it running.
pub type Running = (Url, Box<dyn Any>);

/// Where a consent returns to. Nobody listens there: the engine's process reads the redirect itself.
pub fn redirect_uri(vendor: &str) -> String {
    format!("http://127.0.0.1:8080/oauth/callback/{vendor}")
}

/// The app as it is registered with a vendor.
pub fn app(vendor: &str) -> App {
    App {
        app_id: 920_001,
        client_id: CLIENT_ID.to_owned(),
        client_secret: CLIENT_SECRET.to_owned(),
        redirect_uris: vec![redirect_uri(vendor)],
    }
}

/// Serves a vendor with so many records until it is told to end.
pub fn serve(vendor: &Vendor, count: usize) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (url, _running) = (vendor.start)(count).await;
        println!("{}", json!({ "url": url }));
        tokio::signal::ctrl_c()
            .await
            .expect("signals can be waited for");
    });
}
