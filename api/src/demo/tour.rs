//! What the four systems do together, shown and measured: a deal is won in the CRM and stands in GraphQL, in the other CRM and in the chat; an
//! order is paid in the shop and becomes a revenue event of its partner; a person confirms the deal by a button.
//!
//! The tour knows nothing that a person at this machine would not: it edits through the doors of the sandboxes, asks our GraphQL with the token
//! of the demonstration, and looks into the sandboxes for what arrived. A time is what passed between the edit and the first look that saw it.

use super::connecting::CHANNEL;
use crate::cli::Failure;
use integrations::{hubspot, salesforce, shopify, slack};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use url::Url;

/// The longest a step may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// Something that was seen.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Seen {
    /// Where.
    pub(super) r#where: &'static str,
    /// What.
    pub(super) what: String,
    /// How long after the edit, in milliseconds.
    pub(super) millis: u128,
}

/// One edit and what followed from it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Step {
    /// What a person did, and where.
    pub(super) did: String,
    /// What was seen of it.
    pub(super) seen: Vec<Seen>,
}

/// A person at this machine.
pub(super) struct Guide {
    client: reqwest::Client,
    graphql: String,
    token: SecretString,
    sandboxes: BTreeMap<&'static str, Url>,
}

/// What a person could do next, in terms of one line for a shell.
pub(super) struct Offer {
    /// What it does.
    pub(super) does: String,
    /// The line.
    pub(super) line: String,
}

/// A deal that can be won, as both sides know it.
struct Candidate {
    id: String,
    name: String,
    partner: Option<String>,
    external_id: String,
}

impl Guide {
    pub(super) const fn new(
        client: reqwest::Client,
        graphql: String,
        token: SecretString,
        sandboxes: BTreeMap<&'static str, Url>,
    ) -> Self {
        Self {
            client,
            graphql,
            token,
            sandboxes,
        }
    }

    /// Walks the whole tour.
    pub(super) async fn walk(&self) -> Result<Vec<Step>, Failure> {
        let deal = self
            .candidate()
            .await?
            .ok_or_else(|| Failure::Fault("the tour found no open deal to win".to_owned()))?;
        let won = self.win(&deal).await?;
        let message = self.message_about(&deal.name).await?;
        let confirmed = self.confirm(&deal, message).await?;
        let ordered = self.order().await?;
        Ok(vec![won, confirmed, ordered])
    }

    /// What a person could do, line by line.
    pub(super) async fn offers(&self) -> Result<Vec<Offer>, Failure> {
        let mut offers = Vec::new();
        let json = "-H 'Content-Type: application/json'";
        if let Some(deal) = self.candidate().await? {
            let url = self.deal_door(&deal)?;
            offers.push(Offer {
                does: format!("Win {:?} in HubSpot", deal.name),
                line: format!("curl -X PATCH {url} {json} -d '{}'", won_body()),
            });
        }
        let accounts = self.door(salesforce::ID, "__sandbox/records/Opportunity")?;
        offers.push(Offer {
            does: "See it in Salesforce".to_owned(),
            line: format!("curl {accounts}"),
        });
        let channel = format!("__sandbox/channels/{CHANNEL}/messages");
        offers.push(Offer {
            does: format!(
                "Read #{CHANNEL} in Slack (in a browser: {})",
                self.door(slack::ID, "__sandbox/")?
            ),
            line: format!("curl {}", self.door(slack::ID, &channel)?),
        });
        let (partner, code) = self.coupon().await?;
        let orders = self.door(shopify::ID, "__sandbox/records/orders")?;
        offers.push(Offer {
            does: format!("Order in the Shopify shop with the code of {partner:?}"),
            line: format!("curl {orders} {json} -d '{}'", order_body(&code)),
        });
        Ok(offers)
    }

