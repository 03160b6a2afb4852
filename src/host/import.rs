//! Import: users, contact lists and offline messages from Openfire to the platform. Resumable (how far it came is written down), repeatable (what is
//! there stays), with a dry run that only compares. Runs on its own thread, one user after the other, so that a big server hardly feels it.
//!
//! Leaves out: how Openfire lists them (the shim's verbs `read.*`, docs/boundary.md).

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;

use im_api::chat::{DecideAnswer, Verdict};
use im_api::friend::{Friend, FriendEntry, Friends, Subscription};
use im_api::import::{Import, ImportAnswer, ImportItem, ImportPosition, Imported};
use im_api::secret::Secret;
use im_api::user::{CreateUser, Mechanism, User, Verifier};
use im_api::{problem, routes};
use serde::{Deserialize, Serialize};

use crate::ffi::frame::Outcome;
use crate::lanes::Held;
use crate::modules::chat;
use crate::platform::PlatformError;
use crate::stanza::jid::Jid;
use crate::stanza::{Element, Limits, Stanza};

use super::core::{Core, lock, now_ms};
use super::files::write_whole;

/// Users in one list from Openfire.
const PAGE: usize = 100;
/// How long Openfire may take for one list.
const LIMIT: Duration = Duration::from_secs(60);
/// Differences that are named; the others are counted.
const NAMED: usize = 200;
/// Items in one request (contract: at most 1,000), messages in one (at most 256).
const ITEMS: usize = 500;
const MESSAGES: usize = 100;

/// Where the import stands: what the page shows and what is written down.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Whether it runs now.
    #[serde(default)]
    pub running: bool,
    /// Whether it only compares.
    pub dry: bool,
    /// Name of this run at the platform.
    pub source: String,
    /// The last user that is done.
    pub after: String,
    /// Whether the whole list is done.
    pub complete: bool,
    /// Users looked at.
    pub users: u64,
    /// Things made at the platform (in a dry run: that would be made).
    pub made: u64,
    /// Things that were there.
    pub there: u64,
    /// Offline messages that the platform keeps now (in a dry run: that wait in Openfire).
    pub messages: u64,
    /// Users without a SCRAM verifier here: they keep logging in by Openfire's own store.
    pub without_verifier: u64,
    /// Differences that remain.
    pub differences: u64,
    /// The first of them, in words.
    pub named: Vec<String>,
    /// Why it stopped before the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// When it last moved (Unix ms).
    pub at_ms: u64,
}

impl Progress {
    /// Whether the whole list was gone through and nothing differs: user.mode and friend.mode decide are advisable then.
    #[must_use]
    pub fn advises_decide(&self) -> bool {
        self.complete && !self.running && self.error.is_none() && self.differences == 0 && self.users > 0
    }
}

/// What is asked of the import thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Dry,
    Start,
}

/// The import of a host.
#[derive(Debug, Default)]
pub struct Importer {
    order: Mutex<Option<Order>>,
    progress: Mutex<Option<Progress>>,
    stop: std::sync::atomic::AtomicBool,
}

/// Why a run ends before its end.
pub(super) enum End {
    /// Asked to.
    Stopped,
    Platform(PlatformError),
    Openfire(String),
}

impl From<PlatformError> for End {
    fn from(error: PlatformError) -> End {
        End::Platform(error)
    }
}

impl Core {
    /// The IMPORT ask: `status`, `dry`, `start` or `stop`. Gives the progress as JSON.
    ///
    /// # Errors
    /// Why it cannot begin.
    pub fn import(&self, what: &str) -> Result<String, String> {
        match what {
            "status" => {}
            "stop" => self.importer.stop.store(true, Ordering::Release),
            "dry" | "start" => {
                if self.client.url().is_none() {
                    return Err(
                        "there is no platform to import to: set user.mode or friend.mode to mirror first"
                            .into(),
                    );
                }
                if lock(&self.importer.progress).as_ref().is_some_and(|p| p.running) {
                    return Err("an import runs already".into());
                }
                self.importer.stop.store(false, Ordering::Release);
                *lock(&self.importer.order) = Some(if what == "dry" { Order::Dry } else { Order::Start });
            }
            other => return Err(format!("{other} is none of status, dry, start, stop")),
        }
        serde_json::to_string(&self.imported()).map_err(|e| e.to_string())
    }

