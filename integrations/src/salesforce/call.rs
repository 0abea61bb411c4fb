//! The calls to one account's API.
//!
//! Owns: addresses, the headers that go with every call, and what counts as an answer. Refuses: an address that an answer named outside of the API: the
//! next page of a list is a path below it. Invariant: every call says who we are, so that an account can tell our changes from its people's.

use super::{
    API_VERSION, Salesforce,
    descriptor::Object,
    limits,
    shape::{Selection, Shape},
    soql::Query,
    wire::{self, DescribeBody},
};
use crate::{
    connector::Context,
    error::{ConnectorError, Result},
    http::{Answer, Body, Call},
};
use http::{HeaderName, HeaderValue, Method};
use serde::Serialize;
use std::sync::Arc;
use url::Url;

/// Who we are, in the history of the account's changes.
const CALLER: (HeaderName, HeaderValue) = (
    HeaderName::from_static("sforce-call-options"),
    HeaderValue::from_static("client=entente"),
);

/// Whether a query sees what is in the bin, and what went into other records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bin {
    Hidden,
    Shown,
}

/// The answer to a query, with what is needed to read it.
pub(super) struct Asked {
    pub(super) shape: Arc<Shape>,
    pub(super) selection: Selection,
    pub(super) answer: Answer,
}

impl Salesforce {
    /// The address of a path below the API's version.
    pub(super) fn address(&self, ctx: &Context<'_>, path: &str) -> Result<Url> {
        let mut url = self.home(ctx)?;
        url.set_path(&format!("/services/data/{API_VERSION}/{path}"));
        Ok(url)
    }

    fn home(&self, ctx: &Context<'_>) -> Result<Url> {
        ctx.api.cloned().ok_or_else(|| {
            ConnectorError::permanent(
                "no_instance",
                "the connection does not say where the account's API is; connect it again",
            )
        })
    }

    /// Sends a call; what is no success is an error.
    pub(super) async fn send(&self, ctx: &Context<'_>, call: Call) -> Result<Answer> {
        let (name, value) = CALLER;
        let answer = ctx.http.send(&call.header(name, value)).await?;
        if answer.is_success() {
            Ok(answer)
        } else {
            Err(limits::refusal(&answer))
        }
    }

    /// Reads a path below the API's version.
    pub(super) async fn get(
        &self,
        ctx: &Context<'_>,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Answer> {
        let mut url = self.address(ctx, path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.send(ctx, Call::get(url)).await
    }

    /// Sends JSON to a path below the API's version.
    pub(super) async fn put_json<T: Serialize + Sync + ?Sized>(
        &self,
        ctx: &Context<'_>,
        method: Method,
        path: &str,
        body: &T,
    ) -> Result<Answer> {
        let url = self.address(ctx, path)?;
        let call = Call::json(method, url, body).map_err(|_| {
            ConnectorError::permanent("invalid_request", "the request has no JSON form")
        })?;
        self.send(ctx, call).await
    }

    /// Deletes what a path below the API's version names.
    pub(super) async fn delete(
        &self,
        ctx: &Context<'_>,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Answer> {
        let mut url = self.address(ctx, path)?;
        url.query_pairs_mut().extend_pairs(query);
        self.send(ctx, Call::new(Method::DELETE, url, Body::Empty))
            .await
    }

    /// Asks a query.
    pub(super) async fn query(&self, ctx: &Context<'_>, bin: Bin, soql: &str) -> Result<Answer> {
        let path = match bin {
            Bin::Hidden => "query",
            Bin::Shown => "queryAll",
        };
        self.get(ctx, path, &[("q", soql)]).await
    }

    /// Asks for the next page of a query.
    pub(super) async fn next_page(&self, ctx: &Context<'_>, path: &str) -> Result<Answer> {
        if !path.starts_with("/services/data/") || path.contains(['?', '#', '\\']) {
            return Err(ConnectorError::schema(
                "the next page of a query is said to be outside of the API",
            ));
        }
        let mut url = self.home(ctx)?;
        url.set_path(path);
        self.send(ctx, Call::get(url)).await
    }

    /// What an object looks like, read now.
    pub(super) async fn read_shape(
        &self,
        ctx: &Context<'_>,
        object: &'static str,
    ) -> Result<Arc<Shape>> {
        let answer = self
            .get(ctx, &format!("sobjects/{object}/describe"), &[])
            .await?;
        let body: DescribeBody = wire::read(&answer.body)?;
        if body.name != object {
            return Err(ConnectorError::schema(format!(
                "asked about {object}, Salesforce described {}",
                wire::clipped(&body.name)
            )));
        }
        let now_ms = ctx.clock.now().millis();
        Ok(self
            .shapes
            .learn(ctx.tenant_id, object, now_ms, Shape::of(body)))
    }

    /// What an object looks like, as far as that was read lately; else read now.
    pub(super) async fn shape(
        &self,
        ctx: &Context<'_>,
        object: &'static str,
    ) -> Result<Arc<Shape>> {
        let now_ms = ctx.clock.now().millis();
        match self.shapes.known(ctx.tenant_id, object, now_ms) {
            Some(shape) => Ok(shape),
            None => self.read_shape(ctx, object).await,
        }
    }

    /// Asks for records of an object. Where a field has gone since the object was described, it is described anew and asked once more.
    pub(super) async fn ask<F>(
        &self,
        ctx: &Context<'_>,
        object: Object,
        wanted: &[String],
        bin: Bin,
        narrowed: F,
    ) -> Result<Asked>
    where
        F: for<'q> Fn(Query<'q>) -> Query<'q> + Send + Sync,
    {
        let mut shape = self.shape(ctx, object.name).await?;
        let mut is_fresh = false;
        loop {
            let selection = Selection::of(object, &shape, wanted);
            let soql = narrowed(Query::new(&selection.columns, object.name)).text();
            match self.query(ctx, bin, &soql).await {
                Ok(answer) => {
                    return Ok(Asked {
                        shape,
                        selection,
                        answer,
                    });
                }
                Err(error) if is_unknown_field(&error) && !is_fresh => {
                    self.shapes.forget(ctx.tenant_id, object.name);
                    shape = self.read_shape(ctx, object.name).await?;
                    is_fresh = true;
                }
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether a query named a field that is not there, or may not be read.
pub(super) fn is_unknown_field(error: &ConnectorError) -> bool {
    matches!(error, ConnectorError::Permanent { code, .. } if code == "INVALID_FIELD")
}

/// Whether an object is not there, or may not be read at all.
pub(super) fn is_unknown_object(error: &ConnectorError) -> bool {
    match error {
        ConnectorError::Permanent { code, .. } => code == "INVALID_TYPE",
        ConnectorError::NotFound { .. } => true,
        _ => false,
    }
}
