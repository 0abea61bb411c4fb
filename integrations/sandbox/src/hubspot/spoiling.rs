//! The words and the shapes HubSpot's answers have when a fault spoils them.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::Value;

use super::answer::Refusal;
use super::gate::expired;
use super::limits::too_many;
use crate::faults::Effect;
use crate::spoiling::{Manner, mistype};

/// HubSpot's manner.
#[derive(Debug)]
pub(crate) struct HubSpotManner;

impl Manner for HubSpotManner {
    fn denied(&self, status: StatusCode) -> HttpResponse {
        Refusal::new(status, "INTERNAL_ERROR", "internal error").response()
    }

    fn limited(&self, policy: &str) -> HttpResponse {
        HttpResponse::TooManyRequests().json(too_many(policy))
    }

    fn expired(&self) -> HttpResponse {
        expired(7).response()
    }

    fn spoil(&self, effect: &Effect, body: &mut Value) -> Option<u16> {
        spoil(effect, body)
    }
}

/// Spoils the JSON of an answer as only this vendor's can be; returns the new status when it changes.
pub(crate) fn spoil(effect: &Effect, body: &mut Value) -> Option<u16> {
    match effect {
        Effect::NoPaging {} => {
            if let Some(object) = body.as_object_mut() {
                object.remove("paging");
            }
            None
        }
        Effect::WrongTypes {} => {
            mistype_results(body);
            None
        }
        Effect::Partial {} => {
            let object = body.as_object_mut()?;
            let results = object.get_mut("results")?.as_array_mut()?;
            if results.is_empty() {
                return None;
            }
            let lost = results.remove(0);
            let id = lost
                .pointer("/id")
                .or_else(|| lost.pointer("/from/id"))
                .cloned();
            let mut context = serde_json::json!({"ids": [id]});
            if let (Some(trace), Some(context)) =
                (lost.get("objectWriteTraceId"), context.as_object_mut())
            {
                context.insert("objectWriteTraceId".to_owned(), serde_json::json!([trace]));
            }
            object.insert("numErrors".to_owned(), Value::from(1));
            object.insert(
                "errors".to_owned(),
                serde_json::json!([{
                    "status": "error",
                    "category": "INTERNAL_ERROR",
                    "message": "internal error",
                    "context": context,
                    "links": {},
                    "errors": [],
                }]),
            );
            Some(207)
        }
        _ => None,
    }
}

fn mistype_results(body: &mut Value) {
    let Some(results) = body.get_mut("results").and_then(Value::as_array_mut) else {
        return;
    };
    for (n, item) in results.iter_mut().enumerate() {
        if let Some(properties) = item.get_mut("properties").and_then(Value::as_object_mut) {
            mistype(n, properties);
        }
    }
}
