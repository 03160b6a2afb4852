//! Footprints, against the real platform, with stand-ins for the shim and for Openfire's PEP.

use serde_json::{Value, json};

use crate::remote::{Platform, TOKEN};
use crate::shim::{Server, message};

const HOLD: i32 = 1;
const MICROBLOG: &str = "urn:xmpp:microblog:0";
const GEOLOC: &str = "http://jabber.org/protocol/geoloc";
const JULIET: &str = "juliet@example.org";
const ROMEO: &str = "romeo@example.org";
const NURSE: &str = "nurse@example.org";
/// Where it is, and where others see it at precision city.
const EXACT: (f64, f64) = (45.441_96, 10.998_75);
const COARSE: (f64, f64) = (45.45, 11.041_768);

fn server(platform: &Platform, more: &[(&str, &str)]) -> Server {
    let url = platform.url();
    let mut settings = vec![
        ("footprint.mode", "decide"),
        ("state.mode", "mirror"),
        ("platform.url", url.as_str()),
        ("platform.token.password", TOKEN),
    ];
    settings.retain(|(key, _)| !more.iter().any(|(k, _)| k == key));
    settings.extend_from_slice(more);
    let server = Server::start(&settings);
    for who in ["juliet@example.org/balcony", "romeo@example.org/orchard", "nurse@example.org/kitchen"] {
        server.log_in(who, 0);
    }
    let decides = settings.contains(&("footprint.mode", "decide"));
    server.until("ready", |s| s["ready"] == true && (s["listens"] == true || !decides));
    server.until("everybody is known", |_| {
        [JULIET, ROMEO, NURSE]
            .iter()
            .all(|who| platform.by_integrator("GET", &format!("/v1/users/{who}"), None).0 == 200)
    });
    server
}

fn friends(platform: &Platform) {
    let entry = json!({"subscription": "both"});
    for (who, whom) in [(JULIET, ROMEO), (ROMEO, JULIET)] {
        assert_eq!(
            platform.by_integrator("PUT", &format!("/v1/friends/{who}/{whom}"), Some(entry.clone())).0,
            200
        );
    }
}

fn iq(id: &str, payload: &str) -> String {
    format!("<iq xmlns='jabber:client' type='set' id='{id}' from='juliet@example.org/balcony'>{payload}</iq>")
}

fn place() -> String {
    format!(
        "<geoloc xmlns='{GEOLOC}'><lat>{}</lat><lon>{}</lon><text>Casa di Giulietta</text></geoloc>",
        EXACT.0, EXACT.1
    )
}

fn entry(id: &str, item: &str, inner: &str, beside: &str) -> String {
    iq(
        id,
        &format!(
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{MICROBLOG}'><item id='{item}'><entry xmlns='http://www.w3.org/2005/Atom'>{inner}</entry></item></publish>{beside}</pubsub>"
        ),
    )
}

fn location(id: &str, inner: &str, beside: &str) -> String {
    iq(
        id,
        &format!(
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='{GEOLOC}'><item>{inner}</item></publish>{beside}</pubsub>"
        ),
    )
}

fn share(attributes: &str, inner: &str) -> String {
    format!("<share xmlns='urn:cloudbridge:footprint:0' {attributes}>{inner}</share>")
}

fn retract(id: &str, node: &str, item: &str) -> String {
    iq(
        id,
        &format!(
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'><retract node='{node}'><item id='{item}'/></retract></pubsub>"
        ),
    )
}

fn owner(id: &str, inner: &str) -> String {
    iq(id, &format!("<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'>{inner}</pubsub>"))
}

/// A footprint of Juliet's, as somebody sees it.
fn seen(platform: &Platform, viewer: &str, id: &str) -> Option<Value> {
    let (status, body) =
        platform.by_integrator("GET", &format!("/v1/footprints/{JULIET}/{id}?viewer={viewer}"), None);
    assert!(matches!(status, 200 | 404), "{status} {body}");
    (status == 200).then_some(body)
}

