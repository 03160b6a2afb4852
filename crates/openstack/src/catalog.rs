//! The service catalogue that comes with a token: which services there are, and where.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::Error;

/// Whom an endpoint is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Interface {
    /// Everybody.
    #[default]
    Public,
    /// The cloud's own network.
    Internal,
    /// The cloud's operators.
    Admin,
}

impl Interface {
    /// The word in a catalogue and in a setting.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Internal => "internal",
            Self::Admin => "admin",
        }
    }
}

/// The services of a cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Catalog(Vec<Service>);

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Service {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    endpoints: Vec<Endpoint>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Endpoint {
    interface: String,
    region_id: Option<String>,
    // Old Keystones have only this one.
    region: Option<String>,
    url: String,
}

impl Endpoint {
    fn region(&self) -> Option<&str> {
        self.region_id.as_deref().or(self.region.as_deref())
    }
}

impl Catalog {
    /// The addresses of a service, without a slash at the end, in the catalogue's order.
    ///
    /// # Errors
    /// [`Error::NotInCatalog`], which says what there is instead; `keystone` is named in it.
    pub fn find(
        &self,
        keystone: &str,
        kind: &str,
        region: Option<&str>,
        interface: Interface,
    ) -> Result<Vec<String>, Error> {
        let all = || self.0.iter().filter(|s| s.kind == kind).flat_map(|s| &s.endpoints);
        let fits = |e: &&Endpoint| {
            e.interface == interface.as_str() && region.is_none_or(|wanted| e.region() == Some(wanted))
        };
        let mut found: Vec<String> = Vec::new();
        for url in all().filter(fits).map(|e| e.url.trim_end_matches('/')) {
            if !found.iter().any(|u| u == url) {
                found.push(url.to_owned());
            }
        }
        if !found.is_empty() {
            return Ok(found);
        }
        let within = region.map(|r| format!(" in region {r}")).unwrap_or_default();
        let wanted = format!("{} endpoint of a service of type {kind}{within}", interface.as_str());
        let others: BTreeSet<String> =
            all().map(|e| format!("{} in {}", e.interface, e.region().unwrap_or("no region"))).collect();
        let has = if others.is_empty() {
            format!(
                "it has no service of type {kind} at all (openstack service create {kind}; openstack endpoint create)"
            )
        } else {
            format!("of that type it has: {}", others.into_iter().collect::<Vec<_>>().join(", "))
        };
        Err(Error::NotInCatalog { url: keystone.into(), wanted, has })
    }
}
