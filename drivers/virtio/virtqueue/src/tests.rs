// SPDX-License-Identifier: BSD-2-Clause
//! The queue against rust-vmm's device side and against devices that lie; the transport on a bank
//! of registers.

mod device;
mod registers;

use record::WindowEntry;
use shm::{Region, Rw, fake};
use units::{Bytes, PhysAddr};
use virtio::queue::area_sizes;

use crate::*;

/// Where the device finds the queue.
const PADDR: u64 = 0x10_0000;
const SIZE: u16 = 8;

/// A queue, its memory, and where its parts are in it.
struct Rig {
    memory: Region<Rw>,
    queue: Queue<u32, 16>,
    driver: usize,
    device: usize,
}

fn area(len: usize) -> Area {
    let window = WindowEntry {
        paddr: PhysAddr::new(PADDR),
        size: Bytes::new(len as u64),
    };
    Area::new(fake::region(len), window).unwrap()
}

impl Rig {
    fn new(negotiated: Negotiated, indirect: u16) -> Self {
        let layout = Layout {
            size: SIZE,
            indirect,
        };
        let mut area = area(layout.bytes());
        let memory = area.memory();
        memory.fill(0, memory.len(), 0xaa).unwrap();
        let queue = Queue::new(&mut area, layout, negotiated).unwrap();
        assert!(area.is_empty(), "all of it is used");
        let [_, driver, device] = queue.areas();
        let offset = |at: PhysAddr| usize::try_from(at.get() - PADDR).unwrap();
        Self {
            memory,
            queue,
            driver: offset(driver),
            device: offset(device),
        }
    }

    fn plain() -> Self {
        Self::new(Negotiated::default(), 0)
    }

    /// The device publishes an index.
    fn used_idx(&self, value: u16) {
        self.memory.store_release(self.device + 2, value).unwrap();
    }

    /// The device writes a used element.
    fn element(&self, slot: usize, id: u32, len: u32) {
        let at = self.device + 4 + 8 * slot;
        self.memory.write(at, &[id, len]).unwrap();
    }
}

fn read(paddr: u64, len: u32) -> Buffer {
    Buffer {
        paddr: PhysAddr::new(paddr),
        len,
        device_writes: false,
    }
}

fn written(paddr: u64, len: u32) -> Buffer {
    Buffer {
        device_writes: true,
        ..read(paddr, len)
    }
}

#[test]
fn areas_suit_the_specification() {
    for size in [1, 2, 8, 256, 1024] {
        let layout = Layout { size, indirect: 0 };
        let mut area = area(layout.bytes());
        let queue: Queue<(), 1024> = Queue::new(&mut area, layout, Negotiated::default()).unwrap();
        let [descriptors, driver, device] = queue.areas().map(PhysAddr::get);
        let sizes = area_sizes(size);
        assert!(descriptors + sizes[0] <= driver && driver + sizes[1] <= device);
        assert!(device + sizes[2] <= PADDR + layout.bytes() as u64);
        assert!(descriptors % 16 == 0 && driver % 2 == 0 && device % 4 == 0);
    }
}

#[test]
fn impossible_queues_are_not_made() {
    let make = |size, len| {
        let layout = Layout { size, indirect: 0 };
        Queue::<(), 16>::new(&mut area(len), layout, Negotiated::default()).is_some()
    };
    assert!(make(16, 0x1000));
    assert!(!make(0, 0x1000) && !make(3, 0x1000), "no power of two");
    assert!(!make(32, 0x1000), "more than the type has room for");
    assert!(!make(16, 256), "the memory is too short");
    let window = WindowEntry {
        paddr: PhysAddr::new(PADDR),
        size: Bytes::new(0x2000),
    };
    assert!(Area::new(fake::region(0x1000), window).is_none());
}

#[test]
fn an_area_hands_out_aligned_parts() {
    let mut whole = area(0x3000);
    assert_eq!(whole.take(10, 8).unwrap().paddr().get(), PADDR);
    let page = whole.take(0x1000, 0x1000).unwrap();
    assert_eq!(page.paddr().get(), PADDR + 0x1000);
    assert_eq!((page.len(), whole.len()), (0x1000, 0x1000));
    assert!(whole.take(0x1001, 8).is_none());
    assert!(whole.take(usize::MAX, 8).is_none());
    assert!(whole.take(0x1000, 8).is_some() && whole.is_empty());
}

#[test]
fn a_full_queue_gives_the_token_back() {
    let mut rig = Rig::plain();
    assert_eq!(rig.queue.add([], 1), Err(Full(1)), "no buffer");
    assert_eq!(rig.queue.add([read(0, 1); 9], 2), Err(Full(2)), "too many");
    rig.queue.add([read(0, 1); 5], 3).unwrap();
    assert!(rig.queue.has_room(3) && !rig.queue.has_room(4));
    assert_eq!(rig.queue.add([read(0, 1); 4], 4), Err(Full(4)));
    rig.queue.add([read(0, 1); 3], 5).unwrap();
    assert_eq!(rig.queue.in_flight(), 2);
    assert!(!rig.queue.has_room(1));
}

