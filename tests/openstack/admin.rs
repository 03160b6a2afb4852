//! The cloud's Keystone as its administrator, and what only the bridge's tests must know of it.

use serde_json::{Value, json};

use crate::cloud::Cloud;

impl Cloud {
    /// A user's id.
    pub fn id(&self, user: &str) -> String {
        self.facts["users"][user]["id"].as_str().expect("an id").to_owned()
    }

    /// Id and secret of the bridge's application credential.
    pub fn application(&self) -> (String, String) {
        let of = |name: &str| self.facts["application"][name].as_str().expect("a text").to_owned();
        (of("id"), of("secret"))
    }

    /// Keystone as its administrator: a path of API v3.
    pub fn admin(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let password = self.facts["admin"]["password"].as_str().expect("a password");
        let (token, _) = self.log_in_with("admin", password, "admin");
        let url = format!("{}{path}", self.keystone());
        let body = body.map(Value::to_string);
        let answer = self.call(method, &url, &[("x-auth-token", &token)], body.as_deref());
        assert!((200..300).contains(&answer.status), "{method} {path}: {answer:?}");
        answer.json()
    }

    /// Takes a token back.
    pub fn revoke(&self, subject: &str) {
        let password = self.facts["admin"]["password"].as_str().expect("a password");
        let (token, _) = self.log_in_with("admin", password, "admin");
        let url = format!("{}/auth/tokens", self.keystone());
        let headers = [("x-auth-token", token.as_str()), ("x-subject-token", subject)];
        assert_eq!(self.call("DELETE", &url, &headers, None).status, 204);
    }

    /// The platform is at these addresses (region, interface, URL) and at no others.
    pub fn platforms(&self, at: &[(&str, &str, &str)]) {
        let service = self.facts["service"].as_str().expect("an id");
        let before = self.admin("GET", &format!("/endpoints?service_id={service}"), None);
        for endpoint in before["endpoints"].as_array().into_iter().flatten() {
            let id = endpoint["id"].as_str().expect("an id");
            self.admin("DELETE", &format!("/endpoints/{id}"), None);
        }
        for (region, interface, url) in at {
            let regions = self.admin("GET", "/regions", None);
            if !regions["regions"].as_array().expect("regions").iter().any(|r| r["id"] == *region) {
                self.admin("POST", "/regions", Some(&json!({ "region": { "id": region } })));
            }
            let endpoint = json!({ "endpoint": {
                "service_id": service, "interface": interface, "url": url, "region_id": region,
            } });
            self.admin("POST", "/endpoints", Some(&endpoint));
        }
    }
}
