//! Everything by a bulk operation.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A shop with many customers, whose file holds these lines.
struct Bulk {
    status: Arc<Mutex<Value>>,
    rig: Rig,
}

fn lines(ids: std::ops::Range<usize>) -> String {
    ids.map(|id| {
        customer(&(id + 1).to_string())
            .to_string()
            .replace('/', "\\/")
            + "\n"
    })
    .collect()
}

async fn bulk(file: String, ranges: bool) -> Bulk {
    let status = Arc::new(Mutex::new(
        json!({"status": "RUNNING", "objectCount": "5", "url": null}),
    ));
    let told = Arc::clone(&status);
    let address = Arc::new(Mutex::new(String::new()));
    let known = Arc::clone(&address);
    let rig = Rig::raw(move |seen| {
        if seen.method == "GET" {
            assert!(seen.header("x-shopify-access-token").is_none(), "the token stays here");
            return piece(seen, &file, ranges);
        }
        assert_eq!(seen.header("x-shopify-access-token"), Some("shpat_s3cret"));
        let posted = posted(seen);
        match posted.name.as_str() {
            "CustomersCount" => data(json!({"counted": {"count": 2001}})),
            "CustomersPage" => {
                assert_eq!(posted.variables["first"], 1);
                denied(json!(["page", "nodes", 0, "defaultPhoneNumber"]), page(&[customer("1")], Some("c")))
            }
            "BulkStart" => {
                let query = posted.variables["query"].as_str().unwrap();
                assert!(query.contains("edges") && !query.contains("defaultPhoneNumber"), "{query}");
                data(json!({"started": {"bulkOperation": {"id": "gid://shopify/BulkOperation/1", "status": "CREATED"}, "userErrors": []}}))
            }
            "BulkStatus" => {
                assert_eq!(posted.variables["id"], "gid://shopify/BulkOperation/1");
                let mut operation = told.lock().unwrap().clone();
                if operation["url"] == "FILE" {
                    operation["url"] = json!(*known.lock().unwrap());
                }
                data(json!({"bulkOperation": operation}))
            }
            other => panic!("{other}"),
        }
    })
    .await;
    *address.lock().unwrap() = rig
        .server
        .url()
        .join("/file?signature=s3cret")
        .unwrap()
        .to_string();
    Bulk { status, rig }
}

fn piece(seen: &Seen, file: &str, ranges: bool) -> Reply {
    assert_eq!(seen.header("accept-encoding"), Some("identity"));
    let whole = |status: u16, headers: &str, body: &str| {
        let text = format!(
            "HTTP/1.1 {status} X\r\ncontent-length: {}\r\n{headers}\r\n{body}",
            body.len()
        );
        Reply::Whole(text.into_bytes())
    };
    if !ranges {
        return whole(200, "", file);
    }
    let range = seen
        .header("range")
        .unwrap()
        .strip_prefix("bytes=")
        .unwrap()
        .trim();
    let (first, last) = range.split_once('-').unwrap();
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    if first >= file.len() {
        return whole(416, "", "");
    }
    let last = last.min(file.len() - 1);
    let headers = format!("content-range: bytes {first}-{last}/{}\r\n", file.len());
    whole(206, &headers, &file[first..=last])
}

impl Bulk {
    fn set(&self, status: Value) {
        *self.status.lock().unwrap() = status;
    }

    async fn next(&self, cursor: Option<&Value>) -> Result<Page, ConnectorError> {
        self.rig
            .page(Resource::Contact, Mode::Backfill, cursor)
            .await
    }

    async fn started(&self) -> Value {
        let page = self.next(None).await.unwrap();
        assert!(page.records.is_empty() && page.wait > Some(Duration::ZERO));
        page.next.cursor().clone()
    }
}

#[tokio::test]
async fn a_large_shop_is_read_from_a_file_piece_by_piece() {
    let count = 3_000;
    let bulk = bulk(lines(0..count), true).await;
    let mut cursor = bulk.started().await;
    let waiting = bulk.next(Some(&cursor)).await.unwrap();
    assert!(waiting.records.is_empty() && waiting.wait.is_some());
    cursor = waiting.next.cursor().clone();
    bulk.set(json!({"status": "COMPLETED", "objectCount": "3000", "url": "FILE"}));
    let mut read = Vec::new();
    let mut pages = 0;
    loop {
        let page = bulk.next(Some(&cursor)).await.unwrap();
        assert!(page.malformed.is_empty() && page.wait.is_none());
        // What was denied beforehand is absent, although the file says null.
        assert!(
            page.records
                .iter()
                .all(|record| !record.fields.contains_key("phone")
                    && record.fields.contains_key("email"))
        );
        read.extend(page.records.into_iter().map(|record| record.external_id));
        pages += 1;
        cursor = page.next.cursor().clone();
        assert!(
            !cursor.to_string().contains("s3cret"),
            "no address is stored"
        );
        if page.next.is_caught_up() {
            break;
        }
    }
    let wanted: Vec<String> = (1..=count).map(|id| id.to_string()).collect();
    assert_eq!(read, wanted);
    assert!(pages > 2, "{pages}");
    assert_eq!(cursor, json!({"walk": "rest", "mark_ms": NOW - 60_000}));
}