    /// Where the import stands; of a run before this start, what was written down.
    pub fn imported(&self) -> Progress {
        lock(&self.importer.progress).clone().or_else(|| read(self)).unwrap_or_default()
    }
}

/// The import thread: waits for an order.
pub fn run(core: &Core) {
    while !core.ending.load(Ordering::Acquire) {
        let Some(order) = lock(&core.importer.order).take() else {
            std::thread::park_timeout(Duration::from_millis(100));
            continue;
        };
        let mut progress = begin(core, order);
        show(core, &progress);
        let end = import(core, &mut progress);
        progress.running = false;
        progress.error = match end {
            Ok(()) => {
                progress.complete = true;
                None
            }
            Err(End::Stopped) => Some("stopped; start goes on where it stands".into()),
            Err(End::Platform(error)) => Some(format!("{error}; start goes on where it stands")),
            Err(End::Openfire(why)) => Some(format!("Openfire: {why}; start goes on where it stands")),
        };
        show(core, &progress);
    }
}

/// A run that was begun and not finished goes on; else a new one begins.
fn begin(core: &Core, order: Order) -> Progress {
    let dry = order == Order::Dry;
    match read(core) {
        Some(unfinished) if !dry && !unfinished.dry && !unfinished.complete => {
            Progress { running: true, error: None, ..unfinished }
        }
        _ => {
            let source = format!("openfire-{:x}", now_ms());
            Progress { running: true, dry, source, ..Progress::default() }
        }
    }
}

fn import(core: &Core, progress: &mut Progress) -> Result<(), End> {
    loop {
        let list = read_from_openfire(core, "read.users", &[&progress.after, &PAGE.to_string()])?;
        let users: Vec<Account> =
            list.root().elements().flat_map(|e| e.elements()).filter_map(account).collect();
        if users.is_empty() {
            return Ok(());
        }
        for user in users {
            if core.ending.load(Ordering::Acquire) || core.importer.stop.load(Ordering::Acquire) {
                return Err(End::Stopped);
            }
            one(core, progress, &user)?;
            progress.users += 1;
            progress.after = user.node;
            show(core, progress);
        }
    }
}

/// One user: the account, the contacts, what waits for them.
fn one(core: &Core, progress: &mut Progress, user: &Account) -> Result<(), End> {
    let Ok(jid) = Jid::new(&format!("{}@{}", user.node, core.start.domain)) else { return Ok(()) };
    let jid = jid.to_string();
    if user.verifier.is_none() {
        progress.without_verifier += 1;
    }
    let friends = contacts(&read_from_openfire(core, "read.roster", &[&user.node])?);
    if progress.dry {
        compare(core, progress, &jid, user, &friends)?;
        let waiting = read_from_openfire(core, "read.offline", &[&user.node])?;
        progress.messages += messages(&waiting).len() as u64;
        return Ok(());
    }
    let mut items = vec![ImportItem::User(CreateUser {
        user: jid.clone(),
        password: None,
        verifiers: user.verifier.iter().cloned().collect(),
        name: user.name.clone(),
        email: user.email.clone(),
    })];
    items.extend(friends.into_iter().map(|f| ImportItem::Friend {
        user: jid.clone(),
        friend: f.friend,
        entry: f.entry,
    }));
    for items in items.chunks(ITEMS) {
        put(core, progress, items)?;
    }
    offline(core, progress, &jid, &user.node)
}

/// Sends items; how far the platform is, it says itself.
fn put(core: &Core, progress: &mut Progress, items: &[ImportItem]) -> Result<(), End> {
    let path = routes::path(routes::IMPORT_SOURCE, &[&progress.source]);
    let position: ImportPosition = core.client.call("GET", &path, None, None)?;
    let request = Import { source: progress.source.clone(), from: position.position, items: items.to_vec() };
    let key = format!("{}-{}", progress.source, position.position);
    let answer: ImportAnswer = core.client.json("POST", routes::IMPORT, &request, Some(&key))?;
    for (result, item) in answer.results.iter().zip(items) {
        match result {
            Imported::Done => progress.made += 1,
            Imported::Exists | Imported::Skipped => progress.there += 1,
            Imported::Failed { detail } => {
                differ(progress, format!("{} cannot be imported: {detail}", name(item)))
            }
        }
    }
    Ok(())
}

