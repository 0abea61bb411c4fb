//! A proxy before a vendor's double that spoils chosen calls, byte for byte where the double cannot.
//!
//! Every connection carries one call: the answer is passed on with `connection: close`, so that each call meets the proxy anew and a port
//! that is shut is really shut. A rule applies from the moment it is set until it is lifted or its count has run out.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use url::Url;

/// How far apart the bytes of [`Mishap::Drip`] are.
pub const DRIP: Duration = Duration::from_millis(20);

/// What becomes of a call.
#[derive(Clone, Debug)]
pub enum Mishap {
    /// It is answered with this status, these header lines (each ended by CR LF) and this body, and never reaches the vendor.
    Answer {
        /// The status.
        status: u16,
        /// Further header lines.
        headers: String,
        /// The body.
        body: String,
    },
    /// It is taken and never answered.
    Hang,
    /// Its answer stops in the middle, and the connection stays open.
    Stall,
    /// Its answer comes byte by byte, with [`DRIP`] between them.
    Drip,
    /// Its answer is whole by its headers, and its body is cut in the middle.
    CutBody,
    /// It reaches the vendor, and its answer is lost with the connection.
    AnswerLost,
    /// It is answered with a hundred megabytes.
    Huge,
    /// It is answered with a small body that unpacks to a gigabyte.
    Bomb,
}

impl Mishap {
    /// An answer in JSON.
    #[must_use]
    pub fn json(status: u16, body: &str) -> Self {
        Self::Answer {
            status,
            headers: "content-type: application/json\r\n".to_owned(),
            body: body.to_owned(),
        }
    }
}

/// Which calls a mishap strikes.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Their method; any when empty.
    pub method: &'static str,
    /// A part of their path and query; any when empty.
    pub path: Cow<'static, str>,
    /// A part of their body; any when empty.
    pub body: String,
    /// How often it strikes; until it is lifted when none.
    pub times: Option<u32>,
    /// What happens.
    pub mishap: Mishap,
}

impl Rule {
    /// Strikes every call of this method whose path holds this, until it is lifted.
    #[must_use]
    pub fn on(method: &'static str, path: impl Into<Cow<'static, str>>, mishap: Mishap) -> Self {
        Self {
            method,
            path: path.into(),
            body: String::new(),
            times: None,
            mishap,
        }
    }

    /// The same, so many times.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self {
            times: Some(times),
            ..self
        }
    }
}

#[derive(Debug, Default)]
struct Book {
    rules: Vec<Rule>,
    struck: u32,
    calls: Vec<String>,
}

/// The proxy. It ends with its value.
#[derive(Debug)]
pub struct Chaos {
    address: SocketAddr,
    upstream: SocketAddr,
    book: Arc<Mutex<Book>>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

impl Chaos {
    /// A proxy before this address.
    pub async fn before(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let chaos = Self {
            address,
            upstream,
            book: Arc::default(),
            accepting: Mutex::new(None),
        };
        chaos.accept(listener);
        chaos
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as the vendor's.
    #[must_use]
    pub fn url(&self) -> Url {
        Url::parse(&format!("http://{}/", self.address)).expect("an address")
    }

    /// Adds a rule; of several that apply the first is kept.
    pub fn strike(&self, rule: Rule) {
        self.book().rules.push(rule);
    }

    /// Lifts all rules.
    pub fn lift(&self) {
        self.book().rules.clear();
    }

    /// How many calls have been struck.
    #[must_use]
    pub fn struck(&self) -> u32 {
        self.book().struck
    }

    /// The calls so far, as `METHOD path`.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.book().calls.clone()
    }

    /// Shuts the port: connections are refused.
    pub async fn shut(&self) {
        let accepting = self
            .accepting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(task) = accepting {
            task.abort();
            // The port is shut when the task, which owns the listener, is gone.
            let _ = task.await;
        }
    }

