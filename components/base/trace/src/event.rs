// SPDX-License-Identifier: BSD-2-Clause
//! Declaring the events of a PD.

/// Events of one PD. Made by [`events!`](crate::events).
pub trait Event: Copy {
    /// Name of each kind, in the order of [`Event::kind`]. ASCII without newline.
    const NAMES: &'static [&'static str];

    /// Index of the event's kind in [`Event::NAMES`].
    fn kind(&self) -> u32;

    /// Up to two operands, zero where there are fewer.
    fn operands(&self) -> [u64; 2];
}

/// Pads operands to two; more do not compile. Used by [`events!`](crate::events).
#[must_use]
pub const fn operands<const N: usize>(given: [u64; N]) -> [u64; 2] {
    const { assert!(N <= 2, "an event has at most two operands") };
    let mut all = [0; 2];
    let (start, _) = all.split_at_mut(N);
    start.copy_from_slice(&given);
    all
}

/// Declares an enum of events and implements [`Event`](crate::Event) for it. Each variant has at
/// most two named fields of types that convert into `u64`.
///
/// ```
/// trace::events! {
///     /// What the driver saw.
///     pub enum DriverEvent {
///         /// An interrupt without a cause.
///         SpuriousIrq,
///         /// The peer's index is impossible.
///         BadIndex {
///             /// Index found.
///             found: u32,
///         },
///     }
/// }
/// use trace::Event;
/// assert_eq!(DriverEvent::NAMES, ["SpuriousIrq", "BadIndex"]);
/// assert_eq!(DriverEvent::BadIndex { found: 7 }.operands(), [7, 0]);
/// ```
#[macro_export]
macro_rules! events {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {
            $(
                $(#[$variant_meta:meta])*
                $variant:ident $({
                    $($(#[$field_meta:meta])* $field:ident: $ty:ty),* $(,)?
                })?
            ),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        $vis enum $name {
            $(
                $(#[$variant_meta])*
                $variant $({ $($(#[$field_meta])* $field: $ty),* })?
            ),*
        }

        impl $crate::Event for $name {
            const NAMES: &'static [&'static str] = &[$(stringify!($variant)),*];

            fn kind(&self) -> u32 {
                enum Kind { $($variant),* }
                match self {
                    $(Self::$variant { .. } => Kind::$variant as u32),*
                }
            }

            fn operands(&self) -> [u64; 2] {
                match *self {
                    $(
                        Self::$variant $({ $($field),* })? =>
                            $crate::operands([$($(u64::from($field)),*)?])
                    ),*
                }
            }
        }
    };
}
