// SPDX-License-Identifier: BSD-2-Clause
//! Image kinds, and the header of an arm64 `Image` (Linux,
//! `Documentation/arch/arm64/booting.rst`, "Call the kernel image").

use thiserror::Error;
use units::{Gpa, LARGE_PAGE_SIZE};

use crate::machine;

/// Length of the header at the start of an arm64 `Image`.
pub const HEADER_SIZE: usize = 64;
/// Offset in RAM at which an image without a header runs (QEMU's rule).
pub const RAW_OFFSET: u64 = 0x8_0000;
/// Offsets below this leave no room for the boot loader's own data at the base of RAM (QEMU's
/// rule): such images go one large page up.
const LOW_TEXT_OFFSET: u64 = 0x1000;

/// What a guest boots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Image {
    /// Code without a header, entered at its first byte: firmware, an RTOS.
    Raw,
    /// An arm64 `Image`.
    Arm64(Header),
}

/// The fields of an arm64 `Image` header that matter to a loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Offset from a 2 MiB boundary at which the image must be.
    pub text_offset: u64,
    /// Size in memory including BSS, at least the size of the file.
    pub image_size: u64,
}

/// Why an image cannot be booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ImageError {
    /// The file has no bytes.
    #[error("the image is empty")]
    Empty,
    /// A kernel older than 3.17, which does not tell how much memory it needs.
    #[error("the arm64 Image header has no image_size (kernel older than 3.17)")]
    NoImageSize,
    /// image_size is less than the file has bytes.
    #[error("the arm64 Image header says {image_size:#x} bytes, the file has {file_size:#x}")]
    SizeMismatch {
        /// From the header.
        image_size: u64,
        /// Of the file.
        file_size: u64,
    },
    /// text_offset is not below 2 MiB.
    #[error("text_offset {0:#x} of the arm64 Image header is not below 2 MiB")]
    TextOffset(u64),
    /// A big-endian kernel: the emulated devices serve little-endian guests.
    #[error("the arm64 Image is big-endian")]
    BigEndian,
    /// gzip, as arm64 kernels are often packed: only firmware unpacks it.
    #[error("the image is gzip-compressed; unpack it first")]
    Gzip,
}

impl Image {
    /// Tells the kind of the image with these first bytes (all of them, if it has fewer than
    /// [`HEADER_SIZE`]) and this size, and checks its header.
    ///
    /// # Errors
    /// See [`ImageError`].
    pub fn identify(start: &[u8], file_size: u64) -> Result<Self, ImageError> {
        if file_size == 0 {
            return Err(ImageError::Empty);
        }
        if start.starts_with(&[0x1f, 0x8b, 8]) {
            return Err(ImageError::Gzip);
        }
        match start.first_chunk::<HEADER_SIZE>() {
            Some(header) if field(header, 56) & 0xffff_ffff == u64::from(MAGIC) => {
                Header::parse(header, file_size).map(Self::Arm64)
            }
            _ => Ok(Self::Raw),
        }
    }

    /// Address at which the image goes, which is also where it is entered.
    #[must_use]
    pub const fn load_address(self) -> Gpa {
        let offset = match self {
            Self::Raw => RAW_OFFSET,
            Self::Arm64(Header { text_offset, .. }) if text_offset < LOW_TEXT_OFFSET => {
                LARGE_PAGE_SIZE + text_offset
            }
            Self::Arm64(Header { text_offset, .. }) => text_offset,
        };
        // Offsets are below 4 MiB: no wrap.
        Gpa::new(machine::RAM_BASE.get().wrapping_add(offset))
    }

    /// Memory that a file of `file_size` bytes of this kind occupies.
    #[must_use]
    pub const fn memory_size(self, file_size: u64) -> u64 {
        match self {
            Self::Raw => file_size,
            Self::Arm64(header) => header.image_size,
        }
    }
}

