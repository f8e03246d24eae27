// SPDX-License-Identifier: BSD-2-Clause
//! Values that a peer chose.

use core::fmt;

/// An owned copy of something a peer wrote: fetched, not yet checked.
///
/// It can be printed and checked but not used. The only ways to the value are a check and
/// [`Untrusted::unchecked`], whose name shows up in review.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Untrusted<T>(T);

impl<T> Untrusted<T> {
    /// Marks an owned copy as unchecked.
    #[must_use]
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// Consumes the value in a check that either proves it usable, possibly as another type, or
    /// says what is wrong with it.
    ///
    /// # Errors
    ///
    /// Whatever `check` answers.
    pub fn validate<U, E>(self, check: impl FnOnce(T) -> Result<U, E>) -> Result<U, E> {
        check(self.0)
    }

    /// The value without a check: right only where every value is harmless.
    #[must_use]
    pub fn unchecked(self) -> T {
        self.0
    }
}

impl<T: PartialOrd> Untrusted<T> {
    /// The value if it is below `limit`.
    #[must_use]
    pub fn below(self, limit: T) -> Option<T> {
        (self.0 < limit).then_some(self.0)
    }

    /// The value if it is `limit` or below.
    #[must_use]
    pub fn at_most(self, limit: T) -> Option<T> {
        (self.0 <= limit).then_some(self.0)
    }
}

impl<T: fmt::Debug> fmt::Debug for Untrusted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Untrusted").field(&self.0).finish()
    }
}
