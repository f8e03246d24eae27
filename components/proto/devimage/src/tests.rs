// SPDX-License-Identifier: BSD-2-Clause
//! A valid payload, and every way in which one field makes it invalid.

use crate::*;
use std::vec::Vec;
use zerocopy::IntoBytes;
use zerocopy::little_endian::U32;

/// The parts of a payload before they are laid out.
struct Parts {
    header: Header,
    loads: Vec<Load>,
    vspaces: Vec<VSpace>,
    mappings: Vec<Mapping>,
    tcbs: Vec<Tcb>,
    contexts: Vec<SchedContext>,
    irqs: Vec<Irq>,
    cspaces: Vec<CSpace>,
    slots: Vec<Slot>,
    domains: Vec<DomainEntry>,
}

const RAM: u64 = 0x6060_0000;

fn zeroed<T: zerocopy::FromZeros>() -> T {
    T::new_zeroed()
}

fn parts() -> Parts {
    let mut header: Header = zeroed();
    header.magic = MAGIC;
    header.version = VERSION.into();
    header.endpoints = 1.into();
    header.notifications = 1.into();
    header.monitor_endpoint = 0.into();
    let map = |vaddr: u64, paddr: u64| Mapping {
        vaddr: vaddr.into(),
        paddr: paddr.into(),
        size: PAGE.into(),
        flags: (MAP_READ | MAP_WRITE | MAP_CACHED).into(),
    };
    let mut tcb: Tcb = zeroed();
    tcb.fault_endpoint = NONE.into();
    tcb.vcpu = NONE.into();
    tcb.ipc_buffer_paddr = RAM.into();
    let load = |paddr: u64| Load {
        paddr: paddr.into(),
        mem_size: PAGE.into(),
        file_offset: 0.into(),
        file_size: 8.into(),
    };
    let slot = |index: u32, kind: u32| Slot {
        index: index.into(),
        kind: kind.into(),
        rights: RIGHT_READ.into(),
        object: 0.into(),
        badge: 0.into(),
    };
    Parts {
        header,
        loads: vec![load(RAM), load(RAM + PAGE)],
        vspaces: vec![VSpace {
            first_mapping: 0.into(),
            count: 2.into(),
        }],
        mappings: vec![map(0, RAM), map(PAGE, 0x0900_0000)],
        tcbs: vec![tcb],
        contexts: vec![SchedContext {
            budget_us: 20.into(),
            period_us: 20.into(),
            badge: 0.into(),
        }],
        irqs: vec![Irq {
            irq: 33.into(),
            trigger: 0.into(),
            notification: 0.into(),
            reserved: 0.into(),
            badge: 1.into(),
        }],
        cspaces: vec![CSpace {
            kind: CSPACE_PD.into(),
            first_slot: 0.into(),
            count: 2.into(),
            first_root_slot: 2.into(),
            root_count: 1.into(),
            reserved: 0.into(),
        }],
        slots: vec![slot(1, CAP_ENDPOINT), slot(138, CAP_IRQ), slot(5, CAP_TCB)],
        domains: vec![],
    }
}

fn push<T: IntoBytes + zerocopy::Immutable>(out: &mut Vec<u8>, records: &[T]) -> Table {
    let offset = U32::new(u32::try_from(out.len()).unwrap());
    for record in records {
        out.extend_from_slice(record.as_bytes());
    }
    Table {
        offset,
        count: U32::new(u32::try_from(records.len()).unwrap()),
    }
}

fn payload(mut p: Parts) -> Vec<u8> {
    let mut out = vec![0; size_of::<Header>()];
    p.header.loads = push(&mut out, &p.loads);
    p.header.vspaces = push(&mut out, &p.vspaces);
    p.header.mappings = push(&mut out, &p.mappings);
    p.header.tcbs = push(&mut out, &p.tcbs);
    p.header.sched_contexts = push(&mut out, &p.contexts);
    p.header.irqs = push(&mut out, &p.irqs);
    p.header.cspaces = push(&mut out, &p.cspaces);
    p.header.slots = push(&mut out, &p.slots);
    p.header.domains = push(&mut out, &p.domains);
    p.header.total_size = u64::try_from(out.len()).unwrap().into();
    seal(p.header, out)
}

fn seal(mut header: Header, mut out: Vec<u8>) -> Vec<u8> {
    header.crc32 = crc32(&out[size_of::<Header>()..]).into();
    out[..size_of::<Header>()].copy_from_slice(header.as_bytes());
    out
}

fn verdict(change: impl FnOnce(&mut Parts)) -> Result<(), ImageError> {
    let mut parts = parts();
    change(&mut parts);
    Image::parse(&payload(parts)).map(|_| ())
}

#[test]
fn crc_matches_the_published_check_value() {
    assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
}

#[test]
fn a_valid_payload_is_accepted_and_resolves() {
    let mut bytes = payload(parts());
    bytes.extend_from_slice(b"beyond the declared size");
    let image = Image::parse(&bytes).unwrap();
    assert_eq!(image.user_ram_start(), RAM);
    assert_eq!(image.vspace_mappings(&image.vspaces[0]).len(), 2);
    assert_eq!(image.cspace_slots(&image.cspaces[0])[1].index.get(), 138);
    assert_eq!(image.cspace_root_slots(&image.cspaces[0])[0].index.get(), 5);
    assert_eq!(image.load_bytes(&image.loads[0]), &MAGIC);
}

