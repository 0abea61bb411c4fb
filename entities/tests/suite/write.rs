//! Many rows at once read back as they were written, whichever form the statement took: absent values, lists, dates and flags among them.

use chrono::NaiveDate;
use entities::change::{Author, Change, Origin};
use entities::clock::Timestamp;
use entities::deal::{self, DealStage, NewDeal};
use entities::money::{Currency, Money};
use entities::partner::{self, NewPartner};
use entities::viewer::Viewer;
use entities::visible::Visible;

fn partner_of(n: usize) -> NewPartner {
    let list = |word: &str, many: usize| (0..many).map(|n| format!("{word} {n}")).collect();
    NewPartner {
        domain: n
            .is_multiple_of(2)
            .then(|| format!("p{n}.example").parse().unwrap()),
        country: n.is_multiple_of(3).then(|| "Norway".to_owned()),
        description: n
            .is_multiple_of(5)
            .then(|| "\"quoted\", {braces}, \\ and NULL".to_owned()),
        employees: (!n.is_multiple_of(4)).then_some(i32::try_from(n).unwrap()),
        tags: list("tag", n % 3),
        regions: list("region, with \"signs\"", n % 2),
        archived: n.is_multiple_of(7),
        ..NewPartner::named(format!("Partner {n}"))
    }
}

fn deal_of(n: usize) -> NewDeal {
    let number = i64::try_from(n).unwrap();
    NewDeal {
        name: format!("Deal {n}"),
        customer_id: None,
        stage: [DealStage::Prospect, DealStage::Won, DealStage::Lost][n % 3],
        source_stage: (n % 2 == 1).then(String::new),
        amount: (n % 4 != 3).then_some(Money {
            minor: -number,
            currency: Currency::EUR,
        }),
        expected_close_on: (!n.is_multiple_of(3))
            .then(|| NaiveDate::from_ymd_opt(2026, 1, 1 + u32::try_from(n % 28).unwrap()).unwrap()),
        closed_at: (!n.is_multiple_of(3)).then_some(Timestamp::from_secs(1_790_000_000 - number)),
        lost_reason: None,
        owner_name: Some("The same for all".to_owned()),
        owner_email: None,
        products: (0..n % 3).map(|n| format!("Product {n}")).collect(),
        archived: false,
    }
}

#[tokio::test]
async fn rows_written_together_read_back_as_they_were_written() {
    crate::bed::each(async |bed| {
        // One, too few for arrays, many, and more than one statement takes.
        for count in [1, 5, 40, 2_300] {
            let author = Author {
                actor: "tests".to_owned(),
                origin: Origin::Import,
                connection: None,
            };
            // Later ids are greater.
            bed.clock.advance_millis(1_000);
            let mut change = Change::begin(&bed.database, author).await.unwrap();
            let partners = (0..count)
                .map(|n| NewPartner {
                    // A domain is one partner's.
                    domain: partner_of(n).domain.filter(|_| count == 40),
                    ..partner_of(n)
                })
                .collect();
            let mut partners = partner::create(&mut change, partners).await.unwrap();
            let deals = (0..count).map(deal_of).collect();
            let mut deals = deal::create(&mut change, deals).await.unwrap();
            change.commit().await.unwrap();

            let (read, system) = (bed.database.read(), Viewer::system("tests"));
            let mut there = partner::Entity::visible_to(&system)
                .all(read)
                .await
                .unwrap();
            let first = partners.iter().map(|row| row.id).min().unwrap();
            there.retain(|row| row.id >= first);
            there.sort_by_key(|row| row.id);
            partners.sort_by_key(|row| row.id);
            assert_eq!(there, partners, "{count} partners");
            let mut there = deal::Entity::visible_to(&system).all(read).await.unwrap();
            let first = deals.iter().map(|row| row.id).min().unwrap();
            there.retain(|row| row.id >= first);
            there.sort_by_key(|row| row.id);
            deals.sort_by_key(|row| row.id);
            assert_eq!(there.len(), deals.len(), "{count} deals");
            assert_eq!(there, deals, "{count} deals");
        }
    })
    .await;
}
