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

/// What a place of the arguments takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// A global id.
    Id,
    /// A text to look for.
    Text,
}

/// A place of a field's arguments.
#[derive(Clone, Debug)]
pub struct Place {
    /// The names that lead to it, the argument's first.
    pub path: Vec<String>,
    /// What it takes.
    pub takes: Takes,
}

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

    /// A field of an object or interface.
    pub fn field(&self, of: &str, name: &str) -> Option<&FieldDefinition> {
        self.fields(of)
            .into_iter()
            .find(|field| field.name.node == name)
    }

    /// The objects that stand behind an interface or a union; none behind anything else.
    pub fn behind(&self, name: &str) -> Vec<&str> {
        if let Some(TypeKind::Union(union)) = self.types.get(name).map(|ty| &ty.kind) {
            return union
                .members
                .iter()
                .map(|name| name.node.as_str())
                .collect();
        }
        let is_behind = |ty: &TypeDefinition| matches!(&ty.kind, TypeKind::Object(object) if object.implements.iter().any(|of| of.node == name));
        let of = self.types.iter().filter(|(_, ty)| is_behind(ty));
        of.map(|(name, _)| name.as_str()).collect()
    }

    /// Whether a type is an interface or a union.
    pub fn is_abstract(&self, name: &str) -> bool {
        !self.behind(name).is_empty()
    }

    /// Every place of a field's arguments that takes an id, or a text of a filter: the names that lead to it.
    pub fn places(&self, field: &FieldDefinition) -> Vec<Place> {
        let mut places = Vec::new();
        self.places_in(&field.arguments, &mut Vec::new(), &mut places);
        places
    }

    fn places_in(
        &self,
        inputs: &[Positioned<InputValueDefinition>],
        above: &mut Vec<String>,
        places: &mut Vec<Place>,
    ) {
        for input in inputs.iter().map(|input| &input.node) {
            let name = base(&input.ty.node);
            let filters_text = above.iter().any(|step| step == "filter");
            above.push(input.name.node.to_string());
            match (name, self.types.get(name).map(|ty| &ty.kind)) {
                ("ID", _) => places.push(Place {
                    path: above.clone(),
                    takes: Takes::Id,
                }),
                ("String", _) if filters_text => places.push(Place {
                    path: above.clone(),
                    takes: Takes::Text,
                }),
                // Deeper than this no input of ours goes, and one that held itself would go for ever.
                (_, Some(TypeKind::InputObject(input))) if above.len() < 6 => {
                    self.places_in(&input.fields, above, places);
                }
                _ => {}
            }
            above.pop();
        }
    }

    /// Whether the filter of a list knows a field.
    pub fn filters(&self, field: &FieldDefinition, name: &str) -> bool {
        let mut arguments = field.arguments.iter().map(|argument| &argument.node);
        let filter = arguments.find(|argument| argument.name.node == "filter");
        let filter = filter.and_then(|filter| self.types.get(base(&filter.ty.node)));
        matches!(filter.map(|ty| &ty.kind), Some(TypeKind::InputObject(input)) if input.fields.iter().any(|field| field.node.name.node == name))
    }

    /// A call of a field with a value at one of its places and the arguments it cannot do without; a mutation is only validated, where it can be.
    pub fn call_at(&self, field: &FieldDefinition, place: &Place, value: &str) -> String {
        let arguments = self.leading(&field.arguments, &place.path, value);
        format!("{}({arguments})", field.name.node)
    }

    fn leading(
        &self,
        inputs: &[Positioned<InputValueDefinition>],
        path: &[String],
        value: &str,
    ) -> String {
        let (step, rest) = path.split_first().expect("a place has a path");
        let mut text = String::new();
        for input in inputs.iter().map(|input| &input.node) {
            let name = input.name.node.as_str();
            if name == step {
                let written = self.at(&input.ty.node, rest, value);
                text.push_str(&format!("{name}: {written} "));
            } else if name == "validateOnly" {
                text.push_str("validateOnly: true ");
            } else if !input.ty.node.nullable && input.default_value.is_none() {
                text.push_str(&format!("{name}: {} ", self.sample(&input.ty.node)));
            }
        }
        text
    }

    fn at(&self, ty: &Type, path: &[String], value: &str) -> String {
        if let BaseType::List(inner) = &ty.base {
            return format!("[{}]", self.at(inner, path, value));
        }
        match self.types.get(base(ty)).map(|ty| &ty.kind) {
            Some(TypeKind::InputObject(input)) => {
                format!("{{{}}}", self.leading(&input.fields, path, value))
            }
            _ => format!("\"{value}\""),
        }
    }

    /// The arguments that a field cannot do without, in brackets; nothing where it needs none.
    pub fn needed(&self, field: &FieldDefinition) -> String {
        let needed = self.required(&field.arguments);
        if needed.is_empty() {
            needed
        } else {
            format!("({needed})")
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

    /// The same, changing nothing where that can be wished.
    pub fn validated(&self, field: &FieldDefinition) -> String {
        let call = self.call(field);
        let validates = field.arguments.iter().any(|argument| {
            let input = self.types.get(base(&argument.node.ty.node)).map(|ty| &ty.kind);
            matches!(input, Some(TypeKind::InputObject(input)) if input.fields.iter().any(|field| field.node.name.node == "validateOnly"))
        });
        if validates {
            call.replacen("(input: {", "(input: {validateOnly: true ", 1)
        } else {
            call
        }
    }

    /// A call of a field with the arguments it cannot do without, selecting as little as possible.
    pub fn call(&self, field: &FieldDefinition) -> String {
        let arguments = self.needed(field);
        let selection = if self.is_leaf(base(&field.ty.node)) {
            ""
        } else {
            "{ __typename }"
        };
        format!("{}{arguments} {selection}", field.name.node)
    }

    /// Whether nothing can be selected of a type.
    pub fn is_leaf(&self, ty: &str) -> bool {
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
            // Where rows are read from `nodes`, reading them from `edges` too would only double the answer.
            if name == "edges" && fields.iter().any(|field| field.name.node == "nodes") {
                continue;
            }
            let needed = self.needed(field);
            if self.is_leaf(target) {
                text.push_str(&format!("{name}{needed} "));
                continue;
            }
            assert!(
                needed.is_empty(),
                "{of}.{name}: rows that are asked for with arguments"
            );
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
        ty == "DealPartner" || self.is_node(ty)
    }

    /// Whether a type's rows have global ids.
    pub fn is_node(&self, ty: &str) -> bool {
        matches!(self.types.get(ty).map(|ty| &ty.kind), Some(TypeKind::Object(object)) if object.implements.iter().any(|name| name.node == "Node"))
    }
}
