// SPDX-License-Identifier: BSD-2-Clause
//! A partition service and its device, with a disk in memory whose cache forgets.

use blk::fake::FakeLink;
use blk::{Info, Op, Request, SECTOR_SIZE, Segment, Server, Status, Taken};
use pd::Notify;
use shm::{Region, Rw};
use units::ChannelId;

/// Something that the device has.
#[derive(Clone, Debug)]
struct Job {
    id: u32,
    op: Op,
    sector: u64,
    sectors: u64,
    segments: Vec<Segment>,
}

/// The service, the device, and the disk.
#[derive(Debug)]
pub struct Service {
    link: FakeLink,
    server: Option<Server>,
    ram: Region<Rw>,
    info: Info,
    /// What reads see.
    present: Vec<u8>,
    /// What survives a loss of power.
    stable: Vec<u8>,
    jobs: Vec<Job>,
    /// Every request fails.
    pub broken: bool,
    /// Requests complete last first.
    pub backwards: bool,
    /// Flushes that the device did.
    pub flushes: usize,
    /// Requests that the device got.
    pub requests: usize,
}

/// Counts notifications.
#[derive(Debug, Default)]
struct Bell(bool);

impl Notify for Bell {
    fn notify(&mut self, _: ChannelId) {
        self.0 = true;
    }

    fn notify_deferred(&mut self, _: ChannelId) {
        self.0 = true;
    }
}

fn bytes(sectors: u64) -> usize {
    usize::try_from(sectors * SECTOR_SIZE).unwrap_or(usize::MAX)
}

#[expect(clippy::expect_used, reason = "test support")]
impl Service {
    pub(super) fn new(link: FakeLink, ram: Region<Rw>, info: Info) -> Self {
        let disk = vec![0; bytes(info.capacity)];
        Self {
            link,
            server: None,
            ram,
            info,
            present: disk.clone(),
            stable: disk,
            jobs: Vec::new(),
            broken: false,
            backwards: false,
            flushes: 0,
            requests: 0,
        }
    }

    /// What reads see.
    #[must_use]
    pub fn present(&self) -> &[u8] {
        &self.present
    }

    /// What survives a loss of power.
    #[must_use]
    pub fn stable(&self) -> &[u8] {
        &self.stable
    }

    /// Requests that the device has.
    #[must_use]
    pub fn jobs(&self) -> usize {
        self.jobs.len()
    }

    /// The disk has another size from the next session on.
    pub fn resize(&mut self, capacity: u64) {
        self.info.capacity = capacity;
        self.present.resize(bytes(capacity), 0);
        self.stable.resize(bytes(capacity), 0);
    }

    pub(super) fn die(&mut self) {
        self.server = None;
    }

    /// A new session: of what the device had, it has done one half and dropped the other.
    pub(super) fn revive(&mut self) {
        for (index, job) in core::mem::take(&mut self.jobs).into_iter().enumerate() {
            if index % 2 == 0 {
                self.run(&job);
            }
        }
        let channel = ChannelId::new(1).expect("below 62");
        let mut server = self.link.server(channel);
        server.start(self.info);
        self.server = Some(server);
    }

    /// The device does the `index`th of its requests. Nobody hears of it where the service is dead.
    pub(super) fn finish(&mut self, index: usize) {
        if index >= self.jobs.len() {
            return;
        }
        let job = self.jobs.remove(index);
        let status = self.run(&job);
        if let Some(server) = &mut self.server {
            server.complete(job.id, status);
        }
    }

    /// One activation; whether the client is notified.
    pub(super) fn serve(&mut self, finish: bool) -> bool {
        let mut request = Request::new();
        loop {
            let Some(server) = &mut self.server else {
                return false;
            };
            let began = server.poll();
            assert!(!began || self.jobs.is_empty(), "the device had requests");
            let more = match server.take(&mut request) {
                Taken::Nothing => server.wait_for_requests(),
                Taken::Blocked => server.wait_for_room(),
                Taken::Answered => true,
                Taken::Request => {
                    self.jobs.push(Job::of(&request));
                    self.requests += 1;
                    true
                }
            };
            if more {
                continue;
            }
            if !finish || self.jobs.is_empty() {
                break;
            }
            let last = self.jobs.len() - 1;
            self.finish(if self.backwards { last } else { 0 });
        }
        let mut bell = Bell::default();
        if let Some(server) = &mut self.server {
            server.flush(&mut bell);
        }
        bell.0
    }

    fn run(&mut self, job: &Job) -> Status {
        if self.broken {
            return Status::IoError;
        }
        let range = bytes(job.sector)..bytes(job.sector + job.sectors);
        match job.op {
            Op::Flush => {
                self.flushes += 1;
                self.stable.clone_from(&self.present);
            }
            Op::Read => {
                let mut from = self.present.get(range).expect("on the disk");
                for segment in &job.segments {
                    let (piece, rest) = from.split_at(segment.len as usize);
                    // A window that is left out of account would fail here (H-26).
                    self.memory(segment).copy_out(0, piece).expect("in RAM");
                    from = rest;
                }
            }
            Op::Write => {
                let mut at = range.start;
                for segment in &job.segments {
                    let end = at + segment.len as usize;
                    let memory = self.memory(segment);
                    let into = self.present.get_mut(at..end).expect("on the disk");
                    memory.copy_in(0, into).expect("in RAM");
                    at = end;
                }
            }
            Op::Discard => {}
            Op::WriteZeroes { .. } => self.present.get_mut(range).expect("on the disk").fill(0),
        }
        let cached = self.info.features.contains(blk::Features::FLUSH);
        if !cached {
            self.stable.clone_from(&self.present);
        }
        Status::Ok
    }

    fn memory(&self, segment: &Segment) -> Region<Rw> {
        let offset = usize::try_from(segment.offset).unwrap_or(usize::MAX);
        self.ram
            .sub(offset, segment.len as usize)
            .expect("in the client's window")
    }
}

impl Job {
    fn of(request: &Request) -> Self {
        Self {
            id: request.id(),
            op: request.op(),
            sector: request.sector(),
            sectors: request.sectors(),
            segments: request
                .segments()
                .map(|segment| segment.unchecked())
                .collect(),
        }
    }
}
