//! The platform against its own contract: schemathesis (PyPI) makes requests from `/openapi.json` for every scope, and finds no server error and no
//! answer that is not documented there.
//!
//! Everything is fixed so that a run can be repeated: versions and hashes (`schemathesis.requirements.txt`), the seed, the number of examples.
//! Left out is one check, `positive_data_acceptance`: a JSON Schema cannot say all that is verified (a JID, base64 of a length), so a
//! request that fits the schema may be answered 422, which is documented.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use crate::project::{Doing, Failure, Output, Project, execute};
use crate::test::{Count, count_junit};
use crate::tools::python;

/// Scopes, and examples per operation and phase for each: the bridge's covers most operations.
const SCOPES: [(&str, &str); 4] =
    [("bridge", "12"), ("integrator", "5"), ("operator", "5"), ("read-only", "3")];

/// Runs all of it; a test is one operation as one scope calls it.
pub fn run(project: &Project) -> Result<Count, Failure> {
    let folder = project.target.join("contract");
    let tool = schemathesis(project, &folder)?;
    let mut cargo = project.cargo();
    cargo.args(["build", "--package", "im-platform"]);
    execute(cargo, Output::Kept(&project.log("contract-build")?))?;
    let (scratch, reports) = (folder.join("scratch"), folder.join("reports"));
    for directory in [&scratch, &reports] {
        if directory.exists() {
            fs::remove_dir_all(directory).doing(format!("emptying {}", directory.display()))?;
        }
        fs::create_dir_all(directory).doing(format!("making {}", directory.display()))?;
    }
    let server = Server::start(&project.target.join("debug/im-platform"), &scratch)?;
    let mut outcomes = Vec::new();
    for (scope, examples) in SCOPES {
        let token = fs::read_to_string(scratch.join(scope)).doing("reading a token")?;
        let mut command = Command::new(&tool);
        command
            .current_dir(&folder)
            .args(["run", &format!("http://{}/openapi.json", server.address)])
            .args(["--header", &format!("Authorization: Bearer {token}")])
            .args([
                "--phases",
                "examples,coverage,fuzzing,stateful",
                "--max-examples",
                examples,
                "--seed",
                "1",
            ])
            .args(["--checks", "all", "--exclude-checks", "positive_data_acceptance"])
            .args(["--generation-database", "none", "--generation-with-security-parameters", "false"])
            .args(["--warnings", "off", "--no-color", "--report", "junit", "--report-junit-path"])
            .arg(reports.join(format!("{scope}.xml")));
        let log = project.log(&format!("contract-{scope}"))?;
        outcomes.push(execute(command, Output::Kept(&log)));
    }
    let count = count_junit(&reports)?;
    server.end()?;
    // Without a failed operation a failure is one of the tool: it is the answer.
    if count.failed == 0 {
        outcomes.into_iter().collect::<Result<(), _>>().map(|()| count)
    } else {
        Ok(count)
    }
}

/// The tool in a virtual environment of its own, made once per list of requirements.
fn schemathesis(project: &Project, folder: &Path) -> Result<PathBuf, Failure> {
    let requirements = project.root.join("crates/im-platform/tests/schemathesis.requirements.txt");
    let wanted = fs::read(&requirements).doing(format!("reading {}", requirements.display()))?;
    let (venv, stamp) = (folder.join("venv"), folder.join("installed.txt"));
    let tool = venv.join("bin/schemathesis");
    if tool.is_file() && fs::read(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(tool);
    }
    let python = python(project)?;
    println!("Getting schemathesis");
    fs::create_dir_all(folder).doing(format!("making {}", folder.display()))?;
    let log = project.log("contract-install")?;
    let mut make = Command::new(python);
    make.args(["-m", "venv", "--clear"]).arg(&venv);
    execute(make, Output::Kept(&log))?;
    let mut pip = Command::new(venv.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--require-hashes", "--requirement"]).arg(&requirements);
    execute(pip, Output::Kept(&log))?;
    fs::write(&stamp, wanted).doing(format!("writing {}", stamp.display()))?;
    Ok(tool)
}

/// A platform with one token per scope, on a free port; killed when dropped.
struct Server {
    child: Child,
    address: String,
    /// Gives the log's lines of level error.
    log: Option<JoinHandle<Vec<String>>>,
}

impl Server {
    fn start(binary: &Path, scratch: &Path) -> Result<Self, Failure> {
        let mut text = format!("listen = \"127.0.0.1:0\"\ndata = {:?}\n", scratch.join("data"));
        for (scope, _) in SCOPES {
            let token = Command::new(binary).arg("token").output().doing("making a token")?;
            let file = scratch.join(scope);
            fs::write(&file, token.stdout.trim_ascii()).doing(format!("writing {}", file.display()))?;
            text +=
                &format!("[[credentials]]\nname = \"{scope}\"\nscope = \"{scope}\"\ntoken_file = {file:?}\n");
        }
        let config = scratch.join("config.toml");
        fs::write(&config, text).doing(format!("writing {}", config.display()))?;
        let mut command = Command::new(binary);
        command.args(["serve", "--config"]).arg(&config).stdin(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().doing("starting the platform")?;
        let stderr = child.stderr.take();
        let mut server = Self { child, address: String::new(), log: None };
        let mut lines =
            BufReader::new(stderr.ok_or_else(|| Failure::new("the platform has no log"))?).lines();
        let said: Vec<String> = lines
            .by_ref()
            .map_while(Result::ok)
            .take_while(|line| !has_address(line, &mut server.address))
            .collect();
        if server.address.is_empty() {
            return Err(Failure::new(format!("the platform did not start: {}", said.join("\n"))));
        }
        let errors = move || lines.map_while(Result::ok).filter(|line| line.contains(" ERROR ")).collect();
        server.log = Some(std::thread::spawn(errors));
        Ok(server)
    }

    /// Ends it; fails if it ended before or if it logged an error.
    fn end(mut self) -> Result<(), Failure> {
        if let Some(status) = self.child.try_wait().doing("looking at the platform")? {
            return Err(Failure::new(format!("the platform ended ({status})")));
        }
        self.child.kill().doing("ending the platform")?;
        let errors = self.log.take().and_then(|log| log.join().ok()).unwrap_or_default();
        match errors.first() {
            None => Ok(()),
            Some(first) => {
                Err(Failure::new(format!("the platform logged {} errors; the first: {first}", errors.len())))
            }
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The line that says where it listens.
fn has_address(line: &str, address: &mut String) -> bool {
    if let Some((_, rest)) = line.split_once("addr=") {
        *address = rest.split_whitespace().next().unwrap_or_default().to_owned();
    }
    !address.is_empty()
}

#[cfg(test)]
mod tests {
    use super::has_address;

    #[test]
    fn the_address_is_in_the_line_about_listening() {
        let mut address = String::new();
        assert!(!has_address("INFO im_platform: database brought to a newer format format=1", &mut address));
        assert!(has_address(
            "INFO im_platform: listening addr=127.0.0.1:7480 version=\"0.1.0\"",
            &mut address
        ));
        assert_eq!(address, "127.0.0.1:7480");
    }
}
