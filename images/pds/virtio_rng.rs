// SPDX-License-Identifier: BSD-2-Clause
//! Protection domain `rng_<guest>`: the backend of one guest's entropy device.
#![no_std]
#![no_main]

port::protection_domain!(virtio_rng::Rng);
