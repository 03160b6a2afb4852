//! The behaviour suite: what every store must do, run against every store there is. The clock is turned by hand, nothing sleeps.

mod chat;
mod event;
mod full;
mod races;
mod state;
mod support;
