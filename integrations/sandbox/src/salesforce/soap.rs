//! The XML of an outbound message and of its acknowledgement.

use std::fmt::Write;

use super::id;
use super::inner::Inner;

/// A record that is told about.
#[derive(Debug, Clone)]
pub(crate) struct Notification {
    pub(crate) id: String,
    pub(crate) object: String,
    pub(crate) record: String,
}

/// What a message says beside its notifications.
#[derive(Debug)]
pub(crate) struct Envelope<'a> {
    pub(crate) org_id: &'a str,
    pub(crate) action_id: &'a str,
    pub(crate) base: &'a str,
    pub(crate) object: &'a str,
    pub(crate) fields: &'a [&'a str],
}

/// The message with the values of now; `None` when every record has been deleted since.
pub(crate) fn envelope(
    inner: &Inner,
    about: &Envelope<'_>,
    batch: &[Notification],
) -> Option<String> {
    let mut told = String::new();
    for notification in batch {
        let Some(record) = inner
            .record(&notification.object, &notification.record)
            .filter(|record| record.deleted_at.is_none())
        else {
            continue;
        };
        // Writing to a string does not fail.
        let _ = write!(
            told,
            "<Notification><Id>{}</Id><sObject xsi:type=\"sf:{}\" xmlns:sf=\"urn:sobject.enterprise.soap.sforce.com\">",
            notification.id, about.object
        );
        for field in about.fields {
            if let Some(held) = record.get(field) {
                let _ = write!(told, "<sf:{field}>{}</sf:{field}>", escape(&held.plain()));
            }
        }
        told.push_str("</sObject></Notification>");
    }
    if told.is_empty() {
        return None;
    }
    let short = id::short(about.org_id);
    Some(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <soapenv:Envelope xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\" xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\
         <soapenv:Body><notifications xmlns=\"http://soap.sforce.com/2005/09/outbound\">\
         <OrganizationId>{}</OrganizationId><ActionId>{}</ActionId><SessionId xsi:nil=\"true\"/>\
         <EnterpriseUrl>{base}/services/Soap/c/68.0/{short}</EnterpriseUrl>\
         <PartnerUrl>{base}/services/Soap/u/68.0/{short}</PartnerUrl>{told}</notifications></soapenv:Body></soapenv:Envelope>",
        about.org_id,
        about.action_id,
        base = escape(about.base),
    ))
}

/// Text as it may stand in XML. Characters XML cannot hold become a space.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => out.push(c),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// True when an answer says `<Ack>true</Ack>`, under any prefix.
pub(crate) fn acknowledged(answer: &str) -> bool {
    answer
        .match_indices("Ack>")
        .filter_map(|(at, found)| {
            let before = answer.get(..at)?;
            let opens = before.ends_with('<')
                || before.rfind('<').is_some_and(|open| {
                    let name = before.get(open + 1..).unwrap_or_default();
                    name.ends_with(':') && !name.starts_with('/')
                });
            let content = answer.get(at + found.len()..)?;
            opens.then(|| content.split('<').next().unwrap_or_default().trim())
        })
        .any(|content| content == "true")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_true_ack_acknowledges() {
        for (answer, taken) in [
            (
                "<notificationsResponse><Ack>true</Ack></notificationsResponse>",
                true,
            ),
            ("<x:Ack> true </x:Ack>", true),
            ("<Ack>false</Ack>", false),
            ("<NotAck>true</NotAck>", false),
            ("</Ack>true", false),
            ("true", false),
            ("", false),
        ] {
            assert_eq!(acknowledged(answer), taken, "{answer}");
        }
    }

    #[test]
    fn markup_in_values_stays_text() {
        assert_eq!(
            escape("A & <B> \u{1}'\""),
            "A &amp; &lt;B&gt;  &apos;&quot;"
        );
    }
}
