// SPDX-License-Identifier: BSD-2-Clause
//! Drives any device with arbitrary accesses (hostile-guest.md H-03).
//!
//! One body for property tests and for fuzz targets: bytes in, a list of accesses, every answer
//! checked against what [`Device`] promises. A panic in the device is the other way to fail.

use crate::{Access, Device, IoError, Width};

/// Bytes that make one step of a script.
pub const STEP: usize = 13;

/// What a device did that no device may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation {
    /// A read yielded bits above the width of the access.
    WideValue {
        /// The access.
        access: Access,
        /// What was read.
        value: u64,
    },
    /// A device reported an error that only the bus may report.
    BusError {
        /// The access.
        access: Access,
        /// The error.
        error: IoError,
    },
}

/// How a script went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Reads and writes that a register took.
    pub taken: u64,
    /// Reads and writes that were refused.
    pub refused: u64,
}

/// Runs the script in `bytes` on a device whose window has `size` bytes, calling `between` after
/// each access (to drain sinks, feed input, or check invariants of the device).
///
/// # Errors
/// The first [`Violation`].
pub fn drive<D: Device>(
    device: &mut D,
    size: u64,
    bytes: &[u8],
    mut between: impl FnMut(&mut D, Access),
) -> Result<Summary, Violation> {
    let mut summary = Summary::default();
    for step in bytes.chunks_exact(STEP) {
        let Some((access, store)) = decode(step, size) else {
            continue;
        };
        let answer = match store {
            Some(value) => device
                .write(access, value & access.width.mask())
                .map(|()| 0),
            None => device.read(access),
        };
        match answer {
            Ok(value) if value > access.width.mask() => {
                return Err(Violation::WideValue { access, value });
            }
            Err(error @ (IoError::Unmapped | IoError::Straddles)) => {
                return Err(Violation::BusError { access, error });
            }
            Ok(_) => summary.taken += 1,
            Err(_) => summary.refused += 1,
        }
        between(device, access);
    }
    Ok(summary)
}

/// One step: kind, offset, value. Half of the steps keep to aligned words, so that a script gets
/// past the first check of a register bank; the rest is anything that the bus lets through.
fn decode(step: &[u8], size: u64) -> Option<(Access, Option<u64>)> {
    let (&kind, rest) = step.split_first()?;
    let (offset, value) = rest.split_first_chunk::<4>()?;
    let value = u64::from_le_bytes(*value.first_chunk()?);
    let tame = kind & 0x80 != 0;
    let width = if tame {
        Width::Word
    } else {
        Width::from_sas(u64::from(kind))
    };
    let room = size.checked_sub(width.bytes())?;
    let offset = u64::from(u32::from_le_bytes(*offset)) % (room + 1);
    let offset = if tame { offset & !3 } else { offset };
    let access = Access {
        offset,
        width,
        vcpu: usize::from(kind >> 4 & 3),
    };
    // Small values reach states that random words do not.
    let value = if kind & 8 != 0 { value & 0xff } else { value };
    Some((access, (kind & 4 != 0).then_some(value)))
}

/// Every offset of the window with every width, read and written with `values` (exhaustive part
/// of H-03). Straddling accesses are left out, as on the bus.
///
/// # Errors
/// The first [`Violation`].
pub fn sweep<D: Device>(
    device: &mut D,
    size: u64,
    values: &[u64],
    mut between: impl FnMut(&mut D, Access),
) -> Result<(), Violation> {
    for width in Width::ALL {
        for offset in 0..=size.saturating_sub(width.bytes()) {
            let access = Access::new(offset, width);
            match device.read(access) {
                Ok(value) if value > width.mask() => {
                    return Err(Violation::WideValue { access, value });
                }
                _ => between(device, access),
            }
            for value in values {
                let _ = device.write(access, value & width.mask());
                between(device, access);
            }
        }
    }
    Ok(())
}
