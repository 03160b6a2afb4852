//! Routes, answers and problems of the interfaces.

use serde_json::json;

use crate::server::{EPOCH, Server, TOKEN, decide};

#[test]
fn a_conversation_over_http_from_offline_to_drained() {
    let data = tempfile::tempdir().expect("a folder");
    let server = Server::start(data.path());
    server.snapshot(0, &["romeo@example.org/orchard", "juliet@example.org/balcony"]);
    assert_eq!(server.decide("k1", "juliet@example.org"), "deliver");

    let closed = json!({ "epoch": EPOCH, "changes":
        [{ "seq": 1, "open": false, "user": "juliet@example.org", "resource": "balcony", "available": false }] });
    assert_eq!(server.ok("POST", "/v1/nodes/n/states", Some(&closed)), json!({ "drain": [] }));
    assert_eq!(server.decide("k2", "juliet@example.org"), "stored");

    let opened = json!({ "epoch": EPOCH, "changes":
        [{ "seq": 2, "open": true, "user": "juliet@example.org", "resource": "balcony", "available": true, "show": "dnd" }] });
    let drain = server.ok("POST", "/v1/nodes/n/states", Some(&opened));
    assert_eq!(drain, json!({ "drain": ["juliet@example.org"] }));
    let state = server.ok("GET", "/v1/state/juliet%40example.org", None);
    assert_eq!((&state["state"], &state["reachable"]), (&json!("busy"), &json!(false)));

    let claimant = json!({ "node": "n", "epoch": EPOCH, "resource": "balcony" });
    let claim = server.ok("POST", "/v1/pending/juliet%40example.org/claim", Some(&claimant));
    assert_eq!(claim["pending"], 1);
    let again = server.call("POST", "/v1/pending/juliet%40example.org/claim", Some(&claimant));
    assert_eq!(again.problem(), "409 claimed");
    let claim = claim["claim"].as_str().expect("an id");
    let pending = server.ok("GET", &format!("/v1/pending/juliet%40example.org?claim={claim}&limit=5"), None);
    assert_eq!(pending["items"][0]["stanza"], json!({ "body": "k2" }));
    assert_eq!(pending["items"][0]["sent_at"], "2026-11-23T06:36:00.000Z");
    let seq = &pending["items"][0]["seq"];
    let left =
        server.ok("DELETE", &format!("/v1/pending/juliet%40example.org?claim={claim}&upto={seq}"), None);
    assert_eq!(left, json!({ "left": 0 }));
    let back = server.call("DELETE", &format!("/v1/pending/juliet%40example.org/claim?claim={claim}"), None);
    assert_eq!(back.status, 204);
    assert_eq!(server.decide("k3", "juliet@example.org"), "deliver");

    let settled =
        json!({ "items": [{ "key": "k2", "outcome": "delivered" }, { "key": "k9", "outcome": "refused" }] });
    let settled = server.ok("POST", "/v1/messages/settle", Some(&settled));
    assert_eq!(settled, json!({ "results": ["handed_over", "noted"] }));
    let history =
        server.ok("GET", "/v1/messages?user=juliet@example.org&with=romeo@example.org&limit=2", None);
    assert_eq!(history["items"][0]["key"], "k3");
    assert_eq!(history["items"][1]["status"], "handed_over");
    let next = history["next"].as_str().expect("a cursor");
    let history = server.ok("GET", &format!("/v1/messages?user=juliet@example.org&before={next}"), None);
    assert_eq!(history["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        server.ok("PUT", "/v1/nodes/n/lease", Some(&json!({ "epoch": EPOCH, "ttl_ms": 5000 }))),
        json!({ "drain": [], "pending": false })
    );
}

#[test]
fn a_wrong_item_fails_alone() {
    let data = tempfile::tempdir().expect("a folder");
    let server = Server::start(data.path());
    server.snapshot(0, &["juliet@example.org/balcony"]);
    let mut request = decide("good", "juliet@example.org");
    let good = request["items"][0].clone();
    let wrong = [
        ("key", json!("b d")),
        ("from", json!("romeo@example.org")),
        ("to", json!("@")),
        ("sent_at", json!("now")),
        ("stanza", json!([])),
    ];
    let mut items = vec![good.clone()];
    for (field, value) in &wrong {
        let mut item = good.clone();
        item[*field] = value.clone();
        items.push(item);
    }
    items.push(good);
    request["items"] = json!(items);
    let results = server.ok("POST", "/v1/messages", Some(&request));
    let results = results["results"].as_array().expect("results");
    assert_eq!((&results[0]["verdict"], &results[6]["verdict"]), (&json!("deliver"), &json!("deliver")));
    for (i, (field, _)) in wrong.iter().enumerate() {
        let result = &results[i + 1];
        assert_eq!((&result["verdict"], &result["problem"]), (&json!("failed"), &json!("invalid")));
        assert!(result["detail"].as_str().is_some_and(|d| d.starts_with(field)), "{result}");
    }
}

#[test]
fn a_wrong_field_is_named_by_its_pointer() {
    let data = tempfile::tempdir().expect("a folder");
    let server = Server::start(data.path());
    let session = |field: &str, value: serde_json::Value| {
        let mut session = json!({ "user": "a@b", "resource": "r", "available": true });
        session[field] = value;
        json!({ "epoch": "e", "ttl_ms": 5000, "seq": 0, "sessions": [session] })
    };
    let long = "x".repeat(1_025);
    let mut unknown = decide("k", "a@b");
    unknown["items"][0]["surprise"] = json!(1);
    let mut missing = decide("k", "a@b");
    missing["items"][0].as_object_mut().expect("an object").remove("storable");
    let cases = [
        ("PUT", "/v1/nodes/n/sessions", session("user", json!("nobody")), "/sessions/0/user"),
        ("PUT", "/v1/nodes/n/sessions", session("user", json!("a@b/c")), "/sessions/0/user"),
        ("PUT", "/v1/nodes/n/sessions", session("resource", json!("")), "/sessions/0/resource"),
        ("PUT", "/v1/nodes/n/sessions", session("priority", json!(128)), "/sessions/0/priority"),
        ("PUT", "/v1/nodes/n/sessions", session("show", json!("busy")), "/sessions/0/show"),
        ("PUT", "/v1/nodes/n/sessions", session("status", json!(long)), "/sessions/0/status"),
        ("PUT", "/v1/nodes/n/lease", json!({ "epoch": "e", "ttl_ms": 999 }), "/ttl_ms"),
        ("PUT", "/v1/nodes/n/lease", json!({ "epoch": "e_e", "ttl_ms": 1000 }), "/epoch"),
        ("PUT", "/v1/nodes/n/lease", json!({ "ttl_ms": 1000 }), ""),
        ("POST", "/v1/messages", unknown, "/items/0/surprise"),
        ("POST", "/v1/messages", missing, "/items/0"),
        (
            "POST",
            "/v1/messages/settle",
            json!({ "items": [{ "key": "k", "outcome": "lost" }] }),
            "/items/0/outcome",
        ),
        (
            "POST",
            "/v1/messages/settle",
            json!({ "items": [{ "key": "", "outcome": "refused" }] }),
            "/items/0/key",
        ),
        ("POST", "/v1/events", json!([{ "specversion": "1.0" }]), "/0"),
        (
            "PUT",
            "/v1/state/a%40b/r",
            json!({ "seq": 1, "open": true, "user": "c@d", "resource": "r", "available": true }),
            "/user",
        ),
    ];
    for (method, path, body, pointer) in cases {
        let answer = server.call(method, path, Some(&body));
        assert_eq!(answer.problem(), "422 invalid", "{path} {body} {answer:?}");
        assert_eq!(answer.body["pointer"], pointer, "{path} {body} {answer:?}");
    }
}

#[test]
fn what_cannot_be_read_is_a_problem_and_never_a_crash() {
    let data = tempfile::tempdir().expect("a folder");
    let server = Server::start(data.path());
    let json = "application/json";
    let large = format!("{{\"epoch\":\"{}\"", "e".repeat(5_000));
    let cases = [
        ("POST", "/v1/messages", json, Some("{"), "400 invalid"),
        ("POST", "/v1/messages", json, Some("not json"), "400 invalid"),
        ("POST", "/v1/messages", json, Some("{} {}"), "422 invalid"),
        ("POST", "/v1/messages", json, Some("\u{0}"), "400 invalid"),
        ("POST", "/v1/messages", json, Some("[]"), "422 invalid"),
        ("POST", "/v1/messages", "text/plain", Some("{}"), "415 invalid"),
        ("PUT", "/v1/nodes/n/lease", json, Some(large.as_str()), "413 too-large"),
        ("GET", "/v1/nowhere", json, None, "404 not-found"),
        ("DELETE", "/v1/messages", json, None, "405 about:blank"),
        ("GET", "/v1/state/stranger%40example.org", json, None, "404 not-found"),
        ("GET", "/v1/state/nobody", json, None, "422 invalid"),
        ("GET", "/v1/pending/a%40b", json, None, "422 invalid"),
        ("GET", "/v1/messages?user=a@b&limit=257", json, None, "422 invalid"),
        ("GET", "/v1/messages?user=a@b&limit=x", json, None, "422 invalid"),
        ("PUT", "/v1/nodes/n/lease", json, Some(r#"{"epoch":"e","ttl_ms":5000}"#), "409 unknown-epoch"),
    ];
    for (method, path, kind, body, expected) in cases {
        let answer = server.send(method, path, Some(TOKEN), kind, body).expect("an answer");
        assert_eq!(answer.problem(), expected, "{method} {path} {answer:?}");
    }
    assert_eq!(server.ok("GET", "/healthz", None)["status"], "ok");
}

#[test]
fn without_the_token_there_is_only_health() {
    let data = tempfile::tempdir().expect("a folder");
    let server = Server::start(data.path());
    for token in [None, Some(""), Some("wrong"), Some("a-token-for-the-test"), Some("a-token-for-the-tests-")]
    {
        for (method, path) in
            [("GET", "/v1/state/a%40b"), ("POST", "/v1/messages"), ("DELETE", "/v1/pending/a%40b")]
        {
            let answer = server.send(method, path, token, "application/json", Some("{}")).expect("an answer");
            assert_eq!(answer.problem(), "401 unauthorized", "{method} {path} with {token:?}");
        }
    }
    let health = server.send("GET", "/healthz", None, "", None).expect("an answer");
    assert_eq!((health.status, &health.body["store"]), (200, &json!("sqlite")));
}

#[test]
fn events_come_alone_or_in_batches_and_are_kept_once() {
    let data = tempfile::tempdir().expect("a folder");
    let server = Server::start(data.path());
    let event = |id: &str| {
        json!({ "specversion": "1.0", "id": id, "source": "/nodes/n", "type": "im.message.chat", "time": "2026-11-23T06:36:00Z",
            "datacontenttype": "application/json", "sequence": "1", "data": { "v": 1 } })
    };
    let post = |kind: &str, body: serde_json::Value| {
        server.send("POST", "/v1/events", Some(TOKEN), kind, Some(&body.to_string())).expect("an answer")
    };
    let batch = "application/cloudevents-batch+json";
    assert_eq!(post(batch, json!([event("a"), event("b")])).body, json!({ "accepted": 2, "duplicates": 0 }));
    let one = post("application/cloudevents+json; charset=utf-8", event("b"));
    assert_eq!(one.body, json!({ "accepted": 0, "duplicates": 1 }));
    assert_eq!(post("application/xml", json!([])).problem(), "415 invalid");
    let mut wrong = event("c");
    wrong["time"] = json!("noon");
    assert_eq!(post(batch, json!([event("d"), wrong])).body["pointer"], "/1/time");
}
