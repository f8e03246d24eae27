// SPDX-License-Identifier: BSD-2-Clause
//! What both ends have in common: roles, regions, tails.

use core::fmt::Write;

use pd::{Setup, SetupError};
use shm::{OutOfBounds, Region, Ro, Rw};
use units::ChannelId;

use crate::wire::TAIL_SIZE;

/// Longest role of a link in the record: the longest role less ".out".
const ROLE_BYTES: usize = 28;

/// The parts of a link as the record names them.
pub(crate) struct Parts {
    pub(crate) out: Region<Rw>,
    pub(crate) input: Region<Ro>,
    pub(crate) channel: ChannelId,
}

impl Parts {
    /// The region `<role>.out` that this domain writes, the region `<role>.in` that the peer writes,
    /// and the channel `<role>`.
    pub(crate) fn find(setup: &mut Setup<'_>, role: &str) -> Result<Self, SetupError> {
        Ok(Self {
            out: setup.region_rw(&side(role, ".out")?)?,
            input: setup.region_ro(&side(role, ".in")?)?,
            channel: setup.channel(role)?,
        })
    }
}

/// The last [`TAIL_SIZE`] bytes of a region.
pub(crate) fn tail<A: shm::Access>(region: &Region<A>) -> Result<Region<A>, OutOfBounds> {
    region.sub(region.len().saturating_sub(TAIL_SIZE), TAIL_SIZE)
}

fn side(role: &str, suffix: &str) -> Result<heapless::String<32>, SetupError> {
    let mut name = heapless::String::new();
    if role.len() > ROLE_BYTES || write!(name, "{role}{suffix}").is_err() {
        return Err(SetupError::invalid(role, "the link's role is too long"));
    }
    Ok(name)
}

pub(crate) fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
