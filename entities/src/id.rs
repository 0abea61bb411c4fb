//! Identifiers: UUIDv7 in the database, prefixed TypeIDs (`deal_01h…`) wherever anybody sees them.
//!
//! Each kind of row has its own Rust type, so that a partner's id can never be passed where a deal's is meant. [`Ids`]
//! makes them in strictly rising order within a process: rows made in one change keep the order in which they were made.

use crate::chance::Chance;
use crate::clock::Timestamp;
use sea_orm::{DbErr, DeriveValueType, TryFromU64};
use std::sync::{Arc, Mutex, PoisonError};
use type_safe_id::{DynamicType, TypeSafeId};
use uuid::Uuid;

/// Text that is not an identifier of the expected kind. It never says more: an unknown id and a malformed one look alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid id of this kind")]
pub struct InvalidId;

/// An id type: what its prefix is and how to get at the UUID.
pub trait TypedId: Copy + Eq + std::hash::Hash + Ord + Send + Sync + 'static {
    /// The word before the underscore.
    const PREFIX: &'static str;
    /// Wraps a UUID of this kind of row.
    fn from_uuid(uuid: Uuid) -> Self;
    /// The UUID as the database keeps it.
    fn uuid(self) -> Uuid;
}

/// Splits a TypeID into prefix and UUID, for `node(id)`.
///
/// # Errors
/// [`InvalidId`] when the text is no TypeID.
pub fn parse_any(text: &str) -> Result<(String, Uuid), InvalidId> {
    // The prefix may hold underscores (`sync_run_…`); the suffix never does.
    let (prefix, suffix) = text.rsplit_once('_').ok_or(InvalidId)?;
    let id: TypeSafeId<DynamicType> = format!("x_{suffix}").parse().map_err(|_| InvalidId)?;
    Ok((prefix.to_owned(), id.uuid()))
}

/// The alphabet of a TypeID's suffix.
const ALPHABET: [char; 32] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'j',
    'k', 'm', 'n', 'p', 'q', 'r', 's', 't', 'v', 'w', 'x', 'y', 'z',
];

/// Shows a UUID under a prefix: five bits a character, the greatest first. Every row of every answer has one, so it is written here at once.
#[must_use]
pub fn show(prefix: &str, uuid: Uuid) -> String {
    let bits = uuid.as_u128();
    let mut shown = String::with_capacity(prefix.len() + 27);
    shown.push_str(prefix);
    shown.push('_');
    // The mask keeps the place below 32.
    shown.extend(
        (0..26_u32)
            .rev()
            .filter_map(|place| ALPHABET.get((bits >> (5 * place)) as usize & 31)),
    );
    shown
}

macro_rules! typed_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, DeriveValueType)]
        pub struct $name(pub Uuid);

        impl TypedId for $name {
            const PREFIX: &'static str = $prefix;
            fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }
            fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl TryFromU64 for $name {
            fn try_from_u64(_: u64) -> Result<Self, DbErr> {
                Err(DbErr::ConvertFromU64(stringify!($name)))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&show(Self::PREFIX, self.0))
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let (prefix, uuid) = parse_any(text)?;
                if prefix == Self::PREFIX { Ok(Self(uuid)) } else { Err(InvalidId) }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    )*};
}

typed_ids! {
    /// A partner company.
    PartnerId = "partner";
    /// A person at a partner or a customer.
    ContactId = "contact";
    /// The end customer of a deal.
    CustomerId = "customer";
    /// One relationship of one type with a partner.
    PartnershipId = "partnership";
    /// A sale.
    DealId = "deal";
    /// A partner's share in a deal.
    DealPartnerId = "deal_partner";
    /// An entry of the event log.
    EventId = "event";
    /// A connected account of an outside system.
    ConnectionId = "connection";
    /// The tie between one of our rows and a vendor's record.
    ExternalLinkId = "external_link";
    /// One run of a synchronisation.
    SyncRunId = "sync_run";
    /// A field that both sides changed.
    SyncConflictId = "sync_conflict";
    /// One stored webhook delivery.
    InboundWebhookId = "inbound_webhook";
    /// Money that came or went back.
    RevenueEventId = "revenue_event";
    /// What a person said of a deal's outcome.
    DealConfirmationId = "deal_confirmation";
    /// A wish under the law on personal data.
    PrivacyRequestId = "privacy_request";
    /// That somebody's personal data was handed over or erased: what the events of it are about.
    PersonRequestId = "person_request";
    /// A person who signs in.
    UserId = "user";
    /// A signed-in browser.
    SessionId = "session";
    /// Where an organisation's people sign in.
    IdentityProviderId = "identity_provider";
    /// Software that asks for tokens.
    OAuthClientId = "client";
    /// What a person allowed a client, and the family of refresh tokens that follows from it.
    OAuthGrantId = "grant";
    /// Where a subscriber wants to hear of events.
    WebhookEndpointId = "webhook_endpoint";
    /// One event on its way to one subscriber.
    WebhookDeliveryId = "webhook_delivery";
    /// A message by mail.
    MailMessageId = "mail_message";
    /// What is done when something happens.
    AutomationId = "automation";
    /// What an automation did about one event.
    AutomationRunId = "automation_run";
    /// A partner programme.
    ProgramId = "program";
    /// A step of a programme.
    TierId = "tier";
    /// A partnership's part in a programme.
    ProgramEnrollmentId = "program_enrollment";
    /// A tier that a partnership was given.
    TierAssignmentId = "tier_assignment";
    /// What a programme or a type of partnership earns by.
    CommissionRuleId = "commission_rule";
    /// An agreement with a partner.
    AgreementId = "agreement";
    /// The terms of an agreement from a day on.
    AgreementVersionId = "agreement_version";
    /// One side's signature below a version.
    AgreementSignatureId = "agreement_signature";
    /// What was measured of a promised service level.
    SlaMeasurementId = "sla_measurement";
    /// Something an agreement asks for by a day.
    ObligationId = "obligation";
    /// One computation of what revenue earns.
    CommissionRunId = "commission_run";
    /// The counters of a contract year.
    CommitmentYearId = "commitment_year";
    /// What a partner earned, owes or was paid.
    LedgerEntryId = "ledger_entry";
    /// What a partner's ledger said at the end of a period.
    StatementId = "statement";
    /// A partner's objection to an entry.
    LedgerDisputeId = "ledger_dispute";
    /// A payment to a partner.
    PayoutId = "payout";
    /// A partner's claim on an account.
    DealRegistrationId = "deal_registration";
    /// What was said of a registration.
    RegistrationNoteId = "registration_note";
    /// What somebody wanted to become of a registration.
    RegistrationPressId = "registration_press";
    /// A partner's question whether an account is free.
    AccountCheckId = "account_check";
    /// A company's wish to take part in a programme.
    PartnerApplicationId = "partner_application";
    /// What candidates are scored by.
    AssessmentSchemeId = "assessment_scheme";
    /// How a candidate was scored.
    AssessmentId = "assessment";
    /// Something that was done with a partner.
    ActivityId = "activity";
    /// The tasks that an onboarding begins with.
    ChecklistId = "checklist";
    /// A task of a partnership's onboarding.
    OnboardingTaskId = "onboarding_task";
    /// Something the programme wants to reach.
    GoalId = "goal";
    /// A key that signs tokens, as the event log names it; elsewhere it is known by its thumbprint.
    SigningKeyId = "signing_key";
}

