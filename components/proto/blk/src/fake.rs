// SPDX-License-Identifier: BSD-2-Clause
//! Both ends of a link on heap memory.

use shm::{Region, Rw, fake};
use units::ChannelId;

use crate::{Client, Server};

/// The memory of a link, whose ends can be opened again as after a restart.
#[derive(Debug, Clone, Copy)]
pub struct FakeLink {
    /// What the client writes.
    pub client: Region<Rw>,
    /// What the server writes.
    pub server: Region<Rw>,
}

impl Default for FakeLink {
    fn default() -> Self {
        Self::new(0x1000)
    }
}

impl FakeLink {
    /// A link with `size` bytes in each region.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self {
            client: fake::region(size),
            server: fake::region(size),
        }
    }

    /// Starts the client on `channel`.
    ///
    /// # Panics
    ///
    /// Where the regions are too small.
    #[must_use]
    #[expect(clippy::expect_used, reason = "test support")]
    pub fn client(&self, channel: ChannelId) -> Client {
        Client::new(self.client, self.server.read_only(), channel).expect("regions hold a request")
    }

    /// Starts the server on `channel`.
    ///
    /// # Panics
    ///
    /// Where the regions are too small.
    #[must_use]
    #[expect(clippy::expect_used, reason = "test support")]
    pub fn server(&self, channel: ChannelId) -> Server {
        Server::new(self.server, self.client.read_only(), channel).expect("regions hold a request")
    }
}
