//! Accounts, logins, erasure.

use im_api::import::Imported;
use im_api::room::{Affiliation, ReceiptKind};
use im_api::user::{SessionEnd, Verifier};
use im_platform::store::chat::{HistoryPage, Span};
use im_platform::store::footprint::Viewer;
use im_platform::store::import::Item;
use im_platform::store::user::{ATTEMPTS, LOCK, LOCK_MAX, Login, NewUser, Search, lock_after};
use im_platform::store::{Cause, Once, StoreError};

use crate::suite;
use crate::support::*;

const JULIET: &str = "juliet@example.org";
const ROMEO: &str = "romeo@example.org";

pub fn verifiers() -> Vec<Verifier> {
    let json = r#"[{"mechanism":"SCRAM-SHA-1","salt":"c2FsdHNhbHQ=","iterations":4096,"stored_key":"6dlGYMOdZcOPutkcNY8U2g7vK9Y=","server_key":"D+CSWLOshSulAsxiupA+qs2/fTE="}]"#;
    serde_json::from_str(json).expect("verifiers")
}

pub fn new(jid: &str, name: Option<&str>) -> NewUser {
    NewUser { user: user(jid), verifiers: verifiers(), name: name.map(Into::into), email: Some("x@y".into()) }
}

async fn names(w: &World, query: &str, viewer: Option<&str>) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let domain = Some("example.org".into());
        let search = Search { query: query.into(), domain, viewer: viewer.map(user), limit: 2, after };
        let page = w.store.search(search).await.expect("a page");
        assert!(page.items.iter().all(|u| u.email.is_none()), "mail addresses are nobody's business");
        all.extend(page.items.into_iter().map(|u| u.user));
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

