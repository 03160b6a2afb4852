//! Limits of single interfaces: what is new is refused by name, what was acknowledged stays, and there is room again when something goes.

use std::sync::Arc;

use im_api::footprint::Audience;
use im_platform::clock::Clock;
use im_platform::store::chat::{Claimant, HistoryPage, Span};
use im_platform::store::footprint::{Find, Viewer};
use im_platform::store::sqlite::{FILE, Settings, Space, Sqlite};
use im_platform::store::state::NodeSnapshot;
use im_platform::store::{Cause, Store, StoreError};

use crate::plans::{self, Seen};
use crate::support::*;

const JULIET: &str = "juliet@example.org";

struct Small {
    store: Arc<dyn Store>,
    clock: Clock,
    folder: tempfile::TempDir,
    seen: Seen,
}

impl Drop for Small {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            plans::compare(&self.folder.path().join(FILE), &self.seen);
        }
    }
}

async fn small(limits: Space) -> Small {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Clock::manual(START);
    let seen = Seen::default();
    let settings = Settings { limits, statements: Some(seen.statements()), ..Settings::default() };
    let store: Arc<dyn Store> =
        Arc::new(Sqlite::open(folder.path(), settings, clock.clone()).expect("a store"));
    seen.forget();
    let sessions =
        vec![session(JULIET, "balcony", true, 0), session("romeo@example.org", "orchard", true, 0)];
    let snapshot = NodeSnapshot { epoch: EPOCH.into(), ttl: TTL, seq: 0, sessions };
    store.snapshot(NODE, snapshot).await.expect("a snapshot");
    Small { store, clock, folder, seen }
}

fn large(key: &str) -> im_platform::store::chat::Message {
    let mut large = message(key, JULIET);
    large.stanza = Some(format!("{{\"body\":\"{}\"}}", "x".repeat(1_000)));
    large
}

fn gauge(gauges: &[(&'static str, &'static str, u64)], name: &str) -> u64 {
    gauges.iter().find(|(of, ..)| *of == name).map(|(_, _, value)| *value).expect("a gauge")
}

fn limit(outcome: Result<impl std::fmt::Debug, StoreError>) -> &'static str {
    match outcome {
        Err(StoreError::Limit(said)) => said,
        other => panic!("{other:?}"),
    }
}

