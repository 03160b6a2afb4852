//! Idempotency keys. What a key was first used for is one conditional write on the key; the answer is a row of the entity that was changed, written in
//! the commit of the change, so a replay finds either both or neither. Refusals are not remembered: what was refused changed nothing.

use scylla::value::CqlValue;
use serde::Serialize;

use super::cql::{Cas, looked_up};
use super::part::{Part, json};
use super::schema::Table;
use super::{Cassandra, DAY};
use crate::store::{Cause, Result, StoreError, parties};

/// Seconds for which a first answer is remembered.
fn remembered() -> i32 {
    i32::try_from(DAY / 1_000).unwrap_or(i32::MAX)
}

/// The row of the answer to a cause.
pub fn answer_row(cause: &Cause) -> Option<String> {
    cause.once.as_ref().map(|once| format!("1/{}\0{}", cause.caller, once.key))
}

impl Cassandra {
    /// Notes what a key is used for; true when there is one.
    pub(super) async fn is_once(&self, cause: &Cause, subject: &str) -> Result<bool> {
        let Some(once) = &cause.once else { return Ok(false) };
        let key = self.key(&format!("{}\0{}", cause.caller, once.key));
        let mut tried = 0;
        loop {
            let sql = "INSERT INTO once (key, fingerprint) VALUES (?, ?) IF NOT EXISTS USING TTL ?";
            let values = (&key, once.fingerprint.as_slice(), remembered());
            match looked_up(self.cql.cas(sql, values).await, &mut tried).await? {
                None => continue,
                Some(Cas::Done) => return Ok(true),
                Some(Cas::Refused(row)) => {
                    let first = row.get("fingerprint");
                    let same = matches!(first, Some(CqlValue::Blob(first)) if *first == once.fingerprint);
                    tracing::trace!(
                        subject = crate::jid::masked(subject),
                        same,
                        "an idempotency key comes again"
                    );
                    return if same { Ok(true) } else { Err(StoreError::KeyReused) };
                }
            }
        }
    }

    /// After a refusal the key is free again; what failed on the way may have been done, and keeps it.
    pub(super) async fn end_once<T>(&self, cause: &Cause, outcome: Result<T>) -> Result<T> {
        let refused = matches!(&outcome, Err(error) if !matches!(error, StoreError::Failed { .. } | StoreError::KeyReused));
        if let Some(once) = cause.once.as_ref().filter(|_| refused) {
            let key = self.key(&format!("{}\0{}", cause.caller, once.key));
            let sql = "DELETE FROM once WHERE key = ? IF fingerprint = ?";
            self.cql.cas(sql, (key, once.fingerprint.as_slice())).await?;
        }
        outcome
    }

    /// Puts the answer into the commit, and notes whom it names, so that it can be erased with them.
    pub(super) async fn answer_once<D, T: Serialize>(
        &self,
        part: &mut Part<D>,
        place: (Table, &str),
        cause: &Cause,
        subject: &str,
        answer: &T,
    ) -> Result<()> {
        let Some(row) = answer_row(cause) else { return Ok(()) };
        let mut names = parties::named(&json(answer)?, subject);
        names.insert(subject.into());
        for user in names {
            let name = format!("{}\0{}\0{row}", place.0.0, place.1);
            self.list_put(&format!("answers/{user}"), &name, "", part.n, Some(remembered())).await?;
        }
        part.put(row, answer, Some(remembered()))
    }
}
