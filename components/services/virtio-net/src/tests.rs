// SPDX-License-Identifier: BSD-2-Clause
//! The backend as a component, with a driver that writes its queues by hand. Tests with a real
//! driver and the real transport are in `tests/guest-io`.

mod device;
mod frames_in;
mod frames_out;
mod pure;
mod restart;
mod rig;
