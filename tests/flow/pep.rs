//! A stand-in for Openfire's PEP: nodes with their access model and items, and the answers that requests get.

use std::collections::BTreeMap;

use cloudbridge::stanza::{Element, Limits, Stanza};

const PUBSUB: &str = "http://jabber.org/protocol/pubsub";

/// Everybody's PEP services.
#[derive(Default)]
pub struct Pep {
    nodes: BTreeMap<(String, String), Node>,
    /// The next request of this name gets this error.
    pub fails: Option<(String, String)>,
}

#[derive(Default, Clone)]
struct Node {
    access: String,
    members: Vec<String>,
    items: Vec<(String, String)>,
}

impl Pep {
    /// The items of a node: id and payload.
    pub fn items(&self, user: &str, node: &str) -> Vec<(String, String)> {
        self.nodes.get(&(user.into(), node.into())).map(|n| n.items.clone()).unwrap_or_default()
    }

    /// Who may read a node; empty when there is none.
    pub fn access(&self, user: &str, node: &str) -> String {
        self.nodes.get(&(user.into(), node.into())).map(|n| n.access.clone()).unwrap_or_default()
    }

    /// What the service of `user` answers.
    pub fn answer(&mut self, user: &str, kind: &str, payload: &str) -> String {
        let xml = format!("<iq xmlns='jabber:client' type='{kind}'>{payload}</iq>");
        let stanza = Stanza::parse(xml.as_bytes(), &Limits::default()).expect("a request");
        let pubsub = stanza.root().elements().next().expect("a payload");
        let owner = pubsub.ns().ends_with("#owner");
        let request = pubsub.elements().next().expect("an order");
        if self.fails.as_ref().is_some_and(|(name, _)| name == request.name()) {
            let (_, condition) = self.fails.take().expect("there");
            return error(&condition);
        }
        let key = (user.to_owned(), request.attr("node").unwrap_or_default().to_owned());
        match self.carry_out(&key, owner, kind, request, pubsub) {
            Ok(inner) if inner.is_empty() => "<iq xmlns='jabber:client' type='result'/>".into(),
            Ok(inner) => {
                let ns = pubsub.ns();
                format!("<iq xmlns='jabber:client' type='result'><pubsub xmlns='{ns}'>{inner}</pubsub></iq>")
            }
            Err(condition) => error(condition),
        }
    }

    fn carry_out(
        &mut self,
        key: &(String, String),
        owner: bool,
        kind: &str,
        request: Element<'_>,
        pubsub: Element<'_>,
    ) -> Result<String, &'static str> {
        if request.name() == "create" {
            if self.nodes.contains_key(key) {
                return Err("conflict");
            }
            let access =
                pubsub.child("configure", PUBSUB).and_then(field).unwrap_or_else(|| "presence".into());
            self.nodes.insert(key.clone(), Node { access, ..Node::default() });
            return Ok(String::new());
        }
        let node = match (request.name(), self.nodes.get_mut(key)) {
            ("publish", None) => {
                self.nodes.entry(key.clone()).or_insert(Node { access: "presence".into(), ..Node::default() })
            }
            (_, Some(node)) => node,
            (_, None) => return Err("item-not-found"),
        };
        let ids =
            || request.elements().filter_map(|item| item.attr("id").map(str::to_owned)).collect::<Vec<_>>();
        match (request.name(), owner, kind) {
            ("publish", ..) => {
                for item in request.elements() {
                    let id = item.attr("id").unwrap_or("made").to_owned();
                    node.items.retain(|(other, _)| *other != id);
                    node.items
                        .push((id, item.elements().next().map(|p| p.to_xml_string()).unwrap_or_default()));
                }
            }
            ("retract", ..) => {
                let ids = ids();
                if ids.iter().any(|id| !node.items.iter().any(|(other, _)| other == id)) {
                    return Err("item-not-found");
                }
                node.items.retain(|(id, _)| !ids.contains(id));
            }
            ("items", ..) => {
                let wanted = ids();
                let found = node.items.iter().filter(|(id, _)| wanted.is_empty() || wanted.contains(id));
                let items: String =
                    found.map(|(id, payload)| format!("<item id='{id}'>{payload}</item>")).collect();
                return Ok(format!("<items node='{}'>{items}</items>", key.1));
            }
            ("purge", true, _) => node.items.clear(),
            ("delete", true, _) => drop(self.nodes.remove(key)),
            ("configure", true, "set") => node.access = field(request).unwrap_or_default(),
            ("configure", true, _) => {
                return Ok(format!(
                    "<configure node='{}'><x xmlns='jabber:x:data' type='form'><field var='pubsub#access_model' type='list-single'><value>{}</value></field></x></configure>",
                    key.1, node.access
                ));
            }
            ("affiliations", true, "set") => {
                node.members = request.elements().filter_map(|a| a.attr("jid").map(str::to_owned)).collect();
            }
            ("affiliations", true, _) => {
                let members =
                    node.members.iter().map(|m| format!("<affiliation jid='{m}' affiliation='member'/>"));
                let members: String = members.collect();
                return Ok(format!(
                    "<affiliations node='{}'><affiliation jid='{}' affiliation='owner'/>{members}</affiliations>",
                    key.1, key.0
                ));
            }
            (other, ..) => panic!("a request of nobody's: {other}"),
        }
        Ok(String::new())
    }
}

/// The access model that a form names.
fn field(element: Element<'_>) -> Option<String> {
    let form = element.child("x", "jabber:x:data")?;
    let field = form.elements().find(|f| f.attr("var") == Some("pubsub#access_model"))?;
    Some(field.elements().next()?.text().into_owned())
}

fn error(condition: &str) -> String {
    format!(
        "<iq xmlns='jabber:client' type='error'><error type='cancel'><{condition} xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>"
    )
}
