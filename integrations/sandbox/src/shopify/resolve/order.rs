//! Orders, with their lines, payments and refunds.

use serde_json::json;

use super::super::gid::Kind;
use super::super::graphql::{Args, Node};
use super::super::model::{Journey, Line, Order, Refund, Transaction};
use super::super::rest::gateways;
use super::{Answering, At, Found, bag, maybe_time, number, text, time, unknown};

fn nothing() -> Node<At> {
    Node::Null
}

impl Answering<'_> {
    pub(super) fn order_field(&mut self, id: u64, field: &str, args: &Args) -> Found {
        match field {
            "metafield" => return Ok(self.metafield((Kind::Order, id), args)),
            "metafields" => return self.metafields((Kind::Order, id), args),
            _ => {}
        }
        let Some(order) = self.state.orders.get(&id) else {
            return Err(unknown(field));
        };
        Ok(match field {
            "id" => Node::of(json!(Kind::Order.gid(id))),
            "legacyResourceId" => number(id),
            "name" => Node::of(json!(order.name())),
            "number" => Node::of(json!(order.number)),
            "confirmationNumber" => Node::of(json!(format!("C{:X}", order.id % 0xFFF_FFFF))),
            "createdAt" => time(order.created_at),
            "updatedAt" => time(order.updated_at),
            "processedAt" => time(order.processed_at),
            "cancelledAt" => maybe_time(order.cancelled_at),
            "cancelReason" => Node::text(
                order
                    .cancel_reason
                    .as_deref()
                    .map(str::to_uppercase)
                    .as_deref(),
            ),
            "cancellation" => match order.cancelled_at {
                Some(_) => Node::Object("OrderCancellation", vec![("staffNote", nothing())]),
                None => nothing(),
            },
            "closed" => Node::of(false),
            "closedAt"
            | "billingAddress"
            | "shippingAddress"
            | "clientIp"
            | "registeredSourceUrl"
            | "sourceIdentifier" => nothing(),
            "confirmed" => Node::of(true),
            "edited" => Node::of(false),
            "test" => Node::of(order.test),
            "email" => text(&order.email),
            "phone" => text(&order.phone),
            "note" => text(&order.note),
            "poNumber" => text(&order.po_number),
            "sourceName" => Node::of(json!(order.source_name)),
            "customerLocale" => Node::of("en"),
            "tags" => Node::of(json!(order.tags)),
            "discountCode" => Node::text(order.discount_codes.first().map(String::as_str)),
            "discountCodes" => Node::of(json!(order.discount_codes)),
            "customAttributes" => attributes(order),
            "currencyCode" => Node::of(json!(order.currency)),
            "presentmentCurrencyCode" => Node::of(json!(order.presentment_currency())),
            "displayFinancialStatus" => Node::of(order.financial_status()),
            "displayFulfillmentStatus" => Node::of("UNFULFILLED"),
            "returnStatus" => Node::of("NO_RETURN"),
            "paymentGatewayNames" => Node::of(json!(gateways(order))),
            "statusPageUrl" => Node::of(json!(format!(
                "https://{}/orders/{id}/authenticate",
                self.state.shop.domain
            ))),
            "taxesIncluded" => Node::of(false),
            "fullyPaid" => Node::of(order.outstanding() == 0),
            "unpaid" => Node::of(order.received() == 0 && order.total() > 0),
            "refundable" => Node::of(order.received() > order.refunded()),
            "app" => Node::Object(
                "OrderApp",
                vec![
                    ("id", Node::of(json!(Kind::App.gid(580_111)))),
                    ("name", Node::of("Online Store")),
                ],
            ),
            "customer" => {
                let customer = order.customer;
                return self.record("customer", Kind::Customer, customer);
            }
            "purchasingEntity" => return self.buyer(id),
            "customerJourneySummary" => journey(order, self.now),
            "lineItems" => {
                let lines: Vec<Node<At>> = order
                    .lines
                    .iter()
                    .map(|line| line_node(order, line))
                    .collect();
                return self.listed(&lines, args, ("LineItemConnection", "LineItemEdge"));
            }
            "refunds" => {
                let mut refunds = Vec::new();
                for refund in take(&order.refunds, args) {
                    refunds.push(self.refund_node(order, refund)?);
                }
                Node::List(refunds)
            }
            "transactions" => Node::List(
                take(&order.transactions, args)
                    .iter()
                    .map(|made| transaction(order, made))
                    .collect(),
            ),
            "transactionsCount" => Self::count(order.transactions.len(), None),
            "subtotalLineItemsQuantity" => {
                Node::of(order.lines.iter().map(|line| line.quantity).sum::<u32>())
            }
            "currentSubtotalLineItemsQuantity" => Node::of(
                order
                    .lines
                    .iter()
                    .map(|line| line.quantity - line.refunded)
                    .sum::<u32>(),
            ),
            "totalPriceSet" | "originalTotalPriceSet" => bag(order, order.total()),
            "currentTotalPriceSet" => bag(order, order.current_total()),
            "subtotalPriceSet" => bag(order, order.subtotal()),
            "currentSubtotalPriceSet" => {
                let back: i64 = order
                    .lines
                    .iter()
                    .map(|line| line.unit * i64::from(line.refunded))
                    .sum();
                bag(order, (order.subtotal() - back).max(0))
            }
            "totalDiscountsSet" | "currentTotalDiscountsSet" => bag(order, order.discount),
            "totalTaxSet" | "currentTotalTaxSet" => bag(order, order.tax),
            "totalShippingPriceSet" => bag(order, order.shipping),
            "totalRefundedSet" => bag(order, order.refunded()),
            "totalReceivedSet" => bag(order, order.received()),
            "netPaymentSet" => bag(order, order.received() - order.refunded()),
            "totalOutstandingSet" => bag(order, order.outstanding()),
            "totalCapturableSet" | "totalTipReceivedSet" => bag(order, 0),
            other => return Err(unknown(other)),
        })
    }

    fn buyer(&self, id: u64) -> Found {
        let Some(order) = self.state.orders.get(&id) else {
            return Err(unknown("purchasingEntity"));
        };
        let Some(purchase) = order.purchase else {
            return self.record("purchasingEntity", Kind::Customer, order.customer);
        };
        Ok(Node::Object(
            "PurchasingCompany",
            vec![
                (
                    "company",
                    self.record("company", Kind::Company, Some(purchase.company))?,
                ),
                (
                    "contact",
                    self.record("contact", Kind::CompanyContact, purchase.contact)?,
                ),
                (
                    "location",
                    self.record("location", Kind::CompanyLocation, Some(purchase.location))?,
                ),
            ],
        ))
    }

    /// A refund by its own id, with the order it belongs to.
    pub(super) fn refund(&self, id: u64) -> Found {
        let found = self
            .state
            .orders
            .values()
            .filter(|order| self.sees(order))
            .find_map(|order| {
                order
                    .refunds
                    .iter()
                    .find(|refund| refund.id == id)
                    .map(|refund| (order, refund))
            });
        found.map_or(Ok(Node::Null), |(order, refund)| {
            self.refund_node(order, refund)
        })
    }

    fn refund_node(&self, order: &Order, refund: &Refund) -> Found {
        let lines: Vec<Node<At>> = (1..)
            .zip(&refund.lines)
            .map(|(n, (line, quantity))| {
                let known = order.lines.iter().find(|known| known.id == *line);
                let unit = known.map_or(0, |known| known.unit);
                Node::Object(
                    "RefundLineItem",
                    vec![
                        (
                            "id",
                            Node::of(json!(format!(
                                "gid://shopify/RefundLineItem/{}",
                                refund.id + n
                            ))),
                        ),
                        ("quantity", Node::of(*quantity)),
                        ("subtotalSet", bag(order, unit * i64::from(*quantity))),
                        (
                            "lineItem",
                            known.map_or(Node::Null, |known| line_node(order, known)),
                        ),
                    ],
                )
            })
            .collect();
        let transactions: Vec<Node<At>> = order
            .transactions
            .iter()
            .filter(|made| made.id == refund.transaction)
            .map(|made| transaction(order, made))
            .collect();
        // What a refund holds is short, so its lists are whole whatever size is asked for.
        let whole = Args(
            json!({"first": 250})
                .as_object()
                .cloned()
                .unwrap_or_default(),
        );
        Ok(Node::Object(
            "Refund",
            vec![
                ("id", Node::of(json!(Kind::Refund.gid(refund.id)))),
                ("legacyResourceId", number(refund.id)),
                ("createdAt", time(refund.at)),
                ("processedAt", time(refund.at)),
                ("updatedAt", time(refund.at)),
                ("note", text(&refund.note)),
                ("order", Node::Ref(At::Record(Kind::Order, order.id))),
                ("totalRefundedSet", bag(order, refund.amount)),
                (
                    "refundLineItems",
                    self.listed(
                        &lines,
                        &whole,
                        ("RefundLineItemConnection", "RefundLineItemEdge"),
                    )?,
                ),
                (
                    "transactions",
                    self.listed(
                        &transactions,
                        &whole,
                        ("OrderTransactionConnection", "OrderTransactionEdge"),
                    )?,
                ),
            ],
        ))
    }
}

