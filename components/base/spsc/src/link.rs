// SPDX-License-Identifier: BSD-2-Clause
//! The pair of regions between two PDs.

use shm::{Cell, Region, Ro, Rw};
use zerocopy::{FromBytes, Immutable, IntoBytes};

use crate::bytes::{ByteConsumer, ByteProducer};
use crate::entries::{Consumer, Producer};
use crate::layout::{
    GENERATION_AT, HEADER_SIZE, LayoutError, MAGIC, MAGIC_AT, byte_region_size, check_capacity,
    entry_region_size,
};
use crate::rx::Rx;
use crate::slots::{SlotConsumer, SlotProducer};
use crate::tx::Tx;

/// This side's region, which it writes, and the peer's, which it only reads.
///
/// Make at most one producer and one consumer from a link: two would publish the same index.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    own: Region<Rw>,
    peer: Region<Ro>,
    peer_generation: Cell<u32, Ro>,
}

impl Link {
    /// Attaches this side, for the first time or after a restart, and counts its generation up.
    ///
    /// # Errors
    ///
    /// [`LayoutError::Region`] where a region is shorter than a header or misaligned.
    pub fn attach(own: Region<Rw>, peer: Region<Ro>) -> Result<Self, LayoutError> {
        own.sub(0, HEADER_SIZE)?;
        peer.sub(0, HEADER_SIZE)?;
        let generation = own.cell::<u32>(GENERATION_AT)?;
        let link = Self {
            own,
            peer,
            peer_generation: peer.cell(GENERATION_AT)?,
        };
        // Zero means never attached, so the count skips it when it wraps.
        let next = generation.load().wrapping_add(1).max(1);
        own.store(MAGIC_AT, MAGIC)?;
        generation.store_release(next);
        Ok(link)
    }

    /// How often the peer attached; 0 before its first time. A change means that it restarted. The
    /// peer can write anything here: use it to restart a protocol, not to trust one.
    #[must_use]
    pub fn peer_generation(&self) -> u32 {
        self.peer_generation.load_acquire()
    }

    /// The sending end of a ring of `capacity` entries.
    ///
    /// # Errors
    ///
    /// [`LayoutError`] where the capacity is no power of two or the own region too short.
    pub fn producer<D>(&self, capacity: u32) -> Result<Producer<D>, LayoutError>
    where
        D: IntoBytes + Immutable,
    {
        let capacity = check_capacity(capacity)?;
        let entries = payload(&self.own, entry_region_size::<D>(capacity))?;
        Ok(Producer::new(
            Tx::attach(&self.own, &self.peer, capacity)?,
            entries,
        ))
    }

    /// The receiving end of a ring of `capacity` entries.
    ///
    /// # Errors
    ///
    /// [`LayoutError`] where the capacity is no power of two or the peer's region too short.
    pub fn consumer<D>(&self, capacity: u32) -> Result<Consumer<D>, LayoutError>
    where
        D: FromBytes + IntoBytes,
    {
        let capacity = check_capacity(capacity)?;
        let entries = payload(&self.peer, entry_region_size::<D>(capacity))?;
        Ok(Consumer::new(
            Rx::attach(&self.own, &self.peer, capacity)?,
            entries,
        ))
    }

    /// The sending end of a ring of `capacity` slots that the caller lays out behind the header.
    ///
    /// # Errors
    ///
    /// [`LayoutError::Capacity`] where the capacity is no power of two.
    pub fn slot_producer(&self, capacity: u32) -> Result<SlotProducer, LayoutError> {
        let capacity = check_capacity(capacity)?;
        Ok(SlotProducer::new(Tx::attach(
            &self.own, &self.peer, capacity,
        )?))
    }

    /// The receiving end of a ring of `capacity` slots that the peer lays out.
    ///
    /// # Errors
    ///
    /// [`LayoutError::Capacity`] where the capacity is no power of two.
    pub fn slot_consumer(&self, capacity: u32) -> Result<SlotConsumer, LayoutError> {
        let capacity = check_capacity(capacity)?;
        Ok(SlotConsumer::new(Rx::attach(
            &self.own, &self.peer, capacity,
        )?))
    }

    /// The sending end of a byte stream with at most `capacity` bytes pending.
    ///
    /// # Errors
    ///
    /// As [`Link::producer`].
    pub fn byte_producer(&self, capacity: u32) -> Result<ByteProducer, LayoutError> {
        let capacity = check_capacity(capacity)?;
        let bytes = payload(&self.own, byte_region_size(capacity))?;
        Ok(ByteProducer::new(
            Tx::attach(&self.own, &self.peer, capacity)?,
            bytes,
        ))
    }

    /// The receiving end of a byte stream with at most `capacity` bytes pending.
    ///
    /// # Errors
    ///
    /// As [`Link::consumer`].
    pub fn byte_consumer(&self, capacity: u32) -> Result<ByteConsumer, LayoutError> {
        let capacity = check_capacity(capacity)?;
        let bytes = payload(&self.peer, byte_region_size(capacity))?;
        Ok(ByteConsumer::new(
            Rx::attach(&self.own, &self.peer, capacity)?,
            bytes,
        ))
    }
}

/// The part of a side's region after the header, exactly as long as the ring needs.
fn payload<A: shm::Access>(region: &Region<A>, size: usize) -> Result<Region<A>, LayoutError> {
    Ok(region.sub(HEADER_SIZE, size.saturating_sub(HEADER_SIZE))?)
}