    /// An open deal that its partner and the CRM know.
    async fn candidate(&self) -> Result<Option<Candidate>, Failure> {
        let query = "{ deals(first: 100, orderBy: [{field: UPDATED_AT, direction: DESC}], filter: {hasCustomer: true, stage: {in: [PROSPECT, QUALIFIED, TECHNICAL_VALIDATION, BUSINESS_VALIDATION, COMMITTED]}}) { nodes { id name partners { partner { name } } } } connections(first: 100) { nodes { id connector } } }";
        let data = self.ask(query, json!({})).await?;
        let Some(crm) = list(&data, "/connections/nodes").find_map(|row| {
            (text(row, "/connector") == Some(hubspot::ID)).then(|| text(row, "/id"))?
        }) else {
            return Ok(None);
        };
        let mut deals: Vec<&Value> = list(&data, "/deals/nodes").collect();
        // One with a partner tells more; the order among equals stays.
        deals.sort_by_key(|deal| text(deal, "/partners/0/partner/name").is_none());
        for deal in deals {
            let (Some(id), Some(name)) = (text(deal, "/id"), text(deal, "/name")) else {
                continue;
            };
            if let Some(external_id) = self.external_id(id, crm).await? {
                return Ok(Some(Candidate {
                    id: id.to_owned(),
                    name: name.to_owned(),
                    partner: text(deal, "/partners/0/partner/name").map(str::to_owned),
                    external_id,
                }));
            }
        }
        Ok(None)
    }

    /// What a connection's system calls a row of ours.
    async fn external_id(&self, id: &str, connection: &str) -> Result<Option<String>, Failure> {
        let query =
            "query($id: ID!) { recordTimeline(id: $id) { entries { kind connectionId detail } } }";
        let data = self.ask(query, json!({ "id": id })).await?;
        let link = list(&data, "/recordTimeline/entries").find(|entry| {
            text(entry, "/kind") == Some("LINK") && text(entry, "/connectionId") == Some(connection)
        });
        Ok(link
            .and_then(|entry| text(entry, "/detail/externalId"))
            .map(str::to_owned))
    }

    async fn win(&self, deal: &Candidate) -> Result<Step, Failure> {
        let url = self.deal_door(deal)?;
        let began = Instant::now();
        self.send(self.client.patch(url).json(&won_body())).await?;
        let here = self.until(began, "GraphQL", async || {
            let query = "query($id: ID!) { deal(id: $id) { stage } }";
            let data = self.ask(query, json!({ "id": deal.id })).await?;
            let won = text(&data, "/deal/stage") == Some("WON");
            Ok(won.then(|| format!("{:?} is WON", deal.name)))
        });
        let there = self.until(began, "Salesforce", async || {
            let all = self.door(salesforce::ID, "__sandbox/records/Opportunity")?;
            let all = self.send(self.client.get(all)).await?;
            let found = list(&all, "").find(|record| {
                text(record, "/Name") == Some(&deal.name)
                    && record.pointer("/IsWon") == Some(&Value::Bool(true))
            });
            Ok(found.map(|record| {
                let id = text(record, "/Id").unwrap_or_default();
                let stage = text(record, "/StageName").unwrap_or_default();
                format!("opportunity {id} is {stage}")
            }))
        });
        let told = self.until(began, "Slack", async || {
            let found = self.find_message(&deal.name).await?;
            Ok(found.map(|_| format!("#{CHANNEL} is told")))
        });
        let (here, there, told) = tokio::try_join!(here, there, told)?;
        let of = deal.partner.as_ref();
        Ok(Step {
            did: format!(
                "{:?}{} was won in HubSpot",
                deal.name,
                of.map_or_else(String::new, |partner| format!(
                    ", which {partner} shares in,"
                ))
            ),
            seen: vec![here, there, told],
        })
    }

    /// The message about a deal, as the chat shows it.
    async fn message_about(&self, name: &str) -> Result<Value, Failure> {
        self.find_message(name)
            .await?
            .ok_or_else(|| Failure::Fault("the message has gone again".to_owned()))
    }

