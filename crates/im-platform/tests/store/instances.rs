//! Several instances over one ring: what one acknowledged the others know, at once; whoever comes first is the only one.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::task::Poll;

use im_api::chat::Outcome;
use im_api::group::{CreateGroup, Member, Role};
use im_api::room::Affiliation;
use im_platform::clock::Clock;
use im_platform::jid::Jid;
use im_platform::store::chat::Claimant;
use im_platform::store::state::NodeSnapshot;
use im_platform::store::user::Login;
use im_platform::store::{Cause, Once, Store, StoreError};

use crate::cassandra::Corner;
use crate::races::Dice;
use crate::support::*;

const JULIET: &str = "juliet@example.org";
const HALL: &str = "hall@rooms.example.org";

/// Two instances, and a node that both know.
async fn two() -> (Clock, [Arc<dyn Store>; 2]) {
    let (clock, corner) = (Clock::manual(START), Corner::new());
    let both = [corner.open(clock.clone()).await, corner.open(clock.clone()).await];
    let here = vec![session(JULIET, "balcony", false, 0), session("romeo@example.org", "orchard", false, 0)];
    let snapshot = NodeSnapshot { epoch: EPOCH.into(), ttl: TTL, seq: 0, sessions: here };
    both[0].snapshot(NODE, snapshot).await.expect("a snapshot");
    (clock, both)
}

