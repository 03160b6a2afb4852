//! Footprints: places that people publish through PEP (XEP-0163): microblog entries (XEP-0277, XEP-0472) with a place (XEP-0080) or a `geo:` URI (RFC 5870),
//! and bare locations. What a publish says, who may see it, and what PEP may show of it.
//!
//! Reading order: [`Wish`] (a publish, read), [`access`] (PEP's nodes), [`shown`] (what others get), [`geo`] (URIs).
//!
//! Leaves out: threads, HTTP, the boundary (`host::footprint`).

pub mod access;
pub mod geo;
pub mod shown;

use im_api::footprint::{Audience, Precision, Share};
use serde::Deserialize;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::config::FootprintConfig;
use crate::mapping::explain::Note;
use crate::mapping::ids;
use crate::stanza::{Element, Stanza, jid};

/// The batch of rows whose requests are made here.
pub const BATCH: &str = "footprint.pep";
/// Our own namespace: what no standard says.
pub const NS: &str = "urn:cloudbridge:footprint:0";
/// Publish-subscribe (XEP-0060).
pub const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
/// Its owners' requests.
pub const OWNER: &str = "http://jabber.org/protocol/pubsub#owner";
/// The node of a microblog (XEP-0277).
pub const MICROBLOG: &str = "urn:xmpp:microblog:0";
/// The node of a location, and the namespace of a place (XEP-0080).
pub const GEOLOC: &str = "http://jabber.org/protocol/geoloc";
/// The nodes that we are about.
pub const NODES: [&str; 2] = [MICROBLOG, GEOLOC];
/// How a medium of the platform stands in a link.
pub const MEDIUM: &str = "urn:cloudbridge:media:";
/// The item of a location that was published without an id.
const CURRENT: &str = "current";
/// Characters of a place's name.
const PLACE_MAX: usize = 256;

/// What a publish is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// A place.
    Place,
    /// An entry or a location without one (words alone): what was there is no footprint any more.
    Plain,
    /// Neither.
    Nothing,
}

/// A publish, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// Owner, bare JID.
    pub user: String,
    /// PEP's node.
    pub node: &'static str,
    /// PEP's item.
    pub item: String,
    /// The id was made here: the client has to be told.
    pub made_id: bool,
    /// An empty location: nothing is shared any more.
    pub stops: bool,
    /// Who was asked for by our own element.
    pub audience: Option<Audience>,
    /// How exactly, if it was said.
    pub precision: Option<Precision>,
    /// What the publish demands of the node (XEP-0060 7.1.5): field and values.
    pub options: Vec<(String, Vec<String>)>,
    /// Latitude and longitude.
    pub at: (f64, f64),
    when: Option<String>,
    text: Option<String>,
    place: Option<String>,
    media: Vec<String>,
    links: Vec<String>,
    track: Option<String>,
}

/// Our own element, from its JSON form.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    audience: Option<String>,
    group: Option<String>,
    precision: Option<Precision>,
    track: Option<String>,
    people: Vec<String>,
    media: Vec<String>,
}

/// Whether a request is about the sender's own PEP service.
#[must_use]
pub fn own(stanza: &Stanza) -> bool {
    let Some(from) = stanza.from().and_then(jid::bare_with_local) else { return false };
    stanza.to().is_none_or(|to| to == from || (jid::bare(to) == Some(from) && !to.contains('/')))
}

/// What the rows do not say about a request.
#[must_use]
pub fn note(stanza: &Stanza) -> Note {
    match own(stanza) {
        true => Note::More(
            "Who may see it follows from our own element, from the publish's options, or from who may read the node; what others get is as exact as its precision says. A publish without a place passes; docs/footprint.md says the rest.".into(),
        ),
        false => Note::Left("it is about somebody else's node.".into()),
    }
}

