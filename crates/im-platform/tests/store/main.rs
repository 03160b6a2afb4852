//! The behaviour suite: what every store must do, run against every store there is. The clock is turned by hand, nothing sleeps.

#[cfg(feature = "cassandra-tests")]
mod access;
#[cfg(feature = "cassandra-tests")]
mod cassandra;
mod chat;
mod console;
mod downlink;
mod event;
#[cfg(feature = "cassandra-tests")]
mod faults;
mod footprint;
mod friend;
mod full;
mod group;
#[cfg(feature = "cassandra-tests")]
mod instances;
mod invariants;
mod media;
mod plans;
mod races;
#[cfg(feature = "cassandra-tests")]
#[path = "../../../../tests/cassandra/ring.rs"]
mod ring;
mod room;
mod space;
mod state;
mod support;
mod user;
mod views;
