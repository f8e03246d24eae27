// SPDX-License-Identifier: BSD-2-Clause
//! A driver with a disk in memory, and tables to put on it.

use blk::fake::FakeLink;
use blk::{Features, Info, Op, Request, Segment, Server, Status, Taken};
use bytemuck::{Zeroable, bytes_of};
use gpt_disk_types::{
    Crc32, GptHeader, GptPartitionEntry, GptPartitionName, GptPartitionType, LbaLe, U32Le,
};
use pd::fake::FakeKernel;
use shm::{Region, Rw, Untrusted, fake};

use super::{DRIVER, channel};

pub(super) const A_RAM: u64 = 0x4000_0000;
pub(super) const B_RAM: u64 = 0x5000_0000;
pub(super) const GPT: u64 = 0x4800_0000;
pub(super) const RAM_SIZE: usize = 0x1_0000;

/// Blocks of the disk, of the entries of a table, and where the partitions are.
pub(super) const BLOCKS: u64 = 256;
pub(super) const ALPHA: (u64, u64) = (40, 103);
pub(super) const BETA: (u64, u64) = (104, 135);

/// Where a table and its parts are, to be spoilt by tests.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) header: GptHeader,
    pub(super) entries: Vec<GptPartitionEntry>,
    /// The checksums are made to fit.
    pub(super) sealed: bool,
}

fn name(label: &str) -> GptPartitionName {
    let mut name = GptPartitionName([0; 72]);
    for (at, unit) in label.encode_utf16().enumerate() {
        name.0[2 * at..2 * at + 2].copy_from_slice(&unit.to_le_bytes());
    }
    name
}

pub(super) fn entry(label: &str, (first, last): (u64, u64)) -> GptPartitionEntry {
    GptPartitionEntry {
        partition_type_guid: GptPartitionType::BASIC_DATA,
        starting_lba: LbaLe::from_u64(first),
        ending_lba: LbaLe::from_u64(last),
        name: name(label),
        ..GptPartitionEntry::zeroed()
    }
}

impl Table {
    /// Sixteen entries, as few as make the table small, two of them in use.
    pub(super) fn good() -> Self {
        let mut entries = vec![GptPartitionEntry::zeroed(); 16];
        entries[1] = entry("beta", BETA);
        entries[3] = entry("alpha", ALPHA);
        entries[4] = entry("other", (200, 210));
        let header = GptHeader {
            first_usable_lba: LbaLe::from_u64(34),
            last_usable_lba: LbaLe::from_u64(BLOCKS - 34),
            number_of_partition_entries: U32Le::from_u32(16),
            ..GptHeader::default()
        };
        Self {
            header,
            entries,
            sealed: true,
        }
    }

    /// Writes the copy whose header is in block `lba`, with its entries from `entries_lba` on unless
    /// the test put them elsewhere.
    fn write(&self, medium: &mut [u8], block: usize, lba: u64, entries_lba: u64) {
        let mut header = self.header;
        let bytes: Vec<u8> = self
            .entries
            .iter()
            .flat_map(|e| bytes_of(e).to_vec())
            .collect();
        if self.sealed {
            header.my_lba = LbaLe::from_u64(lba);
            if header.partition_entry_lba.to_u64() == 0 {
                header.partition_entry_lba = LbaLe::from_u64(entries_lba);
            }
            let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&bytes);
            header.partition_entry_array_crc32 = Crc32(U32Le::from_u32(sum));
        }
        header.update_header_crc32();
        let at = usize::try_from(lba).unwrap() * block;
        medium[at..at + 92].copy_from_slice(bytes_of(&header));
        let at = usize::try_from(entries_lba).unwrap() * block;
        medium[at..at + bytes.len()].copy_from_slice(&bytes);
    }
}

/// A request that the driver took.
type Waiting = (u32, (Op, u64, u64), Vec<Segment>);

pub(super) struct Disk {
    pub(super) medium: Vec<u8>,
    pub(super) gpt: Region<Rw>,
    pub(super) waiting: Vec<Waiting>,
    pub(super) flushes: usize,
    block: u32,
    ram: [Region<Rw>; 2],
    server: Option<Server>,
    kernel: FakeKernel,
}

impl Disk {
    pub(super) fn new(block: u32) -> Self {
        let table = Table::good();
        Self::with(block, Some(&table), Some(&table))
    }

