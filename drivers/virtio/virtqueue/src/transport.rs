// SPDX-License-Identifier: BSD-2-Clause
//! The MMIO transport (VIRTIO 1.3, 4.2), driver side.

use mmio::fields::{ReadPure, ReadPureWrite, WriteOnly};
use mmio::{Registers, UniqueMmioPointer, Window, field, field_shared};
use pd::{Setup, SetupError};
use thiserror::Error;
use units::PhysAddr;
use virtio::mmio::{CONFIG, MAGIC, VERSION};
use virtio::{Features, Interrupt, Status};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// How often a reset is looked at until the device has done it. Every read takes a device's time, so
/// this is no short wait.
const RESET_TRIES: usize = 100_000;

/// How often a configuration that changes under the driver is read again (4.2.2.2).
const CONFIG_TRIES: usize = 16;

/// Why a device cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TransportError {
    /// The registers do not fit the window.
    #[error("the registers do not fit their region")]
    Window,
    /// The first register is not that of a virtio device.
    #[error("there is no virtio device")]
    Magic,
    /// A legacy device, or one of a version to come.
    #[error("the device has another version than 2")]
    Version,
    /// No device, or one of another type (4.2.3.1.1).
    #[error("there is another device, or none")]
    Device,
    /// The device does not finish its reset.
    #[error("the device does not reset")]
    Reset,
    /// The device does not offer VIRTIO_F_VERSION_1, or does not accept the driver's choice (2.2.2).
    #[error("the device and this driver cannot agree on features")]
    Features,
    /// The queue does not exist, is in use, is smaller, or does not become ready.
    #[error("the device does not take the queue")]
    Queue,
    /// The configuration space never stands still.
    #[error("the device's configuration never stands still")]
    Config,
}

impl TransportError {
    /// The error of a device whose registers have `role`.
    #[must_use]
    pub fn setup(self, role: &str) -> SetupError {
        SetupError::invalid(
            role,
            match self {
                Self::Window => "the registers do not fit their region",
                Self::Magic => "there is no virtio device",
                Self::Version => "the device has another version than 2",
                Self::Device => "there is another device, or none",
                Self::Reset => "the device does not reset",
                Self::Features => "the device and this driver cannot agree on features",
                Self::Queue => "the device does not take the queue",
                Self::Config => "the device's configuration never stands still",
            },
        )
    }
}

/// Features that every driver on this crate supports.
#[must_use]
pub const fn features() -> Features {
    Features::VERSION_1
        .union(Features::INDIRECT_DESC)
        .union(Features::EVENT_IDX)
}

/// The control registers (4.2.2), all of 32 bits.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
#[repr(C)]
struct Control {
    magic: ReadPure<u32>,
    version: ReadPure<u32>,
    device_id: ReadPure<u32>,
    vendor_id: ReadPure<u32>,
    device_features: ReadPure<u32>,
    device_features_sel: WriteOnly<u32>,
    reserved_018: [u32; 2],
    driver_features: WriteOnly<u32>,
    driver_features_sel: WriteOnly<u32>,
    reserved_028: [u32; 2],
    queue_sel: WriteOnly<u32>,
    queue_size_max: ReadPure<u32>,
    queue_size: WriteOnly<u32>,
    reserved_03c: [u32; 2],
    queue_ready: ReadPureWrite<u32>,
    reserved_048: [u32; 2],
    queue_notify: WriteOnly<u32>,
    reserved_054: [u32; 3],
    interrupt_status: ReadPure<u32>,
    interrupt_ack: WriteOnly<u32>,
    reserved_068: [u32; 2],
    status: ReadPureWrite<u32>,
    reserved_074: [u32; 3],
    /// Low and high half of the descriptor, driver and device area, each followed by two words that
    /// are reserved.
    queue_desc_low: WriteOnly<u32>,
    queue_desc_high: WriteOnly<u32>,
    reserved_088: [u32; 2],
    queue_driver_low: WriteOnly<u32>,
    queue_driver_high: WriteOnly<u32>,
    reserved_098: [u32; 2],
    queue_device_low: WriteOnly<u32>,
    queue_device_high: WriteOnly<u32>,
    reserved_0a8: [u32; 21],
    config_generation: ReadPure<u32>,
}

const _: () = assert!(size_of::<Control>() as u64 == CONFIG);

/// A device on the MMIO transport whose configuration space begins with the registers `C`.
#[derive(Debug)]
pub struct Transport<C: 'static> {
    control: UniqueMmioPointer<'static, Control>,
    config: UniqueMmioPointer<'static, C>,
}

impl<C: Registers> Transport<C> {
    /// The device of type `device` whose registers are in the region `regs`, `regs.offset` bytes
    /// from its start (0 by default).
    ///
    /// # Errors
    ///
    /// [`SetupError`] where they are missing or claimed, or there is another device.
    pub fn find(setup: &mut Setup<'_>, device: u32) -> Result<Self, SetupError> {
        let offset = setup.value_or("regs.offset", 0)?;
        let offset = usize::try_from(offset)
            .map_err(|_| SetupError::invalid("regs.offset", "is outside the registers"))?;
        let window = setup.window("regs")?;
        Self::claim(window, offset, device).map_err(|error| error.setup("regs"))
    }

    /// The device of type `device` at `offset` of a window.
    ///
    /// # Errors
    ///
    /// [`TransportError`] where it does not fit or is another one. The window is lost then.
    pub fn claim(window: Window, offset: usize, device: u32) -> Result<Self, TransportError> {
        let (_, window) = window.split_at(offset).ok_or(TransportError::Window)?;
        let (control, config) = window
            .split_at(size_of::<Control>())
            .ok_or(TransportError::Window)?;
        let control = control
            .claim::<Control>()
            .map_err(|_| TransportError::Window)?;
        let config = config.claim().map_err(|_| TransportError::Window)?;
        if field_shared!(control, magic).read() != MAGIC {
            return Err(TransportError::Magic);
        }
        if field_shared!(control, version).read() != VERSION {
            return Err(TransportError::Version);
        }
        if field_shared!(control, device_id).read() != device {
            return Err(TransportError::Device);
        }
        Ok(Self { control, config })
    }

