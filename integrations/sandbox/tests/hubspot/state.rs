use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use sandbox::hubspot::{DEAL_TO_PARTNER, DEAL_TO_PRIMARY_COMPANY};
use sandbox::{HubSpot, HubSpotOptions, Kind, SandboxError, Source};
use serde_json::json;

use crate::harness::{Client, options, token};

fn kept(folder: &Path, source: Source) -> HubSpotOptions {
    HubSpotOptions {
        state: Some(folder.to_owned()),
        ..options(source)
    }
}

const GENERATED: Source = Source::Generated { deals: 60 };

#[tokio::test]
async fn a_restart_continues() {
    let folder = tempfile::tempdir().unwrap();
    let hubspot = HubSpot::start(kept(folder.path(), GENERATED))
        .await
        .unwrap();
    let client = Client::connect(hubspot.url()).await;
    let store = hubspot.store();
    let (url, portal) = (hubspot.url(), hubspot.portal_id());
    let made = store
        .create(Kind::Deals, &[("dealname", "Made"), ("my_field", "x")])
        .unwrap();
    let company = store.ids(Kind::Companies)[0];
    let other = store.ids(Kind::Companies)[1];
    store
        .associate(
            (Kind::Deals, made),
            (Kind::Companies, company),
            DEAL_TO_PARTNER,
        )
        .unwrap();
    let gone = store.ids(Kind::Deals)[3];
    store.archive(Kind::Deals, gone).unwrap();
    let into = store.merge(Kind::Companies, company, other).unwrap();
    let label = store.add_label(Kind::Deals, Kind::Companies, "Referrer");
    let before: Vec<_> = store
        .ids(Kind::Deals)
        .iter()
        .map(|id| store.get(Kind::Deals, *id))
        .collect();
    hubspot.stop().await.unwrap();

    let mut other_secret = kept(folder.path(), GENERATED);
    other_secret.app.client_secret = "another".to_owned();
    let hubspot = HubSpot::start(other_secret).await.unwrap();
    assert_eq!((hubspot.url(), hubspot.portal_id()), (url, portal));
    assert_eq!(hubspot.app().client_secret, crate::harness::SECRET);
    let store = hubspot.store();
    let after: Vec<_> = store
        .ids(Kind::Deals)
        .iter()
        .map(|id| store.get(Kind::Deals, *id))
        .collect();
    assert_eq!(before, after);
    assert!(store.get(Kind::Deals, gone).unwrap().archived_at.is_some());
    assert_eq!(store.get(Kind::Companies, company).unwrap().id, into);
    assert_eq!(
        store
            .link_types((Kind::Companies, into), (Kind::Deals, made))
            .len(),
        2
    );
    assert!(
        store
            .associate((Kind::Deals, made), (Kind::Companies, into), label)
            .is_ok()
    );
    client
        .get("/crm/objects/2026-09/deals?properties=my_field")
        .await;
    let form = [
        ("grant_type", "refresh_token"),
        ("refresh_token", client.refresh.as_str()),
    ];
    assert_eq!(token(&hubspot.url(), &form).await.0, 200);
    assert!(store.create(Kind::Deals, &[]).unwrap() > made);
    hubspot.stop().await.unwrap();
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_when_it_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let hubspot = HubSpot::start(kept(folder.path(), GENERATED))
        .await
        .unwrap();
    let client = Client::connect(hubspot.url()).await;
    // The state as a kill in this moment would leave it: the tokens must be there already.
    let at_once = copied(folder.path());
    let deal = hubspot
        .store()
        .create(Kind::Deals, &[("dealname", "Late")])
        .unwrap();
    let company = hubspot.store().ids(Kind::Companies)[0];
    hubspot
        .store()
        .associate(
            (Kind::Deals, deal),
            (Kind::Companies, company),
            DEAL_TO_PRIMARY_COMPANY,
        )
        .unwrap();
    let journal = folder.path().join("journal-1.jsonl");
    let began = std::time::Instant::now();
    while fs::read_to_string(&journal).unwrap().lines().count() < 3 {
        assert!(
            began.elapsed() < Duration::from_secs(5),
            "edits reach the disk within a second"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let later = copied(folder.path());
    // The kill cut the last line.
    let mut cut = fs::OpenOptions::new()
        .append(true)
        .open(later.path().join("journal-1.jsonl"))
        .unwrap();
    cut.write_all(br#"{"op":"put","kind":"deals","rec"#)
        .unwrap();
    drop(hubspot);

    for (state, has_deal) in [(&at_once, false), (&later, true)] {
        let hubspot = HubSpot::start(kept(state.path(), GENERATED)).await.unwrap();
        let again = Client {
            base: hubspot.url(),
            http: client.http.clone(),
            token: client.token.clone(),
            refresh: client.refresh.clone(),
        };
        again.get("/crm/objects/2026-09/deals").await;
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", client.refresh.as_str()),
        ];
        assert_eq!(token(&hubspot.url(), &form).await.0, 200);
        assert_eq!(hubspot.store().get(Kind::Deals, deal).is_some(), has_deal);
        if has_deal {
            assert_eq!(
                hubspot
                    .store()
                    .link_types((Kind::Deals, deal), (Kind::Companies, company))
                    .len(),
                2
            );
        }
        // What is written behind a cut line must be readable at the next start.
        let next = hubspot.store().create(Kind::Deals, &[]).unwrap();
        hubspot.stop().await.unwrap();
        let hubspot = HubSpot::start(kept(state.path(), GENERATED)).await.unwrap();
        assert!(hubspot.store().get(Kind::Deals, next).is_some());
        hubspot.stop().await.unwrap();
    }
}

fn copied(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

#[tokio::test]
async fn another_source_app_or_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let hubspot = HubSpot::start(kept(folder.path(), Source::Empty))
        .await
        .unwrap();
    let busy = HubSpot::start(kept(folder.path(), Source::Empty))
        .await
        .unwrap_err();
    assert!(matches!(busy, SandboxError::Busy { .. }), "{busy}");
    hubspot.stop().await.unwrap();
    let other = HubSpot::start(kept(folder.path(), GENERATED))
        .await
        .unwrap_err();
    assert!(matches!(other, SandboxError::OtherSource { .. }), "{other}");
    assert_eq!(other.to_string().lines().count(), 1);
    let mut app = kept(folder.path(), Source::Empty);
    app.app.client_id = "other".to_owned();
    let other = HubSpot::start(app).await.unwrap_err();
    assert!(matches!(other, SandboxError::OtherApp { .. }), "{other}");
}

#[tokio::test]
async fn options_that_reach_beyond_loopback_are_refused() {
    let refused = |change: fn(&mut HubSpotOptions)| async move {
        let mut options = options(Source::Empty);
        change(&mut options);
        let error = HubSpot::start(options).await.unwrap_err();
        assert!(matches!(error, SandboxError::Option { .. }), "{error}");
    };
    refused(|o| o.listen = "0.0.0.0:0".parse().unwrap()).await;
    refused(|o| o.webhook_target = Some("http://10.0.0.1/".parse().unwrap())).await;
    refused(|o| o.webhook_target = Some("ftp://127.0.0.1/".parse().unwrap())).await;
    refused(|o| o.app.redirect_uris = vec!["*".to_owned()]).await;
    refused(|o| o.app.redirect_uris = vec!["https://*.example.com/".to_owned()]).await;
    refused(|o| o.app.redirect_uris = vec!["http://example.com/".to_owned()]).await;
    refused(|o| o.app.client_secret = String::new()).await;
}

#[tokio::test]
async fn a_new_target_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let hubspot = HubSpot::start(kept(folder.path(), Source::Empty))
        .await
        .unwrap();
    hubspot
        .set_webhook_target(Some("http://127.0.0.1:1/hook".parse().unwrap()))
        .unwrap();
    hubspot.stop().await.unwrap();
    let head = fs::read_to_string(folder.path().join("portal.json")).unwrap();
    let head: serde_json::Value = serde_json::from_str(&head).unwrap();
    assert_eq!(head["webhook_target"], json!("http://127.0.0.1:1/hook"));
}

/// A figure, not a check: run with `--run-ignored only` and an optimised build to see it.
#[tokio::test]
#[ignore = "prints how long a large portal takes"]
async fn a_hundred_thousand_deals() {
    let folder = tempfile::tempdir().unwrap();
    let large = Source::Generated { deals: 100_000 };
    let began = std::time::Instant::now();
    let hubspot = HubSpot::start(kept(folder.path(), large.clone()))
        .await
        .unwrap();
    eprintln!("made in {:?}", began.elapsed());
    let client = Client::connect(hubspot.url()).await;
    let began = std::time::Instant::now();
    let mut after = 0;
    for _ in 0..100 {
        let path =
            format!("/crm/objects/2026-09/deals?limit=100&associations=companies&after={after}");
        let page = client.get(&path).await;
        after = page["paging"]["next"]["after"]
            .as_str()
            .unwrap()
            .parse::<u64>()
            .unwrap();
    }
    eprintln!("10,000 deals listed in {:?}", began.elapsed());
    let began = std::time::Instant::now();
    let since = json!({"filterGroups": [{"filters": [{"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": "0"}]}],
        "sorts": ["hs_lastmodifieddate"], "limit": 200});
    client.search("deals", since).await;
    eprintln!("all of them searched in {:?}", began.elapsed());
    hubspot.stop().await.unwrap();
    let began = std::time::Instant::now();
    let hubspot = HubSpot::start(kept(folder.path(), large)).await.unwrap();
    eprintln!("continued in {:?}", began.elapsed());
    let memory = fs::read_to_string("/proc/self/status").unwrap();
    eprintln!(
        "{}",
        memory
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .unwrap()
    );
    hubspot.stop().await.unwrap();
}

#[tokio::test]
async fn what_was_answered_is_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let hubspot = HubSpot::start(kept(folder.path(), Source::Empty))
        .await
        .unwrap();
    let client = Client::connect(hubspot.url()).await;
    for n in 1..=5 {
        let body = json!({ "properties": { "name": format!("Kept {n}") } });
        let (status, made) = client.post("/crm/objects/2026-09/companies", body).await;
        assert_eq!(status, 201, "{made}");
        // A process that dies now leaves this.
        let copy = copied(folder.path());
        let again = HubSpot::start(kept(copy.path(), Source::Empty))
            .await
            .unwrap();
        assert_eq!(again.store().count(Kind::Companies), n);
        again.stop().await.unwrap();
    }
    hubspot.stop().await.unwrap();
}
