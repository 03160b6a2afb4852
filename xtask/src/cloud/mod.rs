//! A small real cloud for tests: Debian's Keystone and Swift (with memcached), each service a process on loopback, everything it keeps below one folder.
//!
//! Each service runs below a shell that ends it when a pipe of ours closes, so nothing stays behind, however we end. What a test must know stands in
//! a file of facts; what it may do to the services it says over a socket ([`control`]): `stop keystone`, `start keystone`, `start keystone short`
//! (tokens of some seconds), `stop swift`, `start swift`.

mod control;
mod files;
mod seed;
mod service;

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::project::{Doing, Failure, Output, Project, execute};
use crate::tools;

pub use control::Control;
use files::Ports;
use service::Service;

/// The Debian packages, and a program of each by which it is recognised.
const PACKAGES: [(&str, &str); 7] = [
    ("keystone", "/usr/bin/keystone-wsgi-public"),
    ("swift-proxy", "/usr/bin/swift-proxy-server"),
    ("swift-account", "/usr/bin/swift-account-server"),
    ("swift-container", "/usr/bin/swift-container-server"),
    ("swift-object", "/usr/bin/swift-object-server"),
    (
        "python3-keystonemiddleware",
        "/usr/lib/python3/dist-packages/keystonemiddleware/auth_token/__init__.py",
    ),
    ("memcached", "/usr/bin/memcached"),
];

/// Everything but the plugin comes with them.
const UWSGI: (&str, &str) = ("uwsgi-plugin-python3", "/usr/bin/uwsgi");

/// A running cloud.
pub struct Cloud {
    home: PathBuf,
    ports: Ports,
    keystone: Option<Service>,
    /// Its tokens hold for some seconds only.
    short: bool,
    swift: Vec<Service>,
}

impl Cloud {
    /// Makes one in an empty folder and starts it.
    pub fn start(project: &Project) -> Result<Self, Failure> {
        let missing: Vec<&str> = PACKAGES
            .iter()
            .chain([&UWSGI])
            .filter(|(_, file)| !Path::new(file).is_file())
            .map(|(package, _)| *package)
            .collect();
        tools::packages(project, "Keystone and Swift are needed (the cloud of the tests)", &missing)?;
        let home = project.target.join("openstack");
        let mut last = Failure::new("");
        for _ in 0..3 {
            if home.exists() {
                fs::remove_dir_all(&home).doing(format!("removing {}", home.display()))?;
            }
            fs::create_dir_all(home.join("logs")).doing(format!("making {}", home.display()))?;
            match Self::made(project, &home) {
                Ok(cloud) => return Ok(cloud),
                // A port may have been taken by somebody else meanwhile.
                Err(failure) => last = failure,
            }
        }
        Err(last)
    }

    fn made(project: &Project, home: &Path) -> Result<Self, Failure> {
        let ports = free_ports()?;
        files::write(home, &ports)?;
        for command in files::preparations(home, &ports) {
            prepare(project, &command)?;
        }
        let mut cloud =
            Self { home: home.to_owned(), ports, keystone: None, short: false, swift: Vec::new() };
        cloud.start_keystone(false)?;
        seed::seed(&cloud.facts(), &cloud.keystone_url(), &cloud.swift_url())?;
        cloud.start_swift()?;
        Ok(cloud)
    }

    /// Where the facts are: a JSON file.
    pub fn facts(&self) -> PathBuf {
        self.home.join("facts.json")
    }

    fn keystone_url(&self) -> String {
        format!("http://127.0.0.1:{}/v3", self.ports.keystone)
    }

    fn swift_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1/AUTH_%(tenant_id)s", self.ports.proxy)
    }

    fn start_keystone(&mut self, short: bool) -> Result<(), Failure> {
        if self.short != short {
            self.short = short;
            drop(self.keystone.take());
        }
        if self.keystone.is_none() {
            let command = files::keystone(&self.home, &self.ports, short);
            self.keystone =
                Some(Service::start(&self.home, "keystone", &command, self.ports.keystone, Some("/v3"))?);
        }
        Ok(())
    }

    fn start_swift(&mut self) -> Result<(), Failure> {
        if self.swift.is_empty() {
            for (name, port, command) in files::swift(&self.home, &self.ports) {
                let page = (name == "proxy").then_some("/healthcheck");
                self.swift.push(Service::start(&self.home, name, &command, port, page)?);
            }
        }
        Ok(())
    }

    /// Does what a test asks for.
    fn obey(&mut self, order: &str) -> Result<(), Failure> {
        match order {
            "stop keystone" => drop(self.keystone.take()),
            "start keystone" => self.start_keystone(false)?,
            "start keystone short" => self.start_keystone(true)?,
            "stop swift" => self.swift.clear(),
            "start swift" => self.start_swift()?,
            other => return Err(Failure::new(format!("the cloud does not know the order {other}"))),
        }
        Ok(())
    }
}

/// Ports that are free at this moment, all different.
fn free_ports() -> Result<Ports, Failure> {
    let mut held = Vec::new();
    let mut next = || -> Result<u16, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").doing("looking for a free port")?;
        let port = listener.local_addr().doing("looking for a free port")?.port();
        held.push(listener);
        Ok(port)
    };
    Ok(Ports {
        keystone: next()?,
        memcached: next()?,
        account: next()?,
        container: next()?,
        object: next()?,
        proxy: next()?,
    })
}

fn prepare(project: &Project, command: &[String]) -> Result<(), Failure> {
    let [program, arguments @ ..] = command else { return Ok(()) };
    let mut command = Command::new(program);
    command.args(arguments);
    execute(command, Output::Kept(&project.log("openstack-prepare")?))
}
