// SPDX-License-Identifier: BSD-2-Clause
//! Protection domain `net_driver`: the virtio network device.
#![no_std]
#![no_main]

port::protection_domain!(net_virtio::Driver);
