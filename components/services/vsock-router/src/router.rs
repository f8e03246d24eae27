// SPDX-License-Identifier: BSD-2-Clause
//! The protection domain: turns of the ports, forwarding, refusals.

use heapless::Vec;
use pd::{Call, Clock, Component, Handler, Notify, Setup, SetupError, Unexpected};
use record::LookupError;
use timer::Alarm;
use trace::Trace;
use units::ChannelSet;
use virtio::vsock::{Header, Op};
use vsock::Packet;

use crate::MAX_PORTS;
use crate::config;
use crate::event::{Event, Reason};
use crate::port::Port;
use crate::table::{End, Place, Table, Verdict, plain};

/// Most rounds of an activation. Senders run below the router, so each finds at most two links full
/// of packets; on another core one may go on for ever, and has its turn with the next event.
const ROUNDS: usize = 256;

/// Seconds after which a request that nobody answers makes room for another.
const UNANSWERED: u64 = 10;

/// The router.
#[derive(Debug)]
pub struct Router {
    pub(crate) ports: Vec<Port, MAX_PORTS>,
    pub(crate) table: Table,
    alarm: Alarm,
    trace: Trace<Event>,
    /// The port whose turn is first.
    first: usize,
    /// Ticks of [`UNANSWERED`].
    unanswered: u64,
}

impl Component for Router {
    /// Wants a text `port` per port and its roles, and optionally the channel `timer` and the region
    /// `trace`.
    fn create(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let trace = match setup.region_rw("trace") {
            Ok(region) => {
                Trace::attach(region).map_err(|_| SetupError::invalid("trace", "is too small"))?
            }
            Err(SetupError::Lookup(LookupError::Missing { .. })) => Trace::disabled(),
            Err(error) => return Err(error),
        };
        Ok(Self {
            ports: config::ports(setup)?,
            table: Table::new(),
            alarm: Alarm::open(setup)?,
            trace,
            first: 0,
            unanswered: 0,
        })
    }
}

impl<K: Notify + Clock + Call> Handler<K> for Router {
    fn init(&mut self, kernel: &mut K) {
        self.unanswered = kernel.frequency().saturating_mul(UNANSWERED);
        for port in &mut self.ports {
            // The record has milliseconds.
            let ticks = port.policy.patience.saturating_mul(kernel.frequency());
            port.policy.patience = ticks / 1000;
        }
        self.turn(kernel);
    }