fn claimant(resource: &str) -> Claimant {
    Claimant { node: NODE.into(), epoch: EPOCH.into(), resource: resource.into(), idempotency: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_instance_stored_another_hands_over_once_and_in_order() {
    let (_, both) = two().await;
    let seq = Arc::new(AtomicI64::new(10));
    for seed in 0..5_u64 {
        let mut tasks = tokio::task::JoinSet::new();
        for sender in 0..4_u64 {
            let store = Arc::clone(&both[usize::try_from(sender % 2).expect("small")]);
            tasks.spawn(async move {
                let (mut dice, mut ways) = (Dice(seed * 97 + sender), Vec::new());
                for i in 0..10 {
                    let key = format!("s{seed}-{sender}-{i}");
                    let answer =
                        store.decide(NODE, EPOCH, vec![message(&key, JULIET)]).await.expect("a verdict");
                    ways.push((verdict(&answer[0]), key));
                    dice.wait().await;
                }
                ways
            });
        }
        let (resident, clock) = (both.clone(), Arc::clone(&seq));
        tasks.spawn(async move {
            let mut ways = Vec::new();
            for visit in 0..4_usize {
                let store = &resident[visit % 2];
                let here = change(clock.fetch_add(1, Ordering::SeqCst), true, JULIET, "balcony", true, 0);
                if !store.change(NODE, EPOCH, vec![here]).await.expect("a change").is_empty() {
                    ways.extend(drain(&resident, visit).await.into_iter().map(|key| ("drained", key)));
                }
                if visit < 3 {
                    let gone =
                        change(clock.fetch_add(1, Ordering::SeqCst), false, JULIET, "balcony", false, 0);
                    resident[(visit + 1) % 2].change(NODE, EPOCH, vec![gone]).await.expect("a change");
                }
            }
            ways
        });
        let ways: Vec<(&str, String)> = tasks.join_all().await.into_iter().flatten().collect();
        let left = both[1].renew(NODE, EPOCH, TTL).await.expect("a lease");
        let rest = if left.is_empty() { Vec::new() } else { drain(&both, 1).await };
        let of =
            |way: &str| ways.iter().filter(|(w, _)| *w == way).map(|(_, k)| k.clone()).collect::<Vec<_>>();
        let mut drained = of("drained");
        drained.extend(rest);
        let (once, stored): (BTreeSet<_>, BTreeSet<_>) =
            (drained.iter().cloned().collect(), of("stored").into_iter().collect());
        assert_eq!(once.len(), drained.len(), "seed {seed}: none twice");
        assert_eq!(once, stored, "seed {seed}: what was stored was drained");
        assert_eq!(of("deliver").len() + stored.len(), 40, "seed {seed}: each went one way");
        for sender in 0..4 {
            let start = format!("s{seed}-{sender}-");
            let mine: Vec<_> = drained.iter().filter(|key| key.starts_with(&start)).collect();
            assert!(mine.is_sorted(), "seed {seed}: {mine:?}");
        }
        let gone = change(seq.fetch_add(1, Ordering::SeqCst), false, JULIET, "balcony", false, 0);
        both[0].change(NODE, EPOCH, vec![gone]).await.expect("a change");
    }
}

/// Hands everything over, each step by the other instance.
async fn drain(both: &[Arc<dyn Store>; 2], first: usize) -> Vec<String> {
    let juliet = user(JULIET);
    let claim = both[first % 2].claim(&juliet, claimant("balcony")).await.expect("a claim").claim;
    let mut keys = Vec::new();
    for turn in first + 1.. {
        let page = both[turn % 2].pending(&juliet, &claim, 7).await.expect("pending");
        let Some(last) = page.items.last() else { break };
        let upto = last.seq;
        keys.extend(page.items.into_iter().map(|item| item.key));
        both[(turn + 1) % 2].handed_over(&juliet, &claim, upto).await.expect("handed over");
    }
    keys
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_to_one_and_its_settlement_to_another_leave_nothing_behind() {
    let (_, both) = two().await;
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..20_u64 {
        let (asked, told, key) = (Arc::clone(&both[0]), Arc::clone(&both[1]), format!("r{i}"));
        tasks.spawn(async move {
            let (a, b) = (key.clone(), key.clone());
            let (decided, settled) = tokio::join!(
                async {
                    Dice(i * 7).wait().await;
                    asked.decide(NODE, EPOCH, vec![message(&a, JULIET)]).await.expect("a verdict")
                },
                async {
                    Dice(i * 11 + 3).wait().await;
                    told.settle(vec![(b, Outcome::Delivered)]).await.expect("settled")
                }
            );
            (verdict(&decided[0]), format!("{:?}", settled[0]))
        });
    }
    for (decided, settled) in tasks.join_all().await {
        assert!(
            matches!((decided, settled.as_str()), ("stored", "Cancelled") | ("settled", "Noted")),
            "{decided} {settled}"
        );
    }
    assert!(!both[0].any_pending().await.expect("asked"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_asked_of_both_is_one_answer_and_one_lock_out() {
    let (_, both) = two().await;
    for i in 0..10 {
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..6_usize {
            let store = Arc::clone(&both[n % 2]);
            tasks.spawn(async move {
                let new = crate::user::new(&format!("u{i}@example.org"), None);
                let once = Once { key: format!("k{i}"), fingerprint: [7; 32] };
                store.create_user(new, Cause { once: Some(once), ..by() }).await.expect("the first answer")
            });
        }
        let all = tasks.join_all().await;
        assert!(all.iter().all(|made| *made == all[0]));
    }
    let said = both[1].downlink(Some(0), 256).await.expect("said");
    assert_eq!(said.items.iter().filter(|e| e.kind == "im.user.created").count(), 10, "each was said once");
    let mut compared = 0;
    for n in 0..30_usize {
        compared += i64::from(matches!(
            both[n % 2].begin_login(&user("u0@example.org")).await.expect("begun"),
            Login::Verifiers(_)
        ));
    }
    assert_eq!(compared, im_platform::store::user::ATTEMPTS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_follows_the_downlink_at_one_hears_what_others_say_in_one_order() {
    let (_, both) = two().await;
    let to = Jid::new(JULIET).expect("a JID");
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..4_usize {
        let (store, to) = (Arc::clone(&both[writer % 2]), to.clone());
        tasks.spawn(async move {
            for i in 0..15 {
                store
                    .send_stanza(&to, format!("{{\"n\":{}}}", writer * 100 + i), by())
                    .await
                    .expect("queued");
            }
        });
    }
    let follow = async |store: &Arc<dyn Store>| {
        let (mut seen, mut after, mut announced) = (Vec::new(), 0, store.announced());
        while seen.len() < 60 {
            let page = store.downlink(Some(after), 7).await.expect("a page");
            if page.items.is_empty() {
                announced.wait_for(|last| *last > after).await.expect("news");
            }
            after = page.next.parse().expect("a cursor");
            seen.extend(page.items.into_iter().map(|e| e.id));
        }
        seen
    };
    let (a, b) = tokio::join!(follow(&both[0]), follow(&both[1]));
    tasks.join_all().await;
    assert_eq!(a, b);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_ran_out_is_ended_once_whoever_sweeps() {
    let (clock, both) = two().await;
    clock.advance(TTL);
    let (a, b) = tokio::join!(both[0].sweep(), both[1].sweep());
    assert!(a.expect("swept") || b.expect("swept"));
    for store in &both {
        assert!(matches!(store.renew(NODE, EPOCH, TTL).await, Err(StoreError::UnknownEpoch)));
        assert!(!store.list_nodes(9, None).await.expect("nodes").items[0].alive);
    }
}

/// What becomes of a change whose process dies when it has waited so many times; None when it died.
async fn dies_after<T>(waits: usize, change: impl Future<Output = T>) -> Option<T> {
    let (mut change, mut left) = (std::pin::pin!(change), waits);
    std::future::poll_fn(|context| {
        let Some(next) = left.checked_sub(1) else { return Poll::Ready(None) };
        left = next;
        change.as_mut().poll(context).map(Some)
    })
    .await
}

/// Members of the group and of the room that it is, as far as they are there.
async fn pair(store: &Arc<dyn Store>) -> [Option<BTreeSet<String>>; 2] {
    let group = store.group("g", 99, None).await.ok();
    let room = store.room(&user(HALL), 99, None).await.ok();
    [
        group.map(|g| g.members.into_iter().map(|m| format!("{} {:?}", m.user, m.role)).collect()),
        room.map(|r| r.members.into_iter().map(|m| format!("{} {:?}", m.user, m.affiliation)).collect()),
    ]
}

fn hall() -> CreateGroup {
    let members = vec![Member { user: JULIET.into(), role: Role::Owner }];
    CreateGroup { id: "g".into(), name: "g".into(), description: None, room: Some(HALL.into()), members }
}

/// A change of a group that is a room is two commits. Whoever dies between them, at whichever moment: the other instance completes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_of_a_group_that_is_a_room_are_the_same_after_a_death_in_the_middle() {
    let (clock, both) = two().await;
    both[0].create_group(hall(), Cause::by("test")).await.expect("created");
    let (room, romeo, nurse) = (user(HALL), user("romeo@example.org"), user("nurse@example.org"));
    let (mut by_group, mut by_room) = (true, true);
    for waits in (1..).step_by(2) {
        let role = (waits % 4 == 1).then_some(Role::Member);
        let change = both[0].set_member("g", &romeo, role, false, Cause::by("test"));
        by_group = by_group && dies_after(waits, change).await.is_none();
        let affiliation = (waits % 4 == 1).then_some(Affiliation::Admin);
        let change = both[0].set_affiliation(&room, &nurse, affiliation, Cause::by("test"));
        by_room = by_room && dies_after(waits, change).await.is_none();
        // What the dead one may still have under way comes before this, or too late.
        let role = if waits % 4 == 1 { Role::Admin } else { Role::Member };
        let another = user("rosaline@example.org");
        both[1].set_member("g", &another, Some(role), true, Cause::by("test")).await.expect("another");
        clock.advance(6_000);
        both[1].sweep().await.expect("swept");
        let [group, room] = pair(&both[1]).await;
        assert_eq!(group.expect("a group"), room.expect("a room"), "after {waits} waits");
        if !by_group && !by_room {
            break;
        }
    }
}

/// The same of a group that is made or dissolved: who asks again, or the sweep, completes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_and_its_room_come_and_go_together_after_a_death_in_the_middle() {
    let (_, both) = two().await;
    for waits in (1..).step_by(6) {
        let member = vec![(user("nurse@example.org"), Affiliation::Member)];
        both[1].put_room(&user(HALL), member, Cause::by("test")).await.expect("a room");
        let once = Once { key: format!("made-{waits}"), fingerprint: [7; 32] };
        let cause = Cause { once: Some(once), ..Cause::by("test") };
        let made = dies_after(waits, both[0].create_group(hall(), cause.clone())).await.is_none();
        both[1].create_group(hall(), cause).await.expect("made by whoever asks again");
        let [group, room] = pair(&both[1]).await;
        assert_eq!(group.as_ref().map(BTreeSet::len), Some(2), "after {waits} waits");
        assert_eq!(group, room, "after {waits} waits");
        let gone = dies_after(waits, both[0].remove_group("g", Cause::by("test"))).await.is_none();
        both[1].remove_group("g", Cause::by("test")).await.expect("gone for whoever asks again");
        assert_eq!(pair(&both[1]).await, [None, None], "after {waits} waits");
        if !made && !gone {
            break;
        }
    }
}