#[test]
fn nothing_is_visible_before_it_is_published() {
    let mut rig = Rig::plain();
    rig.queue.add([read(0, 1)], 1).unwrap();
    rig.queue.add([read(0, 1)], 2).unwrap();
    let index = || rig.memory.load::<u16>(rig.driver + 2).unwrap();
    assert_eq!(index(), 0);
    assert!(rig.queue.publish(), "one notification for both");
    assert_eq!(index(), 2);
    assert!(!rig.queue.publish(), "nothing new");
    rig.memory.store(rig.device, 1_u16).unwrap();
    rig.queue.add([read(0, 1)], 3).unwrap();
    assert!(!rig.queue.publish(), "VIRTQ_USED_F_NO_NOTIFY");
}

#[test]
fn without_event_idx_interrupts_are_turned_off_and_on() {
    let mut rig = Rig::plain();
    rig.queue.add([read(0, 1)], 1).unwrap();
    let _ = rig.queue.publish();
    rig.queue.disarm();
    assert_eq!(rig.memory.load::<u16>(rig.driver), Ok(1));
    assert!(!rig.queue.arm());
    assert_eq!(rig.memory.load::<u16>(rig.driver), Ok(0));
    rig.used_idx(1);
    assert!(rig.queue.arm(), "looked again after arming");
}

#[test]
fn with_event_idx_an_interrupt_can_wait_for_several() {
    let both = Negotiated {
        indirect: true,
        event_idx: true,
    };
    let mut rig = Rig::new(both, 4);
    for token in 0..4 {
        rig.queue.add([read(0, 1)], token).unwrap();
    }
    let _ = rig.queue.publish();
    assert!(!rig.queue.arm_after(3));
    assert_eq!(rig.memory.load::<u16>(rig.driver + 4 + 2 * 8), Ok(2));
    rig.used_idx(2);
    assert!(!rig.queue.arm_after(3));
    rig.used_idx(3);
    assert!(rig.queue.arm_after(3));
}

/// MigTD PR 986: what the device writes is not trusted.
#[test]
fn a_device_that_lies_is_counted_and_nothing_else() {
    let mut rig = Rig::plain();
    rig.queue.add([read(0, 4), written(8, 16)], 7).unwrap();
    rig.queue.add([read(0, 4)], 8).unwrap();
    let _ = rig.queue.publish();
    rig.element(0, 8, 0);
    rig.used_idx(1);
    assert_eq!(rig.queue.pop(), Popped::Lie(Lie::Id), "no such entry");
    rig.element(1, 1, 0);
    rig.used_idx(2);
    assert_eq!(rig.queue.pop(), Popped::Lie(Lie::Id), "inside a chain");
    rig.element(2, 0, 17);
    rig.used_idx(3);
    let done = Used {
        token: 7,
        written: 16,
    };
    assert_eq!(rig.queue.pop(), Popped::Used(done), "the length is cut");
    rig.element(3, 0, 0);
    rig.used_idx(4);
    assert_eq!(rig.queue.pop(), Popped::Lie(Lie::Id), "twice");
    rig.element(4, u32::MAX, 0);
    rig.used_idx(5);
    assert_eq!(rig.queue.pop(), Popped::Lie(Lie::Id));
    assert_eq!((rig.queue.lies(), rig.queue.in_flight()), (5, 1));
    rig.used_idx(7);
    assert!(!rig.queue.is_broken());
    assert_eq!(
        rig.queue.pop(),
        Popped::Lie(Lie::Index),
        "one was in flight"
    );
    assert!(rig.queue.is_broken());
    rig.used_idx(5);
    assert_eq!(rig.queue.pop(), Popped::Lie(Lie::Index), "for good");
    assert_eq!(rig.queue.add([read(0, 1)], 9), Err(Full(9)));
}

#[test]
fn an_index_that_goes_back_is_a_lie() {
    let mut rig = Rig::plain();
    rig.queue.add([read(0, 4)], 1).unwrap();
    let _ = rig.queue.publish();
    rig.element(0, 0, 0);
    rig.used_idx(1);
    assert!(matches!(rig.queue.pop(), Popped::Used(_)));
    rig.used_idx(0);
    assert_eq!(rig.queue.pop(), Popped::Lie(Lie::Index));
}

/// The device rewrites what is the driver's: descriptors and the driver area are never read back.
#[test]
fn what_the_device_does_to_the_rings_changes_nothing() {
    let mut rig = Rig::plain();
    rig.queue
        .add([read(0, 4), read(4, 4), written(8, 16)], 1)
        .unwrap();
    let _ = rig.queue.publish();
    rig.memory.fill(0, rig.device, 0xff).unwrap();
    rig.element(0, 0, 3);
    rig.used_idx(1);
    let done = Used {
        token: 1,
        written: 3,
    };
    assert_eq!(rig.queue.pop(), Popped::Used(done));
    assert!(rig.queue.has_room(8), "all descriptors came back");
}
