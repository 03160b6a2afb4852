//! Settings: one table, read raw, then checked. The table also makes the page's form and docs/settings.md.
//!
//! Leaves out: where the values come from (Openfire's properties, through the shim).

mod keystone;

use std::collections::BTreeMap;

use im_api::footprint::{Audience, Precision};

pub use keystone::KeystoneConfig;

/// Prefix of every setting in Openfire.
pub const PREFIX: &str = "plugin.cloudbridge.";

/// Not a setting of the admin's: the shim tells under this name whether Openfire's clustering is started (`true`).
pub const CLUSTERED: &str = "clustered";

/// As [`CLUSTERED`]: whether this node is the cluster's senior member (`false`: it is not), the one that listens to the platform.
pub const SENIOR: &str = "senior";

/// As [`CLUSTERED`]: whether Openfire's user provider is read-only (`true`), so that no account can be made or removed.
pub const USERS_READ_ONLY: &str = "usersReadOnly";

/// As [`CLUSTERED`]: whether clients may log in without TLS (`true`).
pub const TLS_OPTIONAL: &str = "tlsOptional";

/// As [`CLUSTERED`]: whether Openfire's group provider is read-only (`true`), so that no group can be changed here.
pub const GROUPS_READ_ONLY: &str = "groupsReadOnly";

/// What a module does (design, "The ladder").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ModuleMode {
    /// Nothing is looked at.
    Off,
    /// Counted; nothing is stored or sent.
    Watch,
    /// Passes at once; a copy is journaled and delivered.
    Mirror,
    /// Held until the platform answers.
    Decide,
}

impl ModuleMode {
    /// The word in the settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ModuleMode::Off => "off",
            ModuleMode::Watch => "watch",
            ModuleMode::Mirror => "mirror",
            ModuleMode::Decide => "decide",
        }
    }
    /// The number in the filter table (3 is shadow, which comes later).
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            ModuleMode::Off => 0,
            ModuleMode::Watch => 1,
            ModuleMode::Mirror => 2,
            ModuleMode::Decide => 4,
        }
    }
}

/// What happens to a held stanza when the platform is slow or dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// Openfire handles it natively; the bridge reports it later.
    Open,
    /// The sender gets one `wait` error.
    Closed,
}

/// The type of a setting, which checks it.
#[derive(Debug, Clone, Copy)]
pub enum Type {
    /// One of these words.
    Word(&'static [&'static str]),
    /// A whole number within these bounds.
    Number(u64, u64),
    /// `true` or `false`.
    Bool,
    /// An http or https URL, or empty.
    Url,
    /// Several of these, with spaces or commas between them, or empty.
    Urls,
    /// Any text.
    Text,
    /// A text that is stored encrypted and never shown.
    Secret,
}

/// One setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting<'a> {
    /// Name behind [`PREFIX`].
    pub key: &'a str,
    /// Type.
    pub kind: Type,
    /// Default, as text.
    pub default: &'a str,
    /// Heading on the page.
    pub group: &'a str,
    /// Short name on the page.
    pub label: &'a str,
    /// What it does, for admins.
    pub help: &'a str,
    /// Takes effect only when the plugin starts.
    pub restart: bool,
}

const MODES: Type = Type::Word(&["off", "watch", "mirror", "decide"]);

const FAILURE: Type = Type::Word(&["open", "closed"]);
const LIMIT: Type = Type::Number(100, 60_000);
const LIMIT_HELP: &str = "In decide mode: how long the platform may take before the next setting applies.";
const FAILURE_HELP: &str = "open: Openfire goes on by itself and the bridge reports it later. closed: the client gets an error that says to try again.";

/// The modules that have `<name>.mode`, `<name>.timeoutMillis` and `<name>.onFailure`.
pub const MODULES: [&str; 7] = ["chat", "state", "user", "friend", "group", "room", "footprint"];

/// The settings that every module has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModuleConfig {
    /// `<name>.mode`
    pub mode: ModuleMode,
    /// `<name>.timeoutMillis`
    pub timeout_ms: u64,
    /// `<name>.onFailure`
    pub on_failure: Policy,
}

