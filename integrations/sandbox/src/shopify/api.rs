//! The one endpoint of the Admin API: `POST /admin/api/{version}/graphql.json`.
//!
//! Invariant: a document with a problem, too high a cost or no room in the bucket does nothing; HTTP is 200 all the same.

use actix_web::{HttpMessage, HttpRequest, HttpResponse, web};
use async_graphql_parser::types::{DocumentOperations, ExecutableDocument, OperationDefinition};
use async_graphql_parser::{Error, Positioned, parse_query};
use serde_json::{Map, Value, json};

use super::Shop;
use super::gate::{Caller, throttled};
use super::graphql::{self, Problem, Rule, Work};
use super::resolve::{Answering, At};
use super::versions;

const PATH: &str = "/admin/api/{version}/graphql.json";

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(web::resource(PATH).route(web::post().to(serve)));
}

/// What a request asks.
struct Asked {
    query: String,
    variables: Map<String, Value>,
    operation: Option<String>,
}

fn read(request: &HttpRequest, body: &[u8]) -> Result<Asked, &'static str> {
    if request.content_type() == "application/graphql" {
        return Ok(Asked {
            query: String::from_utf8(body.to_vec()).map_err(|_| "Bad Request")?,
            variables: Map::new(),
            operation: None,
        });
    }
    let body: Value = serde_json::from_slice(body).map_err(|_| "Bad Request")?;
    let query = body
        .get("query")
        .and_then(Value::as_str)
        .ok_or("Required parameter missing or invalid: query")?;
    let variables = match body.get("variables") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(variables)) => variables.clone(),
        Some(_) => return Err("Required parameter missing or invalid: variables"),
    };
    Ok(Asked {
        query: query.to_owned(),
        variables,
        operation: body
            .get("operationName")
            .and_then(Value::as_str)
            .map(str::to_owned),
    })
}

fn problems(problems: &[Problem]) -> Value {
    json!({"errors": problems.iter().map(Problem::json).collect::<Vec<_>>()})
}

fn unreadable(error: &Error) -> Problem {
    let mut problem = match error {
        Error::Syntax { message, .. } => {
            // The first line says what; the rest draws where.
            let said = message
                .lines()
                .last()
                .unwrap_or_default()
                .trim_start_matches([' ', '='])
                .trim();
            Problem::new(format!("syntax error, {said}"))
        }
        other => Problem::new(other.to_string()),
    };
    for pos in error.positions() {
        problem = problem.at(pos);
    }
    problem
}

/// The operation that is meant.
fn chosen<'a>(
    document: &'a ExecutableDocument,
    name: Option<&str>,
) -> Result<&'a Positioned<OperationDefinition>, Problem> {
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Ok(operation),
        (DocumentOperations::Multiple(operations), Some(name)) => operations
            .get(name)
            .ok_or_else(|| Problem::new(format!("No operation named \"{name}\""))),
        (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => operations
            .values()
            .next()
            .ok_or_else(|| Problem::new("An operation name is required")),
        (DocumentOperations::Multiple(_), None) => {
            Err(Problem::new("An operation name is required"))
        }
        (DocumentOperations::Single(_), Some(name)) => {
            Err(Problem::new(format!("No operation named \"{name}\"")))
        }
    }
}

async fn serve(
    shop: web::Data<Shop>,
    caller: Caller,
    request: HttpRequest,
    path: web::Path<String>,
    body: web::Bytes,
) -> HttpResponse {
    let oldest = shop.oldest_version();
    let Some(version) = versions::serving(&path, oldest.as_deref()) else {
        return HttpResponse::NotFound().json(json!({"errors": "Not Found"}));
    };
    let asked = match read(&request, &body) {
        Ok(asked) => asked,
        Err(problem) => {
            return HttpResponse::BadRequest().json(json!({"errors": {"query": problem}}));
        }
    };
    let body = answer(&shop, &caller, &asked);
    HttpResponse::Ok()
        .insert_header(("X-Shopify-API-Version", version))
        .insert_header(("X-ShopId", shop.id().to_string()))
        .json(body)
}

fn answer(shop: &Shop, caller: &Caller, asked: &Asked) -> Value {
    let document = match parse_query(&asked.query) {
        Ok(document) => document,
        Err(error) => return problems(&[unreadable(&error)]),
    };
    let found = graphql::check(&shop.schema, &document);
    if !found.is_empty() {
        return problems(&found);
    }
    let operation = match chosen(&document, asked.operation.as_deref()) {
        Ok(operation) => &operation.node,
        Err(problem) => return problems(&[problem]),
    };
    let variables = match graphql::variables(&shop.schema, operation, &asked.variables) {
        Ok(variables) => variables,
        Err(found) => return problems(&found),
    };
    let rule = if shop.limits.linear_costs {
        Rule::Full
    } else {
        Rule::Logarithm
    };
    let requested = graphql::requested(&shop.schema, &document, operation, &variables, rule);
    let now = shop.clock.now_ms();
    if requested > u64::from(shop.limits.max_query_cost) {
        let max = shop.limits.max_query_cost;
        let problem = Problem::new(format!(
            "Query cost is {requested}, which exceeds the single query max cost limit ({max}).\n\nSee https://shopify.dev/concepts/about-apis/rate-limits for more information on how the\ncost of a query is calculated.\n\nTo query larger amounts of data with fewer limits, bulk operations should be used instead.\nSee https://shopify.dev/tutorials/perform-bulk-operations-with-admin-api for usage details."
        ))
        .code("MAX_COST_EXCEEDED")
        .with("cost", json!(requested))
        .with("maxCost", json!(max))
        .with("documentation", json!("https://shopify.dev/api/usage/rate-limits"));
        return problems(&[problem]);
    }
    if !shop.bucket.take(requested, now) {
        return throttled(shop, requested);
    }
    let work = Work {
        schema: &shop.schema,
        document: &document,
        operation,
        variables: &variables,
        rule,
    };
    let root = match operation.ty {
        async_graphql_parser::types::OperationType::Mutation => At::Mutation,
        _ => At::Query,
    };
    let mut state = shop.store.read();
    let mut answering = Answering {
        shop,
        state: &mut state,
        caller: &caller.0,
        now,
        unlimited: false,
        next: None,
        warnings: Vec::new(),
        uninstall: false,
    };
    let (data, found, actual) = graphql::execute(&work, &mut answering, &root);
    let (warnings, uninstall) = (answering.warnings, answering.uninstall);
    drop(state);
    shop.bucket.give_back(requested.saturating_sub(actual), now);
    if uninstall {
        shop.remove_app();
    }
    let mut body = Map::new();
    body.insert("data".to_owned(), data);
    if !found.is_empty() {
        body.insert(
            "errors".to_owned(),
            Value::Array(found.iter().map(Problem::json).collect()),
        );
    }
    let mut extensions = Map::new();
    extensions.insert(
        "cost".to_owned(),
        shop.bucket.shown(requested, Some(actual), now),
    );
    if !warnings.is_empty() {
        extensions.insert("search".to_owned(), Value::Array(warnings));
    }
    body.insert("extensions".to_owned(), Value::Object(extensions));
    Value::Object(body)
}