fn name(item: &ImportItem) -> String {
    match item {
        ImportItem::User(user) => format!("user {}", user.user),
        ImportItem::Friend { user, friend, .. } => format!("contact {friend} of {user}"),
        ImportItem::Block { user, blocked } => format!("block of {blocked} by {user}"),
        ImportItem::Group(_) => "a group".into(),
        ImportItem::Room { room, .. } => format!("room {room}"),
    }
}

/// Gives the platform what waits in Openfire for somebody who is away. Each message has a key made of itself, so that a repetition is the same message.
fn offline(core: &Core, progress: &mut Progress, jid: &str, node: &str) -> Result<(), End> {
    if core.config().chat != crate::config::ModuleMode::Decide || lock(&core.sessions).best(jid).is_some() {
        return Ok(());
    }
    let waiting = read_from_openfire(core, "read.offline", &[node])?;
    let all = messages(&waiting);
    let Some(newest) = all.iter().map(|(stamp, _)| stamp.clone()).max() else { return Ok(()) };
    for part in all.chunks(MESSAGES) {
        let mut body =
            format!("{{\"node\":{:?},\"epoch\":{:?},\"items\":[", core.node, core.epoch).into_bytes();
        for (number, (stamp, xml)) in part.iter().enumerate() {
            if number > 0 {
                body.push(b',');
            }
            let held = held(jid, stamp, xml);
            chat::item(&held, &mut body)
                .map_err(|e| End::Openfire(format!("a stored message cannot be read: {e}")))?;
        }
        body.extend_from_slice(b"]}");
        let answer: DecideAnswer = core.client.call("POST", routes::MESSAGES, Some(&body), None)?;
        let kept = |v: &Verdict| matches!(v, Verdict::Stored | Verdict::HandedOver);
        if let Some(other) = answer.results.iter().find(|r| !kept(&r.verdict)) {
            differ(
                progress,
                format!("messages for {jid} stay in Openfire: the platform says {:?}", other.verdict),
            );
            return Ok(());
        }
        progress.messages += part.len() as u64;
    }
    apply(core, "drop.offline", &[node, &newest]).map(drop)
}

fn held(jid: &str, stamp: &str, xml: &str) -> Held {
    let key = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, format!("{jid} {stamp} {xml}").as_bytes());
    Held {
        seq: 0,
        key: key.to_string().into(),
        lane: "import".into(),
        token: None,
        bytes: std::sync::Arc::from(xml.as_bytes()),
        journal_bytes: 0,
        sent_ms: millis(stamp).unwrap_or_else(now_ms),
        ask: true,
        storable: true,
        again: true,
        gone: true,
        deadline: std::time::Instant::now(),
        row: None,
    }
}

fn millis(stamp: &str) -> Option<u64> {
    let time = time::OffsetDateTime::parse(stamp, &time::format_description::well_known::Rfc3339).ok()?;
    u64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok()
}

/// What an import would do.
fn compare(
    core: &Core,
    progress: &mut Progress,
    jid: &str,
    user: &Account,
    ours: &[Friend],
) -> Result<(), End> {
    let known: Result<User, _> = core.client.call("GET", &routes::path(routes::USER, &[jid]), None, None);
    match known {
        Ok(known) => {
            progress.there += 1;
            if user.verifier.is_some() && !known.password {
                progress.made += 1;
                progress.there -= 1;
                differ(progress, format!("{jid} has no password at the platform"));
            }
        }
        Err(error) if error.is(problem::NOT_FOUND) => {
            progress.made += 1 + ours.len() as u64;
            differ(progress, format!("{jid} is not at the platform"));
            return Ok(());
        }
        Err(error) => return Err(error.into()),
    }
    let mut theirs = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut path = format!("{}?limit=256", routes::path(routes::FRIENDS, &[jid]));
        if let Some(after) = &after {
            path.push_str(&routes::path("&after={x}", &[after]));
        }
        let page: Friends = core.client.call("GET", &path, None, None)?;
        theirs.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    for friend in ours {
        match theirs.iter().find(|t| t.friend == friend.friend) {
            Some(same) if same == friend => progress.there += 1,
            Some(_) => differ(progress, format!("contact {} of {jid} differs", friend.friend)),
            None => {
                progress.made += 1;
                differ(progress, format!("contact {} of {jid} is not at the platform", friend.friend));
            }
        }
    }
    for friend in theirs.iter().filter(|t| !ours.iter().any(|o| o.friend == t.friend)) {
        differ(progress, format!("contact {} of {jid} is at the platform only", friend.friend));
    }
    Ok(())
}

