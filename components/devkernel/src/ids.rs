// SPDX-License-Identifier: BSD-2-Clause
//! Typed indices into the kernel's object tables, and the tables.
//!
//! All objects exist from boot on: their number comes from a checked image, so an id always names an object.

use core::num::NonZeroU16;
use core::ops::{Index, IndexMut};

/// An index of one kind of object; `Option` of it needs no extra space.
pub trait Id: Copy + Eq {
    /// Position in the table.
    fn index(self) -> usize;
    /// The id of a position, `None` for positions that no table reaches.
    fn new(index: usize) -> Option<Self>;
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(NonZeroU16);

        impl Id for $name {
            fn index(self) -> usize {
                usize::from(self.0.get()) - 1
            }

            fn new(index: usize) -> Option<Self> {
                u16::try_from(index.checked_add(1)?).ok().and_then(NonZeroU16::new).map(Self)
            }
        }
    )*};
}

ids! {
    /// A thread.
    TcbId,
    /// A scheduling context.
    ScId,
    /// An endpoint.
    EndpointId,
    /// A notification.
    NotificationId,
    /// A reply object.
    ReplyId,
    /// A virtual CPU.
    VcpuId,
    /// An IRQ handler (not the interrupt number).
    IrqId,
    /// An address space.
    VSpaceId,
    /// A capability space.
    CSpaceId,
}

/// Objects of one kind, indexed by their id.
#[derive(Debug)]
pub struct Table<'a, I, T> {
    objects: &'a mut [T],
    id: core::marker::PhantomData<I>,
}

impl<'a, I: Id, T> Table<'a, I, T> {
    /// A table over `objects`.
    pub fn new(objects: &'a mut [T]) -> Self {
        Self {
            objects,
            id: core::marker::PhantomData,
        }
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there are no objects.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// The id of the object at `index`, if there is one.
    pub fn id(&self, index: usize) -> Option<I> {
        I::new(index).filter(|_| index < self.objects.len())
    }

    /// All ids, ascending.
    pub fn ids(&self) -> impl Iterator<Item = I> + use<I, T> {
        (0..self.objects.len()).filter_map(I::new)
    }
}

impl<I: Id, T> Index<I> for Table<'_, I, T> {
    type Output = T;

    fn index(&self, id: I) -> &T {
        &self.objects[id.index()]
    }
}

impl<I: Id, T> IndexMut<I> for Table<'_, I, T> {
    fn index_mut(&mut self, id: I) -> &mut T {
        &mut self.objects[id.index()]
    }
}
