//! Whether the process lives, and whether it may be sent requests. Both are open to everybody and say nothing else.

use super::problem::problem;
use crate::graphql::error::ErrorCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use futures::future::LocalBoxFuture;
use std::time::Duration;

/// A readiness check that takes longer has failed.
const LONGEST_CHECK: Duration = Duration::from_secs(2);

type Check = dyn Fn() -> LocalBoxFuture<'static, Result<(), &'static str>> + Send + Sync;

/// How readiness is found out. The error names the part that is not ready (`database`, `migrations`, `keys`), never why: the reason is for the
/// log.
pub struct Readiness(Box<Check>);

impl Readiness {
    /// Readiness as `check` says.
    pub fn new<C, F>(check: C) -> Self
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), &'static str>> + 'static,
    {
        Self(Box::new(move || Box::pin(check())))
    }
}

/// `GET /healthz`: the process answers.
pub async fn healthz() -> HttpResponse {
    ok("ok")
}

/// `GET /readyz`: what requests need is there. Without a [`Readiness`] in the application's data nothing is ready.
pub async fn readyz(request: HttpRequest) -> HttpResponse {
    let Some(readiness) = request.app_data::<web::Data<Readiness>>() else {
        return problem(&request, ErrorCode::Unavailable, "Not ready: unchecked.");
    };
    let part = match tokio::time::timeout(LONGEST_CHECK, (readiness.0)()).await {
        Ok(Ok(())) => return ok("ready"),
        Ok(Err(part)) => part,
        Err(_) => "timeout",
    };
    tracing::warn!(part, "not ready");
    problem(
        &request,
        ErrorCode::Unavailable,
        &format!("Not ready: {part}."),
    )
}

fn ok(status: &str) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(serde_json::json!({"status": status}))
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        reason = "tests"
    )]
    use super::*;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, http::StatusCode};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[actix_web::test]
    async fn health_is_the_process_and_readiness_is_the_check() {
        let up = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&up);
        let readiness = web::Data::new(Readiness::new(move || {
            let up = seen.load(Ordering::SeqCst);
            async move { if up { Ok(()) } else { Err("database") } }
        }));
        let app = App::new()
            .app_data(readiness)
            .route("/healthz", web::get().to(healthz))
            .route("/readyz", web::get().to(readyz));
        let app = init_service(app).await;
        let get = |path: &str| call_service(&app, TestRequest::get().uri(path).to_request());
        let health = get("/healthz").await;
        assert_eq!(health.status(), StatusCode::OK);
        assert_eq!(read_body(health).await, r#"{"status":"ok"}"#);
        assert_eq!(
            get("/readyz").await.status(),
            StatusCode::SERVICE_UNAVAILABLE
        );
        up.store(true, Ordering::SeqCst);
        assert_eq!(get("/readyz").await.status(), StatusCode::OK);
    }

    #[actix_web::test]
    async fn unchecked_is_not_ready() {
        let app = init_service(App::new().route("/readyz", web::get().to(readyz))).await;
        let response = call_service(&app, TestRequest::get().uri("/readyz").to_request()).await;
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
}
