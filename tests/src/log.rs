//! The log of a test run: shown with a failing test, and searched for warnings at a test's end.

use std::fmt::Write as _;
use std::sync::{Mutex, Once, PoisonError};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer};

static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Everything that was logged since [`listen`]; none before.
static HEARD: Mutex<Option<Vec<String>>> = Mutex::new(None);

/// What is listened to: more than any deployment writes down.
const LISTENED: &str = "info,api=trace,entities=trace,integrations=trace";

/// The crates whose warnings fail a test.
const OURS: [&str; 5] = ["api", "entities", "integrations", "migration", "sandbox"];

struct Keep;

#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let _ = if field.name() == "message" {
            write!(self.0, "{value:?} ")
        } else {
            write!(self.0, "{}={value:?} ", field.name())
        };
    }
}

impl<S: Subscriber> Layer<S> for Keep {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let (level, target) = (*event.metadata().level(), event.metadata().target());
        let crate_name = target.split("::").next().unwrap_or_default();
        if level <= Level::WARN && OURS.contains(&crate_name) {
            let mut text = Text::default();
            event.record(&mut text);
            WARNINGS
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(format!("{level} {target}: {}", text.0.trim_end()));
        }
    }
}

/// Keeps every line, its fields and those of the spans it stands in, once somebody listens.
struct Listen;

struct Fields(String);

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Listen {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut text = Text::default();
        attributes.record(&mut text);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Fields(text.0));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut heard = HEARD.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(lines) = heard.as_mut() else {
            return;
        };
        let mut text = Text(format!("{} ", event.metadata().target()));
        event.record(&mut text);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(fields) = span.extensions().get::<Fields>() {
                text.0.push_str(&fields.0);
            }
        }
        lines.push(text.0);
    }
}

/// Begins to keep everything that is logged.
pub fn listen() {
    *HEARD.lock().unwrap_or_else(PoisonError::into_inner) = Some(Vec::new());
}

/// Takes what was logged since [`listen`], or since it was last taken.
#[must_use]
pub fn heard() -> Vec<String> {
    let mut heard = HEARD.lock().unwrap_or_else(PoisonError::into_inner);
    heard.as_mut().map(std::mem::take).unwrap_or_default()
}

/// Begins to log, once for the process. `ENTENTE_TEST_LOG` says what is shown; warnings ordinarily.
pub(crate) fn begin() {
    static BEGUN: Once = Once::new();
    BEGUN.call_once(|| {
        let shown = std::env::var("ENTENTE_TEST_LOG").unwrap_or_else(|_| "warn".to_owned());
        let lines = tracing_subscriber::fmt::layer()
            .with_test_writer()
            .compact()
            .with_filter(EnvFilter::new(shown));
        let listening = Listen.with_filter(EnvFilter::new(LISTENED));
        let subscriber = tracing_subscriber::registry()
            .with(lines)
            .with(Keep)
            .with(listening);
        tracing::subscriber::set_global_default(subscriber)
            .expect("nobody else sets up the log of a test");
    });
}

/// Takes the warnings so far.
pub(crate) fn take_warnings() -> Vec<String> {
    std::mem::take(&mut *WARNINGS.lock().unwrap_or_else(PoisonError::into_inner))
}
