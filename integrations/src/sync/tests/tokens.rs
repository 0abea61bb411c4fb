//! Tokens: renewed once, stored before they are used, given up only when the vendor says so.

use super::*;
use crate::oauth::TokenSet;
use crate::sync::token::seal;

async fn row(bed: &Bed) -> connection::Model {
    connection::Entity::find()
        .one(bed.database.read())
        .await
        .unwrap()
        .unwrap()
}

async fn held(bed: &Bed) -> TokenSet {
    bed.engine.keeper().tokens(&row(bed).await).unwrap()
}

fn access(tokens: &TokenSet) -> &str {
    use secrecy::ExposeSecret as _;
    tokens.access_token.expose_secret()
}

fn gone() -> ConnectorError {
    ConnectorError::Auth {
        reconnect: true,
        message: "the grant was withdrawn".to_owned(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_renewed_ahead_of_its_end_and_stored_before_it_is_used() {
    let bed = bed().await;
    let id = bed.connection.id;
    // It is good for half an hour and renewed a minute before.
    bed.clock.0.store(1_735_000, Ordering::SeqCst);
    bed.engine.keeper().open(id).await.unwrap();
    assert_eq!(bed.vendor.refreshes.load(Ordering::SeqCst), 0);
    bed.clock.0.store(1_745_000, Ordering::SeqCst);
    let opened = bed.engine.keeper().open(id).await.unwrap();
    assert_eq!(bed.vendor.refreshes.load(Ordering::SeqCst), 1);
    assert_eq!(access(&held(&bed).await), "access-1");
    let now = bed.database.now().millis();
    assert!(!opened.is_due(now + 1_730_000) && opened.is_due(now + 1_745_000));
    let row = row(&bed).await;
    assert_eq!(
        (
            row.credentials_version,
            opened.connection.credentials_version,
            row.renewing_until
        ),
        (2, 2, None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_callers_of_two_processes_redeem_once_and_none_fails() {
    let bed = bed().await;
    let id = bed.connection.id;
    bed.clock.0.store(3_600_000, Ordering::SeqCst);
    // The vendor takes its time, so that everybody is there before it has answered.
    *bed.vendor.slow.lock().unwrap() = Duration::from_millis(300);
    let other = engine(&bed.database, &bed.vendor);
    let callers = (0..500).map(|number| {
        let engine = if number % 2 == 0 { &bed.engine } else { &other };
        engine.keeper().open(id)
    });
    let outcomes = futures::future::join_all(callers).await;
    let failures: Vec<String> = outcomes
        .iter()
        .filter_map(|outcome| outcome.as_ref().err().map(ToString::to_string))
        .collect();
    assert_eq!(failures, Vec::<String>::new());
    assert_eq!(bed.vendor.refreshes.load(Ordering::SeqCst), 1);
    assert_eq!(row(&bed).await.credentials_version, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_waited_for_a_renewal_share_its_failure() {
    let bed = bed().await;
    let id = bed.connection.id;
    bed.clock.0.store(3_600_000, Ordering::SeqCst);
    *bed.vendor.slow.lock().unwrap() = Duration::from_millis(100);
    *bed.vendor.grant.lock().unwrap() = Some(ConnectorError::transient("HTTP 503"));
    let callers = (0..100).map(|_| bed.engine.keeper().open(id));
    let outcomes = futures::future::join_all(callers).await;
    assert!(
        outcomes
            .iter()
            .all(|outcome| outcome.as_ref().is_err_and(SyncError::is_retryable))
    );
    let asked = bed.vendor.asked.load(Ordering::SeqCst);
    assert!(asked <= 2, "a vendor that is down was asked {asked} times");
    assert_eq!(
        row(&bed).await.status,
        ConnectionStatus::Active,
        "down is not gone"
    );
    *bed.vendor.grant.lock().unwrap() = None;
    bed.engine.keeper().open(id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_grant_is_read_again_before_it_is_given_up() {
    let bed = bed().await;
    let id = bed.connection.id;
    bed.clock.0.store(3_600_000, Ordering::SeqCst);
    *bed.vendor.slow.lock().unwrap() = Duration::from_millis(300);
    *bed.vendor.grant.lock().unwrap() = Some(gone());
    let keeper = bed.engine.keeper();
    // While the vendor refuses what we hold, somebody connects the account again.
    let replaced = async {
        while bed.vendor.asked.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let tokens = TokenSet {
            access_token: "theirs".to_owned().into(),
            expires_at_ms: Some(bed.database.now().millis() + 1_800_000),
            ..held(&bed).await
        };
        let sealed = seal(keeper.vault(), id, &tokens).unwrap();
        connection::swap_credentials(&bed.database, id, 1, sealed)
            .await
            .unwrap()
    };
    let (opened, swapped) = tokio::join!(keeper.open(id), replaced);
    assert!(swapped);
    assert_eq!(opened.unwrap().connection.credentials_version, 2);
    let row = row(&bed).await;
    assert_eq!(
        (row.status, access(&held(&bed).await)),
        (ConnectionStatus::Active, "theirs")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_is_gone_is_told_once_with_its_reason() {
    let bed = bed().await;
    let id = bed.connection.id;
    bed.clock.0.store(3_600_000, Ordering::SeqCst);
    *bed.vendor.grant.lock().unwrap() = Some(gone());
    let other = engine(&bed.database, &bed.vendor);
    let (one, two) = tokio::join!(bed.engine.keeper().open(id), other.keeper().open(id));
    assert!(one.is_err() && two.is_err());
    let row = row(&bed).await;
    assert_eq!(row.status, ConnectionStatus::ReauthRequired);
    assert_eq!(
        row.status_reason.as_deref(),
        Some("the grant was withdrawn")
    );
    let told: Vec<event::Model> = event::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap()
        .into_iter()
        .filter(|row| row.kind == "connection.reauth_required")
        .collect();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].data["reason"], "the grant was withdrawn");
    let asked = bed.vendor.asked.load(Ordering::SeqCst);
    assert!(bed.engine.keeper().open(id).await.is_err());
    assert_eq!(
        bed.vendor.asked.load(Ordering::SeqCst),
        asked,
        "nobody asks any more"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_died_while_renewing_is_followed_when_its_claim_ends() {
    let bed = bed().await;
    let id = bed.connection.id;
    bed.clock.0.store(3_600_000, Ordering::SeqCst);
    assert!(
        connection::claim_renewal(&bed.database, id, 1, 75_000)
            .await
            .unwrap()
    );
    let early = bed.engine.keeper().open(id).await;
    assert!(
        early.is_err_and(|error| error.is_retryable()),
        "the other may still be at it"
    );
    assert_eq!(bed.vendor.asked.load(Ordering::SeqCst), 0);
    bed.clock.0.store(3_676_000, Ordering::SeqCst);
    bed.engine.keeper().open(id).await.unwrap();
    assert_eq!(bed.vendor.refreshes.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_searches_stops_only_who_searches() {
    use entities::sync_cursor;
    let bed = bed().await;
    portal(&bed.vendor);
    bed.sync().await;
    bed.engine
        .request_sync(bed.connection.id, SyncKind::Changes)
        .await
        .unwrap();
    bed.vendor.company("40", &[("name", "Late")]);
    bed.vendor.fail(ConnectorError::RateLimited {
        retry_after: Duration::from_secs(600),
        scope: crate::error::LimitScope::Search,
    });
    let limited = || async {
        let lanes = sync_cursor::list(bed.database.read(), bed.connection.id)
            .await
            .unwrap();
        lanes
            .into_iter()
            .filter(|lane| lane.error.is_some())
            .collect::<Vec<_>>()
    };
    while bed.engine.pull_step(None, &|_| {}).await.unwrap() {
        if bed.vendor.state.lock().unwrap().failures.is_empty() && limited().await.is_empty() {
            break;
        }
        let lanes = sync_cursor::list(bed.database.read(), bed.connection.id)
            .await
            .unwrap();
        let now = bed.database.now();
        if lanes.iter().all(|lane| lane.available_at > now) {
            break;
        }
    }
    let waiting = limited().await;
    assert_eq!(waiting.len(), 1, "the others went on");
    assert_eq!(waiting[0].attempts, 0, "a limit burns no attempt");
    assert_eq!(row(&bed).await.paused_until, None);
    // Nobody's wish shortens the wait.
    let due = waiting[0].available_at;
    bed.engine
        .request_sync(bed.connection.id, SyncKind::Changes)
        .await
        .unwrap();
    assert_eq!(limited().await[0].available_at, due);
    bed.clock.0.store(601_000, Ordering::SeqCst);
    assert_eq!(bed.sync().await.status, SyncRunStatus::Completed);
    assert_eq!(limited().await.len(), 0);
}
