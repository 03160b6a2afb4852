//! The command line: what the bridge would do with a stanza, without Openfire and without a platform. Nothing is sent.
//!
//! Leaves out: everything that runs (the plugin is the cdylib of this package, `cargo xtask run` starts it in a server).

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use cloudbridge::config::{Config, OF_FOLDERS, PREFIX, SETTINGS};
use cloudbridge::mapping::folder::{Folder, MANIFEST};
use cloudbridge::mapping::registry::Loaded;
use cloudbridge::mapping::{Module, Registry, cases};
use cloudbridge::modules;

const USAGE: &str = "\
Usage: cloudbridge explain [--event] [--json] [--set KEY=VALUE]... [--folder FOLDER]... [FILE]
       cloudbridge check FILE|FOLDER...

explain   says which row takes a stanza, why, what would be sent and what each answer would mean; secrets are masked, nothing is sent
          FILE holds one stanza, or one per line; without it, or with -, standard input is read
  --event   the stanza is something that has happened in Openfire (docs/boundary.md)
  --json    one line of JSON per stanza
  --set     a setting, for example --set chat.mode=decide (docs/settings.md)
  --folder  a folder of your own that is in force (docs/own-backend.md)
check     reads row files (module.json) and names each mistake with its key, line and column
          of a FOLDER it also runs the cases, without Openfire and without a backend (docs/own-backend.md)

Exit code: 0, 1 when a case does not come out as it says, or 2 when the input is wrong.
";

fn main() -> ExitCode {
    let arguments: Result<Vec<String>, _> =
        std::env::args_os().skip(1).map(std::ffi::OsString::into_string).collect();
    let result = match arguments {
        Ok(arguments) => run(&arguments),
        Err(argument) => Err(format!("an argument is no text: {}", argument.display())),
    };
    match result {
        Ok((text, good)) => {
            // Nobody is left to tell when the reader has gone away.
            let _ = std::io::stdout().write_all(text.as_bytes());
            if good { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(why) => {
            eprintln!("cloudbridge: {why}");
            ExitCode::from(2)
        }
    }
}

/// What is said, and whether all is good.
fn run(arguments: &[String]) -> Result<(String, bool), String> {
    let good = |text: String| Ok((text, true));
    match arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        Some(("explain", rest)) => explain(rest).and_then(good),
        Some(("check", rest)) => check(rest),
        Some(("help" | "--help" | "-h", _)) => good(USAGE.to_owned()),
        Some(("version" | "--version" | "-V", _)) => {
            good(format!("cloudbridge {}\n", env!("CARGO_PKG_VERSION")))
        }
        Some((other, _)) => {
            Err(format!("there is no command {other}, expected explain or check; see cloudbridge --help"))
        }
        None => Err("a command is missing, expected explain or check; see cloudbridge --help".into()),
    }
}

fn explain(arguments: &[String]) -> Result<String, String> {
    let (mut event, mut json, mut file) = (false, false, None);
    let mut settings = BTreeMap::new();
    let (mut folders, mut pairs) = (Vec::new(), Vec::new());
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--help" | "-h" => return Ok(USAGE.to_owned()),
            "--event" => event = true,
            "--json" => json = true,
            "--set" => {
                let pair = arguments.next().ok_or("--set needs KEY=VALUE")?;
                pairs.push(pair.clone());
            }
            "--folder" => {
                let folder = arguments.next().ok_or("--folder needs FOLDER")?;
                folders.push(Folder::read(Path::new(folder)).map_err(|why| format!("{folder}/{why}"))?);
            }
            other if other.starts_with("--set=") => pairs.push(other["--set=".len()..].to_owned()),
            other if other.starts_with('-') && other != "-" => {
                return Err(format!("there is no option {other}; see cloudbridge --help"));
            }
            other if file.is_none() => file = Some(other),
            other => return Err(format!("one FILE at a time, {other} is one too many")),
        }
    }
    for pair in &pairs {
        set(&mut settings, &folders, pair)?;
    }
    let (config, wrong) = Config::read(settings, None);
    if let Some(wrong) = wrong.first() {
        return Err(format!("{PREFIX}{} = \"{}\": {}", wrong.key, wrong.value, wrong.reason));
    }
    let registry = Registry::with(folders.into_iter().map(|folder| Loaded::from(folder.module)).collect());
    let input = read(file)?;
    let mut out = String::new();
    for (line, xml) in stanzas(&input)? {
        let explanation = modules::explain(&registry, xml, event, |name| config.module(name))
            .map_err(|why| line.map_or(why.clone(), |line| format!("line {line}: {why}")))?;
        if json {
            out.push_str(&format!("{}\n", explanation.json()));
        } else {
            if !out.is_empty() {
                out.push('\n');
            }
            out.push_str(&explanation.to_string());
        }
    }
    Ok(out)
}

