// SPDX-License-Identifier: BSD-2-Clause
//! Partition tables that are damaged, or lie with correct checksums.

use bytemuck::Zeroable;
use gpt_disk_types::{GptHeaderRevision, GptPartitionEntry, LbaLe, U32Le};
use proptest::prelude::*;

use super::disk::{ALPHA, BETA, BLOCKS, Table, entry};
use super::*;
use crate::{GptError, PartitionError};

fn bench(first: Option<&Table>, last: Option<&Table>) -> Bench {
    Bench::with(Disk::with(512, first, last), ["rw", "rw"])
}

/// What the trace says about refused tables and clients, as codes.
fn refusals(bench: &Bench) -> (Vec<u64>, Vec<u64>) {
    let source = bench.trace.read_only();
    let view = View::new(&source).unwrap();
    let kinds = [
        Event::TableRefused {
            sector: 0,
            error: 0,
        },
        Event::ClientDown {
            client: 0,
            error: 0,
        },
    ]
    .map(|event| trace::Event::kind(&event));
    let of = |kind| {
        let recorded = view.events();
        let found = recorded.filter(|event| event.kind == kind);
        found.map(|event| event.operands[1]).collect()
    };
    (of(kinds[0]), of(kinds[1]))
}

/// Both copies are spoilt alike; everybody is down, and the trace says why.
fn refused(spoil: impl Fn(&mut Table)) -> u64 {
    let mut table = Table::good();
    spoil(&mut table);
    let mut bench = bench(Some(&table), Some(&table));
    assert_eq!(bench.polls(), [Change::None; 2], "never up");
    let (tables, clients) = refusals(&bench);
    assert_eq!(clients, [0, 0]);
    assert_eq!(tables.len(), 2);
    tables[0]
}

fn code(error: GptError) -> u64 {
    error as u64 + 1
}

#[test]
fn a_disk_without_table_serves_nobody() {
    let mut bench = bench(None, None);
    assert_eq!(bench.polls(), [Change::None; 2]);
    let signature = code(GptError::Signature);
    assert_eq!(refusals(&bench), (vec![signature; 2], vec![0, 0]));
}

#[test]
fn the_copy_at_the_end_serves_as_well() {
    let mut bench = bench(None, Some(&Table::good()));
    assert_eq!(bench.polls(), [Change::Up; 2]);
    assert_eq!(refusals(&bench).0, [code(GptError::Signature)]);
    assert_eq!(bench.do_data(0, Op::Read, 0, &[seg(0, 512)]), Status::Ok);
}

#[test]
fn a_lying_table_is_refused_by_name() {
    let lba = LbaLe::from_u64;
    let word = U32Le::from_u32;
    let header = |spoil: fn(&mut Table)| refused(spoil);
    let revision = header(|t| t.header.revision = GptHeaderRevision(U32Le::from_u32(0x2_0000)));
    assert_eq!(revision, code(GptError::Revision));
    for size in [0, 91, 513, u32::MAX] {
        let found = refused(|t| t.header.header_size = word(size));
        assert_eq!(found, code(GptError::HeaderSize), "{size}");
    }
    let sum = refused(|t| t.header.header_size = word(93));
    assert_eq!(sum, code(GptError::HeaderChecksum));
    let place = header(|t| {
        t.sealed = false;
        t.header.my_lba = LbaLe::from_u64(7);
    });
    assert_eq!(place, code(GptError::HeaderPlace));
    for (first, last) in [(1, 200), (100, 99), (34, BLOCKS - 1), (34, u64::MAX)] {
        let found = refused(|t| {
            t.header.first_usable_lba = lba(first);
            t.header.last_usable_lba = lba(last);
        });
        assert_eq!(found, code(GptError::Usable), "{first} to {last}");
    }
    let absurd = [
        (128, 0),
        (128, u32::MAX),
        (128, 2049),
        (64, 16),
        (192, 16),
        (0, 16),
        (1 << 31, 1),
    ];
    for (size, count) in absurd {
        let found = refused(|t| {
            t.header.size_of_partition_entry = word(size);
            t.header.number_of_partition_entries = word(count);
        });
        assert_eq!(found, code(GptError::Entries), "{count} of {size}");
    }
    for place in [1, 31, 34, 100, BLOCKS - 34, BLOCKS - 3, BLOCKS, u64::MAX] {
        let found = refused(|t| t.header.partition_entry_lba = lba(place));
        assert_eq!(found, code(GptError::EntriesPlace), "{place}");
    }
}

#[test]
fn more_partitions_than_are_known_are_no_table() {
    let mut table = Table::good();
    table.header.number_of_partition_entries = U32Le::from_u32(129);
    table.header.first_usable_lba = LbaLe::from_u64(45);
    table.entries = vec![entry("x", (50, 50)); 129];
    let mut bench = bench(Some(&table), None);
    assert_eq!(bench.polls(), [Change::None; 2]);
    let codes = [GptError::TooMany, GptError::Signature].map(code);
    assert_eq!(refusals(&bench).0, codes);
}

