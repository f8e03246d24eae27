// SPDX-License-Identifier: BSD-2-Clause
//! Requests, answers and the device's description; tests named after VIRTIO 1.3 and the cases of
//! hostile-guest.md. The backend as a whole, with drivers and a disk, is tested in `tests/guest-io`.

use blk::{Features as Can, Info, Op, Segment};
use guest_mem::GuestMem;
use proptest::prelude::*;
use shm::{Region, Rw, fake};
use units::Gpa;
use vio::{Backend, Offer, QueueConfig};
use virtio::blk::{Features, Header, Range, Status};
use virtio::queue::Descriptor;
use virtq::{Chain, Popped, Queue, Setup};
use zerocopy::IntoBytes;

use crate::disk::{CHAIN_MAX, config, offer, writeback};
use crate::pending::{Completed, Entry, Pending};
use crate::request::{Parsed, Request, Rules, Segments, gather, parse};

const RAM: u64 = 0x4000_0000;
const RAM_SIZE: usize = 0x10_0000;
/// Where buffers are, each on a page of its own.
const DATA: usize = 0x1_0000;

fn info() -> Info {
    Info {
        features: Can::FLUSH | Can::DISCARD | Can::WRITE_ZEROES | Can::UNMAP,
        max_discard: 64,
        max_write_zeroes: 32,
        ..Info::new(1000, 512)
    }
}

fn all() -> Features {
    Features::FLUSH | Features::CONFIG_WCE | Features::DISCARD | Features::WRITE_ZEROES
}

/// Guest memory with one chain in it.
struct Guest {
    ram: Region<Rw>,
    chain: Chain<CHAIN_MAX>,
}

impl Guest {
    /// A chain of buffers that hold `readable`, then of buffers with the lengths of `writable`.
    /// Consecutive buffers of `packed` lie back to back.
    fn new(readable: &[&[u8]], writable: &[usize], packed: bool) -> Self {
        let ram = fake::region(RAM_SIZE);
        let mem = GuestMem::new().with(Gpa::new(RAM), ram).unwrap();
        let offer = offer(&info());
        let backend = Backend::new(
            fake::region(0x1000).read_only(),
            fake::region(0x1000),
            Offer { ..offer },
            &[],
        )
        .unwrap();
        let config = QueueConfig {
            size: 128,
            ready: true,
            desc: RAM,
            driver: RAM + 0x1000,
            device: RAM + 0x2000,
        };
        let mut queue = Queue::new(Setup {
            mem: &mem,
            config,
            event_idx: false,
            indirect: false,
            inflight: backend.inflight(0, 128).unwrap(),
        })
        .unwrap();
        let lens = readable.iter().map(|bytes| bytes.len());
        let lens: Vec<usize> = lens.chain(writable.iter().copied()).collect();
        let mut at = DATA;
        for (index, len) in lens.iter().enumerate() {
            if let Some(bytes) = readable.get(index) {
                ram.copy_out(at, bytes).unwrap();
            }
            let write = if index >= readable.len() { 2 } else { 0 };
            let next = u16::from(index + 1 < lens.len());
            let descriptor = Descriptor {
                addr: (RAM + at as u64).into(),
                len: u32::try_from(*len).unwrap().into(),
                flags: (write | next).into(),
                next: u16::try_from(index + 1).unwrap().into(),
            };
            ram.write(index * 16, &descriptor).unwrap();
            at += if packed { *len } else { 0x2000 };
        }
        ram.store(0x1002, 1_u16).unwrap();
        let mut chain = Chain::new();
        assert_eq!(queue.pop(&mut chain), Ok(Popped::Chain));
        Self { ram, chain }
    }

    fn parse(&self, info: &Info, negotiated: Features) -> Option<Parsed<'_>> {
        parse(&self.chain, &Rules { info, negotiated })
    }
}

fn header(kind: u32, sector: u64) -> Header {
    Header {
        request_type: kind.into(),
        reserved: 7.into(),
        sector: sector.into(),
    }
}

/// The status with which a request is refused; `None` if it goes on.
fn refusal(info: &Info, kind: u32, sector: u64, out: &[u8], writable: &[usize]) -> Option<Status> {
    let header = header(kind, sector);
    let readable: &[&[u8]] = if out.is_empty() {
        &[header.as_bytes()]
    } else {
        &[header.as_bytes(), out]
    };
    let guest = Guest::new(readable, writable, false);
    guest.parse(info, all()).unwrap().body.err()
}

