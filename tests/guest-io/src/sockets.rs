// SPDX-License-Identifier: BSD-2-Clause
//! Two guests with a socket device each, the router between them, and the native agent.
//!
//! All domains are in one process: whom one notifies runs next, until nobody has anything to do.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use frames::fake::FakeLink;
use guest::Span;
use guest::machine::RAM_BASE;
use pd::fake::{FakeKernel, KernelCall, World};
use pd::{Component, Handler};
use shm::{Region, Rw, fake};
use units::{ChannelId, ChannelSet};
use virtio_mmio::Transport;
use virtio_vsock::Vsock;
use vsock::{AGENT_CID, SHAPE};
use vsock_agent::Agent;
use vsock_router::Router;

use crate::memory;
use crate::registers::Machine;

/// CIDs of the two guests.
pub const CIDS: [u64; 2] = [3, 4];
/// Slots of each link.
const SLOTS: u32 = 16;
/// A backend's channels to its VMM and to the router, the agent's to the router.
const VMM: u64 = 1;
const LINK: u64 = 2;
/// The router's channels to the guests and the agent.
const PORTS: [u64; 3] = [10, 11, 12];
const AGENT: usize = 2;

/// A domain that can die and come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Domain {
    /// The backend of the guest with this index.
    Backend(usize),
    /// The router.
    Router,
    /// The agent.
    Agent,
}

/// A domain's logic and what it asked of its kernel.
#[derive(Debug)]
struct Node<C> {
    logic: C,
    kernel: FakeKernel,
}

impl<C: Component + Handler<FakeKernel>> Node<C> {
    #[expect(clippy::expect_used, reason = "test support")]
    fn new(world: &mut World, now: u64) -> Self {
        let mut kernel = FakeKernel::new();
        kernel.answer_with(|_, _| pd::Message::new(0));
        kernel.set_now(now);
        let mut logic: C = world.create().expect("the record is complete");
        logic.init(&mut kernel);
        Self { logic, kernel }
    }

    fn notify(&mut self, channel: u64, now: u64) {
        self.kernel.set_now(now);
        let channels = ChannelSet::from_badge(1 << channel);
        self.logic.notified(&mut self.kernel, channels);
    }

    /// Channels that were notified since the last call.
    fn notified(&mut self) -> Vec<u64> {
        let channel = |call| match call {
            KernelCall::Notify(channel) | KernelCall::NotifyDeferred(channel) => Some(channel),
            _ => None,
        };
        let calls = self.kernel.take_calls().into_iter();
        calls
            .filter_map(channel)
            .map(|id: ChannelId| u64::from(id))
            .collect()
    }
}

/// Everything behind the guests' registers.
#[derive(Debug)]
pub struct Network {
    links: [FakeLink; 3],
    rams: [Region<Rw>; 2],
    pages: [[Region<Rw>; 2]; 2],
    backends: [Node<Vsock>; 2],
    router: Node<Router>,
    agent: Node<Agent>,
    allow: [bool; 2],
    now: u64,
}

/// Memory of a backend: its link, its guest's RAM, and the pages that it shares with its VMM.
type Shared<'a> = (&'a FakeLink, Region<Rw>, [Region<Rw>; 2]);

fn backend((link, ram, [orders, answers]): Shared<'_>, index: usize, now: u64) -> Node<Vsock> {
    let Some(cid) = CIDS.get(index) else {
        unreachable!("two guests");
    };
    let mut world = World::new();
    world
        .region_rw("ram", ram)
        .region_ro("orders", orders)
        .region_rw("answers", answers)
        .channel("vmm", VMM)
        .region_rw("vsock.out", link.first)
        .region_ro("vsock.in", link.second)
        .channel("vsock", LINK)
        .value("cid", *cid);
    Node::new(&mut world, now)
}

fn agent(links: &[FakeLink; 3], now: u64) -> Node<Agent> {
    let [_, _, link] = links;
    let mut world = World::new();
    world
        .region_rw("vsock.out", link.first)
        .region_ro("vsock.in", link.second)
        .channel("vsock", LINK);
    Node::new(&mut world, now)
}

fn router(links: &[FakeLink; 3], allow: [bool; 2], now: u64) -> Node<Router> {
    let [first, second, third] = links;
    let [ports @ .., service] = PORTS;
    let mut world = World::new();
    world
        .text("port", "one")
        .region_rw("one.out", first.second)
        .region_ro("one.in", first.first)
        .channel("one", ports[0])
        .value("one.cid", CIDS[0])
        .text("one.allow", "agent")
        .text("port", "two")
        .region_rw("two.out", second.second)
        .region_ro("two.in", second.first)
        .channel("two", ports[1])
        .value("two.cid", CIDS[1])
        .text("port", "agent")
        .region_rw("agent.out", third.second)
        .region_ro("agent.in", third.first)
        .channel("agent", service)
        .value("agent.cid", AGENT_CID)
        .value("agent.patience", 20);
    let [first, second] = allow;
    if first {
        world.text("one.allow", "two");
    }
    if second {
        world.text("two.allow", "agent");
    }
    Node::new(&mut world, now)
}

