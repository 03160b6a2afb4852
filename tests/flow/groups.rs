//! Groups at work: what Openfire tells, what the platform says, and the picture of all, against the real platform, with a stand-in for the shim.

use serde_json::{Value, json};

use crate::remote::{Platform, TOKEN};
use crate::shim::Server;

const EVENT: i32 = 16;

fn server(platform: &Platform, mode: &str) -> Server {
    let url = platform.url();
    let server = Server::start(&[
        ("chat.mode", "decide"),
        ("group.mode", mode),
        ("platform.url", url.as_str()),
        ("platform.token.password", TOKEN),
    ]);
    server.log_in("juliet@example.org/balcony", 0);
    server.log_in("romeo@example.org/orchard", 0);
    server.until("ready", |s| s["ready"] == true && s["listens"] == true);
    server
}

fn happened(group: &str) -> String {
    format!(
        "<iq xmlns='jabber:client' type='set'><group xmlns='urn:cloudbridge:group:0' {group}</group></iq>"
    )
}

fn group(platform: &Platform, id: &str) -> Value {
    platform.by_integrator("GET", &format!("/v1/groups/{id}"), None).1
}

fn told(server: &Server) {
    server.until("told", |s| s["journal"]["calls"] == 0 && s["modules"]["group"]["picture"]["told"] == true);
}

/// What was done in Openfire, without what was read there.
fn changes(server: &Server, count: usize) -> Vec<String> {
    let lines = |applied: Vec<(String, Vec<String>)>| {
        applied
            .into_iter()
            .filter(|(verb, _)| verb != "read.groups" && verb != "group.waiting")
            .map(|(verb, arguments)| format!("{verb} {}", arguments.join(" ")))
            .collect::<Vec<_>>()
    };
    server.until("it was done in Openfire", |_| lines(server.applied(0)).len() >= count);
    lines(server.applied(0))
}

#[test]
fn what_happens_to_a_group_in_openfire_is_told_in_order_and_its_echo_dies() {
    let platform = Platform::start(false);
    let server = server(&platform, "decide");
    told(&server);
    for what in [
        "id='Night_20watch' name='Night watch' description=''>",
        "id='Night_20watch'><member jid='juliet@example.org' role='admin'/>",
        "id='Night_20watch'><member jid='stranger@elsewhere.example' role='member'/>",
        "id='Night_20watch'><member jid='juliet@example.org' role='member'/>",
        "id='Night_20watch' name='Day' description='by turns'>",
        "id='Night_20watch'><member jid='stranger@elsewhere.example' role='none'/>",
    ] {
        assert!(!server.offer(&happened(what), EVENT), "an event is never held");
    }
    told(&server);
    let there = group(&platform, "Night_20watch");
    assert_eq!((&there["name"], &there["description"]), (&json!("Day"), &json!("by turns")), "{there}");
    assert_eq!(there["members"], json!([{"user": "juliet@example.org", "role": "member"}]));
    assert!(!server.offer(&happened("id='Night_20watch'><removed/>"), EVENT));
    told(&server);
    assert_eq!(group(&platform, "Night_20watch")["status"], 404);
    // Somebody else's change is the first that is done here.
    let made = json!({"id": "t", "name": "T", "members": [{"user": "romeo@example.org", "role": "owner"}]});
    assert_eq!(platform.by_integrator("POST", "/v1/groups", Some(made)).0, 201);
    assert_eq!(changes(&server, 1), ["group.put t T  romeo@example.org admin"]);
}

