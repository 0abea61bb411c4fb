//! Defining metafields. A definition of the type `id` makes its values unique.

use serde_json::{Value, json};

use super::super::gid::Kind;
use super::super::graphql::{Args, Node};
use super::super::model::Definition;
use super::super::resolve::{Answering, At, Found};
use super::metafields::TYPES;
use super::{Given, input, owner_kind, placed};

/// How many definitions an app may have for one kind of record.
const MAX: usize = 200;

fn refused(field: &str, code: &'static str, message: &str) -> Node<At> {
    let error = Node::Object(
        "MetafieldDefinitionCreateUserError",
        vec![
            ("field", Node::of(json!(["definition", field]))),
            ("message", Node::of(message)),
            ("code", Node::of(code)),
            ("elementIndex", Node::Null),
            ("elementKey", Node::Null),
        ],
    );
    answer(Node::Null, vec![error])
}

fn answer(made: Node<At>, errors: Vec<Node<At>>) -> Node<At> {
    Node::Object(
        "MetafieldDefinitionCreatePayload",
        vec![
            ("createdDefinition", made),
            ("userErrors", Node::List(errors)),
        ],
    )
}

impl Answering<'_> {
    pub(super) fn definition_create(&mut self, args: &Args) -> Found {
        let given = input(args, "definition");
        let fields = Given(&given);
        let Some(owner) = fields.text("ownerType").as_deref().and_then(owner_kind) else {
            return Ok(refused(
                "ownerType",
                "INCLUSION",
                "The sandbox has no such owners.",
            ));
        };
        self.may_write("metafieldDefinitionCreate", owner)?;
        let namespace = placed(fields.text("namespace"), self.shop.app_id());
        let (key, name) = (
            fields.text("key").unwrap_or_default(),
            fields.text("name").unwrap_or_default(),
        );
        let kind = fields.text("type").unwrap_or_default();
        if name.is_empty() {
            return Ok(refused("name", "BLANK", "Name can't be blank"));
        }
        if key.len() < 2 {
            return Ok(refused(
                "key",
                "TOO_SHORT",
                "Key is too short (minimum is 2 characters)",
            ));
        }
        if !TYPES.contains(&kind.as_str()) {
            return Ok(refused(
                "type",
                "INCLUSION",
                "Type name is not a valid type.",
            ));
        }
        if self.state.definition(owner, &namespace, &key).is_some() {
            return Ok(refused(
                "key",
                "TAKEN",
                "Key is in use for metafields of this owner type.",
            ));
        }
        let held = self
            .state
            .definitions
            .values()
            .filter(|known| known.owner == owner)
            .count();
        if held >= MAX {
            return Ok(refused(
                "ownerType",
                "RESOURCE_TYPE_LIMIT_EXCEEDED",
                "The limit of definitions is reached.",
            ));
        }
        let asked = given
            .pointer("/capabilities/uniqueValues/enabled")
            .and_then(Value::as_bool)
            .unwrap_or(false);
        let id = self.shop.store.change_locked(self.state, |change| {
            let id = change.state.issue(Kind::MetafieldDefinition);
            let unique = asked || kind == "id";
            let description = fields.text("description").filter(|text| !text.is_empty());
            change.state.definitions.insert(
                id,
                Definition {
                    id,
                    owner,
                    namespace,
                    key,
                    name,
                    description,
                    kind,
                    unique,
                },
            );
            // Values that were there before are unique from now on, as far as they are.
            change.state.reindex();
            id
        });
        Ok(answer(
            Node::Ref(At::Record(Kind::MetafieldDefinition, id)),
            Vec::new(),
        ))
    }
}
