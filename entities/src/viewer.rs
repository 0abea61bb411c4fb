//! Who asks. Everything a request may see or do follows from its [`Viewer`]; a missing claim means no access.
//!
//! The scopes are a bit set, so that a check on a field costs one instruction. A viewer is built in one place per kind of
//! caller: from a verified token, or as the system itself, which must be asked for by name and with a reason.

mod role;

use crate::id::PartnerId;
use crate::visible::Own;

pub use role::{PartnerRole, StaffRole};

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// One permission a token may carry.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Scope { $($(#[$doc])* $name,)* }

        impl Scope {
            /// Every scope, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The scope as tokens and documents write it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

scopes! {
    /// Read partners, partnerships, contacts and customers.
    PartnersRead = "partners:read",
    /// Change partners, partnerships, contacts and customers.
    PartnersWrite = "partners:write",
    /// Read deals and who shares in them.
    DealsRead = "deals:read",
    /// Change deals and who shares in them.
    DealsWrite = "deals:write",
    /// Read deal registrations.
    RegistrationsRead = "registrations:read",
    /// Submit deal registrations.
    RegistrationsSubmit = "registrations:submit",
    /// Decide deal registrations.
    RegistrationsDecide = "registrations:decide",
    /// Read agreements.
    AgreementsRead = "agreements:read",
    /// Change agreements.
    AgreementsWrite = "agreements:write",
    /// Read earnings.
    EarningsRead = "earnings:read",
    /// Approve and make payouts.
    PayoutsWrite = "payouts:write",
    /// Read enablement material and progress.
    EnablementRead = "enablement:read",
    /// Change enablement material and progress.
    EnablementWrite = "enablement:write",
    /// Read analytics.
    AnalyticsRead = "analytics:read",
    /// See connections and their runs.
    IntegrationsRead = "integrations:read",
    /// Connect, configure and synchronise.
    IntegrationsManage = "integrations:manage",
    /// Manage webhook endpoints.
    WebhooksManage = "webhooks:manage",
    /// Read the event log.
    EventsRead = "events:read",
    /// Manage OAuth clients.
    ClientsManage = "clients:manage",
    /// Manage the people who sign in, and how their organisation signs them in.
    UsersManage = "users:manage",
    /// Administer the deployment. It does not imply the other scopes.
    Admin = "admin",
}

impl std::str::FromStr for Scope {
    type Err = UnknownScope;
    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        Self::ALL
            .iter()
            .copied()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

/// A scope this version does not know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown scope {0:?}")]
pub struct UnknownScope(pub String);

/// A set of scopes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Scopes(u32);

impl Scopes {
    /// No scope at all.
    pub const NONE: Self = Self(0);

    /// The scopes that change nothing.
    pub const READING: Self = Self::NONE
        .with(Scope::PartnersRead)
        .with(Scope::DealsRead)
        .with(Scope::RegistrationsRead)
        .with(Scope::AgreementsRead)
        .with(Scope::EarningsRead)
        .with(Scope::EnablementRead)
        .with(Scope::AnalyticsRead)
        .with(Scope::IntegrationsRead)
        .with(Scope::EventsRead);

    /// Every scope there is; only for the system itself and for tests.
    #[must_use]
    pub fn all() -> Self {
        Scope::ALL.iter().copied().collect()
    }

    /// This set with one more scope.
    #[must_use]
    pub const fn with(self, scope: Scope) -> Self {
        Self(self.0 | (1 << scope as u8))
    }

    /// Whether the scope is in the set.
    #[must_use]
    pub const fn contains(self, scope: Scope) -> bool {
        self.0 & (1 << scope as u8) != 0
    }

    /// The scopes that are in both sets.
    #[must_use]
    pub const fn within(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Reads a space-separated `scope` claim. Unknown words are dropped: they can only have meant more than we know to give.
    #[must_use]
    pub fn from_claim(claim: &str) -> Self {
        claim
            .split_ascii_whitespace()
            .filter_map(|word| word.parse().ok())
            .collect()
    }

    /// The set as a `scope` claim.
    #[must_use]
    pub fn to_claim(self) -> String {
        let words: Vec<&str> = Scope::ALL
            .iter()
            .copied()
            .filter(|scope| self.contains(*scope))
            .map(Scope::as_str)
            .collect();
        words.join(" ")
    }
}

impl FromIterator<Scope> for Scopes {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        scopes.into_iter().fold(Self::NONE, Self::with)
    }
}

/// What kind of party asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ViewerKind {
    /// Nobody we know: sees nothing.
    Nobody,
    /// Programme staff: sees every row its scopes open.
    Staff(StaffRole),
    /// A partner's user or software: sees its own rows only.
    Partner(PartnerId, PartnerRole),
    /// Software of the programme owner: sees every row its scopes open.
    Integration,
    /// This process itself (engine, worker, command line).
    System,
}

/// Who asks, and with which scopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Viewer {
    kind: ViewerKind,
    scopes: Scopes,
    subject: String,
}

