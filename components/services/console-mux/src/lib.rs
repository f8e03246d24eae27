// SPDX-License-Identifier: BSD-2-Clause
//! One labelled, switchable console stream per client on one UART.
//!
//! Output of all clients is shown line by line, each line whole and under its client's label;
//! keys go to the client in focus. A client can neither hold up another one (a line that finds no
//! room waits in its own ring), nor pass for another one (see [`line`]).
//!
//! Answers BH-30, H-37.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod client;
pub mod focus;
pub mod line;
mod mux;
mod notice;
pub mod screen;

#[cfg(test)]
mod tests;

pub use client::Client;
pub use mux::{ConsoleMux, Counters, MAX_CLIENTS, Options};
