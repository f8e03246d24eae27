// SPDX-License-Identifier: BSD-2-Clause
//! From ring to FIFO and from FIFO to ring.

use arm_pl011_uart::{PL011Registers, Uart};
use pd::{Component, Handler, Irq, Notify, Setup, SetupError, Unexpected};
use serial::Stream;
use units::{ChannelSet, IrqId};

use crate::device::{Device, Received, Speed};

/// Bytes sent per activation: what a ring in a page holds. More stay until the transmit interrupt, so
/// that received bytes are never kept waiting by a client that prints without end.
const SEND_LIMIT: usize = 2048;

/// Bytes received per activation: eight times the FIFO. More come with the next interrupt.
const RECEIVE_LIMIT: usize = 256;

/// Bytes moved between ring and FIFO at a time.
const CHUNK: usize = 256;

/// What the driver counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Times the hardware lost bytes because its FIFO was full.
    pub overruns: u64,
    /// Bytes that the line damaged.
    pub damaged: u64,
    /// Received bytes that the ring had no room for.
    pub unread: u64,
    /// Events that the system description does not provide for.
    pub unexpected: u64,
}

/// The driver. `D` is the PL011 or a fake.
#[derive(Debug)]
pub struct Driver<D = Uart<'static>> {
    pub(crate) device: D,
    stream: Stream,
    irq: IrqId,
    /// Taken from the ring, not yet in the FIFO.
    pending: Pending,
    counters: Counters,
}

#[derive(Debug)]
struct Pending {
    bytes: [u8; CHUNK],
    from: usize,
    to: usize,
}

impl Pending {
    const fn new() -> Self {
        Self {
            bytes: [0; CHUNK],
            from: 0,
            to: 0,
        }
    }

    fn rest(&self) -> &[u8] {
        self.bytes.get(self.from..self.to).unwrap_or_default()
    }
}

impl Component for Driver {
    /// Wants the register region `regs`, the interrupt `irq`, the link `mux`, and optionally the
    /// values `baud` (115200) and `clock`, UARTCLK in hertz (24 MHz).
    fn create(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let registers = setup.registers::<PL011Registers>("regs")?;
        let speed = Speed {
            baud: value(setup, "baud", 115_200)?,
            clock: value(setup, "clock", 24_000_000)?,
        };
        let irq = setup.irq("irq")?;
        let stream = Stream::open(setup, "mux")?;
        let mut device = Uart::new(registers);
        if !device.start(speed) {
            return Err(SetupError::invalid(
                "baud",
                "the clock cannot give this speed",
            ));
        }
        Ok(Self::new(device, stream, irq))
    }
}

fn value(setup: &Setup<'_>, role: &str, default: u32) -> Result<u32, SetupError> {
    let value = setup.value_or(role, default.into())?;
    u32::try_from(value).map_err(|_| SetupError::invalid(role, "it has more than 32 bits"))
}

impl<D: Device> Driver<D> {
    /// A driver for a device that was started.
    #[must_use]
    pub fn new(device: D, stream: Stream, irq: IrqId) -> Self {
        Self {
            device,
            stream,
            irq,
            pending: Pending::new(),
            counters: Counters::default(),
        }
    }

    /// What was counted so far, besides [`Driver::stream`]'s counters.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// The stream to the multiplexer.
    #[must_use]
    pub const fn stream(&self) -> &Stream {
        &self.stream
    }

    fn receive(&mut self) {
        for _ in 0..RECEIVE_LIMIT {
            match self.device.receive() {
                Received::Nothing => return,
                Received::Byte(byte) => {
                    if self.stream.write(&[byte]) == 0 {
                        count(&mut self.counters.unread);
                    }
                }
                Received::Damaged => count(&mut self.counters.damaged),
                Received::Overrun => count(&mut self.counters.overruns),
            }
        }
    }

    /// Fills the transmit FIFO; whether there may be more to send.
    fn send(&mut self) -> bool {
        let mut left = SEND_LIMIT;
        while left > 0 {
            self.refill();
            if self.pending.rest().is_empty() {
                return false;
            }
            let room = self.device.room().min(left);
            if room == 0 {
                return true;
            }
            for byte in self.pending.rest().iter().take(room) {
                self.device.send(*byte);
            }
            let sent = self.pending.rest().len().min(room);
            self.pending.from = self.pending.from.saturating_add(sent);
            left = left.saturating_sub(sent);
        }
        true
    }

    /// Sees to it that there are bytes to send, if the peer wrote any.
    fn refill(&mut self) {
        if self.pending.rest().is_empty() {
            self.pending.to = self.stream.read(&mut self.pending.bytes);
            self.pending.from = 0;
        }
    }

    /// Moves what there is both ways and arranges to be woken for the rest.
    fn pump(&mut self, kernel: &mut impl Notify) {
        self.receive();
        let mut more = self.send();
        // Bytes may arrive while going to sleep. Each round then sends some, until the FIFO is full
        // and its interrupt takes over.
        for _ in 0..SEND_LIMIT {
            if more || !self.stream.wait_for_bytes() {
                break;
            }
            more = self.send();
        }
        self.device.listen_for_room(more);
        self.stream.flush_deferred(kernel);
    }
}

impl<D: Device, K: Irq + Notify> Handler<K> for Driver<D> {
    fn init(&mut self, kernel: &mut K) {
        self.pump(kernel);
    }

    fn notified(&mut self, kernel: &mut K, channels: ChannelSet) {
        let interrupted = channels.contains_irq(self.irq);
        if interrupted {
            // Before the FIFOs are served, so that whatever happens from here on interrupts again.
            self.device.clear();
        }
        self.pump(kernel);
        if interrupted {
            kernel.irq_ack_deferred(self.irq);
        }
    }

    fn unexpected(&mut self, _: Unexpected) {
        count(&mut self.counters.unexpected);
    }
}

fn count(counter: &mut u64) {
    *counter = counter.saturating_add(1);
}
