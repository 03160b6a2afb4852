//! Mirror events: CloudEvents 1.0, one (`application/cloudevents+json`) or many (`application/cloudevents-batch+json`, or a plain JSON array).

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use im_api::event::{Event, EventsAnswer};
use im_api::routes;

use super::BRIDGE;
use crate::clock;
use crate::http::extract::{parse, whole};
use crate::http::problem::ApiError;
use crate::http::{App, Route};

pub const ROUTES: &[Route] =
    &[Route::new("POST", routes::EVENTS, "Mirror events, one or a batch", || post(add))
        .for_scopes(BRIDGE)
        .takes::<Vec<Event>>(16 << 20)
        .media(&["application/cloudevents-batch+json", "application/cloudevents+json"], 16 << 20)
        .gives::<EventsAnswer>(200)];

/// Events per request.
const MAX: usize = 1_000;

async fn add(State(app): State<App>, request: Request) -> Result<Json<EventsAnswer>, ApiError> {
    let kind = request.headers().get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let batch = match kind.as_str() {
        "application/cloudevents-batch+json" | "application/json" => true,
        "application/cloudevents+json" => false,
        _ => {
            return Err(ApiError::ContentType(
                "application/cloudevents-batch+json or application/cloudevents+json",
            ));
        }
    };
    let bytes = whole(request).await?;
    let events: Vec<Event> = if batch { parse(&bytes)? } else { vec![parse(&bytes)?] };
    if events.len() > MAX {
        return Err(ApiError::field("", format!("has more than {MAX} events")));
    }
    for (i, event) in events.iter().enumerate() {
        let at = |name: &str| if batch { format!("/{i}/{name}") } else { format!("/{name}") };
        if event.specversion != "1.0" {
            return Err(ApiError::field(at("specversion"), "must be 1.0"));
        }
        for (name, value) in [("id", &event.id), ("source", &event.source), ("type", &event.kind)] {
            if value.is_empty() || value.len() > 1_024 {
                return Err(ApiError::field(at(name), "must have 1 to 1,024 bytes"));
            }
        }
        if clock::parse(&event.time).is_none() {
            return Err(ApiError::field(at("time"), "is not an RFC 3339 time"));
        }
    }
    Ok(Json(app.store.add_events(events).await?))
}
