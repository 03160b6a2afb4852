//! What is claimed: `src/modules/claimed.json`, line by line, against the rows, `chat::claim` and a running host in each mode, and as the page
//! `docs/claimed.md`.
//!
//! The host's platform is a socket that takes connections and never answers: what is held stays held and what is copied stays in the journal, so
//! that both can be seen. Presence is asked of the rows alone; when a session's presence may be held is the shim's to know.
//!
//! `UPDATE=1 cargo test -p cloudbridge --test claimed` rewrites the page.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use cloudbridge::ffi::frame::{Flags, Reader, Writer, effect, notice};
use cloudbridge::host::{Host, Start};
use cloudbridge::mapping::{Registry, Source};
use cloudbridge::modules::chat;
use cloudbridge::stanza::{Limits, Stanza};
use serde::Deserialize;
use serde_json::Value;

const HOLD: i32 = 1;
const LOCAL_USER: i32 = 2;
const EVENT: i32 = 16;
const ROOM: i32 = 32;

/// Everybody who is not a client that is logged in here: another server, a component, this server, a plugin, an anonymous client.
const OTHERS: [&str; 5] = [
    "eve@other.example/x",
    "bot@gateway.example.org",
    "example.org",
    "romeo@example.org",
    "a1b2@example.org/a1b2",
];

