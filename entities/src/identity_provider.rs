//! The OpenID Connect provider at which a partner's people sign in.
//!
//! A row belongs to one partner, names the issuer and our registration there, and the domains of the addresses it may speak for. Invariants: a
//! provider can sign in its own partner's people only, whatever it says; a domain speaks for one enabled provider of a partner. Any company can
//! claim a domain, so that nobody who types an address is sent to a provider before the programme's staff has confirmed that the domain is that
//! company's; a domain of the staff is nobody else's. The secret is sealed by the vault before it comes here. The staff's provider is configuration
//! and has no row.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::diff::{Diff, Texts};
use crate::domain_name::DomainName;
use crate::error::{Result, ViolationCode, Violations};
use crate::event::{EventKind, NewEvent};
use crate::id::{IdentityProviderId, PartnerId};
use crate::viewer::Viewer;
use crate::visible::{self, Own, Versioned, Visible};
use crate::{partner, user, write};
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use sea_orm::{IntoActiveModel as _, QueryOrder as _};
use serde_json::{Value as Json, json};

/// The secret of our registration, sealed. It is never shown.
#[derive(Clone, PartialEq, Eq, DeriveValueType)]
pub struct SealedSecret(pub String);

impl std::fmt::Debug for SealedSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SealedSecret")
    }
}

/// A provider.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "identity_provider")]
#[expect(missing_docs, reason = "the fields are described in the API's schema")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: IdentityProviderId,
    pub version: i64,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub partner_id: PartnerId,
    /// What people know it by: "Contoso".
    pub name: String,
    pub issuer: String,
    pub client_id: String,
    /// Sealed for `identity_provider.sealed_secret` and this row.
    pub sealed_secret: SealedSecret,
    /// Normalised domain names.
    pub domains: Texts,
    /// Those of them that staff has confirmed.
    pub confirmed_domains: Texts,
    pub disabled_at: Option<Timestamp>,
}

/// Relations are walked by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Versioned for Model {
    fn version(&self) -> i64 {
        self.version
    }
}

impl Visible for Entity {
    fn visible_to_partner(own: Own) -> Condition {
        Condition::all().add(own.holds((Entity, Column::PartnerId)))
    }
}

/// The purpose under which the vault seals a secret for a row.
pub const SECRET_PURPOSE: &str = "identity_provider.sealed_secret";

/// What a provider is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct NewIdentityProvider {
    /// Made by the caller ([`Change::new_id`]), because the secret is sealed for it.
    pub id: IdentityProviderId,
    pub partner_id: PartnerId,
    pub name: String,
    pub issuer: String,
    pub client_id: String,
    pub sealed_secret: SealedSecret,
    pub domains: Vec<String>,
}

/// What an update sets; `None` keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields of the row")]
pub struct IdentityProviderPatch {
    pub name: Option<String>,
    pub client_id: Option<String>,
    pub sealed_secret: Option<SealedSecret>,
    pub domains: Option<Vec<String>>,
    pub disabled: Option<bool>,
}

/// Adds a provider to a partner. The issuer cannot be changed later: identities hang on it; remove the provider and add another.
///
/// # Errors
/// Refused fields; then nothing is written.
pub async fn create(change: &mut Change, input: NewIdentityProvider) -> Result<Model> {
    let mut violations = Violations::default();
    violations.text("name", &input.name, 100);
    violations.text("clientId", &input.client_id, 300);
    check_issuer(&mut violations, &input.issuer);
    let domains = normal_domains(&mut violations, &input.domains);
    if !lock_partner(change, input.partner_id).await? {
        violations.add(ViolationCode::NotFound, "partnerId", "No such partner.");
    }
    refuse_double(
        change,
        &mut violations,
        input.partner_id,
        input.id,
        &domains,
    )
    .await?;
    violations.finish()?;
    let now = change.now();
    let row = Model {
        id: input.id,
        version: 1,
        created_at: now,
        updated_at: now,
        partner_id: input.partner_id,
        name: input.name.trim().to_owned(),
        issuer: input.issuer,
        client_id: input.client_id,
        sealed_secret: input.sealed_secret,
        domains: Texts(domains),
        confirmed_domains: Texts::default(),
        disabled_at: None,
    };
    Entity::insert(row.clone().into_active_model())
        .exec_without_returning(change.transaction())
        .await?;
    let data = json!({ "issuer": row.issuer, "clientId": row.client_id, "domains": row.domains });
    change.record(about(EventKind::IdentityProviderSet, &row, data));
    Ok(row)
}

