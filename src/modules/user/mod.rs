//! User: what the rows of accounts cannot say.

use serde_json::Value;

/// The user and password of a registration, as fields or as a form (XEP-0077 3.1), for a look whether a conflict is one: an account that the
/// platform made when its answer came too late is there already, and it is this one if the password is the same.
#[must_use]
pub fn registered(row: &str, stanza: &Value) -> Option<(String, String)> {
    let text = |pointer: &str| stanza.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let field = |name: &str| {
        let fields = stanza.pointer("/register/form/fields")?.as_array()?;
        let field = fields.iter().find(|f| f["var"] == name)?;
        field.pointer("/values/0").and_then(Value::as_str).map(str::to_owned)
    };
    match row {
        "user.register" => Some((text("/register/username")?, text("/register/password")?)),
        "user.register_form" => Some((field("username")?, field("password")?)),
        _ => None,
    }
}

/// What Openfire will report when it does natively what the platform has done for a row: the row of that event, and whose account.
#[must_use]
pub fn follows(row: &str, stanza: &Value, domain: &str) -> Option<(&'static str, String)> {
    if row == "user.remove" {
        let from = stanza.get("from").and_then(Value::as_str)?;
        return Some(("user.removed", crate::stanza::jid::bare(from)?.into_owned()));
    }
    let (name, _) = registered(row, stanza)?;
    let bare = format!("{name}@{domain}");
    Some(("user.made", crate::stanza::jid::bare(&bare)?.into_owned()))
}
