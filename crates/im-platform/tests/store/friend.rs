//! Friends and blocks.

use im_api::friend::FriendEntry;
use im_platform::store::StoreError;

use crate::suite;
use crate::support::*;

const JULIET: &str = "juliet@example.org";
const ROMEO: &str = "romeo@example.org";

fn entry(json: &str) -> FriendEntry {
    serde_json::from_str(json).expect("an entry")
}

suite! {
    async fn a_list_is_kept_per_owner_and_paged(w) {
        let w = w.with_verona().await;
        for i in 0..5 {
            let who = user(&format!("f{i}@elsewhere.example"));
            let answer = w.store.put_friend(&user(JULIET), &who, entry(r#"{"subscription":"to","name":"N","groups":["a","b"],"ask":true}"#), by()).await.expect("put");
            assert_eq!((answer.changed, answer.ver), (true, i + 1));
        }
        let page = w.store.friends(&user(JULIET), 3, None).await.expect("page");
        assert_eq!((page.items.len(), page.ver, page.items[0].entry.groups.len()), (3, 5, 2));
        let rest = w.store.friends(&user(JULIET), 3, page.next).await.expect("page");
        assert_eq!((rest.items.len(), rest.next), (2, None));
        assert!(w.store.friends(&user(ROMEO), 3, None).await.expect("page").items.is_empty());
        assert!(matches!(w.store.friends(&user("stranger@example.org"), 3, None).await, Err(StoreError::NotFound(_))));
    }

    async fn an_echo_changes_nothing_and_is_not_announced(w) {
        let w = w.with_verona().await;
        let both = entry(r#"{"subscription":"both"}"#);
        let put = async |e: FriendEntry| w.store.put_friend(&user(JULIET), &user(ROMEO), e, by()).await.expect("put").changed;
        assert!(put(both.clone()).await);
        let before = *w.store.announced().borrow();
        assert!(!put(both.clone()).await);
        assert_eq!(*w.store.announced().borrow(), before);
        assert!(put(entry(r#"{"subscription":"to"}"#)).await);
        assert!(w.store.remove_friend(&user(JULIET), &user(ROMEO), by()).await.expect("removed").changed);
        assert!(!w.store.remove_friend(&user(JULIET), &user(ROMEO), by()).await.expect("again").changed);
        let kinds: Vec<_> = w.store.downlink(Some(0), 10).await.expect("said").items.into_iter().map(|e| e.kind).collect();
        assert_eq!(kinds, ["im.friend.changed", "im.friend.changed", "im.friend.removed"]);
    }

    async fn presence_is_seen_by_oneself_and_by_friends_who_may(w) {
        let w = w.with_verona().await;
        let sees = async |owner: &str, viewer: &str| w.store.sees_presence(&user(owner), &user(viewer)).await.expect("asked");
        assert!(sees(JULIET, JULIET).await && !sees(JULIET, ROMEO).await);
        w.store.put_friend(&user(JULIET), &user(ROMEO), entry(r#"{"subscription":"from"}"#), by()).await.expect("put");
        assert!(sees(JULIET, ROMEO).await && !sees(ROMEO, JULIET).await);
        w.store.set_block(&user(ROMEO), &user(JULIET), true, by()).await.expect("blocked");
        assert!(!sees(JULIET, ROMEO).await);
        assert!(w.store.sees_presence(&user(JULIET), &user("stranger@example.org")).await.is_err());
    }

    async fn who_is_blocked_is_refused_and_may_come_back(w) {
        let w = w.with_verona().await;
        w.change(change(10, true, JULIET, "balcony", true, 0)).await;
        assert!(w.store.set_block(&user(JULIET), &user(ROMEO), true, by()).await.expect("blocked").changed);
        assert!(!w.store.set_block(&user(JULIET), &user(ROMEO), true, by()).await.expect("again").changed);
        assert_eq!(w.store.blocks(&user(JULIET)).await.expect("blocks").items, [ROMEO]);
        assert_eq!(w.decide(message("k1", JULIET)).await, "refuse");
        assert_eq!(w.decide(message("k1", JULIET)).await, "refuse", "the first answer");
        w.store.set_block(&user(JULIET), &user(ROMEO), false, by()).await.expect("unblocked");
        assert_eq!(w.decide(message("k1", JULIET)).await, "refuse", "still the first answer");
        assert_eq!(w.decide(message("k2", JULIET)).await, "deliver");
    }
}
