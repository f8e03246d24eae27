// SPDX-License-Identifier: BSD-2-Clause
//! The connections, and what each packet means for them.

use virtio::vsock::{Header, Op, SHUTDOWN_RECEIVE, SHUTDOWN_SEND, TYPE_STREAM};
use vsock::Window;

use crate::MAX_FLOWS;
use crate::event::Reason;

/// An end of a connection: the router's port, and the port number behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// Index of the router's port.
    pub port: usize,
    /// The socket's port number.
    pub number: u32,
}

/// State of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Asked for at this tick, not answered.
    Requested(u64),
    /// Open.
    Open,
    /// Ended by the router; these ends are still to hear of it.
    Dying([bool; 2]),
}

/// A connection.
#[derive(Clone, Copy, Debug)]
struct Flow {
    /// Who asked for it, and who was asked.
    ends: [End; 2],
    /// Their receive windows.
    windows: [Window; 2],
    phase: Phase,
}

/// A connection's place in the table, and which of its ends sent the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    flow: usize,
    side: usize,
}

/// What is to become of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It opens a connection: forward it, then [`Table::open`].
    Open,
    /// Forward it, then [`Table::forwarded`].
    Forward(Place),
    /// It ends the connection: forward it if there is room, then [`Table::ended`].
    End(Place),
    /// Answer it with RST.
    Refuse(Reason),
    /// End the connection: [`Table::break_flow`].
    Break(Place, Reason),
    /// Drop it.
    Ignore,
}

/// All connections.
#[derive(Debug)]
pub struct Table {
    flows: [Option<Flow>; MAX_FLOWS],
}

impl Default for Table {
    fn default() -> Self {
        Self::new()
    }
}

