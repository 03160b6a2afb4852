//! The status and settings page: the body that the shim's servlet wraps. Plain HTML that works without scripts; a small inline script renews
//! the figures. Everything that is not ours is escaped.
//!
//! Leaves out: who may see it and CSRF (the shim), writing the settings (Openfire).

use std::fmt::Write as _;

use serde_json::Value;

use crate::config::{Config, MODULES, PREFIX, SETTINGS, Setting, Type};
use crate::mapping::Registry;
use crate::mapping::registry::Loaded;

use super::page_folders;

/// One property to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// Whole name.
    pub key: String,
    /// None = delete it (the default applies).
    pub value: Option<String>,
    /// Store it encrypted.
    pub secret: bool,
}

/// Checks a form: what has to be written. `status` says which settings folders bring.
///
/// # Errors
/// One line per wrong field; then nothing is written.
pub fn check(form: &[(String, String)], status: &Value) -> Result<Vec<Write>, String> {
    let own = page_folders::settings(status);
    let mut writes = Vec::new();
    let mut wrong = Vec::new();
    for (name, value) in form {
        let Some(setting) =
            name.strip_prefix(PREFIX).and_then(|key| settings(&own).find(|setting| setting.key == key))
        else {
            wrong.push(format!("{name}: there is no such setting"));
            continue;
        };
        let value = value.trim();
        if setting.secret() && value.is_empty() {
            continue;
        }
        match setting.check(value) {
            Err(reason) => wrong.push(format!("{}: {reason}", setting.label)),
            Ok(()) => writes.push(Write {
                key: name.clone(),
                value: Some(value.to_owned()).filter(|v| *v != setting.default),
                secret: setting.secret(),
            }),
        }
    }
    if wrong.is_empty() { Ok(writes) } else { Err(wrong.join("\n")) }
}

/// Every setting there is, those of folders last.
fn settings(own: &[page_folders::Own]) -> impl Iterator<Item = Setting<'_>> {
    SETTINGS.iter().copied().chain(own.iter().map(page_folders::Own::setting))
}

/// Escapes text for HTML.
pub(super) fn esc(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::Null => "\u{2013}".into(),
        Value::String(text) => text.clone(),
        Value::Bool(yes) => if *yes { "yes" } else { "no" }.into(),
        other => other.to_string(),
    }
}

const LADDER: [(&str, &str); 4] = [
    ("off", "nothing is looked at"),
    ("watch", "counted only; nothing is stored or sent (the state after installing)"),
    ("mirror", "every stanza goes its normal way at once; a copy is delivered to the platform, in order"),
    ("decide", "the stanza is held until the platform answers: deliver, stored, replace or refuse"),
];

/// Renders the page. `csrf` is the name and value of the hidden field; `message` is shown on top, as an error or not.
#[must_use]
pub fn render(status: &Value, config: &Config, csrf: (&str, &str), message: (&str, bool)) -> String {
    let mut h = String::with_capacity(16 << 10);
    h.push_str(STYLE);
    h.push_str("<div id=\"cloudbridge\">");
    if !message.0.is_empty() {
        let (class, role) = if message.1 { ("cb-bad", "alert") } else { ("cb-good", "status") };
        let lines = esc(message.0).replace('\n', "<br>");
        let _ = write!(h, "<p class=\"cb-message {class}\" role=\"{role}\" id=\"cb-message\">{lines}</p>");
    }
    for wrong in status["wrong_settings"].as_array().into_iter().flatten() {
        let _ = write!(h, "<p class=\"cb-message cb-bad\" role=\"alert\">{}</p>", esc(&text(wrong)));
    }
    overview(&mut h, status);
    let field = format!("<input type=\"hidden\" name=\"{}\" value=\"{}\">", esc(csrf.0), esc(csrf.1));
    let _ = write!(
        h,
        "<form method=\"post\" action=\"?\" class=\"cb-test\">{field}<input type=\"hidden\" name=\"action\" value=\"test\"><button type=\"submit\" id=\"cb-test\">Test the platform</button> asks it now and shows what it says.</form>"
    );
    modules(&mut h, status, config);
    page_folders::section(&mut h, status);
    failures(&mut h, status);
    import(&mut h, &status["import"], &field);
    explain(&mut h, &field);
    form(&mut h, config, &page_folders::settings(status), &field);
    h.push_str("</div>");
    h.push_str(SCRIPT);
    h
}

