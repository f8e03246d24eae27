// SPDX-License-Identifier: BSD-2-Clause
//! The protection domain: fair passes over the ports, bounded work.

use frames::{Frame, Shape, Status};
use pd::{Call, Clock, Component, Handler, Notify, Setup, SetupError, Unexpected};
use record::{Entry, LookupError};
use timer::Alarm;
use trace::Trace;
use units::ChannelSet;

use crate::config::{Config, Name, allowed};
use crate::ether::Head;
use crate::event::{Event, What};
use crate::forward::Passing;
use crate::mac::Mac;
use crate::policy::judge;
use crate::port::{Port, PortSet, Ports, find_partners};
use crate::time::Time;
use crate::{MAX_PORTS, MAX_SLOTS};

/// Passes per activation where the timer can call the switch back. A pass takes at most 16 frames
/// of each port.
const PASS_LIMIT: usize = 64;

/// Passes between two looks of the peers at what was done, in a long activation.
const FLUSH_EVERY: usize = 16;

/// The switch.
#[derive(Debug)]
pub struct NetSwitch {
    ports: Ports,
    /// Counts activations: the port whose turn is first.
    first: usize,
    alarm: Alarm,
    trace: Trace<Event>,
}

impl Component for NetSwitch {
    /// Wants for each text entry `port` a link with that text as its role, and what `README.md`
    /// lists under the port's name; optionally the channel `timer` and the region `trace`.
    fn create(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let mut ports = Ports::new();
        for entry in setup.record().with_role("port") {
            let Entry::Text(name) = entry else {
                return Err(SetupError::invalid("port", "each port is a text, its role"));
            };
            let port = open(setup, name, &ports)?;
            ports
                .push(port)
                .map_err(|_| SetupError::invalid("port", "there are more than eight"))?;
        }
        allow(setup, &mut ports)?;
        find_partners(&mut ports);
        Ok(Self {
            ports,
            first: 0,
            alarm: Alarm::open(setup)?,
            trace: trace(setup)?,
        })
    }
}

/// Opens port `name`, which follows those already open.
fn open(setup: &mut Setup<'_>, name: &str, ports: &Ports) -> Result<Port, SetupError> {
    let config = Config::read(setup, name)?;
    let link = frames::Port::open(setup, name, Shape::NET)?;
    if link.tx.capacity() as usize > MAX_SLOTS {
        return Err(SetupError::invalid(
            name,
            "its ring has more than 128 slots",
        ));
    }
    if ports.iter().any(|other| other.config.name == config.name) {
        return Err(SetupError::invalid(
            name,
            "there are two ports of this name",
        ));
    }
    let taken = |mac: &Mac| ports.iter().any(|other| other.owns(*mac));
    if config.macs.iter().any(taken) {
        return Err(SetupError::invalid(
            name,
            "another port has the same address",
        ));
    }
    let number = u8::try_from(ports.len()).unwrap_or(u8::MAX);
    if usize::from(number) >= MAX_PORTS {
        return Err(SetupError::invalid("port", "there are more than eight"));
    }
    Ok(Port::new(number, link, config))
}

/// Reads the ports' lists. A name that is no port's would silently forbid everything.
fn allow(setup: &Setup<'_>, ports: &mut Ports) -> Result<(), SetupError> {
    let names: heapless::Vec<(Name, PortSet), MAX_PORTS> = ports
        .iter()
        .map(|port| (port.config.name.clone(), port.bit()))
        .collect();
    for port in ports {
        let known = |name: &str| names.iter().find(|(known, _)| known == name);
        port.allowed = allowed(setup, &port.config.name, |name| {
            known(name).map(|(_, bit)| *bit)
        })?;
    }
    Ok(())
}

/// The trace, or none where the record has no region for it.
fn trace(setup: &mut Setup<'_>) -> Result<Trace<Event>, SetupError> {
    match optional(setup.region_rw("trace"))? {
        Some(region) => {
            Trace::attach(region).map_err(|_| SetupError::invalid("trace", "is too small"))
        }
        None => Ok(Trace::disabled()),
    }
}

