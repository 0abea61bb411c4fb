//! What describes the portal: account, owners, pipelines, and the end of the installation.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};

use super::Portal;
use super::answer::{Refusal, read_kind};
use super::gate::Caller;
use super::inner::Inner;
use super::kind::Kind;
use super::portal::{Owner, Pipeline, Stage};
use crate::clock::instant;
use crate::params::Params;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    for path in [
        "/account-info/2026-09/details",
        "/account-info/2026-03/details",
        "/account-info/v3/details",
    ] {
        config.route(path, web::get().to(account));
    }
    for base in [
        "/crm/owners/2026-09",
        "/crm/owners/2026-03",
        "/crm/v3/owners",
    ] {
        config
            .route(base, web::get().to(owners))
            .route(&format!("{base}/"), web::get().to(owners))
            .route(&format!("{base}/{{id}}"), web::get().to(owner));
    }
    for base in [
        "/crm/pipelines/2026-09",
        "/crm/pipelines/2026-03",
        "/crm/v3/pipelines",
    ] {
        config
            .route(&format!("{base}/{{kind}}"), web::get().to(pipelines))
            .route(&format!("{base}/{{kind}}/{{id}}"), web::get().to(pipeline))
            .route(
                &format!("{base}/{{kind}}/{{id}}/stages"),
                web::get().to(stages),
            );
    }
    config.route(
        "/appinstalls/2026-09/external-install",
        web::delete().to(uninstall),
    );
    config.route(
        "/appinstalls/v3/external-install",
        web::delete().to(uninstall),
    );
}

async fn account(portal: web::Data<Portal>, caller: Caller) -> Result<HttpResponse, Refusal> {
    caller.need("oauth")?;
    let inner = portal.store.read();
    let info = &inner.info;
    Ok(HttpResponse::Ok().json(json!({
        "portalId": info.portal_id,
        "accountType": "STANDARD",
        "timeZone": info.time_zone,
        "companyCurrency": info.currency,
        "additionalCurrencies": info.additional_currencies,
        "utcOffset": "+00:00",
        "utcOffsetMilliseconds": 0,
        "uiDomain": "app.hubspot.com",
        "dataHostingLocation": "na1",
    })))
}

fn owner_entry(inner: &Inner, owner: &Owner) -> Value {
    let created = instant(inner.info.created_at);
    let mut entry = json!({
        "id": owner.id.to_string(),
        "email": owner.email,
        "type": "PERSON",
        "firstName": owner.first_name,
        "lastName": owner.last_name,
        "userId": owner.user_id,
        "userIdIncludingInactive": owner.user_id,
        "createdAt": created,
        "updatedAt": created,
        "archived": owner.archived,
    });
    if let (Some((id, name)), Some(object)) = (&owner.team, entry.as_object_mut()) {
        object.insert(
            "teams".to_owned(),
            json!([{"id": id.to_string(), "name": name, "primary": true}]),
        );
    }
    entry
}

async fn owners(
    portal: web::Data<Portal>,
    request: HttpRequest,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    caller.need("crm.objects.owners.read")?;
    let params = Params::of(&request);
    let limit = params.limit(100, 500)?;
    let after = params.after()?;
    let archived = params.flag("archived")?;
    let email = params.get("email");
    let base = portal.url();
    let inner = portal.store.read();
    let mut found = inner
        .owners
        .range(after..)
        .map(|(_, owner)| owner)
        .filter(|owner| owner.archived == archived)
        .filter(|owner| email.is_none_or(|email| owner.email.eq_ignore_ascii_case(email)));
    let results: Vec<Value> = found
        .by_ref()
        .take(limit)
        .map(|owner| owner_entry(&inner, owner))
        .collect();
    let mut body = json!({"results": results});
    if let (Some(next), Some(object)) = (found.next(), body.as_object_mut()) {
        let after = next.id.to_string();
        let link = format!(
            "{base}{}?{}",
            request.path().trim_start_matches('/'),
            params.next_query(&after)
        );
        object.insert(
            "paging".to_owned(),
            json!({"next": {"after": after, "link": link}}),
        );
    }
    Ok(HttpResponse::Ok().json(body))
}

