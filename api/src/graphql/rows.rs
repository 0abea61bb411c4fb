//! Rows as answers, without a future for every field.
//!
//! A list of a hundred rows with five fields is five hundred futures to the GraphQL library, though nearly all of them are ready at once. [`Rows`]
//! and [`One`] look at the selection once: fields that a type declares as [`Plain`] are read from each row directly, the others
//! run through the library's own resolver with its guards and errors. They hold no rule: a field is plain only when it takes no argument, has no
//! guard and depends on nothing but the row. What the plan does not know (fragments, directives, a key that is asked for twice) sends the
//! whole selection through the library. A test holds both ways against each other.

use async_graphql::SelectionField;
use async_graphql::parser::types::{Field, Selection};
use async_graphql::registry::Registry;
use async_graphql::{
    ContainerType, ContextSelectionSet, Name, OutputType, Positioned, ServerResult, Value,
};
use entities::money::Money;
use entities::positional::{Columns, Positional};
use futures::future::join_all;
use std::borrow::Cow;

type Members = async_graphql::indexmap::IndexMap<Name, Value>;

/// How a plain field is read from a row.
pub enum Plain<T> {
    /// A scalar, an enum, or a list of them.
    Leaf(fn(&T) -> Value),
    /// An amount with its currency.
    Money(fn(&T) -> Option<Money>),
}

/// An object with plain fields.
pub trait Row: ContainerType {
    /// How a field is read, where it is plain.
    fn plain(field: &str) -> Option<Plain<Self>>
    where
        Self: Sized;

    /// The columns a field is read from, where that is declared: its own and those by which it finds others, besides the ones that are always
    /// read. A field that declares nothing is taken to need them all, so that forgetting one costs time and no answer.
    #[must_use]
    fn columns(field: &str) -> Option<&'static [&'static str]> {
        let _nothing_declared = field;
        None
    }
}

/// The columns that a selection of rows is read from.
pub(crate) fn columns<'a, T: Row, M: Positional>(
    selections: impl Iterator<Item = SelectionField<'a>>,
) -> Columns {
    let mut columns = Columns::least::<M>();
    for selection in selections {
        for field in selection.selection_set() {
            match (field.name(), T::columns(field.name())) {
                ("__typename", _) => {}
                (_, Some(names)) => columns = columns.with::<M>(names.iter().copied()),
                (_, None) => return Columns::all::<M>(),
            }
        }
    }
    columns
}

/// The columns that a list is read from, for what is asked of its entries.
pub(crate) fn columns_of_list<T: Row, M: Positional>(list: SelectionField<'_>) -> Columns {
    let mut rows = Vec::new();
    for part in list.selection_set() {
        match part.name() {
            "nodes" => rows.push(part),
            "edges" => rows.extend(
                part.selection_set()
                    .filter(|member| member.name() == "node"),
            ),
            // The page's cursors are made of the order's columns, which are always read.
            _ => {}
        }
    }
    columns::<T, M>(rows.into_iter())
}

/// Rows in a list; to a client it is the list of their type.
pub struct Rows<T>(pub Vec<T>);

/// A row on its own; to a client it is its type.
pub struct One<T>(pub T);

#[derive(Clone, Copy)]
enum MoneyPart {
    Amount,
    Currency,
    TypeName,
}

enum Step<'a, T> {
    TypeName,
    Leaf(fn(&T) -> Value),
    Money(fn(&T) -> Option<Money>, Vec<(Name, MoneyPart)>),
    Slow(&'a Positioned<Field>),
}

struct Plan<'a, T> {
    steps: Vec<(Name, Step<'a, T>)>,
    slow: usize,
}

/// The fields of a selection under their keys; none when it holds more than different plain fields.
fn fields(items: &[Positioned<Selection>]) -> Option<Vec<(&Name, &Positioned<Field>)>> {
    let mut fields: Vec<(&Name, &Positioned<Field>)> = Vec::with_capacity(items.len());
    for item in items {
        let Selection::Field(field) = &item.node else {
            return None;
        };
        let key = &field.node.response_key().node;
        if !field.node.directives.is_empty() || fields.iter().any(|(known, _)| *known == key) {
            return None;
        }
        fields.push((key, field));
    }
    Some(fields)
}

fn money_parts(field: &Field) -> Option<Vec<(Name, MoneyPart)>> {
    let part = |(key, field): (&Name, &Positioned<Field>)| {
        let part = match field.node.name.node.as_str() {
            "amount" => MoneyPart::Amount,
            "currency" => MoneyPart::Currency,
            "__typename" => MoneyPart::TypeName,
            _ => return None,
        };
        Some((key.clone(), part))
    };
    fields(&field.selection_set.node.items)?
        .into_iter()
        .map(part)
        .collect()
}

impl<'a, T: Row> Plan<'a, T> {
    fn of(ctx: &ContextSelectionSet<'a>) -> Option<Self> {
        let mut steps = Vec::with_capacity(ctx.item.node.items.len());
        let mut slow = 0;
        for (key, field) in fields(&ctx.item.node.items)? {
            let name = field.node.name.node.as_str();
            let plain = if field.node.arguments.is_empty() {
                T::plain(name)
            } else {
                None
            };
            let step = match plain {
                _ if name == "__typename" => Step::TypeName,
                Some(Plain::Leaf(read)) => Step::Leaf(read),
                Some(Plain::Money(read)) => match money_parts(&field.node) {
                    Some(parts) => Step::Money(read, parts),
                    None => Step::Slow(field),
                },
                None => Step::Slow(field),
            };
            slow += usize::from(matches!(step, Step::Slow(_)));
            steps.push((key.clone(), step));
        }
        // The library adds what introspection needs; where nothing is plain there is nothing to gain.
        (slow < steps.len()).then_some(Self { steps, slow })
    }

