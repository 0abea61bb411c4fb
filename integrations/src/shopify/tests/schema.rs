//! Every document, held against the schema that Shopify publishes: of our version and of the one after it.
//!
//! The package with the schemas is fetched by its own tool into the folder of builds, once. Without the tool or the network the test says so loudly
//! and is skipped. The package ships no named release after ours yet, so the one after ours is what Shopify calls unstable.

use super::*;
use crate::shopify::descriptor::EACH;
use crate::shopify::documents;
use crate::shopify::selection::Selection;
use apollo_compiler::{ExecutableDocument, Schema, validation::Valid};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGE: &str = "@shopify/dev-mcp@1.16.0";
const VERSIONS: [&str; 2] = [API_VERSION, "unstable"];

fn run(program: &str, arguments: &[&str], folder: &Path) -> Option<()> {
    let done = Command::new(program)
        .args(arguments)
        .current_dir(folder)
        .output()
        .ok()?;
    if !done.status.success() {
        eprintln!("{program}: {}", String::from_utf8_lossy(&done.stderr));
    }
    done.status.success().then_some(())
}

/// The published description of a version's schema.
fn published(version: &str) -> Option<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/shopify-schema");
    let file = folder.join(format!("admin_{version}.json"));
    if !file.exists() {
        std::fs::create_dir_all(&folder).ok()?;
        let own = tempfile::tempdir_in(&folder).ok()?;
        std::fs::write(own.path().join("package.json"), "{}").ok()?;
        let install = [
            "install",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--no-save",
            "--omit=dev",
            PACKAGE,
        ];
        run("npm", &install, own.path())?;
        let packed: PathBuf = own.path().join(format!(
            "node_modules/@shopify/dev-mcp/dist/data/admin_{version}.json.gz"
        ));
        let unpack = "const z=require('zlib'),f=require('fs');f.writeFileSync(process.argv[2],z.gunzipSync(f.readFileSync(process.argv[1])))";
        let out = own.path().join("schema.json");
        run(
            "node",
            &["-e", unpack, packed.to_str()?, out.to_str()?],
            own.path(),
        )?;
        std::fs::rename(out, &file).ok()?;
    }
    serde_json::from_slice(&std::fs::read(file).ok()?).ok()
}

/// A type as it is written.
fn written(kind: &Value) -> String {
    match kind["kind"].as_str().unwrap() {
        "NON_NULL" => written(&kind["ofType"]) + "!",
        "LIST" => format!("[{}]", written(&kind["ofType"])),
        _ => kind["name"].as_str().unwrap().to_owned(),
    }
}

fn list(of: &Value) -> impl Iterator<Item = &Value> {
    of.as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

fn names(of: &Value, between: &str) -> String {
    list(of)
        .map(|one| one["name"].as_str().unwrap())
        .collect::<Vec<_>>()
        .join(between)
}

fn inputs(of: &Value) -> String {
    let one = |input: &Value| {
        let default = input["defaultValue"]
            .as_str()
            .map(|value| format!(" = {value}"))
            .unwrap_or_default();
        format!(
            "{}: {}{default}",
            input["name"].as_str().unwrap(),
            written(&input["type"])
        )
    };
    list(of).map(one).collect::<Vec<_>>().join("\n")
}

/// The name at the heart of a type.
fn named(kind: &Value) -> &str {
    match kind["ofType"].is_object() {
        true => named(&kind["ofType"]),
        false => kind["name"].as_str().unwrap(),
    }
}

/// A schema with the fields that a set of words names, and the types these need. What is left out can only make a document that names it
/// invalid, and no document names it; the whole of it would take minutes to read.
struct Excerpt<'a> {
    types: BTreeMap<&'a str, &'a Value>,
    words: BTreeSet<&'a str>,
}

impl<'a> Excerpt<'a> {
    /// The fields of a type that are kept: those named, whose type has any fields itself.
    fn fields(&self, name: &str) -> impl Iterator<Item = &'a Value> {
        let named_ones = |name: &str| {
            let fields = list(&self.types[name]["fields"]);
            fields.filter(|field| self.words.contains(field["name"].as_str().unwrap()))
        };
        let has_any = move |field: &&Value| {
            let inner = named(&field["type"]);
            match self.types[inner]["kind"].as_str().unwrap() {
                "OBJECT" | "INTERFACE" => named_ones(inner).next().is_some(),
                _ => true,
            }
        };
        named_ones(name)
            .filter(has_any)
            .collect::<Vec<_>>()
            .into_iter()
    }

    /// The types that are reached from these.
    fn reached(&self, roots: [&'a str; 2]) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut waiting: Vec<&str> = roots.to_vec();
        while let Some(name) = waiting.pop() {
            if !reached.insert(name) {
                continue;
            }
            let kind = self.types[name];
            for field in self.fields(name) {
                waiting.push(named(&field["type"]));
                waiting.extend(list(&field["args"]).map(|input| named(&input["type"])));
            }
            waiting.extend(list(&kind["inputFields"]).map(|input| named(&input["type"])));
            waiting.extend(list(&kind["interfaces"]).map(|one| one["name"].as_str().unwrap()));
            if kind["kind"] == "UNION" {
                waiting
                    .extend(list(&kind["possibleTypes"]).map(|one| one["name"].as_str().unwrap()));
            }
        }
        reached
    }
}