async fn owner(
    portal: web::Data<Portal>,
    request: HttpRequest,
    path: web::Path<String>,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    caller.need("crm.objects.owners.read")?;
    let by_user = Params::of(&request).get("idProperty") == Some("userId");
    let inner = portal.store.read();
    let found = inner.owners.values().find(|owner| {
        let id = if by_user { owner.user_id } else { owner.id };
        id.to_string() == *path
    });
    let owner = found.ok_or_else(Refusal::not_found)?;
    Ok(HttpResponse::Ok().json(owner_entry(&inner, owner)))
}

fn stage_entry(inner: &Inner, stage: &Stage, order: usize) -> Value {
    let created = instant(inner.info.created_at);
    json!({
        "id": stage.id,
        "label": stage.label,
        "displayOrder": order,
        "metadata": {"isClosed": stage.closed.to_string(), "probability": stage.probability},
        "createdAt": created,
        "updatedAt": created,
        "archived": false,
        "writePermissions": "CRM_PERMISSIONS_ENFORCEMENT",
    })
}

fn pipeline_entry(inner: &Inner, pipeline: &Pipeline, order: usize) -> Value {
    let created = instant(inner.info.created_at);
    let stages: Vec<Value> = pipeline
        .stages
        .iter()
        .enumerate()
        .map(|(order, stage)| stage_entry(inner, stage, order))
        .collect();
    json!({
        "id": pipeline.id,
        "label": pipeline.label,
        "displayOrder": order,
        "stages": stages,
        "createdAt": created,
        "updatedAt": created,
        "archived": false,
    })
}

/// The pipelines of a kind: only deals have one.
fn pipelines_of(inner: &Inner, kind: Kind) -> &[Pipeline] {
    if kind == Kind::Deals {
        &inner.pipelines
    } else {
        &[]
    }
}

async fn pipelines(
    portal: web::Data<Portal>,
    path: web::Path<String>,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let kind = read_kind(&path)?;
    caller.read_schema(kind)?;
    let inner = portal.store.read();
    let results: Vec<Value> = pipelines_of(&inner, kind)
        .iter()
        .enumerate()
        .map(|(order, pipeline)| pipeline_entry(&inner, pipeline, order))
        .collect();
    Ok(HttpResponse::Ok().json(json!({"results": results})))
}

async fn pipeline(
    portal: web::Data<Portal>,
    path: web::Path<(String, String)>,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let kind = read_kind(&path.0)?;
    caller.read_schema(kind)?;
    let inner = portal.store.read();
    let found = pipelines_of(&inner, kind).iter().find(|p| p.id == path.1);
    let pipeline = found.ok_or_else(Refusal::not_found)?;
    Ok(HttpResponse::Ok().json(pipeline_entry(&inner, pipeline, 0)))
}

async fn stages(
    portal: web::Data<Portal>,
    path: web::Path<(String, String)>,
    caller: Caller,
) -> Result<HttpResponse, Refusal> {
    let kind = read_kind(&path.0)?;
    caller.read_schema(kind)?;
    let inner = portal.store.read();
    let found = pipelines_of(&inner, kind).iter().find(|p| p.id == path.1);
    let pipeline = found.ok_or_else(Refusal::not_found)?;
    let results: Vec<Value> = pipeline
        .stages
        .iter()
        .enumerate()
        .map(|(order, stage)| stage_entry(&inner, stage, order))
        .collect();
    Ok(HttpResponse::Ok().json(json!({"results": results})))
}

async fn uninstall(portal: web::Data<Portal>, caller: Caller) -> Result<HttpResponse, Refusal> {
    caller.need("oauth")?;
    match portal.tokens.uninstall() {
        Ok(()) => Ok(HttpResponse::NoContent().finish()),
        Err(_) => Ok(HttpResponse::InternalServerError().finish()),
    }
}
