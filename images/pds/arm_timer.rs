// SPDX-License-Identifier: BSD-2-Clause
//! Protection domain `arm_timer`: the only one that programs the EL1 physical timer.
#![no_std]
#![no_main]

port::protection_domain!(arm_timer::Driver);
