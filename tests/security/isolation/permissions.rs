//! The one table of who may what, `permissions.md`: which role holds which scope, and which role reaches which field of the schema with all its scopes.
//!
//! The table is generated from the schema and the roles and checked in; [`the_table_says_what_the_code_says`] holds both together, so that a new
//! field, a moved guard or a role that may more shows as a line of a review. What the rest of the suite expects is read from the file, not from the code.

use super::exceptions::{FREE, NARROWER, NULL_WITHOUT};
use crate::contract::{Contract, base, scope};
use async_graphql::parser::types::FieldDefinition;
use entities::viewer::{PartnerRole, Scope, Scopes, StaffRole};
use std::collections::{BTreeMap, BTreeSet};

/// The checked-in table.
const TABLE: &str = include_str!("../permissions.md");

/// Set, the table is written anew; the test fails all the same, so that somebody looks at what has changed.
const WRITE: &str = "ENTENTE_TEST_WRITE_PERMISSIONS";

/// The column of the programme's own software, which has no role.
pub const INTEGRATION: &str = "integration";

/// Who may what.
#[derive(Debug, PartialEq, Eq)]
pub struct Permissions {
    /// The scopes of each role.
    pub bounds: BTreeMap<String, BTreeSet<String>>,
    /// Each field, `Type.field`, in the order of the schema.
    pub fields: BTreeMap<String, Field>,
}

/// One field.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// The scope it names.
    pub scope: Option<String>,
    /// The scopes without which there is no way to it.
    pub needs: BTreeSet<String>,
    /// The roles that reach it with all their scopes.
    pub roles: BTreeSet<String>,
}

/// A role of staff, as the table names it.
pub fn staff(role: StaffRole) -> String {
    format!("staff {}", role.as_str())
}

/// A role of a partner.
pub fn partner(role: PartnerRole) -> String {
    format!("partner {}", role.as_str())
}

/// The columns, in order.
fn roles() -> Vec<(String, Scopes)> {
    let staff_roles = StaffRole::ALL
        .iter()
        .map(|role| (staff(*role), role.bounds()));
    let partners = PartnerRole::ALL
        .iter()
        .map(|role| (partner(*role), role.bounds()));
    let software = [(INTEGRATION.to_owned(), Scopes::all())];
    staff_roles.chain(partners).chain(software).collect()
}

fn words(scopes: Scopes) -> BTreeSet<String> {
    let held = Scope::ALL.iter().filter(|scope| scopes.contains(**scope));
    held.map(|scope| scope.as_str().to_owned()).collect()
}

/// Which scope reads rows of a type: that of the field at the root that lists or finds them.
pub fn read_scope(contract: &Contract, row: &str) -> Option<String> {
    let page = format!("{row}Connection");
    let roots = contract.fields("Query").into_iter();
    let mut reading = roots.filter(|field| [row, page.as_str()].contains(&base(&field.ty.node)));
    reading.find_map(scope)
}

/// Whether the schema says that partners read nothing in a field.
pub fn is_internal(field: &FieldDefinition) -> bool {
    let said = field.description.as_ref();
    said.is_some_and(|text| text.node.contains("Internal:"))
}

/// Whether partners see any rows of a type: some field of the root that leads to them is not internal.
fn is_seen_by_partners(contract: &Contract, row: &str) -> bool {
    let page = format!("{row}Connection");
    let roots = contract.fields("Query").into_iter();
    let mut leading = roots.filter(|field| [row, page.as_str()].contains(&base(&field.ty.node)));
    leading.any(|field| !is_internal(field))
}

/// Whether the schema says that a field is for the programme's own people and software: partners are refused, whatever scopes they have.
pub fn is_for_staff(field: &FieldDefinition) -> bool {
    let said = field.description.as_ref();
    said.is_some_and(|text| text.node.ends_with("For staff."))
}

/// What a field takes besides standing below something reachable: its own scope, or the one without which it answers null.
pub fn demanded(contract: &Contract, of: &str, field: &str) -> Option<String> {
    let name = format!("{of}.{field}");
    let definition = contract.field(of, field)?;
    if let Some(named) = scope(definition) {
        return Some(named);
    }
    if let Some((_, null)) = NULL_WITHOUT.iter().find(|(null, _)| *null == name) {
        return Some((*null).to_owned());
    }
    // A mutation shows the row it has written to who may read such rows.
    let target = base(&definition.ty.node);
    let row = of.ends_with("Payload") && contract.is_node(target);
    row.then(|| read_scope(contract, target)).flatten()
}

