//! One bridge and two instances of the platform over one ring: the real host, real processes, a real Cassandra (`cargo xtask test cassandra` starts it).
//! One instance is killed under load; then both are replaced one after the other.

#[path = "../flow/pep.rs"]
#[allow(dead_code, reason = "shared with the flow tests, which use all of it")]
mod pep;
#[path = "../flow/shim.rs"]
#[allow(dead_code, reason = "shared with the flow tests, which use all of it")]
mod shim;

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use shim::{Server, message};

const TOKEN: &str = "a-token-that-is-long-enough-0123456789";
const ROMEO: &str = "romeo@example.org/orchard";
const BALCONY: &str = "juliet@example.org/balcony";

/// An instance of the platform. It keeps its port when it is replaced.
struct Instance {
    folder: tempfile::TempDir,
    port: u16,
    child: Child,
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Instance {
    fn start(prefix: &str) -> Self {
        Self::start_in("cluster", prefix)
    }

    fn start_in(keyspace: &str, prefix: &str) -> Self {
        let ring = std::env::var("IM_PLATFORM_TEST_CASSANDRA")
            .expect("IM_PLATFORM_TEST_CASSANDRA says where a ring is");
        let ring: Vec<&str> = ring.split(',').collect();
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str| folder.path().join(name);
        std::fs::write(file("token"), TOKEN).expect("written");
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
        let config = format!(
            "listen = \"127.0.0.1:{port}\"\ndata = {:?}\n[[credentials]]\nname = \"openfire\"\nscope = \"bridge\"\ntoken_file = {:?}\n\
             [cassandra]\ncontact_points = {ring:?}\nkeyspace = \"{keyspace}\"\nreplication = 1\nprefix = \"{prefix}\"\n",
            file("data"),
            file("token"),
        );
        std::fs::write(file("config.toml"), config).expect("written");
        let child = spawn(Build::Now, &file("config.toml"));
        Self { folder, port, child }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Ends it as a power failure would.
    fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("gone");
    }

    /// Asks it to end, waits until it has, and starts one of another build in its place.
    fn replace(&mut self, by: Build) {
        let asked =
            Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().expect("kill");
        assert!(asked.success());
        assert!(self.child.wait().expect("gone").success(), "it finishes what it accepted");
        self.child = spawn(by, &self.folder.path().join("config.toml"));
    }
}

/// Standalone platforms, which speak to a ring.
#[derive(Clone, Copy)]
enum Build {
    /// This one.
    Now,
    /// One that knows a format more, as a later version may.
    Next,
}

fn platform_binary(build: Build) -> PathBuf {
    static BUILT: OnceLock<[PathBuf; 2]> = OnceLock::new();
    let built = |feature: &str| {
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
        let mut command = Command::new(cargo);
        command.args(["build", "--quiet", "-p", "im-platform", "--features", feature]);
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        // What cargo tells a test about its own package would make it build crates anew whose build scripts look at that.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        assert!(command.status().expect("cargo").success(), "im-platform builds");
        // target/<profile>/deps/cluster-… -> target/debug/im-platform, which the flow tests build without the feature: a copy is ours.
        let exe = std::env::current_exe().expect("own path");
        let debug = exe.ancestors().nth(3).expect("target").join("debug");
        let copy = debug.join(format!("im-platform-with-{feature}"));
        std::fs::copy(debug.join("im-platform"), &copy).expect("copied");
        copy
    };
    BUILT.get_or_init(|| ["cassandra", "next-format"].map(built))[build as usize].clone()
}

fn spawn(build: Build, config: &std::path::Path) -> Child {
    let mut command = Command::new(platform_binary(build));
    let log = std::fs::File::options().create(true).append(true).open(config.with_file_name("log"));
    command.args(["serve", "--config"]).arg(config).stdin(Stdio::null()).stderr(log.expect("a log"));
    command.spawn().expect("an instance")
}

/// A bridge in decide mode, ready, with Romeo and Juliet.
fn bridge(instances: &[Instance]) -> Server {
    let urls: Vec<String> = instances.iter().map(Instance::url).collect();
    let server = Server::start(&[
        ("chat.mode", "decide"),
        ("chat.timeoutMillis", "60000"),
        ("platform.url", &urls.join(" ")),
        ("platform.token.password", TOKEN),
    ]);
    server.log_in(BALCONY, 0);
    server.log_in(ROMEO, 0);
    server.until("ready", |s| s["ready"] == true);
    server
}

fn prefix() -> String {
    format!("{}:", uuid::Uuid::new_v4())
}

fn ids(range: std::ops::RangeInclusive<u32>) -> Vec<String> {
    range.map(|id| id.to_string()).collect()
}

/// Which instance the bridge asks.
fn asked(server: &Server, instances: &[Instance]) -> usize {
    let url = server.status()["platform"]["url"].as_str().unwrap_or_default().to_owned();
    instances.iter().position(|instance| instance.url() == url).expect("one of them")
}

#[test]
fn an_instance_that_is_killed_under_load_loses_and_doubles_nothing() {
    let prefix = prefix();
    let mut instances = [Instance::start(&prefix), Instance::start(&prefix)];
    let server = bridge(&instances);
    let send = |id: u32| server.send(&message(ROMEO, "juliet@example.org", &id.to_string(), "x"));
    for id in 1..=100 {
        send(id);
        if id == 50 {
            let gone = asked(&server, &instances);
            instances[gone].kill();
        }
    }
    assert_eq!(server.received(BALCONY, 100), ids(1..=100), "each once, in order");
    // What is stored by one is handed over by the other.
    server.log_out(BALCONY);
    for id in 101..=150 {
        send(id);
    }
    server.until("stored", |s| s["modules"]["chat"]["held"] == 0);
    let gone = asked(&server, &instances);
    let other = 1 - gone;
    instances[other].child = spawn(Build::Now, &instances[other].folder.path().join("config.toml"));
    instances[gone].kill();
    server.log_in("juliet@example.org/chamber", 0);
    assert_eq!(server.received("juliet@example.org/chamber", 50), ids(101..=150));
    server.until("nothing is owed", |s| s["modules"]["chat"]["held"] == 0 && s["journal"]["held"] == 0);
    assert_eq!(server.received(BALCONY, 100).len(), 100);
}

#[test]
fn a_rolling_update_to_a_new_format_under_load_loses_and_doubles_nothing() {
    let prefix = prefix();
    // A keyspace of its own: what it becomes here is nothing for the others.
    let mut instances = ["rolling", "rolling"].map(|keyspace| Instance::start_in(keyspace, &prefix));
    let server = bridge(&instances);
    let (stop, sent) = (std::sync::atomic::AtomicBool::new(false), std::sync::atomic::AtomicU32::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(std::sync::atomic::Ordering::Acquire) {
                let id = sent.fetch_add(1, std::sync::atomic::Ordering::AcqRel) + 1;
                server.send(&message(ROMEO, "juliet@example.org", &id.to_string(), "x"));
                // Load, not a flood: the next one when this one has come.
                server.received(BALCONY, usize::try_from(id).expect("small").saturating_sub(20));
            }
        });
        for instance in &mut instances {
            let before = server.received(BALCONY, 1).len();
            server.received(BALCONY, before + 20);
            instance.replace(Build::Next);
            server.received(BALCONY, before + 60);
        }
        // And one of them back: the older build uses what the newer one has made.
        let before = server.received(BALCONY, 1).len();
        instances[0].replace(Build::Now);
        server.received(BALCONY, before + 60);
        stop.store(true, std::sync::atomic::Ordering::Release);
    });
    let log = std::fs::read_to_string(instances[0].folder.path().join("log")).expect("a log");
    assert!(
        log.contains("new format"),
        "the first one made the next format while the other one worked: {log}"
    );
    let sent = sent.load(std::sync::atomic::Ordering::Acquire);
    assert_eq!(
        server.received(BALCONY, usize::try_from(sent).expect("small")),
        ids(1..=sent),
        "each once, in order"
    );
}
