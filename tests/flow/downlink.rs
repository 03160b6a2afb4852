//! The downlink: what the platform says is done once and in order, whoever restarts, by one node of a cluster.

use std::time::Duration;

use serde_json::{Value, json};

use crate::remote::{Platform, TOKEN};
use crate::shim::Server;

/// A node that decides about chat and contacts on this platform.
fn node(platform: &Platform, more: &[(&str, &str)]) -> Server {
    let url = platform.url();
    let mut settings = vec![
        ("chat.mode", "decide"),
        ("friend.mode", "decide"),
        ("platform.url", url.as_str()),
        ("platform.token.password", TOKEN),
    ];
    settings.extend_from_slice(more);
    let server = Server::start(&settings);
    // The platform knows whom it has seen.
    server.log_in("juliet@example.org/balcony", 0);
    server.until("ready", |s| s["ready"] == true);
    server
}

fn say(platform: &Platform, id: &str) {
    let stanza = json!({"kind": "message", "type": "chat", "id": id, "body": "from the platform"});
    let sent = json!({"to": "juliet@example.org", "stanza": stanza});
    assert_eq!(platform.by_integrator("POST", "/v1/downlink", Some(sent)).0, 202);
}

fn befriend(platform: &Platform, name: &str) {
    let path = format!("/v1/friends/juliet@example.org/{name}@example.org");
    let entry = json!({"name": name, "subscription": "both"});
    let answer = platform.by_integrator("PUT", &path, Some(entry));
    assert_eq!(answer.0, 200, "{answer:?}");
}

/// Contacts that were put into the list, in order, as soon as there are so many.
fn put(server: &Server, count: usize) -> Vec<String> {
    server.until("applied", |_| of(server, "roster.put").len() >= count);
    of(server, "roster.put").iter().map(|arguments| arguments[1].clone()).collect()
}

fn of(server: &Server, verb: &str) -> Vec<Vec<String>> {
    let all = server.applied(0).into_iter();
    all.filter(|(done, _)| done == verb).map(|(_, arguments)| arguments).collect()
}

/// Cursors that were shared with the cluster.
fn cursors(server: &Server) -> Vec<String> {
    let all = of(server, "remember").into_iter();
    all.filter(|arguments| arguments[0] == "downlink.cursor").map(|arguments| arguments[1].clone()).collect()
}

/// What Openfire does: the properties that one node writes are every node's.
fn share(from: &Server, to: &Server) {
    for arguments in of(from, "remember") {
        to.set(&arguments[0], &arguments[1]);
    }
}

/// Waits until so many events are done and what they came with is acknowledged as a whole.
fn acknowledged(server: &Server, count: usize) {
    server.until("the whole answer is acknowledged", |_| {
        let written = cursors(server);
        let done = |cursor: &&String| cursor.contains("done");
        written.iter().filter(done).count() == count && written.last().is_some_and(|last| !done(&last))
    });
}

fn failures(status: &Value) -> String {
    status["failures"].to_string()
}

#[test]
fn what_cannot_be_used_or_fails_is_said_and_the_next_goes_on() {
    let platform = Platform::start(false);
    let server = node(&platform, &[]);
    server.until("listens", |s| s["listens"] == true);
    let bad = json!({"to": "juliet@example.org", "stanza": {"kind": "message", "bdy": "x"}});
    assert_eq!(platform.by_integrator("POST", "/v1/downlink", Some(bad)).0, 202);
    server.fails("roster.put tybalt@example.org", 4);
    befriend(&platform, "tybalt");
    befriend(&platform, "paris");
    say(&platform, "1");
    server.until("the last one is applied", |_| !of(&server, "route").is_empty());
    assert_eq!(put(&server, 2), ["tybalt@example.org", "paris@example.org"]);
    let route = &of(&server, "route")[0][0];
    assert!(route.contains("from=\"example.org\""), "the server is the sender: {route}");
    server.until("counted", |s| s["modules"]["chat"]["rows"]["chat.route"]["applied"] == 1);
    let status = server.status();
    assert!(failures(&status).contains("im.stanza of the platform's cannot be used"), "{status:#}");
    assert!(failures(&status).contains("roster.put failed in Openfire"), "{status:#}");
    assert_eq!(status["modules"]["friend"]["rows"]["friend.roster_put"], json!({"applied": 1, "failed": 1}));
    // A module that does not decide applies nothing; a stanza that nobody routed is said.
    server.set("chat.mode", "mirror");
    say(&platform, "2");
    befriend(&platform, "benvolio");
    assert_eq!(put(&server, 3).len(), 3);
    assert!(failures(&server.status()).contains("chat is not in decide mode"), "{:#}", server.status());
    assert_eq!(of(&server, "route").len(), 1);
}

