// SPDX-License-Identifier: BSD-2-Clause
//! The partition service over a disk whose table is arbitrary, with a driver and clients that lie.
//! No client reaches a sector of another's, memory of another's, or a table.

use blk::fake::FakeLink;
use blk::{Client, Features, Info, Op, Request, Segment, Server, Status, Taken};
use blk_partition::Partitions;
use pd::Handler;
use pd::fake::{FakeKernel, World};
use shm::{Region, Rw, Untrusted, fake};
use units::{ChannelId, ChannelSet};

use crate::memory::{bounded, lie};
use crate::script::Script;

const DRIVER: u64 = 1;
const CLIENTS: [u64; 2] = [2, 3];
/// Where devices see the table's buffer and the clients' memory.
const GPT: u64 = 0x4800_0000;
const GPT_SIZE: usize = 0x1000;
const RAMS: [u64; 2] = [0x4000_0000, 0x5000_0000];
const RAM_SIZE: u64 = 0x1_0000;
/// Blocks of the disk; of 512 bytes each.
const BLOCKS: u64 = 256;
const BLOCK: usize = 512;
/// Bytes of a header (UEFI 2.10, 5.3.2), of an entry, and their number.
const HEADER: usize = 92;
const ENTRY: usize = 128;
const ENTRIES: usize = 8;

/// The sectors that a client reached.
type Reached = Option<(u64, u64)>;

struct Bench {
    service: Partitions,
    kernel: FakeKernel,
    medium: Vec<u8>,
    gpt: Region<Rw>,
    driver: FakeLink,
    server: Server,
    links: [FakeLink; 2],
    clients: [Client; 2],
    world: World,
    reached: [Reached; 2],
}

fn sum(bytes: &[u8]) -> u32 {
    crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(bytes)
}

fn entry(label: &str, first: u64, last: u64) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    entry[0] = 1;
    entry[32..40].copy_from_slice(&first.to_le_bytes());
    entry[40..48].copy_from_slice(&last.to_le_bytes());
    for (at, unit) in label.encode_utf16().enumerate() {
        entry[56 + 2 * at..58 + 2 * at].copy_from_slice(&unit.to_le_bytes());
    }
    entry
}

/// Puts a copy of the table on the disk, spoilt as the script says, mostly with fitting checksums.
fn write_table(medium: &mut [u8], script: &mut Script<'_>, lba: u64, entries_lba: u64) {
    let mut entries = [[0; ENTRY]; ENTRIES];
    entries[1] = entry("beta", 104, 135);
    entries[3] = entry("alpha", 40, 103);
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(b"EFI PART");
    header[10] = 1;
    header[12] = 92;
    let fields = [
        (24, lba),
        (32, BLOCKS - lba),
        (40, 34),
        (48, BLOCKS - 34),
        (72, entries_lba),
    ];
    for (at, value) in fields {
        header[at..at + 8].copy_from_slice(&value.to_le_bytes());
    }
    header[80..84].copy_from_slice(&8_u32.to_le_bytes());
    header[84..88].copy_from_slice(&128_u32.to_le_bytes());
    let changes = script.byte();
    for _ in 2..changes & 3 {
        let at = script.below(ENTRIES * ENTRY / 8) * 8;
        let value = script.odd().to_le_bytes();
        entries[at / ENTRY][at % ENTRY..at % ENTRY + 8].copy_from_slice(&value);
    }
    if changes & 4 != 0 {
        let [number, first, len] = script.array();
        let first = 30 + u64::from(first % 160);
        let last = first.wrapping_add(u64::from(len)).wrapping_sub(2);
        match number % 4 {
            0 => entries[1] = entry("beta", first, last),
            1 => entries[3] = entry("alpha", first, last),
            2 => entries[5] = entry("alpha", first, last),
            _ => entries[7] = entry("other", first, last),
        }
    }
    let entries = entries.concat();
    header[88..92].copy_from_slice(&sum(&entries).to_le_bytes());
    for _ in 2..changes >> 4 & 3 {
        let at = script.below(HEADER / 4) * 4;
        let value = script.odd().to_le_bytes();
        header[at..at + 4].copy_from_slice(&value[..4]);
    }
    header[16..20].fill(0);
    let check = sum(&header);
    header[16..20].copy_from_slice(&check.to_le_bytes());
    if changes & 0xc0 == 0xc0 {
        header[script.below(HEADER)] ^= script.byte();
    }
    let at = usize::try_from(lba).unwrap_or(0) * BLOCK;
    medium[at..at + HEADER].copy_from_slice(&header);
    let at = usize::try_from(entries_lba).unwrap_or(0) * BLOCK;
    medium[at..at + entries.len()].copy_from_slice(&entries);
}

