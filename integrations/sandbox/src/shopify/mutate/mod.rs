//! Mutations. What the business refuses is told in `userErrors`, with HTTP 200 and no error at the top; what a scope refuses is an error.
//!
//! Invariant: a mutation that answers user errors has changed nothing.

mod app;
mod company;
mod customer;
mod definition;
mod metafields;
mod order;

use serde_json::{Value, json};

use super::access;
use super::gid::Kind;
use super::graphql::{Args, Fault, Node};
use super::resolve::{Answering, At, Found, unknown};

/// Something a mutation refuses: the field's path, the words, the code where the vendor has one.
#[derive(Debug)]
pub(crate) struct Refusal {
    field: Vec<String>,
    message: String,
    code: Option<&'static str>,
}

impl Refusal {
    pub(crate) fn new(field: &[&str], message: impl Into<String>) -> Self {
        Self {
            field: field.iter().map(|step| (*step).to_owned()).collect(),
            message: message.into(),
            code: None,
        }
    }

    pub(crate) fn coded(field: &[&str], code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code: Some(code),
            ..Self::new(field, message)
        }
    }
}

/// A payload: its type, what was made under which name, and the type of its errors.
pub(crate) struct Payload {
    pub(crate) name: &'static str,
    pub(crate) made: &'static str,
    pub(crate) errors: &'static str,
}

impl Payload {
    /// What was made, or why not.
    pub(crate) fn answer(&self, made: Result<Node<At>, Vec<Refusal>>) -> Node<At> {
        let (made, refusals) = match made {
            Ok(made) => (made, Vec::new()),
            Err(refusals) => (Node::Null, refusals),
        };
        let errors = refusals.iter().map(|refusal| self.error(refusal)).collect();
        Node::Object(
            self.name,
            vec![(self.made, made), ("userErrors", Node::List(errors))],
        )
    }

    fn error(&self, refusal: &Refusal) -> Node<At> {
        let field = if refusal.field.is_empty() {
            Node::Null
        } else {
            Node::of(json!(refusal.field))
        };
        Node::Object(
            self.errors,
            vec![
                ("field", field),
                ("message", Node::of(json!(refusal.message))),
                ("code", Node::text(refusal.code)),
                ("elementIndex", Node::Null),
            ],
        )
    }
}

/// The kind of record an owner type names; `None` for those the sandbox has not.
pub(crate) fn owner_kind(owner_type: &str) -> Option<Kind> {
    [Kind::Order, Kind::Customer, Kind::Company, Kind::Shop]
        .into_iter()
        .find(|kind| self::owner_type(*kind) == owner_type)
}

/// How the schema calls the owners of metafields.
pub(crate) fn owner_type(kind: Kind) -> &'static str {
    match kind {
        Kind::Customer => "CUSTOMER",
        Kind::Company => "COMPANY",
        Kind::Shop => "SHOP",
        _ => "ORDER",
    }
}

/// A namespace as it is kept: `$app` stands for what belongs to the app alone, and so does none.
pub(crate) fn placed(namespace: Option<String>, app_id: u64) -> String {
    let own = format!("app--{app_id}");
    match namespace {
        Some(name) if name == "$app" => own,
        Some(name) if !name.is_empty() => match name.strip_prefix("$app:") {
            Some(rest) => format!("{own}--{rest}"),
            None => name,
        },
        _ => own,
    }
}

/// The fields of an input object.
pub(crate) struct Given<'a>(pub(crate) &'a Value);

impl Given<'_> {
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.clone()),
            // A null empties the field.
            Value::Null => Some(String::new()),
            _ => None,
        }
    }

    pub(crate) fn texts(&self, name: &str) -> Option<Vec<String>> {
        let items = self.0.get(name)?.as_array()?;
        Some(
            items
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
        )
    }
}

pub(crate) fn input(args: &Args, name: &str) -> Value {
    args.get(name).cloned().unwrap_or_else(|| json!({}))
}

impl Answering<'_> {
    pub(crate) fn may_write(&self, field: &str, kind: Kind) -> Result<(), Fault> {
        access::need(&self.caller.scopes, field, access::to_write(kind))
    }

    pub(crate) fn mutate(&mut self, field: &str, args: &Args) -> Found {
        match field {
            "customerCreate" => self.customer_create(args),
            "customerUpdate" => self.customer_update(args),
            "companyCreate" => self.company_create(args),
            "companyUpdate" => self.company_update(args),
            "companyContactCreate" => self.contact_create(args),
            "companyContactRemoveFromCompany" => self.contact_remove(args),
            "metafieldDefinitionCreate" => self.definition_create(args),
            "companyAssignCustomerAsContact" => self.contact_assign(args),
            "orderUpdate" => self.order_update(args),
            "tagsAdd" => self.tags(args, true),
            "tagsRemove" => self.tags(args, false),
            "metafieldsSet" => self.metafields_set(args),
            "webhookSubscriptionCreate" => self.subscription_create(args),
            "webhookSubscriptionUpdate" => self.subscription_update(args),
            "webhookSubscriptionDelete" => self.subscription_delete(args),
            "bulkOperationRunQuery" => self.bulk_run(args),
            "bulkOperationCancel" => self.bulk_cancel(args),
            "appUninstall" => self.app_uninstall(),
            other => Err(unknown(other)),
        }
    }
}
