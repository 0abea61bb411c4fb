//! What an account is set up with, as the Connect API tells it: the only place that names the currency of an org that has but one.

use actix_web::{HttpResponse, web};
use serde_json::json;

use super::Org;

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    let path = "/services/data/v{version}/connect/organization";
    config.route(path, web::get().to(show));
}

async fn show(org: web::Data<Org>) -> HttpResponse {
    let several = org.store.read().schema.object("CurrencyType").is_some();
    // With several currencies it is the one of the corporation that counts, and none is named here.
    let default = (!several).then_some("USD");
    HttpResponse::Ok().json(json!({
        "orgId": org.org_id(),
        "name": "Example Org",
        "features": {"multiCurrency": several, "defaultCurrencyIsoCode": default},
        "userSettings": {"userId": org.user_id()},
    }))
}
