// SPDX-License-Identifier: BSD-2-Clause
//! rust-vmm's `virtio-queue` as the device.

use std::collections::BTreeMap;

use proptest::prelude::*;
use virtio_queue::{Queue as Device, QueueT};
use vm_memory::{Bytes as _, GuestAddress, GuestMemoryMmap};

use super::*;

/// The device's memory: the queue's is copied to it before the device runs, and back after it.
struct Reference {
    rig: Rig,
    device: Device,
    memory: GuestMemoryMmap,
}

impl Reference {
    fn new(indirect: bool, event_idx: bool) -> Self {
        let negotiated = Negotiated {
            indirect,
            event_idx,
        };
        let rig = Rig::new(negotiated, 6);
        let start = GuestAddress(PADDR);
        let memory = GuestMemoryMmap::from_ranges(&[(start, rig.memory.len())]).unwrap();
        let mut device = Device::new(SIZE).unwrap();
        let [desc, driver, used] = rig.queue.areas().map(|area| GuestAddress(area.get()));
        device.try_set_desc_table_address(desc).unwrap();
        device.try_set_avail_ring_address(driver).unwrap();
        device.try_set_used_ring_address(used).unwrap();
        device.set_event_idx(event_idx);
        device.set_ready(true);
        let reference = Self {
            rig,
            device,
            memory,
        };
        reference.to_device();
        assert!(reference.device.is_valid(&reference.memory));
        reference
    }

    fn to_device(&self) {
        let mut bytes = vec![0; self.rig.memory.len()];
        self.rig.memory.copy_in(0, &mut bytes).unwrap();
        self.memory
            .write_slice(&bytes, GuestAddress(PADDR))
            .unwrap();
    }

    fn to_driver(&self) {
        let mut bytes = vec![0; self.rig.memory.len()];
        self.memory
            .read_slice(&mut bytes, GuestAddress(PADDR))
            .unwrap();
        self.rig.memory.copy_out(0, &bytes).unwrap();
    }

    /// Everything that the device finds: heads and buffers.
    fn take(&mut self) -> Vec<(u16, Vec<Buffer>)> {
        self.to_device();
        let mut found = Vec::new();
        while let Some(chain) = self.device.pop_descriptor_chain(&self.memory) {
            let head = chain.head_index();
            let buffers = chain.map(|descriptor| Buffer {
                paddr: PhysAddr::new(descriptor.addr().0),
                len: descriptor.len(),
                device_writes: descriptor.is_write_only(),
            });
            found.push((head, buffers.collect()));
        }
        found
    }

    /// The device is done with a request; whether it interrupts.
    fn finish(&mut self, head: u16, len: u32) -> bool {
        self.to_device();
        self.device.add_used(&self.memory, head, len).unwrap();
        let interrupt = self.device.needs_notification(&self.memory).unwrap();
        self.to_driver();
        interrupt
    }

    /// The device sleeps until it is notified; whether there was something already.
    fn sleep(&mut self) -> bool {
        self.to_device();
        let more = self.device.enable_notification(&self.memory).unwrap();
        self.to_driver();
        more
    }
}

fn buffers(readable: u32, writable: u32, seed: u32) -> Vec<Buffer> {
    let at = |i: u32| u64::from(seed) << 16 | u64::from(i);
    let readable = (0..readable).map(|i| read(at(i), seed + i + 1));
    let writable = (0..writable).map(|i| written(at(i + 100), seed + i + 1));
    readable.chain(writable).collect()
}

#[test]
fn a_sleeping_device_is_notified_once_per_batch() {
    for event_idx in [false, true] {
        let mut reference = Reference::new(true, event_idx);
        assert!(!reference.sleep());
        reference.rig.queue.add(buffers(1, 2, 1), 1).unwrap();
        reference.rig.queue.add(buffers(1, 2, 2), 2).unwrap();
        assert!(reference.rig.queue.publish());
        assert_eq!(reference.take().len(), 2);
        if event_idx {
            reference.rig.queue.add(buffers(1, 2, 3), 3).unwrap();
            assert!(!reference.rig.queue.publish(), "it did not ask again");
        }
        assert!(!reference.rig.queue.arm());
        assert!(reference.finish(0, 0), "the driver asked");
        if event_idx {
            assert!(!reference.finish(1, 0), "once");
        }
    }
}

