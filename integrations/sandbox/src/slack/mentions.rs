//! Markup in text: what pings, and how text is stored.
//!
//! Owns: which sequences call people to the screen, and the escaping of everything that is no markup. Invariant: a name that was escaped by
//! the sender pings nobody and is shown as it was written. Where the vendor's documents only say that "certain" mentions are parsed, the
//! sandbox parses the three that hurt, so that a connector that relies on luck fails here.

/// The words after an at sign that call a whole channel.
const CROWDS: [&str; 3] = ["channel", "here", "everyone"];

/// Whom marked-up text pings, as marked up.
pub(crate) fn marked(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        let after = rest.get(at + 1..).unwrap_or_default();
        let Some(end) = sequence_end(after) else {
            rest = after;
            continue;
        };
        let inner = after.get(..end).unwrap_or_default();
        let target = inner.split('|').next().unwrap_or_default();
        let crowd = target
            .strip_prefix('!')
            .is_some_and(|word| CROWDS.contains(&word) || word.starts_with("subteam^"));
        if crowd || is_person(target) {
            found.push(format!("<{target}>"));
        }
        rest = after.get(end + 1..).unwrap_or_default();
    }
    found
}

/// Whom plain words ping where the vendor looks for names in them.
pub(crate) fn parsed(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut before = ' ';
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let after = rest.get(first.len_utf8()..).unwrap_or_default();
        if first == '@' && !before.is_alphanumeric() {
            let word: String = after
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            if CROWDS.contains(&word.as_str()) {
                found.push(format!("<!{word}>"));
            }
        }
        before = first;
        rest = after;
    }
    found
}

fn is_person(target: &str) -> bool {
    target
        .strip_prefix('@')
        .is_some_and(|id| id.starts_with(['U', 'W']) && is_id(id))
}

fn is_id(text: &str) -> bool {
    text.len() > 1
        && text
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

/// Where the sequence that begins before `text` ends.
fn sequence_end(text: &str) -> Option<usize> {
    let end = text.find(['<', '>', '\n'])?;
    text.get(end..)?.starts_with('>').then_some(end)
}

/// Whether what stands between angle brackets is markup.
fn is_markup(inner: &str) -> bool {
    let target = inner.split('|').next().unwrap_or_default();
    let special = target.strip_prefix('!').is_some_and(|word| {
        CROWDS.contains(&word) || word.starts_with("subteam^") || word.starts_with("date^")
    });
    let channel = target
        .strip_prefix('#')
        .is_some_and(|id| id.starts_with(['C', 'G']) && is_id(id));
    special
        || channel
        || is_person(target)
        || ["http://", "https://", "mailto:", "tel:"]
            .iter()
            .any(|scheme| target.starts_with(scheme))
}

/// Text as it is stored: markup and entities stay, every other `&`, `<` and `>` is escaped.
pub(crate) fn stored(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['&', '<', '>']) {
        let (plain, special) = rest.split_at(at);
        out.push_str(plain);
        let after = special.get(1..).unwrap_or_default();
        rest = after;
        if special.starts_with('&') {
            let entity = ["amp;", "lt;", "gt;"]
                .iter()
                .any(|entity| after.starts_with(entity));
            out.push_str(if entity { "&" } else { "&amp;" });
        } else if special.starts_with('>') {
            out.push_str("&gt;");
        } else {
            let inner = sequence_end(after).and_then(|end| after.get(..end));
            match inner.filter(|inner| is_markup(inner)) {
                Some(inner) => {
                    out.push('<');
                    out.push_str(inner);
                    out.push('>');
                    rest = after.get(inner.len() + 1..).unwrap_or_default();
                }
                None => out.push_str("&lt;"),
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_pings_and_escaped_markup_does_not() {
        assert_eq!(
            marked("hi <!channel> <@U012AB|ann> <!subteam^S1|x> <#C1|c>"),
            ["<!channel>", "<@U012AB>", "<!subteam^S1>"]
        );
        assert!(marked("&lt;!channel&gt; <!channel <!date^1^x|y> @channel").is_empty());
        assert_eq!(marked("<!here|here>"), ["<!here>"]);
        assert_eq!(marked("< <!everyone>"), ["<!everyone>"]);
    }

    #[test]
    fn words_ping_where_names_are_looked_for() {
        assert_eq!(parsed("ask @here, (@channel)"), ["<!here>", "<!channel>"]);
        assert!(parsed("a@here.example @hereabouts @ here").is_empty());
    }

    #[test]
    fn text_is_stored_escaped_but_for_markup() {
        assert_eq!(
            stored("A & B <c> > &amp; <https://x.example|x> <@U1A> &lt;"),
            "A &amp; B &lt;c&gt; &gt; &amp; <https://x.example|x> <@U1A> &lt;"
        );
        assert_eq!(stored("ends with <"), "ends with &lt;");
    }
}