/// The first few of a list that is no connection.
fn take<'a, T>(items: &'a [T], args: &Args) -> &'a [T] {
    let first = args
        .number("first")
        .and_then(|first| usize::try_from(first).ok())
        .unwrap_or(usize::MAX);
    items.get(..first.min(items.len())).unwrap_or_default()
}

fn attributes(order: &Order) -> Node<At> {
    Node::List(
        order
            .attributes
            .iter()
            .map(|(key, value)| {
                Node::Object(
                    "Attribute",
                    vec![
                        ("key", Node::of(json!(key))),
                        ("value", Node::of(json!(value))),
                    ],
                )
            })
            .collect(),
    )
}

fn line_node(order: &Order, line: &Line) -> Node<At> {
    let total = line.unit * i64::from(line.quantity);
    Node::Object(
        "LineItem",
        vec![
            ("id", Node::of(json!(Kind::LineItem.gid(line.id)))),
            ("name", Node::of(json!(line.title))),
            ("title", Node::of(json!(line.title))),
            ("sku", text(&line.sku)),
            ("vendor", Node::Null),
            ("variantTitle", Node::Null),
            ("quantity", Node::of(line.quantity)),
            ("currentQuantity", Node::of(line.quantity - line.refunded)),
            (
                "refundableQuantity",
                Node::of(line.quantity - line.refunded),
            ),
            ("customAttributes", Node::List(Vec::new())),
            ("originalUnitPriceSet", bag(order, line.unit)),
            ("discountedUnitPriceSet", bag(order, line.unit)),
            ("originalTotalSet", bag(order, total)),
            ("discountedTotalSet", bag(order, total)),
            ("totalDiscountSet", bag(order, 0)),
        ],
    )
}

