// SPDX-License-Identifier: BSD-2-Clause
//! Both ends of the conversation's rings.

use echo::{Item, RING_ITEMS};
use pd::{Notify, Setup, SetupError};
use shm::{Region, Ro, Rw};
use spsc::{Armed, Consumer, LayoutError, Link, Producer};
use units::ChannelId;

/// Items to the peer, items from it, and the channel to wake it.
#[derive(Debug)]
pub(crate) struct Ring {
    pub(crate) tx: Producer<Item>,
    pub(crate) rx: Consumer<Item>,
    pub(crate) channel: ChannelId,
    /// Impossible indices of the peer, and floods.
    pub(crate) faults: u64,
}

impl Ring {
    /// Opens the regions `out` and `input` and the channel `role` of the record.
    pub(crate) fn open(
        setup: &mut Setup<'_>,
        role: &str,
        [out, input]: [&str; 2],
    ) -> Result<Self, SetupError> {
        let out = setup.region_rw(out)?;
        let input = setup.region_ro(input)?;
        let channel = setup.channel(role)?;
        Self::new(out, input, channel)
            .map_err(|_| SetupError::invalid(role, "its regions are too small for the rings"))
    }

    pub(crate) fn new(
        out: Region<Rw>,
        input: Region<Ro>,
        channel: ChannelId,
    ) -> Result<Self, LayoutError> {
        let link = Link::attach(out, input)?;
        Ok(Self {
            tx: link.producer(RING_ITEMS)?,
            rx: link.consumer(RING_ITEMS)?,
            channel,
            faults: 0,
        })
    }

    /// The next item; none where there is none or the peer's index is impossible.
    pub(crate) fn pop(&mut self) -> Option<Item> {
        match self.rx.pop() {
            // Any number and any value is a question, and an answer is compared.
            Ok(item) => item.map(shm::Untrusted::unchecked),
            Err(_) => {
                self.drop_pending();
                None
            }
        }
    }

    /// Drops what the peer has pending.
    pub(crate) fn drop_pending(&mut self) {
        let _ = self.rx.resync();
        self.fault();
    }

    /// Stages an item; `false` without room.
    pub(crate) fn push(&mut self, item: &Item) -> bool {
        self.tx.push(item).is_ok()
    }

    /// Free slots towards the peer.
    pub(crate) fn room(&mut self) -> u32 {
        self.tx.free().unwrap_or_else(|_| {
            self.fault();
            0
        })
    }

    /// Shows the peer what was pushed and popped, and wakes it if it waits for either.
    pub(crate) fn flush(&mut self, kernel: &mut impl Notify) {
        let released = self.rx.release();
        if self.tx.publish().or(released).is_needed() {
            kernel.notify_deferred(self.channel);
        }
    }

    /// Asks to be woken by the next item; `true` if there is one already.
    pub(crate) fn wait_for_items(&mut self) -> bool {
        match self.rx.arm() {
            Ok(armed) => armed == Armed::Ready,
            Err(_) => {
                self.drop_pending();
                false
            }
        }
    }

    /// Asks to be woken by the next free slot; `true` if there is one already.
    pub(crate) fn wait_for_room(&mut self) -> bool {
        match self.tx.arm(1) {
            Ok(armed) => armed == Armed::Ready,
            Err(_) => {
                self.fault();
                false
            }
        }
    }

    fn fault(&mut self) {
        self.faults = self.faults.saturating_add(1);
    }
}
