// SPDX-License-Identifier: BSD-2-Clause
//! From the configuration record to mapped regions and checked ids.

use core::fmt;

use mmio::{MmioError, UniqueMmioPointer, Window};
use record::{
    ChannelEntry, ChildEntry, IrqEntry, LookupError, Record, RecordError, RegionEntry, Role,
    WindowEntry,
};
use shm::{Region, Ro, Rw};
use units::{ChannelId, ChildId, IrqId, VcpuId};

/// Why a region cannot be used as wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MapError {
    /// The page rights do not allow the wanted access.
    Rights,
    /// Shared memory must be cached, device registers must not.
    Attributes,
    /// The region does not fit the address space of this program.
    Range,
    /// The region overlaps one that was already claimed as device registers.
    Claimed,
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rights => "the page rights do not allow the access",
            Self::Attributes => "the memory attributes do not suit the use",
            Self::Range => "the region leaves the address space",
            Self::Claimed => "the region is already claimed",
        })
    }
}

impl core::error::Error for MapError {}

/// Turns entries of the record into memory. Ports implement this, and fakes.
pub trait Mapper {
    /// The region for reading.
    ///
    /// # Errors
    ///
    /// [`MapError`] where rights, attributes or range do not allow it.
    fn map_ro(&mut self, entry: &RegionEntry) -> Result<Region<Ro>, MapError>;

    /// The region for reading and writing.
    ///
    /// # Errors
    ///
    /// [`MapError`] where rights, attributes or range do not allow it.
    fn map_rw(&mut self, entry: &RegionEntry) -> Result<Region<Rw>, MapError>;

    /// The region as device registers. A second window over the same bytes is refused.
    ///
    /// # Errors
    ///
    /// [`MapError`] where rights, attributes or range do not allow it, or it is claimed.
    fn map_registers(&mut self, entry: &RegionEntry) -> Result<Window, MapError>;
}

/// Whether a region may be used as shared memory: for a port's [`Mapper`].
///
/// # Errors
///
/// [`MapError`] where it is device memory, or not readable, or not writable though `write` is set.
pub const fn check_memory(entry: &RegionEntry, write: bool) -> Result<(), MapError> {
    if !entry.rights.cached {
        return Err(MapError::Attributes);
    }
    if !entry.rights.read || (write && !entry.rights.write) {
        return Err(MapError::Rights);
    }
    Ok(())
}

/// Whether a region may be used as device registers: for a port's [`Mapper`].
///
/// # Errors
///
/// [`MapError`] where it is cached memory, or not both readable and writable.
pub const fn check_registers(entry: &RegionEntry) -> Result<(), MapError> {
    if entry.rights.cached {
        return Err(MapError::Attributes);
    }
    if !entry.rights.read || !entry.rights.write {
        return Err(MapError::Rights);
    }
    Ok(())
}

/// Why a PD cannot be created.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetupError {
    /// There is no valid record.
    Record(RecordError),
    /// The record lacks what the PD looks for.
    Lookup(LookupError),
    /// A region cannot be mapped as wanted.
    Map {
        /// Role of the region.
        role: Role,
        /// Why.
        error: MapError,
    },
    /// A register region does not suit the register structure.
    Registers {
        /// Role of the region.
        role: Role,
        /// Why.
        error: MmioError,
    },
    /// A value, or the contents of a region, is not acceptable to the PD.
    Invalid {
        /// Role of the value or region.
        role: Role,
        /// What is wrong, as a sentence fragment.
        reason: &'static str,
    },
}

impl SetupError {
    /// A value or region that the PD does not accept.
    #[must_use]
    pub fn invalid(role: &str, reason: &'static str) -> Self {
        Self::Invalid {
            role: Role::lossy(role),
            reason,
        }
    }
}

impl From<RecordError> for SetupError {
    fn from(error: RecordError) -> Self {
        Self::Record(error)
    }
}

impl From<LookupError> for SetupError {
    fn from(error: LookupError) -> Self {
        Self::Lookup(error)
    }
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(error) => error.fmt(f),
            Self::Lookup(error) => error.fmt(f),
            Self::Map { role, error } => write!(f, "region '{role}': {error}"),
            Self::Registers { role, error } => write!(f, "registers '{role}': {error}"),
            Self::Invalid { role, reason } => write!(f, "'{role}': {reason}"),
        }
    }
}

impl core::error::Error for SetupError {}

/// Everything a PD gets when it is created.
pub struct Setup<'a> {
    record: Record<'a>,
    mapper: &'a mut dyn Mapper,
}

impl fmt::Debug for Setup<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup")
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}

impl<'a> Setup<'a> {
    /// Combines a checked record and a port's mapper.
    pub fn new(record: Record<'a>, mapper: &'a mut dyn Mapper) -> Self {
        Self { record, mapper }
    }

