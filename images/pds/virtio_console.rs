// SPDX-License-Identifier: BSD-2-Clause
//! Protection domain `con_<guest>`: the backend of one guest's virtio console.
#![no_std]
#![no_main]

port::protection_domain!(virtio_console::Console);
