//! The filter of every table by itself, without a field before it: what a partner's viewer reads of each, whoever asks for it and however.
//!
//! The list of tables is held against the sources, so that a table that is added without a line here fails.

use super::world::World;
use crate::secrets::Secrets;
use entities::id::PartnerId;
use entities::viewer::{PartnerRole, Scopes, StaffRole, Viewer, ViewerKind};
use entities::visible::Visible;
use sea_orm::{DbBackend, QueryTrait as _};
use std::collections::BTreeSet;

/// What is known of one table.
struct Table {
    name: &'static str,
    /// The text of the statement, for each viewer.
    statement: fn(&Viewer) -> String,
}

fn statement<E: Visible>(viewer: &Viewer) -> String {
    E::visible_to(viewer).build(DbBackend::Sqlite).to_string()
}

macro_rules! tables {
    ($($name:literal $($part:ident)::+,)*) => {
        [$(Table { name: $name, statement: statement::<entities::$($part::)+Entity> },)*]
    };
}

/// The tables of which a partner reads nothing.
fn hidden() -> Vec<Table> {
    tables! {
        "assessment" assessment,
        "assessment_scheme" assessment_scheme,
        "audit_link" audit_link,
        "automation" automation,
        "automation_run" automation_run,
        "authorization_code" authorization_code,
        "authorization_request" authorization_request,
        "chat_message" chat_message,
        "chat_message/channel" chat_message::channel,
        "chat_post" chat_post,
        "chat_user" chat_user,
        "checklist" checklist,
        "client_assertion" client_assertion,
        "commission_rule" commission_rule,
        "commission_run" commission_run,
        "connect_ticket" connect_ticket,
        "connection" connection,
        "daily" daily,
        "deal_confirmation" deal_confirmation,
        "deal_registration/claim/cell" deal_registration::cell,
        "deal_registration/conflict/check" deal_registration::conflict::check,
        "deal_registration/conflict/key" deal_registration::conflict::key,
        "event_reader" event_reader,
        "external_link" external_link,
        "failed_attempt" failed_attempt,
        "goal" goal,
        "idempotency_key" idempotency_key,
        "inbound_signal" inbound_signal,
        "inbound_webhook" inbound_webhook,
        "mail_message" mail_message,
        "outbound_push" outbound_push,
        "pending_link" pending_link,
        "privacy_request" privacy_request,
        "refresh_token" refresh_token,
        "registration_press" registration_press,
        "revenue_accrual" revenue_accrual,
        "revenue_reversal" revenue_reversal,
        "session" session,
        "sign_in_request" sign_in_request,
        "signing_key" signing_key,
        "sync_conflict" sync_conflict,
        "sync_cursor" sync_cursor,
        "sync_run" sync_run,
        "sync_seen" sync_seen,
        "token_revocation" token_revocation,
        "user_identity" user_identity,
        "user_ticket" user_ticket,
    }
    .into()
}

/// The tables of which a partner reads its own rows.
fn own() -> Vec<Table> {
    tables! {
        "activity" activity,
        "agreement" agreement,
        "agreement_signature" agreement_signature,
        "agreement_version" agreement_version,
        "commitment_year" commitment_year,
        "contact" contact,
        "customer" customer,
        "deal" deal,
        "deal_partner" deal_partner,
        "deal_registration" deal_registration,
        "event" event,
        "identity_provider" identity_provider,
        "ledger_dispute" ledger_dispute,
        "ledger_entry" ledger_entry,
        "oauth_client" oauth_client,
        "oauth_grant" oauth_grant,
        "obligation" obligation,
        "onboarding_task" onboarding_task,
        "partner" partner,
        "partner_application" partner_application,
        "partnership" partnership,
        "payout" payout,
        "program" program,
        "program_enrollment" program_enrollment,
        "registration_note" registration_note,
        "revenue_event" revenue_event,
        "sla_measurement" sla_measurement,
        "statement" statement,
        "tier" tier,
        "tier_assignment" tier_assignment,
        "user" user,
        "webhook_delivery" webhook_delivery,
        "webhook_endpoint" webhook_endpoint,
    }
    .into()
}

