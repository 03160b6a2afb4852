//! The command `cloudbridge`: texts compared as a whole, one clear line for wrong input.
//!
//! `UPDATE=1 cargo test -p cloudbridge --test command` rewrites `tests/command/*.txt`.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

fn cloudbridge(arguments: &[&str], input: &str) -> Said {
    let mut child = Command::new(env!("CARGO_BIN_EXE_cloudbridge"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command");
    // It may have refused its arguments without reading.
    let _ = child.stdin.take().expect("stdin").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("its end");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

const CHAT: &str = "<message xmlns='jabber:client' type='chat' from='romeo@example.org/orchard' to='juliet@example.org' id='m1'><body>hi</body></message>";
const STATE: &str = "<message xmlns='jabber:client' type='chat' from='romeo@example.org/orchard' to='juliet@example.org'><active xmlns='http://jabber.org/protocol/chatstates'/></message>";
const INVITATION: &str = "<message xmlns='jabber:client' from='romeo@example.org/orchard' to='juliet@example.org'><x xmlns='jabber:x:conference' jid='g@rooms.example.org' password='canary'/></message>";
const REGISTER: &str = "<iq xmlns='jabber:client' type='set' id='r'><query xmlns='jabber:iq:register'><username>Juliet</username><password>canary &lt;1></password></query></iq>";
const FORM: &str = "<iq xmlns='jabber:client' type='set' id='r' from='juliet@example.org/x'><query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'><field var='username'><value>juliet</value></field><field var='password'><value>canary</value></field></x></query></iq>";
const PUSH: &str = "<iq xmlns='jabber:client' type='set' id='e' to='juliet@example.org'><query xmlns='jabber:iq:roster'><item jid='romeo@example.net' name='R' subscription='both'/></query></iq>";
const SEARCH: &str = "<iq xmlns='jabber:client' type='get' id='s' to='find.example.org'><query xmlns='jabber:iq:search'/></iq>";
const TWO: &str = "<iq xmlns='jabber:client' type='set' id='t' from='juliet@example.org/x'><query xmlns='jabber:iq:roster'><item jid='a@example.org'/><item jid='b@example.org'/></query></iq>";

#[test]
fn each_stanza_is_explained_as_the_text_says() {
    let cases: &[(&str, &[&str], &str)] = &[
        ("chat-watch", &[], CHAT),
        ("chat-decide", &["--set", "chat.mode=decide", "--set=chat.timeoutMillis=1500", "-"], CHAT),
        ("chat-mirror", &["--set", "plugin.cloudbridge.chat.mode=mirror"], CHAT),
        ("chat-state", &["--set", "chat.mode=decide"], STATE),
        ("chat-password", &["--set", "chat.mode=mirror"], INVITATION),
        ("register-decide", &["--set", "user.mode=decide"], REGISTER),
        ("password-form-mirror", &["--set", "user.mode=mirror"], FORM),
        ("roster-event", &["--event", "--set", "friend.mode=mirror"], PUSH),
        ("search-form", &["--set", "friend.mode=decide"], SEARCH),
        ("two-items", &["--set", "friend.mode=decide"], TWO),
        (
            "nobodys",
            &[],
            "<iq xmlns='jabber:client' type='get' id='p'>\n  <ping xmlns='urn:xmpp:ping'/>\n</iq>\n",
        ),
        ("several", &["--set", "friend.mode=off"], &format!("{SEARCH}\n\n{TWO}\n")),
    ];
    let mut stale = Vec::new();
    for (name, arguments, input) in cases {
        let said = cloudbridge(&[&["explain"], *arguments].concat(), input);
        assert_eq!((said.code, said.err.as_str()), (Some(0), ""), "{name}");
        assert!(!said.out.contains("canary"), "{name} shows a secret");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/command").join(format!("{name}.txt"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, &said.out).expect("written");
        }
        if std::fs::read_to_string(&file).unwrap_or_default() != said.out {
            stale.push(format!("{}: it says\n{}", file.display(), said.out));
        }
    }
    assert!(stale.is_empty(), "{}", stale.join("\n"));
}

#[test]
fn json_is_one_line_per_stanza_without_secrets() {
    let said =
        cloudbridge(&["explain", "--json", "--set", "user.mode=decide"], &format!("{REGISTER}\n{SEARCH}\n"));
    assert_eq!(said.code, Some(0), "{}", said.err);
    let lines: Vec<serde_json::Value> =
        said.out.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["row"], "user.register");
    assert_eq!(lines[0]["mode"], "decide");
    assert_eq!(lines[0]["secret"], true);
    assert_eq!(lines[0]["request"]["path"], "/v1/users");
    assert_eq!(
        lines[0]["request"]["body"],
        serde_json::json!({ "user": "juliet@DOMAIN", "password": "********" })
    );
    assert_eq!(
        (&lines[1]["row"], &lines[1]["request"]),
        (&"friend.find_form".into(), &serde_json::Value::Null)
    );
    assert!(!said.out.contains("canary"));
}

#[test]
fn wrong_input_is_one_clear_line_and_the_code_2() {
    let cases: &[(&[&str], &str, &str)] = &[
        (&[], "", "a command is missing, expected explain or check; see cloudbridge --help"),
        (&["explian"], "", "there is no command explian, expected explain or check; see cloudbridge --help"),
        (&["explain", "--evnt"], CHAT, "there is no option --evnt; see cloudbridge --help"),
        (&["explain", "a", "b"], "", "one FILE at a time, b is one too many"),
        (&["explain", "--set"], CHAT, "--set needs KEY=VALUE"),
        (&["explain", "--set", "chat.mode"], CHAT, "--set chat.mode: expected KEY=VALUE"),
        (
            &["explain", "--set", "chat.mod=x"],
            CHAT,
            "--set chat.mod=x: there is no setting chat.mod; see docs/settings.md",
        ),
        (
            &["explain", "--set", "chat.mode=hold"],
            CHAT,
            "plugin.cloudbridge.chat.mode = \"hold\": expected one of off, watch, mirror, decide",
        ),
        (&["explain"], " \n", "there is no stanza to explain"),
        (&["explain"], "hello", ""),
        (&["explain"], "<message xmlns='jabber:client'><body>hi</message>", ""),
        (&["explain"], "<stream xmlns='jabber:client'/>", ""),
        (&["explain"], &format!("{CHAT}\n<message\n"), "line 2: "),
        (&["explain", "no-such-file.xml"], "", "no-such-file.xml: "),
        (&["check"], "", "check needs at least one FILE or FOLDER"),
        (&["check", "Cargo.toml"], "", "Cargo.toml: "),
    ];
    for (arguments, input, expected) in cases {
        let said = cloudbridge(arguments, input);
        assert_eq!((said.code, said.out.as_str()), (Some(2), ""), "{arguments:?}");
        let line = said.err.strip_prefix("cloudbridge: ").and_then(|l| l.strip_suffix('\n'));
        let line = line.unwrap_or_else(|| panic!("{arguments:?}: {}", said.err));
        assert!(!line.contains('\n'), "{arguments:?}: {line}");
        let whole = *expected == line;
        let begins = expected.is_empty() && line.starts_with("this is no stanza: ");
        let named = expected.ends_with(": ") && line.starts_with(expected) && line.len() > expected.len();
        assert!(whole || begins || named, "{arguments:?} {input}: {line}");
    }
}

#[test]
fn row_files_are_checked_and_help_and_version_are_there() {
    let file = "src/modules/friend/module.json";
    let said = cloudbridge(&["check", file], "");
    assert_eq!(
        (said.code, said.out),
        (Some(0), format!("{file}: module friend, 7 rows, good\n")),
        "{}",
        said.err
    );
    for (argument, begin) in [("--help", "Usage: cloudbridge explain"), ("--version", "cloudbridge ")] {
        let said = cloudbridge(&[argument], "");
        assert!(said.code == Some(0) && said.out.starts_with(begin), "{}", said.out);
    }
}
