//! Finding the programs that are not Cargo's: a JDK, Gradle, npm, a browser, Python. Each missing one gets one message that says what to do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::project::{Failure, Output, Project, execute};

/// The oldest Java that the test tools are compiled for.
const OLDEST: u32 = 11;
/// Gradle 4.4.1 runs tests up to this one (newer JDKs have no SecurityManager any more).
const NEWEST_FOR_OLD_GRADLE: u32 = 17;
/// The oldest Node that the browser driver runs on.
const OLDEST_NODE: u32 = 20;

/// An installed JDK: one with a compiler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jdk {
    pub home: PathBuf,
    pub major: u32,
}

impl Jdk {
    pub fn tool(&self, name: &str) -> Command {
        Command::new(self.home.join("bin").join(name))
    }

    /// The JDK that builds and runs everything that is not about another version.
    pub fn for_builds() -> Result<Self, Failure> {
        let all = jdks();
        let fits = |jdk: &&Jdk| (OLDEST..=NEWEST_FOR_OLD_GRADLE).contains(&jdk.major);
        // The first one is JAVA_HOME's or the path's: the user's choice, if it fits.
        all.first()
            .filter(fits)
            .or_else(|| all.iter().filter(fits).max_by_key(|jdk| jdk.major))
            .or(all.first())
            .cloned()
            .ok_or_else(|| {
                Failure::new(format!(
                    "no JDK {OLDEST} or newer with javac was found (JAVA_HOME, the path, /usr/lib/jvm). \
                     Install one, for example: apt-get install openjdk-17-jdk-headless"
                ))
            })
    }

    /// The newest one of this machine, when it is newer than the one that builds.
    pub fn newer_than(builds: &Self) -> Option<Self> {
        jdks().into_iter().max_by_key(|jdk| jdk.major).filter(|jdk| jdk.major > builds.major)
    }
}

/// Every usable JDK of this machine, the user's choice first.
fn jdks() -> Vec<Jdk> {
    let mut homes: Vec<PathBuf> = Vec::new();
    homes.extend(std::env::var_os("JAVA_HOME").map(PathBuf::from));
    homes.extend(on_path("javac").and_then(|javac| Some(javac.parent()?.parent()?.to_path_buf())));
    let mut installed: Vec<PathBuf> =
        fs::read_dir("/usr/lib/jvm").into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    installed.sort();
    homes.extend(installed);
    let mut found: Vec<Jdk> = Vec::new();
    for home in homes {
        let Ok(home) = home.canonicalize() else { continue };
        if let Some(major) = major_version(&home)
            && major >= OLDEST
            && home.join("bin/javac").is_file()
            && !found.iter().any(|jdk| jdk.home == home)
        {
            found.push(Jdk { home, major });
        }
    }
    found
}