impl Network {
    /// Both guests, the first of which may always connect to the agent; `allow`: whether the first
    /// may connect to the second, and the second to the agent.
    #[must_use]
    pub fn new(allow: [bool; 2]) -> Rc<RefCell<Self>> {
        Self::with_rams(allow, [memory::ram(); 2])
    }

    /// As [`Self::new`], with this memory for the guests.
    #[must_use]
    pub fn with_rams(allow: [bool; 2], rams: [Region<Rw>; 2]) -> Rc<RefCell<Self>> {
        let links = [(); 3].map(|()| FakeLink::new(SHAPE, SLOTS));
        let pages = [(); 2].map(|()| [fake::region(0x1000), fake::region(0x1000)]);
        let mut network = Self {
            backends: [0, 1]
                .map(|index| backend((&links[index], rams[index], pages[index]), index, 0)),
            router: router(&links, allow, 0),
            agent: agent(&links, 0),
            links,
            rams,
            pages,
            allow,
            now: 0,
        };
        network.settle();
        Rc::new(RefCell::new(network))
    }

    /// Lets time pass.
    pub fn advance(&mut self, ticks: u64) {
        self.now = self.now.saturating_add(ticks);
    }

    /// A domain dies and comes back.
    pub fn restart(&mut self, domain: Domain) {
        let now = self.now;
        match domain {
            Domain::Backend(index) => {
                if let Some(node) = self.backends.get_mut(index) {
                    let shared = (&self.links[index], self.rams[index], self.pages[index]);
                    *node = backend(shared, index, now);
                }
            }
            Domain::Router => self.router = router(&self.links, self.allow, now),
            Domain::Agent => self.agent = agent(&self.links, now),
        }
        self.settle();
    }

    /// The region that a backend writes on its link, for bytes that no backend would write.
    #[must_use]
    pub const fn link(&self, guest: usize) -> FakeLink {
        self.links[guest]
    }

    /// What a backend's peers write: its VMM, then the router.
    #[must_use]
    pub const fn peers(&self, guest: usize) -> [Region<Rw>; 2] {
        let [orders, _] = self.pages[guest];
        [orders, self.links[guest].second]
    }

    fn kick(&mut self, guest: usize) {
        if let Some(node) = self.backends.get_mut(guest) {
            node.notify(VMM, self.now);
        }
        self.settle();
    }

    /// Runs whoever was notified until nobody is.
    ///
    /// # Panics
    /// If they never come to rest.
    fn settle(&mut self) {
        let mut queue = VecDeque::new();
        for _ in 0..100_000 {
            for (index, node) in self.backends.iter_mut().enumerate() {
                let to_router = node
                    .notified()
                    .into_iter()
                    .filter(|channel| *channel == LINK);
                queue.extend(to_router.map(|_| (Domain::Router, PORTS[index])));
            }
            let from_agent = self.agent.notified();
            queue.extend(from_agent.iter().map(|_| (Domain::Router, PORTS[AGENT])));
            for channel in self.router.notified() {
                let peer = PORTS.iter().position(|port| *port == channel);
                match peer {
                    Some(AGENT) => queue.push_back((Domain::Agent, LINK)),
                    Some(index) => queue.push_back((Domain::Backend(index), LINK)),
                    None => {}
                }
            }
            let Some((domain, channel)) = queue.pop_front() else {
                return;
            };
            match domain {
                Domain::Router => self.router.notify(channel, self.now),
                Domain::Agent => self.agent.notify(channel, self.now),
                Domain::Backend(index) => {
                    if let Some(node) = self.backends.get_mut(index) {
                        node.notify(channel, self.now);
                    }
                }
            }
        }
        unreachable!("the domains keep waking each other");
    }
}

/// What one guest sees: registers of its own, on the common network.
#[derive(Debug)]
pub struct SocketMachine {
    transport: Transport,
    network: Rc<RefCell<Network>>,
    guest: usize,
}

impl SocketMachine {
    /// The machine of the guest with this index.
    ///
    /// # Panics
    /// If the parts do not fit together.
    #[must_use]
    #[expect(clippy::expect_used, reason = "test support")]
    pub fn new(network: &Rc<RefCell<Network>>, guest: usize) -> Self {
        let [orders, answers] = network.borrow().pages[guest];
        let record = vio::Transport::new(orders, answers.read_only()).expect("a page is enough");
        let ram = network.borrow().rams[guest].len() as u64;
        let ram = Span::new(RAM_BASE, ram).expect("memory has bytes");
        let mut machine = Self {
            transport: Transport::new(record, virtio::device::VSOCK, &[ram]),
            network: network.clone(),
            guest,
        };
        machine.serve();
        machine
    }

    /// Requests of the driver that the transport ignored.
    #[must_use]
    pub fn anomalies(&self) -> u64 {
        self.transport.anomalies().total()
    }
}

impl Machine for SocketMachine {
    fn transport(&mut self) -> &mut Transport {
        &mut self.transport
    }

    fn serve(&mut self) {
        if self.transport.take_signal() {
            self.network.borrow_mut().kick(self.guest);
        }
        self.transport.on_backend();
    }
}
