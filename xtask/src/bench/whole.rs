//! Benchmarks of whole servers, side by side: this starts them and the load (`benches/kit`), tells the load where they are, and ends everything on every
//! path. A server, an embedded platform and a platform of its own end with the pipe that this process holds; so nothing stays when it is killed.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::builds;
use crate::openfire::{Launch, Server};
use crate::project::{Doing, Failure, Output, Project, execute};
use crate::run::signals;
use crate::tools::Jdk;

/// One way to run the product: what its row of the page is called, and what is started for it.
#[derive(Clone, Copy)]
struct Configuration {
    name: &'static str,
    backend: Backend,
}

/// What is behind Openfire.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Backend {
    /// Openfire without the plugin.
    Nothing,
    /// The plugin, and the platform that it starts itself.
    Embedded,
}

const BARE: Configuration = Configuration { name: "bare Openfire", backend: Backend::Nothing };
const ONE_NODE: Configuration =
    Configuration { name: "bridge, one platform node (SQLite)", backend: Backend::Embedded };

/// What Fig. 13 compares; the first is what the others are compared with.
const FIG13: &[Configuration] = &[BARE, ONE_NODE];

/// The bridge decides all that the workload does. All workers may log in at the same time; and on a machine with few cores an answer may be late, which is to
/// be measured, not decided without the platform.
const DECIDING: &[(&str, &str)] = &[
    ("plugin.cloudbridge.chat.mode", "decide"),
    ("plugin.cloudbridge.chat.timeoutMillis", "60000"),
    ("plugin.cloudbridge.state.mode", "decide"),
    ("plugin.cloudbridge.state.timeoutMillis", "60000"),
    ("plugin.cloudbridge.user.mode", "decide"),
    ("plugin.cloudbridge.user.timeoutMillis", "60000"),
    ("plugin.cloudbridge.user.loginCallers", "16"),
    ("plugin.cloudbridge.friend.mode", "decide"),
    ("plugin.cloudbridge.friend.timeoutMillis", "60000"),
];

/// `cargo xtask bench fig13 [--quick | --long]`.
pub fn fig13(project: &Project, words: &[&str]) -> Result<(), Failure> {
    let docs = project.root.join("docs");
    let (plan, into) = match words {
        [] => ("usual", docs),
        ["--long"] => ("long", docs),
        ["--quick"] => ("quick", project.target.join("bench/fig13")),
        _ => return Err(Failure::new("usage: cargo xtask bench fig13 [--quick | --long]")),
    };
    fs::create_dir_all(&into).doing(format!("making {}", into.display()))?;
    let mut whole = Whole::prepare(project)?;
    for configuration in FIG13 {
        whole.start(configuration)?;
    }
    let versions = format!(
        "Openfire 4.2.0 on Java {}, cloudbridge {}, built as it is shipped.",
        whole.jdk.major,
        env!("CARGO_PKG_VERSION")
    );
    whole.load(&format!(
        "fig13 plan={plan} into={} versions={}",
        told(&into.display().to_string()),
        told(&versions)
    ))?;
    println!("The page and its picture are in {}", into.display());
    Ok(())
}

/// Everything that runs, and ends with this.
struct Whole<'a> {
    project: &'a Project,
    jdk: Jdk,
    jar: PathBuf,
    load: PathBuf,
    stopped: Receiver<()>,
    servers: Vec<Server>,
    lines: String,
}

impl<'a> Whole<'a> {
    /// Builds what is needed, as it is shipped.
    fn prepare(project: &'a Project) -> Result<Self, Failure> {
        let stopped = signals()?;
        let jdk = Jdk::for_builds()?;
        builds::natives(project, Output::Kept(&project.log("natives")?))?;
        let jar = builds::jar(project, &jdk, Output::Kept(&project.log("dist")?))?;
        builds::openfire(project, &jdk, Output::Kept(&project.log("fetch")?))?;
        let mut cargo = project.cargo();
        cargo.args(["build", "--release", "--package", "bench-kit"]);
        execute(cargo, Output::Kept(&project.log("bench-kit")?))?;
        let load = project.target.join("release/bench-kit");
        Ok(Self { project, jdk, jar, load, stopped, servers: Vec::new(), lines: String::new() })
    }

    fn start(&mut self, configuration: &Configuration) -> Result<(), Failure> {
        println!("Starting {}", configuration.name);
        let server = Server::start(self.project, &self.jdk, &self.launch(configuration))?;
        // Writing to a String does not fail.
        let _ = writeln!(
            self.lines,
            "server name={} xmpp={} admin={} pid={} plugin={}",
            told(configuration.name),
            server.xmpp_port,
            server.admin_port,
            server.pid(),
            if configuration.backend == Backend::Nothing { "no" } else { "yes" }
        );
        self.servers.push(server);
        self.go_on()
    }

    fn launch(&self, configuration: &Configuration) -> Launch {
        let plugin = configuration.backend != Backend::Nothing;
        let folder: String =
            configuration.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let mut properties = vec![
            // What decides logins asks for it, so the others have it as well.
            ("xmpp.client.tls.policy", "required".to_owned()),
            // Without it a delayed acknowledgement of 40 ms is all that is measured when many users write little each.
            ("xmpp.socket.tcp-nodelay", "true".to_owned()),
            // Openfire keeps 100 kB per user unless it is told otherwise.
            ("xmpp.offline.quota", "1000000000".to_owned()),
        ];
        if plugin {
            properties.extend(DECIDING.iter().map(|(key, value)| (*key, (*value).to_owned())));
        }
        Launch {
            home: self.project.target.join("bench/whole").join(folder),
            domain: "localhost",
            jar: if plugin { self.jar.clone() } else { PathBuf::new() },
            users: Vec::new(),
            properties,
            options: &["-Xmx1g"],
        }
    }

    /// Runs the load to its end.
    fn load(&mut self, order: &str) -> Result<(), Failure> {
        let mut child = Command::new(&self.load).stdin(Stdio::piped()).spawn().doing("starting the load")?;
        let text = format!("{}{order}\n", self.lines);
        let told = match child.stdin.take() {
            Some(mut stdin) => stdin.write_all(text.as_bytes()).doing("telling the load what to do"),
            None => Err(Failure::new("the load has no stdin")),
        };
        let ended = told.and_then(|()| self.wait(&mut child));
        // Ended already, unless something went wrong.
        let _ = child.kill();
        let _ = child.wait();
        ended
    }

    fn wait(&self, child: &mut Child) -> Result<(), Failure> {
        loop {
            if let Some(status) = child.try_wait().doing("waiting for the load")? {
                return if status.success() {
                    Ok(())
                } else {
                    Err(Failure::new(format!("the load failed ({status})")))
                };
            }
            match self.stopped.recv_timeout(Duration::from_millis(100)) {
                Err(RecvTimeoutError::Timeout) => {}
                _ => return Err(Failure::new("stopped")),
            }
        }
    }

    /// A failure once somebody has pressed Ctrl-C.
    fn go_on(&self) -> Result<(), Failure> {
        if self.stopped.try_recv().is_ok() { Err(Failure::new("stopped")) } else { Ok(()) }
    }
}

/// The form in which the load is told a text.
fn told(text: &str) -> String {
    text.replace('%', "%25").replace(' ', "%20")
}
