//! The client side of the platform: HTTP, the circuit breaker, the embedded child process, who we are to it; and of somebody else's backend.
//!
//! Leaves out: what is asked and why (modules), when to try again (the host's threads).

pub mod breaker;
pub mod client;
pub mod embedded;
pub mod foreign;
pub mod keystone;

pub use breaker::Breaker;
pub use client::{Client, Headers, PlatformError, Target};
pub use foreign::Foreign;
pub use keystone::{Credential, Pass};
