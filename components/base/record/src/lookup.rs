// SPDX-License-Identifier: BSD-2-Clause
//! Reading a record.

use units::VcpuId;
use zerocopy::FromBytes;

use crate::crc::crc32;
use crate::entry::{ChannelEntry, ChildEntry, Entry, IrqEntry, RegionEntry, WindowEntry};
use crate::error::{EntryFault, LookupError, RecordError};
use crate::layout::{
    CRC_OFFSET, ENTRY_SIZE, HEADER_SIZE, Kind, MAGIC, RawEntry, RawHeader, VERSION_MAJOR,
};
use crate::role::Role;

/// A record whose every entry was checked.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    entries: &'a [RawEntry],
    heap: &'a [u8],
    minor: u16,
}

impl<'a> Record<'a> {
    /// Checks bytes that start with a record; what follows the record (page padding) is ignored.
    ///
    /// # Errors
    ///
    /// [`RecordError`] names the first thing that is wrong. No input panics.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, RecordError> {
        let (header, bytes) = check_header(bytes)?;
        let body = bytes.get(HEADER_SIZE..).unwrap_or_default();
        let count = header.entry_count.get() as usize;
        let split = count.checked_mul(ENTRY_SIZE);
        let Some((entries, heap)) = split.and_then(|at| body.split_at_checked(at)) else {
            return Err(truncated(&header, bytes.len()));
        };
        let Ok(entries) = <[RawEntry]>::ref_from_bytes_with_elems(entries, count) else {
            return Err(truncated(&header, bytes.len()));
        };
        for (index, raw) in entries.iter().enumerate() {
            check_entry(raw, heap).map_err(|fault| RecordError::BadEntry { index, fault })?;
        }
        Ok(Self {
            entries,
            heap,
            minor: header.minor.get(),
        })
    }

    /// Minor version of the record, which may be later than this reader's.
    #[must_use]
    pub const fn minor_version(&self) -> u16 {
        self.minor
    }

    /// All entries of known kind with their roles, in the order of the system description.
    #[must_use]
    pub fn entries(&self) -> Entries<'a> {
        Entries {
            raw: self.entries.iter(),
            heap: self.heap,
        }
    }

    /// All entries with `role`, in order: for roles that may occur several times.
    pub fn with_role(&self, role: &str) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let wanted = Role::new(role).ok();
        self.entries()
            .filter(move |(found, _)| wanted == Some(*found))
            .map(|(_, entry)| entry)
    }

    /// The region with `role`.
    ///
    /// # Errors
    ///
    /// [`LookupError`] unless exactly one entry has the role and it is a region.
    pub fn region(&self, role: &str) -> Result<RegionEntry, LookupError> {
        self.one(role, Kind::Region, |entry| match entry {
            Entry::Region(region) => Some(region),
            _ => None,
        })
    }

    /// The channel with `role`.
    ///
    /// # Errors
    ///
    /// [`LookupError`] unless exactly one entry has the role and it is a channel.
    pub fn channel(&self, role: &str) -> Result<ChannelEntry, LookupError> {
        self.one(role, Kind::Channel, |entry| match entry {
            Entry::Channel(channel) => Some(channel),
            _ => None,
        })
    }

    /// The interrupt with `role`.
    ///
    /// # Errors
    ///
    /// [`LookupError`] unless exactly one entry has the role and it is an interrupt.
    pub fn irq(&self, role: &str) -> Result<IrqEntry, LookupError> {
        self.one(role, Kind::Irq, |entry| match entry {
            Entry::Irq(irq) => Some(irq),
            _ => None,
        })
    }

    /// The child PD with `role`.
    ///
    /// # Errors
    ///
    /// [`LookupError`] unless exactly one entry has the role and it is a child.
    pub fn child(&self, role: &str) -> Result<ChildEntry, LookupError> {
        self.one(role, Kind::Child, |entry| match entry {
            Entry::Child(child) => Some(child),
            _ => None,
        })
    }

    /// The vCPU with `role`.
    ///
    /// # Errors
    ///
    /// [`LookupError`] unless exactly one entry has the role and it is a vCPU.
    pub fn vcpu(&self, role: &str) -> Result<VcpuId, LookupError> {
        self.one(role, Kind::Vcpu, |entry| match entry {
            Entry::Vcpu(id) => Some(id),
            _ => None,
        })
    }

    /// The number with `role`.
    ///
    /// # Errors
    ///
    /// [`LookupError`] unless exactly one entry has the role and it is a value.
    pub fn value(&self, role: &str) -> Result<u64, LookupError> {
        self.one(role, Kind::Value, |entry| match entry {
            Entry::Value(value) => Some(value),
            _ => None,
        })
    }

    /// The text with `role`.
    ///
    /// # Errors
    ///
    /// [`LookupError`] unless exactly one entry has the role and it is a text.
    pub fn text(&self, role: &str) -> Result<&'a str, LookupError> {
        self.one(role, Kind::Text, |entry| match entry {
            Entry::Text(text) => Some(text),
            _ => None,
        })
    }

    /// The window with `role`. A window may share its role with the region that maps it.
    ///
    /// # Errors
    ///
    /// [`LookupError`] unless exactly one window has the role.
    pub fn window(&self, role: &str) -> Result<WindowEntry, LookupError> {
        self.one(role, Kind::Window, |entry| match entry {
            Entry::Window(window) => Some(window),
            _ => None,
        })
    }

    /// Windows have roles of their own: they describe the memory of another entry as devices see it.
    fn one<T>(
        &self,
        role: &str,
        expected: Kind,
        pick: impl Fn(Entry<'a>) -> Option<T>,
    ) -> Result<T, LookupError> {
        let shown = Role::lossy(role);
        let of_kind =
            |entry: &Entry<'_>| (entry.kind() == Kind::Window) == (expected == Kind::Window);
        let mut matching = self.with_role(role).filter(of_kind);
        let Some(entry) = matching.next() else {
            return Err(self.absent(role, expected));
        };
        if matching.next().is_some() {
            return Err(LookupError::Ambiguous {
                role: shown,
                kind: expected,
            });
        }
        pick(entry).ok_or(LookupError::WrongKind {
            role: shown,
            expected,
            found: entry.kind(),
        })
    }

    /// Why nothing of the kind `expected` has `role`.
    fn absent(&self, role: &str, expected: Kind) -> LookupError {
        let shown = Role::lossy(role);
        match self.with_role(role).next() {
            Some(entry) => LookupError::WrongKind {
                role: shown,
                expected,
                found: entry.kind(),
            },
            None => LookupError::Missing {
                role: shown,
                kind: expected,
            },
        }
    }
}

