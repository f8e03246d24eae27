// SPDX-License-Identifier: BSD-2-Clause
//! Protection domain `counters`: shows what other domains counted.
#![no_std]
#![no_main]

port::protection_domain!(demo::Counters);
