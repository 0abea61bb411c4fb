//! Messages to people: written here, sent by SMTP, and in development kept where they can be read.
//!
//! Owns the queue between whoever writes a message and the mail server, the attempts, and the development's box. Refuses: a mail server that is
//! reached without encryption (but on loopback), and to hold anybody up: a message that cannot be queued or sent is reported in the log, and
//! its writer offers to send another. Invariant: neither an address nor a text is in the log, for a text holds a ticket; only with
//! `dev_mail`, which a public address off loopback refuses, are messages written to the log's debug lines and shown at `/dev/mail`.

mod smtp;

use entities::clock::{Clock, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use smtp::Smtp;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// How many messages may wait to be sent.
const QUEUE: usize = 1_000;
/// How many messages the development's box holds.
const SHOWN: usize = 50;
/// How long to wait before each further attempt.
const WAITS: [Duration; 3] = [
    Duration::from_secs(2),
    Duration::from_secs(20),
    Duration::from_secs(120),
];

/// Where mail leaves.
#[derive(Clone)]
pub struct MailServer {
    /// `smtps://user:password@host` or `smtp://…?tls=required`.
    pub url: SecretString,
    /// The sender: `Entente <entente@example.com>`.
    pub from: String,
}

impl std::fmt::Debug for MailServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MailServer")
            .field("from", &self.from)
            .finish_non_exhaustive()
    }
}

/// The configured mail server cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// The address is none, or one without encryption.
    #[error(
        "mail.smtp_url must be smtps://host or smtp://host?tls=required; without encryption only a host on loopback is used"
    )]
    Url,
    /// The sender is no mail address.
    #[error("mail.from must be a mail address, such as Entente <entente@example.com>")]
    From,
}

/// One message in plain text.
#[derive(Clone)]
pub struct Message {
    /// The address it goes to.
    pub to: String,
    /// What it is about, in one line.
    pub subject: String,
    /// Its text. It may hold a ticket.
    pub text: SecretString,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Message")
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// A message in the development's box.
#[derive(Clone, Debug)]
pub struct Shown {
    /// When it was written.
    pub at: Timestamp,
    /// The message.
    pub message: Message,
}

struct Box {
    clock: Arc<dyn Clock>,
    messages: Mutex<VecDeque<Shown>>,
}

/// Takes messages. Cheap to clone.
#[derive(Clone)]
pub struct Mailer {
    queue: Option<mpsc::Sender<Message>>,
    shown: Option<Arc<Box>>,
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mailer")
            .field("sends", &self.queue.is_some())
            .field("shows", &self.shown.is_some())
            .finish()
    }
}

impl Mailer {
    /// A mailer that sends by `server`, where there is one, and keeps messages to be read, where `shows`. It must be made within a runtime.
    ///
    /// # Errors
    /// [`MailError`].
    pub fn new(
        server: Option<&MailServer>,
        shows: bool,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, MailError> {
        let queue = server.map(Smtp::new).transpose()?.map(|smtp| {
            let (sender, receiver) = mpsc::channel(QUEUE);
            tokio::spawn(deliver(smtp, receiver));
            sender
        });
        let shown = shows.then(|| {
            Arc::new(Box {
                clock: Arc::clone(clock),
                messages: Mutex::default(),
            })
        });
        Ok(Self { queue, shown })
    }

    /// Takes a message; it is sent while the caller goes on.
    pub fn send(&self, message: Message) {
        if let Some(shown) = &self.shown {
            tracing::debug!(
                subject = message.subject,
                text = message.text.expose_secret(),
                "a message"
            );
            let mut messages = shown
                .messages
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            messages.truncate(SHOWN - 1);
            messages.push_front(Shown {
                at: shown.clock.now(),
                message: message.clone(),
            });
        }
        let queued = self.queue.as_ref().map(|queue| queue.try_send(message));
        match queued {
            Some(Err(_)) => tracing::error!("a message was not sent: too many are waiting"),
            None if self.shown.is_none() => {
                tracing::warn!("a message was not sent: mail.smtp_url is not set");
            }
            _ => {}
        }
    }

    /// The messages kept to be read, the newest first; none where there is no such box.
    #[must_use]
    pub fn shown(&self) -> Option<Vec<Shown>> {
        let shown = self.shown.as_ref()?;
        let messages = shown
            .messages
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Some(messages.iter().cloned().collect())
    }
}

/// Sends what comes until nobody can write any more. Each message has a few attempts of its own, so that one address that is refused for a while
/// does not hold up the others.
async fn deliver(smtp: Smtp, mut receiver: mpsc::Receiver<Message>) {
    let smtp = Arc::new(smtp);
    while let Some(message) = receiver.recv().await {
        let Err(again) = smtp.send(&message).await else {
            continue;
        };
        if again {
            tokio::spawn(insist(Arc::clone(&smtp), message));
        }
    }
}

async fn insist(smtp: Arc<Smtp>, message: Message) {
    for wait in WAITS {
        tokio::time::sleep(wait).await;
        match smtp.send(&message).await {
            Err(true) => {}
            Ok(()) | Err(false) => return,
        }
    }
    tracing::error!("a message was given up: the mail server took it at none of the attempts");
}
