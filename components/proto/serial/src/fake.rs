// SPDX-License-Identifier: BSD-2-Clause
//! Both ends of a link on heap memory.

use spsc::fake::Memory;
use units::ChannelId;

use crate::stream::Stream;

/// The memory of a link, whose ends can be opened again as after a restart.
#[derive(Debug, Clone, Copy)]
pub struct FakeLink {
    /// The regions below, for hostile peers.
    pub memory: Memory,
}

impl FakeLink {
    /// A link that carries `capacity` bytes (a power of two) in each direction.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            memory: Memory::new(capacity),
        }
    }

    /// Opens the first end on `channel`.
    ///
    /// # Panics
    ///
    /// Where the capacity is not usable.
    #[must_use]
    #[expect(clippy::expect_used, reason = "test support")]
    pub fn first(&self, channel: ChannelId) -> Stream {
        Stream::new(self.memory.first, self.memory.second.read_only(), channel)
            .expect("capacity is a power of two")
    }

    /// Opens the second end on `channel`.
    ///
    /// # Panics
    ///
    /// Where the capacity is not usable.
    #[must_use]
    #[expect(clippy::expect_used, reason = "test support")]
    pub fn second(&self, channel: ChannelId) -> Stream {
        Stream::new(self.memory.second, self.memory.first.read_only(), channel)
            .expect("capacity is a power of two")
    }
}
