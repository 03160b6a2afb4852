//! A standalone platform in the cloud: tokens of Keystone are its credentials, Swift has its media.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::cloud::{Answer, Cloud};
use crate::shim::platform_binary;

/// See the module. Its log is read, so that a test can say what is in it.
pub struct Platform {
    folder: tempfile::TempDir,
    child: Child,
    pub url: String,
    /// What its containers' names begin with.
    pub container: String,
    log: Arc<Mutex<String>>,
}

impl Drop for Platform {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Platform {
    /// One that keeps media in Swift.
    pub fn start(cloud: &Cloud) -> Platform {
        Self::start_in(cloud, tempfile::tempdir().expect("scratch"), true)
    }

    /// One in a folder, with or without Swift.
    pub fn start_in(cloud: &Cloud, folder: tempfile::TempDir, swift: bool) -> Platform {
        let file = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(file("password"), cloud.password("im-platform")).expect("written");
        std::fs::write(file("link-key"), "canary-of-the-link-key").expect("written");
        let mut config = format!(
            "listen = \"127.0.0.1:0\"\ndata = {:?}\n[keystone]\nurl = {:?}\nuser = \"im-platform\"\nproject = \"service\"\npassword_file = {:?}\nprojects = [\"Default/im\"]\ncache_seconds = 1\n",
            file("data"),
            cloud.keystone(),
            file("password"),
        );
        for (role, scope) in [("im_bridge", "bridge"), ("im_operator", "operator")] {
            writeln!(config, "[[keystone.roles]]\nrole = {role:?}\nscope = {scope:?}").expect("written");
        }
        let container = folder.path().file_name().expect("a name").to_string_lossy().replace('.', "m");
        if swift {
            writeln!(
                config,
                "[media.swift]\ncontainer = {container:?}\nlink_key_file = {:?}",
                file("link-key")
            )
            .expect("written");
        }
        std::fs::write(file("config.toml"), config).expect("written");
        let mut child = Command::new(platform_binary())
            .args(["serve", "--config"])
            .arg(file("config.toml"))
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the platform");
        let mut lines = BufReader::new(child.stderr.take().expect("its log")).lines();
        let log = Arc::new(Mutex::new(String::new()));
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (_, rest) = line.split_once("listening addr=")?;
            Some(rest.split_whitespace().next()?.to_owned())
        });
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let mut log = kept.lock().expect("log");
                log.push_str(&line);
                log.push('\n');
            }
        });
        let url = format!("http://{}", address.expect("it listens"));
        Platform { folder, child, url, container, log }
    }

    /// Kills it; gives its folder.
    pub fn kill(mut self) -> tempfile::TempDir {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
        let empty = tempfile::tempdir().expect("scratch");
        std::mem::replace(&mut self.folder, empty)
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        self.log.lock().expect("log").clone()
    }

    /// A call with a token of Keystone's.
    pub fn call(&self, cloud: &Cloud, token: &str, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let key = uuid::Uuid::new_v4().to_string();
        let headers = [("x-auth-token", token), ("idempotency-key", key.as_str())];
        let body = body.map(Value::to_string);
        cloud.call(method, &format!("{}{path}", self.url), &headers, body.as_deref())
    }

    /// A call until it is answered so.
    pub fn until(&self, cloud: &Cloud, token: &str, path: &str, status: u16) -> Answer {
        let started = std::time::Instant::now();
        loop {
            let answer = self.call(cloud, token, "GET", path, None);
            if answer.status == status {
                return answer;
            }
            assert!(started.elapsed().as_secs() < 60, "still {answer:?}");
            std::thread::park_timeout(std::time::Duration::from_millis(50));
        }
    }
}