#[tokio::test]
async fn a_place_without_ranges_gives_the_whole_file_at_once() {
    let bulk = bulk(lines(0..30), false).await;
    let cursor = bulk.started().await;
    bulk.set(json!({"status": "COMPLETED", "objectCount": "30", "url": "FILE"}));
    let page = bulk.next(Some(&cursor)).await.unwrap();
    assert!(page.records.len() == 30 && page.next.is_caught_up());
}

/// Trap: children stand anywhere, and one bad line is one bad line.
#[tokio::test]
async fn lines_that_are_no_records_hold_nothing_up() {
    let mut file = String::from(
        "{\"id\":\"gid:\\/\\/shopify\\/LineItem\\/1\",\"__parentId\":\"gid:\\/\\/shopify\\/Customer\\/2\"}\n",
    );
    file += &lines(0..1);
    file += "{broken\n\n";
    file += lines(1..2).trim_end();
    let bulk = bulk(file, true).await;
    let cursor = bulk.started().await;
    bulk.set(json!({"status": "COMPLETED", "objectCount": "3", "url": "FILE"}));
    let page = bulk.next(Some(&cursor)).await.unwrap();
    assert_eq!((page.records.len(), page.malformed.len()), (2, 1));
    assert!(page.next.is_caught_up());
}

#[tokio::test]
async fn an_operation_that_ends_badly_has_its_way_on() {
    let bulk = bulk(String::new(), true).await;
    let cursor = bulk.started().await;
    bulk.set(json!({"status": "COMPLETED", "objectCount": "0", "url": null}));
    let empty = bulk.next(Some(&cursor)).await.unwrap();
    assert!(empty.records.is_empty() && empty.next.is_caught_up());
    for code in ["INTERNAL_SERVER_ERROR", "TIMEOUT"] {
        bulk.set(json!({"status": "FAILED", "errorCode": code, "objectCount": "9", "url": null}));
        let paged = bulk.next(Some(&cursor)).await.unwrap();
        assert_eq!(paged.next.cursor()["walk"], "pages", "page by page then");
    }
    bulk.set(
        json!({"status": "FAILED", "errorCode": "ACCESS_DENIED", "objectCount": "0", "url": null}),
    );
    assert!(permanent(
        &bulk.next(Some(&cursor)).await.unwrap_err(),
        "ACCESS_DENIED"
    ));
    for status in [
        json!({"status": "CANCELED", "objectCount": "0"}),
        json!({"status": "EXPIRED", "objectCount": "0"}),
        Value::Null,
    ] {
        bulk.set(status);
        let error = bulk.next(Some(&cursor)).await.unwrap_err();
        assert!(
            matches!(error, ConnectorError::CursorExpired { .. }),
            "{error:?}"
        );
    }
    // Webhooks spell the status in small letters; an answer that did is understood as well.
    bulk.set(json!({"status": "running", "objectCount": "99999"}));
    assert!(bulk.next(Some(&cursor)).await.unwrap().wait >= Some(Duration::from_secs(30)));
    bulk.set(json!({"status": "NAPPING", "objectCount": "0"}));
    assert_eq!(
        bulk.next(Some(&cursor)).await.unwrap_err().code(),
        "UNEXPECTED_ANSWER"
    );
}

#[tokio::test]
async fn a_crowded_shop_is_waited_for() {
    let tries = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let rig = Rig::new(move |posted| match posted.name.as_str() {
        "CustomersCount" => data(json!({"counted": {"count": 2001}})),
        "CustomersPage" => data(page(&[customer("1")], Some("c"))),
        "BulkStart" if counted.fetch_add(1, Ordering::SeqCst) == 0 => data(json!({"started": {"bulkOperation": null,
            "userErrors": [{"field": null, "message": "busy", "code": "OPERATION_IN_PROGRESS"}]}})),
        "BulkStart" => data(json!({"started": {"bulkOperation": null, "userErrors": [{"field": ["query"], "message": "no", "code": "INVALID"}]}})),
        other => panic!("{other}"),
    })
    .await;
    let page = rig
        .page(Resource::Contact, Mode::Backfill, None)
        .await
        .unwrap();
    assert_eq!(page.wait, Some(Duration::from_secs(60)));
    let error = rig
        .page(Resource::Contact, Mode::Backfill, Some(page.next.cursor()))
        .await
        .unwrap_err();
    assert!(permanent(&error, "INVALID"));
}

#[tokio::test]
async fn a_file_that_is_gone_or_stumbles_says_so() {
    for (status, code) in [
        (404, "CURSOR_EXPIRED"),
        (403, "CURSOR_EXPIRED"),
        (503, "TRANSIENT"),
        (400, "REFUSED_BY_VENDOR"),
        (302, "REFUSED_BY_VENDOR"),
    ] {
        let address = Arc::new(Mutex::new(String::new()));
        let known = Arc::clone(&address);
        let rig = Rig::raw(move |seen| match seen.method.as_str() {
            "GET" => answer(status, "", "<html>"),
            _ => data(json!({"bulkOperation": {"status": "COMPLETED", "objectCount": "1", "url": *known.lock().unwrap()}})),
        })
        .await;
        *address.lock().unwrap() = rig.server.url().join("/file").unwrap().to_string();
        let cursor = json!({"walk": "running", "job": "gid://shopify/BulkOperation/1", "frame": {"started_ms": NOW, "size": 50, "omitted": []}});
        let error = rig
            .page(Resource::Contact, Mode::Backfill, Some(&cursor))
            .await
            .unwrap_err();
        assert_eq!(error.code(), code, "{status}");
    }
}
