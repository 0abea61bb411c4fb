//! Creating and changing companies and their contacts.

use serde_json::{Value, json};

use super::super::creating;
use super::super::drafts::{CompanyDraft, CustomerDraft};
use super::super::gid::{self, Kind};
use super::super::graphql::{Args, Node};
use super::super::resolve::{Answering, At, Found};
use super::super::rest;
use super::{Given, Payload, Refusal, input};
use crate::clock::parse_instant;

const ERRORS: &str = "BusinessCustomerUserError";
const CREATE: Payload = Payload {
    name: "CompanyCreatePayload",
    made: "company",
    errors: ERRORS,
};
const UPDATE: Payload = Payload {
    name: "CompanyUpdatePayload",
    made: "company",
    errors: ERRORS,
};
const CONTACT: Payload = Payload {
    name: "CompanyContactCreatePayload",
    made: "companyContact",
    errors: ERRORS,
};
const ASSIGN: Payload = Payload {
    name: "CompanyAssignCustomerAsContactPayload",
    made: "companyContact",
    errors: ERRORS,
};

const REMOVE: Payload = Payload {
    name: "CompanyContactRemoveFromCompanyPayload",
    made: "removedCompanyContactId",
    errors: ERRORS,
};

fn draft(given: &Value) -> CompanyDraft {
    let given = Given(given);
    CompanyDraft {
        name: given.text("name"),
        note: given.text("note"),
        external_id: given.text("externalId"),
        customer: None,
    }
}

fn contact_draft(given: &Value) -> CustomerDraft {
    let fields = Given(given);
    CustomerDraft {
        first_name: fields.text("firstName"),
        last_name: fields.text("lastName"),
        email: fields.text("email"),
        phone: fields.text("phone"),
        ..CustomerDraft::default()
    }
}

