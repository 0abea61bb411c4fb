#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests"
)]

use super::*;
use crate::graphql::admission::Limits;
use crate::graphql::admission::budget::Budget;
use secrecy::ExposeSecret as _;

const VAULT_KEY: &str = "6V1n0cV9Yk6gkY7p2uKZ2yY0v6gV4l2m8m0p3xg1Qmk=";

fn load(
    file: Option<&str>,
    environment: &[(&str, &str)],
    flags: &[(&'static str, &'static str, &str)],
) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("entente.toml");
    std::fs::write(&path, file.unwrap_or_default()).unwrap();
    Config::load(&Sources {
        file: Some(path),
        environment: environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        flags: flags
            .iter()
            .map(|(flag, path, value)| (*flag, *path, (*value).to_owned()))
            .collect(),
    })
}

fn refusal(file: Option<&str>, environment: &[(&str, &str)]) -> String {
    let text = load(file, environment, &[]).unwrap_err().to_string();
    assert!(!text.contains('\n'), "one line: {text}");
    text
}

#[test]
fn the_defaults_are_complete() {
    let config = load(None, &[], &[]).unwrap();
    assert_eq!(config.listen, "127.0.0.1:8080".parse().unwrap());
    assert_eq!(
        config.database_url().expose_secret(),
        "sqlite://./entente-data/entente.sqlite"
    );
    assert_eq!(config.limits.admission(), Limits::default());
    assert_eq!(config.limits.budget(), Budget::default());
    assert!(!config.graphiql && !config.migrate_on_start);
    assert!(config.apps().is_empty());
}

#[test]
fn every_key_of_the_table_is_a_setting() {
    for key in KEYS {
        let value = match key.path {
            "log.format" => "text",
            "listen" => "127.0.0.1:1",
            "public_url" => "https://example.com",
            "vault_key" | "vault_key_previous" => VAULT_KEY,
            "webhooks.ports" => "443, 8443",
            "webhooks.lease_seconds" => "60",
            "oidc.issuer" => "https://id.example.com",
            "oidc.domains" => "example.com",
            _ if key.kind == Kind::Number => "7",
            _ if key.kind == Kind::Switch => "true",
            _ => "text",
        };
        let others = [
            ("ENTENTE_HUBSPOT_CLIENT_ID", "id"),
            ("ENTENTE_HUBSPOT_CLIENT_SECRET", "secret"),
            ("ENTENTE_SALESFORCE_CLIENT_ID", "id"),
            ("ENTENTE_SALESFORCE_CLIENT_SECRET", "secret"),
            ("ENTENTE_SHOPIFY_CLIENT_ID", "id"),
            ("ENTENTE_SHOPIFY_CLIENT_SECRET", "secret"),
            ("ENTENTE_SLACK_CLIENT_ID", "id"),
            ("ENTENTE_SLACK_CLIENT_SECRET", "secret"),
            ("ENTENTE_SLACK_SIGNING_SECRET", "secret"),
            ("ENTENTE_MAIL_SMTP_URL", "smtps://mail.example.com"),
            ("ENTENTE_MAIL_FROM", "entente@example.com"),
            ("ENTENTE_OIDC_ISSUER", "https://id.example.com"),
            ("ENTENTE_OIDC_CLIENT_ID", "id"),
            ("ENTENTE_OIDC_CLIENT_SECRET", "secret"),
            ("ENTENTE_OIDC_DOMAINS", "example.com"),
        ];
        let variable = key.variable();
        let environment: Vec<_> = others
            .into_iter()
            .filter(|(name, _)| *name != variable)
            .chain([(variable.as_str(), value)])
            .collect();
        let config =
            load(None, &environment, &[]).unwrap_or_else(|error| panic!("{}: {error}", key.path));
        assert!(
            show::effective(&config).contains(&format!("from: variable {variable}")),
            "{}",
            key.path
        );
    }
}

#[test]
fn later_sources_win_and_are_named() {
    let file = "listen = \"127.0.0.1:1\"\n[pool]\nconnections = 3\n[worker]\nconcurrency = 9";
    let config = load(
        Some(file),
        &[
            ("ENTENTE_LISTEN", "127.0.0.1:2"),
            ("ENTENTE_WORKER_CONCURRENCY", "4"),
        ],
        &[("--listen", "listen", "127.0.0.1:3")],
    )
    .unwrap();
    assert_eq!(
        (
            config.listen.port(),
            config.pool.connections,
            config.worker.concurrency
        ),
        (3, 3, 4)
    );
    assert!(
        config.is_chosen("listen")
            && config.is_chosen("pool.connections")
            && !config.is_chosen("http.workers")
    );
    let shown = show::effective(&config);
    for line in [
        "listen = \"127.0.0.1:3\"\n    from: flag --listen;",
        "pool.connections = 3\n    from: file ",
        "worker.concurrency = 4\n    from: variable ENTENTE_WORKER_CONCURRENCY;",
        "http.workers = 0\n    from: default;",
    ] {
        assert!(shown.contains(line), "{line} in {shown}");
    }
}

