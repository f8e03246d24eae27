// SPDX-License-Identifier: BSD-2-Clause
//! Roles: the names under which a PD finds what it was given.

use core::fmt;

/// Bytes of a role in a record, NUL padding included.
pub const ROLE_SIZE: usize = 32;

/// A role: 1 to [`ROLE_SIZE`] printable ASCII characters without space.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Role([u8; ROLE_SIZE]);

/// Why a text is no role.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RoleError {
    /// It has no characters.
    Empty,
    /// It has more than [`ROLE_SIZE`] characters.
    TooLong,
    /// It has a character that is not printable ASCII, or a space.
    BadCharacter,
}

impl fmt::Display for RoleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "a role needs at least one character",
            Self::TooLong => "a role has at most 32 characters",
            Self::BadCharacter => "a role consists of printable ASCII characters without space",
        })
    }
}

impl core::error::Error for RoleError {}

impl Role {
    /// Checks a text.
    ///
    /// # Errors
    ///
    /// [`RoleError`] where it is empty, too long or has characters that a role must not have.
    pub fn new(text: &str) -> Result<Self, RoleError> {
        let bytes = text.as_bytes();
        if bytes.is_empty() {
            return Err(RoleError::Empty);
        }
        if !bytes.iter().all(u8::is_ascii_graphic) {
            return Err(RoleError::BadCharacter);
        }
        let mut padded = [0; ROLE_SIZE];
        let Some(start) = padded.get_mut(..bytes.len()) else {
            return Err(RoleError::TooLong);
        };
        start.copy_from_slice(bytes);
        Ok(Self(padded))
    }

    /// Takes a role out of a record; `None` unless it is a role followed by NUL only.
    pub(crate) fn from_padded(padded: [u8; ROLE_SIZE]) -> Option<Self> {
        let len = padded.iter().position(|b| *b == 0).unwrap_or(ROLE_SIZE);
        let (text, padding) = padded.split_at_checked(len)?;
        let valid = !text.is_empty()
            && text.iter().all(u8::is_ascii_graphic)
            && padding.iter().all(|b| *b == 0);
        valid.then_some(Self(padded))
    }

    pub(crate) const fn padded(self) -> [u8; ROLE_SIZE] {
        self.0
    }

    /// The role as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let len = self.0.iter().position(|b| *b == 0).unwrap_or(ROLE_SIZE);
        let text = self.0.get(..len).unwrap_or_default();
        core::str::from_utf8(text).unwrap_or_default()
    }

    /// A role for an error message about `text`, which need not be a valid role: characters that a
    /// role must not have become `?`, the rest beyond 32 characters is cut.
    #[must_use]
    pub fn lossy(text: &str) -> Self {
        let mut padded = [0; ROLE_SIZE];
        for (to, from) in padded.iter_mut().zip(text.bytes()) {
            *to = if from.is_ascii_graphic() { from } else { b'?' };
        }
        Self(padded)
    }
}

impl fmt::Debug for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
