// SPDX-License-Identifier: BSD-2-Clause
//! Protection domain `blk_driver`: the only one that maps the block device.
#![no_std]
#![no_main]

port::protection_domain!(blk_virtio::Driver);
