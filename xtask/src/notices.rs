//! `cargo xtask notices`: writes THIRD-PARTY.md, the notices for everything that is linked into the plugin's two binaries.
//!
//! The set of crates comes from `cargo tree` (normal dependencies for Linux on x86-64, without procedural macros, which only run in
//! the compiler), the licence texts from the crates' own sources. Where a crate offers a choice, it is taken under the first licence
//! of `PREFERRED`; a licence that is not in that table stops the command, for a person to decide. A test fails when the file is stale.
//!
//! The console's pages hold packages of npm: the direct dependencies of its `package.json`, whose texts come from the packages as `npm ci` gets them.
//!
//! Left out on purpose: what only tests and tools use, and Java libraries, of which the jar has none.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::project::{Doing, Failure, Project};

const FILE: &str = "THIRD-PARTY.md";

/// The licences that we take, best first, each with words that its text has. `deny.toml` allows the same ones.
const PREFERRED: &[(&str, &str)] = &[
    ("Apache-2.0", "Apache License"),
    ("MIT", "Permission is hereby granted, free of charge"),
    ("ISC", "Permission to use, copy, modify, and/or distribute this software"),
    ("BSD-3-Clause", "Redistributions in binary form"),
    ("0BSD", "Permission to use, copy, modify, and/or distribute this software"),
    ("Zlib", "This software is provided 'as-is'"),
    ("Unicode-3.0", "UNICODE LICENSE V3"),
    ("CDLA-Permissive-2.0", "Community Data License Agreement"),
    ("MPL-2.0", "Mozilla Public License"),
];

/// What packages of npm may have besides: no crate has it, so `deny.toml` does not name it.
const NPM: &[(&str, &str)] = &[("BSD-2-Clause", "Redistribution and use in source and binary forms")];

const HEAD: &str = "# Third-party notices

Cloud Bridge is licensed under the Apache License 2.0 (see `LICENSE`). The plugin's jar holds two programs that are linked from the
Rust crates below: the native library (`native/`) and the reference platform (`platform/`). It holds no third-party Java.

Written by `cargo xtask notices` from Cargo.lock and the crates' own sources; do not edit it, run that again after a change of
dependencies. \"Taken under\" names the licence that applies here where a crate offers several. The text of the Apache License is in
`LICENSE`; the other texts follow the table. The sources of every crate, those under the Mozilla Public License included, are on
the Rust package registry under its name and version, unchanged.

Beyond the crates:

