//! Corners of a real ring, one for each test: its keys begin with something that no other test has. `cargo xtask test cassandra` starts the ring and
//! says where it is.

use std::sync::Arc;

use im_platform::clock::Clock;
use im_platform::store::Store;
use im_platform::store::cassandra::{Cassandra, Settings, tables};
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;

/// Where the ring is: `host:port`, several with commas.
const RING: &str = "IM_PLATFORM_TEST_CASSANDRA";
const KEYSPACE: &str = "suite";

/// The first one makes the tables.
static FIRST: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A part of the keyspace.
pub struct Corner {
    prefix: String,
    ring: Vec<String>,
}

impl Corner {
    pub fn new() -> Self {
        let ring = std::env::var(RING).unwrap_or_else(|_| panic!("{RING} must say where a Cassandra is"));
        let ring = ring.split(',').map(String::from).collect();
        Self { prefix: format!("{}:", uuid::Uuid::new_v4()), ring }
    }

    /// A store in this corner; each call is another instance.
    pub async fn open(&self, clock: Clock) -> Arc<dyn Store> {
        let settings = Settings {
            contact_points: self.ring.clone(),
            keyspace: KEYSPACE.into(),
            replication: Some(1),
            prefix: self.prefix.clone(),
            ..Settings::default()
        };
        let first = FIRST.lock().await;
        let store = Cassandra::open(settings, clock).await.expect("a store");
        drop(first);
        store
    }

    /// No row of any table holds this text, except those of the downlink of these kinds.
    pub async fn holds_nothing_of(&self, text: &str, except: &[&str]) {
        let session: Session =
            SessionBuilder::new().known_nodes(&self.ring).build().await.expect("connected");
        for table in tables() {
            let sql = format!("SELECT JSON * FROM {KEYSPACE}.{table}");
            let rows = session
                .query_unpaged(sql.as_str(), ())
                .await
                .expect("read")
                .into_rows_result()
                .expect("rows");
            for row in rows.rows::<(String,)>().expect("texts") {
                let (row,) = row.expect("a text");
                let said = table == "downlink" && except.iter().any(|kind| row.contains(kind));
                let ours = row.contains(&self.prefix);
                assert!(!ours || said || !row.contains(text), "{table} still has {text}: {row}");
            }
        }
    }
}
