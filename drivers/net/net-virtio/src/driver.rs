// SPDX-License-Identifier: BSD-2-Clause
//! Between the rings of the switch and the queues of the device.

use frames::{Port, Shape, Status};
use pd::{Clock, Component, Handler, Irq, Notify, Setup, SetupError, Unexpected};
use record::LookupError;
use spsc::Wake;
use trace::Trace;
use units::{ChannelSet, IrqId};
use virtio::Interrupt;

use crate::device::{Device, Lanes};
use crate::event::Event;
use crate::receive::Received;
use crate::transmit::Sent;

/// Resets without a single frame between them, after which a device is given up.
const RESETS: u32 = 4;

/// The driver of one network device.
#[derive(Debug)]
pub struct Driver {
    device: Device,
    /// The queues, while the device runs.
    lanes: Option<Lanes>,
    port: Port,
    irq: IrqId,
    /// Resets since a frame was last received.
    resets: u32,
    /// The device wrote something into its rings that leaves a slot unaccounted for.
    lied: bool,
    trace: Trace<Event>,
}

impl Component for Driver {
    /// Wants the register region `regs` with the value `regs.offset` (0), the interrupt `irq`, the
    /// region and window `queue`, the link `switch` with windows of both its regions, and optionally
    /// the region `trace`.
    fn create(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        // The device is reset before the slots that it may have been filling become the switch's.
        let device = Device::find(setup)?;
        Ok(Self {
            device,
            lanes: None,
            port: Port::open(setup, "switch", Shape::NET)?,
            irq: setup.irq("irq")?,
            resets: 0,
            lied: false,
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
        let wake = self.restart(kernel);
        self.turn(kernel, wake);
    }

    fn notified(&mut self, kernel: &mut K, channels: ChannelSet) {
        let mut stray = channels;
        stray.remove(self.port.channel());
        let interrupted = stray.remove(self.irq.as_channel());
        if !stray.is_empty() {
            let channels = stray.bits();
            self.trace.record(Event::Stray { channels }, kernel.now());
        }
        // Acknowledged at the device before its rings are looked at: what comes after interrupts
        // again.
        let causes = if interrupted {
            self.device.take_interrupt()
        } else {
            Interrupt::empty()
        };
        let wake = if causes.contains(Interrupt::CONFIG_CHANGE) {
            self.changed(kernel)
        } else {
            Wake::NotNeeded
        };
        self.turn(kernel, wake);
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
    /// Moves frames both ways until there are none, then sees to it that either end wakes this
    /// domain. A pass takes at most a ring of each direction, and both directions get their turn. A
    /// switch on the same core neither adds nor takes frames meanwhile, which bounds the passes; with
    /// one on another core they go on while both ends keep up, as they would in another activation.
    fn turn<K: Notify + Clock>(&mut self, kernel: &mut K, mut wake: Wake) {
        loop {
            wake = self.pass().or(wake);
            if self.lied {
                wake = self.restart(kernel).or(wake);
            } else if !self.arm() {
                break;
            }
        }
        self.port.flush_sent(kernel, wake);
    }

    /// Takes from the device what it is done with, and gives it what there is.
    fn pass(&mut self) -> Wake {
        let Some(lanes) = &mut self.lanes else {
            return Wake::NotNeeded;
        };
        let (trace, resets, lied) = (&mut self.trace, &mut self.resets, &mut self.lied);
        let mut lie = |trace: &mut Trace<Event>| {
            trace.count(Event::DeviceLied);
            *lied = true;
        };
        let wake = lanes.tx.reclaim(&mut self.port.rx, || lie(trace));
        lanes
            .rx
            .collect(&mut self.port.tx, |received| match received {
                Received::Frame => {
                    *resets = 0;
                    trace.count(Event::Received);
                }
                Received::Bad(written) => trace.count(Event::BadReceived { written }),
                Received::Lie => lie(trace),
            });
        if lanes.rx.post(&mut self.port.tx) {
            self.device.notify_receive();
        }
        let notify = lanes.tx.send(&mut self.port.rx, |sent| {
            trace.count(match sent {
                Sent::Frame => Event::Sent,
                Sent::Bad => Event::BadSent,
            });
        });
        if notify {
            self.device.notify_transmit();
        }
        wake
    }

    /// Asks both ends to wake this domain; `true` if there is something to do already.
    fn arm(&mut self) -> bool {
        let Some(lanes) = &mut self.lanes else {
            return false;
        };
        let sent = lanes.tx.arm();
        let received = lanes.rx.queue.arm();
        // While the device has no room, its interrupt is waited for instead.
        let to_send = lanes.tx.has_room() && self.port.rx.arm();
        let room = match lanes.rx.wanted() {
            Some(slots) => self.port.tx.arm(slots),
            None => false,
        };
        sent || received || to_send || room
    }

    /// Resets and starts the device, or gives it up. Frames that it had are lost, as on a wire.
    /// `Wake`: whether the switch waits for the slots of frames that the device had.
    fn restart<K: Clock>(&mut self, kernel: &K) -> Wake {
        self.lanes = None;
        self.lied = false;
        self.resets = self.resets.saturating_add(1);
        let started = if self.resets <= RESETS {
            self.device.start(&self.port).ok()
        } else {
            None
        };
        // After the reset nothing reads the slots any more.
        let wake = self.port.rx.release();
        let event = match &started {
            Some(_) => Event::Started {
                features: self.device.agreed(),
            },
            None => {
                self.device.give_up();
                Event::GivenUp
            }
        };
        self.trace.record(event, kernel.now());
        self.lanes = started;
        self.look_at_network(kernel);
        wake
    }

    /// The device's configuration has changed.
    fn changed<K: Clock>(&mut self, kernel: &K) -> Wake {
        if self.lanes.is_some() && self.device.needs_reset() {
            return self.restart(kernel);
        }
        self.look_at_network(kernel);
        Wake::NotNeeded
    }

    /// Tells the switch of the device's link.
    fn look_at_network<K: Clock>(&mut self, kernel: &K) {
        let was_up = self.port.status().link;
        let status = if self.lanes.is_some() {
            let network = self.device.network();
            Status {
                up: true,
                link: network.up,
                csum: self.device.computes_checksums(),
                mtu: network.mtu,
            }
        } else {
            Status::DOWN
        };
        self.port.set_status(status);
        if status.link != was_up {
            let up = status.link;
            self.trace.record(Event::Link { up }, kernel.now());
        }
    }
}