- The **platform's console** holds the packages of npm in the second table. The land that its map shows is Natural Earth's
  (<https://www.naturalearthdata.com/>), in the public domain, as `world-atlas` packs it.
- The **Rust standard library** is linked into both: MIT or Apache-2.0, taken under Apache-2.0 (<https://github.com/rust-lang/rust>).
- **SQLite** is in the platform, through `libsqlite3-sys`. Its authors have dedicated it to the public domain (<https://sqlite.org/copyright.html>).
";

/// `cargo xtask notices [--check]`.
pub fn run(project: &Project, arguments: &[String]) -> Result<(), Failure> {
    match arguments {
        [] => fs::write(project.root.join(FILE), written(project)?).doing(format!("writing {FILE}")),
        [only] if only == "--check" => check(project),
        _ => Err(Failure::new("usage: cargo xtask notices [--check]")),
    }
}

/// Fails when the file does not say what the lock file and the sources say.
pub fn check(project: &Project) -> Result<(), Failure> {
    let now = written(project)?;
    let kept = fs::read_to_string(project.root.join(FILE)).doing(format!("reading {FILE}"))?;
    if now == kept {
        return Ok(());
    }
    let rows = |text: &str| text.lines().filter(|line| line.starts_with("| ")).map(str::to_owned).collect();
    let (old, new): (BTreeSet<String>, BTreeSet<String>) = (rows(&kept), rows(&now));
    let mut text = format!("{FILE} is stale: run cargo xtask notices");
    for (sign, row) in
        old.difference(&new).map(|row| ('-', row)).chain(new.difference(&old).map(|row| ('+', row)))
    {
        let _ = write!(text, "\n{sign} {row}");
    }
    Err(Failure::new(text))
}

/// One crate that ends up in a binary.
struct Notice {
    name: String,
    version: String,
    offered: String,
    taken: Vec<&'static str>,
    texts: Vec<String>,
}

fn written(project: &Project) -> Result<String, Failure> {
    let mut text = String::from(HEAD);
    text.push_str("\n## Crates\n\n| crate | version | offered under | taken under |\n|---|---|---|---|\n");
    let notices = notices(project)?;
    for Notice { name, version, offered, taken, .. } in &notices {
        let _ = writeln!(text, "| {name} | {version} | {offered} | {} |", taken.join(" and "));
    }
    text.push_str("\n## Packages of npm\n\n| package | version | licence |\n|---|---|---|\n");
    let packages = npm_notices(project)?;
    for Notice { name, version, offered, .. } in &packages {
        let _ = writeln!(text, "| {name} | {version} | {offered} |");
    }
    text.push_str("\n## Texts\n");
    let mut texts: Vec<(&str, Vec<String>)> = Vec::new();
    for notice in notices.iter().chain(&packages) {
        for one in &notice.texts {
            let label = format!("{} {}", notice.name, notice.version);
            match texts.iter_mut().find(|(known, _)| squeezed(known) == squeezed(one)) {
                Some((_, crates)) => crates.push(label),
                None => texts.push((one, vec![label])),
            }
        }
    }
    for (one, crates) in texts {
        let _ = write!(text, "\n### {}\n\n```text\n{one}\n```\n", crates.join(", "));
    }
    Ok(text)
}

/// Line breaks and indentation do not make another licence.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn notices(project: &Project) -> Result<Vec<Notice>, Failure> {
    let packages = packages(project)?;
    let mut notices = Vec::new();
    for key in linked(project)? {
        let Some(package) = packages.get(&key) else {
            return Err(Failure::new(format!("cargo metadata does not know {} {}", key.0, key.1)));
        };
        // Ours have no source of their own.
        if package["source"].is_null() {
            continue;
        }
        let (name, version) = key;
        notices.push(notice(&name, &version, package).doing(format!("{name} {version}"))?);
    }
    Ok(notices)
}

fn notice(name: &str, version: &str, package: &Value) -> Result<Notice, Failure> {
    let offered = package["license"].as_str().ok_or_else(|| Failure::new("it names no licence"))?;
    let taken =
        choose(offered).ok_or_else(|| Failure::new(format!("nobody has decided about {offered:?}")))?;
    let manifest = PathBuf::from(package["manifest_path"].as_str().unwrap_or_default());
    let files = licence_files(manifest.parent().unwrap_or(Path::new(".")))?;
    let mut texts = Vec::new();
    for licence in &taken {
        // The one's text is our own LICENSE, the other asks for nothing.
        if ["Apache-2.0", "0BSD"].contains(licence) {
            continue;
        }
        let words = PREFERRED.iter().find(|(id, _)| id == licence).map_or("", |(_, words)| words);
        let found = files.iter().filter(|(_, text)| squeezed(text).contains(words));
        let before = texts.len();
        texts.extend(found.map(|(_, text)| text.clone()));
        if texts.len() == before {
            return Err(Failure::new(format!("its package has no text of {licence}: a person must look")));
        }
    }
    // A NOTICE travels along whatever the licence is.
    texts.extend(files.iter().filter(|(file, _)| file.starts_with("NOTICE")).map(|(_, text)| text.clone()));
    texts.dedup();
    Ok(Notice { name: name.into(), version: version.into(), offered: offered.into(), taken, texts })
}

/// The licence files at the top of a crate, by name, so that every machine reads them in the same order.
fn licence_files(folder: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).doing(format!("reading {}", folder.display()))? {
        let path = entry.doing(format!("reading {}", folder.display()))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().to_uppercase()).unwrap_or_default();
        let wanted = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE", "UNLICENSE"];
        if path.is_file() && wanted.iter().any(|start| name.starts_with(start)) {
            let text = fs::read_to_string(&path).doing(format!("reading {}", path.display()))?;
            let lines: Vec<&str> = text.trim_matches('\n').lines().map(str::trim_end).collect();
            files.insert(name, lines.join("\n"));
        }
    }
    Ok(files)
}

