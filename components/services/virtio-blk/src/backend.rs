// SPDX-License-Identifier: BSD-2-Clause
//! The protection domain: turns, sessions, orders of the transport.

use blk::{Change, Client, Info, Op};
use pd::{Clock, Component, Handler, Notify, Setup, SetupError, Unexpected};
use record::LookupError;
use trace::Trace;
use units::ChannelSet;
use virtio::blk::{Config, Features, ID_BYTES, REQUESTQ, Status};
use virtio_device::{Device, News, Wiring};
use virtq::{Chain, Fault};
use zerocopy::IntoBytes;

use crate::disk::{self, CHAIN_MAX, QUEUE_MAX};
use crate::event::Event;
use crate::pending::{self, Completed, Entry, Pending};
use crate::request::Segments;

/// Most steps of a turn. What was given back stays the queue's until the turn ends, so a turn takes
/// at most as many requests as the queue has entries and completes at most twice as many; only a
/// service that lies reaches the limit.
pub(crate) const TURN: usize = 4 * QUEUE_MAX as usize;

/// The backend of one guest's disk.
#[derive(Debug)]
pub struct Blk {
    pub(crate) wiring: Wiring,
    /// There from the first session on. Before it, what to offer is unknown, and requests of an
    /// earlier life may still reach guest memory.
    pub(crate) device: Option<Device<1>>,
    pub(crate) disk: Client,
    pub(crate) serial: [u8; ID_BYTES],
    /// The cache is on after a reset.
    write_cache: bool,
    pub(crate) chain: Chain<CHAIN_MAX>,
    pub(crate) segments: Segments,
    pub(crate) pending: Pending,
    /// Requests in flight are submitted again: the sequence of the last one.
    pub(crate) redo: Option<u64>,
    pub(crate) trace: Trace<Event>,
}

