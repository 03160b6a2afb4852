//! A bridge and a platform in a cloud: they find and know each other through Debian's Keystone, and media are in Debian's Swift. Run by
//! `cargo xtask test openstack`, which starts the cloud.

mod admin;
mod bridge;
mod cloud;
mod media;
#[expect(dead_code, reason = "the stand-in for the shim is that of tests/flow, which uses more of it")]
#[path = "../flow/pep.rs"]
mod pep;
mod platform;
#[expect(dead_code, reason = "the stand-in for the shim is that of tests/flow, which uses more of it")]
#[path = "../flow/shim.rs"]
mod shim;
mod tokens;
