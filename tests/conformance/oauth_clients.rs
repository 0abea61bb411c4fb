//! Strict clients of others work with the authorization server by discovery alone: every way to prove oneself, to tokens, and to their end.

use crate::node;
use entities::oauth_client::{self, AuthMethod, GrantType, NewOAuthClient};
use entities::secret;
use entities::session::{self, NewSession, SignInMethod};
use entities::user::{self, NewUser, UserRole};
use entities::viewer::{Scopes, StaffRole, Viewer};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tests::{Options, TestApp};
use tokio::process::Command;

const REDIRECT: &str = "https://app.example.com/callback";

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/oauth_clients")
}

/// An app in which somebody has signed in, and the variables of a program that is told of it.
struct Scene {
    app: TestApp,
    variables: Vec<(&'static str, String)>,
}

impl Scene {
    /// With a client for each way to prove oneself; `keys` are the public keys of those who sign.
    async fn start(keys: &Value) -> Self {
        let limit = "ENTENTE_LIMITS_TOKEN_PER_MINUTE";
        let app = TestApp::start(Options::default().with(limit, 1_000_000)).await;
        let mut clients = Vec::new();
        for method in [
            AuthMethod::ClientSecretBasic,
            AuthMethod::ClientSecretPost,
            AuthMethod::None,
        ] {
            clients.push(registered(&app, method, method.as_str(), None).await);
        }
        for (name, set) in keys.as_object().unwrap() {
            let set = Some(set.clone());
            clients.push(registered(&app, AuthMethod::PrivateKeyJwt, name, set).await);
        }
        let variables = vec![
            ("ISSUER", app.public_url().as_str().to_owned()),
            ("AUDIENCE", app.public_url().audience()),
            ("COOKIE", cookie(&app).await),
            ("REDIRECT", REDIRECT.to_owned()),
            ("CLIENTS", json!(clients).to_string()),
        ];
        Self { app, variables }
    }

    fn variables(&self) -> Vec<(&str, &str)> {
        let each = self.variables.iter();
        each.map(|(name, value)| (*name, value.as_str())).collect()
    }
}

async fn registered(app: &TestApp, method: AuthMethod, name: &str, jwks: Option<Value>) -> Value {
    let mut grant_types = vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
    if method != AuthMethod::None {
        grant_types.push(GrantType::ClientCredentials);
    }
    let input = NewOAuthClient {
        name: name.to_owned(),
        partner_id: None,
        auth_method: method,
        redirect_uris: vec![REDIRECT.to_owned()],
        grant_types,
        scopes: Scopes::from_claim("deals:read partners:read"),
        jwks,
    };
    let mut change = app.change().await;
    let made = oauth_client::create(&mut change, &Viewer::system("tests"), input).await;
    change.commit().await.unwrap();
    let (row, secret) = made.unwrap();
    let secret = secret.map(|secret| secret.expose_secret().to_owned());
    json!({ "id": row.id, "method": name, "secret": secret })
}

async fn cookie(app: &TestApp) -> String {
    let mut change = app.change().await;
    let input = NewUser {
        role: UserRole::Staff(StaffRole::Admin),
        name: "Some Body".to_owned(),
        email: "somebody@example.com".to_owned(),
    };
    let row = user::invite(&mut change, input).await.unwrap();
    let row = user::activate(&mut change, row, None).await.unwrap();
    let made = secret::generate(app.database().ids());
    let new = NewSession {
        secret_hash: secret::digest(made.expose_secret()),
        method: SignInMethod::Password,
        user_agent: None,
    };
    session::start(&mut change, &row, new).await.unwrap();
    change.commit().await.unwrap();
    format!("entente={}", made.expose_secret())
}

/// The programs in a folder of their own with their keys; none where Node is missing.
async fn programs() -> Option<(TempDir, Value)> {
    let files = [
        "package.json",
        "package-lock.json",
        "keys.mjs",
        "browser.mjs",
        "oauth4webapi.mjs",
        "openid-client.mjs",
    ];
    let folder = node::installed(&source(), &files).await?;
    let keys = node::run(&folder, "keys.mjs", &[]).await;
    Some((folder, serde_json::from_str(&keys).unwrap()))
}

#[tokio::test]
async fn oauth4webapi_and_openid_client_work_by_discovery_alone() {
    let Some((folder, keys)) = programs().await else {
        return;
    };
    let scene = Scene::start(&keys).await;
    for program in ["oauth4webapi.mjs", "openid-client.mjs"] {
        let said = node::run(&folder, program, &scene.variables()).await;
        let ways = if program == "oauth4webapi.mjs" { 7 } else { 3 };
        assert_eq!(said.lines().count(), ways, "{said}");
    }
    scene.app.finish().await;
}

/// Runs a program and fails the test with everything it said.
async fn ran(command: &mut Command) -> String {
    let output = command.output().await.unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, error) = (said(&output.stdout), said(&output.stderr));
    assert!(output.status.success(), "{out}{error}");
    out
}

#[tokio::test]
async fn authlib_works_by_discovery_alone() {
    let version = Command::new("python3").arg("--version").output().await;
    if !version.is_ok_and(|output| output.status.success()) {
        eprintln!("SKIPPED: python3 is not there, so Authlib was not run");
        return;
    }
    // Node makes the keys, as the one program here that can make RSA keys without a library.
    let Some((folder, keys)) = programs().await else {
        return;
    };
    let place = folder.path().join("python");
    ran(Command::new("python3").args(["-m", "venv"]).arg(&place)).await;
    let python = place.join("bin").join("python");
    let needed = source().join("requirements.txt");
    let pip = [
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
    ];
    ran(Command::new(&python).args(pip).arg(needed)).await;
    let scene = Scene::start(&keys).await;
    let mut program = Command::new(&python);
    let program = program
        .arg(source().join("authlib_client.py"))
        .current_dir(folder.path())
        .envs(scene.variables());
    let said = ran(program).await;
    assert_eq!(said.lines().count(), 7, "{said}");
    scene.app.finish().await;
}
