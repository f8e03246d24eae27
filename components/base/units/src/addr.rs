// SPDX-License-Identifier: BSD-2-Clause
//! The three kinds of address.

use core::fmt;

/// Highest address a PD may use, inclusive: `seL4_UserTop` of a 40-bit hypervisor build.
pub const USER_TOP: u64 = 0xff_ffff_ffff;

/// Declares one address newtype with checked arithmetic.
macro_rules! address {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name(u64);

        impl $name {
            /// The raw address.
            #[must_use]
            pub const fn get(self) -> u64 {
                self.0
            }

            /// `self + bytes`, or `None` where the sum leaves the address space.
            #[must_use]
            pub const fn checked_add(self, bytes: u64) -> Option<Self> {
                match self.0.checked_add(bytes) {
                    Some(raw) => Self::from_raw(raw),
                    None => None,
                }
            }

            /// `self - bytes`, or `None` below address zero.
            #[must_use]
            pub const fn checked_sub(self, bytes: u64) -> Option<Self> {
                match self.0.checked_sub(bytes) {
                    Some(raw) => Some(Self(raw)),
                    None => None,
                }
            }

            /// Bytes from `base` up to `self`, or `None` where `self` lies below `base`.
            #[must_use]
            pub const fn offset_from(self, base: Self) -> Option<u64> {
                self.0.checked_sub(base.0)
            }

            /// Whether the address is a multiple of `alignment`; zero is no alignment at all and
            /// answers `false`.
            #[must_use]
            pub const fn is_aligned(self, alignment: u64) -> bool {
                alignment != 0 && self.0.is_multiple_of(alignment)
            }

            /// The nearest multiple of `alignment` (a power of two) that is not above `self`;
            /// `None` where `alignment` is not a power of two.
            #[must_use]
            pub const fn align_down(self, alignment: u64) -> Option<Self> {
                if alignment.is_power_of_two() {
                    Some(Self(self.0 & !alignment.wrapping_sub(1)))
                } else {
                    None
                }
            }

            /// The nearest multiple of `alignment` (a power of two) that is not below `self`;
            /// `None` where it does not exist in this address space.
            #[must_use]
            pub const fn align_up(self, alignment: u64) -> Option<Self> {
                if !alignment.is_power_of_two() {
                    return None;
                }
                match self.checked_add(alignment.wrapping_sub(1)) {
                    Some(top) => top.align_down(alignment),
                    None => None,
                }
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({:#x})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }

        impl fmt::LowerHex for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::LowerHex::fmt(&self.0, f)
            }
        }

        impl From<$name> for u64 {
            fn from(address: $name) -> u64 {
                address.0
            }
        }
    };
}

address! {
    /// An address on the board's bus.
    PhysAddr
}

address! {
    /// A guest-physical address (IPA). Guests choose these freely, so every value is representable
    /// and none is trusted.
    Gpa
}

address! {
    /// A virtual address of a PD, at most [`USER_TOP`].
    PdVaddr
}

impl PhysAddr {
    /// Wraps a raw bus address.
    #[must_use]
    pub const fn new(raw: u64) -> Self {
        Self(raw)
    }

    const fn from_raw(raw: u64) -> Option<Self> {
        Some(Self(raw))
    }
}

impl Gpa {
    /// Wraps a raw guest-physical address.
    #[must_use]
    pub const fn new(raw: u64) -> Self {
        Self(raw)
    }

    const fn from_raw(raw: u64) -> Option<Self> {
        Some(Self(raw))
    }
}

impl PdVaddr {
    /// Wraps a raw virtual address; `None` above [`USER_TOP`].
    #[must_use]
    pub const fn new(raw: u64) -> Option<Self> {
        Self::from_raw(raw)
    }

    const fn from_raw(raw: u64) -> Option<Self> {
        if raw <= USER_TOP {
            Some(Self(raw))
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PAGE_SIZE;

    #[test]
    fn arithmetic_stops_at_the_end_of_the_space() {
        assert_eq!(Gpa::new(u64::MAX).checked_add(1), None);
        assert_eq!(Gpa::new(4).checked_sub(5), None);
        assert_eq!(Gpa::new(0x1000).checked_add(8), Some(Gpa::new(0x1008)));
        assert_eq!(Gpa::new(8).offset_from(Gpa::new(9)), None);
        assert_eq!(Gpa::new(9).offset_from(Gpa::new(8)), Some(1));
    }

    #[test]
    fn a_pd_address_never_exceeds_user_top() {
        assert!(PdVaddr::new(USER_TOP).is_some());
        assert_eq!(PdVaddr::new(USER_TOP + 1), None);
        let top = PdVaddr::new(USER_TOP).unwrap();
        assert_eq!(top.checked_add(1), None);
        assert_eq!(top.align_up(PAGE_SIZE), None);
        assert_eq!(
            top.align_down(PAGE_SIZE).map(PdVaddr::get),
            Some(0xff_ffff_f000)
        );
    }

    #[test]
    fn alignment_refuses_what_is_not_a_power_of_two() {
        let address = PhysAddr::new(0x1001);
        assert_eq!(address.align_up(PAGE_SIZE), Some(PhysAddr::new(0x2000)));
        assert_eq!(address.align_up(3), None);
        assert_eq!(address.align_down(0), None);
        assert!(!address.is_aligned(0));
        assert!(PhysAddr::new(0x2000).is_aligned(PAGE_SIZE));
        assert_eq!(PhysAddr::new(u64::MAX).align_up(2), None);
    }

    #[test]
    fn formats_name_the_space() {
        assert_eq!(format!("{:?}", Gpa::new(0x10)), "Gpa(0x10)");
        assert_eq!(
            format!("{} {:#x}", PhysAddr::new(0x10), PhysAddr::new(0x10)),
            "0x10 0x10"
        );
    }
}
