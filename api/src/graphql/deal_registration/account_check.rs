//! A partner's question whether an account is free: one word, and nothing of others.
//!
//! It is a mutation, because every question is kept and counted, and because an account's name does not belong into an address.

use super::mutation::AccountInput;
use crate::graphql::context::requires_scope;
use crate::graphql::edit::{Edit, UserError, id_input};
use crate::graphql::scalar::DateTime;
use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use entities::deal_registration::conflict::{self, Told, Wanted};
use entities::error::{Error, ViolationCode};
use entities::viewer::Scope;

/// How many questions of a partner are answered in an hour: enough for who looks before it registers, too few for who copies a list.
const HOURLY: u64 = 60;

/// What is told of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(remote = "conflict::AccountAnswer")]
pub enum AccountAvailability {
    /// Nothing stands against a registration.
    Available,
    /// Somebody works on it.
    Claimed,
    /// It buys from us.
    Customer,
    /// An agreement keeps it for somebody.
    Excluded,
}

/// A question whether an account is free.
#[derive(Debug, InputObject)]
pub struct CheckAccountInput {
    /// The account.
    pub account: AccountInput,
    /// For which products; for all when nothing is said.
    #[graphql(default)]
    pub products: Vec<String>,
    /// Where; everywhere when nothing is said.
    #[graphql(default)]
    pub territories: Vec<String>,
    /// For which partner staff asks; a partner asks for itself.
    pub partner_id: Option<ID>,
}

impl CheckAccountInput {
    async fn apply(self, edit: &mut Edit<'_>) -> entities::error::Result<Told> {
        let partner = match (edit.request.viewer.partner(), self.partner_id) {
            (Some(own), None) => own,
            (Some(own), Some(named)) if named.parse() == Ok(own) => own,
            (Some(_), Some(_)) => return Err(Error::not_found("partnerId")),
            (None, Some(named)) => id_input(&named, "partnerId")?,
            (None, None) => {
                let message = "Say for which partner.";
                return Err(Error::invalid(ViolationCode::Blank, "partnerId", message));
            }
        };
        let wanted = Wanted {
            account: self.account.read(),
            products: self.products,
            territories: self.territories,
        };
        conflict::check_account(&mut edit.change, partner, &wanted, HOURLY).await
    }
}

/// The answer of `checkAccount`.
#[derive(SimpleObject)]
pub struct CheckAccountPayload {
    /// One word; null when the question was refused.
    pub availability: Option<AccountAvailability>,
    /// Of CLAIMED, until when, where that is known.
    pub claimed_until: Option<DateTime>,
    /// Why the question was refused; empty when it was answered.
    pub user_errors: Vec<UserError>,
}

/// Questions about accounts.
#[derive(Default)]
pub struct AccountCheckMutation;

#[Object]
impl AccountCheckMutation {
    /// Says whether an account is free, in one word: never who claims it, whom it buys from or how much. A partner is answered 60 times an hour.
    #[graphql(directive = requires_scope::apply("registrations:submit".to_owned()))]
    async fn check_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which account.")] input: CheckAccountInput,
    ) -> Result<CheckAccountPayload> {
        let mut edit = Edit::begin_own(ctx, Scope::RegistrationsSubmit, None).await?;
        let result = input.apply(&mut edit).await;
        Ok(match edit.finish(result, |_| None).await? {
            Ok(told) => CheckAccountPayload {
                availability: Some(told.answer.into()),
                claimed_until: told.until.map(DateTime),
                user_errors: Vec::new(),
            },
            Err(user_errors) => CheckAccountPayload {
                availability: None,
                claimed_until: None,
                user_errors,
            },
        })
    }
}