#[test]
fn what_is_wrong_with_one_partition_is_for_its_client_only() {
    let spoilt = |spoil: &dyn Fn(&mut Table)| {
        let mut table = Table::good();
        spoil(&mut table);
        let mut bench = bench(Some(&table), None);
        assert_eq!(bench.polls(), [Change::None, Change::Up]);
        assert_eq!(bench.do_data(1, Op::Read, 0, &[seg(0, 512)]), Status::Ok);
        refusals(&bench).1
    };
    let alpha = |range| move |t: &mut Table| t.entries[3] = entry("alpha", range);
    let code = |error: PartitionError| vec![error as u64 + 1];
    let missing = spoilt(&|t| t.entries[3] = GptPartitionEntry::zeroed());
    assert_eq!(missing, code(PartitionError::Missing));
    let longer = spoilt(&|t| t.entries[3] = entry("alphab", ALPHA));
    assert_eq!(longer, code(PartitionError::Missing));
    let twice = spoilt(&|t| t.entries[9] = entry("alpha", (150, 160)));
    assert_eq!(twice, code(PartitionError::Ambiguous));
    for range in [
        (33, 40),
        (1, 2),
        (50, 49),
        (212, BLOCKS - 33),
        (212, u64::MAX),
        (u64::MAX, 0),
    ] {
        let found = spoilt(&alpha(range));
        assert_eq!(found, code(PartitionError::Range), "{range:?}");
    }
    let overlap = spoilt(&|t| t.entries[7] = entry("hidden", (60, 61)));
    assert_eq!(overlap, code(PartitionError::Overlap));
}

#[test]
fn partitions_that_share_a_block_are_both_down() {
    let mut table = Table::good();
    table.entries[3] = entry("alpha", (ALPHA.0, BETA.0));
    let mut bench = bench(Some(&table), None);
    assert_eq!(bench.polls(), [Change::None; 2]);
    let overlap = PartitionError::Overlap as u64 + 1;
    assert_eq!(refusals(&bench).1, [overlap; 2]);
}

#[test]
fn long_entries_and_many_reads_are_a_table_too() {
    let mut table = Table::good();
    table.header.size_of_partition_entry = U32Le::from_u32(256);
    table.header.number_of_partition_entries = U32Le::from_u32(56);
    let used = [entry("alpha", ALPHA), entry("beta", BETA)];
    let none = GptPartitionEntry::zeroed();
    table.entries = vec![none; 112];
    (table.entries[0], table.entries[110]) = (used[0], used[1]);
    // Not the start of an entry.
    table.entries[1] = entry("alpha", (200, 201));
    let mut bench = bench(Some(&table), None);
    assert_eq!(bench.polls(), [Change::Up; 2], "14 KiB through 4 KiB");
}

proptest! {
    /// Any damage to the first copy is noticed, and the last one serves.
    #[test]
    fn damage_is_noticed(at in 0_usize..92 + 2048, flip in 1_u8..) {
        let mut disk = Disk::new(512);
        let at = if at < 92 { 512 + at } else { 1024 + at - 92 };
        disk.medium[at] ^= flip;
        let mut bench = Bench::with(disk, ["rw", "rw"]);
        prop_assert_eq!(bench.polls(), [Change::Up; 2]);
        prop_assert_eq!(refusals(&bench).0.len(), 1);
        prop_assert_eq!(bench.clients[0].info().unwrap().capacity, 64);
    }

    /// Any numbers in a table with correct checksums: no panic, and whoever is up has a range within
    /// the disk that does not touch the first blocks or the last.
    #[test]
    fn any_numbers_are_survived(
        header in proptest::collection::vec((0_usize..4, 0_u64..300), 0..4),
        wild in any::<[u64; 2]>(),
        entries in proptest::collection::vec((0_u64..300, 0_u64..300), 2),
    ) {
        let mut table = Table::good();
        for (field, value) in header {
            match field {
                0 => table.header.first_usable_lba = LbaLe::from_u64(value),
                1 => table.header.last_usable_lba = LbaLe::from_u64(value ^ (wild[0] << 32)),
                2 => table.header.partition_entry_lba = LbaLe::from_u64(value ^ (wild[1] << 32)),
                _ => table.header.number_of_partition_entries =
                    U32Le::from_u32(u32::try_from(value).unwrap()),
            }
        }
        table.entries[3] = entry("alpha", entries[0]);
        table.entries[1] = entry("beta", entries[1]);
        let mut bench = bench(Some(&table), Some(&table));
        let polls = bench.polls();
        let up = |client: usize| polls[client] == Change::Up;
        for (client, (first, last)) in entries.iter().copied().enumerate() {
            if up(client) {
                prop_assert!(first >= 2 && first <= last && last < BLOCKS - 1);
                let sectors = bench.clients[client].info().unwrap().capacity;
                prop_assert_eq!(sectors, last - first + 1);
            }
        }
        if up(0) && up(1) {
            let [(a, b), (c, d)] = [entries[0], entries[1]];
            prop_assert!(b < c || d < a, "apart");
        }
    }
}