/// What the console takes from npm: each direct dependency with its licence.
fn npm_notices(project: &Project) -> Result<Vec<Notice>, Failure> {
    let source = project.root.join("crates/im-platform/console");
    let home = project.target.join("notices");
    fs::create_dir_all(&home).doing(format!("making {}", home.display()))?;
    let mut same = home.join("node_modules").is_dir();
    for name in ["package.json", "package-lock.json"] {
        let wanted = fs::read(source.join(name)).doing(format!("reading {name}"))?;
        same = same && fs::read(home.join(name)).is_ok_and(|kept| kept == wanted);
        fs::write(home.join(name), wanted).doing(format!("writing {name}"))?;
    }
    if !same {
        let mut npm = Command::new("npm");
        npm.current_dir(&home).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        output(npm)?;
    }
    let manifest = read_json(&home.join("package.json"))?;
    let names = manifest["dependencies"].as_object().into_iter().flatten().map(|(name, _)| name.clone());
    names.map(|name| npm_notice(&home.join("node_modules").join(&name), &name).doing(&name)).collect()
}

fn npm_notice(folder: &Path, name: &str) -> Result<Notice, Failure> {
    let package = read_json(&folder.join("package.json"))?;
    let licence = package["license"].as_str().unwrap_or_default();
    let Some((known, words)) = NPM.iter().chain(PREFERRED).find(|(id, _)| *id == licence) else {
        return Err(Failure::new(format!("nobody has decided about {licence:?}")));
    };
    let texts: Vec<String> =
        licence_files(folder)?.into_values().filter(|t| squeezed(t).contains(words)).collect();
    if texts.is_empty() {
        return Err(Failure::new(format!("its package has no text of {licence}: a person must look")));
    }
    let version = package["version"].as_str().unwrap_or_default().to_owned();
    Ok(Notice { name: name.into(), version, offered: (*known).into(), taken: vec![known], texts })
}

fn read_json(file: &Path) -> Result<Value, Failure> {
    let text = fs::read_to_string(file).doing(format!("reading {}", file.display()))?;
    serde_json::from_str(&text).doing(format!("reading {}", file.display()))
}

/// Names and versions of what is linked.
fn linked(project: &Project) -> Result<BTreeSet<(String, String)>, Failure> {
    let mut cargo = project.cargo();
    cargo.args(["tree", "--locked", "--package", "cloudbridge", "--package", "im-platform"]);
    cargo.args(["--edges", "normal,no-proc-macro", "--target", "x86_64-unknown-linux-gnu"]);
    cargo.args(["--prefix", "none", "--no-dedupe", "--format", "{p}"]);
    let text = output(cargo)?;
    // `name v1.2.3` and more for our own.
    let crates = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.strip_prefix('v')?.to_owned()))
    });
    Ok(crates.collect())
}

/// What cargo knows about each package.
fn packages(project: &Project) -> Result<BTreeMap<(String, String), Value>, Failure> {
    let mut cargo = project.cargo();
    cargo.args(["metadata", "--locked", "--format-version", "1"]);
    cargo.args(["--filter-platform", "x86_64-unknown-linux-gnu"]);
    let mut metadata: Value = serde_json::from_str(&output(cargo)?).doing("reading cargo metadata")?;
    let Value::Array(packages) = metadata["packages"].take() else {
        return Err(Failure::new("cargo metadata lists no packages"));
    };
    let text = |package: &Value, key: &str| package[key].as_str().unwrap_or_default().to_owned();
    Ok(packages.into_iter().map(|one| ((text(&one, "name"), text(&one, "version")), one)).collect())
}

