//! Folders at work: the modules of examples/backends/strict against their backend (a Node program that is nobody's contract), with a stand-in for the
//! shim.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use cloudbridge::ffi::frame::{Reader, Writer, ask};
use serde_json::{Value, json};

use crate::shim::{Server, message};

const HOLD: i32 = 1;
const EVENT: i32 = 16;
const KEY: &str = "canary-5e1f";

/// A Node program that says its port and ends when its standard input does.
pub struct Node {
    child: Child,
    port: u16,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Node {
    fn start(arguments: &[&str]) -> Node {
        let mut child = Command::new("node")
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is installed");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout")).read_line(&mut line).expect("a line");
        let port = line.trim().parse().expect("a port");
        Node { child, port }
    }

    fn strict() -> Node {
        Node::start(&["examples/backends/strict/server.mjs", "--key", KEY])
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Does something to the backend from behind.
    fn control(&self, what: &str, body: Value) -> Value {
        self.ask("POST", &format!("/control/{what}"), Some(body))
    }

    fn state(&self) -> Value {
        self.ask("GET", "/control/state", None)
    }

    fn asked(&self, what: &str) -> usize {
        let state = self.state();
        let asked = state["asked"].as_array().expect("a list").iter();
        asked.filter(|one| one.as_str().is_some_and(|one| one.starts_with(what))).count()
    }

    fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url()))
            .body(body.map(|b| b.to_string()).unwrap_or_default())
            .expect("a request");
        let mut response = ureq::Agent::new_with_defaults().run(request).expect("an answer");
        serde_json::from_str(&response.body_mut().read_to_string().expect("text")).expect("JSON")
    }
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/backends/strict/modules").join(name)
}

/// A server in which these modules decide, by folders that point at this backend.
fn deciding(backend: &Node, modules: &[&str], more: &[(&str, &str)]) -> Server {
    let mut settings: Vec<(String, String)> =
        more.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    for module in modules {
        settings.push((format!("{module}.mode"), "decide".into()));
        settings.push((format!("{module}.url"), backend.url()));
        settings.push((format!("{module}.key.password"), KEY.into()));
    }
    let settings: Vec<_> = settings.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let server = Server::prepared(&settings, |data| {
        for module in modules {
            install(data, module);
        }
    });
    for module in modules {
        server.until("in force", |s| s["folders"]["modules"][module]["state"] == "in force");
    }
    server
}

fn install(data: &Path, module: &str) {
    let to = data.join("modules").join(module);
    std::fs::create_dir_all(to.join("cases")).expect("folder");
    std::fs::copy(example(module).join("module.json"), to.join("module.json")).expect("copied");
}

fn ticket(id: &str, kind: &str, inner: &str) -> String {
    format!(
        "<iq xmlns='jabber:client' type='{kind}' id='{id}' from='juliet@example.org/balcony' to='example.org'>{inner}</iq>"
    )
}

fn answer(server: &Server, id: &str) -> String {
    assert_eq!(server.outcome(id), "answered", "{:#}", server.status()["folders"]);
    let answers = server.inbox("answers");
    answers.into_iter().find(|xml| xml.contains(&format!("id=\"{id}\""))).expect("the answer")
}

fn verify(server: &Server, name: &str, password: &str) -> i32 {
    let answer = server.ask(&Writer::new(ask::VERIFY).str(name).str(password).finish());
    let mut r = Reader::new(&answer);
    assert_eq!(r.u8().expect("opcode"), 0);
    r.int().expect("outcome")
}

