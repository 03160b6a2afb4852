//! Paths. `{x}` is a path parameter, percent-encoded.

/// GET: [`crate::health::Health`]. No credential needed.
pub const HEALTH: &str = "/healthz";
/// PUT [`crate::state::Lease`] gives [`crate::state::LeaseAnswer`]: the node is alive. 409 `unknown-epoch` asks for a snapshot.
pub const LEASE: &str = "/v1/nodes/{node}/lease";
/// PUT [`crate::state::Snapshot`] gives [`crate::state::StateAnswer`]: replaces everything the platform knows of this node's sessions.
/// 409 `conflict` when a later epoch of this node has ended this one: another host has taken its name.
pub const SNAPSHOT: &str = "/v1/nodes/{node}/sessions";
/// POST [`crate::state::StateBatch`] gives [`crate::state::StateAnswer`]: changes of sessions, in order.
pub const NODE_STATES: &str = "/v1/nodes/{node}/states";
/// PUT [`crate::state::StateChange`] gives [`crate::state::StateAnswer`]: one change (for clients that are not a bridge).
pub const RESOURCE_STATE: &str = "/v1/state/{user}/{resource}";
/// GET: [`crate::state::UserState`], aggregated.
pub const USER_STATE: &str = "/v1/state/{user}";
/// POST [`crate::chat::DecideRequest`] gives [`crate::chat::DecideAnswer`]: stores and judges. GET
/// `?user=&with=&limit=&before=&after=&since=&until=&archive=`: [`crate::chat::History`].
pub const MESSAGES: &str = "/v1/messages";
/// POST [`crate::chat::SettleRequest`] gives [`crate::chat::SettleAnswer`]: what the bridge decided alone.
pub const SETTLE: &str = "/v1/messages/settle";
/// GET `?claim=&limit=`: [`crate::chat::Pending`]. DELETE `?upto=&claim=` gives [`crate::chat::PendingLeft`].
pub const PENDING: &str = "/v1/pending/{user}";
/// POST [`crate::chat::ClaimRequest`] gives [`crate::chat::Claim`] or 409 `claimed`. DELETE `?claim=`: gives the claim back.
pub const CLAIM: &str = "/v1/pending/{user}/claim";
/// POST a CloudEvents batch (`application/cloudevents-batch+json`, [`crate::event::Event`]) gives [`crate::event::EventsAnswer`].
pub const EVENTS: &str = "/v1/events";