fn info() -> Info {
    Info {
        features: Features::FLUSH | Features::DISCARD | Features::WRITE_ZEROES,
        max_discard: 64,
        max_write_zeroes: 64,
        ..Info::new(BLOCKS, 512)
    }
}

#[expect(clippy::expect_used, reason = "test support")]
impl Bench {
    fn new(script: &mut Script<'_>) -> Self {
        let mut medium = vec![0; usize::try_from(BLOCKS).unwrap_or(0) * BLOCK];
        write_table(&mut medium, script, 1, 2);
        write_table(&mut medium, script, BLOCKS - 1, BLOCKS - 5);
        let channel = |id| ChannelId::new(id).expect("below 62");
        let driver = FakeLink::new(0x4000);
        let links = [FakeLink::new(0x1000), FakeLink::new(0x1000)];
        let gpt = fake::region(GPT_SIZE);
        let access = if script.chance(2) { "ro" } else { "rw" };
        let [a, b] = CLIENTS;
        let mut world = World::new();
        world
            .region_rw("driver.out", driver.client)
            .region_ro("driver.in", driver.server)
            .channel("driver", DRIVER)
            .region_rw("gpt", gpt)
            .dma("gpt", GPT, GPT_SIZE as u64)
            .text("client", "a")
            .region_rw("a.out", links[0].server)
            .region_ro("a.in", links[0].client)
            .channel("a", a)
            .dma("a.dma", RAMS[0], RAM_SIZE)
            .text("a.access", "rw")
            .text("a.partition", "alpha")
            .text("client", "b")
            .region_rw("b.out", links[1].server)
            .region_ro("b.in", links[1].client)
            .channel("b", b)
            .dma("b.dma", RAMS[1], RAM_SIZE)
            .text("b.access", access)
            .text("b.partition", "beta");
        let mut bench = Self {
            service: world.create().expect("the record is complete"),
            kernel: FakeKernel::new(),
            medium,
            gpt,
            driver,
            server: driver.server(channel(DRIVER)),
            clients: [0, 1].map(|index| links[index].client(channel(CLIENTS[index]))),
            links,
            world,
            reached: [None; 2],
        };
        bounded(|| bench.service.init(&mut bench.kernel));
        bench.server.start(info());
        bench.settle();
        bench
    }

    fn wake(&mut self, bits: u64) {
        let channels = ChannelSet::from_badge(bits);
        bounded(|| self.service.notified(&mut self.kernel, channels));
        let calls = self.kernel.take_calls().len();
        assert!(calls < 64, "{calls} kernel calls");
    }

    /// Service and driver run for a while.
    fn settle(&mut self) {
        for _ in 0..8 {
            self.wake(0b1110);
            self.drive();
        }
        self.wake(0b1110);
        for client in &mut self.clients {
            let _ = client.poll();
            let _ = client.completion();
        }
    }

    /// The driver does what it is asked, and looks at what that is.
    fn drive(&mut self) {
        let mut request = Request::new();
        let _ = self.server.poll();
        for _ in 0..64 {
            match self.server.take(&mut request) {
                Taken::Request => {
                    let status = self.execute(&request);
                    self.server.complete(request.id(), status);
                }
                Taken::Answered => {}
                Taken::Nothing | Taken::Blocked => break,
            }
        }
        let _ = self.server.wait_for_requests();
        self.server.flush(&mut FakeKernel::new());
    }

