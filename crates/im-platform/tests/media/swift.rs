//! Media in Debian's Swift (`cargo xtask test openstack`).

#[path = "../../../../tests/openstack/cloud.rs"]
mod cloud;
mod suite;

use std::sync::Arc;

use axum::body::Bytes;
use cloud::{Cloud, cloud};
use im_platform::media::swift::{Swift, SwiftSettings};
use im_platform::media::{Files as _, Folder, MediaError, Places, Shown};
use openstack::{Interface, Keystone, Login, Net, Session};

const KEY: &str = "canary-of-the-link-key";

fn settings() -> SwiftSettings {
    SwiftSettings {
        container: "suite".into(),
        key: KEY.into(),
        seconds: 60,
        region: None,
        interface: Interface::Internal,
        link_interface: Interface::Public,
    }
}

fn session(cloud: &Cloud, user: &str) -> Arc<Session> {
    let keystone = Keystone::new(cloud.keystone(), &Net::default()).expect("a Keystone");
    let login = Login::Password {
        user: user.into(),
        user_domain: "Default".into(),
        password: cloud.password(user),
        project: cloud.facts["users"][user]["project"].as_str().expect("a project").into(),
        project_domain: "Default".into(),
    };
    Arc::new(Session::new(keystone, login))
}

fn swift(cloud: &Cloud, settings: SwiftSettings) -> Swift {
    Swift::new(session(cloud, "im-platform"), &Net::default(), settings).expect("a Swift")
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(work)
}

async fn put(swift: &Swift, bytes: &'static [u8]) -> String {
    let name = swift.new_name();
    swift.put(&name, "image/png", Bytes::from_static(bytes)).await.expect("put");
    name
}

async fn link(swift: &Swift, name: &str, shown: Shown) -> String {
    swift.link(name, shown).await.expect("made").expect("a link")
}

#[test]
fn swift_does_what_every_place_must() {
    let cloud = cloud();
    let data = tempfile::tempdir().expect("a folder");
    run(async {
        suite::all(&swift(&cloud, settings())).await;
        suite::all(&Places::new(Folder::in_data(data.path()), Some(swift(&cloud, settings())))).await;
    });
    assert!(!data.path().join("media").exists(), "nothing went into the folder");
}

#[test]
fn a_link_is_good_for_its_object_for_reading_and_for_a_short_time_and_for_nothing_else() {
    let cloud = cloud();
    let get = |url: &str| cloud.call("GET", url, &[], None);
    run(async {
        let files = swift(&cloud, settings());
        let (one, other) = (put(&files, b"a picture").await, put(&files, b"another").await);
        let url = link(&files, &one, Shown::Inline).await;
        let answer = get(&url);
        assert_eq!((answer.status, answer.text.as_str()), (200, "a picture"));
        assert_eq!(answer.header("content-type"), "image/png");
        assert!(answer.header("content-disposition").starts_with("inline"), "{answer:?}");
        let saved = get(&link(&files, &one, Shown::Attachment).await);
        assert!(saved.header("content-disposition").starts_with("attachment"), "{saved:?}");
        // sha256 is preferred: 64 hexadecimal digits.
        let signature = url.split("temp_url_sig=").nth(1).and_then(|s| s.split('&').next()).expect("signed");
        assert_eq!(signature.len(), 64);
        assert!(!url.contains(KEY));
        assert_eq!(get(&url.replace(&one, &other)).status, 401, "another object");
        let id = one.strip_prefix("swift-").expect("a prefix");
        assert!(url.contains(id));
        assert_eq!(cloud.call("PUT", &url, &[], Some("changed")).status, 401, "another method");
        assert_eq!(cloud.call("DELETE", &url, &[], None).status, 401);
        assert_eq!(get(url.split('?').next().expect("an address")).status, 401, "no signature");
        let late = swift(&cloud, SwiftSettings { seconds: -1, ..settings() });
        assert_eq!(get(&link(&late, &one, Shown::Inline).await).status, 401, "its time is over");
        let (token, _) = cloud.log_in("nobody");
        let bare = url.split('?').next().expect("an address");
        assert_eq!(
            cloud.call("GET", bare, &[("x-auth-token", &token)], None).status,
            403,
            "somebody's token"
        );
        files.remove(&one).await.expect("removed");
        assert_eq!(get(&url).status, 404, "removed");
        files.remove(&other).await.expect("removed");
    });
}

