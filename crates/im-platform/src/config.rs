//! Settings of a standalone server: one TOML file, read once, raw then checked.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::auth::{Caller, Scope};
use crate::store::sqlite::{DAY, Settings};

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{path}: is not a valid configuration")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A setting cannot be used.
    #[error("{key}: {why}")]
    Wrong {
        /// The setting.
        key: String,
        /// Why not.
        why: String,
    },
}

/// A checked configuration.
#[derive(Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The data folder.
    pub data: PathBuf,
    /// Tokens and whom they stand for.
    pub tokens: Vec<(String, Caller)>,
    /// The store's settings.
    pub store: Settings,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    listen: SocketAddr,
    data: PathBuf,
    /// The statement that a proxy in front terminates TLS.
    #[serde(default)]
    behind_proxy: bool,
    #[serde(default)]
    credentials: Vec<RawCredential>,
    #[serde(default)]
    store: RawStore,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCredential {
    name: String,
    token_file: PathBuf,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStore {
    full_sync: Option<bool>,
    max_megabytes: Option<u64>,
    history_days: Option<u32>,
    event_days: Option<u32>,
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ConfigError`], naming file or setting.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.into(), source })?;
        let raw: Raw = toml::from_str(&text)
            .map_err(|source| ConfigError::Parse { path: path.into(), source: Box::new(source) })?;
        Self::check(raw)
    }

    fn check(raw: Raw) -> Result<Self, ConfigError> {
        let wrong = |key: &str, why: &str| ConfigError::Wrong { key: key.into(), why: why.into() };
        if raw.credentials.is_empty() {
            return Err(wrong("credentials", "at least one is needed"));
        }
        if !raw.listen.ip().is_loopback() && !raw.behind_proxy {
            return Err(wrong(
                "listen",
                "beyond loopback TLS is needed, or behind_proxy = true (a proxy terminates TLS)",
            ));
        }
        let mut tokens = Vec::new();
        for (i, credential) in raw.credentials.into_iter().enumerate() {
            let key = format!("credentials[{i}].token_file");
            let token =
                std::fs::read_to_string(&credential.token_file).map_err(|e| wrong(&key, &e.to_string()))?;
            let token = token.trim().to_owned();
            if token.len() < 16 {
                return Err(wrong(&key, "the token has fewer than 16 characters"));
            }
            tokens.push((token, Caller { name: credential.name, scope: Scope::Bridge }));
        }
        let usual = Settings::default();
        let days = |days: Option<u32>, usual| days.map_or(usual, |d| i64::from(d) * DAY);
        let store = Settings {
            full_sync: raw.store.full_sync.unwrap_or(usual.full_sync),
            max_bytes: raw.store.max_megabytes.map_or(usual.max_bytes, |m| m.saturating_mul(1 << 20)),
            history: days(raw.store.history_days, usual.history),
            events: days(raw.store.event_days, usual.events),
            readers: usual.readers,
        };
        Ok(Self { listen: raw.listen, data: raw.data, tokens, store })
    }
}