/// Word, heading, meaning.
const FATES: &[(Fate, &str, &str)] = &[
    (Fate::Passes, "–", "it passes untouched; nothing is stored or sent"),
    (Fate::Copied, "copy", "it passes at once; a copy is journaled and goes to the platform"),
    (
        Fate::Ordered,
        "in order",
        "never stored: it passes at once, unless something of this conversation is held; then it goes behind that, unasked",
    ),
    (Fate::Asked, "held", "it is held until the platform answers, or the module's time limit is over"),
    (Fate::Answered, "answered", "the bridge answers by itself"),
    (Fate::Told, "told", "it goes its way (or has gone it); the platform is told"),
    (
        Fate::Reported,
        "reported",
        "it goes its way; if the room has accepted it, the platform gets it with whom it reached",
    ),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Fate {
    Passes,
    Copied,
    Ordered,
    Asked,
    Answered,
    Told,
    Reported,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    group: String,
    what: String,
    because: String,
    xml: String,
    #[serde(default)]
    source: Source,
    /// Whether the recipient is a registered user of this server.
    #[serde(default = "yes")]
    user: bool,
    /// Whether it goes to a room of this server.
    #[serde(default)]
    room: bool,
    row: Option<String>,
    client: Fates,
    others: Fates,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fates {
    mirror: Fate,
    decide: Fate,
}

impl Fates {
    fn of(&self, mode: &str) -> Fate {
        match mode {
            "mirror" => self.mirror,
            "decide" => self.decide,
            // Off and watch store and send nothing.
            _ => Fate::Passes,
        }
    }
}

fn yes() -> bool {
    true
}

fn lines() -> Vec<Line> {
    serde_json::from_str(include_str!("../src/modules/claimed.json")).expect("lines")
}

impl Line {
    /// Its stanza, of a conversation of its own.
    fn stanza(&self, number: usize, sender: Option<&str>) -> String {
        let from = sender.map_or_else(|| format!("romeo{number}@example.org/orchard"), str::to_owned);
        self.xml
            .replace("{from}", &from)
            .replace("{to}", &format!("juliet{number}@example.org"))
            .replace("{room}", &room(number))
            .replace("{name}", from.split('@').next().unwrap_or_default())
    }
}

fn room(number: usize) -> String {
    format!("garden{number}@rooms.example.org")
}

fn parse(xml: &str) -> Stanza {
    Stanza::parse(xml.as_bytes(), &Limits::default()).unwrap_or_else(|e| panic!("{e}: {xml}"))
}

#[test]
fn each_line_is_the_row_that_it_says() {
    let (registry, _) = Registry::built_in();
    for (number, line) in lines().iter().enumerate() {
        let stanza = parse(&line.stanza(number, None));
        let found = registry.find(&stanza, line.source).map(|(row, _)| row.name.clone());
        assert_eq!(found, line.row, "{}", line.what);
        let held = matches!(line.client.decide, Fate::Asked | Fate::Ordered);
        if line.group == "Messages" && line.user {
            let claim = chat::claim(&stanza);
            assert_eq!(claim.is_some(), held, "{}", line.what);
            assert_eq!(claim.is_some_and(|c| c.storable), line.client.decide == Fate::Asked, "{}", line.what);
        }
    }
    let rows = registry.rows().filter(|row| !lines().iter().any(|line| line.row.as_ref() == Some(&row.name)));
    assert_eq!(rows.map(|r| r.name.clone()).collect::<Vec<_>>(), Vec::<String>::new(), "rows without a line");
}

/// A line of the filter table: kind, types, namespace, mode, whether other senders' packets are offered too.
type Filter = (String, String, String, i32, bool);

struct Running {
    host: Arc<Host>,
    pump: Option<JoinHandle<()>>,
    filter: Vec<Filter>,
    /// Takes connections until the host has stopped, so that nothing fails and nothing is decided without the platform.
    _silent: TcpListener,
    _home: tempfile::TempDir,
}

impl Running {
    fn start(mode: &str) -> Running {
        Running::with(|_| mode)
    }

    /// Each module in the mode that is given for it.
    fn with<'m>(mode: impl Fn(&str) -> &'m str) -> Running {
        let home = tempfile::tempdir().expect("scratch");
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", silent.local_addr().expect("bound"));
        let mut settings =
            vec![("platform.url".to_owned(), url), ("chat.history".to_owned(), "platform".to_owned())];
        for module in cloudbridge::config::MODULES {
            settings.push((format!("{module}.mode"), mode(module).to_owned()));
            settings.push((format!("{module}.timeoutMillis"), "60000".to_owned()));
        }
        let host = Host::start(Start {
            openfire: "none".into(),
            domain: "example.org".into(),
            home: home.path().to_owned(),
            plugin: "0.0.0".into(),
            platform_binary: None,
            test: true,
            settings: settings.into_iter().map(|(k, v)| (format!("plugin.cloudbridge.{k}"), v)).collect(),
        })
        .expect("host");
        let frame = host.describe("filter").expect("filter");
        let mut r = Reader::new(&frame);
        assert_eq!(r.u8().expect("opcode"), 1);
        let filter = r
            .list(|r| {
                Ok((r.str()?.to_owned(), r.str()?.to_owned(), r.str()?.to_owned(), r.int()?, r.bool()?))
            })
            .expect("rows");
        let host = Arc::new(host);
        let pump = Some(std::thread::spawn({
            let host = Arc::clone(&host);
            move || pump(&host)
        }));
        Running { host, pump, filter, _silent: silent, _home: home }
    }

    /// What the shim does with a message to a room: holds it where that may be, and otherwise tells of it when the room has accepted it.
    fn pass_room(&self, line: &Line, number: usize, xml: &str, client: bool) -> Fate {
        let row = self.filter.iter().find(|(kind, types, ..)| kind == "message" && types == "groupchat");
        let Some((.., mode, remote)) = row else { return Fate::Passes };
        let stanza = parse(xml);
        let from = stanza.from().unwrap_or_default().to_owned();
        let before = self.counts();
        let hold = client && *mode == 4;
        if hold {
            let seq = number as u64 + 1;
            let w = Writer::new(notice::OCCUPANT).long(seq).str(&room(number)).str(&from).str("nick");
            self.host.notify(&w.str("none").bool(true).finish()).expect("notice");
        }
        let before = if hold { self.counts() } else { before };
        let mut taken = false;
        if hold {
            taken = self.host.offer(1, Flags(HOLD | ROOM), xml.as_bytes());
        } else if *mode == 1 {
            let _ = self.host.offer(0, Flags(ROOM), xml.as_bytes());
        }
        if !taken && *mode > 1 && (client || *remote) && !stanza.to().unwrap_or_default().contains('/') {
            let reached = "<reached xmlns='urn:cloudbridge:room:0' nick='nick'><to jid='juliet@example.org/b'/></reached></message>";
            let said = xml.replace("</message>", reached);
            let _ = self.host.offer(0, Flags(EVENT | ROOM), said.as_bytes());
        }
        let after = self.counts();
        let more = |name: &str| after[name] - before[name];
        match (taken, more("events"), more("rooms")) {
            (true, 0, 0) => Fate::Asked,
            (false, 1, 0) => Fate::Copied,
            (false, 0, 1) => Fate::Reported,
            (false, 0, 0) => Fate::Passes,
            other => panic!("{}: {other:?}", line.what),
        }
    }

    /// What the shim does with a stanza: looks it up in the filter table, then offers it. Then what became of it.
    fn pass(&self, line: &Line, number: usize, xml: &str, client: bool) -> Fate {
        if line.room {
            return self.pass_room(line, number, xml, client);
        }
        let stanza = parse(xml);
        if line.source == Source::Client && stanza.type_() == Some("groupchat") {
            return Fate::Passes; // To no room: the shim does not look at it.
        }
        let kind = match line.source {
            Source::Client => stanza.kind().as_str(),
            Source::Event => "event",
            Source::Component => "component",
            Source::Room => "room",
        };
        let namespace = stanza.root().elements().next().map(|e| e.ns().to_owned()).unwrap_or_default();
        let word = match kind {
            "event" => match namespace.as_str() {
                "jabber:iq:roster" => "roster",
                "jabber:iq:register" => "user",
                _ => "room",
            }
            .to_owned(),
            "component" => "find".to_owned(),
            "message" => stanza.type_().unwrap_or("normal").to_owned(),
            _ => stanza.type_().unwrap_or_default().to_owned(),
        };
        let row = self.filter.iter().find(|(k, types, ns, ..)| {
            k == kind && types.split(' ').any(|t| t == word) && (ns == "*" || *ns == namespace)
        });
        let Some((.., mode, remote)) = row else { return Fate::Passes };
        if !client && !remote && matches!(line.source, Source::Client | Source::Room) {
            return Fate::Passes;
        }
        let mut flags = 0;
        if line.source == Source::Event {
            flags |= EVENT | if word == "room" { ROOM } else { 0 };
        } else if client && *mode == 4 {
            flags |= HOLD | if line.user { LOCAL_USER } else { 0 };
        }
        flags |= if line.source == Source::Room { ROOM } else { 0 };
        let before = self.counts();
        let taken = self.host.offer(u64::from(flags & HOLD != 0), Flags(flags), xml.as_bytes());
        let after = self.counts();
        let more = |name: &str| after[name] - before[name];
        match (taken, more("events"), more("calls")) {
            (true, 0, 0) => Fate::Asked,
            (false, 1, 0) => Fate::Copied,
            (false, 0, 1) => Fate::Told,
            (false, 0, 0) => Fate::Passes,
            other => panic!("{}: {other:?}", line.what),
        }
    }

    fn counts(&self) -> BTreeMap<&'static str, u64> {
        let status: Value =
            serde_json::from_slice(&self.host.describe("status").expect("status")).expect("JSON");
        ["events", "calls", "rooms"].map(|n| (n, status["journal"][n].as_u64().expect("a number"))).into()
    }
}

