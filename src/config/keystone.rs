//! The settings of a Keystone, as what can be used of them.

use openstack::{Interface, Login};

use super::PREFIX;

/// The settings of a Keystone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeystoneConfig {
    /// `keystone.url`
    pub url: String,
    /// How to log in, or what is missing for it.
    pub login: Result<Login, String>,
    /// `keystone.region`
    pub region: Option<String>,
    /// `keystone.interface`
    pub interface: Interface,
}

impl KeystoneConfig {
    /// From the checked values.
    pub(super) fn read(text: impl Fn(&str) -> String) -> KeystoneConfig {
        let missing = |keys: &[&str]| {
            let none: Vec<String> =
                keys.iter().filter(|k| text(k).is_empty()).map(|k| format!("{PREFIX}{k}")).collect();
            if none.is_empty() {
                Ok(())
            } else {
                Err(format!("platform.auth = keystone needs {}", none.join(" and ")))
            }
        };
        let application = [
            "keystone.url",
            "keystone.applicationCredentialId",
            "keystone.applicationCredentialSecret.password",
        ];
        let password = ["keystone.url", "keystone.user", "keystone.password", "keystone.project"];
        let login = if text("keystone.user").is_empty() {
            missing(&application)
                .map(|()| Login::Application { id: text(application[1]), secret: text(application[2]) })
        } else {
            missing(&password).map(|()| Login::Password {
                user: text("keystone.user"),
                user_domain: text("keystone.userDomain"),
                password: text("keystone.password"),
                project: text("keystone.project"),
                project_domain: text("keystone.projectDomain"),
            })
        };
        KeystoneConfig {
            url: text("keystone.url"),
            login,
            region: Some(text("keystone.region")).filter(|r| !r.is_empty()),
            interface: match text("keystone.interface").as_str() {
                "internal" => Interface::Internal,
                "admin" => Interface::Admin,
                _ => Interface::Public,
            },
        }
    }
}
