// SPDX-License-Identifier: BSD-2-Clause
//! Protection domain `restarter`: parent that restarts its children by the clock.
#![no_std]
#![no_main]

port::protection_domain!(demo::Restarter);
