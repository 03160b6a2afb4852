//! Settings of a standalone server: one TOML file, the environment over it, read once, raw then checked. `EXAMPLE` documents every setting.

mod cloud;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Table;

use crate::auth::{AnyOf, Caller, Credentials, KeystoneTokens, Scope, Secret, SignedRequests, StaticTokens};
use crate::clock::Clock;
use crate::console;
use crate::http::Limits;
use crate::media::swift::Swift;
use crate::store::sqlite::{DAY, Settings, Space};

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
    /// Certificate chain and key, when TLS is spoken here.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Who may call.
    pub credentials: AnyOf,
    /// Requests per second and caller; 0 is no limit.
    pub rate: u32,
    /// Settings of the interfaces.
    pub limits: Limits,
    /// Where new media go, if not into the data folder.
    pub swift: Option<Swift>,
    /// The console's settings.
    pub console: console::Settings,
    /// The store's settings.
    pub store: Settings,
    /// The store is a ring of Cassandra.
    #[cfg(feature = "cassandra")]
    pub cassandra: Option<crate::store::cassandra::Settings>,
}

/// An example with every setting, as `check-config --example` prints it.
pub const EXAMPLE: &str = include_str!("../docs/im-platform.example.toml");

/// Settings can be given as environment variables: `IM_PLATFORM__LISTEN`, `IM_PLATFORM__STORE__FULL_SYNC`. Secrets cannot: they are in files.
const ENV: &str = "IM_PLATFORM__";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    listen: SocketAddr,
    data: PathBuf,
    #[serde(default)]
    behind_proxy: bool,
    tls: Option<RawTls>,
    #[serde(default)]
    requests_per_second: u32,
    #[serde(default)]
    credentials: Vec<RawCredential>,
    keystone: Option<cloud::RawKeystone>,
    #[serde(default)]
    store: RawStore,
    #[serde(default)]
    limits: RawLimits,
    #[serde(default)]
    retention: RawRetention,
    #[serde(default)]
    media: RawMedia,
    #[serde(default)]
    console: RawConsole,
    cassandra: Option<RawCassandra>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(not(feature = "cassandra"), expect(dead_code, reason = "refused as a whole"))]