/// Carries out effects as far as the host can tell: a stop waits for those under way.
fn pump(host: &Host) {
    while let Ok(frame) = host.take(Duration::from_secs(1)) {
        let Some(frame) = frame else { continue };
        let mut r = Reader::new(&frame);
        let op = r.u8().expect("opcode");
        if matches!(op, effect::LOG | effect::FILTER) {
            continue;
        }
        let done = Writer::new(notice::DONE).long(r.long().expect("effect")).int(0).str("").finish();
        host.notify(&done).expect("done");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.host.stop(Duration::ZERO);
        let ended = self.pump.take().is_none_or(|pump| pump.join().is_ok());
        assert!(ended || std::thread::panicking(), "the pump ends with the host");
    }
}

#[test]
fn each_line_is_what_a_running_host_does_in_each_mode() {
    for mode in ["off", "watch", "mirror", "decide"] {
        let running = Running::start(mode);
        for (number, line) in lines().iter().enumerate().filter(|(_, line)| line.group != "Presence") {
            let what = |sender: &str| format!("{}: {mode}, sent by {sender}", line.what);
            let expected = match line.client.of(mode) {
                // The bridge's own answer takes the same way as one of the platform.
                Fate::Answered => Fate::Asked,
                // In a room something is always ahead here: that the sender has joined it.
                Fate::Ordered if line.room => Fate::Asked,
                Fate::Ordered => Fate::Passes,
                other => other,
            };
            let xml = line.stanza(number, None);
            assert_eq!(running.pass(line, number, &xml, true), expected, "{}", what("a client"));
            if line.client.of(mode) == Fate::Ordered {
                let all = lines();
                let first = all.iter().find(|first| first.room == line.room).expect("a first one");
                let ahead = first.stanza(number, None);
                assert_eq!(running.pass(first, number, &ahead, true), Fate::Asked, "{}", what("a client"));
                assert_eq!(
                    running.pass(line, number, &xml, true),
                    Fate::Asked,
                    "{}: behind one that is held",
                    line.what
                );
            }
            for other in OTHERS {
                let xml = line.stanza(number, Some(other));
                // Nobody is on a timeline who has no name.
                let expected = match line.others.of(mode) {
                    Fate::Reported if !other.contains('@') => Fate::Passes,
                    fate => fate,
                };
                assert_eq!(running.pass(line, number, &xml, false), expected, "{}", what(other));
            }
        }
    }
}

