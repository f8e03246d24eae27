// SPDX-License-Identifier: BSD-2-Clause
//! Protection domain `crasher`: faults on purpose, each time in another way.
#![no_std]
#![no_main]

port::protection_domain!(demo::Crasher<common::Accidents>);