const fn setting(
    key: &'static str,
    kind: Type,
    default: &'static str,
    group: &'static str,
    label: &'static str,
    help: &'static str,
) -> Setting<'static> {
    Setting { key, kind, default, group, label, help, restart: false }
}

/// Every setting there is.
pub const SETTINGS: &[Setting<'static>] = &[
    setting(
        "chat.mode",
        MODES,
        "watch",
        "Modules",
        "Chat",
        "One-to-one messages. off: not looked at. watch: counted only. mirror: delivered as always, a copy goes to the platform. decide: held until the platform says deliver or stored.",
    ),
    setting(
        "chat.timeoutMillis",
        Type::Number(100, 60_000),
        "3000",
        "Modules",
        "Chat: time limit (ms)",
        "In decide mode: how long a message waits for the platform before the next setting applies.",
    ),
    setting(
        "chat.onFailure",
        Type::Word(&["open", "closed"]),
        "open",
        "Modules",
        "Chat: slow or dead platform",
        "open: Openfire delivers or stores the message itself and the bridge reports it later. closed: the sender gets an error that says to try again.",
    ),
    setting(
        "chat.heldMax",
        Type::Number(1, 1_000_000),
        "10000",
        "Modules",
        "Chat: held at most",
        "Messages held at one time; above it the rule for a slow platform applies at once.",
    ),
    setting(
        "chat.history",
        Type::Word(&["off", "platform"]),
        "off",
        "Modules",
        "Chat: history",
        "platform: in decide mode clients read their own past messages from the platform (XEP-0313), where no other plugin serves them. off: not looked at.",
    ),
    setting(
        "state.mode",
        MODES,
        "watch",
        "Modules",
        "State",
        "Presence of sessions. mirror: told to the platform. decide: a change of show or status is broadcast when the platform has stored it, and a state set at the platform appears as presence. When chat is in decide mode states are told in any case, because the platform judges who is online.",
    ),
    setting(
        "state.timeoutMillis",
        LIMIT,
        "2000",
        "Modules",
        "State: time limit (ms)",
        "In decide mode: how long the platform may take to store a change before the next setting applies. The pause between two changes of one session does not count.",
    ),
    setting(
        "state.onFailure",
        FAILURE,
        "open",
        "Modules",
        "State: slow or dead platform",
        "open: the change is broadcast and the platform is told when it is back. closed: the change is dropped; the client is told nothing, its contacts go on seeing the old state.",
    ),
    setting(
        "user.mode",
        MODES,
        "watch",
        "Modules",
        "User",
        "Accounts. mirror: accounts made and deleted here are told to the platform. decide: the platform decides who logs in, registers, changes the password, gives up an account; administrators keep Openfire's own.",
    ),
    setting("user.timeoutMillis", LIMIT, "3000", "Modules", "User: time limit (ms)", LIMIT_HELP),
    setting("user.onFailure", FAILURE, "closed", "Modules", "User: slow or dead platform", FAILURE_HELP),
    setting(
        "user.loginCallers",
        Type::Number(1, 64),
        "4",
        "Modules",
        "User: logins at a time",
        "How many logins may wait for the platform at the same time; each holds one of Openfire's client threads for at most the time limit. Above it clients are told to try again.",
    ),
    setting(
        "friend.mode",
        MODES,
        "watch",
        "Modules",
        "Friend",
        "Contact lists. mirror: every change is told to the platform. decide: the platform is asked before a list changes, and a change made at the platform appears in Openfire.",
    ),
    setting("friend.timeoutMillis", LIMIT, "3000", "Modules", "Friend: time limit (ms)", LIMIT_HELP),
    setting("friend.onFailure", FAILURE, "open", "Modules", "Friend: slow or dead platform", FAILURE_HELP),
    setting(
        "friend.subdomain",
        Type::Text,
        "find",
        "Modules",
        "Friend: search service",
        "Subdomain of the service by which clients find people of this server (decide mode only). Another than that of the search plugin.",
    ),
    setting(
        "group.mode",
        MODES,
        "watch",
        "Modules",
        "Group",
        "Openfire's groups. mirror: every group and every change is told to the platform. decide: a change made at the platform appears in Openfire as well, shared rosters included. Either way Openfire's own changes are made at once: no client makes one.",
    ),
    setting("group.timeoutMillis", LIMIT, "3000", "Modules", "Group: time limit (ms)", LIMIT_HELP),
    setting("group.onFailure", FAILURE, "open", "Modules", "Group: slow or dead platform", FAILURE_HELP),
    setting(
        "room.mode",
        MODES,
        "watch",
        "Modules",
        "Room",
        "Rooms. mirror: what is said, joins, leaves, members are told. decide: what is said is held until the platform has it on the room's timeline; members who were away get what they missed when they join; rooms made or removed at the platform appear here.",
    ),
    setting("room.timeoutMillis", LIMIT, "3000", "Modules", "Room: time limit (ms)", LIMIT_HELP),
    setting("room.onFailure", FAILURE, "open", "Modules", "Room: slow or dead platform", FAILURE_HELP),
    setting(
        "footprint.mode",
        MODES,
        "watch",
        "Modules",
        "Footprint",
        "Places that people publish (PEP). mirror: told to the platform, texts only with mirror.bodies. decide: the platform is asked first, others see a place no more exactly than its precision says, and what is shared or removed at the platform is published or retracted here.",
    ),
    setting("footprint.timeoutMillis", LIMIT, "3000", "Modules", "Footprint: time limit (ms)", LIMIT_HELP),
    setting(
        "footprint.onFailure",
        FAILURE,
        "open",
        "Modules",
        "Footprint: slow or dead platform",
        "open: it is published, as coarse as it would have been, and the platform is told later. closed: the client gets an error that says to try again.",
    ),
    setting(
        "footprint.audience",
        Type::Word(&["friends", "me", "all"]),
        "friends",
        "Modules",
        "Footprint: audience",
        "For whom places are of somebody who has not said it: who may read a node that is made for a first place.",
    ),
    setting(
        "footprint.precision",
        Type::Word(&["city", "district", "street", "exact"]),
        "city",
        "Modules",
        "Footprint: precision",
        "How exactly others see a place whose owner has not said it: about 10 km, 1 km, 100 m, or as it is.",
    ),
    setting(
        "footprint.geoUri",
        Type::Word(&["entries", "off", "chat"]),
        "entries",
        "Modules",
        "Footprint: geo: URIs",
        "entries: a geo: URI in a microblog entry is its place. chat: a chat message that is nothing but a geo: URI is also shared with its recipient as a footprint. off: neither.",
    ),
    setting(
        "platform.url",
        Type::Urls,
        "",
        "Platform",
        "Address",
        "Base URL of a remote platform, for example https://im.example.org. Several, with spaces between them, are instances that serve the same users: the next one is asked when one is gone. Empty: the embedded platform, a process of its own on this machine that starts when a module is in mirror or decide mode.",
    ),
    setting(
        "platform.token.password",
        Type::Secret,
        "",
        "Platform",
        "Token",
        "Bearer token for the remote platform. Stored encrypted. The embedded platform makes its own.",
    ),
    setting(
        "platform.auth",
        Type::Word(&["token", "keystone"]),
        "token",
        "Platform",
        "Authentication",
        "token: the platform takes the token above. keystone: an OpenStack cloud's Keystone gives the tokens, and where Address is empty its catalogue says where the platform is (service type im).",
    ),
    setting(
        "platform.proxy",
        Type::Url,
        "",
        "Platform",
        "HTTP proxy",
        "Proxy for a remote platform, for example http://proxy.example.org:3128. Empty: none; the environment's proxy variables are not used.",
    ),
    setting(
        "platform.caFile",
        Type::Text,
        "",
        "Platform",
        "CA file",
        "PEM file with the certificates that may sign the platform's. Empty: the usual public ones.",
    ),
    setting(
        "platform.connectMillis",
        Type::Number(50, 60_000),
        "2000",
        "Platform",
        "Connect limit (ms)",
        "How long a connection to the platform may take.",
    ),
    Setting {
        key: "platform.workers",
        kind: Type::Number(1, 64),
        default: "4",
        group: "Platform",
        label: "Requests at a time",
        help: "How many decisions are asked for at the same time (each may carry up to 256 messages). Takes effect when the plugin starts.",
        restart: true,
    },
    setting(
        "platform.leaseSeconds",
        Type::Number(3, 300),
        "30",
        "Platform",
        "Lease (s)",
        "If this server falls silent, the platform takes its users offline after this time.",
    ),
    setting(
        "keystone.url",
        Type::Url,
        "",
        "Keystone",
        "Keystone",
        "Address of the identity service, for example https://keystone.example.org/v3. CA file, proxy and connect limit of the platform hold for it as well.",
    ),
    setting(
        "keystone.applicationCredentialId",
        Type::Text,
        "",
        "Keystone",
        "Application credential: id",
        "Of a user who has the bridge's role in the platform's project. Empty: user and password below.",
    ),
    setting(
        "keystone.applicationCredentialSecret.password",
        Type::Secret,
        "",
        "Keystone",
        "Application credential: secret",
        "Stored encrypted.",
    ),
    setting("keystone.user", Type::Text, "", "Keystone", "User", "Only without an application credential."),
    setting("keystone.userDomain", Type::Text, "Default", "Keystone", "User's domain", "Its name."),
    setting("keystone.password", Type::Secret, "", "Keystone", "Password", "Stored encrypted."),
    setting(
        "keystone.project",
        Type::Text,
        "",
        "Keystone",
        "Project",
        "The project in which the user has the bridge's role.",
    ),
    setting("keystone.projectDomain", Type::Text, "Default", "Keystone", "Project's domain", "Its name."),
    setting(
        "keystone.region",
        Type::Text,
        "",
        "Keystone",
        "Region",
        "The platform's region in the catalogue. Empty: the first that has one.",
    ),
    setting(
        "keystone.interface",
        Type::Word(&["public", "internal", "admin"]),
        "public",
        "Keystone",
        "Interface",
        "Which of the platform's endpoints is used.",
    ),
    setting(
        "mirror.bodies",
        Type::Bool,
        "false",
        "Privacy",
        "Mirror message texts",
        "Whether copies sent in mirror mode hold the messages' texts. Otherwise body, subject, XHTML and all other payloads are left out, sender, recipient, type, id and sizes remain.",
    ),
    setting(
        "journal.syncMillis",
        Type::Number(10, 60_000),
        "1000",
        "Journal",
        "Sync every (ms)",
        "Every entry survives a killed server at once; a power failure may lose what is younger than this.",
    ),
    setting(
        "journal.maxMegabytes",
        Type::Number(16, 1_048_576),
        "1024",
        "Journal",
        "Size at most (MB)",
        "Above it mirrored copies are dropped and counted, and messages are no longer held.",
    ),
    setting(
        "stop.drainMillis",
        Type::Number(0, 60_000),
        "5000",
        "Journal",
        "Drain when stopping (ms)",
        "How long a stop waits for held messages; what is left stays in the journal and goes on at the next start.",
    ),
    Setting {
        key: "dataDir",
        kind: Type::Text,
        default: "",
        group: "Journal",
        label: "Data folder",
        help: "Where journal and embedded platform keep their data. Empty: the folder cloudbridge in Openfire's home. Takes effect when the plugin starts.",
        restart: true,
    },
];

