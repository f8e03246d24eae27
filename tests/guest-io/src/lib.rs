// SPDX-License-Identifier: BSD-2-Clause
//! Drivers of guests against our devices, in one process.
//!
//! The real `virtio-drivers` crate drives the real transport (`vmm/virtio-mmio`) and the real
//! backend, which are connected as the VMM connects them. What a guest would store to a register
//! is a [`bus::Device::write`], what it would interrupt the VMM for happens at once.
#![deny(unsafe_code)]

pub mod console;
pub mod disk;
pub mod entropy_device;
pub mod hostile;
pub mod memory;
pub mod net;
pub mod registers;
pub mod sockets;
