// SPDX-License-Identifier: BSD-2-Clause
//! Memory that notices who leaves it, and peers that write what they like.

use shm::{Region, Rw, fake};

use crate::script::Script;

/// Bytes on either side of a guest's memory that nobody may touch.
const GUARD: usize = 0x1000;
/// What is in them.
const CANARY: u8 = 0xc5;
/// Bytes at the start of a region in which protocols have their indices.
const HEADER: usize = 0x140;
/// Latest access before which something happens meanwhile.
const LATEST: u64 = 200;
/// Accesses of one activation: more than the longest honest one takes, and soon reached by a loop
/// without end.
const MOST: u64 = 1 << 26;

/// A guest's memory between two guards.
#[derive(Clone, Copy, Debug)]
pub struct Ram {
    whole: Region<Rw>,
    ram: Region<Rw>,
}

impl Ram {
    /// `size` zero bytes.
    ///
    /// # Panics
    /// If the host has no memory.
    #[must_use]
    #[expect(clippy::expect_used, reason = "test support")]
    pub fn new(size: usize) -> Self {
        let whole = fake::region(size + 2 * GUARD);
        whole.fill(0, GUARD, CANARY).expect("the first guard");
        let second = whole.fill(GUARD + size, GUARD, CANARY);
        second.expect("the second guard");
        let ram = whole.sub(GUARD, size).expect("between the guards");
        Self { whole, ram }
    }

    /// What the guest has.
    #[must_use]
    pub const fn region(&self) -> Region<Rw> {
        self.ram
    }

    /// Whether only the guest's memory was written.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        let mut bytes = [0; GUARD];
        [0, GUARD + self.ram.len()].into_iter().all(|at| {
            self.whole.copy_in(at, &mut bytes).is_ok() && bytes.iter().all(|byte| *byte == CANARY)
        })
    }
}

/// One store by somebody who may write `region`.
#[derive(Clone, Copy, Debug)]
pub struct Poke {
    region: Region<Rw>,
    at: usize,
    /// Bytes: 1, 2, 4 or 8.
    len: usize,
    value: u64,
    /// The value is added to what is there.
    adds: bool,
}

impl Poke {
    /// A store that `script` chooses, to one of `regions`.
    #[must_use]
    pub fn choose(script: &mut Script<'_>, regions: &[Region<Rw>]) -> Option<Self> {
        let region = *regions.get(script.below(regions.len()))?;
        let how = script.byte();
        let room = if how & 1 == 0 { HEADER } else { region.len() };
        Some(Self {
            region,
            at: script.below(room.min(region.len())),
            len: 1 << (how >> 1 & 3),
            value: script.odd(),
            adds: how & 0x18 == 0x18,
        })
    }

    /// Does it. A store that does not fit is none.
    pub fn apply(self) {
        let at = self.at & !(self.len - 1);
        let mut bytes = [0; 8];
        let (part, _) = bytes.split_at_mut(self.len);
        let _ = self.region.copy_in(at, part);
        let old = u64::from_le_bytes(bytes);
        let old = if self.adds { old } else { 0 };
        let new = old.wrapping_add(self.value).to_le_bytes();
        let _ = self.region.copy_out(at, &new[..self.len]);
    }
}

/// Lies now, or in the middle of whatever comes next.
pub fn lie(script: &mut Script<'_>, regions: &[Region<Rw>]) {
    let later = script.byte();
    let Some(poke) = Poke::choose(script, regions) else {
        return;
    };
    if later & 1 == 0 {
        poke.apply();
    } else {
        fake::meanwhile(u64::from(later >> 1) % LATEST, move || poke.apply());
    }
}

/// Runs an activation, which may not go on for ever.
///
/// # Panics
/// If it does, or in `activation`.
pub fn bounded<R>(activation: impl FnOnce() -> R) -> R {
    let result = fake::bounded(MOST, activation);
    fake::calm();
    result
}
