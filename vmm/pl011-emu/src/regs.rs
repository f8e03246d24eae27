// SPDX-License-Identifier: BSD-2-Clause
//! Register offsets and fields (ARM DDI 0183, chapter 3).

use bitflags::bitflags;

/// Size of the register window in bytes.
pub const WINDOW: u64 = 0x1000;

/// UARTPeriphID0-3 and UARTPCellID0-3 (3.3.14, 3.3.15): revision r1p1, as on QEMU's `virt`.
/// Linux concludes FIFOs of 16 entries from it.
pub(crate) const IDENTIFICATION: [u8; 8] = [0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1];

/// Entries of each FIFO in revisions before r1p5.
pub(crate) const FIFO_DEPTH: usize = 16;

/// A register of the UART.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Register {
    /// UARTDR.
    Data,
    /// UARTRSR (read) and UARTECR (write).
    ReceiveStatus,
    /// UARTFR.
    Flag,
    /// UARTILPR.
    LowPower,
    /// UARTIBRD.
    IntegerBaud,
    /// UARTFBRD.
    FractionalBaud,
    /// UARTLCR_H.
    LineControl,
    /// UARTCR.
    Control,
    /// UARTIFLS.
    FifoLevel,
    /// UARTIMSC.
    Mask,
    /// UARTRIS.
    RawStatus,
    /// UARTMIS.
    MaskedStatus,
    /// UARTICR.
    Clear,
    /// UARTDMACR.
    DmaControl,
    /// UARTPeriphID and UARTPCellID: this byte.
    Identification(u8),
}

impl Register {
    /// The register at a byte offset that is a multiple of 4.
    pub(crate) fn at(offset: u64) -> Option<Self> {
        Some(match offset {
            0x000 => Self::Data,
            0x004 => Self::ReceiveStatus,
            0x018 => Self::Flag,
            0x020 => Self::LowPower,
            0x024 => Self::IntegerBaud,
            0x028 => Self::FractionalBaud,
            0x02c => Self::LineControl,
            0x030 => Self::Control,
            0x034 => Self::FifoLevel,
            0x038 => Self::Mask,
            0x03c => Self::RawStatus,
            0x040 => Self::MaskedStatus,
            0x044 => Self::Clear,
            0x048 => Self::DmaControl,
            0xfe0..=0xffc => {
                let at = usize::try_from((offset - 0xfe0) / 4).ok()?;
                Self::Identification(*IDENTIFICATION.get(at)?)
            }
            _ => return None,
        })
    }
}

bitflags! {
    /// UARTFR (3.3.3).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Flags: u16 {
        /// Bytes are still to be sent.
        const BUSY = 1 << 3;
        /// Receive FIFO empty.
        const RXFE = 1 << 4;
        /// Transmit FIFO full.
        const TXFF = 1 << 5;
        /// Receive FIFO full.
        const RXFF = 1 << 6;
        /// Transmit FIFO empty.
        const TXFE = 1 << 7;
    }

    /// UARTIMSC, UARTRIS, UARTMIS and UARTICR (3.3.10 to 3.3.13).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub(crate) struct Interrupts: u16 {
        /// Receive FIFO has data.
        const RX = 1 << 4;
        /// Transmit FIFO has room.
        const TX = 1 << 5;
        /// Receive timeout.
        const RT = 1 << 6;
        /// Overrun.
        const OE = 1 << 10;
        /// All sources, also those that an emulated line never raises (modem, framing, parity,
        /// break).
        const ALL = 0x7ff;
    }
}

/// UARTLCR_H.FEN (3.3.7): FIFOs on.
pub(crate) const LCR_FEN: u16 = 1 << 4;
/// UARTCR.LBE (3.3.8): loop transmitted data back.
pub(crate) const CR_LBE: u16 = 1 << 7;
/// Implemented bits of UARTCR.
pub(crate) const CR_MASK: u16 = 0xff87;
/// Reset value of UARTCR: RXE and TXE.
pub(crate) const CR_RESET: u16 = 0x0300;
/// Reset value of UARTIFLS: both triggers at one half.
pub(crate) const IFLS_RESET: u16 = 0x12;
/// Overrun, in UARTRSR.
pub(crate) const RSR_OE: u16 = 1 << 3;
