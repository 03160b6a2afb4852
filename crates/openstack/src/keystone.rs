//! One Keystone: its requests and answers. No state but a connection pool; [`super::Session`] keeps what is worth keeping.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::net::{Answer, send};
use super::{Catalog, Error, Net};

/// The name in messages.
const KEYSTONE: &str = "Keystone";
/// A token longer than this is none: Fernet's are some hundred characters.
const TOKEN_MAX: usize = 8 << 10;
/// Requests are rare, and many a Keystone closes a connection after its answer without saying so: one that was kept would fail the next request.
const CLOSE: &str = "close";
/// Largest answer that is read: a catalogue of a large cloud is some hundred kilobytes.
const ANSWER_MAX: u64 = 4 << 20;

/// How to log in.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// An application credential: tied to a project and to roles, and revocable by itself.
    Application {
        /// Its id.
        id: String,
        /// Its secret.
        secret: String,
    },
    /// A user's password, for a project.
    Password {
        /// The user's name.
        user: String,
        /// The user's domain.
        user_domain: String,
        /// The password.
        password: String,
        /// The project's name.
        project: String,
        /// The project's domain.
        project_domain: String,
    },
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.describe())
    }
}

impl Login {
    /// Whose it is, without any secret.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::Application { id, .. } => format!("the application credential {id}"),
            Self::Password { user, user_domain, project, project_domain, .. } => {
                format!(
                    "the password of user {user} ({user_domain}) for project {project} ({project_domain})"
                )
            }
        }
    }

    fn body(&self) -> Value {
        match self {
            Self::Application { id, secret } => json!({ "auth": { "identity": {
                "methods": ["application_credential"],
                "application_credential": { "id": id, "secret": secret },
            } } }),
            Self::Password { user, user_domain, password, project, project_domain } => json!({ "auth": {
                "identity": { "methods": ["password"], "password": { "user": {
                    "name": user, "domain": { "name": user_domain }, "password": password,
                } } },
                "scope": { "project": { "name": project, "domain": { "name": project_domain } } },
            } }),
        }
    }
}

/// A token of our own.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// The secret itself, for `X-Auth-Token`.
    pub id: String,
    /// How long it holds from the moment it was given, by Keystone's own clock.
    pub lifetime: Duration,
    /// What there is in the cloud.
    pub catalog: Catalog,
    /// The project that it is for.
    pub project_id: Option<String>,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

/// Whose token somebody sent us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validated {
    /// Whose.
    pub user: User,
    /// For which project; None: for a domain or for the whole system.
    pub project: Option<Scoped>,
    /// Names of the roles.
    pub roles: Vec<String>,
    /// How long it still holds, by Keystone's own clock as far as the answer says it, else by ours.
    pub expires_at: OffsetDateTime,
}

/// A user of a cloud.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct User {
    /// Unique.
    pub id: String,
    /// Unique in its domain.
    pub name: String,
    /// The domain.
    pub domain: Named,
}

/// A project.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Scoped {
    /// Unique.
    pub id: String,
    /// Unique in its domain.
    pub name: String,
    /// The domain.
    pub domain: Named,
}

/// Something with a name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Named {
    /// The name.
    pub name: String,
}

#[derive(Deserialize)]
struct Envelope {
    token: Body,
}

#[derive(Deserialize)]
struct Body {
    expires_at: String,
    issued_at: Option<String>,
    #[serde(default)]
    catalog: Catalog,
    #[serde(default)]
    roles: Vec<Named>,
    user: User,
    project: Option<Scoped>,
}

/// A Keystone.
#[derive(Debug, Clone)]
pub struct Keystone {
    url: String,
    agent: ureq::Agent,
}

impl Keystone {
    /// The one at this address, with or without `/v3` at its end.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn new(url: &str, net: &Net) -> Result<Self, Error> {
        let url = url.trim().trim_end_matches('/');
        let url = if url.ends_with("/v3") { url.to_owned() } else { format!("{url}/v3") };
        Ok(Self { url, agent: net.agent().map_err(Error::Setting)? })
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends the requests under way, and every later one at once.
    pub fn shutdown(&self) {
        self.agent.clone().shutdown();
    }

