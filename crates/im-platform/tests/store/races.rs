//! Many tasks at once, many seeds: what must hold whoever comes first.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use im_api::chat::{Outcome, Settled};
use im_platform::store::StoreError;

use crate::suite;
use crate::support::*;

const JULIET: &str = "juliet@example.org";
const SEEDS: u64 = 20;

/// A small generator, so that a seed names a run.
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
    /// Lets others go first, a seeded number of times.
    pub async fn wait(&mut self) {
        for _ in 0..self.roll(4) {
            tokio::task::yield_now().await;
        }
    }
}

fn shared(w: World) -> (Arc<World>, Arc<AtomicI64>) {
    (Arc::new(w), Arc::new(AtomicI64::new(100)))
}

suite! {
    // Senders write while she comes and goes; whoever sees `drain` drains. In the end every message went exactly one way, and once.
    async fn stored_and_came_online_never_miss_each_other(w) {
        let (w, seq) = shared(w.with_verona().await);
        for seed in 0..SEEDS {
            let mut tasks = tokio::task::JoinSet::new();
            for sender in 0..4_u64 {
                let w = Arc::clone(&w);
                tasks.spawn(async move {
                    let mut dice = Dice(seed * 97 + sender);
                    let mut ways = Vec::new();
                    for i in 0..10 {
                        let key = format!("s{seed}-{sender}-{i}");
                        ways.push((w.decide(message(&key, JULIET)).await, key));
                        dice.wait().await;
                    }
                    ways
                });
            }
            let (resident, clock) = (Arc::clone(&w), Arc::clone(&seq));
            tasks.spawn(async move {
                let mut dice = Dice(seed * 31 + 7);
                let mut ways = Vec::new();
                for visit in 0..5 {
                    dice.wait().await;
                    let drain = resident.change(change(clock.fetch_add(1, Ordering::SeqCst), true, JULIET, "balcony", true, 0)).await;
                    if !drain.is_empty() {
                        ways.extend(resident.drain(JULIET, "balcony").await.into_iter().map(|k| ("drained".to_owned(), k)));
                    }
                    dice.wait().await;
                    if visit < 4 {
                        resident.change(change(clock.fetch_add(1, Ordering::SeqCst), false, JULIET, "balcony", false, 0)).await;
                    }
                }
                ways
            });
            let ways: Vec<(String, String)> = tasks.join_all().await.into_iter().flatten().collect();
            // She stays: nothing may be left behind without a drain having been asked for.
            let left = w.store.renew(NODE, EPOCH, TTL).await.expect("lease");
            let rest = if left.is_empty() { vec![] } else { w.drain(JULIET, "balcony").await };
            assert!(w.store.user_state(&user(JULIET)).await.expect("state").reachable, "seed {seed}");
            let count = |way: &str| ways.iter().filter(|(had, _)| had == way).map(|(_, k)| k.clone()).collect::<BTreeSet<_>>();
            let (delivered, stored) = (count("deliver"), count("stored"));
            let mut drained: Vec<String> = ways.iter().filter(|(had, _)| had == "drained").map(|(_, k)| k.clone()).collect();
            drained.extend(rest);
            let once: BTreeSet<String> = drained.iter().cloned().collect();
            assert_eq!(once.len(), drained.len(), "seed {seed}: none twice");
            assert_eq!(once, stored, "seed {seed}: what was stored was drained");
            assert_eq!(delivered.len() + stored.len(), 40, "seed {seed}: each went one way");
            w.change(change(seq.fetch_add(1, Ordering::SeqCst), false, JULIET, "balcony", false, 0)).await;
        }
    }

    async fn of_many_claimants_one_gets_it(w) {
        let (w, seq) = shared(w.with_verona().await);
        for seed in 0..SEEDS {
            w.decide(gone(message(&format!("c{seed}"), JULIET))).await;
            for r in 0..8 {
                w.change(change(seq.fetch_add(1, Ordering::SeqCst), true, JULIET, &format!("r{r}"), true, 0)).await;
            }
            let mut tasks = tokio::task::JoinSet::new();
            for r in 0..8_u64 {
                let w = Arc::clone(&w);
                tasks.spawn(async move {
                    Dice(seed * 13 + r).wait().await;
                    w.claim(JULIET, &format!("r{r}")).await
                });
            }
            let mut won = Vec::new();
            for outcome in tasks.join_all().await {
                match outcome {
                    Ok(claim) => won.push(claim.claim),
                    Err(e) => assert!(matches!(e, StoreError::Claimed), "{e}"),
                }
            }
            assert_eq!(won.len(), 1, "seed {seed}");
            assert_eq!(w.keys(JULIET, &won[0]).await, [format!("c{seed}")]);
            assert_eq!(w.store.handed_over(&user(JULIET), &won[0], u64::MAX).await.expect("left"), 0);
        }
    }

    // Whichever comes first: never both stored and settled as something else.
    async fn a_request_and_its_settlement_in_either_order_leave_nothing_behind(w) {
        let (w, seq) = shared(w.with_verona().await);
        for seed in 0..SEEDS {
            let mut tasks = tokio::task::JoinSet::new();
            for i in 0..10_u64 {
                let key = format!("r{seed}-{i}");
                let (asker, settler, k) = (Arc::clone(&w), Arc::clone(&w), key.clone());
                tasks.spawn(async move {
                    Dice(seed * 7 + i).wait().await;
                    (key.clone(), asker.decide(message(&key, JULIET)).await)
                });
                tasks.spawn(async move {
                    Dice(seed * 11 + i).wait().await;
                    let settled = settler.settle(&k, Outcome::Delivered).await;
                    (k, format!("{settled:?}"))
                });
            }
            let mut all = tasks.join_all().await;
            all.sort();
            for pair in all.chunks(2) {
                let (found, verdict) = (pair[0].1.as_str(), pair[1].1.as_str());
                assert!(matches!((found, verdict), ("Cancelled", "stored") | ("Noted", "settled")), "seed {seed}: {pair:?}");
            }
            w.change(change(seq.fetch_add(1, Ordering::SeqCst), true, JULIET, "balcony", true, 0)).await;
            assert!(w.drain(JULIET, "balcony").await.is_empty(), "seed {seed}");
            w.change(change(seq.fetch_add(1, Ordering::SeqCst), false, JULIET, "balcony", false, 0)).await;
        }
    }

    async fn a_hundred_live_ones_during_the_drain_of_a_hundred_come_after_them(w) {
        let (w, seq) = shared(w.with_verona().await);
        let old: Vec<String> = (0..100).map(|i| format!("old-{i:03}")).collect();
        for key in &old {
            assert_eq!(w.decide(message(key, JULIET)).await, "stored");
        }
        w.change(change(seq.fetch_add(1, Ordering::SeqCst), true, JULIET, "balcony", true, 0)).await;
        let sender = Arc::clone(&w);
        let live = tokio::spawn(async move {
            let mut ways = Vec::new();
            for i in 0..100 {
                let key = format!("live-{i:03}");
                ways.push((sender.decide(message(&key, JULIET)).await, key));
            }
            ways
        });
        let mut handed = w.drain(JULIET, "balcony").await;
        let ways = live.await.expect("sent");
        // The drain may have ended before the last live one; then that one was delivered, and nothing stored comes after a delivered one.
        let first_delivered = ways.iter().position(|(way, _)| way == "deliver").unwrap_or(ways.len());
        assert!(ways[first_delivered..].iter().all(|(way, _)| way == "deliver"), "{ways:?}");
        let stored: Vec<String> = ways[..first_delivered].iter().map(|(_, key)| key.clone()).collect();
        assert_eq!(handed.drain(..100).collect::<Vec<_>>(), old, "the old ones first, in order");
        assert_eq!(handed, stored, "then the live ones that were stored, in order");
    }

    // A claimant whose node stops renewing: its claim ends with the lease, the next one gets everything that was not reported as handed over.
    async fn a_lease_that_runs_out_during_a_claim_frees_what_is_left(w) {
        let (w, _) = shared(w.with_verona().await);
        for seed in 0..SEEDS {
            let keys: Vec<String> = (0..10).map(|i| format!("x{seed}-{i}")).collect();
            w.snapshot(EPOCH, 1_000 + seed as i64, vec![session(JULIET, "balcony", true, 0)]).await.expect("snapshot");
            for key in &keys {
                w.decide(gone(message(key, JULIET))).await;
            }
            let claim = w.claim(JULIET, "balcony").await.expect("claim").claim;
            let page = w.store.pending(&user(JULIET), &claim, 4).await.expect("page");
            let (slow, clock) = (Arc::clone(&w), w.clock.clone());
            let upto = page.items[3].seq;
            let report = tokio::spawn(async move {
                Dice(seed).wait().await;
                slow.store.handed_over(&user(JULIET), &claim, upto).await
            });
            let expiry = tokio::spawn(async move {
                Dice(seed + 99).wait().await;
                clock.advance(TTL);
            });
            expiry.await.expect("expired");
            let reported = report.await.expect("reported");
            w.store.sweep().await.expect("swept");
            let other = im_platform::store::state::NodeSnapshot { epoch: format!("other-{seed}"), ttl: TTL, seq: 0, sessions: vec![session(JULIET, "street", true, 0)] };
            assert_eq!(w.store.snapshot("node-2", other).await.expect("snapshot"), [JULIET]);
            let claimant = im_platform::store::chat::Claimant { node: "node-2".into(), epoch: format!("other-{seed}"), resource: "street".into(), idempotency: None };
            let claim = w.store.claim(&user(JULIET), claimant).await.expect("freed").claim;
            let expected = match reported {
                Ok(left) => { assert_eq!(left, 6); &keys[4..] }
                Err(e) => { assert!(matches!(e, StoreError::Conflict(_)), "{e}"); &keys[..] }
            };
            assert_eq!(w.keys(JULIET, &claim).await, expected, "seed {seed}");
            w.store.handed_over(&user(JULIET), &claim, u64::MAX).await.expect("handed over");
        }
    }

    // The same key sent many times at once is one decision.
    async fn one_key_is_one_decision_however_many_ask_at_once(w) {
        let (w, seq) = shared(w.with_verona().await);
        for seed in 0..SEEDS {
            let mut tasks = tokio::task::JoinSet::new();
            for i in 0..8_u64 {
                let w = Arc::clone(&w);
                tasks.spawn(async move {
                    Dice(seed * 5 + i).wait().await;
                    w.decide(message(&format!("same-{seed}"), JULIET)).await
                });
            }
            assert!(tasks.join_all().await.iter().all(|v| v == "stored"));
            w.change(change(seq.fetch_add(1, Ordering::SeqCst), true, JULIET, "balcony", true, 0)).await;
            assert_eq!(w.drain(JULIET, "balcony").await, [format!("same-{seed}")]);
            assert_eq!(w.settle(&format!("same-{seed}"), Outcome::Delivered).await, Settled::HandedOver);
            w.change(change(seq.fetch_add(1, Ordering::SeqCst), false, JULIET, "balcony", false, 0)).await;
        }
    }
}
