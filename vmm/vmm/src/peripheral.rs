// SPDX-License-Identifier: BSD-2-Clause
//! The devices that a guest of ours may have, tied to the domains behind them.

use bus::{Access, Device, IoError, IrqLine};
use pd::{Cache, Clock, Notify};
use pl011_emu::Pl011;
use pl031_emu::Pl031;
use serial::Stream;
use shm::{Region, Rw};
use units::{ChannelId, PdVaddr};
use virtio_mmio::Transport;

use crate::machine::Model;

/// Bytes that go between a UART and its console at a time: the depth of a UART's FIFO.
const CHUNK: usize = 16;
/// Most chunks that a UART takes in one go.
const ROUNDS: usize = 4;

/// One device of a guest.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is no heap, and a guest has a handful of devices"
)]
pub enum Peripheral {
    /// A PL011 on a console stream.
    Uart(Uart),
    /// A PL031 that runs on the physical counter.
    Rtc(Rtc),
    /// A virtio transport whose backend is another domain.
    Virtio(Virtio),
    /// The two banks of NOR flash of QEMU's `virt`, erased and write-protected: U-Boot and EDK2 look
    /// for their settings there before they do anything else.
    Flash,
}

/// A PL011 and the console that it talks to.
#[derive(Debug)]
pub struct Uart {
    uart: Pl011,
    console: Stream,
}

impl Uart {
    /// A UART on `console`.
    #[must_use]
    pub const fn new(console: Stream) -> Self {
        Self {
            uart: Pl011::new(),
            console,
        }
    }

    fn serve<K: Notify>(&mut self, kernel: &mut K) {
        self.send();
        self.receive();
        self.console.flush_deferred(kernel);
    }

    /// A line beside the guest's bytes, whole or not at all.
    fn report<K: Notify>(&mut self, kernel: &mut K, line: &[u8]) -> bool {
        self.send();
        let fits = self.console.room() >= line.len();
        if fits {
            self.console.write(line);
        }
        self.console.flush(kernel);
        fits
    }

    /// The guest's bytes go out as far as there is room. What stays is the UART's back-pressure,
    /// and the console notifies when it has made room.
    fn send(&mut self) {
        while self.console.room() > 0 || self.console.wait_for_room(1) {
            let Some(byte) = self.uart.take_tx() else {
                return;
            };
            // There is room, and only this side fills it.
            self.console.write(&[byte]);
        }
    }

    /// What was typed comes in as far as the UART has room; after that, the guest's next read is
    /// the moment to look again.
    fn receive(&mut self) {
        // A console that is never empty has to wait for its next notification.
        for _ in 0..ROUNDS {
            let mut bytes = [0; CHUNK];
            let room = self.uart.rx_room().min(CHUNK);
            let Some(bytes) = bytes.get_mut(..room).filter(|bytes| !bytes.is_empty()) else {
                return;
            };
            let count = self.console.read(bytes);
            for byte in bytes.iter().take(count) {
                // The UART said that it has room.
                let _ = self.uart.push_rx(*byte);
            }
            if count == 0 && !self.console.wait_for_bytes() {
                return;
            }
        }
    }
}

/// A PL031 that counts the seconds of the physical counter.
#[derive(Debug)]
pub struct Rtc {
    clock: Pl031,
    /// Seconds of the counter when the clock was last looked at.
    now: u64,
}

impl Rtc {
    /// A clock that shows `epoch` (seconds since 1970) at the counter's zero.
    #[must_use]
    pub const fn new(epoch: u32) -> Self {
        Self {
            clock: Pl031::new(0, epoch),
            now: 0,
        }
    }

    fn tick<K: Clock>(&mut self, kernel: &mut K) -> Option<u64> {
        let frequency = kernel.frequency().max(1);
        self.now = kernel.now() / frequency;
        self.clock.advance_to(self.now);
        let alarm = self.clock.next_alarm()?;
        alarm.checked_mul(frequency)
    }

    /// Alarm and mask are gone; the time goes on.
    fn reset(&mut self) {
        self.clock = Pl031::new(self.now, self.clock.count());
    }
}

/// A virtio transport and the channel to its backend.
#[derive(Debug)]
pub struct Virtio {
    transport: Transport,
    backend: ChannelId,
    /// Where the guest reads registers without an exit.
    window: Option<Region<Rw>>,
}

