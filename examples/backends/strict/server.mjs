// A small backend that is nobody's contract: it wants a key or a token, knows GET and POST only, wraps everything, puts its errors into a 200 and
// answers some things later. Data live in memory. It listens on loopback, prints its port, and ends when its standard input does.
//
//   node server.mjs [--port N] [--key KEY]

import { createServer } from "node:http";
import { randomUUID } from "node:crypto";

const option = (name, or) => {
  const at = process.argv.indexOf(`--${name}`);
  return at > 0 ? process.argv[at + 1] : or;
};
const KEY = option("key", "strict-key");
const TOKEN_SECONDS = Number(option("token-seconds", "3600"));
const CLIENT = { id: "openfire", secret: KEY };

const accounts = new Map(); // name -> { secret, mail, wrong }
const letters = []; // { id, ref, owner, at, stanza }
const routes = new Map(); // ref -> "live" | "kept", so that the same letter twice is one
const books = new Map(); // owner -> Map(contact -> { name, groups })
const shown = new Map(); // full JID -> { on, show }
const tickets = new Map(); // number -> { owner, subject, state }
const jobs = new Map(); // id -> { left, data }
const news = []; // { no, kind, ... }
const tokens = new Map(); // token -> until
const asked = []; // "METHOD path", for tests
let trouble = ""; // "", "down", "hang", "page"

const ok = (data = {}) => [200, { ok: true, data }];
const no = (code, message) => [200, { ok: false, error: { code, message } }];

// Later: a number of questions until the answer is there.
function job(data, questions) {
  const id = `j${jobs.size + 1}`;
  jobs.set(id, { left: questions, data });
  return [202, { ok: true, job: { id } }];
}

const calls = {
  "GET /api/health": () => ok(),
  "POST /api/accounts/check": ({ account }) => {
    const known = accounts.get(account.name);
    if (!known) return no("UNKNOWN", "no such account");
    if (known.wrong >= 5) return no("LOCKED", "too many wrong secrets");
    const match = known.secret === account.secret;
    known.wrong = match ? 0 : known.wrong + 1;
    return ok({ match });
  },
  "POST /api/accounts/create": ({ account }) => {
    if (accounts.has(account.name)) return no("TAKEN", "this name is somebody's");
    accounts.set(account.name, { secret: account.secret, mail: account.mail ?? null, wrong: 0 });
    return ok({ created: account.name });
  },
  "POST /api/accounts/secret": ({ account }) => {
    if (!accounts.has(account.name)) return no("UNKNOWN", "no such account");
    accounts.get(account.name).secret = account.secret;
    return ok({ changed: true });
  },
  "POST /api/accounts/remove": ({ account }) => {
    accounts.delete(account.name);
    return ok({ removed: true });
  },
  "POST /api/mail/send": ({ letter }) => {
    if (letter.text?.includes("forbidden")) return no("BLOCKED", "this letter is not carried");
    if (!routes.has(letter.ref)) {
      const full = letters.some((one) => one.owner === letter.recipient);
      routes.set(letter.ref, letter.here && !full ? "live" : "kept");
      if (routes.get(letter.ref) === "kept") {
        letters.push({ id: letters.length + 1, ref: letter.ref, owner: letter.recipient, at: letter.at, stanza: letter.stanza });
      }
    }
    const data = { route: routes.get(letter.ref) };
    return letter.text?.includes("later") ? job(data, 2) : ok(data);
  },
  "GET /api/mail/box": (_, query) => ok({ box: { letters: letters.filter((one) => one.owner === query.get("owner")) } }),
  "POST /api/mail/taken": ({ owner, id }) => {
    const at = letters.findIndex((one) => one.owner === owner && one.id === id);
    if (at >= 0) letters.splice(at, 1);
    return ok();
  },
  "POST /api/mail/settle": ({ ref, outcome }) => {
    const at = letters.findIndex((one) => one.ref === ref);
    if (at >= 0) letters.splice(at, 1);
    routes.set(ref, outcome === "delivered" ? "live" : "refused");
    return ok();
  },
  "POST /api/book/set": ({ owner, contact }) => {
    if (contact.name === "forbidden") return no("BAD_NAME", "nobody is called that");
    if (!books.has(owner)) books.set(owner, new Map());
    books.get(owner).set(contact.address, { name: contact.name ?? null, state: contact.state, groups: contact.groups ?? [] });
    return ok({ entries: books.get(owner).size });
  },
  "POST /api/book/remove": ({ owner, contact }) => {
    books.get(owner)?.delete(contact.address);
    return ok({ entries: books.get(owner)?.size ?? 0 });
  },
  "GET /api/people": (_, query) => {
    const begin = (query.get("begin") ?? "").toLowerCase();
    return ok({ people: [...accounts.keys()].filter((name) => begin && name.startsWith(begin)).map((name) => ({ name })) });
  },
  "POST /api/shown": ({ who, on, show }) => {
    shown.set(who, { on, show: show ?? null });
    return ok();
  },
  "POST /api/tickets/open": ({ owner, subject }) => {
    if (!subject) return no("NO_SUBJECT", "a ticket needs a subject");
    const number = `T-${tickets.size + 1}`;
    tickets.set(number, { owner, subject, state: "open" });
    return job({ ticket: { number, subject, state: "open" } }, 2);
  },
  "GET /api/tickets/show": (_, query) => {
    const ticket = tickets.get(query.get("number"));
    return ticket ? ok({ ticket: { number: query.get("number"), ...ticket } }) : no("NO_TICKET", "there is no such ticket");
  },
  "GET /api/tickets/list": (_, query) => {
    const mine = [...tickets].filter(([, ticket]) => ticket.owner === query.get("owner"));
    return ok({ tickets: mine.map(([number, { subject, state }]) => ({ number, subject, state })) });
  },
  "GET /api/news": (_, query) => {
    const after = Number(query.get("after") ?? 0);
    return ok({ news: news.filter((one) => one.no > after).slice(0, 10) });
  },
};

