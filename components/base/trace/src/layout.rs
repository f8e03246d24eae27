// SPDX-License-Identifier: BSD-2-Clause
//! Offsets within a trace region.

/// First word of a trace region: the bytes `BHTR`.
pub const MAGIC: u32 = u32::from_le_bytes(*b"BHTR");

/// Version of the layout.
pub const VERSION: u32 = 1;

/// Bytes before the counters.
pub const HEADER_SIZE: usize = 64;

/// Bytes of an event.
pub const EVENT_SIZE: usize = 32;

pub(crate) const MAGIC_AT: usize = 0;
pub(crate) const VERSION_AT: usize = 4;
pub(crate) const KINDS_AT: usize = 8;
pub(crate) const NAMES_AT: usize = 12;
pub(crate) const CAPACITY_AT: usize = 16;
pub(crate) const GENERATION_AT: usize = 20;
pub(crate) const TOTAL_AT: usize = 24;

/// Offsets within an event.
pub(crate) const SEQUENCE_AT: usize = 0;
pub(crate) const KIND_AT: usize = 4;
pub(crate) const TIME_AT: usize = 8;
pub(crate) const FIRST_AT: usize = 16;
pub(crate) const SECOND_AT: usize = 24;

/// Bytes of a region for these kinds of events and at least `events` events in the ring.
#[must_use]
pub const fn region_size(names: &[&str], events: usize) -> usize {
    let ring = events.next_power_of_two().saturating_mul(EVENT_SIZE);
    ring_offset(names.len(), names_len(names)).saturating_add(ring)
}

/// Bytes of the names, a newline after each.
pub(crate) const fn names_len(names: &[&str]) -> usize {
    let mut len = names.len();
    let mut rest = names;
    while let [name, tail @ ..] = rest {
        len += name.len();
        rest = tail;
    }
    len
}

/// Offset of the names.
pub(crate) const fn names_offset(kinds: usize) -> usize {
    HEADER_SIZE.saturating_add(kinds.saturating_mul(8))
}

/// Offset of the first event.
pub(crate) const fn ring_offset(kinds: usize, names: usize) -> usize {
    names_offset(kinds).saturating_add(names).saturating_add(7) & !7
}

/// The sequence word of event `number`; never zero for complete events but once in 2^32.
pub(crate) const fn sequence(number: u64) -> u32 {
    let [a, b, c, d, ..] = number.wrapping_add(1).to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}
