// SPDX-License-Identifier: BSD-2-Clause
//! The protection domain: orders of the transport, turns, notifications.

use guest::machine::RAM_BASE;
use guest_mem::GuestMem;
use pd::{Clock, Component, Handler, Notify, Setup, SetupError, Unexpected};
use record::LookupError;
use serial::Stream;
use trace::Trace;
use units::{ChannelId, ChannelSet};
use vio::{Backend, Offer, Orders, Phase};
use virtio::Features;
use virtio::console::{Config, F_SIZE, QUEUES, RECEIVEQ, TRANSMITQ};
use virtq::{Fault, Queue, Setup as QueueSetup};
use zerocopy::IntoBytes;

use crate::event::Event;
use crate::port::{Lane, Outcome};

/// Features of the ring.
const RING: Features = Features::INDIRECT_DESC.union(Features::EVENT_IDX);

/// Largest size of a queue: both in-flight tables fit the page of the answers.
const QUEUE_MAX: u16 = 64;

/// The device that this backend offers; with a size of the screen in the record, also F_SIZE.
pub const OFFER: Offer = Offer {
    device: virtio::device::CONSOLE,
    features: RING.bits(),
    queues: QUEUES,
    queue_max: QUEUE_MAX,
    config_len: size_of::<Config>(),
};

/// Most bad requests that are given back in one turn of a queue.
const BAD_LIMIT: usize = QUEUE_MAX as usize;

/// The backend of one guest's console.
#[derive(Debug)]
pub struct Console {
    link: Backend,
    transport: ChannelId,
    mem: GuestMem,
    stream: Stream,
    lanes: [Option<Lane>; QUEUES],
    configs: [vio::QueueConfig; QUEUES],
    trace: Trace<Event>,
}

impl Component for Console {
    /// Wants the regions `ram`, `orders` and `answers`, the channel `vmm`, the link `console`, and
    /// optionally the region `trace` and the values `columns` and `rows`.
    fn create(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let ram = setup.region_rw("ram")?;
        let mem = GuestMem::new()
            .with(RAM_BASE, ram)
            .map_err(|_| SetupError::invalid("ram", "is not a range of guest memory"))?;
        let size = [screen(setup, "columns")?, screen(setup, "rows")?];
        let orders = setup.region_ro("orders")?;
        let answers = setup.region_rw("answers")?;
        let (offer, config) = offer(size);
        let link = Backend::new(orders, answers, offer, config.as_bytes())
            .map_err(|_| SetupError::invalid("answers", "is too small for the device"))?;
        let trace = trace(setup)?;
        Ok(Self {
            link,
            transport: setup.channel("vmm")?,
            mem,
            stream: Stream::open(setup, "console")?,
            lanes: [None, None],
            configs: [vio::QueueConfig::default(); QUEUES],
            trace,
        })
    }
}

/// The trace, or none where the record has no region for it.
fn trace(setup: &mut Setup<'_>) -> Result<Trace<Event>, SetupError> {
    match setup.region_rw("trace") {
        Ok(region) => {
            Trace::attach(region).map_err(|_| SetupError::invalid("trace", "is too small"))
        }
        Err(SetupError::Lookup(LookupError::Missing { .. })) => Ok(Trace::disabled()),
        Err(error) => Err(error),
    }
}

/// A dimension of the screen, 0 if the record does not say.
fn screen(setup: &Setup<'_>, role: &str) -> Result<u16, SetupError> {
    u16::try_from(setup.value_or(role, 0)?)
        .map_err(|_| SetupError::invalid(role, "is more than 65535"))
}

/// 5.3.4: columns and rows are valid with F_SIZE.
fn offer([cols, rows]: [u16; 2]) -> (Offer, Config) {
    let size = if cols != 0 && rows != 0 { F_SIZE } else { 0 };
    let offer = Offer {
        features: OFFER.features | size,
        ..OFFER
    };
    (
        offer,
        Config {
            cols: cols.into(),
            rows: rows.into(),
            ..Config::default()
        },
    )
}

impl<K: Notify + Clock> Handler<K> for Console {
    fn init(&mut self, kernel: &mut K) {
        // The transport has to see the offer, or that this backend is back.
        kernel.notify(self.transport);
        self.turn(kernel);
    }

    fn notified(&mut self, kernel: &mut K, channels: ChannelSet) {
        let mut stray = channels;
        stray.remove(self.transport);
        stray.remove(self.stream.channel());
        if !stray.is_empty() {
            self.trace.record(
                Event::Stray {
                    channels: stray.bits(),
                },
                kernel.now(),
            );
        }
        self.turn(kernel);
    }

