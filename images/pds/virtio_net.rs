// SPDX-License-Identifier: BSD-2-Clause
//! Protection domain `net_<guest>`: the backend of one guest's network card.
#![no_std]
#![no_main]

port::protection_domain!(virtio_net::Net);
