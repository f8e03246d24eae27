// SPDX-License-Identifier: BSD-2-Clause
//! Protection domain `blk_partition`: to each client its partition of one disk, and nothing else.
#![no_std]
#![no_main]

port::protection_domain!(blk_partition::Partitions);
