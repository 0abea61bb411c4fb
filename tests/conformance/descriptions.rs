//! Whoever reads the schema with a tool finds a description on everything: each type, field, argument, input and value.

use serde_json::Value;
use tests::TestApp;

const QUERY: &str = "{ __schema {
    directives { name description args { name description } }
    types { name kind description
        fields(includeDeprecated: true) { name description args { name description } }
        inputFields { name description }
        enumValues(includeDeprecated: true) { name description } } } }";

/// The types that GraphQL itself has.
const BUILT_IN: [&str; 5] = ["Boolean", "Float", "ID", "Int", "String"];

fn list<'a>(of: &'a Value, name: &str) -> &'a [Value] {
    of[name].as_array().map_or(&[], Vec::as_slice)
}

fn check(missing: &mut Vec<String>, path: &str, described: &Value) -> String {
    let path = format!("{path}{}", described["name"].as_str().unwrap());
    if described["description"]
        .as_str()
        .is_none_or(|text| text.trim().is_empty())
    {
        missing.push(path.clone());
    }
    path
}

#[tokio::test]
async fn everything_is_described() {
    let app = TestApp::plain().await;
    let answer = app.ask(&app.token([]), QUERY).await;
    let mut missing = Vec::new();
    let mut looked = 0;
    let own = |ty: &&Value| {
        !BUILT_IN.contains(&ty["name"].as_str().unwrap())
            && !ty["name"].as_str().unwrap().starts_with("__")
    };
    for ty in list(answer.at("/__schema"), "types").iter().filter(own) {
        let path = format!("{}.", check(&mut missing, "", ty));
        for field in list(ty, "fields") {
            let path = format!("{}.", check(&mut missing, &path, field));
            for argument in list(field, "args") {
                check(&mut missing, &path, argument);
                looked += 1;
            }
            looked += 1;
        }
        for part in list(ty, "inputFields").iter().chain(list(ty, "enumValues")) {
            check(&mut missing, &path, part);
            looked += 1;
        }
    }
    assert!(looked > 300, "only {looked} were looked at");
    assert!(missing.is_empty(), "without a description: {missing:#?}");
    app.finish().await;
}

#[tokio::test]
async fn introspection_needs_a_token_like_everything_else() {
    let app = TestApp::plain().await;
    let answer = app
        .graphql(
            "no.such.token",
            "{ __schema { types { name } } }",
            serde_json::json!({}),
        )
        .await;
    assert_eq!(
        (answer.status, answer.codes()),
        (401, vec!["UNAUTHENTICATED"])
    );
    app.finish().await;
}
