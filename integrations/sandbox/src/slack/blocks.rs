//! The check of blocks, as far as apps that notify use them.
//!
//! Owns: which blocks there are, what each may hold, and how long each text may be; and which of their texts ping. Refuses: every block,
//! element and property it does not know, as the vendor does, so that a misspelt one is not lost in silence.
//! Assumed: the vendor publishes no figure for "blocks too long"; here it is [`MAX_BYTES`].

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::mentions;

/// The most blocks in a message.
const MAX_BLOCKS: usize = 50;
/// The most bytes of all blocks together, printed as JSON.
pub(crate) const MAX_BYTES: usize = 100_000;

/// Why blocks are refused.
#[derive(Debug, PartialEq)]
pub(crate) enum BadBlocks {
    /// Not a list of objects.
    Format,
    /// Too long in all.
    TooLong,
    /// What is wrong, each with where.
    Invalid(Vec<String>),
}

/// Blocks that were checked.
#[derive(Debug)]
pub(crate) struct Checked {
    /// As stored: every block has an id.
    pub(crate) blocks: Vec<Value>,
    /// Whom they ping, as marked up.
    pub(crate) pings: Vec<String>,
}

/// Checks blocks; `name` makes ids for blocks and elements that have none.
pub(crate) fn check(
    blocks: &Value,
    mut name: impl FnMut() -> String,
) -> Result<Checked, BadBlocks> {
    let Some(list) = blocks.as_array() else {
        return Err(BadBlocks::Format);
    };
    if serde_json::to_vec(blocks).map_or(0, |bytes| bytes.len()) > MAX_BYTES {
        return Err(BadBlocks::TooLong);
    }
    let mut check = Check::default();
    if list.len() > MAX_BLOCKS {
        check.wrong(
            "/blocks",
            format!("no more than {MAX_BLOCKS} items allowed"),
        );
    }
    let mut kept = Vec::with_capacity(list.len());
    for (n, block) in list.iter().enumerate() {
        let place = format!("/blocks/{n}");
        let Some(object) = block.as_object() else {
            return Err(BadBlocks::Format);
        };
        check.block(&place, object);
        let mut object = object.clone();
        let id = object.entry("block_id").or_insert_with(|| json!(name()));
        if let Some(id) = id.as_str()
            && !check.ids.insert(id.to_owned())
        {
            check.wrong(&format!("{place}/block_id"), "already exists".to_owned());
        }
        kept.push(Value::Object(object));
    }
    if check.problems.is_empty() {
        Ok(Checked {
            blocks: kept,
            pings: check.pings,
        })
    } else {
        Err(BadBlocks::Invalid(check.problems))
    }
}

#[derive(Default)]
struct Check {
    problems: Vec<String>,
    pings: Vec<String>,
    ids: BTreeSet<String>,
}

type Object = Map<String, Value>;

impl Check {
    fn wrong(&mut self, place: &str, problem: String) {
        self.problems
            .push(format!("[ERROR] {problem} [json-pointer:{place}]"));
    }

    fn only(&mut self, place: &str, object: &Object, known: &[&str]) {
        for key in object.keys() {
            if key != "type" && key != "block_id" && !known.contains(&key.as_str()) {
                self.wrong(place, format!("invalid additional property: {key}"));
            }
        }
        if let Some(id) = object.get("block_id") {
            self.length(&format!("{place}/block_id"), id.as_str(), 255);
        }
    }

    fn length(&mut self, place: &str, text: Option<&str>, most: usize) {
        match text.map(|text| text.chars().count()) {
            None => self.wrong(place, "must be a string".to_owned()),
            Some(0) => self.wrong(place, "must be more than 0 characters".to_owned()),
            Some(count) if count > most => {
                self.wrong(place, format!("must be less than {} characters", most + 1));
            }
            Some(_) => {}
        }
    }

    /// A text that may be missing.
    fn maybe(&mut self, place: &str, object: &Object, key: &str, most: usize) {
        if let Some(value) = object.get(key) {
            self.length(&format!("{place}/{key}"), value.as_str(), most);
        }
    }

