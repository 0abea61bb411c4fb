//! The app's own affairs: webhook subscriptions, bulk operations, and its removal.

use serde_json::json;

use super::super::access;
use super::super::bulk;
use super::super::gid::{self, Kind};
use super::super::graphql::{Args, Node};
use super::super::resolve::{Answering, At, Found};
use super::super::subscriptions::{self, Subscription};
use super::{Given, Payload, Refusal, input};

const CREATE: Payload = Payload {
    name: "WebhookSubscriptionCreatePayload",
    made: "webhookSubscription",
    errors: "UserError",
};
const UPDATE: Payload = Payload {
    name: "WebhookSubscriptionUpdatePayload",
    made: "webhookSubscription",
    errors: "UserError",
};
const DELETE: Payload = Payload {
    name: "WebhookSubscriptionDeletePayload",
    made: "deletedWebhookSubscriptionId",
    errors: "UserError",
};
const RUN: Payload = Payload {
    name: "BulkOperationRunQueryPayload",
    made: "bulkOperation",
    errors: "BulkOperationUserError",
};
const CANCEL: Payload = Payload {
    name: "BulkOperationCancelPayload",
    made: "bulkOperation",
    errors: "UserError",
};
const UNINSTALL: Payload = Payload {
    name: "AppUninstallPayload",
    made: "app",
    errors: "AppUninstallAppUninstallError",
};

fn address(given: &Given<'_>) -> Option<String> {
    given
        .text("uri")
        .or_else(|| given.text("callbackUrl"))
        .filter(|uri| !uri.is_empty())
}

