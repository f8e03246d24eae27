// SPDX-License-Identifier: BSD-2-Clause
//! From the ring to the virtqueue and back.

use blk::{Counters, Request, Server, Status, Taken};
use pd::{Clock, Component, Handler, Irq, Notify, Setup, SetupError, Unexpected};
use record::LookupError;
use trace::Trace;
use units::{ChannelId, ChannelSet, IrqId};
use virtqueue::TransportError;

use crate::disk::{Disk, Next};
use crate::event::Event;

/// Resets without a single request done between them, after which a device is given up.
const RESETS: u32 = 4;

/// Requests looked at per activation: more than a client of this protocol's smallest region can have
/// published, so only one that keeps sending refused requests meets it, and waits for its own next
/// notification.
const LOOKS: usize = 512;

/// The driver of one disk.
#[derive(Debug)]
pub struct Driver {
    disk: Disk,
    server: Server,
    irq: IrqId,
    request: Request,
    /// Resets since a request was last done.
    resets: u32,
    trace: Trace<Event>,
}

impl Component for Driver {
    /// Wants the register region `regs` with the value `regs.offset` (0), the interrupt `irq`, the
    /// region and window `queue`, the link `client`, and optionally the region `trace`.
    fn create(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let disk = Disk::find(setup)?;
        Ok(Self {
            disk,
            server: Server::open(setup, "client")?,
            irq: setup.irq("irq")?,
            request: Request::new(),
            resets: 0,
            trace: trace(setup)?,
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

impl<K: Notify + Irq + Clock> Handler<K> for Driver {
    fn init(&mut self, kernel: &mut K) {
        self.begin(kernel);
        self.turn(kernel);
    }

    fn notified(&mut self, kernel: &mut K, channels: ChannelSet) {
        let interrupted = channels.contains_irq(self.irq);
        let (client, irq) = (self.server.channel(), self.irq);
        let expected = |id: ChannelId| id == client || id.as_irq() == irq;
        if !channels.iter().all(expected) {
            let channels = channels.bits();
            self.trace.record(Event::Stray { channels }, kernel.now());
        }
        // Acknowledged at the device before its ring is looked at: what comes after interrupts again.
        if interrupted && self.disk.take_interrupt() {
            self.changed(kernel);
        }
        self.turn(kernel);
        if interrupted {
            kernel.irq_ack_deferred(self.irq);
        }
    }

    fn unexpected(&mut self, event: Unexpected) {
        let channels = event.channels().bits();
        self.trace.count(Event::Stray { channels });
    }
}

impl Driver {
    /// What went wrong on the link so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.server.counters()
    }

    /// Ends what is done, submits what fits, and sees to it that either end wakes this domain for
    /// the rest: at most as many requests as the queue has entries, each way.
    fn turn<K: Notify + Clock>(&mut self, kernel: &mut K) {
        self.drain(kernel);
        let _ = self.server.poll();
        // The interrupt is armed before more is submitted, so what is done from here on interrupts.
        self.submit();
        self.disk.publish();
        self.server.flush_deferred(kernel);
    }

    /// Ends what the device is done with. Bounded by what is in flight, since nothing is submitted.
    fn drain<K: Clock>(&mut self, kernel: &K) {
        if self.server.info().is_none() {
            return;
        }
        loop {
            match self.disk.next() {
                Next::Ended(ended) => {
                    self.resets = 0;
                    if ended.status == Status::IoError {
                        let event = Event::DeviceError {
                            sector: ended.sector,
                            status: ended.raw.into(),
                        };
                        self.trace.record(event, kernel.now());
                    }
                    self.server.complete(ended.id, ended.status);
                }
                Next::Lie => {
                    let lies = self.disk.lies();
                    self.trace.record(Event::Lie { lies }, kernel.now());
                    return self.restart(kernel);
                }
                Next::Nothing if !self.disk.arm() => return,
                Next::Nothing => {}
            }
        }
    }

    /// Hands requests to the device until one of the two has no more room or work.
    fn submit(&mut self) {
        for _ in 0..LOOKS {
            if !self.disk.has_room() {
                return;
            }
            match self.server.take(&mut self.request) {
                Taken::Request => {
                    if !self.disk.submit(&self.request) {
                        self.server.complete(self.request.id(), Status::IoError);
                    }
                }
                Taken::Answered => {}
                Taken::Nothing => {
                    if !self.server.wait_for_requests() {
                        return;
                    }
                }
                Taken::Blocked => {
                    if !self.server.wait_for_room() {
                        return;
                    }
                }
            }
        }
        let _ = self.server.wait_for_requests();
    }

    /// The device has a new configuration, or cannot go on (2.1.2): either way it starts anew.
    fn changed<K: Clock>(&mut self, kernel: &K) {
        let status = self.disk.status().bits();
        self.trace.record(Event::Changed { status }, kernel.now());
        self.restart(kernel);
    }

    /// Resets the device and begins a session, in which the client submits again what was in flight.
    fn restart<K: Clock>(&mut self, kernel: &K) {
        self.resets = self.resets.saturating_add(1);
        if self.resets > RESETS {
            return self.give_up(kernel, 0);
        }
        match self.disk.restart() {
            Ok(()) => self.begin(kernel),
            Err(error) => self.give_up(kernel, code(error)),
        }
    }

    fn begin<K: Clock>(&mut self, kernel: &K) {
        let info = *self.disk.info();
        let event = Event::Started {
            capacity: info.capacity,
            features: self.disk.features().bits(),
        };
        self.trace.record(event, kernel.now());
        self.server.start(info);
    }

    fn give_up<K: Clock>(&mut self, kernel: &K, error: u32) {
        self.trace.record(Event::Failed { error }, kernel.now());
        self.disk.give_up();
        self.server.stop();
    }
}

/// A number for the trace, not zero.
const fn code(error: TransportError) -> u32 {
    error as u32 + 1
}