/// What a publish is about, by its JSON form.
#[must_use]
pub fn about(value: &Value, config: &FootprintConfig) -> About {
    let item = &value["pubsub"]["publish"]["items"];
    if item.get(1).is_some() || item.get(0).is_none() {
        return About::Nothing;
    }
    let item = &item[0];
    match value.pointer("/pubsub/publish/node").and_then(Value::as_str) {
        Some(GEOLOC) if item["geoloc"].is_object() => {
            match (place_of(&item["geoloc"]), stops(&item["geoloc"])) {
                (None, false) => About::Plain,
                _ => About::Place,
            }
        }
        Some(MICROBLOG) if item["entry"].is_object() => {
            match entry_place(&item["entry"], config.geo_in_entries()) {
                Some(_) => About::Place,
                None if item["id"].is_string() => About::Plain,
                None => About::Nothing,
            }
        }
        _ => About::Nothing,
    }
}

impl Wish {
    /// Reads a publish that is [`About::Place`]. `key`: an id where the client gave none.
    ///
    /// # Errors
    /// What is wrong with it, for the client.
    pub fn read(value: &Value, key: &str, config: &FootprintConfig) -> Result<Wish, String> {
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str);
        let user = text("/from").and_then(jid::bare_with_local).ok_or("it is from nobody")?.into_owned();
        let node = text("/pubsub/publish/node").and_then(|n| NODES.into_iter().find(|own| *own == n));
        let node = node.ok_or("it is about another node")?;
        let item = &value["pubsub"]["publish"]["items"][0];
        let given = item["id"].as_str().map(str::to_owned);
        let asked = value.pointer("/pubsub/share").or_else(|| item.pointer("/entry/share"));
        let asked: Asked = match asked {
            Some(share) => serde_json::from_value(share.clone()).map_err(|e| format!("share: {e}"))?,
            None => Asked::default(),
        };
        let mut wish = Wish {
            user,
            node,
            made_id: given.is_none() && node == MICROBLOG,
            item: given.unwrap_or_else(|| if node == GEOLOC { CURRENT.into() } else { key.into() }),
            stops: false,
            audience: asked.audience()?,
            precision: asked.precision,
            options: options(value),
            at: (0.0, 0.0),
            when: None,
            text: None,
            place: None,
            media: asked.media,
            links: Vec::new(),
            track: asked.track,
        };
        match node {
            GEOLOC => wish.location(&item["geoloc"])?,
            _ => wish.entry(&item["entry"], config.geo_in_entries())?,
        }
        Ok(wish)
    }

    fn location(&mut self, geoloc: &Value) -> Result<(), String> {
        match place_of(geoloc) {
            Some(at) => {
                self.at = at;
                self.place = place_name(geoloc);
                self.when = time_of(&geoloc["timestamp"]);
                Ok(())
            }
            None if stops(geoloc) => {
                self.stops = true;
                Ok(())
            }
            None => Err("lat and lon are no decimal degrees".into()),
        }
    }

    fn entry(&mut self, entry: &Value, geo: bool) -> Result<(), String> {
        self.at = entry_place(entry, geo).ok_or("the entry has no place")?;
        self.place = place_name(&entry["geoloc"]);
        let times = [&entry["geoloc"]["timestamp"], &entry["published"], &entry["updated"]];
        self.when = times.into_iter().find_map(time_of);
        let words = |list: &Value| {
            let all = list.as_array().into_iter().flatten();
            all.filter(|t| t["type"].as_str().is_none_or(|t| t == "text"))
                .find_map(|t| t["text"].as_str().filter(|t| !t.trim().is_empty()).map(str::to_owned))
        };
        self.text =
            words(&entry["content"]).or_else(|| words(&entry["title"])).or_else(|| words(&entry["summary"]));
        for link in entry["links"].as_array().into_iter().flatten() {
            let href = link["href"].as_str().unwrap_or_default();
            match href.strip_prefix(MEDIUM) {
                Some(medium) => self.media.push(medium.to_owned()),
                None if link["rel"] == "enclosure" && geo::is_web(href) => self.links.push(href.to_owned()),
                None => {}
            }
        }
        let pictures = entry["content"].as_array().into_iter().flatten().filter_map(|c| c["src"].as_str());
        self.links.extend(pictures.filter(|src| geo::is_web(src)).map(str::to_owned));
        self.links.dedup();
        self.media.dedup();
        Ok(())
    }

    /// The footprint's id: of a location always the same, of a point of a track its own.
    #[must_use]
    pub fn id(&self, key: &str) -> String {
        match (self.node, &self.track) {
            (GEOLOC, None) => ids::LOCATION.to_owned(),
            (GEOLOC, Some(_)) => format!("{}.{key}", ids::LOCATION),
            _ => ids::of_item(&self.item),
        }
    }

    /// What the platform is told. `stanza`: the stanza's JSON form, for its owner.
    #[must_use]
    pub fn share(
        &self,
        id: String,
        audience: Audience,
        precision: Precision,
        sent: &str,
        stanza: Option<&Value>,
    ) -> Share {
        Share {
            id: Some(id),
            user: self.user.clone(),
            lat: self.at.0,
            lon: self.at.1,
            at: Some(self.when.clone().unwrap_or_else(|| sent.to_owned())),
            text: self.text.as_ref().map(|text| match precision {
                Precision::Exact => text.clone(),
                _ => {
                    geo::coarsened(text, im_api::footprint::shown(self.at.0, self.at.1, precision), precision)
                }
            }),
            place: self.place.clone(),
            audience,
            precision,
            media: self.media.clone(),
            links: self.links.clone(),
            track: self.track.clone(),
            stanza: stanza.and_then(|value| serde_json::value::to_raw_value(value).ok()),
        }
    }
}

