// SPDX-License-Identifier: BSD-2-Clause
//! Small protection domains for tests: ping asks, pong answers, crasher faults, restarter restarts,
//! counters shows what others counted.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod counters;
mod crasher;
mod ping;
mod pong;
mod restarter;
mod ring;
#[cfg(test)]
mod tests;

pub use counters::Counters;
pub use crasher::{Accident, Crasher, Kind};
pub use ping::Ping;
pub use pong::Pong;
pub use restarter::Restarter;
