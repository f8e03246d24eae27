// SPDX-License-Identifier: BSD-2-Clause
//! The protection domain: who needs grains, and who gets them.

use core::fmt::Write;

use entropy::{GRAIN, Grain, Supply};
use heapless::{String, Vec};
use pd::{Call, Clock, Component, Handler, Irq, Notify, Setup, SetupError, Unexpected};
use record::{Entry, LookupError};
use timer::Alarm;
use trace::Trace;
use units::{ChannelSet, IrqId};

use crate::bucket::Bucket;
use crate::event::Event;
use crate::source::{Given, POOL, Source};

/// Most clients.
pub const MAX_CLIENTS: usize = 8;

/// Failures, resets or answers without use, without a grain between them, after which a device is
/// given up: it would only keep this domain busy.
const FAILURES: u32 = 4;

/// A client and its rate.
#[derive(Debug)]
struct Client {
    supply: Supply,
    bucket: Bucket,
}

/// The driver of one entropy device.
#[derive(Debug)]
pub struct Driver {
    source: Source,
    irq: IrqId,
    clients: Vec<Client, MAX_CLIENTS>,
    /// The client whose turn it is.
    next: usize,
    last: Grain,
    /// The grain that is being filled: a device may give less than it was asked for.
    partial: Vec<u8, GRAIN>,
    /// Failures since a grain was last supplied.
    failures: u32,
    alarm: Alarm,
    trace: Trace<Event>,
}

impl Component for Driver {
    /// Wants the register region `regs` with the value `regs.offset` (0), the interrupt `irq`, the
    /// region and window `queue`, a text `client` per client with its link and rate, and
    /// optionally the channel `timer` and the region `trace`.
    fn create(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let source = Source::find(setup)?;
        let clients = clients(setup)?;
        let alarm = Alarm::open(setup)?;
        let limited = clients.iter().any(|client| client.bucket.is_limited());
        if limited && !alarm.is_available() {
            return Err(SetupError::invalid(
                "timer",
                "is needed where clients have a rate",
            ));
        }
        let trace = match setup.region_rw("trace") {
            Ok(region) => {
                Trace::attach(region).map_err(|_| SetupError::invalid("trace", "is too small"))?
            }
            Err(SetupError::Lookup(LookupError::Missing { .. })) => Trace::disabled(),
            Err(error) => return Err(error),
        };
        Ok(Self {
            source,
            irq: setup.irq("irq")?,
            clients,
            next: 0,
            last: [0; GRAIN],
            partial: Vec::new(),
            failures: 0,
            alarm,
            trace,
        })
    }
}

fn clients(setup: &mut Setup<'_>) -> Result<Vec<Client, MAX_CLIENTS>, SetupError> {
    let mut clients = Vec::new();
    let record = *setup.record();
    for entry in record.with_role("client") {
        let Entry::Text(name) = entry else {
            return Err(SetupError::invalid(
                "client",
                "each client is a text, its name",
            ));
        };
        let out = setup.region_rw(&role(name, ".out")?)?;
        let input = setup.region_ro(&role(name, ".in")?)?;
        let channel = setup.channel(name)?;
        let supply = Supply::new(out, input, channel)
            .map_err(|_| SetupError::invalid(name, "its regions are too small for a slot"))?;
        let bucket = Bucket::new(setup.value_or(&role(name, ".rate")?, 0)?);
        clients
            .push(Client { supply, bucket })
            .map_err(|_| SetupError::invalid("client", "there are more than eight"))?;
    }
    Ok(clients)
}

fn role(name: &str, suffix: &str) -> Result<String<32>, SetupError> {
    let mut role = String::new();
    write!(role, "{name}{suffix}")
        .map_err(|_| SetupError::invalid(name, "its name is too long"))?;
    Ok(role)
}

impl<K: Notify + Irq + Clock + Call> Handler<K> for Driver {
    fn init(&mut self, kernel: &mut K) {
        let (frequency, now) = (kernel.frequency(), kernel.now());
        for client in &mut self.clients {
            client.bucket.start(frequency, now);
        }
        self.trace.record(Event::Started, now);
        self.turn(kernel);
    }

