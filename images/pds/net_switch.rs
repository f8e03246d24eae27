// SPDX-License-Identifier: BSD-2-Clause
//! Protection domain `net_switch`: frames between guests and the network, as policy allows.
#![no_std]
#![no_main]

port::protection_domain!(net_switch::NetSwitch);