fn overview(h: &mut String, s: &Value) {
    let platform = &s["platform"];
    let rows: [(&str, &str, String); 16] = [
        ("Platform", "/platform/kind", text(&platform["kind"])),
        ("Address", "/platform/url", text(&platform["url"])),
        ("Keystone", "/platform/keystone/url", text(&platform["keystone"]["url"])),
        (
            "Token of Keystone ends in (s)",
            "/platform/keystone/token_ends_in_s",
            text(&platform["keystone"]["token_ends_in_s"]),
        ),
        ("Last error of Keystone", "/platform/keystone/error", text(&platform["keystone"]["error"])),
        ("Reachable", "/platform/reachable", text(&platform["reachable"])),
        ("Circuit breaker", "/platform/breaker/state", text(&platform["breaker"]["state"])),
        ("Last error of the platform", "/platform/breaker/error", text(&platform["breaker"]["error"])),
        ("Embedded platform: process", "/platform/child/pid", text(&platform["child"]["pid"])),
        ("Embedded platform: starts", "/platform/child/starts", text(&platform["child"]["starts"])),
        ("Messages held now", "/modules/chat/held", text(&s["modules"]["chat"]["held"])),
        ("Oldest held (ms)", "/modules/chat/oldest_held_ms", text(&s["modules"]["chat"]["oldest_held_ms"])),
        ("Journal: copies waiting", "/journal/events", text(&s["journal"]["events"])),
        ("Journal: oldest entry (ms)", "/journal/oldest_ms", text(&s["journal"]["oldest_ms"])),
        ("Journal: alarm", "/journal/alarm", text(&s["journal"]["alarm"])),
        ("Sessions here", "/modules/state/sessions", text(&s["modules"]["state"]["sessions"])),
    ];
    h.push_str("<h2>Now</h2><table class=\"cb-table\"><tbody>");
    for (label, pointer, value) in rows {
        let _ = write!(
            h,
            "<tr><th scope=\"row\">{label}</th><td data-cb=\"{pointer}\">{}</td></tr>",
            esc(&value)
        );
    }
    h.push_str("</tbody></table><h2>Versions</h2><table class=\"cb-table\"><tbody>");
    for (name, value) in s["versions"].as_object().into_iter().flatten() {
        let _ = write!(h, "<tr><th scope=\"row\">{}</th><td>{}</td></tr>", esc(name), esc(&text(value)));
    }
    let _ = write!(
        h,
        "<tr><th scope=\"row\">data folder</th><td>{}</td></tr></tbody></table>",
        esc(&text(&s["journal"]["folder"]))
    );
}

/// What a row's counts are called on the page.
const COUNTS: [(&str, &str); 11] = [
    ("seen", "seen"),
    ("taken", "held"),
    ("native", "left to Openfire"),
    ("answered", "answered"),
    ("refused", "refused"),
    ("dropped", "dropped"),
    ("alone", "decided alone"),
    ("observed", "noted"),
    ("told", "told"),
    ("echo", "of our own making"),
    ("lost", "lost"),
];

/// A section for each module: its mode, and what its rows have done.
fn modules(h: &mut String, s: &Value, config: &Config) {
    h.push_str("<h2>Modules</h2>");
    let (registry, _) = Registry::built_in();
    for module in registry.modules() {
        let (name, mode) = (module.name.as_str(), config.module(&module.name).mode.as_str());
        let means = LADDER.iter().find(|(word, _)| *word == mode).map_or("", |(_, means)| means);
        let _ = write!(
            h,
            "<section class=\"cb-module\" id=\"cb-module-{name}\" aria-labelledby=\"cb-module-{name}-name\"><h3 id=\"cb-module-{name}-name\">{}: {mode}</h3><p>{} <strong>{mode}</strong>: {}.</p>",
            capital(name),
            esc(&module.about),
            esc(means)
        );
        counts(h, s, name);
        rows(h, s, module);
        h.push_str("</section>");
    }
}

/// What the module counts as a whole.
fn counts(h: &mut String, s: &Value, module: &str) {
    let mut lines = String::new();
    for group in ["counts", "logins"] {
        for (name, value) in s["modules"][module][group].as_object().into_iter().flatten() {
            let _ = write!(
                lines,
                "<tr><th scope=\"row\">{}</th><td data-cb=\"/modules/{module}/{group}/{}\">{}</td></tr>",
                esc(&name.replace('_', " ")),
                esc(name),
                esc(&text(value))
            );
        }
    }
    if !lines.is_empty() {
        let _ = write!(
            h,
            "<table class=\"cb-table\"><caption>{}: counted since the start</caption><tbody>{lines}</tbody></table>",
            capital(module)
        );
    }
}

