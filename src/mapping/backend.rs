//! What a folder says beside its rows: whose interfaces it calls and how it gets in, its settings, and the calls that no stanza asks for: login, what
//! is pending for people, what was decided without the backend, what the backend says by itself.
//!
//! Leaves out: HTTP, files, the values of settings (the host); rows ([`super::row`]).

use serde::Deserialize;
use serde_json::Value;

use super::answer::{self, Outcome, Response};
use super::row::{Condition, Does, Looks, Module, Request, Row, Rule, Source, conditions, hold};
use super::template::{self, Own, Scope};
use crate::config::{MODULES, SETTINGS};
use crate::stanza::json as stanza_json;

/// Built-in modules whose rows a folder may take over. The others have code that no row stands for.
pub const TAKEN_OVER: [&str; 4] = ["chat", "state", "user", "friend"];

/// Settings that every module has.
pub const COMMON: [&str; 3] = ["mode", "timeoutMillis", "onFailure"];

/// What a backend may have done in Openfire by its poll: the verbs of docs/boundary.md and how many arguments each needs at least.
pub const VERBS: &[(&str, usize)] = &[
    ("user.create", 3),
    ("user.delete", 1),
    ("session.close", 1),
    ("roster.put", 5),
    ("roster.remove", 2),
    ("presence.show", 3),
];

type Wrong = (String, String);

/// Whose interfaces the rows call.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backend {
    /// Base URL; `{key}` is a setting of the folder's.
    pub url: String,
    /// How it gets in.
    #[serde(default)]
    pub auth: Auth,
    /// PEM file of the folder with the certificates that may sign the backend's.
    #[serde(default)]
    pub ca: Option<String>,
    /// Asked by GET to see whether a backend that did not answer is back; absent: the base URL itself. Any answer below 500 but 401 and 403 will do.
    #[serde(default)]
    pub alive: Option<String>,
}

/// How a folder gets in.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Auth {
    /// Nothing is needed.
    #[default]
    None,
    /// A key in a header field.
    Header {
        /// Name of the field.
        name: String,
        /// The key.
        value: Secret,
    },
    /// HTTP basic authentication (RFC 7617).
    Basic {
        /// User name; `{key}` is a setting.
        user: String,
        /// Password.
        password: Secret,
    },
    /// A bearer token (RFC 6750).
    Bearer {
        /// The token.
        token: Secret,
    },
    /// OAuth 2 client credentials (RFC 6749 4.4).
    Oauth2 {
        /// Where tokens are given; `{key}` is a setting.
        #[serde(rename = "tokenUrl")]
        token_url: String,
        /// Client id; `{key}` is a setting.
        client: String,
        /// Client secret.
        secret: Secret,
        /// What the token is for.
        #[serde(default)]
        scope: Option<String>,
    },
    /// A client certificate (mutual TLS).
    Certificate {
        /// PEM file of the folder: the certificate and those above it.
        certificate: String,
        /// PEM file of the folder: its key.
        key: String,
    },
}

/// Where a secret is: never in the manifest itself.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Secret {
    /// In a file of the folder that only its owner can read; the end of its last line does not count.
    File(String),
    /// In a secret setting of the folder.
    Setting(String),
}

/// A setting of a folder: `plugin.cloudbridge.<module>.<key>`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnSetting {
    /// Behind the module's name.
    pub key: String,
    /// What it is for, one sentence.
    pub about: String,
    /// Its value if nobody sets it.
    #[serde(default)]
    pub default: String,
    /// It is stored encrypted and never shown.
    #[serde(default)]
    pub secret: bool,
}

/// Who may log in. Pointers look into `/user` (bare JID), `/node`, `/password`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    /// What is asked.
    pub request: Request,
    /// What answers mean.
    pub answers: Vec<Rule<Verdict>>,
}

/// What an answer says about a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// The password is the user's.
    Right,
    /// It is not.
    Wrong,
    /// Too many wrong ones.
    Locked,
    /// Not this backend's user: Openfire decides.
    Unknown,
}

/// What an answer with a list in it may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Listed {
    /// The list is there.
    Items,
    /// There is nothing.
    Nothing,
}

