//! The command line: what the bridge would do with a stanza, without Openfire and without a platform. Nothing is sent.
//!
//! Leaves out: everything that runs (the plugin is the cdylib of this package, `cargo xtask run` starts it in a server).

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use cloudbridge::config::{Config, PREFIX, SETTINGS};
use cloudbridge::mapping::{Module, Registry};
use cloudbridge::modules;

const USAGE: &str = "\
Usage: cloudbridge explain [--event] [--json] [--set KEY=VALUE]... [FILE]
       cloudbridge check FILE...

explain   says which row takes a stanza, why, what would be sent and what each answer would mean; secrets are masked, nothing is sent
          FILE holds one stanza, or one per line; without it, or with -, standard input is read
  --event   the stanza is something that has happened in Openfire (docs/boundary.md)
  --json    one line of JSON per stanza
  --set     a setting, for example --set chat.mode=decide (docs/settings.md)
check     reads row files (module.json) and names each mistake with its key, line and column

Exit code: 0, or 2 when the input is wrong.
";

fn main() -> ExitCode {
    let arguments: Result<Vec<String>, _> =
        std::env::args_os().skip(1).map(std::ffi::OsString::into_string).collect();
    let result = match arguments {
        Ok(arguments) => run(&arguments),
        Err(argument) => Err(format!("an argument is no text: {}", argument.display())),
    };
    match result {
        Ok(text) => {
            // Nobody is left to tell when the reader has gone away.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("cloudbridge: {why}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<String, String> {
    match arguments.split_first().map(|(first, rest)| (first.as_str(), rest)) {
        Some(("explain", rest)) => explain(rest),
        Some(("check", rest)) => check(rest),
        Some(("help" | "--help" | "-h", _)) => Ok(USAGE.to_owned()),
        Some(("version" | "--version" | "-V", _)) => {
            Ok(format!("cloudbridge {}\n", env!("CARGO_PKG_VERSION")))
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
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--help" | "-h" => return Ok(USAGE.to_owned()),
            "--event" => event = true,
            "--json" => json = true,
            "--set" => {
                let pair = arguments.next().ok_or("--set needs KEY=VALUE")?;
                set(&mut settings, pair)?;
            }
            other if other.starts_with("--set=") => set(&mut settings, &other["--set=".len()..])?,
            other if other.starts_with('-') && other != "-" => {
                return Err(format!("there is no option {other}; see cloudbridge --help"));
            }
            other if file.is_none() => file = Some(other),
            other => return Err(format!("one FILE at a time, {other} is one too many")),
        }
    }
    let (config, wrong) = Config::read(settings, None);
    if let Some(wrong) = wrong.first() {
        return Err(format!("{PREFIX}{} = \"{}\": {}", wrong.key, wrong.value, wrong.reason));
    }
    let (registry, wrong) = Registry::built_in();
    if let Some(wrong) = wrong.first() {
        return Err(wrong.clone());
    }
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

fn set(settings: &mut BTreeMap<String, String>, pair: &str) -> Result<(), String> {
    let (key, value) = pair.split_once('=').ok_or_else(|| format!("--set {pair}: expected KEY=VALUE"))?;
    let key = key.strip_prefix(PREFIX).unwrap_or(key);
    if !SETTINGS.iter().any(|setting| setting.key == key) {
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

fn check(files: &[String]) -> Result<String, String> {
    if files.is_empty() {
        return Err("check needs at least one FILE".into());
    }
    let mut out = String::new();
    for file in files {
        let module = Module::read(&read(Some(file))?).map_err(|why| format!("{file}: {why}"))?;
        out.push_str(&format!("{file}: module {}, {} rows, good\n", module.name, module.rows.len()));
    }
    Ok(out)
}
