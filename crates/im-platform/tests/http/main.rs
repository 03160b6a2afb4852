//! The real binary over loopback: what a bridge sees, and what happens when somebody pulls the plug.

mod admin;
mod crash;
mod disk;
mod fixtures;
mod interfaces;
mod process;
mod server;
mod standalone;
