//! The settings of a cloud: `[keystone]` and `[media.swift]`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use openstack::{Interface, Keystone, Login, Net, Session};
use serde::Deserialize;

use super::{ConfigError, read_secret, wrong};
use crate::auth::{KeystoneTokens, Role, Rules, Scope};
use crate::clock::Clock;
use crate::media::swift::{Swift, SwiftSettings};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawKeystone {
    url: String,
    ca_file: Option<PathBuf>,
    region: Option<String>,
    #[serde(default)]
    interface: Interface,
    application_credential_id: Option<String>,
    application_credential_secret_file: Option<PathBuf>,
    user: Option<String>,
    user_domain: Option<String>,
    password_file: Option<PathBuf>,
    project: Option<String>,
    project_domain: Option<String>,
    #[serde(default)]
    projects: Vec<String>,
    cache_seconds: Option<u32>,
    grace_seconds: Option<u32>,
    #[serde(default)]
    roles: Vec<RawRole>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRole {
    role: String,
    scope: Scope,
    message_text: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawSwift {
    container: Option<String>,
    link_key_file: PathBuf,
    link_seconds: Option<u32>,
    link_interface: Option<Interface>,
}

/// A Keystone that the platform has a login at.
#[derive(Debug)]
pub struct Cloud {
    session: Arc<Session>,
    net: Net,
    region: Option<String>,
    interface: Interface,
    rules: Rules,
}

impl RawKeystone {
    /// Checks it.
    pub fn check(self) -> Result<Cloud, ConfigError> {
        let net = Net { ca_file: self.ca_file.map(|f| f.display().to_string()), ..Net::default() };
        let keystone =
            Keystone::new(&self.url, &net).map_err(|e| wrong("keystone.ca_file", &e.to_string()))?;
        if !keystone.url().starts_with("http://") && !keystone.url().starts_with("https://") {
            return Err(wrong("keystone.url", "must begin with http:// or https://"));
        }
        let application = (self.application_credential_id, self.application_credential_secret_file);
        let login = match (application, self.user, self.password_file) {
            ((Some(id), Some(file)), None, None) => Login::Application {
                id,
                secret: secret("keystone.application_credential_secret_file", &file)?,
            },
            ((None, None), Some(user), Some(file)) => Login::Password {
                user,
                user_domain: self.user_domain.unwrap_or_else(|| "Default".into()),
                password: secret("keystone.password_file", &file)?,
                project: self
                    .project
                    .ok_or_else(|| wrong("keystone.project", "is needed beside keystone.user"))?,
                project_domain: self.project_domain.unwrap_or_else(|| "Default".into()),
            },
            _ => {
                let why = "needs either application_credential_id and application_credential_secret_file, or user, password_file and project";
                return Err(wrong("keystone", why));
            }
        };
        if !self.roles.is_empty() && self.projects.is_empty() {
            let why = "is needed beside keystone.roles: in a project that is not yours somebody else says who has which role";
            return Err(wrong("keystone.projects", why));
        }
        let mut roles = Vec::new();
        for (i, role) in self.roles.into_iter().enumerate() {
            if role.message_text.is_some() && role.scope != Scope::Operator {
                let key = format!("keystone.roles[{i}].message_text");
                return Err(wrong(&key, "is a setting of the scope operator only"));
            }
            let text = role.message_text.unwrap_or(true);
            roles.push(Role { role: role.role, scope: role.scope, text });
        }
        let seconds = |given: Option<u32>, usual: u32| i64::from(given.unwrap_or(usual)) * 1_000;
        Ok(Cloud {
            session: Arc::new(Session::new(keystone, login)),
            net,
            region: self.region.filter(|r| !r.is_empty()),
            interface: self.interface,
            rules: Rules {
                projects: self.projects,
                roles,
                cache: seconds(self.cache_seconds, 60),
                grace: seconds(self.grace_seconds, 3_600),
            },
        })
    }
}

impl Cloud {
    /// Its tokens as credentials, if any role lets somebody in.
    pub fn credentials(&self) -> Option<KeystoneTokens> {
        let rules = self.rules.clone();
        (!rules.roles.is_empty()).then(|| KeystoneTokens::new(self.session.clone(), rules, Clock::System))
    }

    /// Its object store for media.
    pub fn swift(&self, raw: RawSwift) -> Result<Swift, ConfigError> {
        let container = raw.container.unwrap_or_else(|| "im-media".into());
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if !(1..=64).contains(&container.len()) || !container.chars().all(fits) {
            return Err(wrong(
                "media.swift.container",
                "must be 1 to 64 characters of A-Z, a-z, 0-9, - and _",
            ));
        }
        let key = secret("media.swift.link_key_file", &raw.link_key_file)?;
        if key.len() < 16 {
            return Err(wrong("media.swift.link_key_file", "the key has fewer than 16 characters"));
        }
        let seconds = raw.link_seconds.unwrap_or(300);
        if !(10..=86_400).contains(&seconds) {
            return Err(wrong("media.swift.link_seconds", "must be 10 to 86400"));
        }
        let settings = SwiftSettings {
            container,
            key,
            seconds: i64::from(seconds),
            region: self.region.clone(),
            interface: self.interface,
            link_interface: raw.link_interface.unwrap_or(self.interface),
        };
        Swift::new(self.session.clone(), &self.net, settings).map_err(|e| wrong("keystone.ca_file", &e))
    }
}

fn secret(key: &str, file: &Path) -> Result<String, ConfigError> {
    match read_secret(file) {
        Ok(text) if text.is_empty() => Err(wrong(key, &format!("{} is empty", file.display()))),
        Ok(text) => Ok(text),
        Err(e) => Err(wrong(key, &e)),
    }
}
