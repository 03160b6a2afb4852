//! docs/own-backend.md is true: its folder is made out of it, its commands say what it says, and its row gets its answer. The example folders are good.

use std::path::Path;
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page() -> String {
    std::fs::read_to_string(root().join("docs/own-backend.md")).expect("the page")
}

/// Writes the files that the page shows: a line with the file's name, then its content.
fn write_files(page: &str, to: &Path) -> usize {
    let lines: Vec<&str> = page.lines().collect();
    let mut written = 0;
    for (at, line) in lines.iter().enumerate() {
        let name = line.strip_prefix('`').and_then(|l| l.strip_suffix('`'));
        let Some(name) = name.filter(|_| lines.get(at + 1) == Some(&"```json")) else { continue };
        let content: Vec<&str> = lines[at + 2..].iter().take_while(|l| **l != "```").copied().collect();
        let path = to.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, content.join("\n")).expect("written");
        written += 1;
    }
    written
}

fn cloudbridge(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_cloudbridge"))
        .current_dir(folder)
        .args(arguments)
        .output()
        .expect("cloudbridge");
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).expect("text")).concat();
    (output.status.code(), text)
}

#[test]
fn the_folder_of_the_page_is_good_and_its_command_says_what_the_page_says() {
    let folder = tempfile::tempdir().expect("scratch");
    let page = page();
    assert_eq!(write_files(&page, folder.path()), 3);
    let expected =
        page.split("```text\n").nth(1).and_then(|rest| rest.split("```").next()).expect("what it says");
    assert!(page.contains("\ncloudbridge check weather\n"));
    assert_eq!(cloudbridge(folder.path(), &["check", "weather"]), (Some(0), expected.to_owned()));
    let stanza = "<iq xmlns='jabber:client' type='get' id='1' from='a@example.org/x'><weather xmlns='urn:example:weather:0' place='Verona'/></iq>";
    std::fs::write(folder.path().join("stanza.xml"), stanza).expect("written");
    let command = "explain --folder weather --set weather.mode=decide stanza.xml";
    assert!(page.contains(&format!("\ncloudbridge {command}\n")));
    let (code, text) = cloudbridge(folder.path(), &command.split(' ').collect::<Vec<_>>());
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("Row weather.ask takes it") && text.contains("Request: GET /weather?place=Verona"),
        "{text}"
    );
    assert!(text.contains("Module weather is in mode decide"), "{text}");
}

