// SPDX-License-Identifier: BSD-2-Clause
//! One labelled, switchable console stream per client on one UART.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod focus;
pub mod line;

#[cfg(test)]
mod tests;
