// SPDX-License-Identifier: BSD-2-Clause
//! Protection domain `ping`: calls and sends, checks every answer, prints a verdict.
#![no_std]
#![no_main]

port::protection_domain!(demo::Ping);
