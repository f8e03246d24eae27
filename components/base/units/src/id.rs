// SPDX-License-Identifier: BSD-2-Clause
//! Ids that a system description hands out to one PD.

use core::fmt;

/// Highest id of a channel, IRQ, child or vCPU. Bits 62 and 63 of a badge mean fault and protected
/// procedure call, which leaves bits 0 to 61 (Microkit 2.3.0).
pub const MAX_ID: u8 = 61;

/// Declares one id newtype with the range 0 to [`MAX_ID`].
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(transparent)]
        pub struct $name(u8);

        impl $name {
            /// Checks a raw id; `None` above [`MAX_ID`].
            #[must_use]
            #[expect(clippy::cast_possible_truncation, reason = "compared with 61 just before")]
            pub const fn new(raw: u64) -> Option<Self> {
                if raw <= MAX_ID as u64 { Some(Self(raw as u8)) } else { None }
            }

            /// The raw id, at most [`MAX_ID`].
            #[must_use]
            pub const fn get(self) -> u8 {
                self.0
            }

            /// The raw id as an index into a table of `MAX_ID + 1` entries.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }

            /// The word with only this id's bit set, as in a notification badge.
            #[must_use]
            pub const fn bit(self) -> u64 {
                1 << self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl From<$name> for u64 {
            fn from(id: $name) -> u64 {
                u64::from(id.0)
            }
        }
    };
}

id! {
    /// A channel of this PD, as this PD numbers it (the other end may use another number).
    ChannelId
}

id! {
    /// An interrupt of this PD: the `id` of its `<irq>` element, not the number at the GIC.
    IrqId
}

id! {
    /// A child PD of this PD. Children and vCPUs share one number space.
    ChildId
}

id! {
    /// A vCPU that this PD controls. Children and vCPUs share one number space.
    VcpuId
}

impl ChannelId {
    /// The interrupt that would raise the same notification bit: channels and IRQs of a PD share
    /// one number space.
    #[must_use]
    pub const fn as_irq(self) -> IrqId {
        IrqId(self.0)
    }
}

impl IrqId {
    /// The channel that would raise the same notification bit.
    #[must_use]
    pub const fn as_channel(self) -> ChannelId {
        ChannelId(self.0)
    }
}

impl ChildId {
    /// The vCPU with the same number: a fault badge does not say which of the two faulted.
    #[must_use]
    pub const fn as_vcpu(self) -> VcpuId {
        VcpuId(self.0)
    }
}

impl VcpuId {
    /// The child with the same number, as a fault badge names it.
    #[must_use]
    pub const fn as_child(self) -> ChildId {
        ChildId(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_0_to_61() {
        assert_eq!(ChannelId::new(0).map(ChannelId::get), Some(0));
        assert_eq!(ChannelId::new(61).map(ChannelId::bit), Some(1 << 61));
        assert_eq!(ChannelId::new(62), None);
        assert_eq!(ChildId::new(u64::MAX), None);
        assert_eq!(IrqId::new(256), None, "no truncation before the check");
    }

    #[test]
    fn shared_number_spaces_convert() {
        let channel = ChannelId::new(7).unwrap();
        assert_eq!(channel.as_irq().as_channel(), channel);
        let child = ChildId::new(9).unwrap();
        assert_eq!(child.as_vcpu().as_child(), child);
        assert_eq!(format!("{child:?} {child}"), "ChildId(9) 9");
    }
}