/// "ARM\x64" at offset 56.
const MAGIC: u32 = u32::from_le_bytes(*b"ARM\x64");

/// The 64-bit field at `at`; the header has room for it.
fn field(header: &[u8; HEADER_SIZE], at: usize) -> u64 {
    let bytes = header.get(at..).and_then(|rest| rest.first_chunk());
    bytes.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

impl Header {
    fn parse(header: &[u8; HEADER_SIZE], file_size: u64) -> Result<Self, ImageError> {
        let (text_offset, image_size, flags) =
            (field(header, 8), field(header, 16), field(header, 24));
        if image_size == 0 {
            return Err(ImageError::NoImageSize);
        }
        if flags & 1 != 0 {
            return Err(ImageError::BigEndian);
        }
        if text_offset >= LARGE_PAGE_SIZE {
            return Err(ImageError::TextOffset(text_offset));
        }
        if image_size < file_size {
            return Err(ImageError::SizeMismatch {
                image_size,
                file_size,
            });
        }
        Ok(Self {
            text_offset,
            image_size,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(text_offset: u64, image_size: u64, flags: u64) -> [u8; 64] {
        let mut header = [0; 64];
        header[8..16].copy_from_slice(&text_offset.to_le_bytes());
        header[16..24].copy_from_slice(&image_size.to_le_bytes());
        header[24..32].copy_from_slice(&flags.to_le_bytes());
        header[56..60].copy_from_slice(b"ARM\x64");
        header
    }

    #[test]
    fn modern_kernels_go_to_ram_plus_2_mib() {
        let image = Image::identify(&header(0, 0x200_0000, 0xa), 0x1f0_0000).unwrap();
        assert_eq!(image.load_address(), Gpa::new(0x4020_0000));
        assert_eq!(image.memory_size(0x1f0_0000), 0x200_0000);
    }

    #[test]
    fn kernels_with_a_text_offset_go_there() {
        let image = Image::identify(&header(0x8_0000, 0x100_0000, 2), 0x80_0000).unwrap();
        assert_eq!(image.load_address(), Gpa::new(0x4008_0000));
    }

    #[test]
    fn images_without_a_header_go_to_ram_plus_0x80000() {
        for bytes in [&[0x14][..], &[0; 64], b"ARM\x64"] {
            let image = Image::identify(bytes, 5).unwrap();
            assert_eq!(image, Image::Raw);
            assert_eq!(image.load_address(), Gpa::new(0x4008_0000));
            assert_eq!(image.memory_size(5), 5);
        }
    }

    #[test]
    fn h44_malformed_images_are_refused() {
        let refused = |bytes: &[u8], size| Image::identify(bytes, size).unwrap_err();
        assert_eq!(refused(&[], 0), ImageError::Empty);
        assert_eq!(refused(&header(0, 0, 0), 64), ImageError::NoImageSize);
        assert_eq!(refused(&header(0, 64, 1), 64), ImageError::BigEndian);
        assert_eq!(
            refused(&header(0x20_0000, 64, 0), 64),
            ImageError::TextOffset(0x20_0000)
        );
        assert!(matches!(
            refused(&header(0, 64, 0), 65),
            ImageError::SizeMismatch { .. }
        ));
        assert_eq!(refused(&[0x1f, 0x8b, 8, 0], 4), ImageError::Gzip);
    }

    proptest! {
        #[test]
        fn arbitrary_headers(start in proptest::collection::vec(any::<u8>(), 0..80), size: u64) {
            if let Ok(image) = Image::identify(&start, size) {
                prop_assert!(image.memory_size(size) >= size);
            }
        }

        #[test]
        fn arbitrary_fields(text_offset: u64, image_size: u64, flags: u64, size: u64) {
            if let Ok(image) = Image::identify(&header(text_offset, image_size, flags), size) {
                prop_assert_eq!(image.load_address().get() % 0x20_0000, text_offset);
                prop_assert!(image.memory_size(size) >= size);
            }
        }
    }
}
