//! Pages, changes and reads by id.

use super::*;

#[tokio::test]
async fn an_order_comes_with_its_fields_its_buyer_and_its_money() {
    let rig = Rig::new(|posted| match posted.name.as_str() {
        "OrdersById" => {
            let mut order = order("820982911946154508");
            order["__typename"] = json!("Order");
            order["customerJourneySummary"] = json!({"firstVisit": {"utmParameters": {"source": "first", "medium": null}},
                "lastVisit": {"utmParameters": {"source": "newsletter", "medium": "email", "campaign": "c", "content": null, "term": null}}});
            order["purchasingEntity"] = json!({"__typename": "PurchasingCompany", "company": {"id": "gid://shopify/Company/9"}});
            order["m0"] = json!({"value": "acme"});
            data(json!({"nodes": [order]}))
        }
        other => panic!("{other}"),
    })
    .await;
    let fetched = rig
        .fetch(
            Resource::Order,
            &["820982911946154508"],
            &["metafield.custom.partner"],
        )
        .await
        .unwrap();
    let record = &fetched.records[0];
    assert_eq!(record.external_id, "820982911946154508");
    assert_eq!(
        record.url.as_deref(),
        Some("https://some-shop.myshopify.com/admin/orders/820982911946154508")
    );
    for (name, value) in [
        ("name", Some("#1001")),
        ("currency", Some("USD")),
        ("total", Some("238.47")),
        ("financial_status", Some("PARTIALLY_REFUNDED")),
        ("cancelled_at", None),
        ("processed_at", Some("2026-11-01T09:00:00Z")),
        ("test", Some("false")),
        ("discount_codes", Some("PARTNER10")),
        ("tags", Some("")),
        ("utm_source", Some("newsletter")),
        ("utm_campaign", Some("c")),
        ("utm_content", None),
        ("metafield.custom.partner", Some("acme")),
    ] {
        assert_eq!(
            record.fields.get(name),
            Some(&value.map(str::to_owned)),
            "{name}"
        );
    }
    let ends: Vec<_> = record
        .links
        .iter()
        .map(|link| (link.resource, link.external_id.as_str()))
        .collect();
    assert_eq!(
        ends,
        [
            (Resource::Company, "9"),
            (Resource::Contact, "115310627314723954")
        ]
    );
    assert!(record.links_complete);
    let Kind::Order(money) = &record.kind else {
        panic!()
    };
    let told: Vec<_> = money
        .revenue
        .iter()
        .map(|line| {
            (
                line.external_key.as_str(),
                line.kind,
                line.amount.as_str(),
                line.occurred_at_ms,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                "transaction:1",
                RevenueLineKind::Payment,
                "238.47",
                1_793_523_601_000
            ),
            (
                "transaction:2",
                RevenueLineKind::Refund,
                "38.47",
                1_793_524_800_000
            ),
        ]
    );
}

/// Trap: amounts that have not moved, and amounts that are no texts.
#[tokio::test]
async fn only_money_that_has_moved_counts() {
    let rig = Rig::new(|_| {
        let mut odd = order("1");
        for (place, (kind, status, test)) in [
            ("AUTHORIZATION", "SUCCESS", false),
            ("SALE", "PENDING", false),
            ("SALE", "FAILURE", false),
            ("CAPTURE", "SUCCESS", true),
            ("VOID", "SUCCESS", false),
            ("SUGGESTED_REFUND", "SUCCESS", false),
            ("REFUND", "PENDING", false),
        ]
        .into_iter()
        .enumerate()
        {
            let mut transaction = odd["transactions"][1].clone();
            transaction["id"] = json!(format!("gid://shopify/OrderTransaction/9{place}"));
            transaction["kind"] = json!(kind);
            transaction["status"] = json!(status);
            transaction["test"] = json!(test);
            odd["transactions"]
                .as_array_mut()
                .unwrap()
                .push(transaction);
        }
        let mut free = order("2");
        free["transactions"][1]["amountSet"]["shopMoney"]["amount"] = json!("0.00");
        let mut number = order("3");
        number["totalPriceSet"]["shopMoney"]["amount"] = json!(238.47);
        let mut negative = order("4");
        negative["transactions"][0]["amountSet"]["shopMoney"]["amount"] = json!("-5.00");
        data(json!({"nodes": [odd, free, number, negative]}))
    })
    .await;
    let fetched = rig
        .fetch(Resource::Order, &["1", "2", "3", "4"], &[])
        .await
        .unwrap();
    let lines = |place: usize| match &fetched.records[place].kind {
        Kind::Order(order) => order.revenue.len(),
        other => panic!("{other:?}"),
    };
    assert_eq!((fetched.records.len(), lines(0), lines(1)), (2, 2, 1));
    let flawed: Vec<_> = fetched
        .malformed
        .iter()
        .map(|bad| bad.external_id.as_deref())
        .collect();
    assert_eq!(flawed, [Some("3"), Some("4")]);
    assert!(fetched.missing.is_empty());
}