/// POST [`crate::user::CreateUser`] gives 201 [`crate::user::User`]. GET `?query=&viewer=&limit=&after=`: [`crate::user::Users`].
pub const USERS: &str = "/v1/users";
/// GET: [`crate::user::User`]. DELETE gives [`crate::user::Erased`].
pub const USER: &str = "/v1/users/{user}";
/// PUT [`crate::user::SetPassword`]: 204.
pub const PASSWORD: &str = "/v1/users/{user}/password";
/// POST [`crate::user::VerifyRequest`] gives [`crate::user::Verified`].
pub const VERIFY: &str = "/v1/users/verify";
/// GET: [`crate::user::Verifiers`]. Scope bridge only.
pub const SCRAM: &str = "/v1/users/{user}/scram";
/// POST [`crate::user::OpenSession`] gives 201 [`crate::state::UserState`].
pub const SESSIONS: &str = "/v1/sessions";
/// DELETE gives [`crate::user::SessionEnded`]: a forced logout.
pub const SESSION: &str = "/v1/sessions/{user}/{resource}";
/// GET `?limit=&after=`: [`crate::friend::Friends`].
pub const FRIENDS: &str = "/v1/friends/{user}";
/// PUT [`crate::friend::FriendEntry`], DELETE: [`crate::friend::FriendsChanged`].
pub const FRIEND: &str = "/v1/friends/{user}/{friend}";
/// GET: [`crate::friend::Blocks`].
pub const BLOCKS: &str = "/v1/blocks/{user}";
/// PUT (no body), DELETE: [`crate::friend::FriendsChanged`].
pub const BLOCK: &str = "/v1/blocks/{user}/{blocked}";
/// POST [`crate::group::CreateGroup`] gives 201 [`crate::group::Group`]. GET `?member=&limit=&after=`: [`crate::group::Groups`].
pub const GROUPS: &str = "/v1/groups";
/// GET `?limit=&after=`: [`crate::group::Group`]. PUT [`crate::group::ReportGroup`], PATCH [`crate::group::PatchGroup`], DELETE:
/// [`crate::group::GroupChanged`].
pub const GROUP: &str = "/v1/groups/{group}";
/// PUT [`crate::group::SetRole`], DELETE `?reported=`: [`crate::group::GroupChanged`].
pub const MEMBER: &str = "/v1/groups/{group}/members/{user}";
/// PUT [`crate::room::PutRoom`]: 204. GET `?limit=&after=`: [`crate::room::Room`]. DELETE: 204, with its timeline.
pub const ROOM: &str = "/v1/rooms/{room}";
/// PUT [`crate::room::SetAffiliation`], DELETE: 204.
pub const ROOM_MEMBER: &str = "/v1/rooms/{room}/members/{user}";
/// PUT [`crate::room::Join`] gives [`crate::room::Joined`]. DELETE `?node=&epoch=&seq=`: 204.
pub const OCCUPANT: &str = "/v1/rooms/{room}/occupants/{user}/{resource}";
/// PUT [`crate::room::OccupantSnapshot`]: 204.
pub const NODE_OCCUPANTS: &str = "/v1/nodes/{node}/occupants";
/// POST [`crate::room::RoomPost`] gives [`crate::room::RoomPostAnswer`]. GET `?viewer=&before=&limit=`: [`crate::room::RoomMessages`].
pub const ROOM_MESSAGES: &str = "/v1/rooms/{room}/messages";
/// POST [`crate::room::RoomSettle`] gives [`crate::room::RoomSettled`]: what the room really did.
pub const ROOM_SETTLE: &str = "/v1/rooms/{room}/settle";
/// POST [`crate::room::Receipts`] gives [`crate::room::ReceiptsAnswer`].
pub const RECEIPTS: &str = "/v1/rooms/{room}/receipts";
/// GET `?user=&limit=`: [`crate::room::RoomMessages`]. DELETE `?user=&upto=`: [`crate::room::MissedLeft`].
pub const MISSED: &str = "/v1/rooms/{room}/missed";
/// POST [`crate::footprint::Share`] gives 201 [`crate::footprint::Feature`]. GET: see [`crate::footprint::FeatureCollection`].
pub const FOOTPRINTS: &str = "/v1/footprints";
/// GET `?viewer=`, PUT [`crate::footprint::Share`]: [`crate::footprint::Feature`]. DELETE: 204.
pub const FOOTPRINT: &str = "/v1/footprints/{user}/{id}";
/// PUT the file `?user=&audience=` gives [`crate::media::Medium`]. GET `?viewer=`: the file. DELETE `?user=`: 204.
pub const MEDIA: &str = "/v1/media/{id}";
/// GET `?after=&wait=&limit=`: [`crate::downlink::Downlink`]. POST [`crate::downlink::SendStanza`] gives 202 [`crate::downlink::Queued`].
pub const DOWNLINK: &str = "/v1/downlink";
/// POST [`crate::import::Import`] gives [`crate::import::ImportAnswer`].
pub const IMPORT: &str = "/v1/import";
/// GET: [`crate::import::ImportPosition`].
pub const IMPORT_SOURCE: &str = "/v1/import/{source}";
/// GET: Prometheus text.
pub const METRICS: &str = "/metrics";
/// GET: the contract as OpenAPI 3.1. No credential needed.
pub const OPENAPI: &str = "/openapi.json";
/// GET: a page to read and try it. No credential needed to read.
pub const DOCS: &str = "/docs";

/// Which node and event a change comes from: `node/event`. It returns as [`crate::downlink::DownEvent::origin`].
pub const ORIGIN: &str = "x-origin";
/// Every POST carries this header; a replay with the same value gets the first answer. Items with a `key` of their own are idempotent by that key.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Fills `{name}` in a path with percent-encoded values, in order.
///
/// ```
/// assert_eq!(im_api::routes::path(im_api::routes::RESOURCE_STATE, &["juliet@example.org", "a/b"]), "/v1/state/juliet%40example.org/a%2Fb");
/// ```
#[must_use]
pub fn path(template: &str, values: &[&str]) -> String {
    let mut out = String::with_capacity(template.len() + 32);
    let mut values = values.iter();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        let close = rest[open..].find('}').map_or(rest.len(), |i| open + i + 1);
        for byte in values.next().copied().unwrap_or_default().bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte as char),
                _ => {
                    out.push('%');
                    out.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0').to_ascii_uppercase());
                    out.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0').to_ascii_uppercase());
                }
            }
        }
        rest = &rest[close..];
    }
    out.push_str(rest);
    out
}