fn set(settings: &mut BTreeMap<String, String>, folders: &[Folder], pair: &str) -> Result<(), String> {
    let (key, value) = pair.split_once('=').ok_or_else(|| format!("--set {pair}: expected KEY=VALUE"))?;
    let key = key.strip_prefix(PREFIX).unwrap_or(key);
    let own = folders.iter().filter_map(|folder| key.strip_prefix(&format!("{}.", folder.module.name)));
    let own = own.into_iter().any(|key| OF_FOLDERS.iter().any(|setting| setting.key == key));
    if !own && !SETTINGS.iter().any(|setting| setting.key == key) {
        return Err(format!("--set {pair}: there is no setting {key}; see docs/settings.md"));
    }
    settings.insert(key.to_owned(), value.to_owned());
    Ok(())
}

fn read(file: Option<&str>) -> Result<String, String> {
    let name = file.filter(|file| *file != "-");
    let bytes = match name {
        Some(file) => std::fs::read(file),
        None => {
            let mut bytes = Vec::new();
            std::io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes)
        }
    };
    let name = name.unwrap_or("standard input");
    String::from_utf8(bytes.map_err(|e| format!("{name}: {e}"))?).map_err(|_| format!("{name} is not UTF-8"))
}

/// The stanzas of an input, each with its line if it is one of several: the whole of it, or, if that is not one, one per line.
fn stanzas(input: &str) -> Result<Vec<(Option<usize>, &str)>, String> {
    let one = |xml: &str| {
        cloudbridge::stanza::Stanza::parse(xml.trim().as_bytes(), &cloudbridge::stanza::Limits::default())
            .is_ok()
    };
    let lines: Vec<_> =
        (1..).zip(input.lines()).filter(|(_, l)| !l.trim().is_empty()).map(|(n, l)| (Some(n), l)).collect();
    match lines.as_slice() {
        [] => Err("there is no stanza to explain".into()),
        // One good line tells a list from a stanza on several lines, which has its own mistakes.
        [_, _, ..] if !one(input) && lines.iter().any(|(_, line)| one(line)) => Ok(lines),
        _ => Ok(vec![(None, input)]),
    }
}

fn check(files: &[String]) -> Result<(String, bool), String> {
    if files.is_empty() {
        return Err("check needs at least one FILE or FOLDER".into());
    }
    let (mut out, mut good) = (String::new(), true);
    for file in files {
        if Path::new(file).is_dir() {
            good &= check_folder(file, &mut out)?;
            continue;
        }
        let module = Module::read(&read(Some(file))?).map_err(|why| format!("{file}: {why}"))?;
        out.push_str(&format!("{file}: module {}, {} rows, good\n", module.name, module.rows.len()));
    }
    Ok((out, good))
}

/// Reads a folder and runs its cases. False: one does not come out as it says, or a row has none.
fn check_folder(path: &str, out: &mut String) -> Result<bool, String> {
    let path = path.trim_end_matches('/');
    // Whatever it is called from, the folder's own name counts.
    let whole = std::fs::canonicalize(path).map_err(|e| format!("{path}: {e}"))?;
    if !whole.join(MANIFEST).is_file() {
        return Err(format!("{path}: there is no {MANIFEST} in it"));
    }
    let folder = Folder::read(&whole).map_err(|why| format!("{path}/{why}"))?;
    let files = folder.cases().map_err(|why| format!("{path}/{why}"))?;
    let mut module = folder.module;
    let mut calls: Vec<String> = module.rows.iter().map(|row| row.name.clone()).collect();
    calls.extend(module.login.is_some().then(|| "login".to_owned()));
    calls.extend(module.pending.is_some().then(|| "pending".to_owned()));
    calls.extend(module.settle.is_some().then(|| "settle".to_owned()));
    calls.extend(module.poll.is_some().then(|| "poll".to_owned()));
    let (name, version, rows) = (module.name.clone(), module.version.clone(), module.rows.len());
    let loaded = Loaded {
        name: module.name.clone(),
        about: module.about.clone(),
        version: module.version.clone(),
        rows: std::mem::take(&mut module.rows).into_iter().map(std::sync::Arc::new).collect(),
        folder: true,
    };
    let registry = Registry::of(loaded);
    let (mut ran, mut wrong) = (0, Vec::new());
    for (file, cases) in &files {
        if !calls.contains(file) {
            wrong
                .push(format!("{path}/cases/{file}.json: {file} is neither a row nor a call of this folder"));
            continue;
        }
        for case in cases {
            ran += 1;
            if let Err(why) = cases::run(&registry, &module, file, case) {
                wrong.push(format!("{path}/cases/{file}.json: {}: {why}", case.title));
            }
        }
    }
    for call in
        calls.iter().filter(|call| !files.iter().any(|(file, cases)| file == *call && !cases.is_empty()))
    {
        wrong.push(format!("{path}/cases/{call}.json is missing: {call} has no case"));
    }
    wrong.iter().for_each(|line| out.push_str(&format!("{line}\n")));
    let summary = match wrong.len() {
        0 => "good".to_owned(),
        count => format!("{count} wrong"),
    };
    out.push_str(&format!("{path}: module {name}, version {version}, {rows} rows, {ran} cases, {summary}\n"));
    Ok(wrong.is_empty())
}
