//! A ring of real Cassandra nodes on loopback, for tests: one process per node, ports that were free, everything in one folder. A node can be killed
//! and started again. What started is stopped with the value.
//!
//! Used by xtask (one node for the behaviour suite) and by the fault tests (three).

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a node may take to answer, on a busy machine.
const READY: Duration = Duration::from_secs(240);

/// A ring.
pub struct Ring {
    nodes: Vec<Node>,
    java: PathBuf,
    jvm: Vec<String>,
    lib: PathBuf,
}

/// What a ring is like.
#[derive(Clone, Copy)]
pub struct Shape<'a> {
    /// How many nodes.
    pub size: u8,
    /// Lines of `cassandra.yaml` that say who is let in.
    pub access: &'a str,
    /// Options of a node's JVM.
    pub jvm: &'a [&'a str],
}

impl Shape<'_> {
    /// So many nodes that let everybody in and are soon there.
    #[must_use]
    pub fn quick(size: u8) -> Self {
        Self {
            size,
            access: "authenticator: AllowAllAuthenticator\n",
            jvm: &["-Xms256m", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"],
        }
    }
}

struct Node {
    folder: PathBuf,
    at: SocketAddr,
    jmx: u16,
    child: Option<Child>,
}

/// What Java 17 hides from Cassandra.
const OPEN: &[&str] = &[
    "java.base/java.io",
    "java.base/java.lang.module",
    "java.base/java.lang.reflect",
    "java.base/java.net",
    "java.base/java.nio",
    "java.base/java.util",
    "java.base/java.util.concurrent",
    "java.base/java.util.concurrent.atomic",
    "java.base/jdk.internal.loader",
    "java.base/jdk.internal.ref",
    "java.base/jdk.internal.reflect",
    "java.base/jdk.internal.math",
    "java.base/jdk.internal.module",
    "java.base/jdk.internal.util.jar",
    "java.base/jdk.internal.misc",
    "java.base/sun.nio.ch",
    "java.rmi/sun.rmi.transport.tcp",
    "jdk.management/com.sun.management.internal",
    "java.sql/java.sql",
];
const EXPORT: &[&str] = &[
    "java.base/jdk.internal.misc",
    "java.base/jdk.internal.ref",
    "java.base/sun.nio.ch",
    "java.management.rmi/com.sun.jmx.remote.internal.rmi",
    "java.rmi/sun.rmi.registry",
    "java.rmi/sun.rmi.server",
];

impl Ring {
    /// Starts nodes one after the other and waits for each. `here`: the folder with the configuration files; `lib`: Cassandra's jars;
    /// `folder`: an empty one for data and logs.
    pub fn start(shape: &Shape<'_>, java: &Path, here: &Path, lib: &Path, folder: &Path) -> io::Result<Self> {
        let (size, address) = (shape.size, Self::address);
        let storage = common_port(size, &address)?;
        let ssl = common_port(size, &address)?;
        let native = common_port(size, &address)?;
        let jvm = shape.jvm.iter().map(|&option| option.into()).collect();
        let mut ring = Self { nodes: Vec::new(), java: java.into(), jvm, lib: lib.into() };
        for n in 0..size {
            let node = folder.join(format!("node-{n}"));
            fs::create_dir_all(&node)?;
            let values = [
                ("@seed@", address(0).to_string()),
                ("@address@", address(n).to_string()),
                ("@storage@", storage.to_string()),
                ("@ssl@", ssl.to_string()),
                ("@native@", native.to_string()),
                ("@folder@", node.display().to_string()),
                ("@bootstrap@", (n > 0).to_string()),
            ];
            let mut yaml = fs::read_to_string(here.join("cassandra.yaml"))?;
            for (name, value) in values {
                yaml = yaml.replace(name, &value);
            }
            yaml.push_str(shape.access);
            fs::write(node.join("cassandra.yaml"), yaml)?;
            fs::copy(here.join("logback.xml"), node.join("logback.xml"))?;
            let at = SocketAddr::from((address(n), native));
            ring.nodes.push(Node { folder: node, at, jmx: free_port(Ipv4Addr::LOCALHOST)?, child: None });
            ring.launch(usize::from(n))?;
            ring.wait(usize::from(n))?;
        }
        Ok(ring)
    }

    /// Where node `n` listens, in every ring.
    #[must_use]
    pub fn address(n: u8) -> Ipv4Addr {
        Ipv4Addr::new(127, 0, 0, 10 + n)
    }

