//! The readers: a few connections, used on tokio's blocking threads, never by two at once.

use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::store::{Result, StoreError};

/// The pool.
#[derive(Debug, Clone)]
pub struct Readers {
    idle: Arc<Mutex<Vec<Connection>>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    /// Opens `count` connections that may only read.
    ///
    /// # Errors
    /// What opening gives.
    pub fn open(count: usize, connect: impl Fn() -> Result<Connection>) -> Result<Self> {
        let mut idle = Vec::with_capacity(count);
        for _ in 0..count {
            let conn = connect()?;
            conn.pragma_update(None, "query_only", true)?;
            idle.push(conn);
        }
        Ok(Self { idle: Arc::new(Mutex::new(idle)), permits: Arc::new(Semaphore::new(count)) })
    }

    /// Runs `work` with a connection, in one read transaction: all its statements see the same state.
    ///
    /// # Errors
    /// What `work` gives.
    pub async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let idle = Arc::clone(&self.idle);
        let task = tokio::task::spawn_blocking(move || {
            let conn = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let lent = Lent { conn, idle: &idle };
            let Some(conn) = &lent.conn else { return Err(StoreError::Closed) };
            let tx = conn.unchecked_transaction()?;
            let result = work(&tx);
            drop(tx);
            drop(lent);
            drop(permit);
            result
        });
        task.await.map_err(|e| StoreError::Failed { doing: "reading", source: Box::new(e) })?
    }
}

/// Goes back to the pool also when the work panics.
struct Lent<'a> {
    conn: Option<Connection>,
    idle: &'a Mutex<Vec<Connection>>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        if let Some(conn) = self.conn.take() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(conn);
        }
    }
}
