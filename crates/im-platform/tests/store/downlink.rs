//! The downlink: ordered, resumable, at least once.

use std::sync::Arc;

use im_api::downlink::Origin;
use im_platform::jid::Jid;
use im_platform::store::StoreError;
use im_platform::store::sqlite::DAY;

use crate::suite;
use crate::support::*;

async fn send(w: &World, n: usize) {
    let to = Jid::new("juliet@example.org").expect("a JID");
    w.store.send_stanza(&to, format!("{{\"n\":{n}}}"), by()).await.expect("queued");
}

suite! {
    async fn events_come_in_order_from_where_one_stopped_and_again_when_asked_again(w) {
        let start = w.store.downlink(None, 10).await.expect("the cursor of now");
        assert!(start.items.is_empty());
        for n in 0..5 {
            send(&w, n).await;
        }
        let after = start.next.parse().expect("a cursor");
        let page = w.store.downlink(Some(after), 3).await.expect("page");
        let again = w.store.downlink(Some(after), 3).await.expect("page");
        assert_eq!(page.items.iter().map(|e| &e.id).collect::<Vec<_>>(), again.items.iter().map(|e| &e.id).collect::<Vec<_>>());
        assert_eq!(page.items[0].data.get(), r#"{"to":"juliet@example.org","stanza":{"n":0}}"#);
        let rest = w.store.downlink(Some(page.next.parse().expect("a cursor")), 10).await.expect("page");
        assert_eq!(rest.items.len(), 2);
        assert!(w.store.downlink(Some(rest.next.parse().expect("a cursor")), 10).await.expect("page").items.is_empty());
    }

    async fn a_cursor_from_nowhere_or_behind_what_was_removed_is_gone(w) {
        send(&w, 0).await;
        assert!(matches!(w.store.downlink(Some(2), 1).await, Err(StoreError::CursorGone)), "from another database");
        w.clock.advance(8 * DAY);
        send(&w, 1).await;
        while w.store.sweep().await.expect("swept") {}
        assert!(matches!(w.store.downlink(Some(0), 9).await, Err(StoreError::CursorGone)));
        assert_eq!(w.store.downlink(Some(1), 9).await.expect("page").items.len(), 1);
    }

    async fn a_change_carries_where_it_came_from(w) {
        let w = w.with_verona().await;
        let mut cause = by();
        cause.origin = Some(Origin { node: NODE.into(), event: "e-1".into() });
        w.store.set_block(&user("romeo@example.org"), &user("juliet@example.org"), true, cause.clone()).await.expect("blocked");
        let said = w.store.downlink(Some(0), 10).await.expect("said");
        assert_eq!(said.items[0].origin, cause.origin);
    }

    // A reader that follows while many write: everything once, in the order of the cursor, nothing skipped.
    async fn a_follower_sees_everything_in_order_while_many_write(w) {
        let w = Arc::new(w);
        let mut tasks = tokio::task::JoinSet::new();
        for writer in 0..4 {
            let w = Arc::clone(&w);
            tasks.spawn(async move {
                for i in 0..50 {
                    send(&w, writer * 1_000 + i).await;
                }
            });
        }
        let (mut seen, mut after, mut announced) = (Vec::new(), 0, w.store.announced());
        while seen.len() < 200 {
            let page = w.store.downlink(Some(after), 7).await.expect("page");
            if page.items.is_empty() {
                announced.wait_for(|last| *last > after).await.expect("news");
                continue;
            }
            after = page.next.parse().expect("a cursor");
            seen.extend(page.items.into_iter().map(|e| e.data.get().to_owned()));
        }
        tasks.join_all().await;
        for writer in 0..4 {
            let mine: Vec<&String> = seen.iter().filter(|d| (0..50).any(|i| d.ends_with(&format!("{{\"n\":{}}}}}", writer * 1_000 + i)))).collect();
            assert_eq!(mine.len(), 50);
            for (i, data) in mine.iter().enumerate() {
                assert!(data.ends_with(&format!("{{\"n\":{}}}}}", writer * 1_000 + i)));
            }
        }
    }
}
