// SPDX-License-Identifier: BSD-2-Clause
//! Writing a record. Runs in the tool and in tests; needs no heap.

use core::fmt;

use zerocopy::IntoBytes;
use zerocopy::little_endian::{U16, U32, U64};

use crate::entry::Entry;
use crate::layout::{
    CRC_OFFSET, ENTRY_SIZE, HEADER_SIZE, Kind, MAGIC, RawEntry, RawHeader, VERSION_MAJOR,
    VERSION_MINOR,
};
use crate::lookup::checksum;
use crate::role::{Role, RoleError};

/// Why an entry cannot be written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BuildError {
    /// The name is no role.
    Role(RoleError),
    /// The buffer is full.
    NoSpace,
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(error) => error.fmt(f),
            Self::NoSpace => f.write_str("the record does not fit its buffer"),
        }
    }
}

impl core::error::Error for BuildError {}

impl From<RoleError> for BuildError {
    fn from(error: RoleError) -> Self {
        Self::Role(error)
    }
}

/// Bytes of a record with `entries` entries and `text` bytes of text altogether.
#[must_use]
pub const fn encoded_len(entries: usize, text: usize) -> usize {
    HEADER_SIZE
        .saturating_add(entries.saturating_mul(ENTRY_SIZE))
        .saturating_add(text)
}

/// Encodes a record into a buffer.
///
/// Entries grow from the front, text grows from the back; [`Builder::finish`] joins them.
#[derive(Debug)]
pub struct Builder<'a> {
    buffer: &'a mut [u8],
    entries: usize,
    text: usize,
}

impl<'a> Builder<'a> {
    /// Starts an empty record. The record may use at most 4 GiB of `buffer`.
    pub fn new(buffer: &'a mut [u8]) -> Self {
        let limit = buffer.len().min(u32::MAX as usize);
        let (buffer, _) = buffer.split_at_mut(limit);
        Self {
            buffer,
            entries: 0,
            text: 0,
        }
    }

    /// Appends an entry.
    ///
    /// # Errors
    ///
    /// [`BuildError`] where `role` is no role or the buffer is full; the record is unchanged then.
    pub fn add(&mut self, role: &str, entry: &Entry<'_>) -> Result<&mut Self, BuildError> {
        let role = Role::new(role)?;
        let text = match entry {
            Entry::Text(text) => text.as_bytes(),
            _ => &[],
        };
        if encoded_len(self.entries + 1, self.text + text.len()) > self.buffer.len() {
            return Err(BuildError::NoSpace);
        }
        let text_end = self.buffer.len() - self.text;
        let text_start = text_end - text.len();
        copy(self.buffer, text_start, text)?;
        self.text += text.len();

        let (kind, flags, [a, b, c]) = entry.encode();
        let raw = RawEntry {
            role: role.padded(),
            kind: U16::new(kind),
            flags: U16::new(flags),
            reserved: U32::new(0),
            // For a text: distance of its start from the end of the heap, until `finish`.
            a: U64::new(if text.is_empty() { a } else { self.text as u64 }),
            b: U64::new(b),
            c: U64::new(c),
        };
        copy(self.buffer, encoded_len(self.entries, 0), raw.as_bytes())?;
        self.entries += 1;
        Ok(self)
    }

    /// Completes the record and answers how many bytes of the buffer it occupies. Bytes after it
    /// are zero.
    ///
    /// # Errors
    ///
    /// [`BuildError::NoSpace`] where not even the header fits.
    pub fn finish(mut self) -> Result<usize, BuildError> {
        let heap = encoded_len(self.entries, 0);
        let total = encoded_len(self.entries, self.text);
        if total > self.buffer.len() {
            return Err(BuildError::NoSpace);
        }
        let text_start = self.buffer.len() - self.text;
        self.buffer.copy_within(text_start.., heap);
        if let Some(rest) = self.buffer.get_mut(total..) {
            rest.fill(0);
        }
        self.resolve_texts(heap);

        let header = RawHeader {
            magic: U32::new(MAGIC),
            major: U16::new(VERSION_MAJOR),
            minor: U16::new(VERSION_MINOR),
            total_len: length(total),
            crc: U32::new(0),
            entry_count: length(self.entries),
            text_len: length(self.text),
            reserved: U64::new(0),
        };
        copy(self.buffer, 0, header.as_bytes())?;
        let record = self.buffer.get(..total).unwrap_or_default();
        let crc = checksum(record);
        copy(self.buffer, CRC_OFFSET, &crc.to_le_bytes())?;
        Ok(total)
    }

    /// Turns each text's distance from the end of the heap into its offset from the start.
    fn resolve_texts(&mut self, heap: usize) {
        let text = self.text as u64;
        let entries = self.buffer.get_mut(HEADER_SIZE..heap).unwrap_or_default();
        let (entries, _) = entries.as_chunks_mut::<ENTRY_SIZE>();
        for bytes in entries {
            let mut raw: RawEntry = zerocopy::transmute!(*bytes);
            if raw.kind.get() == Kind::Text.raw() && raw.b.get() != 0 {
                raw.a = U64::new(text.saturating_sub(raw.a.get()));
                *bytes = zerocopy::transmute!(raw);
            }
        }
    }
}

/// A length or count in the header; the buffer is at most `u32::MAX` bytes.
fn length(value: usize) -> U32 {
    U32::new(u32::try_from(value).unwrap_or(u32::MAX))
}

fn copy(buffer: &mut [u8], at: usize, bytes: &[u8]) -> Result<(), BuildError> {
    let end = at.checked_add(bytes.len()).ok_or(BuildError::NoSpace)?;
    let target = buffer.get_mut(at..end).ok_or(BuildError::NoSpace)?;
    target.copy_from_slice(bytes);
    Ok(())
}
