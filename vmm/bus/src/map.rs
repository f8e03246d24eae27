// SPDX-License-Identifier: BSD-2-Clause
//! The windows of a bus: sorted, disjoint by construction, found by binary search.

use thiserror::Error;

use crate::policy::{Abort, Counters, Policy};
use crate::{Access, Device, IoError, Width};

/// A range of guest-physical addresses: `base..base + size`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// First address.
    pub base: u64,
    /// Length in bytes.
    pub size: u64,
}

impl Window {
    /// First address behind the window, or `None` if the window is empty or wraps.
    #[must_use]
    pub const fn end(self) -> Option<u64> {
        if self.size == 0 {
            None
        } else {
            self.base.checked_add(self.size)
        }
    }
}

/// Names a device on its [`Bus`], in the order of insertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(usize);

impl Slot {
    /// Position in the order of insertion.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }
}

/// Why a window did not get on the bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MapError {
    /// The window is empty or ends above 2^64.
    #[error("window {:#x}+{:#x} is empty or wraps", .0.base, .0.size)]
    BadWindow(Window),
    /// The window has addresses in common with another.
    #[error("window {:#x}+{:#x} overlaps {:#x}+{:#x}", .new.base, .new.size, .old.base, .old.size)]
    Overlap {
        /// The window that was refused.
        new: Window,
        /// The window that was there first.
        old: Window,
    },
    /// All slots are taken.
    #[error("the bus has no free slot")]
    Full,
}

/// Which device took an access, and what it answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Completion {
    /// The device in whose window the access fell; its outputs may have changed. `None`: no
    /// device saw the access.
    pub slot: Option<Slot>,
    /// What a load yields: the register's value, or zero where the access was ignored.
    pub value: u64,
    /// Why the access was ignored, if it was.
    pub ignored: Option<IoError>,
}

#[derive(Clone, Copy)]
struct Entry {
    base: u64,
    last: u64,
    slot: usize,
}

const UNUSED: Entry = Entry {
    base: 0,
    last: 0,
    slot: usize::MAX,
};

/// Up to `N` devices on disjoint windows.
pub struct Bus<D, const N: usize> {
    entries: [Entry; N],
    devices: [Option<D>; N],
    len: usize,
    policy: Policy,
    counters: Counters,
}

impl<D: Device, const N: usize> Bus<D, N> {
    /// A bus without devices.
    #[must_use]
    pub const fn new(policy: Policy) -> Self {
        Self {
            entries: [UNUSED; N],
            devices: [const { None }; N],
            len: 0,
            policy,
            counters: Counters {
                counts: [0; IoError::ALL.len()],
            },
        }
    }

    /// Puts `device` on `window`.
    ///
    /// # Errors
    /// See [`MapError`]; the bus is then unchanged and the device is dropped.
    pub fn insert(&mut self, window: Window, device: D) -> Result<Slot, MapError> {
        let end = window.end().ok_or(MapError::BadWindow(window))?;
        let entry = Entry {
            base: window.base,
            last: end - 1,
            slot: self.len,
        };
        let used = self.entries.get(..self.len).unwrap_or(&[]);
        if let Some(old) = used
            .iter()
            .find(|old| old.base <= entry.last && entry.base <= old.last)
        {
            let old = Window {
                base: old.base,
                size: old.last - old.base + 1,
            };
            return Err(MapError::Overlap { new: window, old });
        }
        let at = used.partition_point(|other| other.base < entry.base);
        let place = self.devices.get_mut(self.len).ok_or(MapError::Full)?;
        *place = Some(device);
        self.len += 1;
        if let Some(tail) = self.entries.get_mut(at..self.len) {
            // Everything behind it moves up by one; the last place was unused.
            let mut carried = entry;
            for place in tail {
                core::mem::swap(place, &mut carried);
            }
        }
        Ok(Slot(entry.slot))
    }

    /// The device of `slot`.
    pub fn device(&self, slot: Slot) -> Option<&D> {
        self.devices.get(slot.0).and_then(Option::as_ref)
    }

