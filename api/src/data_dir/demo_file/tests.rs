#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;
use crate::data_dir::Use;
use entities::chance::SeededChance;

fn export(folder: &Path, deals: &str) -> PathBuf {
    std::fs::create_dir_all(folder).unwrap();
    for name in CRM_FILES {
        std::fs::write(
            folder.join(name),
            if name == "sales_pipeline.csv" {
                deals
            } else {
                "a,b\n"
            },
        )
        .unwrap();
    }
    folder.to_owned()
}

#[test]
fn a_directory_keeps_its_source_and_its_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let directory = DataDir::open(&folder.path().join("data"), Use::Alone).unwrap();
    let chance = SeededChance::new(1);
    let generated = DemoSource::Generated { deals: 400 };
    assert!(DemoFile::find(directory.path()).unwrap().is_none());
    let first =
        DemoFile::settle(&directory, generated.clone(), "http://127.0.0.1:1", &chance).unwrap();
    let again =
        DemoFile::settle(&directory, generated.clone(), "http://127.0.0.1:2", &chance).unwrap();
    assert_eq!(again.issuer, "http://127.0.0.1:1");
    for vendor in VENDORS {
        let (then, now) = (first.app(vendor).unwrap(), again.app(vendor).unwrap());
        assert_eq!(then.app_id, now.app_id);
        assert_eq!(then.credentials.client_id, now.credentials.client_id);
        let secrets = |app: &DemoApp| {
            let secrets = app.credentials.webhook_secrets();
            secrets
                .iter()
                .map(|secret| secret.expose_secret().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(secrets(then), secrets(now));
        let shown = format!("{again:?}");
        for secret in [&now.credentials.client_secret]
            .into_iter()
            .chain(&now.credentials.signing_secret)
        {
            assert!(!shown.contains(secret.expose_secret()));
        }
        assert_eq!(now.credentials.signing_secret.is_some(), vendor == SLACK);
    }
    assert_eq!(
        format!("{:?}", again.master_key),
        format!("{:?}", first.master_key)
    );

    let one = DemoSource::crm(&export(&folder.path().join("one"), "x\n")).unwrap();
    let error = DemoFile::settle(&directory, one, "http://127.0.0.1:1", &chance).unwrap_err();
    assert!(error.is_usage());
    let text = error.to_string();
    assert!(
        text.contains("generated data (400 deals)")
            && text.contains("the CRM export in ")
            && !text.contains('\n'),
        "{text}"
    );
}

#[test]
fn an_export_is_its_folder_and_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let one = DemoSource::crm(&export(&folder.path().join("one"), "x\n")).unwrap();
    assert_eq!(
        DemoSource::crm(&folder.path().join("one").join("..").join("one")).unwrap(),
        one
    );
    assert_ne!(
        DemoSource::crm(&export(&folder.path().join("two"), "x\n")).unwrap(),
        one
    );
    assert_ne!(
        DemoSource::crm(&export(&folder.path().join("one"), "y\n")).unwrap(),
        one
    );
    std::fs::remove_file(folder.path().join("one").join("products.csv")).unwrap();
    let error = DemoSource::crm(&folder.path().join("one")).unwrap_err();
    assert!(
        error.is_usage() && error.to_string().contains("products.csv"),
        "{error}"
    );
}

#[test]
fn a_file_of_an_earlier_build_is_completed_and_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let directory = DataDir::open(&folder.path().join("data"), Use::Alone).unwrap();
    let chance = SeededChance::new(1);
    let key = MasterKey::generate(&chance).1;
    let before = serde_json::json!({
        "version": 1,
        "source": { "kind": "generated", "deals": 400 },
        "issuer": "http://127.0.0.1:1",
        "vault_key": key.expose_secret(),
        "app_id": 910_001,
        "client_id": "demo-before",
        "client_secret": "secret-before",
    });
    std::fs::write(path(directory.path()), before.to_string()).unwrap();
    let source = DemoSource::Generated { deals: 400 };
    let settled =
        DemoFile::settle(&directory, source.clone(), "http://127.0.0.1:2", &chance).unwrap();
    assert_eq!(settled.issuer, "http://127.0.0.1:1");
    let app = settled.app(hubspot::ID).unwrap();
    assert_eq!(app.credentials.client_id, "demo-before");
    assert_eq!(
        app.credentials.client_secret.expose_secret(),
        "secret-before"
    );
    let ids: BTreeMap<u64, &str> = VENDORS
        .into_iter()
        .map(|vendor| (settled.app(vendor).unwrap().app_id, vendor))
        .collect();
    assert_eq!(ids.len(), VENDORS.len(), "each app has a number of its own");
    let again = DemoFile::settle(&directory, source, "http://127.0.0.1:2", &chance).unwrap();
    for vendor in VENDORS {
        assert_eq!(
            settled.app(vendor).unwrap().credentials.client_id,
            again.app(vendor).unwrap().credentials.client_id
        );
    }
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let directory = DataDir::open(&folder.path().join("data"), Use::Alone).unwrap();
    DemoFile::settle(
        &directory,
        DemoSource::Generated { deals: 1 },
        "http://127.0.0.1:1",
        &SeededChance::new(1),
    )
    .unwrap();
    let mode = std::fs::metadata(path(directory.path()))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_damaged_file_is_named_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(path(folder.path()), "{\"vault_key\": \"geheim\"}").unwrap();
    let text = DemoFile::find(folder.path()).unwrap_err().to_string();
    assert!(
        text.contains("demo.json is damaged") && !text.contains("geheim"),
        "{text}"
    );
}
