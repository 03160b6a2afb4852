//! What is kept of Keystone's words, with a Keystone that the test plays itself. The real one is in the suite `openstack`.

use std::collections::VecDeque;
use std::sync::Condvar;

use openstack::{Scoped, User};
use time::OffsetDateTime;

use super::*;

const START: Millis = 1_795_000_000_000;
const CACHE: Millis = 60_000;
const GRACE: Millis = 3_600_000;

/// Answers when it is told to.
#[derive(Debug, Default)]
struct Played {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    asked: usize,
    answers: VecDeque<Result<Option<Validated>, Error>>,
}

impl Validator for Played {
    fn validate(&self, _: &str) -> Result<Option<Validated>, Error> {
        let mut state = self.state.lock().expect("state");
        state.asked += 1;
        self.changed.notify_all();
        while state.answers.is_empty() {
            state = self.changed.wait(state).expect("state");
        }
        state.answers.pop_front().expect("an answer")
    }
}

impl Played {
    fn say(&self, answer: Result<Option<Validated>, Error>) {
        self.state.lock().expect("state").answers.push_back(answer);
        self.changed.notify_all();
    }

    fn asked(&self) -> usize {
        self.state.lock().expect("state").asked
    }
}

fn named(name: &str) -> serde_json::Value {
    serde_json::json!({ "id": "x", "name": name, "domain": { "name": "Default" } })
}

fn token(project: &str, roles: &[&str]) -> Validated {
    let user: User = serde_json::from_value(named("openfire")).expect("a user");
    let project: Scoped = serde_json::from_value(named(project)).expect("a project");
    let expires = START / 1_000 + 7_200;
    Validated {
        user,
        project: Some(project),
        roles: roles.iter().map(|r| (*r).to_owned()).collect(),
        expires_at: OffsetDateTime::from_unix_timestamp(expires).expect("a time"),
    }
}

fn away() -> Result<Option<Validated>, Error> {
    Err(Error::Unreachable { service: "Keystone", url: "http://k/v3".into(), reason: "refused".into() })
}

fn world() -> (Arc<Played>, KeystoneTokens, Clock) {
    let (played, clock) = (Arc::new(Played::default()), Clock::manual(START));
    let role = |role: &str, scope| Role { role: role.into(), scope, text: true };
    let rules = Rules {
        projects: vec!["Default/im".into()],
        roles: vec![role("im_bridge", Scope::Bridge), role("im_operator", Scope::Operator)],
        cache: CACHE,
        grace: GRACE,
    };
    let tokens = KeystoneTokens::new(played.clone(), rules, clock.clone());
    (played, tokens, clock)
}

fn bridge() -> Word {
    Ok(Caller { name: "keystone:Default/openfire".into(), scope: Scope::Bridge, text: true })
}

#[tokio::test]
async fn a_good_word_is_kept_and_a_revoked_token_is_found_out_afterwards() {
    let (played, tokens, clock) = world();
    played.say(Ok(Some(token("im", &["im_operator", "im_bridge"]))));
    assert_eq!(tokens.word("one").await, bridge(), "the first of the rules counts");
    clock.advance(CACHE - 1);
    assert_eq!(tokens.word("one").await, bridge());
    assert_eq!(played.asked(), 1);
    clock.advance(1);
    played.say(Ok(None));
    assert_eq!(tokens.word("one").await, Err(AuthError::Wrong));
    assert_eq!(tokens.word("one").await, Err(AuthError::Wrong), "kept as well");
    assert_eq!(played.asked(), 2);
    clock.advance(BAD);
    played.say(Ok(Some(token("im", &["im_bridge"]))));
    assert_eq!(tokens.word("one").await, bridge());
}

#[tokio::test]
async fn roles_of_other_projects_mean_nothing() {
    let (played, tokens, _) = world();
    for (name, token) in [
        ("another project", token("theirs", &["im_bridge"])),
        ("no role of ours", token("im", &["member", "admin"])),
        ("no project", Validated { project: None, ..token("im", &["im_bridge"]) }),
    ] {
        played.say(Ok(Some(token)));
        assert_eq!(tokens.word(name).await, Err(AuthError::NoRole), "{name}");
    }
}

#[tokio::test]
async fn while_keystone_is_away_the_known_go_on_and_the_unknown_are_told_to_wait() {
    let (played, tokens, clock) = world();
    played.say(Ok(Some(token("im", &["im_bridge"]))));
    assert_eq!(tokens.word("one").await, bridge());
    clock.advance(CACHE);
    played.say(away());
    assert_eq!(tokens.word("one").await, bridge());
    assert!(tokens.trouble().is_some_and(|t| t.contains("does not answer")));
    assert_eq!(tokens.word("one").await, bridge(), "without asking again at once");
    assert_eq!(tokens.word("two").await, Err(AuthError::Unavailable));
    assert_eq!(played.asked(), 2);
    clock.advance(PAUSE);
    played.say(Ok(Some(token("im", &["im_bridge"]))));
    assert_eq!(tokens.word("two").await, bridge());
    assert_eq!(tokens.trouble(), None);
    clock.advance(GRACE);
    played.say(away());
    assert_eq!(tokens.word("one").await, Err(AuthError::Unavailable), "grace is over");
}

#[tokio::test]
async fn no_grace_reaches_beyond_the_tokens_end() {
    let (played, tokens, clock) = world();
    played.say(Ok(Some(token("im", &["im_bridge"]))));
    assert_eq!(tokens.word("one").await, bridge());
    clock.advance(7_200_000);
    played.say(away());
    assert_eq!(tokens.word("one").await, Err(AuthError::Unavailable));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_ask_about_one_token_are_one_question() {
    let (played, tokens, _) = world();
    let asking: Vec<_> = (0..16)
        .map(|_| {
            let tokens = tokens.clone();
            tokio::spawn(async move { tokens.word("one").await })
        })
        .collect();
    played.say(Ok(Some(token("im", &["im_bridge"]))));
    for word in asking {
        assert_eq!(word.await.expect("asked"), bridge());
    }
    assert_eq!(played.asked(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_keystone_that_hangs_costs_the_known_one_short_wait_and_no_more() {
    let (played, tokens, clock) = world();
    played.say(Ok(Some(token("im", &["im_bridge"]))));
    assert_eq!(tokens.word("one").await, bridge());
    clock.advance(CACHE);
    assert_eq!(tokens.word("one").await, bridge(), "the question is still open");
    assert_eq!(tokens.word("one").await, bridge());
    assert_eq!(played.asked(), 2);
    // It ends as it likes; nobody waits for it.
    played.say(away());
}

#[test]
fn what_is_kept_is_bounded_and_the_oldest_goes() {
    let mut map: HashMap<Hash, Millis> = HashMap::new();
    for i in 0..2 * MAX {
        make_room(&mut map, |_| true, |age| *age);
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&i.to_le_bytes());
        map.insert(hash, i64::try_from(i).expect("small"));
        assert!(map.len() <= MAX);
    }
    let newest = i64::try_from(2 * MAX - 1).expect("small");
    assert!(map.values().any(|age| *age == newest) && !map.values().any(|age| *age == 0));
}