/// The settings of a module that is a folder of somebody else's; before each key stands its name.
pub const OF_FOLDERS: [Setting<'static>; 3] = [
    setting(
        "mode",
        MODES,
        "watch",
        "Folders",
        "Mode",
        "off: not looked at. watch: counted only. mirror: what happens is told to its backend. decide: its backend is asked, and what it says by itself is carried out.",
    ),
    setting("timeoutMillis", LIMIT, "3000", "Folders", "Time limit (ms)", LIMIT_HELP),
    setting("onFailure", FAILURE, "closed", "Folders", "Slow or dead backend", FAILURE_HELP),
];

/// The checked settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// As given.
    raw: BTreeMap<String, String>,
    /// As in force.
    values: BTreeMap<&'static str, String>,
    /// `chat.mode`
    pub chat: ModuleMode,
    /// `chat.onFailure`
    pub on_failure: Policy,
    /// `chat.timeoutMillis`
    pub timeout_ms: u64,
    /// `chat.heldMax`
    pub held_max: usize,
    /// Whether clients read their history from the platform: `chat.history`, in decide mode.
    pub history: bool,
    /// `state.mode`
    pub state: ModuleMode,
    /// What every module has, in the order of [`MODULES`].
    modules: [ModuleConfig; MODULES.len()],
    /// `user.loginCallers`
    pub login_callers: usize,
    /// `friend.subdomain`
    pub subdomain: String,
    /// `footprint.audience`, `footprint.precision`, `footprint.geoUri`
    pub footprint: FootprintConfig,
    /// Whether this server is part of a cluster ([`CLUSTERED`]).
    pub clustered: bool,
    /// Whether this node listens to the platform ([`SENIOR`]); without a cluster it does.
    pub senior: bool,
    /// `platform.url`, without slashes at the ends; empty = embedded.
    pub urls: Vec<String>,
    /// `platform.token.password`
    pub token: String,
    /// Who lets us in and says where the platform is; None: `platform.auth` is `token`.
    pub keystone: Option<KeystoneConfig>,
    /// `platform.proxy`
    pub proxy: Option<String>,
    /// `platform.caFile`
    pub ca_file: Option<String>,
    /// `platform.connectMillis`
    pub connect_ms: u64,
    /// `platform.workers`
    pub workers: usize,
    /// `platform.leaseSeconds`
    pub lease_seconds: u64,
    /// `mirror.bodies`
    pub mirror_bodies: bool,
    /// `journal.syncMillis`
    pub sync_ms: u64,
    /// `journal.maxMegabytes`, in bytes.
    pub journal_max: u64,
}