/// The types a document begins at.
pub const ROOTS: [&str; 3] = ["Query", "Mutation", "Subscription"];

/// The fields that a caller reaches: from these roots, through every field it may call.
pub fn reached(
    contract: &Contract,
    roots: &[&str],
    role: &str,
    scopes: &BTreeSet<String>,
) -> BTreeSet<String> {
    let mut fields = BTreeSet::new();
    let mut open: Vec<String> = roots.iter().map(ToString::to_string).collect();
    let mut visited = BTreeSet::new();
    while let Some(of) = open.pop() {
        if !visited.insert(of.clone()) {
            continue;
        }
        for field in contract.fields(&of) {
            let field_name = field.name.node.as_str();
            let name = format!("{of}.{field_name}");
            let narrower = NARROWER.iter().find(|(narrow, _)| *narrow == name);
            let by_role = narrower.is_none_or(|(_, may)| may.contains(&role))
                && !(role.starts_with("partner") && is_for_staff(field));
            let by_scope =
                demanded(contract, &of, field_name).is_none_or(|scope| scopes.contains(&scope));
            if !(by_role && by_scope) {
                continue;
            }
            fields.insert(name);
            // What is internal is there for a partner too, and always empty: nothing lies behind it.
            if role.starts_with("partner") && is_internal(field) {
                continue;
            }
            let target = base(&field.ty.node);
            open.push(target.to_owned());
            // Behind an interface stand the rows whose kind the caller may read.
            for row in contract.behind(target) {
                let needed = read_scope(contract, row);
                let seen = !role.starts_with("partner") || is_seen_by_partners(contract, row);
                if seen && needed.is_some_and(|needed| scopes.contains(&needed)) {
                    open.push(row.to_owned());
                }
            }
        }
    }
    fields
}

impl Permissions {
    /// As the code has it.
    fn of_the_code(contract: &Contract) -> Self {
        let all = words(Scopes::all());
        let may =
            |scopes: &BTreeSet<String>| reached(contract, &ROOTS, &staff(StaffRole::Admin), scopes);
        let whole = may(&all);
        let without: Vec<(String, BTreeSet<String>)> = all
            .iter()
            .map(|scope| {
                let rest = all.iter().filter(|other| *other != scope).cloned();
                (scope.clone(), may(&rest.collect()))
            })
            .collect();
        let by_role: Vec<(String, BTreeSet<String>)> = roles()
            .into_iter()
            .map(|(role, bounds)| {
                (
                    role.clone(),
                    reached(contract, &ROOTS, &role, &words(bounds)),
                )
            })
            .collect();
        let mut fields = BTreeMap::new();
        for of in contract.objects() {
            for field in contract.fields(of) {
                let name = format!("{of}.{}", field.name.node);
                let needs = without.iter().filter(|(_, rest)| !rest.contains(&name));
                let needs = needs.map(|(scope, _)| scope.clone()).collect();
                let may = by_role.iter().filter(|(_, fields)| fields.contains(&name));
                let roles = may.map(|(role, _)| role.clone()).collect();
                assert!(
                    whole.contains(&name),
                    "no way leads to {name}: teach `reached` how it is come by"
                );
                let scope = scope(field);
                fields.insert(
                    name,
                    Field {
                        scope,
                        needs,
                        roles,
                    },
                );
            }
        }
        let bounds = roles().into_iter().map(|(role, has)| (role, words(has)));
        Self {
            bounds: bounds.collect(),
            fields,
        }
    }

    /// As it is written down.
    pub fn checked_in() -> Self {
        let bounds = section("Roles and scopes");
        let of_role = |place: usize| {
            let held = bounds[1..].iter().filter(|row| row[place] == "x");
            held.map(|row| row[0].clone()).collect()
        };
        let roles: Vec<String> = bounds[0][1..].to_vec();
        let with_places = roles.iter().cloned().zip(1..);
        let scopes = |cell: &str| -> BTreeSet<String> {
            cell.split_whitespace().map(ToOwned::to_owned).collect()
        };
        let of_field = |row: &Vec<String>| {
            let may = roles.iter().zip(&row[3..]).filter(|(_, cell)| *cell == "x");
            let field = Field {
                scope: scopes(&row[1]).into_iter().next(),
                needs: scopes(&row[2]),
                roles: may.map(|(role, _)| role.clone()).collect(),
            };
            (row[0].clone(), field)
        };
        Self {
            fields: section("Fields")[1..].iter().map(of_field).collect(),
            bounds: with_places
                .map(|(role, place)| (role, of_role(place)))
                .collect(),
        }
    }

