//! Writing metafields: up to 25 at a time, all of them or none.

use serde_json::{Value, json};

use super::super::creating::put_metafield;
use super::super::gid::{self, Kind};
use super::super::graphql::{Args, Node};
use super::super::resolve::{Answering, At, Found, digest};
use super::super::state::State;
use super::super::store::Change;
use super::{Given, Refusal, input, placed};

/// The types the sandbox knows to check.
pub(super) const TYPES: &[&str] = &[
    "single_line_text_field",
    "multi_line_text_field",
    "id",
    "json",
    "boolean",
    "number_integer",
    "number_decimal",
    "date",
    "date_time",
    "url",
];

/// What is wrong with a value for its type.
fn wrong_value(kind: &str, value: &str) -> Option<String> {
    let fits = match kind {
        "single_line_text_field" | "id" => !value.contains('\n'),
        "json" => serde_json::from_str::<Value>(value).is_ok(),
        "boolean" => matches!(value, "true" | "false"),
        "number_integer" => value.parse::<i64>().is_ok(),
        "number_decimal" => value.parse::<f64>().is_ok(),
        "date" | "date_time" => crate::clock::parse_instant(value).is_some(),
        "url" => url::Url::parse(value).is_ok(),
        _ => true,
    };
    (!fits).then(|| format!("Value is invalid for type '{kind}'."))
}

/// What is wrong with a value where the metafield is defined.
fn against_definition(
    state: &State,
    owner: (Kind, Option<u64>),
    (namespace, key): (&str, &str),
    kind: &str,
    value: &str,
) -> Option<(&'static str, &'static str, String)> {
    let Some(defined) = state.definition(owner.0, namespace, key) else {
        let needs = kind == "id";
        return needs.then(|| {
            (
                "type",
                "INVALID_TYPE",
                "Type `id` needs a metafield definition.".to_owned(),
            )
        });
    };
    if defined.kind != kind {
        let words = format!(
            "Type must be consistent with the definition's type: {}.",
            defined.kind
        );
        return Some(("type", "INVALID_TYPE", words));
    }
    let taken = defined.unique
        && state
            .owner_of_value(owner.0, namespace, key, value)
            .is_some_and(|other| Some(other) != owner.1);
    taken.then(|| ("value", "TAKEN", "Value has already been taken.".to_owned()))
}

/// Checks the metafields of another record's input.
pub(super) fn checked(
    state: &State,
    owner: (Kind, Option<u64>),
    given: Option<&Value>,
    app_id: u64,
) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for (n, field) in given
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .enumerate()
    {
        let fields = Given(field);
        let n = n.to_string();
        let kind = fields
            .text("type")
            .unwrap_or_else(|| "single_line_text_field".to_owned());
        let namespace = placed(fields.text("namespace"), app_id);
        let key = fields.text("key").unwrap_or_default();
        if key.is_empty() {
            refusals.push(Refusal::new(
                &["metafields", &n, "key"],
                "Key can't be blank",
            ));
        }
        match fields.text("value").filter(|value| !value.is_empty()) {
            None => refusals.push(Refusal::new(
                &["metafields", &n, "value"],
                "Value can't be blank",
            )),
            Some(value) => {
                if let Some(problem) = wrong_value(&kind, &value) {
                    refusals.push(Refusal::new(&["metafields", &n, "value"], problem));
                }
                if let Some((place, _, problem)) =
                    against_definition(state, owner, (&namespace, &key), &kind, &value)
                {
                    refusals.push(Refusal::new(&["metafields", &n, place], problem));
                }
            }
        }
    }
    refusals
}

/// Puts the metafields of another record's input; true when something changed.
pub(super) fn put_all(
    change: &mut Change<'_>,
    owner: (Kind, u64),
    given: Option<&Value>,
    app_id: u64,
) -> bool {
    let mut changed = false;
    for field in given.and_then(Value::as_array).into_iter().flatten() {
        let fields = Given(field);
        let (Some(key), Some(value)) = (fields.text("key"), fields.text("value")) else {
            continue;
        };
        let kind = fields
            .text("type")
            .unwrap_or_else(|| "single_line_text_field".to_owned());
        let namespace = placed(fields.text("namespace"), app_id);
        let same = change
            .state
            .metafields_of(owner)
            .any(|known| known.namespace == namespace && known.key == key && known.value == value);
        if !same {
            put_metafield(change, owner, &namespace, &key, &kind, &value);
            changed = true;
        }
    }
    changed
}

/// One metafield to be set, checked.
struct Setting {
    owner: (Kind, u64),
    namespace: String,
    key: String,
    kind: String,
    value: String,
}

