//! Access tokens as RFC 9068 has them: issued for a known kind of caller, and verified into a [`Viewer`].
//!
//! Verification is one path with one error: whoever presents a bad token learns that it is bad, never why. The header may hold
//! `alg`, `typ` and `kid` and nothing else, so that `crit`, embedded keys and key addresses cannot matter; the key is found by
//! `kid` and its own algorithm is used. Every claim that access depends on must be there. Time is handed in.
//!
//! A verified token is remembered under its SHA-256 until it expires, for a signature costs more than a small query. The
//! invariant: what is remembered is exactly what verification said about the same bytes, under the same keys. Whether a token was revoked is
//! never remembered with it: that is asked each time, of a list in memory (see [`super::revocation`]).

use super::keys::{KeyError, KeyRing};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use entities::chance::Chance;
use entities::clock::{Clock, Timestamp};
use entities::id::OAuthGrantId;
use entities::token_revocation::{Presented, Revocations};
use entities::viewer::{PartnerRole, Scopes, StaffRole, Viewer, ViewerKind};
use quick_cache::sync::Cache;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::{Arc, PoisonError, RwLock};

/// The `typ` of an access token's header.
const ACCESS_TOKEN: &str = "at+jwt";

/// Longer tokens are refused unread.
pub const LONGEST_TOKEN: usize = 4 * 1024;

/// How far a node's clock may be behind the one that issued a token, in seconds. Expiry is exact.
const LATE_CLOCK_SECONDS: i64 = 30;

/// The token is not valid here. There is deliberately nothing else to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is not valid")]
pub struct InvalidToken;

/// Why a token was not issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// Nobody and the system itself carry no tokens.
    #[error("tokens are issued to staff, partners and integrations only")]
    NoSuchCaller,
    /// A token needs a subject, a client and a positive lifetime.
    #[error("a token needs a subject, a client and a lifetime")]
    Incomplete,
    /// The result would be longer than is accepted.
    #[error("the token would be longer than is accepted")]
    TooLong,
    /// The key did not sign.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Whom a token is for.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// Who acts: a user, or the client itself.
    pub subject: String,
    /// The OAuth client that received it.
    pub client_id: String,
    /// What kind of party the subject is.
    pub kind: ViewerKind,
    /// What it may do.
    pub scopes: Scopes,
    /// For how many seconds it is valid.
    pub lifetime_seconds: i64,
    /// What it follows from, so that it ends with it.
    pub basis: Basis,
}

/// What a token follows from. When one of these ends, so does the token (see [`super::revocation`]).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Basis {
    /// What a person allowed a client; none for a token that a client got for itself.
    pub grant: Option<OAuthGrantId>,
    /// The epoch of the subject when the token was made; 0 for a subject without one.
    pub subject_epoch: i64,
    /// The epoch of the client.
    pub client_epoch: i64,
}

/// What a verified token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedClaims {
    /// Who asks, as the rest of the program understands it.
    pub viewer: Viewer,
    /// The OAuth client.
    pub client_id: String,
    /// The token's own id.
    pub token_id: String,
    /// When it was made.
    pub issued_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// What it follows from.
    pub basis: Basis,
}