/// What the footprint module knows besides what every module has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FootprintConfig {
    /// `footprint.audience`
    pub audience: Audience,
    /// `footprint.precision`
    pub precision: Precision,
    /// `footprint.geoUri`
    pub geo: GeoUris,
}

/// Where `geo:` URIs are places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GeoUris {
    /// Nowhere.
    Off,
    /// In microblog entries.
    Entries,
    /// And where a chat message is nothing else.
    Chat,
}

impl FootprintConfig {
    /// Whether an entry's `geo:` URI is its place.
    #[must_use]
    pub fn geo_in_entries(&self) -> bool {
        self.geo >= GeoUris::Entries
    }
}

/// One wrong setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{key} = \"{value}\": {reason}; \"{used}\" is used instead", PREFIX)]
pub struct WrongSetting {
    /// Name behind [`PREFIX`].
    pub key: &'static str,
    /// Its value (a secret's is masked).
    pub value: String,
    /// What is expected.
    pub reason: String,
    /// What is in force instead.
    pub used: String,
}

impl Setting<'_> {
    /// Checks a value.
    ///
    /// # Errors
    /// What was expected.
    pub fn check(&self, value: &str) -> Result<(), String> {
        match self.kind {
            Type::Word(words) if words.contains(&value) => Ok(()),
            Type::Word(words) => Err(format!("expected one of {}", words.join(", "))),
            Type::Number(min, max) => match value.parse::<u64>() {
                Ok(number) if (min..=max).contains(&number) => Ok(()),
                _ => Err(format!("expected a whole number from {min} to {max}")),
            },
            Type::Bool if matches!(value, "true" | "false") => Ok(()),
            Type::Bool => Err("expected true or false".into()),
            Type::Url | Type::Urls if value.is_empty() => Ok(()),
            Type::Url if is_url(value) => Ok(()),
            Type::Url => Err("expected a URL that starts with http:// or https://, or nothing".into()),
            Type::Urls if urls(value).all(is_url) => Ok(()),
            Type::Urls => Err("expected URLs that start with http:// or https://, or nothing".into()),
            Type::Text | Type::Secret => Ok(()),
        }
    }

    /// Whether it is stored encrypted.
    #[must_use]
    pub fn secret(&self) -> bool {
        matches!(self.kind, Type::Secret)
    }
}

