use sandbox::{Salesforce, SalesforceFeatures, SalesforceOptions, SalesforceSource, SandboxError};
use serde_json::json;

use crate::harness::{Client, DATA, options, refresh};

fn kept(folder: &std::path::Path) -> SalesforceOptions {
    SalesforceOptions {
        state: Some(folder.to_owned()),
        ..options(SalesforceSource::Generated { opportunities: 20 })
    }
}

#[tokio::test]
async fn an_org_continues_where_it_was() {
    let home = tempfile::tempdir().unwrap();
    let salesforce = Salesforce::start(kept(home.path())).await.unwrap();
    let (url, org) = (salesforce.url(), salesforce.tenant());
    let client = Client::connect(url.clone()).await;
    let path = format!("{DATA}/sobjects/Account/Entente_Reference__c/r-1");
    let (_, made) = client
        .send("PATCH", &path, Some(json!({"Name": "Kept"})))
        .await;
    let gone = salesforce.store().ids("Lead")[0].clone();
    salesforce.store().delete("Lead", &gone).unwrap();
    let target = url::Url::parse("http://127.0.0.1:9/secret").unwrap();
    salesforce.set_webhook_target(Some(target)).unwrap();
    let busy = Salesforce::start(kept(home.path())).await;
    assert!(matches!(busy, Err(SandboxError::Busy { .. })));
    salesforce.set_webhook_target(None).unwrap();
    salesforce.stop().await.unwrap();
    let salesforce = Salesforce::start(kept(home.path())).await.unwrap();
    assert_eq!((salesforce.url(), salesforce.tenant()), (url.clone(), org));
    let (status, again) = client
        .send("PATCH", &path, Some(json!({"Name": "Again"})))
        .await;
    assert_eq!(
        (status, &again["id"]),
        (200, &made["id"]),
        "tokens, records and indices are there"
    );
    let (_, body) = client
        .ask(
            "queryAll",
            &format!("SELECT IsDeleted FROM Lead WHERE Id = '{gone}'"),
        )
        .await;
    assert_eq!(body["records"][0]["IsDeleted"], true);
    let (_, body) = refresh(&url, &client.refresh).await;
    // Dropped, not stopped: what was told about tokens is on disk already.
    drop(salesforce);
    let fresh = body["refresh_token"].as_str().unwrap().to_owned();
    let salesforce = loop {
        match Salesforce::start(kept(home.path())).await {
            Ok(salesforce) => break salesforce,
            Err(SandboxError::Busy { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(refresh(&salesforce.url(), &client.refresh).await.0, 400);
    assert_eq!(refresh(&salesforce.url(), &fresh).await.0, 200);
    salesforce.stop().await.unwrap();
}

#[tokio::test]
async fn a_folder_of_another_org_is_refused() {
    let home = tempfile::tempdir().unwrap();
    Salesforce::start(kept(home.path()))
        .await
        .unwrap()
        .stop()
        .await
        .unwrap();
    let mut other = kept(home.path());
    other.source = SalesforceSource::Empty;
    assert!(matches!(
        Salesforce::start(other).await,
        Err(SandboxError::OtherSource { .. })
    ));
    let mut other = kept(home.path());
    other.features = SalesforceFeatures {
        multi_currency: true,
        ..SalesforceFeatures::default()
    };
    assert!(matches!(
        Salesforce::start(other).await,
        Err(SandboxError::OtherSource { .. })
    ));
    let mut other = kept(home.path());
    other.app.client_id = "other".to_owned();
    assert!(matches!(
        Salesforce::start(other).await,
        Err(SandboxError::OtherApp { .. })
    ));
    let mut far = kept(home.path());
    far.listen = "0.0.0.0:0".parse().unwrap();
    assert!(Salesforce::start(far).await.is_err());
}

#[tokio::test]
async fn the_same_seed_makes_the_same_org() {
    let names = |seed: u64| async move {
        let mut seeded = options(SalesforceSource::Generated { opportunities: 40 });
        seeded.seed = seed;
        let salesforce = Salesforce::start(seeded).await.unwrap();
        let store = salesforce.store();
        let ids = store.ids("Opportunity");
        let all: Vec<String> = ids
            .iter()
            .map(|id| store.get("Opportunity", id).unwrap()["Name"].to_string())
            .collect();
        assert!(store.count("OpportunityPartner") > 10 && store.count("Contact") > 10);
        (salesforce.tenant(), all)
    };
    assert_eq!(names(1).await, names(1).await);
    assert_ne!(names(1).await, names(2).await);
}

#[tokio::test]
async fn what_was_answered_is_on_disk() {
    let home = tempfile::tempdir().unwrap();
    let salesforce = Salesforce::start(kept(home.path())).await.unwrap();
    let client = Client::connect(salesforce.url()).await;
    for n in 0..5 {
        let id = client
            .create("Account", json!({"Name": format!("Kept {n}")}))
            .await;
        // A process that dies now leaves this.
        let copy = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(home.path()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
        }
        let again = Salesforce::start(kept(copy.path())).await.unwrap();
        assert!(again.store().ids("Account").contains(&id), "{n}");
        again.stop().await.unwrap();
    }
    salesforce.stop().await.unwrap();
}
