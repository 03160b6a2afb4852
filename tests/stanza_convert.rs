//! The example program, without a process around it: what it prints, what it says, how it ends.

#[path = "../examples/convert.rs"]
#[allow(dead_code)]
mod convert;
#[path = "stanza/support.rs"]
mod support;

/// Output, messages, and whether everything was converted.
fn run(arguments: &[&str], input: &str) -> (String, String, bool) {
    let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
    let flags = convert::Flags::read(&arguments).expect("flags");
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let all =
        convert::run(&flags, input.as_bytes(), &mut output, &mut errors).expect("no trouble with pipes");
    (String::from_utf8(output).expect("UTF-8"), String::from_utf8(errors).expect("UTF-8"), all)
}

#[test]
fn one_stanza_there_and_back() {
    let xml = "<message xmlns='jabber:client' to='a@b'>\n  <body>x</body>\n</message>\n";
    let json = "{\"kind\":\"message\",\"to\":\"a@b\",\"type\":\"normal\",\"body\":\"x\"}\n";
    assert_eq!(run(&[], xml), (json.to_owned(), String::new(), true));
    let back = "<message xmlns=\"jabber:client\" to=\"a@b\"><body>x</body></message>\n";
    assert_eq!(run(&["--reverse"], json), (back.to_owned(), String::new(), true));
    assert_eq!(run(&["--check"], xml), (String::new(), String::new(), true));
    assert_eq!(run(&["--check", "--reverse"], json), (String::new(), String::new(), true));
}

#[test]
fn a_refused_line_is_an_empty_line_and_its_reason_has_its_number() {
    let lines = "<presence xmlns='jabber:client'/>\n<foo/>\n<message xmlns='jabber:client'>\n<presence xmlns='jabber:client' type='unavailable'/>\n";
    let (output, errors, all) = run(&["--lines"], lines);
    let presence = |kind: &str| format!("{{\"kind\":\"presence\",\"type\":\"{kind}\"}}\n");
    assert_eq!(output, format!("{}\n\n{}", presence("available"), presence("unavailable")));
    let errors: Vec<_> = errors.lines().collect();
    assert_eq!(errors.len(), 2);
    assert!(errors[0].starts_with("line 2: not a stanza: "), "{errors:?}");
    assert!(errors[1].starts_with("line 3: not a stanza: it ends in the middle"), "{errors:?}");
    assert!(!all);
}

#[test]
fn what_is_refused_says_why() {
    let (output, errors, all) = run(&["--reverse"], "{\"bdy\":1}");
    assert_eq!((output.as_str(), errors.as_str(), all), ("", "convert: /bdy: unknown key\n", false));
    assert_eq!(run(&["--reverse", "--lenient"], "{\"bdy\":1}").0, "<message xmlns=\"jabber:client\"/>\n");
    let (_, errors, all) = run(&["--reverse"], "{");
    assert!(errors.starts_with("convert: not JSON: EOF") && !all, "{errors}");
    assert!(convert::Flags::read(&["--what".to_owned()]).is_none());
}

#[test]
fn passwords_are_shown_only_when_asked() {
    let xml = "<iq xmlns='jabber:client' type='set' id='1'><query xmlns='jabber:iq:register'><password>pw</password></query></iq>";
    assert!(run(&[], xml).0.contains("\"password\":null"));
    assert!(run(&["--secrets"], xml).0.contains("\"password\":\"pw\""));
    assert!(run(&["--check"], xml).2);
}

#[test]
fn every_case_passes_the_check() {
    let lines: String = support::cases().iter().map(|case| case.xml.replace('\n', "&#10;") + "\n").collect();
    let (output, errors, all) = run(&["--check", "--lines"], &lines);
    assert_eq!((output.as_str(), errors.as_str(), all), ("", "", true));
}
