// SPDX-License-Identifier: BSD-2-Clause
//! The protection domain: turns, requests, grains.

use entropy::Client;
use pd::{Clock, Component, Handler, Notify, Setup, SetupError, Unexpected};
use record::LookupError;
use trace::Trace;
use units::ChannelSet;
use vio::Offer;
use virtio_device::{Device, News, RING_FEATURES};
use virtq::{Chain, Fault, Popped};

use crate::event::Event;

/// requestq, the only queue (5.4.2).
const REQUESTQ: usize = 0;

/// Largest size of the queue: the in-flight table fits the page of the answers.
const QUEUE_MAX: u16 = 64;

/// The device that this backend offers.
pub const OFFER: Offer = Offer {
    device: virtio::device::ENTROPY,
    features: RING_FEATURES,
    queues: 1,
    queue_max: QUEUE_MAX,
    config_len: 0,
};

/// Most bytes that one request gets.
pub const MAX_ANSWER: usize = 256;

/// Most steps of a turn. A request that was given back stays its queue's until the turn ends, so
/// there are at most as many as the queue has entries, each after an arming or a wait at most.
const TURN: usize = 4 * QUEUE_MAX as usize;

/// The backend of one guest's entropy device.
#[derive(Debug)]
pub struct Rng {
    device: Device<1>,
    source: Client,
    chain: Chain,
    /// The chain is a request that waits for a grain.
    pending: bool,
    /// Requests in flight of an earlier life come first: the sequence of the last one done again.
    redo: Option<u64>,
    trace: Trace<Event>,
}

impl Component for Rng {
    /// Wants the regions `ram`, `orders` and `answers`, the channel `vmm`, the link `rng`, and
    /// optionally the region `trace`.
    fn create(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let trace = match setup.region_rw("trace") {
            Ok(region) => {
                Trace::attach(region).map_err(|_| SetupError::invalid("trace", "is too small"))?
            }
            Err(SetupError::Lookup(LookupError::Missing { .. })) => Trace::disabled(),
            Err(error) => return Err(error),
        };
        Ok(Self {
            device: Device::open(setup, OFFER, &[])?,
            source: Client::open(setup)?,
            chain: Chain::new(),
            pending: false,
            redo: None,
            trace,
        })
    }
}

impl<K: Notify + Clock> Handler<K> for Rng {
    fn init(&mut self, kernel: &mut K) {
        self.turn(kernel);
    }

    fn notified(&mut self, kernel: &mut K, channels: ChannelSet) {
        let mut stray = channels;
        stray.remove(self.device.channel());
        stray.remove(self.source.channel());
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

impl Rng {
    /// Follows new orders, then answers what can be answered.
    fn turn<K: Notify + Clock>(&mut self, kernel: &mut K) {
        self.follow_orders(kernel.now());
        if let Err(fault) = self.serve(kernel) {
            self.device.fail(fault);
            self.pending = false;
            let code = fault.code();
            self.trace.record(Event::QueueFault { code }, kernel.now());
        }
        self.source.flush(kernel);
        if self.device.finish(kernel) {
            self.trace.count(Event::Interrupt);
        }
    }

    fn follow_orders(&mut self, now: u64) {
        let (trace, pending, redo) = (&mut self.trace, &mut self.pending, &mut self.redo);
        self.device.follow_orders(|news| match news {
            News::Started { .. } | News::Stopped { .. } => (*pending, *redo) = (false, None),
            News::Resumed { .. } => {
                (*pending, *redo) = (false, Some(0));
                trace.record(Event::Resumed, now);
            }
            News::Failed { fault, .. } => {
                let code = fault.code();
                trace.record(Event::QueueFault { code }, now);
            }
            News::Orders { generation, .. } => trace.record(Event::Orders { generation }, now),
        });
    }

    /// # Errors
    /// The driver broke the queue.
    fn serve<K: Clock>(&mut self, kernel: &K) -> Result<(), Fault> {
        for _ in 0..TURN {
            if !self.fetch(kernel.now())? {
                return Ok(());
            }
            if self.pending && !self.answer() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Makes the next request the pending one, or gives a bad one back. `false`: there is none.
    fn fetch(&mut self, now: u64) -> Result<bool, Fault> {
        if self.pending {
            return Ok(true);
        }
        let Some(queue) = self.device.queue(REQUESTQ) else {
            return Ok(false);
        };
        let again = match self.redo {
            Some(last) => queue.unfinished(last, &mut self.chain)?,
            None => None,
        };
        self.redo = again.map(|(request, _)| request.sequence);
        let popped = match again {
            Some((_, popped)) => popped,
            None => queue.pop(&mut self.chain)?,
        };
        let error = match popped {
            Popped::Empty => return Ok(queue.arm()),
            Popped::Bad(error) => error as u32 + 1,
            Popped::Chain if self.chain.writable().is_empty() => {
                queue.complete(self.chain.head(), 0);
                0
            }
            Popped::Chain => {
                self.pending = true;
                return Ok(true);
            }
        };
        self.trace.record(Event::BadRequest { error }, now);
        Ok(true)
    }

    /// Answers the pending request with what is at hand. `false`: nothing is, yet.
    fn answer(&mut self) -> bool {
        let mut cursor = self.chain.writer();
        let mut written = 0;
        while written < MAX_ANSWER && cursor.remaining() > 0 {
            // A grain is used up even if the buffer has room for a part of it only.
            let Some(grain) = self.source.take() else {
                break;
            };
            written = written.saturating_add(cursor.write(&grain));
        }
        if written == 0 {
            self.trace.count(Event::Waiting);
            // `true`: one arrived meanwhile, and this goes round again.
            return self.source.wait();
        }
        self.pending = false;
        if let Some(queue) = self.device.queue(REQUESTQ) {
            queue.complete(self.chain.head(), u32::try_from(written).unwrap_or(0));
        }
        self.trace.count(Event::Answered);
        true
    }
}
