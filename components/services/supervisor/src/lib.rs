// SPDX-License-Identifier: BSD-2-Clause
//! Parent of protection domains: decodes their faults, restarts or holds them.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod policy;
