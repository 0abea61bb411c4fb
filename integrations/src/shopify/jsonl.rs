//! The file of a bulk operation: one line of JSON for each record.
//!
//! Owns: cutting a piece of it into whole lines. Refuses: half a line, which comes again whole with the next piece, and the line of a child,
//! which is no record. Invariant: what is consumed and what is left add up to the piece.
//!
//! Since 2026-01 a child may stand anywhere, far from its parent. Our query nests no list with pages of its own, so there are no children; one that
//! came nevertheless is known by its `__parentId` and left alone.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

/// A piece of the file, cut.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Cut<'a> {
    /// The whole lines in it, without the empty ones.
    pub(super) lines: Vec<&'a [u8]>,
    /// How many bytes they take.
    pub(super) consumed: usize,
}

/// Cuts a piece. In the last one what follows the last line end is a line too.
pub(super) fn cut(piece: &[u8], is_last: bool) -> Cut<'_> {
    let end = piece.iter().rposition(|byte| *byte == b'\n');
    let consumed = if is_last {
        piece.len()
    } else {
        end.map_or(0, |end| end + 1)
    };
    let whole = piece.get(..consumed).unwrap_or_default();
    let lines = whole
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty());
    Cut {
        lines: lines.collect(),
        consumed,
    }
}

/// What a line is.
#[derive(Debug)]
pub(super) enum Line<'a> {
    Record(&'a RawValue),
    Child,
    Unreadable,
}

/// Reads a line.
pub(super) fn line(bytes: &[u8]) -> Line<'_> {
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "__parentId")]
        parent: Option<IgnoredAny>,
    }
    let raw = std::str::from_utf8(bytes)
        .ok()
        .and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
    let Some(raw) = raw else {
        return Line::Unreadable;
    };
    match serde_json::from_str::<Head>(raw.get()) {
        Ok(Head { parent: None }) => Line::Record(raw),
        Ok(_) => Line::Child,
        Err(_) => Line::Unreadable,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn half_a_line_waits_for_the_rest() {
        let piece = b"{\"id\":1}\n\n{\"id\":2}\r\n{\"id\":";
        let first = cut(piece, false);
        assert_eq!(first.lines, [b"{\"id\":1}".as_slice(), b"{\"id\":2}"]);
        assert_eq!(&piece[first.consumed..], b"{\"id\":");
        assert_eq!(cut(b"{\"id\":3}", false).consumed, 0);
        assert_eq!(cut(b"{\"id\":3}", true).lines, [b"{\"id\":3}".as_slice()]);
        assert!(cut(b"", true).lines.is_empty());
    }

    #[test]
    fn a_child_is_no_record_wherever_it_stands() {
        let parent = br#"{"id":"gid:\/\/shopify\/Order\/1","name":"\u0023 1"}"#;
        assert!(matches!(line(parent), Line::Record(_)));
        let child =
            br#"{"__parentId":"gid:\/\/shopify\/Order\/1","id":"gid:\/\/shopify\/LineItem\/10"}"#;
        assert!(matches!(line(child), Line::Child));
        for bad in [b"{".as_slice(), b"\xff", b"{} {}", b"7", b"[]", b"null"] {
            assert!(matches!(line(bad), Line::Unreadable), "{bad:?}");
        }
    }

    proptest! {
        /// However the file is cut, each line comes once.
        #[test]
        fn every_line_comes_once(texts in proptest::collection::vec("[a-z]{1,9}", 0..20), size in 1_usize..40, ends in any::<bool>()) {
            let mut file = texts.join("\n").into_bytes();
            if ends && !file.is_empty() {
                file.push(b'\n');
            }
            let (mut read, mut offset, mut asked) = (Vec::new(), 0, size);
            while offset < file.len() {
                let end = (offset + asked).min(file.len());
                let piece = &file[offset..end];
                let cut = cut(piece, end == file.len());
                if cut.consumed == 0 {
                    asked *= 2;
                    continue;
                }
                read.extend(cut.lines.iter().map(|line| String::from_utf8(line.to_vec()).unwrap()));
                offset += cut.consumed;
            }
            prop_assert_eq!(read, texts);
        }
    }
}