#[test]
fn another_key_is_taken_at_a_restart_and_ends_the_links_of_the_old_one() {
    let cloud = cloud();
    run(async {
        let before = swift(&cloud, settings());
        let name = put(&before, b"x").await;
        let old = link(&before, &name, Shown::Inline).await;
        assert_eq!(cloud.call("GET", &old, &[], None).status, 200);
        let after = swift(&cloud, SwiftSettings { key: "another-key-of-the-links".into(), ..settings() });
        let new = link(&after, &name, Shown::Inline).await;
        assert_eq!(cloud.call("GET", &new, &[], None).status, 200);
        assert_eq!(cloud.call("GET", &old, &[], None).status, 401);
        // As it was, for the other tests.
        let again = swift(&cloud, settings());
        link(&again, &name, Shown::Inline).await;
        again.remove(&name).await.expect("removed");
    });
}

#[test]
fn a_swift_that_is_away_is_said_at_once_and_used_again_when_it_is_back() {
    let cloud = cloud();
    run(async {
        let files = swift(&cloud, settings());
        let name = put(&files, b"x").await;
        assert_eq!(files.trouble(), None);
        cloud.order("stop swift");
        let said = files.get(&name).await.expect_err("away");
        assert!(matches!(said, MediaError::Unavailable(_)), "{said}");
        assert!(files.trouble().is_some_and(|t| t.contains("Swift at http://127.0.0.1")));
        for said in [
            files.put(&files.new_name(), "image/png", Bytes::new()).await.expect_err("away"),
            files.remove(&name).await.expect_err("away"),
            files.link(&name, Shown::Inline).await.expect_err("away"),
        ] {
            assert!(matches!(said, MediaError::Unavailable(_)), "{said}");
        }
        cloud.order("start swift");
        // Its pause ends by itself.
        while files.get(&name).await.is_err() {
            tokio::task::yield_now().await;
        }
        assert_eq!(files.trouble(), None);
        files.remove(&name).await.expect("removed");
    });
}

#[test]
fn a_container_that_somebody_removed_is_made_again() {
    let cloud = cloud();
    let (token, account) = cloud.log_in("im-platform");
    run(async {
        let files = swift(&cloud, SwiftSettings { container: "removed".into(), ..settings() });
        let name = put(&files, b"x").await;
        files.remove(&name).await.expect("removed");
        let digit = name.chars().next_back().expect("a digit");
        let container = format!("{account}/removed-{digit}");
        assert_eq!(cloud.call("DELETE", &container, &[("x-auth-token", &token)], None).status, 204);
        let again = format!("{}{digit}", files.new_name().split_at(name.len() - 1).0);
        files.put(&again, "image/png", Bytes::from_static(b"y")).await.expect("put");
        assert_eq!(cloud.call("GET", &link(&files, &again, Shown::Inline).await, &[], None).text, "y");
        files.remove(&again).await.expect("removed");
    });
}

#[test]
fn a_user_without_the_role_is_named_as_the_reason() {
    let cloud = cloud();
    run(async {
        let files = Swift::new(session(&cloud, "nobody"), &Net::default(), settings()).expect("a Swift");
        let said = files.put(&files.new_name(), "image/png", Bytes::new()).await.expect_err("no role");
        assert!(said.to_string().contains("swiftoperator"), "{said}");
        let shown = format!("{files:?} {:?}", swift(&cloud, settings()));
        assert!(!shown.contains("canary"), "{shown}");
    });
}

#[test]
fn tokens_that_end_or_are_revoked_are_exchanged() {
    let cloud = cloud();
    cloud.order("stop keystone");
    cloud.order("start keystone short");
    run(async {
        let session = session(&cloud, "im-platform");
        let files = Swift::new(session.clone(), &Net::default(), settings()).expect("a Swift");
        let name = put(&files, b"x").await;
        let first = session.token().expect("a token");
        while session.held().is_some_and(|held| held.token.id == first.token.id) {
            files.get(&name).await.expect("there, whichever token");
        }
        files.get(&name).await.expect("there with the next");
        assert_ne!(session.token().expect("a token").token.id, first.token.id);
        files.remove(&name).await.expect("removed");
    });
}