/// The addresses in a list of them.
fn urls(list: &str) -> impl Iterator<Item = &str> {
    list.split([' ', ',', '\t', '\n']).filter(|url| !url.is_empty())
}

fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && !rest.contains(char::is_whitespace))
}

/// A module's `<name>.mode` as it stands in [`SETTINGS`].
fn mode_key(module: &str) -> &'static str {
    let is_its = |key: &str| key.strip_suffix(".mode") == Some(module);
    SETTINGS.iter().map(|setting| setting.key).find(|key| is_its(key)).unwrap_or_default()
}

impl Config {
    /// Checks raw settings (names behind [`PREFIX`]); unknown names are left to others.
    ///
    /// A wrong value is reported; the one in force before it (`previous`), or else the default, is used, so that one typing error does not stop
    /// the bridge.
    #[must_use]
    pub fn read(raw: BTreeMap<String, String>, previous: Option<&Config>) -> (Config, Vec<WrongSetting>) {
        let mut wrong = Vec::new();
        let mut values: BTreeMap<&'static str, String> = BTreeMap::new();
        for setting in SETTINGS {
            let given = raw.get(setting.key).map_or(setting.default, |v| v.trim()).to_owned();
            let value = match setting.check(&given) {
                Ok(()) => given,
                Err(reason) => {
                    let used = previous.and_then(|p| p.values.get(setting.key).cloned());
                    let used = used.unwrap_or_else(|| setting.default.to_owned());
                    wrong.push(WrongSetting { key: setting.key, value: given, reason, used: used.clone() });
                    used
                }
            };
            values.insert(setting.key, value);
        }
        // The embedded platform belongs to one server; in a cluster each node would ask its own.
        if raw.get(CLUSTERED).is_some_and(|v| v == "true")
            && values["platform.url"].is_empty()
            && values["platform.auth"] == "token"
        {
            for name in MODULES {
                let key = mode_key(name);
                let value = values[key].clone();
                if matches!(value.as_str(), "mirror" | "decide") {
                    let reason =
                        "not possible in a cluster with the embedded platform, set platform.url".to_owned();
                    wrong.push(WrongSetting { key, value, reason, used: "watch".into() });
                    values.insert(key, "watch".into());
                }
            }
        }
        let unsafe_modes = [
            (
                GROUPS_READ_ONLY,
                "group",
                "Openfire's group provider is read-only, so no group can be changed here",
            ),
            (
                USERS_READ_ONLY,
                "user",
                "Openfire's user provider is read-only, so no account can be made or removed here",
            ),
            (
                TLS_OPTIONAL,
                "user",
                "passwords would pass without encryption: set xmpp.client.tls.policy to required",
            ),
        ];
        for (told, module, reason) in unsafe_modes {
            let key = mode_key(module);
            if raw.get(told).is_some_and(|v| v == "true") && values[key] == "decide" {
                let (value, used) = ("decide".to_owned(), "mirror".to_owned());
                wrong.push(WrongSetting { key, value, reason: reason.into(), used: used.clone() });
                values.insert(key, used);
            }
        }
        let text = |key: &str| values[key].clone();
        let number = |key: &str| text(key).parse::<u64>().unwrap_or_default();
        let mode = |key: &str| match text(key).as_str() {
            "off" => ModuleMode::Off,
            "mirror" => ModuleMode::Mirror,
            "decide" => ModuleMode::Decide,
            _ => ModuleMode::Watch,
        };
        let optional = |key: &str| Some(text(key)).filter(|v| !v.is_empty());
        let policy = |key: &str| if text(key) == "closed" { Policy::Closed } else { Policy::Open };
        let modules = MODULES.map(|name| ModuleConfig {
            mode: mode(&format!("{name}.mode")),
            timeout_ms: number(&format!("{name}.timeoutMillis")),
            on_failure: policy(&format!("{name}.onFailure")),
        });
        let config = Config {
            modules,
            login_callers: number("user.loginCallers") as usize,
            subdomain: text("friend.subdomain"),
            chat: mode("chat.mode"),
            on_failure: policy("chat.onFailure"),
            timeout_ms: number("chat.timeoutMillis"),
            held_max: number("chat.heldMax") as usize,
            history: mode("chat.mode") == ModuleMode::Decide && text("chat.history") == "platform",
            state: mode("state.mode"),
            footprint: FootprintConfig {
                audience: match text("footprint.audience").as_str() {
                    "me" => Audience::Me,
                    "all" => Audience::All,
                    _ => Audience::Friends,
                },
                precision: match text("footprint.precision").as_str() {
                    "exact" => Precision::Exact,
                    "street" => Precision::Street,
                    "district" => Precision::District,
                    _ => Precision::City,
                },
                geo: match text("footprint.geoUri").as_str() {
                    "off" => GeoUris::Off,
                    "chat" => GeoUris::Chat,
                    _ => GeoUris::Entries,
                },
            },
            clustered: raw.get(CLUSTERED).is_some_and(|v| v == "true"),
            senior: raw.get(SENIOR).is_none_or(|v| v != "false"),
            urls: urls(&text("platform.url")).map(|u| u.trim_end_matches('/').to_owned()).collect(),
            token: text("platform.token.password"),
            keystone: (text("platform.auth") == "keystone").then(|| KeystoneConfig::read(text)),
            proxy: optional("platform.proxy"),
            ca_file: optional("platform.caFile"),
            connect_ms: number("platform.connectMillis"),
            workers: number("platform.workers") as usize,
            lease_seconds: number("platform.leaseSeconds"),
            mirror_bodies: text("mirror.bodies") == "true",
            sync_ms: number("journal.syncMillis"),
            journal_max: number("journal.maxMegabytes") << 20,
            values,
            raw,
        };
        (config, wrong)
    }