    /// Opens the port again.
    pub async fn open(&self) {
        let listener = TcpListener::bind(self.address)
            .await
            .expect("the port is still ours");
        self.accept(listener);
    }

    fn book(&self) -> std::sync::MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accept(&self, listener: TcpListener) {
        let (book, upstream) = (Arc::clone(&self.book), self.upstream);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let book = Arc::clone(&book);
                tokio::spawn(async move {
                    let _ended = carry(stream, upstream, &book).await;
                });
            }
        });
        *self
            .accepting
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(task);
    }
}

impl Drop for Chaos {
    fn drop(&mut self) {
        let accepting = self
            .accepting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(task) = accepting {
            task.abort();
        }
    }
}

/// One call, from the client's first byte to the answer's last.
async fn carry(
    mut client: TcpStream,
    upstream: SocketAddr,
    book: &Mutex<Book>,
) -> std::io::Result<()> {
    let Some((head, body)) = request(&mut client).await? else {
        return Ok(());
    };
    let mut words = head.split(' ');
    let (method, target) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let mishap = struck(book, method, target, &body);
    match mishap {
        None => {
            let answer = forwarded(upstream, &head, &body).await?;
            client.write_all(&answer).await?;
        }
        Some(Mishap::Answer {
            status,
            headers,
            body,
        }) => {
            let head = format!(
                "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n",
                body.len()
            );
            client.write_all(head.as_bytes()).await?;
            client.write_all(body.as_bytes()).await?;
        }
        Some(Mishap::Hang) => held(&mut client).await,
        Some(Mishap::Stall) => {
            let answer = forwarded(upstream, &head, &body).await?;
            client
                .write_all(answer.get(..answer.len() * 2 / 3).unwrap_or_default())
                .await?;
            held(&mut client).await;
        }
        Some(Mishap::Drip) => {
            let answer = forwarded(upstream, &head, &body).await?;
            for byte in answer {
                client.write_all(&[byte]).await?;
                client.flush().await?;
                tokio::time::sleep(DRIP).await;
            }
        }
        Some(Mishap::CutBody) => {
            let answer = forwarded(upstream, &head, &body).await?;
            client.write_all(&cut(&answer)).await?;
        }
        Some(Mishap::AnswerLost) => {
            let _done = forwarded(upstream, &head, &body).await?;
        }
        Some(Mishap::Huge) => huge(&mut client).await?,
        Some(Mishap::Bomb) => bomb(&mut client).await?,
    }
    client.shutdown().await
}

/// Holds a connection until the client lets go of it.
async fn held(client: &mut TcpStream) {
    let mut nothing = [0_u8; 64];
    while client.read(&mut nothing).await.is_ok_and(|read| read > 0) {}
}

fn struck(book: &Mutex<Book>, method: &str, target: &str, body: &[u8]) -> Option<Mishap> {
    let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
    let path = target.split('?').next().unwrap_or_default();
    book.calls.push(format!("{method} {path}"));
    let text = String::from_utf8_lossy(body);
    let at = book.rules.iter().position(|rule| {
        (rule.method.is_empty() || rule.method == method)
            && target.contains(&*rule.path)
            && text.contains(&rule.body)
    })?;
    book.struck += 1;
    let rule = book.rules.get_mut(at)?;
    let mishap = rule.mishap.clone();
    if let Some(times) = &mut rule.times {
        *times = times.saturating_sub(1);
        if *times == 0 {
            book.rules.remove(at);
        }
    }
    Some(mishap)
}

