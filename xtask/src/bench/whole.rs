//! Benchmarks of whole servers, side by side: this starts them and the load (`benches/kit`), tells the load where they are, and ends everything on every
//! path. A server, an embedded platform and a platform of its own end with the pipe that this process holds; so nothing stays when it is killed.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use super::cloud::Cloud;
use crate::builds;
use crate::openfire::{Launch, Server};
use crate::platform::{self, Platform};
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
    /// The plugin, and a platform that is started for it and that the load may ask.
    Beside,
    /// The plugin, so many platform instances, and as many nodes of Cassandra, each with a copy of everything.
    Cloud(u8),
}

const BARE: Configuration = Configuration { name: "bare Openfire", backend: Backend::Nothing };
const ONE_NODE: Configuration =
    Configuration { name: "bridge, one platform node (SQLite)", backend: Backend::Embedded };
const ONE_CLOUD_NODE: Configuration =
    Configuration { name: "bridge, one platform node (Cassandra)", backend: Backend::Cloud(1) };
const THREE_NODES: Configuration =
    Configuration { name: "bridge, three platform nodes (3 x Cassandra)", backend: Backend::Cloud(3) };
const BESIDE: Configuration =
    Configuration { name: "bridge, a platform of its own (SQLite)", backend: Backend::Beside };

/// What Fig. 13 compares; the first is what the others are compared with.
const FIG13: &[Configuration] = &[BARE, ONE_NODE, ONE_CLOUD_NODE, THREE_NODES];

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

/// `cargo xtask bench fig13 [--quick | --long] [--without-cassandra]`.
pub fn fig13(project: &Project, words: &[&str]) -> Result<(), Failure> {
    let without = "--without-cassandra";
    let others: Vec<&str> = words.iter().copied().filter(|word| *word != without).collect();
    let plan = Plan::of(project, "fig13", &others)?;
    let ring = |one: &&Configuration| matches!(one.backend, Backend::Cloud(_));
    let mut whole = Whole::prepare(project, &["-Xmx1g"])?;
    for configuration in FIG13.iter().filter(|one| !(words.contains(&without) && ring(one))) {
        whole.start(configuration)?;
    }
    whole.load(&format!("fig13 {}", plan.told(&whole)))?;
    println!("The page and its picture are in {}", plan.into.display());
    Ok(())
}

/// `cargo xtask bench sizing [--quick | --long]`.
pub fn sizing(project: &Project, words: &[&str]) -> Result<(), Failure> {
    let plan = Plan::of(project, "sizing", words)?;
    // The whole heap is there from the start, so that what grows outside of it can be told apart.
    let mut whole = Whole::prepare(project, &["-Xms512m", "-Xmx512m", "-XX:+AlwaysPreTouch"])?;
    whole.start(&BARE)?;
    whole.start(&BESIDE)?;
    whole.platform("fresh")?;
    let facts = whole.cloud(1)?.store();
    let facts: Vec<String> = facts.iter().map(|(key, value)| format!("{key}={}", told(value))).collect();
    // Writing to a String does not fail.
    let _ = writeln!(whole.lines, "platform {}", facts.join(" "));
    let jcmd = whole.jdk.tool("jcmd").get_program().display().to_string();
    whole.load(&format!("sizing jcmd={} {}", told(&jcmd), plan.told(&whole)))?;
    println!("The page is in {}", plan.into.display());
    Ok(())
}

/// How much is measured, and where the page goes.
struct Plan {
    name: &'static str,
    into: PathBuf,
}

impl Plan {
    fn of(project: &Project, bench: &str, words: &[&str]) -> Result<Self, Failure> {
        let docs = project.root.join("docs");
        let (name, into) = match words {
            [] => ("usual", docs),
            ["--long"] => ("long", docs),
            ["--quick"] => ("quick", project.target.join("bench").join(bench)),
            _ => return Err(Failure::new(format!("usage: cargo xtask bench {bench} [--quick | --long]"))),
        };
        fs::create_dir_all(&into).doing(format!("making {}", into.display()))?;
        Ok(Self { name, into })
    }

    fn told(&self, whole: &Whole<'_>) -> String {
        let versions = format!(
            "Openfire 4.2.0 on Java {}, cloudbridge {}, built as it is shipped.",
            whole.jdk.major,
            env!("CARGO_PKG_VERSION")
        );
        let into = told(&self.into.display().to_string());
        format!("plan={} into={into} load={} versions={}", self.name, whole.before, told(&versions))
    }
}

