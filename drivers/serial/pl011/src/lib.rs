// SPDX-License-Identifier: BSD-2-Clause
//! PL011 UART driver, as a protection domain's logic: the only one that maps the UART's registers
//! and gets its interrupt. Bytes come and go over one `serial` stream.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod device;
mod driver;
#[cfg(test)]
mod tests;

pub use device::{Device, Received, Speed};
pub use driver::{Counters, Driver};
