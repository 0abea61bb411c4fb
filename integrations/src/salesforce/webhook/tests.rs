#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]
use super::*;
use crate::record::Resource;
use crate::salesforce::SalesforceEndpoints;

const SECRET: &str = "kQ3v-Unguessable_9";
const ORG: &str = "00D5e000000KQ2eEAG";

fn url(secret: &str) -> String {
    format!("https://entente.example.com/hooks/salesforce/{secret}")
}

fn notification(id: &str, kind: &str, record: &str, more: &str) -> String {
    format!(
        r#"<Notification><Id>{id}</Id><sObject xsi:type="sf:{kind}" xmlns:sf="urn:sobject.enterprise.soap.sforce.com"><sf:Id>{record}</sf:Id>{more}</sObject></Notification>"#
    )
}

fn body(org: &str, notifications: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><notifications xmlns="http://soap.sforce.com/2005/09/outbound"><OrganizationId>{org}</OrganizationId><ActionId>04k5e000000CaRkAAK</ActionId><SessionId xsi:nil="true"/><EnterpriseUrl>https://mydomain.my.salesforce.com/services/Soap/c/68.0/00D5e000000KQ2e</EnterpriseUrl><PartnerUrl>https://mydomain.my.salesforce.com/services/Soap/u/68.0/00D5e000000KQ2e</PartnerUrl>{notifications}</notifications></soapenv:Body></soapenv:Envelope>"#
    )
}

fn one() -> String {
    body(
        ORG,
        &notification(
            "04l5e00000Gx7QzAAJ",
            "Account",
            "0015e00000ZkM3hAAF",
            "<sf:Name>Acme Corporation</sf:Name>",
        ),
    )
}

fn salesforce() -> Salesforce {
    Salesforce::new(SalesforceEndpoints::default())
}

fn judge(body: &str, secrets: &[&str], url: &str, tenant: Option<&str>) -> Verdict {
    let secrets: Vec<SecretString> = secrets
        .iter()
        .map(|text| SecretString::from(*text))
        .collect();
    let request = InboundRequest {
        method: "POST",
        public_url: url,
        headers: &[],
        body: body.as_bytes(),
        tenant_id: tenant,
    };
    salesforce().verify(&secrets, &request, 0)
}

fn parse(body: &str) -> Result<Signals> {
    salesforce().parse(&Delivery {
        headers: &[],
        body: body.as_bytes(),
        tenant_id: Some(ORG),
    })
}

#[test]
fn the_address_opens_the_door_for_its_own_organisation_only() {
    let body = one();
    let accepted = |verdict: &Verdict| matches!(verdict, Verdict::Accepted { .. });
    for tenant in [ORG, "00D5e000000KQ2e"] {
        assert!(
            accepted(&judge(&body, &[SECRET], &url(SECRET), Some(tenant))),
            "both forms of the id"
        );
    }
    assert!(accepted(&judge(
        &body,
        &["old", SECRET],
        &format!("{}?x=y", url(SECRET)),
        Some(ORG)
    )));
    for (secrets, address, tenant, reason) in [
        (&[][..], url(SECRET), Some(ORG), Reason::NoSecret),
        (&[""], url(""), Some(ORG), Reason::WrongSignature),
        (&["other"], url(SECRET), Some(ORG), Reason::WrongSignature),
        (
            &[SECRET],
            url("kQ3v-Unguessable_8"),
            Some(ORG),
            Reason::WrongSignature,
        ),
        (
            &[SECRET],
            url(&format!("{SECRET}/")),
            Some(ORG),
            Reason::WrongSignature,
        ),
        (
            &[SECRET],
            url(&format!("{SECRET}x")),
            Some(ORG),
            Reason::WrongSignature,
        ),
        (
            &[SECRET],
            url(SECRET),
            Some("00D5e000000KQ2fEAG"),
            Reason::ForeignAccount,
        ),
        (
            &[SECRET],
            url(SECRET),
            Some("00d5e000000kq2e"),
            Reason::ForeignAccount,
        ),
        (&[SECRET], url(SECRET), None, Reason::ForeignAccount),
    ] {
        assert_eq!(
            judge(&body, secrets, &address, tenant),
            Verdict::Rejected(reason),
            "{address} {tenant:?}"
        );
    }
}

#[test]
fn a_message_that_comes_again_is_the_same_one() {
    let key = |body: &str| match judge(body, &[SECRET], &url(SECRET), Some(ORG)) {
        Verdict::Accepted { dedupe_key } => dedupe_key,
        other => panic!("{other:?}"),
    };
    let first = one();
    let again = first.replace(
        r#"<SessionId xsi:nil="true"/>"#,
        "<SessionId>00D!another</SessionId>",
    );
    assert_eq!(
        key(&first),
        key(&again),
        "it carries another session each time"
    );
    assert_ne!(
        key(&first),
        key(&first.replace("04l5e00000Gx7QzAAJ", "04l5e00000Gx7R0AAJ"))
    );
    let (a, b) = (
        notification("04l5e00000Gx7QzAAJ", "Account", "0015e00000ZkM3hAAF", ""),
        notification("04l5e00000Gx7R0AAJ", "Contact", "0035e00000ZkM3hAAF", ""),
    );
    assert_eq!(
        key(&body(ORG, &format!("{a}{b}"))),
        key(&body(ORG, &format!("{b}{a}")))
    );
}

