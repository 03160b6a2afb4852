//! Whatever is done in whatever order by many at once, the counters and marks that make operations cheap stay true. SQLite only: it looks at the tables.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use im_api::chat::Outcome;
use im_api::footprint::Audience;
use im_api::group::{CreateGroup, Role};
use im_api::room::{Affiliation, ReceiptKind};
use im_platform::jid::Jid;
use im_platform::store::chat::Message;
use im_platform::store::room::Occupancy;

use crate::support::*;

/// What must be nowhere: each query gives the rows that break it.
const BROKEN: &[(&str, &str)] = &[
    (
        "a pending counter",
        "SELECT id FROM users u WHERE pending <> (SELECT count(*) FROM messages m WHERE m.to_user = u.id AND m.seq IS NOT NULL)",
    ),
    (
        "a place in a queue without being pending, or the reverse",
        "SELECT id FROM messages WHERE (seq IS NOT NULL) <> (status = 'pending')",
    ),
    (
        "a kept message without its recipient",
        "SELECT id FROM messages WHERE stanza IS NOT NULL AND to_user NOT IN (SELECT id FROM users)",
    ),
    (
        "a claim on nothing",
        "SELECT c.user FROM claims c LEFT JOIN users u ON u.id = c.user WHERE coalesce(u.pending, 0) = 0",
    ),
    (
        "a drain mark",
        "SELECT s.user FROM sessions s JOIN users u ON u.id = s.user WHERE s.drain <> (s.open AND s.available AND s.priority >= 0 AND s.node <> '' AND u.pending > 0)",
    ),
    ("a session of nobody", "SELECT user FROM sessions WHERE user NOT IN (SELECT id FROM users)"),
    (
        "a group's size",
        "SELECT id FROM groups g WHERE size <> (SELECT count(*) FROM group_members m WHERE m.grp = g.id)",
    ),
    (
        "a group's owners",
        "SELECT id FROM groups g WHERE owners <> (SELECT count(*) FROM group_members m WHERE m.grp = g.id AND role = 'owner') OR owners = 0",
    ),
    (
        "a member of no group, or nobody",
        "SELECT grp FROM group_members WHERE grp NOT IN (SELECT id FROM groups) OR user NOT IN (SELECT id FROM users)",
    ),
    (
        "a room's members",
        "SELECT id FROM rooms r WHERE members <> (SELECT count(*) FROM room_members m WHERE m.room = r.id)",
    ),
    (
        "a room's occupants",
        "SELECT id FROM rooms r WHERE occupants <> (SELECT count(*) FROM occupants o WHERE o.room = r.id AND o.open = 1)",
    ),
    (
        "a room's present members",
        "SELECT id FROM rooms r WHERE present <> (SELECT count(*) FROM room_members m WHERE m.room = r.id
        AND EXISTS (SELECT 1 FROM occupants o WHERE o.room = m.room AND o.user = m.user AND o.open = 1))",
    ),
    (
        "an absent member who misses nothing, or a present one who does",
        "SELECT m.user FROM room_members m WHERE
        (SELECT count(*) FROM room_missed x WHERE x.room = m.room AND x.user = m.user AND x.to_seq IS NULL)
        <> NOT EXISTS (SELECT 1 FROM occupants o WHERE o.room = m.room AND o.user = m.user AND o.open = 1)",
    ),
    (
        "somebody who is no member and misses something",
        "SELECT user FROM room_missed x WHERE NOT EXISTS
        (SELECT 1 FROM room_members m WHERE m.room = x.room AND m.user = x.user)",
    ),
    ("a room message's counts", "SELECT x.seq FROM room_messages x WHERE delivered < read OR delivered > 9"),
    (
        "a footprint's places in the grid",
        "SELECT id FROM footprints f WHERE 8 <> (SELECT count(*) FROM footprint_cells c WHERE c.footprint = f.id)",
    ),
    (
        "a place in the grid of nothing",
        "SELECT footprint FROM footprint_cells WHERE footprint NOT IN (SELECT id FROM footprints)",
    ),
    ("a footprint of nobody", "SELECT id FROM footprints WHERE user NOT IN (SELECT id FROM users)"),
    ("a friend of nobody", "SELECT user FROM friends WHERE user NOT IN (SELECT id FROM users)"),
    ("an unfinished erasure", "SELECT id FROM users WHERE erasing IS NOT NULL"),
];

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
    fn who(&mut self) -> String {
        format!("u{}@example.org", self.roll(4))
    }
}