    /// A disk with these copies of the table, each sector marked with its number.
    pub(super) fn with(block: u32, first: Option<&Table>, last: Option<&Table>) -> Self {
        let bytes = block as usize;
        let mut medium = vec![0; usize::try_from(BLOCKS).unwrap() * bytes];
        for (number, sector) in medium.chunks_mut(512).enumerate() {
            sector.fill(number.to_le_bytes()[0] ^ 0x80);
        }
        for lba in [1, BLOCKS - 1] {
            let at = usize::try_from(lba).unwrap() * bytes;
            medium[at..at + bytes].fill(0);
        }
        if let Some(table) = first {
            table.write(&mut medium, bytes, 1, 2);
        }
        if let Some(table) = last {
            table.write(&mut medium, bytes, BLOCKS - 1, BLOCKS - 5);
        }
        Self {
            medium,
            gpt: fake::region(0x1000),
            waiting: Vec::new(),
            flushes: 0,
            block,
            ram: [fake::region(RAM_SIZE), fake::region(RAM_SIZE)],
            server: None,
            kernel: FakeKernel::new(),
        }
    }

    /// Byte at which the partition `alpha` begins.
    pub(super) fn alpha(&self) -> usize {
        usize::try_from(ALPHA.0).unwrap() * self.block as usize
    }

    pub(super) fn ram(&self, base: u64) -> Region<Rw> {
        self.ram[usize::from(base == B_RAM)]
    }

    fn info(&self) -> Info {
        Info {
            features: Features::FLUSH | Features::DISCARD | Features::WRITE_ZEROES,
            max_discard: 64,
            max_write_zeroes: 64,
            ..Info::new(self.medium.len() as u64 / 512, self.block)
        }
    }

    /// The driver starts, again after a restart, which resets the device.
    pub(super) fn start(&mut self, link: &FakeLink) {
        let mut server = link.server(channel(DRIVER));
        server.start(self.info());
        self.waiting.clear();
        self.server = Some(server);
    }

    /// The driver says that there is no disk.
    pub(super) fn stop(&mut self) {
        self.waiting.clear();
        self.server.as_mut().unwrap().stop();
    }

    pub(super) fn poll(&mut self) {
        self.server.as_mut().unwrap().poll();
    }

    /// Takes all requests.
    pub(super) fn fetch(&mut self) {
        let server = self.server.as_mut().unwrap();
        let mut request = Request::new();
        let _ = server.poll();
        loop {
            match server.take(&mut request) {
                Taken::Request => {
                    let segments = request.segments().map(Untrusted::unchecked).collect();
                    let what = (request.op(), request.sector(), request.sectors());
                    self.waiting.push((request.id(), what, segments));
                }
                Taken::Answered => {}
                Taken::Nothing | Taken::Blocked => break,
            }
        }
        let _ = server.wait_for_requests();
        server.flush(&mut self.kernel);
    }

    /// Executes and ends the `index`th request.
    pub(super) fn finish(&mut self, index: usize) {
        let (id, (op, sector, sectors), segments) = self.waiting.remove(index);
        let start = usize::try_from(sector).unwrap() * 512;
        let len = usize::try_from(sectors).unwrap() * 512;
        match op {
            Op::Flush => self.flushes += 1,
            Op::Discard | Op::WriteZeroes { .. } => self.medium[start..start + len].fill(0),
            Op::Read | Op::Write => self.transfer(op, start, &segments),
        }
        self.server.as_mut().unwrap().complete(id, Status::Ok);
    }

    fn transfer(&mut self, op: Op, mut at: usize, segments: &[Segment]) {
        for segment in segments {
            let len = segment.len as usize;
            let part = self.memory(segment.offset, len);
            let medium = &mut self.medium[at..at + len];
            match op {
                Op::Read => part.copy_out(0, medium).unwrap(),
                _ => part.copy_in(0, medium).unwrap(),
            }
            at += len;
        }
    }

    /// DMA: to what was offered, or the test fails.
    fn memory(&self, paddr: u64, len: usize) -> Region<Rw> {
        let places = [(A_RAM, self.ram[0]), (B_RAM, self.ram[1]), (GPT, self.gpt)];
        let find = |(base, region): &(u64, Region<Rw>)| {
            region
                .sub(usize::try_from(paddr.checked_sub(*base)?).ok()?, len)
                .ok()
        };
        let found = places.iter().find_map(find);
        found.unwrap_or_else(|| panic!("DMA to {paddr:#x}"))
    }

    /// Ends what was never submitted.
    pub(super) fn complete(&mut self, id: u32) {
        self.server.as_mut().unwrap().complete(id, Status::Ok);
        self.flush();
    }

    pub(super) fn flush(&mut self) {
        self.server.as_mut().unwrap().flush(&mut self.kernel);
    }

    /// Takes and ends everything.
    pub(super) fn run(&mut self) {
        if self.server.is_none() {
            return;
        }
        self.fetch();
        while !self.waiting.is_empty() {
            self.finish(0);
        }
        self.flush();
    }
}
