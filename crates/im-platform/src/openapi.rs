//! The contract as OpenAPI 3.1, made from the routes' list and the types' schemas: nothing in it is written by hand, so nothing can disagree.

mod examples;

use std::sync::OnceLock;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::http::Route;
use crate::modules::MODULES;

/// What a refusal means, by status. 500 is not among them: it would be a mistake of the server, which the contract does not plan for.
const REFUSALS: [(u16, &str); 12] = [
    (400, "The request cannot be read."),
    (401, "A valid credential is needed."),
    (403, "The credential's scope does not cover this."),
    (404, "Something that the request names is not there, or not for this viewer."),
    (
        409,
        "It does not fit what is there: `conflict`, `claimed` by another, or `unknown-epoch` (send a snapshot first).",
    ),
    (410, "What was announced after this cursor has been removed; start anew."),
    (413, "The body is larger than this interface takes."),
    (415, "This interface does not take that content type."),
    (422, "A value is not acceptable; `pointer` or `detail` names it."),
    (429, "Too many requests of this caller."),
    (
        503,
        "The platform is stopping, or its store, the store of media or Keystone cannot be asked; try again after `Retry-After`.",
    ),
    (
        507,
        "No room is left, on the disk or in what an interface may use; `detail` says which. Nothing was stored.",
    ),
];

/// The document.
pub fn document() -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(build)
}

fn build() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| s.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let problem = generator.subschema_for::<im_api::Problem>().to_value();
    let mut paths = Map::new();
    for module in MODULES {
        for route in module.routes {
            let path = paths.entry(route.path).or_insert_with(|| json!({}));
            path[route.method.to_lowercase()] = operation(module.name, route, &mut generator);
        }
    }
    let refusals: Map<_, _> = REFUSALS
        .iter()
        .map(|(status, about)| {
            let content = json!({ "application/problem+json": { "schema": problem } });
            (status.to_string(), json!({ "description": about, "content": content }))
        })
        .collect();
    let about = "The instant-messaging interfaces of a platform. Errors are RFC 9457 problems; times are RFC 3339 in UTC with \
        milliseconds; users are bare JIDs, percent-encoded in paths. POSTs that take `Idempotency-Key` answer a replay as the first time.";
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Cloud Bridge platform", "version": im_api::API_VERSION, "description": about,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" } },
        "tags": MODULES.iter().map(|m| json!({ "name": m.name })).collect::<Vec<_>>(),
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "responses": refusals,
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer" },
                "signature": { "type": "apiKey", "in": "header", "name": "webhook-signature",
                    "description": "In the manner of Standard Webhooks, with webhook-id and webhook-timestamp: \
                        `v1,` and base64 of HMAC-SHA256 over `id.timestamp.METHOD target.body`." },
                "keystone": { "type": "apiKey", "in": "header", "name": "X-Auth-Token",
                    "description": "A token of the cloud's Keystone, where the platform is set up for one; its roles say what it may do." }
            }
        }
    })
}

