// SPDX-License-Identifier: BSD-2-Clause
//! What the driver has: whose request, under which id.

/// Most requests at the driver.
pub(crate) const MOST: usize = 128;

/// Bits of an id that are its place in the table.
const PLACE_BITS: u32 = 8;

/// A request of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Owner {
    /// Number of the client.
    pub(crate) client: usize,
    /// The client's own id.
    pub(crate) id: u32,
}

/// All requests at the driver.
#[derive(Debug)]
pub(crate) struct Flight {
    places: [Option<(u32, Owner)>; MOST],
    /// Places that are free, a bit each.
    free: u128,
    serial: u32,
}

impl Flight {
    pub(crate) const fn new() -> Self {
        Self {
            places: [None; MOST],
            free: u128::MAX,
            serial: 0,
        }
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.free == 0
    }

    /// Forgets everything: a new session has begun.
    pub(crate) const fn clear(&mut self) {
        self.places = [None; MOST];
        self.free = u128::MAX;
    }

    /// The id for the next request: never one that is in flight, nor [`u32::MAX`].
    pub(crate) const fn next_id(&self) -> u32 {
        ((self.serial & 0x7f_ffff) << PLACE_BITS) | self.free.trailing_zeros()
    }

    /// A request was submitted under [`Flight::next_id`].
    pub(crate) fn insert(&mut self, owner: Owner) {
        let id = self.next_id();
        if let Some(place) = self.places.get_mut(place_of(id)) {
            *place = Some((id, owner));
            self.free &= self.free.wrapping_sub(1);
            self.serial = self.serial.wrapping_add(1);
        }
    }

    /// Takes the request with an id that the driver named; each one once.
    pub(crate) fn remove(&mut self, id: u32) -> Option<Owner> {
        let place = self.places.get_mut(place_of(id))?;
        let (_, owner) = place.take_if(|(known, _)| *known == id)?;
        self.free |= 1 << place_of(id);
        Some(owner)
    }
}

const fn place_of(id: u32) -> usize {
    // Eight bits fit every index.
    (id & ((1 << PLACE_BITS) - 1)) as usize
}