    /// The raw settings, for a change of one of them.
    #[must_use]
    pub fn raw(&self) -> &BTreeMap<String, String> {
        &self.raw
    }

    /// Whether the platform is another than the embedded one.
    #[must_use]
    pub fn remote(&self) -> bool {
        !self.urls.is_empty() || self.keystone.is_some()
    }

    /// Whether anything is sent to a platform at all.
    #[must_use]
    pub fn sends(&self) -> bool {
        self.modules.iter().any(|m| m.mode >= ModuleMode::Mirror)
    }

    /// What every module has; of one that is a folder of somebody else's: what is set under its name, watch if nothing is.
    #[must_use]
    pub fn module(&self, name: &str) -> ModuleConfig {
        if let Some(at) = MODULES.iter().position(|m| *m == name) {
            return self.modules[at];
        }
        let given = |setting: &Setting<'_>| {
            let value = self.raw.get(&format!("{name}.{}", setting.key)).map_or("", |v| v.trim());
            if setting.check(value).is_ok() { value.to_owned() } else { setting.default.to_owned() }
        };
        let [mode, timeout, on_failure] = &OF_FOLDERS;
        ModuleConfig {
            mode: match given(mode).as_str() {
                "off" => ModuleMode::Off,
                "mirror" => ModuleMode::Mirror,
                "decide" => ModuleMode::Decide,
                _ => ModuleMode::Watch,
            },
            timeout_ms: given(timeout).parse().unwrap_or(3000),
            on_failure: if given(on_failure) == "open" { Policy::Open } else { Policy::Closed },
        }
    }

    /// What is wrong with the common settings of a folder's module.
    #[must_use]
    pub fn wrong_of(&self, name: &str) -> Vec<String> {
        if MODULES.contains(&name) {
            return Vec::new();
        }
        let wrong = |setting: &Setting<'_>| {
            let value = self.raw.get(&format!("{name}.{}", setting.key))?.trim();
            let reason = setting.check(value).err()?;
            Some(format!(
                "{PREFIX}{name}.{} = \"{value}\": {reason}; \"{}\" is used instead",
                setting.key, setting.default
            ))
        };
        OF_FOLDERS.iter().filter_map(wrong).collect()
    }

    /// What the connection to the platform depends on: if it changes, the connection is made anew.
    #[must_use]
    pub fn connection(&self) -> impl PartialEq + use<> {
        (
            self.urls.clone(),
            self.token.clone(),
            self.keystone.clone(),
            self.proxy.clone(),
            self.ca_file.clone(),
            self.connect_ms,
            self.timeout_ms,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn defaults_are_valid_and_a_wrong_value_is_named_and_the_one_before_it_stays() {
        let (config, wrong) = Config::read(BTreeMap::new(), None);
        assert!(wrong.is_empty(), "{wrong:?}");
        assert_eq!((config.chat, config.sends()), (ModuleMode::Watch, false));
        let (config, _) = Config::read(raw(&[("chat.mode", "mirror")]), None);
        let bad = [
            ("chat.mode", "decde"),
            ("chat.timeoutMillis", "5"),
            ("platform.url", "im.example.org"),
            ("unknown", "x"),
        ];
        let (config, wrong) = Config::read(raw(&bad), Some(&config));
        assert_eq!((config.chat, config.timeout_ms, config.urls.len()), (ModuleMode::Mirror, 3000, 0));
        let text: Vec<_> = wrong.iter().map(ToString::to_string).collect();
        assert_eq!(text.len(), 3, "{text:?}");
        assert_eq!(
            text[0],
            "plugin.cloudbridge.chat.mode = \"decde\": expected one of off, watch, mirror, decide; \"mirror\" is used instead"
        );
    }

    #[test]
    fn a_cluster_never_runs_on_the_embedded_platform_and_the_mode_comes_back_afterwards() {
        let (config, wrong) = Config::read(raw(&[("chat.mode", "decide"), (CLUSTERED, "true")]), None);
        assert_eq!((config.chat, wrong.len()), (ModuleMode::Watch, 1), "{wrong:?}");
        let url = ("platform.url", "https://im.example.org");
        let (config, wrong) = Config::read(raw(&[("chat.mode", "decide"), (CLUSTERED, "true"), url]), None);
        assert_eq!((config.chat, wrong.len()), (ModuleMode::Decide, 0), "{wrong:?}");
        let mut given = config.raw().clone();
        given.remove(CLUSTERED);
        given.remove("platform.url");
        assert_eq!(Config::read(given, None).0.chat, ModuleMode::Decide);
    }

    #[test]
    fn groups_that_cannot_be_changed_here_are_not_decided() {
        let (config, wrong) =
            Config::read(raw(&[("group.mode", "decide"), (GROUPS_READ_ONLY, "true")]), None);
        assert_eq!((config.module("group").mode, wrong.len()), (ModuleMode::Mirror, 1), "{wrong:?}");
        let (config, _) = Config::read(raw(&[("group.mode", "decide"), (GROUPS_READ_ONLY, "false")]), None);
        assert_eq!(config.module("group").mode, ModuleMode::Decide);
    }

    #[test]
    fn logins_are_not_decided_where_that_is_not_safe() {
        for told in [USERS_READ_ONLY, TLS_OPTIONAL] {
            let (config, wrong) = Config::read(raw(&[("user.mode", "decide"), (told, "true")]), None);
            assert_eq!(
                (config.module("user").mode, wrong.len()),
                (ModuleMode::Mirror, 1),
                "{told}: {wrong:?}"
            );
            let (config, wrong) = Config::read(raw(&[("user.mode", "decide"), (told, "false")]), None);
            assert_eq!(
                (config.module("user").mode, wrong.len()),
                (ModuleMode::Decide, 0),
                "{told}: {wrong:?}"
            );
        }
    }

    #[test]
    fn secrets_are_named_so_that_openfire_masks_them() {
        for setting in SETTINGS.iter().filter(|s| s.secret()) {
            assert!(setting.key.contains("password"), "{} would be shown in the console", setting.key);
        }
    }
}
