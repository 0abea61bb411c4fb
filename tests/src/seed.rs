//! Chance that can be repeated: one printed seed for a process, and how many rounds a random test runs.

use proptest::test_runner::{Config, RngSeed};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// The seed of this run: `ENTENTE_TEST_SEED`, else one of the clock. It is printed once, so that a failure can be repeated.
#[must_use]
pub fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| {
        let given = std::env::var("ENTENTE_TEST_SEED").ok();
        let seed = given.map_or_else(
            || {
                SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .map_or(1, |now| {
                        u64::try_from(now.as_micros() % 1_000_000_007).unwrap_or(1)
                    })
            },
            |text| {
                text.parse().unwrap_or_else(|_| {
                    panic!("ENTENTE_TEST_SEED is {text:?}, and should be a number")
                })
            },
        );
        eprintln!("seed: ENTENTE_TEST_SEED={seed}");
        seed
    })
}

/// A generator for one purpose; two purposes of one run do not share a sequence.
#[must_use]
pub fn rng(purpose: &str) -> StdRng {
    let mixed = purpose.bytes().fold(seed(), |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    StdRng::seed_from_u64(mixed)
}

/// How many rounds a random test runs: `quick` ordinarily, `full` under `tests/run --full`.
#[must_use]
pub fn rounds(quick: u32, full: u32) -> u32 {
    match std::env::var("ENTENTE_TEST_ROUNDS").as_deref() {
        Err(_) | Ok("quick") => quick,
        Ok("full") => full,
        Ok(other) => panic!("ENTENTE_TEST_ROUNDS is {other:?}, and should be quick or full"),
    }
}

/// The settings of a property test: the run's seed, no files of past failures.
#[must_use]
pub fn proptest_config(quick: u32, full: u32) -> Config {
    Config {
        cases: rounds(quick, full),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed()),
        max_shrink_iters: 200,
        ..Config::default()
    }
}
