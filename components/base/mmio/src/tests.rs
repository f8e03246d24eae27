// SPDX-License-Identifier: BSD-2-Clause
//! Tests of windows and banks.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::fake::{Access, Bank};
use crate::fields::{ReadOnly, ReadPureWrite, WriteOnly};
use crate::{MmioError, UniqueMmioPointer, field, field_shared};

/// A device with a FIFO, a status and a command register.
#[derive(Clone, FromBytes, Immutable, IntoBytes, KnownLayout)]
#[repr(C)]
struct Registers {
    fifo: ReadOnly<u32>,
    status: ReadPureWrite<u32>,
    command: WriteOnly<u16>,
    pad: [u8; 6],
}

fn device() -> (Bank, UniqueMmioPointer<'static, Registers>) {
    let bank = Bank::new(0x1000);
    let registers = bank.window().claim().unwrap();
    (bank, registers)
}

#[test]
fn accesses_are_recorded_in_order_with_their_width() {
    let (bank, mut registers) = device();
    bank.set32(4, 0x55);
    let status = field_shared!(registers, status).read();
    field!(registers, status).write(status + 1);
    field!(registers, command).write(7);
    assert_eq!(
        bank.take_log(),
        [
            Access::read32(4, 0x55),
            Access::write32(4, 0x56),
            Access::Write {
                offset: 8,
                width: 2,
                value: 7
            },
        ]
    );
    assert_eq!(bank.get32(4), 0x56);
    assert_eq!(bank.take_log(), []);
}

#[test]
fn a_device_answers_as_scripted() {
    let (bank, mut registers) = device();
    bank.set32(0, 9);
    bank.script(0, &[1, 2]);
    let mut read = || field!(registers, fifo).read();
    assert_eq!([read(), read(), read()], [1, 2, 9]);
    bank.stick(Some(0xff));
    assert_eq!(read(), u32::MAX, "a device that is gone");
    bank.stick(None);
    assert_eq!(read(), 9);
}

#[test]
fn a_device_reacts_to_writes() {
    let (bank, mut registers) = device();
    bank.on_write(|offset, value, bytes| {
        if offset == 8 {
            bytes[4] = value.to_le_bytes()[0] * 2;
        }
    });
    field!(registers, command).write(21);
    assert_eq!(field_shared!(registers, status).read(), 42);
}

#[test]
fn a_window_must_suit_the_registers() {
    let bank = Bank::new(15);
    assert!(!bank.is_empty());
    let short = bank.window().claim::<Registers>().map(drop);
    assert_eq!(
        short,
        Err(MmioError::TooShort {
            needed: 16,
            found: 15
        })
    );
    let (head, tail) = Bank::new(32).window().split_at(2).unwrap();
    assert_eq!((head.len(), tail.len()), (2, 30));
    let skewed = tail.claim::<Registers>().map(drop);
    assert_eq!(skewed, Err(MmioError::Misaligned { needed: 4 }));
    assert!(Bank::new(8).window().split_at(9).is_none());
}

#[test]
fn other_memory_is_accessed_as_usual() {
    let _bank = Bank::new(8);
    let mut plain = [0, 1, 2].map(ReadPureWrite::<u32>);
    let mut registers = UniqueMmioPointer::from(&mut plain);
    registers.get(1).unwrap().write(5);
    assert_eq!(plain, [0, 5, 2].map(ReadPureWrite));
}
