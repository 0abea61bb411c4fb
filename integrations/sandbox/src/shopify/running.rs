//! Running bulk operations, and giving out their results.
//!
//! Owns: the worker, the files, byte ranges. Invariant: an operation that was running when the sandbox ended runs again at the next start.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{ACCEPT_RANGES, CONTENT_RANGE, RANGE};
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::Map;
use tokio::sync::mpsc::UnboundedReceiver;

use super::Shop;
use super::bulk::{self, Rows, Status};
use super::graphql::{self, Rule, Work};
use super::resolve::{Answering, At};
use super::tokens::Access;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.route("/bulk/{key}.jsonl", web::get().to(fetch));
}

/// Takes operations up until the shop stops.
pub(crate) async fn run(shop: Arc<Shop>, mut inbox: UnboundedReceiver<u64>) {
    loop {
        let id = tokio::select! {
            id = inbox.recv() => id,
            () = shop.stopping() => return,
        };
        let Some(id) = id else {
            return;
        };
        let shop = Arc::clone(&shop);
        tokio::spawn(async move {
            tokio::select! {
                () = operate(&shop, id) => {}
                () = shop.stopping() => {}
            }
        });
    }
}

async fn operate(shop: &Shop, id: u64) {
    let half = shop.limits.bulk_delay / 2;
    pause(half).await;
    set(shop, id, Status::Created, Status::Running);
    pause(half).await;
    let (mut rows, mut after, mut failed) = (Rows::default(), None, false);
    loop {
        match step(shop, id, after.as_deref(), &mut rows) {
            Step::More(cursor) => after = Some(cursor),
            Step::Done => break,
            Step::Denied => {
                failed = true;
                break;
            }
            Step::Cancelled => return finish(shop, id, Status::Canceled, None),
        }
        tokio::task::yield_now().await;
    }
    let (roots, objects) = (rows.roots, rows.objects);
    let text = rows.file();
    let size = text.len() as u64;
    let key = shop
        .store
        .read()
        .operations
        .get(&id)
        .map(|operation| operation.key.clone());
    if let Some(key) = key
        && shop.keep_result(&key, text.into_bytes()).is_err()
    {
        return finish(shop, id, Status::Failed, Some("INTERNAL_SERVER_ERROR"));
    }
    shop.store.change(|change| {
        if let Some(operation) = change.state.operations.get_mut(&id) {
            operation.roots = roots;
            operation.objects = objects;
            operation.size = Some(size);
        }
    });
    if failed {
        finish(shop, id, Status::Failed, Some("ACCESS_DENIED"));
    } else {
        finish(shop, id, Status::Completed, None);
    }
}

async fn pause(time: Duration) {
    if !time.is_zero() {
        tokio::time::sleep(time).await;
    }
}

fn set(shop: &Shop, id: u64, from: Status, to: Status) {
    shop.store.change(|change| {
        if let Some(operation) = change
            .state
            .operations
            .get_mut(&id)
            .filter(|operation| operation.status == from)
        {
            operation.status = to;
        }
    });
}

fn finish(shop: &Shop, id: u64, status: Status, error: Option<&str>) {
    shop.store.change(|change| {
        let now = change.now;
        let Some(operation) = change.state.operations.get_mut(&id) else {
            return;
        };
        operation.status = if operation.status == Status::Canceling {
            Status::Canceled
        } else {
            status
        };
        operation.completed_at = Some(now);
        operation.error_code = error.map(str::to_owned);
        let body = operation.finished();
        change.tell("bulk_operations/finish", body);
    });
}

enum Step {
    More(String),
    Done,
    Denied,
    Cancelled,
}

