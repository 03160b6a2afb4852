//! Where things are, and how programs are run: with a message that says what was wanted when one is missing or fails.

use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What went wrong, in words for whoever typed the command.
#[derive(Debug)]
pub struct Failure(String);

impl Failure {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Puts what was being done in front of an error.
pub trait Doing<T> {
    fn doing(self, what: impl fmt::Display) -> Result<T, Failure>;
}

impl<T, E: fmt::Display> Doing<T> for Result<T, E> {
    fn doing(self, what: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| Failure(format!("{what}: {error}")))
    }
}

/// The checkout and its build directory.
pub struct Project {
    pub root: PathBuf,
    pub target: PathBuf,
}

impl Project {
    pub fn find() -> Result<Self, Failure> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_path_buf);
        let root = root.filter(|root| root.join("Cargo.toml").is_file());
        let root =
            root.ok_or_else(|| Failure::new("the checkout that built this is gone; build it again"))?;
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(directory) => root.join(directory),
            None => root.join("target"),
        };
        Ok(Self { root, target })
    }

    /// Where what the tests need of Openfire is kept between runs.
    pub fn openfire(&self) -> PathBuf {
        self.target.join("openfire")
    }

    /// A log file for one step of a run.
    pub fn log(&self, step: &str) -> Result<PathBuf, Failure> {
        let directory = self.target.join("logs");
        fs::create_dir_all(&directory).doing(format!("making {}", directory.display()))?;
        Ok(directory.join(format!("{step}.log")))
    }

    /// Cargo as if it had been typed: what the `cargo` that runs us tells us about our own package would make it build
    /// crates anew whose build scripts look at that.
    pub fn cargo(&self) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.root);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        command
    }
}

/// Where a program's output goes.
#[derive(Clone, Copy)]
pub enum Output<'a> {
    /// To the terminal.
    Shown,
    /// To a file, which is shown when the program fails.
    Kept(&'a Path),
}

/// Runs a program to its end.
pub fn execute(mut command: Command, output: Output<'_>) -> Result<(), Failure> {
    let name = Path::new(command.get_program()).file_name().unwrap_or(OsStr::new("?")).display().to_string();
    command.stdin(Stdio::null());
    if let Output::Kept(file) = output {
        let log = File::create(file).doing(format!("writing {}", file.display()))?;
        let second = log.try_clone().doing(format!("writing {}", file.display()))?;
        command.stdout(log).stderr(second);
    }
    let status = command.status().doing(format!("starting {name}"))?;
    if status.success() {
        return Ok(());
    }
    if let Output::Kept(file) = output {
        eprintln!("{}", fs::read_to_string(file).unwrap_or_default());
    }
    Err(Failure(format!("{name} failed ({status})")))
}