impl VerifiedClaims {
    /// What a revocation may name.
    fn presented(&self) -> Presented<'_> {
        Presented {
            token_id: &self.token_id,
            subject: self.viewer.subject(),
            subject_epoch: self.basis.subject_epoch,
            client: &self.client_id,
            client_epoch: self.basis.client_epoch,
            grant: self.basis.grant,
            partner: self.viewer.partner(),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    client_id: String,
    iat: i64,
    exp: i64,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    nbf: Option<i64>,
    jti: String,
    scope: String,
    viewer_kind: String,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    role: Option<String>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    partner: Option<String>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    grant: Option<String>,
    subject_epoch: i64,
    client_epoch: i64,
}

/// An optional claim may be left out, but `null` is not the same as absent.
fn present<'de, D: serde::Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Issues and verifies the tokens of one issuer for one audience.
pub struct TokenAuthority {
    issuer: String,
    audience: String,
    clock: Arc<dyn Clock>,
    keys: RwLock<Arc<KeyRing>>,
    revocations: Arc<Revocations>,
    verified: Cache<[u8; 32], Arc<VerifiedClaims>>,
}

impl TokenAuthority {
    /// An authority, which refuses what `revocations` names. `remembered` bounds how many verified tokens are kept in memory.
    #[must_use]
    pub fn new(
        issuer: String,
        audience: String,
        keys: KeyRing,
        clock: Arc<dyn Clock>,
        revocations: Arc<Revocations>,
        remembered: usize,
    ) -> Self {
        Self {
            issuer,
            audience,
            clock,
            keys: RwLock::new(Arc::new(keys)),
            revocations,
            verified: Cache::new(remembered.max(1)),
        }
    }

    /// Who issues the tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Whom the tokens are for.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// The keys in use.
    #[must_use]
    pub fn keys(&self) -> Arc<KeyRing> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Exchanges the keys and forgets every token verified so far, which may be of a key that is gone.
    pub fn replace_keys(&self, keys: KeyRing) {
        let mut current = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        *current = Arc::new(keys);
        self.verified.clear();
    }

    /// Issues an access token.
    ///
    /// # Errors
    /// [`IssueError`].
    pub fn issue(
        &self,
        request: &TokenRequest,
        chance: &dyn Chance,
    ) -> Result<SecretString, IssueError> {
        if request.subject.is_empty()
            || request.client_id.is_empty()
            || request.lifetime_seconds <= 0
        {
            return Err(IssueError::Incomplete);
        }
        let (viewer_kind, role, partner) = match request.kind {
            ViewerKind::Staff(role) => ("staff", Some(role.as_str().to_owned()), None),
            ViewerKind::Partner(partner, role) => (
                "partner",
                Some(role.as_str().to_owned()),
                Some(partner.to_string()),
            ),
            ViewerKind::Integration => ("integration", None, None),
            ViewerKind::Nobody | ViewerKind::System => return Err(IssueError::NoSuchCaller),
        };
        let mut token_id = [0_u8; 16];
        chance.fill(&mut token_id);
        let issued_at = self.clock.now().secs();
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: self.audience.clone(),
            sub: request.subject.clone(),
            client_id: request.client_id.clone(),
            iat: issued_at,
            exp: issued_at.saturating_add(request.lifetime_seconds),
            nbf: None,
            jti: URL_SAFE_NO_PAD.encode(token_id),
            scope: request.scopes.to_claim(),
            viewer_kind: viewer_kind.to_owned(),
            role,
            partner,
            grant: request.basis.grant.map(|grant| grant.to_string()),
            subject_epoch: request.basis.subject_epoch,
            client_epoch: request.basis.client_epoch,
        };
        let keys = self.keys();
        let public = keys.current().public();
        let header = Header {
            alg: public.algorithm().as_str().to_owned(),
            typ: ACCESS_TOKEN.to_owned(),
            kid: public.kid().to_owned(),
        };
        let message = format!("{}.{}", encoded(&header)?, encoded(&claims)?);
        let signature = keys.current().sign(message.as_bytes())?;
        let token = format!("{message}.{signature}");
        if token.len() > LONGEST_TOKEN {
            return Err(IssueError::TooLong);
        }
        Ok(token.into())
    }

    /// Verifies a token, or remembers that it was verified.
    ///
    /// # Errors
    /// [`InvalidToken`], whatever the reason.
    pub fn verify(&self, token: &str) -> Result<Arc<VerifiedClaims>, InvalidToken> {
        let claims = self.verify_signed(token)?;
        if self.revocations.refuses(claims.presented()) {
            return Err(InvalidToken);
        }
        Ok(claims)
    }