/// The schema of a description, as far as these documents speak of it, in the language of schemas.
fn language(description: &Value, documents: &[(String, String)]) -> String {
    let schema = description.get("data").unwrap_or(description);
    let schema = &schema["__schema"];
    let root = |name: &str| schema[name]["name"].as_str().unwrap();
    let words = documents.iter().flat_map(|(_, text)| {
        text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'))
    });
    let all = list(&schema["types"]).map(|kind| (kind["name"].as_str().unwrap(), kind));
    let excerpt = Excerpt {
        types: all.collect(),
        words: words.collect(),
    };
    let roots = [root("queryType"), root("mutationType")];
    let reached = excerpt.reached(roots);
    let has_fields = |name: &str| excerpt.fields(name).next().is_some();
    let mut text = format!("schema {{ query: {} mutation: {} }}\n", roots[0], roots[1]);
    for name in reached {
        if ["Boolean", "String", "Int", "Float", "ID"].contains(&name) {
            continue;
        }
        let kind = excerpt.types[name];
        let kept = |of: &Value, between: &str| {
            let names = list(of).map(|one| one["name"].as_str().unwrap());
            names
                .filter(|name| has_fields(name))
                .collect::<Vec<_>>()
                .join(between)
        };
        let interfaces = kept(&kind["interfaces"], " & ");
        let implements = match interfaces.as_str() {
            "" => String::new(),
            some => format!(" implements {some}"),
        };
        let fields = || {
            let one = |field: &Value| {
                let arguments = inputs(&field["args"]);
                let arguments = match arguments.as_str() {
                    "" => String::new(),
                    some => format!("({some})"),
                };
                format!(
                    "{}{arguments}: {}",
                    field["name"].as_str().unwrap(),
                    written(&field["type"])
                )
            };
            excerpt.fields(name).map(one).collect::<Vec<_>>().join("\n")
        };
        match kind["kind"].as_str().unwrap() {
            "SCALAR" => writeln!(text, "scalar {name}"),
            "OBJECT" | "INTERFACE" if !has_fields(name) => Ok(()),
            "OBJECT" => writeln!(text, "type {name}{implements} {{\n{}\n}}", fields()),
            "INTERFACE" => writeln!(text, "interface {name}{implements} {{\n{}\n}}", fields()),
            "UNION" => writeln!(
                text,
                "union {name} = {}",
                kept(&kind["possibleTypes"], " | ")
            ),
            "ENUM" => writeln!(
                text,
                "enum {name} {{ {} }}",
                names(&kind["enumValues"], " ")
            ),
            _ => writeln!(
                text,
                "input {name} {{\n{}\n}}",
                inputs(&kind["inputFields"])
            ),
        }
        .unwrap();
    }
    text
}

/// Every document there is, with each way in which one can be put together.
fn all() -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = documents::ALL
        .iter()
        .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
        .collect();
    let wanted = [
        "metafield.custom.partner".to_owned(),
        "metafield.$app:entente.reference".to_owned(),
    ];
    for object in EACH {
        let plain = Selection::new(object, &[], BTreeSet::new());
        let mut variants = vec![
            ("plain".to_owned(), plain.clone()),
            (
                "metafields".to_owned(),
                Selection::new(object, &wanted, BTreeSet::new()),
            ),
        ];
        let fields: BTreeSet<String> = object
            .fields
            .lines()
            .filter_map(|line| {
                let name = line.strip_prefix("  ")?.split([' ', '(', ':']).next()?;
                (!name.is_empty() && name != "}" && name != "id").then(|| name.to_owned())
            })
            .collect();
        assert!(fields.len() > 4);
        for name in fields {
            variants.push((
                format!("without {name}"),
                Selection::new(object, &wanted, BTreeSet::from([name])),
            ));
        }
        for (variant, selection) in variants {
            let kind = object.kind;
            all.push((
                format!("{kind} page, {variant}"),
                selection.document(object.page),
            ));
            all.push((
                format!("{kind} by id, {variant}"),
                selection.document(object.by_id),
            ));
            all.push((format!("{kind} bulk, {variant}"), selection.bulk()));
        }
    }
    all
}

/// The published description of a version's schema, or a loud word.
fn described(version: &str) -> Option<Value> {
    let description = published(version);
    if description.is_none() {
        eprintln!(
            "SKIPPED: {PACKAGE} cannot be fetched, so no document was held against Shopify's schema {version}"
        );
    }
    description
}

