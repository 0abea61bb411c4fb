//! A shop's orders: deals, whose doing they are, and the money.

use super::*;
use crate::record::RevenueLineKind::{Payment, Refund};
use entities::connection::mapping::Mapping;
use entities::connection::mapping::order::{PartnerRef, PartnerSource};
use entities::customer::NewCustomer;
use entities::deal_partner::DealPartnerRole;
use entities::id::PartnerId;
use entities::money::Money;
use entities::partner::NewPartner;
use entities::partnership::{NewPartnership, PartnerType};
use entities::revenue_event::{self, RevenueKind};
use entities::viewer::Viewer;
use entities::visible::{Own, Visible};

const SHOP: &str = "shop";
const CODE: (&str, &str) = ("discount_codes", "OTHER\nMelvin10 ");

async fn shop() -> Bed {
    let bed = bed_of(vec![Vendor::shop(SHOP, "1")]).await;
    bed.map(SHOP, |mapping| {
        mapping.order.deals = true;
        mapping.company.customer_fields = [(
            entities::connection::mapping::CustomerField::Name,
            "name".to_owned(),
        )]
        .into();
        mapping.contact.fields = [(
            entities::connection::mapping::ContactField::Email,
            "email".to_owned(),
        )]
        .into();
    })
    .await;
    bed
}

fn from_code(mapping: &mut Mapping, partner: PartnerRef) {
    mapping.order.partner_from = vec![PartnerSource {
        property: "discount_codes".to_owned(),
        partners: [("melvin10".to_owned(), partner)].into(),
        by_domain: false,
    }];
    mapping.order.role = DealPartnerRole::Referred;
    mapping.order.weight_bp = 5_000;
}

impl Bed {
    async fn partner(&self, name: &str, domain: &str) -> PartnerId {
        let mut change = self.change().await;
        let new = NewPartner {
            domain: Some(domain.parse().unwrap()),
            ..NewPartner::named(name)
        };
        let row = partner::create(&mut change, vec![new])
            .await
            .unwrap()
            .remove(0);
        let new = NewPartnership::of(row.id, PartnerType::Referral);
        partnership::create(&mut change, vec![new]).await.unwrap();
        change.commit().await.unwrap();
        row.id
    }

    pub(super) async fn change(&self) -> entities::change::Change {
        let author = entities::change::Author {
            actor: "user:1".to_owned(),
            origin: entities::change::Origin::Human,
            connection: None,
        };
        entities::change::Change::begin(&self.database, author)
            .await
            .unwrap()
    }

    async fn money(&self) -> BTreeMap<String, revenue_event::Model> {
        let rows = revenue_event::Entity::find()
            .all(self.database.read())
            .await;
        // What the deals of orders are booked with is told by entities' own tests.
        let rows = rows.unwrap().into_iter();
        let rows = rows.filter(|row| row.source != revenue_event::DEALS);
        rows.map(|row| (row.external_key.clone(), row)).collect()
    }

    async fn shares(&self) -> Vec<deal_partner::Model> {
        deal_partner::Entity::find()
            .all(self.database.read())
            .await
            .unwrap()
    }
}