fn optional<T>(found: Result<T, SetupError>) -> Result<Option<T>, SetupError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(SetupError::Lookup(LookupError::Missing { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

impl<K: Notify + Call + Clock> Handler<K> for NetSwitch {
    fn init(&mut self, kernel: &mut K) {
        self.turn(kernel);
    }

    fn notified(&mut self, kernel: &mut K, channels: ChannelSet) {
        let mut stray = channels;
        // Whatever was to be done now is found by looking.
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

impl NetSwitch {
    /// One activation.
    fn turn<K: Notify + Call + Clock>(&mut self, kernel: &mut K) {
        self.look_at_peers(Time::read(kernel));
        self.first = self.first.wrapping_add(1);
        if let Some(deadline) = self.work(kernel)
            && !self.alarm.set(kernel, deadline)
        {
            self.trace.record(Event::TimerRefused, kernel.now());
            for port in &mut self.ports {
                port.not_before = None;
            }
            // What was to wait is dropped now: without the timer, rates are policed.
            self.work(kernel);
        }
    }

    /// Moves frames until there are none, or as long as an activation may take. The tick at which
    /// to go on, if there is more.
    fn work<K: Notify + Clock>(&mut self, kernel: &mut K) -> Option<u64> {
        let mut passes = 0_usize;
        loop {
            let busy = self.pass(passes, Time::read(kernel));
            passes = passes.saturating_add(1);
            if !busy {
                // Of several notifications, the last one costs no kernel entry of its own.
                self.flush_deferred(kernel);
            } else if passes.is_multiple_of(FLUSH_EVERY) {
                self.flush(kernel);
            }
            if !busy && !self.wait() {
                break;
            }
            // Without a timer there is nobody to call back for what is left; on one core a peer
            // cannot add to it while the switch runs.
            if passes >= PASS_LIMIT && self.alarm.is_available() {
                self.flush(kernel);
                self.trace.count(Event::Yielded);
                return Some(0);
            }
        }
        self.ports.iter().filter_map(|port| port.not_before).min()
    }

    /// One turn of every port; whether any of them had a frame. Who is first finds the most free
    /// slots, so that changes with every pass and with every activation.
    fn pass(&mut self, number: usize, time: Time) -> bool {
        let count = self.ports.len();
        let first = self.first.wrapping_add(number);
        let mut busy = false;
        for turn in 0..count {
            // There is a port, or there were no turn.
            let port = first.wrapping_add(turn).checked_rem(count).unwrap_or(0);
            busy |= self.serve(port, time);
        }
        busy
    }

    /// One turn of one port; whether it had a frame.
    fn serve(&mut self, from: usize, time: Time) -> bool {
        if !self
            .ports
            .get_mut(from)
            .is_some_and(|port| port.begin(time))
        {
            return false;
        }
        let mut any = false;
        while let Some(port) = self.ports.get_mut(from)
            && port.may_go_on()
        {
            let Some(frame) = port.link.rx.peek() else {
                port.idle();
                break;
            };
            match self.within_rate(from, &frame, time) {
                Paid::Yes => self.handle(from, &frame, time),
                Paid::Never => {}
                Paid::Later => break,
            }
            any = true;
            if let Some(port) = self.ports.get_mut(from) {
                port.pay(frame.len());
                port.link.rx.advance();
            }
        }
        any
    }

    /// Whether the port's rate allows the frame. With a timer what is too much stays in the ring,
    /// which in the end holds the sender back; without one it is dropped.
    fn within_rate(&mut self, from: usize, frame: &Frame, time: Time) -> Paid {
        let shaping = self.alarm.is_available();
        let Some(port) = self.ports.get_mut(from) else {
            return Paid::Never;
        };
        let Some(rate) = &mut port.rate else {
            return Paid::Yes;
        };
        let (number, what, paid) = match rate.take(time, frame.len() as u64) {
            Ok(()) => return Paid::Yes,
            Err(ticks) if shaping => {
                // Half of what waits at once, so that the ring does not run full meanwhile.
                let waiting = u64::from(port.link.rx.waiting()).saturating_mul(frame.len() as u64);
                let pause = ticks.max(rate.ticks_until(time, waiting / 2));
                port.not_before = Some(time.now.saturating_add(pause));
                (port.number, What::Delayed, Paid::Later)
            }
            Err(_) => (port.number, What::OverRate, Paid::Never),
        };
        self.count(number, what);
        paid
    }

    /// Judges a frame and sends it where it may go.
    fn handle(&mut self, from: usize, frame: &Frame, time: Time) {
        let head = Head::fetch(frame);
        let judged = match &head {
            Some(head) => judge(&mut self.ports, from, head, (frame.len(), frame.meta), time),
            None => Err(What::Malformed),
        };
        let (Some(port), Some(head)) = (self.ports.get(from), &head) else {
            return self.count(u8::try_from(from).unwrap_or(u8::MAX), What::Malformed);
        };
        let (number, kind) = (port.number, port.config.kind);
        let route = match judged {
            Ok(route) => route,
            Err(what) => return self.refuse(from, what, time),
        };
        self.count(number, What::Received);
        let passing = Passing {
            frame,
            head,
            vlan: route.vlan,
            from: number,
            kind,
        };
        for port in &mut self.ports {
            if route.to & port.bit() != 0 {
                let what = passing.send(port);
                let port = port.number;
                self.trace.count(Event::Port { port, what });
            }
        }
    }

    /// Counts a dropped frame. Of spoofed ones the source is recorded, at most once a second.
    fn refuse(&mut self, from: usize, what: What, time: Time) {
        let Some(port) = self.ports.get_mut(from) else {
            return;
        };
        let event = Event::Port {
            port: port.number,
            what,
        };
        if matches!(what, What::Spoofed { .. }) && time.now >= port.quiet_until {
            port.quiet_until = time.now.saturating_add(time.frequency.get());
            self.trace.record(event, time.now);
        } else {
            self.trace.count(event);
        }
    }

    fn count(&mut self, port: u8, what: What) {
        self.trace.count(Event::Port { port, what });
    }

    /// Sees who is there, and tells each port whether anybody is for it.
    fn look_at_peers(&mut self, time: Time) {
        let mut present: PortSet = 0;
        for port in &mut self.ports {
            let restarted = port.link.peer_restarted();
            port.peer = port.link.peer_status();
            if port.peer.carries() {
                present |= port.bit();
            } else {
                // Whoever comes back may be somebody else.
                port.learned.clear();
            }
            let faults = port.link.counters();
            let count = faults.received.saturating_add(faults.sent);
            let events = [
                restarted.then_some(What::Restarted),
                (count != port.faults).then_some(What::PeerFault { count }),
            ];
            port.faults = count;
            for what in events.into_iter().flatten() {
                let port = port.number;
                self.trace.record(Event::Port { port, what }, time.now);
            }
        }
        for port in &mut self.ports {
            let up = port.partners & present != 0;
            let was_up = port.link.status().link;
            port.link.set_status(Status {
                up: true,
                link: up,
                csum: true,
                mtu: port.config.mtu,
            });
            if up != was_up {
                let (port, what) = (port.number, What::Link { up });
                self.trace.record(Event::Port { port, what }, time.now);
            }
        }
    }

    /// Shows every peer what was done for it, and wakes those that wait.
    fn flush(&mut self, kernel: &mut impl Notify) {
        for port in &mut self.ports {
            port.link.flush(kernel);
        }
    }

    /// As [`Self::flush`], when nothing is left to do.
    fn flush_deferred(&mut self, kernel: &mut impl Notify) {
        for port in &mut self.ports {
            port.link.flush_deferred(kernel);
        }
    }

    /// Asks every port for a notification of its next frame; whether one has come meanwhile. Ports
    /// above their rate are waited for by the timer instead.
    fn wait(&mut self) -> bool {
        let mut any = false;
        for port in &mut self.ports {
            if port.not_before.is_none() {
                any |= port.link.rx.arm();
            }
        }
        any
    }
}

/// Whether a frame's bytes are within its port's rate.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Paid {
    /// It goes on.
    Yes,
    /// It waits.
    Later,
    /// It is dropped.
    Never,
}

/// It is moved on the stack while it is made, several times.
const _: () = assert!(size_of::<NetSwitch>() <= 0x3000);
