//! Where queries start.

use serde_json::{Value, json};

use super::super::access;
use super::super::gid::{self, Kind};
use super::super::graphql::{Args, Fault, Node};
use super::super::paging::Key;
use super::super::versions;
use super::{Answering, At, Found, id_arg, number_key, unknown};

impl Answering<'_> {
    pub(super) fn query(&mut self, field: &str, args: &Args) -> Found {
        match field {
            "shop" => Ok(Node::Ref(At::Record(Kind::Shop, self.state.shop.id))),
            "orders" | "customers" | "companies" => self.list(field, args),
            "ordersCount" | "customersCount" | "companiesCount" => self.list_count(field, args),
            "order" => self.record(field, Kind::Order, id_arg(args, "id", Kind::Order)?),
            "customer" => self.record(field, Kind::Customer, id_arg(args, "id", Kind::Customer)?),
            "company" => self.record(field, Kind::Company, id_arg(args, "id", Kind::Company)?),
            "companyContact" => self.record(
                field,
                Kind::CompanyContact,
                id_arg(args, "id", Kind::CompanyContact)?,
            ),
            "customerByIdentifier" => self.customer_by(args),
            "metafieldDefinition" => Ok(self.definition(args)),
            "metafieldDefinitions" => self.definitions(args),
            "refund" => {
                self.need(field, Kind::Refund)?;
                match id_arg(args, "id", Kind::Refund)? {
                    Some(id) => self.refund(id),
                    None => Ok(Node::Null),
                }
            }
            "node" => self.node(args.text("id").unwrap_or_default()),
            "nodes" => {
                let ids: Vec<String> = args
                    .get("ids")
                    .and_then(Value::as_array)
                    .map(|ids| {
                        ids.iter()
                            .filter_map(Value::as_str)
                            .map(str::to_owned)
                            .collect()
                    })
                    .unwrap_or_default();
                if ids.len() > 250 {
                    return Err(Fault::new(
                        "MAX_INPUT_SIZE_EXCEEDED",
                        format!(
                            "The input array size of {} is greater than the maximum allowed of 250.",
                            ids.len()
                        ),
                    ));
                }
                ids.iter()
                    .map(|id| self.node(id))
                    .collect::<Result<Vec<_>, _>>()
                    .map(Node::List)
            }
            "currentAppInstallation" => Ok(Node::Ref(At::Record(
                Kind::AppInstallation,
                self.state.shop.id,
            ))),
            "appInstallation" => Ok(match args.text("id").map(gid::parse) {
                None => Node::Ref(At::Record(Kind::AppInstallation, self.state.shop.id)),
                Some(Some((Kind::AppInstallation, id))) if id == self.state.shop.id => {
                    Node::Ref(At::Record(Kind::AppInstallation, id))
                }
                Some(_) => Node::Null,
            }),
            "publicApiVersions" => Ok(versions::nodes()),
            "webhookSubscription" => self.record(
                field,
                Kind::WebhookSubscription,
                id_arg(args, "id", Kind::WebhookSubscription)?,
            ),
            "webhookSubscriptions" => self.subscriptions(args),
            "webhookSubscriptionsCount" => Ok(Self::count(
                self.state.subscriptions.len(),
                args.number("limit"),
            )),
            "bulkOperation" => self.record(
                field,
                Kind::BulkOperation,
                id_arg(args, "id", Kind::BulkOperation)?,
            ),
            "bulkOperations" => {
                let done = args.text("sortKey") == Some("COMPLETED_AT");
                let items = self
                    .state
                    .operations
                    .values()
                    .map(|operation| {
                        let at = if done {
                            operation.completed_at.unwrap_or(i64::MAX)
                        } else {
                            operation.created_at
                        };
                        (Key::Number(at), operation.id)
                    })
                    .collect();
                self.page(
                    items,
                    args,
                    Kind::BulkOperation,
                    ("BulkOperationConnection", "BulkOperationEdge"),
                )
            }
            "currentBulkOperation" => {
                let query = args.text("type").is_none_or(|kind| kind == "QUERY");
                let last = self
                    .state
                    .operations
                    .keys()
                    .next_back()
                    .copied()
                    .filter(|_| query);
                Ok(last.map_or(Node::Null, |id| {
                    Node::Ref(At::Record(Kind::BulkOperation, id))
                }))
            }
            other => Err(unknown(other)),
        }
    }

    fn node(&self, text: &str) -> Found {
        let Some((kind, id)) = gid::parse(text) else {
            if text.starts_with("gid://shopify/") {
                return Ok(Node::Null);
            }
            return Err(Fault::new(
                "RESOURCE_NOT_FOUND",
                format!("Invalid global id '{text}'"),
            ));
        };
        access::need(&self.caller.scopes, "node", access::to_read(kind))?;
        match kind {
            Kind::Refund => self.refund(id),
            Kind::App if id == self.shop.app_id() => Ok(Node::Ref(At::Record(kind, id))),
            Kind::AppInstallation if id == self.state.shop.id => {
                Ok(Node::Ref(At::Record(kind, id)))
            }
            _ => self.record("node", kind, Some(id)),
        }
    }

    fn subscriptions(&self, args: &Args) -> Found {
        let topics: Option<Vec<&str>> = args
            .get("topics")
            .and_then(Value::as_array)
            .map(|topics| topics.iter().filter_map(Value::as_str).collect());
        let uri = args.text("uri").or_else(|| args.text("callbackUrl"));
        let created = args.text("sortKey") != Some("ID");
        let items = self
            .state
            .subscriptions
            .values()
            .filter(|known| {
                topics
                    .as_ref()
                    .is_none_or(|topics| topics.contains(&known.topic.as_str()))
            })
            .filter(|known| uri.is_none_or(|uri| uri == known.uri))
            .filter(|_| args.get("format") != Some(&json!("XML")))
            .map(|known| {
                let key = if created {
                    Key::Number(known.created_at)
                } else {
                    number_key(known.id)
                };
                (key, known.id)
            })
            .collect();
        self.page(
            items,
            args,
            Kind::WebhookSubscription,
            ("WebhookSubscriptionConnection", "WebhookSubscriptionEdge"),
        )
    }
}
