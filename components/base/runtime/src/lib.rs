// SPDX-License-Identifier: BSD-2-Clause
//! A protection domain's main loop and kernel calls, over bare system calls.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod abi;
pub mod syscalls;