fn euros(whole: i64) -> Money {
    "EUR"
        .parse()
        .map(|currency| Money {
            minor: whole * 100,
            currency,
        })
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_a_won_deal_of_its_partner_and_its_money_counts_once() {
    let bed = shop().await;
    let melvin = bed.partner("Melvin", "melvin.example").await;
    let other = bed.partner("Other", "other.example").await;
    bed.map(SHOP, |mapping| from_code(mapping, PartnerRef::Id(melvin)))
        .await;
    bed.vendor.company("c", &[("name", "Acme")]);
    let paid = [("p1", Payment, "100.00"), ("r1", Refund, "30.00")];
    let fields = [
        ("name", "#1001"),
        ("total", "100.00"),
        ("financial_status", "PARTIALLY_REFUNDED"),
        CODE,
    ];
    bed.vendor
        .order("o", &fields, &[(Resource::Company, "c")], &paid);
    let run = bed.sync().await;
    assert_eq!(run.status, SyncRunStatus::Completed, "{run:?}");
    let deal = bed.deals().await.remove("#1001").unwrap();
    assert_eq!(
        (deal.stage, deal.amount()),
        (DealStage::Won, Some(euros(100)))
    );
    assert_eq!(deal.source_stage.as_deref(), Some("PARTIALLY_REFUNDED"));
    assert!(deal.customer_id.is_some() && deal.closed_at.is_some());
    let shares = bed.shares().await;
    assert_eq!((shares.len(), shares[0].partner_id), (1, melvin));
    assert_eq!(shares[0].weight_bp.points(), 5_000);
    let money = bed.money().await;
    assert_eq!(money.len(), 2);
    let (payment, refund) = (&money["p1"], &money["r1"]);
    assert_eq!(
        (payment.kind, payment.net()),
        (RevenueKind::Payment, euros(100))
    );
    assert_eq!(
        (refund.kind, refund.net()),
        (RevenueKind::Refund, euros(-30))
    );
    for row in [payment, refund] {
        assert_eq!((row.deal_id, row.partner_id), (Some(deal.id), Some(melvin)));
        assert_eq!(row.customer_id, deal.customer_id);
    }
    // History is recorded and does not act.
    let recorded = bed.events("revenue.recorded").await;
    assert_eq!(recorded.len(), 2, "the booking and the payment");
    assert!(
        recorded.iter().all(|event| event.origin.is_history())
            && bed.events("deal.won").await.is_empty()
    );
    // Whose it is sees it; nobody else does.
    for (partner, sees) in [(melvin, 2), (other, 0)] {
        let condition = revenue_event::Entity::visible_to_partner(Own::of(partner, false));
        use sea_orm::QueryFilter;
        let rows = revenue_event::Entity::visible_to(&Viewer::system("t")).filter(condition);
        assert_eq!(rows.all(bed.database.read()).await.unwrap().len(), sees);
    }
    let (before, money) = (bed.everything().await, bed.money().await);
    for kind in [SyncKind::Changes, SyncKind::Everything] {
        bed.engine
            .sync_connection(bed.connection.id, kind, |_| {})
            .await
            .unwrap();
        bed.tell(SHOP, &[("1", "order", "o")]).await;
        bed.drain().await;
    }
    assert_eq!(bed.everything().await, before);
    assert_eq!(bed.money().await, money);
}

#[tokio::test(flavor = "multi_thread")]
async fn money_may_come_in_any_order_and_completes_what_was_not_known() {
    let bed = shop().await;
    bed.sync().await;
    let melvin = bed.partner("Melvin", "melvin.example").await;
    bed.map(SHOP, |mapping| {
        from_code(
            mapping,
            PartnerRef::Domain("melvin.example".parse().unwrap()),
        );
        mapping.order.deals = false;
    })
    .await;
    let fields = [
        ("name", "#1"),
        ("total", "50"),
        ("financial_status", "paid"),
        CODE,
    ];
    // The refund is told first, and the buyer is not known yet.
    let buyer = [(Resource::Contact, "p")];
    bed.vendor
        .order("o", &fields, &buyer, &[("r", Refund, "5")]);
    bed.tell(SHOP, &[("1", "order", "o")]).await;
    bed.drain().await;
    assert!(bed.deals().await.is_empty());
    let money = bed.money().await;
    assert_eq!(
        (money["r"].partner_id, money["r"].deal_id),
        (Some(melvin), None)
    );
    assert_eq!(bed.events("revenue.refunded").await.len(), 1);
    bed.map(SHOP, |mapping| mapping.order.deals = true).await;
    bed.vendor.order(
        "o",
        &fields,
        &buyer,
        &[("p", Payment, "50"), ("r", Refund, "5")],
    );
    bed.tell(SHOP, &[("1", "order", "o")]).await;
    bed.drain().await;
    let deal = bed.deals().await.remove("#1").unwrap();
    let money = bed.money().await;
    assert_eq!(money.len(), 2);
    assert!(money.values().all(|row| row.deal_id == Some(deal.id)));
    assert_eq!(bed.events("revenue.attributed").await.len(), 1);
    assert_eq!(bed.events("deal.won").await.len(), 1);
    let pending = pending_link::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    assert_eq!(pending.len(), 1);
    // An amount that changes afterwards is told and stays as it was recorded.
    bed.vendor.order(
        "o",
        &fields,
        &buyer,
        &[("p", Payment, "49"), ("r", Refund, "5")],
    );
    bed.tell(SHOP, &[("1", "order", "o")]).await;
    bed.drain().await;
    assert_eq!(bed.money().await["p"].amount(), euros(50));
    let runs = sync_run::Entity::find()
        .all(bed.database.read())
        .await
        .unwrap();
    let mut issues = runs.iter().flat_map(|run| &run.findings.issues);
    assert!(issues.any(|issue| issue.code == "REVENUE_DIFFERS"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_bought_is_kept_out_or_lost() {
    let bed = shop().await;
    let line = [("t", Payment, "9")];
    bed.vendor.order(
        "test",
        &[("name", "#t"), ("test", "true"), ("total", "9")],
        &[],
        &line,
    );
    bed.vendor.order(
        "void",
        &[("name", "#v"), ("financial_status", "VOIDED")],
        &[],
        &[],
    );
    let pending = [
        ("name", "#c"),
        ("total", "7"),
        ("financial_status", "PENDING"),
    ];
    bed.vendor.order("open", &pending, &[], &[]);
    bed.vendor.order(
        "bad",
        &[("name", "#b"), ("total", "1.005")],
        &[],
        &[("x", Payment, "abc")],
    );
    let run = bed.sync().await;
    let codes: Vec<&str> = run
        .findings
        .issues
        .iter()
        .map(|issue| issue.code.as_str())
        .collect();
    for code in ["TEST_ORDER", "VOIDED_ORDER", "INVALID_AMOUNT"] {
        assert!(codes.contains(&code), "{code}: {codes:?}");
    }
    assert_eq!(run.findings.counts["order"].kept_out, 2);
    let deals = bed.deals().await;
    assert_eq!(deals.keys().collect::<Vec<_>>(), ["#b", "#c"]);
    assert_eq!(deals["#c"].stage, DealStage::Won);
    assert!(bed.money().await.is_empty());
    // Cancelled before anything was paid, it is lost; what was paid makes it a sale whatever happens later.
    let cancelled = ("cancelled_at", "2026-11-02T00:00:00Z");
    let with = |more: &[(&'static str, &'static str)]| [&pending[..], more].concat();
    bed.vendor.order("open", &with(&[cancelled]), &[], &[]);
    bed.vendor.order(
        "paid",
        &[("name", "#p"), ("total", "7"), cancelled],
        &[],
        &line,
    );
    bed.sync().await;
    let deals = bed.deals().await;
    assert_eq!(deals["#c"].stage, DealStage::Lost);
    assert_eq!(deals["#c"].lost_reason.as_deref(), Some("cancelled"));
    assert_eq!(deals["#p"].stage, DealStage::Won);
    let before = bed.everything().await;
    bed.sync().await;
    assert_eq!(bed.everything().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_buyer_is_found_by_the_address_unless_that_would_be_a_guess() {
    let bed = shop().await;
    let mut change = bed.change().await;
    let customer = |name: &str, domain: &str| NewCustomer {
        name: name.to_owned(),
        domain: Some(domain.parse().unwrap()),
        country: None,
        segment: None,
        archived: false,
    };
    let new = [
        ("One", "one.example"),
        ("A", "two.example"),
        ("B", "two.example"),
        ("G", "gmail.com"),
    ];
    let new = new
        .into_iter()
        .map(|(name, domain)| customer(name, domain))
        .collect();
    let made = customer::create(&mut change, new).await.unwrap();
    change.commit().await.unwrap();
    for (id, email) in [
        ("1", "Jo@one.example"),
        ("2", "jo@two.example"),
        ("3", "jo@gmail.com"),
    ] {
        bed.vendor
            .order(id, &[("name", id), ("email", email)], &[], &[]);
    }
    bed.sync().await;
    let deals = bed.deals().await;
    assert_eq!(deals["1"].customer_id, Some(made[0].id));
    assert_eq!(
        (deals["2"].customer_id, deals["3"].customer_id),
        (None, None)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_changed_here_stays_and_a_new_mapping_reaches_old_orders() {
    let bed = shop().await;
    let melvin = bed.partner("Melvin", "melvin.example").await;
    let fields = [
        ("name", "#1"),
        ("total", "50"),
        ("financial_status", "paid"),
        CODE,
    ];
    bed.vendor.order("o", &fields, &[], &[("p", Payment, "50")]);
    bed.sync().await;
    assert!(bed.shares().await.is_empty());
    let row = bed.deals().await.remove("#1").unwrap();
    let mut change = bed.change().await;
    let patch = deal::DealPatch {
        name: Some("Ours".to_owned()),
        ..deal::DealPatch::default()
    };
    deal::update(&mut change, row, patch).await.unwrap();
    change.commit().await.unwrap();
    let row = bed.connection_of(SHOP).await;
    let mut mapping = row.mapping.clone();
    from_code(&mut mapping, PartnerRef::Id(melvin));
    let wish = NewMapping {
        connection: row.id,
        expected_version: Some(row.version),
        mapping,
        backfill: true,
        validate_only: false,
    };
    let author = entities::change::Author {
        actor: "user:1".to_owned(),
        origin: entities::change::Origin::Human,
        connection: None,
    };
    bed.engine.update_mapping(wish, author).await.unwrap();
    bed.sync().await;
    let shares = bed.shares().await;
    assert_eq!((shares.len(), shares[0].partner_id), (1, melvin));
    assert!(bed.deals().await.contains_key("Ours"));
    assert_eq!(bed.money().await["p"].partner_id, Some(melvin));
}
