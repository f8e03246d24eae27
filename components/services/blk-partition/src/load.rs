// SPDX-License-Identifier: BSD-2-Clause
//! Reading the partition table through the buffer of this service: the first copy, or else the last.

use blk::{Info, SECTOR_SIZE, Status};
use shm::{Region, Rw};

use crate::gpt::{GptError, HEADER_MOST, Header, Label, PIECE, Scan, Table};

/// What is to be done next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Read `bytes` bytes from `sector` on to the front of the buffer.
    Read {
        /// First sector.
        sector: u64,
        /// Whole blocks.
        bytes: u32,
    },
    /// A copy is unusable, the next one is tried.
    Refused {
        /// First sector of its header.
        sector: u64,
        /// Why; `None` if it could not be read.
        error: Option<GptError>,
    },
    /// The table is complete: see [`Load::table`].
    Ready,
    /// No copy is usable.
    Failed,
}

/// Which copy is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Copy {
    First,
    Last,
}

/// A table that is being read.
#[derive(Debug)]
pub(crate) struct Load {
    disk: Info,
    copy: Copy,
    /// The entries of the copy, after its header was believed.
    scan: Option<Scan>,
    /// Nothing is left to be tried.
    over: bool,
    table: Option<Table>,
    /// Bytes of the latest read.
    asked: u32,
}

impl Load {
    /// Begins to read the table of a disk.
    pub(crate) const fn new(disk: Info) -> Self {
        Self {
            disk,
            copy: Copy::First,
            scan: None,
            over: false,
            table: None,
            asked: 0,
        }
    }

    fn header_lba(&self) -> u64 {
        let blocks = self.disk.capacity / self.disk.block_sectors();
        match self.copy {
            Copy::First => 1,
            Copy::Last => blocks.saturating_sub(1),
        }
    }

    fn read(&mut self, lba: u64, bytes: u64) -> Step {
        self.asked = u32::try_from(bytes).unwrap_or(0);
        Step::Read {
            sector: lba.saturating_mul(self.disk.block_sectors()),
            bytes: self.asked,
        }
    }

    /// The first step, and the one after [`Step::Refused`].
    pub(crate) fn next(&mut self) -> Step {
        if self.over {
            return Step::Failed;
        }
        self.read(self.header_lba(), self.disk.block_size.into())
    }

    /// The step after a read ended.
    pub(crate) fn ended(&mut self, status: Status, buffer: &Region<Rw>, labels: &[Label]) -> Step {
        if self.over || self.table.is_some() {
            return Step::Failed;
        }
        if status != Status::Ok {
            return self.refuse(None);
        }
        match self.scan.take() {
            None => self.header(buffer),
            Some(scan) => self.entries(scan, buffer, labels),
        }
    }

    /// The table, after [`Step::Ready`].
    pub(crate) const fn table(&self) -> Option<&Table> {
        self.table.as_ref()
    }

    /// The copy is unusable; goes on to the other one, if there is any.
    fn refuse(&mut self, error: Option<GptError>) -> Step {
        let sector = self.header_lba().saturating_mul(self.disk.block_sectors());
        self.scan = None;
        self.over = self.copy == Copy::Last;
        self.copy = Copy::Last;
        Step::Refused { sector, error }
    }

    fn header(&mut self, buffer: &Region<Rw>) -> Step {
        let mut bytes = [0; HEADER_MOST];
        // The buffer holds at least a block, and a block at least this much.
        let fetched = buffer.copy_in(0, &mut bytes);
        let lba = self.header_lba();
        let parsed = fetched
            .map_err(|_| GptError::HeaderSize)
            .and_then(|()| Header::parse(&bytes, lba, &self.disk));
        match parsed {
            Ok(header) => self.more(Scan::new(header), buffer),
            Err(error) => self.refuse(Some(error)),
        }
    }

    /// Reads as many entries as the buffer holds.
    fn more(&mut self, scan: Scan, buffer: &Region<Rw>) -> Step {
        let block = u64::from(self.disk.block_size);
        let room = (buffer.len() as u64).min(self.disk.max_segment_size.into());
        let (lba, left) = scan.rest(&self.disk);
        let bytes = left.next_multiple_of(block).min(room - room % block);
        self.scan = Some(scan);
        self.read(lba, bytes)
    }

    fn entries(&mut self, mut scan: Scan, buffer: &Region<Rw>, labels: &[Label]) -> Step {
        let (_, left) = scan.rest(&self.disk);
        let there = u64::from(self.asked).min(left);
        let mut piece = [0; PIECE];
        for at in (0..there).step_by(PIECE) {
            let at = usize::try_from(at).unwrap_or(usize::MAX);
            if buffer.copy_in(at, &mut piece).is_err() {
                return self.refuse(None);
            }
            scan.piece(&piece, labels);
        }
        if left > there {
            return self.more(scan, buffer);
        }
        match scan.finish(&self.disk) {
            Ok(table) => {
                self.table = Some(table);
                Step::Ready
            }
            Err(error) => self.refuse(Some(error)),
        }
    }

    /// Whether a buffer of `bytes` bytes is enough to read the table of a disk.
    pub(crate) const fn fits(disk: &Info, bytes: usize) -> bool {
        disk.block_size as usize <= bytes && disk.block_sectors() * SECTOR_SIZE >= PIECE as u64
    }
}
