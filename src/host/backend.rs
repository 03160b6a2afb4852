//! One folder in force: its backend's connections, its breaker, its calls.
//!
//! Leaves out: when it is read and when it goes (`folders`).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use im_api::secret::Secret as Hidden;
use serde_json::Value;

use crate::config::Config;
use crate::mapping::answer::Made;
use crate::mapping::backend::{Auth, Secret, with_settings};
use crate::mapping::folder::Folder;
use crate::mapping::{Response, Row};
use crate::platform::foreign::{Call, Entry, Foreign};
use crate::platform::{Breaker, PlatformError};

use super::core::lock;

/// Roster items that were put into Openfire at the backend's word: whose news are echoes.
const SAID: Duration = Duration::from_secs(30);

/// A folder in force.
#[derive(Debug)]
pub struct Running {
    /// Each reading of a folder has its own.
    pub number: u64,
    /// As it was read; its rows are in `rows`.
    pub folder: Folder,
    /// Its rows.
    pub rows: Vec<Arc<Row>>,
    /// The connections, or why there are none.
    pub client: Result<Foreign, String>,
    /// Its own.
    pub breaker: Breaker,
    retired: AtomicBool,
    wake: (Mutex<()>, Condvar),
    /// Sessions as they were told by rows about presence.
    pub told: Mutex<std::collections::HashMap<String, (u64, String)>>,
    said: Mutex<Vec<(Instant, String, String)>>,
}

impl Running {
    /// Takes a folder into force.
    pub fn new(number: u64, mut folder: Folder, config: &Config) -> Running {
        let client = connect(&folder, config);
        let rows = std::mem::take(&mut folder.module.rows);
        let rows = rows.into_iter().map(|row| Arc::new(Row { folder: number, ..row })).collect();
        Running {
            number,
            folder,
            rows,
            client,
            breaker: Breaker::default(),
            retired: AtomicBool::new(false),
            wake: Default::default(),
            told: Mutex::default(),
            said: Mutex::default(),
        }
    }

    /// The module's name.
    pub fn name(&self) -> &str {
        &self.folder.module.name
    }

    /// Base URL.
    pub fn url(&self) -> Option<&str> {
        self.client.as_ref().ok().map(Foreign::url)
    }

    /// It is not in force any more; what is held by its rows goes on.
    pub fn retire(&self) {
        self.retired.store(true, Ordering::Release);
        self.wake();
    }

    /// See [`Running::retire`].
    pub fn retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    /// Whether anything but this has its rows.
    pub fn holds(&self) -> bool {
        self.rows.iter().any(|row| Arc::strong_count(row) > 1)
    }

    /// Wakes its thread.
    pub fn wake(&self) {
        drop(lock(&self.wake.0));
        self.wake.1.notify_all();
    }

    /// Until woken, or so long.
    pub fn sleep(&self, limit: Duration) {
        let asleep = lock(&self.wake.0);
        drop(self.wake.1.wait_timeout(asleep, limit).unwrap_or_else(PoisonError::into_inner));
    }

    /// Ends what is under way.
    pub fn shutdown(&self) {
        if let Ok(client) = &self.client {
            client.shutdown();
        }
        self.wake();
    }

    /// Sends a request and reads what comes: JSON, a text, or nothing.
    ///
    /// # Errors
    /// No answer came.
    pub fn call(&self, made: &Made, limit: Duration) -> Result<Response, PlatformError> {
        let client = self.client.as_ref().map_err(|why| PlatformError::Absent(why.clone()))?;
        let body = made.encoded();
        let body = body.as_ref().map(|(body, kind)| (body.as_str(), *kind));
        let (status, bytes) = client.send(Call {
            method: &made.method,
            path: &made.path,
            headers: &made.headers,
            body,
            limit,
        })?;
        Ok(Response { status, body: read(&bytes) })
    }

    /// Whether a backend that did not answer is back.
    ///
    /// # Errors
    /// Why not.
    pub fn alive(&self) -> Result<(), String> {
        let client = self.client.as_ref().map_err(Clone::clone)?;
        let path = self.folder.module.backend.as_ref().and_then(|b| b.alive.as_deref()).unwrap_or("/");
        let limit = Duration::from_secs(3);
        match client.send(Call { method: "GET", path, headers: &[], body: None, limit }) {
            Ok((status, _)) if status < 500 && !matches!(status, 401 | 403 | 408 | 429) => Ok(()),
            Ok((status, _)) => Err(format!("the backend answered {status}")),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The backend has said what a roster item is to be.
    pub fn said(&self, whose: &str, value: &str) {
        let mut said = lock(&self.said);
        said.retain(|(since, other, _)| since.elapsed() < SAID && other != whose);
        said.push((Instant::now(), whose.to_owned(), value.to_owned()));
    }

    /// Whether this is what the backend has said.
    pub fn has_said(&self, whose: &str, value: &str) -> bool {
        lock(&self.said).iter().any(|(since, w, v)| since.elapsed() < SAID && w == whose && v == value)
    }
}

/// A body as rows see it.
fn read(bytes: &[u8]) -> Value {
    match serde_json::from_slice(bytes) {
        Ok(body) => body,
        Err(_) if bytes.is_empty() => Value::Null,
        Err(_) => Value::String(String::from_utf8_lossy(bytes).into_owned()),
    }
}

fn connect(folder: &Folder, config: &Config) -> Result<Foreign, String> {
    let module = &folder.module;
    let backend = module.backend.as_ref().ok_or("there is no backend")?;
    let raw = |key: &str| config.raw().get(&format!("{}.{key}", module.name)).map(|v| v.trim().to_owned());
    let text = |text: &str| {
        with_settings(text, &module.settings, |setting| {
            raw(&setting.key).unwrap_or_else(|| setting.default.clone())
        })
    };
    let secret = |secret: &Secret| match secret {
        Secret::File(name) => {
            let bytes = folder.file(name, true)?;
            let value = String::from_utf8(bytes).map_err(|_| format!("the file {name} is not UTF-8"))?;
            Ok(Hidden(value.trim_end_matches(['\r', '\n']).to_owned()))
        }
        Secret::Setting(key) => match raw(key).filter(|value| !value.is_empty()) {
            Some(value) => Ok(Hidden(value)),
            None => Err(format!("the setting {}{}.{key} is not set", crate::config::PREFIX, module.name)),
        },
    };
    let entry = match &backend.auth {
        Auth::None => Entry::Open,
        Auth::Header { name, value } => Entry::Header(name.clone(), secret(value)?),
        Auth::Basic { user, password } => Entry::Basic(text(user)?, secret(password)?),
        Auth::Bearer { token } => {
            Entry::Header("authorization".into(), Hidden(format!("Bearer {}", secret(token)?.0)))
        }
        Auth::Oauth2 { token_url, client, secret: own, scope } => Entry::ClientCredentials {
            token_url: text(token_url)?,
            client: text(client)?,
            secret: secret(own)?,
            scope: scope.clone(),
        },
        Auth::Certificate { certificate, key } => {
            let key =
                String::from_utf8(folder.file(key, true)?).map_err(|_| "the key is no PEM".to_owned())?;
            Entry::Certificate(folder.file(certificate, false)?, Hidden(key))
        }
    };
    let ca = backend.ca.as_ref().map(|name| folder.file(name, false)).transpose()?;
    Foreign::new(&text(&backend.url)?, entry, ca.as_deref(), Duration::from_millis(config.connect_ms))
}