impl Asked {
    fn audience(&self) -> Result<Option<Audience>, String> {
        Ok(Some(match self.audience.as_deref() {
            None if self.people.is_empty() => return Ok(None),
            None | Some("people") => Audience::People(self.people.clone()),
            Some("me") => Audience::Me,
            Some("friends") => Audience::Friends,
            Some("all") => Audience::All,
            Some("group") => {
                Audience::Group(self.group.clone().ok_or("an audience of a group needs the group")?)
            }
            Some(other) => {
                return Err(format!("{other} is no audience, expected me, friends, group, people or all"));
            }
        }))
    }
}

/// What a publish demands of the node, without its form's type.
fn options(value: &Value) -> Vec<(String, Vec<String>)> {
    let fields = value.pointer("/pubsub/publish_options/form/fields").and_then(Value::as_array);
    let field = |field: &Value| {
        let var = field["var"].as_str().filter(|v| *v != "FORM_TYPE")?;
        let values = field["values"].as_array().into_iter().flatten();
        Some((var.to_owned(), values.filter_map(|v| v.as_str().map(str::to_owned)).collect()))
    };
    fields.into_iter().flatten().filter_map(field).collect()
}

/// The payload of the first item that a stanza publishes.
#[must_use]
pub fn payload(stanza: &Stanza) -> Option<Element<'_>> {
    let publish = stanza.root().child("pubsub", PUBSUB)?.child("publish", PUBSUB)?;
    publish.child("item", PUBSUB)?.elements().next()
}

/// The ids of the items that a request retracts.
#[must_use]
pub fn retracted(value: &Value) -> Vec<String> {
    let items = value.pointer("/pubsub/retract/items").and_then(Value::as_array);
    items.into_iter().flatten().filter_map(|item| item["id"].as_str().map(str::to_owned)).collect()
}

/// What says nothing of where somebody is. Clients leave such elements in an empty place (Smack its datum).
const NOWHERE: &[&str] =
    &["accuracy", "altaccuracy", "bearing", "datum", "error", "lang", "speed", "timestamp", "tzo"];

/// An empty place: its owner shares none any more (XEP-0080 3.2).
fn stops(geoloc: &Value) -> bool {
    geoloc.as_object().is_some_and(|g| g.keys().all(|key| NOWHERE.contains(&key.as_str())))
}

