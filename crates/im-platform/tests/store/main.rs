//! The behaviour suite: what every store must do, run against every store there is. The clock is turned by hand, nothing sleeps.

#[cfg(feature = "cassandra-tests")]
mod cassandra;
mod chat;
mod console;
mod downlink;
mod event;
mod footprint;
mod friend;
mod full;
mod group;
mod invariants;
mod media;
mod plans;
mod races;
mod room;
mod space;
mod state;
mod support;
mod user;
mod views;
