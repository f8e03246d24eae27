// SPDX-License-Identifier: BSD-2-Clause
//! Linked pairs on heap memory, and a peer that writes what it likes.

use shm::fake::region;
use shm::{Region, Rw};

use crate::layout::{GENERATION_AT, HEADER_SIZE, READ_AT, WAKE_DATA_AT, WAKE_SPACE_AT, WRITE_AT};
use crate::link::Link;

/// The memory of a link: one region per side, still unattached.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Written by the first side.
    pub first: Region<Rw>,
    /// Written by the second side.
    pub second: Region<Rw>,
}

impl Memory {
    /// Two zeroed regions with `payload` bytes after the header each.
    #[must_use]
    pub fn new(payload: usize) -> Self {
        Self {
            first: region(HEADER_SIZE + payload),
            second: region(HEADER_SIZE + payload),
        }
    }

    /// Attaches the first side, again after a restart.
    ///
    /// # Panics
    ///
    /// Never: the regions have a header.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "test support with regions of its own making"
    )]
    pub fn attach_first(&self) -> Link {
        Link::attach(self.first, self.second.read_only()).expect("regions have a header")
    }

    /// Attaches the second side, again after a restart.
    ///
    /// # Panics
    ///
    /// Never: the regions have a header.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "test support with regions of its own making"
    )]
    pub fn attach_second(&self) -> Link {
        Link::attach(self.second, self.first.read_only()).expect("regions have a header")
    }

    /// Takes control of the second side's region.
    #[must_use]
    pub const fn hostile_second(&self) -> HostilePeer {
        HostilePeer { own: self.second }
    }
}

/// A peer that writes any word of its region at any time.
#[derive(Clone, Copy, Debug)]
pub struct HostilePeer {
    own: Region<Rw>,
}

impl HostilePeer {
    /// Publishes any write index.
    pub fn write_index(&self, value: u32) {
        self.put(WRITE_AT, value);
    }

    /// Publishes any read index.
    pub fn read_index(&self, value: u32) {
        self.put(READ_AT, value);
    }

    /// Claims to wait for space at any index.
    pub fn wake_space(&self, value: u32) {
        self.put(WAKE_SPACE_AT, value);
    }

    /// Claims to wait for data at any index.
    pub fn wake_data(&self, value: u32) {
        self.put(WAKE_DATA_AT, value);
    }

    /// Claims any generation.
    pub fn generation(&self, value: u32) {
        self.put(GENERATION_AT, value);
    }

    /// Overwrites the whole region, header and entries, with one byte.
    pub fn scribble(&self, byte: u8) {
        let _ = self.own.fill(0, self.own.len(), byte);
    }

    /// The peer's region, for entries.
    #[must_use]
    pub const fn region(&self) -> Region<Rw> {
        self.own
    }

    fn put(&self, at: usize, value: u32) {
        // The header exists by construction.
        let _ = self.own.store_release(at, value);
    }
}