impl Answering<'_> {
    pub(super) fn metafields_set(&mut self, args: &Args) -> Found {
        let given = input(args, "metafields");
        let given = given.as_array().cloned().unwrap_or_default();
        let mut errors: Vec<Node<At>> = Vec::new();
        let mut settings = Vec::new();
        if given.len() > 25 {
            let message = "Exceeded the maximum metafields input limit of 25.";
            errors.push(error(
                &["metafields"],
                "LESS_THAN_OR_EQUAL_TO",
                message,
                None,
            ));
        }
        for (n, one) in given.iter().enumerate().take(25) {
            let fields = Given(one);
            let at = n.to_string();
            let mut refuse = |field: &str, code: &'static str, message: &str| {
                errors.push(error(&["metafields", &at, field], code, message, Some(n)));
            };
            let owner = fields.text("ownerId").as_deref().and_then(gid::parse);
            let owner = owner.filter(|(kind, id)| {
                matches!(
                    kind,
                    Kind::Order | Kind::Customer | Kind::Company | Kind::Shop
                ) && self.state.exists(*kind, *id)
            });
            let Some(owner) = owner else {
                refuse("ownerId", "INVALID", "Owner does not exist.");
                continue;
            };
            self.may_write("metafieldsSet", owner.0)?;
            let namespace = placed(fields.text("namespace"), self.shop.app_id());
            let key = fields.text("key").unwrap_or_default();
            let value = fields.text("value").unwrap_or_default();
            let known = self
                .state
                .metafields_of(owner)
                .find(|known| known.namespace == namespace && known.key == key)
                .cloned();
            let kind = fields
                .text("type")
                .filter(|kind| !kind.is_empty())
                .or_else(|| known.as_ref().map(|known| known.kind.clone()));
            let Some(kind) = kind else {
                refuse("type", "BLANK", "Type can't be blank");
                continue;
            };
            if !TYPES.contains(&kind.as_str()) {
                refuse("type", "INCLUSION", "Type is not included in the list");
                continue;
            }
            if namespace.len() < 3 || namespace.len() > 255 {
                refuse(
                    "namespace",
                    "TOO_SHORT",
                    "Namespace is too short (minimum is 3 characters)",
                );
            }
            if key.len() < 2 || key.len() > 64 {
                refuse(
                    "key",
                    "TOO_SHORT",
                    "Key is too short (minimum is 2 characters)",
                );
            }
            if value.is_empty() {
                refuse("value", "BLANK", "Value can't be blank.");
            } else if let Some(problem) = wrong_value(&kind, &value) {
                refuse("value", "INVALID_VALUE", &problem);
            }
            if let Some((place, code, problem)) = against_definition(
                self.state,
                (owner.0, Some(owner.1)),
                (&namespace, &key),
                &kind,
                &value,
            ) {
                refuse(place, code, &problem);
            }
            // With a digest, the value is set only over the one it was read from; null means there must be none yet.
            if let Some(asked) = one.get("compareDigest") {
                let there = known
                    .as_ref()
                    .map_or(Value::Null, |known| json!(digest(known)));
                if *asked != there {
                    refuse(
                        "compareDigest",
                        "STALE_OBJECT",
                        "The resource has been updated since it was loaded. Try again with an updated `compareDigest` value.",
                    );
                }
            }
            settings.push(Setting {
                owner,
                namespace,
                key,
                kind,
                value,
            });
        }
        if !errors.is_empty() {
            return Ok(answer(Node::Null, errors));
        }
        let ids = self.shop.store.change_locked(self.state, |change| {
            let mut touched: Vec<(Kind, u64)> = Vec::new();
            let ids: Vec<u64> = settings
                .iter()
                .map(|one| {
                    if !touched.contains(&one.owner) {
                        touched.push(one.owner);
                    }
                    put_metafield(
                        change,
                        one.owner,
                        &one.namespace,
                        &one.key,
                        &one.kind,
                        &one.value,
                    )
                })
                .collect();
            for owner in touched {
                change.touched(owner);
            }
            ids
        });
        let made = ids
            .into_iter()
            .map(|id| Node::Ref(At::Record(Kind::Metafield, id)))
            .collect();
        Ok(answer(Node::List(made), Vec::new()))
    }
}

fn answer(made: Node<At>, errors: Vec<Node<At>>) -> Node<At> {
    Node::Object(
        "MetafieldsSetPayload",
        vec![("metafields", made), ("userErrors", Node::List(errors))],
    )
}

fn error(field: &[&str], code: &'static str, message: &str, index: Option<usize>) -> Node<At> {
    Node::Object(
        "MetafieldsSetUserError",
        vec![
            ("field", Node::of(json!(field))),
            ("message", Node::of(message)),
            ("code", Node::of(code)),
            (
                "elementIndex",
                index.map_or(Node::Null, |index| Node::of(json!(index))),
            ),
        ],
    )
}