#[test]
fn a_case_that_comes_out_otherwise_is_shown_and_a_mistake_is_named_with_its_place() {
    let folder = tempfile::tempdir().expect("scratch");
    write_files(&page(), folder.path());
    let change = |file: &str, from: &str, to: &str| {
        let path = folder.path().join("weather").join(file);
        let text = std::fs::read_to_string(&path).expect("file");
        assert!(text.contains(from), "{from}");
        std::fs::write(path, text.replacen(from, to, 1)).expect("written");
    };
    change(
        "cases/weather.ask.json",
        "\"path\": \"/weather?place=Verona\"",
        "\"path\": \"/weather?at=Verona\"",
    );
    let (code, text) = cloudbridge(folder.path(), &["check", "weather"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.starts_with("weather/cases/weather.ask.json: success: a place that is known: request\n"),
        "{text}"
    );
    assert!(text.ends_with("3 cases, 1 wrong\n"), "{text}");
    change("module.json", "\"does\": \"claim\"", "\"does\": \"clam\"");
    let (code, text) = cloudbridge(folder.path(), &["check", "weather"]);
    assert_eq!(code, Some(2), "{text}");
    let expected = "cloudbridge: weather/module.json: at rows[0].does: unknown variant `clam`, expected `claim` or `observe` at line 15 column 20\n";
    assert_eq!(text, expected);
}

/// What is changed in the page's manifest into what, and what is said then.
const WRONG: &[(&str, &str, &str)] = &[
    (
        r#""backend": { "url": "{url}" },"#,
        "",
        "module.json: at settings: it needs a backend at line 6 column 15",
    ),
    (
        r#""name": "weather","#,
        r#""name": "wether","#,
        "at rows[0].name (row weather.ask): it must begin with wether. at line 9 column 15",
    ),
    (r#""url": "{url}""#, r#""url": "{ulr}""#, "at backend.url: there is no setting ulr at line 5 column 23"),
    (
        r#""url": "{url}""#,
        r#""url": "{url}", "auth": { "bearer": { "token": "x" } }"#,
        "at backend.auth.bearer.token: ",
    ),
    (
        r#""url": "{url}""#,
        r#""url": "{url}", "auth": { "bearer": { "token": { "file": "token" } } }"#,
        "at backend.auth.bearer.token: the file token: ",
    ),
    (
        r#""url": "{url}""#,
        r#""url": "{url}", "auth": { "bearer": { "token": { "file": "../token" } } }"#,
        "at backend.auth.bearer.token: ../token is no file of this folder at line 5 column 63",
    ),
    (
        r#""url": "{url}""#,
        r#""url": "{url}", "auth": { "bearer": { "token": { "setting": "url" } } }"#,
        "at backend.auth.bearer.token: the setting url is not secret at line 5 column 63",
    ),
    (
        r#""default": "http://127.0.0.1:3000""#,
        r#""secret": true"#,
        "at settings[0].key: url is secret, so it must have `password` in it",
    ),
    (
        r#""key": "url""#,
        r#""key": "mode""#,
        "at settings[0].key: mode is a setting of every module's or of the built-in one",
    ),
    (
        r#""does": "claim","#,
        r#""does": "claim", "batch": "chat.decide","#,
        "at rows[0].batch (row weather.ask): it names code of the bridge's own",
    ),
    (
        r#""kind": "iq", "types": ["get"]"#,
        r#""kind": "message", "types": ["chat"]"#,
        "at rows[0].on.kind (row weather.ask): messages belong to the module chat",
    ),
    (
        r#""rows": ["#,
        r#""poll": { "request": { "method": "GET", "path": "/news" }, "everyMillis": 1000, "answers": [{ "then": "items" }], "items": "answer:", "each": [] },
  "rows": ["#,
        "at poll: it says neither cursor, next nor done: every item would come again and again at line 7 column 11",
    ),
    (
        r#""rows": ["#,
        r#""poll": { "request": { "method": "GET", "path": "/news" }, "everyMillis": 1000, "answers": [{ "then": "items" }], "items": "answer:", "next": 1, "each": [{ "then": { "apply": { "verb": "user.rename", "arguments": [] } } }] },
  "rows": ["#,
        "at poll.each[0].then.apply.verb: user.rename is none of user.create, ",
    ),
    (
        r#""rows": ["#,
        r#""login": { "request": { "method": "GET", "path": "/" }, "answers": [{ "then": "right" }] }, "rows": ["#,
        "at login: logins belong to the module user",
    ),
    (r#""query": {"#, r#""form": {}, "query": {"#, "at rows[0].request (row weather.ask): a GET has no body"),
];

#[test]
fn each_mistake_of_a_manifest_is_named_with_key_line_and_column() {
    let mut other = Vec::new();
    for (from, to, expected) in WRONG {
        let folder = tempfile::tempdir().expect("scratch");
        write_files(&page(), folder.path());
        let path = folder.path().join("weather/module.json");
        let text = std::fs::read_to_string(&path).expect("manifest");
        assert_eq!(text.matches(from).count(), 1, "{from}");
        std::fs::write(&path, text.replace(from, to)).expect("written");
        let (code, said) = cloudbridge(folder.path(), &["check", "weather"]);
        let said = said.strip_prefix("cloudbridge: weather/module.json: ").unwrap_or(&said);
        let expected = expected.strip_prefix("module.json: ").unwrap_or(expected);
        if code != Some(2) || !said.starts_with(expected) || !said.contains(" line ") {
            other.push(format!("{to}\n  says     {said}  expected {expected}"));
        }
    }
    assert!(other.is_empty(), "{}", other.join("\n"));
}

#[cfg(unix)]
#[test]
fn a_secret_file_that_others_can_read_refuses_the_folder() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("scratch");
    write_files(&page(), folder.path());
    let manifest = folder.path().join("weather/module.json");
    let text = std::fs::read_to_string(&manifest).expect("manifest");
    let auth =
        r#""url": "{url}", "auth": { "header": { "name": "X-Api-Key", "value": { "file": "key.txt" } } }"#;
    std::fs::write(&manifest, text.replace(r#""url": "{url}""#, auth)).expect("written");
    let key = folder.path().join("weather/key.txt");
    std::fs::write(&key, "k").expect("written");
    for (mode, expected) in [(0o644, Some(2)), (0o600, Some(0))] {
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(mode)).expect("mode");
        let (code, said) = cloudbridge(folder.path(), &["check", "weather"]);
        assert_eq!(code, expected, "{said}");
        assert_eq!(
            said.contains("can be read by others (mode 644): chmod 600 key.txt"),
            mode == 0o644,
            "{said}"
        );
    }
}

#[test]
fn the_example_folders_are_good_and_every_row_and_call_has_cases() {
    let mut seen = 0;
    for backend in ["strict", "json-server"] {
        for entry in std::fs::read_dir(root().join("examples/backends").join(backend).join("modules"))
            .expect("modules")
        {
            let path = entry.expect("entry").path();
            let (code, said) = cloudbridge(root(), &["check", &path.display().to_string()]);
            assert_eq!(code, Some(0), "{said}");
            seen += 1;
        }
    }
    assert_eq!(seen, 6);
}
