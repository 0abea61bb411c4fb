//! Every key of the configuration in one table: its path, its kind, its default and what it means.
//!
//! The defaults live here and nowhere else, and so does the documentation: `entente config` and the sample file are printed from
//! this table. The name of a key's environment variable follows from its path. Invariant, held by a test: the table and
//! the typed configuration name the same keys, and no two keys share a variable.

/// What kind of value a key takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A text that is never shown.
    Secret,
    /// An address that may hold a password; the password is never shown.
    Address,
    /// A whole number, not negative.
    Number,
    /// `true` or `false`.
    Switch,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its path, with dots between the sections.
    pub path: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// Its value when nobody sets it; none when it is then absent.
    pub default: Option<&'static str>,
    /// What it means, in one line.
    pub doc: &'static str,
}

impl Key {
    /// The environment variable that sets it.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("{PREFIX}{}", self.path.replace('.', "_").to_uppercase())
    }

    /// The key with this path.
    #[must_use]
    pub fn find(path: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.path == path)
    }
}

/// What all our environment variables begin with; one that does and is no key's is an error.
pub const PREFIX: &str = "ENTENTE_";

macro_rules! keys {
    ($($path:literal $kind:ident $default:expr, $doc:literal;)*) => {
        /// Every key, in the order in which it is printed: those without a section first.
        pub const KEYS: &[Key] = &[$(Key { path: $path, kind: Kind::$kind, default: $default, doc: $doc },)*];
    };
}

