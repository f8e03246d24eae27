// SPDX-License-Identifier: BSD-2-Clause
//! Tests of encoding, decoding and refusal.

use proptest::prelude::*;
use units::{Bytes, ChannelId, ChildId, IrqId, PdVaddr, PhysAddr, VcpuId};

use crate::*;

fn sample(buffer: &mut [u8]) -> usize {
    let mut builder = Builder::new(buffer);
    for (role, entry) in sample_entries() {
        builder.add(role, &entry).unwrap();
    }
    builder.finish().unwrap()
}

fn sample_entries() -> Vec<(&'static str, Entry<'static>)> {
    let rights = RegionRights {
        read: true,
        write: true,
        execute: false,
        cached: false,
    };
    vec![
        (
            "regs",
            Entry::Region(RegionEntry {
                vaddr: PdVaddr::new(0x200_0000).unwrap(),
                size: Bytes::new(0x1000),
                rights,
                paddr: Some(PhysAddr::new(0x900_0000)),
            }),
        ),
        ("label", Entry::Text("first")),
        (
            "mux",
            Entry::Channel(ChannelEntry {
                id: ChannelId::new(3).unwrap(),
                rights: ChannelRights {
                    notify: true,
                    call: false,
                },
            }),
        ),
        (
            "irq",
            Entry::Irq(IrqEntry {
                id: IrqId::new(1).unwrap(),
                number: 33,
                edge: true,
            }),
        ),
        (
            "crasher",
            Entry::Child(ChildEntry {
                id: ChildId::new(61).unwrap(),
                entry: 0x20_0040,
            }),
        ),
        ("vcpu0", Entry::Vcpu(VcpuId::new(0).unwrap())),
        ("baud", Entry::Value(115_200)),
        ("empty", Entry::Text("")),
        ("motto", Entry::Text("grüß Gott")),
        ("regs", sample_window()),
    ]
}

fn sample_window() -> Entry<'static> {
    Entry::Window(WindowEntry {
        paddr: PhysAddr::new(0x4000_0000),
        size: Bytes::new(0x1000_0000),
    })
}

/// Recomputes the checksum after a test changed bytes on purpose.
fn reseal(record: &mut [u8]) {
    let crc = lookup_checksum(record);
    record[12..16].copy_from_slice(&crc.to_le_bytes());
}

fn lookup_checksum(record: &[u8]) -> u32 {
    crc32(&[&record[..12], &record[16..]])
}

#[test]
fn sizes_are_pinned() {
    assert_eq!((HEADER_SIZE, ENTRY_SIZE, ROLE_SIZE), (32, 64, 32));
    assert_eq!(MAGIC.to_le_bytes(), *b"BHRC");
    assert_eq!((VERSION_MAJOR, VERSION_MINOR), (1, 1));
    assert_eq!(
        crc32(&[b"1234", b"56789"]),
        0xcbf4_3926,
        "the CRC-32 check value"
    );
}