fn at(feature: &Value) -> (f64, f64) {
    let of = |n: usize| feature["geometry"]["coordinates"][n].as_f64().expect("a number");
    (of(1), of(0))
}

fn on_node(server: &Server, node: &str) -> Vec<String> {
    server.pep(|pep| pep.items(JULIET, node)).into_iter().map(|(id, _)| id).collect()
}

#[test]
fn an_entry_is_asked_about_first_and_friends_get_it_no_more_exactly_than_the_platform_tells_it() {
    let platform = Platform::start(false);
    let server = server(&platform, &[]);
    friends(&platform);
    let link = "<link rel='enclosure' href='https://upload.example.org/1/a.png'/><link rel='enclosure' href='urn:cloudbridge:media:picture-1'/>";
    assert!(server.offer(&entry("p1", "tag:1", &format!("<title>Here</title>{link}{}", place()), ""), HOLD));
    let answer = server.answer("p1");
    assert!(
        answer.contains("type='result'") && answer.contains("to='juliet@example.org/balcony'"),
        "{answer}"
    );
    let own = seen(&platform, JULIET, "tag.3A1").expect("hers");
    assert_eq!(at(&own), EXACT);
    assert_eq!(own["properties"]["audience"], "friends");
    assert_eq!(
        (&own["properties"]["text"], &own["properties"]["place"]),
        (&json!("Here"), &json!("Casa di Giulietta"))
    );
    assert_eq!(own["properties"]["links"], json!(["https://upload.example.org/1/a.png"]));
    assert_eq!(own["properties"]["media"], json!(["picture-1"]));
    let friend = seen(&platform, ROMEO, "tag.3A1").expect("a friend sees it");
    assert_eq!(at(&friend), at_city());
    assert_eq!(seen(&platform, NURSE, "tag.3A1"), None);
    let items = server.pep(|pep| pep.items(JULIET, MICROBLOG));
    let (id, payload) = &items[0];
    assert_eq!(
        (id.as_str(), server.pep(|pep| pep.access(JULIET, MICROBLOG)).as_str()),
        ("tag:1", "presence")
    );
    let (lat, lon) = at_city();
    assert!(payload.contains(&format!("<lat>{lat}</lat><lon>{lon}</lon>")), "{payload}");
    assert!(
        !payload.contains("45.44")
            && !payload.contains("Giulietta")
            && payload.contains("upload.example.org"),
        "{payload}"
    );
    // Exactly, because its owner says so; with a geo: URI and an id made here.
    let without_id =
        entry("p2", "x", "<title>geo:45.5,11.25</title>", &share("precision='exact' audience='all'", ""))
            .replace(" id='x'", "");
    assert!(server.offer(&without_id, HOLD));
    let answer = server.answer("p2");
    let made = answer
        .split("<item id='")
        .nth(1)
        .and_then(|rest| rest.split('\'').next())
        .expect("the id that was made");
    assert_eq!(at(&seen(&platform, NURSE, made).expect("everybody sees it")), (45.5, 11.25));
    let payload = server.pep(|pep| pep.items(JULIET, MICROBLOG))[1].1.clone();
    assert!(payload.contains("geo:45.5,11.25") && payload.contains("<lat>45.5</lat>"), "{payload}");
    server.until("nothing is told twice", |s| s["journal"]["calls"] == 0);
    server
        .until("its echo ends here", |s| s["modules"]["footprint"]["rows"]["footprint.echo"]["dropped"] == 2);
}

fn at_city() -> (f64, f64) {
    let shown = im_api::footprint::shown(EXACT.0, EXACT.1, im_api::footprint::Precision::City);
    assert!((shown.0 - COARSE.0).abs() < 0.1 && (shown.1 - COARSE.1).abs() < 0.2);
    shown
}