#[test]
fn a_foreign_backend_judges_messages_keeps_those_for_the_absent_and_gives_them_in_order() {
    let backend = Node::strict();
    let server = deciding(&backend, &["chat"], &[]);
    server.log_in("juliet@example.org/balcony", 0);
    server.log_in("romeo@example.org/orchard", 0);
    server.until("sessions are known", |s| s["modules"]["state"]["available"] == 2);
    let send = |id: &str, body: &str| {
        assert!(server.send(&message("romeo@example.org/orchard", "juliet@example.org", id, body)), "{id}");
    };
    send("1", "at once");
    send("2", "answered later");
    send("3", "behind it");
    assert_eq!(server.received("juliet@example.org/balcony", 3), ["1", "2", "3"]);
    assert!(backend.asked("GET /api/jobs/") >= 3, "it was asked until it was there");
    send("4", "forbidden");
    assert_eq!(server.outcome("4"), "refused");
    server.log_out("juliet@example.org/balcony");
    for id in 10..30 {
        send(&id.to_string(), if id == 15 { "later" } else { "kept" });
    }
    server.until("all kept", |s| s["modules"]["chat"]["counts"]["stored"] == 20);
    assert_eq!(backend.state()["letters"], 20);
    server.log_in("juliet@example.org/chamber", 0);
    let expected: Vec<String> = (10..30).map(|id: u32| id.to_string()).collect();
    assert_eq!(server.received("juliet@example.org/chamber", 20), expected);
    assert!(server.last("juliet@example.org/chamber").contains("<delay xmlns=\"urn:xmpp:delay\""));
    server.until("nothing is kept any more", |_| backend.state()["letters"] == 0);
    // No platform is needed for any of it.
    let status = server.status();
    assert_eq!((&status["platform"]["kind"], &status["platform"]["child"]), (&json!("none"), &Value::Null));
    assert_eq!(status["modules"]["chat"]["kept_by_platform"]["messages"], 0);
    assert!(!status.to_string().contains(KEY));
    server.assert_nowhere(KEY);
}

#[test]
fn a_dead_backend_is_open_or_closed_and_is_told_afterwards_what_was_decided_without_it() {
    for policy in ["open", "closed"] {
        let backend = Node::strict();
        let more = [("chat.onFailure", policy), ("chat.timeoutMillis", "1000")];
        let server = deciding(&backend, &["chat"], &more);
        server.log_in("juliet@example.org/balcony", 0);
        server.until("sessions are known", |s| s["modules"]["state"]["available"] == 1);
        backend.control("trouble", json!({ "kind": "hang" }));
        for id in 1..=12 {
            server.send(&message("romeo@example.org/orchard", "juliet@example.org", &id.to_string(), "x"));
        }
        server.until("all decided", |s| s["modules"]["chat"]["held"] == 0);
        let outcomes = server.outcomes();
        assert_eq!(outcomes.len(), 12, "{policy}: exactly one each: {outcomes:?}");
        let expected = if policy == "open" { "released" } else { "refused" };
        assert!(outcomes.iter().all(|o| o.1 == expected || o.1 == "passed"), "{policy}: {outcomes:?}");
        server
            .until("its breaker is open", |s| s["folders"]["modules"]["chat"]["breaker"]["state"] == "open");
        backend.control("trouble", json!({ "kind": "" }));
        server.until("it is back and has been told", |s| {
            s["folders"]["modules"]["chat"]["breaker"]["state"] == "closed" && s["journal"]["settled"] == 0
        });
        let settled = backend.state()["routes"].as_object().expect("routes").len();
        assert!(settled > 0, "{policy}: {:#}", backend.state());
        assert_eq!(backend.state()["letters"], 0, "{policy}: nothing comes twice");
        // An answer that is none counts like no answer.
        backend.control("trouble", json!({ "kind": "page" }));
        server.send(&message("romeo@example.org/orchard", "juliet@example.org", "page", "x"));
        assert!(["passed", expected].contains(&server.outcome("page")), "{policy}");
    }
}

