// SPDX-License-Identifier: BSD-2-Clause
//! The protection domain: orders of the transport, the switch's word, turns, interrupts.

use frames::{Port, Shape, Status};
use heapless::Vec;
use pd::{Call, Clock, Component, Handler, Notify, Setup, SetupError, Unexpected};
use trace::Trace;
use units::ChannelSet;
use vio::{Offer, Phase};
use virtio::net::{
    CONTROLQ, Config, F_CSUM, F_CTRL_MAC_ADDR, F_CTRL_RX, F_CTRL_VLAN, F_CTRL_VQ, F_GUEST_CSUM,
    F_MAC, F_MRG_RXBUF, F_MTU, F_STATUS, QUEUES, RECEIVEQ, S_LINK_UP, TRANSMITQ, ctrl,
};
use virtio_device::{Device, News, RING_FEATURES};
use virtq::{Chain, Fault, Popped, Queue};
use zerocopy::IntoBytes;

use crate::coalesce::Coalesce;
use crate::control;
use crate::event::Event;
use crate::filter::{ETHERNET, Filter, Mac, VLAN_TAG};
use crate::receive::{self, Buffers};
use crate::settings::{mtu, optional, parse_mac, trace};
use crate::transmit;

/// Features that this backend offers in any case. No segmentation: what it would save in frames it
/// would cost in trust, since the switch would have to look into packets.
pub const FEATURES: u64 = RING_FEATURES
    | F_CSUM
    | F_GUEST_CSUM
    | F_MTU
    | F_MAC
    | F_MRG_RXBUF
    | F_STATUS
    | F_CTRL_VQ
    | F_CTRL_RX
    | F_CTRL_VLAN;

/// Largest size of each queue.
pub const QUEUE_MAX: u16 = virtq::MAX_SIZE;

/// Most requests of a queue in one turn. More can only come from a driver that runs at the same
/// time, on another core; they wait for the next turn.
pub(crate) const TURN: u32 = 4 * QUEUE_MAX as u32;
/// Most commands in one turn.
const COMMANDS: usize = QUEUE_MAX as usize;
/// Room for all news of one set of orders.
const NEWS: usize = 3 * QUEUES;

/// What frames are checked against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Card {
    /// Negotiated features.
    pub(crate) features: u64,
    /// Most bytes behind the Ethernet header.
    pub(crate) mtu: u16,
}

impl Card {
    /// Bytes of the longest frame, which has a VLAN tag.
    pub(crate) fn longest(&self) -> usize {
        self.longest_untagged() + VLAN_TAG
    }

    /// Bytes of the longest frame without a VLAN tag.
    pub(crate) fn longest_untagged(&self) -> usize {
        usize::from(self.mtu) + ETHERNET
    }

    /// Whether the driver takes partial checksums.
    pub(crate) const fn completes_checksums(&self) -> bool {
        self.features & F_GUEST_CSUM != 0
    }
}

/// The backend of one guest's network card.
#[derive(Debug)]
pub struct Net {
    device: Device<QUEUES>,
    port: Port,
    card: Card,
    /// The address of the record.
    mac: Mac,
    filter: Filter,
    config: Config,
    coalesce: Coalesce,
    /// For the transmit and control queues.
    chain: Chain,
    buffers: Buffers,
    trace: Trace<Event>,
}

impl Component for Net {
    /// Wants the regions `ram`, `orders` and `answers`, the channel `vmm`, the link `net` and the
    /// text `mac`; optionally the values `mtu` and `mac.change`, the channel `timer` and the region
    /// `trace`.
    fn create(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let mac = parse_mac(setup.text("mac")?)
            .filter(|mac| control::is_usable(*mac))
            .ok_or_else(|| SetupError::invalid("mac", "is not a card's address"))?;
        let mtu = mtu(setup)?;
        let changeable = setup.value_or("mac.change", 0)? != 0;
        let offer = Offer {
            device: virtio::device::NET,
            features: FEATURES | if changeable { F_CTRL_MAC_ADDR } else { 0 },
            queues: QUEUES,
            queue_max: QUEUE_MAX,
            config_len: size_of::<Config>(),
        };
        let mut config = Config {
            mac,
            status: 0.into(),
            max_virtqueue_pairs: 1.into(),
            mtu: mtu.into(),
        };
        let device = Device::open(setup, offer, config.as_bytes())?;
        device.config(config.as_mut_bytes());
        Ok(Self {
            device,
            port: Port::open(setup, "net", Shape::NET)?,
            card: Card { features: 0, mtu },
            mac,
            filter: Filter::open(config.mac),
            config,
            coalesce: Coalesce::new(optional(setup.channel("timer"))?),
            chain: Chain::new(),
            buffers: Buffers::default(),
            trace: trace(setup)?,
        })
    }
}

