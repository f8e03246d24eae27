// SPDX-License-Identifier: BSD-2-Clause
//! Decisions of the development kernel, as a host-tested library.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