    fn unexpected(&mut self, event: Unexpected) {
        let channels = event.channels().bits();
        self.trace.count(Event::Stray { channels });
    }
}

impl Console {
    /// Follows new orders, then moves bytes both ways as far as possible.
    fn turn<K: Notify + Clock>(&mut self, kernel: &mut K) {
        let mut signal = self.follow_orders(kernel);
        for index in [TRANSMITQ, RECEIVEQ] {
            if let Err(fault) = self.serve(kernel, index) {
                self.fail(kernel, index, fault);
                signal = true;
            }
        }
        let mut interrupt = false;
        for lane in self.lanes.iter_mut().flatten() {
            interrupt |= lane.take_notification();
        }
        if interrupt {
            self.trace.count(Event::Interrupt);
            self.link.used_buffers();
        }
        self.stream.flush_deferred(kernel);
        if signal || interrupt {
            kernel.notify_deferred(self.transport);
        }
    }

    fn serve<K: Clock>(&mut self, kernel: &K, index: usize) -> Result<(), Fault> {
        let Some(lane) = self.lanes.get_mut(index).and_then(Option::as_mut) else {
            return Ok(());
        };
        for _ in 0..BAD_LIMIT {
            let outcome = match index {
                RECEIVEQ => lane.receive(&mut self.stream)?,
                _ => lane.transmit(&mut self.stream)?,
            };
            let Outcome::Bad(trouble) = outcome else {
                return Ok(());
            };
            let queue = number(index);
            self.trace.record(
                Event::BadRequest {
                    queue,
                    error: trouble.code(),
                },
                kernel.now(),
            );
        }
        Ok(())
    }

    /// Puts the transport's orders into effect. `true`: the transport is to be told.
    fn follow_orders<K: Clock>(&mut self, kernel: &K) -> bool {
        let Some((orders, resume)) = self.link.orders() else {
            return false;
        };
        let mut failed = None;
        for index in 0..QUEUES {
            if let Err(fault) = self.apply(kernel, &orders, index, resume) {
                failed = Some((index, fault));
            }
        }
        if orders.phase == Phase::LetGo {
            self.link.set_fault(0);
        }
        let queues = number(self.lanes.iter().flatten().count());
        let generation = orders.generation;
        self.trace
            .record(Event::Orders { generation, queues }, kernel.now());
        self.link.acknowledge(generation);
        if let Some((index, fault)) = failed {
            self.fail(kernel, index, fault);
        }
        true
    }

    /// One queue's part of the orders.
    fn apply<K: Clock>(
        &mut self,
        kernel: &K,
        orders: &Orders,
        index: usize,
        resume: bool,
    ) -> Result<(), Fault> {
        let wanted = orders.queues.get(index).copied().unwrap_or_default();
        // A device that needs a reset stays so across a restart of this backend.
        let broken = resume && self.link.fault() != 0;
        let in_use = orders.phase == Phase::Running && wanted.ready && !broken;
        let (Some(lane), Some(config)) = (self.lanes.get_mut(index), self.configs.get_mut(index))
        else {
            return Ok(());
        };
        // Another queue's stop leaves this one alone.
        if in_use && !resume && lane.is_some() && *config == wanted {
            return Ok(());
        }
        *lane = None;
        *config = wanted;
        if in_use {
            self.start(kernel, orders, index, resume)?;
        }
        Ok(())
    }

    /// Starts to serve a queue, or to serve it again.
    fn start<K: Clock>(
        &mut self,
        kernel: &K,
        orders: &Orders,
        index: usize,
        resume: bool,
    ) -> Result<(), Fault> {
        let (Some(lane), Some(config)) = (self.lanes.get_mut(index), self.configs.get(index))
        else {
            return Ok(());
        };
        let features = Features::from_bits_retain(orders.features);
        let setup = QueueSetup {
            mem: &self.mem,
            config: *config,
            event_idx: features.contains(Features::EVENT_IDX),
            indirect: features.contains(Features::INDIRECT_DESC),
            inflight: self.link.inflight(index, config.size).ok_or(Fault::Setup)?,
        };
        *lane = Some(if resume {
            let queue = number(index);
            self.trace.record(Event::Resumed { queue }, kernel.now());
            Lane::resume(Queue::resume(setup)?)?
        } else {
            Lane::new(Queue::new(setup)?)
        });
        Ok(())
    }

    /// 2.1.2: the device needs a reset, and touches no queue until then.
    fn fail<K: Clock>(&mut self, kernel: &K, index: usize, fault: Fault) {
        let (queue, code) = (number(index), fault.code());
        self.trace
            .record(Event::QueueFault { queue, code }, kernel.now());
        self.lanes = [None, None];
        self.link.set_fault(code);
    }
}

/// A small number for the trace.
fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