/// What the backend keeps for somebody who was away. Pointers look into `/user` (bare JID), in `each`, `sent` and `done` `./…` into the item.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pending {
    /// What is asked when the user comes online, and after a message was kept for one who is.
    pub request: Request,
    /// What answers mean.
    pub answers: Vec<Rule<Listed>>,
    /// Where in the answer the list is, oldest first.
    pub items: String,
    /// The message that an item is: stanza JSON.
    pub each: Value,
    /// When it was sent (XEP-0082), for its delay: a template.
    #[serde(default)]
    pub sent: Option<Value>,
    /// Asked after the user's session has accepted an item: it is not to come again.
    pub done: Request,
}

/// Tells the backend that the bridge has decided about a message without its answer. Pointers look into `/key` and `/outcome` (`delivered`, `refused`).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settle {
    /// What is sent.
    pub request: Request,
    /// What answers mean: `done`, or it is sent again.
    pub answers: Vec<Rule<Settled>>,
}

/// What an answer to a settlement means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Settled {
    /// The backend knows it now.
    Done,
}

/// What the backend says by itself. Pointers look into `/cursor`, `answer:/…`, and `./…` into the item.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poll {
    /// What is asked.
    pub request: Request,
    /// How often.
    #[serde(rename = "everyMillis")]
    pub every_ms: u64,
    /// What answers mean.
    pub answers: Vec<Rule<Listed>>,
    /// Where in the answer the list is, oldest first.
    pub items: String,
    /// The cursor after an item, written down when the item has been carried out: a template.
    #[serde(default)]
    pub cursor: Option<Value>,
    /// The cursor after a whole answer: a template.
    #[serde(default)]
    pub next: Option<Value>,
    /// Asked after an item has been carried out.
    #[serde(default)]
    pub done: Option<Request>,
    /// What items mean; the first that fits counts. What none fits is counted and left out.
    pub each: Vec<Each>,
}

/// What an item of a poll means.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Each {
    /// All of these hold.
    #[serde(default)]
    pub when: Vec<Condition>,
    /// What follows.
    pub then: Means,
}

/// What follows from an item.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Means {
    /// This stanza is routed: stanza JSON.
    Route(Value),
    /// Something is done in Openfire.
    Apply {
        /// One of [`VERBS`].
        verb: String,
        /// Its arguments: templates; a list stands for several, what is absent for an empty text.
        arguments: Vec<Value>,
    },
}

/// What is to be done for an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Route it: XML.
    Route(String),
    /// A verb and its arguments.
    Apply(&'static str, Vec<String>),
}

/// The list of an answer.
///
/// # Errors
/// The answer is not one of the backend's.
pub fn listed(
    rules: &[Rule<Listed>],
    at: &str,
    about: &Value,
    response: &Response,
) -> Result<Vec<Value>, String> {
    match answer::first(rules, about, Some(response)).map(|rule| rule.then) {
        Some(Listed::Nothing) => Ok(Vec::new()),
        Some(Listed::Items) => {
            let scope = Scope { stanza: about, answer: &response.body, own: None, item: None };
            match scope.look(at, None) {
                Some(Value::Array(items)) => Ok(items),
                _ => Err(format!("there is no list at {at}")),
            }
        }
        None => Err(unfit(response)),
    }
}

/// Why an answer is none.
#[must_use]
pub fn unfit(response: &Response) -> String {
    match answer::unfit(response) {
        Outcome::Ill(why) => why.replace("the platform", "the backend"),
        _ => format!("the backend answered {}", response.status),
    }
}

impl Pending {
    /// The message that an item is, and when it was sent.
    ///
    /// # Errors
    /// It is no stanza.
    pub fn message(
        &self,
        about: &Value,
        item: &Value,
        own: &Own,
    ) -> Result<(crate::stanza::Stanza, Option<String>), String> {
        let scope = Scope { stanza: about, answer: &Value::Null, own: Some(own), item: Some(item) };
        let made = scope.fill(&self.each)?.unwrap_or_default();
        let stanza = stanza_json::decode(made.to_string().as_bytes(), stanza_json::Mode::Strict)
            .map_err(|e| format!("an item is no message: {e}"))?;
        let sent = match &self.sent {
            None => None,
            Some(template) => scope.fill(template)?.and_then(|v| v.as_str().map(str::to_owned)),
        };
        Ok((stanza, sent))
    }
}

