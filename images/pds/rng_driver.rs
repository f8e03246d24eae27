// SPDX-License-Identifier: BSD-2-Clause
//! Protection domain `rng_driver`: the only one that maps the entropy device.
#![no_std]
#![no_main]

port::protection_domain!(rng_virtio::Driver);