#[test]
fn what_is_for_fewer_than_the_node_lets_in_is_told_to_those_alone_and_is_not_on_the_node() {
    let platform = Platform::start(false);
    let server = server(&platform, &[]);
    friends(&platform);
    assert!(server.offer(&location("l1", &place(), ""), HOLD));
    server.answer("l1");
    assert_eq!(on_node(&server, GEOLOC), ["current"]);
    // A walk that the nurse alone may follow: what friends saw of her place ends.
    let walk = share("track='walk' precision='exact'", &format!("<person jid='{NURSE}'/>"));
    for (id, lat) in [("l2", 45.5), ("l3", 45.6)] {
        let inner = format!("<geoloc xmlns='{GEOLOC}'><lat>{lat}</lat><lon>11.5</lon></geoloc>");
        assert!(server.offer(&location(id, &inner, &walk), HOLD));
        server.answer(id);
    }
    assert_eq!(on_node(&server, GEOLOC), Vec::<String>::new());
    let routed = server.routed();
    assert_eq!(routed.len(), 2, "{routed:?}");
    assert!(
        routed.iter().all(|m| m.contains(&format!("to=\'{NURSE}\'")) && m.contains("pubsub#event")),
        "{routed:?}"
    );
    assert!(routed[1].contains("<lat>45.6</lat>"), "{routed:?}");
    let track = |viewer: &str| {
        let (_, body) = platform.by_integrator(
            "GET",
            &format!("/v1/footprints?viewer={viewer}&user={JULIET}&track=walk"),
            None,
        );
        body["features"].as_array().expect("a list").len()
    };
    assert_eq!((track(NURSE), track(ROMEO), track(JULIET)), (2, 0, 2));
    // Blocked: neither by query nor by event.
    assert_eq!(platform.by_integrator("PUT", &format!("/v1/blocks/{JULIET}/{NURSE}"), None).0, 200);
    assert!(
        server.offer(&entry("e1", "secret", &place(), &share("", &format!("<person jid='{NURSE}'/>"))), HOLD)
    );
    server.answer("e1");
    assert_eq!(
        (server.routed().len(), seen(&platform, NURSE, "secret"), on_node(&server, MICROBLOG).len()),
        (2, None, 0)
    );
    assert_eq!(platform.by_integrator("DELETE", &format!("/v1/blocks/{JULIET}/{NURSE}"), None).0, 200);
    // Its retraction reaches whom it was told.
    assert!(server.offer(&retract("e2", MICROBLOG, "secret"), HOLD));
    server.answer("e2");
    assert_eq!(seen(&platform, JULIET, "secret"), None);
    assert!(
        server.routed().last().is_some_and(|m| m.contains("<retract id=") && m.contains(NURSE)),
        "{:?}",
        server.routed()
    );
    assert!(server.offer(&retract("e3", MICROBLOG, "secret"), HOLD));
    assert_eq!(server.refusal("e3"), "item-not-found", "there is nothing of it any more");
    for (id, asked) in [("b1", "audience='self'"), ("b2", "audience='group' group='nobodys'")] {
        assert!(server.offer(&entry(id, "bad", &place(), &share(asked, "")), HOLD));
        server.refusal(id);
        assert_eq!((seen(&platform, JULIET, "bad"), on_node(&server, MICROBLOG).len()), (None, 0));
    }
}

