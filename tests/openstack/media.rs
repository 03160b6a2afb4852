//! Media of the platform in Swift, over the contract.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::cloud::{Cloud, cloud};
use crate::platform::Platform;

const JULIET: &str = "juliet%40example.org";

/// A platform with Juliet and Romeo, and a bridge's token.
fn verona(cloud: &Cloud) -> (Platform, String) {
    let platform = Platform::start(cloud);
    let (token, _) = cloud.log_in("openfire");
    for user in ["juliet@example.org", "romeo@example.org"] {
        let made = platform.call(cloud, &token, "POST", "/v1/users", Some(&json!({ "user": user })));
        assert_eq!(made.status, 201, "{made:?}");
    }
    (platform, token)
}

fn put(cloud: &Cloud, platform: &Platform, token: &str, id: &str, query: &str, bytes: &str) -> u16 {
    let url = format!("{}/v1/media/{id}?user={JULIET}{query}", platform.url);
    let headers = [("x-auth-token", token), ("content-type", "image/png")];
    cloud.call("PUT", &url, &headers, Some(bytes)).status
}

/// Names of all objects of the platform's containers.
fn objects(cloud: &Cloud, container: &str) -> Vec<String> {
    let (token, account) = cloud.log_in("im-platform");
    let mut all = Vec::new();
    for digit in "0123456789abcdef".chars() {
        let listed =
            cloud.call("GET", &format!("{account}/{container}-{digit}"), &[("x-auth-token", &token)], None);
        if listed.status == 200 {
            all.extend(listed.text.lines().map(str::to_owned));
        }
    }
    all
}

fn until(what: &str, done: impl Fn() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < Duration::from_secs(60), "{what} did not happen");
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

#[test]
fn who_may_see_a_medium_gets_its_address_and_nobody_else_does() {
    let cloud = cloud();
    let (platform, token) = verona(&cloud);
    assert_eq!(put(&cloud, &platform, &token, "picture-1", "", "her picture"), 201);
    assert_eq!(put(&cloud, &platform, &token, "picture-1", "", "her picture"), 200, "the same again");
    assert_eq!(put(&cloud, &platform, &token, "picture-1", "", "another"), 409);
    assert_eq!(objects(&cloud, &platform.container).len(), 1, "what came of repetitions is gone");
    let get = |viewer: &str| {
        platform.call(&cloud, &token, "GET", &format!("/v1/media/picture-1?viewer={viewer}"), None)
    };
    let hers = get(JULIET);
    assert_eq!(hers.status, 302, "{hers:?}");
    assert_eq!(hers.header("cache-control"), "private, no-store");
    let file = cloud.call("GET", hers.header("location"), &[], None);
    assert_eq!(
        (file.status, file.text.as_str(), file.header("content-type")),
        (200, "her picture", "image/png")
    );
    let his = get("romeo%40example.org");
    assert_eq!((his.status, his.header("location")), (404, ""), "he is told nothing");
    // Larger than the setting allows, and a type that is not taken.
    assert_eq!(put(&cloud, &platform, &token, "picture-2", "", &"x".repeat(11 << 20)), 413);
    let url = format!("{}/v1/media/page-0001?user={JULIET}", platform.url);
    let page = [("x-auth-token", token.as_str()), ("content-type", "text/html")];
    assert_eq!(cloud.call("PUT", &url, &page, Some("<html>")).status, 415);
    assert_eq!(objects(&cloud, &platform.container).len(), 1);
    // Deletion takes the object with it, and with it every address.
    let gone = platform.call(&cloud, &token, "DELETE", &format!("/v1/media/picture-1?user={JULIET}"), None);
    assert_eq!(gone.status, 204);
    assert!(objects(&cloud, &platform.container).is_empty());
    assert_eq!(cloud.call("GET", hers.header("location"), &[], None).status, 404);
}