impl<K: Notify + Clock + Call> Handler<K> for Net {
    fn init(&mut self, kernel: &mut K) {
        self.turn(kernel);
    }

    fn notified(&mut self, kernel: &mut K, channels: ChannelSet) {
        let mut stray = channels;
        stray.remove(self.device.channel());
        stray.remove(self.port.channel());
        self.coalesce.take_fired(&mut stray);
        if !stray.is_empty() {
            let channels = stray.bits();
            self.trace.record(Event::Stray { channels }, kernel.now());
        }
        self.turn(kernel);
    }

    fn unexpected(&mut self, event: Unexpected) {
        let channels = event.channels().bits();
        self.trace.count(Event::Stray { channels });
    }
}

impl Net {
    /// Follows orders, then moves frames both ways as far as possible.
    fn turn<K: Notify + Clock + Call>(&mut self, kernel: &mut K) {
        self.follow_orders(kernel);
        self.follow_switch(kernel);
        let mut transmitted = 0;
        let served = self
            .command(kernel)
            .map_err(|fault| (CONTROLQ, fault))
            .and_then(|()| {
                transmitted = self.transmit().map_err(|fault| (TRANSMITQ, fault))?;
                self.receive().map_err(|fault| (RECEIVEQ, fault))
            });
        if let Err((queue, fault)) = served {
            self.fail(kernel, queue, fault);
        }
        self.finish(kernel, transmitted);
    }

    /// Publishes everything and wakes whoever waits for it.
    fn finish<K: Notify + Clock + Call>(&mut self, kernel: &mut K, transmitted: u32) {
        let [received, commanded] =
            [RECEIVEQ, CONTROLQ].map(|queue| self.device.take_notification(queue));
        let wanted = self.device.take_notification(TRANSMITQ);
        let at_once = received || commanded;
        if at_once || self.coalesce.is_due(kernel, transmitted, wanted) {
            self.coalesce.clear();
            self.trace.count(Event::Interrupt);
            self.device.interrupt();
        }
        // The last notification of a turn costs no kernel entry of its own.
        self.port.flush_deferred(kernel);
        self.device.tell(kernel);
    }

    fn transmit(&mut self) -> Result<u32, Fault> {
        let Some(queue) = self.device.queue(TRANSMITQ) else {
            return Ok(0);
        };
        let (chain, port) = (&mut self.chain, &mut self.port);
        transmit::transmit(queue, chain, port, &self.card, &mut self.trace)
    }

    fn receive(&mut self) -> Result<(), Fault> {
        let Some(queue) = self.device.queue(RECEIVEQ) else {
            return Ok(());
        };
        let (buffers, port) = (&mut self.buffers, &mut self.port);
        let rules = (&self.card, &self.filter);
        receive::receive(queue, buffers, port, rules, &mut self.trace)
    }

    /// Executes the driver's commands (5.1.6.5).
    fn command<K: Clock>(&mut self, kernel: &K) -> Result<(), Fault> {
        let Some(queue) = self.device.queue(CONTROLQ) else {
            return Ok(());
        };
        let chain = &mut self.chain;
        for _ in 0..COMMANDS {
            match queue.pop(chain)? {
                Popped::Chain => {}
                Popped::Empty if queue.arm() => continue,
                Popped::Empty => break,
                Popped::Bad(error) => {
                    self.trace.count(Event::bad_request(CONTROLQ, Some(error)));
                    continue;
                }
            }
            if chain.writable().is_empty() {
                self.trace.count(Event::bad_request(CONTROLQ, None));
                queue.complete(chain.head(), 0);
                continue;
            }
            let mut cursor = chain.reader();
            let ack = match control::execute(&mut cursor, self.card.features, &mut self.filter) {
                Ok(()) => {
                    self.trace.count(Event::Command);
                    ctrl::OK
                }
                Err(refused) => {
                    let [class, command] = refused.command;
                    let event = Event::CommandRefused { class, command };
                    self.trace.record(event, kernel.now());
                    ctrl::ERR
                }
            };
            chain.writer().write(&[ack]);
            queue.complete(chain.head(), 1);
        }
        self.show_config();
        Ok(())
    }

