//! Rows of webhooks for tests that must meet every kind of row: an endpoint with everything it can have, and deliveries in each state.

use entities::change::Change;
use entities::id::{PartnerId, WebhookEndpointId};
use entities::viewer::PartnerRole;
use entities::viewer::{Scope, Scopes, StaffRole, Viewer, ViewerKind};
use entities::webhook_delivery::{self, NewDelivery};
use entities::webhook_endpoint::{self, NewEndpoint};
use sea_orm::ConnectionTrait as _;

/// Makes an endpoint of a partner's software, or one of the programme's where there is no partner, every text marked. It is disabled, so that nothing
/// is ever sent.
pub async fn endpoint(
    change: &mut Change,
    mark: &str,
    partner: Option<PartnerId>,
) -> WebhookEndpointId {
    let kind = partner.map_or(ViewerKind::Staff(StaffRole::Admin), |partner| {
        ViewerKind::Partner(partner, PartnerRole::Software)
    });
    // No more than whoever may read the log of deliveries has as well, so that its bodies are shown.
    let scopes: Scopes = [Scope::WebhooksManage, Scope::EventsRead]
        .into_iter()
        .collect();
    let viewer = Viewer::new(kind, scopes, format!("{mark} subject"));
    let new = NewEndpoint {
        id: change.new_id(),
        name: format!("{mark} endpoint"),
        url: format!("https://{}.example/hook", mark.to_lowercase()),
        kinds: vec!["deal.won".to_owned()],
        partners: partner.into_iter().collect(),
        with_history: true,
        only_called: false,
        selection: format!("{{ id }} # {mark} selection"),
        secret: format!("{mark} sealed"),
    };
    let row = webhook_endpoint::create(change, &viewer, new)
        .await
        .unwrap();
    let id = row.id;
    webhook_endpoint::disable(change, row, &format!("{mark} reason"))
        .await
        .unwrap();
    let now = change.now();
    let delivery = || NewDelivery {
        endpoint_id: id,
        event_id: Some(change.new_id()),
        kind: format!("{mark} type"),
        occurred_at: now,
    };
    let ids = webhook_delivery::raise(change, &[delivery(), delivery()])
        .await
        .unwrap();
    let written = [
        format!(
            "UPDATE webhook_endpoint SET failing_since = 1790000000000000, previous_secret = '{mark} sealed before', \
             previous_secret_until = 1790000000000000 WHERE id = {}",
            literal(change, id.0)
        ),
        format!(
            "UPDATE webhook_delivery SET attempts = 1, attempted_at = 1790000000000000, address = 'https://{mark}.example/hook', rendering = 1, \
             body = {}, answer_status = 500, answer_body = '{mark} answer', answer_millis = 12, error = '{mark} error' WHERE endpoint_id = {}",
            bytes(change, &format!("{{\"said\": \"{mark} body\"}}")),
            literal(change, id.0)
        ),
        format!(
            "UPDATE webhook_delivery SET state = 'FAILED', settled_at = 1790000000000000 WHERE id = {}",
            literal(change, ids[0].0)
        ),
    ];
    for statement in written {
        let done = change.transaction().execute_unprepared(&statement).await;
        assert!(done.unwrap().rows_affected() > 0, "{statement}");
    }
    id
}

fn literal(change: &Change, id: uuid::Uuid) -> String {
    if change.database().is_postgres() {
        format!("'{id}'")
    } else {
        format!("x'{}'", id.simple())
    }
}

fn bytes(change: &Change, text: &str) -> String {
    let hex = hex::encode(text);
    if change.database().is_postgres() {
        format!("'\\x{hex}'::bytea")
    } else {
        format!("x'{hex}'")
    }
}