#[tokio::test]
async fn an_order_with_many_payments_is_asked_for_all_of_them() {
    let rig = Rig::new(|posted| {
        let mut long = order("1");
        let count = if posted.name == "OrderMoney" { 33 } else { 20 };
        let payments: Vec<Value> = (0..count)
            .map(|n| {
                let mut one = long["transactions"][1].clone();
                one["id"] = json!(format!("gid://shopify/OrderTransaction/{n}"));
                one
            })
            .collect();
        long["transactions"] = json!(payments);
        data(json!({"nodes": [long]}))
    })
    .await;
    let fetched = rig.fetch(Resource::Order, &["1"], &[]).await.unwrap();
    let Kind::Order(money) = &fetched.records[0].kind else {
        panic!()
    };
    assert_eq!(money.revenue.len(), 33);
    assert_eq!(rig.asked(), ["OrdersById", "OrderMoney"]);
}

#[tokio::test]
async fn a_small_shop_is_read_page_by_page_and_the_delta_begins_before_it() {
    let rig = Rig::new(|posted| match posted.name.as_str() {
        "CustomersCount" => data(json!({"counted": {"count": 3}})),
        "CustomersPage" => {
            assert_eq!(posted.variables["sortKey"], "ID");
            match posted.variables["after"].as_str() {
                None => data(page(
                    &[
                        customer("1"),
                        json!({"id": "gid://shopify/Customer/2", "updatedAt": 7}),
                    ],
                    Some("c1"),
                )),
                Some("c1") => data(page(&[customer("3")], None)),
                other => panic!("{other:?}"),
            }
        }
        other => panic!("{other}"),
    })
    .await;
    let first = rig
        .page(Resource::Contact, Mode::Backfill, None)
        .await
        .unwrap();
    assert_eq!((first.records.len(), first.malformed.len()), (1, 1));
    assert_eq!(first.malformed[0].external_id.as_deref(), Some("2"));
    let next = first.next.cursor();
    let second = rig
        .page(Resource::Contact, Mode::Backfill, Some(next))
        .await
        .unwrap();
    assert_eq!(
        second.next,
        Next::CaughtUp(json!({"walk": "rest", "mark_ms": NOW - 60_000}))
    );
}

/// Trap: many records of one second, and records behind the mark.
#[tokio::test]
async fn a_delta_follows_the_marks_and_looks_back() {
    let rig = Rig::new(|posted| {
        assert_eq!(posted.variables["sortKey"], "UPDATED_AT");
        // Four minutes before the mark, to the second.
        assert_eq!(
            posted.variables["query"],
            "updated_at:>='2026-11-01T09:55:00Z'"
        );
        let number: usize = posted.variables["after"]
            .as_str()
            .map_or(0, |text| text.parse().unwrap());
        let ids = number * 50..(number + 1) * 50;
        let same: Vec<Value> = ids.map(|id| customer(&(id + 1).to_string())).collect();
        let after = (number < 11).then(|| (number + 1).to_string());
        data(page(&same, after.as_deref()))
    })
    .await;
    let mut cursor = json!({"walk": "rest", "mark_ms": NOW - 60_000});
    let mut read = std::collections::BTreeSet::new();
    for _ in 0..12 {
        let page = rig
            .page(Resource::Contact, Mode::Delta, Some(&cursor))
            .await
            .unwrap();
        read.extend(page.records.into_iter().map(|record| record.external_id));
        cursor = page.next.cursor().clone();
        if page.next.is_caught_up() {
            break;
        }
    }
    assert_eq!(read.len(), 600);
    assert_eq!(cursor, json!({"walk": "rest", "mark_ms": NOW - 60_000}));
}

