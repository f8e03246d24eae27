// SPDX-License-Identifier: BSD-2-Clause
//! The driver's way to the registers: each access goes to the emulated device, and what the VMM
//! would do after it is done by the owner of the device ([`Machine`]).

use std::cell::RefCell;
use std::rc::Rc;

use bus::{Access, Device, Width};
use virtio::mmio::{CONFIG, Register};
use virtio_drivers::transport::{DeviceStatus, DeviceType, InterruptStatus, Transport};
use virtio_drivers::{Error, PhysAddr, Result};
use virtio_mmio::Transport as Emulated;
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// Whoever owns the emulated transport.
pub trait Machine {
    /// The transport.
    fn transport(&mut self) -> &mut Emulated;
    /// Runs after each access, as the VMM's handler does.
    fn serve(&mut self);
}

/// A driver's handle to an emulated virtio-mmio device.
#[derive(Debug)]
pub struct Registers<M> {
    machine: Rc<RefCell<M>>,
    /// Features that the driver gets to see.
    features: u64,
}

impl<M: Machine> Registers<M> {
    /// The registers of `machine`'s device.
    #[must_use]
    pub const fn new(machine: Rc<RefCell<M>>) -> Self {
        Self::with_features(machine, !0)
    }

    /// The same, with only those of the device's features that are in `features`.
    #[must_use]
    pub const fn with_features(machine: Rc<RefCell<M>>, features: u64) -> Self {
        Self { machine, features }
    }

    fn load(&self, offset: u64, width: Width) -> u64 {
        let mut machine = self.machine.borrow_mut();
        // A refused access reads as zero, as on the bus.
        let value = machine
            .transport()
            .read(Access::new(offset, width))
            .unwrap_or(0);
        machine.serve();
        value
    }

    fn read(&self, register: Register) -> u32 {
        u32::try_from(self.load(register.offset(), Width::Word)).unwrap_or(u32::MAX)
    }

    fn write(&mut self, register: Register, value: u32) {
        let mut machine = self.machine.borrow_mut();
        let access = Access::new(register.offset(), Width::Word);
        let _ = machine.transport().write(access, u64::from(value));
        machine.serve();
    }

    fn write_address(&mut self, [low, high]: [Register; 2], address: PhysAddr) {
        let [a, b, c, d, e, f, g, h] = address.to_le_bytes();
        self.write(low, u32::from_le_bytes([a, b, c, d]));
        self.write(high, u32::from_le_bytes([e, f, g, h]));
    }
}

impl<M: Machine> Transport for Registers<M> {
    fn device_type(&self) -> DeviceType {
        DeviceType::try_from(self.read(Register::DeviceId)).unwrap_or(DeviceType::EntropySource)
    }

    fn read_device_features(&mut self) -> u64 {
        self.write(Register::DeviceFeaturesSel, 0);
        let low = self.read(Register::DeviceFeatures);
        self.write(Register::DeviceFeaturesSel, 1);
        let high = self.read(Register::DeviceFeatures);
        (u64::from(low) | u64::from(high) << 32) & self.features
    }

    fn write_driver_features(&mut self, driver_features: u64) {
        let [a, b, c, d, e, f, g, h] = driver_features.to_le_bytes();
        self.write(Register::DriverFeaturesSel, 0);
        self.write(Register::DriverFeatures, u32::from_le_bytes([a, b, c, d]));
        self.write(Register::DriverFeaturesSel, 1);
        self.write(Register::DriverFeatures, u32::from_le_bytes([e, f, g, h]));
    }

    fn max_queue_size(&mut self, queue: u16) -> u32 {
        self.write(Register::QueueSel, queue.into());
        self.read(Register::QueueSizeMax)
    }

    fn notify(&mut self, queue: u16) {
        self.write(Register::QueueNotify, queue.into());
    }

    fn get_status(&self) -> DeviceStatus {
        DeviceStatus::from_bits_truncate(self.read(Register::Status))
    }

    fn set_status(&mut self, status: DeviceStatus) {
        self.write(Register::Status, status.bits());
    }

    fn set_guest_page_size(&mut self, _: u32) {}

    fn requires_legacy_layout(&self) -> bool {
        false
    }

    fn queue_set(
        &mut self,
        queue: u16,
        size: u32,
        descriptors: PhysAddr,
        driver_area: PhysAddr,
        device_area: PhysAddr,
    ) {
        self.write(Register::QueueSel, queue.into());
        self.write(Register::QueueSize, size);
        self.write_address(
            [Register::QueueDescLow, Register::QueueDescHigh],
            descriptors,
        );
        self.write_address(
            [Register::QueueDriverLow, Register::QueueDriverHigh],
            driver_area,
        );
        self.write_address(
            [Register::QueueDeviceLow, Register::QueueDeviceHigh],
            device_area,
        );
        self.write(Register::QueueReady, 1);
    }

    fn queue_unset(&mut self, queue: u16) {
        self.write(Register::QueueSel, queue.into());
        self.write(Register::QueueReady, 0);
    }

    fn queue_used(&mut self, queue: u16) -> bool {
        self.write(Register::QueueSel, queue.into());
        self.read(Register::QueueReady) != 0
    }

    fn ack_interrupt(&mut self) -> InterruptStatus {
        let status = self.read(Register::InterruptStatus);
        if status != 0 {
            self.write(Register::InterruptAck, status);
        }
        InterruptStatus::from_bits_truncate(status)
    }

    fn read_config_generation(&self) -> u32 {
        self.read(Register::ConfigGeneration)
    }

    fn read_config_space<T: FromBytes + IntoBytes>(&self, offset: usize) -> Result<T> {
        let mut value = T::new_zeroed();
        for (at, byte) in value.as_mut_bytes().iter_mut().enumerate() {
            let [read, ..] = self
                .load(CONFIG + (offset + at) as u64, Width::Byte)
                .to_le_bytes();
            *byte = read;
        }
        Ok(value)
    }

    fn write_config_space<T: IntoBytes + Immutable>(&mut self, _: usize, _: T) -> Result<()> {
        Err(Error::Unsupported)
    }
}
