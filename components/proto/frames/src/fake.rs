// SPDX-License-Identifier: BSD-2-Clause
//! Both ends of a link on heap memory, and a peer that writes what it likes.

use shm::fake::region;
use shm::{Region, Rw};
use units::ChannelId;

use crate::layout::{DESCRIPTORS_AT, Descriptor, STATUS_AT, Shape};
use crate::port::Port;

/// The memory of a link, whose ends can be opened again as after a restart.
#[derive(Debug, Clone, Copy)]
pub struct FakeLink {
    /// Written by the first end.
    pub first: Region<Rw>,
    /// Written by the second end.
    pub second: Region<Rw>,
    shape: Shape,
}

#[expect(
    clippy::expect_used,
    reason = "test support: a wrong link is a wrong test"
)]
impl FakeLink {
    /// A link with `slots` slots of `shape` each way (a power of two).
    ///
    /// # Panics
    ///
    /// Where that is no possible size.
    #[must_use]
    pub fn new(shape: Shape, slots: u32) -> Self {
        let size = shape.region_size(slots).expect("a possible size");
        Self {
            first: region(size),
            second: region(size),
            shape,
        }
    }

    /// Opens the first end on `channel`.
    ///
    /// # Panics
    ///
    /// Where the shape is not usable.
    #[must_use]
    pub fn first(&self, channel: ChannelId) -> Port {
        Port::new(self.first, self.second.read_only(), channel, self.shape).expect("a usable shape")
    }

    /// Opens the second end on `channel`.
    ///
    /// # Panics
    ///
    /// Where the shape is not usable.
    #[must_use]
    pub fn second(&self, channel: ChannelId) -> Port {
        Port::new(self.second, self.first.read_only(), channel, self.shape).expect("a usable shape")
    }

    /// Takes control of the first end's region.
    #[must_use]
    pub const fn hostile_first(&self) -> HostilePeer {
        HostilePeer { own: self.first }
    }

    /// Takes control of the second end's region.
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
    /// Writes any word; past the end nothing happens.
    pub fn word(&self, at: usize, value: u32) {
        let _ = self.own.store_release(at & !3, value);
    }

    /// Publishes any write index.
    pub fn write_index(&self, value: u32) {
        self.word(8, value);
    }

    /// Publishes any read index.
    pub fn read_index(&self, value: u32) {
        self.word(64, value);
    }

    /// Publishes any status word.
    pub fn status(&self, value: u32) {
        self.word(STATUS_AT, value);
    }

    /// Gives the frame in slot `index` any length.
    pub fn length(&self, index: u32, value: u32) {
        let at = DESCRIPTORS_AT.saturating_add(index as usize * size_of::<Descriptor>());
        self.word(at, value);
    }

    /// Overwrites the whole region with one byte.
    pub fn scribble(&self, byte: u8) {
        let _ = self.own.fill(0, self.own.len(), byte);
    }

    /// The peer's region.
    #[must_use]
    pub const fn region(&self) -> Region<Rw> {
        self.own
    }
}