impl Answering<'_> {
    fn subscription_refusals(
        &self,
        topic: &str,
        uri: Option<&str>,
        format: Option<&str>,
        own: Option<u64>,
    ) -> Vec<Refusal> {
        let mut refusals = Vec::new();
        if let Some(scope) = subscriptions::scope_of(topic)
            && !access::holds(&self.caller.scopes, scope)
        {
            let name = subscriptions::slashed(topic);
            refusals.push(Refusal::new(
                &["webhookSubscription", "topic"],
                format!("You do not have permission to create or update webhooks with {name} topic. This topic requires one of the following scopes: {}", scope.join(", ")),
            ));
        }
        if format == Some("XML") {
            refusals.push(Refusal::new(
                &["webhookSubscription", "format"],
                "Format is not supported for the topic",
            ));
        }
        match uri {
            None => refusals.push(Refusal::new(
                &["webhookSubscription", "callbackUrl"],
                "Address can't be blank",
            )),
            Some(uri) => {
                if let Err(problem) = subscriptions::check_address(uri) {
                    refusals.push(Refusal::new(
                        &["webhookSubscription", "callbackUrl"],
                        problem,
                    ));
                }
                let mut others = self
                    .state
                    .subscriptions
                    .values()
                    .filter(|known| Some(known.id) != own);
                if others.any(|known| known.topic == topic && known.uri == uri) {
                    refusals.push(Refusal::new(
                        &["webhookSubscription", "callbackUrl"],
                        "Address for this topic has already been taken",
                    ));
                }
            }
        }
        refusals
    }

    pub(super) fn subscription_create(&mut self, args: &Args) -> Found {
        let topic = args.text("topic").unwrap_or_default().to_owned();
        let given = input(args, "webhookSubscription");
        let fields = Given(&given);
        let uri = address(&fields);
        let refusals = self.subscription_refusals(
            &topic,
            uri.as_deref(),
            fields.text("format").as_deref(),
            None,
        );
        let Some(uri) = uri.filter(|_| refusals.is_empty()) else {
            return Ok(CREATE.answer(Err(refusals)));
        };
        let id = self.shop.store.change_locked(self.state, |change| {
            let id = change.state.issue(Kind::WebhookSubscription);
            let now = change.now;
            change.state.subscriptions.insert(
                id,
                Subscription {
                    id,
                    topic,
                    uri,
                    name: fields.text("name"),
                    include_fields: fields.texts("includeFields").unwrap_or_default(),
                    metafield_namespaces: fields.texts("metafieldNamespaces").unwrap_or_default(),
                    created_at: now,
                    updated_at: now,
                },
            );
            id
        });
        Ok(CREATE.answer(Ok(Node::Ref(At::Record(Kind::WebhookSubscription, id)))))
    }

    pub(super) fn subscription_update(&mut self, args: &Args) -> Found {
        let id = args
            .text("id")
            .and_then(|id| gid::parse_as(Kind::WebhookSubscription, id));
        let Some(known) = id.and_then(|id| self.state.subscriptions.get(&id)).cloned() else {
            return Ok(UPDATE.answer(Err(vec![Refusal::new(
                &["id"],
                "Webhook subscription does not exist",
            )])));
        };
        let given = input(args, "webhookSubscription");
        let fields = Given(&given);
        let uri = address(&fields).unwrap_or_else(|| known.uri.clone());
        let refusals = self.subscription_refusals(
            &known.topic,
            Some(&uri),
            fields.text("format").as_deref(),
            Some(known.id),
        );
        if !refusals.is_empty() {
            return Ok(UPDATE.answer(Err(refusals)));
        }
        let id = known.id;
        self.shop.store.change_locked(self.state, |change| {
            let now = change.now;
            let changed = Subscription {
                uri,
                name: fields.text("name").or(known.name),
                include_fields: fields
                    .texts("includeFields")
                    .unwrap_or(known.include_fields),
                metafield_namespaces: fields
                    .texts("metafieldNamespaces")
                    .unwrap_or(known.metafield_namespaces),
                updated_at: now,
                ..known
            };
            change.state.subscriptions.insert(id, changed);
        });
        Ok(UPDATE.answer(Ok(Node::Ref(At::Record(Kind::WebhookSubscription, id)))))
    }

    pub(super) fn subscription_delete(&mut self, args: &Args) -> Found {
        let text = args.text("id").unwrap_or_default().to_owned();
        let id = gid::parse_as(Kind::WebhookSubscription, &text);
        let gone = id.and_then(|id| {
            self.shop
                .store
                .change_locked(self.state, |change| change.state.subscriptions.remove(&id))
        });
        Ok(DELETE.answer(match gone {
            Some(_) => Ok(Node::of(json!(text))),
            None => Err(vec![Refusal::new(
                &["id"],
                "Webhook subscription does not exist",
            )]),
        }))
    }

    pub(super) fn bulk_run(&mut self, args: &Args) -> Found {
        let query = args.text("query").unwrap_or_default().to_owned();
        let together = args.flag("groupObjects");
        if let Err(problem) = bulk::check(&self.shop.schema, &query) {
            return Ok(RUN.answer(Err(vec![Refusal::coded(&["query"], "INVALID", problem)])));
        }
        let running = self
            .state
            .operations
            .values()
            .filter(|operation| operation.status.runs())
            .count();
        if running >= self.shop.limits.bulk_operations {
            let last = self
                .state
                .operations
                .values()
                .rev()
                .find(|operation| operation.status.runs());
            let id = last
                .map(|operation| Kind::BulkOperation.gid(operation.id))
                .unwrap_or_default();
            let message = format!(
                "A bulk query operation for this app and shop is already in progress: {id}."
            );
            return Ok(RUN.answer(Err(vec![Refusal::coded(
                &[],
                "OPERATION_IN_PROGRESS",
                message,
            )])));
        }
        let scopes = self.caller.scopes.clone();
        let id = self.shop.store.change_locked(self.state, |change| {
            let id = change.state.issue(Kind::BulkOperation);
            let now = change.now;
            change
                .state
                .operations
                .insert(id, bulk::Operation::new(id, query, together, scopes, now));
            id
        });
        self.shop.start_bulk(id);
        Ok(RUN.answer(Ok(Node::Ref(At::Record(Kind::BulkOperation, id)))))
    }

    pub(super) fn bulk_cancel(&mut self, args: &Args) -> Found {
        let id = args
            .text("id")
            .and_then(|id| gid::parse_as(Kind::BulkOperation, id));
        let Some(id) = id.filter(|id| self.state.operations.contains_key(id)) else {
            return Ok(CANCEL.answer(Err(vec![Refusal::new(
                &["id"],
                "Bulk operation does not exist",
            )])));
        };
        let cancelled = self.shop.store.change_locked(self.state, |change| {
            change
                .state
                .operations
                .get_mut(&id)
                .is_some_and(bulk::Operation::cancel)
        });
        let node = Node::Ref(At::Record(Kind::BulkOperation, id));
        if cancelled {
            return Ok(CANCEL.answer(Ok(node)));
        }
        let refusal = Refusal::new(
            &[],
            "A bulk operation cannot be canceled when it is completed",
        );
        Ok(Node::Object(
            CANCEL.name,
            vec![
                ("bulkOperation", node),
                ("userErrors", Node::List(vec![CANCEL.error(&refusal)])),
            ],
        ))
    }

    pub(super) fn app_uninstall(&mut self) -> Found {
        // Done once the answer is written: the token this request came with dies of it.
        self.uninstall = true;
        Ok(UNINSTALL.answer(Ok(Node::Ref(At::Record(Kind::App, self.shop.app_id())))))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_older_name_of_the_address_is_read_too() {
        let older = json!({"callbackUrl": "http://127.0.0.1:1/x"});
        assert_eq!(
            address(&Given(&older)).as_deref(),
            Some("http://127.0.0.1:1/x")
        );
        assert_eq!(address(&Given(&Value::Null)), None);
    }
}