    /// The record, for lookups beyond those below.
    #[must_use]
    pub const fn record(&self) -> &Record<'a> {
        &self.record
    }

    /// The region with `role` for reading.
    ///
    /// # Errors
    ///
    /// [`SetupError`] where it is missing or cannot be mapped so.
    pub fn region_ro(&mut self, role: &str) -> Result<Region<Ro>, SetupError> {
        let entry = self.record.region(role)?;
        self.mapper.map_ro(&entry).map_err(map_error(role))
    }

    /// The region with `role` for reading and writing.
    ///
    /// # Errors
    ///
    /// [`SetupError`] where it is missing or cannot be mapped so.
    pub fn region_rw(&mut self, role: &str) -> Result<Region<Rw>, SetupError> {
        let entry = self.record.region(role)?;
        self.mapper.map_rw(&entry).map_err(map_error(role))
    }

    /// A region entry found in the record by other means, for reading. `role` is for the error.
    ///
    /// # Errors
    ///
    /// [`SetupError`] where it cannot be mapped so.
    pub fn map_ro(&mut self, role: &str, entry: &RegionEntry) -> Result<Region<Ro>, SetupError> {
        self.mapper.map_ro(entry).map_err(map_error(role))
    }

    /// A region entry found in the record by other means, for reading and writing. `role` is for
    /// the error.
    ///
    /// # Errors
    ///
    /// [`SetupError`] where it cannot be mapped so.
    pub fn map_rw(&mut self, role: &str, entry: &RegionEntry) -> Result<Region<Rw>, SetupError> {
        self.mapper.map_rw(entry).map_err(map_error(role))
    }

    /// The device registers with `role` as the register structure `T`.
    ///
    /// # Errors
    ///
    /// [`SetupError`] where they are missing, claimed already, or do not suit `T`.
    pub fn registers<T>(&mut self, role: &str) -> Result<UniqueMmioPointer<'static, T>, SetupError>
    where
        T: mmio::Registers,
    {
        self.window(role)?
            .claim()
            .map_err(|error| SetupError::Registers {
                role: Role::lossy(role),
                error,
            })
    }

    /// The device registers with `role` as a window.
    ///
    /// # Errors
    ///
    /// [`SetupError`] where they are missing or claimed already.
    pub fn window(&mut self, role: &str) -> Result<Window, SetupError> {
        let entry = self.record.region(role)?;
        self.mapper.map_registers(&entry).map_err(map_error(role))
    }

    /// The entry of the region with `role`, for instance for its physical address.
    ///
    /// # Errors
    ///
    /// [`SetupError::Lookup`].
    pub fn region_entry(&self, role: &str) -> Result<RegionEntry, SetupError> {
        Ok(self.record.region(role)?)
    }

    /// The window with `role`: memory as devices address it, which this PD may hand to a device.
    ///
    /// # Errors
    ///
    /// [`SetupError::Lookup`].
    pub fn dma(&self, role: &str) -> Result<WindowEntry, SetupError> {
        Ok(self.record.window(role)?)
    }

    /// This PD's id of the channel with `role`.
    ///
    /// # Errors
    ///
    /// [`SetupError::Lookup`].
    pub fn channel(&self, role: &str) -> Result<ChannelId, SetupError> {
        Ok(self.record.channel(role)?.id)
    }

    /// The channel with `role` and what this end may do.
    ///
    /// # Errors
    ///
    /// [`SetupError::Lookup`].
    pub fn channel_entry(&self, role: &str) -> Result<ChannelEntry, SetupError> {
        Ok(self.record.channel(role)?)
    }

    /// This PD's id of the interrupt with `role`.
    ///
    /// # Errors
    ///
    /// [`SetupError::Lookup`].
    pub fn irq(&self, role: &str) -> Result<IrqId, SetupError> {
        Ok(self.record.irq(role)?.id)
    }

    /// The interrupt with `role`, with its number and trigger.
    ///
    /// # Errors
    ///
    /// [`SetupError::Lookup`].
    pub fn irq_entry(&self, role: &str) -> Result<IrqEntry, SetupError> {
        Ok(self.record.irq(role)?)
    }

    /// The child PD with `role`.
    ///
    /// # Errors
    ///
    /// [`SetupError::Lookup`].
    pub fn child(&self, role: &str) -> Result<ChildId, SetupError> {
        Ok(self.record.child(role)?.id)
    }

    /// The child PD with `role` and its entry point.
    ///
    /// # Errors
    ///
    /// [`SetupError::Lookup`].
    pub fn child_entry(&self, role: &str) -> Result<ChildEntry, SetupError> {
        Ok(self.record.child(role)?)
    }

    /// The vCPU with `role`.
    ///
    /// # Errors
    ///
    /// [`SetupError::Lookup`].
    pub fn vcpu(&self, role: &str) -> Result<VcpuId, SetupError> {
        Ok(self.record.vcpu(role)?)
    }

    /// The number with `role`.
    ///
    /// # Errors
    ///
    /// [`SetupError::Lookup`].
    pub fn value(&self, role: &str) -> Result<u64, SetupError> {
        Ok(self.record.value(role)?)
    }

    /// The number with `role`, or `default` where the record has none.
    ///
    /// # Errors
    ///
    /// [`SetupError::Lookup`] where the role is something else than one number.
    pub fn value_or(&self, role: &str, default: u64) -> Result<u64, SetupError> {
        match self.record.value(role) {
            Err(LookupError::Missing { .. }) => Ok(default),
            other => Ok(other?),
        }
    }

    /// The text with `role`.
    ///
    /// # Errors
    ///
    /// [`SetupError::Lookup`].
    pub fn text(&self, role: &str) -> Result<&'a str, SetupError> {
        Ok(self.record.text(role)?)
    }
}

fn map_error(role: &str) -> impl Fn(MapError) -> SetupError + use<> {
    let role = Role::lossy(role);
    move |error| SetupError::Map { role, error }
}
