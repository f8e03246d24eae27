// SPDX-License-Identifier: BSD-2-Clause
//! The device: its registers, its one queue, and the frames of its requests.

use blk::{Info, MAX_SEGMENTS, Op, Request, Segment, Status};
use heapless::Vec;
use pd::{Setup, SetupError};
use shm::Untrusted;
use units::PhysAddr;
use virtio::blk::{FLAG_UNMAP, Features, HEADER_SIZE, Header, RANGE_SIZE, Range, Type};
use virtio::device::BLOCK;
use virtqueue::{Area, Buffer, Layout, Lie, Negotiated, Popped, Queue, Transport, TransportError};

use crate::config::{self, Registers, WANTED};

/// Most requests in flight.
const MOST: usize = 128;

/// Buffers of the longest request: header, segments, status.
const BUFFERS: usize = MAX_SEGMENTS + 2;

/// Bytes kept for each request: header, range, status.
const FRAME: usize = 64;
const RANGE_AT: usize = HEADER_SIZE;
const STATUS_AT: usize = RANGE_AT + RANGE_SIZE;

const _: () = assert!(STATUS_AT < FRAME);

/// The only queue (5.2.2).
const REQUESTQ: u16 = 0;

/// A status byte that no device writes.
const NO_STATUS: u8 = 0xff;

/// What comes back with a request.
#[derive(Clone, Copy, Debug)]
struct Token {
    frame: u8,
    id: u32,
    sector: u64,
}

/// The end of a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) id: u32,
    pub(crate) sector: u64,
    pub(crate) status: Status,
    /// The byte that the device wrote.
    pub(crate) raw: u8,
}

/// What the used ring had.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Next {
    Nothing,
    Ended(Ended),
    Lie,
}

/// A device that is running, or failed to.
#[derive(Debug)]
pub(crate) struct Disk {
    transport: Transport<Registers>,
    area: Area,
    queue: Queue<Token, MOST>,
    frames: Area,
    /// Frames that no request has, a bit each.
    free: u128,
    info: Info,
    features: Features,
    buffers: Vec<Buffer, BUFFERS>,
}

impl Disk {
    /// Resets and starts the device of the record's `regs` with the memory `queue`.
    pub(crate) fn find(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let mut transport = Transport::find(setup, BLOCK)?;
        // Whatever the device still does for an earlier life of this domain ends here.
        let agreed = negotiate(&mut transport).map_err(|error| error.setup("regs"))?;
        let area = Area::find(setup, "queue")?;
        let (queue, frames) = lay_out(&mut transport, area, agreed)
            .ok_or_else(|| SetupError::invalid("queue", "is too small for a queue"))?;
        let mut disk = Self {
            transport,
            area,
            free: free_frames(queue.size()),
            queue,
            frames,
            info: Info::new(0, 512),
            features: agreed,
            buffers: Vec::new(),
        };
        disk.run().map_err(|error| error.setup("regs"))?;
        Ok(disk)
    }

    /// Resets the device and starts it anew: nothing that was in flight reaches memory or medium
    /// afterwards, and none of it ends.
    pub(crate) fn restart(&mut self) -> Result<(), TransportError> {
        self.features = negotiate(&mut self.transport)?;
        let (queue, frames) =
            lay_out(&mut self.transport, self.area, self.features).ok_or(TransportError::Queue)?;
        self.free = free_frames(queue.size());
        (self.queue, self.frames) = (queue, frames);
        self.run()
    }

    /// Gives the negotiated device its queue and lets it run.
    fn run(&mut self) -> Result<(), TransportError> {
        let agreed = self.features;
        let mut info = self
            .transport
            .config(|config| config::info(config, agreed))?;
        // A request without indirect table has to fit the ring.
        if !Negotiated::of(agreed.bits()).indirect {
            info.max_segments = info.max_segments.min(self.queue.size().saturating_sub(2));
        }
        self.info = info;
        let (size, areas) = (self.queue.size(), self.queue.areas());
        self.transport.set_queue(REQUESTQ, size, areas)?;
        self.transport.start();
        Ok(())
    }

    pub(crate) const fn info(&self) -> &Info {
        &self.info
    }

    pub(crate) const fn features(&self) -> Features {
        self.features
    }

    pub(crate) const fn lies(&self) -> u64 {
        self.queue.lies()
    }

    /// Stops the device for good, if it still listens.
    pub(crate) fn give_up(&mut self) {
        // What it does not do after a reset, it does not do at all.
        let _ = self.transport.reset();
        self.transport.fail();
    }

    /// Why the device interrupts: whether something else than used buffers.
    pub(crate) fn take_interrupt(&mut self) -> bool {
        let causes = self.transport.take_interrupt();
        causes.contains(virtio::Interrupt::CONFIG_CHANGE)
    }

    pub(crate) fn status(&self) -> virtio::Status {
        self.transport.status()
    }

    /// Whether the longest request fits.
    pub(crate) fn has_room(&self) -> bool {
        let most = usize::from(self.info.max_segments).saturating_add(2);
        self.free != 0 && self.queue.has_room(most)
    }

    /// Stages a request that [`Disk::has_room`] had room for; `false` if it cannot be.
    pub(crate) fn submit(&mut self, request: &Request) -> bool {
        let frame = u8::try_from(self.free.trailing_zeros()).unwrap_or(u8::MAX);
        if self.free == 0 || self.write_frame(frame, request).is_none() {
            return false;
        }
        let token = Token {
            frame,
            id: request.id(),
            sector: request.sector(),
        };
        if self.queue.add(self.buffers.iter().copied(), token).is_err() {
            return false;
        }
        self.free &= !bit(frame);
        true
    }