impl Component for Blk {
    /// Wants the regions `ram`, `orders` and `answers`, the channel `vmm`, the link `blk`, and
    /// optionally the text `serial`, the value `write_cache` (1) and the region `trace`.
    fn create(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let wiring = Wiring::find(setup)?;
        if !wiring.holds(&disk::offer(&Info::new(0, 512))) {
            return Err(SetupError::invalid(
                "answers",
                "is too small for the device",
            ));
        }
        Ok(Self {
            wiring,
            device: None,
            disk: Client::open(setup, "blk")?,
            serial: serial(setup)?,
            write_cache: setup.value_or("write_cache", 1)? != 0,
            chain: Chain::new(),
            segments: Segments::new(),
            pending: Pending::new(),
            redo: None,
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

/// The serial number, padded with zeros (5.2.6).
fn serial(setup: &Setup<'_>) -> Result<[u8; ID_BYTES], SetupError> {
    let text = match setup.text("serial") {
        Err(SetupError::Lookup(LookupError::Missing { .. })) => "",
        other => other?,
    };
    let mut serial = [0; ID_BYTES];
    serial
        .get_mut(..text.len())
        .ok_or(SetupError::invalid("serial", "is longer than 20 bytes"))?
        .copy_from_slice(text.as_bytes());
    Ok(serial)
}

impl<K: Notify + Clock> Handler<K> for Blk {
    fn init(&mut self, kernel: &mut K) {
        self.turn(kernel);
    }

    fn notified(&mut self, kernel: &mut K, channels: ChannelSet) {
        let mut stray = channels;
        stray.remove(self.wiring.channel());
        stray.remove(self.disk.channel());
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

impl Blk {
    /// Sessions, completions, orders, requests; then one notification to each side at most.
    fn turn<K: Notify + Clock>(&mut self, kernel: &mut K) {
        match self.disk.poll() {
            Change::Up => self.session_up(kernel.now()),
            Change::Down => self.trace.record(Event::SessionDown, kernel.now()),
            Change::None => {}
        }
        for _ in 0..TURN {
            self.completions(kernel);
            self.follow_orders(kernel.now());
            self.flush_group();
            if let Err(fault) = self.serve(kernel) {
                self.fail(fault, kernel.now());
            }
            if self.pending.is_empty() || !self.disk.wait_for_completions() {
                break;
            }
        }
        self.disk.flush_deferred(kernel);
        if let Some(device) = &mut self.device
            && device.finish(kernel)
        {
            self.trace.count(Event::Interrupt);
        }
    }

    /// Nothing of an earlier session reaches guest memory any more: what was submitted and is not
    /// completed is submitted again.
    fn session_up(&mut self, now: u64) {
        let Some(info) = self.disk.info().copied() else {
            return;
        };
        let capacity = info.capacity;
        self.trace.record(Event::SessionUp { capacity }, now);
        self.pending.clear();
        self.redo = Some(0);
        if self.device.is_some() {
            self.update_config(&info);
            return;
        }
        // After a restart, the configuration space stays until the orders are known again.
        let config = disk::config(&info, self.write_cache);
        let device = Device::new(&self.wiring, disk::offer(&info), config.as_bytes());
        if device.is_err() {
            self.trace.record(Event::NoRoom, now);
        }
        self.device = device.ok();
    }

    /// Publishes the configuration space if it is another one than before.
    fn update_config(&mut self, info: &Info) {
        let config = disk::config(info, self.writeback());
        if let Some(device) = &mut self.device {
            let mut before = Config::default();
            device.config(before.as_mut_bytes());
            if before != config {
                device.set_config(config.as_bytes());
            }
        }
    }

    pub(crate) fn negotiated(&self) -> Features {
        let features = self.device.as_ref().map_or(0, Device::features);
        Features::from_bits_retain(features)
    }

    /// Whether completed writes may stay in the disk's cache.
    fn writeback(&self) -> bool {
        let written = self.device.as_ref().and_then(Device::config_write);
        let negotiated = self.negotiated();
        if negotiated.is_empty() {
            // Before negotiation: as after a reset.
            return written.map_or(self.write_cache, |value| value != 0);
        }
        disk::writeback(negotiated, written, self.write_cache)
    }

    /// Follows the transport's orders, once nothing of ours can reach guest memory: an order to let
    /// go is a promise that buffers stay as they are (2.4).
    fn follow_orders(&mut self, now: u64) {
        let settled = self.pending.is_empty();
        let Some(device) = self.device.as_mut().filter(|device| device.has_orders()) else {
            return;
        };
        if !settled {
            return;
        }
        let (trace, redo) = (&mut self.trace, &mut self.redo);
        device.follow_orders(|news| match news {
            News::Started { .. } | News::Stopped { .. } => *redo = None,
            News::Resumed { .. } => {
                *redo = Some(0);
                trace.record(Event::Resumed, now);
            }
            News::Failed { fault, .. } => {
                let code = fault.code();
                trace.record(Event::QueueFault { code }, now);
            }
            News::Orders { generation, .. } => trace.record(Event::Orders { generation }, now),
        });
        if let Some(queue) = device.queue(REQUESTQ) {
            queue.keep_bad();
        }
        if let Some(info) = self.disk.info().copied() {
            self.update_config(&info);
        }
    }

    fn fail(&mut self, fault: Fault, now: u64) {
        if let Some(device) = &mut self.device {
            device.fail(fault);
        }
        self.redo = None;
        let code = fault.code();
        self.trace.record(Event::QueueFault { code }, now);
    }

    /// Takes what the service has completed.
    fn completions<K: Clock>(&mut self, kernel: &K) {
        for _ in 0..TURN {
            let Some(completion) = self.disk.completion() else {
                return;
            };
            let status = pending::status(completion.status);
            match self.pending.complete(completion.id) {
                Completed::Request(head, entry) => self.completed(kernel, head, entry, status),
                Completed::Flush => {
                    for (head, entry) in self.pending.take_flushed() {
                        end(&mut self.device, head, &entry, status);
                    }
                }
                Completed::Stray => {
                    let id = completion.id;
                    self.trace
                        .record(Event::StrayCompletion { id }, kernel.now());
                }
            }
        }
    }

    /// Gives a request back, or keeps a write until it is stable.
    fn completed<K: Clock>(&mut self, kernel: &K, head: u16, entry: Entry, status: Status) {
        if status != Status::Ok {
            let (head, status) = (head.into(), u32::from(status as u8));
            self.trace
                .record(Event::Failed { head, status }, kernel.now());
        } else if entry.writes && !self.writeback() && self.has_cache() {
            self.pending.hold(head, entry);
            return;
        }
        end(&mut self.device, head, &entry, status);
    }

    fn has_cache(&self) -> bool {
        let features = self.disk.info().map(|info| info.features);
        features.is_some_and(|features| features.contains(blk::Features::FLUSH))
    }

    /// One flush makes all writes stable that wait for one. Without room the next turn tries again.
    fn flush_group(&mut self) {
        if !self.pending.wants_flush() {
            return;
        }
        let id = self.pending.flush_id();
        match self.disk.submit_range(id, Op::Flush, 0, 0) {
            Ok(()) => self.pending.flush(id),
            Err(_) => {
                // Woken by room, by a completion, or by a session.
                let _ = self.disk.wait_for_room(Client::slots(0));
            }
        }
    }
}

/// Writes the status and gives the request back, unless the queue is not to be touched.
pub(crate) fn end(device: &mut Option<Device<1>>, head: u16, entry: &Entry, status: Status) {
    if let Some(queue) = device.as_mut().and_then(|device| device.queue(REQUESTQ)) {
        let written = entry.end(status);
        queue.complete(head, written);
    }
}