/// Requests to rooms are group's, what rooms become is room's: nobody is asked about the first where nobody follows the second.
#[test]
fn who_belongs_to_rooms_is_asked_about_only_where_groups_and_rooms_are_decided() {
    for (group, room, expected) in [
        ("decide", "decide", Some(4)),
        ("decide", "mirror", Some(1)),
        ("decide", "watch", Some(1)),
        ("decide", "off", None),
        ("mirror", "decide", Some(1)),
        ("watch", "decide", Some(1)),
        ("off", "decide", None),
    ] {
        let running = Running::with(|module| match module {
            "group" => group,
            "room" => room,
            _ => "off",
        });
        let modes: Vec<_> =
            running.filter.iter().filter(|line| line.0 == "room").map(|line| line.3).collect();
        assert_eq!(modes, expected.map_or(Vec::new(), |mode| vec![mode; 2]), "group {group}, room {room}");
        for line in lines().iter().filter(|line| line.source == Source::Room && line.row.is_some()) {
            // What is held where both are decided is the lines' test.
            let xml = line.stanza(0, None);
            let taken = expected != Some(4) && running.host.offer(1, Flags(HOLD | ROOM), xml.as_bytes());
            assert!(!taken, "{}: group {group}, room {room}", line.what);
        }
    }
}

#[test]
fn the_page_is_what_the_lines_say() {
    let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/claimed.md");
    let text = page();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&place, &text).expect("written");
    }
    let there = std::fs::read_to_string(&place).unwrap_or_default();
    assert!(there == text, "docs/claimed.md is stale: UPDATE=1 cargo test -p cloudbridge --test claimed");
}

fn page() -> String {
    let mut page = "# What is claimed\n\n\
        This page is generated from `src/modules/claimed.json`. Each line is tested against the rows and against a running host, in each mode and for each sender\n\
        (`tests/claimed.rs`). `UPDATE=1 cargo test -p cloudbridge --test claimed` rewrites it.\n\n\
        **Off** and **watch** are not in the table: nothing is stored or sent; in watch what the table names is counted.\n\n\
        **A client** is one that is logged in here with an account. **Others** are clients of other servers, components, the server itself, other plugins, and anonymous\n\
        clients: what they send is never held. Whatever the table says, a stanza passes untouched when the journal cannot write, and when the breaker is open and the\n\
        module's `onFailure` is `open`. So does what Openfire refuses for a user who is away (privacy lists, XEP-0016 and XEP-0191).\n\n| word | means |\n|---|---|\n"
        .to_owned();
    let word = |fate: Fate| FATES.iter().find(|f| f.0 == fate).map_or("", |f| f.1);
    for (_, word, means) in FATES {
        let _ = writeln!(page, "| {word} | {means} |");
    }
    let mut group = String::new();
    for line in lines() {
        if line.group != group {
            group.clone_from(&line.group);
            let _ = write!(
                page,
                "\n## {group}\n\n| what | source | row | a client, mirror | a client, decide | others, mirror | others, decide |\n|---|---|---|---|---|---|---|\n"
            );
        }
        let row = line
            .row
            .as_ref()
            .map_or_else(String::new, |row| format!("[{row}](mapping.md#{})", row.replace('.', "")));
        let _ = writeln!(
            page,
            "| {} | {} | {row} | {} | {} | {} | {} |",
            line.what,
            line.because,
            word(line.client.mirror),
            word(line.client.decide),
            word(line.others.mirror),
            word(line.others.decide)
        );
    }
    page.push_str("\nWhether a presence may be held is more than its stanza says: only one that changes what an available session has said before, see [boundary.md](boundary.md).\n");
    page
}