/// Changes a provider that was read in this change. A patch that changes nothing writes nothing.
///
/// # Errors
/// Refused fields; then nothing is written.
pub async fn update(
    change: &mut Change,
    row: Model,
    patch: IdentityProviderPatch,
) -> Result<Model> {
    let mut violations = Violations::default();
    if let Some(name) = &patch.name {
        violations.text("name", name, 100);
    }
    if let Some(client_id) = &patch.client_id {
        violations.text("clientId", client_id, 300);
    }
    let domains = patch
        .domains
        .map(|domains| normal_domains(&mut violations, &domains));
    let enabled = !patch.disabled.unwrap_or(row.disabled_at.is_some());
    if enabled {
        let speaks_for = domains.as_ref().unwrap_or(&row.domains.0).clone();
        let (partner, id) = (row.partner_id, row.id);
        lock_partner(change, partner).await?;
        refuse_double(change, &mut violations, partner, id, &speaks_for).await?;
    }
    violations.finish()?;
    let now = change.now();
    let version = row.version;
    let mut diff = Diff::new();
    let disabled_at = match (row.disabled_at, patch.disabled) {
        (None, Some(true)) => {
            diff.note("disabled", &false, &true);
            Set(Some(now))
        }
        (Some(_), Some(false)) => {
            diff.note("disabled", &true, &false);
            Set(None)
        }
        (current, _) => Unchanged(current),
    };
    let sealed_secret = match patch.sealed_secret {
        Some(secret) if secret != row.sealed_secret => {
            // That it changed is told, what it is is not.
            diff.note("clientSecret", &(), &());
            Set(secret)
        }
        _ => Unchanged(row.sealed_secret.clone()),
    };
    // What it no longer speaks for is confirmed anew, should it come back.
    let confirmed = domains.as_ref().map(|domains| {
        let mut confirmed = row.confirmed_domains.clone();
        confirmed.0.retain(|domain| domains.contains(domain));
        confirmed
    });
    let active = ActiveModel {
        id: Unchanged(row.id),
        version: Set(version + 1),
        created_at: Unchanged(row.created_at),
        updated_at: Set(now),
        partner_id: Unchanged(row.partner_id),
        name: diff.field("name", row.name.clone(), patch.name),
        issuer: Unchanged(row.issuer.clone()),
        client_id: diff.field("clientId", row.client_id.clone(), patch.client_id),
        sealed_secret,
        domains: diff.field("domains", row.domains.clone(), domains.map(Texts)),
        confirmed_domains: diff.field("confirmedDomains", row.confirmed_domains.clone(), confirmed),
        disabled_at,
    };
    if diff.is_empty() {
        return Ok(row);
    }
    let row = write::update(change, active, version).await?;
    let data = diff.into_data();
    change.record(about(EventKind::IdentityProviderSet, &row, data));
    Ok(row)
}

/// Says which of a provider's domains are its partner's: these and no others. For the programme's staff; `is_reserved` tells of a domain that the
/// staff has besides those of its people.
///
/// # Errors
/// A domain that the provider does not claim, or one of the staff; then nothing is written.
pub async fn confirm_domains(
    change: &mut Change,
    row: Model,
    domains: &[String],
    is_reserved: impl Fn(&DomainName) -> bool,
) -> Result<Model> {
    let mut violations = Violations::default();
    violations.tags("domains", domains);
    let of_staff = user::staff_domains(change.transaction()).await?;
    let mut confirmed = Vec::with_capacity(domains.len());
    for domain in domains {
        let name = domain.parse::<DomainName>().ok();
        match name.filter(|name| row.speaks_for(name)) {
            None => violations.add(
                ViolationCode::Invalid,
                "domains",
                format!("Not a domain of this provider: {domain:?}."),
            ),
            Some(name) if is_reserved(&name) || of_staff.contains(&name) => violations.add(
                ViolationCode::Invalid,
                "domains",
                format!("The programme's own people have addresses there: {domain:?}."),
            ),
            Some(name) => confirmed.push(name.as_str().to_owned()),
        }
    }
    violations.finish()?;
    confirmed.sort_unstable();
    confirmed.dedup();
    let (mut diff, version) = (Diff::new(), row.version);
    let confirmed_domains = diff.field(
        "confirmedDomains",
        row.confirmed_domains.clone(),
        Some(Texts(confirmed)),
    );
    if diff.is_empty() {
        return Ok(row);
    }
    let active = ActiveModel {
        version: Set(version + 1),
        updated_at: Set(change.now()),
        confirmed_domains,
        ..row.into()
    };
    let row = write::update(change, active, version).await?;
    change.record(about(
        EventKind::IdentityProviderSet,
        &row,
        diff.into_data(),
    ));
    Ok(row)
}

/// Removes a provider. Whoever signed in by it keeps the session and needs another way from then on.
///
/// # Errors
/// When the database fails.
pub async fn remove(change: &mut Change, row: &Model) -> Result<()> {
    Entity::delete_many()
        .filter(Column::Id.eq(row.id))
        .exec(change.transaction())
        .await?;
    let data = json!({ "issuer": row.issuer });
    change.record(about(EventKind::IdentityProviderRemoved, row, data));
    Ok(())
}

fn all() -> Select<Entity> {
    Entity::visible_to(&Viewer::system("identity_provider"))
}