/// Iterator over the entries of a record and their roles.
#[derive(Clone, Debug)]
pub struct Entries<'a> {
    raw: core::slice::Iter<'a, RawEntry>,
    heap: &'a [u8],
}

impl<'a> Iterator for Entries<'a> {
    type Item = (Role, Entry<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let heap = self.heap;
        self.raw.find_map(|raw| {
            // `parse` refused everything that does not decode; what is left are unknown kinds.
            let entry = Entry::decode(raw, heap).ok().flatten()?;
            Some((Role::from_padded(raw.role)?, entry))
        })
    }
}

/// Checks everything but the entries; answers the header and exactly the bytes of the record.
fn check_header(bytes: &[u8]) -> Result<(RawHeader, &[u8]), RecordError> {
    let Ok((header, _)) = RawHeader::read_from_prefix(bytes) else {
        return Err(RecordError::Truncated {
            needed: HEADER_SIZE as u64,
            found: bytes.len(),
        });
    };
    if header.magic.get() != MAGIC {
        return Err(RecordError::BadMagic(header.magic.get()));
    }
    if header.major.get() != VERSION_MAJOR {
        return Err(RecordError::UnsupportedVersion {
            major: header.major.get(),
            minor: header.minor.get(),
        });
    }
    let announced = header.total_len.get();
    let computed = HEADER_SIZE as u64
        + u64::from(header.entry_count.get()) * ENTRY_SIZE as u64
        + u64::from(header.text_len.get());
    if u64::from(announced) != computed {
        return Err(RecordError::InconsistentLength {
            announced,
            computed,
        });
    }
    let Some(record) = bytes.get(..announced as usize) else {
        return Err(truncated(&header, bytes.len()));
    };
    let (expected, computed) = (header.crc.get(), checksum(record));
    if expected != computed {
        return Err(RecordError::BadChecksum { expected, computed });
    }
    Ok((header, record))
}

fn truncated(header: &RawHeader, found: usize) -> RecordError {
    RecordError::Truncated {
        needed: u64::from(header.total_len.get()),
        found,
    }
}

fn check_entry(raw: &RawEntry, heap: &[u8]) -> Result<(), EntryFault> {
    if Kind::from_raw(raw.kind.get()).is_some() && Role::from_padded(raw.role).is_none() {
        return Err(EntryFault::Role);
    }
    Entry::decode(raw, heap).map(drop)
}

/// CRC-32 of a record without the checksum field itself.
pub(crate) fn checksum(record: &[u8]) -> u32 {
    let before = record.get(..CRC_OFFSET).unwrap_or_default();
    let after = record
        .get(CRC_OFFSET + size_of::<u32>()..)
        .unwrap_or_default();
    crc32(&[before, after])
}
