//! What readers see while many write, with many seeds: nothing that is hidden, nothing announced that is not there, no member forgotten, no page twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use im_api::footprint::Audience;
use im_api::room::Affiliation;
use im_platform::store::footprint::{Area, Find, Viewer};
use im_platform::store::room::Occupancy;
use im_platform::store::state::Change;
use serde_json::Value;

use crate::races::Dice;
use crate::suite;
use crate::support::*;

const JULIET: &str = "juliet@example.org";
const ROMEO: &str = "romeo@example.org";
const SEEDS: u64 = 20;

fn find(viewer: &str) -> Find {
    let area = Some(Area { west: 10.0, south: 47.0, east: 12.0, north: 49.0 });
    Find {
        viewer: Viewer::User(user(viewer)),
        area,
        since: None,
        until: None,
        user: None,
        track: None,
        limit: 7,
        after: None,
    }
}

fn state(who: &str, seq: i64) -> Change {
    let mut session = session(who, "web", true, 0);
    session.status = Some(seq.to_string());
    Change { seq, open: true, session }
}

/// One of the ways in which Juliet hides from Romeo what she shared, or shows it again.
async fn hide(w: &World, way: u64, hidden: bool) {
    let (juliet, romeo) = (user(JULIET), user(ROMEO));
    match way {
        0 => drop(w.store.set_block(&juliet, &romeo, hidden, by()).await.expect("blocked")),
        1 => drop(w.store.set_block(&romeo, &juliet, hidden, by()).await.expect("blocked")),
        2 if hidden => drop(w.store.remove_friend(&juliet, &romeo, by()).await.expect("removed")),
        2 => friends(w, JULIET, ROMEO).await,
        _ => {
            let role = (!hidden).then_some(im_api::group::Role::Member);
            w.store.set_member("g", &romeo, role, false, by()).await.expect("set");
        }
    }
}

