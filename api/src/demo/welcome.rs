//! What a demonstration says when it is ready: prose for a person, or one line of JSON for a program.

use super::tour::{Offer, Step};
use entities::sync_run::Findings;
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use url::Url;

/// Three queries to paste, with what each shows.
pub const QUERIES: [(&str, &str); 3] = [
    (
        "Partners and the revenue they won",
        "{ partners(first: 10) { totalCount nodes { id name wonRevenue { amount currency } } } }",
    ),
    (
        "The pipeline in numbers",
        "{ dealSummary { stage count amount { amount currency } } }",
    ),
    (
        "The deals each partner won last",
        "{ partners(first: 5) { nodes { name deals(first: 3, filter: {stage: {eq: WON}}, orderBy: [{field: CLOSED_AT, direction: DESC}]) { nodes { name closedAt amount { amount currency } customer { name } } } } } }",
    ),
];

pub(super) struct Welcome {
    pub(super) graphql: String,
    pub(super) graphiql: String,
    pub(super) token: SecretString,
    pub(super) sandboxes: BTreeMap<&'static str, Url>,
    pub(super) tour: Option<Vec<Step>>,
}

impl Welcome {
    /// One line for a program.
    pub(super) fn json(&self) -> String {
        let sandboxes = self.sandboxes.iter();
        let sandboxes: BTreeMap<&str, &str> = sandboxes
            .map(|(name, url)| (*name, url.as_str().trim_end_matches('/')))
            .collect();
        let mut line = serde_json::json!({
            "graphql": self.graphql,
            "graphiql": self.graphiql,
            "token": self.token.expose_secret(),
            "sandboxes": sandboxes,
        });
        if let (Some(tour), Some(line)) = (&self.tour, line.as_object_mut()) {
            line.insert("tour".to_owned(), serde_json::json!(tour));
        }
        line.to_string()
    }

    /// For a person.
    pub(super) fn prose(&self, findings: &Findings, offers: &[Offer]) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text, findings, offers);
        text
    }

    fn write(&self, text: &mut String, findings: &Findings, offers: &[Offer]) -> std::fmt::Result {
        writeln!(
            text,
            "Entente is running. Ctrl-C ends it; started again it continues where it was.\n"
        )?;
        for (resource, counts) in &findings.counts {
            writeln!(
                text,
                "  {resource}: {} read, {} created, {} changed, {} unchanged",
                counts.read, counts.created, counts.updated, counts.unchanged
            )?;
        }
        if findings.issue_count > 0 {
            writeln!(
                text,
                "  {} records were kept out or flagged; see why with {{ syncRuns(last: 1) {{ nodes {{ issues {{ resource externalId field code message }} }} }} }}",
                findings.issue_count
            )?;
        }
        writeln!(
            text,
            "\n{:<12}{}\n{:<12}{}\n{:<12}{}",
            "GraphiQL",
            self.graphiql,
            "GraphQL",
            self.graphql,
            "Token",
            self.token.expose_secret()
        )?;
        writeln!(text, "\nSandboxes, connected by real consents:")?;
        for (name, url) in &self.sandboxes {
            writeln!(text, "  {name:<12}{url}")?;
        }
        writeln!(text, "\nThree queries to paste:")?;
        for (title, query) in QUERIES {
            writeln!(text, "\n# {title}\n{query}")?;
        }
        match &self.tour {
            Some(steps) => write_tour(text, steps)?,
            None => writeln!(
                text,
                "\nWhat the four do together: `entente demo --tour` shows and measures it, or by hand:"
            )?,
        }
        for offer in offers {
            writeln!(text, "\n# {}\n{}", offer.does, offer.line)?;
        }
        Ok(())
    }
}

fn write_tour(text: &mut String, steps: &[Step]) -> std::fmt::Result {
    writeln!(text, "\nWhat the four do together:")?;
    for (number, step) in (1..).zip(steps) {
        writeln!(text, "\n  {number}. {}.", step.did)?;
        for seen in &step.seen {
            writeln!(
                text,
                "     {:>6} ms  {}: {}",
                seen.millis, seen.r#where, seen.what
            )?;
        }
    }
    writeln!(text, "\nAgain, by hand:")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::demo::tour::Seen;

    fn welcome(tour: Option<Vec<Step>>) -> Welcome {
        let url = |port: u16| Url::parse(&format!("http://127.0.0.1:{port}/")).unwrap();
        Welcome {
            graphql: "http://127.0.0.1:1/graphql".to_owned(),
            graphiql: "http://127.0.0.1:1/graphiql".to_owned(),
            token: "a.b.c".to_owned().into(),
            sandboxes: BTreeMap::from([
                ("hubspot", url(2)),
                ("salesforce", url(3)),
                ("shopify", url(4)),
                ("slack", url(5)),
            ]),
            tour,
        }
    }

    fn step() -> Step {
        Step {
            did: "A deal was won".to_owned(),
            seen: vec![Seen {
                r#where: "Slack",
                what: "#deals is told".to_owned(),
                millis: 42,
            }],
        }
    }

    #[test]
    fn the_json_is_one_line_with_the_promised_keys() {
        let line = welcome(None).json();
        assert!(!line.contains('\n'));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        for (name, port) in [
            ("hubspot", 2),
            ("salesforce", 3),
            ("shopify", 4),
            ("slack", 5),
        ] {
            assert_eq!(
                value.pointer(&format!("/sandboxes/{name}")).unwrap(),
                &format!("http://127.0.0.1:{port}")
            );
        }
        assert_eq!(value.get("token").unwrap(), "a.b.c");
        assert_eq!(value.as_object().unwrap().len(), 4);
        let toured = welcome(Some(vec![step()])).json();
        let value: serde_json::Value = serde_json::from_str(&toured).unwrap();
        assert_eq!(value.pointer("/tour/0/seen/0/millis").unwrap(), 42);
    }

    #[test]
    fn the_prose_names_every_sandbox_and_what_to_do_with_it() {
        let offer = Offer {
            does: "Win a deal".to_owned(),
            line: "curl -X PATCH http://127.0.0.1:2/__sandbox".to_owned(),
        };
        let text = welcome(None).prose(&Findings::default(), &[offer]);
        for part in [
            "http://127.0.0.1:3/",
            "entente demo --tour",
            "# Win a deal\ncurl -X PATCH",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        let toured = welcome(Some(vec![step()])).prose(&Findings::default(), &[]);
        assert!(
            toured.contains("1. A deal was won.\n         42 ms  Slack: #deals is told"),
            "{toured}"
        );
    }

    #[tokio::test]
    async fn the_queries_fit_the_schema() {
        let schema = crate::graphql::schema::build();
        for (title, query) in QUERIES {
            let response = schema.execute(query).await;
            // Without a viewer nothing is answered, but a field that does not exist is a validation error.
            for error in &response.errors {
                assert!(!error.path.is_empty(), "{title}: {}", error.message);
            }
        }
    }
}