    /// Writes the frame and collects the buffers.
    fn write_frame(&mut self, frame: u8, request: &Request) -> Option<()> {
        let at = usize::from(frame) * FRAME;
        let paddr = self.frames.paddr().checked_add(at as u64)?;
        let ranged = matches!(request.op(), Op::Discard | Op::WriteZeroes { .. });
        self.write_head(at, request, ranged)?;
        self.buffers.clear();
        self.push(paddr, HEADER_SIZE, false)?;
        if ranged {
            self.push(paddr.checked_add(RANGE_AT as u64)?, RANGE_SIZE, false)?;
        }
        let device_writes = request.op() == Op::Read;
        for segment in request.segments() {
            // A physical address that the partition service has checked: there is nothing here to
            // check it against.
            let Segment { offset, len } = Untrusted::unchecked(segment);
            self.push(
                PhysAddr::new(offset),
                usize::try_from(len).ok()?,
                device_writes,
            )?;
        }
        self.push(paddr.checked_add(STATUS_AT as u64)?, 1, true)
    }

    /// Writes header, range and a status that no device writes.
    fn write_head(&self, at: usize, request: &Request, ranged: bool) -> Option<()> {
        let memory = self.frames.memory();
        let (kind, unmap) = kind(request.op());
        // 5.2.6.1: with a range, the sector of the request itself is reserved.
        let sector = if ranged { 0 } else { request.sector() };
        let header = Header {
            request_type: (kind as u32).into(),
            reserved: 0.into(),
            sector: sector.into(),
        };
        memory.write(at, &header).ok()?;
        if ranged {
            let range = Range {
                sector: request.sector().into(),
                num_sectors: u32::try_from(request.sectors()).ok()?.into(),
                flags: if unmap { FLAG_UNMAP } else { 0 }.into(),
            };
            memory.write(at + RANGE_AT, &range).ok()?;
        }
        memory.store(at + STATUS_AT, NO_STATUS).ok()
    }

    fn push(&mut self, paddr: PhysAddr, len: usize, device_writes: bool) -> Option<()> {
        let len = u32::try_from(len).ok()?;
        let buffer = Buffer {
            paddr,
            len,
            device_writes,
        };
        self.buffers.push(buffer).ok()
    }

    /// Shows the device what was staged. Once per batch.
    pub(crate) fn publish(&mut self) {
        if self.queue.publish() {
            self.transport.notify(REQUESTQ);
        }
    }

    /// Takes the next request that the device is done with.
    pub(crate) fn next(&mut self) -> Next {
        let used = match self.queue.pop() {
            Popped::Nothing => return Next::Nothing,
            Popped::Lie(Lie::Length | Lie::Id | Lie::Index) => return Next::Lie,
            Popped::Used(used) => used,
        };
        let Token { frame, id, sector } = used.token;
        self.free |= bit(frame);
        let at = usize::from(frame) * FRAME + STATUS_AT;
        let raw = self.frames.memory().load::<u8>(at).unwrap_or(NO_STATUS);
        let status = match raw {
            0 => Status::Ok,
            2 => Status::Unsupported,
            _ => Status::IoError,
        };
        Next::Ended(Ended {
            id,
            sector,
            status,
            raw,
        })
    }

    /// Asks for an interrupt when the next request is done; `true` if one is already.
    pub(crate) fn arm(&mut self) -> bool {
        self.queue.arm()
    }
}

fn negotiate(transport: &mut Transport<Registers>) -> Result<Features, TransportError> {
    let wanted = virtqueue::features().bits() | WANTED.bits();
    transport.negotiate(wanted).map(Features::from_bits_retain)
}

/// The largest queue that device and memory have room for, and the frames behind it.
fn lay_out(
    transport: &mut Transport<Registers>,
    area: Area,
    agreed: Features,
) -> Option<(Queue<Token, MOST>, Area)> {
    let negotiated = Negotiated::of(agreed.bits());
    let indirect = if negotiated.indirect { BUFFERS } else { 0 };
    let most = transport.queue_size_max(REQUESTQ);
    (2..=MOST.ilog2()).rev().find_map(|bits| {
        let layout = Layout {
            size: 1 << bits,
            indirect: u16::try_from(indirect).ok()?,
        };
        if u32::from(layout.size) > most {
            return None;
        }
        let mut rest = area;
        let queue = Queue::new(&mut rest, layout, negotiated)?;
        let frames = rest.take(FRAME * usize::from(layout.size), FRAME as u64)?;
        Some((queue, frames))
    })
}

/// One bit per frame of a queue of `size` entries, at most 128.
fn free_frames(size: u16) -> u128 {
    u128::MAX >> u32::from(128_u16.saturating_sub(size)).min(127)
}

fn bit(frame: u8) -> u128 {
    1_u128.checked_shl(frame.into()).unwrap_or(0)
}

/// The type of a request (5.2.6), and whether blocks may be released.
const fn kind(op: Op) -> (Type, bool) {
    match op {
        Op::Read => (Type::In, false),
        Op::Write => (Type::Out, false),
        Op::Flush => (Type::Flush, false),
        // 5.2.6.1: unmap must not be set for a discard.
        Op::Discard => (Type::Discard, false),
        Op::WriteZeroes { unmap } => (Type::WriteZeroes, unmap),
    }
}
