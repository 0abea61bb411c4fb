//! An edit that reached the vendor in a call whose answer nobody took in, and another edit of the same field since.

use super::*;
use crate::connector::Fetched;

async fn conflicts(bed: &Bed) -> usize {
    let all = sync_conflict::Entity::find().all(bed.database.read());
    all.await.unwrap().len()
}

impl Bed {
    fn meets(&self, fault: Fault) {
        let mut writing = self.vendor.writing.lock().unwrap();
        writing.faults.push_back(fault);
    }

    fn name_there(&self) -> Option<String> {
        self.vendor.value(Resource::Deal, "1", "dealname")
    }

    async fn name_of(&self, id: DealId) -> String {
        self.deal(id).await.name
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_later_edit_stands_when_the_worker_of_the_earlier_one_died() {
    let (bed, id) = with_deal(&[]).await;
    bed.meets(Fault::Silent);
    bed.rename(id, "first").await;
    bed.fan_out_all().await;
    bed.killed_step().await;
    assert_eq!(bed.name_there().as_deref(), Some("first"));
    bed.rename(id, "second").await;
    bed.settle().await;
    assert_eq!(bed.name_of(id).await, "second");
    assert_eq!(bed.name_there().as_deref(), Some("second"));
    assert_eq!(conflicts(&bed).await, 0, "nobody there changed anything");
    bed.is_quiet(&[("77", "deal", "1")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_later_edit_stands_when_the_record_comes_back_by_itself_first() {
    let (bed, id) = with_deal(&[]).await;
    bed.meets(Fault::Silent);
    bed.rename(id, "first").await;
    bed.fan_out_all().await;
    let step = bed.engine.push_step();
    let waits = tokio::time::timeout(Duration::from_millis(300), step).await;
    assert!(waits.is_err());
    // Its worker is still alive when the vendor reports the change, and somebody edits the row meanwhile.
    bed.rename(id, "second").await;
    bed.deliver(&[("77", "deal", "1")]).await;
    bed.drain().await;
    bed.sync().await;
    assert_eq!(bed.name_of(id).await, "second");
    bed.engine.break_leases().await.unwrap();
    bed.settle().await;
    assert_eq!(bed.name_of(id).await, "second");
    assert_eq!(bed.name_there().as_deref(), Some("second"));
    assert_eq!(conflicts(&bed).await, 0);
    bed.is_quiet(&[("77", "deal", "1")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_was_taken_back_since_is_taken_back_there() {
    let (bed, id) = with_deal(&[]).await;
    bed.meets(Fault::Lost);
    bed.rename(id, "first").await;
    bed.fan_out_all().await;
    assert!(bed.engine.push_step().await.unwrap());
    assert_eq!(bed.name_there().as_deref(), Some("first"));
    bed.rename(id, "a").await;
    bed.settle().await;
    assert_eq!(bed.name_of(id).await, "a");
    assert_eq!(bed.name_there().as_deref(), Some("a"));
    bed.is_quiet(&[("77", "deal", "1")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_there_made_of_it_since_is_a_conflict_like_any_other() {
    let (bed, id) = with_deal(&[]).await;
    bed.meets(Fault::Lost);
    bed.rename(id, "first").await;
    bed.fan_out_all().await;
    assert!(bed.engine.push_step().await.unwrap());
    let theirs = [("dealname", "theirs")];
    bed.vendor.edit(Resource::Deal, "1", &theirs);
    bed.rename(id, "second").await;
    bed.settle().await;
    assert_eq!(bed.name_of(id).await, "theirs", "the policy decides");
    assert_eq!(conflicts(&bed).await, 1, "and it is told");
    bed.is_quiet(&[("77", "deal", "1")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_the_vendor_refused_is_not_taken_for_ours_when_somebody_there_writes_it() {
    let (bed, id) = with_deal(&[]).await;
    let refusal = ConnectorError::permanent("no", "not today");
    let refuses = |error| {
        let mut writing = bed.vendor.writing.lock().unwrap();
        writing.refuses.insert("first".to_owned(), error);
    };
    refuses(refusal);
    bed.rename(id, "first").await;
    bed.settle().await;
    let theirs = [("dealname", "first")];
    bed.vendor.edit(Resource::Deal, "1", &theirs);
    bed.rename(id, "second").await;
    bed.settle().await;
    assert_eq!(conflicts(&bed).await, 1);
    assert_eq!(bed.name_of(id).await, "first", "the policy decides");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_that_arrived_so_brings_its_label() {
    let (bed, id) = with_deal(&[]).await;
    let label = |row: deal::Model| row.source_stage;
    let before = label(bed.deal(id).await);
    bed.meets(Fault::Lost);
    let stage = Some(DealStage::Won);
    let patch = DealPatch {
        stage,
        ..DealPatch::default()
    };
    bed.change_deal(id, patch).await;
    bed.settle().await;
    let row = bed.deal(id).await;
    assert_eq!(row.stage, DealStage::Won);
    assert_ne!(label(row), before);
    bed.is_quiet(&[("77", "deal", "1")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_read_before_a_push_and_is_applied_after_it_undoes_nothing() {
    let (bed, id) = with_deal(&[]).await;
    bed.deliver(&[("77", "deal", "1")]).await;
    while bed.engine.split_inbox().await.unwrap() {}
    let claimed = inbound_signal::claim(&bed.database, uuid::Uuid::nil(), 600_000, 10, 8);
    let claimed = claimed.await.unwrap();
    let read_at = bed.database.now();
    let key = (Resource::Deal, "1".to_owned());
    let records = vec![bed.vendor.state.lock().unwrap().records[&key].clone()];
    bed.clock.0.fetch_add(1_000, Ordering::SeqCst);
    bed.rename(id, "later").await;
    bed.settle().await;
    assert_eq!(bed.name_there().as_deref(), Some("later"));
    let fetched = Fetched {
        records,
        ..Fetched::default()
    };
    let wanted = apply::Wanted {
        fields: ["dealname", "dealstage", "pipeline"]
            .map(str::to_owned)
            .to_vec(),
        ..apply::Wanted::default()
    };
    let applied = bed
        .engine
        .apply_fetched(&claimed, Resource::Deal, (fetched, read_at), &wanted);
    applied.await.unwrap();
    assert_eq!(bed.name_of(id).await, "later");
    bed.settle().await;
    assert_eq!(bed.name_of(id).await, "later");
    assert_eq!(bed.name_there().as_deref(), Some("later"));
    bed.is_quiet(&[("77", "deal", "1")]).await;
}
