//! Passwords: which ones are taken, how they are kept, and how one is checked.
//!
//! Kept as argon2id with 19 MiB, two passes and one lane, the lowest setting that OWASP's cheat sheet on password storage recommends, in the
//! PHC notation, which carries the parameters with each hash. A check costs tens of milliseconds and 19 MiB by design; it runs on a thread
//! for blocking work and only a few run at once, so that whoever floods the door exhausts neither the workers nor the memory. For
//! somebody who is unknown a hash of nobody's is checked: the time tells nothing.
//!
//! Taken is what has twelve characters, is not made of the person's own address or name, and is none of the worst. No rule about kinds of
//! characters and no expiry: both make people choose worse (NIST SP 800-63B, 5.1.1.2).

use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use entities::chance::Chance;
use entities::user::PasswordHash;
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// The fewest characters.
pub const SHORTEST: usize = 12;
/// The most bytes: more is refused before it is hashed.
pub const LONGEST: usize = 1_024;
/// Memory of one check, in KiB.
const MEMORY_KIB: u32 = 19 * 1_024;
/// Passes over it.
const PASSES: u32 = 2;
/// How many checks run at once.
const AT_ONCE: usize = 4;
/// How long a check waits for its turn.
const PATIENCE: Duration = Duration::from_secs(5);

/// The hash of nobody's password, under the same parameters as everybody's.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5LWhhcy10aGlz$fN8nVd0m2nEoQv7s1kR3wYx5cA9uT4bLzGpHjKqWeRs";

/// The worst passwords of those that are long enough, in lower case.
const WORST: &str = include_str!("worst_passwords.txt");

/// A password could not be hashed or checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too many are being checked.
    #[error("too many passwords are being checked at once")]
    Busy,
    /// The hash failed.
    #[error("a password could not be hashed")]
    Failed,
}

/// Why a password is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weak {
    /// Fewer than [`SHORTEST`] characters.
    TooShort,
    /// More than [`LONGEST`] bytes.
    TooLong,
    /// Hardly more than the person's own address or name.
    Personal,
    /// One of the first that anybody would try.
    Common,
}

impl Weak {
    /// One sentence for the person.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::TooShort => "Choose a password of at least 12 characters.",
            Self::TooLong => "Choose a shorter password: at most 1,024 bytes.",
            Self::Personal => "Choose a password that is not your name or e-mail address.",
            Self::Common => {
                "Choose another password: this one is among the first that anybody would try."
            }
        }
    }
}

/// Judges a new password of a person.
///
/// # Errors
/// Why it is not taken.
pub fn judge(password: &SecretString, email: &str, name: &str) -> Result<(), Weak> {
    let password = password.expose_secret();
    if password.len() > LONGEST {
        return Err(Weak::TooLong);
    }
    if password.chars().count() < SHORTEST {
        return Err(Weak::TooShort);
    }
    let lower = password.to_lowercase();
    let local = email.split('@').next().unwrap_or_default();
    let host = email.rsplit('@').next().unwrap_or_default();
    let mut rest = lower.clone();
    for own in [email, local, host]
        .into_iter()
        .chain(name.split_whitespace())
        .chain([name])
    {
        let own = own.to_lowercase();
        if own.chars().count() >= 3 {
            rest = rest.replace(&own, "");
        }
    }
    if rest.len() < lower.len() && rest.chars().count() < 8 {
        return Err(Weak::Personal);
    }
    if is_common(&lower) {
        return Err(Weak::Common);
    }
    Ok(())
}

/// A few letters over and over, a run along the alphabet or the digits, or one of the list, whatever digits and signs are put behind it.
fn is_common(lower: &str) -> bool {
    let letters: Vec<char> = lower.chars().collect();
    let mut distinct = letters.clone();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() < 5 {
        return true;
    }
    // After the nine the digits go on with the nought.
    let step = |by: i64| {
        letters.windows(2).all(|pair| match pair {
            [one, next] => {
                let apart = i64::from(u32::from(*next)) - i64::from(u32::from(*one));
                let digits = one.is_ascii_digit() && next.is_ascii_digit();
                apart == by || (digits && apart.rem_euclid(10) == by.rem_euclid(10))
            }
            _ => false,
        })
    };
    let repeats = (1..=letters.len() / 2).any(|unit| {
        unit < 8
            && letters
                .iter()
                .zip(letters.iter().skip(unit))
                .all(|(one, next)| one == next)
    });
    let bare = lower.trim_end_matches(|letter: char| !letter.is_alphabetic());
    step(1)
        || step(-1)
        || repeats
        || WORST
            .lines()
            .map(str::trim)
            .any(|worst| worst == lower || (!bare.is_empty() && worst == bare))
}

/// Hashes and checks, a few at a time.
#[derive(Clone, Debug)]
pub struct Passwords {
    turns: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }
}