suite! {
    // The state is stored, then announced: who hears of it finds it, or a later one.
    async fn what_is_announced_is_stored_already(w) {
        let w = Arc::new(w.with_verona().await);
        let mut after = 0;
        for seed in 0..SEEDS {
            let mut tasks = tokio::task::JoinSet::new();
            for (who, salt) in [(JULIET, 3), (ROMEO, 5)] {
                let w = Arc::clone(&w);
                tasks.spawn(async move {
                    let mut dice = Dice(seed * 17 + salt);
                    for i in 1..=10 {
                        let seq = i64::try_from(seed).expect("small") * 10 + i;
                        w.store.set_state(state(who, seq), TTL, by()).await.expect("set");
                        dice.wait().await;
                    }
                });
            }
            let (mut heard, mut announced) = (0, w.store.announced());
            while heard < 20 {
                let page = w.store.downlink(Some(after), 3).await.expect("a page");
                if page.items.is_empty() {
                    announced.wait_for(|last| *last > after).await.expect("news");
                }
                after = page.next.parse().expect("a cursor");
                for event in page.items.iter().filter(|e| e.kind == "im.state.changed") {
                    let said: Value = serde_json::from_str(event.data.get()).expect("JSON");
                    let said: i64 = said["status"].as_str().and_then(|s| s.parse().ok()).expect("a number");
                    let stored = w.store.user_state(&user(&event.subject)).await.expect("a state").status;
                    let stored: i64 = stored.and_then(|s| s.parse().ok()).expect("a number");
                    assert!(stored >= said, "seed {seed}: {said} was announced while {stored} was stored");
                    heard += 1;
                }
            }
            tasks.join_all().await;
        }
    }

    // Whoever searches between two changes sees exactly what the first of them allows.
    async fn what_is_hidden_is_seen_by_no_search_that_begins_later(w) {
        let w = Arc::new(w.with_verona().await);
        let group = r#"{"id":"g","name":"G","members":[{"user":"juliet@example.org","role":"owner"}]}"#;
        w.store.create_group(serde_json::from_str(group).expect("a group"), by()).await.expect("created");
        for seed in 0..SEEDS {
            let way = seed % 4;
            let audience = match way {
                0 | 1 => Audience::All,
                2 => Audience::Friends,
                _ => Audience::Group("g".into()),
            };
            hide(&w, way, false).await;
            let id = format!("f{seed}");
            w.store.share(footprint(&id, JULIET, 48.0, 11.0, audience), by()).await.expect("shared");
            // 0 shown, 1 changing, 2 hidden, 3 changing, and so on.
            let phase = Arc::new(AtomicU64::new(0));
            let mut tasks = tokio::task::JoinSet::new();
            for viewer in 0..3 {
                let (w, phase) = (Arc::clone(&w), Arc::clone(&phase));
                tasks.spawn(async move {
                    let (mut dice, mut sure) = (Dice(seed * 41 + viewer), 0);
                    while phase.load(Ordering::SeqCst) < 40 || sure == 0 {
                        let before = phase.load(Ordering::SeqCst);
                        let seen = w.store.find(find(ROMEO)).await.expect("found").features.len();
                        if before == phase.load(Ordering::SeqCst) && before % 2 == 0 {
                            assert_eq!(seen, usize::from(before % 4 == 0), "seed {seed}, way {way}, phase {before}");
                            sure += 1;
                        }
                        dice.wait().await;
                    }
                });
            }
            let mut dice = Dice(seed * 43 + 11);
            for turn in 0..20 {
                phase.fetch_add(1, Ordering::SeqCst);
                hide(&w, way, turn % 2 == 0).await;
                phase.fetch_add(1, Ordering::SeqCst);
                dice.wait().await;
            }
            tasks.join_all().await;
            w.store.remove_footprint(&user(JULIET), &id, by()).await.expect("removed");
        }
    }

    // What was there before and after the walk is found once, whatever comes and goes beside it.
    async fn a_walk_through_the_pages_of_an_area_beside_writers_finds_each_once(w) {
        let w = Arc::new(w.with_verona().await);
        let place = |i: u64| (47.2 + (i % 9) as f64 / 5.0, 10.1 + (i % 7) as f64 / 4.0);
        let mut there = BTreeSet::new();
        for i in 0..60 {
            w.clock.advance(1);
            let (lat, lon) = place(i);
            let print = footprint(&format!("stays-{i}"), JULIET, lat, lon, Audience::All);
            there.insert(w.store.share(print, by()).await.expect("shared").id);
        }
        for seed in 0..SEEDS {
            let mut tasks = tokio::task::JoinSet::new();
            for writer in 0..2_u64 {
                let w = Arc::clone(&w);
                tasks.spawn(async move {
                    let mut dice = Dice(seed * 7 + writer);
                    for i in 0..10 {
                        let (id, (lat, lon)) = (format!("goes-{seed}-{writer}-{i}"), place(dice.roll(60)));
                        let mut print = footprint(&id, ROMEO, lat, lon, Audience::All);
                        print.at = Some(START + i64::try_from(dice.roll(80)).expect("small"));
                        w.store.share(print, by()).await.expect("shared");
                        dice.wait().await;
                        w.store.remove_footprint(&user(ROMEO), &id, by()).await.expect("removed");
                    }
                });
            }
            let (mut found, mut search) = (Vec::new(), find(ROMEO));
            loop {
                let page = w.store.find(search.clone()).await.expect("a page");
                found.extend(page.features.into_iter().map(|f| f.id));
                let Some(next) = page.next else { break };
                let (at, id) = next.split_once('.').expect("a cursor");
                search.after = Some((at.parse().expect("a time"), id.parse().expect("a number")));
            }
            let stays: Vec<String> = found.iter().filter(|id| there.contains(*id)).cloned().collect();
            assert_eq!(stays.len(), 60, "seed {seed}: each once");
            assert_eq!(stays.into_iter().collect::<BTreeSet<_>>(), there, "seed {seed}");
            assert_eq!(found.iter().collect::<BTreeSet<_>>().len(), found.len(), "seed {seed}: none twice");
            tasks.join_all().await;
        }
    }

    // Members come and go while several speak: each message is missed by as many as its answer says, and seen by the rest.
    async fn a_room_is_judged_member_by_member_whoever_comes_and_goes(w) {
        let w = Arc::new(w.with_verona().await);
        let members: Vec<String> = (0..4).map(|i| format!("member-{i}@example.org")).collect();
        for seed in 0..SEEDS {
            let room = user(&format!("hall-{seed}@rooms.example.org"));
            let all = members.iter().map(|m| (user(m), Affiliation::Member)).collect();
            w.store.put_room(&room, all, im_platform::store::Cause::by("test")).await.expect("a room");
            let mut tasks = tokio::task::JoinSet::new();
            for (i, member) in (0_u64..).zip(&members) {
                let (w, room, member) = (Arc::clone(&w), room.clone(), user(member));
                tasks.spawn(async move {
                    let mut dice = Dice(seed * 19 + i);
                    for seq in 0..7 {
                        let who = Occupancy { room: room.clone(), user: member.clone(), resource: "r".into(), nick: "n".into() };
                        w.store.occupy(NODE, EPOCH, seq + 1, who, seq % 2 == 0).await.expect("came or went");
                        dice.wait().await;
                    }
                    Vec::new()
                });
            }
            for speaker in 0..2 {
                let (w, room) = (Arc::clone(&w), room.clone());
                tasks.spawn(async move {
                    let (mut dice, mut posted) = (Dice(seed * 23 + speaker), Vec::new());
                    for i in 0..10 {
                        let message = spoken(&format!("s{seed}-{speaker}-{i}"), ROMEO);
                        posted.extend(w.store.speak(NODE, EPOCH, &room, vec![message]).await.expect("spoken"));
                        dice.wait().await;
                    }
                    posted
                });
            }
            let posted: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
            assert_eq!(posted.len(), 20);
            let mut missed: BTreeMap<String, u64> = BTreeMap::new();
            for member in &members {
                let page = w.store.missed(&room, &user(member), 256).await.expect("missed");
                assert!(page.items.is_sorted_by_key(|m| m.seq), "seed {seed}: in order");
                page.items.into_iter().for_each(|m| *missed.entry(m.key).or_default() += 1);
            }
            for message in &posted {
                let absent = missed.get(&message.key).copied().unwrap_or(0);
                assert_eq!((message.absent, message.present), (absent, 4 - absent), "seed {seed}: {}", message.key);
            }
        }
    }
}