    /// The device of `slot`, to be told of an event.
    pub fn device_mut(&mut self, slot: Slot) -> Option<&mut D> {
        self.devices.get_mut(slot.0).and_then(Option::as_mut)
    }

    /// All devices with their slots, in the order of insertion.
    pub fn devices_mut(&mut self) -> impl Iterator<Item = (Slot, &mut D)> {
        let devices = self.devices.iter_mut().enumerate();
        devices.filter_map(|(at, device)| Some((Slot(at), device.as_mut()?)))
    }

    /// How often accesses were refused, by kind.
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// A load of `width` at guest-physical address `gpa` by vCPU `vcpu`.
    ///
    /// # Errors
    /// [`Abort`] where the policy answers a refusal so.
    pub fn read(&mut self, gpa: u64, width: Width, vcpu: usize) -> Result<Completion, Abort> {
        let (slot, answer) = match self.find(gpa, width) {
            Ok((slot, offset)) => {
                let access = Access {
                    offset,
                    width,
                    vcpu,
                };
                let answer = self.device_mut(slot).map(|device| device.read(access));
                (Some(slot), answer.unwrap_or(Err(IoError::Unmapped)))
            }
            Err(error) => (None, Err(error)),
        };
        self.complete(gpa, slot, answer.map(|value| value & width.mask()))
    }

    /// A store of the low `width` bits of `value` at `gpa` by vCPU `vcpu`.
    ///
    /// # Errors
    /// [`Abort`] where the policy answers a refusal so.
    pub fn write(
        &mut self,
        gpa: u64,
        width: Width,
        vcpu: usize,
        value: u64,
    ) -> Result<Completion, Abort> {
        let (slot, answer) = match self.find(gpa, width) {
            Ok((slot, offset)) => {
                let access = Access {
                    offset,
                    width,
                    vcpu,
                };
                let value = value & width.mask();
                let answer = self
                    .device_mut(slot)
                    .map(|device| device.write(access, value));
                (Some(slot), answer.unwrap_or(Err(IoError::Unmapped)))
            }
            Err(error) => (None, Err(error)),
        };
        self.complete(gpa, slot, answer.map(|()| 0))
    }

    /// Whether a store of `width` at `gpa` by vCPU `vcpu` does the same whatever the value.
    pub fn ignores_value(&self, gpa: u64, width: Width, vcpu: usize) -> bool {
        // What is refused for its address is refused with any value.
        self.find(gpa, width).map_or(true, |(slot, offset)| {
            let access = Access {
                offset,
                width,
                vcpu,
            };
            self.device(slot)
                .is_none_or(|device| device.ignores_value(access))
        })
    }

    /// The device at `gpa` and the offset in its window.
    fn find(&self, gpa: u64, width: Width) -> Result<(Slot, u64), IoError> {
        let used = self.entries.get(..self.len).unwrap_or(&[]);
        let behind = used.partition_point(|entry| entry.base <= gpa);
        let entry = behind
            .checked_sub(1)
            .and_then(|at| used.get(at))
            .ok_or(IoError::Unmapped)?;
        if gpa > entry.last {
            return Err(IoError::Unmapped);
        }
        if entry.last - gpa < width.bytes() - 1 {
            return Err(IoError::Straddles);
        }
        Ok((Slot(entry.slot), gpa - entry.base))
    }

    fn complete(
        &mut self,
        gpa: u64,
        slot: Option<Slot>,
        answer: Result<u64, IoError>,
    ) -> Result<Completion, Abort> {
        match answer {
            Ok(value) => Ok(Completion {
                slot,
                value,
                ignored: None,
            }),
            Err(error) => {
                self.counters.count(error);
                if self.policy.aborts(error) {
                    return Err(Abort { gpa, error });
                }
                Ok(Completion {
                    slot,
                    value: 0,
                    ignored: Some(error),
                })
            }
        }
    }
}