    async fn find_message(&self, name: &str) -> Result<Option<Value>, Failure> {
        let channel = format!("__sandbox/channels/{CHANNEL}/messages");
        let url = self.door(slack::ID, &channel)?;
        let messages = self.send(self.client.get(url)).await?;
        // The vendor's escapes of a plain name.
        let shown = name
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        let found = list(&messages, "").filter(|message| message.to_string().contains(&shown));
        Ok(found.last().cloned())
    }

    async fn confirm(&self, deal: &Candidate, message: Value) -> Result<Step, Failure> {
        let action = actions(&message).find(|action| action.contains("confirm"));
        let (Some(ts), Some(action)) = (text(&message, "/ts"), action) else {
            return Err(Failure::Fault(
                "the message has no button to confirm the deal".to_owned(),
            ));
        };
        let press = json!({ "channel": CHANNEL, "ts": ts, "action_id": action });
        let url = self.door(slack::ID, "__sandbox/press")?;
        let began = Instant::now();
        self.send(self.client.post(url).json(&press)).await?;
        let seen = self.until(began, "GraphQL", async || {
            let query = "query($id: ID!) { deal(id: $id) { outcomeConfirmation { decision userName userId } } }";
            let data = self.ask(query, json!({ "id": deal.id })).await?;
            let said = data.pointer("/deal/outcomeConfirmation");
            let said = said.filter(|said| !said.is_null());
            Ok(said.map(|said| {
                let who = text(said, "/userName").or_else(|| text(said, "/userId"));
                format!("{} by {}", text(said, "/decision").unwrap_or_default(), who.unwrap_or_default())
            }))
        });
        Ok(Step {
            did: "Somebody pressed \"Confirm\" below that message in Slack".to_owned(),
            seen: vec![seen.await?],
        })
    }

    /// A partner, and the discount code it gives to its customers.
    async fn coupon(&self) -> Result<(String, String), Failure> {
        let query = "{ connections(first: 100) { nodes { connector mapping { order { partnerFrom { partners { value partner } } } } } } }";
        let data = self.ask(query, json!({})).await?;
        let codes = list(&data, "/connections/nodes")
            .filter(|row| text(row, "/connector") == Some(shopify::ID))
            .flat_map(|row| list(row, "/mapping/order/partnerFrom/0/partners"));
        for code in codes {
            let (Some(value), Some(id)) = (text(code, "/value"), text(code, "/partner")) else {
                continue;
            };
            let query = "query($id: ID!) { partner(id: $id) { name } }";
            let partner = self.ask(query, json!({ "id": id })).await?;
            if let Some(name) = text(&partner, "/partner/name") {
                return Ok((name.to_owned(), value.to_uppercase()));
            }
        }
        Err(Failure::Fault(
            "no discount code of the shop belongs to a partner".to_owned(),
        ))
    }

    async fn order(&self) -> Result<Step, Failure> {
        let (partner, code) = self.coupon().await?;
        let query = "{ revenueEvents(first: 1, filter: {kind: {eq: PAYMENT}}, orderBy: [{field: OCCURRED_AT, direction: DESC}]) { totalCount nodes { kind amount { amount currency } partner { name } deal { name stage } } } }";
        let count = |data: &Value| {
            data.pointer("/revenueEvents/totalCount")
                .and_then(Value::as_i64)
        };
        let before = count(&self.ask(query, json!({})).await?);
        let url = self.door(shopify::ID, "__sandbox/records/orders")?;
        let began = Instant::now();
        let body = order_body(&code);
        let placed = self.send(self.client.post(url).json(&body)).await?;
        let seen = self.until(began, "GraphQL", async || {
            let data = self.ask(query, json!({})).await?;
            let row = data.pointer("/revenueEvents/nodes/0");
            // The payment may be known a moment before whose doing it was.
            let whose = row.and_then(|row| text(row, "/partner/name"));
            let (Some(row), Some(whose)) = (row, whose.filter(|_| count(&data) > before)) else {
                return Ok(None);
            };
            Ok(Some(format!(
                "{} of {} {} is {whose}\'s doing",
                text(row, "/kind").unwrap_or_default(),
                text(row, "/amount/amount").unwrap_or_default(),
                text(row, "/amount/currency").unwrap_or_default(),
            )))
        });
        let order = text(&placed, "/name").unwrap_or("An order");
        Ok(Step {
            did: format!(
                "Order {order} was paid in the Shopify shop with the code {code} of {partner}"
            ),
            seen: vec![seen.await?],
        })
    }

