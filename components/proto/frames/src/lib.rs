// SPDX-License-Identifier: BSD-2-Clause
//! Frames of variable length between two domains, worked on in place.
//!
//! A [`Port`] is one end of a link: a [`Sender`], a [`Receiver`] and a channel to wake the other
//! end. A frame is written where the receiver reads it, so moving one costs exactly the copy that
//! put it there; a driver lets its device do even that. Layout and threats are in `README.md`.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(any(test, feature = "fake"))]
extern crate std;

#[cfg(feature = "fake")]
pub mod fake;
mod layout;
mod meta;
mod port;
mod receiver;
mod sender;
mod status;
#[cfg(test)]
mod tests;

pub use layout::{MAX_SLOT, Shape};
pub use meta::{Meta, flags};
pub use port::{Counters, Port};
pub use receiver::{Frame, Receiver};
pub use sender::Sender;
pub use status::Status;
