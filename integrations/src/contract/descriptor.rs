//! What a connector says of itself is sound: ids that fit rows and paths, scopes, budgets, and an order in which links find their ends.

use super::{app, each, tokens};
use crate::oauth::AuthorizeRequest;
use crate::record::Resource;
use entities::chance::SeededChance;
use secrecy::ExposeSecret;
use std::collections::BTreeSet;
use url::Url;

fn is_metadata(resource: Resource) -> bool {
    matches!(
        resource,
        Resource::Owner | Resource::Pipeline | Resource::AssociationLabel
    )
}

#[test]
fn ids_and_names_fit_rows_and_paths() {
    let mut ids = BTreeSet::new();
    for (_, connector) in each() {
        let described = connector.descriptor();
        let id = described.id;
        assert!(ids.insert(id.to_owned()), "{id} is there twice");
        assert!(
            (2..=40).contains(&id.len())
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_'),
            "{id:?} is part of paths and keys of rows"
        );
        assert!(!described.name.trim().is_empty() && !described.api_version.trim().is_empty());
    }
}

#[test]
fn what_it_offers_has_something_behind_it() {
    for (case, connector) in each() {
        let described = connector.descriptor();
        assert_eq!(
            connector.pull().is_some(),
            !described.resources.is_empty(),
            "{}: it reads what it describes",
            case.id
        );
        assert_eq!(
            connector.webhooks().is_some(),
            case.signing.is_some(),
            "{}: a door for webhooks comes with a way to test it",
            case.id
        );
        let written = described
            .resources
            .iter()
            .any(|resource| resource.push_scope.is_some());
        assert_eq!(
            connector.push().is_some(),
            written,
            "{}: it writes what it describes",
            case.id
        );
    }
}

#[test]
fn resources_come_after_those_they_link_to() {
    for (case, connector) in each() {
        let mut before = BTreeSet::new();
        let mut records = false;
        for resource in &connector.descriptor().resources {
            let name = resource.resource;
            assert!(
                resource.links.iter().all(|other| before.contains(other)),
                "{}: {name} links to what is read later",
                case.id
            );
            assert!(
                before.insert(name),
                "{}: {name} is described twice",
                case.id
            );
            assert!(
                !(records && is_metadata(name)),
                "{}: records are read with the help of {name}, so it comes first",
                case.id
            );
            records |= !is_metadata(name);
            assert!(
                (1..=10_000).contains(&resource.page_size),
                "{}: {name}",
                case.id
            );
        }
    }
}

#[test]
fn scopes_are_named_once_and_cover_what_is_written() {
    for (case, connector) in each() {
        let described = connector.descriptor();
        let all: Vec<&str> = described
            .required_scopes
            .iter()
            .chain(&described.optional_scopes)
            .copied()
            .collect();
        let distinct: BTreeSet<&str> = all.iter().copied().collect();
        assert_eq!(
            all.len(),
            distinct.len(),
            "{}: a scope is either required or optional",
            case.id
        );
        assert!(
            all.iter()
                .all(|scope| !scope.is_empty() && !scope.contains(char::is_whitespace)),
            "{}",
            case.id
        );
        for resource in &described.resources {
            assert!(
                resource
                    .push_scope
                    .is_none_or(|scope| distinct.contains(scope)),
                "{}: writing {} takes a scope nobody asks for",
                case.id,
                resource.resource
            );
        }
    }
}

#[test]
fn budgets_are_real_and_tokens_go_to_the_vendor_only() {
    for (case, connector) in each() {
        let described = connector.descriptor();
        for limit in &described.limits {
            assert!(
                limit.requests > 0 && !limit.per.is_zero(),
                "{}: {limit:?}",
                case.id
            );
        }
        let auth = connector.auth();
        let site = auth
            .site(case.typed)
            .unwrap()
            .or(Url::parse("https://unused.example/").ok());
        let tokens = tokens(&case, site.unwrap());
        let origins = auth.origins(&tokens).unwrap();
        assert!(!origins.is_empty(), "{}", case.id);
        for origin in &origins {
            assert!(
                origin.scheme() == "https"
                    && origin.path() == "/"
                    && origin.query().is_none()
                    && origin.username().is_empty()
                    && origin.password().is_none()
                    && origin.domain().is_some(),
                "{}: {origin} is no origin of a vendor",
                case.id
            );
        }
    }
}

#[test]
fn the_consent_carries_state_and_return_address_and_no_secret() {
    for (case, connector) in each() {
        let back = Url::parse("https://entente.example.com/connect/callback").unwrap();
        let site = connector.auth().site(case.typed).unwrap();
        let request = AuthorizeRequest::new(back.clone(), site, &SeededChance::new(5));
        let url = connector.auth().authorize_url(&app(), &request).unwrap();
        assert_eq!(url.scheme(), "https", "{}", case.id);
        let of = |name: &str| {
            let found: Vec<String> = url
                .query_pairs()
                .filter(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
                .collect();
            assert!(found.len() <= 1, "{}: {name} is there twice", case.id);
            found.into_iter().next().unwrap_or_default()
        };
        assert_eq!(of("state"), request.state.expose_secret(), "{}", case.id);
        assert_eq!(of("redirect_uri"), back.as_str(), "{}", case.id);
        assert_eq!(of("client_id"), app().client_id, "{}", case.id);
        assert!(
            matches!(of("response_type").as_str(), "code" | ""),
            "{}",
            case.id
        );
        if !of("code_challenge").is_empty() {
            assert_eq!(of("code_challenge_method"), "S256", "{}", case.id);
        }
        assert!(
            !url.as_str().contains(super::CLIENT_SECRET)
                && !url.as_str().contains(request.pkce_verifier.expose_secret()),
            "{}",
            case.id
        );
    }
}

#[test]
fn people_are_sent_to_the_vendor_and_nowhere_else() {
    for (case, connector) in each() {
        let site = |typed: Option<&str>| connector.auth().site(typed);
        assert_eq!(
            connector.descriptor().site.is_some(),
            case.typed.is_some(),
            "{}: what must be typed is asked for",
            case.id
        );
        let foreign = [
            "",
            " ",
            "evil.example",
            "https://evil.example/",
            "http://127.0.0.1/",
            "https://user@evil.example",
            "javascript:alert(1)",
            "..",
            "a b",
            "\u{0}",
        ];
        for typed in foreign {
            assert!(site(Some(typed)).is_err(), "{}: {typed:?}", case.id);
        }
        let Some(typed) = case.typed else {
            assert_eq!(site(None).unwrap(), None, "{}", case.id);
            continue;
        };
        assert!(site(None).is_err(), "{}: nothing was typed", case.id);
        let known = site(Some(typed)).unwrap().unwrap();
        assert_eq!(known.scheme(), "https", "{}", case.id);
        assert_eq!(site(Some(known.as_str())).unwrap(), Some(known.clone()));
        let host = known.host_str().unwrap();
        for forged in [
            format!("https://{host}.evil.example/"),
            format!("https://{host}@evil.example/"),
            format!("https://evil.example/{host}"),
            format!("https://evil.example#{host}"),
            format!("https://evil.example?{host}"),
            format!("https://evil{host}.example"),
            format!("{host}\\.evil.example"),
        ] {
            assert!(site(Some(&forged)).is_err(), "{}: {forged}", case.id);
            let Ok(url) = Url::parse(&forged) else {
                continue;
            };
            let mut tokens = tokens(&case, known.clone());
            tokens.api = Some(url.clone());
            tokens.site = Some(url);
            assert!(
                connector.auth().origins(&tokens).is_err(),
                "{}: {forged}",
                case.id
            );
        }
    }
}
