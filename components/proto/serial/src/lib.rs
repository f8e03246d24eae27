// SPDX-License-Identifier: BSD-2-Clause
//! Byte streams between the UART driver, the console mux and its clients.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