    fn block(&mut self, place: &str, block: &Object) {
        match block.get("type").and_then(Value::as_str) {
            Some("section") => self.section(place, block),
            Some("header") => {
                self.only(place, block, &["text"]);
                self.plain(&format!("{place}/text"), block.get("text"), 150);
            }
            Some("divider") => self.only(place, block, &[]),
            Some("context") => {
                self.only(place, block, &["elements"]);
                self.list(place, block, "elements", 10, |check, place, element| {
                    if element.get("type").and_then(Value::as_str) == Some("image") {
                        check.image(place, element);
                    } else {
                        check.text(place, Some(&Value::Object(element.clone())), 3000);
                    }
                });
            }
            Some("actions") => {
                self.only(place, block, &["elements"]);
                let mut ids = BTreeSet::new();
                self.list(place, block, "elements", 25, |check, place, element| {
                    check.element(place, element);
                    if let Some(id) = element.get("action_id").and_then(Value::as_str)
                        && !ids.insert(id.to_owned())
                    {
                        check.wrong(&format!("{place}/action_id"), "already exists".to_owned());
                    }
                });
            }
            Some("image") => {
                self.image(place, block);
                if block.contains_key("title") {
                    self.plain(&format!("{place}/title"), block.get("title"), 2000);
                }
            }
            Some("rich_text") => {
                self.only(place, block, &["elements"]);
                if let Some(elements) = block.get("elements").filter(|e| e.is_array()) {
                    self.rich(elements);
                } else {
                    self.wrong(place, "missing required field: elements".to_owned());
                }
            }
            Some(other) => self.wrong(
                &format!("{place}/type"),
                format!("unsupported type: {other}"),
            ),
            None => self.wrong(place, "missing required field: type".to_owned()),
        }
    }

    fn section(&mut self, place: &str, block: &Object) {
        self.only(place, block, &["text", "fields", "accessory", "expand"]);
        if !block.contains_key("text") && !block.contains_key("fields") {
            self.wrong(place, "missing required field: text".to_owned());
        }
        if block.contains_key("text") {
            self.text(&format!("{place}/text"), block.get("text"), 3000);
        }
        if block.contains_key("fields") {
            self.list(place, block, "fields", 10, |check, place, field| {
                check.text(place, Some(&Value::Object(field.clone())), 2000);
            });
        }
        if let Some(accessory) = block.get("accessory") {
            match accessory.as_object() {
                Some(element) if element.get("type") == Some(&json!("image")) => {
                    self.image(&format!("{place}/accessory"), element);
                }
                Some(element) => self.element(&format!("{place}/accessory"), element),
                None => self.wrong(place, "must be an object".to_owned()),
            }
        }
    }

    fn list(
        &mut self,
        place: &str,
        block: &Object,
        key: &str,
        most: usize,
        mut each: impl FnMut(&mut Self, &str, &Object),
    ) {
        let place = format!("{place}/{key}");
        let Some(items) = block.get(key).and_then(Value::as_array) else {
            self.wrong(&place, format!("missing required field: {key}"));
            return;
        };
        if items.is_empty() {
            self.wrong(&place, "no fewer than 1 items allowed".to_owned());
        }
        if items.len() > most {
            self.wrong(&place, format!("no more than {most} items allowed"));
        }
        for (n, item) in items.iter().enumerate() {
            let place = format!("{place}/{n}");
            match item.as_object() {
                Some(object) => each(self, &place, object),
                None => self.wrong(&place, "must be an object".to_owned()),
            }
        }
    }

    fn image(&mut self, place: &str, image: &Object) {
        self.only(place, image, &["image_url", "alt_text", "title"]);
        self.length(
            &format!("{place}/image_url"),
            image.get("image_url").and_then(Value::as_str),
            3000,
        );
        self.length(
            &format!("{place}/alt_text"),
            image.get("alt_text").and_then(Value::as_str),
            2000,
        );
    }

