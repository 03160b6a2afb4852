//! Talking to the ring: prepared statements, consistency levels, what is tried again.
//!
//! Plain reads and writes are made at QUORUM, so that a read sees every write that was acknowledged, with one of three replicas down. Conditional
//! writes agree at SERIAL and commit at QUORUM; the read before one is at SERIAL too, which finishes what somebody else left half done. What can be
//! repeated is repeated a few times while a node is going away; a conditional write never is: its outcome is looked up (see `part`).

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::deserialize::row::DeserializeRow;
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::response::query_result::QueryResult;
use scylla::serialize::row::SerializeRow;
use scylla::statement::batch::{Batch, BatchType};
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::unprepared::Statement;
use scylla::statement::{Consistency, SerialConsistency};
use scylla::value::{CqlValue, Row};

use super::Settings;
use crate::store::{Result, StoreError};

/// How long one attempt may take.
const REQUEST: Duration = Duration::from_secs(5);
/// Attempts of what can be repeated.
const ATTEMPTS: u32 = 4;
/// Pause before the second attempt; it doubles.
const PAUSE: Duration = Duration::from_millis(50);

/// A connection pool to the ring.
pub struct Cql {
    session: Session,
    prepared: RwLock<HashMap<String, PreparedStatement>>,
}

impl std::fmt::Debug for Cql {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cql")
    }
}

/// What a conditional write came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Cas {
    /// It was done.
    Done,
    /// The condition did not hold; the row that was there.
    Refused(There),
}

/// A row that was in the way, by the names of its columns: a newer format may have more of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct There(HashMap<String, CqlValue>);

impl There {
    /// A column's value; None when it has none.
    pub fn get(&self, column: &str) -> Option<&CqlValue> {
        self.0.get(column)
    }

    /// A column's text; empty when it has none.
    pub fn text(&self, column: &str) -> &str {
        match self.get(column) {
            Some(CqlValue::Text(text)) => text,
            _ => "",
        }
    }
}

impl Cql {
    /// Connects, and makes the keyspace when it may.
    pub async fn connect(settings: &Settings) -> Result<Self> {
        let profile = ExecutionProfile::builder()
            .consistency(Consistency::Quorum)
            .serial_consistency(Some(SerialConsistency::Serial))
            .request_timeout(Some(REQUEST));
        let profile = match &settings.datacenter {
            // Others are asked when nobody there answers: a majority of all replicas is a majority anywhere.
            Some(near) => {
                let policy = DefaultPolicy::builder().prefer_datacenter(near.clone());
                profile.load_balancing_policy(policy.permit_dc_failover(true).build())
            }
            None => profile,
        };
        let mut builder = SessionBuilder::new()
            .known_nodes(&settings.contact_points)
            .connection_timeout(REQUEST)
            .default_execution_profile_handle(profile.build().into_handle());
        if let Some((name, password)) = &settings.login {
            builder = builder.user(name, password);
        }
        if let Some(tls) = &settings.tls {
            builder = builder.tls_context(Some(Arc::clone(tls)));
        }
        let session = builder
            .build()
            .await
            .map_err(|e| failed("connecting to Cassandra as [cassandra] of the configuration says", e))?;
        if let Some(near) = &settings.datacenter {
            nodes_in(&session, near)?;
        }
        let keyspace = &settings.keyspace;
        if let Some(factor) = settings.replication {
            let strategy = match &settings.datacenter {
                Some(near) => format!("'class': 'NetworkTopologyStrategy', '{near}': {factor}"),
                None => format!("'class': 'SimpleStrategy', 'replication_factor': {factor}"),
            };
            let sql = format!("CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication = {{{strategy}}}");
            change(&session, "making the keyspace in Cassandra", &sql).await?;
        }
        session
            .use_keyspace(keyspace, false)
            .await
            .map_err(|e| failed("using the keyspace in Cassandra", e))?;
        Ok(Self { session, prepared: RwLock::default() })
    }

    /// Changes the schema and waits until all nodes know.
    pub async fn schema(&self, sql: &str) -> Result<()> {
        change(&self.session, "changing the schema in Cassandra", sql).await
    }

    async fn prepare(&self, sql: &str) -> Result<PreparedStatement> {
        let known = self.prepared.read().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let mut tried = 0;
        let made = loop {
            match self.session.prepare(sql).await {
                Ok(made) => break made,
                Err(error) => again(&mut tried, "preparing a statement for Cassandra", error).await?,
            }
        };
        self.prepared.write().unwrap_or_else(PoisonError::into_inner).insert(sql.into(), made.clone());
        Ok(made)
    }

    async fn run(
        &self,
        sql: &str,
        values: impl SerializeRow,
        consistency: Consistency,
    ) -> Result<QueryResult> {
        let mut prepared = self.prepare(sql).await?;
        prepared.set_consistency(consistency);
        prepared.set_is_idempotent(true);
        let mut tried = 0;
        loop {
            match self.session.execute_unpaged(&prepared, &values).await {
                Ok(result) => return Ok(result),
                Err(error) => again(&mut tried, "using Cassandra", error).await?,
            }
        }
    }

    /// Writes something that may be written twice.
    pub async fn write(&self, sql: &str, values: impl SerializeRow) -> Result<()> {
        self.run(sql, values, Consistency::Quorum).await.map(|_| ())
    }

