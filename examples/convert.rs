//! `convert`: a stanza on stdin to stanza JSON on stdout, and back. For trying the mapping and for scripts.
//!
//! ```text
//! convert            one stanza in, JSON out
//! convert --reverse  stanza JSON in, XML out
//! convert --lines    one input per line; a refused line gives an empty line, its reason goes to stderr with the line's number
//! convert --check    there and back, compared; nothing on stdout, the exit status tells
//! convert --lenient  decode leniently
//! convert --secrets  do not mask passwords (implied by --check)
//! ```
//!
//! Leaves out: streams, pretty printing (use a JSON tool), files (use the shell).

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use cloudbridge::stanza::json::{self, Mode, Options};
use cloudbridge::stanza::{Limits, Stanza, canonical, canonical_exact};

const USAGE: &str =
    "usage: convert [--reverse | --check] [--lines] [--lenient] [--secrets]   (stanza on stdin)";

/// What was asked for.
#[derive(Default)]
pub struct Flags {
    reverse: bool,
    lines: bool,
    check: bool,
    lenient: bool,
    secrets: bool,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(flags) = Flags::read(&arguments) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let output = io::BufWriter::new(io::stdout().lock());
    match run(&flags, io::stdin().lock(), output, io::stderr().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("convert: {error}");
            ExitCode::FAILURE
        }
    }
}

impl Flags {
    /// None for a word that is unknown.
    pub fn read(arguments: &[String]) -> Option<Flags> {
        let mut flags = Flags::default();
        for argument in arguments {
            match argument.as_str() {
                "--reverse" => flags.reverse = true,
                "--lines" => flags.lines = true,
                "--check" => flags.check = true,
                "--lenient" => flags.lenient = true,
                "--secrets" => flags.secrets = true,
                _ => return None,
            }
        }
        Some(flags)
    }
}

/// Whether everything was converted.
pub fn run(
    flags: &Flags,
    mut input: impl BufRead,
    mut output: impl Write,
    mut errors: impl Write,
) -> io::Result<bool> {
    let mut all = true;
    let mut text = Vec::new();
    for number in 1.. {
        text.clear();
        let read = match flags.lines {
            true => input.read_until(b'\n', &mut text)?,
            false => input.read_to_end(&mut text)?,
        };
        if flags.lines && read == 0 {
            break;
        }
        let mut result = Vec::new();
        if let Err(error) = convert(text.trim_ascii(), flags, &mut result) {
            all = false;
            result.clear();
            match flags.lines {
                true => writeln!(errors, "line {number}: {}", reasons(error.as_ref()))?,
                false => writeln!(errors, "convert: {}", reasons(error.as_ref()))?,
            }
        }
        if flags.lines || !result.is_empty() {
            result.push(b'\n');
        }
        if !flags.check {
            output.write_all(&result)?;
        }
        if !flags.lines {
            break;
        }
    }
    output.flush()?;
    Ok(all)
}

fn convert(text: &[u8], flags: &Flags, out: &mut Vec<u8>) -> Result<(), Box<dyn Error>> {
    let mode = if flags.lenient { Mode::Lenient } else { Mode::Strict };
    let options = Options { secrets: flags.secrets, ..Options::default() };
    match (flags.check, flags.reverse) {
        (true, false) => check_xml(text, mode),
        (true, true) => check_json(text, mode),
        (false, false) => {
            json::encode(&Stanza::parse(text, &Limits::default())?, options, out);
            Ok(())
        }
        (false, true) => {
            json::decode(text, mode)?.to_xml(out);
            Ok(())
        }
    }
}

/// XML to JSON to stanza to XML to stanza: the same, with white space and without.
fn check_xml(text: &[u8], mode: Mode) -> Result<(), Box<dyn Error>> {
    let stanza = Stanza::parse(text, &Limits::default())?;
    for whitespace in [false, true] {
        let mut out = Vec::new();
        json::encode(&stanza, Options { secrets: true, whitespace, order: false }, &mut out);
        let back = json::decode(&out, mode)?;
        let again = Stanza::parse(back.to_xml_string().as_bytes(), &Limits::default())?;
        let same = match whitespace {
            true => {
                canonical_exact(&stanza) == canonical_exact(&back)
                    && canonical_exact(&back) == canonical_exact(&again)
            }
            false => canonical(&stanza) == canonical(&back) && canonical(&back) == canonical(&again),
        };
        if !same {
            return Err(format!("it comes back different: {}", back.to_xml_string()).into());
        }
    }
    Ok(())
}

/// JSON to stanza to JSON to stanza: the same stanza.
fn check_json(text: &[u8], mode: Mode) -> Result<(), Box<dyn Error>> {
    let stanza = json::decode(text, mode)?;
    let mut out = Vec::new();
    json::encode(&stanza, Options { secrets: true, whitespace: true, order: false }, &mut out);
    match canonical_exact(&json::decode(&out, Mode::Strict)?) == canonical_exact(&stanza) {
        true => Ok(()),
        false => Err(format!("it comes back different: {}", String::from_utf8_lossy(&out)).into()),
    }
}

fn reasons(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
