// SPDX-License-Identifier: BSD-2-Clause
//! From pristine parts to a guest that can be started.

use guest::Span;
use guest::image::Image;
use guest::placement::{Entry, IMAGE_START, Part, Placement, PlacementError};
use guest_mem::{GuestMem, OutOfRange};
use shm::{OutOfBounds, Region, Ro};
use thiserror::Error;

use crate::{Digest, Hasher};

/// The pristine copy of one part.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// Holds the part from its first byte on; may be longer (padding to pages).
    pub region: Region<Ro>,
    /// Bytes of the part.
    pub len: usize,
    /// Its SHA-256 at build time.
    pub digest: Digest,
}

/// A guest, ready to boot any number of times.
#[derive(Clone, Copy, Debug)]
pub struct Guest {
    /// Where things go.
    pub placement: Placement,
    /// Kernel or firmware.
    pub image: Source,
    /// Device tree.
    pub dtb: Source,
    /// Initial RAM disk: present exactly if the placement has one.
    pub initrd: Option<Source>,
}

/// Why a guest is not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The parts are not where they can be, or the image's header does not fit its placement.
    #[error(transparent)]
    Placement(#[from] PlacementError),
    /// A part is not what the build put there.
    #[error("the {part} has SHA-256 {actual}, the build recorded {expected}")]
    Digest {
        /// Which part.
        part: Part,
        /// From the record.
        expected: Digest,
        /// Of the memory.
        actual: Digest,
    },
    /// The part's region is shorter than the part.
    #[error("the {0} is longer than the region that holds it")]
    Truncated(Part),
    /// The part has another size than the placement gives it.
    #[error("the {part} has {len:#x} bytes, but {span} is set aside for it")]
    Size {
        /// Which part.
        part: Part,
        /// Bytes of the part.
        len: usize,
        /// Its place.
        span: Span,
    },
    /// The place is not memory of the guest that the VMM maps.
    #[error("the place of the {0} is not in the guest's memory")]
    NotMapped(Part),
    /// The guest has an initrd and no place for it, or the reverse.
    #[error("initrd and its place do not go together")]
    Initrd,
}

impl Guest {
    /// Checks everything, with digests by `hasher`, copies the parts into `mem`, and tells the
    /// registers of vCPU 0. What is not a part is left as it is.
    ///
    /// # Errors
    /// See [`Refusal`]; guest memory is then unchanged.
    pub fn boot(&self, mem: &GuestMem, hasher: &mut impl Hasher) -> Result<Entry, Refusal> {
        self.verify(hasher)?;
        let parts = self.parts();
        for (part, _, span) in parts.iter().flatten() {
            if !mem.contains(span.base(), span.size()) {
                return Err(Refusal::NotMapped(*part));
            }
        }
        for (part, source, span) in parts.into_iter().flatten() {
            source
                .copy_to(mem, span)
                .map_err(|error| error.refusal(part))?;
        }
        Ok(self.placement.entry_state())
    }

    /// Checks placement, header and digests without touching guest memory.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub fn verify(&self, hasher: &mut impl Hasher) -> Result<(), Refusal> {
        self.placement.check()?;
        if self.initrd.is_some() != self.placement.initrd.is_some() {
            return Err(Refusal::Initrd);
        }
        for (part, source, span) in self.parts().into_iter().flatten() {
            let fits = match part {
                Part::Image => source.len as u64 <= span.size(),
                Part::Dtb | Part::Initrd => source.len as u64 == span.size(),
            };
            if !fits {
                return Err(Refusal::Size {
                    part,
                    len: source.len,
                    span,
                });
            }
            source.verify(part, hasher)?;
        }
        self.verify_header()
    }

    /// Whether the image's own header agrees with the placement.
    fn verify_header(&self) -> Result<(), Refusal> {
        let mut start = [0; IMAGE_START];
        let start = start
            .get_mut(..IMAGE_START.min(self.image.len))
            .unwrap_or_default();
        let fetched = self.image.region.copy_in(0, start);
        fetched.map_err(|_| Refusal::Truncated(Part::Image))?;
        let len = self.image.len as u64;
        let kind = Image::identify(start, len).map_err(PlacementError::from)?;
        let span = self.placement.image;
        if kind.load_address() != span.base() || self.placement.entry != span.base() {
            return Err(PlacementError::Entry(self.placement.entry).into());
        }
        if kind.memory_size(len) != span.size() {
            return Err(Refusal::Size {
                part: Part::Image,
                len: self.image.len,
                span,
            });
        }
        Ok(())
    }

    fn parts(&self) -> [Option<(Part, Source, Span)>; 3] {
        let initrd = self.initrd.zip(self.placement.initrd);
        [
            Some((Part::Image, self.image, self.placement.image)),
            Some((Part::Dtb, self.dtb, self.placement.dtb)),
            initrd.map(|(source, span)| (Part::Initrd, source, span)),
        ]
    }
}

impl Source {
    fn verify(&self, part: Part, hasher: &mut impl Hasher) -> Result<(), Refusal> {
        let actual = hasher.sha256(&self.region, self.len);
        let actual = actual.map_err(|_| Refusal::Truncated(part))?;
        if actual != self.digest {
            return Err(Refusal::Digest {
                part,
                expected: self.digest,
                actual,
            });
        }
        Ok(())
    }

    fn copy_to(&self, mem: &GuestMem, span: Span) -> Result<(), CopyError> {
        let place = mem.slice(span.base(), span.size())?;
        Ok(self.region.copy_to(0, &place, 0, self.len)?)
    }
}

/// Which end of a copy was too short.
enum CopyError {
    Source,
    Place,
}

impl CopyError {
    fn refusal(self, part: Part) -> Refusal {
        match self {
            Self::Source => Refusal::Truncated(part),
            Self::Place => Refusal::NotMapped(part),
        }
    }
}

impl From<OutOfBounds> for CopyError {
    fn from(_: OutOfBounds) -> Self {
        Self::Source
    }
}

impl From<OutOfRange> for CopyError {
    fn from(_: OutOfRange) -> Self {
        Self::Place
    }
}