fn operation(tag: &str, route: &Route, generator: &mut SchemaGenerator) -> Value {
    let example = examples::of(route);
    let mut parameters: Vec<Value> = path_parameters(route.path)
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    parameters.extend(route.query.iter().map(|p| {
        json!({ "name": p.name, "in": "query", "required": p.required, "description": p.about, "schema": { "type": p.kind } })
    }));
    for parameter in &mut parameters {
        let name = parameter["name"].as_str().unwrap_or_default();
        if let Some(value) = example.as_ref().and_then(|e| e.parameters.get(name)) {
            parameter["example"] = if parameter["schema"]["type"] == "integer" {
                value.parse::<i64>().map_or(Value::Null, Value::from)
            } else {
                value.as_str().into()
            };
        }
    }
    if route.once {
        let about = "A replay with the same key and body gets the first answer.";
        parameters.push(json!({ "name": im_api::routes::IDEMPOTENCY_KEY, "in": "header", "required": false,
            "description": about, "schema": { "type": "string", "minLength": 1, "maxLength": 255 } }));
    }
    let (status, answer) = route.answer;
    let mut success = json!({ "description": "Done." });
    if status != 204 {
        let schema = answer.map_or_else(|| json!({}), |schema| schema(generator).to_value());
        success["content"] = json!({ route.answer_type: { "schema": schema } });
    }
    let mut responses = json!({ status.to_string(): success });
    for refusal in route.refusals() {
        responses[refusal.to_string()] = json!({ "$ref": format!("#/components/responses/{refusal}") });
    }
    // A repetition of what was put is 200 instead of 201; a health check that fails still says what is wrong.
    if route.method == "PUT" && status == 201 {
        responses["200"] = responses["201"].clone();
    }
    if route.path == im_api::routes::MEDIA && route.method == "GET" {
        let about = "Where media are in a cloud's object store: at the address in `Location` the file can be fetched without a credential, for \
            some minutes, by whoever has the address.";
        let location = json!({ "Location": { "schema": { "type": "string", "format": "uri" } } });
        responses["302"] = json!({ "description": about, "headers": location });
    }
    if route.path == im_api::routes::HEALTH {
        responses["503"] = responses["200"].clone();
    }
    let mut operation = json!({
        "operationId": format!("{}{}", route.method.to_lowercase(), name(route.path)),
        "tags": [tag],
        "summary": route.summary,
        "parameters": parameters,
        "responses": responses,
        "x-scopes": route.scopes.iter().map(|s| s.name()).collect::<Vec<_>>(),
        "security": if route.scopes.is_empty() { json!([]) } else { json!([{ "token": [] }, { "signature": [] }, { "keystone": [] }]) },
    });
    if let Some(schema) = route.request {
        let mut content = Map::new();
        for kind in if route.media.is_empty() { &["application/json"] } else { route.media } {
            content.insert((*kind).into(), json!({ "schema": schema(generator) }));
        }
        // One event alone is no array.
        if let Some(one) = content.get_mut("application/cloudevents+json") {
            *one = json!({ "schema": im_api::event::Event::json_schema_of(generator) });
        }
        if let Some((kind, body)) = example.and_then(|e| e.body)
            && let Some(content) = content.get_mut(&kind)
        {
            content["example"] = body;
        }
        operation["requestBody"] = json!({ "required": true, "content": content });
    } else if !route.media.is_empty() {
        let binary = json!({ "schema": { "type": "string", "format": "binary" } });
        let content: Map<_, _> =
            route.media.iter().map(|kind| ((*kind).to_owned(), binary.clone())).collect();
        operation["requestBody"] = json!({ "required": true, "content": content });
    }
    operation
}

/// A type's schema by reference.
trait SchemaRef: JsonSchema {
    fn json_schema_of(generator: &mut SchemaGenerator) -> Value {
        generator.subschema_for::<Self>().to_value()
    }
}
impl<T: JsonSchema> SchemaRef for T {}

fn path_parameters(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|rest| rest.split('}').next())
}

/// `/v1/users/{user}` becomes `V1UsersUser`.
fn name(path: &str) -> String {
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
    words.map(|w| w[..1].to_uppercase() + &w[1..]).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|v| references(v, found));
            }
            Value::Array(items) => items.iter().for_each(|v| references(v, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_operation_has_its_own_name() {
        let document = document();
        let mut found = Vec::new();
        references(document, &mut found);
        assert!(found.len() > 40);
        for reference in found {
            let pointer = reference.strip_prefix('#').expect("a local reference");
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
        let paths = document["paths"].as_object().expect("paths");
        let names: Vec<&str> = paths
            .values()
            .flat_map(|path| path.as_object().expect("operations").values())
            .filter_map(|operation| operation["operationId"].as_str())
            .collect();
        assert_eq!(names.len(), crate::modules::routes().count());
        assert_eq!(names.iter().collect::<HashSet<_>>().len(), names.len());
    }

    #[test]
    fn every_json_body_has_an_example_from_the_fixtures() {
        for path in document()["paths"].as_object().expect("paths").values() {
            for operation in path.as_object().expect("operations").values() {
                let Some(body) = operation["requestBody"]["content"].get("application/json") else {
                    continue;
                };
                assert!(body.get("example").is_some(), "{}", operation["operationId"]);
            }
        }
    }

    #[test]
    fn every_refusal_is_explained() {
        let known: HashSet<u16> = REFUSALS.iter().map(|(status, _)| *status).collect();
        for route in crate::modules::routes() {
            assert!(route.refusals().iter().all(|s| known.contains(s)), "{} {}", route.method, route.path);
        }
    }

    #[test]
    fn secrets_are_plain_strings_and_stanzas_anything() {
        let schemas = &document()["components"]["schemas"];
        assert_eq!(schemas["Secret"]["type"], "string");
        assert!(schemas["DecideItem"]["required"].as_array().is_some_and(|r| r.contains(&json!("stanza"))));
    }
}
