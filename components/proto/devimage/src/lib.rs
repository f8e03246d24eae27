// SPDX-License-Identifier: BSD-2-Clause
//! Layout of the development kernel's image payload.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
