// SPDX-License-Identifier: BSD-2-Clause
//! The protection domain: the table of connections, turns, timeouts.

use heapless::Vec;
use pd::{Call, Clock, Component, Handler, Notify, Setup, SetupError, Unexpected};
use record::LookupError;
use shm::{Region, Ro};
use timer::Alarm;
use trace::Trace;
use units::ChannelSet;
use virtio::vsock::{Header, Op, TYPE_STREAM, is_usable};
use vsock::{AGENT_CID, ECHO_PORT, HEALTH_PORT, Link, Packet};

use crate::connection::{Connection, Key, Outcome, Service};
use crate::event::Event;
use crate::health::{Counters, report};
use crate::{MAX_CONNECTIONS, MAX_PER_CID};

/// Seconds after which a silent connection is ended, unless the record says otherwise.
const IDLE: u64 = 300;
/// Seconds that the other end has to answer the announcement of the end.
const CLOSING: u64 = 8;
/// Most packets of an activation. The router runs above the agent, so that there are as many as fit
/// the link at most; on another core there may be more, which then wait for the next event.
const PACKETS: usize = 256;

/// The agent.
#[derive(Debug)]
pub struct Agent {
    link: Link,
    cid: u64,
    echo: u32,
    health: u32,
    /// Seconds, then ticks.
    idle: u64,
    closing: u64,
    started: u64,
    connections: Vec<Connection, MAX_CONNECTIONS>,
    /// The connection whose turn is first.
    first: usize,
    counters: Counters,
    alarm: Alarm,
    trace: Trace<Event>,
}

impl Component for Agent {
    /// Wants the link `vsock`, and optionally the values `cid`, `echo`, `health` and `idle`, the
    /// channel `timer` and the region `trace`.
    fn create(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let cid = setup.value_or("cid", AGENT_CID)?;
        if !is_usable(cid) {
            return Err(SetupError::invalid("cid", "is reserved"));
        }
        let trace = match setup.region_rw("trace") {
            Ok(region) => {
                Trace::attach(region).map_err(|_| SetupError::invalid("trace", "is too small"))?
            }
            Err(SetupError::Lookup(LookupError::Missing { .. })) => Trace::disabled(),
            Err(error) => return Err(error),
        };
        let mut link = Link::open(setup, "vsock")?;
        // What an earlier life left there belongs to connections that are gone.
        link.drain();
        link.set_status(true);
        Ok(Self {
            link,
            cid,
            echo: port(setup, "echo", ECHO_PORT)?,
            health: port(setup, "health", HEALTH_PORT)?,
            idle: setup.value_or("idle", IDLE)?,
            closing: CLOSING,
            started: 0,
            connections: Vec::new(),
            first: 0,
            counters: Counters::default(),
            alarm: Alarm::open(setup)?,
            trace,
        })
    }
}

fn port(setup: &Setup<'_>, role: &str, default: u32) -> Result<u32, SetupError> {
    u32::try_from(setup.value_or(role, default.into())?)
        .map_err(|_| SetupError::invalid(role, "is no port number"))
}

impl<K: Notify + Clock + Call> Handler<K> for Agent {
    fn init(&mut self, kernel: &mut K) {
        self.started = kernel.now();
        for seconds in [&mut self.idle, &mut self.closing] {
            *seconds = seconds.saturating_mul(kernel.frequency());
        }
        self.turn(kernel);
    }