fn transaction(order: &Order, made: &Transaction) -> Node<At> {
    Node::Object(
        "OrderTransaction",
        vec![
            ("id", Node::of(json!(Kind::OrderTransaction.gid(made.id)))),
            ("kind", Node::of(json!(made.kind))),
            ("status", Node::of("SUCCESS")),
            ("gateway", Node::of(json!(made.gateway))),
            ("formattedGateway", Node::of(json!(made.gateway))),
            ("paymentId", Node::of(json!(format!("{}.1", order.name())))),
            ("errorCode", Node::Null),
            ("amountSet", bag(order, made.amount)),
            ("createdAt", time(made.at)),
            ("processedAt", time(made.at)),
            ("test", Node::of(order.test)),
            ("order", Node::Ref(At::Record(Kind::Order, order.id))),
        ],
    )
}

fn journey(order: &Order, now: i64) -> Node<At> {
    let ready = order
        .journey
        .as_ref()
        .is_none_or(|journey| journey.ready_at <= now);
    let visit = order
        .journey
        .as_ref()
        .filter(|_| ready)
        .map(|journey| visit(order, journey));
    let visit = visit.unwrap_or(Node::Null);
    Node::Object(
        "CustomerJourneySummary",
        vec![
            ("ready", Node::of(ready)),
            (
                "customerOrderIndex",
                if ready { Node::of(0) } else { Node::Null },
            ),
            (
                "daysToConversion",
                if ready { Node::of(0) } else { Node::Null },
            ),
            ("firstVisit", visit.clone()),
            ("lastVisit", visit),
        ],
    )
}

fn visit(order: &Order, journey: &Journey) -> Node<At> {
    let utm = journey.utm.as_ref().map_or(Node::Null, |utm| {
        Node::Object(
            "UTMParameters",
            vec![
                ("source", text(&utm.source)),
                ("medium", text(&utm.medium)),
                ("campaign", text(&utm.campaign)),
                ("term", text(&utm.term)),
                ("content", text(&utm.content)),
            ],
        )
    });
    Node::Object(
        "CustomerVisit",
        vec![
            (
                "id",
                Node::of(json!(format!("gid://shopify/CustomerVisit/{}", order.id))),
            ),
            ("occurredAt", time(journey.occurred_at)),
            ("landingPage", text(&journey.landing_page)),
            ("referrerUrl", text(&journey.referrer)),
            ("referralCode", Node::Null),
            ("source", Node::of(json!(journey.source))),
            ("sourceType", Node::Null),
            ("utmParameters", utm),
        ],
    )
}
