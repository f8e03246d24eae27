// SPDX-License-Identifier: BSD-2-Clause
//! Two machines with a network card each, and the switch between them. Notifications go where they
//! were sent and nowhere else, so one that is missing shows.

mod driver;

pub use driver::{Driver, RAM, Received, Shape};

use std::cell::RefCell;
use std::rc::Rc;

use guest::Span;
use guest::machine::RAM_BASE;
use net_switch::NetSwitch;
use pd::Handler;
use pd::fake::{FakeKernel, KernelCall, World};
use shm::{Region, Rw, fake};
use trace::View;
use units::{ChannelId, ChannelSet};
use virtio_mmio::Transport;
use virtio_net::Net;

use crate::registers::{Machine, Registers};

/// A backend's channel to its VMM.
const VMM: u64 = 3;
/// A backend's channel to the switch.
const NET: u64 = 7;
/// Slots of a link in each direction.
const SLOTS: u32 = 16;
/// The guests' addresses.
pub const MACS: [[u8; 6]; 2] = [[0x52, 0x54, 0, 0, 0, 1], [0x52, 0x54, 0, 0, 0, 2]];
/// The same in the record.
const MAC_TEXTS: [&str; 2] = ["52:54:00:00:00:01", "52:54:00:00:00:02"];
/// Names of the switch's ports; their regions; their addresses.
const PORTS: [(&str, [&str; 2], &str, &str); 2] = [
    ("a", ["a.out", "a.in"], "a.mac", "a.kind"),
    ("b", ["b.out", "b.in"], "b.mac", "b.kind"),
];

/// Everything that outlives a backend.
#[derive(Clone, Copy, Debug)]
struct Wiring {
    index: usize,
    ram: Region<Rw>,
    orders: Region<Rw>,
    answers: Region<Rw>,
    trace: Region<Rw>,
    link: frames::fake::FakeLink,
}

/// A backend.
#[derive(Debug)]
struct Station {
    wiring: Wiring,
    backend: Net,
    kernel: FakeKernel,
    /// It has notified its VMM.
    news: bool,
}

/// Both backends and the switch.
#[derive(Debug)]
pub struct Network {
    stations: Vec<Station>,
    switch: NetSwitch,
    kernel: FakeKernel,
    trace: Region<Rw>,
    /// The switch does not get to run.
    pub asleep: bool,
    /// Notifications between backends and switch so far.
    pub notifications: usize,
}

fn channels(id: u64) -> ChannelSet {
    let mut channels = ChannelSet::EMPTY;
    if let Some(channel) = ChannelId::new(id) {
        channels.insert(channel);
    }
    channels
}

impl Wiring {
    fn new(index: usize, ram: Region<Rw>) -> Self {
        let [orders, answers, trace] = [0x1000, 0x4000, 0x1000].map(fake::region);
        Self {
            index,
            ram,
            orders,
            answers,
            trace,
            link: frames::fake::FakeLink::new(frames::Shape::NET, SLOTS),
        }
    }

    #[expect(clippy::expect_used, reason = "test support")]
    fn create(&self) -> Net {
        let mut world = World::new();
        world
            .region_rw("ram", self.ram)
            .region_ro("orders", self.orders)
            .region_rw("answers", self.answers)
            .region_rw("trace", self.trace)
            .region_rw("net.out", self.link.first)
            .region_ro("net.in", self.link.second)
            .channel("net", NET)
            .channel("vmm", VMM)
            .text("mac", MAC_TEXTS[self.index]);
        world.create().expect("the record is complete")
    }
}

impl Station {
    fn new(index: usize, ram: Region<Rw>) -> Self {
        let wiring = Wiring::new(index, ram);
        Self {
            wiring,
            backend: wiring.create(),
            kernel: FakeKernel::new(),
            news: false,
        }
    }

    /// What the backend's last activation notified: its VMM, and the switch.
    fn take_notified(&mut self) -> (bool, bool) {
        let calls = self.kernel.take_calls();
        let notified = |id| calls.iter().any(|call| is_notification(call, id));
        (notified(VMM), notified(NET))
    }
}

fn is_notification(call: &KernelCall, id: u64) -> bool {
    let wanted = ChannelId::new(id);
    matches!(call, KernelCall::Notify(channel) | KernelCall::NotifyDeferred(channel)
        if Some(*channel) == wanted)
}

#[expect(clippy::expect_used, reason = "test support")]
impl Network {
    fn new(rams: [Region<Rw>; 2]) -> Self {
        let stations: Vec<Station> = (0..)
            .zip(rams)
            .map(|(index, ram)| Station::new(index, ram))
            .collect();
        let trace = fake::region(0x4000);
        let mut network = Self {
            switch: switch(&stations, trace),
            stations,
            kernel: FakeKernel::new(),
            trace,
            asleep: false,
            notifications: 0,
        };
        network.switch.init(&mut network.kernel);
        for station in &mut network.stations {
            station.backend.init(&mut station.kernel);
        }
        network.pump();
        network
    }

    /// What a backend's peers write: its VMM, then the switch.
    #[must_use]
    pub fn peers(&self, index: usize) -> [Region<Rw>; 2] {
        let wiring = &self.stations[index].wiring;
        [wiring.orders, wiring.link.second]
    }

    /// A backend dies and comes back.
    pub fn restart_backend(&mut self, index: usize) {
        let station = &mut self.stations[index];
        station.backend = station.wiring.create();
        station.backend.init(&mut station.kernel);
        self.pump();
    }