impl Small {
    async fn send(&self, message: im_platform::store::chat::Message) -> &'static str {
        verdict(&self.store.decide(NODE, EPOCH, vec![message]).await.expect("a verdict")[0])
    }

    async fn history(&self) -> Vec<String> {
        let page =
            HistoryPage { user: user(JULIET), with: None, limit: 256, before: None, span: Span::default() };
        self.store.history(page).await.expect("a history").items.into_iter().map(|i| i.key).collect()
    }

    async fn used(&self, name: &str) -> u64 {
        gauge(&self.store.gauges().await.expect("gauges"), name)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn history_gives_way_to_new_messages_and_what_is_pending_does_not() {
    let w = small(Space { messages: 5_200, ..Space::default() }).await;
    for i in 0..20 {
        w.clock.advance(1);
        assert_eq!(w.send(large(&format!("d{i:02}"))).await, "deliver");
        assert!(w.used("messages_bytes").await <= 5_200);
    }
    assert_eq!(w.history().await, ["d19", "d18", "d17", "d16", "d15"], "the newest stay");
    assert_eq!(w.send(large("d00")).await, "deliver", "what lost its text is still an answer under its key");
    assert_eq!(w.history().await.len(), 5);
    // From here on everything is stored; five fit, and they push out the history only.
    for i in 0..5 {
        assert_eq!(w.send(gone(large(&format!("p{i}")))).await, "stored");
    }
    assert!(w.history().await.iter().all(|key| key.starts_with('p')));
    assert_eq!(w.send(gone(large("p5"))).await, "refuse", "the sender is told to wait");
    let claimant =
        Claimant { node: NODE.into(), epoch: EPOCH.into(), resource: "balcony".into(), idempotency: None };
    let claim = w.store.claim(&user(JULIET), claimant).await.expect("a claim").claim;
    let pending = w.store.pending(&user(JULIET), &claim, 256).await.expect("pending");
    let keys: Vec<&str> = pending.items.iter().map(|i| i.key.as_str()).collect();
    assert_eq!(keys, ["p0", "p1", "p2", "p3", "p4"], "nothing acknowledged went");
    assert_eq!(w.store.handed_over(&user(JULIET), &claim, pending.items[0].seq).await.expect("left"), 4);
    assert_eq!(w.send(gone(large("p5"))).await, "stored", "what was handed over made room");
    assert_eq!(w.store.handed_over(&user(JULIET), &claim, u64::MAX).await.expect("left"), 0);
    assert_eq!(w.send(large("live")).await, "deliver");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_live_message_is_delivered_although_pending_ones_of_others_fill_all_space() {
    let w = small(Space { messages: 2_100, ..Space::default() }).await;
    for i in 0..2 {
        assert_eq!(w.send(gone(large(&format!("p{i}")))).await, "stored");
    }
    let mut to_romeo = large("live");
    to_romeo.to = im_platform::jid::Jid::new("romeo@example.org").expect("a JID");
    assert_eq!(w.send(to_romeo.clone()).await, "deliver");
    assert_eq!(w.send(to_romeo).await, "deliver", "the same answer again");
    assert_eq!(w.used("messages_items").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rooms_events_footprints_and_media_refuse_by_name_and_keep_what_they_have() {
    let limits = Space { rooms: 100, events: 100, footprints: 1_600, media: 100, ..Space::default() };
    let w = small(limits).await;
    let room = user("garden@rooms.example.org");
    let speak = async |key: &str| w.store.speak(NODE, EPOCH, &room, vec![spoken(key, JULIET)]).await;
    let mut said = 0;
    let refused = loop {
        match speak(&format!("r{said:02}")).await {
            Ok(_) => said += 1,
            refused => break limit(refused),
        }
    };
    assert!(said > 3 && refused.contains("rooms"), "{said} {refused}");
    speak("r00").await.expect("a replay needs no room");
    let timeline = w.store.timeline(&room, None, 100, None).await.expect("a timeline");
    assert_eq!(timeline.items.len(), said);

    let event = |id: usize| {
        im_api::event::Event {
        id: format!("e{id}"),
        ..serde_json::from_str(
            r#"{"specversion":"1.0","id":"e","source":"s","type":"t","time":"2026-01-01T00:00:00Z","sequence":"1","datacontenttype":"application/json","data":{"n":"0123456789"}}"#,
        )
        .expect("an event")
    }
    };
    let mut kept = 0;
    let refused = loop {
        match w.store.add_events(vec![event(kept)]).await {
            Ok(_) => kept += 1,
            refused => break limit(refused),
        }
    };
    assert!(kept > 2 && refused.contains("events"), "{kept} {refused}");
    assert_eq!(w.used("events_items").await, kept as u64);
    assert_eq!(w.store.add_events(vec![event(0)]).await.expect("a replay").duplicates, 1);

    for id in ["f0", "f1", "f2"] {
        let print = footprint(id, JULIET, 48.0, 11.0, Audience::All);
        w.store.share(print, by()).await.expect("shared");
    }
    let next = || footprint("f3", JULIET, 48.0, 11.0, Audience::All);
    assert!(limit(w.store.share(next(), by()).await).contains("footprints"));
    let find = Find {
        viewer: Viewer::Operator,
        area: None,
        since: None,
        until: None,
        user: None,
        track: None,
        limit: 10,
        after: None,
    };
    assert_eq!(w.store.find(find).await.expect("found").features.len(), 3);
    w.store.remove_footprint(&user(JULIET), "f0", by()).await.expect("removed");
    w.store.share(next(), by()).await.expect("there is room again");

    let medium = |id: &str, size| im_api::media::Medium {
        id: id.into(),
        user: JULIET.into(),
        content_type: "image/png".into(),
        size,
        sha256: "aa".into(),
        created_at: String::new(),
    };
    let add = async |id: &str, size| w.store.add_medium(medium(id, size), id, Audience::Me, u64::MAX).await;
    add("picture-1", 60).await.expect("added");
    assert!(limit(add("picture-2", 60).await).contains("media"));
    w.store.remove_medium(&user(JULIET), "picture-1").await.expect("removed");
    add("picture-2", 60).await.expect("there is room again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_downlink_forgets_its_oldest_and_tells_who_has_not_read_them() {
    let w = small(Space { downlink: 2_000, ..Space::default() }).await;
    let to = im_platform::jid::Jid::new(JULIET).expect("a JID");
    for _ in 0..50 {
        w.store.send_stanza(&to, format!("{{\"body\":\"{}\"}}", "x".repeat(100)), by()).await.expect("sent");
    }
    while w.store.sweep().await.expect("swept") {}
    assert!(w.used("downlink_bytes").await <= 2_000);
    assert!(matches!(w.store.downlink(Some(0), 100).await, Err(StoreError::CursorGone)));
    let kept = w.used("downlink_items").await;
    assert!(kept > 5, "{kept}");
    let page = w.store.downlink(Some(50 - i64::try_from(kept).expect("small")), 100).await.expect("a page");
    assert_eq!(page.items.len() as u64, kept, "the newest are there, without a hole");
}

// Whatever is done, the counters say what a count would.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_counters_are_those_of_the_tables() {
    let w = small(Space::default()).await;
    let room = user("garden@rooms.example.org");
    for i in 0..30 {
        w.send(large(&format!("d{i}"))).await;
        w.send(gone(large(&format!("p{i}")))).await;
        w.store.speak(NODE, EPOCH, &room, vec![spoken(&format!("r{i}"), JULIET)]).await.expect("said");
        let print = footprint(&format!("f{i}"), JULIET, 48.0, 11.0, Audience::All);
        w.store.share(print, Cause { quiet: i % 2 == 0, ..by() }).await.expect("shared");
    }
    w.store.settle(vec![("p3".into(), im_api::chat::Outcome::Delivered)]).await.expect("settled");
    w.send(gone(large("d3"))).await;
    w.store.remove_footprint(&user(JULIET), "f3", by()).await.expect("removed");
    let counted = |sql: &str| -> u64 {
        let conn = rusqlite::Connection::open(w.folder.path().join(FILE)).expect("opened");
        u64::try_from(conn.query_row(sql, [], |r| r.get::<_, i64>(0)).expect("a count"))
            .expect("not negative")
    };
    for round in ["before", "after"] {
        for (name, sql) in [
            ("messages_items", "SELECT count(*) FROM messages WHERE stanza IS NOT NULL"),
            ("messages_bytes", "SELECT coalesce(sum(octet_length(stanza)), 0) FROM messages"),
            ("rooms_bytes", "SELECT coalesce(sum(octet_length(stanza)), 0) FROM room_messages"),
            ("footprints_items", "SELECT count(*) FROM footprints"),
            ("downlink_bytes", "SELECT coalesce(sum(octet_length(data)), 0) FROM downlink"),
        ] {
            assert_eq!(w.used(name).await, counted(sql), "{name} {round} the erasure");
        }
        if round == "before" {
            w.store.erase(&user(JULIET), by()).await.expect("erased");
        }
    }
    assert_eq!(
        w.used("messages_bytes").await + w.used("footprints_bytes").await + w.used("rooms_bytes").await,
        0
    );
}
