// SPDX-License-Identifier: BSD-2-Clause
//! Small protection domains of the first system: ping asks, pong answers, crasher faults.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod crasher;
mod ping;
mod pong;
mod ring;
#[cfg(test)]
mod tests;

pub use crasher::{Accident, Crasher, Kind};
pub use ping::Ping;
pub use pong::Pong;