#[test]
fn the_node_s_access_and_the_platform_s_audience_say_the_same_also_when_it_changes() {
    let platform = Platform::start(false);
    let server = server(&platform, &[]);
    friends(&platform);
    let options = |access: &str| {
        format!(
            "<publish-options><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>http://jabber.org/protocol/pubsub#publish-options</value></field><field var='pubsub#access_model'><value>{access}</value></field></x></publish-options>"
        )
    };
    assert!(server.offer(&entry("o1", "one", &place(), &options("whitelist")), HOLD));
    server.answer("o1");
    let audience = |id: &str| seen(&platform, JULIET, id).expect("hers")["properties"]["audience"].clone();
    assert_eq!(
        (server.pep(|pep| pep.access(JULIET, MICROBLOG)).as_str(), audience("one")),
        ("whitelist", json!("me"))
    );
    assert!(server.offer(&entry("o2", "two", &place(), &options("open")), HOLD));
    assert_eq!(server.refusal("o2"), "conflict", "the node must not be what the publish does not want");
    assert_eq!((seen(&platform, JULIET, "two"), on_node(&server, MICROBLOG)), (None, vec!["one".to_owned()]));
    let members = format!(
        "<affiliations node='{MICROBLOG}'><affiliation jid='{NURSE}' affiliation='member'/></affiliations>"
    );
    assert!(server.offer(&owner("a1", &members), HOLD));
    server.answer("a1");
    server.until("the platform follows", |_| audience("one") == json!({"people": [NURSE]}));
    let open = format!(
        "<configure node='{MICROBLOG}'><x xmlns='jabber:x:data' type='submit'><field var='pubsub#access_model'><value>open</value></field></x></configure>"
    );
    assert!(server.offer(&owner("c1", &open), HOLD));
    server.answer("c1");
    server.until("the platform follows", |_| audience("one") == json!("all"));
    assert!(server.offer(&owner("g1", &format!("<purge node='{MICROBLOG}'/>")), HOLD));
    assert_eq!(server.outcome("g1"), "native");
    assert_eq!(seen(&platform, JULIET, "one"), None);
}

#[test]
fn a_location_replaces_the_one_before_until_an_empty_one_ends_it() {
    let platform = Platform::start(false);
    let server = server(&platform, &[("footprint.precision", "exact")]);
    for (id, lat) in [("l1", 45.25), ("l2", 45.5)] {
        let inner = format!("<geoloc xmlns='{GEOLOC}'><lat>{lat}</lat><lon>11.5</lon></geoloc>");
        assert!(server.offer(&location(id, &inner, ""), HOLD));
        server.answer(id);
    }
    assert_eq!(at(&seen(&platform, JULIET, "location.00").expect("hers")), (45.5, 11.5));
    let (_, all) =
        platform.by_integrator("GET", &format!("/v1/footprints?viewer={JULIET}&user={JULIET}"), None);
    assert_eq!(all["features"].as_array().map(Vec::len), Some(1));
    assert!(server.offer(&location("l3", &format!("<geoloc xmlns='{GEOLOC}'/>"), ""), HOLD));
    assert_eq!(server.outcome("l3"), "native");
    assert_eq!(seen(&platform, JULIET, "location.00"), None);
    // Words alone take the location's place in PEP, so they end it at the platform, too.
    assert!(server.offer(&location("l5", &place(), ""), HOLD));
    server.answer("l5");
    let words = format!("<geoloc xmlns='{GEOLOC}'><country>Italy</country></geoloc>");
    assert!(!server.offer(&location("l6", &words, ""), HOLD), "it passes");
    server.until("ended", |_| seen(&platform, JULIET, "location.00").is_none());
    // What Openfire will not have is not at the platform either.
    server.pep(|pep| pep.fails = Some(("publish".into(), "not-acceptable".into())));
    assert!(server.offer(&location("l4", &place(), ""), HOLD));
    assert_eq!(server.refusal("l4"), "not-acceptable");
    server.until("taken back", |s| {
        s["journal"]["calls"] == 0 && seen(&platform, JULIET, "location.00").is_none()
    });
}

#[test]
fn a_dead_platform_open_or_closed_and_nothing_exact_gets_out() {
    for policy in ["open", "closed"] {
        let platform = Platform::start(false);
        let server =
            server(&platform, &[("footprint.onFailure", policy), ("footprint.timeoutMillis", "500")]);
        platform.die();
        assert!(server.offer(&entry("d1", "late", &format!("<title>Late</title>{}", place()), ""), HOLD));
        if policy == "closed" {
            assert_eq!(server.refusal("d1"), "remote-server-timeout");
            assert_eq!(on_node(&server, MICROBLOG), Vec::<String>::new());
            assert!(server.offer(&retract("d2", MICROBLOG, "late"), HOLD));
            assert_eq!(server.refusal("d2"), "remote-server-timeout");
            continue;
        }
        server.answer("d1");
        let payload = server.pep(|pep| pep.items(JULIET, MICROBLOG))[0].1.clone();
        assert!(!payload.contains("45.44") && payload.contains("<geoloc"), "{payload}");
        platform.rise();
        server.until("told late", |s| s["journal"]["calls"] == 0);
        let own = seen(&platform, JULIET, "late").expect("told");
        assert_eq!(
            (at(&own), &own["properties"]["text"], &own["properties"]["audience"]),
            (EXACT, &json!("Late"), &json!("friends"))
        );
        platform.die();
        assert!(server.offer(&retract("d3", MICROBLOG, "late"), HOLD));
        server.answer("d3");
        platform.rise();
        server.until("told late", |s| s["journal"]["calls"] == 0);
        assert_eq!((seen(&platform, JULIET, "late"), on_node(&server, MICROBLOG)), (None, vec![]));
    }
}

