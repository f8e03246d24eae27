// SPDX-License-Identifier: BSD-2-Clause
//! The PL011's verbs (Arm DDI 0183G), on the registers or on a fake.

use arm_pl011_uart::{DataBits, Error, FifoLevel, Interrupts, LineConfig, Parity, StopBits, Uart};

/// What the receive FIFO gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// It is empty.
    Nothing,
    /// A good byte.
    Byte(u8),
    /// A byte that the line damaged (break, parity, framing); it is dropped.
    Damaged,
    /// Bytes were lost because the FIFO was full; the byte that came with the flag is dropped.
    Overrun,
}

/// Line speed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speed {
    /// Bits per second.
    pub baud: u32,
    /// Frequency of UARTCLK in hertz.
    pub clock: u32,
}

/// A UART as the driver sees it: no call waits for the hardware.
pub trait Device {
    /// Sets the line to 8 data bits, no parity, one stop bit at `speed`, turns the UART and its
    /// FIFOs on, and listens for received bytes. `false` if no divisor gives that speed.
    #[must_use]
    fn start(&mut self, speed: Speed) -> bool;
    /// Takes one byte from the receive FIFO.
    fn receive(&mut self) -> Received;
    /// Bytes that the transmit FIFO surely has room for.
    fn room(&self) -> usize;
    /// Puts a byte into the transmit FIFO; call it at most as often as [`Device::room`] said.
    fn send(&mut self, byte: u8);
    /// Clears the interrupts that are not cleared by serving the FIFOs. Those of received bytes stay
    /// until the bytes are read: cleared here, bytes that a bounded reader left would be forgotten.
    fn clear(&mut self);
    /// Whether to interrupt when the transmit FIFO has drained to its level.
    fn listen_for_room(&mut self, on: bool);
}

/// Bytes of the transmit FIFO in every revision: r1p5 has 32, those before 16 (2.1).
const FIFO: usize = 16;

/// Interrupts that say that bytes arrived, or that some were lost.
const RECEIVE: Interrupts = Interrupts::RXI
    .union(Interrupts::RTI)
    .union(Interrupts::OEI);

impl Device for Uart<'_> {
    fn start(&mut self, speed: Speed) -> bool {
        let line = LineConfig {
            data_bits: DataBits::Bits8,
            parity: Parity::None,
            stop_bits: StopBits::One,
        };
        if self.enable(line, speed.baud, speed.clock).is_err() {
            return false;
        }
        // Early on receive, since a key press wants an echo; late on transmit, to interrupt
        // rarely.
        self.set_interrupt_fifo_levels(FifoLevel::Bytes4, FifoLevel::Bytes8);
        self.clear_interrupts(Interrupts::all());
        self.set_interrupt_masks(RECEIVE);
        true
    }

    fn receive(&mut self) -> Received {
        match self.read_word() {
            Ok(None) => Received::Nothing,
            Ok(Some(byte)) => Received::Byte(byte),
            Err(Error::Overrun) => Received::Overrun,
            Err(_) => Received::Damaged,
        }
    }

    fn room(&self) -> usize {
        // Only empty and full can be told, so an empty one is filled without another look.
        if self.is_tx_fifo_empty() {
            return FIFO;
        }
        usize::from(!self.is_tx_fifo_full())
    }

    fn send(&mut self, byte: u8) {
        self.write_word(byte);
    }

    fn clear(&mut self) {
        self.clear_interrupts(
            Interrupts::TXI | Interrupts::OEI | Interrupts::BEI | Interrupts::PEI | Interrupts::FEI,
        );
    }

    fn listen_for_room(&mut self, on: bool) {
        self.set_interrupt_masks(if on {
            RECEIVE.union(Interrupts::TXI)
        } else {
            RECEIVE
        });
    }
}
