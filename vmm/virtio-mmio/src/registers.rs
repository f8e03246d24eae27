// SPDX-License-Identifier: BSD-2-Clause
//! The register window (4.2.2, table 4.1) on the bus.
//!
//! Answers H-10.

use bus::{Access, Device, IoError, IrqLine, Width};
use virtio::mmio::{CONFIG, MAGIC, Register, VERSION};
use virtio::{Interrupt, device};

use crate::anomaly::Anomaly;
use crate::queue::{Area, QueueState};
use crate::{Settling, Transport, VENDOR};

impl Transport {
    /// What a register reads; reading changes nothing.
    pub(crate) fn register(&self, register: Register) -> Result<u32, IoError> {
        let queue = self.queue(self.queue_sel);
        Ok(match register {
            Register::MagicValue => MAGIC,
            Register::Version => VERSION,
            Register::DeviceId => self.offer.map_or(device::NONE, |offer| offer.device),
            Register::VendorId => VENDOR,
            Register::DeviceFeatures => half(self.features().bits(), self.device_features_sel),
            Register::QueueSizeMax => {
                let max = self.offer.map_or(0, |offer| offer.queue_max);
                // H-04: 0 says that the queue does not exist (4.2.2).
                queue.map_or(0, |_| u32::from(max))
            }
            Register::QueueReady => queue.map_or(0, |queue| u32::from(queue.reads_ready())),
            Register::QueueReset => queue.map_or(0, |queue| u32::from(queue.reads_reset())),
            Register::InterruptStatus => self.interrupt.bits(),
            Register::Status => self.read_status(),
            // H-15, 4.2.2: the length of a region that does not exist is -1.
            Register::ShmLenLow | Register::ShmLenHigh => u32::MAX,
            Register::ShmBaseLow | Register::ShmBaseHigh => u32::MAX,
            Register::ConfigGeneration => self.link.events().config,
            Register::DeviceFeaturesSel
            | Register::DriverFeatures
            | Register::DriverFeaturesSel
            | Register::QueueSel
            | Register::QueueSize
            | Register::QueueNotify
            | Register::InterruptAck
            | Register::QueueDescLow
            | Register::QueueDescHigh
            | Register::QueueDriverLow
            | Register::QueueDriverHigh
            | Register::QueueDeviceLow
            | Register::QueueDeviceHigh
            | Register::ShmSel => return Err(IoError::WriteOnly),
        })
    }

    fn write_register(&mut self, register: Register, value: u32) -> Result<(), Anomaly> {
        // 2.4: nothing but the status register matters until the reset is over.
        if self.settling == Settling::Reset && register != Register::Status {
            return Err(Anomaly::Resetting);
        }
        match register {
            Register::QueueNotify => self.notify(),
            Register::InterruptAck => self.acknowledge(value),
            Register::Status => self.write_status(value),
            Register::DeviceFeaturesSel => {
                self.device_features_sel = value;
                Ok(())
            }
            Register::DriverFeaturesSel => {
                self.driver_features_sel = value;
                Ok(())
            }
            Register::DriverFeatures => self.write_features(value),
            Register::QueueSel => {
                self.queue_sel = value;
                Ok(())
            }
            Register::QueueSize => self.write_queue_size(value),
            Register::QueueReady => self.write_queue_ready(value),
            Register::QueueReset => self.write_queue_reset(value),
            Register::QueueDescLow => self.write_queue_area(Area::Desc, false, value),
            Register::QueueDescHigh => self.write_queue_area(Area::Desc, true, value),
            Register::QueueDriverLow => self.write_queue_area(Area::Driver, false, value),
            Register::QueueDriverHigh => self.write_queue_area(Area::Driver, true, value),
            Register::QueueDeviceLow => self.write_queue_area(Area::Device, false, value),
            Register::QueueDeviceHigh => self.write_queue_area(Area::Device, true, value),
            // There are no shared memory regions: every selection reads the same.
            _ => Ok(()),
        }
    }

    /// 2.1.2: the device MUST NOT consume buffers or notifications before DRIVER_OK. Which queue is
    /// meant does not matter, and is not even known ([`Device::ignores_value`]): a backend looks at all
    /// of its queues, and spurious notifications are harmless (2.7.10).
    fn notify(&mut self) -> Result<(), Anomaly> {
        let queues = self.queues.get(..self.queue_count()).unwrap_or_default();
        let in_use = queues.iter().any(QueueState::is_ready);
        if !in_use || !self.is_running() || self.needs_reset() {
            return Err(Anomaly::Notify);
        }
        self.signal = true;
        Ok(())
    }

