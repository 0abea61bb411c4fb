//! What a demonstration says when it is ready: prose for a person, or one line of JSON for a program.

use entities::sync_run::Findings;
use secrecy::{ExposeSecret, SecretString};
use std::fmt::Write as _;

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
    pub(super) hubspot: String,
}

impl Welcome {
    /// One line for a program.
    pub(super) fn json(&self) -> String {
        serde_json::json!({
            "graphql": self.graphql,
            "graphiql": self.graphiql,
            "token": self.token.expose_secret(),
            "sandboxes": { "hubspot": self.hubspot },
        })
        .to_string()
    }

    /// For a person.
    pub(super) fn prose(&self, findings: &Findings) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text, findings);
        text
    }

    fn write(&self, text: &mut String, findings: &Findings) -> std::fmt::Result {
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
            "\nGraphiQL    {}\nGraphQL     {}\nSandbox     {} (HubSpot)",
            self.graphiql, self.graphql, self.hubspot
        )?;
        writeln!(text, "Token       {}\n", self.token.expose_secret())?;
        writeln!(text, "Three queries to paste:")?;
        for (title, query) in QUERIES {
            writeln!(text, "\n# {title}\n{query}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn welcome() -> Welcome {
        Welcome {
            graphql: "http://127.0.0.1:1/graphql".to_owned(),
            graphiql: "http://127.0.0.1:1/graphiql".to_owned(),
            token: "a.b.c".to_owned().into(),
            hubspot: "http://127.0.0.1:2".to_owned(),
        }
    }

    #[test]
    fn the_json_is_one_line_with_the_promised_keys() {
        let line = welcome().json();
        assert!(!line.contains('\n'));
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            value.pointer("/sandboxes/hubspot").unwrap(),
            "http://127.0.0.1:2"
        );
        assert_eq!(value.get("token").unwrap(), "a.b.c");
        assert_eq!(value.as_object().unwrap().len(), 4);
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
