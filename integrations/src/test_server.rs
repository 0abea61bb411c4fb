//! An HTTP server on loopback whose answers a test writes byte for byte, broken ones included.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use url::Url;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

/// What is sent back: bytes, and what becomes of the connection after them.
pub(crate) enum Reply {
    Whole(Vec<u8>),
    ThenHang(Vec<u8>),
    ThenClose(Vec<u8>),
}

/// JSON with a status and further header lines.
pub(crate) fn json(status: u16, headers: &str, body: &str) -> Reply {
    let text = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    );
    Reply::Whole(text.into_bytes())
}

pub(crate) struct TestServer {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl TestServer {
    pub(crate) async fn start(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (reply, log) = (Arc::new(reply), Arc::clone(&seen));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (reply, log) = (Arc::clone(&reply), Arc::clone(&log));
                tokio::spawn(async move {
                    let _ended = serve(stream, &*reply, &log).await;
                });
            }
        });
        Self { address, seen }
    }

    pub(crate) fn url(&self) -> Url {
        Url::parse(&format!("http://{}/", self.address)).unwrap()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    reply: &(dyn Fn(&Seen) -> Reply + Send + Sync),
    log: &Mutex<Vec<Seen>>,
) -> Option<()> {
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            more(&mut stream, &mut buffer).await?;
        };
        let head = String::from_utf8(buffer.drain(..end + 4).collect()).ok()?;
        let mut seen = Seen {
            method: String::new(),
            target: String::new(),
            head,
            body: String::new(),
        };
        let length: usize = seen
            .header("content-length")
            .map_or(0, |text| text.parse().unwrap());
        while buffer.len() < length {
            more(&mut stream, &mut buffer).await?;
        }
        seen.body = String::from_utf8(buffer.drain(..length).collect()).ok()?;
        let mut words = seen.head.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        (seen.method, seen.target) = (method, target);
        log.lock().unwrap().push(seen.clone());
        match reply(&seen) {
            Reply::Whole(bytes) => stream.write_all(&bytes).await.ok()?,
            Reply::ThenHang(bytes) => {
                stream.write_all(&bytes).await.ok()?;
                std::future::pending::<()>().await;
            }
            Reply::ThenClose(bytes) => {
                stream.write_all(&bytes).await.ok()?;
                return None;
            }
        }
    }
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0_u8; 4096];
    let read = stream.read(&mut piece).await.ok()?;
    buffer.extend_from_slice(piece.get(..read)?);
    (read > 0).then_some(())
}
