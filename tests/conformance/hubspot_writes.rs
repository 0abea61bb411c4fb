//! The connector writes to the sandbox, which shares no wire type with it: what it says it wrote is what is there.

use crate::official_client::{app, tokens};
use entities::clock::{ManualClock, Timestamp};
use integrations::connector::{
    Account, Connector, ConnectorError, Context, Pull, Push, PushItem, PushOutcome, Record,
    RecordLink, Resource,
};
use integrations::http::{Client, ClientSettings, HostPolicy, Session};
use integrations::hubspot::{HubSpot, HubSpotEndpoints};
use integrations::oauth::TokenSet;
use integrations::record::Fields;
use sandbox::hubspot::{DEAL_TO_PARTNER, Effect, Fault, Rule};
use sandbox::{Faults, HubSpotOptions, Kind, Limits, Source};

struct Rig {
    portal: sandbox::HubSpot,
    connector: HubSpot,
    session: Session,
    clock: ManualClock,
    account: Account,
}

impl Rig {
    async fn new() -> Self {
        let portal = sandbox::HubSpot::start(HubSpotOptions {
            listen: "127.0.0.1:0".parse().unwrap(),
            state: None,
            source: Source::Empty,
            app: app(),
            webhook_target: None,
            limits: Limits::none(),
            faults: Faults::default(),
            seed: 7,
        })
        .await
        .unwrap();
        let (access, _) = tokens(&portal.url()).await;
        let address = portal.url().socket_addrs(|| None).unwrap().remove(0);
        let client = Client::new(
            HostPolicy::sandbox(vec![address]),
            ClientSettings::default(),
        )
        .unwrap();
        let connector = HubSpot::new(HubSpotEndpoints::at(portal.url()));
        let tenant = portal.portal_id().to_string();
        let session = client
            .session(&connector, &tenant, &TokenSet::of(access))
            .unwrap();
        let rig = Self {
            account: Account {
                tenant_id: tenant,
                name: None,
                currency: None,
                time_zone: None,
                ui_domain: None,
            },
            clock: ManualClock::at(Timestamp::from_millis(1_793_527_200_000)),
            portal,
            connector,
            session,
        };
        for resource in [Resource::Deal, Resource::Contact] {
            rig.writer()
                .prepare(&rig.context(), resource)
                .await
                .unwrap();
            rig.writer()
                .prepare(&rig.context(), resource)
                .await
                .unwrap();
        }
        rig
    }

    fn context(&self) -> Context<'_> {
        Context {
            http: &self.session,
            tenant_id: &self.account.tenant_id,
            account: Some(&self.account),
            site: None,
            api: None,
            clock: &self.clock,
        }
    }

    fn writer(&self) -> &dyn Push {
        self.connector.push().unwrap()
    }

    async fn push(
        &self,
        resource: Resource,
        items: &[PushItem],
    ) -> Result<Vec<PushOutcome>, ConnectorError> {
        self.writer()
            .apply(&self.context(), resource, items, &wanted())
            .await
    }

    async fn one(&self, resource: Resource, item: PushItem) -> PushOutcome {
        self.push(resource, &[item]).await.unwrap().remove(0)
    }

    async fn fetched(&self, resource: Resource, id: &str) -> Record {
        let reader: &dyn Pull = self.connector.pull().unwrap();
        let read = reader
            .fetch(&self.context(), resource, &[id.to_owned()], &wanted())
            .await;
        read.unwrap().records.remove(0)
    }

    async fn found(&self, reference: &str) -> Vec<(String, Record)> {
        let references = [reference.to_owned(), "deal_never".to_owned()];
        self.writer()
            .find(&self.context(), Resource::Deal, &references, &wanted())
            .await
            .unwrap()
    }

    fn strike_writes(&self, effect: Effect) {
        self.portal.fail(Fault {
            contains: "/batch/up".to_owned(),
            ..Fault::next("", 1, effect)
        });
    }
}

fn wanted() -> Vec<String> {
    ["dealname", "dealstage", "amount", "email", "closedate"]
        .map(str::to_owned)
        .to_vec()
}

fn item(reference: &str, fields: &[(&str, &str)]) -> PushItem {
    let fields: Fields = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())))
        .collect();
    PushItem {
        reference: reference.to_owned(),
        external_id: None,
        fields,
        links: vec![],
        unlinks: vec![],
        archive: false,
    }
}

fn at(id: &str, item: PushItem) -> PushItem {
    PushItem {
        external_id: Some(id.to_owned()),
        ..item
    }
}

fn company(id: u64, labels: &[&str]) -> RecordLink {
    RecordLink {
        resource: Resource::Company,
        external_id: id.to_string(),
        labels: labels.iter().map(|label| (*label).to_owned()).collect(),
        primary: false,
    }
}