    /// H-14: only bits that are set can be cleared.
    fn acknowledge(&mut self, value: u32) -> Result<(), Anomaly> {
        let bits = Interrupt::from_bits_truncate(value);
        let stray = value != bits.bits() || !self.interrupt.contains(bits);
        self.interrupt -= bits;
        if stray {
            Err(Anomaly::InterruptAck)
        } else {
            Ok(())
        }
    }

    /// H-09: features are fixed from FEATURES_OK on (3.1.1).
    fn write_features(&mut self, value: u32) -> Result<(), Anomaly> {
        if self.status.contains(virtio::Status::FEATURES_OK) {
            return Err(Anomaly::LateFeatures);
        }
        let value = u64::from(value);
        match self.driver_features_sel {
            0 => self.driver_features = self.driver_features & !0xffff_ffff | value,
            1 => self.driver_features = self.driver_features & 0xffff_ffff | value << 32,
            // No features are defined there; accepting none is right (2.2).
            _ if value == 0 => {}
            _ => return Err(Anomaly::Features),
        }
        Ok(())
    }

    /// Fills `into` from the configuration space: zeros behind its end.
    pub(crate) fn config(&self, offset: u64, into: &mut [u8]) {
        let len = self.offer.map_or(0, |offer| offer.config_len);
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let existing = len.saturating_sub(offset).min(into.len());
        let existing = into.get_mut(..existing).unwrap_or_default();
        // Within the offer's length, which the link has checked.
        let _ = self.link.read_config(offset, existing);
    }

    /// H-01: any width and alignment, never beyond the structure (4.2.2.2).
    fn read_config(&self, access: Access) -> u64 {
        let mut bytes = [0; 8];
        let width = usize::try_from(access.width.bytes()).unwrap_or(0);
        let field = bytes.get_mut(..width).unwrap_or_default();
        self.config(access.offset - CONFIG, field);
        u64::from_le_bytes(bytes)
    }

    /// H-13: of our devices' fields, the driver may write one byte, if negotiated.
    fn write_config(&mut self, access: Access, value: u64) -> Result<(), Anomaly> {
        let [byte, ..] = value.to_le_bytes();
        let field = virtio::writable_config(self.device, self.driver_features);
        let writable = field.is_some_and(|at| access.offset == CONFIG + at as u64)
            && access.width == Width::Byte
            && self.status.contains(virtio::Status::FEATURES_OK)
            && self.settling != Settling::Reset;
        if !writable {
            return Err(Anomaly::Config);
        }
        self.link.set_config_write(Some(byte));
        self.order();
        Ok(())
    }

    fn refuse(&mut self, anomaly: Anomaly) -> IoError {
        self.anomalies.count(anomaly);
        match anomaly {
            Anomaly::Config => IoError::ReadOnly,
            Anomaly::Features | Anomaly::QueueSize | Anomaly::QueueAddress => IoError::Value,
            _ => IoError::State,
        }
    }
}

/// The 32 bits of `features` that `select` names.
fn half(features: u64, select: u32) -> u32 {
    let [a, b, c, d, e, f, g, h] = features.to_le_bytes();
    match select {
        0 => u32::from_le_bytes([a, b, c, d]),
        1 => u32::from_le_bytes([e, f, g, h]),
        _ => 0,
    }
}

/// The register of an access below the configuration space (4.2.2.2: aligned, 32 bits).
fn register_at(access: Access) -> Result<Register, IoError> {
    Register::at(access.word_only()?).ok_or(IoError::NoRegister)
}

impl Device for Transport {
    fn read(&mut self, access: Access) -> Result<u64, IoError> {
        if access.offset >= CONFIG {
            return Ok(self.read_config(access));
        }
        Ok(u64::from(self.register(register_at(access)?)?))
    }

    fn write(&mut self, access: Access, value: u64) -> Result<(), IoError> {
        if access.offset >= CONFIG {
            return self
                .write_config(access, value)
                .map_err(|anomaly| self.refuse(anomaly));
        }
        let register = register_at(access)?;
        if self.register(register).is_ok() && !is_writable(register) {
            return Err(IoError::ReadOnly);
        }
        let value = u32::try_from(value & Width::Word.mask()).unwrap_or(0);
        if !matches!(register, Register::QueueNotify | Register::InterruptAck) {
            self.shown = None;
        }
        self.write_register(register, value)
            .map_err(|anomaly| self.refuse(anomaly))
    }

    fn ignores_value(&self, access: Access) -> bool {
        access.word_only() == Ok(Register::QueueNotify.offset())
    }

    fn irq(&self) -> IrqLine {
        self.irq_line()
    }
}

/// Whether a readable register can also be written.
const fn is_writable(register: Register) -> bool {
    matches!(
        register,
        Register::QueueReady | Register::QueueReset | Register::Status
    )
}