#[test]
fn what_the_platform_says_is_done_as_it_is_by_then_and_only_in_decide_mode() {
    let platform = Platform::start(false);
    let server = server(&platform, "decide");
    told(&server);
    let made = json!({"id": "t", "name": "T", "description": "d", "members": [{"user": "juliet@example.org", "role": "owner"}]});
    assert_eq!(platform.by_integrator("POST", "/v1/groups", Some(made)).0, 201);
    assert_eq!(changes(&server, 1), ["group.put t T d juliet@example.org admin"]);
    let member = |method: &str, body: Option<Value>| {
        let (status, answer) = platform.by_integrator(method, "/v1/groups/t/members/romeo@example.org", body);
        assert_eq!(status, 200, "{answer}");
    };
    member("PUT", Some(json!({"role": "member"})));
    member("PUT", Some(json!({"role": "admin"})));
    member("DELETE", None);
    assert_eq!(platform.by_integrator("DELETE", "/v1/groups/t", None).0, 200);
    assert_eq!(
        changes(&server, 5)[1..],
        [
            "group.member t romeo@example.org member",
            "group.member t romeo@example.org admin",
            "group.unmember t romeo@example.org",
            "group.remove t",
        ]
    );
    server.set("group.mode", "mirror");
    server.until("mirror", |s| s["modules"]["group"]["mode"] == "mirror");
    let made = json!({"id": "u", "name": "U", "members": [{"user": "juliet@example.org", "role": "owner"}]});
    assert_eq!(platform.by_integrator("POST", "/v1/groups", Some(made)).0, 201);
    let stanza =
        json!({"to": "juliet@example.org", "stanza": {"kind": "message", "id": "after", "body": "x"}});
    assert_eq!(platform.by_integrator("POST", "/v1/downlink", Some(stanza)).0, 202);
    assert!(changes(&server, 6)[5].starts_with("route "), "in mirror mode nothing of a group is done here");
}

#[test]
fn the_first_picture_unites_both_lists_and_the_next_one_is_openfires_word() {
    let platform = Platform::start(false);
    let server = server(&platform, "off");
    for (id, owner) in [("both", "juliet"), ("theirs", "juliet")] {
        let user = json!({"user": format!("{owner}@example.org")});
        platform.by_integrator("POST", "/v1/users", Some(user));
        let made = json!({"id": id, "name": id, "members": [{"user": format!("{owner}@example.org"), "role": "owner"}]});
        assert_eq!(platform.by_integrator("POST", "/v1/groups", Some(made)).0, 201);
    }
    let list = "<groups xmlns='urn:cloudbridge:group:0'><group key='both' id='both' name='Both' description=''><member jid='romeo@example.org' role='admin'/></group>\
        <group key='ours' id='ours' name='ours' description='d'/></groups>";
    server.lists("read.groups ", list);
    server.set("group.mode", "decide");
    told(&server);
    let members = |id: &str| {
        let mut all = group(&platform, id)["members"].as_array().cloned().unwrap_or_default();
        all.sort_by_key(|member| member["user"].to_string());
        Value::Array(all)
    };
    assert_eq!(
        members("both"),
        json!([{"user": "juliet@example.org", "role": "owner"}, {"user": "romeo@example.org", "role": "admin"}])
    );
    assert_eq!(group(&platform, "both")["name"], "Both");
    assert_eq!(group(&platform, "ours")["description"], "d");
    // What the platform announced itself may have come as well: it is the same.
    let done: std::collections::BTreeSet<_> = changes(&server, 2).into_iter().collect();
    let expected =
        ["group.member both juliet@example.org admin", "group.put theirs theirs  juliet@example.org admin"];
    assert_eq!(done, expected.map(str::to_owned).into());
    // The same picture again: whom Openfire does not have is no member, unless there is no account for it here yet.
    server.set("group.mode", "mirror");
    told(&server);
    server.until("the second picture", |s| s["modules"]["group"]["picture"]["reported"] == 1);
    assert_eq!(members("both"), json!([{"user": "romeo@example.org", "role": "admin"}]));
    let user = json!({"user": "paris@example.org"});
    assert_eq!(platform.by_integrator("POST", "/v1/users", Some(user)).0, 201);
    let role = Some(json!({"role": "member"}));
    assert_eq!(platform.by_integrator("PUT", "/v1/groups/both/members/paris@example.org", role).0, 200);
    server.lists(
        "group.waiting both",
        "<group xmlns='urn:cloudbridge:group:0'><member jid='paris@example.org' role='member'/></group>",
    );
    server.set("group.mode", "decide");
    server.until("the third picture", |s| {
        s["modules"]["group"]["picture"]["told"] == true && s["modules"]["group"]["picture"]["reported"] == 0
    });
    assert_eq!(members("both")[0], json!({"user": "paris@example.org", "role": "member"}));
}