fn differ(progress: &mut Progress, text: String) {
    progress.differences += 1;
    if progress.named.len() < NAMED {
        progress.named.push(text);
    }
}

/// A user of Openfire's.
struct Account {
    node: String,
    name: Option<String>,
    email: Option<String>,
    verifier: Option<Verifier>,
}

fn account(element: Element<'_>) -> Option<Account> {
    let text = |name: &str| element.attr(name).filter(|v| !v.is_empty()).map(str::to_owned);
    let verifier = || {
        Some(Verifier {
            mechanism: Mechanism::ScramSha1,
            salt: text("salt")?,
            iterations: text("iterations")?.parse().ok()?,
            stored_key: Secret(text("stored-key")?),
            server_key: Secret(text("server-key")?),
        })
    };
    Some(Account { node: text("node")?, name: text("name"), email: text("email"), verifier: verifier() })
}

fn contacts(roster: &Stanza) -> Vec<Friend> {
    let items = roster.root().elements().flat_map(|query| query.elements());
    let mut friends: Vec<Friend> = items
        .filter_map(|item| {
            let friend = Jid::new(item.attr("jid")?).ok()?;
            friend.node()?;
            Some(Friend {
                friend: friend.to_bare().to_string(),
                entry: FriendEntry {
                    name: item.attr("name").filter(|n| !n.is_empty()).map(str::to_owned),
                    subscription: match item.attr("subscription") {
                        Some("to") => Subscription::To,
                        Some("from") => Subscription::From,
                        Some("both") => Subscription::Both,
                        _ => Subscription::None,
                    },
                    ask: item.attr("ask") == Some("subscribe"),
                    approved: false,
                    groups: item
                        .elements()
                        .filter(|e| e.name() == "group")
                        .map(|e| e.text().into_owned())
                        .collect(),
                },
            })
        })
        .collect();
    friends.sort_by(|a, b| a.friend.cmp(&b.friend));
    friends
}

/// Stamp and XML of each message, oldest first.
fn messages(list: &Stanza) -> Vec<(String, String)> {
    let all = list.root().elements().flat_map(|e| e.elements());
    all.filter(|e| e.name() == "message")
        .filter_map(|message| {
            let stamp = message
                .elements()
                .filter(|e| e.is("delay", "urn:xmpp:delay"))
                .find_map(|e| e.attr("stamp"))?;
            Some((stamp.to_owned(), message.to_xml_string()))
        })
        .collect()
}

/// Has the shim read something, and parses what it gives.
pub(super) fn read_from_openfire(core: &Core, verb: &'static str, arguments: &[&str]) -> Result<Stanza, End> {
    let detail = apply(core, verb, arguments)?;
    let xml = format!("<iq xmlns=\"jabber:client\" type=\"result\">{detail}</iq>");
    let limits = Limits { bytes: usize::MAX, children: usize::MAX, ..Limits::default() };
    Stanza::parse(xml.as_bytes(), &limits)
        .map_err(|e| End::Openfire(format!("what {verb} gave cannot be read: {e}")))
}

fn apply(core: &Core, verb: &'static str, arguments: &[&str]) -> Result<String, End> {
    let done = core.effects.apply(LIMIT, verb, arguments);
    match done {
        Some((Outcome::Ok, detail)) => Ok(detail),
        Some((Outcome::Gone, _)) => Ok(String::new()),
        Some((_, detail)) => Err(End::Openfire(format!("{verb} failed: {detail}"))),
        None => Err(End::Openfire(format!("{verb} was not carried out within {} s", LIMIT.as_secs()))),
    }
}

fn file(core: &Core) -> PathBuf {
    core.data.join("import.json")
}

fn read(core: &Core) -> Option<Progress> {
    let text = std::fs::read_to_string(file(core)).ok()?;
    serde_json::from_str::<Progress>(&text).ok().map(|p| Progress { running: false, ..p })
}

/// Shows and writes down how far it is.
fn show(core: &Core, progress: &Progress) {
    let progress = Progress { at_ms: now_ms(), ..progress.clone() };
    let written = serde_json::to_vec(&progress)
        .map_err(std::io::Error::other)
        .and_then(|json| write_whole(&file(core), &json));
    if let Err(error) = written {
        core.failed("import", format!("how far it is cannot be written down: {error}"));
    }
    *lock(&core.importer.progress) = Some(progress);
}
