// SPDX-License-Identifier: BSD-2-Clause
//! Protection domain `supervisor`: parent of those it restarts.
#![no_std]
#![no_main]

port::protection_domain!(supervisor::Supervisor);
