//! People who sign in: invited, with a password, or with a provider, as a test needs them.

use crate::{Browser, Options, TestApp};
use api::people::invitation::invite;
use api::people::provider::seal_secret;
use api::people::{Accepted, SignIn, Tried};
use entities::change::{Author, Change, Origin};
use entities::id::PartnerId;
use entities::identity_provider::{self, NewIdentityProvider};
use entities::partner::{self, NewPartner};
use entities::user::{self, NewUser, UserRole};
use secrecy::{ExposeSecret as _, SecretString};

use crate::IdentityProvider;

/// A password that is taken.
pub const PASSWORD: &str = "correct rat battery clip";

/// How an app is started whose messages can be read, and at whose doors one address may knock as often as a test does.
#[must_use]
pub fn options() -> Options {
    Options::default()
        .with("ENTENTE_DEV_MAIL", "true")
        .with("ENTENTE_LIMITS_SIGN_IN_PER_MINUTE", "1000000")
        .with("ENTENTE_LIMITS_TOKEN_PER_MINUTE", "1000000")
}

/// The same with a clock that stands, so that what ends in time ends when the test says so, however slow the machine is.
#[must_use]
pub fn standing() -> Options {
    Options {
        clock: Options::standing_at("2026-11-21T10:00:00Z").clock,
        ..options()
    }
}

/// An author of changes.
#[must_use]
pub fn somebody() -> Author {
    Author {
        actor: "tests".to_owned(),
        origin: Origin::Human,
        connection: None,
    }
}

/// A change.
pub async fn change(app: &TestApp) -> Change {
    Change::begin(app.database(), somebody())
        .await
        .expect("a change begins")
}

/// A partner with nothing but a name.
pub async fn partner(app: &TestApp, name: &str) -> PartnerId {
    let mut change = change(app).await;
    let rows = partner::create(&mut change, vec![NewPartner::named(name)])
        .await
        .expect("a partner is created");
    change.commit().await.expect("a change is committed");
    rows.first().expect("the one that was created").id
}

/// Invites a person, and answers the link that was mailed.
pub async fn invited(
    app: &TestApp,
    role: UserRole,
    name: &str,
    email: &str,
) -> (user::Model, String) {
    let mut change = change(app).await;
    let input = NewUser {
        role,
        name: name.to_owned(),
        email: email.to_owned(),
    };
    let (user, ticket) = invite(&mut change, input)
        .await
        .expect("the person can be invited");
    let people = &app.state.people;
    people
        .send(&change, &user, &ticket)
        .await
        .expect("the message is written");
    change.commit().await.expect("a change is committed");
    let link = link(app, &user.email).await;
    (user, link)
}

/// The link in the newest message to an address.
pub async fn link(app: &TestApp, email: &str) -> String {
    let text = messages(app, email)
        .await
        .into_iter()
        .next()
        .unwrap_or_else(|| panic!("no message to {email}"));
    let link = text.lines().find(|line| line.starts_with("http"));
    link.expect("the message holds a link").to_owned()
}

/// The texts of the messages to an address, the newest first.
pub async fn messages(app: &TestApp, email: &str) -> Vec<String> {
    let shown = app
        .state
        .people
        .mail()
        .shown()
        .await
        .expect("the messages can be read")
        .expect("the app was started with dev_mail");
    shown
        .into_iter()
        .filter(|shown| shown.message.to == email)
        .map(|shown| shown.message.text.expose_secret().to_owned())
        .collect()
}

/// The ticket in a link.
#[must_use]
pub fn ticket(link: &str) -> SecretString {
    let (_, ticket) = link.split_once("ticket=").expect("the link holds a ticket");
    ticket.to_owned().into()
}

/// A person who has come, with [`PASSWORD`].
pub async fn member(app: &TestApp, role: UserRole, name: &str, email: &str) -> user::Model {
    let (_, link) = invited(app, role, name, email).await;
    let password = PASSWORD.to_owned().into();
    let people = &app.state.people;
    match people.accept(&ticket(&link), &password, None).await {
        Ok(Accepted::Welcome(welcome)) => welcome.user,
        other => panic!("the invitation is not accepted: {other:?}"),
    }
}

/// A browser in which a person of [`member`] is signed in.
pub async fn signed_in<'a>(app: &'a TestApp, email: &str) -> Browser<'a> {
    let given = SignIn {
        email: email.to_owned(),
        password: PASSWORD.to_owned().into(),
        address: "127.0.0.1".to_owned(),
        user_agent: None,
    };
    match app.state.people.sign_in(given).await {
        Ok(Tried::Welcome(welcome)) => {
            let mut browser = Browser::new(app);
            let cookie = welcome.cookie.expose_secret().to_owned();
            browser.cookies.insert("entente".to_owned(), cookie);
            browser
        }
        other => panic!("{email} cannot sign in: {other:?}"),
    }
}

/// Makes a provider that of a partner, and answers the key by which pages name it.
pub async fn provider_of(
    app: &TestApp,
    partner: PartnerId,
    provider: &IdentityProvider,
    domains: &[&str],
) -> String {
    let mut change = change(app).await;
    let id = change.new_id();
    let (client_id, secret) = provider.registration();
    let secret = secret.to_owned().into();
    let input = NewIdentityProvider {
        id,
        partner_id: partner,
        name: "Contoso ID".to_owned(),
        issuer: provider.issuer(),
        client_id: client_id.to_owned(),
        sealed_secret: seal_secret(&app.state.core.vault, id, &secret)
            .expect("the secret is sealed"),
        domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
    };
    identity_provider::create(&mut change, input)
        .await
        .expect("the provider can be set");
    change.commit().await.expect("a change is committed");
    id.to_string()
}

/// Has staff confirm all domains of a provider of [`provider_of`].
pub async fn confirmed(app: &TestApp, key: &str) {
    let mut change = change(app).await;
    let id = key.parse().expect("the key is the id of a row");
    let row = identity_provider::find_enabled(change.transaction(), id).await;
    let row = row.expect("it can be read").expect("it is there");
    let domains = row.domains.0.clone();
    identity_provider::confirm_domains(&mut change, row, &domains, |_| false)
        .await
        .expect("the domains can be confirmed");
    change.commit().await.expect("a change is committed");
}