#[test]
fn the_databases_own_variable_goes_before_the_platforms() {
    let database = |environment: &[(&str, &str)]| {
        load(None, environment, &[])
            .unwrap()
            .database_url()
            .expose_secret()
            .to_owned()
    };
    assert_eq!(
        database(&[("DATABASE_URL", "postgres://a/b")]),
        "postgres://a/b"
    );
    assert_eq!(
        database(&[
            ("ENTENTE_DATABASE_URL", "postgres://c/d"),
            ("DATABASE_URL", "postgres://a/b")
        ]),
        "postgres://c/d"
    );
}

#[test]
fn what_is_unknown_is_refused() {
    assert_eq!(
        refusal(None, &[("ENTENTE_LISTN", "x")]),
        "ENTENTE_LISTN: there is no such setting; `entente config` lists them all"
    );
    assert!(refusal(Some("listn = \"x\""), &[]).contains("there is no setting listn;"));
    assert!(
        refusal(Some("[limits]\ntoken = 1"), &[]).contains("there is no setting limits.token;")
    );
    assert!(refusal(Some("[fax]\nclient_id = \"x\""), &[]).contains("there is no setting fax;"));
    assert!(
        refusal(Some("[shopify]\nsigning_secret = \"x\""), &[])
            .contains("there is no setting shopify.signing_secret;"),
        "only Slack signs with a secret of its own"
    );
    assert!(load(None, &[("PATH", "/bin"), ("ENTENTEX", "1")], &[]).is_ok());
}

#[test]
fn what_does_not_fit_is_refused_without_repeating_it() {
    assert_eq!(
        refusal(None, &[("ENTENTE_POOL_CONNECTIONS", "many")]),
        "variable ENTENTE_POOL_CONNECTIONS: pool.connections takes a whole number"
    );
    assert_eq!(
        refusal(None, &[("ENTENTE_GRAPHIQL", "yes")]),
        "variable ENTENTE_GRAPHIQL: graphiql takes true or false"
    );
    assert!(
        refusal(None, &[("ENTENTE_PUBLIC_URL", "http://example.com")])
            .contains("public_url: it must be https")
    );
    assert!(refusal(None, &[("ENTENTE_LISTEN", "8080")]).contains("listen"));
    assert!(refusal(None, &[("ENTENTE_LIMITS_NESTING", "5000")]).contains("at most 200"));
    assert!(refusal(None, &[("ENTENTE_WORKER_CONCURRENCY", "0")]).contains("at least 1"));
    assert!(refusal(None, &[("ENTENTE_LOG_FORMAT", "xml")]).contains("json, text"));
    for vendor in ["HUBSPOT", "SALESFORCE", "SHOPIFY", "SLACK"] {
        for part in ["CLIENT_ID", "CLIENT_SECRET"] {
            let variable = format!("ENTENTE_{vendor}_{part}");
            let text = refusal(None, &[(&variable, "987654321")]);
            assert!(
                text.contains(&vendor.to_lowercase())
                    && text.contains("belong together")
                    && !text.contains("987654321"),
                "{text}"
            );
        }
    }
    let unsigned = [
        ("ENTENTE_SLACK_CLIENT_ID", "x"),
        ("ENTENTE_SLACK_CLIENT_SECRET", "x"),
    ];
    assert!(refusal(None, &unsigned).contains("slack.signing_secret"));
    let text = refusal(Some("vault_key = 987654321"), &[]);
    assert!(
        text.contains("vault_key takes") && !text.contains("987654321"),
        "{text}"
    );
    assert!(refusal(Some("listen = "), &[]).contains("entente.toml"));
}

#[test]
fn a_named_file_must_be_there() {
    let sources = Sources {
        file: Some(PathBuf::from("/nowhere/entente.toml")),
        ..Sources::default()
    };
    assert!(matches!(
        Config::load(&sources),
        Err(ConfigError::NoFile { .. })
    ));
    assert!(
        Config::load(&Sources::default()).is_ok(),
        "without a name there need be none"
    );
}

