//! The client side of the platform: HTTP, the circuit breaker, the embedded child process, who we are to it.
//!
//! Leaves out: what is asked and why (modules), when to try again (the host's threads).

pub mod breaker;
pub mod client;
pub mod embedded;
pub mod keystone;

pub use breaker::Breaker;
pub use client::{Client, Headers, PlatformError, Target};
pub use keystone::{Credential, Pass};