#[test]
fn clause_5_2_6_a_read_is_header_data_status() {
    let guest = Guest::new(&[header(0, 5).as_bytes()], &[1024, 1], false);
    let info = info();
    let parsed = guest.parse(&info, all()).unwrap();
    let Ok(Request::Data {
        op: Op::Read,
        sector: 5,
        data,
        bytes: 1024,
    }) = parsed.body
    else {
        panic!("{parsed:?}");
    };
    let mut segments = Segments::new();
    gather(data, 1024, guest.ram.address(), &info, &mut segments).unwrap();
    let expected = Segment {
        offset: DATA as u64 + 0x2000,
        len: 1024,
    };
    assert_eq!(segments[..], [expected]);
    assert_eq!(parsed.entry.end(Status::Ok), 1025);
    assert_eq!(guest.ram.load::<u8>(DATA + 0x4000), Ok(0));
    assert_eq!(parsed.entry.end(Status::IoErr), 0, "the data comes first");
    assert_eq!(guest.ram.load::<u8>(DATA + 0x4000), Ok(1));
}

#[test]
fn clause_2_7_4_the_driver_s_framing_has_no_meaning() {
    // The header byte by byte, its last one together with the data.
    let wire = header(1, 3);
    let mut bytes = wire.as_bytes().to_vec();
    bytes.extend([0xab; 512]);
    let (head, rest) = bytes.split_at(15);
    let mut readable: Vec<&[u8]> = head.chunks(1).collect();
    let (first, second) = rest.split_at(101);
    readable.extend([first, second]);
    let guest = Guest::new(&readable, &[1], false);
    let info = info();
    let parsed = guest.parse(&info, all()).unwrap();
    let Ok(Request::Data {
        op: Op::Write,
        sector: 3,
        data,
        bytes: 512,
    }) = parsed.body
    else {
        panic!("{parsed:?}");
    };
    let mut segments = Segments::new();
    gather(data, 512, guest.ram.address(), &info, &mut segments).unwrap();
    let lens: Vec<u32> = segments.iter().map(|segment| segment.len).collect();
    assert_eq!(lens, [100, 412]);
    assert_eq!(segments[0].offset, DATA as u64 + 15 * 0x2000 + 1);
    assert_eq!(parsed.entry.end(Status::IoErr), 1, "the status is all");
    // The status behind the data in one buffer.
    let guest = Guest::new(&[header(0, 0).as_bytes()], &[513], false);
    let parsed = guest.parse(&info, all()).unwrap();
    assert!(matches!(parsed.body, Ok(Request::Data { bytes: 512, .. })));
    assert_eq!(parsed.entry.end(Status::Unsupp), 0);
    assert_eq!(guest.ram.load::<u8>(DATA + 0x2000 + 512), Ok(2));
}

#[test]
fn h34_without_a_byte_for_the_status_there_is_no_request() {
    let guest = Guest::new(&[header(0, 0).as_bytes(), &[0; 512]], &[], false);
    assert!(guest.parse(&info(), all()).is_none());
}

#[test]
fn h34_a_short_header_is_an_error() {
    let wire = header(8, 0);
    let guest = Guest::new(&[&wire.as_bytes()[..15]], &[21], false);
    let parsed = guest.parse(&info(), all()).unwrap();
    assert_eq!(parsed.body.unwrap_err(), Status::IoErr);
    let guest = Guest::new(&[], &[21], false);
    let parsed = guest.parse(&info(), all()).unwrap();
    assert_eq!(parsed.body.unwrap_err(), Status::IoErr);
}

#[test]
fn h34_sectors_beyond_the_disk() {
    let error = Some(Status::IoErr);
    for (sector, len, refused) in [
        (999, 512, None),
        (998, 1024, None),
        (999, 1024, error),
        (1000, 512, error),
        (u64::MAX, 512, error),
        (u64::MAX - 1, 1024, error),
        (1 << 55, 512, error),
        (0, 511, error),
        (0, 513, error),
        (0, 1, error),
    ] {
        let what = format!("{sector} {len}");
        assert_eq!(
            refusal(&info(), 0, sector, &[], &[len, 1]),
            refused,
            "read {what}"
        );
        let out = vec![0; len];
        assert_eq!(
            refusal(&info(), 1, sector, &out, &[1]),
            refused,
            "write {what}"
        );
    }
    assert_eq!(refusal(&info(), 0, 0, &[], &[1]), error, "no data to read");
    assert_eq!(refusal(&info(), 1, 0, &[], &[1]), error, "no data to write");
}

