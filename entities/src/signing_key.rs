//! The keys that sign our access tokens; the private half is sealed by the vault before it comes here.
//!
//! **The life of a key.** It is published first and signs from an instant a little later, so that whoever verifies knows it by then. It signs until
//! another key's turn comes, and verifies until the last token it signed has ended: ten minutes later, or when the longest token made on the command
//! line ends, which is noted in its row. A key that others know is distrusted: then nothing of it is believed at once, whatever that costs.
//!
//! What a key is at an instant follows from the rows and the clock ([`stages`]); nothing has to be written for a key to take its turn.

use crate::change::Change;
use crate::clock::Timestamp;
use crate::database::Database;
use crate::error::Result;
use crate::event::{EventKind, NewEvent};
use crate::id::SigningKeyId;
use crate::token_revocation::ACCESS_TOKEN_SECONDS;
use crate::viewer::Viewer;
use crate::visible::{Own, Visible, nothing};
use sea_orm::entity::prelude::*;
use sea_orm::sea_query::Condition;
use sea_orm::{IntoActiveModel as _, QueryOrder as _};
use serde_json::json;

/// How long a key is published before it signs, in milliseconds. Processes look for keys every fifteen seconds, and others are told to remember
/// the published set for half a minute.
pub const PUBLISHED_BEFORE_MILLIS: i64 = 60 * 1_000;

/// How much longer than its last token a key verifies, in milliseconds: a process may have learned late that another key signs, and its clock may be
/// behind.
const SLACK_MILLIS: i64 = 2 * 60 * 1_000;

/// A key.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "signing_key")]
#[expect(missing_docs, reason = "each field is named by the module")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub kid: String,
    /// Sealed by the vault.
    pub sealed: String,
    pub created_at: Timestamp,
    pub signs_from: Timestamp,
    /// Until when a token of it lives that was made for longer than usual.
    pub tokens_until: Option<Timestamp>,
    /// From when nothing of it is believed.
    pub distrusted_at: Option<Timestamp>,
}

/// It has none.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Visible for Entity {
    fn visible_to_partner(_: Own) -> Condition {
        nothing()
    }
}

/// What a key is at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is published and does not sign yet.
    Published,
    /// It signs.
    Signing,
    /// It verifies what it signed, until then.
    Verifying {
        /// When the last token it signed has ended.
        until: Timestamp,
    },
    /// Nothing of it is believed any longer.
    Retired,
}

/// What each of these keys, the newest first, is at an instant. Exactly one signs, if any is trusted and its turn has come.
#[must_use]
pub fn stages(rows: &[Model], now: Timestamp) -> Vec<Stage> {
    let mut signing = false;
    let mut next_signs_from = None;
    let stage = |row: &Model| {
        if row.distrusted_at.is_some() {
            return Stage::Retired;
        }
        if row.signs_from > now {
            next_signs_from = Some(row.signs_from);
            return Stage::Published;
        }
        if !signing {
            signing = true;
            next_signs_from = Some(row.signs_from);
            return Stage::Signing;
        }
        let over = next_signs_from.unwrap_or(now).max(row.signs_from);
        next_signs_from = Some(row.signs_from);
        let ordinary = over.plus_millis(ACCESS_TOKEN_SECONDS * 1_000);
        let until = ordinary
            .max(row.tokens_until.unwrap_or(ordinary))
            .plus_millis(SLACK_MILLIS);
        if until > now {
            Stage::Verifying { until }
        } else {
            Stage::Retired
        }
    };
    rows.iter().map(stage).collect()
}

/// All keys, the newest first.
///
/// # Errors
/// When the database fails.
pub async fn list(database: &Database) -> Result<Vec<Model>> {
    newest_first(database.read()).await
}

async fn newest_first(connection: &impl ConnectionTrait) -> Result<Vec<Model>> {
    Ok(Entity::visible_to(&Viewer::system("signing_key"))
        .order_by_desc(Column::SignsFrom)
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Kid)
        .all(connection)
        .await?)
}

/// Stores the key of a first start, which signs at once.
///
/// # Errors
/// When the database fails.
pub async fn insert(database: &Database, kid: String, sealed: String) -> Result<()> {
    let row = Model {
        kid,
        sealed,
        created_at: database.now(),
        signs_from: database.now(),
        tokens_until: None,
        distrusted_at: None,
    };
    Entity::insert(row.into_active_model())
        .exec_without_returning(database.write())
        .await?;
    Ok(())
}

