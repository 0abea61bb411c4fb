//! The guards by themselves. In the schema one often stands behind another (no partner's role has the scope that a field for staff needs), so that
//! from outside nobody would notice that it is gone.

use crate::contract::{Contract, scope};
use api::graphql::context::{RequestContext, RequireScope};
use api::graphql::edit::{Edit, staff};
use async_graphql::{Context, EmptyMutation, EmptySubscription, Object, Request, Result, Schema};
use entities::viewer::{PartnerRole, Scope, Scopes, StaffRole, Viewer, ViewerKind};
use std::sync::Arc;
use tests::TestApp;

struct Probe;

#[Object]
impl Probe {
    async fn for_staff(&self, ctx: &Context<'_>) -> Result<bool> {
        staff(ctx, Scope::PartnersRead).map(|_| true)
    }

    async fn an_edit(&self, ctx: &Context<'_>) -> Result<bool> {
        let edit = Edit::begin(ctx, Scope::PartnersRead, None).await?;
        edit.change.rollback().await?;
        Ok(true)
    }

    #[graphql(guard = "RequireScope(Scope::PartnersRead)")]
    async fn for_a_scope(&self) -> bool {
        true
    }
}

#[tokio::test]
async fn each_guard_lets_through_whom_it_should_and_nobody_else() {
    let app = TestApp::plain().await;
    let schema = Schema::new(Probe, EmptyMutation, EmptySubscription);
    let partner = app.database().new_id();
    let all = Scopes::all();
    let others = Scope::ALL
        .iter()
        .copied()
        .filter(|scope| *scope != Scope::PartnersRead);
    let others: Scopes = others.collect();
    let admin = ViewerKind::Staff(StaffRole::Admin);
    let software = ViewerKind::Partner(partner, PartnerRole::Software);
    let lead = ViewerKind::Partner(partner, PartnerRole::Admin);
    let fields = ["forStaff", "anEdit", "forAScope"];
    let callers = [
        ("staff", Some((admin, all)), [true, true, true]),
        (
            "an auditor",
            Some((ViewerKind::Staff(StaffRole::Auditor), all)),
            [true, true, true],
        ),
        (
            "software",
            Some((ViewerKind::Integration, all)),
            [true, true, true],
        ),
        ("staff without the scope", Some((admin, others)), [false; 3]),
        (
            "software without the scope",
            Some((ViewerKind::Integration, others)),
            [false; 3],
        ),
        ("a partner", Some((software, all)), [false, false, true]),
        (
            "a partner's administrator",
            Some((lead, all)),
            [false, false, true],
        ),
        (
            "a partner without the scope",
            Some((lead, others)),
            [false; 3],
        ),
        ("nobody", Some((ViewerKind::Nobody, all)), [false; 3]),
        ("a request without a viewer", None, [false; 3]),
    ];
    for (name, caller, opens) in callers {
        for (field, opens) in fields.into_iter().zip(opens) {
            let mut request = Request::new(format!("{{ {field} }}"));
            if let Some((kind, scopes)) = caller {
                request = request.data(RequestContext {
                    viewer: Arc::new(Viewer::new(kind, scopes, "probe".to_owned())),
                    database: app.database().clone(),
                    request_id: "probe".to_owned(),
                });
            }
            let answer = schema.execute(request).await;
            assert_eq!(answer.is_ok(), opens, "{field} for {name}: {answer:?}");
        }
    }
    app.finish().await;
}

/// Every field that takes a scope says so by its guard and by its directive at once: where one of the two is gone, this or the table fails.
#[test]
fn the_code_guards_what_the_schema_announces() {
    let sources = concat!(env!("CARGO_MANIFEST_DIR"), "/../api/src/graphql");
    let mut open = vec![std::path::PathBuf::from(sources)];
    let mut fields = 0;
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            for attribute in text.split("#[graphql(").skip(1) {
                let attribute = attribute.split(")]").next().unwrap();
                let guard = attribute.split("RequireScope(Scope::").nth(1);
                let announced = attribute.split("requires_scope::apply(\"").nth(1);
                let (Some(guard), Some(announced)) = (guard, announced) else {
                    // A mutation's guard is its `Edit`, which the matrix tries with every scope alone.
                    assert!(
                        guard.is_none(),
                        "{}: a guard that says nothing: {attribute}",
                        path.display()
                    );
                    continue;
                };
                let (guard, announced) = (
                    guard.split(')').next().unwrap(),
                    announced.split('"').next().unwrap(),
                );
                let scope: Scope = announced.parse().unwrap();
                assert_eq!(format!("{scope:?}"), guard, "{}", path.display());
                fields += 1;
            }
        }
    }
    // Every field below a mutation that takes a scope has its guard: a guard less is counted, also where another would still refuse.
    let contract = Contract::published();
    let objects = contract.objects().filter(|object| *object != "Mutation");
    let scoped = objects.flat_map(|object| contract.fields(object));
    let scoped = scoped.filter(|field| scope(field).is_some()).count();
    assert_eq!(
        fields, scoped,
        "fields with a guard, and fields that announce a scope"
    );
}