/// What its rows count, those that are not sent together with others.
fn rows(h: &mut String, s: &Value, module: &Loaded) {
    let shown: Vec<_> = module.rows.iter().filter(|row| row.batch.is_none()).collect();
    if shown.is_empty() {
        return;
    }
    let _ = write!(
        h,
        "<table class=\"cb-table\"><caption>{}: its rows since the start</caption><thead><tr><th scope=\"col\">row</th>",
        capital(&module.name)
    );
    for (_, word) in COUNTS {
        let _ = write!(h, "<th scope=\"col\">{word}</th>");
    }
    h.push_str("</tr></thead><tbody>");
    for row in shown {
        let _ = write!(h, "<tr><th scope=\"row\" title=\"{}\">{}</th>", esc(&row.about), esc(&row.name));
        for (count, _) in COUNTS {
            let _ = write!(
                h,
                "<td data-cb=\"/modules/{}/rows/{}/{count}\">{}</td>",
                esc(&module.name),
                esc(&row.name),
                esc(&text(&s["modules"][&module.name]["rows"][&row.name][count]))
            );
        }
        h.push_str("</tr>");
    }
    h.push_str("</tbody></table>");
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Where the import stands, what it found, and whether deciding is advisable.
fn import(h: &mut String, i: &Value, csrf: &str) {
    h.push_str("<h2>Import</h2><p>Accounts with their SCRAM verifiers, contact lists and (while chat decides) offline messages of this Openfire go to the platform. It can be stopped, goes on where it stood, and can be repeated; comparing only looks.</p>");
    let count = |key: &str| i[key].as_u64().unwrap_or(0);
    let run = if i["dry"] == true { "The comparison" } else { "The import" };
    let words = if i["running"] == true {
        format!("{run} runs: {} users so far.", count("users"))
    } else if let Some(error) = i["error"].as_str() {
        format!("{run} ended after {} users: {error}.", count("users"))
    } else if i["complete"] != true && count("users") > 0 {
        format!("{run} was interrupted after {} users; start goes on from there.", count("users"))
    } else if i["complete"] != true {
        "It has not run yet. Before users or friends decide, compare: whom the platform does not know goes on logging in by Openfire.".into()
    } else {
        let (made, kept) = if i["dry"] == true {
            ("would be made", "wait in Openfire")
        } else {
            ("made", "went to the platform")
        };
        format!(
            "{run} is complete: {} users, {} things {made}, {} already there, {} messages {kept}, {} users without a verifier (they go on logging in by Openfire), {} differences.",
            count("users"),
            count("made"),
            count("there"),
            count("messages"),
            count("without_verifier"),
            count("differences")
        )
    };
    let _ = write!(h, "<p>{}</p>", esc(&words));
    if i["complete"] == true && i["running"] != true {
        h.push_str(if i["advises_decide"] == true {
            "<p>Nothing differs: user.mode and friend.mode decide are advisable.</p>"
        } else {
            "<p>Not yet advisable: user.mode and friend.mode decide. Import, then compare again.</p>"
        });
    }
    let named = i["named"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !named.is_empty() {
        h.push_str("<ul>");
        for one in named.iter().take(20) {
            let _ = write!(h, "<li>{}</li>", esc(&text(one)));
        }
        h.push_str("</ul>");
    }
    let _ = write!(
        h,
        "<form method=\"post\" action=\"?\" class=\"cb-import\">{csrf}<input type=\"hidden\" name=\"action\" value=\"import\"><p>"
    );
    for (step, label) in [("dry", "Compare"), ("start", "Import"), ("stop", "Stop")] {
        let _ = write!(
            h,
            "<button type=\"submit\" name=\"step\" value=\"{step}\" id=\"cb-import-{step}\">{label}</button> "
        );
    }
    h.push_str("</p></form>");
}

/// A form that asks what would happen to a stanza.
fn explain(h: &mut String, csrf: &str) {
    let _ = write!(
        h,
        "<h2>Explain a stanza</h2><form method=\"post\" action=\"?\" class=\"cb-explain\">{csrf}<input type=\"hidden\" name=\"action\" value=\"explain\">\
         <p id=\"cb-stanza-help\">Which row takes it, why, what would be sent and what each answer would mean. Nothing is sent, nothing is kept; passwords are masked.</p>\
         <div class=\"cb-field\"><label for=\"cb-stanza\">Stanza (XML)</label><br><textarea id=\"cb-stanza\" name=\"stanza\" rows=\"6\" cols=\"80\" required spellcheck=\"false\" aria-describedby=\"cb-stanza-help\" placeholder=\"{}\"></textarea></div>\
         <div class=\"cb-field\"><input type=\"checkbox\" id=\"cb-event\" name=\"event\" value=\"true\"> <label for=\"cb-event\" class=\"cb-clear\">It is an event: something that has happened in Openfire, written as a stanza</label></div>\
         <p><button type=\"submit\" id=\"cb-explain\">Explain</button></p></form>",
        esc("<message xmlns='jabber:client' type='chat' to='juliet@example.org'><body>hi</body></message>")
    );
}

fn failures(h: &mut String, s: &Value) {
    h.push_str("<h2>Last failures</h2>");
    let failures = s["failures"].as_array().map(Vec::as_slice).unwrap_or_default();
    if failures.is_empty() {
        h.push_str("<p>None since the start.</p>");
        return;
    }
    h.push_str("<table class=\"cb-table\"><thead><tr><th scope=\"col\">When</th><th scope=\"col\">Where</th><th scope=\"col\">What</th><th scope=\"col\">Times</th></tr></thead><tbody>");
    for f in failures.iter().take(10) {
        let _ = write!(
            h,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            crate::modules::chat::timestamp(f["at_ms"].as_u64().unwrap_or(0)),
            esc(&text(&f["place"])),
            esc(&text(&f["text"])),
            text(&f["times"])
        );
    }
    h.push_str("</tbody></table>");
}

fn form(h: &mut String, config: &Config, own: &[page_folders::Own], csrf: &str) {
    h.push_str("<h2>Settings</h2><p>Each module climbs this ladder by itself, and can climb down again at any time:</p><dl class=\"cb-ladder\">");
    for (mode, what) in LADDER {
        let _ = write!(h, "<dt>{mode}</dt><dd>{what}</dd>");
    }
    let _ = write!(
        h,
        "</dl><form method=\"post\" action=\"?\">{csrf}<input type=\"hidden\" name=\"action\" value=\"save\">"
    );
    let mut group = String::new();
    for setting in settings(own) {
        let next = group_of(&setting);
        if next != group {
            if !group.is_empty() {
                h.push_str("</fieldset>");
            }
            group = next;
            let _ = write!(h, "<fieldset><legend>{}</legend>", esc(&group));
        }
        field(h, config, &setting);
    }
    h.push_str("</fieldset><p><button type=\"submit\" id=\"cb-save\">Save</button></p></form>");
}

/// Settings that stand together: a module's, or those of one heading.
fn group_of(setting: &Setting<'_>) -> String {
    let module = setting
        .key
        .split('.')
        .next()
        .filter(|name| MODULES.contains(name) && !setting.group.starts_with("Folder "));
    module.map_or_else(|| setting.group.to_owned(), |name| format!("Module {name}"))
}

fn field(h: &mut String, config: &Config, setting: &Setting<'_>) {
    let name = format!("{PREFIX}{}", setting.key);
    let id = format!("cb-{}", setting.key.replace('.', "-"));
    let value = config.raw().get(setting.key).map_or(setting.default, String::as_str);
    let _ = write!(h, "<div class=\"cb-field\"><label for=\"{id}\">{}</label> ", esc(setting.label));
    let options = |h: &mut String, words: &[&str]| {
        let _ = write!(h, "<select id=\"{id}\" name=\"{name}\" aria-describedby=\"{id}-help\">");
        for word in words {
            let selected = if *word == value { " selected" } else { "" };
            let _ = write!(h, "<option value=\"{word}\"{selected}>{word}</option>");
        }
        h.push_str("</select>");
    };
    match setting.kind {
        Type::Word(words) => options(h, words),
        Type::Bool => options(h, &["true", "false"]),
        Type::Number(min, max) => {
            let _ = write!(
                h,
                "<input type=\"number\" id=\"{id}\" name=\"{name}\" min=\"{min}\" max=\"{max}\" value=\"{}\" aria-describedby=\"{id}-help\">",
                esc(value)
            );
        }
        Type::Secret => {
            let shown = if config.raw().contains_key(setting.key) {
                "set; leave empty to keep it"
            } else {
                "not set"
            };
            // No password field: with several of them a browser takes the form for several logins, and offers to keep what is typed.
            let _ = write!(
                h,
                "<input type=\"text\" class=\"cb-secret\" autocomplete=\"off\" autocapitalize=\"off\" spellcheck=\"false\" id=\"{id}\" name=\"{name}\" value=\"\" placeholder=\"{shown}\" aria-describedby=\"{id}-help\">"
            );
            if config.raw().contains_key(setting.key) {
                let _ = write!(
                    h,
                    " <input type=\"checkbox\" id=\"{id}-clear\" name=\"clear:{name}\" value=\"true\"> <label for=\"{id}-clear\" class=\"cb-clear\">remove it</label>"
                );
            }
        }
        Type::Url | Type::Urls | Type::Text => {
            let _ = write!(
                h,
                "<input type=\"text\" size=\"40\" id=\"{id}\" name=\"{name}\" value=\"{}\" aria-describedby=\"{id}-help\">",
                esc(value)
            );
        }
    }
    let _ = write!(
        h,
        "<p class=\"cb-help\" id=\"{id}-help\">{} <code>{name}</code>, default <code>{}</code></p></div>",
        esc(setting.help),
        if setting.default.is_empty() { "(empty)" } else { setting.default }
    );
}

const STYLE: &str = "<style>#cloudbridge{max-width:60em;line-height:1.4}#cloudbridge h2{font-size:1.15em;margin:1.4em 0 .4em}.cb-table{border-collapse:collapse}.cb-table th,.cb-table td{text-align:left;padding:.2em .8em .2em 0;border-bottom:1px solid #ccc;vertical-align:top;overflow-wrap:anywhere}.cb-table th{font-weight:600}.cb-message{padding:.6em .8em;border-left:4px solid;white-space:pre-wrap;overflow-wrap:anywhere}.cb-table caption{text-align:left;font-weight:600;padding:.6em 0 .2em}#cloudbridge h3{font-size:1em;margin:1.2em 0 .2em}#cb-stanza{font-family:monospace;max-width:100%}.cb-good{border-color:#1b6e2c;background:#eaf6ec;color:#0c3d17}.cb-bad{border-color:#a4161a;background:#fdecec;color:#5a0b0e}.cb-ladder dt{font-weight:600;float:left;clear:left;width:5em}.cb-ladder dd{margin-left:5em}.cb-field{margin:.7em 0}.cb-field label{font-weight:600;display:inline-block;min-width:14em}#cloudbridge .cb-clear{font-weight:400;min-width:0}.cb-help{margin:.1em 0 0;color:#444;font-size:.92em}#cloudbridge fieldset{border:1px solid #bbb;margin:1em 0;padding:.4em 1em}#cloudbridge legend{font-weight:600}.cb-secret{-webkit-text-security:disc}</style>";

// Renews the figures; the page is complete without it.
const SCRIPT: &str = "<script>(function(){function at(o,p){return p.split('/').slice(1).reduce(function(v,k){return v==null?null:v[k]},o)}function show(v){return v==null?'\\u2013':v===true?'yes':v===false?'no':String(v)}setInterval(function(){fetch('?json',{credentials:'same-origin'}).then(function(r){return r.ok?r.json():null}).then(function(s){if(!s)return;document.querySelectorAll('#cloudbridge [data-cb]').forEach(function(e){e.textContent=show(at(s,e.getAttribute('data-cb')))})}).catch(function(){})},2000)})()</script>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_checked_field_by_field_and_an_empty_secret_keeps_the_old_one() {
        let form = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(k, v)| (format!("{PREFIX}{k}"), (*v).to_owned())).collect()
        };
        let check = |form: &[(String, String)]| check(form, &Value::Null);
        let writes = check(&form(&[
            ("chat.mode", "decide"),
            ("chat.timeoutMillis", "3000"),
            ("platform.token.password", ""),
        ]));
        let writes = writes.expect("valid");
        assert_eq!(writes.len(), 2);
        assert_eq!(
            (writes[0].value.as_deref(), writes[1].value.as_deref()),
            (Some("decide"), None),
            "a default is not stored"
        );
        let wrong = check(&form(&[("chat.mode", "x"), ("journal.syncMillis", "0"), ("nope", "1")]))
            .expect_err("three are wrong");
        assert_eq!(wrong.lines().count(), 3, "{wrong}");
        assert!(check(&form(&[("platform.token.password", "s")])).expect("valid")[0].secret);
    }

    #[test]
    fn what_is_not_ours_is_escaped_and_secrets_are_not_shown() {
        let raw = [("platform.token.password", "canary"), ("platform.caFile", "\"><script>x")];
        let (config, _) =
            Config::read(raw.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(), None);
        let status =
            serde_json::json!({ "failures": [{ "at_ms": 1, "place": "link", "text": "<b>", "times": 1 }] });
        let html = render(&status, &config, ("csrf", "\"<"), ("<i>", true));
        assert!(
            !html.contains("canary")
                && !html.contains("<b>")
                && !html.contains("<i>")
                && !html.contains("\"><script>x")
        );
        for setting in SETTINGS {
            let place = html.find(&format!("name=\"{PREFIX}{}\"", setting.key)).expect(setting.key);
            let legend = format!("<legend>{}</legend>", group_of(setting));
            assert_eq!(html.matches(&legend).count(), 1, "{legend} stands once");
            let begin = html.find(&legend).expect(&legend);
            assert!(
                begin < place && !html[begin..place].contains("</fieldset>"),
                "{} is below {legend}",
                setting.key
            );
        }
    }

    #[test]
    fn each_module_has_a_section_with_its_mode_and_the_counts_of_its_rows() {
        let raw = [("friend.mode", "decide"), ("user.mode", "off")];
        let (config, _) =
            Config::read(raw.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(), None);
        let status = serde_json::json!({ "modules": {
            "chat": { "counts": { "seen": 71, "<x>": 1 } },
            "user": { "logins": { "right": 73 } },
            "friend": { "rows": { "friend.set": { "seen": 79, "taken": 83 } } },
        } });
        let html = render(&status, &config, ("csrf", "t"), ("", false));
        for module in MODULES {
            let mode = config.module(module).mode.as_str();
            let heading = format!("<h3 id=\"cb-module-{module}-name\">{}: {mode}</h3>", capital(module));
            assert!(html.contains(&heading), "{heading}");
        }
        for cell in [
            "<td data-cb=\"/modules/chat/counts/seen\">71</td>",
            "<td data-cb=\"/modules/user/logins/right\">73</td>",
            "<td data-cb=\"/modules/friend/rows/friend.set/seen\">79</td>",
            "<td data-cb=\"/modules/friend/rows/friend.set/taken\">83</td>",
            "<td data-cb=\"/modules/friend/rows/friend.removed/told\">\u{2013}</td>",
        ] {
            assert!(html.contains(cell), "{cell}");
        }
        assert!(!html.contains("<x>"));
    }

    #[test]
    fn the_import_is_shown_and_whether_it_speaks_for_deciding() {
        let (config, _) = Config::read(Default::default(), None);
        let page = |import: Value| {
            render(&serde_json::json!({ "import": import }), &config, ("csrf", "t"), ("", false))
        };
        assert!(page(Value::Null).contains("It has not run yet."));
        let cut = serde_json::json!({ "users": 3, "complete": false, "running": false });
        assert!(page(cut).contains("was interrupted after 3 users; start goes on from there."));
        let differs = serde_json::json!({ "dry": true, "complete": true, "users": 2, "differences": 1, "named": ["<x> is not at the platform"] });
        let html = page(differs);
        assert!(
            html.contains("Not yet advisable") && html.contains("<li>&lt;x&gt; is not at the platform</li>")
        );
        let same = serde_json::json!({ "dry": true, "complete": true, "users": 2, "advises_decide": true });
        assert!(page(same).contains("decide are advisable."));
    }

    #[test]
    fn every_field_has_a_label_and_every_form_the_token() {
        let (config, _) = Config::read(
            [("platform.token.password".to_owned(), "s".to_owned())].into_iter().collect(),
            None,
        );
        let html = render(&Value::Null, &config, ("csrf", "t0"), ("a\n  b", false));
        for tag in html
            .split('<')
            .filter(|tag| ["input ", "select ", "textarea "].iter().any(|t| tag.starts_with(t)))
        {
            if tag.contains("type=\"hidden\"") {
                continue;
            }
            let id = tag.split(" id=\"").nth(1).and_then(|rest| rest.split('"').next()).expect(tag);
            assert_eq!(html.matches(&format!("<label for=\"{id}\"")).count(), 1, "{tag}");
            assert_eq!(html.matches(&format!(" id=\"{id}\"")).count(), 1, "{tag}");
        }
        let token = "<input type=\"hidden\" name=\"csrf\" value=\"t0\">";
        assert_eq!(html.matches("<form ").count(), html.matches(token).count());
        for name in ["name=\"action\" value=\"explain\"", "name=\"stanza\"", "name=\"event\""] {
            assert_eq!(html.matches(name).count(), 1, "{name}: the shim reads it");
        }
    }
}
