//! A PostgreSQL cluster of the bench's own: made in a temporary folder, on loopback, gone at the end. Its settings are the defaults but for
//! memory, and `fsync` stays on.

use super::process::{Child, clean, output};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The user that PostgreSQL runs as when we are root, which it refuses to run as.
const USER: &str = "postgres";

/// A running cluster.
pub struct Cluster {
    // The order matters: the server ends before its folder goes.
    server: Child,
    programs: PathBuf,
    port: u16,
    _folder: TempDir,
}

fn programs() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()));
    let newest = versions
        .filter(|path| path.join("bin/initdb").is_file())
        .max_by_key(|path| path.file_name()?.to_str()?.parse::<u32>().ok());
    if let Some(version) = newest {
        return version.join("bin");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).find(|folder| folder.join("initdb").is_file());
    found.expect("PostgreSQL's programs (initdb, postgres, pgbench) are installed")
}

/// User and group of PostgreSQL, when we are root.
fn identity() -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    let root = std::fs::metadata("/proc/self")
        .expect("/proc can be read")
        .uid()
        == 0;
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let fields = |line: &str| -> Option<(u32, u32)> {
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    root.then(|| {
        users
            .lines()
            .find(|line| line.starts_with(&format!("{USER}:")))
            .and_then(fields)
            .expect("there is a user postgres")
    })
}

fn as_postgres(program: &Path) -> Command {
    let mut command = clean(program);
    if let Some((user, group)) = identity() {
        command.uid(user).gid(group);
    }
    command.current_dir("/");
    command
}

impl Cluster {
    /// Makes and starts one.
    pub fn start() -> Self {
        let programs = programs();
        let folder = tempfile::Builder::new()
            .prefix("entente-bench-")
            .tempdir()
            .expect("a folder");
        if let Some((user, group)) = identity() {
            std::os::unix::fs::chown(folder.path(), Some(user), Some(group))
                .expect("the folder can be given to postgres");
        }
        let data = folder.path().join("data");
        output(
            as_postgres(&programs.join("initdb"))
                .args([
                    "--auth=trust",
                    "--encoding=UTF8",
                    "--locale=C.UTF-8",
                    "--username",
                    USER,
                ])
                .arg(&data),
        );
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let settings = [
            format!("port={port}"),
            "listen_addresses=127.0.0.1".to_owned(),
            format!("unix_socket_directories={}", folder.path().display()),
            "shared_buffers=256MB".to_owned(),
            "max_connections=120".to_owned(),
        ];
        let mut command = as_postgres(&programs.join("postgres"));
        command
            .arg("-D")
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        for setting in settings {
            command.args(["-c", &setting]);
        }
        let server = Child::of(command.spawn().expect("PostgreSQL starts"));
        let cluster = Self {
            server,
            programs,
            port,
            _folder: folder,
        };
        cluster.wait_until_ready();
        cluster
    }

    fn wait_until_ready(&self) {
        let begin = Instant::now();
        loop {
            let asked = clean(self.programs.join("pg_isready"))
                .args(self.place("postgres"))
                .stdout(Stdio::null())
                .status();
            if asked.is_ok_and(|status| status.success()) {
                return;
            }
            assert!(
                begin.elapsed() < Duration::from_secs(30),
                "PostgreSQL does not come up"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn place(&self, database: &str) -> Vec<String> {
        [
            "-h",
            "127.0.0.1",
            "-p",
            &self.port.to_string(),
            "-U",
            USER,
            "-d",
            database,
        ]
        .map(str::to_owned)
        .to_vec()
    }

    /// The postmaster, whose children serve the connections.
    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    /// The address of a database.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/{database}", self.port)
    }

    /// Runs statements, each in its own transaction, and answers the values.
    pub fn run(&self, database: &str, statements: &str) -> String {
        let mut command = clean(self.programs.join("psql"));
        command.args(self.place(database)).args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-f",
            "-",
        ]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("psql starts");
        let mut stdin = child.stdin.take().expect("a pipe");
        std::io::Write::write_all(&mut stdin, statements.as_bytes()).expect("psql reads");
        drop(stdin);
        let done = child.wait_with_output().expect("psql ends");
        assert!(
            done.status.success(),
            "psql: {}",
            String::from_utf8_lossy(&done.stderr)
        );
        String::from_utf8_lossy(&done.stdout).into_owned()
    }

    /// Makes an empty database.
    pub fn create(&self, database: &str) {
        self.run("postgres", &format!("CREATE DATABASE {database}"));
    }

    /// A `pgbench` command for a database, without a script.
    pub fn pgbench(&self, database: &str) -> Command {
        let mut command = clean(self.programs.join("pgbench"));
        // pgbench spells the option for the database as an argument; `-d` means something else to it.
        let place = self.place("-");
        command
            .args(place.iter().take(6))
            .env("PGDATABASE", database)
            .args(["--no-vacuum", "-M", "prepared"]);
        command
    }
}
