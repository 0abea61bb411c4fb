//! The pages between a person and a client: what the client asks for, and the way to it.
//!
//! The page says who asks, whose software it is, in whose name it will act, what it will be able to do in words, and where the person goes next. Whatever
//! the client calls itself is text; nothing of it is a link. Saying no is as easy as saying yes.

use crate::http::page::{Page, href};
use crate::http::session::SignedIn;
use crate::oauth::endpoint::Endpoint;
use crate::state::State;
use entities::viewer::{Scope, Scopes};
use maud::html;
use url::Url;

/// What a person is asked.
pub struct Asked<'a> {
    /// What the client calls itself.
    pub client: &'a str,
    /// Whose it is; the programme owner's without one.
    pub owner: Option<&'a str>,
    /// What it would be able to do.
    pub scopes: Scopes,
    /// Where the person goes next.
    pub back_to: &'a str,
    /// The request, as it came.
    pub request: &'a str,
    /// What proves that the form is of this page.
    pub word: &'a str,
}

/// The page that asks.
pub fn page(state: &State, signed_in: &SignedIn, asked: &Asked<'_>) -> Page {
    let back_to = Url::parse(asked.back_to);
    let place = match &back_to {
        Ok(url) if url.scheme() == "http" => "this device".to_owned(),
        Ok(url) => url.host_str().unwrap_or_default().to_owned(),
        Err(_) => String::new(),
    };
    let scopes = Scope::ALL.iter().copied();
    let scopes: Vec<Scope> = scopes
        .filter(|scope| asked.scopes.contains(*scope))
        .collect();
    let person = &signed_in.user;
    let body = html! {
        p {
            strong { (asked.client) }
            @match asked.owner {
                Some(owner) => { ", an application of " (owner) "," },
                None => { ", an application of this partner programme," },
            }
            " asks to act here in your name. You are signed in as " (person.name) " (" (person.email) ")."
        }
        h2 #may { "It will be able to" }
        ul aria-labelledby="may" {
            @for scope in scopes { li { (in_words(scope)) } }
        }
        p.quiet {
            "It never gets your password, and never more than you may do yourself. You can take this back on your account page at any time. "
            "Either way you go on to " (place) "."
        }
        form method="post" action=(href(state, Endpoint::Consent.path())) {
            input type="hidden" name="request" value=(asked.request);
            input type="hidden" name="word" value=(asked.word);
            div.pair {
                button type="submit" name="decision" value="allow" { "Allow" }
                button.second type="submit" name="decision" value="deny" { "Do not allow" }
            }
        }
    };
    let page = Page::new(format!("Allow {}?", asked.client), body).signed_in(state, signed_in);
    match &back_to {
        Ok(url) => page.form_may_lead_to(url),
        Err(_) => page,
    }
}

/// The page by which a person leaves who came from a page of ours.
pub fn leaving(address: &str) -> Page {
    let body = html! {
        p { "You go on to the application." }
        p { a.button href=(address) { "Go on now" } }
    };
    Page::new("Going on", body)
}

const fn in_words(scope: Scope) -> &'static str {
    match scope {
        Scope::PartnersRead => "see partners, partnerships, contacts and customers",
        Scope::PartnersWrite => "change partners, partnerships, contacts and customers",
        Scope::DealsRead => "see deals and who shares in them",
        Scope::DealsWrite => "change deals and who shares in them",
        Scope::RegistrationsRead => "see deal registrations",
        Scope::RegistrationsSubmit => "submit deal registrations",
        Scope::RegistrationsDecide => "decide deal registrations",
        Scope::AgreementsRead => "see agreements",
        Scope::AgreementsWrite => "change agreements",
        Scope::EarningsRead => "see earnings",
        Scope::PayoutsWrite => "approve and make payouts",
        Scope::EnablementRead => "see training and material, and who has come how far",
        Scope::EnablementWrite => "change training and material, and note progress",
        Scope::AnalyticsRead => "see figures and analyses",
        Scope::IntegrationsRead => "see connected systems and how they are doing",
        Scope::IntegrationsManage => "connect, configure and synchronise other systems",
        Scope::WebhooksManage => "manage where notices of changes are sent",
        Scope::EventsRead => "read the log of what happened",
        Scope::ClientsManage => "manage applications like this one, and what they may do",
        Scope::UsersManage => "manage the people who sign in, and their roles",
        Scope::Admin => "administer the whole programme",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_scope_has_words_of_its_own() {
        let words: HashSet<&str> = Scope::ALL.iter().map(|scope| in_words(*scope)).collect();
        assert_eq!(words.len(), Scope::ALL.len());
    }
}
