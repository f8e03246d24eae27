// SPDX-License-Identifier: BSD-2-Clause
//! Small protection domains of the first system: ping, pong, crasher.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
