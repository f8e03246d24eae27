// SPDX-License-Identifier: BSD-2-Clause
//! What a device on the bus is: registers behind offsets, and an interrupt line.

use thiserror::Error;

/// Size of one access. AArch64 loads and stores with a valid syndrome (ESR_EL2.SAS) have no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Width {
    /// 8 bits.
    Byte,
    /// 16 bits.
    Half,
    /// 32 bits.
    Word,
    /// 64 bits.
    Double,
}

impl Width {
    /// All widths, narrowest first.
    pub const ALL: [Self; 4] = [Self::Byte, Self::Half, Self::Word, Self::Double];

    /// From ESR_EL2.SAS (ARM DDI 0487, ISS encoding of a data abort): 0 to 3. Higher bits are
    /// not looked at.
    #[must_use]
    pub const fn from_sas(sas: u64) -> Self {
        match sas & 3 {
            0 => Self::Byte,
            1 => Self::Half,
            2 => Self::Word,
            _ => Self::Double,
        }
    }

    /// Number of bytes: 1, 2, 4 or 8.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Byte => 1,
            Self::Half => 2,
            Self::Word => 4,
            Self::Double => 8,
        }
    }

    /// Mask of the value bits that an access of this width carries.
    #[must_use]
    pub const fn mask(self) -> u64 {
        match self {
            Self::Byte => 0xff,
            Self::Half => 0xffff,
            Self::Word => 0xffff_ffff,
            Self::Double => u64::MAX,
        }
    }
}

/// One access of a guest, relative to the device's window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Byte offset in the window. The bus guarantees `offset + width <= window size`.
    pub offset: u64,
    /// Size of the access. Alignment is *not* guaranteed: see [`Access::aligned`].
    pub width: Width,
    /// Index of the vCPU that made it (banked registers: GIC distributor).
    pub vcpu: usize,
}

impl Access {
    /// An access by vCPU 0.
    #[must_use]
    pub const fn new(offset: u64, width: Width) -> Self {
        Self {
            offset,
            width,
            vcpu: 0,
        }
    }

    /// The same access by vCPU `vcpu`.
    #[must_use]
    pub const fn by(self, vcpu: usize) -> Self {
        Self { vcpu, ..self }
    }

    /// Whether the offset is a multiple of the width.
    #[must_use]
    pub const fn aligned(self) -> bool {
        self.offset & (self.width.bytes() - 1) == 0
    }

    /// Offset of an access to a bank of 32-bit registers: accepted are aligned 32-bit accesses.
    ///
    /// # Errors
    /// [`IoError::Width`] or [`IoError::Misaligned`].
    pub const fn word_only(self) -> Result<u64, IoError> {
        if !matches!(self.width, Width::Word) {
            return Err(IoError::Width);
        }
        if !self.aligned() {
            return Err(IoError::Misaligned);
        }
        Ok(self.offset)
    }

    /// Offset of an access to registers of up to 32 bits that, like Arm PrimeCells on APB, take an
    /// access of 8, 16 or 32 bits at the register's own address and ignore the upper data lanes.
    ///
    /// # Errors
    /// [`IoError::Width`] for 64 bits, [`IoError::Misaligned`] unless the offset is a multiple
    /// of 4.
    pub const fn primecell(self) -> Result<u64, IoError> {
        if matches!(self.width, Width::Double) {
            return Err(IoError::Width);
        }
        if self.offset & 3 != 0 {
            return Err(IoError::Misaligned);
        }
        Ok(self.offset)
    }
}

/// Why an access had no register to act on. Never a fault of ours: the guest did it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum IoError {
    /// No window of the bus has this address.
    #[error("no device at this address")]
    Unmapped,
    /// The access starts in a window and ends outside it.
    #[error("the access crosses the end of the device's window")]
    Straddles,
    /// The register does not take accesses of this width.
    #[error("width not supported by the register")]
    Width,
    /// The offset is not a multiple of what the register demands.
    #[error("misaligned access")]
    Misaligned,
    /// The window has no register at this offset.
    #[error("no register at this offset")]
    NoRegister,
    /// A write to a read-only register.
    #[error("the register is read-only")]
    ReadOnly,
    /// A read of a write-only register.
    #[error("the register is write-only")]
    WriteOnly,
    /// The register exists, but the device's state does not permit this access now.
    #[error("not permitted in the device's present state")]
    State,
    /// The written value is not one that the register takes.
    #[error("value not accepted by the register")]
    Value,
}

impl IoError {
    /// All kinds, in the order of [`Counters`](crate::Counters).
    pub const ALL: [Self; 9] = [
        Self::Unmapped,
        Self::Straddles,
        Self::Width,
        Self::Misaligned,
        Self::NoRegister,
        Self::ReadOnly,
        Self::WriteOnly,
        Self::State,
        Self::Value,
    ];
}

/// Level of a device's interrupt output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IrqLine {
    /// Not asserted.
    #[default]
    Low,
    /// Asserted.
    High,
}

impl IrqLine {
    /// The line that is high exactly if `asserted`.
    #[must_use]
    pub const fn from_level(asserted: bool) -> Self {
        if asserted { Self::High } else { Self::Low }
    }

    /// Whether the line is high.
    #[must_use]
    pub const fn is_high(self) -> bool {
        matches!(self, Self::High)
    }
}

/// An emulated device: total over every offset, width and value.
pub trait Device {
    /// Reads a register. Bits of the value above the width are zero.
    ///
    /// # Errors
    /// What the access lacks to be one of a register; the device's state is then unchanged.
    fn read(&mut self, access: Access) -> Result<u64, IoError>;

    /// Writes a register. Bits of `value` above the width are zero.
    ///
    /// # Errors
    /// As for [`Device::read`].
    fn write(&mut self, access: Access, value: u64) -> Result<(), IoError>;

    /// Whether a write there does the same whatever the value. Its owner then passes any, and saves
    /// the kernel entry that fetching the guest's register costs.
    fn ignores_value(&self, access: Access) -> bool {
        let _ = access;
        false
    }

    /// Level of the interrupt output, a pure function of the state.
    fn irq(&self) -> IrqLine {
        IrqLine::Low
    }
}

impl<D: Device + ?Sized> Device for &mut D {
    fn read(&mut self, access: Access) -> Result<u64, IoError> {
        (**self).read(access)
    }

    fn write(&mut self, access: Access, value: u64) -> Result<(), IoError> {
        (**self).write(access, value)
    }

    fn ignores_value(&self, access: Access) -> bool {
        (**self).ignores_value(access)
    }

    fn irq(&self) -> IrqLine {
        (**self).irq()
    }
}
