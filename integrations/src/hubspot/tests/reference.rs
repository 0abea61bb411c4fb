use super::push::{asked, batch, shown};
use super::*;
use serde_json::json as value;

#[tokio::test]
async fn records_are_found_by_our_reference() {
    let rig = Rig::new(|seen| {
        let (path, inputs) = asked(seen);
        if path.contains("/associations/") {
            return batch(&[], &[]);
        }
        let body: Value = serde_json::from_str(&seen.body).unwrap();
        assert_eq!(body["idProperty"], "entente_reference");
        match inputs[0]["id"].as_str().unwrap() {
            "deal_1" => {
                let found = shown("77", value!({"dealname": "N", "entente_reference": "deal_1"}));
                let missing = value!({"category": "OBJECT_NOT_FOUND", "message": "m", "context": {"ids": ["deal_2"]}});
                batch(&[found], &[missing])
            }
            "deal_3" => json(400, "", r#"{"category":"VALIDATION_ERROR","message":"Unable to read by non-unique property"}"#),
            "deal_4" => batch(&[shown("78", value!({"entente_reference": "another"}))], &[]),
            "deal_5" => batch(&[value!({"id": "79", "properties": {"dealname": 7}})], &[]),
            _ => batch(&[], &[value!({"category": "INTERNAL_ERROR", "context": {}})]),
        }
    })
    .await;
    let find = async |references: &[&str]| {
        let references: Vec<String> = references.iter().map(|one| (*one).to_owned()).collect();
        let fields = ["dealname".to_owned()];
        rig.writer()
            .find(&rig.context(), Resource::Deal, &references, &fields)
            .await
    };
    let found = find(&["deal_2", "deal_1"]).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].0.as_str(), found[0].1.external_id.as_str()),
        ("deal_1", "77")
    );
    assert!(!found[0].1.fields.contains_key("entente_reference") && found[0].1.links_complete);
    for unsure in ["deal_3", "deal_4", "deal_5", "deal_6"] {
        assert!(find(&[unsure]).await.is_err(), "{unsure}");
    }
}

#[tokio::test]
async fn the_property_for_our_reference_is_made_once() {
    let unique = r#"{"name":"entente_reference","type":"string","hasUniqueValue":true}"#;
    let prepare = async |get: Vec<(u16, &'static str)>, post: (u16, &'static str)| {
        let gets = std::sync::Mutex::new(get.into_iter());
        let rig = Rig::new(move |seen| {
            let (status, body) = if seen.method == "GET" {
                gets.lock().unwrap().next().unwrap()
            } else {
                let body: Value = serde_json::from_str(&seen.body).unwrap();
                assert_eq!(
                    (&body["hasUniqueValue"], &body["groupName"]),
                    (&value!(true), &value!("dealinformation"))
                );
                post
            };
            json(status, "", body)
        })
        .await;
        let done = rig.writer().prepare(&rig.context(), Resource::Deal).await;
        (done, rig.server.seen().len())
    };
    let none = (404, r#"{"category":"OBJECT_NOT_FOUND"}"#);
    let clash = (409, r#"{"category":"OBJECT_ALREADY_EXISTS","message":"m"}"#);
    assert_eq!(prepare(vec![(200, unique)], clash).await, (Ok(()), 1));
    assert_eq!(prepare(vec![none], (201, unique)).await, (Ok(()), 2));
    assert_eq!(prepare(vec![none, (200, unique)], clash).await, (Ok(()), 3));
    let plain = r#"{"name":"entente_reference","type":"string","hasUniqueValue":false}"#;
    for (gets, post) in [
        (vec![(200, plain)], clash),
        (vec![none, (200, plain)], clash),
        (
            vec![none],
            (403, r#"{"category":"MISSING_SCOPES","message":"m"}"#),
        ),
    ] {
        let (done, _) = prepare(gets, post).await;
        assert!(
            matches!(done, Err(ConnectorError::Permanent { .. })),
            "{done:?}"
        );
    }
}
