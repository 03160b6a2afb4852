//! A platform on more than one machine, here on one: instances of `im-platform serve` over a ring of Cassandra nodes. Everything ends with the value.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::cassandra;
use crate::project::{Doing, Failure, Output, Project};
use crate::ring::{Ring, Shape};
use crate::tools::Jdk;

/// Scope and rights of the bridge; known here only, and gone with the run.
const TOKEN: &str = "a-token-of-a-benchmark-0123456789abcdef";
/// Where everything is, unless the configuration says otherwise.
const KEYSPACE: &str = "im_platform";
/// Where an instance says that it serves.
const HEALTH: &str = "/healthz";
/// How long an instance may take to serve, on a busy machine.
const READY: Duration = Duration::from_secs(120);

/// Instances and their ring.
pub struct Cloud {
    // The instances end before what they ask.
    instances: Vec<Instance>,
    ring: Ring,
}

struct Instance {
    child: Child,
    port: u16,
}

impl Drop for Instance {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Cloud {
    /// Starts so many nodes, each with a copy of everything, and as many instances, in an empty folder. `binary` is a platform with the store.
    pub fn start(
        project: &Project,
        jdk: &Jdk,
        binary: &Path,
        size: u8,
        folder: &Path,
    ) -> Result<Self, Failure> {
        let lib = cassandra::jars(project, jdk, Output::Kept(&project.log("cassandra-jars")?))?;
        if folder.exists() {
            fs::remove_dir_all(folder).doing(format!("emptying {}", folder.display()))?;
        }
        let ring = folder.join("ring");
        fs::create_dir_all(&ring).doing(format!("making {}", ring.display()))?;
        let here = project.root.join("tests/cassandra");
        // As a node is run that is to be fast, in the memory of one machine.
        let shape = Shape { jvm: &["-Xms1g", "-Xmx1g", "-XX:+UseG1GC"], ..Shape::quick(size) };
        let ring = Ring::start(&shape, &jdk.home.join("bin/java"), &here, &lib, &ring)
            .doing("starting Cassandra")?;
        let mut cloud = Self { instances: Vec::new(), ring };
        for number in 1..=size {
            let folder = folder.join(format!("platform-{number}"));
            fs::create_dir_all(&folder).doing(format!("making {}", folder.display()))?;
            cloud.instances.push(Instance::start(binary, &folder, &cloud.ring.contacts(), size)?);
        }
        Ok(cloud)
    }

    /// Where the bridge finds it.
    pub fn urls(&self) -> String {
        let urls: Vec<String> =
            self.instances.iter().map(|instance| format!("http://127.0.0.1:{}", instance.port)).collect();
        urls.join(" ")
    }

    /// What the bridge shows.
    pub fn token(&self) -> &'static str {
        TOKEN
    }

    /// What the load needs to look at how much one node keeps, through the first instance: facts of a line, not encoded.
    pub fn store(&self) -> Vec<(&'static str, String)> {
        let instance = &self.instances[0];
        vec![
            ("port", instance.port.to_string()),
            ("token", TOKEN.to_owned()),
            ("pid", instance.child.id().to_string()),
            ("data", self.ring.keyspace(0, KEYSPACE).display().to_string()),
            ("tool", self.ring.tool(0).join("\n")),
            ("keyspace", KEYSPACE.to_owned()),
        ]
    }

    /// Its processes, with what tables call them.
    pub fn parts(&self) -> Vec<(String, u32)> {
        let instances = self.instances.iter().map(|instance| instance.child.id());
        let named = |what: &'static str| move |(at, pid): (usize, u32)| (format!("{what} {}", at + 1), pid);
        let nodes = self.ring.pids().into_iter().enumerate().map(named("Cassandra"));
        instances.enumerate().map(named("platform")).chain(nodes).collect()
    }
}

impl Instance {
    fn start(binary: &Path, folder: &Path, ring: &[String], copies: u8) -> Result<Self, Failure> {
        let file = |name: &str| folder.join(name);
        let written = |name: &str, text: &str| {
            fs::write(file(name), text).doing(format!("writing {name} of an instance"))
        };
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|one| one.local_addr());
        let port = port.doing("looking for a free port")?.port();
        written("token", TOKEN)?;
        written(
            "config.toml",
            &format!(
                "listen = \"127.0.0.1:{port}\"\ndata = {:?}\n[[credentials]]\nname = \"openfire\"\nscope = \"bridge\"\ntoken_file = {:?}\n\
                 [cassandra]\ncontact_points = {ring:?}\nreplication = {copies}\n",
                file("data"),
                file("token"),
            ),
        )?;
        let log = File::create(file("log")).doing("writing an instance's log")?;
        let mut command = Command::new(binary);
        command.args(["serve", "--config"]).arg(file("config.toml")).stdin(Stdio::null()).stderr(log);
        let mut instance = Self { child: command.spawn().doing("starting an instance")?, port };
        instance.wait(&file("log"))?;
        Ok(instance)
    }

    fn wait(&mut self, log: &Path) -> Result<(), Failure> {
        let until = Instant::now() + READY;
        let url = format!("http://127.0.0.1:{}{HEALTH}", self.port);
        let agent: ureq::Agent =
            ureq::Agent::config_builder().timeout_recv_response(Some(Duration::from_secs(2))).build().into();
        // It listens before its store is open.
        while agent.get(&url).call().is_err() {
            let ended = self.child.try_wait().doing("looking after an instance")?;
            if ended.is_some() || Instant::now() > until {
                return Err(Failure::new(format!(
                    "an instance does not serve ({ended:?}); see {}",
                    log.display()
                )));
            }
            #[expect(clippy::disallowed_methods, reason = "nobody says when it does")]
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}