impl Viewer {
    /// Nobody: no rows, no scopes.
    #[must_use]
    pub const fn nobody() -> Self {
        Self {
            kind: ViewerKind::Nobody,
            scopes: Scopes::NONE,
            subject: String::new(),
        }
    }

    /// A caller whose token was verified. `subject` is the token's `sub`. Its scopes are those of the token within those of its role.
    #[must_use]
    pub const fn new(kind: ViewerKind, scopes: Scopes, subject: String) -> Self {
        let scopes = match kind {
            ViewerKind::Staff(role) => scopes.within(role.bounds()),
            ViewerKind::Partner(_, role) => scopes.within(role.bounds()),
            ViewerKind::Nobody => Scopes::NONE,
            ViewerKind::Integration | ViewerKind::System => scopes,
        };
        Self {
            kind,
            scopes,
            subject,
        }
    }

    /// The process itself; `who` names the part that acts, and is what the event log shows as the actor.
    #[must_use]
    pub fn system(who: &str) -> Self {
        Self {
            kind: ViewerKind::System,
            scopes: Scopes::all(),
            subject: who.to_owned(),
        }
    }

    /// The same caller with no more than another has: the scopes of both, and a role that sees no further than the other's.
    #[must_use]
    pub fn no_wider_than(self, other: &Self) -> Self {
        let leads = |kind| matches!(kind, ViewerKind::Partner(_, role) if role.leads());
        let sees_further = (self.sees_audit() && !other.sees_audit())
            || (self.sees_internal() && !other.sees_internal())
            || (leads(self.kind) && !leads(other.kind))
            || self.partner() != other.partner();
        Self {
            kind: if sees_further { other.kind } else { self.kind },
            scopes: self.scopes.within(other.scopes),
            subject: self.subject,
        }
    }

    /// What kind of party this is.
    #[must_use]
    pub const fn kind(&self) -> ViewerKind {
        self.kind
    }

    /// The token's scopes.
    #[must_use]
    pub const fn scopes(&self) -> Scopes {
        self.scopes
    }

    /// The token's subject.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Who asks, told apart from everybody else: the subject together with the kind and the partner it is bound to.
    #[must_use]
    pub fn identity(&self) -> String {
        match self.kind {
            ViewerKind::Nobody => "nobody".to_owned(),
            ViewerKind::Staff(_) => format!("staff/{}", self.subject),
            ViewerKind::Partner(partner, _) => format!("{partner}/{}", self.subject),
            ViewerKind::Integration => format!("integration/{}", self.subject),
            ViewerKind::System => format!("system/{}", self.subject),
        }
    }

    /// Whether the token carries the scope.
    #[must_use]
    pub const fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(scope)
    }

    /// Whether internal values (notes, targets, scores, other partners) may be shown.
    #[must_use]
    pub const fn sees_internal(&self) -> bool {
        matches!(
            self.kind,
            ViewerKind::Staff(_) | ViewerKind::Integration | ViewerKind::System
        )
    }

    /// The partner this viewer is bound to, if it is one.
    #[must_use]
    pub const fn partner(&self) -> Option<PartnerId> {
        match self.kind {
            ViewerKind::Partner(partner, _) => Some(partner),
            _ => None,
        }
    }

    /// Whose rows are its own: those of its partner, and for who leads the partner's side also those of the companies below it.
    #[must_use]
    pub const fn own(&self) -> Option<Own> {
        match self.kind {
            ViewerKind::Partner(partner, role) => Some(Own::of(partner, role.leads())),
            _ => None,
        }
    }

    /// Whether the programme's audit trail (who signed in, who was refused, who got which role) may be shown.
    #[must_use]
    pub const fn sees_audit(&self) -> bool {
        matches!(
            self.kind,
            ViewerKind::Staff(StaffRole::Admin | StaffRole::Auditor) | ViewerKind::System
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_or_unknown_claim_gives_nothing() {
        assert_eq!(Scopes::from_claim(""), Scopes::NONE);
        assert_eq!(Scopes::from_claim("deals:everything admin2"), Scopes::NONE);
        assert!(!Viewer::nobody().may(Scope::DealsRead));
        assert!(!Viewer::nobody().sees_internal());
    }

    #[test]
    fn claims_round_trip() {
        let all = Scopes::all();
        assert_eq!(Scopes::from_claim(&all.to_claim()), all);
    }
}
