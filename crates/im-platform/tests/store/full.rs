//! A store that has reached its limit: it says so, keeps what it has, and goes on when there is room again. SQLite only: the limit is its own.

use std::sync::Arc;

use im_platform::clock::Clock;
use im_platform::store::sqlite::{Settings, Sqlite};
use im_platform::store::state::NodeSnapshot;
use im_platform::store::{Chat as _, State as _, Store as _, StoreError};

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_store_refuses_what_does_not_fit_and_keeps_what_it_acknowledged() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { max_bytes: 1 << 20, ..Settings::default() };
    let store = Arc::new(Sqlite::open(folder.path(), settings, Clock::manual(START)).expect("a store"));
    let here = vec![session("juliet@example.org", "balcony", true, 0)];
    let snapshot = NodeSnapshot { epoch: EPOCH.into(), ttl: TTL, seq: 0, sessions: here };
    store.snapshot(NODE, snapshot).await.expect("a snapshot");
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..200 {
        let store = Arc::clone(&store);
        tasks.spawn(async move {
            let mut large = gone(message(&format!("k{i:03}"), "juliet@example.org"));
            large.stanza = Some(format!("{{\"body\":\"{}\"}}", "x".repeat(20_000)));
            (large.key.clone(), store.decide(NODE, EPOCH, vec![large]).await)
        });
    }
    let mut kept = Vec::new();
    for (key, outcome) in tasks.join_all().await {
        match outcome {
            Ok(_) => kept.push(key),
            Err(e) => assert!(matches!(e, StoreError::Full(_)), "{e:?}"),
        }
    }
    assert!(!kept.is_empty() && kept.len() < 60, "{} fit into one megabyte", kept.len());
    store.check().await.expect("it still serves");
    let claimant = im_platform::store::chat::Claimant {
        node: NODE.into(),
        epoch: EPOCH.into(),
        resource: "balcony".into(),
        idempotency: None,
    };
    let juliet = user("juliet@example.org");
    let claim = store.claim(&juliet, claimant).await.expect("a claim");
    let mut there: Vec<String> = store
        .pending(&juliet, &claim.claim, 256)
        .await
        .expect("pending")
        .items
        .into_iter()
        .map(|i| i.key)
        .collect();
    there.sort();
    kept.sort();
    assert_eq!(there, kept);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_inbox_asks_senders_to_wait_and_takes_the_same_message_later() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = Settings { max_pending: 2, ..Settings::default() };
    let store = Sqlite::open(folder.path(), settings, Clock::manual(START)).expect("a store");
    let here = vec![session("juliet@example.org", "balcony", true, 0)];
    let snapshot = NodeSnapshot { epoch: EPOCH.into(), ttl: TTL, seq: 0, sessions: here };
    store.snapshot(NODE, snapshot).await.expect("a snapshot");
    let ask = async |key: &str| {
        let asked = store.decide(NODE, EPOCH, vec![gone(message(key, "juliet@example.org"))]).await;
        verdict(&asked.expect("a verdict")[0])
    };
    assert_eq!((ask("k1").await, ask("k2").await, ask("k3").await), ("stored", "stored", "refuse"));
    store.settle(vec![("k1".into(), im_api::chat::Outcome::Delivered)]).await.expect("settled");
    assert_eq!(ask("k3").await, "stored");
}
