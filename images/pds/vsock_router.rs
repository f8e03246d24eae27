// SPDX-License-Identifier: BSD-2-Clause
//! Protection domain `vsock_router`: connections between guests and native endpoints.
#![no_std]
#![no_main]

port::protection_domain!(vsock_router::Router);
