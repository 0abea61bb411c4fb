//! The published schema as a suite reads it: which fields exist, what they need, and a call of any of them.
//!
//! What a test derives from here covers a field that is added tomorrow without being told of it.

use async_graphql::Positioned;
use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    BaseType, FieldDefinition, InputValueDefinition, Type, TypeDefinition, TypeKind,
    TypeSystemDefinition,
};
use std::collections::BTreeMap;

/// The schema that `entente schema` prints.
pub struct Contract {
    types: BTreeMap<String, TypeDefinition>,
}

/// The name inside lists and exclamation marks.
pub fn base(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name.as_str(),
        BaseType::List(inner) => base(inner),
    }
}

/// The scope a field says it requires.
pub fn scope(field: &FieldDefinition) -> Option<String> {
    let directive = field
        .directives
        .iter()
        .find(|directive| directive.node.name.node == "requiresScope")?;
    let value = directive
        .node
        .get_argument("scope")
        .expect("the directive names a scope");
    Some(
        value
            .node
            .clone()
            .into_json()
            .unwrap()
            .as_str()
            .unwrap()
            .to_owned(),
    )
}

impl Contract {
    /// Reads it.
    pub fn published() -> Self {
        let text = api::graphql::schema::sdl(&api::graphql::schema::build());
        let document = parse_schema(text).expect("the printed schema can be parsed");
        let types = document
            .definitions
            .into_iter()
            .filter_map(|definition| match definition {
                TypeSystemDefinition::Type(ty) => Some((ty.node.name.node.to_string(), ty.node)),
                _ => None,
            });
        Self {
            types: types.collect(),
        }
    }

    /// The names of the object types.
    pub fn objects(&self) -> impl Iterator<Item = &str> {
        self.types
            .iter()
            .filter(|(_, ty)| matches!(ty.kind, TypeKind::Object(_)))
            .map(|(name, _)| name.as_str())
    }

    /// The fields of an object or interface; none of anything else.
    pub fn fields(&self, of: &str) -> Vec<&FieldDefinition> {
        let fields = match self.types.get(of).map(|ty| &ty.kind) {
            Some(TypeKind::Object(object)) => &object.fields,
            Some(TypeKind::Interface(interface)) => &interface.fields,
            _ => return Vec::new(),
        };
        fields.iter().map(|field| &field.node).collect()
    }

    /// A value of a type, written as in a document: the smallest that is valid.
    fn sample(&self, ty: &Type) -> String {
        if matches!(ty.base, BaseType::List(_)) {
            return "[]".to_owned();
        }
        match (base(ty), self.types.get(base(ty)).map(|ty| &ty.kind)) {
            ("Int", _) => "1".to_owned(),
            ("Float", _) => "1.0".to_owned(),
            ("Boolean", _) => "true".to_owned(),
            ("DateTime", _) => "\"2026-11-01T00:00:00Z\"".to_owned(),
            ("Date", _) => "\"2026-11-01\"".to_owned(),
            ("Decimal", _) => "\"1\"".to_owned(),
            ("Currency", _) => "\"USD\"".to_owned(),
            (_, Some(TypeKind::Enum(values))) => values.values[0].node.value.node.to_string(),
            (_, Some(TypeKind::InputObject(input))) => {
                format!("{{{}}}", self.required(&input.fields))
            }
            _ => "\"sample\"".to_owned(),
        }
    }

    fn required(&self, inputs: &[Positioned<InputValueDefinition>]) -> String {
        let needed = inputs
            .iter()
            .map(|input| &input.node)
            .filter(|input| !input.ty.node.nullable && input.default_value.is_none());
        needed
            .map(|input| format!("{}: {} ", input.name.node, self.sample(&input.ty.node)))
            .collect()
    }

    /// A call of a field with the arguments it cannot do without, selecting as little as possible.
    pub fn call(&self, field: &FieldDefinition) -> String {
        let arguments = self.required(&field.arguments);
        let arguments = if arguments.is_empty() {
            arguments
        } else {
            format!("({arguments})")
        };
        let selection = if self.is_leaf(base(&field.ty.node)) {
            ""
        } else {
            "{ __typename }"
        };
        format!("{}{arguments} {selection}", field.name.node)
    }

    fn is_leaf(&self, ty: &str) -> bool {
        !matches!(
            self.types.get(ty).map(|ty| &ty.kind),
            Some(TypeKind::Object(_) | TypeKind::Interface(_) | TypeKind::Union(_))
        )
    }

    /// Everything that can be selected of a type, through at most `rows` kinds of rows one below the other.
    pub fn selection(&self, of: &str, rows: usize) -> String {
        let mut text = String::from("__typename ");
        let fields = self.fields(of);
        for field in &fields {
            let name = field.name.node.as_str();
            let target = base(&field.ty.node);
            let needs = field.arguments.iter().any(|argument| {
                !argument.node.ty.node.nullable && argument.node.default_value.is_none()
            });
            // Where rows are read from `nodes`, reading them from `edges` too would only double the answer.
            if needs || (name == "edges" && fields.iter().any(|field| field.name.node == "nodes")) {
                continue;
            }
            if self.is_leaf(target) {
                text.push_str(name);
                text.push(' ');
                continue;
            }
            let below = if self.is_row(target) {
                rows.checked_sub(1)
            } else {
                Some(rows)
            };
            let Some(below) = below else { continue };
            let paged = field
                .arguments
                .iter()
                .any(|argument| argument.node.name.node == "first");
            // A page whose rows would be too deep says nothing worth its price.
            if paged && below == 0 {
                continue;
            }
            let page = if paged { "(first: 5)" } else { "" };
            text.push_str(&format!(
                "{name}{page} {{ {}}} ",
                self.selection(target, below)
            ));
        }
        text
    }

    /// Whether values of a type are rows, or lead to others.
    fn is_row(&self, ty: &str) -> bool {
        ty == "DealPartner"
            || matches!(self.types.get(ty).map(|ty| &ty.kind), Some(TypeKind::Object(object)) if object.implements.iter().any(|name| name.node == "Node"))
    }
}