#[test]
fn a_message_says_what_to_look_at_and_nothing_more() {
    let text = body(
        ORG,
        &[
            notification("04l5e00000Gx7QzAAJ", "Account", "0015e00000ZkM3h", "<sf:Name>A &amp; B &#x41; &lt;x&gt;</sf:Name><sf:SystemModstamp>2026-11-01T10:00:00.000Z</sf:SystemModstamp>"),
            notification("04l5e00000Gx7R0AAJ", "Opportunity", "0065e00000ZkM3hAAF", ""),
            notification("04l5e00000Gx7R1AAJ", "Case", "5005e00000ZkM3hAAF", ""),
            notification("04l5e00000Gx7R2AAJ", "Contact", "nobody", ""),
        ]
        .concat(),
    );
    let signals = parse(&text).unwrap();
    let told: Vec<_> = signals
        .signals
        .iter()
        .map(|signal| {
            (
                signal.resource,
                signal.external_id.as_str(),
                signal.dedupe.as_str(),
                signal.occurred_at_ms,
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                Resource::Company,
                "0015e00000ZkM3hAAF",
                "04l5e00000Gx7QzAAJ",
                1_793_527_200_000
            ),
            (
                Resource::Deal,
                "0065e00000ZkM3hAAF",
                "04l5e00000Gx7R0AAJ",
                0
            ),
        ]
    );
    assert!(
        signals
            .signals
            .iter()
            .all(|signal| signal.tenant_id == ORG && signal.kind == SignalKind::Changed)
    );
    assert_eq!(signals.ignored, ["Case"]);
    assert_eq!(signals.malformed.len(), 1);
    assert!(
        !format!("{signals:?}").contains("A & B"),
        "values are not taken from a message"
    );
}

#[test]
fn a_record_cannot_speak_for_the_frame() {
    // Elements of the frame's names inside of a record, and the other way round.
    let inside = "<OrganizationId>00D000000000000AAA</OrganizationId><Notification><Id>04l000000000000AAA</Id></Notification><sf:Id2>x</sf:Id2>";
    let text = body(
        ORG,
        &notification(
            "04l5e00000Gx7QzAAJ",
            "Account",
            "0015e00000ZkM3hAAF",
            inside,
        ),
    );
    let signals = parse(&text).unwrap();
    assert_eq!(signals.signals.len(), 1);
    assert_eq!(signals.signals[0].external_id, "0015e00000ZkM3hAAF");

    let twice = one().replace(
        "<ActionId>",
        &format!("<OrganizationId>{ORG}</OrganizationId><ActionId>"),
    );
    assert!(parse(&twice).is_err(), "two organisations are none");
    let foreign = one().replace(
        "http://soap.sforce.com/2005/09/outbound",
        "http://example.com/outbound",
    );
    assert!(
        parse(&foreign).is_err(),
        "another namespace is another language"
    );
    let untyped = one().replace(
        "urn:sobject.enterprise.soap.sforce.com",
        "urn:something.else",
    );
    assert!(parse(&untyped).unwrap().signals.is_empty());
    let generic = one()
        .replace(
            "urn:sobject.enterprise.soap.sforce.com",
            "urn:sobject.partner.soap.sforce.com",
        )
        .replace("sf:Account", "sf:sObject")
        .replace("<sf:Id>", "<sf:type>Account</sf:type><sf:Id>");
    assert_eq!(
        parse(&generic).unwrap().signals[0].resource,
        Resource::Company
    );
}

#[test]
fn nothing_can_be_declared_and_nothing_is_expanded() {
    let text = one();
    let bomb =
        r#"<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>"#;
    let outside = r#"<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]>"#;
    let head = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
    for bad in [
        text.replace(head, &format!("{head}{bomb}")),
        text.replace(head, &format!("{head}{outside}"))
            .replace("Acme", "&f;"),
        text.replace(head, &format!("{head}<!DOCTYPE x>")),
        text.replace("Acme", "&f;"),
        text.replace("Acme", "&#0;"),
        text.replace("Acme", "&#x110000;"),
        text.replace("</soapenv:Envelope>", ""),
        text.replace("<Id>04l5e00000Gx7QzAAJ</Id>", ""),
        text.replace("</Notification>", ""),
        body(ORG, ""),
        body(
            "",
            &notification("04l5e00000Gx7QzAAJ", "Account", "0015e00000ZkM3hAAF", ""),
        ),
        format!("{}{}", "<a>".repeat(10_000), "</a>".repeat(10_000)),
        "{}".to_owned(),
        String::new(),
    ] {
        assert!(parse(&bad).is_err(), "{bad}");
        assert!(
            matches!(
                judge(&bad, &[SECRET], &url(SECRET), Some(ORG)),
                Verdict::Rejected(_)
            ),
            "{bad}"
        );
    }
    let crowd: String = (0..1_001)
        .map(|at| {
            notification(
                &format!("04l5e000{at:07}"),
                "Account",
                "0015e00000ZkM3hAAF",
                "",
            )
        })
        .collect();
    assert!(parse(&body(ORG, &crowd)).is_err());
    let full: String = (0..100)
        .map(|at| {
            notification(
                &format!("04l5e000{at:07}"),
                "Account",
                "0015e00000ZkM3hAAF",
                "",
            )
        })
        .collect();
    assert_eq!(parse(&body(ORG, &full)).unwrap().signals.len(), 100);
    assert!(
        salesforce().parse(&Delivery::of(text.as_bytes())).is_err(),
        "at nobody's door"
    );
}

#[test]
fn what_is_stored_is_acknowledged_in_salesforces_words() {
    let answer = salesforce().accepted();
    assert_eq!(
        (answer.status, answer.content_type),
        (200, "text/xml; charset=utf-8")
    );
    assert!(answer.body.contains(r#"<notificationsResponse xmlns="http://soap.sforce.com/2005/09/outbound"><Ack>true</Ack></notificationsResponse>"#));
}
