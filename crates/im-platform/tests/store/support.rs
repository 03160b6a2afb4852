//! Stores to test, and short ways to say what a bridge does.

use std::sync::Arc;

use im_api::chat::{Claim, Outcome, Settled, Verdict};
use im_api::footprint::{Audience, Precision};
use im_platform::clock::{Clock, Millis};
use im_platform::jid::{Jid, UserId};
use im_platform::store::chat::{Claimant, Message};
use im_platform::store::footprint::NewFootprint;
use im_platform::store::room::Spoken;
use im_platform::store::sqlite::{Settings, Sqlite};
use im_platform::store::state::{Change, NodeSnapshot, SessionState};
use im_platform::store::{Cause, Result, Store};

use crate::plans::{self, Seen};

pub const NODE: &str = "node-1";
pub const EPOCH: &str = "epoch-1";
pub const TTL: Millis = 60_000;
pub const START: Millis = 1_795_000_000_000;

/// A store with its clock.
pub struct World {
    pub store: Arc<dyn Store>,
    pub clock: Clock,
    place: Place,
}

/// Where a store is.
enum Place {
    /// The folder goes with it.
    Sqlite { folder: tempfile::TempDir, seen: Seen },
    #[cfg(feature = "cassandra-tests")]
    Cassandra(crate::cassandra::Corner),
}

/// Every statement that SQLite was made to run must have the plan that `plans.txt` says.
impl Drop for World {
    fn drop(&mut self) {
        if let Place::Sqlite { seen, .. } = &self.place
            && !std::thread::panicking()
        {
            plans::compare(&self.file(), seen);
        }
    }
}

impl World {
    /// An empty store on the ring.
    #[cfg(feature = "cassandra-tests")]
    pub async fn cassandra() -> Self {
        let clock = Clock::manual(START);
        let corner = crate::cassandra::Corner::new();
        let store = corner.open(clock.clone()).await;
        Self { store, clock, place: Place::Cassandra(corner) }
    }

    /// An empty SQLite store.
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Clock::manual(START);
        let seen = Seen::default();
        let settings = Settings { statements: Some(seen.statements()), ..Settings::default() };
        let store = Sqlite::open(folder.path(), settings, clock.clone()).expect("a store");
        // What brings the file to its format runs once.
        seen.forget();
        Self { store: Arc::new(store), clock, place: Place::Sqlite { folder, seen } }
    }

    /// SQLite's file.
    pub fn file(&self) -> std::path::PathBuf {
        match &self.place {
            Place::Sqlite { folder, .. } => folder.path().join(im_platform::store::sqlite::FILE),
            #[cfg(feature = "cassandra-tests")]
            Place::Cassandra(_) => panic!("this store has no file"),
        }
    }

    /// A world in which NODE has sent an empty snapshot and knows Romeo and Juliet, both offline.
    pub async fn with_verona(self) -> Self {
        self.snapshot(EPOCH, 0, vec![]).await.expect("a snapshot");
        for (seq, user) in [(1, "romeo@example.org"), (3, "juliet@example.org")] {
            self.change(change(seq, true, user, "once", false, 0)).await;
            self.change(change(seq + 1, false, user, "once", false, 0)).await;
        }
        self
    }

    /// No column of any table holds this text, except in rows of the downlink of these kinds.
    pub async fn holds_nothing_of(&self, text: &str, except: &[&str]) {
        #[cfg(feature = "cassandra-tests")]
        if let Place::Cassandra(corner) = &self.place {
            return corner.holds_nothing_of(text, except).await;
        }
        let conn = rusqlite::Connection::open(self.file()).expect("opened");
        let names = |sql: &str| -> Vec<String> {
            let mut sql = conn.prepare(sql).expect("prepared");
            sql.query_map([], |r| r.get(0)).expect("names").map(|n| n.expect("a name")).collect()
        };
        for table in names("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
        {
            for column in names(&format!("SELECT name FROM pragma_table_info('{table}')")) {
                let but = if table == "downlink" {
                    format!("AND kind NOT IN ('{}')", except.join("', '"))
                } else {
                    String::new()
                };
                let sql = format!(
                    "SELECT count(*) FROM {table} WHERE CAST({column} AS TEXT) LIKE '%{text}%' {but}"
                );
                let found: i64 = conn.query_row(&sql, [], |r| r.get(0)).expect("a count");
                assert_eq!(found, 0, "{table}.{column} still has {text}");
            }
        }
    }

    pub async fn snapshot(&self, epoch: &str, seq: i64, sessions: Vec<SessionState>) -> Result<Vec<String>> {
        let snapshot = NodeSnapshot { epoch: epoch.into(), ttl: TTL, seq, sessions };
        self.store.snapshot(NODE, snapshot).await
    }

    pub async fn change(&self, change: Change) -> Vec<String> {
        self.store.change(NODE, EPOCH, vec![change]).await.expect("a change")
    }

    pub async fn decide(&self, message: Message) -> String {
        verdict(&self.store.decide(NODE, EPOCH, vec![message]).await.expect("a verdict")[0]).into()
    }

    pub async fn claim(&self, who: &str, resource: &str) -> Result<Claim> {
        self.claim_as(who, resource, None).await
    }

    pub async fn claim_as(&self, who: &str, resource: &str, idempotency: Option<&str>) -> Result<Claim> {
        let claimant = Claimant {
            node: NODE.into(),
            epoch: EPOCH.into(),
            resource: resource.into(),
            idempotency: idempotency.map(Into::into),
        };
        self.store.claim(&user(who), claimant).await
    }

    pub async fn settle(&self, key: &str, outcome: Outcome) -> Settled {
        self.store.settle(vec![(key.into(), outcome)]).await.expect("settled")[0]
    }

    /// The keys that are pending, read under this claim.
    pub async fn keys(&self, who: &str, claim: &str) -> Vec<String> {
        let pending = self.store.pending(&user(who), claim, 256).await.expect("pending");
        pending.items.into_iter().map(|i| i.key).collect()
    }

    /// Hands everything over to a resource; gives the keys in order.
    pub async fn drain(&self, who: &str, resource: &str) -> Vec<String> {
        let claim = self.claim(who, resource).await.expect("a claim");
        let mut keys = Vec::new();
        loop {
            let page = self.store.pending(&user(who), &claim.claim, 7).await.expect("pending");
            let Some(last) = page.items.last() else { return keys };
            let upto = last.seq;
            keys.extend(page.items.into_iter().map(|i| i.key));
            self.store.handed_over(&user(who), &claim.claim, upto).await.expect("handed over");
        }
    }
}