#[tokio::test]
async fn a_mark_that_shopify_no_longer_takes_begins_the_walk_again() {
    let rig = Rig::new(|posted| {
        if posted.variables["after"].is_null() {
            return data(page(&[customer("1")], Some("c")));
        }
        body(&json!({"errors": [{"message": "Invalid cursor for current pagination sort.", "path": ["page"]}], "data": null}))
    })
    .await;
    let first = rig
        .page(Resource::Contact, Mode::Delta, None)
        .await
        .unwrap();
    let error = rig
        .page(Resource::Contact, Mode::Delta, Some(first.next.cursor()))
        .await
        .unwrap_err();
    assert!(
        matches!(error, ConnectorError::CursorExpired { .. }),
        "{error:?}"
    );
    let foreign = json!({"walk": "rest", "mark_ms": 5});
    let error = rig
        .page(Resource::Contact, Mode::Backfill, Some(&foreign))
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectorError::CursorExpired { .. }));
}

#[tokio::test]
async fn a_page_that_costs_too_much_is_asked_for_smaller() {
    let rig = Rig::new(|posted| {
        let size = posted.variables["first"].as_u64().unwrap();
        if size > 15 {
            return body(&json!({"errors": [{"message": "Query cost is 1700, which exceeds the single query max cost limit (1000).",
                "extensions": {"code": "MAX_COST_EXCEEDED"}}]}));
        }
        data(page(&[customer("1")], Some("c")))
    })
    .await;
    let page = rig
        .page(Resource::Contact, Mode::Delta, None)
        .await
        .unwrap();
    assert_eq!(page.next.cursor()["frame"]["size"], 12);
    assert_eq!(rig.asked().len(), 3);
}

#[tokio::test]
async fn a_throttled_query_waits_as_long_as_it_takes() {
    let rig = Rig::new(|_| {
        body(&json!({"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}],
            "extensions": {"cost": {"requestedQueryCost": 202, "actualQueryCost": null,
                "throttleStatus": {"maximumAvailable": 1000.0, "currentlyAvailable": 118, "restoreRate": 50.0}}}}))
    })
    .await;
    let error = rig
        .page(Resource::Contact, Mode::Delta, None)
        .await
        .unwrap_err();
    assert_eq!(
        (error.code(), error.retry_after()),
        ("RATE_LIMITED", Some(Duration::from_millis(1680)))
    );
}

#[tokio::test]
async fn an_answer_of_another_version_is_none() {
    for (headers, said) in [
        ("x-shopify-api-version: 2026-01\r\n", "2026-01"),
        ("x-shopify-api-version: 2027-01\r\n", "2027-01"),
        ("", "does not name a version"),
    ] {
        let rig = Rig::new(move |_| {
            answer(
                200,
                headers,
                r#"{"data":{"page":{"nodes":[],"pageInfo":{"hasNextPage":false}}}}"#,
            )
        })
        .await;
        let error = rig
            .page(Resource::Contact, Mode::Delta, None)
            .await
            .unwrap_err();
        assert_eq!(error.code(), "UNEXPECTED_ANSWER");
        assert!(error.to_string().contains(said), "{error}");
    }
}

/// Trap: a denied field is null in the answer; taken for empty it would be emptied here.
#[tokio::test]
async fn a_denied_field_is_absent_and_never_null() {
    let rig = Rig::new(|_| {
        let mut partly = customer("1");
        partly["defaultEmailAddress"] = Value::Null;
        denied(
            json!(["page", "nodes", 0, "defaultEmailAddress"]),
            page(&[partly], None),
        )
    })
    .await;
    let page = rig
        .page(Resource::Contact, Mode::Delta, None)
        .await
        .unwrap();
    let fields = &page.records[0].fields;
    assert!(!fields.contains_key("email") && fields.contains_key("phone"));
}

