//! Bars on standard error while the first sync reads; nothing when nobody watches.

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use integrations::sync::Progress;
use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// One line for each resource.
pub(super) struct Bars {
    all: MultiProgress,
    by_resource: Mutex<BTreeMap<&'static str, ProgressBar>>,
}

impl Bars {
    /// Bars that are drawn when they are wanted and standard error is a terminal.
    pub(super) fn new(wanted: bool) -> Self {
        let drawn = wanted && std::io::stderr().is_terminal();
        let target = if drawn {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        Self {
            all: MultiProgress::with_draw_target(target),
            by_resource: Mutex::default(),
        }
    }

    /// Shows how far one resource is.
    pub(super) fn show(&self, progress: &Progress) {
        let name = progress.resource.as_str();
        let mut bars = self
            .by_resource
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let bar = bars.entry(name).or_insert_with(|| self.begin(name));
        bar.set_position(progress.read);
    }

    fn begin(&self, name: &'static str) -> ProgressBar {
        let bar = self.all.add(ProgressBar::new_spinner());
        // A vendor does not say how much there is; what has been read is all that can be shown.
        if let Ok(style) = ProgressStyle::with_template(
            "  {spinner} {prefix:<18} {human_pos:>8} read  {elapsed:>4}",
        ) {
            bar.set_style(style);
        }
        bar.set_prefix(name);
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    /// Leaves the bars as they are.
    pub(super) fn finish(&self) {
        for bar in self
            .by_resource
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .values()
        {
            bar.abandon();
        }
    }
}
