// SPDX-License-Identifier: BSD-2-Clause
//! What fuzz targets do: bodies that panic if hostile bytes get away with anything.
//!
//! Each body takes any bytes. `tests/fuzz` gives them to libFuzzer; the tests of this crate run them
//! over a small corpus and a fixed number of pseudo-random scripts, with the stable compiler.
#![forbid(unsafe_code)]

pub mod backends;
pub mod devices;
pub mod exits;
pub mod images;
pub mod memory;
pub mod partition;
pub mod queue;
pub mod records;
pub mod rings;
pub mod script;
pub mod services;
pub mod switch;
pub mod texts;
pub mod virtio_guest;

/// A body.
pub type Body = fn(&[u8]);

/// All bodies by the names of their targets.
pub const TARGETS: &[(&str, Body)] = &[
    ("blk", backends::blk),
    ("console", backends::console),
    ("devices", devices::run),
    ("exits", exits::run),
    ("guest", backends::guest),
    ("images", images::run),
    ("net", backends::net),
    ("partition", partition::run),
    ("queue", queue::run),
    ("records", records::run),
    ("rings", rings::run),
    ("rng", backends::rng),
    ("services", services::run),
    ("switch", switch::run),
    ("texts", texts::run),
    ("vsock", backends::vsock),
];
