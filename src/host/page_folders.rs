//! Folders on the page: what is in force and what is refused, why, and their settings. Made of the status alone.
//!
//! Leaves out: the rest of the page (`page`).

use std::fmt::Write as _;

use serde_json::Value;

use crate::config::{MODULES, OF_FOLDERS, PREFIX, Setting, Type};

use super::page::{esc, text};

/// A setting that a folder brings.
#[derive(Debug)]
pub struct Own {
    key: String,
    kind: Type,
    default: String,
    group: String,
    label: String,
    help: String,
}

impl Own {
    /// As the table of settings has its own.
    pub fn setting(&self) -> Setting<'_> {
        Setting {
            key: &self.key,
            kind: self.kind,
            default: &self.default,
            group: &self.group,
            label: &self.label,
            help: &self.help,
            restart: false,
        }
    }
}

fn all(status: &Value) -> impl Iterator<Item = (&String, &Value)> {
    status["folders"]["modules"].as_object().into_iter().flatten()
}

/// The settings of the folders in force: those that every module has, unless it is a built-in one, and their own.
pub fn settings(status: &Value) -> Vec<Own> {
    let mut out = Vec::new();
    for (name, folder) in all(status) {
        let Some(own) = folder["settings"].as_array() else { continue };
        let group = format!("Folder {name}");
        if !MODULES.contains(&name.as_str()) {
            out.extend(OF_FOLDERS.iter().map(|setting| Own {
                key: format!("{name}.{}", setting.key),
                kind: setting.kind,
                default: setting.default.into(),
                group: group.clone(),
                label: format!("{name}: {}", setting.label.to_lowercase()),
                help: setting.help.into(),
            }));
        }
        for setting in own {
            let key = setting["key"].as_str().and_then(|key| key.strip_prefix(PREFIX)).unwrap_or_default();
            out.push(Own {
                key: key.to_owned(),
                kind: if setting["secret"] == true { Type::Secret } else { Type::Text },
                default: setting["default"].as_str().unwrap_or_default().to_owned(),
                group: group.clone(),
                label: key.replacen('.', ": ", 1),
                help: setting["about"].as_str().unwrap_or_default().to_owned(),
            });
        }
    }
    out
}

/// The section.
pub fn section(h: &mut String, status: &Value) {
    let _ = write!(
        h,
        "<h2 id=\"cb-folders\">Folders</h2><p>Modules of your own, each in a folder below <code>{}</code>; looked at every second.</p>",
        esc(&text(&status["folders"]["folder"]))
    );
    if all(status).next().is_none() {
        h.push_str("<p>There are none.</p>");
    }
    for (name, folder) in all(status) {
        let _ = write!(
            h,
            "<section class=\"cb-module\" id=\"cb-folder-{0}\" aria-labelledby=\"cb-folder-{0}-name\"><h3 id=\"cb-folder-{0}-name\">{0}: {1}</h3>",
            esc(name),
            esc(&text(&folder["state"]))
        );
        let mut bad = |why: &Value| {
            if let Some(why) = why.as_str() {
                let _ = write!(h, "<p class=\"cb-message cb-bad\" role=\"alert\">{}</p>", esc(why));
            }
        };
        bad(&folder["refused"]);
        bad(&folder["unusable"]);
        folder["wrong"].as_array().into_iter().flatten().for_each(&mut bad);
        if folder["about"].is_string() {
            facts(h, name, folder);
        }
        h.push_str("</section>");
    }
}

fn facts(h: &mut String, name: &str, folder: &Value) {
    let over = if folder["takes_over"] == true { " It has taken over the built-in module." } else { "" };
    let _ = write!(h, "<p>{}{over}</p><table class=\"cb-table\"><tbody>", esc(&text(&folder["about"])));
    for (label, pointer) in [
        ("Version", "version"),
        ("Mode", "mode"),
        ("Backend", "url"),
        ("Circuit breaker", "breaker/state"),
        ("Last error of the backend", "breaker/error"),
    ] {
        let at = format!("/folders/modules/{name}/{pointer}");
        let value = folder.pointer(&format!("/{pointer}")).unwrap_or(&Value::Null);
        let _ = write!(
            h,
            "<tr><th scope=\"row\">{label}</th><td data-cb=\"{}\">{}</td></tr>",
            esc(&at),
            esc(&text(value))
        );
    }
    for (row, counts) in folder["rows"].as_object().into_iter().flatten() {
        let counts = counts.as_object().into_iter().flatten();
        let counts = counts.map(|(word, count)| format!("{word} {}", text(count))).collect::<Vec<_>>();
        let _ = write!(h, "<tr><th scope=\"row\">{}</th><td>{}</td></tr>", esc(row), esc(&counts.join(", ")));
    }
    h.push_str("</tbody></table>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_refused_folder_says_why_and_its_text_is_escaped() {
        let status = json!({ "folders": { "folder": "/x", "modules": {
            "shop": { "state": "refused", "refused": "shop/module.json: at <b>: wrong" },
            "chat": { "state": "in force", "about": "A & B", "version": "2", "takes_over": true, "settings": [],
                      "rows": { "chat.message": { "taken": 3 } } },
        } } });
        let mut html = String::new();
        section(&mut html, &status);
        assert!(html.contains("shop/module.json: at &lt;b&gt;: wrong") && !html.contains("<b>"), "{html}");
        assert!(html.contains("A &amp; B It has taken over") && html.contains("taken 3"), "{html}");
    }

    #[test]
    fn a_new_module_has_the_usual_settings_and_its_own_one_taken_over_only_its_own() {
        let own = json!([{ "key": "plugin.cloudbridge.x.key.password", "secret": true, "about": "A." }]);
        let keys = |name: &str| {
            let status = json!({ "folders": { "modules": { name: { "settings": own } } } });
            settings(&status).iter().map(|own| own.setting().key.to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(keys("x"), ["x.mode", "x.timeoutMillis", "x.onFailure", "x.key.password"]);
        assert_eq!(keys("chat"), ["x.key.password"]);
        let status = json!({ "folders": { "modules": { "x": { "settings": own } } } });
        assert!(settings(&status)[3].setting().secret());
    }
}
