//! Mistakes in a row file: each is named with its key, line and column. A good file, what is changed in it, the exact message.

use cloudbridge::mapping::Module;

const GOOD: &str = r#"{
  "name": "shop",
  "version": "1",
  "about": "Orders.",
  "rows": [
    {
      "name": "shop.order",
      "about": "An order.",
      "on": {
        "kind": "iq", "types": ["set"], "namespace": "urn:example:shop",
        "when": [{ "at": "/from", "as": "bare", "there": true }, { "at": "/a", "same": { "at": "/b" } }]
      },
      "does": "claim",
      "request": {
        "method": "POST",
        "path": "/orders/{/from|bare}",
        "query": { "limit": 5, "who": { "$": "/from" } },
        "body": { "what": { "$": "/rest/0/c/0", "as": "text", "or": "" } }
      },
      "answers": [
        { "status": "2xx", "when": [{ "at": "answer:/items", "type": "list" }], "then": "native" },
        { "status": "409", "then": { "error": { "condition": "conflict", "text": "sold" } } },
        { "status": "410", "then": { "reply": { "rest": [] } } }
      ]
    },
    {
      "name": "shop.ask",
      "about": "What there is.",
      "on": { "kind": "iq", "source": "component", "types": ["get"], "namespace": "urn:example:shop" },
      "does": "claim",
      "answers": [{ "then": { "reply": { "rest": [] } } }]
    }
  ]
}"#;

