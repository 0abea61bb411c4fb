//! Changing orders, and tags of what has tags.

use serde_json::Value;

use super::super::drafts::OrderEdit;
use super::super::gid::{self, Kind};
use super::super::graphql::{Args, Node};
use super::super::resolve::{Answering, At, Found};
use super::{Given, Payload, Refusal, input, metafields};

const UPDATE: Payload = Payload {
    name: "OrderUpdatePayload",
    made: "order",
    errors: "UserError",
};
const ADD: Payload = Payload {
    name: "TagsAddPayload",
    made: "node",
    errors: "UserError",
};
const REMOVE: Payload = Payload {
    name: "TagsRemovePayload",
    made: "node",
    errors: "UserError",
};

impl Answering<'_> {
    pub(super) fn order_update(&mut self, args: &Args) -> Found {
        self.may_write("orderUpdate", Kind::Order)?;
        let given = input(args, "input");
        let id = given
            .get("id")
            .and_then(Value::as_str)
            .and_then(|id| gid::parse_as(Kind::Order, id));
        let Some(old) = id
            .and_then(|id| self.state.orders.get(&id))
            .filter(|order| self.sees(order))
            .cloned()
        else {
            return Ok(UPDATE.answer(Err(vec![Refusal::new(&["id"], "Order does not exist")])));
        };
        let refusals = metafields::checked(
            self.state,
            (Kind::Order, id),
            given.get("metafields"),
            self.shop.app_id(),
        );
        if !refusals.is_empty() {
            return Ok(UPDATE.answer(Err(refusals)));
        }
        let fields = Given(&given);
        let mut order = old.clone();
        OrderEdit {
            note: fields.text("note"),
            tags: fields.texts("tags"),
            email: fields.text("email"),
            po_number: fields.text("poNumber"),
        }
        .apply(&mut order);
        if let Some(phone) = fields.text("phone") {
            order.phone = Some(phone).filter(|phone| !phone.is_empty());
        }
        if let Some(attributes) = given.get("customAttributes").and_then(Value::as_array) {
            order.attributes = attributes
                .iter()
                .filter_map(|one| {
                    Some((
                        one.get("key")?.as_str()?.to_owned(),
                        one.get("value")?.as_str()?.to_owned(),
                    ))
                })
                .collect();
        }
        let (id, shop) = (old.id, self.shop);
        shop.store.change_locked(self.state, |change| {
            let changed = format!("{old:?}") != format!("{order:?}");
            let metafields = metafields::put_all(
                change,
                (Kind::Order, id),
                given.get("metafields"),
                shop.app_id(),
            );
            if changed || metafields {
                change.state.orders.insert(id, order);
                change.order(id, &["orders/updated"]);
            }
        });
        Ok(UPDATE.answer(Ok(Node::Ref(At::Record(Kind::Order, id)))))
    }

    pub(super) fn tags(&mut self, args: &Args, add: bool) -> Found {
        let payload = if add { ADD } else { REMOVE };
        let owner = args.text("id").and_then(gid::parse);
        let owner = owner.filter(|(kind, id)| {
            matches!(kind, Kind::Order | Kind::Customer) && self.state.exists(*kind, *id)
        });
        let Some(owner) = owner else {
            return Ok(payload.answer(Err(vec![Refusal::new(&["id"], "Resource does not exist")])));
        };
        self.may_write(if add { "tagsAdd" } else { "tagsRemove" }, owner.0)?;
        let tags = Given(&Value::Object(args.0.clone()))
            .texts("tags")
            .unwrap_or_default();
        self.shop.store.change_locked(self.state, |change| {
            let held = match owner.0 {
                Kind::Order => change
                    .state
                    .orders
                    .get_mut(&owner.1)
                    .map(|order| &mut order.tags),
                _ => change
                    .state
                    .customers
                    .get_mut(&owner.1)
                    .map(|customer| &mut customer.tags),
            };
            let Some(held) = held else {
                return;
            };
            let before = held.clone();
            if add {
                for tag in tags {
                    if !held.contains(&tag) {
                        held.push(tag);
                    }
                }
                held.sort();
            } else {
                held.retain(|tag| !tags.contains(tag));
            }
            if *held != before {
                change.touched(owner);
            }
        });
        Ok(payload.answer(Ok(Node::Ref(At::Record(owner.0, owner.1)))))
    }
}