    /// A text object of either kind.
    fn text(&mut self, place: &str, value: Option<&Value>, most: usize) {
        let Some(object) = value.and_then(Value::as_object) else {
            self.wrong(place, "must be an object".to_owned());
            return;
        };
        if object.get("type").and_then(Value::as_str) != Some("mrkdwn") {
            self.plain(place, value, most);
            return;
        }
        self.only(place, object, &["text", "verbatim"]);
        let text = object.get("text").and_then(Value::as_str);
        self.length(&format!("{place}/text"), text, most);
        let text = text.unwrap_or_default();
        self.pings.extend(mentions::marked(text));
        if object.get("verbatim") != Some(&json!(true)) {
            self.pings.extend(mentions::parsed(text));
        }
    }

    /// A text object that must be plain.
    fn plain(&mut self, place: &str, value: Option<&Value>, most: usize) {
        let Some(object) = value.and_then(Value::as_object) else {
            self.wrong(place, "must be an object".to_owned());
            return;
        };
        if object.get("type").and_then(Value::as_str) != Some("plain_text") {
            self.wrong(&format!("{place}/type"), "must be plain_text".to_owned());
        }
        self.only(place, object, &["text", "emoji"]);
        self.length(
            &format!("{place}/text"),
            object.get("text").and_then(Value::as_str),
            most,
        );
    }

    fn element(&mut self, place: &str, element: &Object) {
        self.maybe(place, element, "action_id", 255);
        match element.get("type").and_then(Value::as_str) {
            Some("button") => {
                let known = [
                    "text",
                    "action_id",
                    "url",
                    "value",
                    "style",
                    "confirm",
                    "accessibility_label",
                ];
                self.only(place, element, &known);
                self.plain(&format!("{place}/text"), element.get("text"), 75);
                self.maybe(place, element, "value", 2000);
                self.maybe(place, element, "url", 3000);
                self.maybe(place, element, "accessibility_label", 75);
                let style = element.get("style").map(Value::as_str);
                if style.is_some_and(|style| !matches!(style, Some("primary" | "danger"))) {
                    self.wrong(
                        &format!("{place}/style"),
                        "must be a valid enum value".to_owned(),
                    );
                }
                if let Some(confirm) = element.get("confirm") {
                    self.confirm(&format!("{place}/confirm"), confirm);
                }
            }
            Some(menu @ ("static_select" | "overflow")) => {
                let known = [
                    "placeholder",
                    "action_id",
                    "options",
                    "initial_option",
                    "confirm",
                ];
                self.only(place, element, &known);
                let most = if menu == "overflow" {
                    5
                } else {
                    self.plain(
                        &format!("{place}/placeholder"),
                        element.get("placeholder"),
                        150,
                    );
                    100
                };
                self.list(place, element, "options", most, |check, place, option| {
                    check.text(&format!("{place}/text"), option.get("text"), 75);
                    let value = option.get("value").and_then(Value::as_str);
                    check.length(&format!("{place}/value"), value, 150);
                });
            }
            Some(other) => self.wrong(
                &format!("{place}/type"),
                format!("unsupported type: {other}"),
            ),
            None => self.wrong(place, "missing required field: type".to_owned()),
        }
    }

    fn confirm(&mut self, place: &str, confirm: &Value) {
        let Some(object) = confirm.as_object() else {
            self.wrong(place, "must be an object".to_owned());
            return;
        };
        self.only(
            place,
            object,
            &["title", "text", "confirm", "deny", "style"],
        );
        for (key, most) in [("title", 100), ("confirm", 30), ("deny", 30)] {
            self.plain(&format!("{place}/{key}"), object.get(key), most);
        }
        self.text(&format!("{place}/text"), object.get("text"), 300);
    }

