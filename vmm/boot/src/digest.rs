// SPDX-License-Identifier: BSD-2-Clause
//! SHA-256 of memory that others could write.

use core::fmt;

use sha2::{Digest as _, Sha256};
use shm::{Access, OutOfBounds, Region, Ro};
use thiserror::Error;

/// Bytes that are fetched at a time; on the stack of a PD.
const CHUNK: usize = 512;

/// A SHA-256 digest (FIPS 180-4).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 32]);

/// Who computes digests.
pub trait Hasher {
    /// The SHA-256 of the first `len` bytes of `region`, each fetched once.
    ///
    /// # Errors
    /// [`OutOfBounds`] if the region is shorter.
    fn sha256(&mut self, region: &Region<Ro>, len: usize) -> Result<Digest, OutOfBounds>;
}

/// Computes them here.
#[derive(Clone, Copy, Debug, Default)]
pub struct Software;

impl Hasher for Software {
    fn sha256(&mut self, region: &Region<Ro>, len: usize) -> Result<Digest, OutOfBounds> {
        Digest::of(region, len)
    }
}

/// A text that is no digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a SHA-256 digest is 64 hexadecimal digits")]
pub struct DigestError;

impl Digest {
    /// From its bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From 64 hexadecimal digits of either case, as `sha256sum` prints them.
    ///
    /// # Errors
    /// [`DigestError`] for any other text.
    pub fn from_hex(text: &str) -> Result<Self, DigestError> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != 32 || !rest.is_empty() {
            return Err(DigestError);
        }
        let mut bytes = [0; 32];
        for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Ok(Self(bytes))
    }

    /// Of the first `len` bytes of a region, each fetched once.
    ///
    /// # Errors
    /// [`OutOfBounds`] if the region is shorter.
    pub fn of<A: Access>(region: &Region<A>, len: usize) -> Result<Self, OutOfBounds> {
        let region = region.sub(0, len)?;
        let mut hash = Sha256::new();
        let mut buffer = [0; CHUNK];
        let mut offset = 0;
        while offset < len {
            let count = CHUNK.min(len - offset);
            let chunk = buffer.get_mut(..count).unwrap_or_default();
            region.copy_in(offset, chunk)?;
            hash.update(&*chunk);
            offset += count;
        }
        Ok(Self(hash.finalize().into()))
    }
}

/// The value of a hexadecimal digit.
fn nibble(digit: u8) -> Result<u8, DigestError> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        b'A'..=b'F' => Ok(digit - b'A' + 10),
        _ => Err(DigestError),
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