impl Virtio {
    /// `transport`, whose backend is at the other end of `backend`, and what the guest reads instead
    /// of its registers, if it does.
    #[must_use]
    pub const fn new(transport: Transport, backend: ChannelId, window: Option<Region<Rw>>) -> Self {
        Self {
            transport,
            backend,
            window,
        }
    }

    fn serve<K: Notify + Cache>(&mut self, kernel: &mut K) {
        if self.transport.take_signal() {
            if self.transport.is_settling() {
                // A backend of higher priority has let go before the call returns, which spares the
                // vCPU the wait.
                kernel.notify(self.backend);
            } else {
                kernel.notify_deferred(self.backend);
            }
        }
        self.transport.on_backend();
        if let Some(window) = &self.window {
            show(kernel, &mut self.transport, window);
        }
    }
}

/// Brings the registers on `window` up to date, through the cache: the guest maps them as a device.
fn show<K: Cache>(kernel: &mut K, transport: &mut Transport, window: &Region<Rw>) {
    // The window is as long as a window is.
    let changed = transport.show(window).unwrap_or_default();
    if changed.is_empty() {
        return;
    }
    let start = PdVaddr::new(window.address()).and_then(|at| at.checked_add(changed.start as u64));
    if let Some(start) = start {
        // Own memory, whose lines any domain may clean.
        let _ = kernel.cache_clean(start, changed.len());
    }
}

impl Device for Peripheral {
    fn read(&mut self, access: Access) -> Result<u64, IoError> {
        match self {
            Self::Uart(uart) => uart.uart.read(access),
            Self::Rtc(rtc) => rtc.clock.read(access),
            Self::Virtio(virtio) => virtio.transport.read(access),
            Self::Flash => Ok(access.width.mask()),
        }
    }

    fn write(&mut self, access: Access, value: u64) -> Result<(), IoError> {
        match self {
            Self::Uart(uart) => uart.uart.write(access, value),
            Self::Rtc(rtc) => rtc.clock.write(access, value),
            Self::Virtio(virtio) => virtio.transport.write(access, value),
            Self::Flash => Err(IoError::ReadOnly),
        }
    }

    fn ignores_value(&self, access: Access) -> bool {
        match self {
            Self::Virtio(virtio) => virtio.transport.ignores_value(access),
            Self::Flash => true,
            Self::Uart(_) | Self::Rtc(_) => false,
        }
    }

    fn irq(&self) -> IrqLine {
        match self {
            Self::Uart(uart) => uart.uart.irq(),
            Self::Rtc(rtc) => rtc.clock.irq(),
            Self::Virtio(virtio) => virtio.transport.irq(),
            Self::Flash => IrqLine::Low,
        }
    }
}

impl<K: Notify + Clock + Cache> Model<K> for Peripheral {
    fn serve(&mut self, kernel: &mut K) {
        match self {
            Self::Uart(uart) => uart.serve(kernel),
            Self::Rtc(_) | Self::Flash => {}
            Self::Virtio(virtio) => virtio.serve(kernel),
        }
    }

    fn listens_to(&self, channel: ChannelId) -> bool {
        match self {
            Self::Uart(uart) => uart.console.channel() == channel,
            Self::Rtc(_) | Self::Flash => false,
            Self::Virtio(virtio) => virtio.backend == channel,
        }
    }

    fn tick(&mut self, kernel: &mut K) -> Option<u64> {
        match self {
            Self::Rtc(rtc) => rtc.tick(kernel),
            Self::Uart(_) | Self::Virtio(_) | Self::Flash => None,
        }
    }

    fn report(&mut self, kernel: &mut K, line: &[u8]) -> bool {
        let Self::Uart(uart) = self else {
            return false;
        };
        uart.report(kernel, line)
    }

    fn is_busy(&self) -> bool {
        match self {
            Self::Virtio(virtio) => virtio.transport.is_settling(),
            Self::Uart(_) | Self::Rtc(_) | Self::Flash => false,
        }
    }

    fn reset(&mut self) {
        match self {
            // Bytes that the guest has sent are on their way; what was typed was for the old one.
            Self::Uart(uart) => uart.uart = Pl011::new(),
            Self::Rtc(rtc) => rtc.reset(),
            Self::Virtio(virtio) => virtio.transport.reset(),
            Self::Flash => {}
        }
    }
}
