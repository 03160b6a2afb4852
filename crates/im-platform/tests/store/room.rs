//! Rooms: occupants, timeline, what was missed, receipts.

use std::collections::BTreeSet;
use std::sync::Arc;

use im_api::room::{Affiliation, ReceiptKind, RoomOutcome};
use im_platform::store::room::{Occupancy, Settlement};
use im_platform::store::{Cause, StoreError};

use crate::suite;
use crate::support::*;

const JULIET: &str = "juliet@example.org";
const ROMEO: &str = "romeo@example.org";
const NURSE: &str = "nurse@elsewhere.example";
const HALL: &str = "hall@rooms.example.org";

fn at(who: &str, resource: &str) -> Occupancy {
    Occupancy { room: user(HALL), user: user(who), resource: resource.into(), nick: "nick".into() }
}

async fn join(w: &World, seq: i64, who: &str, resource: &str) -> u64 {
    w.store.occupy(NODE, EPOCH, seq, at(who, resource), true).await.expect("joined")
}

async fn leave(w: &World, seq: i64, who: &str, resource: &str) {
    w.store.occupy(NODE, EPOCH, seq, at(who, resource), false).await.expect("left");
}

async fn say(w: &World, key: &str) -> (u64, u64) {
    let posted = w.store.speak(NODE, EPOCH, &user(HALL), vec![spoken(key, ROMEO)]).await.expect("said");
    (posted[0].present, posted[0].absent)
}

async fn missed(w: &World, who: &str) -> Vec<String> {
    let page = w.store.missed(&user(HALL), &user(who), 256).await.expect("missed");
    page.items.into_iter().map(|m| m.key).collect()
}

fn settled(key: &str, reached: &[&str], unreached: &[&str]) -> Settlement {
    let users = |names: &[&str]| names.iter().map(|name| user(name)).collect();
    let (reached, unreached) = (users(reached), users(unreached));
    Settlement {
        key: key.into(),
        outcome: RoomOutcome::Accepted,
        reached,
        unreached,
        all: false,
        message: None,
    }
}

async fn settle(w: &World, item: Settlement) -> u64 {
    w.store.settle_room(NODE, &user(HALL), vec![item]).await.expect("settled")
}

async fn hall(w: World) -> World {
    let w = w.with_verona().await;
    let members = vec![(user(JULIET), Affiliation::Owner), (user(ROMEO), Affiliation::Member)];
    w.store.put_room(&user(HALL), members, Cause::by("test")).await.expect("a room");
    w
}

