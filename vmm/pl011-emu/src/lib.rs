// SPDX-License-Identifier: BSD-2-Clause
//! Emulated UART of a guest: ARM PrimeCell PL011 (ARM DDI 0183).
//!
//! Good enough for Linux' early console and `amba-pl011`, U-Boot, EDK2 and RTOS drivers. The owner
//! connects it by value: after each access it takes what the guest sent
//! ([`Pl011::take_tx`]), and offers what was typed ([`Pl011::push_rx`]). A sink that is slow fills
//! the transmit FIFO, which the guest sees as UARTFR.TXFF: back-pressure, no loss.
//!
//! Where it is more generous than the hardware, it follows QEMU's model, which guests know:
//! the line is infinitely fast, so the receive timeout has elapsed when a byte arrives, RX is raised
//! with the first byte whatever UARTIFLS says, TX whenever the FIFO drains to its trigger level, and
//! UARTCR's enable bits are kept but do not gate data (boot code often writes UARTDR only).
//! Modem signals, break and line errors do not occur; DMA requests go nowhere.
//!
//! Answers AV-03.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod regs;
#[cfg(test)]
mod tests;

use bus::{Access, Device, IoError, IrqLine};
use heapless::Deque;

pub use regs::WINDOW;
use regs::{
    CR_LBE, CR_MASK, CR_RESET, FIFO_DEPTH, Flags, IFLS_RESET, Interrupts, LCR_FEN, RSR_OE, Register,
};

/// The receive FIFO has no room; the byte was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RxFull;

/// The UART's state.
#[derive(Debug)]
pub struct Pl011 {
    tx: Deque<u8, FIFO_DEPTH>,
    rx: Deque<u8, FIFO_DEPTH>,
    raw: Interrupts,
    mask: Interrupts,
    receive_status: u16,
    low_power: u16,
    integer_baud: u16,
    fractional_baud: u16,
    line_control: u16,
    control: u16,
    fifo_level: u16,
    dma_control: u16,
}

impl Default for Pl011 {
    fn default() -> Self {
        Self::new()
    }
}

