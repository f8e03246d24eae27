// SPDX-License-Identifier: BSD-2-Clause
//! A kernel, a mapper and a whole world for host tests, all of them hostile on request.
//!
//! [`World`] stands for the tool: it hands out regions, registers and ids by role and creates a
//! component from the resulting record. [`FakeKernel`] records what the component does, refuses
//! what it is told to refuse, raises spurious notifications and lies about registers.

mod kernel;
mod world;

pub use kernel::{FakeKernel, KernelCall};
pub use world::World;
