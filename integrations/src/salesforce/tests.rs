#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests"
)]
use super::*;
use crate::{
    connector::{Account, Context, Fetched, Mode, Next, Page, PageRequest},
    error::ConnectorError,
    http::{Client, ClientSettings, HostPolicy, Session},
    oauth::{AppCredentials, TokenSet},
    record::{Kind, Record, RecordLink, Resource},
    test_server::{Reply, Seen, TestServer, json},
};
use entities::clock::{ManualClock, Timestamp};
use serde_json::{Value, json as value};
use std::sync::atomic::{AtomicUsize, Ordering};
use url::Url;

mod connect;
mod deltas;
mod pull;
mod push;

/// The moment of [`DATE`].
const NOW: i64 = 1_793_527_200_000;
const DATE: &str = "date: Sun, 01 Nov 2026 10:00:00 GMT\r\n";
const ORG: &str = "00D5e000000KQ2eEAG";
const ACME: &str = "001D000000IRFmaIAH";
const BETA: &str = "001D000000IRFmbIAH";
const DEAL: &str = "006D000000IRFmaIAH";

struct Rig {
    server: TestServer,
    salesforce: Salesforce,
    client: Client,
    session: Session,
    clock: ManualClock,
    account: Account,
    tokens: TokenSet,
}

impl Rig {
    async fn new(reply: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let server = TestServer::start(reply).await;
        let salesforce = Salesforce::new(SalesforceEndpoints::at(server.url()));
        let settings = ClientSettings {
            paced: false,
            ..ClientSettings::default()
        };
        let client = Client::new(HostPolicy::sandbox(vec![server.address]), settings).unwrap();
        let tokens = TokenSet {
            tenant_id: Some(ORG.to_owned()),
            site: Some(server.url()),
            api: Some(server.url()),
            refresh_token: Some("s3cret-r1".into()),
            ..TokenSet::of("s3cret-a1")
        };
        let session = client.session(&salesforce, ORG, &tokens).unwrap();
        let account = Account {
            tenant_id: ORG.into(),
            name: None,
            currency: Some("USD".into()),
            time_zone: Some("America/New_York".into()),
            ui_domain: Some("acme.my.salesforce.com".into()),
        };
        Self {
            server,
            salesforce,
            client,
            session,
            clock: ManualClock::at(Timestamp::from_millis(NOW)),
            account,
            tokens,
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            http: &self.session,
            tenant_id: ORG,
            account: Some(&self.account),
            site: self.tokens.site.as_ref(),
            api: self.tokens.api.as_ref(),
            clock: &self.clock,
        }
    }

    async fn page(
        &self,
        resource: Resource,
        mode: Mode,
        cursor: Option<&Value>,
    ) -> Result<Page, ConnectorError> {
        let request = PageRequest {
            resource,
            mode,
            cursor,
            fields: &[],
            page_size: None,
            now_ms: 5,
        };
        self.salesforce
            .pull()
            .unwrap()
            .page(&self.context(), &request)
            .await
    }

    async fn fetch(&self, resource: Resource, ids: &[&str]) -> Result<Fetched, ConnectorError> {
        let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
        self.salesforce
            .pull()
            .unwrap()
            .fetch(&self.context(), resource, &ids, &[])
            .await
    }

    /// The questions that were asked, in order.
    fn questions(&self) -> Vec<String> {
        self.server.seen().iter().filter_map(question).collect()
    }
}

/// The query of a call that asks one.
fn question(seen: &Seen) -> Option<String> {
    let (path, query) = seen.target.split_once('?')?;
    if !path.ends_with("/query") && !path.ends_with("/queryAll") {
        return None;
    }
    let mut pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned();
    pairs.find(|(name, _)| name == "q").map(|(_, soql)| soql)
}

/// The path of a call below the API's version.
fn path(seen: &Seen) -> &str {
    let path = seen.target.split('?').next().unwrap();
    path.strip_prefix("/services/data/v68.0/").unwrap_or(path)
}