#[test]
fn h34_blocks_of_4096_bytes_are_read_and_written_whole() {
    let info = Info {
        features: info().features,
        max_discard: 64,
        ..Info::new(1000, 4096)
    };
    let error = Some(Status::IoErr);
    assert_eq!(refusal(&info, 0, 8, &[], &[4096, 1]), None);
    assert_eq!(refusal(&info, 0, 4, &[], &[4096, 1]), error);
    assert_eq!(refusal(&info, 0, 8, &[], &[2048, 1]), error);
    assert_eq!(refusal(&info, 1, 8, &[0; 512], &[1]), error);
}

#[test]
fn h34_unknown_types_are_unsupported() {
    let known = [0, 1, 4, 8, 11, 13];
    for kind in (0..40).chain([0x8000_0000, 0x8000_0001, u32::MAX]) {
        if !known.contains(&kind) {
            let refused = refusal(&info(), kind, 0, &[0; 16], &[1]);
            assert_eq!(refused, Some(Status::Unsupp), "{kind:#x}");
        }
    }
}

#[test]
fn clause_5_2_6_2_a_read_only_disk_is_not_written() {
    let info = Info {
        features: info().features | Can::READ_ONLY,
        ..info()
    };
    let range = Range {
        num_sectors: 1.into(),
        ..Range::default()
    };
    let error = Some(Status::IoErr);
    assert_eq!(refusal(&info, 1, 0, &[0; 512], &[1]), error);
    assert_eq!(refusal(&info, 11, 0, range.as_bytes(), &[1]), error);
    assert_eq!(refusal(&info, 13, 0, range.as_bytes(), &[1]), error);
    assert_eq!(refusal(&info, 0, 0, &[], &[512, 1]), None);
    assert_eq!(refusal(&info, 4, 0, &[], &[1]), None);
}

#[test]
fn h34_ranges_of_discard_and_write_zeroes() {
    let range = |sector: u64, sectors: u32, flags: u32| Range {
        sector: sector.into(),
        num_sectors: sectors.into(),
        flags: flags.into(),
    };
    let (error, unsupported) = (Some(Status::IoErr), Some(Status::Unsupp));
    for (sector, sectors, flags, discard, zeroes) in [
        (0, 1, 0, None, None),
        (968, 32, 0, None, None),
        (0, 33, 0, None, error),
        (0, 64, 0, None, error),
        (0, 65, 0, error, error),
        (969, 32, 0, error, error),
        (u64::MAX, 1, 0, error, error),
        (0, u32::MAX, 0, error, error),
        (0, 0, 0, error, error),
        (0, 1, 1, unsupported, None),
        (0, 1, 2, unsupported, unsupported),
        (0, 1, 3, unsupported, unsupported),
        (0, 1, u32::MAX, unsupported, unsupported),
        (5000, 1, 2, unsupported, unsupported),
    ] {
        let range = range(sector, sectors, flags);
        let bytes = range.as_bytes();
        assert_eq!(refusal(&info(), 11, 9, bytes, &[1]), discard, "{range:?}");
        assert_eq!(refusal(&info(), 13, 9, bytes, &[1]), zeroes, "{range:?}");
    }
    for len in [0, 8, 15, 17, 32] {
        assert_eq!(refusal(&info(), 11, 0, &vec![0; len], &[1]), error, "{len}");
        assert_eq!(refusal(&info(), 13, 0, &vec![0; len], &[1]), error, "{len}");
    }
    let guest = Guest::new(
        &[header(13, 0).as_bytes(), range(4, 8, 1).as_bytes()],
        &[1],
        false,
    );
    let unmap = |info: &Info| {
        let parsed = guest.parse(info, all()).unwrap();
        let Ok(Request::Range {
            op: Op::WriteZeroes { unmap },
            sector: 4,
            sectors: 8,
        }) = parsed.body
        else {
            panic!("{parsed:?}");
        };
        unmap
    };
    assert!(unmap(&info()));
    let kept = Info {
        features: Can::WRITE_ZEROES,
        ..info()
    };
    assert!(!unmap(&kept), "the disk cannot");
    let parsed = guest.parse(&info(), Features::FLUSH).unwrap();
    assert_eq!(parsed.body.unwrap_err(), Status::Unsupp, "not negotiated");
}

