// SPDX-License-Identifier: BSD-2-Clause
//! The guest's MMIO bus: devices on disjoint address ranges.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
