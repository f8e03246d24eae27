// SPDX-License-Identifier: BSD-2-Clause
//! Stage-2 tables, capability lookup and ready queues.

use super::*;
use crate::cap::{CSpace, Cap};
use crate::stage2::{self, ROOT_BYTES, TableMemory};
use devimage::{MAP_CACHED, MAP_EXECUTE, MAP_READ, MAP_WRITE, Mapping};
use proptest::prelude::*;

#[derive(Default)]
struct Memory {
    next: u64,
    words: BTreeMap<u64, u64>,
}

impl TableMemory for Memory {
    fn allocate(&mut self, bytes: u64) -> Option<u64> {
        let start = self.next.next_multiple_of(bytes);
        self.next = start + bytes;
        (self.next < 0x10_0000).then_some(start)
    }
    fn read(&self, paddr: u64) -> u64 {
        self.words.get(&paddr).copied().unwrap_or(0)
    }
    fn write(&mut self, paddr: u64, descriptor: u64) {
        self.words.insert(paddr, descriptor);
    }
}

fn mapping(vaddr: u64, paddr: u64, size: u64, flags: u64) -> Mapping {
    Mapping {
        vaddr: vaddr.into(),
        paddr: paddr.into(),
        size: size.into(),
        flags: flags.into(),
    }
}

fn leaf(flags: u64) -> u64 {
    let mut memory = Memory::default();
    let root = memory.allocate(ROOT_BYTES).unwrap();
    stage2::map(
        &mut memory,
        root,
        &mapping(0x1000, 0x7000_0000, 0x1000, flags),
    )
    .unwrap();
    let third = memory
        .words
        .values()
        .copied()
        .max_by_key(|word| word & 0xffff_f000)
        .unwrap();
    assert_eq!(third & 0xff_ffff_f000, 0x7000_0000);
    third & !0x7000_0000
}

#[test]
fn rights_and_attributes_are_those_of_sel4() {
    let xn = 1 << 54;
    assert_eq!(
        leaf(MAP_READ | MAP_WRITE | MAP_CACHED),
        xn | 0b100_1111_1111
    );
    assert_eq!(leaf(MAP_READ | MAP_CACHED | MAP_EXECUTE), 0b100_0111_1111);
    assert_eq!(leaf(MAP_READ | MAP_WRITE), xn | 0b100_1100_0011);
    assert_eq!(leaf(MAP_EXECUTE | MAP_CACHED), 0b100_0011_1111);
}

#[test]
fn a_large_aligned_mapping_uses_blocks() {
    let mut memory = Memory::default();
    let root = memory.allocate(ROOT_BYTES).unwrap();
    stage2::map(
        &mut memory,
        root,
        &mapping(0x4000_0000, 0x8000_0000, 512 << 20, 15),
    )
    .unwrap();
    assert_eq!(memory.next, ROOT_BYTES + 4096);
    let page = stage2::walk(&memory, root, 0x4012_3456).unwrap();
    assert_eq!(
        page,
        Page {
            paddr: 0x8000_0000,
            size: 2 << 20
        }
    );
    assert_eq!(stage2::walk(&memory, root, 0x6000_0000), None);
    assert_eq!(stage2::walk(&memory, root, 1 << 40), None);
}

#[test]
fn running_out_of_tables_is_an_error() {
    let mut memory = Memory::default();
    let root = memory.allocate(ROOT_BYTES).unwrap();
    let spread = (0..200).map(|index| mapping(index << 30, 0, 0x1000, 15));
    let results: Vec<_> = spread.map(|m| stage2::map(&mut memory, root, &m)).collect();
    assert!(results.last().unwrap().is_err());
}

#[test]
fn addresses_resolve_through_both_levels() {
    let mut caps = vec![Cap::Null; 200];
    caps[63 + 4] = Cap::Smc;
    caps[100 + 4] = Cap::Smc;
    let space = CSpace {
        base: 63,
        len: 10,
        root: Some(100),
    };
    assert_eq!(space.lookup(&caps, 4), Ok(Cap::Smc));
    assert_eq!(space.lookup(&caps, 10), Ok(Cap::Null));
    assert_eq!(space.lookup(&caps, 511), Ok(Cap::Null));
    assert_eq!(space.lookup(&caps, 5 << 58), Ok(Cap::Smc));
    // A capability that is not a CNode ends the lookup; what remains of the address is ignored.
    assert_eq!(space.lookup(&caps, 5 << 58 | 77), Ok(Cap::Smc));
    assert!(space.lookup(&caps, 512).is_err());
    assert!(CSpace::EMPTY.lookup(&caps, 1 << 58).is_err());
    assert_eq!(CSpace::EMPTY.lookup(&caps, 511), Ok(Cap::Null));
}

proptest! {
    /// Every page of a mapping is found where it was put, and nothing else is.
    #[test]
    fn walks_find_what_was_mapped(vpage in 0..0x1000_u64, ppage in 0..0x1000_u64, pages in 1..1500_u64, probe in 0..0x3000_u64) {
        let mut memory = Memory::default();
        let root = memory.allocate(ROOT_BYTES).unwrap();
        let (vaddr, paddr) = (vpage << 12, 0x8000_0000 + (ppage << 12));
        stage2::map(&mut memory, root, &mapping(vaddr, paddr, pages << 12, 15)).unwrap();
        let at = (probe << 12) + 0x123;
        let found = stage2::walk(&memory, root, at).map(|page| page.paddr + (at & (page.size - 1)));
        let expected = (vpage..vpage + pages).contains(&probe).then(|| at - vaddr + paddr);
        prop_assert_eq!(found, expected);
    }

    /// The bitmap agrees with a plain list.
    #[test]
    fn ready_queues_are_ordered(steps in prop::collection::vec((0..12_usize, any::<u8>(), any::<bool>()), 1..80)) {
        let mut table = vec![Tcb::EMPTY; 12];
        let mut tcbs = crate::ids::Table::new(&mut table);
        let mut ready = ReadyQueues::EMPTY;
        let mut model: Vec<(u8, usize)> = Vec::new();
        for (number, priority, front) in steps {
            if tcbs[id(number)].queued {
                ready.remove(&mut tcbs, id(number));
                model.retain(|(_, other)| *other != number);
            } else {
                tcbs[id(number)].priority = priority;
                if front {
                    ready.enqueue(&mut tcbs, id(number));
                    model.insert(0, (priority, number));
                } else {
                    ready.append(&mut tcbs, id(number));
                    model.push((priority, number));
                }
            }
            let highest = model.iter().map(|(priority, _)| *priority).max();
            let first = model.iter().find(|(priority, _)| Some(*priority) == highest);
            prop_assert_eq!(ready.highest(), highest);
            prop_assert_eq!(ready.first(), first.map(|(_, number)| id(*number)));
        }
    }
}