#[test]
fn what_the_platform_shares_and_removes_is_published_and_retracted_here_and_comes_back_never() {
    let platform = Platform::start(false);
    let server = server(&platform, &[]);
    let shared = json!({"id": "globe", "user": JULIET, "lat": EXACT.0, "lon": EXACT.1, "text": "To be", "place": "The Globe", "audience": "friends"});
    assert_eq!(platform.by_integrator("POST", "/v1/footprints", Some(shared)).0, 201);
    server.until("published", |_| on_node(&server, MICROBLOG) == ["globe"]);
    let payload = server.pep(|pep| pep.items(JULIET, MICROBLOG))[0].1.clone();
    assert!(
        payload.contains("To be") && !payload.contains("45.44") && !payload.contains("Globe"),
        "{payload}"
    );
    let here = json!({"user": JULIET, "lat": 45.5, "lon": 11.5, "audience": "friends", "precision": "exact"});
    assert_eq!(
        platform.by_integrator("PUT", &format!("/v1/footprints/{JULIET}/location.00"), Some(here)).0,
        200
    );
    server.until("published", |_| on_node(&server, GEOLOC) == ["current"]);
    assert_eq!(platform.by_integrator("DELETE", &format!("/v1/footprints/{JULIET}/globe"), None).0, 204);
    assert_eq!(
        platform.by_integrator("DELETE", &format!("/v1/footprints/{JULIET}/location.00"), None).0,
        204
    );
    server.until("retracted", |_| {
        on_node(&server, MICROBLOG).is_empty() && on_node(&server, GEOLOC).is_empty()
    });
    // For chosen people: not on the node, told to them.
    let chosen =
        json!({"id": "for-her", "user": JULIET, "lat": 45.5, "lon": 11.5, "audience": {"people": [NURSE]}});
    assert_eq!(platform.by_integrator("POST", "/v1/footprints", Some(chosen)).0, 201);
    server.until("told", |_| server.routed().len() == 1);
    assert_eq!(on_node(&server, MICROBLOG), Vec::<String>::new());
    let counted =
        |s: &Value, row: &str| s["modules"]["footprint"]["rows"][row]["applied"].as_u64().unwrap_or(0);
    server.until("all was carried out", |s| {
        counted(s, "footprint.publish") == 3 && counted(s, "footprint.unpublish") == 2
    });
    let rows = server.status()["modules"]["footprint"]["rows"].clone();
    assert_eq!(rows["footprint.echo"], Value::Null);
}

#[test]
fn mirror_tells_afterwards_and_texts_only_when_the_admin_says_so() {
    for bodies in ["false", "true"] {
        let platform = Platform::start(false);
        let server = server(&platform, &[("footprint.mode", "mirror"), ("mirror.bodies", bodies)]);
        assert!(!server.offer(&entry("m1", "one", &format!("<title>Here</title>{}", place()), ""), 0));
        assert!(!server.offer(&location("m2", &place(), ""), 0));
        server.until("told", |s| {
            s["journal"]["calls"] == 0 && s["modules"]["footprint"]["rows"]["footprint.location"]["told"] == 1
        });
        let own = seen(&platform, JULIET, "one").expect("told");
        assert_eq!((at(&own), own["properties"]["text"] == "Here"), (EXACT, bodies == "true"), "{own}");
        // A new text without a place ends it; so does a retraction.
        assert!(!server.offer(&entry("m3", "one", "<title>Nowhere</title>", ""), 0));
        assert!(!server.offer(&retract("m4", GEOLOC, "current"), 0));
        server.until("told", |s| {
            s["journal"]["calls"] == 0 && s["modules"]["footprint"]["rows"]["footprint.retract"]["told"] == 2
        });
        assert_eq!((seen(&platform, JULIET, "one"), seen(&platform, JULIET, "location.00")), (None, None));
    }
}

