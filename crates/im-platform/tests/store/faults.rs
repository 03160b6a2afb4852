//! A ring of three, with three copies of everything: one node is killed under load and comes back, with the platform connected throughout. What was
//! acknowledged is there, once, in order.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use im_platform::clock::Clock;
use im_platform::store::Store;
use im_platform::store::cassandra::{Cassandra, Settings};
use im_platform::store::chat::Claimant;
use im_platform::store::room::Occupancy;
use im_platform::store::state::NodeSnapshot;
use tokio::sync::watch;

use crate::ring::{Ring, Shape};
use crate::support::*;

const JULIET: &str = "juliet@example.org";
const HALL: &str = "hall@rooms.example.org";
/// Senders, and messages that they send in each phase at least.
const SENDERS: usize = 4;
const PHASE: usize = 40;

/// A path that `cargo xtask test cassandra` gives.
pub fn told(name: &str) -> PathBuf {
    std::env::var_os(name)
        .unwrap_or_else(|| panic!("{name} must be set; cargo xtask test cassandra does"))
        .into()
}

/// Sends until told to stop, each message until it is acknowledged; gives who it is, how many those were, and how many were repeated.
async fn send(
    store: Arc<dyn Store>,
    sender: usize,
    sent: Arc<watch::Sender<usize>>,
    enough: Arc<AtomicBool>,
) -> (usize, usize, usize) {
    let (mut n, mut repeated) = (0, 0);
    while !enough.load(Ordering::SeqCst) {
        let key = format!("s{sender}-{n:05}");
        let room = async |key: &str| {
            store.speak(NODE, EPOCH, &user(HALL), vec![spoken(&format!("r{key}"), "romeo@example.org")]).await
        };
        let one = async |key: &str| store.decide(NODE, EPOCH, vec![message(key, JULIET)]).await;
        loop {
            match one(&key).await {
                Ok(verdicts) => {
                    assert_eq!(verdict(&verdicts[0]), "stored");
                    break;
                }
                Err(_) => repeated += 1,
            }
        }
        while room(&key).await.is_err() {
            repeated += 1;
        }
        n += 1;
        sent.send_modify(|sent| *sent += 1);
    }
    (sender, n, repeated)
}

/// Waits until so many more were acknowledged.
async fn more(sent: &watch::Sender<usize>, wanted: usize) {
    let mut sent = sent.subscribe();
    let enough = *sent.borrow_and_update() + wanted;
    sent.wait_for(|sent| *sent >= enough).await.expect("somebody sends");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_is_killed_and_comes_back_loses_nothing_that_was_acknowledged() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cassandra");
    let (java, lib) = (told("IM_PLATFORM_TEST_JAVA"), told("IM_PLATFORM_TEST_CASSANDRA_LIB"));
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_owned();
    let start = move || Ring::start(&Shape::quick(3), &java, &here, &lib, &path).expect("a ring");
    let mut ring = tokio::task::spawn_blocking(start).await.expect("started");
    let settings = Settings {
        contact_points: ring.contacts(),
        keyspace: "faults".into(),
        replication: Some(3),
        ..Settings::default()
    };
    // Instances that start at the same moment, each by another node, make the same tables.
    let mut all = tokio::task::JoinSet::new();
    for node in ring.contacts() {
        let settings = Settings { contact_points: vec![node], ..settings.clone() };
        all.spawn(Cassandra::open(settings, Clock::System));
    }
    for store in all.join_all().await {
        store.expect("a store").check().await.expect("usable");
    }
    let store: Arc<dyn Store> = Cassandra::open(settings, Clock::System).await.expect("a store");
    let ttl = 3_600_000;
    let snapshot = NodeSnapshot {
        epoch: EPOCH.into(),
        ttl,
        seq: 0,
        sessions: vec![session(JULIET, "balcony", false, 0)],
    };
    store.snapshot(NODE, snapshot).await.expect("a snapshot");
    let who = Occupancy {
        room: user(HALL),
        user: user("romeo@example.org"),
        resource: "r".into(),
        nick: "R".into(),
    };
    store.occupy(NODE, EPOCH, 1, who, true).await.expect("in the room");

    let (sent, enough) = (Arc::new(watch::channel(0).0), Arc::new(AtomicBool::new(false)));
    let mut tasks = tokio::task::JoinSet::new();
    for sender in 0..SENDERS {
        tasks.spawn(send(Arc::clone(&store), sender, Arc::clone(&sent), Arc::clone(&enough)));
    }
    more(&sent, PHASE).await;
    ring.kill(2).expect("killed");
    more(&sent, PHASE).await;
    let ring = tokio::task::spawn_blocking(move || {
        ring.launch(2).expect("launched");
        ring.wait(2).expect("back");
        ring
    });
    let mut ring = ring.await.expect("back");
    more(&sent, PHASE).await;
    // Another one: what it missed while it was away, the first must have by now, or a quorum would lack it.
    ring.kill(1).expect("killed");
    more(&sent, PHASE).await;
    enough.store(true, Ordering::SeqCst);
    let counts = tasks.join_all().await;
    println!("acknowledged {counts:?}");

    let here = change(2, true, JULIET, "balcony", true, 0);
    assert_eq!(store.change(NODE, EPOCH, vec![here]).await.expect("a change"), [JULIET]);
    let claimant =
        Claimant { node: NODE.into(), epoch: EPOCH.into(), resource: "balcony".into(), idempotency: None };
    let claim = store.claim(&user(JULIET), claimant).await.expect("a claim").claim;
    let mut keys: Vec<String> = Vec::new();
    loop {
        let page = store.pending(&user(JULIET), &claim, 100).await.expect("pending");
        let Some(last) = page.items.last() else { break };
        let upto = last.seq;
        keys.extend(page.items.into_iter().map(|item| item.key));
        store.handed_over(&user(JULIET), &claim, upto).await.expect("handed over");
    }
    let mut spoken: Vec<String> = Vec::new();
    let mut before = None;
    loop {
        let page = store.timeline(&user(HALL), None, 200, before).await.expect("a timeline");
        spoken.extend(page.items.into_iter().map(|m| m.key));
        match page.next {
            Some(next) => before = Some(next.parse().expect("a cursor")),
            None => break,
        }
    }
    spoken.reverse();
    for (sender, count, _) in counts {
        let expected: Vec<String> = (0..count).map(|n| format!("s{sender}-{n:05}")).collect();
        let start = format!("s{sender}-");
        let mine: Vec<String> = keys.iter().filter(|key| key.starts_with(&start)).cloned().collect();
        assert_eq!(mine, expected, "what sender {sender} was told is stored: once, in order");
        let start = format!("rs{sender}-");
        let mine: Vec<String> =
            spoken.iter().filter(|key| key.starts_with(&start)).map(|key| key[1..].to_owned()).collect();
        assert_eq!(mine, expected, "and what it said in the room");
    }
    drop(ring);
}