/// What is changed into what, and what is said then.
const WRONG: &[(&str, &str, &str)] = &[
    (
        r#""name": "shop","#,
        r#""name": "shop", "mode": "decide","#,
        "at mode: unknown field `mode`, expected one of `name`, `version`, `about`, `backend`, `settings`, `login`, `pending`, `settle`, `poll`, `rows` at line 2 column 24",
    ),
    (r#""name": "shop","#, "", "missing field `name` at line 34 column 1"),
    (
        r#""version": "1""#,
        r#""version": 1"#,
        "at version: invalid type: integer `1`, expected a string at line 3 column 14",
    ),
    (r#""about": "Orders.","#, r#""about": "Orders.""#, "expected `,` or `}` at line 5 column 3"),
    ("  ]\n}", "  ]\n}}", "trailing characters at line 34 column 2"),
    (
        r#""name": "shop.order""#,
        r#""name": "order""#,
        "at rows[0].name (row order): it must begin with shop. at line 7 column 15",
    ),
    (
        r#""name": "shop.ask""#,
        r#""name": "shop.order""#,
        "at rows[1].name (row shop.order): there is a row of this name already at line 27 column 15",
    ),
    (
        r#""kind": "iq", "types""#,
        r#""kin": "iq", "types""#,
        "at rows[0].on.kin: unknown field `kin`, expected one of `kind`, `source`, `types`, `namespace`, `when` at line 10 column 13",
    ),
    (
        r#""kind": "iq", "types""#,
        r#""kind": "query", "types""#,
        "at rows[0].on.kind (row shop.order): query is no stanza, expected message, presence or iq at line 10 column 17",
    ),
    (
        r#""types": ["set"], "namespace": "urn:example:shop""#,
        r#""types": ["set"]"#,
        "at rows[0].on (row shop.order): namespace is missing: a row about an IQ names the namespace of its child at line 9 column 13",
    ),
    (
        r#""types": ["set"]"#,
        r#""types": []"#,
        "at rows[0].on.types (row shop.order): it is empty at line 10 column 32",
    ),
    (
        r#""types": ["set"]"#,
        r#""types": "set""#,
        r#"at rows[0].on.types: invalid type: string "set", expected a sequence at line 10 column 36"#,
    ),
    (
        r#""source": "component""#,
        r#""source": "server""#,
        "at rows[1].on.source: unknown variant `server`, expected one of `client`, `event`, `component`, `room` at line 29 column 46",
    ),
    (
        r#""source": "component""#,
        r#""source": "event""#,
        "at rows[1].does (row shop.ask): an event has happened already; it can be observed, not claimed at line 30 column 15",
    ),
    (
        r#""at": "/from", "as": "bare", "there": true"#,
        r#""at": "/from", "as": "bare""#,
        "at rows[0].on.when[0] (row shop.order): it says neither is, not, in, there, type nor same at line 11 column 18",
    ),
    (
        r#""at": "/from", "as": "bare", "there": true"#,
        r#""at": "from", "there": true"#,
        "at rows[0].on.when[0].at (row shop.order): from is no pointer, expected /a/b, answer:/a, own:/domain or ./a at line 11 column 26",
    ),
    (
        r#""at": "/from", "as": "bare", "there": true"#,
        r#""at": "/from", "as": "upper", "there": true"#,
        "at rows[0].on.when[0].as: unknown variant `upper`, expected one of `bare`, `node`, `name`, `resource`, `lower`, `text`, `footprint`, `item` at line 11 column 47",
    ),
    (
        r#""same": { "at": "/b" }"#,
        r#""same": { "at": "own:/nobody" }"#,
        "at rows[0].on.when[1].same.at (row shop.order): own:/nobody is unknown, expected own: and one of /domain, /node, /key, /sent, /epoch, /seq, /here, /nick at line 11 column 96",
    ),
    (
        r#""same": { "at": "/b" }"#,
        r#""same": { "at": "answer:/b" }"#,
        "at rows[0].on.when[1].same.at (row shop.order): a condition here cannot look at answer:/b at line 11 column 96",
    ),
    (
        r#""at": "answer:/items""#,
        r#""at": "own:/domain""#,
        "at rows[0].answers[0].when[0].at (row shop.order): a condition here cannot look at own:/domain at line 21 column 45",
    ),
    (
        r#""does": "claim",
      "request""#,
        r#""does": "hold",
      "request""#,
        "at rows[0].does: unknown variant `hold`, expected `claim` or `observe` at line 13 column 20",
    ),
    (
        r#""does": "claim",
      "answers""#,
        r#""does": "observe",
      "answers""#,
        "at rows[1] (row shop.ask): a row that observes needs a request at line 26 column 5",
    ),
    (
        r#""answers": [{ "then": { "reply": { "rest": [] } } }]"#,
        r#""answers": []"#,
        "at rows[1] (row shop.ask): it has no answers at line 26 column 5",
    ),
    (
        r#""method": "POST""#,
        r#""method": "post""#,
        "at rows[0].request.method (row shop.order): post is none of GET, POST, PUT, PATCH, DELETE at line 15 column 19",
    ),
    (
        r#""path": "/orders/{/from|bare}""#,
        r#""path": "orders""#,
        "at rows[0].request.path (row shop.order): orders does not begin with / at line 16 column 17",
    ),
    (
        r#""path": "/orders/{/from|bare}""#,
        r#""path": "/orders/{/from|bare""#,
        "at rows[0].request.path (row shop.order): { without } in /orders/{/from|bare at line 16 column 17",
    ),
    (
        r#""path": "/orders/{/from|bare}""#,
        r#""path": "/orders/{/from|bar}""#,
        "at rows[0].request.path (row shop.order): bar is no filter, expected bare, node, name, resource, lower, text, footprint or item at line 16 column 17",
    ),
    (
        r#""path": "/orders/{/from|bare}""#,
        r#""path": "/orders/{from}""#,
        "at rows[0].request.path (row shop.order): from is no pointer, expected /a/b, answer:/a, own:/domain or ./a at line 16 column 17",
    ),
    (
        r#""who": { "$": "/from" }"#,
        r#""who": { "$": "/from", "els": 1 }"#,
        "at rows[0].request.query.who (row shop.order): els does not belong beside $, expected $, as, map, or, must at line 17 column 39",
    ),
    (
        r#""as": "text", "or": """#,
        r#""as": "text", "or": { "$each": "/a" }"#,
        "at rows[0].request.body (row shop.order): what: $each needs a `to` at line 18 column 17",
    ),
    (
        r#""$": "/rest/0/c/0""#,
        r#""$if": "/rest/0/c/0""#,
        "at rows[0].request.body (row shop.order): what: $if is unknown, expected $, $text or $each at line 18 column 17",
    ),
    (
        r#""status": "2xx""#,
        r#""status": "2x""#,
        "at rows[0].answers[0].status (row shop.order): 2x is neither like 200 nor like 2xx at line 21 column 21",
    ),
    (
        r#""status": "2xx""#,
        r#""status": "700""#,
        "at rows[0].answers[0].status (row shop.order): 700 is neither like 200 nor like 2xx at line 21 column 21",
    ),
    (
        r#""status": "2xx""#,
        r#""status": 200"#,
        "at rows[0].answers[0].status: invalid type: integer `200`, expected a string at line 21 column 23",
    ),
    (
        r#""type": "list""#,
        r#""type": "array""#,
        "at rows[0].answers[0].when[0].type: unknown variant `array`, expected one of `text`, `number`, `flag`, `list`, `object` at line 21 column 76",
    ),
    (
        r#""then": "native""#,
        r#""then": "pass""#,
        "at rows[0].answers[0].then: unknown variant `pass`, expected one of `native`, `done`, `error`, `reply`, `later` at line 21 column 94",
    ),
    (
        r#""condition": "conflict""#,
        r#""condition": "sold-out""#,
        "at rows[0].answers[1].then.error.condition (row shop.order): sold-out is no defined condition (RFC 6120 8.3.3) at line 22 column 62",
    ),
    (
        r#""text": "sold""#,
        r#""text": { "$text": "{" }"#,
        "at rows[0].answers[1].then.error.text (row shop.order): { without } in { at line 22 column 82",
    ),
    (
        r#""status": "410", "then": { "reply": { "rest": [] } }"#,
        r#""status": "410", "then": { "reply": { "$each": 5, "to": 1 } }"#,
        "at rows[0].answers[2].then.reply (row shop.order): $each must be a text at line 23 column 47",
    ),
];

#[test]
fn the_good_file_is_good() {
    assert_eq!(Module::read(GOOD).map(|m| m.rows.len()), Ok(2));
}

#[test]
fn each_mistake_is_named_with_key_line_and_column() {
    let mut other = Vec::new();
    for (from, to, expected) in WRONG {
        assert_eq!(GOOD.matches(from).count(), 1, "{from}");
        let said = Module::read(&GOOD.replace(from, to)).map(drop).expect_err(to);
        if said != *expected {
            other.push(format!("{to}\n  says     {said}\n  expected {expected}"));
        }
    }
    assert!(other.is_empty(), "{}", other.join("\n"));
}