    /// The switch dies and comes back.
    pub fn restart_switch(&mut self) {
        self.switch = switch(&self.stations, self.trace);
        self.switch.init(&mut self.kernel);
        self.pump();
    }

    /// The switch gets to run again.
    pub fn wake_switch(&mut self) {
        self.asleep = false;
        self.switch.notified(&mut self.kernel, channels(0));
        self.pump();
    }

    /// How often a backend counted an event.
    ///
    /// # Panics
    /// If there is no such event.
    #[must_use]
    pub fn counted(&self, index: usize, name: &str) -> u64 {
        counter(self.stations[index].wiring.trace, name)
    }

    /// How often the switch counted an event.
    ///
    /// # Panics
    /// If there is no such event.
    #[must_use]
    pub fn switch_counted(&self, name: &str) -> u64 {
        counter(self.trace, name)
    }

    /// Delivers notifications until there are none.
    fn pump(&mut self) {
        loop {
            let mut quiet = true;
            let mut to_switch = ChannelSet::EMPTY;
            for (index, station) in (0_u64..).zip(&mut self.stations) {
                let (vmm, net) = station.take_notified();
                station.news |= vmm;
                if net {
                    self.notifications += 1;
                    to_switch.insert(ChannelId::new(index).expect("two ports"));
                }
            }
            if !to_switch.is_empty() && !self.asleep {
                quiet = false;
                self.switch.notified(&mut self.kernel, to_switch);
            }
            let calls = self.kernel.take_calls();
            for (index, station) in (0_u64..).zip(&mut self.stations) {
                if calls.iter().any(|call| is_notification(call, index)) {
                    quiet = false;
                    self.notifications += 1;
                    station.backend.notified(&mut station.kernel, channels(NET));
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn kick(&mut self, index: usize) {
        let station = &mut self.stations[index];
        station.backend.notified(&mut station.kernel, channels(VMM));
        self.pump();
    }
}

fn counter(trace: Region<Rw>, name: &str) -> u64 {
    let trace = trace.read_only();
    let view = View::new(&trace);
    let found = view.ok().and_then(|view| {
        let mut buffer = [0; 64];
        let kind = (0..256).find(|kind| view.name(*kind, &mut buffer) == Some(name))?;
        view.counter(kind)
    });
    assert!(found.is_some(), "no event {name}");
    found.unwrap_or(0)
}

#[expect(clippy::expect_used, reason = "test support")]
fn switch(stations: &[Station], trace: Region<Rw>) -> NetSwitch {
    let mut world = World::new();
    for (index, station) in (0_u64..).zip(stations) {
        let (name, [out, input], mac, kind) = PORTS[station.wiring.index];
        world
            .text("port", name)
            .region_rw(out, station.wiring.link.second)
            .region_ro(input, station.wiring.link.first)
            .channel(name, index)
            .text(kind, "guest")
            .text(mac, MAC_TEXTS[station.wiring.index]);
    }
    world.region_rw("trace", trace);
    world.create().expect("the record is complete")
}

/// One of the machines.
#[derive(Debug)]
pub struct NetMachine {
    transport: Transport,
    network: Rc<RefCell<Network>>,
    index: usize,
    /// Interrupts of the driver so far.
    pub interrupts: usize,
}

/// A shared machine.
pub type Shared = Rc<RefCell<NetMachine>>;

#[expect(clippy::expect_used, reason = "test support")]
impl NetMachine {
    /// Two machines whose guests have these memories, with everything up.
    ///
    /// # Panics
    /// If the parts do not fit together.
    #[must_use]
    pub fn pair(rams: [Region<Rw>; 2]) -> (Rc<RefCell<Network>>, [Shared; 2]) {
        let network = Rc::new(RefCell::new(Network::new(rams)));
        let machine = |index: usize| {
            let borrowed = network.borrow();
            let wiring = borrowed.stations[index].wiring;
            let record = vio::Transport::new(wiring.orders, wiring.answers.read_only());
            let ram = Span::new(RAM_BASE, wiring.ram.len() as u64).expect("memory has bytes");
            let mut machine = Self {
                transport: Transport::new(
                    record.expect("a page is enough"),
                    virtio::device::NET,
                    &[ram],
                ),
                network: network.clone(),
                index,
                interrupts: 0,
            };
            drop(borrowed);
            machine.serve();
            Rc::new(RefCell::new(machine))
        };
        let machines = [machine(0), machine(1)];
        (network, machines)
    }

    /// Whether the device interrupts its driver.
    #[must_use]
    pub fn interrupts(&mut self) -> bool {
        self.serve();
        bus::Device::irq(&self.transport).is_high()
    }

    /// Requests of the driver that the transport ignored.
    #[must_use]
    pub fn anomalies(&self) -> u64 {
        self.transport.anomalies().total()
    }

    /// The registers of a machine, of whose device a driver sees these features.
    #[must_use]
    pub const fn registers(machine: Shared, features: u64) -> Registers<Self> {
        Registers::with_features(machine, features)
    }
}

impl Machine for NetMachine {
    fn transport(&mut self) -> &mut Transport {
        &mut self.transport
    }

    fn serve(&mut self) {
        let mut network = self.network.borrow_mut();
        if self.transport.take_signal() {
            network.kick(self.index);
        }
        if core::mem::take(&mut network.stations[self.index].news) {
            let before = bus::Device::irq(&self.transport).is_high();
            self.transport.on_backend();
            let after = bus::Device::irq(&self.transport).is_high();
            self.interrupts += usize::from(after && !before);
        }
    }
}
