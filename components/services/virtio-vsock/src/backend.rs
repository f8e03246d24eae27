// SPDX-License-Identifier: BSD-2-Clause
//! The protection domain: orders of the transport, turns, restarts.

use pd::{Clock, Component, Handler, Notify, Setup, SetupError, Unexpected};
use record::LookupError;
use trace::Trace;
use units::ChannelSet;
use vio::{Offer, Phase};
use virtio::vsock::{CID_HOST, Config, EVENT, F_STREAM, QUEUES, RX, TX, is_usable};
use virtio_device::{Device, News, RING_FEATURES};
use virtq::Fault;
use vsock::Link;
use zerocopy::IntoBytes;

use crate::event::Event;
use crate::rx::{Events, Rx};
use crate::tx::Tx;

/// Largest size of a queue: the three in-flight tables fit the page of the answers.
const QUEUE_MAX: u16 = 64;

/// The device that this backend offers.
pub const OFFER: Offer = Offer {
    device: virtio::device::VSOCK,
    features: RING_FEATURES | F_STREAM,
    queues: QUEUES,
    queue_max: QUEUE_MAX,
    config_len: size_of::<Config>(),
};

const _: () = assert!(vio::answers_size(QUEUES, QUEUE_MAX) <= 0x1000);

/// The backend of one guest's socket device.
#[derive(Debug)]
pub struct Vsock {
    device: Device<QUEUES>,
    link: Link,
    cid: u64,
    tx: Tx,
    rx: Rx,
    events: Events,
    running: bool,
    /// The router is to be told that the guest's connections are gone.
    reset_owed: bool,
    trace: Trace<Event>,
}

impl Component for Vsock {
    /// Wants the regions `ram`, `orders` and `answers`, the channel `vmm`, the link `vsock`, the
    /// value `cid`, and optionally the region `trace`.
    fn create(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let cid = setup.value("cid")?;
        if !is_usable(cid) || cid == CID_HOST {
            return Err(SetupError::invalid("cid", "is reserved"));
        }
        let trace = match setup.region_rw("trace") {
            Ok(region) => {
                Trace::attach(region).map_err(|_| SetupError::invalid("trace", "is too small"))?
            }
            Err(SetupError::Lookup(LookupError::Missing { .. })) => Trace::disabled(),
            Err(error) => return Err(error),
        };
        let config = Config {
            guest_cid: cid.into(),
        };
        let mut link = Link::open(setup, "vsock")?;
        // What an earlier life left there belongs to connections that are gone.
        link.drain();
        link.set_status(false);
        Ok(Self {
            device: Device::open(setup, OFFER, config.as_bytes())?,
            link,
            cid,
            tx: Tx::new(),
            rx: Rx::new(),
            events: Events::new(),
            running: false,
            reset_owed: false,
            trace,
        })
    }
}

impl<K: Notify + Clock> Handler<K> for Vsock {
    fn init(&mut self, kernel: &mut K) {
        self.turn(kernel);
    }

    fn notified(&mut self, kernel: &mut K, channels: ChannelSet) {
        let mut stray = channels;
        stray.remove(self.device.channel());
        stray.remove(self.link.channel());
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

impl Vsock {
    /// Follows new orders, then moves packets both ways as far as possible.
    fn turn<K: Notify + Clock>(&mut self, kernel: &mut K) {
        let now = kernel.now();
        self.follow_orders(now);
        if self.link.peer_restarted() {
            self.trace.record(Event::RouterRestarted, now);
            self.events.owed = self.running;
        }
        // In order with the packets: nothing of the device's next life goes before it.
        if self.reset_owed {
            let sent =
                self.link.send_reset() || self.link.wait_for_room(1) && self.link.send_reset();
            self.reset_owed = !sent;
        }
        for index in [EVENT, TX, RX] {
            if let Err(fault) = self.serve(index, now) {
                self.fail(index, fault, now);
            }
        }
        if !self.running {
            self.rx.forget(&mut self.link);
            // What comes between the two stays until somebody notifies; nobody misses it.
            let _ = self.link.wait_for_packets();
        }
        self.link.flush(kernel);
        if self.device.finish(kernel) {
            self.trace.count(Event::Interrupt);
        }
    }

    fn serve(&mut self, index: usize, now: u64) -> Result<(), Fault> {
        let (link, trace) = (&mut self.link, &mut self.trace);
        let Some(queue) = self.device.queue(index) else {
            return Ok(());
        };
        let mut report = |event| match event {
            Event::Sent | Event::Received => trace.count(event),
            event => trace.record(event, now),
        };
        match index {
            TX if self.reset_owed => Ok(()),
            TX => self.tx.serve(queue, link, self.cid, &mut report),
            RX => self.rx.serve(queue, link, self.cid, &mut report),
            _ => self.events.serve(queue, &mut report),
        }
    }

    fn follow_orders(&mut self, now: u64) {
        let (tx, rx, events) = (&mut self.tx, &mut self.rx, &mut self.events);
        let trace = &mut self.trace;
        let mut start = |queue, resumed| match queue {
            TX => tx.start(resumed),
            RX => rx.start(resumed),
            _ => events.start(resumed),
        };
        let (mut resumed, mut ordered) = (false, None);
        self.device.follow_orders(|news| match news {
            News::Started { queue } | News::Stopped { queue } => start(queue, false),
            News::Resumed { queue } => {
                start(queue, true);
                resumed = true;
                let queue = number(queue);
                trace.record(Event::Resumed { queue }, now);
            }
            News::Failed { queue, fault } => {
                let (queue, code) = (number(queue), fault.code());
                trace.record(Event::QueueFault { queue, code }, now);
            }
            News::Orders { generation, phase } => {
                ordered = Some(phase);
                trace.record(Event::Orders { generation }, now);
            }
        });
        if let Some(phase) = ordered {
            // A driver without these queues, or whose queues are broken, has no connections.
            let runs = phase == Phase::Running
                && [TX, RX]
                    .into_iter()
                    .all(|queue| self.device.queue(queue).is_some());
            self.reset_owed |= self.running && !runs;
            // Connections of an earlier life of this backend are gone.
            self.events.owed = runs && (resumed || self.events.owed);
            self.running = runs;
            self.link.set_status(runs);
        }
    }

    /// 2.1.2: the device needs a reset, and touches no queue until then. Its connections are gone.
    fn fail(&mut self, index: usize, fault: Fault, now: u64) {
        let (queue, code) = (number(index), fault.code());
        self.trace.record(Event::QueueFault { queue, code }, now);
        self.device.fail(fault);
        for queue in [TX, RX, EVENT] {
            match queue {
                TX => self.tx.start(false),
                RX => self.rx.start(false),
                _ => self.events.start(false),
            }
        }
        self.reset_owed |= core::mem::replace(&mut self.running, false);
        self.link.set_status(false);
    }
}

/// A small number for the trace.
fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
