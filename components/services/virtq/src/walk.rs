// SPDX-License-Identifier: BSD-2-Clause
//! Following a descriptor chain: each descriptor is fetched once, and the number of descriptors
//! is bounded by the queue's size.

use guest_mem::GuestMem;
use shm::{Region, Rw};
use units::Gpa;
use virtio::queue::{DESCRIPTOR_SIZE, Descriptor, DescriptorFlags};

use crate::chain::{Chain, ChainError};
use crate::{Fault, MAX_SIZE};

/// A table of descriptors and its number of entries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Table {
    pub(crate) region: Region<Rw>,
    pub(crate) entries: u16,
}

impl Table {
    /// Fetches one descriptor.
    fn get(&self, index: u16) -> Result<Descriptor, Fault> {
        if index >= self.entries {
            return Err(Fault::Index);
        }
        let at = usize::from(index) * size_of::<Descriptor>();
        // The queue's own table is aligned, and so is any sensible driver's indirect one.
        let word = |at| self.region.load::<u64>(at);
        if let (Ok(low), Ok(high)) = (word(at), word(at + 8)) {
            return Ok(zerocopy::transmute!([low, high]));
        }
        self.region.read(at).map_err(|_| Fault::Index)
    }
}

/// What the walk needs to know of the queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) mem: GuestMem,
    pub(crate) table: Table,
    pub(crate) indirect: bool,
}

impl Rules {
    /// Collects the chain that starts at `head`. A fault ends the walk at once; an error is
    /// remembered, as only the end of the walk shows that the queue is sound.
    pub(crate) fn walk<const N: usize>(
        &self,
        head: u16,
        chain: &mut Chain<N>,
    ) -> Result<Result<(), ChainError>, Fault> {
        chain.start(head);
        let mut outcome = Ok(());
        let mut table = self.table;
        let mut index = head;
        let mut nested = false;
        let mut left = self.table.entries.min(MAX_SIZE);
        loop {
            let descriptor = table.get(index)?;
            let flags = DescriptorFlags::from_bits_truncate(descriptor.flags.get());
            if flags.contains(DescriptorFlags::INDIRECT) {
                // At most once, so the walk stays bounded.
                if nested || !self.indirect || flags.contains(DescriptorFlags::NEXT) {
                    return Err(Fault::Indirect);
                }
                // 2.7.5.3.2: the WRITE flag of the descriptor itself is ignored.
                table = self.indirect_table(&descriptor)?;
                (nested, index) = (true, 0);
                continue;
            }
            left = left.checked_sub(1).ok_or(Fault::TooLong)?;
            let writable = flags.contains(DescriptorFlags::WRITE);
            let added = chain.push(self.buffer(&descriptor), writable);
            outcome = outcome.and(added);
            if !flags.contains(DescriptorFlags::NEXT) {
                return Ok(outcome);
            }
            index = descriptor.next.get();
        }
    }

    fn buffer(&self, descriptor: &Descriptor) -> Result<Region<Rw>, ChainError> {
        let len = u64::from(descriptor.len.get());
        if len == 0 {
            return Err(ChainError::Empty);
        }
        let gpa = Gpa::new(descriptor.addr.get());
        self.mem.slice(gpa, len).map_err(|_| ChainError::Address)
    }

    /// 2.7.5.3: a table that the descriptor's buffer holds.
    fn indirect_table(&self, descriptor: &Descriptor) -> Result<Table, Fault> {
        let len = u64::from(descriptor.len.get());
        let entries = u16::try_from(len / DESCRIPTOR_SIZE).map_err(|_| Fault::Indirect)?;
        let whole = len.is_multiple_of(DESCRIPTOR_SIZE);
        // A table that is longer than the queue cannot be needed, and would not be bounded.
        if entries == 0 || !whole || entries > self.table.entries {
            return Err(Fault::Indirect);
        }
        let gpa = Gpa::new(descriptor.addr.get());
        let region = self.mem.slice(gpa, len).map_err(|_| Fault::Indirect)?;
        Ok(Table { region, entries })
    }
}
