//! The real binary as a server.

use super::process::{Child, clean, output};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The address under which the server believes it is reached; tokens and signatures name it.
pub const PUBLIC_URL: &str = "http://127.0.0.1:8080";

/// 32 bytes in base64; what it seals lives as long as the bench.
const VAULT_KEY: &str = "YmVuY2hiZW5jaGJlbmNoYmVuY2hiZW5jaGJlbmNoYmU=";

/// How to start `entente`.
#[derive(Clone)]
pub struct Setup {
    /// The binary.
    pub binary: PathBuf,
    /// The address of its database.
    pub database: String,
    /// More settings, as variables.
    pub settings: Vec<(&'static str, String)>,
}

impl Setup {
    /// A command with these settings.
    pub fn command(&self) -> Command {
        let mut command = clean(&self.binary);
        command.current_dir(std::env::temp_dir());
        command.envs([
            ("ENTENTE_DATABASE_URL", self.database.as_str()),
            ("ENTENTE_PUBLIC_URL", PUBLIC_URL),
            ("ENTENTE_VAULT_KEY", VAULT_KEY),
        ]);
        command.envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end and answers what it printed.
    pub fn run(&self, arguments: &[&str]) -> String {
        output(self.command().args(arguments)).trim().to_owned()
    }

    /// Starts the server. Its log is written as configured, to `log` where one is named, and thrown away otherwise.
    pub fn serve(&self, arguments: &[&str], log: Option<&Path>) -> Server {
        let mut serve = self.command();
        let log = log.map_or_else(Stdio::null, |path| {
            std::fs::File::create(path).expect("a log").into()
        });
        serve
            .args(["serve", "--json", "--listen", "127.0.0.1:0"])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut child = Child::of(serve.spawn().expect("entente starts"));
        let mut line = String::new();
        BufReader::new(child.stdout())
            .read_line(&mut line)
            .expect("entente says where it listens");
        let said: Value =
            serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        let url: url::Url = said["graphql"]
            .as_str()
            .expect("an address")
            .parse()
            .expect("an address");
        let address = url.socket_addrs(|| None).expect("an address")[0];
        Server { child, address }
    }
}

/// A running server.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Its number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}
