//! Everybody who asks: each role of staff and of a partner, each scope alone, none at all, the other partner, and software.
//!
//! What each may is read from the checked-in table; the product's own reckoning of roles is what is tested.

use super::exceptions::NARROWER;
use super::permissions::{self, Field, INTEGRATION, Permissions, demanded, partner, staff};
use crate::contract::Contract;
use crate::mirror::{Mirror, Side};
use crate::secrets::Secrets;
use entities::viewer::{PartnerRole, Scope, Scopes, StaffRole, ViewerKind};
use std::collections::BTreeSet;

/// Whose rows an actor sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Everybody's.
    All,
    /// A's; with the company below it for who leads.
    OfA { leads: bool },
    /// B's.
    OfB,
    /// Nobody's: a partner without rows.
    Nothing,
}

/// Somebody with a token.
pub struct Actor {
    /// Who, for a person who reads a failure.
    pub name: String,
    /// The role, as the table names it.
    pub role: String,
    /// The scopes the token claims.
    claimed: Scopes,
    /// Whose rows it sees.
    pub sight: Sight,
    /// The token.
    pub token: String,
}

impl Actor {
    fn new(mirror: &Mirror, kind: ViewerKind, claimed: Scopes, sight: Sight) -> Self {
        let role = match kind {
            ViewerKind::Staff(role) => staff(role),
            ViewerKind::Partner(_, role) => partner(role),
            _ => INTEGRATION.to_owned(),
        };
        let with = match claimed.to_claim() {
            _ if claimed == Scopes::all() => "every scope".to_owned(),
            some => format!("{some:?}"),
        };
        Self {
            name: format!("{role} with {with}, seeing {sight:?}"),
            role,
            claimed,
            sight,
            token: mirror.app.token_for(kind, claimed),
        }
    }

    /// The scopes the actor may use, by the table: those of its token within those of its role.
    pub fn scopes(&self, table: &Permissions) -> BTreeSet<String> {
        let bounds = table.bounds.get(&self.role);
        let bounds = bounds.unwrap_or_else(|| panic!("permissions.md has no column {}", self.role));
        let claimed = Scope::ALL
            .iter()
            .filter(|scope| self.claimed.contains(**scope));
        let claimed = claimed.map(|scope| scope.as_str().to_owned());
        claimed.filter(|scope| bounds.contains(scope)).collect()
    }

    /// What the actor may, by the table.
    pub fn rights<'a>(&'a self, contract: &'a Contract, table: &'a Permissions) -> Rights<'a> {
        Rights {
            role: &self.role,
            scopes: self.scopes(table),
            contract,
            table,
        }
    }

    /// Whether the actor is a partner's.
    pub fn is_a_partners(&self) -> bool {
        self.sight != Sight::All
    }

    /// Whether the token claims everything.
    pub fn claims_all(&self) -> bool {
        self.claimed == Scopes::all()
    }

    /// What must not be told to this actor; none to whom everything may be told.
    pub fn secrets(&self, mirror: &Mirror, of_the_programme: &[String]) -> Option<Secrets> {
        let (a, b, c, p) = (&mirror.a, &mirror.b, &mirror.c, &mirror.p);
        let hidden: &[&Side] = match self.sight {
            Sight::All => return None,
            Sight::OfA { leads: true } => &[b, p],
            Sight::OfA { leads: false } => &[b, c, p],
            Sight::OfB => &[a, c, p],
            Sight::Nothing => &[a, b, c, p],
        };
        Some(Secrets::of(hidden).and(of_the_programme))
    }
}

/// What somebody may.
pub struct Rights<'a> {
    role: &'a str,
    /// The scopes that count.
    scopes: BTreeSet<String>,
    contract: &'a Contract,
    table: &'a Permissions,
}

