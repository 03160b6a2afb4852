//! Keystone's tokens as the platform's credentials.

use serde_json::json;

use crate::cloud::cloud;
use crate::platform::Platform;

const USERS: &str = "/v1/users?viewer=juliet@example.org";

#[test]
fn roles_in_our_project_are_scopes_and_others_are_nothing() {
    let cloud = cloud();
    let platform = Platform::start(&cloud);
    let user = json!({ "user": "juliet@example.org", "password": "a password of hers" });
    let call = |token: &str, method: &str, path: &str| {
        platform.call(&cloud, token, method, path, (method == "POST").then_some(&user))
    };
    let (openfire, _) = cloud.log_in("openfire");
    assert_eq!(call(&openfire, "POST", "/v1/users").status, 201);
    assert_eq!(call(&openfire, "GET", "/v1/users/juliet%40example.org/scram").status, 200, "scope bridge");
    let (ada, _) = cloud.log_in("ada");
    assert_eq!(call(&ada, "GET", "/v1/users").status, 200, "an operator names no viewer");
    assert_eq!(call(&ada, "GET", "/v1/users/juliet%40example.org/scram").status, 403, "not a bridge's");
    for who in ["nobody", "stranger"] {
        let (token, _) = cloud.log_in(who);
        let answer = call(&token, "GET", USERS);
        assert_eq!((answer.status, answer.json()["type"] == "forbidden"), (403, true), "{who}: {answer:?}");
    }
    for wrong in ["", "short", "gAAAAABnot-a-token-but-it-looks-like-one", &"x".repeat(4_000)] {
        assert_eq!(call(wrong, "GET", USERS).status, 401, "{wrong}");
    }
    let log = platform.log();
    for secret in [openfire.as_str(), ada.as_str(), "canary"] {
        assert!(!log.contains(secret), "a secret is in the log");
    }
}

#[test]
fn the_audit_names_the_user_of_keystone() {
    let cloud = cloud();
    let platform = Platform::start(&cloud);
    let (openfire, _) = cloud.log_in("openfire");
    let user = json!({ "user": "juliet@example.org", "password": "a password of hers" });
    assert_eq!(platform.call(&cloud, &openfire, "POST", "/v1/users", Some(&user)).status, 201);
    assert_eq!(
        platform.call(&cloud, &openfire, "GET", "/v1/users/juliet%40example.org/scram", None).status,
        200
    );
    // An operator logs in at the console with a token of Keystone's.
    let (ada, _) = cloud.log_in("ada");
    let body = json!({ "token": ada }).to_string();
    let login = cloud.call("POST", &format!("{}/v1/console/session", platform.url), &[], Some(&body));
    assert_eq!(login.status, 200, "{login:?}");
    let cookie = login.header("set-cookie").split(';').next().expect("a cookie").to_owned();
    let audit =
        cloud.call("GET", &format!("{}/v1/console/audit", platform.url), &[("cookie", &cookie)], None);
    assert!(audit.text.contains("keystone:Default/openfire"), "{audit:?}");
}

#[test]
fn a_revoked_token_is_refused_as_soon_as_the_setting_says() {
    let cloud = cloud();
    let platform = Platform::start(&cloud);
    let (token, _) = cloud.log_in("openfire");
    assert_eq!(platform.call(&cloud, &token, "GET", USERS, None).status, 200);
    cloud.revoke(&token);
    platform.until(&cloud, &token, USERS, 401);
}

#[test]
fn while_keystone_is_away_the_known_go_on_and_the_unknown_are_told_to_wait() {
    let cloud = cloud();
    let platform = Platform::start(&cloud);
    let (known, _) = cloud.log_in("openfire");
    let (unknown, _) = cloud.log_in("openfire");
    assert_eq!(platform.call(&cloud, &known, "GET", USERS, None).status, 200);
    cloud.order("stop keystone");
    // Beyond the second that a good word is believed without asking.
    let started = std::time::Instant::now();
    while started.elapsed().as_secs() < 4 {
        assert_eq!(platform.call(&cloud, &known, "GET", USERS, None).status, 200);
    }
    let answer = platform.call(&cloud, &unknown, "GET", USERS, None);
    assert_eq!((answer.status, answer.header("retry-after")), (503, "5"), "{answer:?}");
    let health = cloud.call("GET", &format!("{}/healthz", platform.url), &[], None);
    assert_eq!(health.status, 200);
    assert!(health.json()["limited"][0].as_str().is_some_and(|l| l.contains("Keystone")), "{health:?}");
    cloud.order("start keystone");
    platform.until(&cloud, &unknown, USERS, 200);
    assert!(cloud.call("GET", &format!("{}/healthz", platform.url), &[], None).json()["limited"].is_null());
    let errors = platform.log().lines().filter(|l| l.contains(" ERROR ") && l.contains("validated")).count();
    assert_eq!(errors, 1, "said once: {}", platform.log());
}
