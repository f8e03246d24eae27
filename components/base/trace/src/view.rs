// SPDX-License-Identifier: BSD-2-Clause
//! The reader's side. The PD under observation may have crashed or lie: everything is checked.

use core::fmt;
use core::sync::atomic::{Ordering, fence};

use shm::{Region, Ro};

use crate::layout::{
    CAPACITY_AT, EVENT_SIZE, FIRST_AT, GENERATION_AT, HEADER_SIZE, KIND_AT, KINDS_AT, MAGIC,
    MAGIC_AT, NAMES_AT, SECOND_AT, SEQUENCE_AT, TIME_AT, TOTAL_AT, VERSION, VERSION_AT,
    names_offset, ring_offset, sequence,
};

/// Where the bytes come from: a mapped region that its writer may change, or a dump.
pub trait Source {
    /// Bytes altogether.
    fn len(&self) -> usize;

    /// Whether there are no bytes.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies bytes at `offset`; `None` where they do not exist.
    fn read(&self, offset: usize, into: &mut [u8]) -> Option<()>;

    /// A word at `offset`, loaded with acquire where the source is live.
    fn word(&self, offset: usize) -> Option<u32>;
}

impl Source for Region<Ro> {
    fn len(&self) -> usize {
        Self::len(self)
    }

    fn read(&self, offset: usize, into: &mut [u8]) -> Option<()> {
        self.copy_in(offset, into).ok()
    }

    fn word(&self, offset: usize) -> Option<u32> {
        self.load_acquire(offset).ok()
    }
}

impl Source for [u8] {
    fn len(&self) -> usize {
        <[u8]>::len(self)
    }

    fn read(&self, offset: usize, into: &mut [u8]) -> Option<()> {
        let end = offset.checked_add(into.len())?;
        into.copy_from_slice(self.get(offset..end)?);
        Some(())
    }

    fn word(&self, offset: usize) -> Option<u32> {
        let mut bytes = [0; 4];
        self.read(offset, &mut bytes)?;
        Some(u32::from_le_bytes(bytes))
    }
}

/// Why a source is no trace.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ViewError {
    /// The first word is not the magic number: the PD never attached, or this is something else.
    BadMagic(u32),
    /// A version that this reader does not know.
    UnsupportedVersion(u32),
    /// The header announces more than the source holds, or no possible capacity.
    BadShape,
}

impl fmt::Display for ViewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BadMagic(found) => write!(f, "no trace: magic number is {found:#010x}"),
            Self::UnsupportedVersion(found) => {
                write!(f, "trace has version {found}, this reader knows {VERSION}")
            }
            Self::BadShape => f.write_str("trace header contradicts the size of its region"),
        }
    }
}

impl core::error::Error for ViewError {}

/// One recorded event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Recorded {
    /// Number of the event since the trace was started.
    pub number: u64,
    /// Index of its kind; below [`View::kinds`].
    pub kind: u32,
    /// When, in ticks of the PD's clock.
    pub time: u64,
    /// Operands.
    pub operands: [u64; 2],
}

/// A checked view of a trace.
#[derive(Debug)]
pub struct View<'a, S: Source + ?Sized> {
    source: &'a S,
    kinds: u32,
    names: u32,
    capacity: u32,
}

impl<'a, S: Source + ?Sized> View<'a, S> {
    /// Checks the header.
    ///
    /// # Errors
    ///
    /// [`ViewError`] names what is wrong. No contents panic, now or later.
    pub fn new(source: &'a S) -> Result<Self, ViewError> {
        let word = |at| source.word(at).ok_or(ViewError::BadShape);
        let (magic, version) = (word(MAGIC_AT)?, word(VERSION_AT)?);
        if magic != MAGIC {
            return Err(ViewError::BadMagic(magic));
        }
        if version != VERSION {
            return Err(ViewError::UnsupportedVersion(version));
        }
        let view = Self {
            source,
            kinds: word(KINDS_AT)?,
            names: word(NAMES_AT)?,
            capacity: word(CAPACITY_AT)?,
        };
        let ring = (view.capacity as usize).saturating_mul(EVENT_SIZE);
        let end = view.ring_offset().saturating_add(ring);
        if view.capacity.is_power_of_two() && end <= source.len() {
            Ok(view)
        } else {
            Err(ViewError::BadShape)
        }
    }

    /// Number of kinds of events.
    #[must_use]
    pub const fn kinds(&self) -> u32 {
        self.kinds
    }

    /// How often the PD attached: its starts and restarts.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.source.word(GENERATION_AT).unwrap_or(0)
    }

    /// Events recorded so far.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.long(TOTAL_AT)
    }

    /// How often events of `kind` occurred; `None` for a kind that does not exist.
    #[must_use]
    pub fn counter(&self, kind: u32) -> Option<u64> {
        (kind < self.kinds).then(|| self.long(HEADER_SIZE + kind as usize * 8))
    }

    /// Copies the name of `kind` into `buffer`; `None` for a kind without an ASCII name that fits.
    #[must_use]
    pub fn name<'b>(&self, kind: u32, buffer: &'b mut [u8]) -> Option<&'b str> {
        let mut at = names_offset(self.kinds as usize);
        let end = at.saturating_add(self.names as usize);
        let mut skip = kind;
        let mut len = 0;
        while at < end {
            let mut byte = [0];
            self.source.read(at, &mut byte)?;
            at += 1;
            match (byte, skip) {
                ([b'\n'], 0) => return core::str::from_utf8(buffer.get(..len)?).ok(),
                ([b'\n'], _) => skip -= 1,
                ([byte], 0) => {
                    *buffer.get_mut(len)? = if byte.is_ascii_graphic() { byte } else { b'?' };
                    len += 1;
                }
                _ => {}
            }
        }
        None
    }

    /// The events still in the ring, oldest first. Incomplete ones, and those that the writer
    /// overtakes meanwhile, are left out. Ends after one ring, however fast the writer is.
    pub fn events(&self) -> impl Iterator<Item = Recorded> + '_ {
        let total = self.total();
        let first = total.saturating_sub(u64::from(self.capacity));
        (first..total).filter_map(|number| self.event(number))
    }

    fn event(&self, number: u64) -> Option<Recorded> {
        let expected = sequence(number);
        let slot = expected.wrapping_sub(1) & (self.capacity - 1);
        let at = self.ring_offset() + slot as usize * EVENT_SIZE;
        if self.source.word(at + SEQUENCE_AT)? != expected {
            return None;
        }
        let recorded = Recorded {
            number,
            kind: self.source.word(at + KIND_AT)?,
            time: self.long(at + TIME_AT),
            operands: [self.long(at + FIRST_AT), self.long(at + SECOND_AT)],
        };
        // Pairs with the writer's release fence: a field of a later event implies its sequence.
        fence(Ordering::Acquire);
        let unchanged = self.source.word(at + SEQUENCE_AT)? == expected;
        (unchanged && recorded.kind < self.kinds).then_some(recorded)
    }

    fn ring_offset(&self) -> usize {
        ring_offset(self.kinds as usize, self.names as usize)
    }

    fn long(&self, at: usize) -> u64 {
        let mut bytes = [0; 8];
        match self.source.read(at, &mut bytes) {
            Some(()) => u64::from_le_bytes(bytes),
            None => 0,
        }
    }
}
