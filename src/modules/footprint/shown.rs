//! What others get of a publish: the payload as it was, but no more exact than the platform tells it.
//!
//! Leaves out: which precision, and the place that is shown (`im_api::footprint::shown`).

use im_api::footprint::{Feature, Precision, shown};

use super::{GEOLOC, MEDIUM, NS, geo};
use crate::mapping::ids;
use crate::stanza::{Element, Node, XML_NS};

const ATOM: &str = "http://www.w3.org/2005/Atom";
/// Other ways to name a place inside an entry; a coarse one has none of them.
const OTHER_PLACES: [&str; 4] = [
    "http://www.georss.org/georss",
    "http://www.w3.org/2003/01/geo/wgs84_pos#",
    "http://www.opengis.net/gml",
    "http://www.opengis.net/kml/2.2",
];
/// What of a place says no more than a coarse one may.
const COARSE: [&str; 3] = ["country", "countrycode", "timestamp"];

/// The payload for others, as XML of its own. `at`: the exact place.
#[must_use]
pub fn payload(payload: Element<'_>, at: (f64, f64), precision: Precision) -> String {
    let place = shown(at.0, at.1, precision);
    let mut out = String::new();
    Rewrite { place, precision, has_place: false }.element(payload, "", &mut out);
    out
}

struct Rewrite {
    place: (f64, f64),
    precision: Precision,
    has_place: bool,
}

impl Rewrite {
    fn coarse(&self) -> bool {
        self.precision != Precision::Exact
    }

    /// Writes an element below one of the namespace `around`.
    fn element(&mut self, element: Element<'_>, around: &str, out: &mut String) {
        if element.ns() == NS || (self.coarse() && OTHER_PLACES.contains(&element.ns())) {
            return;
        }
        let is_place = element.is("geoloc", GEOLOC);
        self.has_place |= is_place;
        if is_place && self.coarse() {
            self.coarse_place(element, out);
            return;
        }
        out.push('<');
        out.push_str(element.name());
        if element.ns() != around {
            attribute("xmlns", element.ns(), out);
        }
        for (number, attr) in element.attrs().enumerate() {
            let value = self.text(attr.value);
            match attr.ns {
                "" => attribute(attr.name, &value, out),
                XML_NS => attribute(&format!("xml:{}", attr.name), &value, out),
                ns => {
                    attribute(&format!("xmlns:ns{number}"), ns, out);
                    attribute(&format!("ns{number}:{}", attr.name), &value, out);
                }
            }
        }
        out.push('>');
        for child in element.children() {
            match child {
                Node::Element(child) => self.element(child, element.ns(), out),
                Node::Text(text) => escape(&self.text(text), out),
            }
        }
        // Who reads places reads this one, too, wherever it was said.
        if element.is("entry", ATOM) && !self.has_place {
            place(self.place, self.precision, out);
        }
        out.push_str("</");
        out.push_str(element.name());
        out.push('>');
    }

    fn coarse_place(&self, element: Element<'_>, out: &mut String) {
        let mut inner = String::new();
        for child in element.elements().filter(|c| c.ns() == GEOLOC && COARSE.contains(&c.name())) {
            tag(child.name(), &child.text(), &mut inner);
        }
        place_with(self.place, self.precision, &inner, out);
    }

    fn text(&self, text: &str) -> String {
        match self.precision {
            Precision::Exact => text.to_owned(),
            precision => geo::coarsened(text, self.place, precision),
        }
    }
}

/// An entry, or a location, for a footprint that was shared at the platform, as others see it.
#[must_use]
pub fn of_feature(id: &str, feature: &Feature) -> String {
    let properties = &feature.properties;
    let [lon, lat] = feature.geometry.coordinates;
    let mut inner = String::new();
    if let Some(name) = &properties.place {
        tag("text", name, &mut inner);
    }
    let mut geoloc = String::new();
    if ids::is_location(id) {
        tag("timestamp", &properties.at, &mut inner);
        place_with((lat, lon), properties.precision, &inner, &mut geoloc);
        return geoloc;
    }
    place_with((lat, lon), properties.precision, &inner, &mut geoloc);
    let mut out = format!("<entry xmlns=\"{ATOM}\">");
    let said = properties.text.as_deref().or(properties.place.as_deref()).filter(|t| !t.trim().is_empty());
    tag("title", said.unwrap_or("A footprint"), &mut out);
    tag("id", &format!("xmpp:{}?;node=urn%3Axmpp%3Amicroblog%3A0;item={id}", properties.user), &mut out);
    tag("published", &properties.at, &mut out);
    tag("updated", &properties.at, &mut out);
    out.push_str("<author>");
    tag("name", properties.user.split('@').next().unwrap_or_default(), &mut out);
    tag("uri", &format!("xmpp:{}", properties.user), &mut out);
    out.push_str("</author>");
    let media = properties.media.iter().map(|m| format!("{MEDIUM}{m}"));
    for href in media.chain(properties.links.iter().cloned()) {
        out.push_str("<link rel=\"enclosure\"");
        attribute("href", &href, &mut out);
        out.push_str("/>");
    }
    out.push_str(&geoloc);
    out.push_str("</entry>");
    out
}

