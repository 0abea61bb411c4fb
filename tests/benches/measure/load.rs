//! A light load generator: keep-alive connections on one thread, requests made ready beforehand, answers checked and thrown away.
//!
//! It takes as little of the machine as it can, for server, database and generator share it; what it does take is told.

use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    /// Answers.
    pub answers: u64,
    /// How long it took.
    pub took: Duration,
}

impl Done {
    /// Answers a second.
    pub fn rate(&self) -> f64 {
        self.answers as f64 / self.took.as_secs_f64()
    }
}

impl std::ops::AddAssign for Done {
    fn add_assign(&mut self, other: Self) {
        self.answers += other.answers;
        self.took += other.took;
    }
}

/// Where to and how hard.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// The server.
    pub address: SocketAddr,
    /// Connections, each with one request at a time.
    pub connections: u64,
    /// How long.
    pub lasts: Duration,
}

impl Load {
    /// Sends requests for that long. `request` writes the n-th of all; `accept` looks at each answer's body and says whether it is right.
    pub fn drive(
        self,
        request: impl Fn(u64, &mut Vec<u8>) + Copy,
        accept: impl Fn(&[u8]) -> bool + Copy,
    ) -> Done {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let begin = Instant::now();
            let end = begin + self.lasts;
            let each = (0..self.connections).map(|first| async move {
                let mut connection = Connection::open(self.address).await;
                let (mut number, mut bytes) = (0, Vec::new());
                while Instant::now() < end {
                    bytes.clear();
                    request(first + number * self.connections, &mut bytes);
                    let body = connection.ask(&bytes).await;
                    assert!(
                        accept(body),
                        "a wrong answer: {}",
                        String::from_utf8_lossy(body)
                    );
                    number += 1;
                }
                number
            });
            let answers = futures::future::join_all(each).await.into_iter().sum();
            Done {
                answers,
                took: begin.elapsed(),
            }
        })
    }
}

/// One connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address)
            .await
            .expect("the server is reached");
        stream.set_nodelay(true).expect("a socket");
        Self {
            stream,
            buffer: vec![0; 256 * 1_024],
        }
    }

    /// Sends a request and reads the body of its answer, which must be a success of known length.
    pub async fn ask(&mut self, request: &[u8]) -> &[u8] {
        self.stream
            .write_all(request)
            .await
            .expect("the server reads");
        let mut filled = 0;
        let mut expected = None;
        loop {
            let read = self
                .stream
                .read(&mut self.buffer[filled..])
                .await
                .expect("the server answers");
            assert!(read > 0, "the server closed the connection");
            filled += read;
            if expected.is_none() {
                expected = head(&self.buffer[..filled]);
            }
            let Some((begin, length)) = expected else {
                continue;
            };
            if begin + length > self.buffer.len() {
                self.buffer.resize(begin + length, 0);
            }
            if filled >= begin + length {
                return &self.buffer[begin..begin + length];
            }
        }
    }
}

/// Where the body begins and how long it is, once the head is complete.
fn head(bytes: &[u8]) -> Option<(usize, usize)> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&bytes[..end]).expect("a head is text");
    let status = head.get(9..12).unwrap_or_default();
    assert!(
        status.starts_with('2'),
        "the server answered {head}\n{}",
        String::from_utf8_lossy(&bytes[end..])
    );
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.map_or(0, |(_, value)| {
        value.trim().parse().expect("a length is a number")
    });
    Some((end + 4, length))
}
