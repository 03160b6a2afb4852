//! The cloud that xtask started (xtask/src/cloud), as a test sees it: who is in it, and orders to its services.
//!
//! Whoever has the cloud has it alone, and leaves it running.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

/// See the module.
pub struct Cloud {
    pub facts: Value,
    control: String,
    agent: ureq::Agent,
    _alone: MutexGuard<'static, ()>,
}

/// An answer of a service.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }
}

/// The cloud, for one test at a time.
pub fn cloud() -> Cloud {
    static TURN: Mutex<()> = Mutex::new(());
    let alone = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let variable = |name: &str| {
        std::env::var(name)
            .unwrap_or_else(|_| panic!("run by `cargo xtask test openstack`, which sets {name}"))
    };
    let facts = std::fs::read_to_string(variable("CLOUD_FACTS")).expect("facts");
    let agent =
        ureq::Agent::config_builder().http_status_as_error(false).max_redirects(0).build().new_agent();
    Cloud {
        facts: serde_json::from_str(&facts).expect("facts"),
        control: variable("CLOUD_CONTROL"),
        agent,
        _alone: alone,
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        // Whatever a test did or broke off doing: the next one finds the services as they were.
        for order in ["start keystone", "start swift"] {
            self.send_order(order);
        }
    }
}

impl Cloud {
    fn send_order(&self, order: &str) -> String {
        let mut stream = TcpStream::connect(&self.control).expect("the cloud's control");
        writeln!(stream, "{order}").expect("ordered");
        let mut answer = String::new();
        BufReader::new(stream).read_line(&mut answer).expect("obeyed");
        answer.trim().to_owned()
    }

    /// Has a service stopped or started; returns when that is done.
    pub fn order(&self, order: &str) {
        assert_eq!(self.send_order(order), "done", "{order}");
    }

    pub fn keystone(&self) -> &str {
        self.facts["keystone"].as_str().expect("a URL")
    }

    /// A user's password.
    pub fn password(&self, user: &str) -> String {
        self.facts["users"][user]["password"].as_str().expect("a password").to_owned()
    }

    /// A new token of a user, and the address of an account's Swift in its catalogue.
    pub fn log_in(&self, user: &str) -> (String, String) {
        let project = self.facts["users"][user]["project"].as_str().expect("a project");
        self.log_in_with(user, &self.password(user), project)
    }

    /// As [`Cloud::log_in`], with everything said.
    pub fn log_in_with(&self, user: &str, password: &str, project: &str) -> (String, String) {
        let domain = json!({ "id": "default" });
        let body = json!({ "auth": {
            "identity": { "methods": ["password"], "password": { "user": { "name": user, "domain": domain, "password": password } } },
            "scope": { "project": { "name": project, "domain": domain } },
        } });
        let answer =
            self.call("POST", &format!("{}/auth/tokens", self.keystone()), &[], Some(&body.to_string()));
        assert_eq!(answer.status, 201, "{user}: {answer:?}");
        let catalog = &answer.json()["token"]["catalog"];
        let swift = catalog.as_array().into_iter().flatten().find(|s| s["type"] == "object-store");
        let swift = swift.map(|s| s["endpoints"][0]["url"].as_str().unwrap_or_default().to_owned());
        (answer.header("x-subject-token").to_owned(), swift.unwrap_or_default())
    }

    /// One request; redirections are not followed.
    pub fn call(&self, method: &str, url: &str, headers: &[(&str, &str)], body: Option<&str>) -> Answer {
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        // uwsgi closes a connection after its answer without saying so.
        request = request.header("connection", "close");
        let request = request.body(body.unwrap_or_default().to_owned()).expect("a request");
        let mut response = self.agent.run(request).unwrap_or_else(|e| panic!("{method} {url}: {e}"));
        let text = response.body_mut().with_config().limit(80 << 20).read_to_vec().expect("a body");
        let text = String::from_utf8_lossy(&text).into_owned();
        Answer { status: response.status().as_u16(), headers: response.headers().clone(), text }
    }
}