    fn verify_signed(&self, token: &str) -> Result<Arc<VerifiedClaims>, InvalidToken> {
        if token.len() > LONGEST_TOKEN {
            return Err(InvalidToken);
        }
        let now = self.clock.now();
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(known) = self.verified.get(&digest) {
            if now < known.expires_at {
                return Ok(known);
            }
            self.verified.remove(&digest);
            return Err(InvalidToken);
        }
        // The keys stay locked until the answer is kept, else one of an exchanged key could slip in after the clearing.
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let claims = Arc::new(self.verify_with(&keys, token, now)?);
        self.verified.insert(digest, Arc::clone(&claims));
        Ok(claims)
    }

    fn verify_with(
        &self,
        keys: &KeyRing,
        token: &str,
        now: Timestamp,
    ) -> Result<VerifiedClaims, InvalidToken> {
        let (message, signature) = token.rsplit_once('.').ok_or(InvalidToken)?;
        let (header, payload) = message.split_once('.').ok_or(InvalidToken)?;
        let header: Header = decoded(header)?;
        let key = keys.find(&header.kid).ok_or(InvalidToken)?;
        if header.typ != ACCESS_TOKEN || header.alg != key.algorithm().as_str() {
            return Err(InvalidToken);
        }
        // Other spellings of the same bytes would be other tokens to whoever keeps lists of them.
        URL_SAFE_NO_PAD
            .decode(signature)
            .map_err(|_| InvalidToken)?;
        if !key.verifies(signature, message.as_bytes()) {
            return Err(InvalidToken);
        }
        self.read_claims(decoded(payload)?, now)
    }

    fn read_claims(&self, claims: Claims, now: Timestamp) -> Result<VerifiedClaims, InvalidToken> {
        let second = now.secs();
        let not_before = claims.iat.max(claims.nbf.unwrap_or(claims.iat));
        let in_time = second < claims.exp
            && not_before <= second.saturating_add(LATE_CLOCK_SECONDS)
            && claims.iat < claims.exp;
        let ours = claims.iss == self.issuer && claims.aud == self.audience;
        let complete = ![&claims.sub, &claims.client_id, &claims.jti]
            .into_iter()
            .any(String::is_empty);
        if !(in_time && ours && complete) {
            return Err(InvalidToken);
        }
        let kind = match (claims.viewer_kind.as_str(), &claims.role, &claims.partner) {
            ("staff", Some(role), None) => {
                ViewerKind::Staff(StaffRole::from_claim(role).ok_or(InvalidToken)?)
            }
            ("partner", Some(role), Some(partner)) => ViewerKind::Partner(
                partner.parse().map_err(|_| InvalidToken)?,
                PartnerRole::from_claim(role).ok_or(InvalidToken)?,
            ),
            ("integration", None, None) => ViewerKind::Integration,
            _ => return Err(InvalidToken),
        };
        let grant = claims
            .grant
            .map(|grant| grant.parse().map_err(|_| InvalidToken));
        Ok(VerifiedClaims {
            viewer: Viewer::new(kind, Scopes::from_claim(&claims.scope), claims.sub),
            client_id: claims.client_id,
            token_id: claims.jti,
            issued_at: Timestamp::from_secs(claims.iat),
            expires_at: Timestamp::from_secs(claims.exp),
            basis: Basis {
                grant: grant.transpose()?,
                subject_epoch: claims.subject_epoch,
                client_epoch: claims.client_epoch,
            },
        })
    }
}

fn encoded(part: &impl Serialize) -> Result<String, KeyError> {
    serde_json::to_vec(part)
        .map(|json| URL_SAFE_NO_PAD.encode(json))
        .map_err(|_| KeyError::NotSigned)
}

fn decoded<T: for<'de> Deserialize<'de>>(part: &str) -> Result<T, InvalidToken> {
    let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| InvalidToken)?;
    // A struct may also be read from a list; a token's parts are objects.
    if json.first() != Some(&b'{') {
        return Err(InvalidToken);
    }
    serde_json::from_slice(&json).map_err(|_| InvalidToken)
}

impl std::fmt::Debug for TokenAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenAuthority")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