#[test]
fn accounts_and_logins_are_a_foreign_backends_with_tokens_that_are_renewed() {
    let backend = Node::strict();
    let server = deciding(&backend, &["user"], &[]);
    backend.control("account", json!({ "name": "juliet", "secret": "canary-77aa" }));
    assert_eq!(verify(&server, "juliet", "canary-77aa"), 0);
    assert_eq!(verify(&server, "juliet", "wrong"), 1);
    assert_eq!(verify(&server, "paris", "x"), 3);
    assert_eq!(backend.state()["tokens"], 1, "one token for all");
    backend.control("forget-tokens", json!({}));
    assert_eq!(verify(&server, "juliet", "canary-77aa"), 0, "another token is fetched on 401");
    let register = |id: &str, name: &str| {
        format!(
            "<iq xmlns='jabber:client' type='set' id='{id}' from='example.org/s1' to='example.org'><query xmlns='jabber:iq:register'><username>{name}</username><password>canary-88bb</password></query></iq>"
        )
    };
    assert!(server.offer(&register("u1", "Nurse"), HOLD));
    assert_eq!(server.outcome("u1"), "native");
    assert_eq!(verify(&server, "nurse", "canary-88bb"), 0);
    assert!(server.offer(&register("u2", "juliet"), HOLD));
    assert_eq!(server.outcome("u2"), "refused", "an error inside a 200");
    for _ in 0..6 {
        verify(&server, "nurse", "wrong");
    }
    assert_eq!(verify(&server, "nurse", "canary-88bb"), 2, "locked");
    // SCRAM values are not a foreign backend's: there are none, and the shim is told not to offer it.
    let scram = server.ask(&Writer::new(ask::SCRAM).str("juliet").finish());
    let mut r = Reader::new(&scram);
    assert_eq!((r.u8().expect("opcode"), r.int().expect("code"), r.str().expect("salt")), (0, 0, ""));
    assert!(server.flags().contains(&"login plain".to_owned()));
    server.assert_nowhere("canary-");
    assert!(!server.status().to_string().contains("canary-"));
}

#[test]
fn contact_lists_go_both_ways_and_what_the_backend_has_said_is_not_told_to_it() {
    let backend = Node::strict();
    let mut server = deciding(&backend, &["friend"], &[]);
    let roster = |id: &str, item: &str| {
        format!(
            "<iq xmlns='jabber:client' type='set' id='{id}' from='juliet@example.org/balcony'><query xmlns='jabber:iq:roster'>{item}</query></iq>"
        )
    };
    let push = |item: &str| {
        format!(
            "<iq xmlns='jabber:client' type='set' to='juliet@example.org'><query xmlns='jabber:iq:roster'>{item}</query></iq>"
        )
    };
    assert!(server.offer(&roster("r1", "<item jid='romeo@example.org' name='Romeo'/>"), HOLD));
    assert_eq!(server.outcome("r1"), "native");
    assert!(server.offer(&roster("r2", "<item jid='x@example.org' name='forbidden'/>"), HOLD));
    assert_eq!(server.outcome("r2"), "refused");
    server.offer(&push("<item jid='romeo@example.org' name='Romeo' subscription='both'/>"), EVENT);
    server.until("told", |s| s["journal"]["calls"] == 0);
    let book = backend.state()["books"]["juliet@example.org"].clone();
    assert_eq!(book["romeo@example.org"]["state"], "both", "{book}");
    let nurse = json!({ "kind": "friend", "owner": "juliet", "contact": "nurse@example.org", "name": "Nurse", "groups": ["House"] });
    backend.control("news", nurse);
    backend.control("news", json!({ "kind": "kick", "to": "juliet@example.org" }));
    let texts = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
    let applied = server.applied(2);
    assert_eq!(
        applied,
        [
            ("roster.put".to_owned(), texts(&["juliet", "nurse@example.org", "Nurse", "both", "", "House"])),
            ("session.close".to_owned(), texts(&["juliet@example.org"])),
        ]
    );
    // Openfire reports it: the same is an echo, anything else is news.
    let told = backend.asked("POST /api/book/set");
    let item = "<item jid='nurse@example.org' name='Nurse' subscription='both'><group>House</group></item>";
    server.offer(&push(item), EVENT);
    server.offer(&push(&item.replace("House", "Home")), EVENT);
    server.until("told", |s| {
        s["journal"]["calls"] == 0 && s["modules"]["friend"]["rows"]["friend.changed"]["echo"] == 1
    });
    assert_eq!(backend.asked("POST /api/book/set"), told + 1);
    // The cursor is written down: nothing is heard twice after a restart, and what was said meanwhile is.
    server.until("the cursor is written", |s| s["folders"]["modules"]["friend"]["cursor"] == true);
    server.stop(std::time::Duration::from_secs(5));
    backend.control("news", json!({ "kind": "unfriend", "owner": "juliet", "contact": "nurse@example.org" }));
    server.start_again();
    assert_eq!(server.applied(3)[2], ("roster.remove".to_owned(), texts(&["juliet", "nurse@example.org"])));
    assert_eq!(server.applied(3).len(), 3);
}

