//! The lists for operators: complete, page by page, each thing once; text only when asked for; news of every change.

use im_api::friend::{FriendEntry, Subscription};
use im_api::group::{CreateGroup, Member, Role};
use im_api::room::Affiliation;
use im_api::state::{Presence, Show};
use im_platform::jid::Jid;
use im_platform::store::Cause;
use im_platform::store::chat::Message;
use im_platform::store::console::{COUNTED, Page};
use im_platform::store::room::Occupancy;

use crate::support::{EPOCH, NODE, TTL, change, message, session, user};

/// All items of a list, `$limit` at a time; each page but the last says that there is more.
macro_rules! all {
    ($after:ident => $page:expr) => {{
        let (mut items, mut $after) = (Vec::new(), None);
        loop {
            let Page { items: page, next } = $page.await.expect("a page");
            assert!(page.len() <= 2);
            items.extend(page);
            match next {
                Some(next) => $after = Some(next.parse().expect("a cursor")),
                None => break items,
            }
        }
    }};
}

fn between(key: &str, from: &str, to: &str) -> Message {
    Message { from: Jid::new(from).expect("a JID"), ..message(key, to) }
}

crate::suite! {
    /// Users come once each, by address, with their state; a prefix narrows.
    async fn users_are_listed_by_address(world) {
        let names = ["anna", "bert", "carl", "dora", "dorian"];
        let sessions = names.iter().map(|n| session(&format!("{n}@example.org"), "x", *n == "carl", 0)).collect();
        world.snapshot(EPOCH, 0, sessions).await.expect("a snapshot");
        let store = &world.store;
        let listed: Vec<String> = all!(after => store.list_users(None, 2, after)).into_iter().map(|u| u.user).collect();
        assert_eq!(listed, names.map(|n| format!("{n}@example.org")));
        let dor = all!(after => store.list_users(Some("DOR".into()), 2, after));
        assert_eq!(dor.len(), 2);
        let states: Vec<_> = store.list_users(None, 9, None).await.expect("users").items.into_iter().map(|u| (u.state, u.sessions)).collect();
        assert_eq!(states[2], (Presence::Online, 1));
        assert_eq!(states[0], (Presence::Offline, 1));
        store.erase(&user("bert@example.org"), Cause::by("test")).await.expect("erased");
        assert_eq!(all!(after => store.list_users(None, 2, after)).len(), 4);
    }

    /// Sessions come once each and by state, and end with their lease.
    async fn sessions_are_listed_by_state_while_the_lease_holds(world) {
        let mut sessions = Vec::new();
        for (i, show) in [None, Some(Show::Dnd), Some(Show::Away), Some(Show::Xa), Some(Show::Chat)].into_iter().enumerate() {
            let mut one = session("juliet@example.org", &format!("r{i}\"/ü"), true, 0);
            one.show = show;
            sessions.push(one);
        }
        sessions.push(session("romeo@example.org", "silent", false, 0));
        world.snapshot(EPOCH, 0, sessions).await.expect("a snapshot");
        world.change(change(1, false, "nurse@example.org", "gone", false, 0)).await;
        let store = &world.store;
        let of = async |state| all!(after => store.list_sessions(state, 2, after)).len();
        assert_eq!(of(None).await, 6);
        assert_eq!((of(Some(Presence::Online)).await, of(Some(Presence::Busy)).await), (2, 1));
        assert_eq!((of(Some(Presence::Away)).await, of(Some(Presence::Offline)).await), (2, 1));
        world.clock.advance(TTL);
        assert_eq!(of(None).await, 0);
    }

    /// A conversation is its newest message, the latest conversation first, also over pages; text only when asked for.
    async fn conversations_come_once_latest_first(world) {
        let people = ["anna", "bert", "carl"].map(|n| format!("{n}@example.org"));
        let sessions = people.iter().map(|jid| session(jid, "x", false, 0)).collect();
        world.snapshot(EPOCH, 0, sessions).await.expect("a snapshot");
        let [anna, bert, carl] = &people;
        for (key, from, to) in [("1", anna, bert), ("2", bert, carl), ("3", carl, anna), ("4", bert, anna)] {
            world.decide(between(key, &format!("{from}/x"), to)).await;
        }
        world.decide(between("5", "stranger@elsewhere.example/y", anna)).await;
        world.decide(between("6", "stranger@elsewhere.example/y", anna)).await;
        let store = &world.store;
        let listed = all!(before => store.list_conversations(true, 2, before));
        let keys: Vec<&str> = listed.iter().map(|m| m.key.as_str()).collect();
        assert_eq!(keys, ["6", "4", "3", "2"]);
        assert!(listed.iter().all(|m| m.stanza.is_some() && m.bytes > 0));
        let hidden = all!(before => store.list_conversations(false, 2, before));
        assert!(hidden.iter().all(|m| m.stanza.is_none() && m.bytes > 0));
    }

    /// Who has something waiting is listed with how much and since when, until it is handed over.
    async fn waiting_messages_are_listed_by_user(world) {
        let people: Vec<String> = (0..5).map(|i| format!("u{i}@example.org")).collect();
        let mut sessions: Vec<_> = people.iter().map(|jid| session(jid, "x", false, 0)).collect();
        sessions.push(session("romeo@example.org", "orchard", true, 0));
        world.snapshot(EPOCH, 0, sessions).await.expect("a snapshot");
        for (i, jid) in people.iter().enumerate().skip(1) {
            for n in 0..i {
                world.decide(message(&format!("{i}-{n}"), jid)).await;
            }
        }
        let store = &world.store;
        let listed = all!(after => store.list_pending(2, after));
        let counts: Vec<_> = listed.iter().map(|p| (p.user.as_str(), p.count)).collect();
        assert_eq!(counts, [("u1@example.org", 1), ("u2@example.org", 2), ("u3@example.org", 3), ("u4@example.org", 4)]);
        world.change(change(1, true, &people[2], "x", true, 0)).await;
        let claim = world.claim(&people[2], "x").await.expect("a claim");
        assert_eq!(store.list_pending(9, None).await.expect("a page").items[1].claimed_by.as_deref(), Some("x"));
        store.handed_over(&user(&people[2]), &claim.claim, u64::MAX >> 1).await.expect("handed over");
        assert_eq!(all!(after => store.list_pending(2, after)).len(), 3);
    }

    /// Friends, groups, rooms, nodes, the downlink and the audit are complete over pages.
    async fn the_other_lists_are_complete(world) {
        let world = world.with_verona().await;
        let store = &world.store;
        let (juliet, romeo) = (user("juliet@example.org"), user("romeo@example.org"));
        let entry = FriendEntry { name: None, subscription: Subscription::Both, ask: false, approved: false, groups: vec!["Verona".into()] };
        for friend in ["a", "b", "c"] {
            for owner in [&juliet, &romeo] {
                let friend = user(&format!("{friend}@example.org"));
                store.put_friend(owner, &friend, entry.clone(), Cause::by("test")).await.expect("put");
            }
        }
        assert_eq!(all!(after => store.list_friends(2, after)).len(), 6);
        for id in ["g1", "g2", "g3"] {
            let members = vec![Member { user: juliet.to_string(), role: Role::Owner }];
            let new = CreateGroup { id: id.into(), name: id.into(), description: None, room: None, members };
            store.create_group(new, Cause::by("test")).await.expect("created");
        }
        let groups: Vec<_> = all!(after => store.list_groups(2, after)).into_iter().map(|g| (g.id, g.size)).collect();
        assert_eq!(groups, [("g1".into(), 1), ("g2".into(), 1), ("g3".into(), 1)]);
        let room = user("hall@rooms.example.org");
        store.put_room(&room, vec![(juliet.clone(), Affiliation::Member)], Cause::by("test")).await.expect("put");
        for (seq, resource) in [(1, "a"), (2, "b"), (3, "c")] {
            let who = Occupancy { room: room.clone(), user: romeo.clone(), resource: resource.into(), nick: "R".into() };
            store.occupy(NODE, EPOCH, seq, who, true).await.expect("in");
        }
        assert_eq!(all!(after => store.list_occupants(&room, 2, after)).len(), 3);
        let rooms = all!(after => store.list_rooms(2, after));
        assert_eq!((rooms.len(), rooms[0].occupants, rooms[0].members), (1, 3, 1));
        let nodes = all!(after => store.list_nodes(2, after));
        assert!(nodes.len() == 1 && nodes[0].alive);
        world.clock.advance(TTL);
        assert!(!store.list_nodes(2, None).await.expect("nodes").items[0].alive);
        // Six friends and three groups were announced; the latest comes first.
        let downlink = all!(before => store.list_downlink(false, 2, before));
        assert!(downlink.len() == 10 && downlink.iter().all(|d| d.data.is_none() && d.bytes > 0));
        assert!(downlink.windows(2).all(|pair| pair[0].seq > pair[1].seq));
        for name in ["one", "two", "three"] {
            store.note_read("ada", "read text", name).await.expect("noted");
        }
        let audit: Vec<String> = all!(before => store.list_audit(2, before)).into_iter().map(|a| a.subject).collect();
        assert_eq!(audit, ["three", "two", "one"]);
    }

    /// Whatever changes the store is news; what changes nothing is none.
    async fn every_change_is_news(world) {
        let world = world.with_verona().await;
        let mut changed = world.store.changed();
        changed.mark_unchanged();
        world.store.user_state(&user("juliet@example.org")).await.expect("read");
        world.store.check().await.expect("well");
        assert!(!changed.has_changed().expect("open"));
        world.decide(message("m1", "juliet@example.org")).await;
        assert!(changed.has_changed().expect("open"));
        changed.mark_unchanged();
        // A lease that runs out is found by the sweep.
        world.clock.advance(TTL);
        while world.store.sweep().await.expect("swept") {}
        assert!(changed.has_changed().expect("open"));
    }

    /// Counting stops.
    async fn counts_are_counted_up_to_a_limit(world) {
        let sessions = (0..1_100).map(|i| session(&format!("u{i}@example.org"), "x", true, 0)).collect();
        world.snapshot(EPOCH, 0, sessions).await.expect("a snapshot");
        let counts = world.store.counts().await.expect("counts");
        let of = |name| counts.iter().find(|c| c.name == name).map(|c| c.count);
        assert_eq!((of("users"), of("sessions"), of("nodes"), of("rooms")), (Some(COUNTED), Some(COUNTED), Some(1), Some(0)));
    }
}