proptest! {
    /// What the driver adds is what the device finds, and what the device uses, in whatever order,
    /// is what the driver pops; with all descriptors back in the end. Far enough for indices to wrap.
    #[test]
    fn both_sides_agree(
        indirect: bool,
        event_idx: bool,
        acts in proptest::collection::vec((0_u8..4, 0_u32..4, 0_u32..4), 1..300),
    ) {
        let mut reference = Reference::new(indirect, event_idx);
        let mut expected = Vec::new();
        let mut at_device: Vec<(u16, u32)> = Vec::new();
        let mut done: Vec<(u32, u32)> = Vec::new();
        let mut tokens: BTreeMap<u32, Vec<Buffer>> = BTreeMap::new();
        let mut next = 0;
        for (act, a, b) in acts {
            match act {
                0 => {
                    let request = buffers(a, b, next);
                    if reference.rig.queue.add(request.clone(), next).is_ok() {
                        expected.push(next);
                        tokens.insert(next, request);
                        next += 1;
                    }
                }
                1 => {
                    let _ = reference.rig.queue.publish();
                    let found = reference.take();
                    prop_assert_eq!(found.len(), expected.len());
                    for ((head, found), token) in found.into_iter().zip(expected.drain(..)) {
                        prop_assert_eq!(&found, &tokens[&token]);
                        at_device.push((head, token));
                    }
                }
                2 => if !at_device.is_empty() {
                    let (head, token) = at_device.remove(a as usize % at_device.len());
                    let writable = tokens[&token].iter().filter(|b| b.device_writes);
                    let len = writable.map(|b| b.len).sum();
                    reference.finish(head, len);
                    done.push((token, len));
                },
                _ => {
                    for (token, written) in done.drain(..) {
                        let popped = reference.rig.queue.pop();
                        prop_assert_eq!(popped, Popped::Used(Used { token, written }));
                        tokens.remove(&token);
                    }
                    prop_assert_eq!(reference.rig.queue.pop(), Popped::Nothing);
                    prop_assert_eq!(usize::from(reference.rig.queue.in_flight()), tokens.len());
                }
            }
        }
        prop_assert_eq!(reference.rig.queue.lies(), 0);
    }

    /// Whatever the device writes anywhere in the queue's memory: no panic, bounded work, each token
    /// comes back at most once.
    #[test]
    fn a_hostile_device_is_survived(
        indirect: bool,
        event_idx: bool,
        acts in proptest::collection::vec((0_u8..5, 0_usize..1024, any::<u32>()), 1..200),
    ) {
        let negotiated = Negotiated { indirect, event_idx };
        let mut rig = Rig::new(negotiated, 6);
        let mut out = std::collections::BTreeSet::new();
        let mut next = 0;
        for (act, at, value) in acts {
            match act {
                0 => if rig.queue.add(buffers(value % 4, value % 3, 1), next).is_ok() {
                    out.insert(next);
                    next += 1;
                },
                1 => { let _ = rig.queue.publish(); }
                2 => { let _ = rig.memory.store(at % (rig.memory.len() / 4) * 4, value); }
                3 => rig.used_idx(u16::try_from(value % 24).unwrap()),
                _ => for _ in 0..=SIZE {
                    match rig.queue.pop() {
                        Popped::Used(used) => {
                            prop_assert!(out.remove(&used.token));
                            prop_assert!(used.written <= 3 * 8);
                        }
                        Popped::Nothing => break,
                        Popped::Lie(_) => {}
                    }
                },
            }
            prop_assert_eq!(usize::from(rig.queue.in_flight()), out.len());
        }
    }
}

/// More requests than indices have values.
#[test]
fn indices_wrap() {
    for event_idx in [false, true] {
        let mut rig = Rig::new(
            Negotiated {
                indirect: false,
                event_idx,
            },
            0,
        );
        let mut index = 0_u16;
        for turn in 0..70_000_u32 {
            rig.queue.add([read(0, 1), written(0, 8)], turn).unwrap();
            let _ = rig.queue.publish();
            let slot = usize::from(index % SIZE);
            let head: u16 = rig.memory.load(rig.driver + 4 + 2 * slot).unwrap();
            rig.element(slot, head.into(), 8);
            index = index.wrapping_add(1);
            rig.used_idx(index);
            let done = Used {
                token: turn,
                written: 8,
            };
            assert_eq!(rig.queue.pop(), Popped::Used(done));
        }
    }
}
