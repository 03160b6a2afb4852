//! The one list of modules and their rows.

use std::sync::Arc;

use serde_json::Value;

use super::row::{Module, Row, Source};
use crate::stanza::Stanza;

/// The built-in modules, in the order in which their rows are asked.
const BUILT_IN: &[(&str, &str)] = &[
    ("chat", include_str!("../modules/chat/module.json")),
    ("state", include_str!("../modules/state/module.json")),
    ("user", include_str!("../modules/user/module.json")),
    ("friend", include_str!("../modules/friend/module.json")),
    ("group", include_str!("../modules/group/module.json")),
    ("room", include_str!("../modules/room/module.json")),
    ("footprint", include_str!("../modules/footprint/module.json")),
];

/// See the module.
#[derive(Debug)]
pub struct Registry {
    modules: Vec<Loaded>,
}

/// A module that is in force.
#[derive(Debug)]
pub struct Loaded {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub about: String,
    /// Version of its rows.
    pub version: String,
    /// Its rows.
    pub rows: Vec<Arc<Row>>,
    /// It is a folder of somebody else's.
    pub folder: bool,
}

impl Registry {
    /// One module alone.
    #[must_use]
    pub fn of(module: Loaded) -> Registry {
        Registry { modules: vec![module] }
    }

    /// The built-in modules, those of the same name replaced by folders, and then the other folders by name.
    #[must_use]
    pub fn with(folders: Vec<Loaded>) -> Registry {
        let (mut registry, _) = Registry::built_in();
        let mut folders = folders;
        folders.sort_by(|a, b| a.name.cmp(&b.name));
        for folder in folders {
            match registry.modules.iter_mut().find(|module| module.name == folder.name) {
                Some(module) => *module = folder,
                None => registry.modules.push(folder),
            }
        }
        registry
    }

    /// The built-in modules. A mistake in one is a mistake of ours and refuses that one alone; a test holds that there is none.
    #[must_use]
    pub fn built_in() -> (Registry, Vec<String>) {
        let mut wrong = Vec::new();
        let mut modules = Vec::new();
        for (name, text) in BUILT_IN {
            match Module::read(text) {
                Ok(module) => modules.push(Loaded::from(module)),
                Err(why) => wrong.push(format!("{name}/module.json: {why}")),
            }
        }
        (Registry { modules }, wrong)
    }

    /// All modules.
    #[must_use]
    pub fn modules(&self) -> &[Loaded] {
        &self.modules
    }

    /// A row by its name.
    #[must_use]
    pub fn row(&self, name: &str) -> Option<&Arc<Row>> {
        self.rows().find(|row| row.name == name)
    }

    /// All rows, in order.
    pub fn rows(&self) -> impl Iterator<Item = &Arc<Row>> {
        self.modules.iter().flat_map(|m| &m.rows)
    }

    /// The row that takes a stanza, and the stanza as its value. Most stanzas that are nobody's are found out without making the value.
    #[must_use]
    pub fn find(&self, stanza: &Stanza, source: Source) -> Option<(&Arc<Row>, Value)> {
        let mut value = None;
        self.rows()
            .filter(|row| row.fits(stanza, source))
            .find_map(|row| {
                let value = value.get_or_insert_with(|| super::value(stanza, true));
                row.holds(value).then(|| row.clone()).map(|_| row)
            })
            .map(|row| (row, value.unwrap_or_default()))
    }
}

impl From<Module> for Loaded {
    fn from(module: Module) -> Loaded {
        Loaded {
            folder: module.backend.is_some(),
            name: module.name,
            about: module.about,
            version: module.version,
            rows: module.rows.into_iter().map(Arc::new).collect(),
        }
    }
}

impl Row {
    /// The module that it belongs to.
    #[must_use]
    pub fn module(&self) -> &str {
        self.name.split('.').next().unwrap_or_default()
    }
}