#[tokio::test]
async fn what_denies_the_whole_answer_is_left_out_and_its_links_are_unread() {
    let rig = Rig::new(|posted| {
        if posted.document.contains("companyContactProfiles") {
            return denied(
                json!(["page", "nodes", 0, "companyContactProfiles"]),
                Value::Null,
            );
        }
        let mut without = customer("1");
        without
            .as_object_mut()
            .unwrap()
            .remove("companyContactProfiles");
        data(page(&[without], Some("c")))
    })
    .await;
    let first = rig
        .page(Resource::Contact, Mode::Delta, None)
        .await
        .unwrap();
    let record = &first.records[0];
    assert!(
        !record.links_complete && record.links.is_empty() && !record.fields.contains_key("title")
    );
    // The walk remembers.
    rig.page(Resource::Contact, Mode::Delta, Some(first.next.cursor()))
        .await
        .unwrap_err();
    assert_eq!(rig.asked().len(), 3);
}

#[tokio::test]
async fn a_shop_that_denies_all_is_an_error_but_for_companies() {
    let rig = Rig::new(|posted| match posted.name.as_str() {
        "CompaniesCount" | "CustomersCount" => denied(json!(["counted"]), json!({"counted": null})),
        _ => denied(json!(["page"]), Value::Null),
    })
    .await;
    for mode in [Mode::Backfill, Mode::Delta] {
        let error = rig.page(Resource::Contact, mode, None).await.unwrap_err();
        assert!(
            permanent(&error, "ACCESS_DENIED") && error.to_string().contains("read_x"),
            "{error:?}"
        );
        let page = rig.page(Resource::Company, mode, None).await.unwrap();
        assert!(page.records.is_empty() && page.next.is_caught_up());
        assert_eq!(page.malformed.len(), usize::from(mode == Mode::Backfill));
    }
    // By id nobody may look either, so nothing is missing.
    let rig = Rig::new(|_| denied(json!(["nodes", 0]), json!({"nodes": [null]}))).await;
    let error = rig.fetch(Resource::Company, &["1"], &[]).await.unwrap_err();
    assert!(permanent(&error, "ACCESS_DENIED"));
}

fn visible(scopes: &[&str], oldest: Option<&str>) -> Reply {
    let scopes: Vec<Value> = scopes
        .iter()
        .map(|scope| json!({"handle": scope}))
        .collect();
    let nodes: Vec<Value> = oldest
        .iter()
        .map(|id| json!({"id": format!("gid://shopify/Order/{id}")}))
        .collect();
    data(json!({"currentAppInstallation": {"accessScopes": scopes}, "orders": {"nodes": nodes}}))
}

/// Trap: orders grow out of sight after 60 days; none of them is gone.
#[tokio::test]
async fn an_order_that_is_too_old_to_show_is_not_missing() {
    let fetched = |scopes: &'static [&str], oldest: Option<&'static str>| async move {
        let rig = Rig::new(move |posted| match posted.name.as_str() {
            "OrdersVisible" => visible(scopes, oldest),
            _ => data(json!({"nodes": [null, null, order("1000")]})),
        })
        .await;
        rig.fetch(Resource::Order, &["1000", "1001", "999"], &[])
            .await
    };
    // Asked in the order of their texts: 1000, 1001, 999.
    let shuffled = fetched(&["read_orders", "read_all_orders"], Some("1"))
        .await
        .unwrap();
    assert_eq!(shuffled.missing, ["1000", "1001"]);
    let young = fetched(&["read_orders"], Some("1000")).await.unwrap();
    assert_eq!(young.missing, ["1001"]);
    assert!(
        fetched(&["read_orders"], None)
            .await
            .unwrap()
            .missing
            .is_empty()
    );
}

#[tokio::test]
async fn a_backfill_says_that_only_sixty_days_show() {
    let notes = |scopes: &'static [&str]| async move {
        let rig = Rig::new(move |posted| match posted.name.as_str() {
            "OrdersCount" => data(json!({"counted": {"count": 1}})),
            "OrdersVisible" => visible(scopes, None),
            _ => data(page(&[order("1")], None)),
        })
        .await;
        rig.page(Resource::Order, Mode::Backfill, None)
            .await
            .unwrap()
            .malformed
    };
    let young = notes(&["read_orders"]).await;
    assert!(
        young.len() == 1 && young[0].external_id.is_none() && young[0].reason.contains("60 days")
    );
    assert!(notes(&["read_orders", "read_all_orders"]).await.is_empty());
}