#[test]
fn a_restart_of_either_side_goes_on_where_it_was() {
    let mut platform = Platform::start(false);
    let mut server = node(&platform, &[]);
    server.until("listens", |s| s["listens"] == true);
    befriend(&platform, "a");
    assert_eq!(put(&server, 1), ["a@example.org"]);
    server.stop(Duration::from_secs(5));
    befriend(&platform, "b");
    server.start_again();
    assert_eq!(put(&server, 2), ["a@example.org", "b@example.org"]);
    platform.kill();
    platform.start_again();
    befriend(&platform, "c");
    assert_eq!(put(&server, 3), ["a@example.org", "b@example.org", "c@example.org"]);
}

#[test]
fn a_kill_in_the_middle_repeats_the_one_that_was_under_way() {
    let platform = Platform::start(false);
    let mut server = node(&platform, &[]);
    server.until("listens", |s| s["listens"] == true);
    server.stop(Duration::from_secs(5));
    ["a", "b", "c", "d"].into_iter().for_each(|name| befriend(&platform, name));
    server.looks("roster.put c@example.org", "downlink");
    server.start_again();
    let all = ["a@example.org", "b@example.org", "c@example.org", "d@example.org"];
    assert_eq!(put(&server, 4), all);
    server.stop(Duration::from_secs(5));
    server.put_back();
    server.start_again();
    assert_eq!(put(&server, 6)[4..], all[2..], "a and b are not done again");
}

#[test]
fn of_two_nodes_the_senior_one_listens_and_the_next_senior_goes_on_where_it_was() {
    let platform = Platform::start(false);
    let cluster = ("clustered", "true");
    let first = node(&platform, &[cluster, ("senior", "true")]);
    let second = node(&platform, &[cluster, ("senior", "false")]);
    first.until("listens", |s| s["listens"] == true);
    befriend(&platform, "a");
    befriend(&platform, "b");
    assert_eq!(put(&first, 2), ["a@example.org", "b@example.org"]);
    acknowledged(&first, 2);
    share(&first, &second);
    assert_eq!(second.status()["listens"], false, "one listens");
    // The first one leaves; what is said while nobody listens is kept.
    first.set("senior", "false");
    first.until("has stopped listening", |s| s["listens"] == false);
    befriend(&platform, "c");
    second.set("senior", "true");
    befriend(&platform, "d");
    assert_eq!(put(&second, 2), ["c@example.org", "d@example.org"]);
    assert_eq!(put(&first, 2).len(), 2, "nothing is done twice");
    // And back again, with what the second one has seen.
    acknowledged(&second, 2);
    share(&second, &first);
    second.set("senior", "false");
    second.until("has stopped listening", |s| s["listens"] == false);
    first.set("senior", "true");
    befriend(&platform, "e");
    assert_eq!(put(&first, 3), ["a@example.org", "b@example.org", "e@example.org"]);
    assert_eq!(put(&second, 2).len(), 2);
}

#[test]
fn what_another_member_of_the_cluster_changed_is_no_news() {
    let platform = Platform::start(false);
    let cluster = ("clustered", "true");
    let senior = node(&platform, &[cluster, ("senior", "true")]);
    let other = node(&platform, &[cluster, ("senior", "false")]);
    senior.until("listens", |s| s["listens"] == true);
    other.until("has named itself", |_| !of(&other, "remember").is_empty());
    share(&other, &senior);
    let set = "<iq xmlns='jabber:client' type='set' id='r1' from='juliet@example.org/balcony'><query xmlns='jabber:iq:roster'><item jid='romeo@example.org' name='R'/></query></iq>";
    assert!(other.offer(set, 1));
    assert_eq!(other.outcome("r1"), "native", "Openfire changes the list, on every node");
    befriend(&platform, "tybalt");
    assert_eq!(put(&senior, 1), ["tybalt@example.org"], "romeo came before, and was dropped");
    assert_eq!(senior.status()["modules"]["friend"]["rows"]["friend.echo"]["dropped"], 1);
}