impl Passwords {
    /// Hashes a password that was judged.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn hash(
        &self,
        password: &SecretString,
        chance: &dyn Chance,
    ) -> Result<PasswordHash, PasswordError> {
        let mut salt = [0_u8; 16];
        chance.fill(&mut salt);
        let password = password.clone();
        self.blocking(move || {
            let hash = argon2()?
                .hash_password_with_salt(password.expose_secret().as_bytes(), &salt)
                .map_err(|_| PasswordError::Failed)?;
            Ok(PasswordHash::new(hash.to_string()))
        })
        .await
    }

    /// Whether a password is the one of a hash. Without a hash it is not, after the same time.
    ///
    /// # Errors
    /// [`PasswordError`].
    pub async fn verify(
        &self,
        password: &SecretString,
        hash: Option<&PasswordHash>,
    ) -> Result<bool, PasswordError> {
        let known = hash.is_some();
        let kept = hash.map_or_else(|| NOBODY.to_owned(), |hash| hash.expose().to_owned());
        let password = password.clone();
        self.blocking(move || {
            let bytes = password.expose_secret().as_bytes();
            let right =
                bytes.len() <= LONGEST && argon2()?.verify_password(bytes, kept.as_str()).is_ok();
            Ok(right && known)
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, PasswordError> + Send + 'static,
    ) -> Result<T, PasswordError> {
        let turn = Arc::clone(&self.turns).acquire_owned();
        let turn = tokio::time::timeout(PATIENCE, turn)
            .await
            .map_err(|_| PasswordError::Busy)?
            .map_err(|_| PasswordError::Busy)?;
        // The turn goes with the work: a caller that gives up frees no memory, so it must not free a place either.
        tokio::task::spawn_blocking(move || {
            let outcome = work();
            drop(turn);
            outcome
        })
        .await
        .map_err(|_| PasswordError::Failed)?
    }
}

fn argon2() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, Some(32)).map_err(|_| PasswordError::Failed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use entities::chance::SeededChance;

    fn judged(password: &str) -> Result<(), Weak> {
        judge(
            &password.to_owned().into(),
            "ada.lovelace@contoso.example",
            "Ada Lovelace",
        )
    }

    #[test]
    fn long_and_unguessable_is_enough() {
        for good in [
            "correct rat battery clip",
            "vier wörter sind genug",
            "aaaabbbbccccddddeee1",
            "Tr0ub4dor&3-and-more",
        ] {
            assert_eq!(judged(good), Ok(()), "{good}");
        }
        assert_eq!(judged("short"), Err(Weak::TooShort));
        assert_eq!(judged("ÄÖÜäöüßéèàñ"), Err(Weak::TooShort), "11 characters");
        assert_eq!(judged(&"ab12#".repeat(300)), Err(Weak::TooLong));
        for personal in [
            "ada.lovelace@contoso.example",
            "ADA.LOVELACE@contoso.example1!",
            "Ada Lovelace 1",
            "lovelaceLovelace",
            "ada.lovelace12",
        ] {
            assert_eq!(judged(personal), Err(Weak::Personal), "{personal}");
        }
        for common in [
            "passwordpassword",
            "Password123456",
            "administrator!1",
            "aaaaaaaaaaaaaaaa",
            "abababababab",
            "abcdefghijklmnop",
            "987654321098",
            "qwertyuiopqwertyuiop",
            "1234567890qwerty",
        ] {
            assert_eq!(judged(common), Err(Weak::Common), "{common}");
        }
    }

    #[test]
    fn the_list_holds_what_is_long_enough_and_nothing_twice() {
        let mut lines: Vec<&str> = WORST.lines().collect();
        assert!(lines.len() >= 100, "{}", lines.len());
        assert!(lines.iter().all(|line| *line == line.trim().to_lowercase()));
        let count = lines.len();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), count);
    }

    #[tokio::test]
    async fn a_hash_fits_its_password_only_and_nobodys_costs_the_same() {
        let passwords = Passwords::default();
        let right: SecretString = "correct rat battery clip".to_owned().into();
        let wrong: SecretString = "correct rat battery clap".to_owned().into();
        let hash = passwords.hash(&right, &SeededChance::new(1)).await.unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(passwords.verify(&right, Some(&hash)).await.unwrap());
        assert!(!passwords.verify(&wrong, Some(&hash)).await.unwrap());
        assert!(!passwords.verify(&right, None).await.unwrap());
        let other = passwords.hash(&right, &SeededChance::new(2)).await.unwrap();
        assert_ne!(hash, other, "each has a salt of its own");
        assert!(!format!("{hash:?}").contains("argon2id"));
        // The parameters of nobody's are read from its text, so they must be everybody's.
        let nobody = argon2::PasswordHash::new(NOBODY).unwrap();
        let real = argon2::PasswordHash::new(hash.expose()).unwrap();
        assert_eq!(nobody.params, real.params);
        assert_eq!(
            (nobody.algorithm, nobody.version),
            (real.algorithm, real.version)
        );
        assert_eq!(
            nobody.hash.map(|hash| hash.len()),
            real.hash.map(|hash| hash.len())
        );
    }
}
