//! Waiting for what happens elsewhere, with a bound, and finding the folder of real inputs.

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Asks again and again until there is an answer; fails the test, naming `what`, when there is none within `bound`.
pub async fn eventually<T, F: AsyncFnMut() -> Option<T>>(
    what: &str,
    bound: Duration,
    mut look: F,
) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begin.elapsed() < bound, "{what}: not within {bound:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A path of real inputs that lie beside the project, when this machine has them; says loudly when it has not.
#[must_use]
pub fn shared_folder(path: &str) -> Option<PathBuf> {
    let project = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let found = project
        .ancestors()
        .map(|folder| folder.join("shared").join(path))
        .find(|path| path.exists());
    if found.is_none() {
        eprintln!("SKIPPED: ../shared/{path} is not there, so this was not tested");
    }
    found
}
