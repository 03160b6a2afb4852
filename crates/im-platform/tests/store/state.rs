//! Leases, snapshots, changes, and what they add up to.

use im_api::state::{Presence, Show};
use im_platform::store::StoreError;

use crate::suite;
use crate::support::*;

const JULIET: &str = "juliet@example.org";

async fn resources(w: &World, who: &str) -> Vec<String> {
    let state = w.store.user_state(&user(who)).await.expect("a state");
    state.resources.into_iter().map(|s| s.resource).collect()
}

suite! {
    async fn a_node_without_a_snapshot_is_asked_for_one(w) {
        assert!(matches!(w.store.renew(NODE, EPOCH, TTL).await, Err(StoreError::UnknownEpoch)));
        let change = change(1, true, JULIET, "a", true, 0);
        assert!(matches!(w.store.change(NODE, EPOCH, vec![change]).await, Err(StoreError::UnknownEpoch)));
        assert!(matches!(w.store.user_state(&user(JULIET)).await, Err(StoreError::NotFound(_))), "and makes nobody known");
    }

    async fn a_snapshot_makes_its_users_known_and_a_later_one_replaces_it(w) {
        w.snapshot(EPOCH, 5, vec![session(JULIET, "a", true, 0), session(JULIET, "b", true, 1)]).await.expect("first");
        assert_eq!(resources(&w, JULIET).await, ["a", "b"]);
        w.snapshot(EPOCH, 6, vec![session(JULIET, "b", true, 1)]).await.expect("second");
        assert_eq!(resources(&w, JULIET).await, ["b"]);
        w.snapshot("epoch-2", 0, vec![session(JULIET, "c", true, 1)]).await.expect("third");
        assert_eq!(resources(&w, JULIET).await, ["c"], "a new epoch ends everything before it, whatever its seq");
    }

    async fn a_snapshot_supersedes_the_changes_it_contains_and_not_the_later_ones(w) {
        w.snapshot(EPOCH, 0, vec![]).await.expect("empty");
        w.change(change(4, true, JULIET, "contained", true, 0)).await;
        w.change(change(9, true, JULIET, "later", true, 0)).await;
        w.change(change(10, false, JULIET, "closed-later", false, 0)).await;
        w.snapshot(EPOCH, 7, vec![session(JULIET, "closed-later", true, 0), session(JULIET, "in", true, 0)]).await.expect("snapshot");
        assert_eq!(resources(&w, JULIET).await, ["in", "later"]);
        w.change(change(7, true, JULIET, "contained", true, 0)).await;
        w.change(change(6, false, JULIET, "in", false, 0)).await;
        assert_eq!(resources(&w, JULIET).await, ["in", "later"], "changes that the snapshot contains come too late");
        w.change(change(8, true, JULIET, "in", false, 0)).await;
        assert!(!w.store.user_state(&user(JULIET)).await.expect("state").resources[0].available);
    }

    async fn an_older_snapshot_of_the_same_epoch_is_a_sign_of_life_only(w) {
        w.snapshot(EPOCH, 9, vec![session(JULIET, "new", true, 0)]).await.expect("newer");
        w.snapshot(EPOCH, 5, vec![session(JULIET, "old", true, 0)]).await.expect("older, arriving late");
        assert_eq!(resources(&w, JULIET).await, ["new"]);
    }

    async fn an_epoch_that_was_ended_cannot_come_back(w) {
        w.snapshot(EPOCH, 0, vec![]).await.expect("first");
        w.snapshot("epoch-2", 0, vec![session(JULIET, "a", true, 0)]).await.expect("second");
        assert!(matches!(w.snapshot(EPOCH, 3, vec![]).await, Err(StoreError::Conflict(_))));
        assert!(matches!(w.store.renew(NODE, EPOCH, TTL).await, Err(StoreError::UnknownEpoch)));
        assert_eq!(resources(&w, JULIET).await, ["a"]);
    }

    async fn changes_are_ordered_by_seq_whatever_order_they_come_in(w) {
        w.snapshot(EPOCH, 0, vec![]).await.expect("empty");
        w.change(change(3, false, JULIET, "a", false, 0)).await;
        w.change(change(2, true, JULIET, "a", true, 0)).await;
        w.change(change(1, true, JULIET, "a", false, 0)).await;
        assert!(resources(&w, JULIET).await.is_empty(), "the session has ended before anybody knew of it");
        w.change(change(4, true, JULIET, "a", true, 0)).await;
        w.change(change(4, true, JULIET, "a", false, 0)).await;
        assert!(w.store.user_state(&user(JULIET)).await.expect("state").reachable, "an equal seq is not above");
    }

    async fn a_lease_that_runs_out_closes_the_sessions_at_that_moment(w) {
        w.snapshot(EPOCH, 0, vec![session(JULIET, "a", true, 0)]).await.expect("snapshot");
        w.clock.advance(TTL - 1);
        w.store.renew(NODE, EPOCH, TTL).await.expect("just in time");
        w.clock.advance(TTL - 1);
        assert_eq!(w.store.user_state(&user(JULIET)).await.expect("state").state, Presence::Online);
        w.clock.advance(1);
        let state = w.store.user_state(&user(JULIET)).await.expect("state");
        assert_eq!((state.state, state.reachable, state.resources.len()), (Presence::Offline, false, 0), "before any sweep");
        let since = state.since;
        assert!(matches!(w.store.renew(NODE, EPOCH, TTL).await, Err(StoreError::UnknownEpoch)), "a late renewal revives nobody");
        w.clock.advance(5_000);
        while w.store.sweep().await.expect("swept") {}
        let state = w.store.user_state(&user(JULIET)).await.expect("state");
        assert_eq!((state.state, state.since), (Presence::Offline, since), "the sweep changes nothing that can be seen");
        w.snapshot(EPOCH, 7, vec![session(JULIET, "a", true, 0)]).await.expect("the same epoch may come back by a snapshot");
        assert_eq!(w.store.user_state(&user(JULIET)).await.expect("state").state, Presence::Online);
    }

    async fn the_lease_of_one_node_is_nothing_to_another(w) {
        w.snapshot(EPOCH, 0, vec![session(JULIET, "a", true, 0)]).await.expect("node 1");
        w.clock.advance(TTL / 2);
        let other = im_platform::store::state::NodeSnapshot { epoch: "other".into(), ttl: TTL, seq: 0, sessions: vec![session(JULIET, "b", true, 0)] };
        w.store.snapshot("node-2", other).await.expect("node 2");
        w.clock.advance(TTL / 2);
        assert_eq!(resources(&w, JULIET).await, ["b"]);
    }

    async fn the_aggregate_shows_the_leading_session_and_when_it_last_changed(w) {
        w.snapshot(EPOCH, 0, vec![session(JULIET, "a", true, 0)]).await.expect("snapshot");
        let before = w.store.user_state(&user(JULIET)).await.expect("state").since;
        w.clock.advance(1_000);
        w.change(change(1, true, JULIET, "a", true, 0)).await;
        assert_eq!(w.store.user_state(&user(JULIET)).await.expect("state").since, before, "nothing that can be seen changed");
        let mut busy = change(2, true, JULIET, "b", true, 5);
        busy.session.show = Some(Show::Dnd);
        busy.session.status = Some("in a meeting".into());
        w.change(busy).await;
        let state = w.store.user_state(&user(JULIET)).await.expect("state");
        assert_eq!((state.state, state.show, state.status.as_deref()), (Presence::Busy, Some(Show::Dnd), Some("in a meeting")));
        assert_ne!(state.since, before);
        w.change(change(3, false, JULIET, "b", false, 0)).await;
        assert_eq!(w.store.user_state(&user(JULIET)).await.expect("state").state, Presence::Online);
    }

    async fn a_state_set_without_a_bridge_counts_until_it_runs_out_and_takes_no_messages(w) {
        let w = w.with_verona().await;
        let mut web = change(1, true, JULIET, "web", true, 3);
        web.session.show = Some(Show::Away);
        w.store.set_state(web, 1_000, by()).await.expect("set");
        let state = w.store.user_state(&user(JULIET)).await.expect("state");
        assert_eq!((state.state, state.reachable), (Presence::Away, false));
        assert_eq!(w.decide(message("k1", JULIET)).await, "stored");
        w.clock.advance(1_000);
        assert_eq!(w.store.user_state(&user(JULIET)).await.expect("state").state, Presence::Offline);
        w.store.set_state(change(1, true, JULIET, "web", true, 3), 1_000, by()).await.expect("after it ran out any seq is new");
        assert_eq!(w.store.user_state(&user(JULIET)).await.expect("state").state, Presence::Online);
        let stranger = change(1, true, "stranger@example.org", "web", true, 0);
        assert!(matches!(w.store.set_state(stranger, 1_000, by()).await, Err(StoreError::NotFound(_))));
    }

    async fn the_end_of_a_state_set_without_a_bridge_is_announced_whoever_leads(w) {
        let w = w.with_verona().await;
        w.snapshot(EPOCH, 0, vec![session(JULIET, "a", true, 5)]).await.expect("snapshot");
        let said = async || w.store.downlink(Some(0), 10).await.expect("said").items.len();
        w.store.set_state(change(1, true, JULIET, "web", true, 1), 1_000, by()).await.expect("set");
        assert_eq!(said().await, 0, "nobody sees a difference");
        w.store.set_state(change(2, false, JULIET, "web", false, 1), 1_000, by()).await.expect("ended");
        assert_eq!(said().await, 1);
        w.store.set_state(change(3, true, JULIET, "web", true, 1), 1_000, by()).await.expect("set");
        w.clock.advance(1_000);
        while w.store.sweep().await.expect("swept") {}
        let ends = w.store.downlink(Some(0), 10).await.expect("said").items;
        assert_eq!(ends.len(), 2, "it ran out");
        assert!(ends.iter().all(|event| event.kind == "im.state.changed" && event.subject == JULIET));
        while w.store.sweep().await.expect("swept") {}
        assert_eq!(said().await, 2, "once");
    }

    async fn tombstones_go_and_what_they_knew_stays(w) {
        let w = w.with_verona().await;
        w.change(change(10, true, JULIET, "a", true, 0)).await;
        w.clock.advance(1_000);
        w.change(change(11, false, JULIET, "a", false, 0)).await;
        let since = w.store.user_state(&user(JULIET)).await.expect("state").since;
        for _ in 0..30 {
            w.clock.advance(TTL / 2);
            w.store.renew(NODE, EPOCH, TTL).await.expect("renewed");
        }
        while w.store.sweep().await.expect("swept") {}
        assert_eq!(w.store.user_state(&user(JULIET)).await.expect("state").since, since);
    }
}
