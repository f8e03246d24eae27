// SPDX-License-Identifier: BSD-2-Clause
//! Capability distribution of a system description, object by object.

#![forbid(unsafe_code)]