keys! {
    "database_url" Address None, "sqlite:///path/file.sqlite or postgres://user:password@host/database; the variable DATABASE_URL is read too. Default: a SQLite file in data_dir.";
    "data_dir" Text Some("./entente-data"), "Folder of the SQLite file and of what the demonstration keeps.";
    "public_url" Text None, "The address under which clients and vendors reach this server, https unless it is loopback; `serve` needs it. Signatures, redirects and the tokens' issuer follow from it, never from a Host header.";
    "listen" Text Some("127.0.0.1:8080"), "Address and port to listen on; port 0 takes a free one.";
    "vault_key" Secret None, "Master key for secrets at rest: 32 random bytes in base64. `serve`, `worker` and `token` need it.";
    "vault_key_previous" Secret None, "The master key before the current one, so that what it sealed still opens while keys rotate.";
    "migrate_on_start" Switch Some("false"), "Whether `serve` and `worker` bring a PostgreSQL schema up to date themselves; a SQLite file always is.";
    "graphiql" Switch Some("false"), "Whether /graphiql serves a page to try queries on.";
    "dev_mail" Switch Some("false"), "Development only: messages to people are written to the log's debug lines and shown at /dev/mail, where everybody can read them. Refused unless public_url is on loopback.";
    "log.format" Text Some("json"), "json or text.";
    "log.filter" Text Some("info,actix_server=warn"), "What is logged, as tracing's filter directives.";
    "http.workers" Number Some("0"), "Threads that serve requests; 0 is one per core.";
    "http.drain_seconds" Number Some("20"), "How long running requests may go on after SIGTERM.";
    "http.forwarded_hops" Number Some("0"), "How many proxies of yours stand before this server: limits by address then count the address that the outermost of them saw (X-Forwarded-For). 0 believes the connection only.";
    "pool.connections" Number Some("8"), "Database connections of the workers and of everything shared.";
    "pool.worker_connections" Number Some("8"), "Database connections of each HTTP worker's own pool (PostgreSQL only).";
    "token.remembered" Number Some("10000"), "How many verified tokens are remembered, so that a signature is not checked twice.";
    "token.lifetime_hours" Number Some("24"), "Life of the tokens that `entente token` makes when it is not told otherwise.";
    "limits.body_bytes" Number Some("262144"), "Bytes of a GraphQL request body.";
    "limits.document_bytes" Number Some("16384"), "Bytes of a GraphQL document.";
    "limits.tokens" Number Some("2000"), "Tokens of a GraphQL document.";
    "limits.nesting" Number Some("32"), "Nesting of a GraphQL document, of its selections and of its variables.";
    "limits.expanded_fields" Number Some("5000"), "Fields of a GraphQL document once its fragments are expanded.";
    "limits.aliases" Number Some("30"), "Aliases of a GraphQL document.";
    "limits.root_fields" Number Some("10"), "Fields at the root of a GraphQL operation.";
    "limits.cost" Number Some("25000"), "Cost of one GraphQL operation.";
    "limits.seconds" Number Some("15"), "Seconds that one GraphQL operation may take.";
    "limits.budget" Number Some("1000000"), "Cost that a rested token subject may spend at once.";
    "limits.restore_rate" Number Some("100000"), "Cost that a token subject gets back each second.";
    "limits.sign_in_per_minute" Number Some("30"), "Requests a minute from one address where people sign in.";
    "limits.applications_per_hour" Number Some("20"), "Applications an hour from one address by the public form of a programme.";
    "limits.token_per_minute" Number Some("600"), "Requests a minute from one address at the addresses of the authorization server.";
    "sync.interval_seconds" Number Some("60"), "How often each connection is asked for changes; webhooks come in between.";
    "sync.lease_seconds" Number Some("60"), "How long a worker that stopped answering keeps its work from others.";
    "worker.concurrency" Number Some("2"), "Units of work one process does at a time.";
    "worker.poll_millis" Number Some("1000"), "How long an idle worker waits at most before it looks again; at most 1000.";
    "webhooks.ports" Text Some("443, 8443"), "The ports on which receivers of webhooks are called, with commas between them.";
    "webhooks.plain_http" Switch Some("false"), "Whether receivers may be called over plain http. Addresses that are not public are refused all the same.";
    "webhooks.lease_seconds" Number Some("60"), "How long a process that stopped answering keeps its webhook deliveries from others; at least 30.";
    "retention.events_days" Number Some("0"), "Days after which events leave the log; 0 keeps them for ever. Those of the audit trail stay for ever.";
    "retention.deliveries_days" Number Some("30"), "Days after which settled webhook deliveries and runs of automations are thrown away; 0 keeps them for ever.";
    "retention.mail_days" Number Some("30"), "Days after which messages by mail that were sent or given up are thrown away; 0 keeps them for ever. What a message says leaves the database when it was sent.";
    "mail.smtp_url" Address None, "The mail server for invitations and forgotten passwords: smtps://user:password@host or smtp://user:password@host:587?tls=required.";
    "mail.from" Text None, "The sender of that mail: Entente <entente@example.com>. It belongs to mail.smtp_url.";
    "oidc.issuer" Text None, "The OpenID Connect provider at which staff signs in: its issuer, exactly as it writes it. Its redirect address is {public_url}/sign-in/callback/staff. Without it staff signs in with passwords.";
    "oidc.client_id" Text None, "Client id of our registration there.";
    "oidc.client_secret" Secret None, "Client secret of our registration there, for client_secret_post.";
    "oidc.domains" Text None, "The domains of the addresses the provider may speak for, with commas between.";
    "oidc.name" Text None, "What staff knows the provider by; the issuer's host when left out.";
    "hubspot.client_id" Text None, "Client id of the HubSpot app.";
    "hubspot.client_secret" Secret None, "Client secret of the HubSpot app; it also signs HubSpot's webhooks.";
    "hubspot.client_secret_previous" Secret None, "The secret before the current one, while it is rotated: webhooks signed with it are accepted, and HubSpot is asked with it where it does not know the current one yet.";
    "salesforce.client_id" Text None, "Consumer key of the Salesforce External Client App.";
    "salesforce.client_secret" Secret None, "Consumer secret of the Salesforce app; it also signs the answers that hand over tokens.";
    "salesforce.client_secret_previous" Secret None, "The consumer secret before the current one, while it is rotated.";
    "shopify.client_id" Text None, "Client id of the Shopify app.";
    "shopify.client_secret" Secret None, "Client secret of the Shopify app; it also signs Shopify's webhooks and the way back from a shop's consent.";
    "shopify.client_secret_previous" Secret None, "The secret before the current one, while it is rotated: Shopify goes on signing with it for about an hour.";
    "shopify.all_orders" Switch Some("false"), "Whether a shop is asked for its orders of all times. Only for an app that Shopify has allowed to ask (read_all_orders): it refuses the whole consent of any other. Without it, the orders of the last 60 days are read.";
    "slack.client_id" Text None, "Client id of the Slack app.";
    "slack.client_secret" Secret None, "Client secret of the Slack app.";
    "slack.client_secret_previous" Secret None, "The client secret before the current one, while it is rotated.";
    "slack.signing_secret" Secret None, "Signing secret of the Slack app: what Slack sends, events and pressed buttons, is accepted by it alone.";
    "slack.signing_secret_previous" Secret None, "The signing secret before the current one, while it is rotated.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn paths_and_variables_are_unique_and_sections_stay_together() {
        let paths: BTreeSet<_> = KEYS.iter().map(|key| key.path).collect();
        let variables: BTreeSet<_> = KEYS.iter().map(Key::variable).collect();
        assert_eq!(paths.len(), KEYS.len());
        assert_eq!(variables.len(), KEYS.len());
        let mut sections: Vec<_> = KEYS
            .iter()
            .map(|key| key.path.split_once('.').map_or("", |(section, _)| section))
            .collect();
        sections.dedup();
        let distinct: BTreeSet<_> = sections.iter().collect();
        assert_eq!(distinct.len(), sections.len());
        assert_eq!(sections.first(), Some(&""));
    }
}
