//! Rows of automations for tests that must meet every kind of row: one of each action, runs in each state, and messages by mail.

use entities::automation::condition::{Operator, ValueType};
use entities::automation::{self, Action, Condition, Conditions, NewAutomation};
use entities::automation_run::{self, NewRun};
use entities::change::Change;
use entities::id::{AutomationId, ConnectionId, TypedId as _, WebhookEndpointId};
use entities::mail_message::MailPurpose;
use entities::user::{self, NewUser, UserRole};
use entities::viewer::{Scopes, StaffRole, Viewer, ViewerKind};
use integrations::mail::{self, Letter};
use integrations::vault::Vault;
use sea_orm::ConnectionTrait as _;

/// Makes them, every text marked, and answers the first one's id. All are disabled, so that nothing is ever sent.
pub async fn automations(
    change: &mut Change,
    vault: &Vault,
    mark: &str,
    (chat, endpoint): (ConnectionId, WebhookEndpointId),
) -> AutomationId {
    let kind = ViewerKind::Staff(StaffRole::Admin);
    let viewer = Viewer::new(kind, Scopes::all(), format!("{mark} subject"));
    let invited = NewUser {
        role: UserRole::Staff(StaffRole::Support),
        name: format!("{mark} reader"),
        email: format!("{}@programme.example", mark.to_lowercase()),
    };
    let reader = user::invite(change, invited).await.unwrap();
    let reader = user::activate(change, reader, None).await.unwrap();
    let actions = [
        Action::Chat {
            connection: chat.uuid(),
            channel: format!("{mark} channel"),
            title: format!("{mark} title"),
            text: format!("{mark} text"),
        },
        Action::Mail {
            users: vec![reader.id.uuid()],
            subject: format!("{mark} subject"),
            text: format!("{mark} text"),
        },
        Action::Webhook {
            endpoint: endpoint.uuid(),
        },
    ];
    let mut made = Vec::new();
    for action in actions {
        let condition = Condition {
            path: "type".to_owned(),
            operator: Operator::Eq,
            operands: vec![format!("{mark} value")],
            of: ValueType::Text,
        };
        let partner = entities::partner::NewPartner::named(format!("{mark} partner"));
        let partners = entities::partner::create(change, vec![partner])
            .await
            .unwrap();
        let new = NewAutomation {
            name: format!("{mark} automation"),
            kind: "deal.won".to_owned(),
            partners: partners.iter().map(|row| row.id).collect(),
            selection: format!("{{ type }} # {mark} selection"),
            conditions: Conditions(vec![condition]),
            action,
            per_hour: 7,
        };
        let row = automation::create(change, &viewer, new).await.unwrap();
        made.push(row.id);
        automation::disable(change, row, Some(&format!("{mark} reason")))
            .await
            .unwrap();
    }
    let run = |automation: &AutomationId| NewRun {
        automation_id: *automation,
        event_id: change.new_id(),
        kind: format!("{mark} type"),
        skipped: None,
    };
    let runs: Vec<NewRun> = made.iter().map(run).collect();
    automation_run::raise(change, &runs).await.unwrap();
    let letter = Letter {
        to: reader.email.clone(),
        subject: format!("{mark} subject"),
        text: format!("{mark} text").into(),
    };
    for _ in 0..2 {
        let about = (MailPurpose::Automation, reader.id);
        let until = change.now().plus_millis(3_600_000);
        mail::write(change, vault, &letter, about, until)
            .await
            .unwrap();
    }
    let settled = format!("settled_at = 1790000000000000, error = '{mark} error', attempts = 3");
    let written = [
        format!(
            "UPDATE automation_run SET state = 'FAILED', {settled} WHERE automation_id = {}",
            literal(change, made[0].0)
        ),
        format!("UPDATE mail_message SET error = '{mark} error', attempts = 1"),
    ];
    for statement in written {
        let done = change.transaction().execute_unprepared(&statement).await;
        assert!(done.unwrap().rows_affected() > 0, "{statement}");
    }
    let rows = entities::mail_message::list_latest(change.transaction(), 1)
        .await
        .unwrap();
    let sent = format!(
        "UPDATE mail_message SET state = 'DEAD', settled_at = 1790000000000000 WHERE id = {}",
        literal(change, rows[0].id.0)
    );
    change
        .transaction()
        .execute_unprepared(&sent)
        .await
        .unwrap();
    made[0]
}

fn literal(change: &Change, id: uuid::Uuid) -> String {
    if change.database().is_postgres() {
        format!("'{id}'")
    } else {
        format!("x'{}'", id.simple())
    }
}
