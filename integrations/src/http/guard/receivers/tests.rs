#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
use super::*;
use crate::http::{Call, Client, ClientSettings, HostPolicy, HttpError};
use std::net::Ipv4Addr;
use std::sync::Mutex;
use tokio::net::TcpListener;

/// Every spelling of a place that nobody outside should be led to. `PORT` is one on which something listens here.
const SPELLINGS: &[&str] = &[
    "127.0.0.1",
    "127.1",
    "127.0.1",
    "127.127.127.127",
    "127.255.255.254",
    "127.0.0.1.",
    "2130706433",
    "0x7f000001",
    "0X7F000001",
    "0x7f.0x0.0x0.0x1",
    "0x7f.1",
    "0177.0.0.1",
    "0177.0.0.01",
    "017700000001",
    "0177.1",
    "00000177.0.0.1",
    "①②⑦.⓪.⓪.①",
    "１２７.０.０.１",
    "127。0。0。1",
    "127．0．0．1",
    "%31%32%37.0.0.1",
    "0",
    "0.0.0.0",
    "0x0",
    "00",
    "0.0.0.1",
    "0.1.2.3",
    "10.0.0.1",
    "10.1",
    "0xa000001",
    "012.0.0.1",
    "167772161",
    "172.16.0.1",
    "172.31.255.255",
    "0xac100001",
    "2886729729",
    "192.168.0.1",
    "192.168.257",
    "0xc0a80001",
    "3232235521",
    "0300.0250.0.1",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "169.254.169.254",
    "169.254.43518",
    "169.16689662",
    "0xa9fea9fe",
    "0xa9.0xfe.0xa9.0xfe",
    "2852039166",
    "0251.0376.0251.0376",
    "025177524776",
    "①⑥⑨.②⑤④.①⑥⑨.②⑤④",
    "169.254.170.2",
    "168.63.129.16",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "4294967295",
    "0xffffffff",
    "[::]",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[0000:0000:0000:0000:0000:0000:0000:0001]",
    "[::127.0.0.1]",
    "[::7f00:1]",
    "[::ffff:127.0.0.1]",
    "[::FFFF:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:7f00:0001]",
    "[::ffff:10.0.0.1]",
    "[::ffff:192.168.0.1]",
    "[::ffff:169.254.169.254]",
    "[::ffff:a9fe:a9fe]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b::127.0.0.1]",
    "[64:ff9b::169.254.169.254]",
    "[64:ff9b::a9fe:a9fe]",
    "[64:ff9b:1::a00:1]",
    "[100::1]",
    "[2001::1]",
    "[2001:0:7f00:1::]",
    "[2001:2::1]",
    "[2001:10::1]",
    "[2001:20::1]",
    "[2001:db8::1]",
    "[2002:7f00:1::]",
    "[2002:a9fe:a9fe::]",
    "[2002:a00:1::1]",
    "[2620:4f:8000::1]",
    "[3fff::1]",
    "[5f00::1]",
    "[fc00::1]",
    "[fd00:ec2::254]",
    "[fd20:ce::254]",
    "[fe80::1]",
    "[febf::1]",
    "[fec0::1]",
    "[ff02::1]",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "LocalHost.",
    "ｌｏｃａｌｈｏｓｔ",
    "a.localhost",
    "a.localhost.",
    "localhost.localdomain",
    "metadata",
    "metadata.",
    "metadata.google.internal",
    "metadata.google.internal.",
    "METADATA.GOOGLE.INTERNAL",
    "instance-data.ec2.internal",
    "kubernetes.default.svc.cluster.local",
    "printer.local",
    "router.lan",
    "router.home.arpa",
    "wiki.intranet",
    "host.docker.internal",
    "db",
    "ip6-localhost",
    "ip6-loopback",
];