/// What follows from a rotation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// From when the new key signs.
    pub signs_from: Timestamp,
    /// The keys whose tokens have ended, which were thrown away.
    pub retired: Vec<String>,
}

/// Stores a new key, which signs after having been published for a while; keys whose tokens have ended are thrown away. With `distrust_others` every
/// other key is worth nothing from now on, and the new one signs at once: all tokens end.
///
/// # Errors
/// When the database fails.
pub async fn rotate(
    change: &mut Change,
    kid: String,
    sealed: String,
    distrust_others: bool,
) -> Result<Rotated> {
    let now = change.now();
    if distrust_others {
        Entity::update_many()
            .col_expr(Column::DistrustedAt, Expr::value(now))
            .filter(Column::DistrustedAt.is_null())
            .exec(change.transaction())
            .await?;
    }
    let rows = newest_first(change.transaction()).await?;
    let ended = rows.iter().zip(stages(&rows, now));
    let retired: Vec<String> = ended
        .filter(|(_, stage)| *stage == Stage::Retired)
        .map(|(row, _)| row.kid.clone())
        .collect();
    if !retired.is_empty() {
        Entity::delete_many()
            .filter(Column::Kid.is_in(retired.iter().map(String::as_str)))
            .exec(change.transaction())
            .await?;
    }
    let signs_from = if distrust_others {
        now
    } else {
        now.plus_millis(PUBLISHED_BEFORE_MILLIS)
    };
    let row = Model {
        kid,
        sealed,
        created_at: now,
        signs_from,
        tokens_until: None,
        distrusted_at: None,
    };
    let data = json!({ "kid": row.kid, "signsFrom": signs_from, "retired": retired, "distrusted": distrust_others });
    Entity::insert(row.into_active_model())
        .exec_without_returning(change.transaction())
        .await?;
    let id: SigningKeyId = change.new_id();
    change.record(NewEvent::about(EventKind::SigningKeyRotated, id, data).internal());
    Ok(Rotated {
        signs_from,
        retired,
    })
}

/// Notes that a key signed a token which lives until then, so that it verifies as long.
///
/// # Errors
/// When the database fails.
pub async fn note_long_token(database: &Database, kid: &str, until: Timestamp) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::TokensUntil, Expr::value(until))
        .filter(Column::Kid.eq(kid))
        .filter(
            Condition::any()
                .add(Column::TokensUntil.is_null())
                .add(Column::TokensUntil.lt(until)),
        )
        .exec(database.write())
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(kid: &str, signs_from: i64) -> Model {
        Model {
            kid: kid.to_owned(),
            sealed: String::new(),
            created_at: Timestamp::from_secs(signs_from),
            signs_from: Timestamp::from_secs(signs_from),
            tokens_until: None,
            distrusted_at: None,
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    #[test]
    fn a_key_is_published_signs_verifies_and_retires() {
        let rows = [key("new", 1_060), key("old", 100)];
        let signs = Stage::Signing;
        assert_eq!(stages(&rows, at(1_000)), [Stage::Published, signs]);
        let until = at(1_060 + 600 + 120);
        let verifies = Stage::Verifying { until };
        assert_eq!(stages(&rows, at(1_060)), [signs, verifies]);
        assert_eq!(stages(&rows, at(1_779)), [signs, verifies]);
        assert_eq!(stages(&rows, at(1_780)), [signs, Stage::Retired]);
    }

    #[test]
    fn a_long_token_keeps_its_key_and_distrust_ends_it() {
        let mut old = key("old", 100);
        old.tokens_until = Some(at(90_000));
        let until = at(90_120);
        let rows = [key("new", 1_000), old.clone()];
        assert_eq!(
            stages(&rows, at(50_000)),
            [Stage::Signing, Stage::Verifying { until }]
        );
        old.distrusted_at = Some(at(2_000));
        let rows = [key("new", 1_000), old];
        assert_eq!(stages(&rows, at(2_000)), [Stage::Signing, Stage::Retired]);
    }

    #[test]
    fn keys_that_two_first_starts_made_both_verify_and_one_signs() {
        let rows = [key("b", 500), key("a", 500)];
        let until = at(500 + 600 + 120);
        assert_eq!(
            stages(&rows, at(500)),
            [Stage::Signing, Stage::Verifying { until }]
        );
        assert!(stages(&[], at(1)).is_empty());
    }
}
