// SPDX-License-Identifier: BSD-2-Clause
//! The protection domain: the driver's sessions, the clients' turns.

use blk::{Change, MAX_SEGMENTS, Op, Request, Segment, Status, SubmitError, Taken};
use heapless::Vec;
use pd::{Clock, Component, Handler, Notify, Setup, SetupError, Unexpected};
use record::{LookupError, WindowEntry};
use shm::{Region, Rw};
use trace::Trace;
use units::{Bytes, ChannelId, ChannelSet};

use crate::MAX_CLIENTS;
use crate::client::{Client, find_all};
use crate::event::Event;
use crate::flight::{Flight, MOST, Owner};
use crate::gpt::Label;
use crate::load::{Load, Step};

/// Id of the requests by which the table is read.
const TABLE: u32 = u32::MAX;

/// Requests looked at per activation. Only clients that send refused requests meet it before the
/// driver is full; such a client then waits for its own next notification.
const LOOKS: usize = 1024;

/// Fewest requests in flight that each client may have.
const FEWEST: usize = 8;

/// The partition service of one disk.
#[derive(Debug)]
pub struct Partitions {
    driver: blk::Client,
    clients: Vec<Client, MAX_CLIENTS>,
    labels: Vec<Label, MAX_CLIENTS>,
    buffer: Region<Rw>,
    window: WindowEntry,
    load: Option<Load>,
    flight: Flight,
    /// Client whose turn is first.
    turn: usize,
    request: Request,
    segments: Vec<Segment, MAX_SEGMENTS>,
    trace: Trace<Event>,
}

