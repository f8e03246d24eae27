// SPDX-License-Identifier: BSD-2-Clause
//! Both ends on heap memory, lying peers, and crashes at every store.

use proptest::prelude::*;
use shm::{Region, Rw, fake};

use crate::layout::*;
use crate::*;

const OFFER: Offer = Offer {
    device: 3,
    features: 0x1_3000_0000,
    queues: 2,
    queue_max: 8,
    config_len: 12,
};

struct Pair {
    orders: Region<Rw>,
    answers: Region<Rw>,
}

impl Pair {
    fn new() -> Self {
        Self {
            orders: fake::region(0x1000),
            answers: fake::region(0x1000),
        }
    }

    fn transport(&self) -> Transport {
        Transport::new(self.orders, self.answers.read_only()).unwrap()
    }

    fn backend(&self) -> Backend {
        Backend::new(
            self.orders.read_only(),
            self.answers,
            OFFER,
            &[80, 0, 25, 0],
        )
        .unwrap()
    }
}

fn queue(desc: u64) -> QueueConfig {
    QueueConfig {
        size: 8,
        ready: true,
        desc,
        driver: desc + 0x100,
        device: desc + 0x200,
    }
}

/// Numbers pinned to the table in README.md.
#[test]
fn layout_is_that_of_the_readme() {
    assert_eq!((ORDERS_SIZE, INFLIGHT), (0x220, 0x200));
    assert_eq!(answers_size(2, 64), 0x200 + 2 * (8 + 64 * 16));
    assert_eq!((VERSION, MAX_QUEUES, CONFIG_SIZE), (2, 16, 256));
}

