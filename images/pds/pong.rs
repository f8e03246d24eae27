// SPDX-License-Identifier: BSD-2-Clause
//! Protection domain `pong`: passive server of `ping`.
#![no_std]
#![no_main]

port::protection_domain!(demo::Pong);
