// SPDX-License-Identifier: BSD-2-Clause
//! Both ends of a link, and what is left in memory.

use pd::fake::FakeKernel;
use proptest::prelude::*;
use shm::{Region, Rw, fake};
use spsc::HEADER_SIZE;
use units::ChannelId;

use crate::{Client, GRAIN, Grain, Supply, region_size};

#[derive(Clone, Copy)]
struct Memory {
    out: Region<Rw>,
    input: Region<Rw>,
}

impl Memory {
    fn new(slots: u32) -> Self {
        Self {
            out: fake::region(region_size(slots)),
            input: fake::region(HEADER_SIZE),
        }
    }

    fn supply(&self) -> Supply {
        let channel = ChannelId::new(1).unwrap();
        Supply::new(self.out, self.input.read_only(), channel).unwrap()
    }

    fn client(&self) -> Client {
        let channel = ChannelId::new(2).unwrap();
        Client::new(self.input, self.out.read_only(), channel).unwrap()
    }

    fn slot(&self, slot: usize) -> Grain {
        self.out.read(HEADER_SIZE + slot * GRAIN).unwrap()
    }
}

#[test]
fn grains_arrive_in_order_and_their_slots_are_cleared() {
    let memory = Memory::new(4);
    let (mut supply, mut client) = (memory.supply(), memory.client());
    let mut kernel = FakeKernel::new();
    assert_eq!(supply.clean(), 4);
    assert!(!client.wait());
    for byte in 1..=4 {
        assert!(supply.put(&[byte; GRAIN]));
    }
    assert!(!supply.put(&[5; GRAIN]), "full");
    assert_eq!(client.take(), None, "not shown yet");
    supply.flush(&mut kernel);
    assert_eq!(kernel.notifications(supply.channel()), 1);
    assert!(!supply.wait());
    assert_eq!(client.take(), Some([1; GRAIN]));
    assert_eq!(client.take(), Some([2; GRAIN]));
    client.flush(&mut kernel);
    assert_eq!(kernel.notifications(client.channel()), 1);
    assert_eq!(supply.clean(), 2);
    assert_eq!(memory.slot(0), [0; GRAIN]);
    assert_eq!(memory.slot(1), [0; GRAIN]);
    assert_eq!(memory.slot(2), [3; GRAIN]);
}

#[test]
fn a_supply_that_comes_back_clears_what_it_finds() {
    let memory = Memory::new(4);
    let mut supply = memory.supply();
    let mut client = memory.client();
    let mut kernel = FakeKernel::new();
    assert!(supply.put(&[7; GRAIN]));
    supply.flush(&mut kernel);
    assert!(supply.put(&[8; GRAIN]), "staged, never shown");
    assert!(client.take().is_some());
    let mut supply = memory.supply();
    assert_eq!(supply.clean(), 4);
    for slot in 0..4 {
        assert_eq!(memory.slot(slot), [0; GRAIN]);
    }
}

#[test]
fn h30_impossible_indices_cost_their_own_client() {
    let memory = Memory::new(4);
    let mut supply = memory.supply();
    memory.input.store(64, 77_u32).unwrap();
    assert!(supply.put(&[1; GRAIN]), "known to be free");
    supply.flush(&mut FakeKernel::new());
    assert_eq!(supply.clean(), 0);
    assert!(!supply.wait());
    assert_eq!(supply.faults(), 2);
    let mut client = memory.client();
    memory.out.store(8, 99_u32).unwrap();
    assert_eq!(client.take(), None);
    assert_eq!(client.faults(), 1);
}

#[test]
fn a_region_without_a_slot_is_refused() {
    let channel = ChannelId::new(1).unwrap();
    let small = fake::region(HEADER_SIZE + GRAIN - 1);
    let header = fake::region(HEADER_SIZE);
    assert!(Supply::new(small, header.read_only(), channel).is_err());
    assert!(Client::new(header, small.read_only(), channel).is_err());
}

proptest! {
    /// Whatever the order of events and whoever restarts: no grain arrives twice, and no slot that
    /// is free and was looked at holds one.
    #[test]
    fn no_grain_twice(steps in proptest::collection::vec(0_u8..6, 1..200)) {
        let memory = Memory::new(4);
        let (mut supply, mut client) = (memory.supply(), memory.client());
        let mut kernel = FakeKernel::new();
        let (mut next, mut last) = (1_u64, 0_u64);
        for step in steps {
            match step {
                0 | 1 => {
                    let mut grain = [0xff; GRAIN];
                    grain[..8].copy_from_slice(&next.to_le_bytes());
                    supply.clean();
                    next += u64::from(supply.put(&grain));
                }
                2 => supply.flush(&mut kernel),
                3 => if let Some(grain) = client.take() {
                    let number = u64::from_le_bytes(grain[..8].try_into().unwrap());
                    prop_assert!(number > last, "{number} after {last}");
                    last = number;
                },
                4 => supply = memory.supply(),
                _ => client = memory.client(),
            }
        }
        supply.flush(&mut kernel);
        while client.take().is_some() {}
        prop_assert_eq!(supply.clean(), 4);
        for slot in 0..4 {
            prop_assert_eq!(memory.slot(slot), [0; GRAIN]);
        }
    }
}
