//! Folders of somebody else's: read from the data folder, taken into force, watched. A folder that appears, changes or goes away is noticed without a
//! restart; a broken one is refused alone, and what was good of it before stays in force until it is repaired. What is held by a row of a folder that
//! has gone is finished under the old row.
//!
//! Leaves out: what a folder says (`mapping`), one folder's calls (`backend`), messages (`by_row`), its poll (`heard`).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime};

use serde_json::{Value, json};

use crate::config::{MODULES, ModuleMode, PREFIX};
use crate::lanes::Held;
use crate::mapping::folder::{Folder, fingerprint};
use crate::mapping::registry::Loaded;
use crate::mapping::{Does, Registry, Row, Source, answer::Made};
use crate::platform::Breaker;
use crate::platform::breaker::State;

use super::backend::Running;
use super::core::{Core, lock};

/// How often the folders are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long a folder's own thread sleeps when nothing is due.
const IDLE: Duration = Duration::from_millis(100);

type Print = Vec<(PathBuf, u64, Option<SystemTime>)>;

/// What is asked next for a stanza whose answer comes later.
#[derive(Debug, Clone)]
pub struct Later {
    /// The request.
    pub made: Made,
    /// Whose.
    pub running: Arc<Running>,
}

/// See the module.
#[derive(Debug)]
pub struct Folders {
    registry: RwLock<Arc<Registry>>,
    running: RwLock<Arc<Vec<Arc<Running>>>>,
    /// Out of force, but something is held by their rows.
    old: Mutex<Vec<Arc<Running>>>,
    refused: Mutex<BTreeMap<String, String>>,
    seen: Mutex<HashMap<String, Print>>,
    /// Folders of which a setting has changed: they are read again.
    changed: Mutex<BTreeSet<String>>,
    wake: (Mutex<()>, Condvar),
    next: AtomicU64,
    /// By the sequence of what is held.
    laters: Mutex<HashMap<u64, Later>>,
}

impl Default for Folders {
    fn default() -> Self {
        Folders {
            registry: RwLock::new(Arc::new(Registry::built_in().0)),
            running: RwLock::default(),
            old: Mutex::default(),
            refused: Mutex::default(),
            seen: Mutex::default(),
            changed: Mutex::default(),
            wake: Default::default(),
            next: AtomicU64::new(1),
            laters: Mutex::default(),
        }
    }
}

