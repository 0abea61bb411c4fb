//! The three-way merge of one field.
//!
//! Owns: the decision between what the vendor held (the shadow), what it holds now and what our row holds, and who wins where both changed.
//! Refuses: to lose either side silently: a conflict is always told apart from a change of one side. Invariant: whoever wins, merging the same
//! record again decides [`Merge::Keep`] for every field, because what the vendor holds now is the base from then on.

use entities::clock::Timestamp;
use entities::connection::mapping::ConflictPolicy;
use entities::sync_conflict::Side;

/// What a mapping reads of a record for one of our fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reading<T> {
    /// The mapping has no property for the field, or the record says nothing that concerns it.
    Unread,
    /// The value.
    Value(T),
    /// There is a value, and it cannot be taken over.
    Flagged(Flag),
}

/// Why a value cannot be taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The vendor's property.
    pub property: String,
    /// A stable code.
    pub code: &'static str,
    /// One sentence.
    pub message: String,
}

impl<T> Reading<T> {
    /// A flag.
    pub fn flagged(property: &str, code: &'static str, message: impl Into<String>) -> Self {
        Self::Flagged(Flag {
            property: property.to_owned(),
            code,
            message: message.into(),
        })
    }

    /// The value, where there is one.
    #[must_use]
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Unread | Self::Flagged(_) => None,
        }
    }

    /// The flag, where there is one.
    #[must_use]
    pub const fn flag(&self) -> Option<&Flag> {
        match self {
            Self::Flagged(flag) => Some(flag),
            Self::Unread | Self::Value(_) => None,
        }
    }

    /// The same reading of another form of the value.
    pub fn map<U>(self, form: impl FnOnce(T) -> U) -> Reading<U> {
        match self {
            Self::Value(value) => Reading::Value(form(value)),
            Self::Unread => Reading::Unread,
            Self::Flagged(flag) => Reading::Flagged(flag),
        }
    }
}

impl<T: Clone + Default> Reading<T> {
    /// The value, or none of it.
    #[must_use]
    pub fn or_default(&self) -> T {
        self.value().cloned().unwrap_or_default()
    }
}

/// What becomes of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merge<T> {
    /// Our value stays.
    Keep,
    /// The vendor's value is taken: only the vendor changed it.
    Take(T),
    /// Both sides changed it, to different values; this is the vendor's. A [`Verdict`] says who wins.
    Conflict(T),
}

/// Who wins a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A side. Where it is ours, the vendor has to learn our value.
    Won(Side),
    /// Nobody yet: our value stays here, the vendor's stays there, until a person decides.
    Open,
}

impl Verdict {
    /// Judges by a policy; the instants say when each side last changed its record. Of the newest, a vendor that changed at the same instant, or
    /// keeps no such time, wins.
    #[must_use]
    pub fn by(policy: ConflictPolicy, theirs_at: Option<Timestamp>, ours_at: Timestamp) -> Self {
        match policy {
            ConflictPolicy::Ours => Self::Won(Side::Ours),
            ConflictPolicy::Theirs => Self::Won(Side::Theirs),
            ConflictPolicy::Newest if theirs_at.is_some_and(|theirs| theirs < ours_at) => {
                Self::Won(Side::Ours)
            }
            ConflictPolicy::Newest => Self::Won(Side::Theirs),
            ConflictPolicy::Ask => Self::Open,
        }
    }

    /// Whether the vendor's value is taken.
    #[must_use]
    pub fn takes_theirs(self) -> bool {
        self == Self::Won(Side::Theirs)
    }

    /// The side that won, if one has.
    #[must_use]
    pub const fn winner(self) -> Option<Side> {
        match self {
            Self::Won(side) => Some(side),
            Self::Open => None,
        }
    }
}

/// Merges one field. Without a base (first sight, or a base that could not be read) a vendor's value that differs is taken.
pub fn merge<T: PartialEq + Clone>(
    base: Option<&Reading<T>>,
    theirs: &Reading<T>,
    ours: &T,
) -> Merge<T> {
    let Some(theirs) = theirs.value() else {
        return Merge::Keep;
    };
    if theirs == ours {
        return Merge::Keep;
    }
    match base.and_then(Reading::value) {
        None => Merge::Take(theirs.clone()),
        Some(base) if base == theirs => Merge::Keep,
        Some(base) if base == ours => Merge::Take(theirs.clone()),
        Some(_) => Merge::Conflict(theirs.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reading() -> impl Strategy<Value = Reading<u8>> {
        prop_oneof![
            Just(Reading::Unread),
            (0_u8..4).prop_map(Reading::Value),
            Just(Reading::flagged("p", "C", "m")),
        ]
    }

    proptest! {
        #[test]
        fn a_second_merge_of_the_same_record_keeps_everything_whoever_won(base in proptest::option::of(reading()), theirs in reading(), ours in 0_u8..4, we_win in proptest::bool::ANY) {
            let after = match merge(base.as_ref(), &theirs, &ours) {
                Merge::Conflict(_) if we_win => ours,
                Merge::Keep => ours,
                Merge::Take(value) | Merge::Conflict(value) => value,
            };
            prop_assert_eq!(merge(Some(&theirs), &theirs, &after), Merge::Keep);
        }

        #[test]
        fn only_a_difference_of_all_three_is_a_conflict(base in reading(), theirs in reading(), ours in 0_u8..4) {
            let decided = merge(Some(&base), &theirs, &ours);
            let differ = match (&base, &theirs) {
                (Reading::Value(base), Reading::Value(theirs)) => base != theirs && *base != ours && *theirs != ours,
                _ => false,
            };
            prop_assert_eq!(matches!(decided, Merge::Conflict(_)), differ);
        }
    }

    #[test]
    fn what_only_we_changed_stays_and_what_only_they_changed_is_taken() {
        assert_eq!(
            merge(Some(&Reading::Value(1)), &Reading::Value(1), &2),
            Merge::Keep
        );
        assert_eq!(
            merge(Some(&Reading::Value(1)), &Reading::Value(2), &1),
            Merge::Take(2)
        );
        assert_eq!(merge(None, &Reading::Value(2), &1), Merge::Take(2));
    }

    #[test]
    fn the_newest_wins_and_the_vendor_wins_ties() {
        let ours = Timestamp(5);
        let newest = |theirs| Verdict::by(ConflictPolicy::Newest, theirs, ours);
        assert_eq!(newest(Some(Timestamp(4))), Verdict::Won(Side::Ours));
        for theirs in [Some(Timestamp(5)), Some(Timestamp(6)), None] {
            assert_eq!(newest(theirs), Verdict::Won(Side::Theirs), "{theirs:?}");
        }
        assert_eq!(
            Verdict::by(ConflictPolicy::Ask, Some(Timestamp(9)), ours),
            Verdict::Open
        );
        assert_eq!(
            Verdict::by(ConflictPolicy::Ours, Some(Timestamp(9)), ours),
            Verdict::Won(Side::Ours)
        );
        assert!(Verdict::by(ConflictPolicy::Theirs, Some(Timestamp(1)), ours).takes_theirs());
    }
}