    /// The device's status.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::from_bits_truncate(field_shared!(self.control, status).read())
    }

    fn set_status(&mut self, status: Status) {
        field!(self.control, status).write(status.bits());
    }

    /// Resets the device: afterwards it touches no queue and no buffer (2.4).
    ///
    /// # Errors
    ///
    /// [`TransportError::Reset`] where it does not say so in time.
    pub fn reset(&mut self) -> Result<(), TransportError> {
        self.set_status(Status::empty());
        for _ in 0..RESET_TRIES {
            if field_shared!(self.control, status).read() == 0 {
                return Ok(());
            }
        }
        Err(TransportError::Reset)
    }

    /// Resets the device and agrees with it on those of `supported` that it offers (3.1.1, steps 1
    /// to 6); answers them.
    ///
    /// # Errors
    ///
    /// [`TransportError`] where it does not reset, does not know VIRTIO 1, or does not agree.
    pub fn negotiate(&mut self, supported: u64) -> Result<u64, TransportError> {
        self.reset()?;
        let status = Status::ACKNOWLEDGE | Status::DRIVER;
        self.set_status(Status::ACKNOWLEDGE);
        self.set_status(status);
        let agreed = self.offered() & supported;
        if !Features::from_bits_retain(agreed).contains(Features::VERSION_1) {
            self.fail();
            return Err(TransportError::Features);
        }
        let [low, high] = halves(agreed);
        field!(self.control, driver_features_sel).write(0);
        field!(self.control, driver_features).write(low);
        field!(self.control, driver_features_sel).write(1);
        field!(self.control, driver_features).write(high);
        self.set_status(status | Status::FEATURES_OK);
        if !self.status().contains(Status::FEATURES_OK) {
            self.fail();
            return Err(TransportError::Features);
        }
        Ok(agreed)
    }

    fn offered(&mut self) -> u64 {
        field!(self.control, device_features_sel).write(0);
        let low = field_shared!(self.control, device_features).read();
        field!(self.control, device_features_sel).write(1);
        let high = field_shared!(self.control, device_features).read();
        u64::from(high) << 32 | u64::from(low)
    }

    /// Most entries of a queue; 0 if it does not exist.
    pub fn queue_size_max(&mut self, queue: u16) -> u32 {
        field!(self.control, queue_sel).write(queue.into());
        field_shared!(self.control, queue_size_max).read()
    }

    /// Gives the device a queue (4.2.3.2), whose areas come from [`Queue::areas`](crate::Queue::areas).
    ///
    /// # Errors
    ///
    /// [`TransportError::Queue`] where it does not take it.
    pub fn set_queue(
        &mut self,
        queue: u16,
        size: u16,
        areas: [PhysAddr; 3],
    ) -> Result<(), TransportError> {
        let fits = self.queue_size_max(queue) >= size.into();
        if !fits || field_shared!(self.control, queue_ready).read() != 0 {
            return Err(TransportError::Queue);
        }
        let [desc, driver, device] = areas.map(|area| halves(area.get()));
        field!(self.control, queue_size).write(size.into());
        field!(self.control, queue_desc_low).write(desc[0]);
        field!(self.control, queue_desc_high).write(desc[1]);
        field!(self.control, queue_driver_low).write(driver[0]);
        field!(self.control, queue_driver_high).write(driver[1]);
        field!(self.control, queue_device_low).write(device[0]);
        field!(self.control, queue_device_high).write(device[1]);
        field!(self.control, queue_ready).write(1);
        if field_shared!(self.control, queue_ready).read() != 1 {
            return Err(TransportError::Queue);
        }
        Ok(())
    }

    /// Lets the device run (3.1.1, step 8).
    pub fn start(&mut self) {
        let agreed = Status::ACKNOWLEDGE | Status::DRIVER | Status::FEATURES_OK;
        self.set_status(agreed | Status::DRIVER_OK);
    }

    /// Gives the device up (2.1.1).
    pub fn fail(&mut self) {
        let status = self.status() | Status::FAILED;
        self.set_status(status);
    }

    /// Tells the device that a queue has new buffers (4.2.3.3).
    pub fn notify(&mut self, queue: u16) {
        field!(self.control, queue_notify).write(queue.into());
    }

    /// Why the device interrupts, and tells it that this is known (4.2.3.4). One read; one write if
    /// there was a reason.
    pub fn take_interrupt(&mut self) -> Interrupt {
        let raw = field_shared!(self.control, interrupt_status).read();
        let causes = Interrupt::from_bits_truncate(raw);
        if !causes.is_empty() {
            field!(self.control, interrupt_ack).write(causes.bits());
        }
        causes
    }

    /// Reads the configuration space through `read`, again if it changed meanwhile (2.5.1).
    ///
    /// # Errors
    ///
    /// [`TransportError::Config`] where it changes every time.
    pub fn config<R>(
        &mut self,
        mut read: impl FnMut(&mut UniqueMmioPointer<'static, C>) -> R,
    ) -> Result<R, TransportError> {
        for _ in 0..CONFIG_TRIES {
            let before = field_shared!(self.control, config_generation).read();
            let value = read(&mut self.config);
            if before == field_shared!(self.control, config_generation).read() {
                return Ok(value);
            }
        }
        Err(TransportError::Config)
    }
}

/// Low and high half.
const fn halves(value: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    [
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    ]
}