fn place(at: (f64, f64), precision: Precision, out: &mut String) {
    place_with(at, precision, "", out);
}

fn place_with(at: (f64, f64), precision: Precision, inner: &str, out: &mut String) {
    out.push_str(&format!("<geoloc xmlns=\"{GEOLOC}\">"));
    if precision != Precision::Exact {
        tag("accuracy", &geo::metres(precision).to_string(), out);
    }
    tag("lat", &at.0.to_string(), out);
    tag("lon", &at.1.to_string(), out);
    out.push_str(inner);
    out.push_str("</geoloc>");
}

fn tag(name: &str, text: &str, out: &mut String) {
    out.push_str(&format!("<{name}>"));
    escape(text, out);
    out.push_str(&format!("</{name}>"));
}

fn attribute(name: &str, value: &str, out: &mut String) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    escape(value, out);
    out.push('"');
}

/// Appends a text for an attribute or an element.
pub fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\t' | '\n' | '\r' => out.push_str(&format!("&#{};", u32::from(c))),
            c => out.push(c),
        }
    }
}

/// A text escaped.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(text, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::footprint::payload as of_stanza;
    use crate::stanza::{Limits, Stanza};

    fn published(item: &str) -> Stanza {
        let xml = format!(
            "<iq xmlns='jabber:client' type='set' id='p' from='juliet@example.org/b'><pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='n'><item>{item}</item></publish></pubsub></iq>"
        );
        Stanza::parse(xml.as_bytes(), &Limits::default()).expect("a stanza")
    }

    #[test]
    fn a_coarse_payload_gives_nothing_away_and_an_exact_one_is_as_it_was() {
        let stanza = published(
            "<entry xmlns='http://www.w3.org/2005/Atom' xml:lang='en'><title>Here &amp; now: geo:45.44196,10.99875</title>\
             <link rel='related' href='geo:45.44196,10.99875;u=3'/><point xmlns='http://www.georss.org/georss'>45.44196 10.99875</point>\
             <share xmlns='urn:cloudbridge:footprint:0' audience='all'/>\
             <geoloc xmlns='http://jabber.org/protocol/geoloc'><lat>45.44196</lat><lon>10.99875</lon><street>Via Cappello</street><country>Italy</country></geoloc></entry>",
        );
        let entry = of_stanza(&stanza).expect("a payload");
        let coarse = payload(entry, (45.441_96, 10.998_75), Precision::City);
        assert!(
            !coarse.contains("45.44") && !coarse.contains("10.998") && !coarse.contains("Cappello"),
            "{coarse}"
        );
        assert!(
            coarse.contains("<country>Italy</country>") && coarse.contains("<accuracy>10000</accuracy>"),
            "{coarse}"
        );
        assert!(
            coarse.contains("<lat>45.45</lat>") && coarse.contains("Here &amp; now: geo:45.45,"),
            "{coarse}"
        );
        let exact = payload(entry, (45.441_96, 10.998_75), Precision::Exact);
        assert!(
            exact.contains("<lat>45.44196</lat>") && exact.contains("Cappello") && !exact.contains(NS),
            "{exact}"
        );
        published(&exact);
        published(&coarse);
    }

    #[test]
    fn a_uri_alone_becomes_a_place_that_every_client_reads() {
        let stanza =
            published("<entry xmlns='http://www.w3.org/2005/Atom'><title>geo:1.5,2.5</title></entry>");
        let entry = of_stanza(&stanza).expect("a payload");
        let exact = payload(entry, (1.5, 2.5), Precision::Exact);
        assert!(exact.contains("<lat>1.5</lat><lon>2.5</lon></geoloc></entry>"), "{exact}");
    }
}
