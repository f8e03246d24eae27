// SPDX-License-Identifier: BSD-2-Clause
//! Protection domain `vsock_agent`: echo and health at the CID that guests take for their host.
#![no_std]
#![no_main]

port::protection_domain!(vsock_agent::Agent);
