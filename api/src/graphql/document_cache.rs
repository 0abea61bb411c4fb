//! Remembers admitted documents by their text, so that a repeated query is neither scanned, parsed nor surveyed again.
//!
//! Parsing is most of the work of a small query. The whole text is the key and is compared in full, under a hash seeded per
//! process: two texts can never share an entry. Memory is bounded by weight, with the parsed form estimated from the text's
//! length; a caller who sends ever new texts evicts what is used seldom, not what is used often. Refused texts are not kept.

use super::admission::{AdmittedDocument, Limits, Refusal, admit};
use quick_cache::{Weighter, sync::Cache};
use std::sync::Arc;

/// Bytes that a parsed document takes per byte of text, estimated generously.
const PARSED_BYTES_PER_BYTE: u64 = 32;

/// Bytes of an entry besides.
const ENTRY_BYTES: u64 = 1_024;

#[derive(Clone)]
struct TextWeight;

impl Weighter<Box<str>, Arc<AdmittedDocument>> for TextWeight {
    fn weight(&self, text: &Box<str>, _: &Arc<AdmittedDocument>) -> u64 {
        ENTRY_BYTES + PARSED_BYTES_PER_BYTE * text.len() as u64
    }
}

/// Admission with a memory.
pub struct DocumentCache {
    limits: Limits,
    documents: Cache<Box<str>, Arc<AdmittedDocument>, TextWeight>,
}

impl DocumentCache {
    /// A cache that takes about `bytes` of memory; nothing is kept when that is 0.
    #[must_use]
    pub fn new(limits: Limits, bytes: u64) -> Self {
        let items = usize::try_from(bytes / (ENTRY_BYTES + 512 * PARSED_BYTES_PER_BYTE))
            .unwrap_or(usize::MAX);
        Self {
            limits,
            documents: Cache::with_weighter(items.max(16), bytes, TextWeight),
        }
    }

    /// The limits that admission applies.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The admitted document of a text, remembered or new.
    ///
    /// # Errors
    /// The [`Refusal`] of [`admit`].
    pub fn admit(&self, source: &str) -> Result<Arc<AdmittedDocument>, Refusal> {
        if let Some(known) = self.documents.get(source) {
            return Ok(known);
        }
        let admitted = Arc::new(admit(source, &self.limits)?);
        self.documents.insert(source.into(), Arc::clone(&admitted));
        Ok(admitted)
    }

    /// How many documents are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.documents.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }
}

impl std::fmt::Debug for DocumentCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DocumentCache")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        reason = "tests"
    )]
    use super::*;

    #[test]
    fn a_repeated_text_gives_the_same_document() {
        let cache = DocumentCache::new(Limits::default(), 1 << 20);
        let first = cache.admit("{ a }").unwrap();
        assert!(Arc::ptr_eq(&first, &cache.admit("{ a }").unwrap()));
        assert!(!Arc::ptr_eq(&first, &cache.admit("{ a  }").unwrap()));
        assert!(cache.admit("{ a").is_err());
        assert_eq!(cache.len(), 2);
    }

    #[test]
    fn memory_is_bounded_by_weight() {
        let bytes = 1 << 20;
        let cache = DocumentCache::new(Limits::default(), bytes);
        for n in 0..5_000 {
            cache
                .admit(&format!("{{ field{n} {{ {} }} }}", "x ".repeat(100)))
                .unwrap();
        }
        assert!(
            cache.documents.weight() <= bytes,
            "{}",
            cache.documents.weight()
        );
        assert!(cache.len() < 200);
    }

    #[test]
    fn nothing_is_kept_without_room() {
        let cache = DocumentCache::new(Limits::default(), 0);
        cache.admit("{ a }").unwrap();
        assert!(cache.is_empty());
    }

    /// Prints what the memory saves; run with `--nocapture`. Not a timed test.
    #[test]
    fn a_copy_is_cheaper_than_a_parse() {
        let source = "query Q($id: ID!) { partner(id: $id) { id name deals(first: 10) { edges { node { id name amount { amount currency } } } } } }";
        let cache = DocumentCache::new(Limits::default(), 1 << 20);
        let clock = std::time::Instant::now();
        for _ in 0..1_000 {
            std::hint::black_box(admit(source, cache.limits()).unwrap());
        }
        let parse = clock.elapsed();
        let clock = std::time::Instant::now();
        for _ in 0..1_000 {
            std::hint::black_box(cache.admit(source).unwrap().document.clone());
        }
        println!(
            "admit {:?}, remembered and copied {:?} each",
            parse / 1_000,
            clock.elapsed() / 1_000
        );
    }
}