struct RawCassandra {
    contact_points: Vec<String>,
    keyspace: Option<String>,
    replication: Option<u32>,
    prefix: Option<String>,
    username: Option<String>,
    password_file: Option<PathBuf>,
    datacenter: Option<String>,
    ca_file: Option<PathBuf>,
    cert_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTls {
    cert: PathBuf,
    key: PathBuf,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCredential {
    name: String,
    scope: Scope,
    token_file: Option<PathBuf>,
    #[serde(default)]
    secret_files: Vec<PathBuf>,
    message_text: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConsole {
    enabled: Option<bool>,
    session_seconds: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStore {
    full_sync: Option<bool>,
    max_megabytes: Option<u64>,
    readers: Option<usize>,
    max_pending_per_user: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLimits {
    message_megabytes: Option<u64>,
    room_megabytes: Option<u64>,
    event_megabytes: Option<u64>,
    footprint_megabytes: Option<u64>,
    media_megabytes: Option<u64>,
    downlink_megabytes: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRetention {
    message_days: Option<u32>,
    room_days: Option<u32>,
    media_days: Option<u32>,
    event_days: Option<u32>,
    downlink_days: Option<u32>,
    audit_days: Option<u32>,
    footprint_days: Option<u32>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMedia {
    max_megabytes: Option<u32>,
    max_megabytes_per_user: Option<u64>,
    swift: Option<cloud::RawSwift>,
}

impl Config {
    /// Reads and checks a file, with what the environment sets over it.
    ///
    /// # Errors
    /// [`ConfigError`], naming file or setting.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        Self::read_with(path, std::env::vars())
    }

    /// As [`Config::read`], with these variables.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn read_with(path: &Path, vars: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.into(), source })?;
        let parse = |source| ConfigError::Parse { path: path.into(), source: Box::new(source) };
        let mut table: Table = toml::from_str(&text).map_err(parse)?;
        for (name, value) in vars {
            if let Some(setting) = name.strip_prefix(ENV) {
                set(&mut table, &setting.to_lowercase(), &value)?;
            }
        }
        // Once more from the text when nothing was set over it, so that an error shows its line.
        let raw = toml::from_str::<Raw>(&text);
        let raw = if table == toml::from_str::<Table>(&text).map_err(parse)? {
            raw
        } else {
            Raw::deserialize(table)
        };
        Self::check(raw.map_err(parse)?)
    }

    fn check(raw: Raw) -> Result<Self, ConfigError> {
        let cloud = raw.keystone.map(cloud::RawKeystone::check).transpose()?;
        let tokens = cloud.as_ref().and_then(cloud::Cloud::credentials);
        if raw.credentials.is_empty() && tokens.is_none() {
            return Err(wrong("credentials", "at least one is needed, or keystone.roles"));
        }
        let swift = match (raw.media.swift, &cloud) {
            (None, _) => None,
            (Some(swift), Some(cloud)) => Some(cloud.swift(swift)?),
            (Some(_), None) => {
                return Err(wrong("media.swift", "needs [keystone], which says where the cloud's Swift is"));
            }
        };
        if !raw.listen.ip().is_loopback() && raw.tls.is_none() && !raw.behind_proxy {
            return Err(wrong(
                "listen",
                "beyond loopback [tls] is needed, or behind_proxy = true (a proxy terminates TLS)",
            ));
        }
        if let Some(tls) = &raw.tls {
            for (key, file) in [("tls.cert", &tls.cert), ("tls.key", &tls.key)] {
                std::fs::File::open(file).map_err(|e| wrong(key, &format!("{}: {e}", file.display())))?;
            }
        }
        let usual = Settings::default();
        let days = |days: Option<u32>, usual| days.map_or(usual, |d| i64::from(d) * DAY);
        let space = |megabytes: Option<u64>| megabytes.map_or(0, |m| m.saturating_mul(1 << 20));
        let store = Settings {
            full_sync: raw.store.full_sync.unwrap_or(usual.full_sync),
            max_bytes: raw.store.max_megabytes.map_or(usual.max_bytes, |m| m.saturating_mul(1 << 20)),
            readers: raw.store.readers.unwrap_or(usual.readers),
            max_pending: raw.store.max_pending_per_user.map_or(usual.max_pending, i64::from),
            limits: Space {
                messages: space(raw.limits.message_megabytes),
                rooms: space(raw.limits.room_megabytes),
                events: space(raw.limits.event_megabytes),
                footprints: space(raw.limits.footprint_megabytes),
                media: space(raw.limits.media_megabytes),
                downlink: space(raw.limits.downlink_megabytes),
            },
            history: days(raw.retention.message_days, usual.history),
            rooms: days(raw.retention.room_days, usual.rooms),
            media: days(raw.retention.media_days, usual.media),
            events: days(raw.retention.event_days, usual.events),
            downlink: days(raw.retention.downlink_days, usual.downlink),
            audit: days(raw.retention.audit_days, usual.audit),
            footprints: days(raw.retention.footprint_days, usual.footprints),
            statements: None,
        };
        #[cfg(feature = "cassandra")]
        let cassandra = raw.cassandra.map(|raw| ring(raw, &store)).transpose()?;
        #[cfg(not(feature = "cassandra"))]
        if raw.cassandra.is_some() {
            return Err(wrong("cassandra", "this im-platform was built without it"));
        }
        let usual = Limits::default();
        let limits = Limits {
            medium: raw.media.max_megabytes.map_or(usual.medium, |m| (m as usize).saturating_mul(1 << 20)),
            media_per_user: raw
                .media
                .max_megabytes_per_user
                .map_or(usual.media_per_user, |m| m.saturating_mul(1 << 20)),
        };
        let usual = console::Settings::default();
        let session = raw.console.session_seconds.map_or(usual.session, |s| i64::from(s) * 1_000);
        if session == 0 {
            return Err(wrong("console.session_seconds", "must be at least 1"));
        }
        let console = console::Settings {
            enabled: raw.console.enabled.unwrap_or(usual.enabled),
            session,
            secure: raw.tls.is_some() || raw.behind_proxy,
        };
        Ok(Self {
            listen: raw.listen,
            data: raw.data,
            tls: raw.tls.map(|tls| (tls.cert, tls.key)),
            credentials: credentials(raw.credentials, tokens)?,
            swift,
            rate: raw.requests_per_second,
            limits,
            console,
            store,
            #[cfg(feature = "cassandra")]
            cassandra,
        })
    }
}

/// Settings of a store that is a ring. What it cannot keep is refused here instead of being forgotten.
#[cfg(feature = "cassandra")]
fn ring(raw: RawCassandra, store: &Settings) -> Result<crate::store::cassandra::Settings, ConfigError> {
    if store.limits != Space::default() {
        return Err(wrong("limits", "are kept by the embedded store only, not in Cassandra"));
    }
    if store.max_bytes > 0 || store.full_sync {
        return Err(wrong("store", "full_sync and max_megabytes are the embedded store's, not Cassandra's"));
    }
    if raw.contact_points.is_empty() {
        return Err(wrong("cassandra.contact_points", "at least one is needed"));
    }
    let word = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let usual = crate::store::cassandra::Settings::default();
    let keyspace = raw.keyspace.unwrap_or(usual.keyspace);
    if !word(&keyspace) {
        return Err(wrong("cassandra.keyspace", "must be letters, digits and _"));
    }
    let login = match (raw.username, raw.password_file) {
        (Some(name), Some(file)) => {
            Some((name, read_secret(&file).map_err(|e| wrong("cassandra.password_file", &e))?))
        }
        (None, None) => None,
        _ => return Err(wrong("cassandra.username", "goes with password_file")),
    };
    if raw.datacenter.as_deref().is_some_and(|name| name.is_empty() || name.contains(['\'', '"'])) {
        return Err(wrong(
            "cassandra.datacenter",
            "must be the name of a data centre, as nodetool status says it",
        ));
    }
    let own = match (&raw.cert_file, &raw.key_file) {
        (Some(certificate), Some(key)) => Some((certificate.as_path(), key.as_path())),
        (None, None) => None,
        _ => return Err(wrong("cassandra.cert_file", "goes with key_file")),
    };
    let tls = match &raw.ca_file {
        Some(ca) => {
            let key = |file: &Path| match own {
                _ if file == ca => "cassandra.ca_file",
                Some((certificate, _)) if file == certificate => "cassandra.cert_file",
                _ => "cassandra.key_file",
            };
            let client = crate::store::cassandra::tls::client(ca, own);
            Some(client.map_err(|e| wrong(key(&e.file), &e.to_string()))?)
        }
        None if own.is_some() => {
            return Err(wrong("cassandra.cert_file", "needs ca_file, which switches TLS on"));
        }
        None => None,
    };
    Ok(crate::store::cassandra::Settings {
        contact_points: raw.contact_points,
        keyspace,
        replication: raw.replication,
        datacenter: raw.datacenter,
        tls,
        prefix: raw.prefix.unwrap_or_default(),
        login,
        max_pending: store.max_pending,
        history: store.history,
        rooms: store.rooms,
        events: store.events,
        downlink: store.downlink,
        footprints: store.footprints,
        media: store.media,
        audit: store.audit,
    })
}

fn wrong(key: &str, why: &str) -> ConfigError {
    ConfigError::Wrong { key: key.into(), why: why.into() }
}

/// Sets `a__b` to a TOML value, or to the text as it is.
fn set(table: &mut Table, setting: &str, value: &str) -> Result<(), ConfigError> {
    let value = format!("v = {value}")
        .parse::<Table>()
        .ok()
        .and_then(|mut t| t.remove("v"))
        .unwrap_or_else(|| toml::Value::String(value.into()));
    let mut table = table;
    let (path, last) = setting.rsplit_once("__").map_or(("", setting), |(p, l)| (p, l));
    for part in path.split("__").filter(|p| !p.is_empty()) {
        let inner = table.entry(part).or_insert_with(|| toml::Value::Table(Table::new()));
        table = inner.as_table_mut().ok_or_else(|| wrong(setting, "is not a group of settings"))?;
    }
    table.insert(last.into(), value);
    Ok(())
}

fn credentials(raw: Vec<RawCredential>, keystone: Option<KeystoneTokens>) -> Result<AnyOf, ConfigError> {
    let (mut tokens, mut secrets) = (Vec::new(), Vec::new());
    for (i, credential) in raw.into_iter().enumerate() {
        let key = |field: &str| format!("credentials[{i}].{field}");
        if credential.message_text.is_some() && credential.scope != Scope::Operator {
            return Err(wrong(&key("message_text"), "is a setting of the scope operator only"));
        }
        let text = credential.message_text.unwrap_or(true);
        let caller = Caller { name: credential.name, scope: credential.scope, text };
        if credential.token_file.is_none() && credential.secret_files.is_empty() {
            return Err(wrong(&key("token_file"), "is needed, or secret_files"));
        }
        if let Some(file) = &credential.token_file {
            let token = read_secret(file).map_err(|e| wrong(&key("token_file"), &e))?;
            if token.len() < 16 {
                return Err(wrong(&key("token_file"), "the token has fewer than 16 characters"));
            }
            tokens.push((token, caller.clone()));
        }
        for (j, file) in credential.secret_files.iter().enumerate() {
            let key = key(&format!("secret_files[{j}]"));
            let text = read_secret(file).map_err(|e| wrong(&key, &e))?;
            let secret = Secret::parse(&text)
                .ok_or_else(|| wrong(&key, "must hold whsec_ and base64 of 24 to 64 bytes"))?;
            secrets.push((secret, caller.clone()));
        }
    }
    let mut all: Vec<Box<dyn Credentials>> =
        vec![Box::new(SignedRequests::new(secrets, Clock::System)), Box::new(StaticTokens::new(tokens))];
    if let Some(keystone) = keystone {
        all.push(Box::new(keystone));
    }
    Ok(AnyOf(all))
}

fn read_secret(file: &Path) -> Result<String, String> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl Fn(String) -> String, vars: &[(&str, &str)]) -> Result<Config, String> {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("token"), "0123456789abcdef0123\n").expect("written");
        std::fs::write(at("secret"), "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n")
            .expect("written");
        for name in ["keystone", "link-key"] {
            std::fs::write(at(name), "0123456789abcdef0123\n").expect("written");
        }
        std::fs::write(at("short"), "short\n").expect("written");
        let ca = rcgen::generate_simple_self_signed(vec!["example.org".into()]).expect("a certificate");
        for name in ["cloud-ca.pem", "ring-ca.pem", "ring-client.pem"] {
            std::fs::write(at(name), ca.cert.pem()).expect("written");
        }
        std::fs::write(at("ring-client.key"), ca.signing_key.serialize_pem()).expect("written");
        std::fs::write(at("cassandra"), "secret\n").expect("written");
        let text = EXAMPLE.replace("/etc/im-platform/", &format!("{}/", folder.path().display()));
        std::fs::write(at("config"), change(text)).expect("written");
        let vars = vars.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
        Config::read_with(&at("config"), vars).map_err(|e| crate::http::problem::chain(&e))
    }

    #[test]
    fn the_example_is_valid_and_names_every_default() {
        let config = check(|text| text, &[]).expect("valid");
        assert_eq!(format!("{:?}", config.store), format!("{:?}", Settings::default()));
        assert_eq!(format!("{:?}", config.limits), format!("{:?}", Limits::default()));
        assert_eq!(config.console, console::Settings::default());
    }

    #[test]
    fn what_is_wrong_is_named() {
        let cases: [(&str, &str, &str); 8] = [
            ("127.0.0.1:7480", "0.0.0.0:7480", "listen: beyond loopback"),
            ("scope = \"bridge\"", "scope = \"root\"", "unknown variant `root`"),
            ("full_sync", "fullsync", "unknown field `fullsync`"),
            ("/token\"", "/no-token\"", "credentials[0].token_file"),
            ("/secret\"", "/token\"", "credentials[1].secret_files[0]"),
            ("scope = \"bridge\"", "scope = \"bridge\"\nmessage_text = true", "credentials[0].message_text"),
            ("session_seconds = 28800", "session_seconds = 0", "console.session_seconds"),
            ("requests_per_second = 0", "requests_per_second = -1", "invalid value"),
        ];
        for (from, to, expected) in cases {
            let said = check(|text| text.replace(from, to), &[]).expect_err(expected);
            assert!(said.contains(expected), "{said}");
        }
    }

    #[cfg(feature = "cassandra")]
    #[test]
    fn a_ring_is_asked_for_by_its_section_and_takes_no_setting_that_it_cannot_keep() {
        let ring = |more: &str| {
            let more =
                format!("{more}\n[cassandra]\ncontact_points = [\"10.0.0.1:9042\"]\nreplication = 3\n");
            check(|text| format!("{text}\n{more}"), &[])
        };
        let settings = ring("").expect("valid").cassandra.expect("a ring");
        assert_eq!((settings.replication, settings.keyspace.as_str()), (Some(3), "im_platform"));
        assert_eq!(settings.history, Settings::default().history);
        let vars = [
            ("IM_PLATFORM__LIMITS__ROOM_MEGABYTES", "5"),
            ("IM_PLATFORM__CASSANDRA__CONTACT_POINTS", "[\"a:1\"]"),
        ];
        let said = check(|text| text, &vars).expect_err("a limit");
        assert!(said.contains("limits: are kept by the embedded store only"), "{said}");
        let said =
            check(|text| text, &[("IM_PLATFORM__CASSANDRA__CONTACT_POINTS", "[]")]).expect_err("nowhere");
        assert!(said.contains("cassandra.contact_points"), "{said}");
    }

    #[cfg(feature = "cassandra")]
    #[test]
    fn what_the_example_says_of_a_guarded_ring_is_valid_and_what_is_wrong_is_named() {
        let on = |text: String| {
            let (head, rest) = text.split_once("# [cassandra]").expect("the section");
            let from = format!("# [cassandra]{rest}");
            let lines: Vec<String> = from.lines().map(uncommented).collect();
            format!("{head}{}\n", lines.join("\n"))
        };
        let ring = check(on, &[]).expect("valid").cassandra.expect("a ring");
        assert!(ring.tls.is_some() && ring.login.is_some());
        assert_eq!((ring.datacenter.as_deref(), ring.replication), (Some("dc1"), Some(3)));
        for (from, to, expected) in [
            ("ring-ca.pem", "no-ca.pem", "cassandra.ca_file"),
            ("ring-ca.pem", "token", "cassandra.ca_file"),
            ("ring-client.pem", "secret", "cassandra.cert_file"),
            ("ring-client.key", "token", "cassandra.key_file"),
            ("\nkey_file = ", "\n# key_file = ", "cassandra.cert_file: goes with key_file"),
            ("\nca_file = ", "\n# ca_file = ", "needs ca_file, which switches TLS on"),
            ("\"dc1\"", "\"d'c\"", "cassandra.datacenter"),
        ] {
            let changed = |text: String| on(text).replace(from, to);
            let said = check(changed, &[]).expect_err(expected);
            assert!(said.contains(expected), "{from}: {said}");
        }
    }

    /// A line of the example with its setting switched on.
    fn uncommented(line: &str) -> String {
        match line.strip_prefix("# ") {
            Some(rest)
                if rest.starts_with('[') || rest.split_once(" = ").is_some_and(|(k, _)| !k.contains(' ')) =>
            {
                rest.to_owned()
            }
            _ => line.to_owned(),
        }
    }

    /// The example with everything about a cloud switched on.
    fn with_cloud(text: String) -> String {
        let from = text.find("# [keystone]").expect("the section");
        let until = text.find("# [cassandra]").expect("the section");
        let (head, tail, rest) = (&text[..from], &text[from..until], &text[until..]);
        let tail: Vec<String> = tail.lines().map(uncommented).collect();
        head.to_owned() + &tail.join("\n") + "\n" + rest
    }

    #[test]
    fn what_the_example_says_of_a_cloud_is_valid_and_what_is_wrong_is_named() {
        let no_password = |text: &str| {
            text.replace("\nuser = ", "\n# user = ").replace("\npassword_file", "\n# password_file")
        };
        let said =
            |change: &dyn Fn(String) -> String| check(|text| change(no_password(&with_cloud(text))), &[]);
        let config = said(&|text| text).expect("valid");
        assert!(config.swift.is_some());
        assert!(format!("{:?}", config.credentials).contains("KeystoneTokens"));
        assert!(!format!("{config:?}").contains("0123456789abcdef0123\""), "a secret is shown");
        let cases: [(&str, &str, &str); 8] = [
            ("application_credential_id", "# id", "keystone: needs either"),
            ("https://keystone", "ftp://keystone", "keystone.url"),
            ("cloud-ca.pem", "no-ca.pem", "keystone.ca_file"),
            ("\nprojects = ", "\n# projects = ", "keystone.projects"),
            ("link_seconds = 300", "link_seconds = 1", "media.swift.link_seconds"),
            ("\"im-media\"", "\"im media\"", "media.swift.container"),
            ("/link-key", "/short", "media.swift.link_key_file: the key has fewer"),
            ("[keystone]\nurl", "[keystne]\nurl", "unknown field `keystne`"),
        ];
        for (from, to, expected) in cases {
            let said = said(&|text| text.replace(from, to)).expect_err(expected);
            assert!(said.contains(expected), "{said}");
        }
        let said = check(with_cloud, &[]).expect_err("two logins");
        assert!(said.contains("keystone: needs either"), "{said}");
    }

    #[test]
    fn the_environment_is_above_the_file() {
        let vars = [
            ("IM_PLATFORM__LISTEN", "127.0.0.1:9"),
            ("IM_PLATFORM__STORE__FULL_SYNC", "true"),
            ("PATH", "/"),
        ];
        let config = check(|text| text, &vars).expect("valid");
        assert_eq!((config.listen.port(), config.store.full_sync), (9, true));
        let said = check(|text| text, &[("IM_PLATFORM__STORE__WHAT", "1")]).expect_err("unknown");
        assert!(said.contains("what"), "{said}");
        check(|text| text, &[("IM_PLATFORM__LISTEN", "0.0.0.0:9"), ("IM_PLATFORM__BEHIND_PROXY", "true")])
            .expect("stated");
    }
}