impl Answering<'_> {
    fn company_refusals(
        &self,
        at: &[&str],
        draft: &CompanyDraft,
        own: Option<u64>,
    ) -> Vec<Refusal> {
        let path = |name: &'static str| at.iter().copied().chain([name]).collect::<Vec<_>>();
        let mut refusals = Vec::new();
        if draft
            .name
            .as_deref()
            .map_or(own.is_none(), |name| name.trim().is_empty())
        {
            refusals.push(Refusal::coded(
                &path("name"),
                "BLANK",
                "Name can't be blank",
            ));
        }
        if draft
            .name
            .as_deref()
            .is_some_and(|name| name.chars().count() > 255)
        {
            refusals.push(Refusal::coded(
                &path("name"),
                "TOO_LONG",
                "Name is too long (maximum is 255 characters)",
            ));
        }
        let external = draft.external_id.as_deref().filter(|id| !id.is_empty());
        let taken = external.is_some_and(|external| {
            let mut others = self
                .state
                .companies
                .values()
                .filter(|known| Some(known.id) != own);
            others.any(|known| known.external_id.as_deref() == Some(external))
        });
        if taken {
            refusals.push(Refusal::coded(
                &path("externalId"),
                "TAKEN",
                "External ID has already been taken",
            ));
        }
        refusals
    }

    pub(super) fn company_create(&mut self, args: &Args) -> Found {
        self.may_write("companyCreate", Kind::Company)?;
        let given = input(args, "input");
        let company = given.get("company").cloned().unwrap_or(Value::Null);
        let draft = draft(&company);
        let contact = given
            .get("companyContact")
            .filter(|contact| !contact.is_null())
            .cloned();
        let location = given
            .get("companyLocation")
            .filter(|location| !location.is_null())
            .cloned();
        let mut refusals = self.company_refusals(&["input", "company"], &draft, None);
        let buyer = contact.as_ref().map(contact_draft);
        if buyer
            .as_ref()
            .is_some_and(|buyer| buyer.email.as_deref().is_none_or(str::is_empty))
        {
            refusals.push(Refusal::coded(
                &["input", "companyContact", "email"],
                "BLANK",
                "Email can't be blank",
            ));
        }
        if !refusals.is_empty() {
            return Ok(CREATE.answer(Err(refusals)));
        }
        let since = company
            .get("customerSince")
            .and_then(Value::as_str)
            .and_then(parse_instant);
        let made = self.shop.store.change_locked(self.state, |change| {
            let customer = match buyer {
                Some(buyer) => {
                    let known = buyer
                        .email
                        .as_deref()
                        .and_then(|email| change.state.customer_by_email(email));
                    Some(match known {
                        Some(known) => known,
                        None => creating::create_customer(change, buyer)?,
                    })
                }
                None => None,
            };
            let id = creating::create_company(change, CompanyDraft { customer, ..draft })?;
            if let (Some(since), Some(company)) = (since, change.state.companies.get_mut(&id)) {
                company.customer_since = since;
            }
            if let Some(location) = &location
                && let Some(place) = change
                    .state
                    .locations
                    .values_mut()
                    .find(|place| place.company == id)
            {
                let fields = Given(location);
                place.name = fields
                    .text("name")
                    .filter(|name| !name.is_empty())
                    .unwrap_or_else(|| place.name.clone());
                place.note = fields.text("note");
                place.phone = fields.text("phone");
                place.external_id = fields.text("externalId");
                place.locale = fields.text("locale");
            }
            Ok(id)
        });
        Ok(CREATE.answer(match made {
            Ok(id) => Ok(Node::Ref(At::Record(Kind::Company, id))),
            Err(refused) => Err(vec![refusal(&["input"], &refused)]),
        }))
    }

    pub(super) fn company_update(&mut self, args: &Args) -> Found {
        self.may_write("companyUpdate", Kind::Company)?;
        let id = args
            .text("companyId")
            .and_then(|id| gid::parse_as(Kind::Company, id));
        let Some(old) = id.and_then(|id| self.state.companies.get(&id)).cloned() else {
            let missing = Refusal::coded(
                &["companyId"],
                "RESOURCE_NOT_FOUND",
                "Resource requested does not exist.",
            );
            return Ok(UPDATE.answer(Err(vec![missing])));
        };
        let given = input(args, "input");
        if given.as_object().is_none_or(serde_json::Map::is_empty) {
            let empty = Refusal::coded(
                &["input"],
                "NO_INPUT",
                "At least one attribute to change must be present",
            );
            return Ok(UPDATE.answer(Err(vec![empty])));
        }
        let draft = draft(&given);
        let refusals = self.company_refusals(&["input"], &draft, Some(old.id));
        if !refusals.is_empty() {
            return Ok(UPDATE.answer(Err(refusals)));
        }
        let mut company = old.clone();
        draft.apply(&mut company);
        if let Some(since) = given
            .get("customerSince")
            .and_then(Value::as_str)
            .and_then(parse_instant)
        {
            company.customer_since = since;
        }
        let id = old.id;
        if format!("{old:?}") != format!("{company:?}") {
            self.shop.store.change_locked(self.state, |change| {
                change.state.companies.insert(id, company);
                change.company(id, "companies/update");
            });
        }
        Ok(UPDATE.answer(Ok(Node::Ref(At::Record(Kind::Company, id)))))
    }

    pub(super) fn contact_create(&mut self, args: &Args) -> Found {
        self.may_write("companyContactCreate", Kind::CompanyContact)?;
        let company = args
            .text("companyId")
            .and_then(|id| gid::parse_as(Kind::Company, id));
        let Some(company) = company.filter(|id| self.state.exists(Kind::Company, *id)) else {
            let missing = Refusal::coded(
                &["companyId"],
                "RESOURCE_NOT_FOUND",
                "The company doesn't exist.",
            );
            return Ok(CONTACT.answer(Err(vec![missing])));
        };
        let given = input(args, "input");
        let draft = contact_draft(&given);
        let Some(email) = draft.email.clone().filter(|email| !email.is_empty()) else {
            let blank = Refusal::coded(&["input", "email"], "BLANK", "Email can't be blank");
            return Ok(CONTACT.answer(Err(vec![blank])));
        };
        if self.state.customer_by_email(&email).is_some() {
            let taken = Refusal::coded(
                &["input", "email"],
                "TAKEN",
                "Email address has already been taken.",
            );
            return Ok(CONTACT.answer(Err(vec![taken])));
        }
        let fields = Given(&given);
        let (title, locale) = (fields.text("title"), fields.text("locale"));
        let made = self.shop.store.change_locked(self.state, |change| {
            let customer = creating::create_customer(change, draft)?;
            Ok(creating::add_contact(
                change, company, customer, title, locale,
            ))
        });
        Ok(CONTACT.answer(match made {
            Ok(id) => Ok(Node::Ref(At::Record(Kind::CompanyContact, id))),
            Err(refused) => Err(vec![refusal(&["input"], &refused)]),
        }))
    }

    pub(super) fn contact_assign(&mut self, args: &Args) -> Found {
        self.may_write("companyAssignCustomerAsContact", Kind::CompanyContact)?;
        let company = args
            .text("companyId")
            .and_then(|id| gid::parse_as(Kind::Company, id));
        let customer = args
            .text("customerId")
            .and_then(|id| gid::parse_as(Kind::Customer, id));
        let there = |kind, id: Option<u64>| id.filter(|id| self.state.exists(kind, *id));
        let (Some(company), Some(customer)) = (
            there(Kind::Company, company),
            there(Kind::Customer, customer),
        ) else {
            let missing = Refusal::coded(
                &["companyId"],
                "RESOURCE_NOT_FOUND",
                "Resource requested does not exist.",
            );
            return Ok(ASSIGN.answer(Err(vec![missing])));
        };
        let mut contacts = self.state.contacts.values();
        if contacts.any(|contact| contact.customer == customer && contact.company == company) {
            let taken = Refusal::coded(
                &["companyId"],
                "INVALID_INPUT",
                "Customer is already associated with a company contact.",
            );
            return Ok(ASSIGN.answer(Err(vec![taken])));
        }
        let id = self.shop.store.change_locked(self.state, |change| {
            creating::add_contact(change, company, customer, None, None)
        });
        Ok(ASSIGN.answer(Ok(Node::Ref(At::Record(Kind::CompanyContact, id)))))
    }
}

impl Answering<'_> {
    pub(super) fn contact_remove(&mut self, args: &Args) -> Found {
        self.may_write("companyContactRemoveFromCompany", Kind::CompanyContact)?;
        let text = args.text("companyContactId").unwrap_or_default().to_owned();
        let id = gid::parse_as(Kind::CompanyContact, &text);
        let gone = id.and_then(|id| {
            self.shop.store.change_locked(self.state, |change| {
                let body = change
                    .state
                    .contacts
                    .get(&id)
                    .map(|contact| rest::contact(change.state, contact))?;
                let contact = change.state.contacts.remove(&id)?;
                if let Some(company) = change.state.companies.get_mut(&contact.company) {
                    company.main_contact = company.main_contact.filter(|main| *main != id);
                }
                change.tell("company_contacts/delete", body);
                Some(id)
            })
        });
        Ok(REMOVE.answer(match gone {
            Some(_) => Ok(Node::of(json!(text))),
            None => {
                let words = "The company contact doesn't exist.";
                Err(vec![Refusal::coded(
                    &["companyContactId"],
                    "RESOURCE_NOT_FOUND",
                    words,
                )])
            }
        }))
    }
}

fn refusal(at: &[&str], refused: &super::super::refused::Refused) -> Refusal {
    Refusal::coded(at, "INVALID", refused.to_string())
}