impl Rights<'_> {
    fn row(&self, of: &str, field: &str) -> &Field {
        let row = self.table.fields.get(&format!("{of}.{field}"));
        row.unwrap_or_else(|| panic!("{of}.{field} has no row in permissions.md"))
    }

    fn demanded(&self, of: &str, field: &str) -> Option<String> {
        let named = self.row(of, field).scope.clone();
        named.or_else(|| demanded(self.contract, of, field))
    }

    /// Whether a field of something that is seen opens.
    pub fn may(&self, of: &str, field: &str) -> bool {
        let name = format!("{of}.{field}");
        let narrower = NARROWER.iter().find(|(narrow, _)| *narrow == name);
        let demanded = self.demanded(of, field);
        let definition = self.contract.field(of, field);
        let for_staff = definition.is_some_and(permissions::is_for_staff);
        if for_staff && self.role.starts_with("partner") {
            return false;
        }
        narrower.is_none_or(|(_, may)| may.contains(&self.role))
            && demanded.is_none_or(|scope| self.scopes.contains(&scope))
    }

    /// Whether a field that does not open is null instead of refused.
    pub fn is_null_instead(&self, of: &str, field: &str) -> bool {
        self.row(of, field).scope.is_none() && self.demanded(of, field).is_some()
    }
}

fn of_a(mirror: &Mirror, role: PartnerRole, claimed: Scopes) -> Actor {
    let kind = ViewerKind::Partner(mirror.a.partner.id, role);
    let leads = matches!(role, PartnerRole::Admin | PartnerRole::Manager);
    Actor::new(mirror, kind, claimed, Sight::OfA { leads })
}

/// Each role of A's people and software, with every scope.
pub fn each_role_of_a(mirror: &Mirror) -> Vec<Actor> {
    let roles = PartnerRole::ALL.iter();
    roles
        .map(|role| of_a(mirror, *role, Scopes::all()))
        .collect()
}

/// A's administrator with each scope alone, and with none.
pub fn each_scope_of_a(mirror: &Mirror) -> Vec<Actor> {
    let alone = Scope::ALL.iter().map(|scope| Scopes::NONE.with(*scope));
    alone
        .chain([Scopes::NONE])
        .map(|claimed| of_a(mirror, PartnerRole::Admin, claimed))
        .collect()
}

/// The other partner's administrator.
pub fn of_b(mirror: &Mirror) -> Actor {
    let kind = ViewerKind::Partner(mirror.b.partner.id, PartnerRole::Admin);
    Actor::new(mirror, kind, Scopes::all(), Sight::OfB)
}

/// The administrator of a partner that has no rows, not even its own.
pub fn stranger(mirror: &Mirror) -> Actor {
    let nobody = mirror.app.database().new_id();
    let kind = ViewerKind::Partner(nobody, PartnerRole::Admin);
    Actor::new(mirror, kind, Scopes::all(), Sight::Nothing)
}

/// The programme's people in each role and its software with every scope; its administrator with each scope alone, and with none.
pub fn of_the_programme(mirror: &Mirror) -> Vec<Actor> {
    let alone = Scope::ALL.iter().map(|scope| Scopes::NONE.with(*scope));
    let staff = |role, claimed| Actor::new(mirror, ViewerKind::Staff(role), claimed, Sight::All);
    let mut all: Vec<Actor> = StaffRole::ALL
        .iter()
        .map(|role| staff(*role, Scopes::all()))
        .collect();
    all.extend(
        alone
            .chain([Scopes::NONE])
            .map(|claimed| staff(StaffRole::Admin, claimed)),
    );
    for claimed in [Scopes::all(), Scopes::NONE] {
        all.push(Actor::new(
            mirror,
            ViewerKind::Integration,
            claimed,
            Sight::All,
        ));
    }
    all
}

/// Everybody.
pub fn everybody(mirror: &Mirror) -> Vec<Actor> {
    let mut all = each_role_of_a(mirror);
    all.extend(each_scope_of_a(mirror));
    all.extend([of_b(mirror), stranger(mirror)]);
    all.extend(of_the_programme(mirror));
    all
}