    /// Rich text pings by elements of its own, never by its words.
    fn rich(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.rich(item)),
            Value::Object(object) => {
                let of = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
                match of("type") {
                    "broadcast" => self.pings.push(format!("<!{}>", of("range"))),
                    "user" => self.pings.push(format!("<@{}>", of("user_id"))),
                    "usergroup" => self
                        .pings
                        .push(format!("<!subteam^{}>", of("usergroup_id"))),
                    _ => {}
                }
                object.values().for_each(|inner| self.rich(inner));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "tests"
    )]

    use super::*;

    fn checked(blocks: Value) -> Result<Checked, BadBlocks> {
        let mut n = 0;
        check(&blocks, || {
            n += 1;
            format!("b{n}")
        })
    }

    fn problems(blocks: Value) -> String {
        match checked(blocks) {
            Err(BadBlocks::Invalid(problems)) => problems.join("\n"),
            other => panic!("{other:?}"),
        }
    }

    fn section(text: Value) -> Value {
        json!([{"type": "section", "text": text}])
    }

    #[test]
    fn lengths_are_those_published() {
        let text = |n: usize| section(json!({"type": "mrkdwn", "text": "é".repeat(n)}));
        assert!(checked(text(3000)).is_ok());
        assert!(problems(text(3001)).contains("[json-pointer:/blocks/0/text/text]"));
        assert!(problems(text(0)).contains("more than 0 characters"));
        let header = |n: usize| json!([{"type": "header", "text": {"type": "plain_text", "text": "x".repeat(n)}}]);
        assert!(checked(header(150)).is_ok());
        assert!(problems(header(151)).contains("less than 151"));
        let many = |n: usize| Value::Array(vec![json!({"type": "divider"}); n]);
        assert_eq!(checked(many(50)).unwrap().blocks[49]["block_id"], "b50");
        assert!(problems(many(51)).contains("no more than 50"));
        let fields = |n: usize| json!([{"type": "section", "fields": vec![json!({"type": "plain_text", "text": "x"}); n]}]);
        assert!(checked(fields(10)).is_ok());
        assert!(problems(fields(11)).contains("/blocks/0/fields"));
    }

    #[test]
    fn what_is_not_known_is_refused() {
        assert!(problems(json!([{"type": "table"}])).contains("unsupported type: table"));
        assert!(problems(json!([{"type": "divider", "txet": 1}])).contains("additional property"));
        assert!(
            problems(json!([{"type": "actions", "elements": [{"type": "button"}]}]))
                .contains("/blocks/0/elements/0/text")
        );
        let twice = json!({"type": "button", "action_id": "a", "text": {"type": "plain_text", "text": "x"}});
        assert!(
            problems(json!([{"type": "actions", "elements": [twice, twice]}]))
                .contains("already exists")
        );
        assert!(
            problems(json!([{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}]))
                .contains("must be plain_text")
        );
        assert_eq!(checked(json!({})).unwrap_err(), BadBlocks::Format);
        assert_eq!(checked(json!(["x"])).unwrap_err(), BadBlocks::Format);
        let long = Value::Array(vec![
            json!({"type": "section", "text": {"type": "mrkdwn", "text": "x".repeat(3000)}});
            40
        ]);
        assert_eq!(checked(long).unwrap_err(), BadBlocks::TooLong);
    }

    #[test]
    fn only_what_is_marked_up_or_parsed_pings() {
        let pings = |text: Value| checked(section(text)).unwrap().pings;
        assert_eq!(
            pings(json!({"type": "mrkdwn", "text": "<!here> @channel"})),
            ["<!here>", "<!channel>"]
        );
        assert!(
            pings(json!({"type": "mrkdwn", "text": "&lt;!here&gt; @channel", "verbatim": true}))
                .is_empty()
        );
        assert!(pings(json!({"type": "plain_text", "text": "<!here> @channel"})).is_empty());
        let rich = json!([{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [
            {"type": "text", "text": "<!channel>"}, {"type": "broadcast", "range": "here"}, {"type": "user", "user_id": "U1"}]}]}]);
        assert_eq!(checked(rich).unwrap().pings, ["<!here>", "<@U1>"]);
    }
}