    /// Gets a token.
    ///
    /// # Errors
    /// [`Error`].
    pub fn log_in(&self, login: &Login) -> Result<Token, Error> {
        let body = login.body().to_string();
        let request = ureq::http::Request::builder()
            .method("POST")
            .uri(format!("{}/auth/tokens", self.url))
            .header("content-type", "application/json")
            .header("accept", "application/json")
            .header("connection", CLOSE);
        let answer = self.answer(request.body(body.as_bytes()))?;
        match answer.status {
            201 => {}
            401 | 403 => return Err(self.refused(login.describe(), &answer)),
            _ => return Err(self.other(&answer)),
        }
        let id = answer.header("x-subject-token");
        if id.is_empty() {
            return Err(self.unexpected(&answer, "there is no X-Subject-Token"));
        }
        let Body { expires_at, issued_at, catalog, project, .. } = self.body(&answer)?;
        let expires = self.time(&answer, &expires_at)?;
        let issued = match issued_at {
            Some(at) => self.time(&answer, &at)?,
            None => OffsetDateTime::now_utc(),
        };
        let lifetime = Duration::try_from(expires - issued).unwrap_or_default();
        Ok(Token { id: id.to_owned(), lifetime, catalog, project_id: project.map(|p| p.id) })
    }

    /// Asks whose token this is. None: nobody's, or one that has ended or was revoked.
    ///
    /// # Errors
    /// [`Error::Refused`] when `own` is not valid (401) or may not ask this (403).
    pub fn validate(&self, own: &Token, subject: &str) -> Result<Option<Validated>, Error> {
        if !looks_like_a_token(subject) {
            return Ok(None);
        }
        let request = ureq::http::Request::builder()
            .method("GET")
            .uri(format!("{}/auth/tokens?nocatalog", self.url))
            .header("accept", "application/json")
            .header("connection", CLOSE)
            .header("x-auth-token", &own.id)
            .header("x-subject-token", subject);
        let answer = self.answer(request.body(&[][..]))?;
        match answer.status {
            200 => {}
            404 => return Ok(None),
            401 => return Err(self.refused("our own token".into(), &answer)),
            403 => {
                let what = "to say whose token it was shown; the platform's user needs the role service";
                return Err(self.refused(what.into(), &answer));
            }
            _ => return Err(self.other(&answer)),
        }
        let Body { expires_at, roles, user, project, .. } = self.body(&answer)?;
        let expires_at = self.time(&answer, &expires_at)?;
        Ok(Some(Validated { user, project, roles: roles.into_iter().map(|r| r.name).collect(), expires_at }))
    }

    fn answer(&self, request: ureq::http::Result<ureq::http::Request<&[u8]>>) -> Result<Answer, Error> {
        let request =
            request.map_err(|e| Error::Setting(format!("{} is no address of a Keystone: {e}", self.url)))?;
        send(&self.agent, request, ANSWER_MAX).map_err(|e| Error::Unreachable {
            service: KEYSTONE,
            url: self.url.clone(),
            reason: e.to_string(),
        })
    }

    fn body(&self, answer: &Answer) -> Result<Body, Error> {
        let parsed: Result<Envelope, _> = serde_json::from_slice(&answer.body);
        // Kind and place only: an answer holds names.
        parsed.map(|e| e.token).map_err(|e| {
            self.unexpected(
                answer,
                &format!("no token of API v3, {:?} at column {}", e.classify(), e.column()),
            )
        })
    }

    fn time(&self, answer: &Answer, text: &str) -> Result<OffsetDateTime, Error> {
        OffsetDateTime::parse(text, &Rfc3339)
            .map_err(|_| self.unexpected(answer, "a time is not in RFC 3339's form"))
    }

    fn refused(&self, what: String, answer: &Answer) -> Error {
        let (url, status) = (self.url.clone(), answer.status);
        Error::Refused { service: KEYSTONE, url, what, status, reason: reason(&answer.body) }
    }

    /// Any other answer: the service's illness, or not this service at all.
    fn other(&self, answer: &Answer) -> Error {
        if answer.status >= 500 || answer.status == 429 {
            let reason = reason(&answer.body);
            return Error::Ill { service: KEYSTONE, url: self.url.clone(), status: answer.status, reason };
        }
        self.unexpected(answer, "neither a token nor a refusal")
    }

    fn unexpected(&self, answer: &Answer, reason: &str) -> Error {
        Error::Unexpected {
            service: KEYSTONE,
            url: self.url.clone(),
            status: answer.status,
            reason: reason.into(),
        }
    }
}

/// Whether a text can be a token at all; what cannot is not worth a request.
fn looks_like_a_token(text: &str) -> bool {
    (16..=TOKEN_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

/// What an error answer says, shortened: it is shown to admins.
fn reason(body: &[u8]) -> String {
    let value: Value = serde_json::from_slice(body).unwrap_or_default();
    let text = value["error"]["message"].as_str().unwrap_or_default();
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}