    fn execute(&mut self, request: &Request) -> Status {
        let (sector, sectors) = (request.sector(), request.sectors());
        let data = matches!(request.op(), Op::Read | Op::Write);
        let segments: Vec<Segment> = request.segments().map(Untrusted::unchecked).collect();
        let mut at = usize::try_from(sector)
            .unwrap_or(usize::MAX)
            .saturating_mul(BLOCK);
        for Segment { offset, len } in segments.iter().copied().filter(|_| data) {
            let end = offset.checked_add(len.into());
            let within =
                |base: u64, size: u64| offset >= base && end.is_some_and(|end| end <= base + size);
            let bytes = len as usize;
            if within(GPT, GPT_SIZE as u64) {
                assert_eq!(request.op(), Op::Read, "the table is written");
                let from = self.medium.get(at..at + bytes).expect("on the disk");
                let to = usize::try_from(offset - GPT).unwrap_or(usize::MAX);
                self.gpt.copy_out(to, from).expect("in the buffer");
            } else {
                let owner = RAMS.iter().position(|base| within(*base, RAM_SIZE));
                let owner = owner.expect("memory that is nobody's");
                self.reach(owner, sector, sectors);
            }
            at = at.saturating_add(bytes);
        }
        Status::Ok
    }

    /// Both clients' sectors are apart, and apart from the tables.
    fn reach(&mut self, owner: usize, sector: u64, sectors: u64) {
        let (first, last) = (sector, sector + sectors - 1);
        assert!(
            first >= 2 && last < BLOCKS - 1,
            "a table: {first} to {last}"
        );
        let (low, high) = self.reached[owner].unwrap_or((first, last));
        self.reached[owner] = Some((low.min(first), high.max(last)));
        if let [Some(a), Some(b)] = self.reached {
            assert!(a.1 < b.0 || b.1 < a.0, "partitions overlap: {a:?}, {b:?}");
        }
    }

    fn submit(&mut self, script: &mut Script<'_>) {
        let [which, kind, sector, count] = script.array();
        let client = &mut self.clients[usize::from(which & 1)];
        let sector = if kind & 0x80 == 0 {
            u64::from(sector & 0x3f)
        } else {
            script.odd()
        };
        let id = u32::from(which >> 1);
        let sent = match kind % 8 {
            0 => client.submit_range(id, Op::Flush, 0, 0),
            1 => client.submit_range(id, Op::Discard, sector, count.into()),
            2 => client.submit_range(id, Op::WriteZeroes { unmap: true }, sector, count.into()),
            kind => {
                let op = if kind & 1 == 0 { Op::Read } else { Op::Write };
                let base = if count & 0xc0 == 0xc0 {
                    script.odd()
                } else {
                    0
                };
                let segments = (0..1 + count % 4).map(|at| Segment {
                    offset: base.wrapping_add(u64::from(at) * 0x400),
                    len: 512,
                });
                client.submit_data(id, op, sector, segments)
            }
        };
        if sent.is_ok() {
            client.flush(&mut FakeKernel::new());
        }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.byte() % 16 {
            0 => {
                let regions = [self.links[0].client, self.links[1].client];
                lie(script, &regions);
            }
            1 => {
                lie(script, &[self.driver.server]);
                self.wake(0b1110);
            }
            2 => {
                self.service = self.world.create().expect("it was before");
                bounded(|| self.service.init(&mut self.kernel));
                self.kernel.take_calls();
            }
            3 => {
                // The driver restarts, with the same disk.
                let channel = ChannelId::new(DRIVER).expect("below 62");
                self.server = self.driver.server(channel);
                self.server.start(info());
            }
            4 => self.wake(script.long() >> 2),
            5 => self.drive(),
            6 => self.wake(0b1110),
            7 | 8 => self.settle(),
            _ => self.submit(script),
        }
    }
}

/// Uses a partitioned disk.
///
/// # Panics
/// If anybody gets away with anything.
pub fn run(bytes: &[u8]) {
    fake::scoped(|| {
        let mut script = Script::new(bytes);
        let mut bench = Bench::new(&mut script);
        while script.goes_on() {
            bench.step(&mut script);
        }
    });
}