impl Folders {
    /// The folders in force.
    pub fn running(&self) -> Arc<Vec<Arc<Running>>> {
        Arc::clone(&self.running.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Wakes the thread that looks at folders.
    pub fn wake(&self) {
        drop(lock(&self.wake.0));
        self.wake.1.notify_all();
    }

    /// What is to be asked for something held, if its answer comes later.
    pub fn later(&self, seq: u64) -> Option<Later> {
        lock(&self.laters).get(&seq).cloned()
    }

    /// Notes what is to be asked next.
    pub fn postpone(&self, seq: u64, later: Later) {
        lock(&self.laters).insert(seq, later);
    }

    /// It is over.
    pub fn over(&self, seq: u64) {
        let mut laters = lock(&self.laters);
        if !laters.is_empty() {
            laters.remove(&seq);
        }
    }

    /// Whether any folder's breaker is open.
    pub fn any_open(&self) -> bool {
        let old = lock(&self.old);
        self.running().iter().chain(old.iter()).any(|running| !running.breaker.closed())
    }
}

impl Core {
    /// The modules and their rows, as they are in force now.
    pub fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.folders.registry.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The folder that is, or has taken over, a module.
    pub fn folder(&self, module: &str) -> Option<Arc<Running>> {
        let running = self.folders.running.read().unwrap_or_else(PoisonError::into_inner);
        running.iter().find(|running| running.name() == module).cloned()
    }

    /// The folder that a row belongs to, also one that has gone. None: it is built in.
    pub fn folder_of(&self, row: &Row) -> Option<Arc<Running>> {
        if row.folder == 0 {
            return None;
        }
        let found = self.folders.running().iter().find(|running| running.number == row.folder).cloned();
        found.or_else(|| lock(&self.folders.old).iter().find(|r| r.number == row.folder).cloned())
    }

    /// The breaker before those who answer a row.
    pub fn with_breaker_of<T>(&self, row: &Row, f: impl FnOnce(&Breaker) -> T) -> T {
        match self.folder_of(row) {
            Some(running) => f(&running.breaker),
            None => f(&self.breaker),
        }
    }

    /// The breaker before those who judge messages.
    pub fn with_chat_breaker<T>(&self, f: impl FnOnce(&Breaker) -> T) -> T {
        match self.folder("chat") {
            Some(running) => f(&running.breaker),
            None => f(&self.breaker),
        }
    }

    /// Reads what has changed below `modules/`, and the folders of which a setting has changed.
    pub fn look_at_folders(&self) {
        let again = std::mem::take(&mut *lock(&self.folders.changed));
        let mut names = Vec::new();
        for entry in std::fs::read_dir(self.data.join("modules")).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.starts_with('.') && entry.path().is_dir() {
                names.push(name);
            }
        }
        names.sort();
        let mut running: Vec<Arc<Running>> = self.folders.running().to_vec();
        let mut gone = Vec::new();
        running.retain(|one| {
            let stays = names.iter().any(|name| name == one.name());
            if !stays {
                gone.push(Arc::clone(one));
                self.effects.log(2, "folders", &format!("the folder {} has gone", one.name()));
            }
            stays
        });
        lock(&self.folders.refused).retain(|name, _| names.contains(name));
        lock(&self.folders.seen).retain(|name, _| names.contains(name));
        let mut fresh = false;
        for name in names {
            let path = self.data.join("modules").join(&name);
            let print = fingerprint(&path);
            let known = lock(&self.folders.seen).insert(name.clone(), print.clone());
            if known.is_some_and(|known| known == print) && !again.contains(&name) {
                continue;
            }
            let number = self.folders.next.fetch_add(1, Ordering::Relaxed);
            match Folder::read(&path).map(|folder| Running::new(number, folder, &self.config())) {
                Ok(new) => {
                    fresh = true;
                    lock(&self.folders.refused).remove(&name);
                    let said =
                        format!("the folder {name}, version {}, is in force", new.folder.module.version);
                    self.effects.log(2, "folders", &said);
                    if let Err(why) = &new.client {
                        self.failed("folder", format!("{name}: {why}"));
                    }
                    let new = Arc::new(new);
                    match running.iter_mut().find(|one| one.name() == name) {
                        Some(old) => gone.push(std::mem::replace(old, new)),
                        None => running.push(new),
                    }
                }
                Err(why) => {
                    let stays = match running.iter().find(|one| one.name() == name) {
                        Some(old) => format!(
                            "; what was read before, version {}, stays in force",
                            old.folder.module.version
                        ),
                        None => String::new(),
                    };
                    let why = format!("{name}/{why}{stays}");
                    if lock(&self.folders.refused).insert(name, why.clone()).as_ref() != Some(&why) {
                        self.failed("folder", why);
                    }
                }
            }
        }
        if fresh || !gone.is_empty() {
            self.put_in_force(running, gone);
        }
        lock(&self.folders.old).retain(|old| old.holds());
    }

    fn put_in_force(&self, running: Vec<Arc<Running>>, gone: Vec<Arc<Running>>) {
        let (sends, tells) = (self.sends(), self.tells_sessions());
        let registry = Registry::with(running.iter().map(|one| one.loaded()).collect());
        // Until something of theirs is known to be held no more, the old ones can be found.
        lock(&self.folders.old).extend(gone.iter().cloned());
        *self.folders.running.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(running);
        *self.folders.registry.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(registry);
        for old in gone {
            old.retire();
        }
        self.announce_filter();
        self.audience_changed(sends, tells);
        self.wake_all();
    }

    /// Namespaces that nobody in Openfire serves unless we do.
    pub fn served(&self) -> Vec<String> {
        let registry = self.registry();
        let mut out: Vec<String> = registry
            .modules()
            .iter()
            .filter(|module| module.folder && !MODULES.contains(&module.name.as_str()))
            .flat_map(|module| &module.rows)
            .filter(|row| row.on.kind == "iq" && row.on.source == Source::Client && row.does == Does::Claim)
            .filter(|row| self.config().module(row.module()).mode != ModuleMode::Off)
            .filter_map(|row| row.on.namespace.clone())
            .collect();
        out.sort();
        out.dedup();
        out
    }

    /// A setting of this name may be a folder's.
    pub fn folder_setting(&self, key: &str) {
        let Some((module, own)) = key.split_once('.') else { return };
        let folder = self.folder(module);
        if folder.is_some_and(|running| running.folder.module.settings.iter().any(|s| s.key == own)) {
            lock(&self.folders.changed).insert(module.to_owned());
            self.folders.wake();
        }
    }

    /// Something held by a row is not answered yet.
    pub fn postpone(&self, running: &Arc<Running>, held: &Held, made: Option<Made>) -> bool {
        let before = self.folders.later(held.seq).map(|later| later.made);
        match made.or(before) {
            Some(made) => {
                self.folders.postpone(held.seq, Later { made, running: Arc::clone(running) });
                true
            }
            None => false,
        }
    }
}

/// The thread that looks at the folders, and below it one for each folder.
pub fn run(core: &Core) {
    std::thread::scope(|scope| {
        let mut alive: Vec<u64> = Vec::new();
        while !core.ending.load(Ordering::Acquire) {
            for running in core.folders.running().iter() {
                if alive.contains(&running.number) {
                    continue;
                }
                alive.push(running.number);
                let running = Arc::clone(running);
                let thread =
                    std::thread::Builder::new().name(format!("cloudbridge-folder-{}", running.name()));
                if let Err(error) = thread.spawn_scoped(scope, move || live(core, &running)) {
                    core.failed("panic", format!("the thread of a folder cannot be started: {error}"));
                }
            }
            let asleep = lock(&core.folders.wake.0);
            let changed = || !lock(&core.folders.changed).is_empty() || core.ending.load(Ordering::Acquire);
            drop(
                core.folders
                    .wake
                    .1
                    .wait_timeout_while(asleep, LOOK, |()| !changed())
                    .unwrap_or_else(PoisonError::into_inner),
            );
            if !core.ending.load(Ordering::Acquire) {
                core.look_at_folders();
            }
        }
    });
}

/// One folder, as long as it is in force: a backend that did not answer is asked whether it is back; what it says by itself is heard; sessions are
/// listed where it has to know who is here; what was decided without it is told.
fn live(core: &Core, running: &Arc<Running>) {
    let mut poll = super::heard::Heard::new(core, running);
    let mut listed = Instant::now();
    while !core.ending.load(Ordering::Acquire) && !running.retired() {
        running.sleep(IDLE);
        let whole = std::panic::AssertUnwindSafe(|| {
            if !running.breaker.closed() {
                if running.breaker.probe_due() {
                    probe(core, running);
                }
                return;
            }
            if Instant::now() >= listed && !super::by_row::knows_sessions(core, running) {
                listed = Instant::now() + Duration::from_secs(1);
            }
            super::by_row::settle(core, running);
            poll.step(core, running);
        });
        if let Err(panic) = std::panic::catch_unwind(whole) {
            core.failed("panic", format!("the folder {}: {}", running.name(), super::panic_text(&*panic)));
            listed = Instant::now() + Duration::from_secs(1);
        }
    }
}

fn probe(core: &Core, running: &Running) {
    match running.alive() {
        Ok(()) => {
            if running.breaker.success() {
                core.effects.log(2, "folders", &format!("the backend of {} answers again", running.name()));
                core.wake_all();
            }
        }
        Err(why) => {
            core.failed("folder", format!("{}: {why}", running.name()));
            running.breaker.failure(&why, false);
        }
    }
}

/// What the status says of folders.
pub fn status(core: &Core) -> Value {
    let config = core.config();
    let mut out: BTreeMap<String, Value> = BTreeMap::new();
    for running in core.folders.running().iter() {
        let (breaker, opened, error) = running.breaker.describe();
        let name = running.name();
        out.insert(
            name.to_owned(),
            json!({
                "state": "in force",
                "version": running.folder.module.version,
                "about": running.folder.module.about,
                "takes_over": MODULES.contains(&name),
                "mode": config.module(name).mode.as_str(),
                "url": running.url(),
                "unusable": running.client.as_ref().err(),
                "breaker": { "state": if breaker == State::Closed { "closed" } else { "open" }, "opened": opened, "error": error },
                "cursor": super::heard::cursor(core, name).is_some(),
                "rows": core.row_counts.of(name),
                "settings": running.folder.module.settings.iter().map(|s| {
                    let value = config.raw().get(&format!("{name}.{}", s.key));
                    let value = if s.secret { value.map(|_| "********") } else { value.map(String::as_str) };
                    json!({ "key": format!("{PREFIX}{name}.{}", s.key), "value": value, "default": s.default, "about": s.about, "secret": s.secret })
                }).collect::<Vec<_>>(),
                "wrong": config.wrong_of(name),
                "refused": Value::Null,
            }),
        );
    }
    for (name, why) in lock(&core.folders.refused).iter() {
        let entry = out.entry(name.clone()).or_insert_with(|| json!({ "state": "refused" }));
        entry["refused"] = json!(why);
        if entry["state"] == "in force" {
            entry["state"] = json!("the version before is in force");
        }
    }
    json!({ "folder": core.data.join("modules").display().to_string(), "modules": out })
}

impl Running {
    /// As the registry has it.
    pub fn loaded(&self) -> Loaded {
        let module = &self.folder.module;
        Loaded {
            name: module.name.clone(),
            about: module.about.clone(),
            version: module.version.clone(),
            rows: self.rows.clone(),
            folder: true,
        }
    }
}