#[test]
fn an_eighth_function_that_only_its_folder_knows_is_answered_now_or_later() {
    let backend = Node::strict();
    let server = deciding(&backend, &["ticket"], &[]);
    assert_eq!(server.flags(), ["serve urn:example:ticket:0"]);
    let ns = "xmlns='urn:example:ticket:0'";
    let open = ticket(
        "t1",
        "set",
        &format!("<open {ns}><subject>The lamp &amp; 50% of the stairs</subject></open>"),
    );
    assert!(server.offer(&open, HOLD));
    assert!(answer(&server, "t1").contains("number=\"T-1\""));
    assert!(backend.asked("GET /api/jobs/") >= 3);
    assert!(server.offer(&ticket("t2", "get", &format!("<show {ns} number='T-1'/>")), HOLD));
    assert!(answer(&server, "t2").contains("<subject>The lamp &amp; 50% of the stairs</subject>"));
    assert!(server.offer(&ticket("t3", "get", &format!("<show {ns} number='T-9'/>")), HOLD));
    assert_eq!(server.outcome("t3"), "refused");
    assert!(server.offer(&ticket("t4", "get", &format!("<list {ns}/>")), HOLD));
    assert!(answer(&server, "t4").contains("number=\"T-1\" state=\"open\""));
    // What none of its rows takes is left alone.
    assert!(!server.offer(&ticket("t5", "get", &format!("<other {ns}/>")), HOLD));
    backend.control("ticket", json!({ "number": "T-1", "state": "closed" }));
    let (verb, arguments) = server.applied(1).remove(0);
    assert_eq!(verb, "route");
    assert!(
        arguments[0].contains("to=\"juliet@example.org\"") && arguments[0].contains("T-1 is closed."),
        "{arguments:?}"
    );
    // Off: it is as if it were not there.
    server.set("ticket.mode", "off");
    assert!(server.flags().is_empty() && !server.offer(&ticket("t6", "get", &format!("<list {ns}/>")), HOLD));
}

#[test]
fn an_answer_that_comes_later_than_the_time_limit_is_decided_by_the_policy_once() {
    let backend = Node::strict();
    let server = deciding(&backend, &["ticket"], &[("ticket.timeoutMillis", "150")]);
    let ns = "xmlns='urn:example:ticket:0'";
    // The job takes three questions, one each 100 ms.
    assert!(server.offer(&ticket("t1", "set", &format!("<open {ns}><subject>slow</subject></open>")), HOLD));
    assert_eq!(server.outcome("t1"), "refused");
    server
        .until("nothing is held", |s| s["folders"]["modules"]["ticket"]["rows"]["ticket.open"]["alone"] == 1);
    assert_eq!(server.outcomes().iter().filter(|(id, _)| id == "t1").count(), 1);
}

