// SPDX-License-Identifier: BSD-2-Clause
//! Microkit system description files, parsed with positions.

#![forbid(unsafe_code)]
