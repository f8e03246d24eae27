// SPDX-License-Identifier: BSD-2-Clause
//! Newtypes for addresses, identifiers and sizes.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
