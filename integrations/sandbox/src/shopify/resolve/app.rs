//! The app, its installation, its webhook subscriptions and its bulk operations.

use serde_json::json;

use super::super::access;
use super::super::gid::Kind;
use super::super::graphql::Node;
use super::super::versions;
use super::{Answering, At, Found, maybe_time, number, text, time, unknown};

fn scope_nodes(scopes: &[String]) -> Node<At> {
    Node::List(
        scopes
            .iter()
            .map(|scope| {
                let words = scope.replace('_', " ");
                Node::Object(
                    "AccessScope",
                    vec![
                        ("handle", Node::of(json!(scope))),
                        ("description", Node::of(json!(words))),
                    ],
                )
            })
            .collect(),
    )
}

impl Answering<'_> {
    pub(super) fn app_field(&self, field: &str) -> Found {
        let app = self.shop.app();
        Ok(match field {
            "id" => Node::of(json!(Kind::App.gid(app.app_id))),
            "apiKey" => Node::of(json!(app.client_id)),
            "title" => Node::of("Partner platform"),
            "handle" => Node::of("partner-platform"),
            "developerName" => Node::of("Partner platform"),
            "embedded" => Node::of(false),
            "webhookApiVersion" => Node::of(versions::CURRENT),
            "requestedAccessScopes" => scope_nodes(&self.caller.scopes),
            "availableAccessScopes" => {
                let all: Vec<String> = access::SCOPES
                    .iter()
                    .map(|scope| (*scope).to_owned())
                    .collect();
                scope_nodes(&all)
            }
            other => return Err(unknown(other)),
        })
    }

    pub(super) fn installation_field(&self, field: &str) -> Found {
        Ok(match field {
            "id" => Node::of(json!(Kind::AppInstallation.gid(self.state.shop.id))),
            "app" => Node::Ref(At::Record(Kind::App, self.shop.app_id())),
            "accessScopes" => scope_nodes(&access::spelt_out(&self.caller.scopes)),
            other => return Err(unknown(other)),
        })
    }

    pub(super) fn subscription_field(&self, id: u64, field: &str) -> Found {
        let Some(found) = self.state.subscriptions.get(&id) else {
            return Err(unknown(field));
        };
        Ok(match field {
            "id" => Node::of(json!(Kind::WebhookSubscription.gid(id))),
            "legacyResourceId" => number(id),
            "topic" => Node::of(json!(found.topic)),
            "uri" | "callbackUrl" => Node::of(json!(found.uri)),
            "format" => Node::of("JSON"),
            "name" => text(&found.name),
            "includeFields" => Node::of(json!(found.include_fields)),
            "metafieldNamespaces" => Node::of(json!(found.metafield_namespaces)),
            "createdAt" => time(found.created_at),
            "updatedAt" => time(found.updated_at),
            "apiVersion" => versions::node(versions::CURRENT),
            "endpoint" => Node::Object(
                "WebhookHttpEndpoint",
                vec![("callbackUrl", Node::of(json!(found.uri)))],
            ),
            other => return Err(unknown(other)),
        })
    }

    pub(super) fn operation_field(&self, id: u64, field: &str) -> Found {
        let Some(found) = self.state.operations.get(&id) else {
            return Err(unknown(field));
        };
        let lasts = found.lasts(self.now);
        Ok(match field {
            "id" => Node::of(json!(Kind::BulkOperation.gid(id))),
            "status" => Node::of(if lasts {
                found.status.name()
            } else {
                "EXPIRED"
            }),
            "type" => Node::of("QUERY"),
            "query" => Node::of(json!(found.query)),
            "errorCode" => Node::text(found.error_code.as_deref()),
            "createdAt" => time(found.created_at),
            "completedAt" => maybe_time(found.completed_at),
            "objectCount" => number(found.objects),
            "rootObjectCount" => number(found.roots),
            "fileSize" => found.size.map_or(Node::Null, number),
            "url" => match (found.status.complete() && lasts, found.size) {
                (true, Some(size)) if size > 0 => Node::of(json!(self.shop.result_url(found))),
                _ => Node::Null,
            },
            "partialDataUrl" => match (found.status.failed() && lasts, found.size) {
                (true, Some(size)) if size > 0 => Node::of(json!(self.shop.result_url(found))),
                _ => Node::Null,
            },
            other => return Err(unknown(other)),
        })
    }
}
