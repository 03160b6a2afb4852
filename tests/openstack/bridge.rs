//! A bridge that finds its platform in the catalogue and is let in by Keystone's tokens.

use std::time::{Duration, Instant};

use cloudbridge::ffi::frame::{Reader, ask};
use serde_json::json;

use crate::cloud::{Cloud, cloud};
use crate::platform::Platform;
use crate::shim::{Server, message};

const JULIET: &str = "juliet@example.org/balcony";
const ROMEO: &str = "romeo@example.org/orchard";

/// A bridge that decides chat by whatever Keystone names, with an application credential and these settings over it.
fn bridge(cloud: &Cloud, more: &[(&str, &str)]) -> Server {
    let (id, secret) = cloud.application();
    let mut settings = vec![
        ("chat.mode", "decide"),
        ("platform.auth", "keystone"),
        ("keystone.url", cloud.keystone()),
        ("keystone.applicationCredentialId", &id),
        ("keystone.applicationCredentialSecret.password", &secret),
    ];
    for (key, value) in more {
        settings.retain(|(k, _)| k != key);
        settings.push((key, value));
    }
    let server = Server::start(&settings);
    server.log_in(JULIET, 0);
    server.log_in(ROMEO, 0);
    server
}

/// One message; true when the platform decided it.
fn decided(server: &Server, number: usize) -> bool {
    let id = number.to_string();
    let counts = |name: &str| server.status()["modules"]["chat"]["counts"][name].as_u64().expect("a count");
    let (released, alone) = (counts("released"), counts("alone"));
    server.send(&message(ROMEO, "juliet@example.org", &id, "x"));
    let outcome = server.outcome(&id);
    if outcome == "passed" {
        return false;
    }
    server.until("counted", |_| counts("released") > released);
    counts("alone") == alone
}

fn test_button(server: &Server) -> Result<String, String> {
    let answer = server.ask(&[ask::TEST_PLATFORM]);
    let mut r = Reader::new(&answer);
    let ok = r.u8().expect("opcode") == 0;
    let text = r.str().expect("text").to_owned();
    if ok { Ok(text) } else { Err(text) }
}

fn here(platform: &Platform) -> [(&'static str, &'static str, &str); 1] {
    [("RegionOne", "public", &platform.url)]
}

#[test]
fn the_platform_is_found_by_type_region_and_interface_and_decides() {
    let cloud = cloud();
    let platform = Platform::start(&cloud);
    cloud.platforms(&[
        ("RegionOne", "public", "http://127.0.0.1:1"),
        ("RegionTwo", "internal", &platform.url),
        ("RegionTwo", "public", "http://127.0.0.1:1/public"),
    ]);
    let server = bridge(&cloud, &[("keystone.region", "RegionTwo"), ("keystone.interface", "internal")]);
    server.until("ready", |s| s["ready"] == true);
    assert!(decided(&server, 1));
    let status = server.status();
    let keystone = &status["platform"]["keystone"];
    assert_eq!(
        (&status["platform"]["kind"], &status["platform"]["url"]),
        (&json!("remote"), &json!(platform.url))
    );
    assert_eq!(keystone["found"], json!([platform.url]));
    assert_eq!((&keystone["region"], &keystone["interface"]), (&json!("RegionTwo"), &json!("internal")));
    assert!(keystone["token_ends_in_s"].as_u64().is_some_and(|s| s > 3_000), "{keystone}");
    let said = test_button(&server).expect("reached");
    assert!(said.contains(&format!("at {} (found by Keystone)", platform.url)), "{said}");
    assert!(said.contains("credential accepted"), "{said}");
    // No secret is shown or kept.
    let (_, secret) = cloud.application();
    assert!(!status.to_string().contains(&secret));
    server.assert_nowhere(&secret);
    assert!(!platform.log().contains(&secret));
}

#[test]
fn a_password_does_as_well_and_a_set_address_is_not_looked_up() {
    let cloud = cloud();
    let platform = Platform::start(&cloud);
    cloud.platforms(&[("RegionOne", "public", "http://127.0.0.1:1")]);
    let password = cloud.password("openfire");
    let server = bridge(
        &cloud,
        &[
            ("platform.url", platform.url.as_str()),
            ("keystone.user", "openfire"),
            ("keystone.password", &password),
            ("keystone.project", "im"),
        ],
    );
    server.until("ready", |s| s["ready"] == true);
    assert!(decided(&server, 1));
    server.assert_nowhere(&password);
}

#[test]
fn a_wrong_secret_a_missing_endpoint_and_a_missing_role_are_each_said_so_that_somebody_can_act() {
    let cloud = cloud();
    let platform = Platform::start(&cloud);
    cloud.platforms(&here(&platform));
    let (id, _) = cloud.application();
    let nobody = cloud.password("nobody");
    type Case<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a str);
    let cases: [Case<'_>; 4] = [
        (
            &[("keystone.applicationCredentialSecret.password", "canary-wrong")],
            "refused the application credential",
            &id,
        ),
        (&[("keystone.region", "Elsewhere")], "in region Elsewhere", "public in RegionOne"),
        (
            &[("keystone.applicationCredentialId", "")],
            "platform.auth = keystone needs",
            "applicationCredentialId",
        ),
        (
            &[("keystone.user", "nobody"), ("keystone.password", &nobody), ("keystone.project", "im")],
            "403",
            "roles",
        ),
    ];
    for (settings, first, second) in cases {
        let server = bridge(&cloud, settings);
        server.until(first, |s| {
            let failures = s["failures"].to_string();
            failures.contains(first) && failures.contains(second)
        });
        assert!(!decided(&server, 1), "{first}: Openfire goes on");
        let said = test_button(&server).expect_err("not reached");
        assert!(said.contains(first) || said.contains(second), "{said}");
        assert!(!server.status().to_string().contains("canary"));
    }
}

