//! What is refused, with which words, and what lenient mode makes of it; limits, forbidden XML, changes to a stanza.

use cloudbridge::stanza::json::{self, JsonError, Mode, Options};
use cloudbridge::stanza::{Limits, Stanza, StanzaError, canonical, canonical_exact};

/// JSON that strict mode refuses, and how.
const REFUSED: &[(&str, &str)] = &[
    (r#"{"kind":"message","bdy":"x"}"#, "/bdy: unknown key"),
    (r#"{"kind":"stream"}"#, "/kind: expected message, presence or iq"),
    (r#"{"kind":5}"#, "/kind: expected a string"),
    (r#"[]"#, ": expected an object"),
    (r#""message""#, ": expected an object"),
    (r#"{"body":5}"#, "/body: expected a string"),
    (r#"{"body":["x"]}"#, "/body: expected a string"),
    (r#"{"body":"a","body":"b"}"#, "/body: the key is there twice"),
    (r#"{"bodies":"x"}"#, "/bodies: expected an object from language to text"),
    (r#"{"bodies":{"en":1}}"#, "/bodies/en: expected a string"),
    (r#"{"bodies":{"en":"a","en":"b"}}"#, "/bodies/en: the language is there twice"),
    (r#"{"body":"\u0001"}"#, "/body: U+0001 is no XML character"),
    (r#"{"body":"\uFFFE"}"#, "/body: U+FFFE is no XML character"),
    (r#"{"rest":["a\u0000"]}"#, "/rest/0: U+0000 is no XML character"),
    (r#"{"id":"\u0007"}"#, "/id: U+0007 is no XML character"),
    (r#"{"bodies":{"\u0002":"x"}}"#, "/bodies/\u{2}: U+0002 is no XML character"),
    (r#"{"to":"a@b@c"}"#, "/to: not a JID: second @ found before parsing the resource"),
    (r#"{"to":""}"#, "/to: not a JID: domain doesn’t pass idna validation"),
    (r#"{"to":"@b"}"#, "/to: not a JID: nodepart empty despite the presence of a @"),
    (
        r#"{"kind":"iq","roster":{"items":[{"jid":"a@b"},{"jid":"a b@c"}]}}"#,
        "/roster/items/1/jid: not a JID: localpart doesn’t pass nodeprep validation",
    ),
    (r#"{"type":"whisper"}"#, "/type: expected one of normal, chat, groupchat, headline, error"),
    (
        r#"{"kind":"presence","type":"chat"}"#,
        "/type: expected one of available, unavailable, subscribe, subscribed, unsubscribe, unsubscribed, probe, error",
    ),
    (r#"{"kind":"presence","priority":"5"}"#, "/priority: expected an integer of at most 15 digits"),
    (r#"{"kind":"presence","priority":5.5}"#, "/priority: expected an integer of at most 15 digits"),
    (r#"{"kind":"presence","priority":1e2}"#, "/priority: expected an integer of at most 15 digits"),
    (r#"{"kind":"presence","show":"busy"}"#, "/show: expected one of away, chat, dnd, xa"),
    (r#"{"kind":"iq","ping":{}}"#, "/ping: expected true"),
    (r#"{"kind":"iq","ping":false}"#, "/ping: expected true"),
    (r#"{"kind":"iq","disco":true}"#, "/disco: expected an object"),
    (r#"{"kind":"iq","disco":{"features":"x"}}"#, "/disco/features: expected a list"),
    (r#"{"kind":"iq","disco":{"features":[1]}}"#, "/disco/features/0: expected a string"),
    (r#"{"kind":"iq","block":{}}"#, "/block: expected a list"),
    (r#"{"state":"bored"}"#, "/state: expected one of active, composing, paused, inactive, gone"),
    (r#"{"receipt":{"id":"1"}}"#, "/receipt: kind is missing"),
    (r#"{"receipt":{"kind":"maybe"}}"#, "/receipt: kind: expected one of request, received"),
    (r#"{"markers":{"kind":"displayed"}}"#, "/markers: expected a list"),
    (r#"{"error":{"uri":"xmpp:x"}}"#, "/error/uri: needs condition beside it"),
    (r#"{"error":{"condition":"tired"}}"#, "/error/condition: expected one of bad-request, conflict,"),
    (r#"{"activity":{"specific":"running"}}"#, "/activity/specific: needs general beside it"),
    (r#"{"mood":{"value":"not a name"}}"#, "/mood/value: not an XML name"),
    (r#"{"geoloc":{"lat":"45.44"}}"#, "/geoloc/lat: expected a number of at most 17 digits"),
    (r#"{"geoloc":{"lat":0.1234567890123456789}}"#, "/geoloc/lat: expected a number of at most 17 digits"),
    (r#"{"kind":"iq","archive_fin":{"complete":"true"}}"#, "/archive_fin/complete: expected true or false"),
    (r#"{"kind":"iq","archive_fin":{"complete":2}}"#, "/archive_fin/complete: expected true or false"),
    (r#"{"kind":"iq","register":{"password":null}}"#, "/register/password: null stands for a masked value"),
    (r#"{"rest":[null]}"#, "/rest/0: null stands for a masked value"),
    (r#"{"a":{"x":null}}"#, "/a/x: null stands for a masked value"),
    (r#"{"rest":"x"}"#, "/rest: expected a list"),
    (r#"{"rest":[5]}"#, "/rest/0: expected a string or an object with n"),
    (r#"{"rest":[{}]}"#, "/rest/0: n is missing"),
    (r#"{"rest":[{"n":"a b"}]}"#, "/rest/0/n: not an XML name"),
    (r#"{"rest":[{"n":"p:a"}]}"#, "/rest/0/n: not an XML name"),
    (r#"{"rest":[{"n":"a","x":1}]}"#, "/rest/0/x: unknown key"),
    (r#"{"rest":[{"n":"a","n":"b"}]}"#, "/rest/0/n: the key is there twice"),
    (r#"{"rest":[{"n":"a","c":"x"}]}"#, "/rest/0/c: expected a list"),
    (
        r#"{"rest":[{"n":"a","c":[{"n":"b","c":[true]}]}]}"#,
        "/rest/0/c/0/c/0: expected a string or an object with n",
    ),
    (r#"{"rest":[{"n":"a","ns":"http://www.w3.org/2000/xmlns/"}]}"#, "/rest/0/ns: a reserved namespace"),
    (r#"{"rest":[{"n":"a","ns":"\u0003"}]}"#, "/rest/0/ns: U+0003 is no XML character"),
    (r#"{"a":"x"}"#, "/a: expected an object"),
    (r#"{"a":{"1":"x"}}"#, "/a/1: not an XML name"),
    (r#"{"a":{"xmlns":"urn:x"}}"#, "/a/xmlns: namespaces are declared by ns"),
    (
        r#"{"a":{"{http://www.w3.org/2000/xmlns/}p":"urn:x"}}"#,
        "/a/{http:~1~1www.w3.org~12000~1xmlns~1}p: a reserved namespace",
    ),
    (r#"{"a":{"{urn:x":"y"}}"#, "/a/{urn:x: not an XML name"),
    (r#"{"id":"1","a":{"id":"2"}}"#, "/a/id: the attribute is there twice"),
    (r#"{"a":{"{urn:x}y":"1","{urn:x}y":"2"}}"#, "/a/{urn:x}y: the attribute is there twice"),
    (r#"{"order":"body"}"#, "/order: expected a list of keys"),
    (r#"{"order":[1]}"#, "/order/0: expected a string"),
    (r#"{"body":"x","order":["bodi"]}"#, "/order/0: unknown key"),
    (r#"{"v":2}"#, "/v: expected version 1"),
    (r#"{"v":"1"}"#, "/v: expected version 1"),
    (r#"{"html":{"n":"body"}}"#, "/html: expected another element"),
    (r#"{"html":{"n":"html"}}"#, "/html: expected another element"),
    (r#"{"forwarded":{"stanza":{"kind":"stream"}}}"#, "/forwarded/stanza: expected another kind"),
    (r#"{"forwarded":{"stanza":{"kind":"iq","body":1}}}"#, "/forwarded/stanza/body: expected a string"),
    (
        r#"{"kind":"iq","pubsub":{"publish":{"node":"n","items":[{"id":"1","geoloc":{"lat":1,"foo":2}}]}}}"#,
        "/pubsub/publish/items/0/geoloc/foo: unknown key",
    ),
    (r#"{"a/b~c":1}"#, "/a~1b~0c: unknown key"),
];

fn words(error: &JsonError) -> String {
    error.to_string()
}

#[test]
fn strict_mode_refuses_with_a_pointer() {
    for (json, expected) in REFUSED {
        match json::decode(json.as_bytes(), Mode::Strict) {
            Ok(stanza) => panic!("{json} became {}", stanza.to_xml_string()),
            Err(error) => {
                assert!(words(&error).starts_with(expected), "{json}\n  says {error}\n  not  {expected}")
            }
        }
    }
}

#[test]
fn what_is_no_json_is_refused_with_line_and_column() {
    for bad in ["", "{", "{\"body\":\"x\"", "{\"body\":'x'}", "{}{}", "nope", "{\"a\":01}"] {
        match json::decode(bad.as_bytes(), Mode::Strict) {
            Err(JsonError::Syntax(error)) => {
                assert!(error.to_string().contains("line 1 column"), "{bad}: {error}")
            }
            other => panic!("{bad}: {other:?}"),
        }
    }
    assert!(matches!(json::decode(b"{\"body\":\"\xFF\"}", Mode::Strict), Err(JsonError::Syntax(_))));
    let deep = "[".repeat(5000) + &"]".repeat(5000);
    assert!(json::decode(deep.as_bytes(), Mode::Strict).is_err());
    let deep = format!(
        "{}{}",
        r#"{"rest":[{"n":"a","c":["#.to_owned() + &r#"{"n":"a","c":["#.repeat(300),
        "]}".repeat(301) + "]}"
    );
    match json::decode(deep.as_bytes(), Mode::Strict) {
        Err(JsonError::Stanza(StanzaError::Limit { limit: "depth", max: 256 })) => {}
        other => panic!("{other:?}"),
    }
}

#[test]
fn lenient_mode_takes_what_people_write() {
    for (json, xml) in [
        (r#"{"bdy":"x","body":"y"}"#, "<body>y</body>"),
        (r#"{"body":5}"#, "<body>5</body>"),
        (r#"{"kind":"presence","priority":"5"}"#, "<priority>5</priority>"),
        (r#"{"kind":"iq","disco":true}"#, "<query xmlns=\"http://jabber.org/protocol/disco#info\"/>"),
        (r#"{"to":"a@b@c"}"#, "to=\"a@b@c\""),
        (
            r#"{"kind":"iq","register":{"username":"mei","password":null}}"#,
            "<username>mei</username></query>",
        ),
        (r#"{"error":{"uri":"xmpp:x","type":"wait"}}"#, "<error type=\"wait\"/>"),
        (r#"{"rest":[{"n":"a","zzz":1,"c":[null,"x"]}]}"#, "<a>x</a>"),
        (r#"{"body":"x","order":["nothing","body"]}"#, "<body>x</body>"),
    ] {
        let stanza = json::decode(json.as_bytes(), Mode::Lenient).unwrap_or_else(|e| panic!("{json}: {e}"));
        let out = stanza.to_xml_string();
        assert!(out.contains(xml), "{json} became {out}");
        Stanza::parse(out.as_bytes(), &Limits::default()).expect("what it became");
        assert!(json::decode(json.as_bytes(), Mode::Strict).is_err(), "{json}");
    }
    // Lenient is not boundless: what cannot be XML stays refused.
    for json in [r#"{"body":"\u0001"}"#, r#"{"rest":[{"n":"1"}]}"#, r#"{"kind":"foo"}"#, r#"{"body":{}}"#] {
        assert!(json::decode(json.as_bytes(), Mode::Lenient).is_err(), "{json}");
    }
}

#[test]
fn people_may_write_keys_in_any_order_and_leave_most_out() {
    for (json, xml) in [
        (r#"{}"#, "<message xmlns=\"jabber:client\"/>"),
        (r#"{"body":"x"}"#, "<message xmlns=\"jabber:client\"><body>x</body></message>"),
        (
            r#"{"v":1,"body":"x","type":"normal"}"#,
            "<message xmlns=\"jabber:client\"><body>x</body></message>",
        ),
        (
            r#"{"body":"x","type":"chat","to":"a@b","kind":"message"}"#,
            "<message xmlns=\"jabber:client\" type=\"chat\" to=\"a@b\"><body>x</body></message>",
        ),
        (r#"{"type":"available","kind":"presence"}"#, "<presence xmlns=\"jabber:client\"/>"),
        (
            r#"{ "thread" : { "id" : "t" , "parent" : "p" } }"#,
            "<message xmlns=\"jabber:client\"><thread parent=\"p\">t</thread></message>",
        ),
        (r#"{"rest":["a","b",{"n":"x"},"c"]}"#, "<message xmlns=\"jabber:client\">ab<x/>c</message>"),
        (
            r#"{"error":{"uri":"xmpp:x","condition":"gone"}}"#,
            "<message xmlns=\"jabber:client\"><error><gone xmlns=\"urn:ietf:params:xml:ns:xmpp-stanzas\">xmpp:x</gone></error></message>",
        ),
        (
            r#"{"body":"b","subject":"s","order":["subject","body","state"]}"#,
            "<message xmlns=\"jabber:client\"><subject>s</subject><body>b</body></message>",
        ),
        (
            r#"{"body":"\u00e9\ud83d\ude00\/"}"#,
            "<message xmlns=\"jabber:client\"><body>é😀/</body></message>",
        ),
        (
            r#"{"json":{ "a" : [ 1 ] }}"#,
            "<message xmlns=\"jabber:client\"><json xmlns=\"urn:xmpp:json:0\">{ \"a\" : [ 1 ] }</json></message>",
        ),
        (
            r#"{"html":{"n":"html","ns":"http://jabber.org/protocol/xhtml-im","c":["x"]}}"#,
            "<message xmlns=\"jabber:client\"><html xmlns=\"http://jabber.org/protocol/xhtml-im\">x</html></message>",
        ),
        (
            r#"{"a":{"{urn:q}k":"v","{http://www.w3.org/XML/1998/namespace}space":"preserve"}}"#,
            "<message xmlns=\"jabber:client\" xmlns:ns0=\"urn:q\" ns0:k=\"v\" xml:space=\"preserve\"/>",
        ),
    ] {
        let stanza = json::decode(json.as_bytes(), Mode::Strict).unwrap_or_else(|e| panic!("{json}: {e}"));
        assert_eq!(stanza.to_xml_string(), xml, "{json}");
    }
}

#[test]
fn xml_that_xmpp_forbids_or_that_is_none_is_refused() {
    for (bad, why) in [
        ("<!DOCTYPE x><message xmlns='jabber:client'/>", "a DTD"),
        ("<!DOCTYPE x [<!ENTITY a 'b'>]><message xmlns='jabber:client'>&a;</message>", "a DTD"),
        ("<message xmlns='jabber:client'>&nbsp;</message>", "an entity beyond the predefined five"),
        ("<message xmlns='jabber:client' to='&nbsp;'/>", "an entity beyond the predefined five"),
        ("<message xmlns='jabber:client'><!-- c --></message>", "a comment"),
        ("<message xmlns='jabber:client'><?pi x?></message>", "a processing instruction"),
        ("<?xml version='1.0'?><message xmlns='jabber:client'/>", "an XML declaration"),
        ("\u{FEFF}<message xmlns='jabber:client'/>", "byte order mark"),
        ("<message xmlns='jabber:client'><a></message>", "does not match"),
        ("<message xmlns='jabber:client'><a></b></message>", "does not match"),
        ("<message xmlns='jabber:client'></message x='1'>", "does not match"),
        ("<message xmlns='jabber:client'>", "ends in the middle"),
        ("<message xmlns='jabber:client'/><message xmlns='jabber:client'/>", "more than one element"),
        ("<message xmlns='jabber:client'/>x", "text outside"),
        ("x<message xmlns='jabber:client'/>", "text outside"),
        ("<message xmlns='jabber:client'>\u{1}</message>", "U+0001"),
        ("<message xmlns='jabber:client'>\u{FFFE}</message>", "U+FFFE"),
        ("<message xmlns='jabber:client'>&#1;</message>", "U+0001"),
        ("<message xmlns='jabber:client'>&#xD800;</message>", "U+D800"),
        ("<message xmlns='jabber:client'>&#x110000;</message>", "U+110000"),
        ("<message xmlns='jabber:client'>&#-1;</message>", "a character reference"),
        ("<message xmlns='jabber:client'>&#x;</message>", "a character reference"),
        ("<message xmlns='jabber:client' id='\u{1}'/>", "U+0001"),
        ("<message xmlns='jabber:client' id='a<b'/>", "a < in an attribute value"),
        ("<message xmlns='jabber:client' id='&amp'/>", "a reference without an end"),
        ("<message xmlns='jabber:client' id='1' id='2'/>", "an attribute twice"),
        ("<message xmlns='jabber:client' xmlns='jabber:client'/>", "an attribute twice"),
        ("<message xmlns='jabber:client' xmlns:a='u' xmlns:b='u' a:x='1' b:x='2'/>", "an attribute twice"),
        ("<message xmlns='jabber:client' xmlns:a='u' xmlns:a='v'/>", "an attribute twice"),
        ("<message xmlns='jabber:client' id/>", "an attribute without a value"),
        ("<message xmlns='jabber:client' id=1/>", "an attribute value without quotes"),
        ("<message xmlns='jabber:client' id='1'to='x'/>", "attributes are not apart"),
        ("<message xmlns='jabber:client' 1d='1'/>", "a name is not a name"),
        ("<message xmlns='jabber:client' a:b:c='1'/>", "a name is not a name"),
        ("<message xmlns='jabber:client'><1/></message>", "a name is not a name"),
        ("<message xmlns='jabber:client'>]]></message>", "]]> in a text"),
        ("<message xmlns='jabber:client'><p:a/></message>", "a prefix is not bound"),
        ("<message xmlns='jabber:client' p:a='1'/>", "a prefix is not bound"),
        ("<message xmlns='jabber:client'><a xmlns:p='u'/><p:b/></message>", "a prefix is not bound"),
        ("<message xmlns='jabber:client' xmlns:p=''/>", "a prefix cannot be unbound"),
        ("<message xmlns='jabber:client' xmlns:xmlns='u'/>", "xmlns cannot be declared"),
        ("<message xmlns='jabber:client' xmlns:xml='u'/>", "a reserved namespace"),
        (
            "<message xmlns='jabber:client'><a xmlns='http://www.w3.org/XML/1998/namespace'/></message>",
            "a reserved namespace",
        ),
        (
            "<message xmlns='jabber:client'><a xmlns='http://www.w3.org/2000/xmlns/'/></message>",
            "a reserved namespace",
        ),
        ("<message xmlns='jabber:client'><xmlns:a/></message>", "the prefix xmlns on an element"),
        ("<foo xmlns='jabber:client'/>", "not message, presence or iq"),
        ("<message xmlns='urn:x'/>", "not message, presence or iq"),
        ("<message/>", "not message, presence or iq"),
        ("", "ends in the middle"),
    ] {
        match Stanza::parse(bad.as_bytes(), &Limits::default()) {
            Ok(stanza) => panic!("{bad} became {}", stanza.to_xml_string()),
            Err(error) => {
                let words = error.to_string();
                let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
                assert!(
                    words.contains(why) || cause.contains(why),
                    "{bad}\n  says {words} {cause}\n  not  {why}"
                );
            }
        }
    }
    assert!(matches!(
        Stanza::parse(b"<message xmlns='jabber:client'>\xFF</message>", &Limits::default()),
        Err(StanzaError::Utf8(_))
    ));
}

#[test]
fn limits_are_named() {
    let limits = Limits { bytes: 200, depth: 4, children: 3, attributes: 3 };
    let parse = |xml: &str| Stanza::parse(xml.as_bytes(), &limits);
    for (xml, named) in [
        (
            format!("<message xmlns='jabber:client'><body>{}</body></message>", "x".repeat(200)),
            ("bytes", 200),
        ),
        ("<message xmlns='jabber:client'><a><b><c><d/></c></b></a></message>".to_owned(), ("depth", 4)),
        ("<message xmlns='jabber:client'><a/><a/><a/><a/></message>".to_owned(), ("children", 3)),
        ("<message xmlns='jabber:client'>a<a/>b<a/></message>".to_owned(), ("children", 3)),
        ("<message xmlns='jabber:client' a='1' b='2' c='3'/>".to_owned(), ("attributes", 3)),
        (
            "<message xmlns='jabber:client'><x a='1' b='2' c='3' d='4'/></message>".to_owned(),
            ("attributes", 3),
        ),
    ] {
        match parse(&xml) {
            Err(StanzaError::Limit { limit, max }) => assert_eq!((limit, max), named, "{xml}"),
            other => panic!("{xml}: {other:?}"),
        }
    }
    assert!(parse("<message xmlns='jabber:client' a='1' b='2'><a><b><c/></b></a><a/>x</message>").is_ok());
    // However many a setting allows, 4,096 attributes are the end, on both ways.
    let many = |n: usize| (0..n).map(|k| format!(" a{k}='1'")).collect::<String>();
    let wide = Limits { attributes: usize::MAX, ..Limits::default() };
    let xml = |n: usize| format!("<message xmlns='jabber:client'><x{}/></message>", many(n));
    assert!(Stanza::parse(xml(4096).as_bytes(), &wide).is_ok());
    assert!(matches!(
        Stanza::parse(xml(4097).as_bytes(), &wide),
        Err(StanzaError::Limit { limit: "attributes", max: 4096 })
    ));
    let json = format!(
        "{{\"a\":{{{}}}}}",
        (0..4097).map(|k| format!("\"a{k}\":\"1\"")).collect::<Vec<_>>().join(",")
    );
    assert!(
        json::decode(json.as_bytes(), Mode::Lenient)
            .is_err_and(|e| words(&e) == "/a/a4096: more than 4096 attributes")
    );
    // However deep a setting allows it, 256 is the end, and that depth can be written and encoded.
    let deep = |n: usize| {
        format!("<message xmlns='jabber:client'>{}{}</message>", "<a>".repeat(n), "</a>".repeat(n))
    };
    let wide = Limits { depth: 100_000, ..Limits::default() };
    assert!(matches!(
        Stanza::parse(deep(256).as_bytes(), &wide),
        Err(StanzaError::Limit { limit: "depth", max: 256 })
    ));
    let stanza = Stanza::parse(deep(255).as_bytes(), &wide).expect("255 and the stanza");
    let mut out = Vec::new();
    json::encode(&stanza, Options::default(), &mut out);
    let back = json::decode(&out, Mode::Strict).expect("back");
    assert_eq!(canonical(&stanza), canonical(&back));
    assert_eq!(back.to_xml_string(), stanza.to_xml_string());
}

#[test]
fn equal_is_what_xml_calls_equal_and_nothing_more() {
    let parse = |xml: &str| {
        Stanza::parse(xml.as_bytes(), &Limits::default()).unwrap_or_else(|e| panic!("{xml}: {e}"))
    };
    let message = |inner: &str| format!("<message xmlns='jabber:client'>{inner}</message>");
    for (one, other) in [
        ("<x xmlns='u' a='1' b='2'/>", "<x b=\"2\" a=\"1\" xmlns=\"u\"></x>"),
        ("<p:x xmlns:p='u'><p:y/></p:x>", "<x xmlns='u'><y/></x>"),
        ("<x xmlns='u' xmlns:p='v' p:a='1'/>", "<x xmlns='u' xmlns:q='v' q:a='1'/>"),
        ("<x xmlns='u'>a&amp;b&#x63;</x>", "<x xmlns='u'><![CDATA[a&b]]>c</x>"),
        ("<x xmlns='jabber:server'/>", "<x/>"),
        ("<x xmlns='u'>a\r\nb\rc</x>", "<x xmlns='u'>a\nb\nc</x>"),
    ] {
        assert_eq!(
            canonical_exact(&parse(&message(one))),
            canonical_exact(&parse(&message(other))),
            "{one} {other}"
        );
    }
    for (one, other) in [
        ("<x xmlns='u'/>", "<x xmlns='v'/>"),
        ("<x xmlns='u'/><y xmlns='u'/>", "<y xmlns='u'/><x xmlns='u'/>"),
        ("<x xmlns='u' a=''/>", "<x xmlns='u'/>"),
        ("<x xmlns='u'>a</x>", "<x xmlns='u'>a </x>"),
        ("<x xmlns='u'> </x>", "<x xmlns='u'/>"),
        ("<x xmlns='u'>a<y/> <z/></x>", "<x xmlns='u'>a<y/><z/></x>"),
        ("<x xmlns='u' xmlns:p='v' p:a='1'/>", "<x xmlns='u' a='1'/>"),
        ("<body xml:lang='en'>a</body>", "<body>a</body>"),
    ] {
        assert_ne!(canonical(&parse(&message(one))), canonical(&parse(&message(other))), "{one} {other}");
    }
    let (plain, pretty) =
        (message("<x xmlns='u'><y/><z/></x>"), message("\n  <x xmlns='u'> <y/>\n<z/></x>\n"));
    assert_eq!(canonical(&parse(&plain)), canonical(&parse(&pretty)));
    assert_ne!(canonical_exact(&parse(&plain)), canonical_exact(&parse(&pretty)));
}

#[test]
fn a_changed_stanza_is_like_a_parsed_one() {
    let mut stanza = Stanza::parse(
        b"<message xmlns='jabber:client' to='a@b' id='1'><body>x</body></message>",
        &Limits::default(),
    )
    .expect("stanza");
    stanza.set_attr("id", Some("2 & 3"));
    stanza.set_attr("from", Some("c@d"));
    stanza.set_attr("to", None);
    stanza.set_attr("nothing", None);
    stanza
        .append("<delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'>late &amp; long</delay>")
        .expect("appended");
    stanza.append("<x xmlns='urn:x'><y/>z</x>").expect("appended");
    for bad in ["<a><b></a>", "", "text", "<a/><b/>", "<a/>x"] {
        assert!(stanza.append(bad).is_err(), "{bad}");
    }
    let xml = "<message xmlns=\"jabber:client\" id=\"2 &amp; 3\" from=\"c@d\"><body>x</body>\
        <delay xmlns=\"urn:xmpp:delay\" stamp=\"2026-01-01T00:00:00Z\">late &amp; long</delay><x xmlns=\"urn:x\"><y/>z</x></message>";
    assert_eq!(stanza.to_xml_string(), xml);
    let again = Stanza::parse(xml.as_bytes(), &Limits::default()).expect("written");
    assert_eq!(canonical_exact(&stanza), canonical_exact(&again));
    let mut json = Vec::new();
    json::encode(&stanza, Options::default(), &mut json);
    assert_eq!(canonical_exact(&json::decode(&json, Mode::Strict).expect("JSON")), canonical_exact(&again));
    // A decoded stanza can be changed too.
    let mut decoded = json::decode(&json, Mode::Strict).expect("JSON");
    decoded.set_attr("id", Some("4"));
    decoded.append("<y xmlns='urn:y'/>").expect("appended");
    assert!(
        decoded.to_xml_string().ends_with("<y xmlns=\"urn:y\"/></message>"),
        "{}",
        decoded.to_xml_string()
    );
    assert_eq!(decoded.id(), Some("4"));
}

#[test]
fn buffers_are_reused_from_one_stanza_to_the_next() {
    let mut stanza = Stanza::default();
    for xml in [
        "<message xmlns='jabber:client'><p:a xmlns:p='urn:p'><b>x</b></p:a></message>",
        "<message xmlns='jabber:client'><a>",
        "<presence xmlns='jabber:client'/>",
        "<iq xmlns='jabber:client' type='get'><ping xmlns='urn:xmpp:ping'/></iq>",
    ] {
        let Ok(()) = stanza.parse_into(xml.as_bytes(), &Limits::default()) else { continue };
        let fresh = Stanza::parse(xml.as_bytes(), &Limits::default()).expect("fresh");
        assert_eq!(canonical_exact(&stanza), canonical_exact(&fresh));
        let json = br#"{"kind":"presence","show":"away"}"#;
        let mut decoded = stanza.clone();
        json::decode_into(json, Mode::Strict, &mut decoded).expect("JSON");
        assert_eq!(decoded.to_xml_string(), "<presence xmlns=\"jabber:client\"><show>away</show></presence>");
    }
}