fn output(mut command: Command) -> Result<String, Failure> {
    let done = command.output().doing("starting cargo or npm")?;
    if !done.status.success() {
        return Err(Failure::new(String::from_utf8_lossy(&done.stderr).into_owned()));
    }
    String::from_utf8(done.stdout).doing("reading cargo's output")
}

/// The licences to take of an SPDX expression: all sides of AND, the preferred side of OR. `/` is an old way to write OR.
fn choose(expression: &str) -> Option<Vec<&'static str>> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = &words[..];
    let chosen = either(&mut rest)?;
    rest.is_empty().then(|| chosen.into_iter().map(|rank| PREFERRED[rank].0).collect())
}

/// Ranks in `PREFERRED`, or nothing when a needed licence is not there.
type Chosen = Option<BTreeSet<usize>>;

fn either(rest: &mut &[&str]) -> Chosen {
    let mut best = both(rest);
    while let ["OR", tail @ ..] = *rest {
        *rest = tail;
        let other = both(rest);
        // The worst licence of a side decides; a side with an unknown one is out.
        let rank = |side: &Chosen| side.as_ref().and_then(BTreeSet::last).copied().unwrap_or(usize::MAX);
        if rank(&other) < rank(&best) {
            best = other;
        }
    }
    best
}

fn both(rest: &mut &[&str]) -> Chosen {
    let mut all = single(rest);
    while let ["AND", tail @ ..] = *rest {
        *rest = tail;
        let other = single(rest);
        all = all.zip(other).map(|(mut all, other)| {
            all.extend(other);
            all
        });
    }
    all
}

fn single(rest: &mut &[&str]) -> Chosen {
    match *rest {
        ["(", tail @ ..] => {
            *rest = tail;
            let inner = either(rest);
            let [")", tail @ ..] = *rest else { return None };
            *rest = tail;
            inner
        }
        // An exception only adds permissions; the crates that have one offer the plain licence as well.
        [_, "WITH", _, tail @ ..] => {
            *rest = tail;
            None
        }
        [id, tail @ ..] => {
            *rest = tail;
            PREFERRED.iter().position(|(known, _)| known == id).map(|rank| BTreeSet::from([rank]))
        }
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_of_licences() {
        for (expression, taken) in [
            ("MIT", Some(vec!["MIT"])),
            ("MIT OR Apache-2.0", Some(vec!["Apache-2.0"])),
            ("MIT/Apache-2.0", Some(vec!["Apache-2.0"])),
            ("(MIT OR Apache-2.0) AND Unicode-3.0", Some(vec!["Apache-2.0", "Unicode-3.0"])),
            ("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", Some(vec!["Apache-2.0"])),
            ("Apache-2.0 AND ISC", Some(vec!["Apache-2.0", "ISC"])),
            ("Apache-2.0 OR GPL-2.0-only", Some(vec!["Apache-2.0"])),
            ("Unlicense OR MIT", Some(vec!["MIT"])),
            ("GPL-3.0-only", None),
            ("MIT AND GPL-3.0-only", None),
            ("(MIT", None),
        ] {
            assert_eq!(choose(expression), taken, "{expression}");
        }
    }

    #[test]
    fn cargo_deny_allows_the_same_licences() {
        let deny = fs::read_to_string(Project::find().unwrap().root.join("deny.toml")).unwrap();
        let section =
            deny.split("[licenses]").nth(1).and_then(|rest| rest.split("confidence-threshold").next());
        let allowed: BTreeSet<&str> = section
            .unwrap()
            .lines()
            .map(|line| line.split("allow = [").last().unwrap_or(line))
            .filter(|line| !line.trim_start().starts_with('#'))
            .flat_map(|line| line.split('"').skip(1).step_by(2))
            .collect();
        assert_eq!(allowed, PREFERRED.iter().map(|(id, _)| *id).collect());
    }

    #[test]
    fn the_notices_are_those_of_the_lock_file() {
        let project = Project::find().unwrap();
        if let Err(stale) = check(&project) {
            panic!("{stale}");
        }
    }
}
