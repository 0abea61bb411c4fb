//! What a demonstration keeps about itself: its vault key, the sandbox's app, the issuer of its tokens, and what it was filled with.
//!
//! The file is made once and then only read. Starting with another source is refused before anything else is touched.

use super::{DataDir, DataDirError, replace};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entities::chance::Chance;
use integrations::oauth::AppCredentials;
use integrations::vault::MasterKey;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// The files a CRM export is made of.
const CRM_FILES: [&str; 4] = [
    "accounts.csv",
    "products.csv",
    "sales_pipeline.csv",
    "sales_teams.csv",
];

const VERSION: u32 = 1;

/// What the sandbox is filled with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum DemoSource {
    /// Invented records.
    Generated {
        /// How many deals.
        deals: usize,
    },
    /// A CRM's CSV export.
    Crm {
        /// Its folder, canonical.
        folder: PathBuf,
        /// SHA-256 over its files, in hexadecimal.
        content: String,
    },
}

impl DemoSource {
    /// The export in a folder.
    ///
    /// # Errors
    /// [`DataDirError::Crm`] when a file is not there.
    pub fn crm(folder: &Path) -> Result<Self, DataDirError> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source| DataDirError::Crm { path, source }
        };
        let folder = folder.canonicalize().map_err(unreadable(folder))?;
        let mut digest = Sha256::new();
        for name in CRM_FILES {
            let path = folder.join(name);
            let bytes = std::fs::read(&path).map_err(unreadable(&path))?;
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(&bytes);
        }
        Ok(Self::Crm {
            folder,
            content: hex::encode(digest.finalize()),
        })
    }

    /// In words.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Generated { deals } => format!("generated data ({deals} deals)"),
            Self::Crm { folder, content } => {
                format!(
                    "the CRM export in {} ({})",
                    folder.display(),
                    content.get(..12).unwrap_or(content)
                )
            }
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    version: u32,
    source: DemoSource,
    issuer: String,
    vault_key: String,
    app_id: u64,
    client_id: String,
    client_secret: String,
}

/// What a demonstration keeps about itself.
#[derive(Clone, Debug)]
pub struct DemoFile {
    /// What its sandbox was filled with.
    pub source: DemoSource,
    /// The issuer of its tokens: the address of its first start, kept so that tokens outlive a change of port.
    pub issuer: String,
    /// The vault's key.
    pub master_key: MasterKey,
    /// The vendor's number of the sandbox's app.
    pub app_id: u64,
    /// The app's credentials.
    pub app: AppCredentials,
}

impl DemoFile {
    /// Reads the file of a directory; none when there has been no demonstration.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn find(folder: &Path) -> Result<Option<Self>, DataDirError> {
        let path = path(folder);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => SecretString::from(text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(DataDirError::File {
                    attempt: "read",
                    path,
                    source,
                });
            }
        };
        let damaged = |problem: String| DataDirError::Damaged {
            path: path.clone(),
            problem,
        };
        let stored: Stored = serde_json::from_str(text.expose_secret())
            // The position says enough; the text would repeat what is in the file.
            .map_err(|error| {
                damaged(format!("line {}, column {}", error.line(), error.column()))
            })?;
        if stored.version != VERSION {
            return Err(damaged(format!("it is of version {}", stored.version)));
        }
        let master_key = MasterKey::parse(&stored.vault_key.into())
            .map_err(|error| damaged(error.to_string()))?;
        let app = AppCredentials {
            client_id: stored.client_id,
            client_secret: stored.client_secret.into(),
            previous_client_secret: None,
        };
        Ok(Some(Self {
            source: stored.source,
            issuer: stored.issuer,
            master_key,
            app_id: stored.app_id,
            app,
        }))
    }

    /// The file of a directory with this source; it is made when there is none.
    ///
    /// # Errors
    /// [`DataDirError::OtherSource`] when the directory was filled with something else.
    pub fn settle(
        directory: &DataDir,
        source: DemoSource,
        issuer: &str,
        chance: &dyn Chance,
    ) -> Result<Self, DataDirError> {
        if let Some(known) = Self::find(directory.path())? {
            known.check(directory.path(), &source)?;
            return Ok(known);
        }
        let (master_key, vault_key) = MasterKey::generate(chance);
        let random = || {
            let mut bytes = [0_u8; 24];
            chance.fill(&mut bytes);
            URL_SAFE_NO_PAD.encode(bytes)
        };
        let stored = Stored {
            version: VERSION,
            source: source.clone(),
            issuer: issuer.to_owned(),
            vault_key: vault_key.expose_secret().to_owned(),
            app_id: 910_001,
            client_id: format!("demo-{}", random()),
            client_secret: random(),
        };
        let path = path(directory.path());
        let bytes = serde_json::to_vec_pretty(&stored).map_err(|error| DataDirError::Damaged {
            path: path.clone(),
            problem: error.to_string(),
        })?;
        replace(&path, &bytes)?;
        let app = AppCredentials {
            client_id: stored.client_id,
            client_secret: stored.client_secret.into(),
            previous_client_secret: None,
        };
        Ok(Self {
            source,
            issuer: stored.issuer,
            master_key,
            app_id: stored.app_id,
            app,
        })
    }

    /// Refuses another source than the one the directory was filled with.
    ///
    /// # Errors
    /// [`DataDirError::OtherSource`].
    pub fn check(&self, folder: &Path, asked: &DemoSource) -> Result<(), DataDirError> {
        if self.source == *asked {
            return Ok(());
        }
        Err(DataDirError::OtherSource {
            path: folder.to_owned(),
            stored: self.source.describe(),
            asked: asked.describe(),
        })
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("demo.json")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::Use;
    use super::*;
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
        assert_eq!(again.app.client_id, first.app.client_id);
        assert_eq!(
            again.app.client_secret.expose_secret(),
            first.app.client_secret.expose_secret()
        );
        assert_eq!(
            format!("{:?}", again.master_key),
            format!("{:?}", first.master_key)
        );
        assert!(!format!("{again:?}").contains(again.app.client_secret.expose_secret()));

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
}
