//! How many requests a platform gets for what people do, out of its own counters.

use std::collections::BTreeMap;

use crate::Outcome;
use crate::http::Http;

/// Requests by interface, `METHOD /route`.
pub type Requests = BTreeMap<String, u64>;

/// What a platform has been asked so far.
///
/// # Errors
/// When it does not tell.
pub fn so_far(platform: &mut Http) -> Outcome<Requests> {
    read(&platform.text("GET", "/metrics", None)?)
}

/// What it was asked between the two.
#[must_use]
pub fn between(before: &Requests, after: &Requests) -> Requests {
    let more = |(route, count): (&String, &u64)| {
        let more = count - before.get(route).copied().unwrap_or(0).min(*count);
        (more > 0).then(|| (route.clone(), more))
    };
    after.iter().filter_map(more).collect()
}

/// Whether requests of this interface come with time and not with what people do.
#[must_use]
pub fn by_time(route: &str) -> bool {
    ["/lease", "/v1/downlink", "/healthz", "/metrics"].iter().any(|word| route.contains(word))
}

fn read(text: &str) -> Outcome<Requests> {
    let mut requests = Requests::new();
    for line in text.lines() {
        let Some(rest) = line.strip_prefix("im_platform_requests_total{") else { continue };
        let wrong = || format!("{line:?} is no count of requests");
        let (labels, count) = rest.split_once("} ").ok_or_else(wrong)?;
        let label = |name: &str| {
            labels
                .split_once(&format!("{name}=\""))
                .and_then(|(_, rest)| rest.split_once('"'))
                .map(|(value, _)| value)
        };
        let (method, route) = label("method").zip(label("route")).ok_or_else(wrong)?;
        *requests.entry(format!("{method} {route}")).or_default() +=
            count.parse::<u64>().map_err(|_| wrong())?;
    }
    if requests.is_empty() { Err("the platform counts no requests".to_owned()) } else { Ok(requests) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# HELP im_platform_requests Requests answered.\n\
        im_platform_requests_total{method=\"POST\",route=\"/v1/messages\",status=\"200\"} 7\n\
        im_platform_requests_total{method=\"POST\",route=\"/v1/messages\",status=\"409\"} 1\n\
        im_platform_requests_total{method=\"PUT\",route=\"/v1/friends/{user}/{friend}\",status=\"200\"} 3\n\
        im_platform_request_seconds_count{method=\"POST\",route=\"/v1/messages\"} 8\n";

    #[test]
    fn requests_by_interface_whatever_the_answer() {
        let read = read(TEXT).expect("counts");
        assert_eq!(read.get("POST /v1/messages"), Some(&8));
        assert_eq!(read.get("PUT /v1/friends/{user}/{friend}"), Some(&3));
        assert_eq!(read.len(), 2);
    }

    #[test]
    fn a_platform_that_counts_nothing_is_an_error() {
        assert!(read("# EOF\n").is_err());
        assert!(read("im_platform_requests_total{method=\"POST\"} 7\n").is_err());
    }

    #[test]
    fn only_what_came_between() {
        let after = read(TEXT).expect("counts");
        let before = Requests::from([
            ("POST /v1/messages".to_owned(), 5),
            ("PUT /v1/friends/{user}/{friend}".to_owned(), 3),
        ]);
        assert_eq!(between(&before, &after), Requests::from([("POST /v1/messages".to_owned(), 3)]));
    }

    #[test]
    fn leases_come_with_time() {
        assert!(by_time("PUT /v1/nodes/{node}/lease") && by_time("GET /v1/downlink"));
        assert!(!by_time("POST /v1/messages") && !by_time("POST /v1/nodes/{node}/states"));
    }
}
