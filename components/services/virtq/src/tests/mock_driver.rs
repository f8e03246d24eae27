// SPDX-License-Identifier: BSD-2-Clause
//! Our device side against rust-vmm's `virtio-queue`: its mock driver builds the rings, its own
//! device side says what should come out of them.

use crate::{Chain, Popped, Queue, Setup};
use guest_mem::GuestMem;
use proptest::prelude::*;
use shm::{Region, Rw, fake};
use units::Gpa;
use vio::{Backend, Offer, QueueConfig};
use virtio_queue::desc::RawDescriptor;
use virtio_queue::desc::split::Descriptor;
use virtio_queue::mock::MockSplitQueue;
use virtio_queue::{Queue as TheirQueue, QueueOwnedT};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

const SIZE: u16 = 16;
const MEMORY: usize = 0x8000;
const DATA: u64 = 0x4000;

/// Both implementations' memory. Their memory is copied to ours before our side runs, and back
/// after it.
struct Memories {
    theirs: GuestMemoryMmap,
    ours: Region<Rw>,
    mem: GuestMem,
}

impl Memories {
    fn new() -> Self {
        let theirs = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), MEMORY)]).unwrap();
        let ours = fake::region(MEMORY);
        Self {
            theirs,
            ours,
            mem: GuestMem::new().with(Gpa::new(0), ours).unwrap(),
        }
    }

    fn to_ours(&self) {
        let mut bytes = vec![0; MEMORY];
        self.theirs.read_slice(&mut bytes, GuestAddress(0)).unwrap();
        self.ours.copy_out(0, &bytes).unwrap();
    }

    fn to_theirs(&self) {
        let mut bytes = vec![0; MEMORY];
        self.ours.copy_in(0, &mut bytes).unwrap();
        self.theirs.write_slice(&bytes, GuestAddress(0)).unwrap();
    }
}

fn our_queue(memories: &Memories, mock: &MockSplitQueue<'_, GuestMemoryMmap>) -> Queue {
    let offer = Offer {
        device: 3,
        features: 0,
        queues: 1,
        queue_max: SIZE,
        config_len: 0,
    };
    let (orders, answers) = (fake::region(0x1000), fake::region(0x1000));
    let backend = Backend::new(orders.read_only(), answers, offer, &[]).unwrap();
    let config = QueueConfig {
        size: SIZE,
        ready: true,
        desc: mock.desc_table_addr().0,
        driver: mock.avail_addr().0,
        device: mock.used_addr().0,
    };
    let inflight = backend.inflight(0, SIZE).unwrap();
    let (event_idx, indirect) = (false, true);
    Queue::new(Setup {
        mem: &memories.mem,
        config,
        event_idx,
        indirect,
        inflight,
    })
    .unwrap()
}

/// Address and length of each buffer, and whether the device writes it.
type Buffers = Vec<(u64, u32, bool)>;

fn our_buffers(memories: &Memories, chain: &Chain) -> Buffers {
    let base = memories.ours.address();
    let of = |buffer: &Region<Rw>, writable| {
        (
            buffer.address() - base,
            u32::try_from(buffer.len()).unwrap(),
            writable,
        )
    };
    let readable = chain.readable().iter().map(|buffer| of(buffer, false));
    readable
        .chain(chain.writable().iter().map(|buffer| of(buffer, true)))
        .collect()
}

proptest! {
    /// Random well-formed chains: both device sides see the same heads and buffers, and the mock
    /// driver finds what we gave back.
    #[test]
    fn both_device_sides_see_the_same(
        chains in proptest::collection::vec((0_usize..4, 0_usize..4), 1..4),
        lens in proptest::collection::vec(1_u32..0x200, 24),
    ) {
        let memories = Memories::new();
        let mock = MockSplitQueue::create(&memories.theirs, GuestAddress(0), SIZE);
        let mut ours = our_queue(&memories, &mock);
        let mut lens = lens.into_iter();
        let mut descriptors = Vec::new();
        for (readable, writable) in chains.into_iter().filter(|chain| chain.0 + chain.1 > 0) {
            for at in 0..readable + writable {
                let flags = if at >= readable { 2 } else { 0 };
                let last = at + 1 == readable + writable;
                let index = u16::try_from(descriptors.len()).unwrap();
                let len = lens.next().unwrap();
                let addr = DATA + u64::from(index) * 0x200;
                let flags = flags | u16::from(!last);
                descriptors.push(RawDescriptor::from(Descriptor::new(addr, len, flags, index + 1)));
            }
        }
        prop_assume!(descriptors.len() <= usize::from(SIZE) && !descriptors.is_empty());
        mock.add_desc_chains(&descriptors, 0).unwrap();
        memories.to_ours();
        let mut theirs: TheirQueue = mock.create_queue().unwrap();
        let expected: Vec<(u16, Buffers)> = theirs.iter(&memories.theirs).unwrap().map(|chain| {
            let head = chain.head_index();
            let buffers = chain.map(|d| (d.addr().0, d.len(), d.is_write_only())).collect();
            (head, buffers)
        }).collect();
        let mut chain = <Chain>::new();
        let mut found = Vec::new();
        while ours.pop(&mut chain).unwrap() == Popped::Chain {
            found.push((chain.head(), our_buffers(&memories, &chain)));
            ours.complete(chain.head(), u32::from(chain.head()) + 7);
        }
        prop_assert_eq!(&found, &expected);
        ours.publish();
        memories.to_theirs();
        prop_assert_eq!(usize::from(u16::from_le(mock.used().idx().load())), expected.len());
        for (index, (head, _)) in expected.iter().enumerate() {
            let used = mock.used().ring().ref_at(index).unwrap().load();
            prop_assert_eq!((used.id(), used.len()), (u32::from(*head), u32::from(*head) + 7));
        }
    }

    /// Random descriptors, mostly malformed: where we see a sound chain, they see the same one.
    #[test]
    fn what_we_accept_they_read_alike(
        raw in proptest::collection::vec(
            (0_u64..0x9000, 0_u32..0x300, 0_u16..4, 0_u16..SIZE + 1), usize::from(SIZE)
        ),
        head in 0_u16..SIZE,
    ) {
        let memories = Memories::new();
        let mock = MockSplitQueue::create(&memories.theirs, GuestAddress(0), SIZE);
        let mut ours = our_queue(&memories, &mock);
        for (index, (addr, len, flags, next)) in raw.into_iter().enumerate() {
            let descriptor = RawDescriptor::from(Descriptor::new(addr, len, flags, next));
            mock.desc_table().store(u16::try_from(index).unwrap(), descriptor).unwrap();
        }
        mock.avail().ring().ref_at(0).unwrap().store(head.to_le());
        mock.avail().idx().store(1_u16.to_le());
        memories.to_ours();
        let mut chain = <Chain>::new();
        if ours.pop(&mut chain) == Ok(Popped::Chain) {
            let mut theirs: TheirQueue = mock.create_queue().unwrap();
            let their_chain = theirs.iter(&memories.theirs).unwrap().next().unwrap();
            let expected: Buffers =
                their_chain.map(|d| (d.addr().0, d.len(), d.is_write_only())).collect();
            prop_assert_eq!(our_buffers(&memories, &chain), expected);
        }
    }
}