suite! {
    async fn an_account_is_created_once(w) {
        let made = w.store.create_user(new(JULIET, Some("Juliet")), by()).await.expect("created");
        assert_eq!((made.origin.as_str(), made.password, made.email.as_deref()), ("api", true, Some("x@y")));
        assert!(matches!(w.store.create_user(new(JULIET, None), by()).await, Err(StoreError::Conflict(_))));
        assert_eq!(w.store.user(&user(JULIET)).await.expect("read"), made);
        assert!(matches!(w.store.user(&user(ROMEO)).await, Err(StoreError::NotFound(_))));
    }

    async fn a_user_seen_on_a_bridge_can_become_an_account_once(w) {
        let w = w.with_verona().await;
        assert_eq!(w.store.user(&user(JULIET)).await.expect("known").origin, "bridge");
        w.store.create_user(new(JULIET, None), by()).await.expect("completed");
        assert!(matches!(w.store.create_user(new(JULIET, None), by()).await, Err(StoreError::Conflict(_))));
        w.store.set_verifiers(&user(ROMEO), verifiers(), by()).await.expect("set");
        assert!(matches!(w.store.create_user(new(ROMEO, None), by()).await, Err(StoreError::Conflict(_))), "it has a password");
    }

    async fn of_many_who_create_one_account_one_does(w) {
        let w = std::sync::Arc::new(w);
        for i in 0..10 {
            let mut tasks = tokio::task::JoinSet::new();
            for _ in 0..8 {
                let w = std::sync::Arc::clone(&w);
                tasks.spawn(async move { w.store.create_user(new(&format!("u{i}@example.org"), None), by()).await.is_ok() });
            }
            assert_eq!(tasks.join_all().await.into_iter().filter(|ok| *ok).count(), 1);
        }
    }

    async fn a_replay_gets_the_first_answer_and_another_request_under_its_key_is_refused(w) {
        let with = |key: &str, print: u8| {
            let mut cause = by();
            cause.once = Some(Once { key: key.into(), fingerprint: [print; 32] });
            cause
        };
        let first = w.store.create_user(new(JULIET, None), with("a", 1)).await.expect("created");
        w.clock.advance(1_000);
        assert_eq!(w.store.create_user(new(JULIET, None), with("a", 1)).await.expect("the first answer"), first);
        assert!(matches!(w.store.create_user(new(ROMEO, None), with("a", 2)).await, Err(StoreError::KeyReused)));
        assert!(matches!(w.store.create_user(new(JULIET, None), with("b", 1)).await, Err(StoreError::Conflict(_))));
        let mut other = with("a", 2);
        other.caller = "somebody else".into();
        w.store.create_user(new(ROMEO, None), other).await.expect("another caller's key is another key");
    }

    async fn replays_at_the_same_time_all_get_the_first_answer(w) {
        let w = std::sync::Arc::new(w);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let w = std::sync::Arc::clone(&w);
            tasks.spawn(async move {
                let mut cause = by();
                cause.once = Some(Once { key: "k".into(), fingerprint: [7; 32] });
                w.store.create_user(new(JULIET, None), cause).await.expect("the first answer")
            });
        }
        let all = tasks.join_all().await;
        assert!(all.iter().all(|user| *user == all[0]));
    }

    async fn users_are_found_by_the_beginning_of_address_or_name_page_by_page(w) {
        for (jid, name) in [(JULIET, Some("Capulet, Juliet")), ("julius@example.org", None), (ROMEO, Some("Julian")), ("nurse@example.org", Some("julia")), ("juno@example.org", Some("Julie"))] {
            w.store.create_user(new(jid, name), by()).await.expect("created");
        }
        assert_eq!(names(&w, "juli", None).await, [JULIET, "julius@example.org", "nurse@example.org", ROMEO, "juno@example.org"]);
        assert_eq!(names(&w, "cap", None).await, [JULIET]);
        assert_eq!(names(&w, "%", None).await, Vec::<String>::new());
        assert_eq!(names(&w, "", None).await.len(), 5);
        w.store.set_block(&user(JULIET), &user(ROMEO), true, by()).await.expect("blocked");
        assert_eq!(names(&w, "jul", Some(ROMEO)).await, ["julius@example.org", "nurse@example.org", ROMEO, "juno@example.org"], "who blocks me is not found");
    }

    async fn guessing_locks_out_also_the_right_password_until_the_time_is_over(w) {
        w.store.create_user(new(JULIET, None), by()).await.expect("created");
        let juliet = user(JULIET);
        for _ in 0..ATTEMPTS {
            assert!(matches!(w.store.begin_login(&juliet).await.expect("begun"), Login::Verifiers(_)));
        }
        assert_eq!(w.store.begin_login(&juliet).await.expect("begun"), Login::Locked(LOCK));
        assert!(w.store.read_verifiers(&juliet, by()).await.expect("read").is_empty(), "nor by SCRAM");
        w.clock.advance(LOCK - 1);
        assert_eq!(w.store.begin_login(&juliet).await.expect("begun"), Login::Locked(1));
        w.clock.advance(1);
        assert!(matches!(w.store.begin_login(&juliet).await.expect("begun"), Login::Verifiers(_)), "one more");
        assert_eq!(w.store.begin_login(&juliet).await.expect("begun"), Login::Locked(2 * LOCK), "then twice as long");
        w.clock.advance(2 * LOCK);
        w.store.begin_login(&juliet).await.expect("begun");
        w.store.login_succeeded(&juliet).await.expect("right");
        for _ in 0..ATTEMPTS {
            assert!(matches!(w.store.begin_login(&juliet).await.expect("begun"), Login::Verifiers(_)), "forgotten");
        }
        w.store.set_verifiers(&juliet, verifiers(), by()).await.expect("set");
        assert!(matches!(w.store.begin_login(&juliet).await.expect("begun"), Login::Verifiers(_)), "a new password ends it");
        assert_eq!((lock_after(ATTEMPTS - 1), lock_after(ATTEMPTS), lock_after(ATTEMPTS + 100)), (0, LOCK, LOCK_MAX));
    }

    async fn a_hundred_guesses_at_once_are_a_hundred_guesses(w) {
        w.store.create_user(new(JULIET, None), by()).await.expect("created");
        let w = std::sync::Arc::new(w);
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..100 {
            let w = std::sync::Arc::clone(&w);
            tasks.spawn(async move { matches!(w.store.begin_login(&user(JULIET)).await.expect("begun"), Login::Verifiers(_)) });
        }
        let compared = tasks.join_all().await.into_iter().filter(|c| *c).count();
        assert_eq!(i64::try_from(compared).expect("few"), ATTEMPTS);
    }

    async fn who_has_no_password_here_is_unknown(w) {
        let w = w.with_verona().await;
        assert_eq!(w.store.begin_login(&user(JULIET)).await.expect("begun"), Login::Unknown);
        assert_eq!(w.store.begin_login(&user("stranger@example.org")).await.expect("begun"), Login::Unknown);
        let read = w.store.read_verifiers(&user(JULIET), by()).await;
        assert!(matches!(read, Err(StoreError::NotFound(_))), "unknown, not locked out: {read:?}");
    }

    async fn an_import_gives_an_account_its_password_if_it_has_none(w) {
        let bare = NewUser { verifiers: Vec::new(), ..new(JULIET, None) };
        w.store.create_user(bare.clone(), by()).await.expect("created");
        let import = |at, new| w.store.import("openfire", at, vec![Item::User(new)]);
        assert_eq!(import(0, bare.clone()).await.expect("imported").results, [Imported::Exists]);
        assert_eq!(import(1, new(JULIET, None)).await.expect("imported").results, [Imported::Done]);
        assert!(w.store.user(&user(JULIET)).await.expect("there").password);
        assert_eq!(import(2, new(JULIET, None)).await.expect("imported").results, [Imported::Exists]);
        let again = w.store.create_user(new(JULIET, None), by()).await;
        assert!(matches!(again, Err(StoreError::Conflict(_))), "nobody else can: {again:?}");
    }

    async fn ending_a_session_closes_it_or_asks_its_bridge(w) {
        let w = w.with_verona().await;
        let juliet = user(JULIET);
        assert!(matches!(w.store.end_session(&juliet, "web", by()).await, Err(StoreError::NotFound(_))));
        w.store.set_state(change(1, true, JULIET, "web", true, 0), 60_000, by()).await.expect("set");
        assert_eq!(w.store.end_session(&juliet, "web", by()).await.expect("ended"), SessionEnd::Closed);
        w.change(change(10, true, JULIET, "balcony", true, 0)).await;
        assert_eq!(w.store.end_session(&juliet, "balcony", by()).await.expect("ended"), SessionEnd::Asked);
        let said = w.store.downlink(Some(0), 100).await.expect("said");
        assert_eq!(said.items.last().expect("an event").kind, "im.session.close");
    }

    async fn what_was_sent_before_the_sender_was_known_is_erased_too(w) {
        let w = w.with_verona().await;
        let stranger = "stranger@example.org";
        w.decide(Message2::from("stranger@example.org/x", "k1", JULIET)).await;
        w.change(change(10, true, stranger, "x", true, 0)).await;
        w.change(change(11, true, JULIET, "balcony", true, 0)).await;
        assert_eq!(w.store.erase(&user(stranger), by()).await.expect("erased").messages, 1);
        assert!(w.store.user_state(&user(JULIET)).await.expect("state").reachable, "nothing is pending for her any more");
    }

    async fn the_logout_that_follows_an_erasure_makes_nobody_known_again(w) {
        let w = w.with_verona().await;
        w.change(change(10, true, JULIET, "balcony", true, 0)).await;
        w.store.erase(&user(JULIET), by()).await.expect("erased");
        w.change(change(11, true, JULIET, "balcony", true, 1)).await;
        w.change(change(12, false, JULIET, "balcony", false, 0)).await;
        assert!(matches!(w.store.user(&user(JULIET)).await, Err(StoreError::NotFound(_))));
        assert_eq!(w.decide(message("k1", JULIET)).await, "native");
        w.store.create_user(new(JULIET, None), by()).await.expect("anew");
        w.change(change(13, true, JULIET, "balcony", true, 0)).await;
        assert_eq!(w.decide(message("k2", JULIET)).await, "deliver", "a new account is believed at once");
        w.store.erase(&user(JULIET), by()).await.expect("erased");
        w.clock.advance(TTL - 1);
        for _ in 0..11 {
            w.store.renew(NODE, EPOCH, TTL).await.expect("lease");
            w.clock.advance(TTL - 1);
        }
        w.change(change(14, true, JULIET, "balcony", true, 0)).await;
        w.store.user(&user(JULIET)).await.expect("and a session that is still there after a while");
    }

    async fn an_erased_user_is_nowhere_any_more(w) {
        let w = w.with_verona().await;
        let (juliet, romeo) = (user(JULIET), user(ROMEO));
        w.store.create_user(new(JULIET, Some("CANARY")), by()).await.expect("created");
        w.change(change(10, true, ROMEO, "orchard", true, 0)).await;
        for i in 0..1_200 {
            w.decide(message(&format!("to-{i}"), JULIET)).await;
        }
        let mut answer = message("from-1", ROMEO);
        answer.from = im_platform::jid::Jid::new("juliet@example.org/balcony").expect("a JID");
        w.decide(gone(answer.clone())).await;
        answer.key = "from-2".into();
        w.decide(gone(answer)).await;
        w.decide(Message2::from("nurse@example.org/house", "other", ROMEO)).await;
        friends(&w, JULIET, ROMEO).await;
        friends(&w, ROMEO, JULIET).await;
        w.store.set_block(&romeo, &juliet, true, by()).await.expect("blocked");
        let stanza = |to: &str| (im_platform::jid::Jid::new(to).expect("a JID"), r#"{"from":"juliet@example.org/balcony","body":"CANARY"}"#.to_owned());
        let (to, sent) = stanza(ROMEO);
        w.store.send_stanza(&to, sent, by()).await.expect("sent");
        let group = serde_json::from_str(r#"{"id":"g","name":"G","members":[{"user":"juliet@example.org","role":"owner"},{"user":"romeo@example.org","role":"member"}]}"#).expect("a group");
        let once = Once { key: "group-once".into(), fingerprint: [1; 32] };
        w.store.create_group(group, Cause { once: Some(once), ..by() }).await.expect("created");
        let room = user("hall@rooms.example.org");
        w.store.put_room(&room, vec![(juliet.clone(), Affiliation::Owner), (romeo.clone(), Affiliation::Member)], Cause::by("test")).await.expect("a room");
        let said = |key: &str, from: &str| spoken(key, from);
        w.store.speak(NODE, EPOCH, &room, vec![said("r1", JULIET), said("r2", ROMEO)]).await.expect("spoken");
        w.store.receipts(&room, vec![("r2".into(), juliet.clone(), ReceiptKind::Read)]).await.expect("read");
        w.store.share(footprint("f1", JULIET, 48.0, 11.0, im_api::footprint::Audience::All), by()).await.expect("shared");
        w.store.add_events(vec![crate::event::about("e1", JULIET), crate::event::about("e2", ROMEO)]).await.expect("added");

        let erased = w.store.erase(&juliet, by()).await.expect("erased");
        assert_eq!((erased.messages, erased.room_messages, erased.events, erased.friends, erased.memberships, erased.footprints), (1_202, 1, 1, 2, 2, 1));

        assert!(matches!(w.store.user(&juliet).await, Err(StoreError::NotFound(_))));
        assert!(matches!(w.store.erase(&juliet, by()).await, Err(StoreError::NotFound(_))));
        assert_eq!(w.decide(message("late", JULIET)).await, "native", "unknown again");
        let page = HistoryPage { user: romeo.clone(), with: None, limit: 100, before: None, span: Span::default() };
        let keys: Vec<_> = w.store.history(page).await.expect("history").items.into_iter().map(|i| i.key).collect();
        assert_eq!(keys, ["other"]);
        assert_eq!(w.drain(ROMEO, "orchard").await, ["other"], "and the counter of what is pending for others is right");
        assert!(w.store.user_state(&romeo).await.expect("state").reachable);
        let group = w.store.group("g", 100, None).await.expect("the group");
        assert_eq!((group.members.len(), group.members[0].role), (1, im_api::group::Role::Owner), "a group keeps an owner");
        let timeline = w.store.timeline(&room, None, 100, None).await.expect("timeline");
        assert_eq!(timeline.items.iter().map(|m| m.key.as_str()).collect::<Vec<_>>(), ["r2"]);
        assert!(w.store.friends(&romeo, 100, None).await.expect("friends").items.is_empty());
        assert!(w.store.blocks(&romeo).await.expect("blocks").items.is_empty());
        let find = im_platform::store::footprint::Find { viewer: Viewer::Operator, area: None, since: None, until: None, user: None, track: None, limit: 10, after: None };
        assert!(w.store.find(find).await.expect("found").features.is_empty());
        let said = w.store.downlink(Some(0), 256).await.expect("said");
        let about: Vec<_> = said.items.iter().filter(|e| e.subject == JULIET).map(|e| e.kind.as_str()).collect();
        assert_eq!(about, ["im.user.removed"]);
        let others: Vec<_> = said.items.iter().filter(|e| e.subject != JULIET).map(|e| e.kind.as_str()).collect();
        assert_eq!(others, ["im.group.changed", "im.room.changed"], "what others' announcements said about her is gone");
        assert!(said.items.iter().all(|e| !e.data.get().contains(JULIET)) && said.items[0].data.get().contains(ROMEO));
        w.holds_nothing_of("juliet", &["im.user.removed"]).await;
        w.store.create_user(new(JULIET, None), by()).await.expect("the address is free");
        let page = HistoryPage { user: juliet, with: None, limit: 100, before: None, span: Span::default() };
        assert!(w.store.history(page).await.expect("history").items.is_empty(), "and a new user inherits nothing");
    }
}

/// A message of somebody else.
struct Message2;

impl Message2 {
    fn from(from: &str, key: &str, to: &str) -> im_platform::store::chat::Message {
        let from = im_platform::jid::Jid::new(from).expect("a JID");
        im_platform::store::chat::Message { from, ..gone(message(key, to)) }
    }
}