#[test]
fn secrets_are_never_shown() {
    let environment = [
        ("ENTENTE_VAULT_KEY", VAULT_KEY),
        ("ENTENTE_HUBSPOT_CLIENT_ID", "public-id"),
        ("ENTENTE_HUBSPOT_CLIENT_SECRET", "very-secret"),
        ("ENTENTE_SLACK_CLIENT_ID", "public-slack-id"),
        ("ENTENTE_SLACK_CLIENT_SECRET", "very-secret"),
        ("ENTENTE_SLACK_SIGNING_SECRET", "signing-secret"),
        ("ENTENTE_SLACK_SIGNING_SECRET_PREVIOUS", "signed-before"),
        ("DATABASE_URL", "postgres://me:geheim@db/entente"),
        (
            "ENTENTE_MAIL_SMTP_URL",
            "smtps://me:mail-secret@mail.example.com",
        ),
        ("ENTENTE_MAIL_FROM", "entente@example.com"),
        ("ENTENTE_OIDC_ISSUER", "https://id.example.com"),
        ("ENTENTE_OIDC_CLIENT_ID", "public-oidc-id"),
        ("ENTENTE_OIDC_CLIENT_SECRET", "oidc-secret"),
        ("ENTENTE_OIDC_DOMAINS", "example.com"),
    ];
    let config = load(None, &environment, &[]).unwrap();
    let text = format!("{:?} {:?}", config.mail, config.staff_provider);
    assert!(!text.contains("mail-secret") && !text.contains("oidc-secret"));
    for text in [show::effective(&config), format!("{config:?}")] {
        for secret in [
            VAULT_KEY,
            "very-secret",
            "geheim",
            "signing-secret",
            "signed-before",
            "mail-secret",
            "oidc-secret",
        ] {
            assert!(!text.contains(secret), "{text}");
        }
    }
    assert!(show::effective(&config).contains("public-id"));
    assert!(show::effective(&config).contains("public-slack-id"));
}

#[test]
fn orders_of_all_times_are_asked_for_only_when_somebody_says_so() {
    let of =
        |environment: &[(&str, &str)]| load(None, environment, &[]).map(|config| config.all_orders);
    assert!(!of(&[]).unwrap());
    assert!(of(&[("ENTENTE_SHOPIFY_ALL_ORDERS", "true")]).unwrap());
    assert!(of(&[("ENTENTE_SHOPIFY_ALL_ORDERS", "perhaps")]).is_err());
    let file = Some("[shopify]\nall_orders = true");
    assert!(load(file, &[], &[]).unwrap().all_orders);
}

#[test]
fn every_connector_has_its_registration() {
    let environment: Vec<(String, String)> = KEYS
        .iter()
        .filter(|key| key.path.contains(".client_") || key.path.contains(".signing_"))
        .filter(|key| !key.path.starts_with("oidc."))
        .map(|key| (key.variable(), format!("{} of the app", key.path)))
        .collect();
    let environment: Vec<(&str, &str)> = environment
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let config = load(None, &environment, &[]).unwrap();
    for connector in integrations::connectors(integrations::Endpoints::default()).iter() {
        let id = connector.descriptor().id;
        let app = config
            .apps()
            .get(id)
            .unwrap_or_else(|| panic!("{id} cannot be configured"));
        assert_eq!(app.client_id, format!("{id}.client_id of the app"));
        assert_eq!(
            app.client_secret.expose_secret(),
            format!("{id}.client_secret of the app")
        );
        let before = app.previous_client_secret.as_ref().unwrap();
        assert_eq!(
            before.expose_secret(),
            format!("{id}.client_secret_previous of the app")
        );
    }
    let slack = config.apps().get("slack").unwrap();
    let signing = [&slack.signing_secret, &slack.previous_signing_secret];
    assert_eq!(
        signing.map(|secret| secret.as_ref().unwrap().expose_secret().to_owned()),
        [
            "slack.signing_secret of the app",
            "slack.signing_secret_previous of the app"
        ]
    );
}

#[test]
fn everybodys_mail_is_shown_on_loopback_only() {
    for (public_url, shown) in [
        ("http://127.0.0.1:8080", true),
        ("http://localhost:8080", true),
        ("https://entente.example.com", false),
    ] {
        let environment = [
            ("ENTENTE_DEV_MAIL", "true"),
            ("ENTENTE_PUBLIC_URL", public_url),
        ];
        assert_eq!(load(None, &environment, &[]).is_ok(), shown, "{public_url}");
    }
}

#[test]
fn what_a_command_needs_is_asked_for_in_one_line() {
    let config = load(None, &[], &[]).unwrap();
    assert!(
        config
            .public_url()
            .unwrap_err()
            .to_string()
            .contains("ENTENTE_PUBLIC_URL=")
    );
    assert!(
        config
            .master_keys()
            .unwrap_err()
            .to_string()
            .contains("openssl rand -base64 32")
    );
    let placeholder = load(
        None,
        &[(
            "ENTENTE_VAULT_KEY",
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        )],
        &[],
    )
    .unwrap();
    assert!(
        placeholder
            .master_keys()
            .unwrap_err()
            .to_string()
            .contains("variable ENTENTE_VAULT_KEY: vault_key:")
    );
    assert!(
        load(None, &[("ENTENTE_VAULT_KEY", VAULT_KEY)], &[])
            .unwrap()
            .master_keys()
            .is_ok()
    );
}