#[test]
fn clause_5_2_6_get_id_gets_at_most_20_bytes() {
    for (room, bytes, written) in [(20, 20, 21), (5, 5, 6), (0, 0, 1), (30, 20, 20)] {
        let writable: &[usize] = if room == 0 { &[1] } else { &[room, 1] };
        let guest = Guest::new(&[header(8, 0).as_bytes()], writable, false);
        let parsed = guest.parse(&info(), all()).unwrap();
        let Ok(Request::Identify { bytes: found, .. }) = parsed.body else {
            panic!("{parsed:?}");
        };
        assert_eq!((found, parsed.entry.written), (bytes, written), "{room}");
    }
}

#[test]
fn neighbours_become_one_segment_up_to_the_largest() {
    let lens = [512, 512, 1024, 2048];
    let mut writable = lens.to_vec();
    writable.push(1);
    let gathered = |info: &Info, packed| {
        let guest = Guest::new(&[header(0, 0).as_bytes()], &writable, packed);
        let mut into = Segments::new();
        let bytes = lens.iter().sum();
        gather(
            guest.chain.writer(),
            bytes,
            guest.ram.address(),
            info,
            &mut into,
        )
        .map(|()| into.iter().map(|segment| segment.len).collect::<Vec<_>>())
    };
    assert_eq!(gathered(&info(), true), Ok(vec![4096]));
    assert_eq!(gathered(&info(), false), Ok(vec![512, 512, 1024, 2048]));
    let small = Info {
        max_segment_size: 1500,
        ..info()
    };
    assert_eq!(gathered(&small, true), Ok(vec![1024, 1024, 1500, 548]));
    let few = Info {
        max_segments: 3,
        ..info()
    };
    assert_eq!(gathered(&few, false), Err(Status::IoErr));
    assert_eq!(gathered(&few, true), Ok(vec![4096]));
}

#[test]
fn clause_5_2_4_126_segments_fit_a_request() {
    let mut writable = vec![512; 126];
    writable.push(1);
    let guest = Guest::new(&[header(0, 0).as_bytes()], &writable, true);
    let parsed = guest.parse(&info(), all()).unwrap();
    assert_eq!(parsed.entry.written, 126 * 512 + 1);
    let (wire, out) = (header(1, 0), [0; 12]);
    let mut readable: Vec<&[u8]> = vec![wire.as_bytes()];
    readable.extend(std::iter::repeat_n(&out[..4], 125));
    readable.push(&out);
    let guest = Guest::new(&readable, &[1], true);
    let parsed = guest.parse(&info(), all()).unwrap();
    assert!(matches!(parsed.body, Ok(Request::Data { bytes: 512, .. })));
    assert_eq!(guest.chain.readable().len(), 127);
}

#[test]
fn clause_5_2_3_what_is_offered_follows_from_the_disk() {
    let features = |can| {
        let offered = offer(&Info {
            features: can,
            ..info()
        });
        Features::from_bits_retain(offered.features & 0xff_ffff)
    };
    let always = Features::SEG_MAX | Features::BLK_SIZE | Features::TOPOLOGY | Features::FLUSH;
    assert_eq!(features(Can::empty()), always);
    assert_eq!(features(Can::FLUSH), always | Features::CONFIG_WCE);
    assert_eq!(
        features(Can::all() - Can::READ_ONLY),
        always | Features::CONFIG_WCE | Features::DISCARD | Features::WRITE_ZEROES
    );
    assert_eq!(features(Can::all()), always | Features::RO);
    assert!(offer(&info()).is_valid());
}

#[test]
fn clause_5_2_4_the_configuration_space() {
    let info = Info {
        physical_exponent: 3,
        max_segments: 100,
        discard_alignment: 8,
        ..info()
    };
    let space = config(&info, true);
    let bytes = space.as_bytes();
    assert_eq!(bytes[..8], 1000_u64.to_le_bytes());
    assert_eq!((bytes[12], bytes[20..24].to_vec()), (100, vec![0, 2, 0, 0]));
    assert_eq!((bytes[24], bytes[26], bytes[32]), (3, 8, 1));
    assert_eq!((bytes[36], bytes[40], bytes[44]), (64, 1, 8));
    assert_eq!((bytes[48], bytes[52], bytes[56]), (32, 1, 1));
    let bare = config(&Info::new(8, 4096), false);
    assert_eq!(
        bare.max_discard_seg.get() + bare.max_write_zeroes_seg.get(),
        0
    );
    assert_eq!((bare.write_zeroes_may_unmap, bare.writeback), (0, 0));
}