impl Component for Partitions {
    /// Wants the link `driver`, the region and window `gpt` (at least a block), per client a text
    /// `client` with its name and under that name a link, the window `<name>.dma` and the texts
    /// `<name>.partition` and `<name>.access`, and optionally the region `trace`.
    fn create(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let (clients, labels) = find_all(setup)?;
        let buffer = setup.region_rw("gpt")?;
        let window = setup.dma("gpt")?;
        if window.size != Bytes::new(buffer.len() as u64) {
            return Err(SetupError::invalid("gpt", "region and window differ"));
        }
        Ok(Self {
            driver: blk::Client::open(setup, "driver")?,
            clients,
            labels,
            buffer,
            window,
            load: None,
            flight: Flight::new(),
            turn: 0,
            request: Request::new(),
            segments: Vec::new(),
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

impl<K: Notify + Clock> Handler<K> for Partitions {
    fn init(&mut self, kernel: &mut K) {
        self.serve(kernel);
    }

    fn notified(&mut self, kernel: &mut K, channels: ChannelSet) {
        let known = |id: ChannelId| {
            let mut clients = self.clients.iter();
            id == self.driver.channel() || clients.any(|client| client.server.channel() == id)
        };
        if !channels.iter().all(known) {
            let channels = channels.bits();
            self.trace.record(Event::Stray { channels }, kernel.now());
        }
        self.serve(kernel);
    }

    fn unexpected(&mut self, event: Unexpected) {
        let channels = event.channels().bits();
        self.trace.count(Event::Stray { channels });
    }
}

impl Partitions {
    /// Follows the driver, ends what is done, submits what fits, and sees to it that whoever has
    /// more wakes this domain.
    fn serve<K: Notify + Clock>(&mut self, kernel: &mut K) {
        self.follow_driver(kernel);
        self.end(kernel);
        self.follow_clients(kernel);
        self.submit(kernel);
        // Of several notifications, the last one costs no kernel entry of its own.
        self.driver.flush_deferred(kernel);
        for client in &mut self.clients {
            client.server.flush_deferred(kernel);
        }
    }

    /// Sees whether the disk came, went, or came back.
    fn follow_driver<K: Clock>(&mut self, kernel: &K) {
        match self.driver.poll() {
            Change::None => return,
            Change::Down => self.trace.record(Event::DiskDown, kernel.now()),
            Change::Up => {}
        }
        // What was in flight will not happen, or nobody can say: the clients submit it again in the
        // session that begins when the table is read.
        self.flight.clear();
        self.load = None;
        self.clients.iter_mut().for_each(Client::stop);
        let Some(info) = self.driver.info().copied() else {
            return;
        };
        let event = Event::DiskUp {
            capacity: info.capacity,
            block_size: info.block_size,
        };
        self.trace.record(event, kernel.now());
        if Load::fits(&info, self.buffer.len()) {
            let mut load = Load::new(info);
            let step = load.next();
            self.load = Some(load);
            self.follow_table(kernel, step);
        } else {
            self.without_table(kernel);
        }
    }

    /// Ends what the driver is done with. Bounded by what it has, since nothing is submitted but
    /// the next part of the table.
    fn end<K: Clock>(&mut self, kernel: &K) {
        for _ in 0..=2 * MOST {
            match self.driver.completion() {
                Some(end) if end.id == TABLE => self.table_read(kernel, end.status),
                Some(end) => match self.flight.remove(end.id) {
                    Some(owner) => self.end_one(owner, end.status),
                    None => {
                        let id = end.id;
                        self.trace
                            .record(Event::StrayCompletion { id }, kernel.now());
                    }
                },
                None if !self.driver.wait_for_completions() => return,
                None => {}
            }
        }
    }

    fn end_one(&mut self, owner: Owner, status: Status) {
        if let Some(client) = self.clients.get_mut(owner.client) {
            client.share.ended();
            client.server.complete(owner.id, status);
        }
    }

    /// A part of the table is in the buffer.
    fn table_read<K: Clock>(&mut self, kernel: &K, status: Status) {
        if let Some(load) = &mut self.load {
            let step = load.ended(status, &self.buffer, &self.labels);
            self.follow_table(kernel, step);
        }
    }

    /// Does what reading the table needs next.
    fn follow_table<K: Clock>(&mut self, kernel: &K, mut step: Step) {
        // Each copy is refused once.
        for _ in 0..4 {
            step = match step {
                Step::Read { sector, bytes } => {
                    let segment = Segment {
                        offset: self.window.paddr.get(),
                        len: bytes,
                    };
                    // Nothing else is submitted in this session before the table is read.
                    let read = self.driver.submit_data(TABLE, Op::Read, sector, [segment]);
                    if read.is_err() {
                        self.without_table(kernel);
                    }
                    return;
                }
                Step::Refused { sector, error } => {
                    let error = error.map_or(0, |error| error as u32 + 1);
                    let event = Event::TableRefused { sector, error };
                    self.trace.record(event, kernel.now());
                    match &mut self.load {
                        Some(load) => load.next(),
                        None => Step::Failed,
                    }
                }
                Step::Ready => return self.start_clients(kernel),
                Step::Failed => return self.without_table(kernel),
            };
        }
    }

    /// The table says where each client's partition is.
    fn start_clients<K: Clock>(&mut self, kernel: &K) {
        let load = self.load.take();
        let (Some(disk), Some(table)) = (
            self.driver.info().copied(),
            load.as_ref().and_then(Load::table),
        ) else {
            return;
        };
        for (number, (client, extent)) in (0..).zip(self.clients.iter_mut().zip(table.extents)) {
            let event = match extent {
                Ok(extent) => {
                    client.start(extent, &disk);
                    let sector = extent.sector;
                    Event::ClientUp {
                        client: number,
                        sector,
                    }
                }
                Err(error) => Event::ClientDown {
                    client: number,
                    error: error as u32 + 1,
                },
            };
            self.trace.record(event, kernel.now());
        }
    }

    /// There is no table to be believed: nobody has a partition.
    fn without_table<K: Clock>(&mut self, kernel: &K) {
        self.load = None;
        for (client, _) in (0..).zip(&self.clients) {
            let event = Event::ClientDown { client, error: 0 };
            self.trace.record(event, kernel.now());
        }
    }

    /// Sees whether clients were started again.
    fn follow_clients<K: Clock>(&mut self, kernel: &K) {
        for (number, client) in (0..).zip(&mut self.clients) {
            if client.server.poll() {
                let event = Event::ClientRestarted { client: number };
                self.trace.record(event, kernel.now());
            }
        }
    }

    /// Hands requests to the driver, in fair turns, until it has no more room or nobody any work.
    fn submit<K: Clock>(&mut self, kernel: &K) {
        let mut looks = LOOKS;
        loop {
            let mut busy = false;
            for _ in 0..self.clients.len() {
                let number = self.turn;
                self.turn = (number + 1) % self.clients.len().max(1);
                if let Some(client) = self.clients.get_mut(number) {
                    client.share.renew();
                }
                match self.serve_one(kernel, number, &mut looks) {
                    Outcome::Idle => {}
                    Outcome::Busy => busy = true,
                    Outcome::Full => return,
                }
            }
            if !busy || looks == 0 {
                break;
            }
        }
        for client in &mut self.clients {
            let _ = client.server.wait_for_requests();
        }
    }

    /// One client's turn in a round.
    fn serve_one<K: Clock>(&mut self, kernel: &K, number: usize, looks: &mut usize) -> Outcome {
        let limit = (MOST / self.clients.len().max(1)).max(FEWEST);
        loop {
            // The driver must take the longest request, or it will wake this domain.
            let most = blk::Client::slots(MAX_SEGMENTS);
            if self.flight.is_full()
                || (self.driver.room() < most && !self.driver.wait_for_room(most))
            {
                // The turn stays: whoever is cut short here goes on first.
                self.turn = number;
                return Outcome::Full;
            }
            let Some(client) = self.clients.get_mut(number) else {
                return Outcome::Idle;
            };
            if client.share.is_full(limit) {
                return Outcome::Idle;
            }
            if !client.share.may_go_on(limit) || *looks == 0 {
                return Outcome::Busy;
            }
            *looks = looks.saturating_sub(1);
            match client.server.take(&mut self.request) {
                Taken::Request => self.forward(kernel, number),
                Taken::Answered => client.share.looked(),
                Taken::Nothing if !client.server.wait_for_requests() => return Outcome::Idle,
                Taken::Blocked if !client.server.wait_for_room() => return Outcome::Idle,
                Taken::Nothing | Taken::Blocked => {}
            }
        }
    }

    /// Passes a request on, or refuses it.
    fn forward<K: Clock>(&mut self, kernel: &K, number: usize) {
        let Some(client) = self.clients.get_mut(number) else {
            return;
        };
        let request = &self.request;
        let translated = client.translate(request, &mut self.segments);
        let (Some(sector), Ok(())) = (client.place(request), translated) else {
            if let Err(offset) = translated {
                let client = u32::try_from(number).unwrap_or(u32::MAX);
                let event = Event::OutsideWindow { client, offset };
                self.trace.record(event, kernel.now());
            }
            client.share.looked();
            return client.server.complete(request.id(), Status::IoError);
        };
        let (id, op, sectors) = (self.flight.next_id(), request.op(), request.sectors());
        let submitted = if op.has_data() {
            self.driver
                .submit_data(id, op, sector, self.segments.iter().copied())
        } else {
            u32::try_from(sectors)
                .map_err(|_| SubmitError::Segments)
                .and_then(|sectors| self.driver.submit_range(id, op, sector, sectors))
        };
        if submitted.is_err() {
            client.share.looked();
            return client.server.complete(request.id(), Status::IoError);
        }
        client
            .share
            .submitted(if op.has_data() { sectors } else { 0 });
        self.flight.insert(Owner {
            client: number,
            id: request.id(),
        });
    }
}

/// How a client's turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It has nothing more, or waits for its own completions.
    Idle,
    /// It may have more for the next round.
    Busy,
    /// The driver has no more room.
    Full,
}
