// SPDX-License-Identifier: BSD-2-Clause
//! Orders of a transport against a device with two queues. What backends do with the queues is
//! tested with each of them.

use pd::fake::{FakeKernel, World};
use pd::{Component, Setup, SetupError};
use shm::{Region, Rw, fake};
use vio::{Offer, Phase, QueueConfig, Transport};

use crate::{Device, News, RING_FEATURES};

const RAM: u64 = 0x4000_0000;
const OFFER: Offer = Offer {
    device: virtio::device::ENTROPY,
    features: RING_FEATURES,
    queues: 2,
    queue_max: 8,
    config_len: 0,
};

struct Bare(Device<2>);

impl Component for Bare {
    fn create(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        Device::open(setup, OFFER, &[]).map(Self)
    }
}

struct Rig {
    device: Device<2>,
    transport: Transport,
    kernel: FakeKernel,
    regions: [Region<Rw>; 3],
}

fn create([ram, orders, answers]: [Region<Rw>; 3]) -> Device<2> {
    let mut world = World::new();
    world
        .region_rw("ram", ram)
        .region_ro("orders", orders)
        .region_rw("answers", answers)
        .channel("vmm", 3);
    world.create::<Bare>().unwrap().0
}

impl Rig {
    fn new() -> Self {
        let regions = [0x4000, 0x1000, 0x1000].map(fake::region);
        let [_, orders, answers] = regions;
        Self {
            device: create(regions),
            transport: Transport::new(orders, answers.read_only()).unwrap(),
            kernel: FakeKernel::new(),
            regions,
        }
    }

    fn restart(&mut self) {
        self.device = create(self.regions);
    }

    fn order(&mut self, phase: Phase, queues: [QueueConfig; 2]) -> Vec<News> {
        self.transport.order(phase, RING_FEATURES, &queues);
        self.follow()
    }

    fn follow(&mut self) -> Vec<News> {
        let mut news = Vec::new();
        self.device.follow_orders(|new| news.push(new));
        news
    }

    fn notified(&mut self) -> usize {
        self.device.finish(&mut self.kernel);
        let channel = self.device.channel();
        let count = self.kernel.notifications(channel);
        self.kernel.take_calls();
        count
    }
}

fn queue(index: u64) -> QueueConfig {
    let base = RAM + index * 0x1000;
    QueueConfig {
        size: 8,
        ready: true,
        desc: base,
        driver: base + 0x400,
        device: base + 0x800,
    }
}

fn orders(news: &[News]) -> Phase {
    let Some(News::Orders { phase, .. }) = news.last() else {
        panic!("orders come last: {news:?}");
    };
    *phase
}

#[test]
fn the_transport_hears_of_the_offer_once() {
    let mut rig = Rig::new();
    assert_eq!((rig.notified(), rig.notified()), (1, 0));
    assert_eq!(rig.transport.offer().unwrap().queues, 2);
}

#[test]
fn queues_start_stop_and_leave_each_other_alone() {
    let mut rig = Rig::new();
    let news = rig.order(Phase::Running, [queue(0), queue(1)]);
    assert_eq!(
        news[..2],
        [News::Started { queue: 0 }, News::Started { queue: 1 }]
    );
    assert_eq!(orders(&news), Phase::Running);
    assert_eq!(rig.device.features(), RING_FEATURES);
    let news = rig.order(Phase::Running, [QueueConfig::default(), queue(1)]);
    assert_eq!(news[0], News::Stopped { queue: 0 });
    assert_eq!(news.len(), 2);
    assert!(rig.device.queue(0).is_none() && rig.device.queue(1).is_some());
    let news = rig.order(Phase::LetGo, [queue(0), queue(1)]);
    assert_eq!(news[0], News::Stopped { queue: 1 });
    assert_eq!(orders(&news), Phase::LetGo);
    assert!(rig.transport.settled());
    assert_eq!(rig.device.features(), 0);
    assert_eq!(rig.follow(), [], "nothing new");
}

#[test]
fn r6_after_a_restart_queues_resume() {
    let mut rig = Rig::new();
    rig.order(Phase::Running, [queue(0), QueueConfig::default()]);
    rig.restart();
    let news = rig.follow();
    assert_eq!(news[0], News::Resumed { queue: 0 });
    assert!(rig.device.finish(&mut rig.kernel), "one interrupt is owed");
}

#[test]
fn clause_2_1_2_a_device_that_needs_a_reset_stays_so() {
    let mut rig = Rig::new();
    let wild = QueueConfig {
        desc: u64::MAX - 15,
        ..queue(1)
    };
    let news = rig.order(Phase::Running, [queue(0), wild]);
    let fault = virtq::Fault::Setup;
    assert!(news.contains(&News::Failed { queue: 1, fault }));
    assert!(rig.device.queue(0).is_none(), "none is touched any more");
    assert_eq!(rig.transport.events().fault, fault.code());
    rig.restart();
    assert_eq!(rig.follow().len(), 1, "orders without queues");
    assert_ne!(rig.transport.events().fault, 0);
    rig.order(Phase::LetGo, [QueueConfig::default(); 2]);
    assert_eq!(rig.transport.events().fault, 0);
}
