// SPDX-License-Identifier: BSD-2-Clause
//! One connection (5.10.6): what the other end's packets mean, and what it is to be sent.

use shm::{Region, Ro};
use virtio::vsock::{Header, Op, SHUTDOWN_RECEIVE, SHUTDOWN_SEND, TYPE_STREAM};
use vsock::{Link, MAX_PAYLOAD, Window};

use crate::BUFFER;
use crate::buffer::Buffer;

/// Names a connection: CID and port of the other end, port of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// CID of the other end.
    pub cid: u64,
    /// Its port.
    pub number: u32,
    /// The port here.
    pub port: u32,
}

impl Key {
    /// The connection of a packet from the other end.
    #[must_use]
    pub const fn of(header: &Header) -> Self {
        Self {
            cid: header.src_cid.get(),
            number: header.src_port.get(),
            port: header.dst_port.get(),
        }
    }
}

/// What the service behind a connection does with what it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// Sends it back.
    Echo,
    /// Throws it away: there is one report to send, then it ends.
    Report,
}

/// What a packet makes of its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It goes on.
    Continue,
    /// It is over; nothing more is to be said.
    Over,
    /// It is over; the other end is to be told with RST.
    Reset,
    /// The other end broke the rules; it is to be told with RST.
    Broken,
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    key: Key,
    service: Service,
    /// What the other end takes.
    window: Window,
    pub(crate) buffer: Buffer,
    /// Bytes of payload taken, modulo 2^32, and how many of these the other end knows of.
    taken: u32,
    told: u32,
    owes_response: bool,
    owes_credit: bool,
    /// The other end was asked for credit, and has not answered.
    asked: bool,
    /// The other end will not send any more.
    peer_done: bool,
    /// The end was announced.
    pub(crate) finished: bool,
    /// Tick of the last sign of life.
    pub(crate) since: u64,
}

impl Connection {
    /// The connection that a REQUEST asks for.
    #[must_use]
    pub fn new(request: &Header, service: Service, now: u64) -> Self {
        let mut window = Window::default();
        // Nothing was sent yet, so any claim to have taken something is void.
        let _ = window.advertise(0, request.buf_alloc.get());
        Self {
            key: Key::of(request),
            service,
            window,
            buffer: Buffer::new(),
            taken: 0,
            told: 0,
            owes_response: true,
            owes_credit: false,
            asked: false,
            peer_done: false,
            finished: false,
            since: now,
        }
    }

    /// What names it.
    #[must_use]
    pub const fn key(&self) -> Key {
        self.key
    }

    /// Deals with a packet of this connection.
    pub fn receive(&mut self, header: &Header, payload: &Region<Ro>, now: u64) -> Outcome {
        let Some(op) = header.operation() else {
            return Outcome::Broken;
        };
        if op == Op::Reset {
            return Outcome::Over;
        }
        let (fwd_cnt, buf_alloc) = (header.fwd_cnt.get(), header.buf_alloc.get());
        if self.window.advertise(fwd_cnt, buf_alloc).is_err() {
            return Outcome::Broken;
        }
        self.asked = self.asked && self.window.room() == 0;
        self.since = now;
        match op {
            Op::ReadWrite => self.take(payload),
            Op::Shutdown => self.shutdown(header.flags.get()),
            Op::CreditRequest => {
                self.owes_credit = true;
                Outcome::Continue
            }
            Op::CreditUpdate => Outcome::Continue,
            Op::Request | Op::Response | Op::Reset => Outcome::Broken,
        }
    }

    fn take(&mut self, payload: &Region<Ro>) -> Outcome {
        if self.peer_done {
            return Outcome::Broken;
        }
        match self.service {
            // Bytes in the buffer count as taken when they leave it, so more than fits was never
            // granted.
            Service::Echo if self.buffer.append(payload) => Outcome::Continue,
            Service::Echo => Outcome::Broken,
            Service::Report => {
                let len = u32::try_from(payload.len()).unwrap_or(0);
                self.taken = self.taken.wrapping_add(len);
                Outcome::Continue
            }
        }
    }

