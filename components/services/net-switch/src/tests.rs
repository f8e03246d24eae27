// SPDX-License-Identifier: BSD-2-Clause
//! The switch as a component, with the far ends of its ports in the hands of the tests.

mod limits;
mod links;
mod policy;
mod reference;
mod rig;