impl Poll {
    /// What is to be done for an item. None: nothing.
    ///
    /// # Errors
    /// The item does not make it.
    pub fn deed(
        &self,
        about: &Value,
        answer: &Value,
        item: &Value,
        own: &Own,
    ) -> Result<Option<Deed>, String> {
        let scope = Scope { stanza: about, answer, own: Some(own), item: Some(item) };
        let Some(each) = self.each.iter().find(|each| hold(&each.when, &scope)) else { return Ok(None) };
        match &each.then {
            Means::Route(template) => {
                let mut made = scope.fill(template)?.unwrap_or_default();
                if let Some(object) = made.as_object_mut() {
                    object.entry("from").or_insert_with(|| Value::String(own.domain.clone()));
                }
                let stanza = stanza_json::decode(made.to_string().as_bytes(), stanza_json::Mode::Strict)
                    .map_err(|e| format!("an item is no stanza: {e}"))?;
                Ok(Some(Deed::Route(stanza.to_xml_string())))
            }
            Means::Apply { verb, arguments } => {
                let known = VERBS.iter().find(|(name, _)| name == verb).ok_or("no such verb")?;
                let mut texts = Vec::new();
                for template in arguments {
                    match scope.fill(template)? {
                        None => texts.push(String::new()),
                        Some(Value::Array(several)) => texts.extend(several.iter().map(plain)),
                        Some(one) => texts.push(plain(&one)),
                    }
                }
                Ok(Some(Deed::Apply(known.0, texts)))
            }
        }
    }

    /// The cursor after an item.
    #[must_use]
    pub fn cursor_after(&self, about: &Value, answer: &Value, item: &Value, own: &Own) -> Option<String> {
        let scope = Scope { stanza: about, answer, own: Some(own), item: Some(item) };
        self.cursor.as_ref().and_then(|template| scope.fill(template).ok()?).as_ref().map(plain)
    }

