//! What a demonstration keeps about itself: its vault key, the apps its sandboxes know, the issuer of its tokens, and what it was filled with.
//!
//! The file is made once and then only read; one of an earlier build is completed with what it lacks. Starting with another source is refused
//! before anything else is touched.

use super::{DataDir, DataDirError, replace};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entities::chance::Chance;
use integrations::hubspot;
use integrations::oauth::AppCredentials;
use integrations::vault::MasterKey;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The files a CRM export is made of.
const CRM_FILES: [&str; 4] = [
    "accounts.csv",
    "products.csv",
    "sales_pipeline.csv",
    "sales_teams.csv",
];

/// Version 1 knew one vendor, whose app stood in the file itself.
const VERSION: u32 = 2;

/// The vendors that have a sandbox.
pub const VENDORS: [&str; 4] = [hubspot::ID, "salesforce", "shopify", SLACK];

const SLACK: &str = "slack";

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

/// An app as it is kept. It goes into a file that its owner alone may read.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredApp {
    app_id: u64,
    client_id: String,
    client_secret: String,
    signing_secret: Option<String>,
}

impl StoredApp {
    /// A new app, with a name that tells it from others and secrets that nobody can guess.
    fn new(place: u64, signs_apart: bool, chance: &dyn Chance) -> Self {
        let random = || {
            let mut bytes = [0_u8; 24];
            chance.fill(&mut bytes);
            URL_SAFE_NO_PAD.encode(bytes)
        };
        Self {
            app_id: 910_001 + place,
            client_id: format!("demo-{}", random()),
            client_secret: random(),
            signing_secret: signs_apart.then(random),
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
    #[serde(default)]
    apps: BTreeMap<String, StoredApp>,
}

/// The file as version 1 wrote it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredBefore {
    source: DemoSource,
    issuer: String,
    vault_key: String,
    app_id: u64,
    client_id: String,
    client_secret: String,
    #[serde(rename = "version")]
    _version: u32,
}

impl From<StoredBefore> for Stored {
    fn from(before: StoredBefore) -> Self {
        let app = StoredApp {
            app_id: before.app_id,
            client_id: before.client_id,
            client_secret: before.client_secret,
            signing_secret: None,
        };
        Self {
            version: VERSION,
            source: before.source,
            issuer: before.issuer,
            vault_key: before.vault_key,
            apps: BTreeMap::from([(hubspot::ID.to_owned(), app)]),
        }
    }
}

/// Of a file only its version, which says how to read the rest.
#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// An app that a sandbox knows.
#[derive(Clone, Debug)]
pub struct DemoApp {
    /// The vendor's number of it.
    pub app_id: u64,
    /// Its credentials.
    pub credentials: AppCredentials,
}

/// What a demonstration keeps about itself.
#[derive(Clone, Debug)]
pub struct DemoFile {
    /// What its CRM was filled with.
    pub source: DemoSource,
    /// The issuer of its tokens: the address of its first start, kept so that tokens outlive a change of port.
    pub issuer: String,
    /// The vault's key.
    pub master_key: MasterKey,
    apps: BTreeMap<String, DemoApp>,
}

impl DemoFile {
    /// Reads the file of a directory; none when there has been no demonstration.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn find(folder: &Path) -> Result<Option<Self>, DataDirError> {
        let stored = read(folder)?;
        stored.map(|stored| Self::of(folder, stored)).transpose()
    }

    fn of(folder: &Path, stored: Stored) -> Result<Self, DataDirError> {
        let master_key = MasterKey::parse(&stored.vault_key.into())
            .map_err(|error| damaged(folder, error.to_string()))?;
        let apps = stored.apps.into_iter().map(|(vendor, app)| {
            let credentials = AppCredentials {
                signing_secret: app.signing_secret.map(Into::into),
                ..AppCredentials::new(app.client_id, app.client_secret)
            };
            let app = DemoApp {
                app_id: app.app_id,
                credentials,
            };
            (vendor, app)
        });
        Ok(Self {
            source: stored.source,
            issuer: stored.issuer,
            master_key,
            apps: apps.collect(),
        })
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
        let folder = directory.path();
        let mut stored = match read(folder)? {
            Some(known) => {
                check(folder, &known.source, &source)?;
                known
            }
            None => Stored {
                version: VERSION,
                source,
                issuer: issuer.to_owned(),
                vault_key: MasterKey::generate(chance).1.expose_secret().to_owned(),
                apps: BTreeMap::new(),
            },
        };
        let known = stored.apps.len();
        for (place, vendor) in (0..).zip(VENDORS) {
            if !stored.apps.contains_key(vendor) {
                // Slack alone signs with another secret than the one that redeems codes.
                let app = StoredApp::new(place, vendor == SLACK, chance);
                stored.apps.insert(vendor.to_owned(), app);
            }
        }
        if stored.apps.len() > known {
            let bytes = serde_json::to_vec_pretty(&stored)
                .map_err(|error| damaged(folder, error.to_string()))?;
            replace(&path(folder), &bytes)?;
        }
        Self::of(folder, stored)
    }

    /// The app that the sandbox of a vendor knows; none of a vendor that has no sandbox.
    #[must_use]
    pub fn app(&self, vendor: &str) -> Option<&DemoApp> {
        self.apps.get(vendor)
    }

    /// The credentials of every app, by connector.
    #[must_use]
    pub fn credentials(&self) -> BTreeMap<String, AppCredentials> {
        self.apps
            .iter()
            .map(|(vendor, app)| (vendor.clone(), app.credentials.clone()))
            .collect()
    }

    /// Refuses another source than the one the directory was filled with.
    ///
    /// # Errors
    /// [`DataDirError::OtherSource`].
    pub fn check(&self, folder: &Path, asked: &DemoSource) -> Result<(), DataDirError> {
        check(folder, &self.source, asked)
    }
}

fn check(folder: &Path, stored: &DemoSource, asked: &DemoSource) -> Result<(), DataDirError> {
    if stored == asked {
        return Ok(());
    }
    Err(DataDirError::OtherSource {
        path: folder.to_owned(),
        stored: stored.describe(),
        asked: asked.describe(),
    })
}

fn damaged(folder: &Path, problem: String) -> DataDirError {
    DataDirError::Damaged {
        path: path(folder),
        problem,
    }
}

fn read(folder: &Path) -> Result<Option<Stored>, DataDirError> {
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
    // The position says enough; the text would repeat what is in the file.
    let unread = |error: serde_json::Error| {
        damaged(
            folder,
            format!("line {}, column {}", error.line(), error.column()),
        )
    };
    let text = text.expose_secret();
    let stored = match serde_json::from_str::<Versioned>(text)
        .map_err(unread)?
        .version
    {
        1 => serde_json::from_str::<StoredBefore>(text)
            .map_err(unread)?
            .into(),
        VERSION => serde_json::from_str(text).map_err(unread)?,
        other => return Err(damaged(folder, format!("it is of version {other}"))),
    };
    Ok(Some(stored))
}

fn path(folder: &Path) -> PathBuf {
    folder.join("demo.json")
}

#[cfg(test)]
mod tests;
