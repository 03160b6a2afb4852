//! What is counted, as Prometheus text. No names of users or callers, no message text: only routes, statuses, kinds.

use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, LabelSetEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::http::Route;

/// The counters.
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabels, Histogram, fn() -> Histogram>,
    verdicts: Family<WordLabel, Counter>,
    logins: Family<WordLabel, Counter>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct RequestLabels(&'static str, &'static str, u16);
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct RouteLabels(&'static str, &'static str);
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct WordLabel(&'static str, &'static str);

impl EncodeLabelSet for RequestLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        [("method", self.0), ("route", self.1), ("status", self.2.to_string().as_str())].encode(encoder)
    }
}

impl EncodeLabelSet for RouteLabels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        [("method", self.0), ("route", self.1)].encode(encoder)
    }
}

impl EncodeLabelSet for WordLabel {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> Result<(), std::fmt::Error> {
        [(self.0, self.1)].encode(encoder)
    }
}

/// From a quarter of a millisecond to eight seconds.
fn histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.000_25, 2.0, 16))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("im_platform");
        let requests = Family::default();
        registry.register("requests", "Requests answered", requests.clone());
        let seconds = Family::new_with_constructor(histogram as fn() -> Histogram);
        registry.register("request_seconds", "Time to answer", seconds.clone());
        let verdicts = Family::default();
        registry.register("verdicts", "Messages judged", verdicts.clone());
        let logins = Family::default();
        registry.register("logins", "Passwords verified", logins.clone());
        Self { registry, requests, seconds, verdicts, logins }
    }
}

impl Metrics {
    /// A request was answered.
    pub fn request(&self, route: &Route, status: u16, took: Duration) {
        self.requests.get_or_create(&RequestLabels(route.method, route.path, status)).inc();
        self.seconds.get_or_create(&RouteLabels(route.method, route.path)).observe(took.as_secs_f64());
    }

    /// A message was judged.
    pub fn verdict(&self, word: &'static str) {
        self.verdicts.get_or_create(&WordLabel("verdict", word)).inc();
    }

    /// A password was verified.
    pub fn login(&self, outcome: &'static str) {
        self.logins.get_or_create(&WordLabel("outcome", outcome)).inc();
    }

    /// All of it as text, with gauges of the moment.
    #[must_use]
    pub fn text(&self, gauges: &[(&str, &str, u64)]) -> String {
        use prometheus_client::metrics::gauge::ConstGauge;
        let mut text = String::new();
        let mut now = Registry::with_prefix("im_platform");
        for (name, help, value) in gauges {
            now.register(*name, *help, ConstGauge::new(i64::try_from(*value).unwrap_or(i64::MAX)));
        }
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        let eof = text.rfind("# EOF").unwrap_or(text.len());
        text.truncate(eof);
        let _ = encode(&mut text, &now);
        text
    }
}
