//! PEP's nodes: who may read one (XEP-0060 4.5), the audience that says the same, and the requests that make, fill and empty it.
//!
//! Leaves out: sending them (`host::footprint`).

use im_api::footprint::Audience;
use serde_json::Value;

use super::shown::escaped;
use super::{GEOLOC, OWNER, PUBSUB};

/// Items that a microblog's node keeps when it is made here.
const KEPT: u32 = 500;
/// What of a publish's options a new node is made with, besides who may read it; the others are left at the server's defaults.
const TAKEN: [&str; 6] =
    ["persist_items", "max_items", "title", "notify_retract", "notify_delete", "send_last_published_item"];

/// Who may read a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Open,
    /// Whoever may see the owner's presence.
    Presence,
    /// Members of these groups of the server.
    Roster(Vec<String>),
    /// These people, by their affiliations or their accepted subscriptions.
    Whitelist(Vec<String>),
}

impl Access {
    /// The audience that says the same. None: there is none.
    #[must_use]
    pub fn audience(&self) -> Option<Audience> {
        Some(match self {
            Access::Open => Audience::All,
            Access::Presence => Audience::Friends,
            Access::Roster(groups) => match &groups[..] {
                [] => Audience::Me,
                [group] => Audience::Group(group_id(group)?),
                _ => return None,
            },
            Access::Whitelist(people) if people.is_empty() => Audience::Me,
            Access::Whitelist(people) => Audience::People(people.clone()),
        })
    }

    /// Whether nobody may read the node who is not of the audience.
    #[must_use]
    pub fn within(&self, audience: &Audience) -> bool {
        match (self, audience) {
            (_, Audience::All) => true,
            (Access::Whitelist(people), _) if people.is_empty() => true,
            (Access::Roster(groups), _) if groups.is_empty() => true,
            (Access::Whitelist(people), Audience::People(chosen)) => {
                people.iter().all(|p| chosen.contains(p))
            }
            (Access::Presence, Audience::Friends) => true,
            (Access::Roster(groups), Audience::Group(group)) => {
                groups.len() == 1 && group_id(&groups[0]).as_ref() == Some(group)
            }
            _ => false,
        }
    }

    /// Its word in a node's configuration.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Access::Open => "open",
            Access::Presence => "presence",
            Access::Roster(_) => "roster",
            Access::Whitelist(_) => "whitelist",
        }
    }
}

/// The id at the platform that a group's name makes (as the shim's GroupNames makes it); None for one that is too long to be seen in it.
fn group_id(name: &str) -> Option<String> {
    let mut id = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' => id.push(char::from(byte)),
            _ => id.push_str(&format!("_{byte:02x}")),
        }
    }
    (id.len() <= 128).then_some(id)
}

/// A node's configuration, as its form's JSON says it. `None`: it says nothing of who may read it.
#[must_use]
pub fn configured(form: &Value) -> Option<(String, Vec<String>)> {
    let word = values(form, "pubsub#access_model").into_iter().next()?;
    Some((word, values(form, "pubsub#roster_groups_allowed")))
}

/// The first demand of a publish that a node does not meet (XEP-0060 7.1.5). Only who may read it is looked at: that is what must not be wrong.
#[must_use]
pub fn unmet(options: &[(String, Vec<String>)], access: &Access) -> Option<String> {
    let (field, wanted) = options.iter().find(|(field, _)| field == "pubsub#access_model")?;
    let there = access.word();
    let same = wanted.first().is_none_or(|w| w == there || (w == "authorize" && there == "whitelist"));
    (!same).then(|| format!("{field} of the node is {there}"))
}

/// Who may read a node that is made for a publish with these options. `None`: it is not said.
#[must_use]
pub fn wanted(options: &[(String, Vec<String>)]) -> Option<Access> {
    let of = |name: &str| options.iter().find(|(field, _)| field == name).map(|(_, values)| values.clone());
    Some(match of("pubsub#access_model")?.first()?.as_str() {
        "open" => Access::Open,
        "presence" => Access::Presence,
        "roster" => Access::Roster(of("pubsub#roster_groups_allowed").unwrap_or_default()),
        // Nobody is on the list of a new node, nor accepted.
        "whitelist" | "authorize" => Access::Whitelist(Vec::new()),
        _ => return None,
    })
}

