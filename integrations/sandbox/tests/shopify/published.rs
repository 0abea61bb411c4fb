//! The names the sandbox serves, held against the introspection the vendor ships in its own package. Needs npm and gzip, so it runs when
//! `SANDBOX_OFFICIAL_CLIENT=1`.

use std::collections::BTreeMap;
use std::path::Path;

use async_graphql_parser::parse_schema;
use async_graphql_parser::types::{
    FieldDefinition, InputValueDefinition, TypeKind, TypeSystemDefinition,
};
use serde_json::Value;
use tokio::process::Command;

const PACKAGE: &str = "@shopify/dev-mcp@1.16.0";
/// The version the sandbox serves, and the last one of the package, in which nothing of it may be missing.
const VERSIONS: [&str; 2] = ["2026-10", "unstable"];

async fn run(folder: &Path, program: &str, args: &[&str]) -> Vec<u8> {
    let done = Command::new(program)
        .args(args)
        .current_dir(folder)
        .output()
        .await
        .unwrap();
    assert!(
        done.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    done.stdout
}

fn printed(ty: &Value) -> String {
    match ty["kind"].as_str().unwrap() {
        "NON_NULL" => format!("{}!", printed(&ty["ofType"])),
        "LIST" => format!("[{}]", printed(&ty["ofType"])),
        _ => ty["name"].as_str().unwrap().to_owned(),
    }
}

type Named<'a> = BTreeMap<&'a str, &'a Value>;

fn named<'a>(owner: &'a Value, list: &str) -> Named<'a> {
    let items = owner[list]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    items
        .iter()
        .map(|item| (item["name"].as_str().unwrap(), item))
        .collect()
}

fn inputs(
    place: &str,
    ours: &[async_graphql_parser::Positioned<InputValueDefinition>],
    theirs: &Named<'_>,
    wrong: &mut Vec<String>,
) {
    for input in ours {
        let name = input.node.name.node.as_str();
        match theirs.get(name) {
            None => wrong.push(format!("{place}({name}) is not there")),
            Some(known) => {
                let (ours, theirs) = (input.node.ty.node.to_string(), printed(&known["type"]));
                let default = input
                    .node
                    .default_value
                    .as_ref()
                    .map(|value| value.node.to_string());
                if ours != theirs || default.as_deref() != known["defaultValue"].as_str() {
                    wrong.push(format!("{place}({name}) is {theirs}, not {ours}"));
                }
            }
        }
    }
}

fn fields(
    ty: &str,
    ours: &[async_graphql_parser::Positioned<FieldDefinition>],
    theirs: &Value,
    wrong: &mut Vec<String>,
) {
    let known = named(theirs, "fields");
    for field in ours {
        let name = field.node.name.node.as_str();
        let place = format!("{ty}.{name}");
        match known.get(name) {
            None => wrong.push(format!("{place} is not there")),
            Some(field_there) => {
                let (ours, theirs) = (
                    field.node.ty.node.to_string(),
                    printed(&field_there["type"]),
                );
                if ours != theirs {
                    wrong.push(format!("{place} is {theirs}, not {ours}"));
                }
                inputs(
                    &place,
                    &field.node.arguments,
                    &named(field_there, "args"),
                    wrong,
                );
            }
        }
    }
}

fn compare(introspection: &Value) -> (usize, Vec<String>) {
    let schema = introspection
        .pointer("/data/__schema")
        .or_else(|| introspection.get("__schema"))
        .unwrap();
    let types = named(schema, "types");
    let text = std::fs::read_to_string(
        Path::new(env!("CARGO_MANIFEST_DIR")).join("src/shopify/schema.graphql"),
    )
    .unwrap();
    let (mut compared, mut wrong) = (0, Vec::new());
    for definition in parse_schema(text).unwrap().definitions {
        let TypeSystemDefinition::Type(definition) = definition else {
            continue;
        };
        compared += 1;
        let name = definition.node.name.node.as_str();
        let Some(known) = types.get(name) else {
            wrong.push(format!("type {name} is not there"));
            continue;
        };
        match &definition.node.kind {
            TypeKind::Object(kind) => fields(name, &kind.fields, known, &mut wrong),
            TypeKind::Interface(kind) => fields(name, &kind.fields, known, &mut wrong),
            TypeKind::InputObject(kind) => {
                let required = |input: &Value| {
                    input["type"]["kind"] == "NON_NULL" && input["defaultValue"].is_null()
                };
                let theirs = named(known, "inputFields");
                inputs(name, &kind.fields, &theirs, &mut wrong);
                for (field, _) in theirs.iter().filter(|(_, input)| required(input)) {
                    if !kind
                        .fields
                        .iter()
                        .any(|ours| ours.node.name.node.as_str() == *field)
                    {
                        wrong.push(format!("{name}.{field} is required and missing here"));
                    }
                }
            }
            TypeKind::Enum(kind) => {
                let theirs = named(known, "enumValues");
                for value in &kind.values {
                    if !theirs.contains_key(value.node.value.node.as_str()) {
                        wrong.push(format!("{name}.{} is not there", value.node.value.node));
                    }
                }
            }
            TypeKind::Union(kind) => {
                let theirs = named(known, "possibleTypes");
                for member in &kind.members {
                    if !theirs.contains_key(member.node.as_str()) {
                        wrong.push(format!("{name} has no {}", member.node));
                    }
                }
            }
            TypeKind::Scalar => {}
        }
    }
    (compared, wrong)
}

#[tokio::test]
async fn every_name_is_the_vendors() {
    if std::env::var("SANDBOX_OFFICIAL_CLIENT").as_deref() != Ok("1") {
        eprintln!("SKIPPED: set SANDBOX_OFFICIAL_CLIENT=1 to hold the schema against the vendor's");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let archive = run(folder.path(), "npm", &["pack", PACKAGE, "--silent"]).await;
    let archive = String::from_utf8(archive).unwrap().trim().to_owned();
    run(
        folder.path(),
        "tar",
        &["-xzf", &archive, "package/dist/data"],
    )
    .await;
    for version in VERSIONS {
        let file = format!("package/dist/data/admin_{version}.json.gz");
        let text = run(folder.path(), "gzip", &["-dc", &file]).await;
        let (compared, wrong) = compare(&serde_json::from_slice(&text).unwrap());
        assert!(compared > 100, "{compared} types");
        assert!(wrong.is_empty(), "{version}: {wrong:#?}");
    }
}
