//! Decisions, settlements, claims, hand-over.

use im_api::chat::{Outcome, Settled};
use im_platform::store::StoreError;
use im_platform::store::chat::{CLAIM_TTL, HistoryPage, Message, Span};

use crate::suite;
use crate::support::*;

const JULIET: &str = "juliet@example.org";
const BALCONY: &str = "juliet@example.org/balcony";

async fn online(w: &World, seq: i64) -> Vec<String> {
    w.change(change(seq, true, JULIET, "balcony", true, 0)).await
}

async fn offline(w: &World, seq: i64) {
    w.change(change(seq, false, JULIET, "balcony", false, 0)).await;
}

suite! {
    async fn online_is_delivered_and_offline_is_stored(w) {
        let w = w.with_verona().await;
        assert_eq!(w.decide(message("k1", JULIET)).await, "stored");
        assert_eq!(online(&w, 10).await, [JULIET], "coming online says that there is something to drain");
        assert_eq!(w.decide(message("k2", JULIET)).await, "stored", "nothing overtakes what is pending");
        assert_eq!(w.decide(message("k3", BALCONY)).await, "stored", "neither by the full JID");
        assert_eq!(w.drain(JULIET, "balcony").await, ["k1", "k2", "k3"]);
        assert_eq!(w.decide(message("k4", JULIET)).await, "deliver");
    }

    async fn an_unknown_recipient_or_a_server_is_native(w) {
        let w = w.with_verona().await;
        assert_eq!(w.decide(message("k1", "stranger@example.org")).await, "native");
        assert_eq!(w.decide(message("k2", "example.org")).await, "native");
        assert_eq!(w.decide(message("k1", "stranger@example.org")).await, "native", "and again");
    }

    async fn what_may_not_be_kept_or_did_not_come_along_is_native_for_who_is_away(w) {
        let w = w.with_verona().await;
        assert_eq!(w.decide(Message { storable: false, ..message("k1", JULIET) }).await, "native");
        assert_eq!(w.decide(Message { stanza: None, ..message("k2", JULIET) }).await, "native");
        online(&w, 10).await;
        assert_eq!(w.decide(Message { storable: false, ..message("k3", JULIET) }).await, "deliver");
        assert_eq!(w.decide(Message { stanza: None, ..message("k4", JULIET) }).await, "deliver");
    }

    async fn what_may_not_be_kept_is_not_kept(w) {
        let w = w.with_verona().await;
        online(&w, 10).await;
        w.decide(Message { storable: false, ..message("k1", JULIET) }).await;
        w.decide(message("k2", JULIET)).await;
        let page = HistoryPage { user: user(JULIET), with: None, limit: 10, before: None, span: Span::default() };
        let keys: Vec<_> = w.store.history(page).await.expect("history").items.into_iter().map(|i| i.key).collect();
        assert_eq!(keys, ["k2"]);
    }

    async fn without_an_epoch_nothing_is_decided(w) {
        let w = w.with_verona().await;
        let refused = w.store.decide(NODE, "another", vec![message("k1", JULIET)]).await;
        assert!(matches!(refused, Err(StoreError::UnknownEpoch)));
        w.clock.advance(TTL);
        let refused = w.store.decide(NODE, EPOCH, vec![message("k1", JULIET)]).await;
        assert!(matches!(refused, Err(StoreError::UnknownEpoch)), "an expired lease is none");
    }

    async fn negative_priority_takes_only_what_is_addressed_to_it(w) {
        let w = w.with_verona().await;
        w.change(change(10, true, JULIET, "balcony", true, -1)).await;
        assert_eq!(w.decide(message("k1", BALCONY)).await, "deliver");
        assert_eq!(w.decide(message("k2", "juliet@example.org/elsewhere")).await, "stored");
    }

    async fn the_same_key_gets_the_first_answer(w) {
        let w = w.with_verona().await;
        assert_eq!(w.decide(message("k1", JULIET)).await, "stored");
        online(&w, 10).await;
        assert_eq!(w.drain(JULIET, "balcony").await, ["k1"]);
        assert_eq!(w.decide(message("k1", JULIET)).await, "stored", "though it was handed over meanwhile");
        assert_eq!(w.decide(message("k2", JULIET)).await, "deliver");
        offline(&w, 11).await;
        assert_eq!(w.decide(message("k2", JULIET)).await, "deliver", "though she went meanwhile");
        assert_eq!(w.decide(message("k3", JULIET)).await, "stored");
        assert_eq!(w.decide(message("k3", JULIET)).await, "stored");
        online(&w, 12).await;
        assert_eq!(w.drain(JULIET, "balcony").await, ["k3"], "once");
    }

    async fn asked_again_it_is_judged_by_what_is_now(w) {
        let w = w.with_verona().await;
        online(&w, 10).await;
        assert_eq!(w.decide(message("k1", JULIET)).await, "deliver");
        offline(&w, 11).await;
        assert_eq!(w.decide(again(message("k1", JULIET))).await, "stored", "she went");
        assert_eq!(w.decide(again(message("k1", JULIET))).await, "stored", "it is pending");
        online(&w, 12).await;
        assert_eq!(w.decide(again(message("k1", JULIET))).await, "stored", "it is still pending");
        assert_eq!(w.drain(JULIET, "balcony").await, ["k1"], "once");
        assert_eq!(w.decide(again(message("k1", JULIET))).await, "handed_over");
        assert_eq!(w.decide(again(message("k2", JULIET))).await, "deliver", "never seen before");
        assert_eq!(w.decide(again(message("k2", JULIET))).await, "deliver", "the release may not have happened");
    }

    async fn gone_stores_whatever_the_sessions_say_and_later_ones_queue_behind_it(w) {
        let w = w.with_verona().await;
        online(&w, 10).await;
        assert_eq!(w.decide(message("k1", JULIET)).await, "deliver");
        assert_eq!(w.decide(gone(message("k1", JULIET))).await, "stored");
        assert_eq!(w.decide(message("k2", JULIET)).await, "stored", "though the session is still there");
        assert!(!w.store.user_state(&user(JULIET)).await.expect("state").reachable);
        assert_eq!(w.store.renew(NODE, EPOCH, TTL).await.expect("lease"), [JULIET], "the lease's answer asks for a drain");
        assert_eq!(w.drain(JULIET, "balcony").await, ["k1", "k2"]);
        assert!(w.store.renew(NODE, EPOCH, TTL).await.expect("lease").is_empty());
        assert_eq!(w.decide(Message { storable: false, ..gone(message("k3", JULIET)) }).await, "native");
    }

    async fn a_settlement_cancels_what_is_pending(w) {
        let w = w.with_verona().await;
        w.decide(message("k1", JULIET)).await;
        w.decide(message("k2", JULIET)).await;
        assert_eq!(w.settle("k1", Outcome::Delivered).await, Settled::Cancelled);
        assert_eq!(w.settle("k1", Outcome::Delivered).await, Settled::Cancelled, "a repetition gets the first answer");
        assert_eq!(w.decide(message("k1", JULIET)).await, "settled");
        assert_eq!(w.decide(again(message("k1", JULIET))).await, "settled");
        online(&w, 10).await;
        assert_eq!(w.drain(JULIET, "balcony").await, ["k2"]);
        assert_eq!(w.settle("k2", Outcome::Refused).await, Settled::HandedOver);
    }

    async fn the_last_cancelled_one_makes_her_reachable_again(w) {
        let w = w.with_verona().await;
        w.decide(message("k1", JULIET)).await;
        online(&w, 10).await;
        let claim = w.claim(JULIET, "balcony").await.expect("a claim");
        assert_eq!(w.settle("k1", Outcome::Refused).await, Settled::Cancelled);
        assert_eq!(w.decide(message("k2", JULIET)).await, "deliver");
        assert!(w.keys(JULIET, &claim.claim).await.is_empty());
    }

    async fn a_settlement_that_comes_first_is_remembered(w) {
        let w = w.with_verona().await;
        assert_eq!(w.settle("k1", Outcome::Delivered).await, Settled::Noted);
        assert_eq!(w.decide(message("k1", JULIET)).await, "settled");
        assert_eq!(w.decide(gone(message("k1", JULIET))).await, "settled");
        assert_eq!(w.settle("k1", Outcome::Delivered).await, Settled::Noted);
        online(&w, 10).await;
        assert!(w.drain(JULIET, "balcony").await.is_empty());
    }

    async fn a_claim_needs_a_session_that_takes_messages(w) {
        let w = w.with_verona().await;
        w.decide(message("k1", JULIET)).await;
        assert!(matches!(w.claim(JULIET, "balcony").await, Err(StoreError::Conflict(_))), "no such session");
        w.change(change(10, true, JULIET, "balcony", true, -1)).await;
        assert!(matches!(w.claim(JULIET, "balcony").await, Err(StoreError::Conflict(_))), "negative priority");
        w.change(change(11, true, JULIET, "balcony", false, 0)).await;
        assert!(matches!(w.claim(JULIET, "balcony").await, Err(StoreError::Conflict(_))), "not available");
        assert!(matches!(w.claim("stranger@example.org", "x").await, Err(StoreError::NotFound(_))));
        w.change(change(12, true, JULIET, "balcony", true, 0)).await;
        assert_eq!(w.claim(JULIET, "balcony").await.expect("a claim").pending, 1);
    }

    async fn one_claim_at_a_time(w) {
        let w = w.with_verona().await;
        w.decide(message("k1", JULIET)).await;
        online(&w, 10).await;
        w.change(change(11, true, JULIET, "street", true, 0)).await;
        let first = w.claim_as(JULIET, "balcony", Some("once")).await.expect("a claim");
        assert!(matches!(w.claim(JULIET, "street").await, Err(StoreError::Claimed)));
        assert!(matches!(w.claim_as(JULIET, "balcony", Some("twice")).await, Err(StoreError::Claimed)), "not even the same session");
        let replayed = w.claim_as(JULIET, "balcony", Some("once")).await.expect("the first answer");
        assert_eq!(replayed.claim, first.claim);
        assert!(w.store.renew(NODE, EPOCH, TTL).await.expect("lease").is_empty(), "what is claimed need not be drained by another");
        assert!(matches!(w.store.pending(&user(JULIET), "not-the-claim", 10).await, Err(StoreError::Claimed)));
        assert!(matches!(w.store.handed_over(&user(JULIET), "not-the-claim", 99).await, Err(StoreError::Claimed)));
        w.store.give_back(&user(JULIET), "not-the-claim").await.expect("no harm");
        assert!(matches!(w.claim(JULIET, "street").await, Err(StoreError::Claimed)));
        w.store.give_back(&user(JULIET), &first.claim).await.expect("given back");
        w.store.give_back(&user(JULIET), &first.claim).await.expect("twice is fine");
        assert!(matches!(w.store.pending(&user(JULIET), &first.claim, 10).await, Err(StoreError::Conflict(_))), "it is over");
        assert_eq!(w.drain(JULIET, "street").await, ["k1"]);
    }

    async fn a_claim_ends_with_its_time_to_live_unless_it_is_used(w) {
        let w = w.with_verona().await;
        w.decide(message("k1", JULIET)).await;
        online(&w, 10).await;
        let first = w.claim(JULIET, "balcony").await.expect("a claim");
        for _ in 0..3 {
            w.clock.advance(CLAIM_TTL - 1);
            w.store.renew(NODE, EPOCH, TTL).await.expect("lease");
            assert_eq!(w.keys(JULIET, &first.claim).await, ["k1"]);
        }
        w.clock.advance(CLAIM_TTL);
        assert_eq!(w.store.renew(NODE, EPOCH, TTL).await.expect("lease"), [JULIET], "unclaimed again");
        let second = w.claim(JULIET, "balcony").await.expect("another claim");
        assert!(matches!(w.store.handed_over(&user(JULIET), &first.claim, 99).await, Err(StoreError::Claimed)));
        assert_eq!(w.keys(JULIET, &second.claim).await, ["k1"]);
    }

    async fn a_claim_ends_with_its_session_its_lease_and_its_epoch(w) {
        let w = w.with_verona().await;
        w.decide(message("k1", JULIET)).await;
        online(&w, 10).await;
        let first = w.claim(JULIET, "balcony").await.expect("a claim");
        offline(&w, 11).await;
        online(&w, 12).await;
        assert!(matches!(w.store.pending(&user(JULIET), &first.claim, 9).await, Err(StoreError::Conflict(_))), "its session closed, though it came back");
        let second = w.claim(JULIET, "balcony").await.expect("a claim");
        w.clock.advance(TTL);
        assert!(matches!(w.store.pending(&user(JULIET), &second.claim, 9).await, Err(StoreError::Conflict(_))), "its lease ran out");
        let drain = w.snapshot(EPOCH, 20, vec![session(JULIET, "balcony", true, 0)]).await.expect("snapshot");
        assert_eq!(drain, [JULIET]);
        assert!(matches!(w.store.pending(&user(JULIET), &second.claim, 9).await, Err(StoreError::Conflict(_))), "though the node came back");
        let third = w.claim(JULIET, "balcony").await.expect("a claim");
        w.snapshot("epoch-2", 0, vec![session(JULIET, "balcony", true, 0)]).await.expect("snapshot");
        assert!(matches!(w.store.pending(&user(JULIET), &third.claim, 9).await, Err(StoreError::Conflict(_))), "its epoch ended");
    }

    async fn what_is_handed_over_is_gone_and_the_rest_stays_in_order(w) {
        let w = w.with_verona().await;
        for i in 0..10 {
            w.decide(message(&format!("k{i}"), JULIET)).await;
        }
        online(&w, 10).await;
        let claim = w.claim(JULIET, "balcony").await.expect("a claim").claim;
        let page = w.store.pending(&user(JULIET), &claim, 3).await.expect("page");
        assert_eq!(page.items.iter().map(|i| i.key.as_str()).collect::<Vec<_>>(), ["k0", "k1", "k2"]);
        assert_eq!(page.items[0].stanza.get(), r#"{"id":"k0"}"#);
        let upto = page.items[2].seq;
        assert_eq!(w.store.handed_over(&user(JULIET), &claim, upto).await.expect("left"), 7);
        assert_eq!(w.store.handed_over(&user(JULIET), &claim, upto).await.expect("left"), 7, "a repetition changes nothing");
        assert_eq!(w.keys(JULIET, &claim).await, ["k3", "k4", "k5", "k6", "k7", "k8", "k9"]);
        assert_eq!(w.store.handed_over(&user(JULIET), &claim, u64::MAX).await.expect("left"), 0);
        assert_eq!(w.store.handed_over(&user(JULIET), &claim, u64::MAX).await.expect("left"), 0, "also when the claim is over with it");
        assert!(w.store.user_state(&user(JULIET)).await.expect("state").reachable);
        assert_eq!(w.decide(message("k10", JULIET)).await, "deliver");
    }

    async fn a_late_repetition_of_the_last_hand_over_takes_nothing_new(w) {
        let w = w.with_verona().await;
        w.decide(message("k1", JULIET)).await;
        online(&w, 10).await;
        let claim = w.claim(JULIET, "balcony").await.expect("a claim").claim;
        let upto = w.store.pending(&user(JULIET), &claim, 9).await.expect("page").items[0].seq;
        w.store.handed_over(&user(JULIET), &claim, upto).await.expect("handed over");
        w.decide(gone(message("k2", JULIET))).await;
        assert!(matches!(w.store.handed_over(&user(JULIET), &claim, upto).await, Err(StoreError::Conflict(_))));
        assert_eq!(w.drain(JULIET, "balcony").await, ["k2"]);
    }

    async fn the_store_says_whether_anything_is_pending_for_anybody(w) {
        let w = w.with_verona().await;
        assert!(!w.store.any_pending().await.expect("asked"));
        w.decide(message("k1", JULIET)).await;
        assert!(w.store.any_pending().await.expect("asked"));
        online(&w, 10).await;
        w.drain(JULIET, "balcony").await;
        assert!(!w.store.any_pending().await.expect("asked"));
    }

    async fn a_claim_on_nothing_is_over_at_once(w) {
        let w = w.with_verona().await;
        online(&w, 10).await;
        let claim = w.claim(JULIET, "balcony").await.expect("a claim");
        assert_eq!(claim.pending, 0);
        assert_eq!(w.decide(message("k1", JULIET)).await, "deliver", "it does not hold anything up");
        assert!(w.keys(JULIET, &claim.claim).await.is_empty());
    }

    async fn messages_of_one_request_see_each_other(w) {
        let w = w.with_verona().await;
        online(&w, 10).await;
        let verdicts = w.store.decide(NODE, EPOCH, vec![message("k1", JULIET), gone(message("k2", JULIET)), message("k3", JULIET), message("k1", JULIET)]).await;
        let words: Vec<_> = verdicts.expect("verdicts").iter().map(verdict).collect();
        assert_eq!(words, ["deliver", "stored", "stored", "deliver"]);
    }

    async fn the_history_is_newest_first_page_by_page_and_per_conversation(w) {
        let w = w.with_verona().await;
        w.change(change(9, true, "nurse@example.org", "house", true, 0)).await;
        online(&w, 10).await;
        for i in 0..5 {
            w.decide(message(&format!("j{i}"), JULIET)).await;
            w.decide(message(&format!("n{i}"), "nurse@example.org")).await;
        }
        w.decide(gone(message("j5", JULIET))).await;
        w.settle("n4", Outcome::Refused).await;
        let read = async |who: &str, with: Option<&str>, limit, before| {
            let page = HistoryPage { user: user(who), with: with.map(user), limit, before, span: Span::default() };
            let history = w.store.history(page).await.expect("history");
            let keys: Vec<_> = history.items.iter().map(|i| format!("{}:{}", i.key, i.status)).collect();
            (keys.join(" "), history.next.map(|c| c.parse::<i64>().expect("a cursor")))
        };
        let (first, next) = read("romeo@example.org", None, 4, None).await;
        assert_eq!(first, "j5:pending n4:refused j4:delivered n3:delivered");
        let (second, next) = read("romeo@example.org", None, 4, next).await;
        assert_eq!(second, "j3:delivered n2:delivered j2:delivered n1:delivered");
        let (third, next) = read("romeo@example.org", None, 4, next).await;
        assert_eq!((third.as_str(), next), ("j1:delivered n0:delivered j0:delivered", None));
        let (with, _) = read(JULIET, Some("romeo@example.org"), 2, None).await;
        assert_eq!(with, "j5:pending j4:delivered");
        let (nobody, _) = read(JULIET, Some("stranger@example.org"), 2, None).await;
        assert_eq!(nobody, "");
        let page = HistoryPage { user: user("stranger@example.org"), with: None, limit: 1, before: None, span: Span::default() };
        assert!(matches!(w.store.history(page).await, Err(StoreError::NotFound(_))));
    }

    async fn the_archive_is_read_both_ways_by_time_and_by_session(w) {
        let w = w.with_verona().await;
        w.change(change(9, true, "nurse@example.org", "house", true, 0)).await;
        online(&w, 10).await;
        for i in 0..6 {
            w.decide(Message { sent_at: 1_000 + i, ..message(&format!("j{i}"), if i % 2 == 0 { JULIET } else { BALCONY }) }).await;
        }
        w.decide(message("n0", "nurse@example.org")).await;
        w.decide(Message { sent_at: 1_006, ..gone(message("waits", JULIET)) }).await;
        w.decide(Message { sent_at: 1_007, ..message("refused", JULIET) }).await;
        w.settle("refused", Outcome::Refused).await;
        let read = async |page: HistoryPage| {
            let history = w.store.history(page).await.expect("history");
            let keys: Vec<_> = history.items.iter().map(|i| i.key.clone()).collect();
            let ids: Vec<_> = history.items.iter().map(|i| i.id.parse::<i64>().expect("an id")).collect();
            assert!(ids.is_sorted() || ids.iter().rev().is_sorted(), "{ids:?}");
            let ends = |id: Option<String>| id.map(|id| id.parse::<i64>().expect("an id"));
            assert_eq!((ends(history.first), ends(history.last.clone())), (ids.iter().min().copied(), ids.iter().max().copied()));
            assert_eq!(history.complete, history.next.is_none());
            (keys.join(" "), ends(history.next), ids)
        };
        let forward = |limit, after| HistoryPage {
            user: user(JULIET), with: None, limit, before: None,
            span: Span { forward: true, archive: true, after, ..Span::default() },
        };
        let (keys, next, ids) = read(forward(3, None)).await;
        assert_eq!(keys, "j0 j1 j2");
        let (keys, next, _) = read(forward(3, next)).await;
        assert_eq!(keys, "j3 j4 j5");
        let (keys, next, _) = read(forward(3, next)).await;
        assert_eq!((keys.as_str(), next), ("waits", None), "what is pending belongs to it, what was refused does not");
        let back = |before, with: Option<&str>, span| HistoryPage { user: user(JULIET), with: with.map(user), limit: 4, before, span };
        let archive = || Span { archive: true, ..Span::default() };
        let (keys, next, _) = read(back(None, None, archive())).await;
        assert_eq!(keys, "waits j5 j4 j3");
        assert_eq!(read(back(next, None, archive())).await.0, "j2 j1 j0");
        assert_eq!(read(back(Some(ids[2]), None, Span { after: Some(ids[0]), ..archive() })).await.0, "j1", "between two");
        let times = |since, until| Span { since, until, ..archive() };
        assert_eq!(read(back(None, None, times(Some(1_001), Some(1_003)))).await.0, "j3 j2 j1", "both ends belong to it");
        assert_eq!(read(back(None, Some("romeo@example.org"), times(None, Some(1_000)))).await.0, "j0");
        assert_eq!(read(back(None, None, times(Some(2_000_000_000_000_000), None))).await.0, "");
        let session = |of: &str| Span { session: Some(of.into()), ..archive() };
        assert_eq!(read(HistoryPage { user: user("romeo@example.org"), ..back(None, Some(JULIET), session(BALCONY)) }).await.0, "j5 j3 j1");
        assert_eq!(read(HistoryPage { user: user("romeo@example.org"), ..back(None, Some(JULIET), session("juliet@example.org/tomb")) }).await.0, "");
        let (_, _, nurses) = read(HistoryPage { user: user("nurse@example.org"), ..back(None, None, archive()) }).await;
        for cursor in [nurses[0], 1_000_000] {
            for page in [forward(3, Some(cursor)), back(Some(cursor), None, archive())] {
                assert!(matches!(w.store.history(page).await, Err(StoreError::NotFound(_))), "another's message, and none at all");
            }
        }
    }

    async fn what_is_past_its_time_goes_and_what_is_pending_stays(w) {
        let w = w.with_verona().await;
        online(&w, 10).await;
        w.decide(message("old", JULIET)).await;
        w.decide(gone(message("waiting", JULIET))).await;
        w.clock.advance(31 * im_platform::store::sqlite::DAY);
        while w.store.sweep().await.expect("swept") {}
        w.snapshot(EPOCH, 20, vec![session(JULIET, "balcony", true, 0)]).await.expect("snapshot");
        assert_eq!(w.drain(JULIET, "balcony").await, ["waiting"]);
        let page = HistoryPage { user: user(JULIET), with: None, limit: 10, before: None, span: Span::default() };
        assert_eq!(w.store.history(page).await.expect("history").items.len(), 1);
    }
}