/// Finds an enabled provider.
///
/// # Errors
/// When the database fails.
pub async fn find_enabled(
    connection: &impl ConnectionTrait,
    id: IdentityProviderId,
) -> Result<Option<Model>> {
    let select = all()
        .filter(Column::Id.eq(id))
        .filter(Column::DisabledAt.is_null());
    Ok(select.one(connection).await?)
}

/// The enabled providers that speak for a domain as staff has confirmed, by name; none for a domain of the staff's people. Few enough to be read
/// whole: one for an organisation.
///
/// # Errors
/// When the database fails.
pub async fn list_enabled_for(
    connection: &impl ConnectionTrait,
    domain: &DomainName,
) -> Result<Vec<Model>> {
    let rows = all()
        .filter(Column::DisabledAt.is_null())
        .order_by_asc(Column::Name)
        .order_by_asc(Column::Id)
        .all(connection)
        .await?;
    let mut found: Vec<Model> = rows
        .into_iter()
        .filter(|row| row.is_confirmed_for(domain))
        .collect();
    if !found.is_empty() && user::staff_domains(connection).await?.contains(domain) {
        found.clear();
    }
    Ok(found)
}

/// The enabled providers of a partner, by name.
///
/// # Errors
/// When the database fails.
pub async fn list_enabled_of(
    connection: &impl ConnectionTrait,
    partner: PartnerId,
) -> Result<Vec<Model>> {
    let select = all()
        .filter(Column::PartnerId.eq(partner))
        .filter(Column::DisabledAt.is_null())
        .order_by_asc(Column::Name)
        .order_by_asc(Column::Id);
    Ok(select.all(connection).await?)
}

impl Model {
    /// Whether it may speak for addresses of a domain: that one exactly, not one below it.
    #[must_use]
    pub fn speaks_for(&self, domain: &DomainName) -> bool {
        self.domains.0.iter().any(|own| own == domain.as_str())
    }

    /// Whether it may, and staff has said so.
    #[must_use]
    pub fn is_confirmed_for(&self, domain: &DomainName) -> bool {
        let mut confirmed = self.confirmed_domains.0.iter();
        self.speaks_for(domain) && confirmed.any(|own| own == domain.as_str())
    }
}

/// Keeps the partner's row, so that two providers of one partner are set one after the other; false when there is no such partner.
async fn lock_partner(change: &Change, partner: PartnerId) -> Result<bool> {
    let system = Viewer::system("identity_provider");
    let rows = visible::lock_all::<partner::Entity>(change, &system, [partner.0]).await?;
    Ok(!rows.is_empty())
}

/// An issuer is an https address without query or fragment (OpenID Connect Discovery), or http on loopback for a trial; whether it may be called is the outgoing
/// client's to judge. It is compared byte by byte, so it is kept as it is written.
fn check_issuer(violations: &mut Violations, issuer: &str) {
    violations.text("issuer", issuer, 300);
    let loopback = ["http://127.0.0.1:", "http://[::1]:"];
    let scheme =
        issuer.starts_with("https://") || loopback.iter().any(|start| issuer.starts_with(start));
    let plain = !issuer
        .chars()
        .any(|letter| letter.is_whitespace() || letter.is_control() || "?#@\\".contains(letter));
    if !scheme || !plain {
        violations.add(
            ViolationCode::Invalid,
            "issuer",
            "An https address without user, query or fragment, as the provider writes it.",
        );
    }
}

fn normal_domains(violations: &mut Violations, domains: &[String]) -> Vec<String> {
    violations.tags("domains", domains);
    if domains.is_empty() {
        violations.add(
            ViolationCode::Blank,
            "domains",
            "At least one domain: of which addresses the provider speaks.",
        );
    }
    let mut normal = Vec::with_capacity(domains.len());
    for domain in domains {
        match domain.parse::<DomainName>() {
            Ok(name) => normal.push(name.as_str().to_owned()),
            Err(_) => violations.add(
                ViolationCode::Invalid,
                "domains",
                format!("Not a domain name: {domain:?}."),
            ),
        }
    }
    normal.sort_unstable();
    normal.dedup();
    normal
}

async fn refuse_double(
    change: &Change,
    violations: &mut Violations,
    partner: PartnerId,
    id: IdentityProviderId,
    domains: &[String],
) -> Result<()> {
    let others = list_enabled_of(change.transaction(), partner).await?;
    let taken = others
        .iter()
        .filter(|other| other.id != id)
        .flat_map(|other| &other.domains.0)
        .any(|domain| domains.contains(domain));
    if taken {
        violations.add(
            ViolationCode::Taken,
            "domains",
            "Another provider of this partner speaks for one of these domains.",
        );
    }
    Ok(())
}

fn about(kind: EventKind, row: &Model, data: Json) -> NewEvent {
    NewEvent::about(kind, row.id, data)
        .internal()
        .for_partner(row.partner_id)
}