    fn notified(&mut self, kernel: &mut K, channels: ChannelSet) {
        let mut stray = channels;
        self.alarm.take_fired(&mut stray);
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

impl Agent {
    /// Takes all packets, then sends what can be sent.
    fn turn<K: Notify + Clock + Call>(&mut self, kernel: &mut K) {
        if self.link.peer_restarted() {
            self.connections.clear();
            self.trace.record(Event::RouterRestarted, kernel.now());
        }
        for _ in 0..PACKETS {
            let Some(packet) = self.link.receive() else {
                if self.link.wait_for_packets() {
                    continue;
                }
                break;
            };
            if let Packet::Data { header, payload } = packet {
                self.receive(&header, &payload, kernel);
            }
            self.link.advance();
        }
        self.expire(kernel.now());
        while !self.pump(kernel.now()) && self.link.wait_for_room(1) {}
        self.link.flush(kernel);
        if let Some(deadline) = self.connections.iter().map(|one| self.deadline(one)).min() {
            self.alarm.set(kernel, deadline);
        }
    }

    fn receive<K: Clock>(&mut self, header: &Header, payload: &Region<Ro>, kernel: &K) {
        if header.dst_cid.get() != self.cid {
            return;
        }
        let (key, now) = (Key::of(header), kernel.now());
        let known = self.connections.iter().position(|one| one.key() == key);
        if header.socket_type.get() != TYPE_STREAM {
            return self.refuse(header, now);
        }
        let Some(index) = known else {
            return self.accept(header, kernel);
        };
        let Some(connection) = self.connections.get_mut(index) else {
            return;
        };
        self.counters.received = self.counters.received.saturating_add(payload.len() as u64);
        let (cid, port) = (key.cid, key.port);
        match connection.receive(header, payload, now) {
            Outcome::Continue => return,
            Outcome::Over => {
                self.connections.swap_remove(index);
                return;
            }
            Outcome::Reset => {}
            Outcome::Broken => {
                self.counters.broken = self.counters.broken.saturating_add(1);
                self.trace.record(Event::Broken { cid, port }, now);
            }
        }
        self.end(index);
    }

    /// A packet without a connection: only a REQUEST may have none.
    fn accept<K: Clock>(&mut self, header: &Header, kernel: &K) {
        let (key, now) = (Key::of(header), kernel.now());
        let service = match key.port {
            port if port == self.echo => Some(Service::Echo),
            port if port == self.health => Some(Service::Report),
            _ => None,
        };
        let same = |one: &&Connection| one.key().cid == key.cid;
        let crowded = self.connections.iter().filter(same).count() >= MAX_PER_CID;
        let wanted = header.operation() == Some(Op::Request) && !crowded;
        let Some(service) = service.filter(|_| wanted && !self.connections.is_full()) else {
            return self.refuse(header, now);
        };
        let mut connection = Connection::new(header, service, now);
        if service == Service::Report {
            let seconds = now
                .saturating_sub(self.started)
                .checked_div(kernel.frequency());
            report(
                &mut connection.buffer,
                seconds.unwrap_or(0),
                self.connections.len(),
                self.link.faults(),
                &self.counters,
            );
        }
        // It is not full.
        let _ = self.connections.push(connection);
        self.counters.accepted = self.counters.accepted.saturating_add(1);
        let (cid, port) = (key.cid, key.port);
        self.trace.record(Event::Accepted { cid, port }, now);
    }

    fn refuse(&mut self, header: &Header, now: u64) {
        if header.operation() == Some(Op::Reset) {
            return;
        }
        self.counters.refused = self.counters.refused.saturating_add(1);
        let Key { cid, port, .. } = Key::of(header);
        self.trace.record(Event::Refused { cid, port }, now);
        // Without room the other end waits for its own timeout.
        let _ = self.link.send(&header.reset());
    }

    /// Ends a connection with RST. Without room for it, the other end hears it when it next says
    /// something.
    fn end(&mut self, index: usize) {
        if index < self.connections.len() {
            let connection = self.connections.swap_remove(index);
            let _ = self.link.send(&connection.reset(self.cid));
        }
    }

    const fn deadline(&self, connection: &Connection) -> u64 {
        let patience = if connection.finished {
            self.closing
        } else {
            self.idle
        };
        connection.since.saturating_add(patience)
    }

    /// Ends connections that were silent for too long.
    fn expire(&mut self, now: u64) {
        let silent = |agent: &Self| {
            let mut all = agent.connections.iter();
            all.position(|one| agent.deadline(one) <= now)
        };
        while let Some(index) = silent(self) {
            if let Some(one) = self.connections.get(index) {
                let Key { cid, port, .. } = one.key();
                self.trace.record(Event::TimedOut { cid, port }, now);
            }
            self.counters.timed_out = self.counters.timed_out.saturating_add(1);
            self.end(index);
        }
    }

    /// Sends what the connections have to say. `false`: the link is full.
    fn pump(&mut self, now: u64) -> bool {
        let count = self.connections.len();
        for turn in 0..count {
            let index = self
                .first
                .wrapping_add(turn)
                .checked_rem(count)
                .unwrap_or(0);
            let Some(connection) = self.connections.get_mut(index) else {
                continue;
            };
            let pumped = connection.pump(self.cid, &mut self.link, now);
            let (Ok(sent) | Err(sent)) = pumped;
            self.counters.sent = self.counters.sent.saturating_add(sent as u64);
            if pumped.is_err() {
                // Its turn is first when there is room again, and not for ever.
                self.first = index;
                return false;
            }
        }
        true
    }
}
