// SPDX-License-Identifier: BSD-2-Clause
//! Tests named after what ARM DDI 0183 or a guest driver relies on.

use bus::{Access, Width, fuzz};
use proptest::prelude::*;

use super::*;

const DR: u64 = 0x00;
const RSR: u64 = 0x04;
const FR: u64 = 0x18;
const LCR_H: u64 = 0x2c;
const CR: u64 = 0x30;
const IMSC: u64 = 0x38;
const RIS: u64 = 0x3c;
const MIS: u64 = 0x40;
const ICR: u64 = 0x44;

fn read(uart: &mut Pl011, offset: u64) -> u64 {
    uart.read(Access::new(offset, Width::Word)).unwrap()
}

fn write(uart: &mut Pl011, offset: u64, value: u64) {
    uart.write(Access::new(offset, Width::Word), value).unwrap();
}

fn sent(uart: &mut Pl011) -> Vec<u8> {
    std::iter::from_fn(|| uart.take_tx()).collect()
}

// Shows AV-03.
#[test]
fn identification_is_what_amba_pl011_matches() {
    let mut uart = Pl011::new();
    let ids: Vec<u64> = (0xfe0..=0xffc)
        .step_by(4)
        .map(|at| read(&mut uart, at))
        .collect();
    assert_eq!(ids, [0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1]);
    let peripheral = ids[..4].iter().rev().fold(0, |id, byte| id << 8 | byte);
    // Linux: id 0x00041011, mask 0x000fffff.
    assert_eq!(peripheral & 0x000f_ffff, 0x0004_1011);
}

#[test]
fn reset_values_of_table_3_1() {
    let mut uart = Pl011::new();
    assert_eq!(read(&mut uart, FR), 0x90);
    assert_eq!(read(&mut uart, CR), 0x300);
    assert_eq!(read(&mut uart, 0x34), 0x12);
    for offset in [RSR, 0x20, 0x24, 0x28, LCR_H, IMSC, RIS, MIS, 0x48] {
        assert_eq!(read(&mut uart, offset), 0, "{offset:#x}");
    }
    assert_eq!(uart.irq(), IrqLine::Low);
}

#[test]
fn earlycon_prints_without_any_set_up_and_with_byte_stores() {
    let mut uart = Pl011::new();
    let mut out = Vec::new();
    for byte in b"boot" {
        assert_eq!(read(&mut uart, FR) & 0x20, 0, "TXFF");
        uart.write(Access::new(DR, Width::Byte), u64::from(*byte))
            .unwrap();
        out.extend(sent(&mut uart));
        assert_eq!(
            read(&mut uart, FR) & 0x08,
            0,
            "BUSY after the sink took the byte"
        );
    }
    assert_eq!(out, b"boot");
}

#[test]
fn a_slow_sink_fills_the_fifo_and_its_draining_raises_tx() {
    let mut uart = Pl011::new();
    write(&mut uart, LCR_H, 0x70);
    write(&mut uart, IMSC, 0x20);
    for byte in 0..16 {
        assert_eq!(read(&mut uart, FR) & 0x20, 0);
        write(&mut uart, DR, byte);
    }
    assert_eq!(read(&mut uart, FR) & 0xa8, 0x28, "TXFF and BUSY, not TXFE");
    write(&mut uart, DR, 0xff);
    assert_eq!(uart.irq(), IrqLine::Low);
    for _ in 0..7 {
        uart.take_tx().unwrap();
    }
    assert_eq!(uart.irq(), IrqLine::Low, "above the trigger of one half");
    uart.take_tx().unwrap();
    assert_eq!(uart.irq(), IrqLine::High);
    assert_eq!(
        sent(&mut uart),
        [8, 9, 10, 11, 12, 13, 14, 15],
        "0xff met a full FIFO"
    );
    write(&mut uart, ICR, 0x20);
    assert_eq!(uart.irq(), IrqLine::Low);
}