/// Makes a node that keeps its items, so that each can be retracted.
#[must_use]
pub fn create(node: &str, access: &Access, options: &[(String, Vec<String>)]) -> String {
    let mut fields = vec![("pubsub#access_model".to_owned(), vec![access.word().to_owned()])];
    if let Access::Roster(groups) = access {
        fields.push(("pubsub#roster_groups_allowed".into(), groups.clone()));
    }
    for (field, values) in options {
        let name = field.strip_prefix("pubsub#").unwrap_or_default();
        let number = name != "max_items" || values.first().is_some_and(|v| v.parse::<u32>().is_ok());
        if TAKEN.contains(&name) && number {
            // Older servers know 1 and 0 alone.
            let values = values.iter().map(|v| match v.as_str() {
                "true" => "1".to_owned(),
                "false" => "0".to_owned(),
                other => other.to_owned(),
            });
            fields.push((field.clone(), values.collect()));
        }
    }
    let kept = if node == GEOLOC { 1 } else { KEPT };
    for (field, value) in [("pubsub#persist_items", "1".to_owned()), ("pubsub#max_items", kept.to_string())] {
        if !fields.iter().any(|(f, _)| f == field) {
            fields.push((field.into(), vec![value]));
        }
    }
    format!(
        "<pubsub xmlns='{PUBSUB}'><create node='{}'/><configure>{}</configure></pubsub>",
        escaped(node),
        form(&fields)
    )
}

fn form(fields: &[(String, Vec<String>)]) -> String {
    let mut out = "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/pubsub#node_config</value></field>".to_owned();
    for (field, values) in fields {
        out.push_str(&format!("<field var='{}'>", escaped(field)));
        for value in values {
            out.push_str(&format!("<value>{}</value>", escaped(value)));
        }
        out.push_str("</field>");
    }
    out + "</x>"
}

/// Publishes an item.
#[must_use]
pub fn publish(node: &str, item: &str, payload: &str) -> String {
    format!(
        "<pubsub xmlns='{PUBSUB}'><publish node='{}'><item id='{}'>{payload}</item></publish></pubsub>",
        escaped(node),
        escaped(item)
    )
}

/// Retracts items.
#[must_use]
pub fn retract(node: &str, items: &[String]) -> String {
    let items: String = items.iter().map(|item| format!("<item id='{}'/>", escaped(item))).collect();
    format!(
        "<pubsub xmlns='{PUBSUB}'><retract node='{}' notify='1'>{items}</retract></pubsub>",
        escaped(node)
    )
}

/// Asks for the items, all or one.
#[must_use]
pub fn items(node: &str, item: Option<&str>) -> String {
    let one = item.map(|item| format!("<item id='{}'/>", escaped(item))).unwrap_or_default();
    format!("<pubsub xmlns='{PUBSUB}'><items node='{}'>{one}</items></pubsub>", escaped(node))
}

/// Asks for something of the owner's: `configure`, `affiliations`, `subscriptions`.
#[must_use]
pub fn of_owner(what: &str, node: &str) -> String {
    format!("<pubsub xmlns='{OWNER}'><{what} node='{}'/></pubsub>", escaped(node))
}

/// What a server would tell about an item, for somebody whom its node does not let in.
#[must_use]
pub fn event(from: &str, to: &str, id: &str, node: &str, item: &str, payload: Option<&str>) -> String {
    let inner = match payload {
        Some(payload) => format!("<item id='{}'>{payload}</item>", escaped(item)),
        None => format!("<retract id='{}'/>", escaped(item)),
    };
    format!(
        "<message xmlns='jabber:client' type='headline' from='{}' to='{}' id='{}'><event xmlns='{PUBSUB}#event'><items node='{}'>{inner}</items></event></message>",
        escaped(from),
        escaped(to),
        escaped(id),
        escaped(node)
    )
}

fn values(form: &Value, var: &str) -> Vec<String> {
    let fields = form["fields"].as_array().into_iter().flatten();
    let field = fields.into_iter().find(|f| f["var"] == var);
    let values = field.and_then(|f| f["values"].as_array()).into_iter().flatten();
    values.filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_within_an_audience_only_when_nobody_else_reads_it() {
        let people = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let group = |name: &str| Audience::Group(name.into());
        for (access, audience, within) in [
            (Access::Open, Audience::All, true),
            (Access::Open, Audience::Friends, false),
            (Access::Presence, Audience::Friends, true),
            (Access::Presence, Audience::All, true),
            (Access::Presence, Audience::Me, false),
            (Access::Presence, Audience::People(people(&["a@b"])), false),
            (Access::Roster(people(&["g"])), group("g"), true),
            (Access::Roster(people(&["Night watch"])), group("Night_20watch"), true),
            (Access::Roster(people(&["g", "h"])), group("g"), false),
            (Access::Roster(people(&["g"])), Audience::Friends, false),
            (Access::Whitelist(people(&["a@b"])), Audience::People(people(&["a@b", "c@d"])), true),
            (Access::Whitelist(people(&["a@b"])), Audience::People(people(&["c@d"])), false),
            (Access::Whitelist(people(&[])), Audience::Me, true),
            (Access::Whitelist(people(&["a@b"])), Audience::Me, false),
        ] {
            assert_eq!(access.within(&audience), within, "{access:?} {audience:?}");
            if let Some(same) = access.audience() {
                assert!(access.within(&same), "{access:?}");
            }
        }
    }
}