    /// The cursor after an answer.
    #[must_use]
    pub fn cursor_next(&self, about: &Value, answer: &Value, own: &Own) -> Option<String> {
        let scope = Scope { stanza: about, answer, own: Some(own), item: None };
        self.next.as_ref().and_then(|template| scope.fill(template).ok()?).as_ref().map(plain)
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What a row of a folder may not say.
pub(super) fn check_row(module: &str, row: &Row) -> Result<(), Wrong> {
    let wrong = |key: &str, why: &str| Err((key.to_owned(), why.to_owned()));
    if row.batch.is_some() {
        return wrong(".batch", "it names code of the bridge's own; a folder has none");
    }
    if row.on.source == Source::Component && module != "friend" {
        return wrong(".on.source", "the component belongs to the module friend");
    }
    match (row.on.kind.as_str(), row.on.source) {
        ("message", _) if module != "chat" => wrong(".on.kind", "messages belong to the module chat"),
        ("presence", source) if module != "state" || source != Source::Event => {
            wrong(".on.kind", "presence is for rows of the module state about events")
        }
        ("presence", _) if row.does == Does::Claim => {
            wrong(".does", "presence has happened already; it can be observed, not claimed")
        }
        _ => Ok(()),
    }
}

/// What a folder's manifest has to say, and what only one with a backend may.
pub(super) fn check(module: &Module) -> Result<(), Wrong> {
    let wrong = |key: &str, why: &str| Err((key.to_owned(), why.to_owned()));
    let Some(backend) = &module.backend else {
        let beside = [
            ("login", module.login.is_some()),
            ("pending", module.pending.is_some()),
            ("settle", module.settle.is_some()),
            ("poll", module.poll.is_some()),
            ("settings", !module.settings.is_empty()),
        ];
        return match beside.iter().find(|(_, there)| *there) {
            Some((key, _)) => wrong(key, "it needs a backend"),
            None => Ok(()),
        };
    };
    check_name(&module.name)?;
    for (number, setting) in module.settings.iter().enumerate() {
        check_setting(module, number, setting)?;
    }
    backend.check(module)?;
    check_login(module)?;
    check_pending(module)?;
    check_settle(module)?;
    check_poll(module)
}

fn check_name(name: &str) -> Result<(), Wrong> {
    let why = if name.is_empty()
        || !name.starts_with(|c: char| c.is_ascii_lowercase())
        || !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
    {
        "it is not made of a to z, 0 to 9 and -, beginning with a letter".to_owned()
    } else if MODULES.contains(&name) && !TAKEN_OVER.contains(&name) {
        format!("the module {name} cannot be taken over; these can: {}", TAKEN_OVER.join(", "))
    } else if !MODULES.contains(&name) && SETTINGS.iter().any(|s| s.key.split('.').next() == Some(name)) {
        format!("{name} is the name of other settings")
    } else {
        return Ok(());
    };
    Err(("name".into(), why))
}

fn check_setting(module: &Module, number: usize, setting: &OwnSetting) -> Result<(), Wrong> {
    let key = &setting.key;
    let word = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric());
    let why = if !key.split('.').all(word) {
        format!("{key} is not made of letters and digits, with dots in between")
    } else if COMMON.contains(&key.as_str())
        || SETTINGS.iter().any(|s| s.key.strip_prefix(&module.name) == Some(&format!(".{key}")))
    {
        format!("{key} is a setting of every module's or of the built-in one")
    } else if module.settings[..number].iter().any(|other| other.key == *key) {
        format!("there is a setting {key} already")
    } else if setting.secret && !key.contains("password") {
        format!("{key} is secret, so it must have `password` in it: Openfire shows every other property")
    } else if setting.secret && !setting.default.is_empty() {
        "a secret has no default".into()
    } else {
        return Ok(());
    };
    Err((format!("settings[{number}].key"), why))
}

impl Backend {
    fn check(&self, module: &Module) -> Result<(), Wrong> {
        let at = |key: &'static str| move |why: String| (format!("backend.{key}"), why);
        with_settings(&self.url, &module.settings, |s| s.default.clone()).map_err(at("url"))?;
        if let Some(path) = &self.alive
            && !path.starts_with('/')
        {
            return Err(at("alive")(format!("{path} does not begin with /")));
        }
        let secret = |secret: &Secret, key: &'static str| match secret {
            Secret::File(_) => Ok(()),
            Secret::Setting(name) => match module.settings.iter().find(|s| s.key == *name) {
                Some(setting) if setting.secret => Ok(()),
                Some(_) => Err(at(key)(format!("the setting {name} is not secret"))),
                None => Err(at(key)(format!("there is no setting {name}"))),
            },
        };
        let plain = |text: &str, key: &'static str| {
            with_settings(text, &module.settings, |s| s.default.clone()).map(drop).map_err(at(key))
        };
        match &self.auth {
            Auth::None | Auth::Certificate { .. } => Ok(()),
            Auth::Header { name, value } => {
                if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)) {
                    return Err(at("auth.header.name")(format!("{name} is no name of a header field")));
                }
                secret(value, "auth.header.value")
            }
            Auth::Basic { user, password } => {
                plain(user, "auth.basic.user")?;
                secret(password, "auth.basic.password")
            }
            Auth::Bearer { token } => secret(token, "auth.bearer.token"),
            Auth::Oauth2 { token_url, client, secret: own, .. } => {
                plain(token_url, "auth.oauth2.tokenUrl")?;
                plain(client, "auth.oauth2.client")?;
                secret(own, "auth.oauth2.secret")
            }
        }
    }

    /// The files of the folder that it names, with the key; true: a secret one.
    #[must_use]
    pub fn files(&self) -> Vec<(&'static str, &str, bool)> {
        let mut out = Vec::new();
        out.extend(self.ca.as_deref().map(|file| ("backend.ca", file, false)));
        match &self.auth {
            Auth::Header { value: Secret::File(file), .. } => {
                out.push(("backend.auth.header.value", file, true));
            }
            Auth::Basic { password: Secret::File(file), .. } => {
                out.push(("backend.auth.basic.password", file, true));
            }
            Auth::Bearer { token: Secret::File(file) } => out.push(("backend.auth.bearer.token", file, true)),
            Auth::Oauth2 { secret: Secret::File(file), .. } => {
                out.push(("backend.auth.oauth2.secret", file, true));
            }
            Auth::Certificate { certificate, key } => {
                out.push(("backend.auth.certificate.certificate", certificate, false));
                out.push(("backend.auth.certificate.key", key, true));
            }
            _ => {}
        }
        out
    }
}