#[test]
fn a_damaged_payload_is_refused() {
    let good = payload(parts());
    for length in 0..good.len() {
        assert!(Image::parse(&good[..length]).is_err(), "{length} bytes");
    }
    for index in 0..good.len() {
        let mut bad = good.clone();
        bad[index] ^= 0x10;
        // Fields of the header that only name objects may still be consistent; everything else must be caught.
        let verdict = Image::parse(&bad);
        assert!(
            index < size_of::<Header>() || verdict.is_err(),
            "byte {index}"
        );
    }
}

type Change = fn(&mut Parts);

#[test]
fn each_inconsistency_has_its_error() {
    let cases: &[(Change, ImageError)] = &[
        (|p| p.header.magic = *b"bhdevimg", ImageError::Magic),
        (|p| p.header.version = 9.into(), ImageError::Version(9)),
        (|p| p.header.label_set = 2.into(), ImageError::LabelSet(2)),
        (
            |p| p.header.endpoints = 1000.into(),
            ImageError::TooMany("endpoints"),
        ),
        (
            |p| p.header.monitor_endpoint = 1.into(),
            ImageError::Monitor,
        ),
        (|p| p.loads.swap(0, 1), ImageError::Load(1)),
        (|p| p.loads[1].paddr = (RAM + 1).into(), ImageError::Load(1)),
        (
            |p| p.loads[0].paddr = KERNEL_PADDR.into(),
            ImageError::Load(0),
        ),
        (
            |p| p.loads[0].file_size = (PAGE + 1).into(),
            ImageError::Load(0),
        ),
        (
            |p| p.loads[0].file_offset = u64::MAX.into(),
            ImageError::Load(0),
        ),
        (
            |p| p.loads[1].mem_size = u64::MAX.into(),
            ImageError::Load(1),
        ),
        (|p| p.vspaces[0].count = 3.into(), ImageError::VSpace(0)),
        (|p| p.mappings[0].vaddr = 1.into(), ImageError::Mapping(0)),
        (|p| p.mappings[0].size = 0.into(), ImageError::Mapping(0)),
        (|p| p.mappings[1].vaddr = 0.into(), ImageError::Mapping(0)),
        (
            |p| p.mappings[1].vaddr = VADDR_END.into(),
            ImageError::Mapping(1),
        ),
        (
            |p| p.mappings[1].paddr = 0x0800_0000.into(),
            ImageError::Mapping(1),
        ),
        (
            |p| p.mappings[1].paddr = PAYLOAD_PADDR.into(),
            ImageError::Mapping(1),
        ),
        (
            |p| p.mappings[1].size = 0xc000_0000_u64.into(),
            ImageError::Mapping(1),
        ),
        (|p| p.mappings[1].flags = 16.into(), ImageError::Mapping(1)),
        (|p| p.tcbs[0].vspace = 1.into(), ImageError::Tcb(0)),
        (|p| p.tcbs[0].cspace = NONE.into(), ImageError::Tcb(0)),
        (|p| p.tcbs[0].fault_endpoint = 1.into(), ImageError::Tcb(0)),
        (|p| p.tcbs[0].vcpu = 0.into(), ImageError::Tcb(0)),
        (|p| p.tcbs[0].priority = 256.into(), ImageError::Tcb(0)),
        (|p| p.tcbs[0].domain = 16.into(), ImageError::Tcb(0)),
        (
            |p| p.tcbs[0].ipc_buffer_paddr = (RAM + 8).into(),
            ImageError::Tcb(0),
        ),
        (|p| p.tcbs.push(p.tcbs[0]), ImageError::Tcb(1)),
        (
            |p| p.contexts[0].budget_us = 10.into(),
            ImageError::SchedContext(0),
        ),
        (
            |p| p.contexts[0].budget_us = 21.into(),
            ImageError::SchedContext(0),
        ),
        (|p| p.irqs[0].irq = 26.into(), ImageError::Irq(0)),
        (|p| p.irqs[0].irq = 160.into(), ImageError::Irq(0)),
        (|p| p.irqs[0].notification = 1.into(), ImageError::Irq(0)),
        (|p| p.irqs.push(p.irqs[0]), ImageError::Irq(1)),
        (|p| p.cspaces[0].kind = 2.into(), ImageError::CSpace(0)),
        (
            |p| p.cspaces[0].kind = CSPACE_FLAT.into(),
            ImageError::CSpace(0),
        ),
        (
            |p| p.cspaces[0].root_count = 2.into(),
            ImageError::CSpace(0),
        ),
        (|p| p.slots[0].kind = 0.into(), ImageError::Slot(0)),
        (|p| p.slots[0].object = 1.into(), ImageError::Slot(0)),
        (|p| p.slots[1].index = 1.into(), ImageError::Slot(1)),
        (|p| p.slots[1].index = 512.into(), ImageError::Slot(1)),
        (|p| p.slots[2].index = 0.into(), ImageError::Slot(2)),
        (|p| p.slots[2].index = 64.into(), ImageError::Slot(2)),
        (|p| p.domains.push(zeroed()), ImageError::Domain(0)),
    ];
    assert_eq!(verdict(|_| ()), Ok(()));
    for (number, (change, error)) in cases.iter().enumerate() {
        assert_eq!(verdict(change), Err(*error), "case {number}");
    }
}

#[test]
fn tables_outside_the_payload_are_refused() {
    let good = payload(parts());
    let mut header: Header = zerocopy::FromBytes::read_from_bytes(&good[..128]).unwrap();
    header.slots.count = u32::MAX.into();
    assert_eq!(
        Image::parse(&seal(header, good.clone())).err(),
        Some(ImageError::TableRange(7))
    );
    header.slots.count = 0.into();
    header.total_size = u64::MAX.into();
    assert_eq!(
        Image::parse(&seal(header, good)).err(),
        Some(ImageError::TotalSize)
    );
}