#[test]
fn the_offer_appears_when_the_backend_is_there() {
    let pair = Pair::new();
    let transport = pair.transport();
    assert_eq!(transport.offer(), None);
    let _backend = pair.backend();
    assert_eq!(transport.offer(), Some(OFFER));
    let mut config = [0xff; 12];
    transport.read_config(0, &mut config).unwrap();
    assert_eq!(config, [80, 0, 25, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    assert!(transport.read_config(250, &mut config).is_err());
}

#[test]
fn orders_are_settled_by_acknowledging_them() {
    let pair = Pair::new();
    let (mut transport, mut backend) = (pair.transport(), pair.backend());
    let (first, resume) = backend.orders().unwrap();
    assert_eq!((first.phase, resume), (Phase::LetGo, false));
    assert!(!transport.settled());
    backend.acknowledge(first.generation);
    assert!(transport.settled());
    assert_eq!(backend.orders(), None);
    transport.order(Phase::Running, 7, &[queue(0x1000), queue(0x2000)]);
    assert!(!transport.settled());
    let (orders, _) = backend.orders().unwrap();
    assert_eq!((orders.phase, orders.features), (Phase::Running, 7));
    assert_eq!(orders.queues[..2], [queue(0x1000), queue(0x2000)]);
    assert!(orders.queues[2..].iter().all(|queue| !queue.ready));
    transport.order(Phase::LetGo, 0, &[]);
    backend.acknowledge(orders.generation);
    assert!(
        !transport.settled(),
        "H-11: an answer to older orders settles nothing"
    );
}

#[test]
fn a_new_vmm_orders_an_old_backend_to_let_go() {
    let pair = Pair::new();
    let (mut transport, mut backend) = (pair.transport(), pair.backend());
    transport.order(Phase::Running, 7, &[queue(0x1000)]);
    let (orders, _) = backend.orders().unwrap();
    backend.acknowledge(orders.generation);
    let transport = pair.transport();
    assert!(!transport.settled());
    let (orders, resume) = backend.orders().unwrap();
    assert_eq!((orders.phase, resume), (Phase::LetGo, false));
}

#[test]
fn a_backend_that_came_back_gets_its_orders_again() {
    let pair = Pair::new();
    let (mut transport, mut backend) = (pair.transport(), pair.backend());
    transport.order(Phase::Running, 7, &[queue(0x1000)]);
    let (orders, _) = backend.orders().unwrap();
    backend.acknowledge(orders.generation);
    backend.used_buffers();
    let before = transport.events();
    let mut backend = pair.backend();
    assert_eq!(transport.events(), before, "no event is lost or made up");
    assert!(transport.settled());
    assert_eq!(backend.orders(), Some((orders, true)));
    assert_eq!(backend.orders(), None);
    // Died again, and the guest reset the device meanwhile.
    let mut backend = pair.backend();
    transport.order(Phase::LetGo, 0, &[]);
    let (orders, resume) = backend.orders().unwrap();
    assert_eq!((orders.phase, resume), (Phase::LetGo, false));
}

#[test]
fn events_count_up() {
    let pair = Pair::new();
    let (transport, mut backend) = (pair.transport(), pair.backend());
    assert_eq!(transport.events(), Events::default());
    backend.used_buffers();
    backend.set_config(&[1]).unwrap();
    backend.set_fault(9);
    assert_eq!(
        transport.events(),
        Events {
            used: 1,
            config: 1,
            fault: 9
        }
    );
    assert!(backend.set_config(&[0; 13]).is_err());
}

#[test]
fn orders_in_the_making_are_not_taken() {
    let pair = Pair::new();
    let (_transport, mut backend) = (pair.transport(), pair.backend());
    let generation: u32 = pair.orders.load(GENERATION).unwrap();
    pair.orders.store(GENERATION, generation | 1).unwrap();
    assert_eq!(backend.orders(), None);
}

#[test]
fn regions_and_offers_out_of_bounds_are_refused() {
    let (small, large) = (fake::region(0x100), fake::region(0x1000));
    let transport = Transport::new(small, large.read_only());
    assert_eq!(transport.unwrap_err(), LinkError::Region);
    let with = |offer, answers| Backend::new(large.read_only(), answers, offer, &[]).unwrap_err();
    assert_eq!(with(OFFER, small), LinkError::Region);
    for offer in [
        Offer { device: 0, ..OFFER },
        Offer {
            queues: 17,
            ..OFFER
        },
        Offer {
            queue_max: 12,
            ..OFFER
        },
        Offer {
            config_len: 257,
            ..OFFER
        },
    ] {
        assert_eq!(with(offer, large), LinkError::Offer);
    }
}

proptest! {
    /// Whatever the backend's region holds, the transport copes: an offer within bounds or none.
    #[test]
    fn lying_backend(bytes in proptest::collection::vec(any::<u8>(), 0x200), magic: bool) {
        let pair = Pair::new();
        pair.answers.copy_out(0, &bytes).unwrap();
        if magic {
            pair.answers.store(MAGIC, ANSWERS_MAGIC).unwrap();
            pair.answers.store(LAYOUT_VERSION, VERSION).unwrap();
            pair.answers.store(QUEUE_COUNT, u32::from(bytes[0]) % 20).unwrap();
            pair.answers.store(QUEUE_MAX, 1_u32 << (bytes[1] % 18)).unwrap();
            pair.answers.store(CONFIG_LEN, u32::from(bytes[2]) * 2).unwrap();
        }
        let transport = pair.transport();
        let _ = (transport.settled(), transport.events());
        if let Some(offer) = transport.offer() {
            prop_assert!(offer.is_valid());
            prop_assert!(answers_size(offer.queues, offer.queue_max) <= 0x1000);
        }
    }

    /// Whatever the transport's region holds, the backend copes.
    #[test]
    fn lying_transport(bytes in proptest::collection::vec(any::<u8>(), ORDERS_SIZE)) {
        let pair = Pair::new();
        pair.orders.copy_out(0, &bytes).unwrap();
        pair.orders.store(MAGIC, ORDERS_MAGIC).unwrap();
        pair.orders.store(LAYOUT_VERSION, VERSION).unwrap();
        let mut backend = pair.backend();
        if let Some((orders, _)) = backend.orders() {
            prop_assert_eq!(orders.generation & 1, 0);
            backend.acknowledge(orders.generation);
            prop_assert_eq!(backend.orders(), None);
        }
    }

    /// R6: a crash after any store of a batch leaves a table from which every request is done
    /// exactly once.
    #[test]
    fn a_crash_neither_loses_nor_repeats_a_request(
        steps in proptest::collection::vec((any::<bool>(), 0_u16..8), 1..60),
        batch in 0_usize..8, crash in 0_usize..12,
    ) {
        let pair = Pair::new();
        let backend = pair.backend();
        let mut table = backend.inflight(0, 8).unwrap();
        table.clear();
        let (mut used, mut taken) = (0_u16, 0_u16);
        let mut flying: Vec<u16> = Vec::new();
        for (start, head) in steps {
            if start && !flying.contains(&head) {
                table.begin(head);
                table.note(head, u64::from(head) + 100);
                flying.push(head);
                taken += 1;
            } else if !start && !flying.is_empty() {
                let count = 1 + usize::from(head) % flying.len();
                let heads: Vec<u16> = flying.drain(..count).collect();
                complete(&mut table, &heads, &mut used, None);
            }
        }
        // The last batch is cut short after `crash` stores.
        let heads: Vec<u16> = flying.iter().copied().take(batch).collect();
        complete(&mut table, &heads, &mut used, Some(crash));
        if crash > heads.len() + 1 {
            flying.drain(..heads.len());
        }
        let mut table = pair.backend().inflight(0, 8).unwrap();
        let recovered = table.recover(used).unwrap();
        prop_assert_eq!(recovered, Recovered { used, avail: taken });
        let mut found = Vec::new();
        let mut last = 0;
        while let Some(request) = table.after(last) {
            prop_assert_eq!(request.cookie, u64::from(request.head) + 100);
            found.push(request.head);
            last = request.sequence;
        }
        prop_assert_eq!(&found, &flying);
        let wrong = table.recover(used.wrapping_add(9)).unwrap_err();
        prop_assert_eq!(wrong.expected, used);
        // What was recovered goes on as if nothing had happened.
        complete(&mut table, &found, &mut used, None);
        prop_assert_eq!(table.after(0), None);
        prop_assert_eq!(table.recover(used).unwrap(), Recovered { used, avail: taken });
    }
}

/// A batch, up to the store with number `stop`; `used` is the index in the guest's memory.
fn complete(table: &mut Inflight, heads: &[u16], used: &mut u16, stop: Option<usize>) {
    let stop = stop.unwrap_or(usize::MAX);
    let count = heads.len();
    if count == 0 {
        return;
    }
    for head in heads.iter().take(stop) {
        table.done(*head);
    }
    let before = *used;
    let size = u16::try_from(count).unwrap();
    if stop > count {
        table.publishing(before, size);
    }
    if stop > count + 1 {
        *used = before.wrapping_add(size);
    }
    let cleared = stop.saturating_sub(count + 2).min(count);
    for head in heads.iter().take(cleared) {
        table.clear_for_test(*head);
    }
    if stop > 2 * count + 2 {
        table.published(heads.iter().copied(), *used);
    }
}

#[test]
fn what_the_driver_wrote_to_the_configuration_comes_with_the_orders() {
    let pair = Pair::new();
    let (mut transport, mut backend) = (pair.transport(), pair.backend());
    assert_eq!(backend.orders().unwrap().0.config_write, None);
    for value in [0, 1, 0xff] {
        transport.set_config_write(Some(value));
        transport.order(Phase::Running, 0, &[]);
        let (orders, _) = backend.orders().unwrap();
        assert_eq!(orders.config_write, Some(value));
        backend.acknowledge(orders.generation);
    }
    transport.set_config_write(None);
    transport.order(Phase::LetGo, 0, &[]);
    assert_eq!(backend.orders().unwrap().0.config_write, None);
    backend.set_config(&[1, 2, 3]).unwrap();
    let mut config = [0; 4];
    pair.backend().config(&mut config).unwrap();
    assert_eq!(config, [1, 2, 3, 0], "a later life finds it");
}
