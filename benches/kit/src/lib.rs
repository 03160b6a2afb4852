//! What benchmarks share, and the two that load whole servers: `fig13` (one workload, data growing, servers side by side) and `sizing` (what a user, a
//! message, a session costs). `cargo xtask bench` starts the servers and this program; nothing here starts or ends a server.
//!
//! The load is written so that it costs little beside what it measures: one thread and two or three sockets per worker, answers found by a mark in the
//! bytes. A real XMPP library would share the cores with the servers.

pub mod chart;
pub mod client;
pub mod fig13;
pub mod http;
pub mod machine;
pub mod process;
pub mod report;
pub mod sizing;
pub mod stats;
pub mod steps;
pub mod target;
pub mod work;

/// What went wrong, in words for whoever runs the benchmark.
pub type Outcome<T> = Result<T, String>;
