//! The fixtures of `fixtures/`, for programs that run or show them. See the README there.

/// Name and JSON of each.
pub const ALL: &[(&str, &str)] = &[
    ("chat", include_str!("../fixtures/chat.json")),
    ("console", include_str!("../fixtures/console.json")),
    ("downlink", include_str!("../fixtures/downlink.json")),
    ("event", include_str!("../fixtures/event.json")),
    ("footprint", include_str!("../fixtures/footprint.json")),
    ("friend", include_str!("../fixtures/friend.json")),
    ("group", include_str!("../fixtures/group.json")),
    ("health", include_str!("../fixtures/health.json")),
    ("import", include_str!("../fixtures/import.json")),
    ("media", include_str!("../fixtures/media.json")),
    ("room", include_str!("../fixtures/room.json")),
    ("state", include_str!("../fixtures/state.json")),
    ("user", include_str!("../fixtures/user.json")),
];