#[test]
fn a_platform_that_is_registered_later_is_found_without_a_restart() {
    let cloud = cloud();
    let platform = Platform::start(&cloud);
    cloud.platforms(&[]);
    let server = bridge(&cloud, &[]);
    server.until("said", |s| {
        s["platform"]["keystone"]["error"].as_str().is_some_and(|e| e.contains("no public"))
    });
    cloud.platforms(&here(&platform));
    server.until("found", |s| s["ready"] == true);
    assert!(decided(&server, 1));
    assert!(server.status()["platform"]["keystone"]["error"].is_null());
}

#[test]
fn tokens_are_renewed_before_they_end_and_nobody_notices() {
    let cloud = cloud();
    let platform = Platform::start(&cloud);
    cloud.platforms(&here(&platform));
    cloud.order("stop keystone");
    cloud.order("start keystone short");
    let server = bridge(&cloud, &[]);
    server.until("ready", |s| s["ready"] == true);
    let started = Instant::now();
    let (mut number, mut renewed, mut last) = (0, 0, u64::MAX);
    // Beyond one whole life of a token, renewed at half of each.
    while renewed < 3 {
        assert!(started.elapsed() < Duration::from_secs(300), "only {renewed} new tokens");
        number += 1;
        assert!(decided(&server, number), "message {number}");
        let left = server.status()["platform"]["keystone"]["token_ends_in_s"].as_u64().expect("a token");
        renewed += usize::from(left > last);
        last = left;
        std::thread::park_timeout(Duration::from_millis(100));
    }
    assert_eq!(server.status()["platform"]["breaker"]["opened"], 0);
}

#[test]
fn a_token_that_was_revoked_is_exchanged_at_the_first_401() {
    let cloud = cloud();
    let platform = Platform::start(&cloud);
    cloud.platforms(&here(&platform));
    let server = bridge(&cloud, &[]);
    server.until("ready", |s| s["ready"] == true);
    assert!(decided(&server, 1));
    // A user who is disabled loses every token.
    let user = format!("/users/{}", cloud.id("openfire"));
    cloud.admin("PATCH", &user, Some(&json!({ "user": { "enabled": false } })));
    server
        .until("refused", |s| s["platform"]["breaker"]["error"].as_str().is_some_and(|e| e.contains("401")));
    cloud.admin("PATCH", &user, Some(&json!({ "user": { "enabled": true } })));
    server.until("let in again", |s| s["platform"]["reachable"] == true);
    assert!(decided(&server, 2));
}

#[test]
fn keystone_may_be_away_for_as_long_as_the_token_holds() {
    let cloud = cloud();
    let platform = Platform::start(&cloud);
    cloud.platforms(&here(&platform));
    let server = bridge(&cloud, &[]);
    server.until("ready", |s| s["ready"] == true);
    assert!(decided(&server, 1));
    cloud.order("stop keystone");
    // The platform asks again after a second, and goes on by what it knows.
    let started = Instant::now();
    let mut number = 1;
    while started.elapsed() < Duration::from_secs(6) {
        number += 1;
        assert!(decided(&server, number), "message {number}");
    }
    let other = bridge(&cloud, &[]);
    other.until("said", |s| {
        s["platform"]["keystone"]["error"].as_str().is_some_and(|e| e.contains("does not answer"))
    });
    cloud.order("start keystone");
    other.until("found", |s| s["ready"] == true);
    assert!(decided(&other, 1));
    assert!(decided(&server, number + 1));
    assert_eq!(server.status()["platform"]["breaker"]["opened"], 0);
}

#[test]
fn a_token_that_ends_while_keystone_is_away_leaves_openfire_to_itself_until_it_is_back() {
    let cloud = cloud();
    let platform = Platform::start(&cloud);
    cloud.platforms(&here(&platform));
    cloud.order("stop keystone");
    cloud.order("start keystone short");
    let server = bridge(&cloud, &[]);
    server.until("ready", |s| s["ready"] == true);
    assert!(decided(&server, 1));
    cloud.order("stop keystone");
    server.until("its end", |s| {
        let error = s["platform"]["breaker"]["error"].as_str().unwrap_or_default();
        s["platform"]["breaker"]["state"] == "open"
            && error.contains("no token for the platform: Keystone at")
    });
    assert!(!decided(&server, 2), "delivered by Openfire itself");
    cloud.order("start keystone");
    server.until("back", |s| s["platform"]["reachable"] == true);
    assert!(decided(&server, 3));
}