#[test]
fn a_swift_that_is_away_stops_media_and_nothing_else() {
    let cloud = cloud();
    let (platform, token) = verona(&cloud);
    assert_eq!(put(&cloud, &platform, &token, "picture-1", "", "her picture"), 201);
    cloud.order("stop swift");
    let url = format!("{}/healthz", platform.url);
    until("health", || {
        cloud.call("GET", &url, &[], None).json()["limited"][0].as_str().is_some_and(|l| l.contains("media"))
    });
    assert_eq!(cloud.call("GET", &url, &[], None).status, 200);
    assert_eq!(put(&cloud, &platform, &token, "picture-2", "", "another"), 503);
    let get = format!("/v1/media/picture-1?viewer={JULIET}");
    let answer = platform.call(&cloud, &token, "GET", &get, None);
    assert_eq!((answer.status, answer.header("retry-after")), (503, "5"), "{answer:?}");
    let share = json!({ "user": "juliet@example.org", "lat": 1.0, "lon": 1.0, "audience": "all", "media": ["picture-1"] });
    assert_eq!(platform.call(&cloud, &token, "POST", "/v1/footprints", Some(&share)).status, 201);
    cloud.order("start swift");
    until("back", || platform.call(&cloud, &token, "GET", &get, None).status == 302);
    assert_eq!(put(&cloud, &platform, &token, "picture-2", "", "another"), 201, "under the same id");
    assert!(cloud.call("GET", &url, &[], None).json()["limited"].is_null());
    assert_eq!(platform.call(&cloud, &token, "DELETE", &format!("/v1/users/{JULIET}"), None).status, 200);
    until("erased", || objects(&cloud, &platform.container).is_empty());
}

#[test]
fn an_account_that_is_erased_while_swift_is_away_leaves_no_object_also_when_the_platform_dies() {
    let cloud = cloud();
    let (platform, token) = verona(&cloud);
    for id in ["picture-1", "picture-2", "picture-3"] {
        assert_eq!(put(&cloud, &platform, &token, id, "", id), 201);
    }
    assert_eq!(objects(&cloud, &platform.container).len(), 3);
    cloud.order("stop swift");
    let erased = platform.call(&cloud, &token, "DELETE", &format!("/v1/users/{JULIET}"), None);
    assert_eq!((erased.status, &erased.json()["media"]), (200, &json!(3)), "{erased:?}");
    let (container, folder) = (platform.container.clone(), platform.kill());
    cloud.order("start swift");
    assert_eq!(objects(&cloud, &container).len(), 3, "still there");
    let platform = Platform::start_in(&cloud, folder, true);
    until("removed", || objects(&cloud, &platform.container).is_empty());
}

#[test]
fn what_was_put_into_the_folder_is_served_from_there_after_the_change_to_swift() {
    let cloud = cloud();
    let folder = tempfile::tempdir().expect("scratch");
    let platform = Platform::start_in(&cloud, folder, false);
    let (token, _) = cloud.log_in("openfire");
    let juliet = json!({ "user": "juliet@example.org" });
    assert_eq!(platform.call(&cloud, &token, "POST", "/v1/users", Some(&juliet)).status, 201);
    assert_eq!(put(&cloud, &platform, &token, "picture-1", "", "in the folder"), 201);
    let platform = Platform::start_in(&cloud, platform.kill(), true);
    assert_eq!(put(&cloud, &platform, &token, "picture-2", "", "in Swift"), 201);
    let get =
        |id: &str| platform.call(&cloud, &token, "GET", &format!("/v1/media/{id}?viewer={JULIET}"), None);
    let old = get("picture-1");
    assert_eq!((old.status, old.text.as_str()), (200, "in the folder"));
    assert_eq!(cloud.call("GET", get("picture-2").header("location"), &[], None).text, "in Swift");
    assert_eq!(platform.call(&cloud, &token, "DELETE", &format!("/v1/users/{JULIET}"), None).status, 200);
    until("erased", || objects(&cloud, &platform.container).is_empty());
    assert_eq!(get("picture-1").status, 404);
}