#[test]
fn folders_come_change_and_go_without_a_restart_and_a_broken_one_is_refused_alone() {
    let backend = Node::strict();
    let server = deciding(&backend, &["ticket"], &[]);
    let data = server.data();
    let list = |id: &str| ticket(id, "get", "<list xmlns='urn:example:ticket:0'/>");
    // A broken one beside it: named with file, key, line and column; the good one works on.
    let broken = data.join("modules/shop");
    std::fs::create_dir_all(&broken).expect("folder");
    std::fs::write(broken.join("module.json"), "{\n  \"name\": \"shop\",\n  \"verson\": \"1\"\n}\n")
        .expect("written");
    server.until("refused", |s| s["folders"]["modules"]["shop"]["state"] == "refused");
    let why = server.status()["folders"]["modules"]["shop"]["refused"].as_str().expect("why").to_owned();
    assert!(why.starts_with("shop/module.json: at verson: unknown field `verson`"), "{why}");
    assert!(why.ends_with("at line 3 column 10"), "{why}");
    assert!(server.offer(&list("l1"), HOLD));
    assert_eq!(server.outcome("l1"), "answered");
    // A good one that is broken: what was good stays in force, and the page says so.
    let manifest = data.join("modules/ticket/module.json");
    let good = std::fs::read_to_string(&manifest).expect("manifest");
    std::fs::write(&manifest, good.replacen("\"claim\"", "\"clam\"", 1)).expect("written");
    server.until("the version before", |s| {
        s["folders"]["modules"]["ticket"]["state"] == "the version before is in force"
    });
    let why = server.status()["folders"]["modules"]["ticket"]["refused"].as_str().expect("why").to_owned();
    assert!(
        why.contains("at rows[0].does: unknown variant `clam`") && why.contains("version 1, stays in force"),
        "{why}"
    );
    assert!(server.offer(&list("l2"), HOLD));
    assert_eq!(server.outcome("l2"), "answered");
    // Repaired and changed: the new one.
    std::fs::write(&manifest, good.replace("\"version\": \"1\"", "\"version\": \"2\"")).expect("written");
    server.until("version 2", |s| {
        let ticket = &s["folders"]["modules"]["ticket"];
        ticket["state"] == "in force" && ticket["version"] == "2" && ticket["refused"].is_null()
    });
    // Gone while something is held: that is finished by the old row; what comes afterwards is nobody's.
    let open = ticket("o1", "set", "<open xmlns='urn:example:ticket:0'><subject>held</subject></open>");
    assert!(server.offer(&open, HOLD));
    std::fs::remove_dir_all(data.join("modules/ticket")).expect("removed");
    server.until("gone", |s| s["folders"]["modules"]["ticket"].is_null());
    assert_eq!(server.outcome("o1"), "answered");
    assert!(!server.offer(&list("l3"), HOLD) && server.flags().is_empty());
    // And the broken one, repaired.
    std::fs::write(broken.join("module.json"), good.replace("ticket", "shop")).expect("written");
    server.until("repaired", |s| s["folders"]["modules"]["shop"]["state"] == "in force");
}

#[test]
fn a_taken_over_module_goes_back_to_the_platform_with_its_folder() {
    let backend = Node::strict();
    let server = deciding(&backend, &["chat"], &[]);
    server.log_in("juliet@example.org/balcony", 0);
    server.log_in("romeo@example.org/orchard", 0);
    server.until("sessions are known", |s| s["modules"]["state"]["available"] == 2);
    let send = |id: &str| server.send(&message("romeo@example.org/orchard", "juliet@example.org", id, "x"));
    assert!(send("1"));
    assert_eq!(server.received("juliet@example.org/balcony", 1), ["1"]);
    std::fs::remove_dir_all(server.data().join("modules/chat")).expect("removed");
    server.until("the embedded platform", |s| s["ready"] == true && s["platform"]["kind"] == "embedded");
    assert!(send("2"));
    assert_eq!(server.received("juliet@example.org/balcony", 2), ["1", "2"]);
    assert_eq!(backend.asked("POST /api/mail/send"), 1);
    install(&server.data(), "chat");
    server.until("the folder again", |s| s["platform"]["kind"] == "none");
    server.until("sessions are known", |s| s["modules"]["state"]["available"] == 2);
    assert!(send("3"));
    assert_eq!(server.received("juliet@example.org/balcony", 3), ["1", "2", "3"]);
    assert_eq!(backend.asked("POST /api/mail/send"), 2);
}

#[test]
fn in_mirror_mode_messages_pass_and_are_told_in_order_and_one_backend_waits_for_no_other() {
    let backend = Node::strict();
    let (dead, good) = (Node::strict(), &backend);
    let server = deciding(good, &["chat", "friend"], &[]);
    server.set("chat.mode", "mirror");
    // Friends' backend is dead: what is for it waits, what is for the other does not.
    server.set("friend.url", &dead.url());
    drop(dead);
    let push = "<iq xmlns='jabber:client' type='set' to='juliet@example.org'><query xmlns='jabber:iq:roster'><item jid='romeo@example.org' subscription='both'/></query></iq>";
    server.until("the setting counts", |s| {
        s["folders"]["modules"]["friend"]["url"] != s["folders"]["modules"]["chat"]["url"]
    });
    server.offer(push, EVENT);
    for id in 1..=30 {
        assert!(!server.send(&message(
            "romeo@example.org/orchard",
            "juliet@example.org",
            &id.to_string(),
            "copy"
        )));
    }
    server.until("told", |s| s["modules"]["chat"]["counts"]["seen"] == 30 && s["journal"]["calls"] == 1);
    assert_eq!(backend.state()["routes"].as_object().expect("routes").len(), 30);
    server.set("friend.url", &backend.url());
    server.until("told as well", |s| s["journal"]["calls"] == 0);
    assert_eq!(backend.state()["books"]["juliet@example.org"]["romeo@example.org"]["state"], "both");
}