    fn notified(&mut self, kernel: &mut K, channels: ChannelSet) {
        let mut stray = channels;
        self.alarm.take_fired(&mut stray);
        for port in &self.ports {
            stray.remove(port.link.channel());
        }
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

impl Router {
    /// Does what can be done, then waits for whatever more needs.
    fn turn<K: Notify + Clock + Call>(&mut self, kernel: &mut K) {
        for index in 0..self.ports.len() {
            self.check_restart(index, kernel.now());
        }
        for _ in 0..ROUNDS {
            if self.round(kernel.now()) {
                continue;
            }
            self.tell();
            for port in &mut self.ports {
                port.link.flush(kernel);
            }
            if !self.wait() {
                break;
            }
        }
        let blocked = |port: &Port| Some((port.blocked?.1).saturating_add(port.policy.patience));
        if let Some(deadline) = self.ports.iter().filter_map(blocked).min() {
            self.alarm.set(kernel, deadline);
        }
    }

    fn check_restart(&mut self, index: usize, now: u64) {
        let Some(port) = self.ports.get_mut(index) else {
            return;
        };
        if port.link.peer_restarted() {
            // Sockets that wait for an answer do not hear of a restart in any other way.
            self.table.break_port(index, true);
            let port = number(index);
            self.trace.record(Event::PortReset { port }, now);
        }
    }

    /// One packet of each port. `false`: none could be dealt with.
    fn round(&mut self, now: u64) -> bool {
        let ports = self.ports.len();
        let mut progress = false;
        for turn in 0..ports {
            let index = (self.first.wrapping_add(turn)).checked_rem(ports);
            progress |= self.step(index.unwrap_or(0), now);
        }
        self.first = self.first.wrapping_add(1).checked_rem(ports).unwrap_or(0);
        progress
    }

    /// Deals with the next packet of a port. `false`: there is none, or it has to wait.
    fn step(&mut self, from: usize, now: u64) -> bool {
        let Some(port) = self.ports.get_mut(from) else {
            return false;
        };
        let since = port.blocked.take().map(|(_, since)| since);
        let packet = port.link.receive();
        let cid = port.policy.cid;
        let header = match packet {
            None => return false,
            Some(Packet::Reset) => {
                self.table.break_port(from, false);
                let port = number(from);
                self.trace.record(Event::PortReset { port }, now);
                None
            }
            Some(Packet::Data { header, .. }) if header.src_cid.get() != cid => {
                let (from, cid) = (number(from), header.src_cid.get());
                self.trace.record(Event::Spoofed { from, cid }, now);
                None
            }
            Some(Packet::Data { header, .. }) => Some(plain(header)),
        };
        if header.is_some_and(|header| !self.route(from, &header, since, now)) {
            return false;
        }
        if let Some(port) = self.ports.get_mut(from) {
            port.link.advance();
        }
        true
    }

    /// Routes the next packet of the port `from`, which has waited since then. `false`: it has to
    /// wait.
    fn route(&mut self, from: usize, header: &Header, since: Option<u64>, now: u64) -> bool {
        let cid = header.dst_cid.get();
        let to = self.ports.iter().position(|port| port.policy.cid == cid);
        let Some(to) = to else {
            if header.operation() != Some(Op::Reset) {
                self.refuse(from, header, Reason::UnknownCid, now);
            }
            return true;
        };
        let end = |port, number| End { port, number };
        let ends = [
            end(from, header.src_port.get()),
            end(to, header.dst_port.get()),
        ];
        match self.table.judge(header, ends[0], ends[1]) {
            Verdict::Ignore => {}
            Verdict::Refuse(reason) => self.refuse(from, header, reason, now),
            Verdict::Break(place, reason) => self.break_flow(from, place, reason, now),
            Verdict::End(place) => {
                let heard = self.has_room(to, from) && self.forward(from, to, header);
                self.table.ended(place, heard);
            }
            Verdict::Open => match self.refusal(from, to, now) {
                Some(reason) => self.refuse(from, header, reason, now),
                None => return self.send(header, ends, None, since, now),
            },
            Verdict::Forward(place) => return self.send(header, ends, Some(place), since, now),
        }
        true
    }

    /// Sends a packet on, of a connection or to open one. `false`: it has to wait for room.
    fn send(
        &mut self,
        header: &Header,
        ends: [End; 2],
        place: Option<Place>,
        since: Option<u64>,
        now: u64,
    ) -> bool {
        let [from, to] = ends.map(|end| end.port);
        if self.has_room(to, from) {
            self.pass(header, ends, place, now);
            return true;
        }
        if !self.gives_up(from, to, since, now) {
            return false;
        }
        match place {
            Some(place) => self.break_flow(from, place, Reason::Stalled, now),
            None => self.refuse(from, header, Reason::Stalled, now),
        }
        true
    }

    /// Forwards a packet for which there is room, and takes note.
    fn pass(&mut self, header: &Header, ends: [End; 2], place: Option<Place>, now: u64) {
        let [from, to] = ends;
        if !self.forward(from.port, to.port, header) {
            // The sender's region changed under the packet: what it sent is not whole.
            if let Some(place) = place {
                self.break_flow(from.port, place, Reason::State, now);
            }
            return;
        }
        self.trace.count(Event::Forwarded);
        match place {
            None => {
                self.table.open(header, from, to, now);
            }
            Some(place) if self.table.forwarded(place, header) => {
                // The one who answers is not the one who asked.
                let (from, to) = (number(to.port), number(from.port));
                self.trace.record(Event::Opened { from, to }, now);
            }
            Some(_) => {}
        }
    }

    /// Why a port may not open a connection to another, if so.
    fn refusal(&mut self, from: usize, to: usize, now: u64) -> Option<Reason> {
        let policy = self.ports.get(from)?.policy;
        if policy.allow.get(to) != Some(&true) {
            return Some(Reason::Policy);
        }
        if !self.ports.get(to)?.link.carries() {
            return Some(Reason::Down);
        }
        let full =
            self.table.opened_by(from) >= policy.limit || self.table.len() >= crate::MAX_FLOWS;
        full.then(|| {
            // Its place is free with the next turn: the guest asks again.
            self.table.evict(from, now.saturating_sub(self.unanswered));
            Reason::Limit
        })
    }

    fn has_room(&mut self, to: usize, sender: usize) -> bool {
        let ports = self.ports.len();
        self.ports
            .get_mut(to)
            .is_some_and(|port| port.has_room(sender, ports))
    }

    /// Whether a packet for `to`, which has no room, has waited long enough. If not, it waits.
    fn gives_up(&mut self, from: usize, to: usize, since: Option<u64>, now: u64) -> bool {
        let since = since.unwrap_or(now);
        let worth = |port: &mut Port| port.is_worth_waiting_for(now);
        let worth = self.ports.get_mut(to).is_some_and(worth);
        let Some(port) = self.ports.get_mut(from) else {
            return true;
        };
        let patience = port.policy.patience;
        if !worth {
            return true;
        }
        if now.saturating_sub(since) < patience {
            port.blocked = Some((to, since));
            return false;
        }
        if let Some(port) = self.ports.get_mut(to)
            && port.stall(patience, now)
        {
            let port = number(to);
            self.trace.record(Event::Stalled { port }, now);
        }
        true
    }

    /// Copies the next packet of `from` to the link of `to`.
    fn forward(&mut self, from: usize, to: usize, header: &Header) -> bool {
        let Some(Some(Packet::Data { payload, .. })) =
            self.ports.get_mut(from).map(|port| port.link.receive())
        else {
            return false;
        };
        let Some(port) = self.ports.get_mut(to) else {
            return false;
        };
        let copied = port.link.send_with(header, |slot| {
            payload.len() == slot.len() && payload.copy_to(0, slot, 0, slot.len()).is_ok()
        });
        if copied {
            port.charge(Some(from));
        }
        copied
    }

    /// Answers a packet of the port `to` with RST, if there is room.
    fn refuse(&mut self, to: usize, header: &Header, reason: Reason, now: u64) {
        let reason = reason as u32;
        let from = number(to);
        self.trace.record(Event::Refused { from, reason }, now);
        let Some(port) = self.ports.get_mut(to) else {
            return;
        };
        if port.has_own_room() && port.link.send(&header.reset()) {
            port.charge(None);
        } else {
            self.trace.count(Event::Unheard { port: from });
        }
    }

    fn break_flow(&mut self, from: usize, place: Place, reason: Reason, now: u64) {
        let (from, reason) = (number(from), reason as u32);
        if self.table.break_flow(place).is_some() {
            self.trace.record(Event::Broken { from, reason }, now);
        }
    }
}

/// A small number for the trace.
fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
