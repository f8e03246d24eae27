// SPDX-License-Identifier: BSD-2-Clause
//! Protection domain `uart_driver`: the only one that maps the PL011.
#![no_std]
#![no_main]

port::protection_domain!(pl011::Driver);