    /// The fields that are ready, and null in the place of those that are not.
    fn ready(&self, row: &T) -> Members {
        let mut members = Members::with_capacity(self.steps.len());
        for (key, step) in &self.steps {
            let value = match step {
                Step::TypeName => Value::String(row.introspection_type_name().into_owned()),
                Step::Leaf(read) => read(row),
                Step::Money(read, parts) => {
                    read(row).map_or(Value::Null, |money| money_value(money, parts))
                }
                Step::Slow(_) => Value::Null,
            };
            members.insert(key.clone(), value);
        }
        members
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, row: &T) -> Value {
        let mut members = self.ready(row);
        if self.slow == 0 {
            return Value::Object(members);
        }
        let slow = self.steps.iter().filter_map(|(key, step)| match step {
            Step::Slow(field) => Some((key, *field)),
            _ => None,
        });
        let answer = |(key, field)| async move {
            let ctx_field = ctx.with_field(field);
            (key, row.resolve_field(&ctx_field).await)
        };
        // All of them at once, as the library does it; one alone needs no gathering.
        let answers = match (self.slow, slow) {
            (1, mut slow) => match slow.next() {
                Some(only) => vec![answer(only).await],
                None => Vec::new(),
            },
            (_, slow) => join_all(slow.map(answer)).await,
        };
        for (key, answer) in answers {
            match answer {
                Ok(value) => {
                    members.insert(key.clone(), value.unwrap_or_default());
                }
                Err(error) => {
                    // As the library does it: a field that failed is left out, and an object without any is null.
                    ctx.add_error(error);
                    members.shift_remove(key);
                }
            }
        }
        if members.is_empty() {
            Value::Null
        } else {
            Value::Object(members)
        }
    }
}

fn money_value(money: Money, parts: &[(Name, MoneyPart)]) -> Value {
    let value = |part: MoneyPart| match part {
        MoneyPart::Amount => money.to_decimal().to_string(),
        MoneyPart::Currency => money.currency.to_string(),
        MoneyPart::TypeName => "Money".to_owned(),
    };
    Value::Object(
        parts
            .iter()
            .map(|(key, part)| (key.clone(), Value::String(value(*part))))
            .collect(),
    )
}

impl<T: Row> OutputType for Rows<T> {
    fn type_name() -> Cow<'static, str> {
        Vec::<T>::type_name()
    }

    fn qualified_type_name() -> String {
        Vec::<T>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Vec::<T>::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        let Some(plan) = Plan::of(ctx) else {
            return Box::pin(self.0.resolve(ctx, field)).await;
        };
        if plan.slow == 0 {
            return Ok(Value::List(
                self.0
                    .iter()
                    .map(|row| Value::Object(plan.ready(row)))
                    .collect(),
            ));
        }
        // One after the other: what the first row loads, it loads for all.
        let mut values = Vec::with_capacity(self.0.len());
        for (index, row) in self.0.iter().enumerate() {
            let ctx_row = ctx.with_index(index);
            values.push(plan.resolve(&ctx_row, row).await);
        }
        Ok(Value::List(values))
    }
}

impl<T: Row> OutputType for One<T> {
    fn type_name() -> Cow<'static, str> {
        T::type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        T::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        match Plan::of(ctx) {
            Some(plan) => Ok(plan.resolve(ctx, &self.0).await),
            None => Box::pin(self.0.resolve(ctx, field)).await,
        }
    }
}

/// A text as an answer.
pub(crate) fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// A text that may be absent.
pub(crate) fn optional_text(text: Option<&str>) -> Value {
    text.map_or(Value::Null, self::text)
}

/// Types whose fields all go through the library.
macro_rules! without_plain_fields {
    ($($row:path),* $(,)?) => {
        $(impl Row for $row {
            fn plain(_: &str) -> Option<Plain<Self>> {
                None
            }
        })*
    };
}

without_plain_fields!(
    super::activity::Activity,
    super::agreement::Agreement,
    super::commission_rule::CommissionRule,
    super::connection::Connection,
    super::contact::Contact,
    super::customer::Customer,
    super::goal::Goal,
    super::identity_provider::IdentityProvider,
    super::oauth_client::OAuthClient,
    super::deal_registration::DealRegistration,
    super::ledger_dispute::LedgerDispute,
    super::ledger_entry::LedgerEntry,
    super::obligation::Obligation,
    super::partner_application::PartnerApplication,
    super::partnership::Partnership,
    super::payout::Payout,
    super::privacy_request::PrivacyRequest,
    super::program::Program,
    super::revenue_event::RevenueEvent,
    super::statement::Statement,
    super::sync_conflict::SyncConflict,
    super::mail_message::MailMessage,
    super::automation::Automation,
    super::automation::run::AutomationRun,
    super::webhook_delivery::WebhookDelivery,
    super::webhook_endpoint::WebhookEndpoint,
    super::sync_run::SyncRun,
    super::user::User,
);

#[cfg(test)]
mod tests;