/// One thing, at random. Refusals are as good as successes: what matters is what they leave behind.
async fn something(w: &World, dice: &mut Dice, seq: &AtomicI64, tag: &str) {
    let (who, other) = (dice.who(), dice.who());
    let (room, n) = (user("hall@rooms.example.org"), seq.fetch_add(1, Ordering::SeqCst));
    let key = format!("{tag}-{}", dice.roll(40));
    let one_in = |dice: &mut Dice, n| dice.roll(n) == 0;
    match dice.roll(18) {
        0 | 1 => {
            let open = !one_in(dice, 3);
            let change = change(n, open, &who, "r", open, if one_in(dice, 4) { -1 } else { 0 });
            let _ = w.store.change(NODE, EPOCH, vec![change]).await;
        }
        2 | 3 => drop(
            w.store
                .decide(
                    NODE,
                    EPOCH,
                    vec![
                        from(&other, message(&key, &who)),
                        from(&who, gone(message(&format!("{key}g"), &other))),
                    ],
                )
                .await,
        ),
        4 => drop(w.store.decide(NODE, EPOCH, vec![from(&other, again(message(&key, &who)))]).await),
        5 => drop(
            w.store
                .settle(vec![
                    (key, Outcome::Delivered),
                    (format!("{tag}-{}g", dice.roll(40)), Outcome::Refused),
                ])
                .await,
        ),
        6 | 7 => {
            if let Ok(claim) = w.claim(&who, "r").await {
                if let Ok(page) = w.store.pending(&user(&who), &claim.claim, 3).await
                    && let Some(last) = page.items.last()
                {
                    let _ = w.store.handed_over(&user(&who), &claim.claim, last.seq).await;
                }
                if one_in(dice, 2) {
                    let _ = w.store.give_back(&user(&who), &claim.claim).await;
                }
            }
        }
        8 => {
            let group = format!(
                r#"{{"id":"g{}","name":"G","members":[{{"user":"{who}","role":"owner"}}]}}"#,
                dice.roll(3)
            );
            let group: CreateGroup = serde_json::from_str(&group).expect("a group");
            let _ = w.store.create_group(group, by()).await;
        }
        9 => {
            let role =
                [None, Some(Role::Owner), Some(Role::Admin), Some(Role::Member)][dice.roll(4) as usize];
            let _ = w.store.set_member(&format!("g{}", dice.roll(3)), &user(&who), role, false, by()).await;
        }
        10 | 11 => {
            let here = Occupancy {
                room,
                user: user(&who),
                resource: format!("r{}", dice.roll(2)),
                nick: "n".into(),
            };
            let _ = w.store.occupy(NODE, EPOCH, n, here, !one_in(dice, 2)).await;
        }
        12 => {
            let affiliation = if one_in(dice, 3) { None } else { Some(Affiliation::Member) };
            let _ = w
                .store
                .set_affiliation(&room, &user(&who), affiliation, im_platform::store::Cause::by("test"))
                .await;
        }
        13 => {
            let _ = w.store.speak(NODE, EPOCH, &room, vec![spoken(&format!("m{key}"), &who)]).await;
            let _ = w.store.receipts(&room, vec![(format!("m{key}"), user(&other), ReceiptKind::Read)]).await;
            let _ = w.store.caught_up(&room, &user(&other), n % 7).await;
        }
        14 => drop(w.store.share(footprint(&key, &who, 1.0, 2.0, Audience::All), by()).await),
        15 => drop(w.store.remove_footprint(&user(&who), &key, by()).await),
        16 => {
            if who != other {
                friends_or_not(w, &who, &other).await;
            }
        }
        _ => match dice.roll(6) {
            0 => drop(w.store.erase(&user(&who), by()).await),
            1 => {
                let sessions = vec![session(&who, "r", true, 0)];
                let _ = w.snapshot(EPOCH, n, sessions).await;
            }
            2 => drop(w.store.occupants(NODE, EPOCH, n, vec![]).await),
            3 => drop(w.store.sweep().await),
            _ => w.clock.advance(7_000),
        },
    }
}

fn from(who: &str, message: Message) -> Message {
    Message { from: Jid::new(&format!("{who}/r")).expect("a JID"), ..message }
}

async fn friends_or_not(w: &World, who: &str, other: &str) {
    let entry = serde_json::from_str(r#"{"subscription":"both"}"#).expect("an entry");
    let _ = w.store.put_friend(&user(who), &user(other), entry, by()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn counters_and_marks_stay_true_whatever_is_done() {
    for seed in 0..12_u64 {
        let w = Arc::new(World::sqlite());
        w.snapshot(EPOCH, 0, vec![]).await.expect("a snapshot");
        let seq = Arc::new(AtomicI64::new(1));
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..4_u64 {
            let (w, seq) = (Arc::clone(&w), Arc::clone(&seq));
            tasks.spawn(async move {
                let mut dice = Dice(seed * 1_000 + task);
                for _ in 0..250 {
                    something(&w, &mut dice, &seq, &format!("s{task}")).await;
                    if w.store.renew(NODE, EPOCH, TTL).await.is_err() {
                        let _ = w.snapshot(EPOCH, seq.fetch_add(1, Ordering::SeqCst), vec![]).await;
                    }
                }
            });
        }
        tasks.join_all().await;
        let conn = rusqlite::Connection::open(w.file()).expect("opened");
        for (what, query) in BROKEN {
            let broken: Vec<String> = conn
                .prepare(query)
                .and_then(|mut sql| {
                    let cell = |row: &rusqlite::Row<'_>| Ok(format!("{:?}", row.get_ref(0)?));
                    sql.query_map([], cell)?.collect()
                })
                .unwrap_or_else(|e| panic!("{what}: {e}"));
            assert!(broken.is_empty(), "seed {seed}: {what} is wrong: {broken:?}");
        }
    }
}