/// Names of which the resolver of the test knows an address that is not public: alone, among public ones, or the second time it is asked.
const NAMES: &[(&str, &[&str])] = &[
    ("loop.example.com", &["127.0.0.1"]),
    ("six.example.com", &["::1"]),
    ("mapped.example.com", &["::ffff:127.0.0.1"]),
    ("nat64.example.com", &["64:ff9b::7f00:1"]),
    ("private.example.com", &["10.0.0.1"]),
    ("metadata.example.com", &["169.254.169.254"]),
    ("zero.example.com", &["0.0.0.0"]),
    ("mixed.example.com", &["8.8.8.8", "127.0.0.1"]),
    (
        "mixed-six.example.com",
        &["2606:4700:4700::1111", "fd00::1"],
    ),
    ("dot.example.com.", &["127.0.0.1"]),
    ("nothing.example.com", &[]),
];

type Asked = Arc<Mutex<Vec<String>>>;

fn test_lookup(asked: &Asked) -> Lookup {
    let asked = Arc::clone(asked);
    Arc::new(move |host| {
        asked.lock().unwrap().push(host.clone());
        let known = NAMES
            .iter()
            .find(|(name, _)| name.trim_end_matches('.') == host.trim_end_matches('.'));
        let addresses = known.map_or(&[][..], |(_, addresses)| addresses);
        let found = addresses
            .iter()
            .map(|text| SocketAddr::new(text.parse().unwrap(), 0))
            .collect();
        Box::pin(async move { found })
    })
}

#[tokio::test]
async fn no_spelling_of_a_place_inside_opens_a_socket() {
    assert!(SPELLINGS.len() + NAMES.len() >= 140);
    let four = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = four.local_addr().unwrap().port();
    let six = TcpListener::bind(("::1", port)).await.ok();
    let asked = Asked::default();
    // The policy at its most open: plain http as well, and the very port on which something listens.
    let receivers = Receivers::on(vec![port])
        .with_plain_http(true)
        .looked_up_by(test_lookup(&asked));
    let client = Client::new(HostPolicy::receivers(receivers), ClientSettings::default()).unwrap();
    let hosts = SPELLINGS.iter().chain(NAMES.iter().map(|(name, _)| name));
    for host in hosts {
        for scheme in ["http", "https"] {
            let text = format!("{scheme}://{host}:{port}/hook");
            // What no address can be made of is refused before anything else is asked.
            let Ok(url) = Url::parse(&text) else { continue };
            let call = Call::post_json(url, &"x").unwrap();
            let refused = client.send(&call).await;
            assert!(
                matches!(refused, Err(HttpError::Blocked(_))),
                "{text}: {refused:?}"
            );
        }
    }
    let quiet = std::time::Duration::from_millis(50);
    assert!(
        tokio::time::timeout(quiet, four.accept()).await.is_err(),
        "a socket was opened"
    );
    if let Some(six) = six {
        assert!(tokio::time::timeout(quiet, six.accept()).await.is_err());
    }
    let asked = asked.lock().unwrap();
    assert!(
        asked.len() >= NAMES.len(),
        "the names were looked up: {asked:?}"
    );
    for name in asked.iter() {
        assert!(
            name.trim_end_matches('.').ends_with("example.com"),
            "{name} was looked up"
        );
    }
}

#[test]
fn a_public_address_on_a_listed_port_is_called_over_https() {
    let policy = HostPolicy::receivers(Receivers::on(vec![443, 8443]));
    let check = |text: &str| policy.check(&Url::parse(text).unwrap());
    for text in [
        "https://hooks.example.com/a",
        "https://hooks.example.com:8443/a",
        "https://hooks.example.com./a",
        "https://8.8.8.8/",
        "https://[2606:4700:4700::1111]/",
        "https://xn--bcher-kva.example/",
    ] {
        assert_eq!(check(text), Ok(()), "{text}");
    }
    assert_eq!(check("http://hooks.example.com/"), Err(Blocked::Scheme));
    assert_eq!(
        check("https://hooks.example.com:22/"),
        Err(Blocked::Port { port: 22 })
    );
    assert_eq!(
        check("https://user@hooks.example.com/"),
        Err(Blocked::Shape)
    );
    assert_eq!(check("ftp://hooks.example.com/"), Err(Blocked::Scheme));
}