/// Everything that runs, and ends with this.
struct Whole<'a> {
    project: &'a Project,
    jdk: Jdk,
    jar: PathBuf,
    load: PathBuf,
    options: &'static [&'static str],
    stopped: Receiver<()>,
    // First the servers end, then what they ask.
    servers: Vec<Server>,
    platforms: Vec<(Platform, PathBuf)>,
    clouds: Vec<Cloud>,
    lines: String,
    /// The load average before anything was started.
    before: String,
}

impl Drop for Whole<'_> {
    fn drop(&mut self) {
        self.servers.clear();
        for (platform, folder) in &mut self.platforms {
            platform.kill();
            // It may be large, and tells nobody anything any more.
            let _ = fs::remove_dir_all(folder);
        }
        self.clouds.clear();
    }
}

impl<'a> Whole<'a> {
    /// Builds what is needed, as it is shipped.
    fn prepare(project: &'a Project, options: &'static [&'static str]) -> Result<Self, Failure> {
        let stopped = signals()?;
        let load = fs::read_to_string("/proc/loadavg").doing("reading the load average")?;
        let before = load.split(' ').next().unwrap_or_default().to_owned();
        let jdk = Jdk::for_builds()?;
        builds::natives(project, Output::Kept(&project.log("natives")?))?;
        let jar = builds::jar(project, &jdk, Output::Kept(&project.log("dist")?))?;
        builds::openfire(project, &jdk, Output::Kept(&project.log("fetch")?))?;
        let mut cargo = project.cargo();
        cargo.args(["build", "--release", "--package", "bench-kit"]);
        execute(cargo, Output::Kept(&project.log("bench-kit")?))?;
        let load = project.target.join("release/bench-kit");
        let (servers, platforms, clouds, lines) = (Vec::new(), Vec::new(), Vec::new(), String::new());
        Ok(Self { project, jdk, jar, load, options, stopped, servers, platforms, clouds, lines, before })
    }

    /// Starts a platform that the load may ask; gives its address, its token and its process.
    fn platform(&mut self, name: &str) -> Result<(String, String, u32), Failure> {
        let folder = self.project.target.join("bench/whole").join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder).doing(format!("emptying {}", folder.display()))?;
        }
        let log = self.project.log(&format!("platform-{name}"))?;
        let platform = platform::start(&builds::platform_binary(self.project), &folder, &log)?;
        let (url, token, pid) = (platform.base(), platform.token.clone(), platform.pid());
        let port = url.rsplit(':').next().unwrap_or_default();
        // Writing to a String does not fail.
        let _ = writeln!(
            self.lines,
            "platform port={port} token={token} pid={pid} data={}",
            told(&folder.display().to_string())
        );
        self.platforms.push((platform, folder));
        self.go_on()?;
        Ok((url, token, pid))
    }

    fn cloud(&mut self, size: u8) -> Result<&Cloud, Failure> {
        let folder = self.project.target.join(format!("bench/whole/cloud-{size}"));
        let binary = self.project.target.join("bench/whole/im-platform");
        if self.clouds.is_empty() {
            // The jar's platform is built without this store, and what others build must not change under us.
            let built =
                builds::platform_for_rings(self.project, Output::Kept(&self.project.log("platform")?))?;
            fs::copy(&built, &binary).doing(format!("copying to {}", binary.display()))?;
        }
        let cloud = Cloud::start(self.project, &self.jdk, &binary, size, &folder)?;
        self.clouds.push(cloud);
        self.go_on()?;
        self.clouds.last().ok_or_else(|| Failure::new("no cloud"))
    }

    fn start(&mut self, configuration: &Configuration) -> Result<(), Failure> {
        println!("Starting {}", configuration.name);
        let mut launch = self.launch(configuration);
        let mut parts = String::new();
        let remote = match configuration.backend {
            Backend::Nothing | Backend::Embedded => None,
            Backend::Beside => {
                let (url, token, pid) = self.platform("beside")?;
                Some((url, token, vec![("platform".to_owned(), pid)]))
            }
            Backend::Cloud(size) => {
                let cloud = self.cloud(size)?;
                Some((cloud.urls(), cloud.token().to_owned(), cloud.parts()))
            }
        };
        if let Some((url, token, processes)) = remote {
            launch.properties.push(("plugin.cloudbridge.platform.url", url));
            launch.properties.push(("plugin.cloudbridge.platform.token.password", token));
            parts.extend(processes.iter().map(|(name, pid)| format!(" part={}:{pid}", told(name))));
        }
        let server = Server::start(self.project, &self.jdk, &launch)?;
        // Writing to a String does not fail.
        let _ = writeln!(
            self.lines,
            "server name={} xmpp={} admin={} pid={} plugin={}{parts}",
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
            options: self.options,
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
    text.replace('%', "%25").replace(' ', "%20").replace('\n', "%0A")
}