fn applied(outcome: PushOutcome) -> Record {
    match outcome {
        PushOutcome::Applied(record) => record,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_record_is_created_changed_linked_and_put_away() {
    let rig = Rig::new().await;
    let store = rig.portal.store();
    let partner = store.create(Kind::Companies, &[("name", "P")]).unwrap();
    let other = store.create(Kind::Companies, &[("name", "O")]).unwrap();
    let mut new = item(
        "deal_1",
        &[
            ("dealname", "New"),
            ("dealstage", "engaging"),
            ("amount", "1500.00"),
        ],
    );
    new.links = vec![company(partner, &["Partner"]), company(other, &[])];
    let made = applied(rig.one(Resource::Deal, new.clone()).await);
    let id = made.external_id.clone();
    assert_eq!(made, rig.fetched(Resource::Deal, &id).await);
    assert_eq!(made.value("amount"), Some("1500.00"));
    assert_eq!(
        made.links,
        [company(partner, &["Partner"]), company(other, &[])]
    );
    assert!(
        store
            .link_types(
                (Kind::Deals, id.parse().unwrap()),
                (Kind::Companies, partner)
            )
            .contains(&DEAL_TO_PARTNER)
    );
    assert_eq!(
        rig.found("deal_1").await,
        [("deal_1".to_owned(), made.clone())]
    );

    // The same creation again is the same record.
    let again = applied(rig.one(Resource::Deal, new).await);
    assert_eq!(
        (again.external_id, store.count(Kind::Deals)),
        (id.clone(), 1)
    );

    let mut change = at(&id, item("deal_1", &[("dealname", "Changed")]));
    change.fields.insert("amount".to_owned(), None);
    change.unlinks = vec![company(partner, &["Partner"]), company(other, &[])];
    let changed = applied(rig.one(Resource::Deal, change).await);
    assert_eq!(changed, rig.fetched(Resource::Deal, &id).await);
    assert_eq!(
        (changed.value("dealname"), changed.value("amount")),
        (Some("Changed"), None)
    );
    assert_eq!(changed.links, [company(partner, &[])]);

    let mut away = at(&id, item("deal_1", &[]));
    away.archive = true;
    for _ in 0..2 {
        assert_eq!(
            rig.one(Resource::Deal, away.clone()).await,
            PushOutcome::Archived
        );
    }
    assert_eq!(store.count_archived(Kind::Deals), 1);
}

#[tokio::test]
async fn a_write_that_may_have_happened_is_found_and_never_doubled() {
    let rig = Rig::new().await;
    rig.portal
        .faults(|faults| faults.index_lag_ms = Some(60_000));
    for (number, effect) in [
        Effect::CloseAfter {},
        Effect::StatusAfter { status: 500 },
        Effect::Truncate {},
    ]
    .into_iter()
    .enumerate()
    {
        let reference = format!("deal_{number}");
        let new = item(
            &reference,
            &[("dealname", "New"), ("dealstage", "engaging")],
        );
        rig.strike_writes(effect);
        let error = rig
            .push(Resource::Deal, std::slice::from_ref(&new))
            .await
            .unwrap_err();
        assert_eq!(error.code(), "TRANSIENT");
        let found = rig.found(&reference).await;
        assert_eq!(found.len(), 1, "{reference} was made");
        let again = applied(rig.one(Resource::Deal, new).await);
        assert_eq!(again.external_id, found[0].1.external_id);
        assert_eq!(rig.portal.store().count(Kind::Deals), number + 1);
    }
    rig.strike_writes(Effect::Close {});
    let unmade = item("deal_x", &[("dealname", "New")]);
    assert!(rig.push(Resource::Deal, &[unmade]).await.is_err());
    assert!(rig.found("deal_x").await.is_empty());
}

#[tokio::test]
async fn each_item_has_its_own_outcome() {
    let rig = Rig::new().await;
    let store = rig.portal.store();
    store.set_rules(
        Kind::Deals,
        vec![Rule::when("closedate", "dealstage", "closedwon")],
    );
    let mut nowhere = item("deal_d", &[("dealname", "D")]);
    nowhere.links = vec![company(404, &["Partner"])];
    let mut unheard = item("deal_e", &[("dealname", "E")]);
    unheard.links = vec![company(404, &["No such label"])];
    let outcomes = rig
        .push(
            Resource::Deal,
            &[
                item("deal_a", &[("dealname", "A"), ("dealstage", "engaging")]),
                item("deal_b", &[("dealname", "B"), ("dealstage", "closedwon")]),
                item(
                    "deal_c",
                    &[("dealname", "C"), ("dealstage", "no_such_stage")],
                ),
                nowhere,
                unheard,
                at("404", item("deal_f", &[("dealname", "F")])),
            ],
        )
        .await
        .unwrap();
    assert!(matches!(&outcomes[0], PushOutcome::Applied(_)));
    for (place, words) in [
        (1, "closedate is required when dealstage is closedwon"),
        (2, "no_such_stage was not one of"),
    ] {
        match &outcomes[place] {
            PushOutcome::Refused(ConnectorError::Permanent { code, message }) => {
                assert_eq!(code, "VALIDATION_ERROR");
                assert!(message.contains(words), "{message}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(
        matches!(&outcomes[3], PushOutcome::Partly(record, _) if record.value("dealname") == Some("D"))
    );
    assert!(
        matches!(&outcomes[4], PushOutcome::Refused(ConnectorError::Permanent { code, .. }) if code == "unknown_label")
    );
    assert!(matches!(
        &outcomes[5],
        PushOutcome::Refused(ConnectorError::NotFound { .. })
    ));
    assert_eq!(store.count(Kind::Deals), 2);

    let taken = store
        .create(Kind::Contacts, &[("email", "a@people.example")])
        .unwrap();
    let clash = rig
        .one(
            Resource::Contact,
            item("contact_1", &[("email", "A@people.example")]),
        )
        .await;
    assert!(
        matches!(clash, PushOutcome::Refused(ConnectorError::Conflict { existing_id: Some(id), .. }) if id == taken.to_string())
    );
}
