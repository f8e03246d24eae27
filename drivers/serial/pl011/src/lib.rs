// SPDX-License-Identifier: BSD-2-Clause
//! PL011 UART driver, as a protection domain's logic.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