/// `JAVA_VERSION="17.0.15"` of the `release` file.
fn major_version(home: &Path) -> Option<u32> {
    let release = fs::read_to_string(home.join("release")).ok()?;
    parse_major(release.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="))?)
}

fn parse_major(version: &str) -> Option<u32> {
    version.trim_matches('"').split(['.', '-', '+']).next()?.parse().ok()
}

/// A program of the path, links followed.
fn on_path(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find_map(|file| file.canonicalize().ok())
}

/// Gradle on the given JDK, installed first where that is a matter of one command.
pub fn gradle(project: &Project, jdk: &Jdk) -> Result<Command, Failure> {
    if on_path("gradle").is_none() {
        install(project, "Gradle (4.4.1 or newer) is needed and not on the path", "gradle")?;
    }
    let mut command = Command::new("gradle");
    command.env("JAVA_HOME", &jdk.home).args(["--no-daemon", "--console=plain"]);
    Ok(command)
}

/// npm, installed first where that is a matter of one command. The platform's build script runs it by its name.
pub fn npm(project: &Project) -> Result<(), Failure> {
    if on_path("npm").is_none() {
        install(project, "npm is needed (the map of the platform's console comes from it)", "npm")?;
    }
    Ok(())
}

/// Node of the version that the browser driver asks for.
pub fn node(project: &Project) -> Result<PathBuf, Failure> {
    npm(project)?;
    let found = on_path("node").or_else(|| on_path("nodejs"));
    let found = found.ok_or_else(|| Failure::new("node is needed beside npm and not on the path"))?;
    let said = Command::new(&found).arg("--version").output().map(|o| o.stdout).unwrap_or_default();
    let said = String::from_utf8_lossy(&said).trim().to_owned();
    if parse_major(said.trim_start_matches('v')).is_none_or(|major| major < OLDEST_NODE) {
        return Err(Failure::new(format!(
            "{} is Node {said}; the console's suite needs Node {OLDEST_NODE} or newer (https://nodejs.org/)",
            found.display()
        )));
    }
    Ok(found)
}

/// Chromium, installed first where that is a matter of one command.
pub fn chromium(project: &Project) -> Result<PathBuf, Failure> {
    let find = || ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(on_path);
    if let Some(found) = find() {
        return Ok(found);
    }
    install(project, "Chromium is needed (the console is tested in it)", "chromium")?;
    find().ok_or_else(|| Failure::new("Chromium was installed and is still not on the path"))
}

/// A Python that can make virtual environments, installed first where that is a matter of one command.
pub fn python(project: &Project) -> Result<PathBuf, Failure> {
    let usable = |python: &PathBuf| {
        let check = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";
        let asked = Command::new(python).args(["-c", check]).stderr(std::process::Stdio::null()).status();
        asked.is_ok_and(|status| status.success())
    };
    if let Some(python) = on_path("python3").filter(usable) {
        return Ok(python);
    }
    let needed = "Python 3.11 or newer with the module venv is needed";
    install(project, needed, "python3-venv")?;
    on_path("python3").filter(usable).ok_or_else(|| {
        Failure::new(format!(
            "{needed}, and the python3 on the path is older or has no venv; put a newer one there"
        ))
    })
}

/// Debian packages of services, installed first where that is a matter of one command, and kept from starting their services while that is done.
pub fn packages(project: &Project, needed: &str, missing: &[&str]) -> Result<(), Failure> {
    // What Debian's maintainer scripts ask before they start anything.
    const POLICY: &str = "/usr/sbin/policy-rc.d";
    if missing.is_empty() {
        return Ok(());
    }
    let ours = !Path::new(POLICY).exists()
        && fs::write(POLICY, "#!/bin/sh\nexit 101\n").is_ok()
        && fs::set_permissions(POLICY, std::os::unix::fs::PermissionsExt::from_mode(0o755)).is_ok();
    let installed = install(project, needed, &missing.join(" "));
    if ours {
        let _ = fs::remove_file(POLICY);
    }
    installed
}

/// Installs packages where that is a matter of one command, or says which command.
fn install(project: &Project, needed: &str, package: &str) -> Result<(), Failure> {
    let root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0");
    if !root || on_path("apt-get").is_none() {
        return Err(Failure::new(format!(
            "{needed}. Install it, for example: apt-get install --no-install-recommends {package}"
        )));
    }
    println!("{needed}: installing {package} with apt-get");
    let log = project.log("apt-get")?;
    let install: Vec<&str> =
        ["install", "--yes", "--no-install-recommends"].into_iter().chain(package.split(' ')).collect();
    for arguments in [&["update"][..], &install] {
        let mut command = Command::new("apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        execute(command, Output::Kept(&log))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::parse_major;

    #[test]
    fn java_versions_old_and_new() {
        for (text, major) in [("\"17.0.15\"", 17), ("\"25\"", 25), ("\"1.8.0_402\"", 1), ("\"21-ea\"", 21)] {
            assert_eq!(parse_major(text), Some(major), "{text}");
        }
    }
}
