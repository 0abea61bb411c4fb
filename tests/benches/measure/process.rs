//! What a process costs, as Linux counts it: CPU time and the peak of its memory; and where the product's binary is.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// Linux tells times in hundredths of a second on every architecture it reports them for.
const TICK: Duration = Duration::from_millis(10);

struct Stat {
    parent: u32,
    own: u64,
    reaped: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything; the fields follow the last bracket.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    Some(Stat {
        parent: u32::try_from(number(1)?).ok()?,
        own: number(11)? + number(12)?,
        reaped: number(13)? + number(14)?,
    })
}

fn ticks(number: u64) -> Duration {
    TICK * u32::try_from(number).expect("a bench does not run for a year")
}

/// CPU time of one process so far, its threads included.
pub fn cpu(pid: u32) -> Duration {
    ticks(stat(pid).expect("the process is there").own)
}

/// CPU time so far of a process and of its children, the ended ones included.
pub fn cpu_of_family(pid: u32) -> Duration {
    let head = stat(pid).expect("the process is there");
    let entries = std::fs::read_dir("/proc").expect("/proc can be read");
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let living: u64 = pids
        .filter_map(stat)
        .filter(|child| child.parent == pid)
        .map(|child| child.own + child.reaped)
        .sum();
    ticks(head.own + head.reaped + living)
}

/// CPU time so far of this process's children that have ended.
pub fn cpu_of_ended_children() -> Duration {
    ticks(
        stat(std::process::id())
            .expect("this process is there")
            .reaped,
    )
}

/// The most memory the process has held at one time, in bytes.
pub fn peak_memory(pid: u32) -> u64 {
    let text =
        std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process is there");
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .expect("Linux tells the peak");
    let kibibytes: u64 = line
        .trim()
        .trim_end_matches("kB")
        .trim()
        .parse()
        .expect("a number of kB");
    kibibytes * 1_024
}

/// The optimised binary, built if it is not up to date, or the one that `ENTENTE_BENCH_BINARY` names: another version, to compare with.
pub fn entente() -> PathBuf {
    if let Some(named) = std::env::var_os("ENTENTE_BENCH_BINARY") {
        return named.into();
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    // Naming this package too gives the dependencies the features it was built with itself, so that nothing is built twice.
    let packages = ["--package", "api", "--package", "tests", "--bin", "entente"];
    let built = Command::new(cargo)
        .args(["build", "--release", "--quiet", "--manifest-path", manifest])
        .args(packages)
        .status();
    assert!(
        built.expect("cargo runs").success(),
        "the binary can be built"
    );
    let bench = std::env::current_exe().expect("a bench knows its own path");
    let binary = bench
        .ancestors()
        .nth(2)
        .expect("benches lie in <profile>/deps")
        .join("entente");
    assert!(binary.is_file(), "{} is not there", binary.display());
    binary
}

/// A command without any setting of ours or of a database in its environment.
pub fn clean(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| {
            name.starts_with("ENTENTE_") || name.starts_with("PG") || name == "DATABASE_URL"
        }) {
            command.env_remove(name);
        }
    }
    command
}

/// Runs a command to its end and answers what it printed.
pub fn output(command: &mut Command) -> String {
    let done = command.output().expect("the command can be started");
    let (out, err) = (
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr),
    );
    assert!(done.status.success(), "{command:?} failed: {out}{err}");
    out.into_owned()
}

/// A child that ends with its owner, in order if it can.
pub struct Child(std::process::Child);

impl Child {
    /// Takes charge of a child.
    pub const fn of(child: std::process::Child) -> Self {
        Self(child)
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Its standard output, once.
    pub fn stdout(&mut self) -> std::process::ChildStdout {
        self.0
            .stdout
            .take()
            .expect("its output was piped and is taken once")
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        !matches!(self.0.try_wait(), Ok(None))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let asked = Command::new("kill")
            .args(["-INT", &self.0.id().to_string()])
            .status();
        for _ in 0..500 {
            if asked.is_err() || self.has_ended() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ended_already = self.0.kill();
        let _reaped = self.0.wait();
    }
}