fn step(shop: &Shop, id: u64, after: Option<&str>, rows: &mut Rows) -> Step {
    let mut state = shop.store.read();
    let Some(operation) = state.operations.get(&id).cloned() else {
        return Step::Cancelled;
    };
    if operation.status == Status::Canceling {
        return Step::Cancelled;
    }
    let Some((document, definition)) = bulk::step(&operation.query, after) else {
        return Step::Denied;
    };
    let variables = Map::new();
    let work = Work {
        schema: &shop.schema,
        document: &document,
        operation: &definition,
        variables: &variables,
        rule: Rule::Logarithm,
    };
    let caller = Access::of(operation.scopes.clone());
    let mut answering = Answering {
        shop,
        now: shop.clock.now_ms(),
        state: &mut state,
        caller: &caller,
        unlimited: true,
        next: None,
        warnings: Vec::new(),
        uninstall: false,
    };
    let (data, problems, _) = graphql::execute(&work, &mut answering, &At::Query);
    let next = answering.next.take();
    drop(state);
    rows.add(&data, operation.together);
    if !problems.is_empty() {
        return Step::Denied;
    }
    next.map_or(Step::Done, Step::More)
}

/// The bytes a `Range` header asks for; `None` for all of them, `Err` for none there are.
fn range(header: Option<&str>, length: usize) -> Result<Option<(usize, usize)>, ()> {
    let Some(spec) = header.and_then(|header| header.strip_prefix("bytes=")) else {
        return Ok(None);
    };
    let Some((from, to)) = spec.split_once('-') else {
        return Ok(None);
    };
    let (from, to) = match (from.parse::<usize>(), to.parse::<usize>()) {
        (Ok(from), Ok(to)) => (from, to.saturating_add(1).min(length)),
        (Ok(from), Err(_)) if to.is_empty() => (from, length),
        (Err(_), Ok(last)) if from.is_empty() => (length.saturating_sub(last), length),
        _ => return Ok(None),
    };
    if from >= to {
        Err(())
    } else {
        Ok(Some((from, to)))
    }
}

async fn fetch(
    shop: web::Data<Shop>,
    request: HttpRequest,
    path: web::Path<String>,
) -> HttpResponse {
    let now = shop.clock.now_ms();
    let lasts = shop
        .store
        .read()
        .operations
        .values()
        .find(|operation| operation.key == *path)
        .map(|operation| operation.lasts(now));
    match lasts {
        Some(true) => {}
        Some(false) => {
            let body = "<?xml version='1.0' encoding='UTF-8'?><Error><Code>ExpiredToken</Code><Message>Invalid argument.</Message></Error>";
            return HttpResponse::BadRequest()
                .content_type("application/xml")
                .body(body);
        }
        None => {
            let body = "<?xml version='1.0' encoding='UTF-8'?><Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>";
            return HttpResponse::NotFound()
                .content_type("application/xml")
                .body(body);
        }
    }
    let Some(bytes) = shop.result(&path) else {
        return HttpResponse::NotFound().finish();
    };
    let asked = request
        .headers()
        .get(RANGE)
        .and_then(|value| value.to_str().ok());
    match range(asked, bytes.len()) {
        Ok(None) => HttpResponse::Ok()
            .insert_header((ACCEPT_RANGES, "bytes"))
            .content_type("application/jsonl")
            .body(bytes),
        Ok(Some((from, to))) => HttpResponse::PartialContent()
            .insert_header((ACCEPT_RANGES, "bytes"))
            .insert_header((
                CONTENT_RANGE,
                format!("bytes {from}-{}/{}", to - 1, bytes.len()),
            ))
            .content_type("application/jsonl")
            .body(bytes.slice(from..to)),
        Err(()) => HttpResponse::RangeNotSatisfiable()
            .insert_header((CONTENT_RANGE, format!("bytes */{}", bytes.len())))
            .finish(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(range(None, 10), Ok(None));
        assert_eq!(range(Some("bytes=2-4"), 10), Ok(Some((2, 5))));
        assert_eq!(range(Some("bytes=2-"), 10), Ok(Some((2, 10))));
        assert_eq!(range(Some("bytes=-3"), 10), Ok(Some((7, 10))));
        assert_eq!(range(Some("bytes=10-"), 10), Err(()));
        assert_eq!(range(Some("lines=1-2"), 10), Ok(None));
    }
}
