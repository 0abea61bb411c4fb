//! The mail server, by way of lettre. It says yes, no, or not now; of the last two the log tells the server's status code and nothing of the message.

use super::{MailError, MailServer};
use entities::id::MailMessageId;
use integrations::mail::Letter;
use integrations::mail::one_line;
use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use secrecy::ExposeSecret as _;
use std::time::Duration;
use url::{Host, Url};

/// How long the server may take for one command.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Smtp {
    pub(super) fn new(server: &MailServer) -> Result<Self, MailError> {
        let url = server.url.expose_secret();
        if !is_safe(url) {
            return Err(MailError::Url);
        }
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(url)
            .map_err(|_| MailError::Url)?
            .timeout(Some(PATIENCE))
            .build();
        let from = server.from.parse().map_err(|_| MailError::From)?;
        Ok(Self { transport, from })
    }

    /// Sends a message, under the same `Message-ID` however often.
    pub(super) async fn send(&self, id: MailMessageId, letter: &Letter) -> Result<(), Refused> {
        let never = |why| Refused { again: false, why };
        let to = letter.to.parse().map_err(|_| never(Why::Address))?;
        let domain = self.from.email.domain();
        let built = lettre::Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .message_id(Some(format!("<{id}@{domain}>")))
            .subject(one_line(&letter.subject))
            .header(ContentType::TEXT_PLAIN)
            .body(letter.text.expose_secret().to_owned())
            .map_err(|_| never(Why::Form))?;
        self.transport
            .send(built)
            .await
            .map(|_| ())
            .map_err(|error| Refused {
                again: !error.is_permanent(),
                why: match error.status() {
                    Some(status) => Why::Status(status.into()),
                    None if error.is_timeout() => Why::Silence,
                    None => Why::Unreachable,
                },
            })
    }
}

/// Why the mail server does not have a message. It holds nothing of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// Whether another attempt is worth it.
    pub(super) again: bool,
    why: Why,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    Address,
    Form,
    Status(u16),
    Silence,
    Unreachable,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.why {
            Why::Address => f.write_str("the address is none that mail knows"),
            Why::Form => f.write_str("the message could not be put together"),
            Why::Status(status) => write!(f, "the mail server answered {status}"),
            Why::Silence => f.write_str("the mail server did not answer in time"),
            Why::Unreachable => f.write_str("the mail server could not be reached"),
        }
    }
}

/// Whether what is sent, the server's password among it, goes encrypted or stays on this machine.
fn is_safe(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    let on_loopback = match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        // The scheme is none the standard knows, so an address is read as a name.
        Some(Host::Domain(name)) => {
            name == "localhost"
                || name
                    .trim_matches(['[', ']'])
                    .parse::<std::net::IpAddr>()
                    .is_ok_and(|ip| ip.is_loopback())
        }
        None => return false,
    };
    let requires = url
        .query_pairs()
        .any(|(name, value)| name == "tls" && value == "required");
    match url.scheme() {
        "smtps" => true,
        "smtp" => requires || on_loopback,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::TcpListener;

    #[test]
    fn a_server_is_reached_encrypted_or_on_this_machine() {
        for good in [
            "smtps://user:secret@smtp.example.com",
            "smtp://smtp.example.com:587?tls=required",
            "smtp://127.0.0.1:1025",
            "smtp://localhost",
            "smtp://[::1]:25",
        ] {
            assert!(is_safe(good), "{good}");
        }
        for bad in [
            "",
            "smtp.example.com",
            "smtp://smtp.example.com",
            "smtp://smtp.example.com?tls=opportunistic",
            "http://127.0.0.1",
            "smtp:",
        ] {
            assert!(!is_safe(bad), "{bad}");
        }
    }

    /// A mail server that answers every recipient with a line, and hands back what it was told.
    async fn server(recipient: &'static str) -> (String, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let heard = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let (read, mut write) = stream.into_split();
            let mut lines = BufReader::new(read).lines();
            write.write_all(b"220 here\r\n").await.unwrap();
            let (mut heard, mut in_data) = (String::new(), false);
            while let Ok(Some(line)) = lines.next_line().await {
                heard.push_str(&line);
                heard.push('\n');
                let answer = match line.get(..4).unwrap_or_default() {
                    _ if in_data && line == "." => {
                        in_data = false;
                        "250 taken"
                    }
                    _ if in_data => continue,
                    "RCPT" => recipient,
                    "DATA" => {
                        in_data = true;
                        "354 go on"
                    }
                    "QUIT" => "221 bye",
                    _ => "250 well",
                };
                if write
                    .write_all(format!("{answer}\r\n").as_bytes())
                    .await
                    .is_err()
                {
                    break;
                }
                if answer.starts_with("221") {
                    break;
                }
            }
            heard
        });
        (url, heard)
    }

    const ID: MailMessageId = MailMessageId(uuid::Uuid::from_u128(1));

    fn message() -> Letter {
        Letter {
            to: "ada@contoso.example".to_owned(),
            subject: "Ein Gruß".to_owned(),
            text: "Hello.\n.\nhttps://entente.example/invitation?ticket=abc"
                .to_owned()
                .into(),
        }
    }

    fn smtp(url: &str) -> Smtp {
        Smtp::new(&MailServer {
            url: url.to_owned().into(),
            from: "Entente <entente@example.com>".to_owned(),
        })
        .unwrap()
    }

    #[tokio::test]
    async fn a_message_is_handed_to_the_server() {
        let (url, heard) = server("250 well").await;
        assert_eq!(smtp(&url).send(ID, &message()).await, Ok(()));
        let heard = heard.await.unwrap();
        for part in [
            "MAIL FROM:<entente@example.com>",
            "RCPT TO:<ada@contoso.example>",
            "From: Entente <entente@example.com>",
            "Message-ID: <mail_message_00000000000000000000000001@example.com>",
            "ticket=abc",
        ] {
            assert!(heard.contains(part), "{part} in {heard}");
        }
    }

    #[tokio::test]
    async fn a_refusal_for_good_is_not_repeated_and_one_for_now_is() {
        for (answer, again) in [("550 no such person", false), ("451 not now", true)] {
            let (url, heard) = server(answer).await;
            let refused = smtp(&url).send(ID, &message()).await.unwrap_err();
            assert_eq!(refused.again, again, "{answer}");
            assert!(refused.to_string().contains(&answer[..3]), "{refused}");
            heard.abort();
        }
        let nobody = smtp("smtp://127.0.0.1:9");
        let refused = nobody.send(ID, &message()).await.unwrap_err();
        assert!(refused.again, "nobody listens");
        let mut wrong = message();
        wrong.to = "ada@contoso.example>\r\nRCPT TO:<eve@evil.example".to_owned();
        assert!(!nobody.send(ID, &wrong).await.unwrap_err().again);
    }
}
