//! Starts the binary as a bridge does and talks to it.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::{Value, json};

pub const TOKEN: &str = "a-token-for-the-tests";
pub const EPOCH: &str = "epoch-1";

/// A running platform; killed when dropped.
pub struct Server {
    pub child: Child,
    pub stdin: Option<ChildStdin>,
    pub base: String,
    agent: ureq::Agent,
}

/// Status, content type and body of an answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub kind: String,
    pub body: Value,
}

impl Answer {
    /// Status and problem type in one word.
    pub fn problem(&self) -> String {
        assert_eq!(self.kind, "application/problem+json", "{self:?}");
        assert_eq!(self.body["status"], self.status);
        format!("{} {}", self.status, self.body["type"].as_str().expect("a type"))
    }
}

pub fn command(data: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_im-platform"));
    command.arg("serve").arg("--embedded").arg("--data").arg(data);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

impl Server {
    pub fn start(data: &Path) -> Self {
        let mut child = command(data).stderr(Stdio::null()).spawn().expect("started");
        let mut stdin = child.stdin.take().expect("stdin");
        writeln!(stdin, "{}", json!({ "token": TOKEN })).expect("greeted");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("stdout")).read_line(&mut line).expect("a line");
        let hello: Value = serde_json::from_str(&line).expect("the port as JSON");
        assert_eq!(hello["version"], env!("CARGO_PKG_VERSION"));
        Self {
            child,
            stdin: Some(stdin),
            base: format!("http://127.0.0.1:{}", hello["port"]),
            agent: agent(),
        }
    }

    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        self.send(method, path, Some(TOKEN), "application/json", body.map(Value::to_string).as_deref())
            .expect("an answer")
    }

    /// An answer that must be 2xx.
    pub fn ok(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let answer = self.call(method, path, body);
        assert!((200..300).contains(&answer.status), "{method} {path}: {answer:?}");
        answer.body
    }

    pub fn send(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        kind: &str,
        body: Option<&str>,
    ) -> Result<Answer, ureq::Error> {
        send(&self.agent, &self.base, method, path, token, kind, body)
    }

    /// Snapshot of node `n` with these sessions, all available with priority 0.
    pub fn snapshot(&self, seq: u64, sessions: &[&str]) -> Value {
        let sessions: Vec<Value> = sessions
            .iter()
            .map(|jid| {
                let (user, resource) = jid.split_once('/').expect("a full JID");
                json!({ "user": user, "resource": resource, "available": true })
            })
            .collect();
        let body = json!({ "epoch": EPOCH, "ttl_ms": 60_000, "seq": seq, "sessions": sessions });
        self.ok("PUT", "/v1/nodes/n/sessions", Some(&body))
    }

    /// Verdict of one message from Romeo.
    pub fn decide(&self, key: &str, to: &str) -> String {
        let body = decide(key, to);
        self.ok("POST", "/v1/messages", Some(&body))["results"][0]["verdict"]
            .as_str()
            .expect("a verdict")
            .into()
    }

    /// Closes stdin and waits for the end; gives the exit code.
    pub fn stop(mut self) -> Option<i32> {
        drop(self.stdin.take());
        self.child.wait().expect("ended").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn decide(key: &str, to: &str) -> Value {
    json!({ "node": "n", "epoch": EPOCH, "items": [{ "key": key, "from": "romeo@example.org/orchard", "to": to,
        "sent_at": "2026-11-23T06:36:00.000Z", "stanza": { "body": key }, "storable": true }] })
}

pub fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).build().new_agent()
}

pub fn send(
    agent: &ureq::Agent,
    base: &str,
    method: &str,
    path: &str,
    token: Option<&str>,
    kind: &str,
    body: Option<&str>,
) -> Result<Answer, ureq::Error> {
    let mut request = ureq::http::Request::builder().method(method).uri(format!("{base}{path}"));
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let response = match body {
        Some(body) => {
            let request = request.header("content-type", kind).body(body.to_owned()).expect("a request");
            agent.run(request)?
        }
        None => agent.run(request.body(()).expect("a request"))?,
    };
    let answer = read(response)?;
    documented(method, path, answer.status);
    Ok(answer)
}

/// Every answer that any of these tests gets must be one that the contract knows.
pub fn documented(method: &str, target: &str, status: u16) {
    let path = target.split('?').next().unwrap_or_default();
    let fits = |template: &str| {
        let (path, template): (Vec<_>, Vec<_>) = (path.split('/').collect(), template.split('/').collect());
        path.len() == template.len() && path.iter().zip(template).all(|(p, t)| t.starts_with('{') || *p == t)
    };
    let paths = im_platform::openapi::document()["paths"].as_object().expect("paths");
    for (_, operations) in paths.iter().filter(|(template, _)| fits(template)) {
        if let Some(operation) = operations.get(method.to_lowercase()) {
            let known = operation["responses"].get(status.to_string()).is_some();
            assert!(known, "{method} {path} answered {status}, which is documented nowhere");
        }
    }
}

/// Status, content type and body.
pub fn read(mut response: ureq::http::Response<ureq::Body>) -> Result<Answer, ureq::Error> {
    let kind = response.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
    let kind = kind.to_owned();
    let text = response.body_mut().read_to_string()?;
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok(Answer { status: response.status().as_u16(), kind, body })
}
