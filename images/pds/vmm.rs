// SPDX-License-Identifier: BSD-2-Clause
//! Protection domain `vmm_<guest>`: the monitor of one virtual machine.
#![no_std]
#![no_main]

port::protection_domain!(vmm::GuestVmm);