/// The tables whose rows are one organisation's alone: who leads the company above does not see them either.
const ALONE: [&str; 2] = ["webhook_delivery", "webhook_endpoint"];

fn viewer(kind: ViewerKind) -> Viewer {
    Viewer::new(kind, Scopes::all(), "rows".to_owned())
}

#[test]
fn every_table_is_known_here() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../entities/src");
    let mut open = vec![std::path::PathBuf::from(folder)];
    let mut found = BTreeSet::new();
    while let Some(folder_or_file) = open.pop() {
        if folder_or_file.is_dir() {
            let entries = std::fs::read_dir(folder_or_file).unwrap();
            open.extend(entries.map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = std::fs::read_to_string(&folder_or_file).unwrap();
        let name = folder_or_file.strip_prefix(folder).unwrap();
        let name = name.with_extension("");
        let mut inside = None;
        for line in text.lines() {
            if let Some(module) = line.strip_prefix("pub mod ") {
                inside = module.strip_suffix(" {").or(inside);
            }
            // A table that stands in a module of its own within a file is named after both.
            match (line, inside) {
                ("impl Visible for Entity {", _) => {
                    found.insert(name.to_str().unwrap().to_owned());
                }
                ("    impl Visible for Entity {", Some(module)) => {
                    found.insert(format!("{}/{module}", name.to_str().unwrap()));
                }
                _ => assert!(
                    !line.trim().starts_with("impl Visible for"),
                    "{}: a table that this test cannot name",
                    name.display()
                ),
            }
        }
    }
    // The rows of turns hold nothing but the names of work, and nothing outside of the entities can name their table.
    assert!(found.remove("turn"));
    let known = hidden().into_iter().chain(own());
    let known: BTreeSet<String> = known.map(|table| table.name.to_owned()).collect();
    assert_eq!(found, known, "each table belongs to one of the two lists");
}

#[test]
fn of_hidden_tables_a_partner_reads_nothing_and_of_others_less_than_all() {
    let partner = PartnerId(uuid::Uuid::from_u128(7));
    let system = Viewer::system("rows");
    let everybody_internal = StaffRole::ALL.iter().map(|role| ViewerKind::Staff(*role));
    let everybody_internal = everybody_internal.chain([ViewerKind::Integration]);
    let internal: Vec<Viewer> = everybody_internal.map(viewer).collect();
    let nobody = [Viewer::nobody(), viewer(ViewerKind::Nobody)];
    let mut wrong = Vec::new();
    for table in hidden().iter().chain(&own()) {
        let (name, all) = (table.name, (table.statement)(&system));
        let is_hidden = hidden().iter().any(|hidden| hidden.name == name);
        let nothing = format!("{all} WHERE 1 = 0");
        let mut hold = |holds: bool, who: &dyn std::fmt::Debug| {
            if !holds {
                wrong.push(format!(
                    "{name} is not filtered as it should be for {who:?}"
                ));
            }
        };
        hold(!all.contains(" WHERE "), &system);
        for viewer in &nobody {
            hold((table.statement)(viewer) == nothing, viewer);
        }
        for viewer in &internal {
            let kept = name == "event" && !viewer.sees_audit();
            hold(((table.statement)(viewer) == all) != kept, viewer);
        }
        for role in PartnerRole::ALL {
            let sees = (table.statement)(&viewer(ViewerKind::Partner(partner, *role)));
            hold(
                (sees == nothing) == is_hidden && sees.contains(" WHERE "),
                role,
            );
            // Who leads also sees below; nobody else's statement looks for companies at all.
            let leads = matches!(role, PartnerRole::Admin | PartnerRole::Manager);
            let below = leads && !is_hidden && !ALONE.contains(&name);
            hold(sees.contains("RECURSIVE") == below, role);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Reads every row of a table for a viewer, as a debugger shows them.
async fn read<E: Visible>(world: &World, viewer: &Viewer) -> Vec<String> {
    let rows = E::visible_to(viewer);
    let rows = rows.all(world.mirror.app.database().read()).await.unwrap();
    rows.iter().map(|row| format!("{row:?}")).collect()
}

/// Holds one table's rows: for each role of A what it shows of A, of the company below and of nobody else.
async fn hold<E: Visible>(world: &World, name: &str) {
    let mirror = &world.mirror;
    let all = read::<E>(world, &Viewer::system("rows")).await;
    for role in PartnerRole::ALL {
        let leads = matches!(role, PartnerRole::Admin | PartnerRole::Manager);
        let kind = ViewerKind::Partner(mirror.a.partner.id, *role);
        let own = read::<E>(world, &viewer(kind)).await;
        assert!(
            !own.is_empty() && own.len() < all.len(),
            "{name} for {role:?}: {}",
            own.len()
        );
        let (b, c, p) = (&mirror.b, &mirror.c, &mirror.p);
        let below = Secrets::of(&[c]);
        let sees_below = own.iter().any(|row| below.in_text("", row).is_some());
        let may_see_below = leads && !ALONE.contains(&name);
        assert_eq!(sees_below, may_see_below, "{name} for {role:?}");
        let others = Secrets::of(&[b, p]);
        for row in &own {
            // A company's row names the one above it, a payment a deal that is shared no more; no field of the API shows that.
            let named = [p.partner.id.0, b.deal.id.0, b.customer.id.0].map(|id| id.to_string());
            let names = ["partner", "revenue_event"].contains(&name);
            let may_name = if names { named.concat() } else { String::new() };
            let secret = others.in_text(&may_name, row);
            assert!(
                secret.is_none(),
                "{name} for {role:?} tells {secret:?}: {row}"
            );
        }
    }
    let stranger = ViewerKind::Partner(PartnerId(uuid::Uuid::from_u128(7)), PartnerRole::Admin);
    assert_eq!(
        read::<E>(world, &viewer(stranger)).await,
        Vec::<String>::new(),
        "{name}"
    );
}

macro_rules! hold_each {
    ($world:expr, $($name:literal $($part:ident)::+,)*) => {{
        let names = BTreeSet::from([$($name),*]);
        $(hold::<entities::$($part::)+Entity>($world, $name).await;)*
        names
    }};
}

#[tokio::test]
async fn of_each_table_a_partner_reads_its_own_rows_and_no_others() {
    let world = World::made().await;
    let read = hold_each! {
        &world,
        "activity" activity,
        "agreement" agreement,
        "agreement_signature" agreement_signature,
        "agreement_version" agreement_version,
        "commitment_year" commitment_year,
        "contact" contact,
        "customer" customer,
        "deal" deal,
        "deal_partner" deal_partner,
        "deal_registration" deal_registration,
        "event" event,
        "identity_provider" identity_provider,
        "ledger_dispute" ledger_dispute,
        "ledger_entry" ledger_entry,
        "oauth_client" oauth_client,
        "oauth_grant" oauth_grant,
        "obligation" obligation,
        "onboarding_task" onboarding_task,
        "partner" partner,
        "partner_application" partner_application,
        "partnership" partnership,
        "payout" payout,
        "program" program,
        "program_enrollment" program_enrollment,
        "registration_note" registration_note,
        "revenue_event" revenue_event,
        "sla_measurement" sla_measurement,
        "statement" statement,
        "tier" tier,
        "tier_assignment" tier_assignment,
        "user" user,
        "webhook_delivery" webhook_delivery,
        "webhook_endpoint" webhook_endpoint,
    };
    let listed: BTreeSet<&str> = own().iter().map(|table| table.name).collect();
    assert_eq!(read, listed, "each of them has its line above");
    world.mirror.app.finish().await;
}
