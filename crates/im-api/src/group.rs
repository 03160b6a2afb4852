//! Groups of users: Openfire groups, or members-only rooms when a room's address is set.

use serde::{Deserialize, Serialize};

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Role {
    /// Everything, deletion included. A group that was made here always has one; one that a bridge reported has one from the moment it gets one, until
    /// its server takes it: servers know administrators only ([`ReportGroup`]).
    Owner,
    /// Changes information and members.
    Admin,
    /// Takes part.
    Member,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Member {
    /// Bare JID of a known user.
    pub user: String,
    /// Role.
    pub role: Role,
}

/// POST groups: 201, or 409 `conflict`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CreateGroup {
    /// Its id: 1 to 128 characters of `[A-Za-z0-9._-]`, unique.
    pub id: String,
    /// Name, 1 to 256 characters.
    pub name: String,
    /// Description, at most 4,096 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Address of the room that it is, if it is one. From then on both have the same members, whichever is changed, and go together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// Members, at least one owner among them, at most 1,000 in one request.
    pub members: Vec<Member>,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Group {
    /// Its id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Description.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Room's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// Grows with each change.
    pub version: u64,
    /// How many members.
    pub size: u64,
    /// Members by address, a page of them (`?limit=&after=`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<Member>,
    /// Cursor of the next page of members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// GET groups `?member=&limit=&after=`: the groups of a user, without members, by id. Without `member`: all groups, for who may write them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Groups {
    /// The groups.
    pub items: Vec<Group>,
    /// Cursor of the next page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// PATCH group: what is present is changed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PatchGroup {
    /// New name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// New description; empty removes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Only if the group has this version, else 409 `conflict`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_version: Option<u64>,
}

/// PUT group: what a bridge reports of a group of its server's. It is made if it is not there, and may be without an owner.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ReportGroup {
    /// Name. Absent: as it is; a new group is called like its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Description. Absent: as it is; empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Address of the room that it is. Absent: as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// Who is a member there, at most 10,000; users who are not known become known. Absent: as it is. An owner who is an admin there stays owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<Member>>,
    /// Nobody else is a member, owners included. Otherwise others stay.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub complete: bool,
}

/// PUT member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SetRole {
    /// The role. Taking the last owner's is 409 `conflict`, unless it is reported.
    pub role: Role,
    /// A bridge reports what is so on its server: a user who is not known becomes known, an owner who is an admin there stays owner, the last owner may
    /// become a member.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reported: bool,
}

/// Answer to a change of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GroupChanged {
    /// Version after it.
    pub version: u64,
    /// Whether anything changed.
    pub changed: bool,
}
