// SPDX-License-Identifier: BSD-2-Clause
//! Protection domain `hash_server`: SHA-256 for domains without FP registers.
#![no_std]
#![no_main]

port::protection_domain!(hash_server::Server<port::Sha256>);
