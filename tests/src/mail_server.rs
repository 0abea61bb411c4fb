//! A mail server on loopback that takes what it is told to take, and remembers it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

#[derive(Default)]
struct Kept {
    /// What the next recipients are answered; 250 when there is nothing.
    answers: VecDeque<&'static str>,
    /// How many of the next messages are taken without saying so: the connection breaks.
    silent: usize,
    messages: Vec<String>,
    asked: usize,
}

/// A mail server.
#[derive(Clone)]
pub struct MailServer {
    url: String,
    kept: Arc<Mutex<Kept>>,
}

impl MailServer {
    /// Starts one.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let kept = Arc::new(Mutex::new(Kept::default()));
        let server = Self {
            url: format!("smtp://{address}"),
            kept: Arc::clone(&kept),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&kept)));
            }
        });
        server
    }

    /// Its address for `mail.smtp_url`.
    #[must_use]
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Answers the next recipients so.
    pub fn answer(&self, answers: &[&'static str]) {
        let mut kept = self.kept.lock().expect("nobody panics");
        kept.answers.extend(answers);
    }

    /// Takes so many messages, and breaks the connection before it says so.
    pub fn take_silently(&self, messages: usize) {
        self.kept.lock().expect("nobody panics").silent = messages;
    }

    /// What it took, the oldest first.
    #[must_use]
    pub fn messages(&self) -> Vec<String> {
        self.kept.lock().expect("nobody panics").messages.clone()
    }

    /// How many recipients it was asked to take.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.kept.lock().expect("nobody panics").asked
    }
}

async fn serve(stream: TcpStream, kept: Arc<Mutex<Kept>>) {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    if write.write_all(b"220 here\r\n").await.is_err() {
        return;
    }
    let mut message: Option<String> = None;
    while let Ok(Some(line)) = lines.next_line().await {
        let answer = if let Some(text) = &mut message {
            if line != "." {
                text.push_str(&line);
                text.push('\n');
                continue;
            }
            let mut kept = kept.lock().expect("nobody panics");
            kept.messages.extend(message.take());
            if kept.silent > 0 {
                kept.silent -= 1;
                return;
            }
            "250 taken"
        } else {
            match line.get(..4).unwrap_or_default() {
                "RCPT" => {
                    let mut kept = kept.lock().expect("nobody panics");
                    kept.asked += 1;
                    kept.answers.pop_front().unwrap_or("250 well")
                }
                "DATA" => {
                    message = Some(String::new());
                    "354 go on"
                }
                "QUIT" => "221 bye",
                _ => "250 well",
            }
        };
        let sent = write.write_all(format!("{answer}\r\n").as_bytes()).await;
        if sent.is_err() || answer.starts_with("221") {
            return;
        }
    }
}
