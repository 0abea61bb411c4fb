//! Salesforce's query language, as far as we write it.
//!
//! Owns: the text of a query. Refuses: names that are not plain: they come from a mapping, which people edit, and a name is the one part of a query
//! that cannot be quoted. Invariant: whatever a value holds, it stays inside its quotes.

use super::moment;

/// Whether a text can stand as a field, or as a field of what a field refers to (`Owner.Email`).
pub(super) fn is_name(text: &str) -> bool {
    let is_part = |part: &str| {
        part.len() <= 80
            && part
                .bytes()
                .next()
                .is_some_and(|byte| byte.is_ascii_alphabetic())
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    // Five steps up is what the language allows.
    text.split('.').count() <= 6 && text.split('.').all(is_part)
}

/// A text as a value.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for letter in text.chars() {
        match letter {
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            other => out.push(other),
        }
    }
    out.push('\'');
    out
}

/// Whether a field holds one of these values.
pub(super) fn is_one_of<'a>(field: &str, values: impl IntoIterator<Item = &'a str>) -> String {
    let values: Vec<String> = values.into_iter().map(quoted).collect();
    format!("{field} IN ({})", values.join(","))
}

/// A place in the order of (time of change, id): what comes after it has not been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) at_ms: i64,
    /// Empty: nothing of this very time has been read.
    pub(super) id: String,
}

impl Place {
    /// Before everything of a time.
    pub(super) const fn before(at_ms: i64) -> Self {
        Self {
            at_ms,
            id: String::new(),
        }
    }

    /// What comes after it. None when that is everything.
    fn filter(&self) -> Option<String> {
        let at = moment::literal(self.at_ms);
        match (self.at_ms, self.id.is_empty()) {
            (i64::MIN..=0, true) => None,
            (_, true) => Some(format!("{STAMP} >= {at}")),
            // The plain bound first, for it is what the index answers.
            (_, false) => Some(format!(
                "{STAMP} >= {at} AND ({STAMP} > {at} OR Id > {})",
                quoted(&self.id)
            )),
        }
    }
}

/// The time of any change, by people or by Salesforce itself. The time of the last edit by a person can be set by an import, and a conversion of
/// leads leaves it alone.
pub(super) const STAMP: &str = "SystemModstamp";

/// One query.
#[derive(Clone, Debug)]
pub(super) struct Query<'a> {
    /// Plain names only.
    pub(super) columns: &'a [String],
    pub(super) from: &'a str,
    pub(super) filters: Vec<String>,
    pub(super) order: Option<&'static str>,
    pub(super) limit: Option<usize>,
}

impl<'a> Query<'a> {
    pub(super) const fn new(columns: &'a [String], from: &'a str) -> Self {
        Self {
            columns,
            from,
            filters: Vec::new(),
            order: None,
            limit: None,
        }
    }

    /// Only what meets this as well.
    pub(super) fn filter(mut self, filter: impl Into<Option<String>>) -> Self {
        self.filters.extend(filter.into());
        self
    }

    /// In the order of change, after a place.
    pub(super) fn after(self, place: &Place) -> Self {
        let mut query = self.filter(place.filter());
        query.order = Some("SystemModstamp, Id");
        query
    }

    /// In the order of ids, after one of them; empty begins.
    pub(super) fn after_id(self, id: &str) -> Self {
        let filter = (!id.is_empty()).then(|| format!("Id > {}", quoted(id)));
        let mut query = self.filter(filter);
        query.order = Some("Id");
        query
    }

    pub(super) const fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Its text. A column that is no plain name is left out; the caller has said so already.
    pub(super) fn text(&self) -> String {
        let columns: Vec<&str> = self
            .columns
            .iter()
            .map(String::as_str)
            .filter(|name| is_name(name))
            .collect();
        let mut text = format!("SELECT {} FROM {}", columns.join(","), self.from);
        if !self.filters.is_empty() {
            text.push_str(" WHERE ");
            text.push_str(&self.filters.join(" AND "));
        }
        if let Some(order) = self.order {
            text.push_str(" ORDER BY ");
            text.push_str(order);
        }
        if let Some(limit) = self.limit {
            text.push_str(" LIMIT ");
            text.push_str(&limit.to_string());
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_walk_asks_for_what_comes_after_its_place() {
        let columns = names(&["Id", "Name"]);
        let query = Query::new(&columns, "Account");
        let place = Place {
            at_ms: 1_793_527_200_000,
            id: "001D000000IRFmaIAH".to_owned(),
        };
        assert_eq!(
            query.clone().after(&place).limit(2_000).text(),
            "SELECT Id,Name FROM Account WHERE SystemModstamp >= 2026-11-01T10:00:00.000Z AND (SystemModstamp > 2026-11-01T10:00:00.000Z OR \
             Id > '001D000000IRFmaIAH') ORDER BY SystemModstamp, Id LIMIT 2000"
        );
        assert_eq!(
            query.clone().after(&Place::before(0)).text(),
            "SELECT Id,Name FROM Account ORDER BY SystemModstamp, Id"
        );
        assert_eq!(
            query
                .filter("IsDeleted = true".to_owned())
                .after(&Place::before(1_793_527_200_000))
                .text(),
            "SELECT Id,Name FROM Account WHERE IsDeleted = true AND SystemModstamp >= 2026-11-01T10:00:00.000Z ORDER BY SystemModstamp, Id"
        );
        assert_eq!(
            Query::new(&columns, "Account").after_id("001").text(),
            "SELECT Id,Name FROM Account WHERE Id > '001' ORDER BY Id"
        );
    }

    #[test]
    fn a_name_is_a_name_and_no_way_into_the_query() {
        for good in [
            "Name",
            "Entente_Reference__c",
            "Owner.Email",
            "ns__Parent__r.ns__Name__c",
        ] {
            assert!(is_name(good), "{good}");
        }
        for bad in [
            "",
            " Name",
            "Name,Id",
            "Name FROM User",
            "(SELECT Id FROM Contacts)",
            "Name--",
            "1st",
            "Owner.",
            ".Owner",
            "a.b.c.d.e.f.g",
            "N\u{e4}me",
            "Name'",
        ] {
            assert!(!is_name(bad), "{bad}");
        }
        let columns = names(&["Id", "Name FROM User WHERE"]);
        assert_eq!(
            Query::new(&columns, "Account").text(),
            "SELECT Id FROM Account"
        );
    }

    #[test]
    fn values_stay_inside_their_quotes() {
        assert_eq!(quoted(r"O'Brien \ Söhne"), r"'O\'Brien \\ Söhne'");
        assert_eq!(quoted("a\r\n\tb\u{8}\u{c}\"c"), r#"'a\r\n\tb\b\f\"c'"#);
        assert_eq!(
            is_one_of("Name", ["x", "' OR Name != '"]),
            r"Name IN ('x','\' OR Name != \'')"
        );
    }

    proptest! {
        /// Reading the text as the language does, the first quote that is not escaped is the last character.
        #[test]
        fn no_value_ends_early(text in ".{0,40}") {
            let out = quoted(&text);
            let inner = out.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')).unwrap_or_default();
            let mut letters = inner.chars();
            while let Some(letter) = letters.next() {
                prop_assert!(letter != '\'' && letter != '\n');
                if letter == '\\' {
                    prop_assert!(letters.next().is_some());
                }
            }
        }
    }
}
