// SPDX-License-Identifier: BSD-2-Clause
//! The PD's side: counting and recording.

use core::fmt;
use core::marker::PhantomData;
use core::sync::atomic::{Ordering, fence};

use shm::{Cell, OutOfBounds, Region, Rw};

use crate::event::Event;
use crate::layout::{
    CAPACITY_AT, EVENT_SIZE, FIRST_AT, GENERATION_AT, HEADER_SIZE, KIND_AT, KINDS_AT, MAGIC,
    MAGIC_AT, NAMES_AT, SECOND_AT, SEQUENCE_AT, TIME_AT, TOTAL_AT, VERSION, VERSION_AT, names_len,
    names_offset, ring_offset, sequence,
};

/// Why a region cannot hold a trace. The fault of the configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TraceError {
    /// The region is too short for the counters, the names and one event, or misaligned.
    Region(OutOfBounds),
    /// There are more kinds or names than a header can tell.
    TooManyKinds,
}

impl From<OutOfBounds> for TraceError {
    fn from(error: OutOfBounds) -> Self {
        Self::Region(error)
    }
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Region(error) => write!(f, "trace region: {error}"),
            Self::TooManyKinds => f.write_str("trace has too many kinds of events"),
        }
    }
}

impl core::error::Error for TraceError {}

/// Counters and ring of a PD whose events are `E`.
#[derive(Debug)]
pub struct Trace<E> {
    memory: Option<Memory>,
    total: u64,
    event: PhantomData<fn(E)>,
}

/// The parts of the region that change.
#[derive(Debug)]
struct Memory {
    total: Cell<u64, Rw>,
    counters: Region<Rw>,
    ring: Region<Rw>,
    capacity: u32,
}

/// The numbers in the header that say whether an earlier trace can be continued.
#[derive(PartialEq, Eq)]
struct Shape {
    kinds: u32,
    names: u32,
    capacity: u32,
}

impl<E: Event> Trace<E> {
    /// A trace without memory: records nothing. For PDs that the system gives no trace region.
    #[must_use]
    pub const fn disabled() -> Self {
        Self {
            memory: None,
            total: 0,
            event: PhantomData,
        }
    }

    /// Attaches to a region and continues the trace in it where its events are the same; else
    /// starts a new one. The ring gets the largest power of two of events that fits.
    ///
    /// # Errors
    ///
    /// [`TraceError`] where not even one event fits.
    pub fn attach(region: Region<Rw>) -> Result<Self, TraceError> {
        let shape = Shape::of::<E>(&region)?;
        let known = shape.matches(&region)? && names_match::<E>(&region)?;
        if !known {
            shape.start::<E>(&region)?;
        }
        let generation = region.cell::<u32>(GENERATION_AT)?;
        generation.store(generation.load().wrapping_add(1));
        let total = region.cell::<u64>(TOTAL_AT)?;
        let offset = ring_offset(E::NAMES.len(), names_len(E::NAMES));
        Ok(Self {
            total: total.load(),
            memory: Some(Memory {
                total,
                counters: region.sub(HEADER_SIZE, E::NAMES.len() * 8)?,
                ring: region.sub(offset, shape.capacity as usize * EVENT_SIZE)?,
                capacity: shape.capacity,
            }),
            event: PhantomData,
        })
    }

    /// Counts an event and keeps it with `now`, in ticks of the PD's clock.
    pub fn record(&mut self, event: E, now: u64) {
        let Some(memory) = &self.memory else { return };
        // All offsets are in bounds by construction; a trace never fails its PD.
        let _ = memory.count(event.kind());
        let _ = memory.write(self.total, event.kind(), now, event.operands());
        self.total = self.total.wrapping_add(1);
        memory.total.store_release(self.total);
    }

    /// Counts an event without keeping it, for events so frequent that they would flush the ring.
    pub fn count(&mut self, event: E) {
        if let Some(memory) = &self.memory {
            let _ = memory.count(event.kind());
        }
    }
}

impl Memory {
    fn count(&self, kind: u32) -> Result<(), OutOfBounds> {
        let counter = self.counters.cell::<u64>(kind as usize * 8)?;
        counter.store(counter.load().wrapping_add(1));
        Ok(())
    }

    fn write(&self, number: u64, kind: u32, now: u64, ops: [u64; 2]) -> Result<(), OutOfBounds> {
        let slot = sequence(number).wrapping_sub(1) & (self.capacity - 1);
        let event = self.ring.sub(slot as usize * EVENT_SIZE, EVENT_SIZE)?;
        let [first, second] = ops;
        event.store::<u32>(SEQUENCE_AT, 0)?;
        // A reader that sees any of the following also sees that the event is incomplete.
        fence(Ordering::Release);
        event.store(KIND_AT, kind)?;
        event.store(TIME_AT, now)?;
        event.store(FIRST_AT, first)?;
        event.store(SECOND_AT, second)?;
        event.store_release(SEQUENCE_AT, sequence(number))
    }
}

impl Shape {
    fn of<E: Event>(region: &Region<Rw>) -> Result<Self, TraceError> {
        let names = names_len(E::NAMES);
        let offset = ring_offset(E::NAMES.len(), names);
        let ring = region.split_at(offset)?.1.len();
        // One event must fit; this names the shortage otherwise.
        region.sub(offset, EVENT_SIZE)?;
        let fitting = u32::try_from(ring / EVENT_SIZE).unwrap_or(u32::MAX);
        let too_many = |_| TraceError::TooManyKinds;
        Ok(Self {
            kinds: u32::try_from(E::NAMES.len()).map_err(too_many)?,
            names: u32::try_from(names).map_err(too_many)?,
            capacity: 1 << fitting.ilog2(),
        })
    }

    fn matches(&self, region: &Region<Rw>) -> Result<bool, OutOfBounds> {
        let found = Self {
            kinds: region.load(KINDS_AT)?,
            names: region.load(NAMES_AT)?,
            capacity: region.load(CAPACITY_AT)?,
        };
        let head = (region.load(MAGIC_AT)?, region.load(VERSION_AT)?);
        Ok(head == (MAGIC, VERSION) && found == *self)
    }

    fn start<E: Event>(&self, region: &Region<Rw>) -> Result<(), OutOfBounds> {
        region.fill(0, region.len(), 0)?;
        let mut at = names_offset(E::NAMES.len());
        for name in E::NAMES {
            region.copy_out(at, name.as_bytes())?;
            region.copy_out(at + name.len(), b"\n")?;
            at += name.len() + 1;
        }
        region.store(VERSION_AT, VERSION)?;
        region.store(KINDS_AT, self.kinds)?;
        region.store(NAMES_AT, self.names)?;
        region.store(CAPACITY_AT, self.capacity)?;
        region.store_release(MAGIC_AT, MAGIC)
    }
}

/// Whether the names in the region are those of `E`. The lengths altogether are equal already.
fn names_match<E: Event>(region: &Region<Rw>) -> Result<bool, OutOfBounds> {
    let mut at = names_offset(E::NAMES.len());
    for name in E::NAMES {
        for expected in name.bytes().chain([b'\n']) {
            if region.load::<u8>(at)? != expected {
                return Ok(false);
            }
            at += 1;
        }
    }
    Ok(true)
}
