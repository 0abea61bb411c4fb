//! When two spellings mean one account: domain, D-U-N-S number, and the name without its legal form together with the country.
//!
//! A key that two accounts share makes them one. The name alone does not: companies of one name exist in several countries; it only raises a question for
//! a person.

use crate::domain_name::DomainName;
use crate::error::{ViolationCode, Violations};

/// Legal forms, as they stand at the end of a name, without points.
const FORMS: [&str; 52] = [
    "inc",
    "incorporated",
    "corp",
    "corporation",
    "co",
    "company",
    "llc",
    "llp",
    "lp",
    "ltd",
    "limited",
    "plc",
    "pbc",
    "gmbh",
    "mbh",
    "ag",
    "kg",
    "kgaa",
    "ohg",
    "gbr",
    "ug",
    "ev",
    "eg",
    "se",
    "sa",
    "sas",
    "sasu",
    "sarl",
    "eurl",
    "srl",
    "spa",
    "sl",
    "slu",
    "bv",
    "nv",
    "cv",
    "vof",
    "ab",
    "oy",
    "oyj",
    "as",
    "asa",
    "aps",
    "sro",
    "zoo",
    "kft",
    "pty",
    "pte",
    "pvt",
    "kk",
    "ltda",
    "holding",
];

/// An account that somebody claims or asks about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name, as written.
    pub name: String,
    /// Its domain.
    pub domain: Option<DomainName>,
    /// Its country: two letters of ISO 3166.
    pub country: Option<String>,
    /// Its D-U-N-S number.
    pub duns: Option<String>,
}

/// A name without case, punctuation and legal form. It is never empty where the name has a letter or a digit.
#[must_use]
pub fn bare_name(name: &str) -> String {
    let mut spelled = String::with_capacity(name.len());
    for letter in name.chars() {
        match letter {
            // Points and apostrophes are within a word: "S.A." is "sa", "L'Oréal" is "loréal".
            '.' | '\'' | '’' => {}
            '&' | '+' => spelled.push_str(" and "),
            letter if letter.is_alphanumeric() => spelled.extend(letter.to_lowercase()),
            _ => spelled.push(' '),
        }
    }
    let mut words: Vec<&str> = spelled.split_whitespace().collect();
    if words.len() > 1 && words.first() == Some(&"the") {
        words.remove(0);
    }
    // "& Co. KG" is one form of several words; what is left of it goes with it.
    while words.len() > 1
        && words
            .last()
            .is_some_and(|last| FORMS.contains(last) || *last == "and")
    {
        words.pop();
    }
    words.join(" ")
}

impl Account {
    /// The nine digits of the D-U-N-S number.
    fn digits(&self) -> Option<String> {
        let digits: String = self
            .duns
            .as_deref()?
            .chars()
            .filter(|letter| !matches!(letter, '-' | ' '))
            .collect();
        (digits.len() == 9 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(digits)
    }

    fn country_code(&self) -> Option<String> {
        let code = self.country.as_deref()?.trim().to_ascii_uppercase();
        (code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase())).then_some(code)
    }

    /// The keys that make two accounts one, in an order of their own.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        let name = bare_name(&self.name);
        let keys = [
            self.digits().map(|digits| format!("u:{digits}")),
            self.domain.as_ref().map(|domain| format!("d:{domain}")),
            self.country_code()
                .filter(|_| !name.is_empty())
                .map(|country| format!("n:{name}|{country}")),
        ];
        keys.into_iter().flatten().collect()
    }

    /// The key that raises a question.
    #[must_use]
    pub fn name_key(&self) -> String {
        format!("m:{}", bare_name(&self.name))
    }

    /// Notes what is wrong with it.
    pub(crate) fn check(&self, violations: &mut Violations) {
        violations.text("account.name", &self.name, 300);
        if !self.name.trim().is_empty() && bare_name(&self.name).is_empty() {
            violations.add(
                ViolationCode::Invalid,
                "account.name",
                "A name has letters or digits.",
            );
        }
        if self.duns.is_some() && self.digits().is_none() {
            violations.add(
                ViolationCode::Invalid,
                "account.duns",
                "A D-U-N-S number has nine digits.",
            );
        }
        if self.country.is_some() && self.country_code().is_none() {
            let message = "A country is two letters of ISO 3166.";
            violations.add(ViolationCode::Invalid, "account.country", message);
        }
        if self.keys().is_empty() {
            let message = "A name alone is not one account: give its domain, its country or its D-U-N-S number.";
            violations.add(ViolationCode::Blank, "account.domain", message);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_name_is_told_apart_from_its_legal_form() {
        for (spelled, bare) in [
            ("Acme, Inc.", "acme"),
            ("ACME Corporation", "acme"),
            ("The Acme Company Ltd.", "acme"),
            ("Acme GmbH & Co. KG", "acme"),
            ("Acme S.A.", "acme"),
            ("Acme Sp. z o.o.", "acme sp z oo"),
            ("L'Oréal S.A.", "loréal"),
            ("Procter & Gamble Co", "procter and gamble"),
            ("AG", "ag"),
            ("The", "the"),
            ("Co Co Co", "co"),
            ("  müller   AG ", "müller"),
            ("3M", "3m"),
            ("!?", ""),
        ] {
            assert_eq!(bare_name(spelled), bare, "{spelled}");
        }
    }

    #[test]
    fn one_shared_key_makes_two_accounts_one() {
        let account =
            |name: &str, domain: Option<&str>, country: Option<&str>, duns: Option<&str>| Account {
                name: name.to_owned(),
                domain: domain.map(|domain| domain.parse().unwrap()),
                country: country.map(str::to_owned),
                duns: duns.map(str::to_owned),
            };
        let one = account(
            "Acme Inc",
            Some("https://www.ACME.com/x"),
            Some("us"),
            Some("15-048-3782"),
        );
        assert_eq!(one.keys(), ["u:150483782", "d:acme.com", "n:acme|US"]);
        let meets = |other: &Account| other.keys().iter().any(|key| one.keys().contains(key));
        assert!(meets(&account("Something", None, None, Some("150483782"))));
        assert!(meets(&account("ACME Corp.", None, Some("US"), None)));
        assert!(!meets(&account("Acme", Some("acme.de"), Some("DE"), None)));
        for bad in [
            account("Acme", None, None, None),
            account("", Some("acme.com"), None, None),
            account("Acme", None, Some("Germany"), None),
            account("Acme", Some("acme.com"), None, Some("12")),
        ] {
            let mut violations = Violations::default();
            bad.check(&mut violations);
            assert!(violations.finish().is_err(), "{bad:?}");
        }
    }
}
