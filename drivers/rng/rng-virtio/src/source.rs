// SPDX-License-Identifier: BSD-2-Clause
//! The device: its registers, its one queue, and its buffer.

use entropy::GRAIN;
use mmio::fields::ReadPure;
use pd::{Setup, SetupError};
use virtio::device::ENTROPY;
use virtqueue::{
    Area, Buffer, Layout, Negotiated, Popped, Queue, Transport, TransportError, features,
};

/// requestq, the only queue (5.4.2).
const REQUESTQ: u16 = 0;

/// Entries of the queue; one request is under way at a time.
const SIZE: u16 = 2;

/// Bytes of the device's buffer.
pub(crate) const POOL: usize = 16 * GRAIN;

/// What the device gave.
#[derive(Debug)]
pub(crate) enum Given {
    /// Nothing yet.
    Nothing,
    /// So many bytes of the pool.
    Bytes(usize),
    /// What cannot be: the device is to be reset.
    Lie,
}

/// A device that is running. There is no configuration space.
#[derive(Debug)]
pub(crate) struct Source {
    transport: Transport<ReadPure<u32>>,
    area: Area,
    queue: Queue<(), { SIZE as usize }>,
    pool: Area,
}

impl Source {
    /// Resets and starts the device of the record's `regs` with the memory `queue`.
    pub(crate) fn find(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let mut transport = Transport::find(setup, ENTROPY)?;
        // Whatever the device still does for an earlier life of this domain ends here.
        let agreed = transport
            .negotiate(features().bits())
            .map_err(|error| error.setup("regs"))?;
        let area = Area::find(setup, "queue")?;
        let (queue, pool) = lay_out(area, agreed)
            .ok_or_else(|| SetupError::invalid("queue", "is too small for queue and buffer"))?;
        let mut source = Self {
            transport,
            area,
            queue,
            pool,
        };
        source.run().map_err(|error| error.setup("regs"))?;
        Ok(source)
    }

    /// Resets the device and starts it anew.
    pub(crate) fn restart(&mut self) -> Result<(), TransportError> {
        let agreed = self.transport.negotiate(features().bits())?;
        (self.queue, self.pool) = lay_out(self.area, agreed).ok_or(TransportError::Queue)?;
        self.run()
    }

    fn run(&mut self) -> Result<(), TransportError> {
        let (size, areas) = (self.queue.size(), self.queue.areas());
        self.transport.set_queue(REQUESTQ, size, areas)?;
        self.transport.start();
        Ok(())
    }

    /// Stops the device for good, if it still listens.
    pub(crate) fn give_up(&mut self) {
        // What it does not do after a reset, it does not do at all.
        let _ = self.transport.reset();
        self.transport.fail();
    }

    pub(crate) const fn lies(&self) -> u64 {
        self.queue.lies()
    }

    /// Acknowledges the device's interrupt.
    pub(crate) fn take_interrupt(&mut self) {
        self.transport.take_interrupt();
    }

    /// Whether the device has a request.
    pub(crate) const fn is_busy(&self) -> bool {
        self.queue.in_flight() > 0
    }

    /// Asks for up to `grains` grains.
    pub(crate) fn ask(&mut self, grains: usize) {
        let len = grains.saturating_mul(GRAIN).min(POOL);
        let buffer = Buffer {
            paddr: self.pool.paddr(),
            len: u32::try_from(len).unwrap_or(0),
            device_writes: true,
        };
        // Nothing is in flight, so the answer to this is the next that is used; it interrupts even
        // where no turn came to wait since the last one (2.7.7.1: `used_event` does not move itself).
        // What a device uses unasked is found with the answer.
        let _ = self.queue.arm();
        // There is room for a request as long as the queue works; a broken one is seen when its
        // answer is looked for.
        let _ = self.queue.add([buffer], ());
        if self.queue.publish() {
            self.transport.notify(REQUESTQ);
        }
    }

    /// Moves what the device gave into `into`, and clears the device's buffer.
    pub(crate) fn take(&mut self, into: &mut [u8; POOL]) -> Given {
        loop {
            match self.queue.pop() {
                Popped::Used(used) => {
                    let memory = self.pool.memory();
                    let count = (used.written as usize).min(POOL);
                    let copied = memory
                        .copy_in(0, into)
                        .and_then(|()| memory.fill(0, POOL, 0));
                    return Given::Bytes(copied.map_or(0, |()| count));
                }
                Popped::Lie(_) => return Given::Lie,
                Popped::Nothing if self.queue.arm() => {}
                Popped::Nothing => return Given::Nothing,
            }
        }
    }
}

/// Queue and buffer in the record's area, cleared.
fn lay_out(mut area: Area, agreed: u64) -> Option<(Queue<(), { SIZE as usize }>, Area)> {
    let layout = Layout {
        size: SIZE,
        indirect: 0,
    };
    let queue = Queue::new(&mut area, layout, Negotiated::of(agreed))?;
    let pool = area.take(POOL, 8)?;
    pool.memory().fill(0, POOL, 0).ok()?;
    Some((queue, pool))
}
