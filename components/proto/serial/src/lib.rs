// SPDX-License-Identifier: BSD-2-Clause
//! Byte streams between the UART driver, the console multiplexer and its clients.
//!
//! A [`Stream`] is one end of a link: bytes out, bytes in, and a channel to wake the other end. The
//! README draws who writes what. [`Console`] is what a client prints through.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "fake"))]
extern crate std;

mod console;
#[cfg(feature = "fake")]
pub mod fake;
mod stream;
#[cfg(test)]
mod tests;

pub use console::{Console, LINE_BYTES};
pub use stream::{Counters, Stream, ring_capacity};