suite! {
    async fn a_message_is_judged_member_by_member(w) {
        let w = hall(w).await;
        join(&w, 10, ROMEO, "r").await;
        assert_eq!(say(&w, "m1").await, (0, 1), "Juliet is absent, the speaker is neither");
        join(&w, 11, NURSE, "n").await;
        assert_eq!(say(&w, "m2").await, (0, 1), "an occupant who is no member is neither");
        assert_eq!(join(&w, 12, JULIET, "j").await, 2);
        assert_eq!(say(&w, "m3").await, (1, 0));
        assert_eq!(missed(&w, JULIET).await, ["m1", "m2"]);
        leave(&w, 13, NURSE, "n").await;
        assert_eq!(say(&w, "m4").await, (1, 0));
        assert!(missed(&w, NURSE).await.is_empty(), "who is no member misses nothing");
        assert!(w.store.user(&user(NURSE)).await.is_err(), "and somebody of another server does not become a user here");
        assert_eq!(say(&w, "m1").await, (0, 1), "the same key gets the first answer");
        let room = w.store.room(&user(HALL), 10, None).await.expect("room");
        assert_eq!((room.last, room.occupants, room.members.iter().filter(|m| m.present).count()), (4, 2, 2));
    }

    async fn with_two_sessions_one_is_enough_to_be_there(w) {
        let w = hall(w).await;
        join(&w, 10, JULIET, "a").await;
        join(&w, 11, JULIET, "b").await;
        leave(&w, 12, JULIET, "a").await;
        say(&w, "m1").await;
        assert!(missed(&w, JULIET).await.is_empty());
        leave(&w, 13, JULIET, "b").await;
        say(&w, "m2").await;
        assert_eq!(missed(&w, JULIET).await, ["m2"]);
    }

    async fn what_was_missed_is_kept_over_several_absences_until_it_is_caught_up(w) {
        let w = hall(w).await;
        say(&w, "m1").await;
        join(&w, 10, JULIET, "j").await;
        say(&w, "seen").await;
        leave(&w, 11, JULIET, "j").await;
        say(&w, "m3").await;
        say(&w, "m4").await;
        join(&w, 12, JULIET, "j").await;
        let page = w.store.missed(&user(HALL), &user(JULIET), 2).await.expect("page");
        assert_eq!(page.items.iter().map(|m| m.key.as_str()).collect::<Vec<_>>(), ["m1", "m3"]);
        assert!(page.next.is_some());
        let upto = i64::try_from(page.items[1].seq).expect("small");
        assert_eq!(w.store.caught_up(&user(HALL), &user(JULIET), upto).await.expect("left"), 1);
        assert_eq!(w.store.caught_up(&user(HALL), &user(JULIET), upto).await.expect("left"), 1);
        assert_eq!(missed(&w, JULIET).await, ["m4"]);
        leave(&w, 13, JULIET, "j").await;
        assert_eq!(w.store.caught_up(&user(HALL), &user(JULIET), i64::MAX).await.expect("left"), 0);
        say(&w, "m5").await;
        assert_eq!(missed(&w, JULIET).await, ["m5"], "what is said after the catching up is missed all the same");
    }

    async fn joins_and_leaves_are_ordered_by_seq_and_a_snapshot_replaces_them(w) {
        let w = hall(w).await;
        leave(&w, 12, JULIET, "j").await;
        join(&w, 11, JULIET, "j").await;
        say(&w, "m1").await;
        assert_eq!(missed(&w, JULIET).await, ["m1"], "the leave was later");
        join(&w, 20, ROMEO, "later").await;
        w.store.occupants(NODE, EPOCH, 15, vec![at(JULIET, "k")]).await.expect("snapshot");
        let room = w.store.room(&user(HALL), 10, None).await.expect("room");
        assert_eq!((room.occupants, room.members.iter().filter(|m| m.present).count()), (2, 2));
        leave(&w, 15, JULIET, "k").await;
        w.store.occupants(NODE, EPOCH, 14, vec![]).await.expect("an older snapshot");
        assert_eq!(w.store.room(&user(HALL), 10, None).await.expect("room").occupants, 2, "both are contained or older");
        w.store.occupants(NODE, EPOCH, 21, vec![]).await.expect("snapshot");
        assert_eq!(w.store.room(&user(HALL), 10, None).await.expect("room").occupants, 0);
        assert!(matches!(w.store.occupants(NODE, "another", 22, vec![]).await, Err(StoreError::UnknownEpoch)));
    }

    async fn who_loses_the_session_the_lease_or_the_epoch_is_absent_from_then_on(w) {
        let w = hall(w).await;
        w.change(change(9, true, JULIET, "j", true, 0)).await;
        join(&w, 10, JULIET, "j").await;
        w.change(change(11, false, JULIET, "j", false, 0)).await;
        say(&w, "after-session").await;
        join(&w, 12, JULIET, "j").await;
        w.clock.advance(TTL);
        let other = im_platform::store::state::NodeSnapshot { epoch: "other".into(), ttl: TTL, seq: 0, sessions: vec![] };
        w.store.snapshot("node-2", other).await.expect("another node");
        w.store.speak("node-2", "other", &user(HALL), vec![spoken("after-lease", ROMEO)]).await.expect("said before any sweep");
        w.snapshot(EPOCH, 20, vec![]).await.expect("back");
        join(&w, 21, JULIET, "j").await;
        w.snapshot("epoch-2", 0, vec![]).await.expect("restarted");
        w.store.speak(NODE, "epoch-2", &user(HALL), vec![spoken("after-epoch", ROMEO)]).await.expect("said");
        assert_eq!(missed(&w, JULIET).await, ["after-session", "after-lease", "after-epoch"]);
    }

    async fn becoming_a_member_begins_to_miss_and_ceasing_to_be_one_ends_it(w) {
        let w = hall(w).await;
        say(&w, "before").await;
        w.store.set_affiliation(&user(HALL), &user(NURSE), Some(Affiliation::Member), Cause::by("test")).await.expect("a member");
        assert_eq!(say(&w, "m1").await, (0, 2), "Juliet and the nurse");
        assert_eq!(missed(&w, NURSE).await, ["m1"]);
        w.store.set_affiliation(&user(HALL), &user(NURSE), None, Cause::by("test")).await.expect("no member");
        assert!(missed(&w, NURSE).await.is_empty());
        w.store.put_room(&user(HALL), vec![(user(ROMEO), Affiliation::Member)], Cause::by("test")).await.expect("replaced");
        assert_eq!(say(&w, "m2").await, (0, 0));
        assert!(missed(&w, JULIET).await.is_empty());
        assert!(matches!(w.store.timeline(&user(HALL), Some(&user(JULIET)), 9, None).await, Err(StoreError::NotFound(_))), "not hers to read any more");
    }

    async fn receipts_become_counts_once_per_user(w) {
        let w = hall(w).await;
        say(&w, "m1").await;
        say(&w, "m2").await;
        let report = async |items: &[(&str, &str, ReceiptKind)]| {
            let items = items.iter().map(|(k, u, r)| ((*k).to_owned(), user(u), *r)).collect();
            let feedback = w.store.receipts(&user(HALL), items).await.expect("counted");
            feedback.into_iter().map(|f| (f.key, f.delivered, f.read)).collect::<Vec<_>>()
        };
        use ReceiptKind::{Delivered, Read};
        assert_eq!(report(&[("m1", JULIET, Delivered), ("m1", NURSE, Read), ("m2", JULIET, Read)]).await, [("m1".into(), 2, 1), ("m2".into(), 1, 1)]);
        assert!(report(&[("m1", JULIET, Delivered), ("m1", NURSE, Delivered), ("m2", JULIET, Read)]).await.is_empty(), "repetitions");
        assert!(report(&[("m1", ROMEO, Read), ("unknown", JULIET, Read)]).await.is_empty(), "the speaker's own, an unknown one");
        assert_eq!(report(&[("m1", JULIET, Read)]).await, [("m1".into(), 2, 2)]);
        let timeline = w.store.timeline(&user(HALL), Some(&user(JULIET)), 1, None).await.expect("timeline");
        assert_eq!((timeline.items[0].key.as_str(), timeline.items[0].read, timeline.next.as_deref()), ("m2", 1, Some("2")));
    }

    // Many readers at once: every receipt counts exactly once.
    async fn receipts_at_the_same_time_all_count(w) {
        let w = Arc::new(hall(w).await);
        say(&w, "m1").await;
        let mut tasks = tokio::task::JoinSet::new();
        for i in 0..50 {
            for kind in [ReceiptKind::Delivered, ReceiptKind::Read, ReceiptKind::Read] {
                let w = Arc::clone(&w);
                tasks.spawn(async move {
                    w.store.receipts(&user(HALL), vec![("m1".into(), user(&format!("r{i}@example.org")), kind)]).await.expect("counted");
                });
            }
        }
        tasks.join_all().await;
        let m1 = &w.store.timeline(&user(HALL), None, 1, None).await.expect("timeline").items[0];
        assert_eq!((m1.delivered, m1.read), (50, 50));
    }

    // She comes and goes while he speaks: each message she either was there for, or finds as missed. Never both, never neither.
    async fn each_message_is_either_seen_or_missed(w) {
        let w = Arc::new(hall(w).await);
        let speaker = Arc::clone(&w);
        let speaking = tokio::spawn(async move {
            let mut there = BTreeSet::new();
            for i in 0..200 {
                let key = format!("m{i:03}");
                if say(&speaker, &key).await == (1, 0) {
                    there.insert(key);
                }
            }
            there
        });
        let mut found = Vec::new();
        for visit in 0..40 {
            join(&w, 100 + 2 * visit, JULIET, "j").await;
            let page = w.store.missed(&user(HALL), &user(JULIET), 256).await.expect("missed");
            if let Some(last) = page.items.last() {
                let upto = i64::try_from(last.seq).expect("small");
                w.store.caught_up(&user(HALL), &user(JULIET), upto).await.expect("caught up");
            }
            found.extend(page.items.into_iter().map(|m| m.key));
            leave(&w, 101 + 2 * visit, JULIET, "j").await;
        }
        let there = speaking.await.expect("spoken");
        found.extend(missed(&w, JULIET).await);
        let absent: BTreeSet<String> = found.iter().cloned().collect();
        assert_eq!(absent.len(), found.len(), "none twice");
        assert!(found.is_sorted(), "in order");
        assert!(there.is_disjoint(&absent));
        assert_eq!(there.len() + absent.len(), 200);
    }

    async fn a_removed_room_is_gone_with_its_timeline(w) {
        let w = hall(w).await;
        say(&w, "m1").await;
        w.store.remove_room(&user(HALL), Cause::by("test")).await.expect("removed");
        w.store.remove_room(&user(HALL), Cause::by("test")).await.expect("again");
        assert!(matches!(w.store.room(&user(HALL), 1, None).await, Err(StoreError::NotFound(_))));
        assert_eq!(say(&w, "m1").await, (0, 0), "its keys are free");
    }

    // She joins between the judgement and what the room sends: the copy that reached her is the one she gets.
    async fn whom_the_room_reached_after_all_has_not_missed_it(w) {
        let w = hall(w).await;
        for key in ["m1", "m2", "m3"] {
            say(&w, key).await;
        }
        assert_eq!(settle(&w, settled("m2", &[JULIET, NURSE], &[])).await, 1);
        assert_eq!(settle(&w, settled("m2", &[JULIET], &[])).await, 1, "told again");
        assert_eq!(missed(&w, JULIET).await, ["m1", "m3"]);
        say(&w, "m4").await;
        settle(&w, settled("m4", &[JULIET], &[])).await;
        settle(&w, settled("m1", &[JULIET], &[])).await;
        assert_eq!(join(&w, 10, JULIET, "j").await, 1);
        say(&w, "seen").await;
        leave(&w, 11, JULIET, "j").await;
        say(&w, "m6").await;
        assert_eq!(missed(&w, JULIET).await, ["m3", "m6"]);
        assert_eq!(settle(&w, settled("nobody-knows", &[JULIET], &[])).await, 0);
    }

    // She leaves between the judgement and what the room sends.
    async fn whom_the_room_did_not_reach_has_missed_it_if_a_member(w) {
        let w = hall(w).await;
        join(&w, 10, JULIET, "j").await;
        join(&w, 11, NURSE, "n").await;
        say(&w, "seen").await;
        say(&w, "m2").await;
        leave(&w, 12, JULIET, "j").await;
        say(&w, "m3").await;
        for _ in 0..2 {
            settle(&w, settled("m2", &[], &[JULIET, NURSE])).await;
        }
        settle(&w, settled("m3", &[], &[JULIET])).await;
        assert_eq!(missed(&w, JULIET).await, ["m2", "m3"]);
        assert!(missed(&w, NURSE).await.is_empty());
        join(&w, 13, JULIET, "j").await;
        settle(&w, settled("seen", &[], &[JULIET])).await;
        assert_eq!(missed(&w, JULIET).await, ["seen", "m2", "m3"], "also when it is told after she is back");
    }

    async fn a_refused_message_is_not_on_the_timeline_whichever_comes_first(w) {
        let w = hall(w).await;
        let refused = |key: &str| Settlement { outcome: RoomOutcome::Refused, ..settled(key, &[], &[]) };
        say(&w, "m1").await;
        say(&w, "m2").await;
        assert_eq!(settle(&w, refused("m1")).await, 0);
        assert_eq!(settle(&w, refused("m3")).await, 0);
        let late = w.store.speak(NODE, EPOCH, &user(HALL), vec![spoken("m3", ROMEO)]).await.expect("answered");
        assert_eq!(late[0].seq, 0);
        assert_eq!(missed(&w, JULIET).await, ["m2"]);
        let timeline = w.store.timeline(&user(HALL), None, 9, None).await.expect("timeline");
        assert_eq!(timeline.items.len(), 1);
    }

    // The platform was dead: the room went on alone, and its messages come later, under the keys that may have been executed already.
    async fn what_was_said_without_the_platform_is_put_on_the_timeline_once(w) {
        let w = hall(w).await;
        join(&w, 10, JULIET, "j").await;
        say(&w, "m1").await;
        let alone = |key: &str, unreached: &[&str]| Settlement { message: Some(spoken(key, ROMEO)), ..settled(key, &[], unreached) };
        let items = vec![alone("m1", &[]), alone("m2", &[]), alone("m3", &[JULIET])];
        assert_eq!(w.store.settle_room(NODE, &user(HALL), items.clone()).await.expect("settled"), 3);
        assert_eq!(w.store.settle_room(NODE, &user(HALL), items).await.expect("again"), 3);
        let timeline = w.store.timeline(&user(HALL), None, 9, None).await.expect("timeline");
        assert_eq!(timeline.items.iter().map(|m| m.key.as_str()).collect::<Vec<_>>(), ["m3", "m2", "m1"]);
        assert_eq!(missed(&w, JULIET).await, ["m3"]);
        assert_eq!(w.store.speak(NODE, EPOCH, &user(HALL), vec![spoken("m3", ROMEO)]).await.expect("late")[0].seq, 3);
        // Nobody knows any more who was thought to be there: whom it reached is all there is to know.
        w.store.set_affiliation(&user(HALL), &user(NURSE), Some(Affiliation::Member), Cause::by("test")).await.expect("a member");
        let all = |key: &str, reached: &[&str]| Settlement { all: true, message: Some(spoken(key, ROMEO)), ..settled(key, reached, &[]) };
        for _ in 0..2 {
            w.store.settle_room(NODE, &user(HALL), vec![all("m4", &[NURSE]), all("m5", &[])]).await.expect("settled");
        }
        assert_eq!((missed(&w, JULIET).await, missed(&w, NURSE).await), (vec!["m3".into(), "m4".into(), "m5".into()], vec!["m5".into()]));
        w.store.settle_room("another-node", &user(HALL), vec![all("m6", &[])]).await.expect("settled");
        assert_eq!(missed(&w, JULIET).await.len(), 3, "she is there through the first node");
    }

    async fn rooms_and_their_members_are_announced_once_and_with_their_cause(w) {
        let w = w.with_verona().await;
        let start = w.store.downlink(None, 9).await.expect("now").next.parse().expect("a number");
        let members = vec![(user(JULIET), Affiliation::Owner)];
        for _ in 0..2 {
            w.store.put_room(&user(HALL), members.clone(), Cause::by("test")).await.expect("a room");
            w.store.set_affiliation(&user(HALL), &user(ROMEO), Some(Affiliation::Member), Cause::by("test")).await.expect("a member");
            w.store.set_affiliation(&user(HALL), &user(ROMEO), None, Cause::by("test")).await.expect("none");
        }
        w.store.remove_room(&user(HALL), Cause::by("test")).await.expect("removed");
        w.store.remove_room(&user(HALL), Cause::by("test")).await.expect("again");
        let events = w.store.downlink(Some(start), 99).await.expect("events").items;
        let kinds: Vec<_> = events.iter().map(|e| e.kind.as_str()).collect();
        let change = ["im.room.member", "im.room.member"];
        assert_eq!(kinds, [&["im.room.changed"][..], &change, &change, &["im.room.removed"]].concat());
        assert_eq!(events[0].data.get(), r#"{"members":[{"affiliation":"owner","user":"juliet@example.org"}]}"#);
    }
}