/// What an object looks like in an ordinary account, or in a richer one.
fn described(path: &str, more: &[Value]) -> Option<Reply> {
    let object = path.strip_prefix("sobjects/")?.strip_suffix("/describe")?;
    let field = |name: &str, kind: &str| value!({"name": name, "type": kind, "label": name});
    let mut fields = vec![
        field("Id", "id"),
        field("SystemModstamp", "datetime"),
        field("CreatedDate", "datetime"),
        field("Name", "string"),
        value!({"name": "Entente_Reference__c", "type": "string", "custom": true, "externalId": true, "unique": true, "length": 80}),
    ];
    fields.extend(match object {
        "User" => vec![field("Email", "email"), field("IsActive", "boolean")],
        "Account" => vec![
            field("IsDeleted", "boolean"),
            field("MasterRecordId", "reference"),
            field("Website", "url"),
            field("NumberOfEmployees", "int"),
            field("BillingAddress", "address"),
        ],
        "Contact" => vec![
            field("IsDeleted", "boolean"),
            field("MasterRecordId", "reference"),
            field("AccountId", "reference"),
            field("FirstName", "string"),
            field("LastName", "string"),
        ],
        "Opportunity" => vec![
            field("IsDeleted", "boolean"),
            field("AccountId", "reference"),
            field("StageName", "picklist"),
            field("Amount", "currency"),
            field("CloseDate", "date"),
            value!({"name": "OwnerId", "type": "reference", "relationshipName": "Owner"}),
        ],
        "OpportunityPartner" => vec![
            value!({"name": "Role", "type": "picklist", "picklistValues": [{"value": "Agency", "active": true}, {"value": "VAR/Reseller", "active": true}]}),
        ],
        "OpportunityStage" => ["MasterLabel", "ApiName", "IsClosed", "IsWon", "IsActive", "SortOrder"]
            .map(|name| field(name, "string"))
            .to_vec(),
        _ => return Some(json(404, "", r#"[{"errorCode":"NOT_FOUND","message":"no"}]"#)),
    });
    fields.extend_from_slice(more);
    Some(json(
        200,
        DATE,
        &value!({"name": object, "fields": fields}).to_string(),
    ))
}

/// The answer to a query: these records, and whether there are no more.
fn records(records: &[Value], done: bool) -> Reply {
    let next = (!done).then_some("/services/data/v68.0/query/01gRO0000016PIAYA2-500");
    let body = value!({"totalSize": records.len(), "done": done, "nextRecordsUrl": next, "records": records});
    json(200, DATE, &body.to_string())
}

fn count(total: u64) -> Reply {
    json(
        200,
        DATE,
        &value!({"totalSize": total, "done": true, "records": []}).to_string(),
    )
}

/// A record with a name, changed so many seconds after [`NOW`].
fn shown(id: &str, name: &str, second: i64) -> Value {
    let at = moment::literal(NOW + second * 1_000).replace('Z', "+0000");
    value!({"attributes": {"type": "X", "url": "/x"}, "Id": id, "Name": name, "SystemModstamp": at, "CreatedDate": at, "IsDeleted": false})
}

/// A record with more fields.
fn with(mut record: Value, more: Value) -> Value {
    let fields = more.as_object().unwrap().clone();
    record.as_object_mut().unwrap().extend(fields);
    record
}

fn ids(page: &Page) -> Vec<&str> {
    page.records
        .iter()
        .map(|record| record.external_id.as_str())
        .collect()
}

/// An id of accounts, by number.
fn account(number: usize) -> String {
    id::long(&format!("001D00000{number:06}")).unwrap()
}

#[test]
fn the_registry_knows_it_and_its_descriptor() {
    let registry = crate::connectors(crate::Endpoints::default());
    let connector = registry.get("salesforce").unwrap();
    assert!(
        connector.push().is_some()
            && connector.notify().is_none()
            && connector.subscriptions().is_none()
    );
    assert_eq!(connector.descriptor().api_version, "v68.0");
    assert!(connector.descriptor().site.is_some());
}