impl Pl011 {
    /// The UART after reset.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            tx: Deque::new(),
            rx: Deque::new(),
            raw: Interrupts::empty(),
            mask: Interrupts::empty(),
            receive_status: 0,
            low_power: 0,
            integer_baud: 0,
            fractional_baud: 0,
            line_control: 0,
            control: CR_RESET,
            fifo_level: IFLS_RESET,
            dma_control: 0,
        }
    }

    /// The oldest byte that the guest sent and nobody took yet.
    pub fn take_tx(&mut self) -> Option<u8> {
        let byte = self.tx.pop_front()?;
        if self.tx.len() <= self.tx_trigger() {
            self.raw |= Interrupts::TX;
        }
        Some(byte)
    }

    /// A byte arrives on the line.
    ///
    /// # Errors
    /// [`RxFull`]: offer it again after the guest has read ([`Pl011::rx_room`]).
    pub fn push_rx(&mut self, byte: u8) -> Result<(), RxFull> {
        if self.rx_room() == 0 || self.rx.push_back(byte).is_err() {
            return Err(RxFull);
        }
        self.raw |= Interrupts::RX | Interrupts::RT;
        Ok(())
    }

    /// How many bytes [`Pl011::push_rx`] would take now.
    #[must_use]
    pub fn rx_room(&self) -> usize {
        self.depth().saturating_sub(self.rx.len())
    }

    /// Depth of each FIFO: one place without UARTLCR_H.FEN (3.3.7).
    fn depth(&self) -> usize {
        if self.line_control & LCR_FEN != 0 {
            FIFO_DEPTH
        } else {
            1
        }
    }

    /// UARTIFLS.TXIFLSEL in entries (3.3.9). Reserved encodings count as the fullest level.
    fn tx_trigger(&self) -> usize {
        if self.line_control & LCR_FEN == 0 {
            return 0;
        }
        match self.fifo_level & 7 {
            0 => FIFO_DEPTH / 8,
            1 => FIFO_DEPTH / 4,
            2 => FIFO_DEPTH / 2,
            3 => FIFO_DEPTH * 3 / 4,
            _ => FIFO_DEPTH * 7 / 8,
        }
    }

    fn flags(&self) -> Flags {
        let mut flags = Flags::empty();
        flags.set(Flags::TXFF, self.tx.len() >= self.depth());
        flags.set(Flags::BUSY, !self.tx.is_empty());
        flags.set(Flags::TXFE, self.tx.is_empty());
        flags.set(Flags::RXFE, self.rx.is_empty());
        flags.set(Flags::RXFF, self.rx_room() == 0);
        flags
    }

    fn read_data(&mut self) -> u16 {
        // An empty FIFO yields whatever was last in it on hardware; zero is as good.
        let byte = self.rx.pop_front().unwrap_or(0);
        if self.rx.is_empty() {
            self.raw -= Interrupts::RX | Interrupts::RT;
        }
        // Overrun is reported with the data that follows it (3.3.1) and then over.
        let overrun = if self.receive_status & RSR_OE != 0 {
            1 << 11
        } else {
            0
        };
        u16::from(byte) | overrun
    }

    fn write_data(&mut self, byte: u8) {
        if self.control & CR_LBE != 0 {
            if self.push_rx(byte).is_err() {
                self.receive_status |= RSR_OE;
                self.raw |= Interrupts::OE;
            }
            self.raw |= Interrupts::TX;
            return;
        }
        // A full FIFO loses what is written to it, as on hardware: UARTFR.TXFF said so.
        if self.tx.len() < self.depth() {
            let _ = self.tx.push_back(byte);
        }
        if self.tx.len() > self.tx_trigger() {
            self.raw -= Interrupts::TX;
        }
    }

    fn write_line_control(&mut self, value: u16) {
        if (self.line_control ^ value) & LCR_FEN != 0 {
            // Switching FIFOs on or off empties the receiver. Bytes to send are kept: on hardware
            // they would long have left.
            self.rx.clear();
            self.raw -= Interrupts::RX | Interrupts::RT;
        }
        self.line_control = value;
    }

    fn write_register(&mut self, register: Register, value: u16) -> Result<(), IoError> {
        match register {
            Register::Data => self.write_data(value.to_le_bytes()[0]),
            Register::ReceiveStatus => self.receive_status = 0,
            Register::LowPower => self.low_power = value & 0xff,
            Register::IntegerBaud => self.integer_baud = value,
            Register::FractionalBaud => self.fractional_baud = value & 0x3f,
            Register::LineControl => self.write_line_control(value & 0xff),
            Register::Control => self.control = value & CR_MASK,
            Register::FifoLevel => self.fifo_level = value & 0x3f,
            Register::Mask => self.mask = Interrupts::from_bits_truncate(value),
            Register::Clear => self.raw -= Interrupts::from_bits_truncate(value),
            Register::DmaControl => self.dma_control = value & 7,
            Register::Flag
            | Register::RawStatus
            | Register::MaskedStatus
            | Register::Identification(_) => return Err(IoError::ReadOnly),
        }
        Ok(())
    }
}

impl Device for Pl011 {
    fn read(&mut self, access: Access) -> Result<u64, IoError> {
        let register = Register::at(access.primecell()?).ok_or(IoError::NoRegister)?;
        let value = match register {
            Register::Data => self.read_data(),
            Register::ReceiveStatus => self.receive_status,
            Register::Flag => self.flags().bits(),
            Register::LowPower => self.low_power,
            Register::IntegerBaud => self.integer_baud,
            Register::FractionalBaud => self.fractional_baud,
            Register::LineControl => self.line_control,
            Register::Control => self.control,
            Register::FifoLevel => self.fifo_level,
            Register::Mask => self.mask.bits(),
            Register::RawStatus => self.raw.bits(),
            Register::MaskedStatus => (self.raw & self.mask).bits(),
            Register::Clear => return Err(IoError::WriteOnly),
            Register::DmaControl => self.dma_control,
            Register::Identification(byte) => u16::from(byte),
        };
        Ok(u64::from(value) & access.width.mask())
    }

    fn write(&mut self, access: Access, value: u64) -> Result<(), IoError> {
        let register = Register::at(access.primecell()?).ok_or(IoError::NoRegister)?;
        let [low, high, ..] = value.to_le_bytes();
        self.write_register(register, u16::from_le_bytes([low, high]))
    }

    fn irq(&self) -> IrqLine {
        IrqLine::from_level(self.raw.intersects(self.mask))
    }
}