#[test]
fn footprints_are_found_from_xmpp_by_area_time_and_person_for_the_asker_alone() {
    let platform = Platform::start(false);
    let server = server(&platform, &[("footprint.precision", "exact")]);
    friends(&platform);
    for (id, lat) in [("one", 45.25), ("two", 45.5), ("three", 48.5)] {
        let inner =
            format!("<title>{id}</title><geoloc xmlns='{GEOLOC}'><lat>{lat}</lat><lon>11.5</lon></geoloc>");
        assert!(server.offer(&entry(id, id, &inner, ""), HOLD));
        server.answer(id);
    }
    let find = |id: &str, who: &str, attributes: &str, page: &str| {
        let xml = format!(
            "<iq xmlns='jabber:client' type='get' id='{id}' from='{who}/x' to='find.example.org'><footprints xmlns='urn:cloudbridge:footprint:0' {attributes}>{page}</footprints></iq>"
        );
        assert!(server.offer(&xml, HOLD));
        server.answer(id)
    };
    let titles = |answer: &str| {
        let all = answer.split("<title>").skip(1).filter_map(|rest| rest.split("</title>").next());
        all.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(titles(&find("f1", ROMEO, "", "")), "three two one");
    assert_eq!(titles(&find("f2", NURSE, "", "")), "", "no friend");
    assert_eq!(titles(&find("f3", ROMEO, "area='11,45,12,46'", "")), "two one");
    assert_eq!(titles(&find("f4", ROMEO, "user='nurse@example.org'", "")), "");
    assert_eq!(titles(&find("f5", ROMEO, "until='2020-01-01T00:00:00Z'", "")), "");
    let first = find("f6", ROMEO, "", "<set xmlns='http://jabber.org/protocol/rsm'><max>2</max></set>");
    assert_eq!(titles(&first), "three two");
    let last = first.split("<last>").nth(1).and_then(|rest| rest.split("</last>").next()).expect("a cursor");
    let rest = find(
        "f7",
        ROMEO,
        "",
        &format!("<set xmlns='http://jabber.org/protocol/rsm'><max>2</max><after>{last}</after></set>"),
    );
    assert!(titles(&rest) == "one" && rest.contains("complete="), "{rest}");
}

#[test]
fn a_chat_message_that_is_a_place_is_one_for_its_recipient_when_the_admin_says_so() {
    let platform = Platform::start(false);
    let server = server(&platform, &[("footprint.geoUri", "chat"), ("chat.mode", "decide")]);
    server.send(&message("juliet@example.org/balcony", ROMEO, "c1", "geo:45.5,11.25"));
    server.send(&message("juliet@example.org/balcony", ROMEO, "c2", "I am at geo:45.75,11.25"));
    server.until("told", |s| {
        s["modules"]["footprint"]["rows"]["footprint.share"]["told"] == 1 && s["journal"]["calls"] == 0
    });
    let of = |viewer: &str| {
        platform.by_integrator("GET", &format!("/v1/footprints?viewer={viewer}"), None).1["features"].clone()
    };
    assert_eq!(at(&of(ROMEO)[0]), (45.5, 11.25));
    assert_eq!((of(NURSE), of(ROMEO).as_array().map(Vec::len)), (json!([]), Some(1)));
    assert_eq!(server.received("romeo@example.org/orchard", 2), ["c1", "c2"], "both went their way");
}