#[test]
fn first_bytes_are_pinned() {
    let mut buffer = [0xff; 128];
    let mut builder = Builder::new(&mut buffer);
    builder.add("baud", &Entry::Value(0x1_c200)).unwrap();
    assert_eq!(builder.finish(), Ok(96));
    assert_eq!(buffer[..12], *b"BHRC\x01\x00\x01\x00\x60\x00\x00\x00");
    assert_eq!(
        buffer[16..32],
        [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    );
    assert_eq!(buffer[32..37], *b"baud\0");
    assert_eq!(
        buffer[64..80],
        [6, 0, 0, 0, 0, 0, 0, 0, 0x00, 0xc2, 1, 0, 0, 0, 0, 0]
    );
    assert_eq!(buffer[96..], [0; 32], "padding is zero");
}

#[test]
fn round_trip() {
    let mut buffer = [0xee; 4096];
    let len = sample(&mut buffer);
    let record = Record::parse(&buffer).unwrap();
    let found: Vec<_> = record
        .entries()
        .map(|(role, e)| (role.to_string(), e))
        .collect();
    let expected: Vec<_> = sample_entries()
        .into_iter()
        .map(|(role, e)| (role.to_string(), e))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(len, encoded_len(10, "first".len() + "grüß Gott".len()));
    assert_eq!(record.text("motto"), Ok("grüß Gott"));
    assert_eq!(record.value("baud"), Ok(115_200));
    assert_eq!(record.irq("irq").map(|irq| irq.number), Ok(33));
    assert_eq!(
        record.child("crasher").map(|child| child.entry),
        Ok(0x20_0040)
    );
    assert_eq!(record.vcpu("vcpu0").map(VcpuId::get), Ok(0));
    assert!(record.channel("mux").unwrap().rights.notify);
    assert_eq!(
        record.region("regs").unwrap().paddr,
        Some(PhysAddr::new(0x900_0000))
    );
}

#[test]
fn a_window_shares_the_role_of_its_region() {
    let mut buffer = [0; 4096];
    let _ = sample(&mut buffer);
    let record = Record::parse(&buffer).unwrap();
    let window = record.window("regs").unwrap();
    assert_eq!(Entry::Window(window), sample_window());
    assert_eq!(record.region("regs").unwrap().size, Bytes::new(0x1000));
    assert!(matches!(
        record.window("baud"),
        Err(LookupError::WrongKind { .. })
    ));
    assert!(matches!(
        record.window("none"),
        Err(LookupError::Missing { .. })
    ));
}

#[test]
fn a_window_translates_what_lies_inside() {
    let window = WindowEntry {
        paddr: PhysAddr::new(0x4000_0000),
        size: Bytes::new(0x1000),
    };
    let at = |offset, len| window.address(offset, len).map(PhysAddr::get);
    assert_eq!(at(0, 0x1000), Some(0x4000_0000));
    assert_eq!(at(0xfff, 1), Some(0x4000_0fff));
    assert_eq!(at(0xfff, 2), None);
    assert_eq!(at(0x1001, 0), None);
    assert_eq!(at(u64::MAX, 2), None);
    assert_eq!(at(2, u64::MAX), None);
}

// Shows BH-06.
#[test]
fn lookups_say_what_is_wrong() {
    let mut buffer = [0; 1024];
    let mut builder = Builder::new(&mut buffer);
    builder.add("a", &Entry::Value(1)).unwrap();
    builder.add("two", &Entry::Value(1)).unwrap();
    builder.add("two", &Entry::Value(2)).unwrap();
    builder.finish().unwrap();
    let record = Record::parse(&buffer).unwrap();
    let message = |error: LookupError| error.to_string();
    assert_eq!(
        record.channel("a").map_err(message),
        Err("role 'a' should be a channel, but is a value".into())
    );
    assert_eq!(
        record.region("b c").map_err(message),
        Err("record has no region with role 'b?c'".into())
    );
    assert_eq!(
        record.window("a").map_err(message),
        Err("role 'a' should be a window, but is a value".into())
    );
    assert!(matches!(
        record.value("two"),
        Err(LookupError::Ambiguous { .. })
    ));
    assert_eq!(record.with_role("two").count(), 2);
    assert_eq!(record.with_role("").count(), 0);
}

#[test]
fn a_bad_record_is_refused_by_name() {
    let mut good = vec![0; 4096];
    let len = sample(&mut good);
    good.truncate(len);
    let broken = |at: usize, bytes: &[u8]| {
        let mut record = good.clone();
        record[at..at + bytes.len()].copy_from_slice(bytes);
        reseal(&mut record);
        Record::parse(&record).map(drop)
    };
    let entry_fault = |at: usize, bytes: &[u8]| match broken(HEADER_SIZE + at, bytes) {
        Err(RecordError::BadEntry { index, fault }) => Some((index, fault)),
        _ => None,
    };

    assert_eq!(
        Record::parse(&good[..31]).map(drop),
        Err(RecordError::Truncated {
            needed: 32,
            found: 31
        })
    );
    assert_eq!(
        Record::parse(&good[..len - 1]).map(drop),
        Err(RecordError::Truncated {
            needed: len as u64,
            found: len - 1
        })
    );
    assert!(matches!(broken(0, b"X"), Err(RecordError::BadMagic(_))));
    assert_eq!(
        broken(4, &[2, 0, 7, 0]),
        Err(RecordError::UnsupportedVersion { major: 2, minor: 7 })
    );
    assert!(matches!(
        broken(16, &[0xff; 4]),
        Err(RecordError::InconsistentLength { .. })
    ));
    assert!(matches!(
        broken(20, &[0xff; 4]),
        Err(RecordError::InconsistentLength { .. })
    ));
    let mut flipped = good.clone();
    flipped[HEADER_SIZE] ^= 1;
    assert!(matches!(
        Record::parse(&flipped),
        Err(RecordError::BadChecksum { .. })
    ));

    assert_eq!(entry_fault(0, &[0]), Some((0, EntryFault::Role)));
    assert_eq!(
        entry_fault(5, b"x"),
        Some((0, EntryFault::Role)),
        "text after the padding"
    );
    assert_eq!(
        entry_fault(48, &[0; 8]),
        Some((0, EntryFault::Region)),
        "empty region"
    );
    assert_eq!(entry_fault(40, &[0xff; 8]), Some((0, EntryFault::Region)));
    assert_eq!(
        entry_fault(64 + 40, &[0xff; 8]),
        Some((1, EntryFault::Text))
    );
    assert_eq!(entry_fault(128 + 40, &[62]), Some((2, EntryFault::Id(62))));
    assert!(matches!(
        entry_fault(192 + 48, &[0xff; 8]),
        Some((3, EntryFault::IrqNumber(_)))
    ));
    assert_eq!(entry_fault(256 + 40, &[62]), Some((4, EntryFault::Id(62))));
    assert_eq!(entry_fault(320 + 40, &[62]), Some((5, EntryFault::Id(62))));
    let window = 9 * ENTRY_SIZE;
    assert_eq!(
        entry_fault(window + 48, &[0; 8]),
        Some((9, EntryFault::Window)),
        "empty window"
    );
    assert_eq!(
        entry_fault(window + 40, &[0xff; 8]),
        Some((9, EntryFault::Window)),
        "beyond the last address"
    );
}

#[test]
fn later_minor_versions_are_read() {
    let mut buffer = [0; 4096];
    let len = sample(&mut buffer);
    buffer[6] = 9;
    buffer[HEADER_SIZE + 32] = 0x77;
    reseal(&mut buffer[..len]);
    let record = Record::parse(&buffer).unwrap();
    assert_eq!(record.minor_version(), 9);
    assert_eq!(
        record.entries().count(),
        9,
        "the entry of unknown kind is skipped"
    );
    assert!(matches!(
        record.region("regs"),
        Err(LookupError::WrongKind { .. })
    ));
}

#[test]
fn the_builder_refuses_what_does_not_fit() {
    let mut buffer = [0; HEADER_SIZE + ENTRY_SIZE + 3];
    let mut builder = Builder::new(&mut buffer);
    assert_eq!(
        builder.add("t", &Entry::Text("long")).err(),
        Some(BuildError::NoSpace)
    );
    assert_eq!(
        builder.add("a b", &Entry::Value(0)).err(),
        Some(BuildError::Role(RoleError::BadCharacter))
    );
    assert_eq!(
        builder.add("", &Entry::Value(0)).err(),
        Some(BuildError::Role(RoleError::Empty))
    );
    let long = "r".repeat(33);
    assert_eq!(
        builder.add(&long, &Entry::Value(0)).err(),
        Some(BuildError::Role(RoleError::TooLong))
    );
    let widest = "r".repeat(32);
    builder.add(&widest, &Entry::Text("abc")).unwrap();
    builder.finish().unwrap();
    assert_eq!(Record::parse(&buffer).unwrap().text(&widest), Ok("abc"));
    assert_eq!(
        Builder::new(&mut [0; 31]).finish(),
        Err(BuildError::NoSpace)
    );
}

proptest! {
    /// No bytes make `parse` or the lookups panic.
    #[test]
    fn parse_is_total(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        if let Ok(record) = Record::parse(&bytes) {
            let _ = record.entries().count();
        }
    }

    /// A correctly sealed record with arbitrary changes is refused or yields valid entries.
    #[test]
    fn sealed_garbage_is_total(
        changes in proptest::collection::vec((0_usize..700, any::<u8>()), 1..12)
    ) {
        let mut buffer = vec![0; 1024];
        let len = sample(&mut buffer);
        for (at, value) in changes {
            buffer[at % len] = value;
        }
        let total = u32::from_le_bytes([buffer[8], buffer[9], buffer[10], buffer[11]]) as usize;
        let sealed = total.clamp(16, buffer.len());
        reseal(&mut buffer[..sealed]);
        if let Ok(record) = Record::parse(&buffer) {
            for (role, entry) in record.entries() {
                prop_assert!(!role.as_str().is_empty());
                prop_assert!(record.with_role(role.as_str()).any(|e| e == entry));
            }
        }
    }

    /// Any texts and values come back as written.
    #[test]
    fn any_text_round_trips(texts in proptest::collection::vec("\\PC{0,20}", 0..8)) {
        let mut buffer = vec![0; 4096];
        let mut builder = Builder::new(&mut buffer);
        for text in &texts {
            builder.add("t", &Entry::Text(text)).unwrap();
        }
        builder.finish().unwrap();
        let record = Record::parse(&buffer).unwrap();
        let found: Vec<_> = record.with_role("t").collect();
        let expected: Vec<_> = texts.iter().map(|t| Entry::Text(t)).collect();
        prop_assert_eq!(found, expected);
    }
}
