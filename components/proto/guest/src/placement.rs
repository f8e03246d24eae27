// SPDX-License-Identifier: BSD-2-Clause
//! Where image, device tree and initrd of a guest go.
//!
//! ```text
//! RAM base              device tree (x0 at entry; firmware looks for it here)
//! RAM base + 0x80000    raw image, or arm64 Image with an old text_offset
//! RAM base + 2 MiB      arm64 Image
//! next 2 MiB boundary   initrd
//! ```
//!
//! One device tree serves both kinds of guest: Linux takes its address from x0, firmware finds it
//! at the base of RAM. Nothing is ever placed in the same place twice; [`Placement::check`] proves
//! it again on the record that the VMM gets.

use thiserror::Error;
use units::{Gpa, LARGE_PAGE_SIZE};

use crate::Span;
use crate::image::{HEADER_SIZE, Image, ImageError};
use crate::machine::RAM_BASE;

/// Largest device tree that Linux accepts (booting.rst, "Setup the device tree").
pub const DTB_MAX: u64 = LARGE_PAGE_SIZE;

/// PSTATE at entry: EL1h with D, A, I and F masked (booting.rst, "Call the kernel image").
pub const ENTRY_SPSR: u64 = 0x3c5;

/// One of the things that are placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The kernel or firmware, with the memory that its header asks for.
    Image,
    /// The device tree.
    Dtb,
    /// The initial RAM disk.
    Initrd,
}

impl core::fmt::Display for Part {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Image => "image",
            Self::Dtb => "device tree",
            Self::Initrd => "initrd",
        })
    }
}

/// Why a guest's parts cannot be placed, or a placement cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PlacementError {
    /// The image is none that can be booted.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A part that must have bytes has none.
    #[error("the {0} is empty")]
    Empty(Part),
    /// The device tree is larger than Linux takes.
    #[error("the device tree has {0:#x} bytes, more than 2 MiB")]
    DtbTooLarge(u64),
    /// The part does not end within RAM.
    #[error("the {part} at {base} with {size:#x} bytes is not in RAM {ram}")]
    OutsideRam {
        /// Which part.
        part: Part,
        /// Its first address.
        base: Gpa,
        /// Its length.
        size: u64,
        /// The guest's RAM.
        ram: Span,
    },
    /// Two parts share an address.
    #[error("the {0} overlaps the {1}")]
    Overlap(Part, Part),
    /// The guest is not entered in its image.
    #[error("the entry point {0} is not a word of the image")]
    Entry(Gpa),
    /// The device tree is not at a multiple of 8, or crosses a 2 MiB boundary.
    #[error("the device tree at {0} is misaligned")]
    DtbAlignment(Gpa),
}

/// Sizes of what is to be placed.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// First bytes of the image: [`HEADER_SIZE`] or all of them.
    pub image_start: &'a [u8],
    /// Bytes of the image file.
    pub image: u64,
    /// Bytes of the device tree.
    pub dtb: u64,
    /// Bytes of the initrd, if the guest has one.
    pub initrd: Option<u64>,
}

/// Where everything of a guest is at its first instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The guest's RAM.
    pub ram: Span,
    /// The image, with the memory behind it that it takes for its own.
    pub image: Span,
    /// The device tree.
    pub dtb: Span,
    /// The initrd.
    pub initrd: Option<Span>,
    /// First instruction of vCPU 0.
    pub entry: Gpa,
}

/// Registers of vCPU 0 at its first instruction; all others are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Program counter.
    pub pc: u64,
    /// PSTATE.
    pub spsr: u64,
    /// Address of the device tree.
    pub x0: u64,
}

impl Placement {
    /// Places the parts in RAM that starts at [`RAM_BASE`] and has `ram_size` bytes. The device
    /// tree's size must be known: generate it once with a made-up initrd address, as addresses do
    /// not change its size.
    ///
    /// # Errors
    /// See [`PlacementError`].
    pub fn plan(ram_size: u64, parts: Parts<'_>) -> Result<Self, PlacementError> {
        let kind = Image::identify(parts.image_start, parts.image)?;
        let ram = Span::new(RAM_BASE, ram_size).ok_or(PlacementError::Empty(Part::Image))?;
        let place = |part, base: Gpa, size| {
            if size == 0 {
                return Err(PlacementError::Empty(part));
            }
            Span::new(base, size)
                .filter(|span| ram.covers(*span))
                .ok_or(PlacementError::OutsideRam {
                    part,
                    base,
                    size,
                    ram,
                })
        };
        let entry = kind.load_address();
        let image = place(Part::Image, entry, kind.memory_size(parts.image))?;
        let dtb = place(Part::Dtb, RAM_BASE, parts.dtb)?;
        let initrd = match parts.initrd {
            Some(size) => {
                // In RAM, so far from the end of the address space.
                let behind = image.end().align_up(LARGE_PAGE_SIZE).unwrap_or(image.end());
                Some(place(Part::Initrd, behind, size)?)
            }
            None => None,
        };
        let placement = Self {
            ram,
            image,
            dtb,
            initrd,
            entry,
        };
        placement.check()?;
        Ok(placement)
    }

    /// Whether every part is in RAM and disjoint from the others (hostile-guest.md H-44).
    ///
    /// # Errors
    /// See [`PlacementError`].
    pub fn check(&self) -> Result<(), PlacementError> {
        let parts = [
            (Part::Dtb, Some(self.dtb)),
            (Part::Image, Some(self.image)),
            (Part::Initrd, self.initrd),
        ];
        let mut placed = parts
            .iter()
            .filter_map(|(part, span)| Some((*part, (*span)?)));
        while let Some((part, span)) = placed.next() {
            if !self.ram.covers(span) {
                let (base, size, ram) = (span.base(), span.size(), self.ram);
                return Err(PlacementError::OutsideRam {
                    part,
                    base,
                    size,
                    ram,
                });
            }
            if let Some((other, _)) = placed.clone().find(|(_, other)| span.overlaps(*other)) {
                return Err(PlacementError::Overlap(part, other));
            }
        }
        if self.dtb.size() > DTB_MAX {
            return Err(PlacementError::DtbTooLarge(self.dtb.size()));
        }
        let last = self.dtb.base().get().wrapping_add(self.dtb.size() - 1);
        if !self.dtb.base().is_aligned(8)
            || last / LARGE_PAGE_SIZE != self.dtb.base().get() / LARGE_PAGE_SIZE
        {
            return Err(PlacementError::DtbAlignment(self.dtb.base()));
        }
        let first_word = Span::new(self.entry, 4).filter(|_| self.entry.is_aligned(4));
        if !first_word.is_some_and(|word| self.image.covers(word)) {
            return Err(PlacementError::Entry(self.entry));
        }
        Ok(())
    }

    /// Registers of vCPU 0 at its first instruction (booting.rst, "Call the kernel image").
    #[must_use]
    pub const fn entry_state(&self) -> Entry {
        Entry {
            pc: self.entry.get(),
            spsr: ENTRY_SPSR,
            x0: self.dtb.base().get(),
        }
    }
}

/// How many bytes of an image [`Parts::image_start`] wants.
pub const IMAGE_START: usize = HEADER_SIZE;

#[cfg(test)]
mod tests;