    /// Where the nodes listen for clients.
    #[must_use]
    pub fn contacts(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.at.to_string()).collect()
    }

    /// The processes of the nodes that run.
    #[must_use]
    #[allow(dead_code, reason = "shared with tests that do not ask what a node costs")]
    pub fn pids(&self) -> Vec<u32> {
        self.nodes.iter().filter_map(|node| node.child.as_ref()).map(Child::id).collect()
    }

    /// Cassandra's own tool, about a node: what it is to do comes behind.
    #[must_use]
    #[allow(dead_code, reason = "shared with tests that do not ask how much a node keeps")]
    pub fn tool(&self, n: usize) -> Vec<String> {
        let (path, port) = (format!("{}/*", self.lib.display()), self.nodes[n].jmx.to_string());
        // Its history belongs to the node, not to whoever tests.
        let home = format!("-Duser.home={}", self.nodes[n].folder.display());
        let main = "org.apache.cassandra.tools.NodeTool";
        let mut words = vec![self.java.display().to_string()];
        words.extend(hidden());
        words.extend([&home, "-cp", &path, main, "-h", "127.0.0.1", "-p", &port].map(String::from));
        words
    }

    /// Where a node keeps a keyspace.
    #[must_use]
    #[allow(dead_code, reason = "as above")]
    pub fn keyspace(&self, n: usize, name: &str) -> PathBuf {
        self.nodes[n].folder.join("data").join(name)
    }

    /// Ends a node as a power failure would, and waits until it is gone.
    pub fn kill(&mut self, n: usize) -> io::Result<()> {
        if let Some(mut child) = self.nodes[n].child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Starts a node that was killed, and does not wait for it.
    pub fn launch(&mut self, n: usize) -> io::Result<()> {
        let node = &mut self.nodes[n];
        let log = File::options().create(true).append(true).open(node.folder.join("log"))?;
        let mut java = Command::new(&self.java);
        java.args(hidden())
            .args(&self.jvm)
            .args([
                "-Xss512k",
                "-Djdk.attach.allowAttachSelf=true",
                "-Djava.io.tmpdir=/tmp",
                "-Dcassandra.skip_wait_for_gossip_to_settle=0",
            ])
            // Shorter, and a third node finds no seed.
            .arg("-Dcassandra.ring_delay_ms=2000")
            .arg("-Dcassandra.superuser_setup_delay_ms=100")
            .arg(format!("-Dcassandra.jmx.local.port={}", node.jmx))
            .arg(format!("-Dcassandra.storagedir={}", node.folder.display()))
            .arg(format!("-Dcassandra.logdir={}", node.folder.display()))
            .arg(format!("-Dcassandra.config=file://{}/cassandra.yaml", node.folder.display()))
            .arg(format!("-Dlogback.configurationFile={}/logback.xml", node.folder.display()))
            .arg(format!("-javaagent:{}", agent(&self.lib)?.display()))
            .arg("-cp")
            .arg(format!("{}:{}/*", node.folder.display(), self.lib.display()))
            .arg("org.apache.cassandra.service.CassandraDaemon");
        java.current_dir(&node.folder).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        node.child = Some(java.spawn()?);
        Ok(())
    }

    /// Waits until a node takes clients.
    #[expect(clippy::disallowed_methods, reason = "nobody says when a port opens")]
    pub fn wait(&mut self, n: usize) -> io::Result<()> {
        let node = &mut self.nodes[n];
        let until = Instant::now() + READY;
        while TcpStream::connect_timeout(&node.at, Duration::from_secs(1)).is_err() {
            let ended = node.child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            if ended.is_some() || Instant::now() > until {
                let log = node.folder.join("log");
                let log = fs::read_to_string(&log).unwrap_or_default();
                let end: Vec<&str> = log.lines().rev().take(15).collect();
                let end = end.into_iter().rev().collect::<Vec<_>>().join("\n");
                return Err(io::Error::other(format!("node {n} does not listen ({ended:?}):\n{end}")));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        for n in 0..self.nodes.len() {
            let _ = self.kill(n);
        }
    }
}

/// Options by which Java shows it what it hides.
fn hidden() -> impl Iterator<Item = String> {
    let open = OPEN.iter().map(|name| format!("--add-opens={name}=ALL-UNNAMED"));
    open.chain(EXPORT.iter().map(|name| format!("--add-exports={name}=ALL-UNNAMED")))
}

/// The agent that measures objects.
fn agent(lib: &Path) -> io::Result<PathBuf> {
    let files = fs::read_dir(lib)?.filter_map(Result::ok).map(|entry| entry.path());
    let mut agents = files.filter(|file| {
        file.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("jamm-"))
    });
    agents.next().ok_or_else(|| io::Error::other(format!("{} holds no jamm jar", lib.display())))
}

fn free_port(address: Ipv4Addr) -> io::Result<u16> {
    Ok(TcpListener::bind((address, 0))?.local_addr()?.port())
}

/// A port that is free on all nodes' addresses.
fn common_port(size: u8, address: &dyn Fn(u8) -> Ipv4Addr) -> io::Result<u16> {
    for _ in 0..100 {
        let port = free_port(address(0))?;
        if (1..size).all(|n| TcpListener::bind((address(n), port)).is_ok()) {
            return Ok(port);
        }
    }
    Err(io::Error::other("no port is free on all addresses"))
}