/// Whether a schema that is published in this version knows all that a document names.
fn check(description: &Value, documents: &[(String, String)]) -> Result<(), String> {
    let schema: Valid<Schema> =
        Schema::parse_and_validate(language(description, documents), "schema.graphql")
            .map_err(|found| format!("the schema: {}", found.errors))?;
    for (name, text) in documents {
        ExecutableDocument::parse_and_validate(&schema, text, "document.graphql")
            .map_err(|found| format!("{name}: {}", found.errors))?;
    }
    Ok(())
}

#[test]
fn every_document_is_valid_in_our_version_and_the_next() {
    let documents = all();
    assert!(documents.len() > 100);
    for version in VERSIONS {
        let Some(description) = described(version) else {
            continue;
        };
        check(&description, &documents).unwrap_or_else(|why| panic!("{version}: {why}"));
        // The test can fail: what is not there is found, a field as well as an argument or a variable of another type.
        for wrong in [
            "{ shop { nonsense } }",
            "{ orders(first: 1, sortKey: NONSENSE) { nodes { id } } }",
            "query Q($ids: [String!]!) { nodes(ids: $ids) { id } }",
            "mutation { customerCreate(input: { nonsense: true }) { customer { id } } }",
        ] {
            let wrong = ("wrong".to_owned(), wrong.to_owned());
            let with = [vec![wrong.clone()], documents.clone()].concat();
            let found = check(&description, &with).unwrap_err();
            assert!(found.starts_with("wrong:"), "{wrong:?}: {found}");
        }
    }
}

/// What we put into variables, and what we read by name, is there too.
#[test]
fn words_in_variables_are_words_of_the_schema() {
    let Some(description) = described(API_VERSION) else {
        return;
    };
    let schema = description.get("data").unwrap_or(&description);
    let of = |name: &str, part: &str| -> BTreeSet<String> {
        let kind = list(&schema["__schema"]["types"])
            .find(|kind| kind["name"] == name)
            .unwrap_or_else(|| panic!("{name}"));
        list(&kind[part])
            .map(|one| one["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let holds = |name: &str, part: &str, words: &[&str]| {
        let known = of(name, part);
        for word in words {
            assert!(known.contains(*word), "{word} is none of {name}");
        }
    };
    for keys in ["OrderSortKeys", "CustomerSortKeys", "CompanySortKeys"] {
        holds(keys, "enumValues", &["ID", "UPDATED_AT"]);
    }
    holds(
        "WebhookSubscriptionTopic",
        "enumValues",
        &crate::shopify::subscriptions::TOPICS,
    );
    holds(
        "WebhookSubscriptionTopic",
        "enumValues",
        &crate::shopify::subscriptions::COMPANY_TOPICS,
    );
    holds(
        "WebhookSubscriptionInput",
        "inputFields",
        &["uri", "format"],
    );
    holds(
        "CustomerInput",
        "inputFields",
        &[
            "id",
            "metafields",
            "firstName",
            "lastName",
            "email",
            "phone",
            "note",
            "locale",
            "tags",
        ],
    );
    holds(
        "MetafieldInput",
        "inputFields",
        &["namespace", "key", "type", "value"],
    );
    holds(
        "CompanyInput",
        "inputFields",
        &["name", "note", "externalId", "customerSince"],
    );
    holds("CompanyCreateInput", "inputFields", &["company"]);
    holds(
        "CustomerIdentifierInput",
        "inputFields",
        &["customId", "emailAddress", "phoneNumber"],
    );
    holds(
        "UniqueMetafieldValueInput",
        "inputFields",
        &["namespace", "key", "value"],
    );
    holds(
        "MetafieldDefinitionInput",
        "inputFields",
        &[
            "name",
            "description",
            "namespace",
            "key",
            "type",
            "ownerType",
        ],
    );
    holds(
        "MetafieldOwnerType",
        "enumValues",
        &["CUSTOMER", "COMPANY", "ORDER"],
    );
    holds(
        "OrderTransactionKind",
        "enumValues",
        &["SALE", "CAPTURE", "REFUND", "CHANGE"],
    );
    holds("OrderTransactionStatus", "enumValues", &["SUCCESS"]);
    holds(
        "BulkOperationStatus",
        "enumValues",
        &[
            "CREATED",
            "RUNNING",
            "CANCELING",
            "COMPLETED",
            "FAILED",
            "CANCELED",
            "EXPIRED",
        ],
    );
    holds("BulkOperationErrorCode", "enumValues", &["ACCESS_DENIED"]);
    holds(
        "BulkOperationUserErrorCode",
        "enumValues",
        &["OPERATION_IN_PROGRESS", "LIMIT_REACHED"],
    );
    holds(
        "BusinessCustomerErrorCode",
        "enumValues",
        &["TAKEN", "RESOURCE_NOT_FOUND"],
    );
}
