//! Who is in the cloud: projects, roles, users, an application credential, the object store. What the tests must know of it goes into the facts.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::files::{ADMIN, SWIFT};
use crate::project::{Doing, Failure};

/// Users of the tests, each with the roles it has in one project.
const USERS: [(&str, &str, &[&str]); 6] = [
    ("swift", "service", &["admin", "service"]),
    // The platform: validates tokens, and keeps media in this project's account.
    ("im-platform", "service", &["service", "swiftoperator"]),
    ("openfire", "im", &["im_bridge"]),
    ("ada", "im", &["im_operator"]),
    ("nobody", "im", &["member"]),
    // The right role, given by somebody else in a project of theirs.
    ("stranger", "theirs", &["im_bridge"]),
];

const ROLES: [&str; 4] = ["service", "swiftoperator", "im_bridge", "im_operator"];

/// Keystone as an administrator talks to it.
struct Admin {
    agent: ureq::Agent,
    url: String,
    token: String,
}

/// Makes all of it.
pub fn seed(facts: &Path, keystone: &str, swift: &str) -> Result<(), Failure> {
    let agent = ureq::Agent::config_builder().http_status_as_error(false).build().new_agent();
    let mut admin = Admin { agent, url: keystone.to_owned(), token: String::new() };
    admin.token = admin.log_in("admin", ADMIN, "admin")?;
    let mut projects = json!({});
    for name in ["service", "im", "theirs"] {
        let made =
            admin.post("/projects", &json!({ "project": { "name": name, "domain_id": "default" } }))?;
        projects[name] = made["project"]["id"].clone();
    }
    let mut roles = json!({});
    for role in admin.get("/roles")?["roles"].as_array().into_iter().flatten() {
        roles[role["name"].as_str().unwrap_or_default()] = role["id"].clone();
    }
    for name in ROLES {
        if roles[name].is_null() {
            roles[name] = admin.post("/roles", &json!({ "role": { "name": name } }))?["role"]["id"].clone();
        }
    }
    let mut users = json!({});
    for (name, project, has) in USERS {
        let password = if name == "swift" { SWIFT.to_owned() } else { password(name) };
        let user = json!({ "user": { "name": name, "domain_id": "default", "password": password } });
        let id = admin.post("/users", &user)?["user"]["id"].clone();
        for role in has {
            let (project, user, role) = (text(&projects[project]), text(&id), text(&roles[*role]));
            admin.call("PUT", &format!("/projects/{project}/users/{user}/roles/{role}"), None)?;
        }
        users[name] = json!({ "id": id, "password": password, "project": project });
    }
    let object_store = admin.service("object-store")?;
    for interface in ["public", "internal"] {
        admin.endpoint(&object_store, interface, swift)?;
    }
    let im = admin.service("im")?;
    let facts_of_all = json!({
        "keystone": keystone,
        "admin": { "password": ADMIN },
        "users": users,
        "projects": projects,
        "roles": roles,
        "service": im,
        "application": admin.application("openfire", &users)?,
    });
    fs::write(facts, facts_of_all.to_string()).doing(format!("writing {}", facts.display()))
}

fn password(name: &str) -> String {
    format!("canary-password-of-{name}")
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

impl Admin {
    fn log_in(&self, user: &str, password: &str, project: &str) -> Result<String, Failure> {
        let domain = json!({ "id": "default" });
        let body = json!({ "auth": {
            "identity": { "methods": ["password"], "password": { "user": { "name": user, "domain": domain, "password": password } } },
            "scope": { "project": { "name": project, "domain": domain } },
        } });
        let request = ureq::http::Request::post(format!("{}/auth/tokens", self.url));
        let request = request.header("content-type", "application/json").header("connection", "close");
        let request = request.body(body.to_string());
        let answer =
            self.agent.run(request.doing("logging in at Keystone")?).doing("logging in at Keystone")?;
        let token = answer.headers().get("x-subject-token").and_then(|v| v.to_str().ok());
        token
            .map(str::to_owned)
            .ok_or_else(|| Failure::new(format!("Keystone refused {user}'s login ({})", answer.status())))
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let doing = format!("{method} {path} of Keystone");
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("content-type", "application/json")
            .header("connection", "close")
            .header("x-auth-token", &self.token)
            .body(body.map(Value::to_string).unwrap_or_default());
        let mut answer = self.agent.run(request.doing(&doing)?).doing(&doing)?;
        let said = answer.body_mut().read_to_string().doing(&doing)?;
        if !answer.status().is_success() {
            return Err(Failure::new(format!("{doing} gave {}: {said}", answer.status())));
        }
        Ok(serde_json::from_str(&said).unwrap_or(Value::Null))
    }

    fn get(&self, path: &str) -> Result<Value, Failure> {
        self.call("GET", path, None)
    }

    fn post(&self, path: &str, body: &Value) -> Result<Value, Failure> {
        self.call("POST", path, Some(body))
    }

    fn service(&self, kind: &str) -> Result<String, Failure> {
        let made = self.post("/services", &json!({ "service": { "type": kind, "name": kind } }))?;
        Ok(text(&made["service"]["id"]).to_owned())
    }

    fn endpoint(&self, service: &str, interface: &str, url: &str) -> Result<(), Failure> {
        let endpoint = json!({ "endpoint": {
            "service_id": service, "interface": interface, "url": url, "region_id": "RegionOne",
        } });
        self.post("/endpoints", &endpoint).map(drop)
    }

    /// An application credential that a user made.
    fn application(&self, user: &str, users: &Value) -> Result<Value, Failure> {
        let (id, project) = (text(&users[user]["id"]), text(&users[user]["project"]));
        let token = self.log_in(user, text(&users[user]["password"]), project)?;
        let own = Admin { agent: self.agent.clone(), url: self.url.clone(), token };
        let made = own.post(
            &format!("/users/{id}/application_credentials"),
            &json!({ "application_credential": { "name": "bridge", "roles": [{ "name": "im_bridge" }] } }),
        )?;
        let made = &made["application_credential"];
        Ok(json!({ "id": made["id"], "secret": made["secret"] }))
    }
}