// What a test, or a person, does to the backend from behind.
const control = {
  "GET /control/state": () => [
    200,
    {
      accounts: Object.fromEntries([...accounts].map(([name, { secret }]) => [name, secret.length])),
      letters: letters.length,
      routes: Object.fromEntries(routes),
      books: Object.fromEntries([...books].map(([owner, book]) => [owner, Object.fromEntries(book)])),
      shown: Object.fromEntries(shown),
      tickets: Object.fromEntries(tickets),
      tokens: tokens.size,
      asked,
    },
  ],
  "POST /control/account": ({ name, secret }) => {
    accounts.set(name, { secret, mail: null, wrong: 0 });
    return [200, {}];
  },
  "POST /control/news": (one) => {
    news.push({ no: news.length + 1, ...one });
    return [200, { no: news.length }];
  },
  "POST /control/ticket": ({ number, state }) => {
    const ticket = tickets.get(number);
    ticket.state = state;
    news.push({ no: news.length + 1, kind: "note", to: ticket.owner, text: `Ticket ${number} is ${state}.` });
    return [200, {}];
  },
  "POST /control/trouble": ({ kind }) => {
    trouble = kind;
    return [200, {}];
  },
  "POST /control/forget-tokens": () => {
    tokens.clear();
    return [200, {}];
  },
};

function mayEnter(request) {
  if (request.headers["x-api-key"] === KEY) return true;
  const [, token] = (request.headers.authorization ?? "").match(/^Bearer (.+)$/) ?? [];
  return (tokens.get(token) ?? 0) > Date.now();
}

function giveToken(request, body) {
  const given = Buffer.from((request.headers.authorization ?? "").replace(/^Basic /, ""), "base64").toString();
  const [id, secret] = given.split(":").map(decodeURIComponent);
  if (id !== CLIENT.id || secret !== CLIENT.secret) return [401, { error: "invalid_client" }];
  if (new URLSearchParams(body).get("grant_type") !== "client_credentials") return [400, { error: "unsupported_grant_type" }];
  const token = randomUUID();
  tokens.set(token, Date.now() + TOKEN_SECONDS * 1000);
  return [200, { access_token: token, token_type: "Bearer", expires_in: TOKEN_SECONDS }];
}

function answer(request, url, body) {
  const name = `${request.method} ${url.pathname}`;
  if (control[name]) return control[name](JSON.parse(body || "{}"));
  asked.push(name);
  if (trouble === "down") return [503, { ok: false }];
  if (trouble === "page") return [200, "<html>Please log in</html>"];
  if (name === "POST /oauth/token") return giveToken(request, body);
  if (!["GET", "POST"].includes(request.method)) return [405, { ok: false }];
  if (!mayEnter(request)) return [401, { ok: false, error: { code: "KEY", message: "a key is needed" } }];
  const [, id] = url.pathname.match(/^\/api\/jobs\/(\w+)$/) ?? [];
  if (id) {
    const known = jobs.get(id);
    if (!known) return no("NO_JOB", "there is no such job");
    return known.left-- > 0 ? [202, { ok: true, job: { id } }] : ok(known.data);
  }
  if (!calls[name]) return [404, { ok: false }];
  const form = request.headers["content-type"] === "application/x-www-form-urlencoded";
  return calls[name](form ? Object.fromEntries(new URLSearchParams(body)) : JSON.parse(body || "{}"), url.searchParams);
}

const server = createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    const url = new URL(request.url, "http://backend");
    if (trouble === "hang" && !url.pathname.startsWith("/control/")) {
      asked.push(`${request.method} ${url.pathname}`);
      return;
    }
    let status = 500;
    let body = { ok: false, error: { code: "BUG", message: "the backend failed" } };
    try {
      [status, body] = answer(request, url, Buffer.concat(chunks).toString());
    } catch (error) {
      console.error(`${request.method} ${url.pathname}: ${error.message}`);
    }
    const text = typeof body === "string";
    response.writeHead(status, { "content-type": text ? "text/html" : "application/json" });
    response.end(text ? body : JSON.stringify(body));
  });
});
server.listen(Number(option("port", "0")), "127.0.0.1", () => console.log(server.address().port));
process.stdin.on("end", () => process.exit(0)).resume();
