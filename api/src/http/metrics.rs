//! Figures for Prometheus: their names, the recorder, and the address that shows them.
//!
//! Labels come from closed sets (route patterns, known methods, status codes), so that a caller cannot make up series. The figures tell
//! about the whole programme; they are shown to staff and integrations with the scope to read analytics, to nobody else.

mod connections;

pub use connections::ConnectionFigures;

use super::bearer::{Authenticate, authenticated};
use super::problem::{problem, unauthenticated};
use crate::graphql::error::ErrorCode;
use actix_web::http::header::CACHE_CONTROL;
use actix_web::{HttpRequest, HttpResponse, web};
use entities::viewer::Scope;
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};
use std::sync::Arc;

/// Seconds from a request's head to its answer's head, by `method`, `route` and `status`.
pub const HTTP_REQUEST_SECONDS: &str = "entente_http_request_seconds";

/// Requests that admission refused, by `code`.
pub const GRAPHQL_REFUSED: &str = "entente_graphql_refused_total";

/// Cost charged for operations, in objects.
pub const GRAPHQL_COST: &str = "entente_graphql_cost_total";

/// Upper bounds of the histogram's buckets, in seconds.
const SECONDS: &[f64] = &[
    0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0,
];

/// The figures cannot be recorded.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    /// The recorder's settings are not accepted.
    #[error("the metrics recorder cannot be built")]
    Build(#[from] metrics_exporter_prometheus::BuildError),
    /// Another recorder is in place.
    #[error("the process already records metrics elsewhere")]
    AlreadyInstalled,
}

/// A recorder with our buckets and descriptions, not yet in place.
///
/// # Errors
/// [`MetricsError::Build`].
pub fn recorder() -> Result<PrometheusRecorder, MetricsError> {
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full(HTTP_REQUEST_SECONDS.to_owned()), SECONDS)?;
    Ok(builder.build_recorder())
}

/// Records from now on, for the whole process.
///
/// # Errors
/// [`MetricsError::AlreadyInstalled`] when that was done before.
pub fn install() -> Result<PrometheusHandle, MetricsError> {
    let recorder = recorder()?;
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| MetricsError::AlreadyInstalled)?;
    describe();
    Ok(handle)
}

fn describe() {
    metrics::describe_histogram!(
        HTTP_REQUEST_SECONDS,
        metrics::Unit::Seconds,
        "From a request's head to its answer's head."
    );
    metrics::describe_counter!(
        GRAPHQL_REFUSED,
        "GraphQL requests refused before they ran, by code."
    );
    metrics::describe_counter!(
        GRAPHQL_COST,
        "Cost charged for GraphQL operations, in objects."
    );
}

/// Records one answered request.
pub fn record_request(method: &str, route: Option<&str>, status: u16, micros: i64) {
    const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    let method = METHODS
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("OTHER");
    let route = route.unwrap_or("none").to_owned();
    #[expect(
        clippy::cast_precision_loss,
        reason = "a request does not take a century"
    )]
    let seconds = micros as f64 / 1_000_000.0;
    metrics::histogram!(HTTP_REQUEST_SECONDS, "method" => method, "route" => route, "status" => status.to_string()).record(seconds);
}

/// Records a request that admission refused.
pub fn record_refusal(code: ErrorCode) {
    metrics::counter!(GRAPHQL_REFUSED, "code" => code.as_str()).increment(1);
}

/// Records what an operation was charged.
pub fn record_cost(cost: u64) {
    metrics::counter!(GRAPHQL_COST).increment(cost);
}

/// What the metrics address needs: the figures, and who may see them.
pub struct MetricsEndpoint {
    /// The recorder's figures.
    pub figures: PrometheusHandle,
    /// Verifies tokens.
    pub authenticate: Arc<dyn Authenticate>,
    /// The figures of the connections.
    pub connections: ConnectionFigures,
}

/// `GET /metrics`, in the text format of Prometheus.
pub async fn scrape(request: HttpRequest, endpoint: web::Data<MetricsEndpoint>) -> HttpResponse {
    let Some(claims) = authenticated(&request, endpoint.authenticate.as_ref()) else {
        return unauthenticated(&request);
    };
    if !(claims.viewer.sees_internal() && claims.viewer.may(Scope::AnalyticsRead)) {
        return problem(
            &request,
            ErrorCode::Forbidden,
            "The scope analytics:read is required.",
        );
    }
    // A database that does not answer must not hide the figures that tell of it.
    let connections = endpoint.connections.text().await.unwrap_or_else(|error| {
        tracing::warn!(%error, "the figures of the connections cannot be read");
        String::new()
    });
    endpoint.figures.run_upkeep();
    HttpResponse::Ok()
        .content_type("text/plain; version=0.0.4; charset=utf-8")
        .insert_header((CACHE_CONTROL, "no-store"))
        .body(format!("{}{connections}", endpoint.figures.render()))
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

    #[test]
    fn labels_come_from_closed_sets() {
        let recorder = recorder().unwrap();
        let figures = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            record_request("GET", Some("/graphql"), 200, 1_500);
            record_request("BREW", None, 404, 10);
            record_refusal(ErrorCode::TooDeep);
            record_cost(7);
        });
        let text = figures.render();
        assert!(text.contains(r#"entente_http_request_seconds_bucket{method="GET",route="/graphql",status="200",le="0.0025"} 1"#), "{text}");
        assert!(
            text.contains(r#"method="OTHER",route="none",status="404""#),
            "{text}"
        );
        assert!(
            text.contains(r#"entente_graphql_refused_total{code="TOO_DEEP"} 1"#),
            "{text}"
        );
        assert!(text.contains("entente_graphql_cost_total 7"), "{text}");
    }
}