#[test]
fn presence_is_told_by_rows_as_it_changes_and_once() {
    let backend = Node::strict();
    let settings =
        [("state.mode", "mirror"), ("state.url", backend.url().leak() as &str), ("state.key.password", KEY)];
    let server = Server::prepared(&settings, |data| {
        let to = data.join("modules/state");
        std::fs::create_dir_all(&to).expect("folder");
        std::fs::write(to.join("module.json"), STATE).expect("written");
    });
    server.log_in("juliet@example.org/balcony", 3);
    server.until("online", |_| {
        backend.state()["shown"]["juliet@example.org/balcony"] == json!({"on": "yes", "show": ""})
    });
    server.show("juliet@example.org/balcony", "dnd", "reading <3");
    server.until("busy", |_| backend.state()["shown"]["juliet@example.org/balcony"]["show"] == "dnd");
    server.show("juliet@example.org/balcony", "dnd", "reading <3");
    server.log_out("juliet@example.org/balcony");
    server.until("offline", |_| backend.state()["shown"]["juliet@example.org/balcony"]["on"] == "no");
    server.until("all told", |s| s["journal"]["calls"] == 0);
    assert_eq!(backend.asked("POST /api/shown"), 3);
    assert_eq!(server.status()["platform"]["kind"], "none");
}

const STATE: &str = r#"{
  "name": "state", "version": "1", "about": "Presence of sessions.",
  "backend": { "url": "{url}", "auth": { "header": { "name": "X-Api-Key", "value": { "setting": "key.password" } } } },
  "settings": [{ "key": "url", "about": "Base URL." }, { "key": "key.password", "about": "Key.", "secret": true }],
  "rows": [
    {
      "name": "state.shown", "about": "A session shows something else.", "does": "observe",
      "on": { "kind": "presence", "source": "event", "types": ["available"] },
      "request": { "method": "POST", "path": "/api/shown", "form": { "who": { "$": "/from" }, "on": "yes", "show": { "$": "/show", "or": "" } } },
      "answers": [{ "status": "200", "when": [{ "at": "answer:/ok", "is": true }], "then": "done" }]
    },
    {
      "name": "state.gone", "about": "A session has gone.", "does": "observe",
      "on": { "kind": "presence", "source": "event", "types": ["unavailable"] },
      "request": { "method": "POST", "path": "/api/shown", "form": { "who": { "$": "/from" }, "on": "no" } },
      "answers": [{ "status": "200", "when": [{ "at": "answer:/ok", "is": true }], "then": "done" }]
    }
  ]
}"#;

/// Asks for the kind of entry that its first argument names, and for a client certificate of the authority in its second.
const GUARD: &str = r#"
const [kind, ca, cert, key] = process.argv.slice(1);
const { readFileSync } = require("fs");
const entered = (request) => {
  const given = request.headers.authorization || "";
  if (kind === "basic") return given === "Basic " + Buffer.from("bridge:canary-\u00e9:1").toString("base64");
  if (kind === "bearer") return given === "Bearer canary-2";
  return request.socket.authorized;
};
const answer = (request, response) => {
  response.writeHead(entered(request) ? 200 : 401, { "content-type": "application/json" });
  response.end(JSON.stringify({ sky: "clear" }));
};
const server = kind === "certificate"
  ? require("https").createServer({ ca: readFileSync(ca), cert: readFileSync(cert), key: readFileSync(key), requestCert: true, rejectUnauthorized: false }, answer)
  : require("http").createServer(answer);
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit(0)).resume();
"#;