/// Makes ids: UUIDv7 of the given instant, rising even within one millisecond.
pub struct Ids {
    chance: Arc<dyn Chance>,
    last: Mutex<(u64, u128)>,
}

impl Ids {
    /// The 74 bits of a UUIDv7 that are not time, version or variant.
    const ENTROPY_MASK: u128 = (1 << 74) - 1;

    /// An id maker over a source of chance.
    #[must_use]
    pub fn new(chance: Arc<dyn Chance>) -> Self {
        Self {
            chance,
            last: Mutex::new((0, 0)),
        }
    }

    /// The next id of any kind.
    pub fn next<T: TypedId>(&self, now: Timestamp) -> T {
        let mut bytes = [0_u8; 16];
        self.chance.fill(&mut bytes);
        let random = u128::from_be_bytes(bytes);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let millis = u64::try_from(now.millis()).unwrap_or(0).max(last.0);
        let entropy = if millis == last.0 {
            // A random step keeps the next id unguessable while the order stays; the top bit is left free at the start of a
            // millisecond, so that steps of 32 bits cannot overflow within it.
            last.1.wrapping_add(1 + (random & 0xFFFF_FFFF)) & Self::ENTROPY_MASK
        } else {
            random & (Self::ENTROPY_MASK >> 1)
        };
        *last = (millis, entropy);
        let time = u128::from(millis & 0xFFFF_FFFF_FFFF) << 80;
        let high = (entropy >> 62) << 64;
        let low = entropy & ((1 << 62) - 1);
        T::from_uuid(Uuid::from_u128(
            time | (0x7 << 76) | high | (0b10 << 62) | low,
        ))
    }

    /// Random bytes from the same source, for secrets and nonces.
    pub fn fill(&self, bytes: &mut [u8]) {
        self.chance.fill(bytes);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use crate::chance::SeededChance;

    #[test]
    fn ids_rise_within_one_millisecond_and_are_version_7() {
        let ids = Ids::new(Arc::new(SeededChance::new(7)));
        let made: Vec<DealId> = (0..10_000)
            .map(|_| ids.next(Timestamp::from_millis(1_800_000_000_000)))
            .collect();
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(made[0].0.get_version_num(), 7);
        assert_eq!(made[9_999].0.get_variant(), uuid::Variant::RFC4122);
    }

    #[test]
    fn a_suffix_is_written_as_the_standard_says() {
        let ids = Ids::new(Arc::new(SeededChance::new(3)));
        let made = (0..1_000).map(|_| {
            ids.next::<DealId>(Timestamp::from_millis(1_800_000_000_000))
                .0
        });
        for uuid in made.chain([Uuid::nil(), Uuid::max()]) {
            let standard =
                TypeSafeId::from_type_and_uuid(DynamicType::new("x").unwrap(), uuid).to_string();
            assert_eq!(
                show("sync_run", uuid).strip_prefix("sync_run_"),
                standard.strip_prefix("x_")
            );
        }
    }

    #[test]
    fn an_id_round_trips_and_refuses_another_kind() {
        let ids = Ids::new(Arc::new(SeededChance::new(1)));
        let id: SyncRunId = ids.next(Timestamp::from_millis(1_800_000_000_000));
        assert_eq!(id.to_string().parse::<SyncRunId>(), Ok(id));
        assert_eq!(id.to_string().parse::<DealId>(), Err(InvalidId));
        for bad in [
            "",
            "deal",
            "deal_",
            "deal_zzzzzzzzzzzzzzzzzzzzzzzzzz",
            "deal_01h2xcejqtf2nbrexx3vqjhp4",
        ] {
            assert_eq!(bad.parse::<DealId>(), Err(InvalidId), "{bad}");
        }
    }
}
