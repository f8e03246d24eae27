// SPDX-License-Identifier: BSD-2-Clause
//! The payload's bytes: header, tables, contents.

use std::collections::BTreeMap;

use devimage::{Header, Load, MAGIC, Table, VERSION, crc32};
use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromZeros, Immutable, IntoBytes};

use super::objects::Tables;

/// Alignment of tables and contents in the payload.
const ALIGNMENT: usize = 8;

/// Writes the payload.
pub(super) fn write(tables: &Tables, fills: &BTreeMap<u64, Vec<u8>>, labels: u32) -> Vec<u8> {
    let mut bytes = vec![0; size_of::<Header>()];
    let loads_at = bytes.len();
    bytes.resize(loads_at + fills.len() * size_of::<Load>(), 0);
    let mut header = write_tables(&mut bytes, tables);
    let loads: Vec<Load> = fills
        .iter()
        .map(|(paddr, data)| load(&mut bytes, *paddr, data))
        .collect();
    header.loads = Table {
        offset: narrow(loads_at),
        count: narrow(loads.len()),
    };
    let loads = loads.as_bytes();
    bytes[loads_at..loads_at + loads.len()].copy_from_slice(loads);
    header.label_set = U32::new(labels);
    header.total_size = wide(bytes.len());
    header.crc32 = U32::new(crc32(&bytes[size_of::<Header>()..]));
    bytes[..size_of::<Header>()].copy_from_slice(header.as_bytes());
    bytes
}

/// Appends all tables but the loads; the header says where they are and how many objects there are.
fn write_tables(bytes: &mut Vec<u8>, tables: &Tables) -> Header {
    Header {
        magic: MAGIC,
        version: U32::new(VERSION),
        monitor_endpoint: tables.monitor_endpoint,
        endpoints: tables.endpoints,
        notifications: tables.notifications,
        replies: tables.replies,
        vcpus: tables.vcpus,
        domain_start: tables.domain_start,
        vspaces: append(bytes, &tables.vspaces),
        mappings: append(bytes, &tables.mappings),
        tcbs: append(bytes, &tables.tcbs),
        sched_contexts: append(bytes, &tables.sched_contexts),
        irqs: append(bytes, &tables.irqs),
        cspaces: append(bytes, &tables.cspaces),
        slots: append(bytes, &tables.slots),
        domains: append(bytes, &tables.domains),
        ..Header::new_zeroed()
    }
}

/// A number that fits by construction: payloads are far below 4 GiB, and the kernel checks again.
pub(super) fn narrow(value: usize) -> U32 {
    U32::new(u32::try_from(value).unwrap_or(u32::MAX))
}

fn wide(value: usize) -> U64 {
    U64::new(u64::try_from(value).unwrap_or(u64::MAX))
}

fn append<T: IntoBytes + Immutable>(bytes: &mut Vec<u8>, records: &[T]) -> Table {
    let offset = bytes.len();
    bytes.extend_from_slice(records.as_bytes());
    Table {
        offset: narrow(offset),
        count: narrow(records.len()),
    }
}

/// Appends contents without the zeros at their end.
fn load(bytes: &mut Vec<u8>, paddr: u64, data: &[u8]) -> Load {
    let used = data
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1);
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    let offset = bytes.len();
    bytes.extend_from_slice(&data[..used]);
    Load {
        paddr: U64::new(paddr),
        mem_size: wide(data.len()),
        file_offset: wide(offset),
        file_size: wide(used),
    }
}