// Shows AV-08, BH-27.
#[test]
fn clause_5_2_6_2_when_a_write_is_stable() {
    let (flush, wce) = (Features::FLUSH, Features::CONFIG_WCE);
    // Negotiated, written by the driver, mode after a reset, and whether the cache is on.
    for (negotiated, written, default, on) in [
        (Features::empty(), None, true, false),
        (Features::empty(), Some(1), true, false),
        (flush, None, true, true),
        (flush, None, false, false),
        (flush, Some(0), true, true),
        (flush | wce, None, true, true),
        (flush | wce, None, false, false),
        (flush | wce, Some(0), true, false),
        (flush | wce, Some(1), false, true),
        (flush | wce, Some(0x80), false, true),
        (wce, None, true, false),
        (wce, Some(1), true, true),
    ] {
        let found = writeback(negotiated, written, default);
        assert_eq!(found, on, "{negotiated:?} {written:?} {default}");
    }
}

fn entry(writes: bool) -> Entry {
    Entry {
        status: fake::region(8).cell(0).unwrap(),
        written: 1,
        written_failed: 0,
        writes,
    }
}

#[test]
fn a_completion_counts_once_and_only_for_what_was_submitted() {
    let mut pending = Pending::new();
    let (old, new) = (pending.id(5), pending.id(5));
    pending.insert(new, entry(false));
    for stray in [old, 5, 0xffff_ffff, new ^ 1, 0x7f] {
        assert!(matches!(pending.complete(stray), Completed::Stray));
    }
    assert!(!pending.is_empty());
    assert!(matches!(pending.complete(new), Completed::Request(5, _)));
    assert!(pending.is_empty());
    assert!(matches!(pending.complete(new), Completed::Stray));
}

#[test]
fn one_flush_makes_all_writes_stable_that_were_done_before_it() {
    let mut pending = Pending::new();
    for head in [9, 3] {
        pending.hold(head, entry(true));
    }
    let id = pending.flush_id();
    assert!(pending.wants_flush());
    pending.flush(id);
    pending.hold(4, entry(true));
    assert!(!pending.wants_flush(), "one at a time");
    assert!(matches!(pending.complete(id), Completed::Flush));
    let heads: Vec<u16> = pending.take_flushed().map(|(head, _)| head).collect();
    assert_eq!(heads, [3, 9]);
    assert!(
        pending.wants_flush(),
        "the later one has to wait for another"
    );
    assert!(matches!(pending.complete(id), Completed::Stray));
    pending.clear();
    assert!(pending.is_empty() && !pending.wants_flush());
}

proptest! {
    /// Whatever the header, the sizes and the disk: what goes on is whole blocks on the disk.
    #[test]
    fn h34_nothing_beyond_the_disk_gets_through(
        kind in prop_oneof![Just(0_u32), Just(1), Just(11), Just(13), any::<u32>()],
        sector in prop_oneof![0_u64..1100, any::<u64>()],
        readable in 1_usize..3000, writable in 1_usize..3000,
        payload in any::<[u64; 2]>(), block in prop_oneof![Just(512_u32), Just(4096)],
    ) {
        let info = Info { block_size: block, ..info() };
        let wire = header(kind, sector);
        let mut out = vec![0; readable];
        for (at, byte) in payload.as_bytes().iter().enumerate().take(readable) {
            out[at] = *byte;
        }
        let guest = Guest::new(&[wire.as_bytes(), &out], &[writable], false);
        let parsed = guest.parse(&info, all()).unwrap();
        match parsed.body {
            Ok(Request::Data { op, sector, bytes, data }) => {
                let expected = if op == Op::Read { writable - 1 } else { readable };
                prop_assert_eq!(bytes, expected);
                prop_assert!(bytes > 0 && bytes % usize::try_from(block).unwrap() == 0);
                prop_assert!(sector + bytes as u64 / 512 <= info.capacity);
                let mut segments = Segments::new();
                gather(data, bytes, guest.ram.address(), &info, &mut segments).unwrap();
                let total: u32 = segments.iter().map(|segment| segment.len).sum();
                prop_assert_eq!(total as usize, bytes);
            }
            Ok(Request::Range { op: Op::Flush, .. } | Request::Identify { .. }) => {}
            Ok(Request::Range { sector, sectors, .. }) => {
                prop_assert!(sectors > 0 && sectors <= 64);
                prop_assert!(sector + u64::from(sectors) <= info.capacity);
            }
            Err(status) => prop_assert!(status != Status::Ok),
        }
    }
}