#[test]
fn receive_interrupt_until_the_fifo_is_empty() {
    let mut uart = Pl011::new();
    write(&mut uart, LCR_H, 0x70);
    write(&mut uart, IMSC, 0x50);
    uart.push_rx(b'l').unwrap();
    uart.push_rx(b's').unwrap();
    assert_eq!(read(&mut uart, MIS), 0x50);
    assert_eq!(uart.irq(), IrqLine::High);
    assert_eq!(read(&mut uart, DR), u64::from(b'l'));
    assert_eq!(uart.irq(), IrqLine::High);
    assert_eq!(read(&mut uart, DR), u64::from(b's'));
    assert_eq!(uart.irq(), IrqLine::Low);
    assert_eq!(read(&mut uart, FR) & 0x50, 0x10, "RXFE");
}

#[test]
fn receive_fifo_has_one_place_without_fen_and_sixteen_with() {
    let mut uart = Pl011::new();
    uart.push_rx(1).unwrap();
    assert_eq!(uart.push_rx(2), Err(RxFull));
    assert_eq!(read(&mut uart, FR) & 0x40, 0x40, "RXFF");
    write(&mut uart, LCR_H, 0x10);
    assert_eq!(
        read(&mut uart, FR) & 0x10,
        0x10,
        "switching FEN empties the receiver"
    );
    assert_eq!(
        (0..20).filter(|byte| uart.push_rx(*byte).is_ok()).count(),
        16
    );
    assert_eq!(uart.rx_room(), 0);
}

#[test]
fn loopback_returns_data_and_reports_overrun() {
    let mut uart = Pl011::new();
    write(&mut uart, CR, 0x381);
    write(&mut uart, DR, 0x41);
    write(&mut uart, DR, 0x42);
    assert_eq!(read(&mut uart, RSR), 0x8);
    assert_eq!(read(&mut uart, RIS) & 0x400, 0x400);
    assert_eq!(read(&mut uart, DR), 0x841);
    write(&mut uart, RSR, 0);
    assert_eq!(read(&mut uart, RSR), 0);
    assert_eq!(uart.take_tx(), None);
}

#[test]
fn odd_accesses_are_refused() {
    let mut uart = Pl011::new();
    let refused = |uart: &mut Pl011, offset, width| uart.read(Access::new(offset, width));
    assert_eq!(refused(&mut uart, FR, Width::Double), Err(IoError::Width));
    assert_eq!(
        refused(&mut uart, FR + 1, Width::Byte),
        Err(IoError::Misaligned)
    );
    assert_eq!(
        refused(&mut uart, ICR, Width::Word),
        Err(IoError::WriteOnly)
    );
    assert_eq!(
        refused(&mut uart, 0x4c, Width::Word),
        Err(IoError::NoRegister)
    );
    let answer = uart.write(Access::new(FR, Width::Word), 0);
    assert_eq!(answer, Err(IoError::ReadOnly));
}

#[test]
fn every_offset_and_width_is_answered() {
    let mut uart = Pl011::new();
    fuzz::sweep(&mut uart, WINDOW, &[0, u64::MAX], |uart, _| {
        let _ = uart.push_rx(0);
    })
    .unwrap();
}

proptest! {
    #[test]
    fn arbitrary_accesses_keep_fifos_and_line_consistent(
        script in proptest::collection::vec(any::<u8>(), 0..fuzz::STEP * 200),
        take in any::<bool>(),
    ) {
        let mut uart = Pl011::new();
        fuzz::drive(&mut uart, 0x50, &script, |uart, access| {
            if take {
                uart.take_tx();
            }
            if access.offset & 4 != 0 {
                let _ = uart.push_rx(b'x');
            }
            let flags = read(uart, FR);
            let (mask, raw) = (read(uart, IMSC), read(uart, RIS));
            assert_eq!(uart.irq().is_high(), raw & mask != 0);
            assert_eq!(flags & 0x10 != 0, uart.rx.is_empty());
            assert!(uart.rx.len() <= FIFO_DEPTH && uart.tx.len() <= FIFO_DEPTH);
        }).unwrap();
    }
}
