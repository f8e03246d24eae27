// SPDX-License-Identifier: BSD-2-Clause
//! Protection domain `console_mux`: one labelled stream per client on one UART.
#![no_std]
#![no_main]

port::protection_domain!(console_mux::ConsoleMux);
