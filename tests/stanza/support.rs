//! The case files: stanzas in our own wording with the JSON they must become. Many cases per file:
//!
//! ```text
//! # a remark
//! == what it shows          every part of the stanza has a key: no `rest`, no `a` anywhere in the JSON
//! =~ what it shows          something in it has none, and stays in `rest` or `a`
//! =? what it shows          made by a client library (capture.sh); whatever it is, it comes back
//! <message ...>             the stanza; line ends and the indentation of further lines do not belong to it
//!   <body>...</body>
//! </message>
//! -> {"kind":...}           what it must become (passwords shown); written by UPDATE=1
//! ```

// Compiled into several tests, none of which uses all of it.
#![allow(dead_code)]

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use cloudbridge::stanza::json::{self, Options};
use cloudbridge::stanza::{Limits, Stanza};

/// One case.
#[derive(Debug, Clone)]
pub struct Case {
    /// File without folder and extension.
    pub file: String,
    pub title: String,
    /// `==`: everything typed.
    pub typed: bool,
    /// `=?`: made by others.
    pub foreign: bool,
    pub xml: String,
    pub json: String,
}

impl Case {
    pub fn stanza(&self) -> Stanza {
        Stanza::parse(self.xml.as_bytes(), &Limits::default()).unwrap_or_else(|e| panic!("{self}: {e}"))
    }
}

impl std::fmt::Display for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.file, self.title)
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stanza")
}

/// All cases, file by file.
pub fn cases() -> Vec<Case> {
    files().iter().flat_map(|path| read(path)).collect()
}

fn files() -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder())
        .expect("the folder of cases")
        .map(|entry| entry.expect("entry").path())
        .filter(|path| path.extension().is_some_and(|e| e == "case"))
        .collect();
    files.sort();
    files
}

/// A title line.
fn marked(line: &str) -> Option<(&str, &str)> {
    line.split_once(' ').filter(|(mark, _)| ["==", "=~", "=?"].contains(mark))
}

fn read(path: &Path) -> Vec<Case> {
    let file = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default().to_owned();
    let text = std::fs::read_to_string(path).expect("case file");
    let mut cases: Vec<Case> = Vec::new();
    for line in text.lines() {
        if let Some((mark, title)) = marked(line) {
            let (typed, foreign) = (mark == "==", mark == "=?");
            let (xml, json) = (String::new(), String::new());
            cases.push(Case { file: file.clone(), title: title.to_owned(), typed, foreign, xml, json });
        } else if let Some(case) = cases.last_mut() {
            match line.strip_prefix("-> ") {
                Some(json) => json.clone_into(&mut case.json),
                None if line.starts_with('#') => {}
                None => case.xml.push_str(line.trim_start()),
            }
        }
    }
    cases
}

/// The JSON of a case.
pub fn encoded(stanza: &Stanza, options: Options) -> String {
    let mut out = Vec::new();
    json::encode(stanza, options, &mut out);
    String::from_utf8(out).expect("UTF-8")
}

/// Writes what the encoder gives now into the case files.
#[allow(dead_code)]
pub fn update() {
    for path in files() {
        let text = std::fs::read_to_string(&path).expect("case file");
        let mut cases = read(&path).into_iter();
        let mut out = String::new();
        let mut current: Option<Case> = None;
        let finish = |current: &mut Option<Case>, out: &mut String| {
            if let Some(case) = current.take() {
                let json = encoded(&case.stanza(), Options { secrets: true, ..Options::default() });
                let kept = out.trim_end().len();
                let tail = out.split_off(kept);
                let _ = write!(out, "\n-> {json}{tail}");
            }
        };
        for line in text.lines().filter(|line| !line.starts_with("-> ")) {
            let title = marked(line).is_some();
            if title || line.starts_with('#') {
                finish(&mut current, &mut out);
            }
            if title {
                current = cases.next();
            }
            out.push_str(line);
            out.push('\n');
        }
        finish(&mut current, &mut out);
        std::fs::write(&path, out.trim_end().to_owned() + "\n").expect("case file");
    }
}