/// Puts the values of settings into a text.
///
/// # Errors
/// It names one that is not there, or a secret one.
pub fn with_settings(
    text: &str,
    settings: &[OwnSetting],
    value: impl Fn(&OwnSetting) -> String,
) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (key, after) = after.split_once('}').ok_or_else(|| format!("{{ without }} in {text}"))?;
        let setting = settings.iter().find(|s| s.key == key);
        let setting = setting.ok_or_else(|| format!("there is no setting {key}"))?;
        if setting.secret {
            return Err(format!("the setting {key} is secret"));
        }
        out.push_str(before);
        out.push_str(&value(setting));
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn check_answers<T>(answers: &[Rule<T>], key: &str) -> Result<(), Wrong> {
    if answers.is_empty() {
        return Err((key.to_owned(), "it is empty".into()));
    }
    answers
        .iter()
        .enumerate()
        .try_for_each(|(number, rule)| rule.check_conditions(&format!("{key}[{number}]")))
}

fn check_login(module: &Module) -> Result<(), Wrong> {
    let Some(login) = &module.login else { return Ok(()) };
    if module.name != "user" {
        return Err(("login".into(), "logins belong to the module user".into()));
    }
    login.request.check("login.request")?;
    check_answers(&login.answers, "login.answers")
}

fn check_pending(module: &Module) -> Result<(), Wrong> {
    let Some(pending) = &module.pending else { return Ok(()) };
    if module.name != "chat" {
        return Err(("pending".into(), "messages belong to the module chat".into()));
    }
    pending.request.check("pending.request")?;
    check_answers(&pending.answers, "pending.answers")?;
    check_items(&pending.items, "pending.items")?;
    template::check(&pending.each).map_err(|why| ("pending.each".into(), why))?;
    let sent = pending.sent.as_ref().map_or(Ok(()), template::check);
    sent.map_err(|why| ("pending.sent".into(), why))?;
    pending.done.check("pending.done")
}

fn check_settle(module: &Module) -> Result<(), Wrong> {
    let Some(settle) = &module.settle else { return Ok(()) };
    if module.name != "chat" {
        return Err(("settle".into(), "messages belong to the module chat".into()));
    }
    settle.request.check("settle.request")?;
    check_answers(&settle.answers, "settle.answers")
}

fn check_poll(module: &Module) -> Result<(), Wrong> {
    let Some(poll) = &module.poll else { return Ok(()) };
    poll.request.check("poll.request")?;
    if !(100..=3_600_000).contains(&poll.every_ms) {
        return Err(("poll.everyMillis".into(), "it is not from 100 to 3600000".into()));
    }
    check_answers(&poll.answers, "poll.answers")?;
    check_items(&poll.items, "poll.items")?;
    for (key, template) in [("poll.cursor", &poll.cursor), ("poll.next", &poll.next)] {
        template.as_ref().map_or(Ok(()), template::check).map_err(|why| (key.to_owned(), why))?;
    }
    if poll.cursor.is_none() && poll.next.is_none() && poll.done.is_none() {
        let why = "it says neither cursor, next nor done: every item would come again and again";
        return Err(("poll".into(), why.into()));
    }
    poll.done.as_ref().map_or(Ok(()), |done| done.check("poll.done"))?;
    if poll.each.is_empty() {
        return Err(("poll.each".into(), "it is empty".into()));
    }
    for (number, each) in poll.each.iter().enumerate() {
        let key = format!("poll.each[{number}]");
        conditions(&each.when, &format!("{key}.when"), Looks::Item)?;
        match &each.then {
            Means::Route(stanza) => {
                template::check(stanza).map_err(|why| (format!("{key}.then.route"), why))?;
            }
            Means::Apply { verb, arguments } => {
                let Some((_, least)) = VERBS.iter().find(|(name, _)| name == verb) else {
                    let names = VERBS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
                    let why = format!("{verb} is none of {names}");
                    return Err((format!("{key}.then.apply.verb"), why));
                };
                let place = format!("{key}.then.apply.arguments");
                if arguments.len() < *least {
                    return Err((place, format!("{verb} needs {least}")));
                }
                arguments.iter().try_for_each(template::check).map_err(|why| (place, why))?;
            }
        }
    }
    Ok(())
}

fn check_items(at: &str, key: &str) -> Result<(), Wrong> {
    match template::pointer(at) {
        Ok(at) if at.starts_with("answer:") => Ok(()),
        Ok(_) => Err((key.to_owned(), format!("{at} does not look into the answer, expected answer:/…"))),
        Err(why) => Err((key.to_owned(), why)),
    }
}