    fn shutdown(&mut self, flags: u32) -> Outcome {
        self.peer_done |= flags & SHUTDOWN_SEND != 0;
        if flags & SHUTDOWN_RECEIVE != 0 {
            // Nobody is there any more for what is left.
            self.buffer.clear();
            return Outcome::Reset;
        }
        Outcome::Continue
    }

    /// Sends what is owed and what fits; how many bytes of payload. `Err`: the link has no room for
    /// the rest.
    ///
    /// # Errors
    /// The bytes that were sent before the link was full.
    pub fn pump(&mut self, own_cid: u64, link: &mut Link, now: u64) -> Result<usize, usize> {
        let mut sent = 0;
        while let Some(op) = self.next_op() {
            let len = match op {
                Op::ReadWrite => {
                    let window = usize::try_from(self.window.room()).unwrap_or(usize::MAX);
                    self.buffer.len().min(window).min(MAX_PAYLOAD)
                }
                _ => 0,
            };
            let header = self.header(own_cid, op, len);
            if !link.send_with(&header, |to| self.buffer.copy_to(to)) {
                return Err(sent);
            }
            self.sent(op, len, &header);
            self.since = now;
            sent = sent.saturating_add(len);
        }
        Ok(sent)
    }

    /// What is to be said next.
    fn next_op(&self) -> Option<Op> {
        let fresh = self.taken.wrapping_sub(self.told) as usize;
        if self.owes_response {
            Some(Op::Response)
        } else if self.finished {
            None
        } else if !self.buffer.is_empty() && self.window.room() > 0 {
            Some(Op::ReadWrite)
        } else if self.owes_credit || fresh >= BUFFER / 2 {
            Some(Op::CreditUpdate)
        } else if !self.buffer.is_empty() && !self.asked {
            Some(Op::CreditRequest)
        } else if self.buffer.is_empty() && (self.peer_done || self.service == Service::Report) {
            Some(Op::Shutdown)
        } else {
            None
        }
    }

    /// Notes that a packet was sent.
    fn sent(&mut self, op: Op, len: usize, header: &Header) {
        let count = u32::try_from(len).unwrap_or(0);
        self.buffer.consume(len);
        self.window.spend(count);
        self.told = header.fwd_cnt.get();
        match op {
            Op::Response => self.owes_response = false,
            Op::ReadWrite if self.service == Service::Echo => {
                self.taken = self.taken.wrapping_add(count);
            }
            Op::CreditRequest => self.asked = true,
            Op::Shutdown => self.finished = true,
            _ => {}
        }
        // Every header tells the credit.
        self.owes_credit = false;
    }

    fn header(&self, own_cid: u64, op: Op, len: usize) -> Header {
        let flags = match op {
            Op::Shutdown => SHUTDOWN_RECEIVE | SHUTDOWN_SEND,
            _ => 0,
        };
        // What this very packet takes out of the buffer is free when it arrives.
        let leaving = match self.service {
            Service::Echo => u32::try_from(len).unwrap_or(0),
            Service::Report => 0,
        };
        Header {
            src_cid: own_cid.into(),
            dst_cid: self.key.cid.into(),
            src_port: self.key.port.into(),
            dst_port: self.key.number.into(),
            len: u32::try_from(len).unwrap_or(0).into(),
            socket_type: TYPE_STREAM.into(),
            op: (op as u16).into(),
            flags: flags.into(),
            buf_alloc: u32::try_from(BUFFER).unwrap_or(0).into(),
            fwd_cnt: self.taken.wrapping_add(leaving).into(),
        }
    }

    /// RST to the other end.
    #[must_use]
    pub fn reset(&self, own_cid: u64) -> Header {
        Header {
            buf_alloc: 0.into(),
            fwd_cnt: 0.into(),
            ..self.header(own_cid, Op::Reset, 0)
        }
    }
}
