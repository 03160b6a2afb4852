//! The files of the console, in the binary: ours from `console/`, and the map library with its land from npm (`build.rs`).

use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";
const SVG: &str = "image/svg+xml";

/// One file.
#[derive(Debug, Clone, Copy)]
pub struct Asset {
    /// Its name below `/console/assets/`.
    pub name: &'static str,
    kind: &'static str,
    bytes: &'static [u8],
}

macro_rules! ours {
    ($name:literal, $kind:expr) => {
        Asset { name: $name, kind: $kind, bytes: include_bytes!(concat!("../../console/", $name)) }
    };
}
macro_rules! npm {
    ($name:literal, $kind:expr) => {
        Asset {
            name: $name,
            kind: $kind,
            bytes: include_bytes!(concat!(env!("OUT_DIR"), "/console/", $name)),
        }
    };
}

/// The page itself.
const PAGE: Asset = ours!("index.html", HTML);
/// What it loads.
pub const ASSETS: &[Asset] = &[
    ours!("console.css", CSS),
    ours!("map.css", CSS),
    ours!("app.js", JS),
    ours!("api.js", JS),
    ours!("dom.js", JS),
    ours!("list.js", JS),
    ours!("map.js", JS),
    ours!("people.js", JS),
    ours!("talk.js", JS),
    ours!("places.js", JS),
    ours!("system.js", JS),
    ours!("icon.svg", SVG),
    npm!("leaflet.js", JS),
    npm!("leaflet.css", CSS),
    npm!("topojson.js", JS),
    npm!("world.json", JSON),
];

/// Nothing from anywhere else, nothing inline, in nobody's frame.
const POLICY: &str =
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// The page.
#[must_use]
pub fn page(headers: &HeaderMap) -> Response {
    serve(PAGE, headers)
}

/// A file by its name.
#[must_use]
pub fn asset(name: &str, headers: &HeaderMap) -> Option<Response> {
    ASSETS.iter().find(|asset| asset.name == name).map(|asset| serve(*asset, headers))
}

fn serve(asset: Asset, headers: &HeaderMap) -> Response {
    let tag = format!("\"{}-{:x}\"", crate::VERSION, fingerprint(asset.bytes));
    let common = [
        (ETAG, tag.as_str()),
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    if headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(CONTENT_TYPE, asset.kind)], asset.bytes).into_response()
}

/// FNV-1a: tells versions of a file apart, nothing more.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
