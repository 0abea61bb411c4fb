#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;
use proptest::prelude::*;

/// Spellings of places nobody outside should be led to, as a URL may hold them.
const REFUSED: &[&str] = &[
    "https://127.0.0.1/",
    "https://127.1/",
    "https://127.255.255.254/",
    "https://0x7f000001/",
    "https://0x7f.0.0.1/",
    "https://0177.0.0.1/",
    "https://017700000001/",
    "https://2130706433/",
    "https://127.0.0.1./",
    "https://①②⑦.⓪.⓪.①/",
    "https://0/",
    "https://0.0.0.0/",
    "https://0.1.2.3/",
    "https://10.0.0.1/",
    "https://10.255.255.255/",
    "https://167772161/",
    "https://172.16.0.1/",
    "https://172.31.255.255/",
    "https://192.168.0.1/",
    "https://192.168.257/",
    "https://100.64.0.1/",
    "https://100.100.100.200/",
    "https://100.127.255.255/",
    "https://169.254.169.254/",
    "https://0xa9fea9fe/",
    "https://2852039166/",
    "https://0251.0376.0251.0376/",
    "https://169.254.0.1/",
    "https://168.63.129.16/",
    "https://192.0.0.1/",
    "https://192.0.0.192/",
    "https://192.0.2.1/",
    "https://192.31.196.1/",
    "https://192.52.193.1/",
    "https://192.88.99.1/",
    "https://192.175.48.1/",
    "https://198.18.0.1/",
    "https://198.19.255.255/",
    "https://198.51.100.7/",
    "https://203.0.113.9/",
    "https://224.0.0.1/",
    "https://239.255.255.255/",
    "https://240.0.0.1/",
    "https://255.255.255.255/",
    "https://[::]/",
    "https://[::1]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[::127.0.0.1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::ffff:169.254.169.254]/",
    "https://[::ffff:8.8.8.8]/",
    "https://[::ffff:0:127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/",
    "https://[64:ff9b::169.254.169.254]/",
    "https://[64:ff9b:1::a00:1]/",
    "https://[100::1]/",
    "https://[2001::1]/",
    "https://[2001:0:7f00:1::]/",
    "https://[2001:2::1]/",
    "https://[2001:10::1]/",
    "https://[2001:20::1]/",
    "https://[2001:db8::1]/",
    "https://[2002:7f00:1::]/",
    "https://[2002:a9fe:a9fe::]/",
    "https://[2620:4f:8000::1]/",
    "https://[3fff::1]/",
    "https://[5f00::1]/",
    "https://[fc00::1]/",
    "https://[fd00:ec2::254]/",
    "https://[fd12:3456::1]/",
    "https://[fe80::1]/",
    "https://[fec0::1]/",
    "https://[ff02::1]/",
];

/// Public neighbours of the refused blocks.
const ALLOWED: &[&str] = &[
    "https://8.8.8.8/",
    "https://1.1.1.1/",
    "https://9.255.255.255/",
    "https://11.0.0.1/",
    "https://100.63.255.255/",
    "https://100.128.0.1/",
    "https://126.255.255.255/",
    "https://128.0.0.1/",
    "https://169.253.255.255/",
    "https://172.15.255.255/",
    "https://172.32.0.1/",
    "https://192.0.1.1/",
    "https://192.167.255.255/",
    "https://198.17.255.255/",
    "https://198.20.0.1/",
    "https://223.255.255.255/",
    "https://[2001:200::1]/",
    "https://[2606:4700:4700::1111]/",
    "https://[2a00:1450:4001::1]/",
    "https://api.hubapi.com/crm",
];

#[test]
fn addresses_that_are_not_public_are_refused_in_every_spelling() {
    let policy = HostPolicy::public();
    assert!(REFUSED.len() >= 60);
    for text in REFUSED {
        let verdict = policy.check(&Url::parse(text).unwrap());
        assert!(
            matches!(verdict, Err(Blocked::NotPublic { .. })),
            "{text}: {verdict:?}"
        );
    }
    for text in ALLOWED {
        assert_eq!(policy.check(&Url::parse(text).unwrap()), Ok(()), "{text}");
    }
}

#[test]
fn only_https_and_no_user_in_the_address() {
    let check = |text: &str| HostPolicy::public().check(&Url::parse(text).unwrap());
    assert_eq!(check("http://8.8.8.8/"), Err(Blocked::Scheme));
    assert_eq!(check("ftp://8.8.8.8/"), Err(Blocked::Scheme));
    assert_eq!(check("file:///etc/passwd"), Err(Blocked::Shape));
    assert_eq!(check("data:text/plain,x"), Err(Blocked::Shape));
    assert_eq!(check("https://user@8.8.8.8/"), Err(Blocked::Shape));
    assert_eq!(check("https://:pw@8.8.8.8/"), Err(Blocked::Shape));
    assert_eq!(check("https://127.0.0.1@8.8.8.8/"), Err(Blocked::Shape));
}

#[test]
fn a_sandbox_is_its_own_addresses_on_loopback_and_nothing_else() {
    let allowed = ["127.0.0.1:4010", "[::1]:4011", "10.0.0.5:80", "8.8.8.8:80"];
    let policy = HostPolicy::sandbox(allowed.iter().map(|text| text.parse().unwrap()).collect());
    let check = |text: &str| policy.check(&Url::parse(text).unwrap());
    assert_eq!(check("http://127.0.0.1:4010/oauth"), Ok(()));
    assert_eq!(check("http://[::1]:4011/oauth"), Ok(()));
    for text in [
        "http://127.0.0.1:4011/",
        "http://127.0.0.1/",
        "http://127.0.0.2:4010/",
        "http://[::ffff:127.0.0.1]:4010/",
        "http://localhost:4010/",
        "http://10.0.0.5/",
        "http://8.8.8.8/",
        "http://api.hubapi.com/",
    ] {
        assert!(
            matches!(check(text), Err(Blocked::NotPublic { .. })),
            "{text}"
        );
    }
    assert_eq!(check("https://8.8.8.8/"), Err(Blocked::Scheme));
}

#[test]
fn a_name_is_judged_by_what_it_resolves_to() {
    let addresses = |list: &[&str]| {
        list.iter()
            .map(|text| SocketAddr::new(text.parse().unwrap(), 0))
            .collect::<Vec<_>>()
    };
    let kept = |list: &[&str]| {
        only_public("x".to_owned(), addresses(list)).map(Iterator::collect::<Vec<_>>)
    };
    assert_eq!(
        kept(&["127.0.0.1", "8.8.8.8", "fd00::1"]),
        Ok(addresses(&["8.8.8.8"]))
    );
    assert!(matches!(
        kept(&["127.0.0.1", "::1"]),
        Err(Blocked::NotPublic { .. })
    ));
    assert!(matches!(kept(&[]), Err(Blocked::NoAddress { .. })));
}

proptest! {
    /// Whatever wraps an IPv4 address that is not public is not public either.
    #[test]
    fn no_wrapping_of_ipv4_is_public(a in any::<u32>()) {
        let ip = Ipv4Addr::from(a);
        let [hi, lo] = [(a >> 16) as u16, a as u16];
        for wrapped in [
            ip.to_ipv6_mapped(),
            ip.to_ipv6_compatible(),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, hi, lo),
            Ipv6Addr::new(0x2002, hi, lo, 0, 0, 0, 0, 1),
            Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, !hi, !lo),
        ] {
            prop_assert!(!is_public(wrapped.into()));
        }
    }
}
