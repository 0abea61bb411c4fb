//! Creating and changing customers.

use serde_json::Value;

use super::super::creating;
use super::super::drafts::CustomerDraft;
use super::super::gid::{self, Kind};
use super::super::graphql::{Args, Node};
use super::super::refused::Refused;
use super::super::resolve::{Answering, At, Found};
use super::{Given, Payload, Refusal, input, metafields};

const CREATE: Payload = Payload {
    name: "CustomerCreatePayload",
    made: "customer",
    errors: "UserError",
};
const UPDATE: Payload = Payload {
    name: "CustomerUpdatePayload",
    made: "customer",
    errors: "UserError",
};

fn draft(given: &Value) -> CustomerDraft {
    let given_fields = Given(given);
    CustomerDraft {
        first_name: given_fields.text("firstName"),
        last_name: given_fields.text("lastName"),
        email: given_fields.text("email"),
        phone: given_fields.text("phone"),
        note: given_fields.text("note"),
        tags: given_fields.texts("tags"),
        locale: given_fields
            .text("locale")
            .filter(|locale| !locale.is_empty()),
        tax_exempt: given.get("taxExempt").and_then(Value::as_bool),
    }
}

fn checked(draft: &CustomerDraft) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let bad = draft.email.as_deref().is_some_and(|email| {
        !email.is_empty()
            && !email.split_once('@').is_some_and(|(name, host)| {
                !name.is_empty() && host.contains('.') && !email.contains(' ')
            })
    });
    if bad {
        refusals.push(Refusal::new(&["email"], "Email is invalid"));
    }
    let phone = draft.phone.as_deref().filter(|phone| !phone.is_empty());
    let digits = |phone: &str| phone.chars().filter(char::is_ascii_digit).count();
    if phone.is_some_and(|phone| digits(phone) < 7 || phone.chars().any(char::is_alphabetic)) {
        refusals.push(Refusal::new(&["phone"], "Phone is invalid"));
    }
    refusals
}

fn told(refused: &Refused) -> Refusal {
    let text = refused.to_string();
    let field: &[&str] = if text.starts_with("Email") {
        &["email"]
    } else {
        &[]
    };
    Refusal::new(field, text)
}

impl Answering<'_> {
    pub(super) fn customer_create(&mut self, args: &Args) -> Found {
        self.may_write("customerCreate", Kind::Customer)?;
        let given = input(args, "input");
        let draft = draft(&given);
        let mut refusals = checked(&draft);
        refusals.extend(metafields::checked(
            self.state,
            (Kind::Customer, None),
            given.get("metafields"),
            self.shop.app_id(),
        ));
        if given.get("id").is_some_and(|id| !id.is_null()) {
            refusals.push(Refusal::new(&["id"], "Cannot specify ID on creation"));
        }
        if !refusals.is_empty() {
            return Ok(CREATE.answer(Err(refusals)));
        }
        let shop = self.shop;
        let made = shop.store.change_locked(self.state, |change| {
            let id = creating::create_customer(change, draft)?;
            metafields::put_all(
                change,
                (Kind::Customer, id),
                given.get("metafields"),
                shop.app_id(),
            );
            Ok(id)
        });
        Ok(CREATE.answer(match made {
            Ok(id) => Ok(Node::Ref(At::Record(Kind::Customer, id))),
            Err(refused) => Err(vec![told(&refused)]),
        }))
    }

    pub(super) fn customer_update(&mut self, args: &Args) -> Found {
        self.may_write("customerUpdate", Kind::Customer)?;
        let given = input(args, "input");
        let id = given
            .get("id")
            .and_then(Value::as_str)
            .and_then(|id| gid::parse_as(Kind::Customer, id));
        let Some(mut customer) = id.and_then(|id| self.state.customers.get(&id)).cloned() else {
            return Ok(UPDATE.answer(Err(vec![Refusal::new(&["id"], "Customer does not exist")])));
        };
        let draft = draft(&given);
        let mut refusals = checked(&draft);
        refusals.extend(metafields::checked(
            self.state,
            (Kind::Customer, id),
            given.get("metafields"),
            self.shop.app_id(),
        ));
        let before = (customer.clone(), customer.id);
        draft.apply(&mut customer);
        let taken = customer
            .email
            .as_deref()
            .and_then(|email| self.state.customer_by_email(email));
        if taken.is_some_and(|other| other != customer.id) {
            refusals.push(Refusal::new(&["email"], "Email has already been taken"));
        }
        if customer.display_name().is_empty() {
            refusals.push(Refusal::new(
                &[],
                "Customer must have a name, phone number or email address",
            ));
        }
        if !refusals.is_empty() {
            return Ok(UPDATE.answer(Err(refusals)));
        }
        let (old, id) = before;
        let shop = self.shop;
        shop.store.change_locked(self.state, |change| {
            let changed = format!("{old:?}") != format!("{customer:?}");
            let metafields = metafields::put_all(
                change,
                (Kind::Customer, id),
                given.get("metafields"),
                shop.app_id(),
            );
            // Writing what is there already is no change, and nobody is told of it.
            if changed || metafields {
                change.state.put_customer(customer);
                change.customer(id, "customers/update");
            }
        });
        Ok(UPDATE.answer(Ok(Node::Ref(At::Record(Kind::Customer, id)))))
    }
}