    /// Looks until there is something to see.
    async fn until(
        &self,
        began: Instant,
        r#where: &'static str,
        look: impl AsyncFn() -> Result<Option<String>, Failure>,
    ) -> Result<Seen, Failure> {
        loop {
            if let Some(what) = look().await? {
                return Ok(Seen {
                    r#where,
                    what,
                    millis: began.elapsed().as_millis(),
                });
            }
            if began.elapsed() > PATIENCE {
                return Err(Failure::Fault(format!(
                    "the tour waited {} s for {where} in vain",
                    PATIENCE.as_secs()
                )));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn deal_door(&self, deal: &Candidate) -> Result<Url, Failure> {
        let path = format!("__sandbox/records/deals/{}", deal.external_id);
        self.door(hubspot::ID, &path)
    }

    fn door(&self, sandbox: &str, path: &str) -> Result<Url, Failure> {
        let base = self.sandboxes.get(sandbox);
        base.and_then(|base| base.join(path).ok())
            .ok_or_else(|| Failure::Fault(format!("{sandbox} has no address")))
    }

    async fn ask(&self, query: &str, variables: Value) -> Result<Value, Failure> {
        let body = json!({ "query": query, "variables": variables });
        let request = self.client.post(&self.graphql);
        let request = request.bearer_auth(self.token.expose_secret()).json(&body);
        let mut answer = self.send(request).await?;
        if let Some(message) = text(&answer, "/errors/0/message") {
            return Err(Failure::fault("the tour\'s query was refused", message));
        }
        Ok(answer.get_mut("data").map(Value::take).unwrap_or_default())
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Value, Failure> {
        let failed = |error: reqwest::Error| {
            Failure::fault("the tour was not answered", error.without_url())
        };
        let answer = request.send().await.map_err(failed)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(failed)?;
        if !status.is_success() {
            let said: String = String::from_utf8_lossy(&body).chars().take(300).collect();
            return Err(Failure::Fault(format!(
                "the tour was answered {status}: {said}"
            )));
        }
        serde_json::from_slice(&body)
            .map_err(|error| Failure::fault("the tour was answered no JSON", error))
    }
}

/// What a salesperson does to win a deal.
fn won_body() -> Value {
    json!({ "properties": { "dealstage": "closedwon" } })
}

/// What a buyer does, with a partner's code.
fn order_body(code: &str) -> Value {
    json!({
        "new_customer": { "first_name": "Ada", "last_name": "Example", "email": "ada@buyer.example" },
        "lines": [{ "title": "Annual plan", "quantity": 1, "price": "1200.00" }],
        "discount_codes": [code],
        "discount": "120.00",
        "paid": true,
    })
}

fn text<'a>(value: &'a Value, pointer: &str) -> Option<&'a str> {
    value.pointer(pointer).and_then(Value::as_str)
}

fn list<'a>(value: &'a Value, pointer: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    let list = value.pointer(pointer).and_then(Value::as_array);
    list.into_iter().flatten()
}

/// The ids of a message\'s buttons.
fn actions(message: &Value) -> impl Iterator<Item = &str> {
    list(message, "/blocks")
        .flat_map(|block| list(block, "/elements"))
        .filter_map(|element| text(element, "/action_id"))
}