#[tokio::test]
async fn what_is_not_there_is_missing_and_what_is_no_id_as_well() {
    let rig = Rig::new(|posted| {
        assert_eq!(posted.variables["ids"], json!(["gid://shopify/Company/1", "gid://shopify/Company/2"]));
        let company = json!({"id": "gid://shopify/Company/2", "createdAt": "2026-11-01T09:00:00Z", "updatedAt": "2026-11-01T09:00:00Z",
            "name": "Engines", "note": null, "externalId": "customer_1", "customerSince": "2026-11-01T09:00:00Z"});
        data(json!({"nodes": [null, company]}))
    })
    .await;
    let fetched = rig
        .fetch(Resource::Company, &["2", "1", "x", "2"], &[])
        .await
        .unwrap();
    assert_eq!(fetched.missing, ["1", "x"]);
    let company = &fetched.records[0];
    assert_eq!(company.value("entente_reference"), Some("customer_1"));
    assert!(company.links_complete);
}

#[tokio::test]
async fn a_customer_belongs_to_its_companies() {
    let rig = Rig::new(|_| {
        let mut tied = customer("1");
        tied["companyContactProfiles"] = json!([
            {"id": "gid://shopify/CompanyContact/1", "isMainContact": false, "title": "Buyer", "company": {"id": "gid://shopify/Company/7"}},
            {"id": "gid://shopify/CompanyContact/2", "isMainContact": true, "title": "Head", "company": {"id": "gid://shopify/Company/8"}},
        ]);
        tied["reference"] = json!({"value": "contact_1"});
        data(json!({"nodes": [tied]}))
    })
    .await;
    let fetched = rig
        .fetch(
            Resource::Contact,
            &["1"],
            &["email", "title", "entente_reference"],
        )
        .await
        .unwrap();
    let record = &fetched.records[0];
    let link = |id: &str, primary| RecordLink {
        resource: Resource::Company,
        external_id: id.to_owned(),
        labels: vec![],
        primary,
    };
    assert_eq!(record.links, [link("7", false), link("8", true)]);
    let names: Vec<&str> = record.fields.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["email", "entente_reference", "title"],
        "what was wanted and nothing else"
    );
    assert_eq!(record.value("title"), Some("Head"));
}

#[tokio::test]
async fn an_answer_without_what_was_asked_for_is_no_empty_list() {
    for strange in [
        json!({"data": {}}),
        json!({"data": null}),
        json!({"data": {"page": null}}),
        json!({"data": {"page": {"nodes": null, "pageInfo": {"hasNextPage": false}}}}),
        json!({"data": {"page": {"nodes": []}}}),
        json!({"errors": "Not Found"}),
        json!({}),
        json!([]),
    ] {
        let text = strange.to_string();
        let rig = Rig::new(move |_| answer(200, HEADERS, &text)).await;
        assert!(
            rig.page(Resource::Contact, Mode::Delta, None)
                .await
                .is_err(),
            "{strange}"
        );
        assert!(
            rig.fetch(Resource::Contact, &["1"], &[]).await.is_err(),
            "{strange}"
        );
    }
    let short = Rig::new(|_| data(json!({"nodes": []}))).await;
    assert!(short.fetch(Resource::Contact, &["1"], &[]).await.is_err());
}

#[tokio::test]
async fn fields_are_the_usual_ones_and_the_metafields_people_defined() {
    let rig = Rig::new(|posted| {
        assert_eq!(posted.variables["owner"], "ORDER");
        let first = posted.variables["after"].is_null();
        let definition = |key: &str| json!({"namespace": "custom", "key": key, "name": "Partner", "type": {"name": "single_line_text_field"}});
        data(json!({"metafieldDefinitions": {"nodes": [definition(if first { "a" } else { "b" }), 7],
            "pageInfo": {"hasNextPage": first, "endCursor": "c"}}}))
    })
    .await;
    let fields = rig
        .shopify
        .pull()
        .unwrap()
        .fields(&rig.context(), Resource::Order)
        .await
        .unwrap();
    let custom: Vec<&str> = fields
        .iter()
        .filter(|field| field.custom)
        .map(|field| field.name.as_str())
        .collect();
    assert_eq!(custom, ["metafield.custom.a", "metafield.custom.b"]);
    assert!(
        fields
            .iter()
            .any(|field| field.name == "discount_codes" && !field.custom)
    );
}