    fn notified(&mut self, kernel: &mut K, channels: ChannelSet) {
        let mut stray = channels;
        let interrupted = stray.remove(self.irq.as_channel());
        self.alarm.take_fired(&mut stray);
        for client in &self.clients {
            stray.remove(client.supply.channel());
        }
        if !stray.is_empty() {
            let channels = stray.bits();
            self.trace.record(Event::Stray { channels }, kernel.now());
        }
        // Acknowledged at the device before its ring is looked at: what comes after interrupts again.
        if interrupted {
            self.source.take_interrupt();
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
    /// Hands out what the device gave, and asks for more if somebody needs it.
    fn turn<K: Notify + Clock + Call>(&mut self, kernel: &mut K) {
        let now = kernel.now();
        let mut bytes = [0; POOL];
        match self.source.take(&mut bytes) {
            Given::Nothing => {}
            Given::Bytes(count) => self.hand_out(bytes.get(..count).unwrap_or_default(), now),
            Given::Lie => {
                let lies = self.source.lies();
                self.trace.record(Event::Lie { lies }, now);
                let restarted = self.source.restart().is_ok();
                self.failed(restarted, now);
            }
        }
        let needed = self.needed(now);
        if needed > 0 && !self.source.is_busy() && self.failures <= FAILURES {
            self.source.ask(needed);
        }
        for client in &mut self.clients {
            client.supply.flush(kernel);
        }
        let waiting = |client: &Client| client.bucket.ready(GRAIN as u64).filter(|at| *at > now);
        if let Some(deadline) = self.clients.iter().filter_map(waiting).min() {
            self.alarm.set(kernel, deadline);
        }
    }

    /// Grains that clients have room for and may have; those that have no room wake this domain
    /// when they do.
    fn needed(&mut self, now: u64) -> usize {
        let mut sum: u64 = 0;
        for client in &mut self.clients {
            let mut room = client.supply.clean();
            if room == 0 && client.supply.wait() {
                room = client.supply.clean();
            }
            let allowed = client.bucket.available(now) / GRAIN as u64;
            sum = sum.saturating_add(allowed.min(room.into()));
        }
        usize::try_from(sum).unwrap_or(usize::MAX)
    }

    /// Gives whole grains to clients in turn.
    fn hand_out(&mut self, bytes: &[u8], now: u64) {
        let mut weak = false;
        for byte in bytes {
            // It is emptied whenever it is full.
            let _ = self.partial.push(*byte);
            let Ok(grain) = Grain::try_from(self.partial.as_slice()) else {
                continue;
            };
            self.partial.clear();
            let repeated = grain.first().is_some_and(|first| grain == [*first; GRAIN]);
            let again = core::mem::replace(&mut self.last, grain) == grain;
            if repeated || again {
                self.trace.count(Event::Weak);
                weak = true;
            } else {
                self.give(&grain, now);
            }
        }
        if weak || bytes.is_empty() {
            self.failed(true, now);
        }
    }

    fn give(&mut self, grain: &Grain, now: u64) {
        let count = self.clients.len();
        for _ in 0..count {
            let index = self.next;
            self.next = index.wrapping_add(1).checked_rem(count).unwrap_or(0);
            let Some(client) = self.clients.get_mut(index) else {
                continue;
            };
            let allowed = client.bucket.available(now) >= GRAIN as u64;
            if allowed && client.supply.put(grain) {
                client.bucket.take(GRAIN as u64);
                self.failures = 0;
                let client = u32::try_from(index).unwrap_or(u32::MAX);
                self.trace.count(Event::Supplied { client });
                return;
            }
        }
    }

    /// The device failed; unless it goes on and has not failed too often, it is given up.
    fn failed(&mut self, goes_on: bool, now: u64) {
        self.failures = self.failures.saturating_add(1);
        if !goes_on || self.failures > FAILURES {
            self.failures = FAILURES.saturating_add(1);
            self.source.give_up();
            self.trace.record(Event::Failed, now);
        }
    }
}