impl Table {
    /// No connections.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            flows: [None; MAX_FLOWS],
        }
    }

    /// Connections that `port` asked for, dying ones included.
    #[must_use]
    pub fn opened_by(&self, port: usize) -> usize {
        let opened = |flow: &&Flow| flow.ends[0].port == port;
        self.flows.iter().flatten().filter(opened).count()
    }

    /// Number of connections.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flows.iter().flatten().count()
    }

    /// Whether there are no connections.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What a packet between two ports means. Takes note of the credit that it advertises; all else
    /// happens when it is forwarded.
    pub fn judge(&mut self, header: &Header, from: End, to: End) -> Verdict {
        if header.socket_type.get() != TYPE_STREAM {
            return refusal(header, Reason::Type);
        }
        let Some(op) = header.operation() else {
            return refusal(header, Reason::Op);
        };
        if header.len.get() != 0 && op != Op::ReadWrite {
            return refusal(header, Reason::Op);
        }
        let Some(place) = self.find(from, to) else {
            return match op {
                Op::Request => Verdict::Open,
                _ => refusal(header, Reason::NoConnection),
            };
        };
        let Some(flow) = self.flows.get_mut(place.flow).and_then(Option::as_mut) else {
            return Verdict::Ignore;
        };
        match (op, flow.phase, place.side) {
            // Whoever sent it will hear, or has heard, that the connection is gone.
            (_, Phase::Dying(_), _) => return Verdict::Ignore,
            (Op::Reset, ..) => return Verdict::End(place),
            (Op::Response, Phase::Requested(_), 1) | (Op::Shutdown, Phase::Requested(_), 0) => {}
            (Op::Request | Op::Response, ..) | (_, Phase::Requested(_), _) => {
                return Verdict::Break(place, Reason::State);
            }
            _ => {}
        }
        flow.credit(header, place.side)
            .map_or(Verdict::Forward(place), |reason| {
                Verdict::Break(place, reason)
            })
    }

    /// The connection that a forwarded REQUEST asks for. `false` where the table is full.
    pub fn open(&mut self, header: &Header, from: End, to: End, now: u64) -> bool {
        let Some(free) = self.flows.iter_mut().find(|flow| flow.is_none()) else {
            return false;
        };
        let mut flow = Flow {
            ends: [from, to],
            windows: [Window::default(); 2],
            phase: Phase::Requested(now),
        };
        // Nothing was sent yet, so any claim to have taken something is void.
        let _ = flow.windows[0].advertise(0, header.buf_alloc.get());
        *free = Some(flow);
        true
    }

    /// A packet was forwarded. `true` if that opened the connection.
    pub fn forwarded(&mut self, place: Place, header: &Header) -> bool {
        let Some(flow) = self.flows.get_mut(place.flow).and_then(Option::as_mut) else {
            return false;
        };
        if let Some(window) = flow.windows.get_mut(1 - place.side) {
            window.spend(header.len.get());
        }
        let opens = header.operation() == Some(Op::Response);
        if opens {
            flow.phase = Phase::Open;
        }
        opens
    }

    /// An end sent RST: the connection is gone, except that the other end may still have to hear.
    pub fn ended(&mut self, place: Place, heard: bool) {
        if let Some(slot) = self.flows.get_mut(place.flow) {
            let owed = [place.side == 1 && !heard, place.side == 0 && !heard];
            *slot = slot.map(|flow| flow.dying(owed)).filter(|_| !heard);
        }
    }

    /// Ends a connection: both ends are to hear of it. Its ends.
    pub fn break_flow(&mut self, place: Place) -> Option<[End; 2]> {
        let flow = self.flows.get_mut(place.flow)?.as_mut()?;
        flow.phase = Phase::Dying([true; 2]);
        Some(flow.ends)
    }

    /// Ends all connections of a port, whose own end is to hear of it too if `tell`; how many.
    pub fn break_port(&mut self, port: usize, tell: bool) -> usize {
        let mut count = 0;
        for slot in &mut self.flows {
            let Some(flow) = slot.filter(|flow| flow.ends.iter().any(|end| end.port == port))
            else {
                continue;
            };
            let owed = match flow.phase {
                Phase::Dying(owed) => owed,
                Phase::Requested(_) | Phase::Open => {
                    count += 1;
                    [true; 2]
                }
            };
            let [first, second] = flow.ends.map(|end| tell || end.port != port);
            *slot = Some(flow.dying([owed[0] && first, owed[1] && second]));
        }
        count
    }

    /// Makes room for a connection that `port` asks for: ends one that it asked for before the tick
    /// `before` and that nobody answered. `false` where there is none.
    pub fn evict(&mut self, port: usize, before: u64) -> bool {
        let stale = |flow: &&mut Flow| {
            let old = matches!(flow.phase, Phase::Requested(at) if at < before);
            flow.ends[0].port == port && old
        };
        let found = self.flows.iter_mut().flatten().find(stale);
        found
            .map(|flow| flow.phase = Phase::Dying([true; 2]))
            .is_some()
    }

    /// Lets `tell` say RST to each end that is still to hear of it: it gets the end and the other
    /// one, and answers whether there was room. Connections of which all have heard are forgotten.
    pub fn tell(&mut self, mut tell: impl FnMut(End, End) -> bool) {
        for slot in &mut self.flows {
            let Some(Flow {
                ends: [a, b],
                phase: Phase::Dying([first, second]),
                ..
            }) = *slot
            else {
                continue;
            };
            let owed = [first && !tell(a, b), second && !tell(b, a)];
            *slot = slot
                .map(|flow| flow.dying(owed))
                .filter(|_| owed != [false; 2]);
        }
    }

    /// Whether an end at this port is still to hear that its connection is gone.
    #[must_use]
    pub fn owes(&self, port: usize) -> bool {
        self.flows.iter().flatten().any(|flow| match flow.phase {
            Phase::Dying(owed) => {
                let mut ends = flow.ends.iter().zip(owed);
                ends.any(|(end, owed)| owed && end.port == port)
            }
            Phase::Requested(_) | Phase::Open => false,
        })
    }

    fn find(&self, from: End, to: End) -> Option<Place> {
        let mut flows = self.flows.iter().enumerate();
        flows.find_map(|(flow, slot)| match slot.as_ref()?.ends {
            ends if ends == [from, to] => Some(Place { flow, side: 0 }),
            ends if ends == [to, from] => Some(Place { flow, side: 1 }),
            _ => None,
        })
    }
}

impl Flow {
    const fn dying(self, owed: [bool; 2]) -> Self {
        Self {
            phase: Phase::Dying(owed),
            ..self
        }
    }

    /// Notes the credit that an end's packet advertises; what is wrong with it or its payload.
    fn credit(&mut self, header: &Header, side: usize) -> Option<Reason> {
        let own = self.windows.get_mut(side)?;
        let (fwd_cnt, buf_alloc) = (header.fwd_cnt.get(), header.buf_alloc.get());
        if own.advertise(fwd_cnt, buf_alloc).is_err() {
            return Some(Reason::ForgedCredit);
        }
        let other = self.windows.get(1 - side)?;
        (!other.allows(header.len.get())).then_some(Reason::NoCredit)
    }
}

/// RST answers everything but an RST.
fn refusal(header: &Header, reason: Reason) -> Verdict {
    match header.operation() {
        Some(Op::Reset) => Verdict::Ignore,
        _ => Verdict::Refuse(reason),
    }
}

/// The packet without bits that its operation does not have (5.10.6.6).
#[must_use]
pub fn plain(mut header: Header) -> Header {
    let flags = match header.operation() {
        Some(Op::Shutdown) => header.flags.get() & (SHUTDOWN_RECEIVE | SHUTDOWN_SEND),
        _ => 0,
    };
    header.flags = flags.into();
    header
}
