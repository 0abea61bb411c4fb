//! What each role may do at most: the one table of roles and scopes.
//!
//! A role never widens what a token says; the scopes a request has are those of the token within those of the role, and the rows it sees are
//! a matter of [`crate::visible`]. A scope that a column of the table does not name is not the role's: forgetting one denies.

use super::{Scope, Scopes};

macro_rules! roles {
    ($($(#[$doc:meta])* $kind:ident { $($(#[$role_doc:meta])* $role:ident = $name:literal: $($scope:ident)*;)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $kind { $($(#[$role_doc])* $role,)* }

        impl $kind {
            /// Every role.
            pub const ALL: &'static [Self] = &[$(Self::$role,)*];

            /// The role as a token's `role` claim and the database write it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$role => $name,)* }
            }

            /// Reads a `role` claim; an unknown role is no role.
            #[must_use]
            pub fn from_claim(claim: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|role| role.as_str() == claim)
            }

            /// What the role may do at most, whatever a token says.
            #[must_use]
            pub const fn bounds(self) -> Scopes {
                match self { $(Self::$role => Scopes::NONE$(.with(Scope::$scope))*,)* }
            }
        }
    )*};
}

roles! {
    /// The role of a member of the programme's staff.
    StaffRole {
        /// Administers everything.
        Admin = "ADMIN":
            PartnersRead PartnersWrite DealsRead DealsWrite RegistrationsRead RegistrationsSubmit RegistrationsDecide AgreementsRead AgreementsWrite
            EarningsRead PayoutsWrite EnablementRead EnablementWrite AnalyticsRead IntegrationsRead IntegrationsManage WebhooksManage EventsRead
            ClientsManage UsersManage Admin;
        /// Looks after partners.
        PartnerManager = "PARTNER_MANAGER":
            PartnersRead PartnersWrite DealsRead DealsWrite RegistrationsRead RegistrationsSubmit RegistrationsDecide AgreementsRead AgreementsWrite
            EarningsRead EnablementRead EnablementWrite AnalyticsRead IntegrationsRead EventsRead;
        /// Looks after money.
        Finance = "FINANCE":
            PartnersRead DealsRead RegistrationsRead AgreementsRead AgreementsWrite EarningsRead PayoutsWrite AnalyticsRead EventsRead;
        /// Looks after marketing.
        Marketing = "MARKETING":
            PartnersRead DealsRead RegistrationsRead EnablementRead EnablementWrite AnalyticsRead;
        /// Looks after support.
        Support = "SUPPORT":
            PartnersRead DealsRead RegistrationsRead EnablementRead IntegrationsRead IntegrationsManage WebhooksManage EventsRead;
        /// Reads everything, changes nothing.
        Auditor = "AUDITOR":
            PartnersRead DealsRead RegistrationsRead AgreementsRead EarningsRead EnablementRead AnalyticsRead IntegrationsRead EventsRead;
    }

    /// The role of a partner's user, or that of its software.
    PartnerRole {
        /// Manages the partner's own users and clients, and does everything else a partner may.
        Admin = "PARTNER_ADMIN":
            PartnersRead DealsRead RegistrationsRead RegistrationsSubmit AgreementsRead EarningsRead EnablementRead EnablementWrite AnalyticsRead
            WebhooksManage EventsRead ClientsManage UsersManage;
        /// Leads the partner's sellers, and those of the companies below it.
        Manager = "PARTNER_MANAGER":
            PartnersRead DealsRead RegistrationsRead RegistrationsSubmit AgreementsRead EarningsRead EnablementRead EnablementWrite AnalyticsRead EventsRead;
        /// Sells: registers deals and follows them.
        Rep = "PARTNER_REP":
            PartnersRead DealsRead RegistrationsRead RegistrationsSubmit EnablementRead EnablementWrite;
        /// Looks after the partner's money.
        Finance = "PARTNER_FINANCE":
            PartnersRead DealsRead AgreementsRead EarningsRead AnalyticsRead;
        /// Looks, and changes nothing.
        Viewer = "PARTNER_VIEWER":
            PartnersRead DealsRead RegistrationsRead EnablementRead;
        /// The partner's software, which acts for nobody in particular: all that a client may be given.
        Software = "PARTNER_SOFTWARE":
            PartnersRead DealsRead RegistrationsRead RegistrationsSubmit AgreementsRead EarningsRead EnablementRead EnablementWrite AnalyticsRead
            WebhooksManage EventsRead;
    }
}

impl PartnerRole {
    /// Whether the role also sees the companies below the partner.
    #[must_use]
    pub const fn leads(self) -> bool {
        matches!(self, Self::Admin | Self::Manager)
    }

    /// Whether a person can have the role.
    #[must_use]
    pub const fn is_a_persons(self) -> bool {
        !matches!(self, Self::Software)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{PartnerId, TypedId as _};
    use crate::viewer::{Viewer, ViewerKind};
    use uuid::Uuid;

    #[test]
    fn a_role_bounds_what_a_token_may_say() {
        for role in StaffRole::ALL {
            let viewer = Viewer::new(ViewerKind::Staff(*role), Scopes::all(), String::new());
            assert_eq!(viewer.scopes(), role.bounds(), "{}", role.as_str());
        }
        let partner = PartnerId::from_uuid(Uuid::nil());
        for role in PartnerRole::ALL {
            let kind = ViewerKind::Partner(partner, *role);
            assert_eq!(
                Viewer::new(kind, Scopes::all(), String::new()).scopes(),
                role.bounds(),
                "{}",
                role.as_str()
            );
        }
    }

    #[test]
    fn the_administrator_may_everything_and_the_auditor_read_everything() {
        assert_eq!(StaffRole::Admin.bounds(), Scopes::all());
        assert_eq!(StaffRole::Auditor.bounds(), Scopes::READING);
        for scope in Scope::ALL {
            assert_eq!(
                StaffRole::Auditor.bounds().contains(*scope),
                scope.as_str().ends_with(":read")
            );
        }
    }

    #[test]
    fn no_partner_decides_or_administers_and_only_its_admin_manages() {
        let never = [
            Scope::PartnersWrite,
            Scope::DealsWrite,
            Scope::RegistrationsDecide,
            Scope::AgreementsWrite,
            Scope::PayoutsWrite,
            Scope::IntegrationsRead,
            Scope::IntegrationsManage,
            Scope::Admin,
        ];
        for role in PartnerRole::ALL {
            assert!(never.iter().all(|scope| !role.bounds().contains(*scope)));
            for scope in [Scope::ClientsManage, Scope::UsersManage] {
                assert_eq!(role.bounds().contains(scope), *role == PartnerRole::Admin);
            }
        }
    }

    #[test]
    fn names_round_trip_and_no_name_is_of_two_roles() {
        for role in StaffRole::ALL {
            assert_eq!(StaffRole::from_claim(role.as_str()), Some(*role));
        }
        for role in PartnerRole::ALL {
            assert_eq!(PartnerRole::from_claim(role.as_str()), Some(*role));
        }
        assert_eq!(StaffRole::from_claim("admin"), None);
        assert_eq!(PartnerRole::from_claim("ADMIN"), None);
    }
}