#[test]
fn a_folder_gets_in_by_basic_by_bearer_and_by_a_client_certificate_and_a_refusal_is_said() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = tempfile::tempdir().expect("scratch");
    let file = |name: &str, text: &str| {
        let path = scratch.path().join(name);
        std::fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let mut ca = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_key = rcgen::KeyPair::generate().expect("key");
    let ca_pem = ca.self_signed(&ca_key).expect("certificate").pem();
    let issuer = rcgen::Issuer::new(ca, ca_key);
    let signed = |name: &str| {
        let key = rcgen::KeyPair::generate().expect("key");
        let mut leaf = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("parameters");
        // Under the usual name of both it would look self-signed.
        leaf.distinguished_name.push(rcgen::DnType::CommonName, name);
        (leaf.signed_by(&key, &issuer).expect("certificate").pem(), key.serialize_pem())
    };
    let (server_cert, server_key) = signed("127.0.0.1");
    let (client_cert, client_key) = signed("bridge.example.org");
    let (ca_file, cert, key) =
        (file("ca.pem", &ca_pem), file("cert.pem", &server_cert), file("key.pem", &server_key));
    let entries = [
        (
            "basic",
            "http",
            json!({ "basic": { "user": "bridge", "password": { "file": "secret" } } }),
            "canary-\u{e9}:1\n",
        ),
        ("bearer", "http", json!({ "bearer": { "token": { "file": "secret" } } }), "canary-2"),
        (
            "certificate",
            "https",
            json!({ "certificate": { "certificate": "client.pem", "key": "secret" } }),
            client_key.as_str(),
        ),
    ];
    for (kind, scheme, auth, secret) in entries {
        let guard = Node::start(&["-e", GUARD, kind, &ca_file, &cert, &key]);
        let manifest = |auth: &Value| {
            let mut module = json!({
                "name": "sky", "version": "1", "about": "The sky.",
                "backend": { "url": format!("{scheme}://127.0.0.1:{}", guard.port), "auth": auth },
                "rows": [{
                    "name": "sky.ask", "about": "Asks.", "does": "claim",
                    "on": { "kind": "iq", "types": ["get"], "namespace": "urn:example:sky:0" },
                    "request": { "method": "GET", "path": "/sky" },
                    "answers": [{ "status": "200", "then": { "reply": { "rest": [{ "n": "sky", "ns": "urn:example:sky:0", "c": [{ "$": "answer:/sky" }] }] } } }],
                }],
            });
            if scheme == "https" {
                module["backend"]["ca"] = json!("ca.pem");
            }
            module.to_string()
        };
        let server = Server::prepared(&[("sky.mode", "decide")], |data| {
            let to = data.join("modules/sky");
            std::fs::create_dir_all(&to).expect("folder");
            for (name, text) in
                [("ca.pem", ca_pem.as_str()), ("client.pem", &client_cert), ("secret", secret)]
            {
                std::fs::write(to.join(name), text).expect("written");
                std::fs::set_permissions(to.join(name), std::fs::Permissions::from_mode(0o600))
                    .expect("mode");
            }
            std::fs::write(to.join("module.json"), manifest(&auth)).expect("written");
        });
        let ask = |id: &str| server.offer(&ticket(id, "get", "<sky xmlns='urn:example:sky:0'/>"), HOLD);
        assert!(ask("s1"), "{kind}: {:#}", server.status()["folders"]);
        assert!(answer(&server, "s1").contains(">clear<"), "{kind}");
        // Without it nobody gets in; one refusal is enough to know.
        let path = server.data().join("modules/sky/module.json");
        std::fs::write(path, manifest(&json!("none")).replace("\"1\"", "\"2\"")).expect("written");
        server.until("the change counts", |s| s["folders"]["modules"]["sky"]["version"] == "2");
        assert!(ask("s2"));
        assert_eq!(server.outcome("s2"), "refused", "{kind}");
        let breaker = server.status()["folders"]["modules"]["sky"]["breaker"].clone();
        assert!(
            breaker["state"] == "open" && breaker["error"].as_str().expect("why").contains("401"),
            "{kind}: {breaker}"
        );
        assert!(!server.status().to_string().contains("canary-"), "{kind}");
    }
}