/// Reads a request: its head with the last empty line, and its body.
async fn request(client: &mut TcpStream) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut buffer = Vec::new();
    let mut piece = [0_u8; 8192];
    let end = loop {
        if let Some(end) = find(&buffer, b"\r\n\r\n") {
            break end + 4;
        }
        let read = client.read(&mut piece).await?;
        if read == 0 {
            return Ok(None);
        }
        buffer.extend_from_slice(&piece[..read]);
    };
    let body = buffer.split_off(end);
    let head = String::from_utf8_lossy(&buffer).into_owned();
    let mut body = body;
    let length = header(&head, "content-length").map_or(0, |text| text.parse().unwrap_or(0));
    while body.len() < length {
        let read = client.read(&mut piece).await?;
        if read == 0 {
            return Ok(None);
        }
        body.extend_from_slice(&piece[..read]);
    }
    Ok(Some((head, body)))
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes
        .windows(wanted.len())
        .position(|window| window == wanted)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

/// Asks the vendor and reads its answer to the end. It is asked for plain text on a connection of its own.
async fn forwarded(upstream: SocketAddr, head: &str, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut vendor = TcpStream::connect(upstream).await?;
    let mut asked = String::with_capacity(head.len() + 32);
    for line in head.trim_end().split("\r\n") {
        let name = line.split(':').next().unwrap_or_default();
        if !["connection", "accept-encoding"]
            .iter()
            .any(|left| name.eq_ignore_ascii_case(left))
        {
            asked.push_str(line);
            asked.push_str("\r\n");
        }
    }
    asked.push_str("connection: close\r\n\r\n");
    vendor.write_all(asked.as_bytes()).await?;
    vendor.write_all(body).await?;
    let mut answer = Vec::new();
    vendor.read_to_end(&mut answer).await?;
    Ok(answer)
}

/// An answer whose headers are true of a body that ends in the middle of the original.
fn cut(answer: &[u8]) -> Vec<u8> {
    let Some(end) = find(answer, b"\r\n\r\n") else {
        return answer.to_vec();
    };
    let (head, body) = answer.split_at(end);
    let body = body.get(4..4 + (body.len() - 4) / 2).unwrap_or_default();
    let status = String::from_utf8_lossy(head);
    let status = status.lines().next().unwrap_or_default();
    let mut whole = format!(
        "{status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    whole.extend_from_slice(body);
    whole
}

/// A hundred megabytes of JSON, of no announced length, so that only counting them helps.
async fn huge(client: &mut TcpStream) -> std::io::Result<()> {
    client
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n{\"results\":[\"")
        .await?;
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..100 {
        client.write_all(&piece).await?;
    }
    client.write_all(b"\"]}").await
}

/// Zeros, packed: one literal and then copies of 258 bytes from one byte back. Eight such copies are thirteen bytes.
async fn bomb(client: &mut TcpStream) -> std::io::Result<()> {
    client
        .write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\nconnection: close\r\n\r\n")
        .await?;
    let mut packed = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let mut bits = Bits::default();
    // The last block, fixed codes; the code of the literal 0 is 00110000.
    bits.push(0b1, 1);
    bits.push(0b01, 2);
    bits.push_code(0b0011_0000, 8);
    let copies = (1_usize << 30) / 258;
    for _ in 0..copies {
        // Length 258 is symbol 285 (11000101), distance 1 is symbol 0 in five bits.
        bits.push_code(0b1100_0101, 8);
        bits.push_code(0, 5);
        if bits.bytes.len() >= 1 << 16 {
            packed.append(&mut bits.bytes);
            client.write_all(&packed).await?;
            packed.clear();
        }
    }
    packed.append(&mut bits.bytes);
    client.write_all(&packed).await
}

/// A bit stream as deflate writes it: values from their lowest bit, codes from their highest.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    pending: u32,
    count: u32,
}

impl Bits {
    fn push(&mut self, value: u32, width: u32) {
        self.pending |= value << self.count;
        self.count += width;
        while self.count >= 8 {
            self.bytes
                .push(u8::try_from(self.pending & 0xff).unwrap_or_default());
            self.pending >>= 8;
            self.count -= 8;
        }
    }

    fn push_code(&mut self, code: u32, width: u32) {
        self.push(code.reverse_bits() >> (32 - width), width);
    }
}
