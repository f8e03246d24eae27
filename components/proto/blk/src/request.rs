// SPDX-License-Identifier: BSD-2-Clause
//! Requests as their two ends see them.

use heapless::Vec;
use shm::Untrusted;

use crate::info::{Features, Info};
use crate::{MAX_SEGMENTS, SECTOR_SIZE};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// From the disk to memory.
    Read,
    /// From memory to the disk.
    Write,
    /// Everything whose completion was sent before this was submitted becomes stable.
    Flush,
    /// The contents of a range are of no interest any more.
    Discard,
    /// A range reads as zeroes from now on.
    WriteZeroes {
        /// The blocks may be released.
        unmap: bool,
    },
}

impl Op {
    /// Whether the operation moves data between memory and disk.
    #[must_use]
    pub const fn has_data(self) -> bool {
        matches!(self, Self::Read | Self::Write)
    }

    /// Whether the operation changes the disk.
    #[must_use]
    pub const fn writes(self) -> bool {
        !matches!(self, Self::Read | Self::Flush)
    }
}

/// Memory that a request reads or writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Where it begins: an offset in the client's DMA window, or, between partition service and
    /// driver, a physical address.
    pub offset: u64,
    /// Its bytes, at least one.
    pub len: u32,
}

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Status {
    /// The device said that it is done.
    Ok = 0,
    /// It failed; for a write, the contents of the range are unknown.
    IoError = 1,
    /// The disk does not do such things.
    Unsupported = 2,
}

impl Status {
    /// Any number that is none is an error.
    pub(crate) const fn from_raw(raw: u16) -> Self {
        match raw {
            0 => Self::Ok,
            2 => Self::Unsupported,
            _ => Self::IoError,
        }
    }
}

/// A request as a server took it: on the disk, of a kind that it does, with sizes that it accepts.
/// Only where the segments point to is still to be checked.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) id: u32,
    pub(crate) op: Op,
    pub(crate) sector: u64,
    pub(crate) sectors: u64,
    pub(crate) segments: Vec<Segment, MAX_SEGMENTS>,
}

impl Default for Request {
    fn default() -> Self {
        Self::new()
    }
}

impl Request {
    /// Room for a request, to be filled by [`Server::take`](crate::Server::take).
    #[must_use]
    pub const fn new() -> Self {
        Self {
            id: 0,
            op: Op::Flush,
            sector: 0,
            sectors: 0,
            segments: Vec::new(),
        }
    }

    /// The client's cookie: any value, to be echoed and not to be used as an index.
    #[must_use]
    pub const fn id(&self) -> u32 {
        self.id
    }

    /// What is to be done.
    #[must_use]
    pub const fn op(&self) -> Op {
        self.op
    }

    /// First sector; 0 for a flush.
    #[must_use]
    pub const fn sector(&self) -> u64 {
        self.sector
    }

    /// Number of sectors; 0 for a flush.
    #[must_use]
    pub const fn sectors(&self) -> u64 {
        self.sectors
    }

    /// The memory, as the client names it: neither offset nor end has been checked. The lengths add
    /// up to [`Request::sectors`].
    pub fn segments(&self) -> impl ExactSizeIterator<Item = Untrusted<Segment>> + Clone {
        self.segments.iter().copied().map(Untrusted::new)
    }

    /// Begins to fill the buffer anew.
    pub(crate) fn restart(&mut self, id: u32, sector: u64) {
        (self.id, self.sector, self.sectors) = (id, sector, 0);
        self.segments.clear();
    }

    /// Checks what was fetched against the disk; on success the number of sectors is known.
    /// `range` is the number of sectors of an operation without data.
    pub(crate) fn check(&mut self, op: Op, info: &Info, range: u64) -> Result<(), Status> {
        self.op = op;
        if !op.has_data() {
            self.segments.clear();
        }
        if !info.supports(op) {
            return Err(Status::Unsupported);
        }
        if op.writes() && info.features.contains(Features::READ_ONLY) {
            return Err(Status::IoError);
        }
        let limit = match op {
            Op::Flush => {
                (self.sector, self.sectors) = (0, 0);
                return Ok(());
            }
            Op::Read | Op::Write => u64::MAX,
            Op::Discard => info.max_discard.into(),
            Op::WriteZeroes { .. } => info.max_write_zeroes.into(),
        };
        self.sectors = if op.has_data() {
            self.data_sectors(info)?
        } else {
            range
        };
        if self.sectors > limit || !info.contains(self.sector, self.sectors) {
            return Err(Status::IoError);
        }
        Ok(())
    }

    /// Sectors of all segments together.
    fn data_sectors(&self, info: &Info) -> Result<u64, Status> {
        if self.segments.len() > usize::from(info.max_segments) {
            return Err(Status::IoError);
        }
        let mut bytes = 0_u64;
        for segment in &self.segments {
            if segment.len == 0 || segment.len > info.max_segment_size {
                return Err(Status::IoError);
            }
            // At most 126 lengths of 32 bits.
            bytes += u64::from(segment.len);
        }
        if !bytes.is_multiple_of(SECTOR_SIZE) {
            return Err(Status::IoError);
        }
        Ok(bytes / SECTOR_SIZE)
    }
}
