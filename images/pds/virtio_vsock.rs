// SPDX-License-Identifier: BSD-2-Clause
//! Protection domain `vsock_<guest>`: the backend of one guest's socket device.
#![no_std]
#![no_main]

port::protection_domain!(virtio_vsock::Vsock);
