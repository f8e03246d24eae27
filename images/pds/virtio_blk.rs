// SPDX-License-Identifier: BSD-2-Clause
//! Protection domain `blk_<guest>`: the backend of one guest's virtio disk.
#![no_std]
#![no_main]

port::protection_domain!(virtio_blk::Blk);