    /// Reads what was acknowledged.
    pub async fn read<R>(&self, sql: &str, values: impl SerializeRow) -> Result<Vec<R>>
    where
        R: for<'a> DeserializeRow<'a, 'a>,
    {
        rows(self.run(sql, values, Consistency::Quorum).await?)
    }

    /// Reads what was agreed on, and finishes what is half done.
    pub async fn read_serial<R>(&self, sql: &str, values: impl SerializeRow) -> Result<Vec<R>>
    where
        R: for<'a> DeserializeRow<'a, 'a>,
    {
        rows(self.run(sql, values, Consistency::Serial).await?)
    }

    /// One conditional write, once. An error says nothing about whether it was done.
    pub async fn cas(&self, sql: &str, values: impl SerializeRow) -> Result<Cas> {
        let prepared = self.prepare(sql).await?;
        let result = self.session.execute_unpaged(&prepared, &values).await;
        applied(result.map_err(|e| failed("agreeing in Cassandra", e))?)
    }

    /// Several writes on one partition under one condition, once. As [`Cql::cas`].
    pub async fn cas_batch(&self, parts: Vec<(String, Vec<Option<CqlValue>>)>) -> Result<Cas> {
        let mut batch = Batch::new(BatchType::Unlogged);
        let mut values = Vec::with_capacity(parts.len());
        for (sql, row) in parts {
            batch.append_statement(self.prepare(&sql).await?);
            values.push(row);
        }
        let result = self.session.batch(&batch, values).await;
        applied(result.map_err(|e| failed("agreeing in Cassandra", e))?)
    }
}

/// Changes the schema and waits until all nodes know, also when it was somebody else who has just changed it.
async fn change(session: &Session, doing: &'static str, sql: &str) -> Result<()> {
    let mut statement = Statement::new(sql);
    statement.set_request_timeout(Some(Duration::from_secs(60)));
    session.query_unpaged(statement, ()).await.map_err(|e| failed(doing, e))?;
    session.await_schema_agreement().await.map_err(|e| failed(doing, e))?;
    Ok(())
}

/// There are nodes in this data centre; says which there are when there are none.
fn nodes_in(session: &Session, near: &str) -> Result<()> {
    let state = session.get_cluster_state();
    let all: BTreeSet<&str> =
        state.get_nodes_info().iter().filter_map(|node| node.datacenter.as_deref()).collect();
    if all.contains(near) {
        return Ok(());
    }
    let all: Vec<&str> = all.into_iter().collect();
    let source = format!("cassandra.datacenter is {near}, and the ring has {}", all.join(", "));
    Err(StoreError::Failed { doing: "looking for the data centre", source: source.into() })
}

/// Whether a conditional write has to be made again because nobody said what became of it (None); only for those that find what they wrote themselves.
pub async fn looked_up(answer: Result<Cas>, tried: &mut u32) -> Result<Option<Cas>> {
    match answer {
        Ok(cas) => Ok(Some(cas)),
        Err(error) => {
            *tried += 1;
            if *tried > ATTEMPTS {
                return Err(error);
            }
            tokio::time::sleep(PAUSE * 2_u32.pow(*tried)).await;
            Ok(None)
        }
    }
}

/// Waits before another attempt, or gives up.
async fn again(tried: &mut u32, doing: &'static str, error: impl std::error::Error) -> Result<()> {
    *tried += 1;
    if *tried >= ATTEMPTS {
        return Err(failed(doing, error));
    }
    tracing::debug!(tried = *tried, %error, "Cassandra is asked again");
    tokio::time::sleep(PAUSE * 2_u32.pow(*tried - 1)).await;
    Ok(())
}

fn rows<R>(result: QueryResult) -> Result<Vec<R>>
where
    R: for<'a> DeserializeRow<'a, 'a>,
{
    let result = result.into_rows_result().map_err(|e| StoreError::Corrupt(Box::new(e)))?;
    let rows = result.rows::<R>().map_err(|e| StoreError::Corrupt(Box::new(e)))?;
    rows.collect::<std::result::Result<Vec<_>, _>>().map_err(|e| StoreError::Corrupt(Box::new(e)))
}

/// The first column of the answer says whether it was done; the others are the row that was in the way.
fn applied(result: QueryResult) -> Result<Cas> {
    let result = result.into_rows_result().map_err(|e| StoreError::Corrupt(Box::new(e)))?;
    let row = result.first_row::<Row>().map_err(|e| StoreError::Corrupt(Box::new(e)))?;
    let mut columns = row.columns.into_iter();
    match columns.next().flatten() {
        Some(CqlValue::Boolean(true)) => Ok(Cas::Done),
        Some(CqlValue::Boolean(false)) => {
            let names = result.column_specs().iter().skip(1).map(|column| column.name().to_owned());
            let there = names.zip(columns).filter_map(|(name, value)| Some((name, value?)));
            Ok(Cas::Refused(There(there.collect())))
        }
        _ => Err(StoreError::Corrupt("a conditional write was not answered with true or false".into())),
    }
}

/// An error of the driver, in one line: what it says contains what its sources say.
pub fn failed(doing: &'static str, error: impl std::error::Error) -> StoreError {
    StoreError::Failed { doing, source: error.to_string().into() }
}
