//! Who is who: the token, the team, its members; and leaving again.

use serde_json::{Value, json};

use super::answer::{Done, Refusal};
use super::message::Person;
use super::methods::Call;
use super::store::Rooms;
use super::{events, oauth};

/// `auth.test`.
pub(crate) fn auth_test(call: &Call<'_>) -> Result<Done, Refusal> {
    let url = call.workspace.url();
    Ok(call.workspace.store.read(|rooms| {
        Done::new(json!({
            "url": url,
            "team": rooms.team.name,
            "user": "entente",
            "team_id": rooms.team.id,
            "user_id": rooms.bot_user_id,
            "bot_id": rooms.bot_id,
            "is_enterprise_install": false,
        }))
    }))
}

/// `auth.revoke`: ends the token it is called with.
pub(crate) fn revoke(call: &Call<'_>) -> Result<Done, Refusal> {
    if call.args.flag("test") {
        return Ok(Done::new(json!({"revoked": false})));
    }
    call.workspace
        .tokens
        .revoke(call.token)
        .map_err(|error| oauth::refused(&error))?;
    events::tokens_revoked(call.workspace);
    Ok(Done::new(json!({"revoked": true})))
}

/// `apps.uninstall`: the app removes itself.
pub(crate) fn uninstall(call: &Call<'_>) -> Result<Done, Refusal> {
    oauth::check_client(call.workspace, call.request, call.args)?;
    call.workspace
        .uninstall()
        .map_err(|error| oauth::refused(&error))?;
    Ok(Done::new(json!({})))
}

/// `team.info`.
pub(crate) fn team(call: &Call<'_>) -> Result<Done, Refusal> {
    let asked = call.args.text("team")?;
    call.workspace.store.read(|rooms| {
        if asked.is_some_and(|id| id != rooms.team.id) {
            return Err(Refusal::new("team_not_found"));
        }
        Ok(Done::new(json!({
            "team": {
                "id": rooms.team.id,
                "name": rooms.team.name,
                "url": call.workspace.url(),
                "domain": rooms.team.domain,
                "email_domain": "",
                "icon": {"image_default": true},
                "avatar_base_url": call.workspace.url(),
                "is_verified": false,
            },
        })))
    })
}

/// `users.info`.
pub(crate) fn person(call: &Call<'_>) -> Result<Done, Refusal> {
    let id = call.args.need("user", "user_not_found")?;
    call.workspace.store.read(|rooms| {
        if id == rooms.bot_user_id {
            return Ok(Done::new(json!({"user": bot(rooms)})));
        }
        rooms
            .people
            .iter()
            .find(|person| person.id == id)
            .map(|person| Done::new(json!({"user": shown(call, rooms, person)})))
            .ok_or_else(|| Refusal::new("user_not_found"))
    })
}

/// `users.lookupByEmail`.
pub(crate) fn by_email(call: &Call<'_>) -> Result<Done, Refusal> {
    let email = call.args.need("email", "users_not_found")?;
    call.workspace.store.read(|rooms| {
        rooms
            .people
            .iter()
            .find(|person| person.email.eq_ignore_ascii_case(&email))
            .map(|person| Done::new(json!({"user": shown(call, rooms, person)})))
            .ok_or_else(|| Refusal::new("users_not_found"))
    })
}

fn shown(call: &Call<'_>, rooms: &Rooms, person: &Person) -> Value {
    let mut profile = json!({
        "real_name": person.real_name,
        "display_name": person.name,
        "real_name_normalized": person.real_name,
        "display_name_normalized": person.name,
        "team": rooms.team.id,
    });
    if call.has("users:read.email")
        && let Some(profile) = profile.as_object_mut()
    {
        profile.insert("email".to_owned(), json!(person.email));
    }
    json!({
        "id": person.id,
        "team_id": rooms.team.id,
        "name": person.name,
        "deleted": false,
        "real_name": person.real_name,
        "tz": "Etc/UTC",
        "tz_label": "Coordinated Universal Time",
        "tz_offset": 0,
        "profile": profile,
        "is_admin": rooms.people.first().is_some_and(|first| first.id == person.id),
        "is_owner": false,
        "is_primary_owner": false,
        "is_restricted": false,
        "is_ultra_restricted": false,
        "is_bot": false,
        "is_app_user": false,
        "updated": 1_502_138_686,
    })
}

fn bot(rooms: &Rooms) -> Value {
    json!({
        "id": rooms.bot_user_id,
        "team_id": rooms.team.id,
        "name": "entente",
        "deleted": false,
        "real_name": "entente",
        "profile": {"real_name": "entente", "display_name": "", "bot_id": rooms.bot_id, "team": rooms.team.id},
        "is_bot": true,
        "is_app_user": false,
        "updated": 1_502_138_686,
    })
}
