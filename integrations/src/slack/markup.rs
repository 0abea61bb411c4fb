//! Plain text in Slack's language.
//!
//! Owns: escaping and cutting. Refuses: to trust any text. Invariant: what is escaped here is shown as it was written: it pings nobody, links
//! nowhere, and a cut never leaves half of an escape.
//!
//! Slack reads three things as markup: sequences in angle brackets (`<!channel>`, `<@U…>`, `<https://…|…>`), which escaping ends; formatting
//! (`*bold*`), which can only change how a name looks; and, where it looks for names in plain words, `@channel` and the like. The last is
//! switched off wherever we send text: `parse: none` for the message, `verbatim` for marked-up text, and plain text objects for everything
//! that came from elsewhere.

/// A text without control characters: line breaks become blanks.
pub(super) fn one_line(text: &str) -> String {
    let blank = |c: char| if c.is_control() { ' ' } else { c };
    let spaced: String = text.chars().map(blank).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Text whose angle brackets and ampersands are no markup.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c if c.is_control() && c != '\n' => {}
            c => out.push(c),
        }
    }
    out
}

/// At most `units` UTF-16 units, which is how Slack may count; what is cut ends with an ellipsis.
pub(super) fn cut(text: &str, units: usize) -> String {
    if text.encode_utf16().count() <= units {
        return text.to_owned();
    }
    let mut left = units.saturating_sub(1);
    let mut out = String::new();
    for c in text.chars() {
        match left.checked_sub(c.len_utf16()) {
            Some(rest) => left = rest,
            None => break,
        }
        out.push(c);
    }
    out.truncate(out.trim_end().len());
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn markup_becomes_text() {
        assert_eq!(
            escaped("<!channel> & <@U1|x> <https://e.example|here>"),
            "&lt;!channel&gt; &amp; &lt;@U1|x&gt; &lt;https://e.example|here&gt;"
        );
        assert_eq!(one_line(" a\r\n\tb\u{7}c  d "), "a b c d");
    }

    #[test]
    fn a_cut_counts_units_and_shows() {
        assert_eq!(cut("abcd", 4), "abcd");
        assert_eq!(cut("abcde", 4), "abc…");
        assert_eq!(cut("ab \u{1F600}\u{1F600}", 5), "ab…");
    }

    proptest! {
        #[test]
        fn nothing_escaped_holds_a_bracket(text in ".*") {
            let out = escaped(&text);
            prop_assert!(!out.contains(['<', '>']));
            let back = out.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
            let kept: String = text.chars().filter(|c| !c.is_control() || *c == '\n').collect();
            prop_assert_eq!(back, kept);
        }

        #[test]
        fn a_cut_fits(text in ".*", units in 1_usize..40) {
            prop_assert!(cut(&text, units).encode_utf16().count() <= units);
        }
    }
}