fn place_of(geoloc: &Value) -> Option<(f64, f64)> {
    let (lat, lon) = (geoloc["lat"].as_f64()?, geoloc["lon"].as_f64()?);
    geo::is_place(lat, lon).then_some((lat, lon))
}

/// Where an entry was written: its place, or the first `geo:` URI in its links and texts.
fn entry_place(entry: &Value, geo: bool) -> Option<(f64, f64)> {
    if entry["geoloc"].is_object() {
        return place_of(&entry["geoloc"]);
    }
    let texts = |key: &str, part: &'static str| {
        let list = entry[key].as_array().into_iter().flatten();
        list.filter_map(move |t| t[part].as_str()).collect::<Vec<_>>()
    };
    let all =
        [texts("links", "href"), texts("content", "text"), texts("title", "text"), texts("summary", "text")];
    geo.then(|| all.concat().into_iter().find_map(geo::first))?
}

/// What people call the place: what is said in words, or its smallest part that has a name.
fn place_name(geoloc: &Value) -> Option<String> {
    let parts = ["text", "description", "building", "street", "area", "locality", "region", "country"];
    let name = parts.into_iter().find_map(|part| geoloc[part].as_str().filter(|t| !t.trim().is_empty()))?;
    Some(name.chars().take(PLACE_MAX).collect())
}

