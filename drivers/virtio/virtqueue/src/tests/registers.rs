// SPDX-License-Identifier: BSD-2-Clause
//! The transport on a bank of registers.

use mmio::fake::{Access, Bank};
use mmio::field_shared;
use mmio::fields::ReadPure;
use units::PhysAddr;
use virtio::mmio::Register;
use virtio::{Interrupt, Status};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::*;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Config {
    capacity: [ReadPure<u32>; 2],
    mode: ReadPure<u8>,
    pad: [u8; 3],
}

type Device = Transport<Config>;

fn at(register: Register) -> usize {
    usize::try_from(register.offset()).unwrap()
}

/// A bank with a block device at `offset` that accepts everything it offers.
fn bank(offset: usize) -> Bank {
    let bank = Bank::new(0x1000);
    bank.set32(offset + at(Register::MagicValue), 0x7472_6976);
    bank.set32(offset + at(Register::Version), 2);
    bank.set32(offset + at(Register::DeviceId), 2);
    bank.set32(offset + at(Register::QueueSizeMax), 256);
    bank
}

fn claim(bank: &Bank) -> Result<Device, TransportError> {
    Device::claim(bank.window(), 0, 2)
}

#[test]
fn registers_are_where_the_specification_says() {
    let bank = bank(0);
    let mut device = claim(&bank).unwrap();
    let _ = bank.take_log();
    bank.script(at(Register::QueueReady), &[0, 1]);
    let areas = [0x1_0000_2000, 0x2_0000_3000, 0x3_0000_4000].map(PhysAddr::new);
    device.set_queue(3, 64, areas).unwrap();
    device.notify(3);
    device.start();
    let writes: Vec<_> = bank
        .take_log()
        .into_iter()
        .filter_map(|access| match access {
            Access::Write {
                offset,
                width: 4,
                value,
            } => Some((Register::at(offset as u64).unwrap(), value)),
            _ => None,
        })
        .collect();
    let expected = [
        (Register::QueueSel, 3),
        (Register::QueueSize, 64),
        (Register::QueueDescLow, 0x2000),
        (Register::QueueDescHigh, 1),
        (Register::QueueDriverLow, 0x3000),
        (Register::QueueDriverHigh, 2),
        (Register::QueueDeviceLow, 0x4000),
        (Register::QueueDeviceHigh, 3),
        (Register::QueueReady, 1),
        (Register::QueueNotify, 3),
        (Register::Status, 15),
    ];
    assert_eq!(writes, expected);
}

#[test]
fn features_are_agreed_on_in_order() {
    let bank = bank(0);
    let mut device = claim(&bank).unwrap();
    bank.script(at(Register::DeviceFeatures), &[0x3000_0204, 0x1]);
    let _ = bank.take_log();
    let agreed = device.negotiate(features().bits() | 0x200).unwrap();
    assert_eq!(agreed, 0x1_3000_0200, "what both have");
    let status: Vec<_> = bank
        .take_log()
        .into_iter()
        .filter(|access| {
            matches!(access, Access::Write { offset, .. } if *offset == at(Register::Status))
        })
        .collect();
    let write = |value| Access::write32(at(Register::Status), value);
    assert_eq!(status, [write(0), write(1), write(3), write(11)], "3.1.1");
    assert_eq!(
        bank.get32(at(Register::DriverFeatures)),
        1,
        "the high half last"
    );
}

#[test]
fn a_device_that_does_not_agree_is_given_up() {
    let bank = bank(0);
    let mut device = claim(&bank).unwrap();
    bank.script(at(Register::DeviceFeatures), &[0x3000_0000, 0]);
    assert_eq!(
        device.negotiate(!0),
        Err(TransportError::Features),
        "legacy"
    );
    assert!(device.status().contains(Status::FAILED));
    bank.script(at(Register::DeviceFeatures), &[0, 1]);
    bank.script(at(Register::Status), &[0, 3]);
    assert_eq!(device.negotiate(!0), Err(TransportError::Features), "2.2.2");
    bank.stick(Some(0xff));
    assert_eq!(device.reset(), Err(TransportError::Reset), "gone");
    assert_eq!(device.config(|_| ()), Ok(()));
}

#[test]
fn other_devices_are_refused() {
    let with = |register, value| {
        let bank = bank(0);
        bank.set32(at(register), value);
        claim(&bank).map(drop)
    };
    assert_eq!(with(Register::MagicValue, 0), Err(TransportError::Magic));
    assert_eq!(with(Register::Version, 1), Err(TransportError::Version));
    assert_eq!(with(Register::DeviceId, 0), Err(TransportError::Device));
    let at_offset = |offset| Device::claim(bank(0xe00).window(), offset, 2).map(drop);
    assert_eq!(at_offset(0xe00), Ok(()));
    assert_eq!(at_offset(0x1000), Err(TransportError::Window));
    assert_eq!(
        at_offset(0xf00),
        Err(TransportError::Window),
        "no configuration"
    );
    assert_eq!(at_offset(0x1001), Err(TransportError::Window));
}

#[test]
fn a_queue_that_the_device_does_not_take_is_said() {
    let areas = [PhysAddr::new(0); 3];
    let bank = bank(0);
    let mut device = claim(&bank).unwrap();
    bank.script(at(Register::QueueReady), &[1]);
    assert_eq!(
        device.set_queue(0, 64, areas),
        Err(TransportError::Queue),
        "in use"
    );
    bank.set32(at(Register::QueueSizeMax), 32);
    assert_eq!(
        device.set_queue(0, 64, areas),
        Err(TransportError::Queue),
        "small"
    );
    bank.script(at(Register::QueueReady), &[0, 0]);
    assert_eq!(device.set_queue(0, 32, areas), Err(TransportError::Queue));
}

#[test]
fn an_interrupt_costs_one_read_and_one_write() {
    let bank = bank(0);
    let mut device = claim(&bank).unwrap();
    let _ = bank.take_log();
    assert_eq!(device.take_interrupt(), Interrupt::empty());
    bank.set32(at(Register::InterruptStatus), 1);
    assert_eq!(device.take_interrupt(), Interrupt::USED_BUFFER);
    assert_eq!(
        bank.take_log(),
        [
            Access::read32(0x60, 0),
            Access::read32(0x60, 1),
            Access::write32(0x64, 1),
        ]
    );
}

#[test]
fn the_configuration_is_read_as_one() {
    let bank = bank(0);
    let mut device = claim(&bank).unwrap();
    bank.set32(0x104, 7);
    bank.script(at(Register::ConfigGeneration), &[1, 2, 2, 2]);
    let mut reads = 0;
    let value = device.config(|config| {
        reads += 1;
        field_shared!(config, mode).read();
        let words = field_shared!(config, capacity);
        words.get(1).map(|word| word.read())
    });
    assert_eq!((value, reads), (Ok(Some(7)), 2));
    let turning: Vec<u64> = (0..100).collect();
    bank.script(at(Register::ConfigGeneration), &turning);
    assert_eq!(device.config(|_| ()), Err(TransportError::Config));
}