    fn written(&self) -> String {
        let columns: Vec<String> = roles().into_iter().map(|(role, _)| role).collect();
        let head = |first: &str| {
            let line = "|-".repeat(columns.len() + first.split('|').count());
            format!("| {first} | {} |\n{line}|\n", columns.join(" | "))
        };
        let marks = |has: &dyn Fn(&String) -> bool| {
            let mark = |role| if has(role) { "x" } else { "" };
            let marks: Vec<&str> = columns.iter().map(mark).collect();
            marks.join(" | ")
        };
        let mut text = INTRODUCTION.to_owned();
        text.push_str("\n## Roles and scopes\n\n");
        text.push_str(&head("scope"));
        for scope in Scope::ALL {
            let scope = scope.as_str();
            let holds = marks(&|role| self.bounds[role].contains(scope));
            text.push_str(&format!("| {scope} | {holds} |\n"));
        }
        text.push_str("\n## Fields\n\n");
        text.push_str(&head("field | scope | needs"));
        for (name, field) in &self.fields {
            let may = marks(&|role| field.roles.contains(role));
            let needs: Vec<&str> = field.needs.iter().map(String::as_str).collect();
            let named = field.scope.as_deref().unwrap_or_default();
            text.push_str(&format!(
                "| {name} | {named} | {} | {may} |\n",
                needs.join(" ")
            ));
        }
        text
    }
}

/// The rows of the table under a heading, the row of names first.
fn section(heading: &str) -> Vec<Vec<String>> {
    let section = TABLE
        .split("\n## ")
        .find(|section| section.starts_with(heading))
        .unwrap_or_else(|| panic!("permissions.md has no section {heading:?}"));
    let cells = |line: &str| -> Vec<String> {
        let inside = line
            .strip_prefix('|')
            .and_then(|line| line.strip_suffix('|'));
        let cells = inside.expect("a line of a table").split('|');
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    let lines = section.lines();
    let rows = lines.filter(|line| line.starts_with('|') && !line.starts_with("|-"));
    rows.map(cells).collect()
}

const INTRODUCTION: &str = "# Who may what

Generated from the schema and the roles, checked in and compared: `tests/security/isolation/permissions.rs`. Write it anew with
`ENTENTE_TEST_WRITE_PERMISSIONS=1 cargo nextest run -p tests --test security permissions`, and read the difference.

A role may what its scopes open, and its token says which of them it has; a partner's role sees of each kind of row its own only, whatever
is marked here. In the table of fields, `scope` is what the field itself requires, `needs` every scope without which there is no way to it (none
where several ways lead there, or all do), and a mark says that the role reaches the field with all its scopes. Values that the schema calls
internal are empty for partners. The matrix of the suite is read from here: every mark and every gap is tried.
";

#[test]
fn the_table_says_what_the_code_says() {
    let contract = Contract::published();
    let code = Permissions::of_the_code(&contract);
    let written = code.written();
    if written == TABLE {
        assert_eq!(
            Permissions::checked_in(),
            code,
            "the table reads as it was written"
        );
        return;
    }
    if std::env::var_os(WRITE).is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/security/permissions.md");
        std::fs::write(path, &written).expect("the table can be written");
    }
    let known: BTreeSet<&str> = TABLE.lines().collect();
    let now: BTreeSet<&str> = written.lines().collect();
    let differing: Vec<String> = now
        .difference(&known)
        .map(|line| format!("+ {line}"))
        .chain(known.difference(&now).map(|line| format!("- {line}")))
        .take(40)
        .collect();
    panic!(
        "permissions.md is not what the code says (write it anew with {WRITE}=1):\n{}",
        differing.join("\n")
    );
}

#[test]
fn every_field_of_a_root_names_its_scope() {
    let contract = Contract::published();
    for root in ["Query", "Mutation", "Subscription"] {
        for field in contract.fields(root) {
            let name = format!("{root}.{}", field.name.node);
            assert_eq!(
                scope(field).is_none(),
                FREE.contains(&name.as_str()),
                "{name} names no scope, or need not be free"
            );
        }
    }
}