    /// Puts the transport's orders into effect.
    fn follow_orders<K: Clock>(&mut self, kernel: &K) {
        if !self.device.has_orders() {
            return;
        }
        let mut news = Vec::<News, NEWS>::new();
        self.device.follow_orders(|new| {
            // There is room for all.
            let _ = news.push(new);
        });
        for new in news {
            if let Err((queue, fault)) = self.learn(kernel, new) {
                self.fail(kernel, queue, fault);
            }
        }
    }

    fn learn<K: Clock>(&mut self, kernel: &K, new: News) -> Result<(), (usize, Fault)> {
        let now = kernel.now();
        match new {
            News::Started { queue: RECEIVEQ } => receive::discard(&mut self.port, &mut self.trace),
            News::Started { .. } | News::Stopped { .. } => {}
            News::Resumed { queue } => {
                let number = number(queue);
                self.trace.record(Event::Resumed { queue: number }, now);
                self.resume(queue).map_err(|fault| (queue, fault))?;
            }
            News::Failed { queue, fault } => self.note_fault(kernel, queue, fault),
            News::Orders { generation, phase } => {
                let running = phase == Phase::Running;
                self.run(running);
                let event = Event::Orders {
                    generation,
                    running,
                };
                self.trace.record(event, now);
            }
        }
        Ok(())
    }

    /// Takes up a queue where an earlier life left it.
    fn resume(&mut self, queue: usize) -> Result<(), Fault> {
        // What the driver had asked for is forgotten: it may see more than it wants, not less.
        self.card.features = self.device.features();
        let chain = &mut self.chain;
        match (queue, self.device.queue(queue)) {
            (TRANSMITQ, Some(queue)) => transmit::resume(queue, chain),
            (_, Some(queue)) => {
                Queue::rewind(queue);
                Ok(())
            }
            (_, None) => Ok(()),
        }
    }

    /// The device runs from now on, or it does not.
    fn run(&mut self, running: bool) {
        let features = self.device.features();
        if !running {
            self.filter = Filter::open(self.mac);
            self.coalesce.clear();
        } else if self.card.features == 0 && features & F_CTRL_VLAN != 0 {
            // Not while it runs on, when one queue was stopped.
            self.filter.close_vlans();
        }
        self.card.features = features;
        self.show_config();
        self.port.set_status(Status {
            up: true,
            link: running,
            csum: true,
            mtu: self.card.mtu,
        });
    }

    /// The card has a link while the switch takes part (5.1.4, VIRTIO_NET_F_STATUS).
    fn follow_switch<K: Clock>(&mut self, kernel: &K) {
        if self.port.peer_restarted() {
            self.trace.record(Event::SwitchStarted, kernel.now());
        }
        let up = self.port.peer_status().carries();
        let status = if up { S_LINK_UP } else { 0 };
        if self.config.status.get() != status {
            self.config.status = status.into();
            self.device.set_config(self.config.as_bytes());
            self.trace.record(Event::Link { up }, kernel.now());
        }
    }

    /// The configuration space shows the card's present address.
    fn show_config(&mut self) {
        if self.config.mac != self.filter.mac {
            self.config.mac = self.filter.mac;
            self.device.set_config(self.config.as_bytes());
        }
    }

    /// 2.1.2: the device needs a reset, and touches no queue until then.
    fn fail<K: Clock>(&mut self, kernel: &K, queue: usize, fault: Fault) {
        self.note_fault(kernel, queue, fault);
        self.device.fail(fault);
    }

    fn note_fault<K: Clock>(&mut self, kernel: &K, queue: usize, fault: Fault) {
        let (queue, code) = (number(queue), fault.code());
        self.trace
            .record(Event::QueueFault { queue, code }, kernel.now());
    }
}

/// A small number for the trace.
pub(crate) fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