pub fn user(jid: &str) -> UserId {
    UserId::parse(jid).expect("a user")
}

pub fn session(who: &str, resource: &str, available: bool, priority: i8) -> SessionState {
    SessionState { user: user(who), resource: resource.into(), available, priority, show: None, status: None }
}

pub fn change(seq: i64, open: bool, who: &str, resource: &str, available: bool, priority: i8) -> Change {
    Change { seq, open, session: session(who, resource, available, priority) }
}

pub fn message(key: &str, to: &str) -> Message {
    Message {
        key: key.into(),
        from: Jid::new("romeo@example.org/orchard").expect("a JID"),
        to: Jid::new(to).expect("a JID"),
        sent_at: START,
        stanza: Some(format!(r#"{{"id":"{key}"}}"#)),
        storable: true,
        again: false,
        gone: false,
    }
}

pub fn again(message: Message) -> Message {
    Message { again: true, ..message }
}

pub fn gone(message: Message) -> Message {
    Message { again: true, gone: true, ..message }
}

pub fn verdict(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Deliver => "deliver",
        Verdict::Stored => "stored",
        Verdict::HandedOver => "handed_over",
        Verdict::Native => "native",
        Verdict::Replace { .. } => "replace",
        Verdict::Refuse { .. } => "refuse",
        Verdict::Settled => "settled",
        Verdict::Failed { .. } => "failed",
    }
}

/// One test per behaviour and store.
#[macro_export]
macro_rules! suite {
    ($($(#[$doc:meta])* async fn $name:ident($world:ident) $body:block)*) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::support::World::sqlite()).await;
            })*
        }
        #[cfg(feature = "cassandra-tests")]
        mod cassandra {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name($crate::support::World::cassandra().await).await;
            })*
        }
        $($(#[$doc])* async fn $name($world: $crate::support::World) $body)*
    };
}

pub fn by() -> Cause {
    Cause::by("tests")
}

pub async fn friends(w: &World, owner: &str, friend: &str) {
    let entry = serde_json::from_str(r#"{"subscription":"both"}"#).expect("an entry");
    w.store.put_friend(&user(owner), &user(friend), entry, by()).await.expect("friends");
}

pub fn spoken(key: &str, from: &str) -> Spoken {
    Spoken {
        key: key.into(),
        from: user(from),
        nick: "nick".into(),
        sent_at: START,
        stanza: format!("{{\"id\":\"{key}\"}}"),
    }
}

pub fn footprint(id: &str, owner: &str, lat: f64, lon: f64, audience: Audience) -> NewFootprint {
    NewFootprint {
        id: id.into(),
        user: user(owner),
        lat,
        lon,
        at: None,
        text: Some("here".into()),
        place: Some("a place".into()),
        audience,
        precision: Precision::Exact,
        media: vec![],
        links: vec![],
        track: None,
        stanza: None,
        replace: false,
    }
}