fn time_of(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    OffsetDateTime::parse(text, &Rfc3339).is_ok().then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::mapping;
    use crate::stanza::Limits;

    fn config() -> FootprintConfig {
        Config::read(std::collections::BTreeMap::new(), None).0.footprint
    }

    fn published(node: &str, item: &str, beside: &str) -> Value {
        let xml = format!(
            "<iq xmlns='jabber:client' type='set' id='p' from='Juliet@example.org/b'><pubsub xmlns='{PUBSUB}'><publish node='{node}'>{item}</publish>{beside}</pubsub></iq>"
        );
        mapping::value(&Stanza::parse(xml.as_bytes(), &Limits::default()).expect("a stanza"), true)
    }

    fn entry(inner: &str) -> String {
        format!("<item id='a:b'><entry xmlns='http://www.w3.org/2005/Atom'>{inner}</entry></item>")
    }

    #[test]
    fn a_publish_is_about_a_place_wherever_it_says_one() {
        let place = format!("<geoloc xmlns='{GEOLOC}'><lat>45.44</lat><lon>10.99</lon></geoloc>");
        let odd = format!("<geoloc xmlns='{GEOLOC}'><lat>91</lat><lon>10.99</lon></geoloc>");
        for (node, item, about) in [
            (MICROBLOG, entry(&place), About::Place),
            (MICROBLOG, entry("<title>at geo:1,2</title>"), About::Place),
            (MICROBLOG, entry("<link rel='related' href='geo:1,2'/>"), About::Place),
            (MICROBLOG, entry("<title>nowhere</title>"), About::Plain),
            (MICROBLOG, entry(&odd), About::Plain),
            (MICROBLOG, entry("<title>nowhere</title>").replace(" id='a:b'", ""), About::Nothing),
            (MICROBLOG, format!("<item id='a'>{place}</item>"), About::Nothing),
            (MICROBLOG, format!("{}{}", entry(&place), entry(&place)), About::Nothing),
            (MICROBLOG, String::new(), About::Nothing),
            (GEOLOC, format!("<item>{place}</item>"), About::Place),
            (GEOLOC, format!("<item><geoloc xmlns='{GEOLOC}'/></item>"), About::Place),
            (
                GEOLOC,
                format!("<item><geoloc xmlns='{GEOLOC}'><datum>WGS84</datum></geoloc></item>"),
                About::Place,
            ),
            (
                GEOLOC,
                format!("<item><geoloc xmlns='{GEOLOC}'><country>Italy</country></geoloc></item>"),
                About::Plain,
            ),
            (GEOLOC, format!("<item>{odd}</item>"), About::Plain),
            ("urn:xmpp:avatar:data", format!("<item>{place}</item>"), About::Nothing),
        ] {
            assert_eq!(super::about(&published(node, &item, ""), &config()), about, "{node} {item}");
        }
        let off = FootprintConfig { geo: crate::config::GeoUris::Off, ..config() };
        assert_eq!(
            super::about(&published(MICROBLOG, &entry("<title>geo:1,2</title>"), ""), &off),
            About::Plain
        );
    }

    #[test]
    fn everything_that_an_entry_says_reaches_the_platform() {
        let inner = format!(
            "<title>T</title><content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'>x</div></content><content>at geo:45.44,10.99</content>\
             <published>2026-01-02T03:04:05Z</published><link rel='enclosure' href='https://up.example/1.png'/><link rel='self' href='https://x.example'/>\
             <link rel='enclosure' href='urn:cloudbridge:media:picture-1'/>\
             <geoloc xmlns='{GEOLOC}'><lat>45.44</lat><lon>10.99</lon><locality>Verona</locality></geoloc>"
        );
        let share = "<share xmlns='urn:cloudbridge:footprint:0' audience='people' track='walk'><person jid='nurse@example.org'/><media id='picture-2'/></share>";
        let options = "<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>t</value></field><field var='pubsub#access_model'><value>open</value></field></x></publish-options>";
        let value = published(MICROBLOG, &entry(&inner), &format!("{share}{options}"));
        let wish = Wish::read(&value, "key", &config()).expect("readable");
        assert_eq!(
            (wish.user.as_str(), wish.item.as_str(), wish.made_id),
            ("juliet@example.org", "a:b", false)
        );
        assert_eq!(wish.audience, Some(Audience::People(vec!["nurse@example.org".into()])));
        assert_eq!(wish.options, [("pubsub#access_model".to_owned(), vec!["open".to_owned()])]);
        let share = wish.share(wish.id("key"), Audience::Me, Precision::City, "now", None);
        let json = serde_json::to_value(&share).expect("JSON");
        let expected = serde_json::json!({
            "id": "a.3Ab", "user": "juliet@example.org", "lat": 45.44, "lon": 10.99, "at": "2026-01-02T03:04:05Z",
            "text": json["text"], "place": "Verona", "audience": "me", "precision": "city", "media": ["picture-2", "picture-1"],
            "links": ["https://up.example/1.png"], "track": "walk",
        });
        assert_eq!(json, expected);
        let text = share.text.expect("said");
        assert!(text.starts_with("at geo:45.45,") && !text.contains("45.44"), "a coarse text: {text}");
        let exact = wish.share("x".into(), Audience::Me, Precision::Exact, "now", None);
        assert_eq!(exact.text.as_deref(), Some("at geo:45.44,10.99"));
    }

    #[test]
    fn a_location_replaces_the_one_before_and_a_track_keeps_its_points() {
        let place =
            format!("<item><geoloc xmlns='{GEOLOC}'><lat>45.44</lat><lon>10.99</lon></geoloc></item>");
        let read = |beside: &str| Wish::read(&published(GEOLOC, &place, beside), "k1", &config());
        let wish = read("").expect("readable");
        assert_eq!((wish.item.as_str(), wish.id("k1").as_str()), ("current", "location.00"));
        let track = "<share xmlns='urn:cloudbridge:footprint:0' track='walk'/>";
        assert_eq!(read(track).expect("readable").id("k1"), "location.00.k1");
        for (wrong, why) in [
            ("audience='group'", "needs the group"),
            ("audience='self'", "no audience"),
            ("precision='fine'", "precision"),
        ] {
            let share = format!("<share xmlns='urn:cloudbridge:footprint:0' {wrong}/>");
            let said = read(&share).expect_err("nobody is to guess for whom a place is");
            assert!(said.contains(why) || said.contains("variant"), "{said}");
        }
        let empty = published(GEOLOC, &format!("<item id='x'><geoloc xmlns='{GEOLOC}'/></item>"), "");
        assert!(Wish::read(&empty, "k1", &config()).expect("readable").stops);
    }
}
