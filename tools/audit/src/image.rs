// SPDX-License-Identifier: BSD-2-Clause
//! An image for seL4 read back: loader, kernel, initialiser, and the distribution that it obeys
//! (sel4-abi.md 10.1).

pub(crate) mod archive;
mod compare;
pub(crate) mod convert;
mod traps;

pub(crate) use compare::SETVAR;
pub use compare::{Programs, compare_contents, compare_specs};
pub use convert::{Embedded, Part};
pub use traps::{Traps, traps};

use crate::elf::{Elf, Segment};
use crate::platform::Area;

/// Why an image cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// There is no loader's header in it.
    #[error("there is no loader's header in the image")]
    Header,
    /// A region is not in the file.
    #[error("region {0} leads out of the image")]
    Region(usize),
    /// There is no table of the initialiser's segments.
    #[error("the initialiser has no program headers that name a distribution")]
    Phdrs,
    /// The distribution is damaged.
    #[error("the initialiser's distribution cannot be read: {0}")]
    Archive(String),
    /// The distribution has objects of other architectures.
    #[error("the initialiser's distribution has a {0}")]
    Foreign(String),
    /// A page's contents are not in the image.
    #[error("the contents of page {0} are not in the image")]
    Page(u64),
    /// A page's contents are damaged.
    #[error("contents that cannot be unpacked")]
    Contents,
}

/// `magic` of the loader's header.
const MAGIC: u64 = 0x5e14_dead_14de_5ead;
const HEADER: usize = 64;
const REGION: usize = 32;
const PHDR: usize = 56;
/// Program header: the distribution.
const PT_SPEC: u64 = 0x64c3_4003;
/// Program header: pages that are kept whole.
const PT_FRAMES: u64 = 0x64c3_4004;

/// An image, in its parts.
#[derive(Debug, Clone)]
pub struct LoaderImage<'a> {
    /// The loader's program, up to its header.
    pub loader: &'a [u8],
    /// Bytes from the header on, as the header says.
    pub size: u64,
    /// Where the kernel is entered.
    pub kernel_entry: u64,
    /// Physical addresses of the initialiser.
    pub initialiser: std::ops::Range<u64>,
    /// Physical less virtual address of the initialiser.
    pub offset: u64,
    /// Where the initialiser is entered.
    pub initialiser_entry: u64,
    /// What the loader puts into memory, in order.
    pub regions: Vec<Region<'a>>,
    /// What follows the last region.
    pub rest: &'a [u8],
    /// Offset of `rest` in the file.
    pub rest_at: usize,
}

/// What the loader puts into memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region<'a> {
    /// Physical address.
    pub paddr: u64,
    /// The bytes.
    pub bytes: &'a [u8],
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

impl<'a> LoaderImage<'a> {
    /// Takes an image apart.
    ///
    /// # Errors
    /// When it has no header, or one that leads out of it.
    pub fn parse(image: &'a [u8]) -> Result<Self, ImageError> {
        let at = header(image).ok_or(ImageError::Header)?;
        let field = |number: usize| word(image, at + 8 * number).ok_or(ImageError::Header);
        let count = usize::try_from(field(7)?).map_err(|_| ImageError::Header)?;
        let table = count
            .checked_mul(REGION)
            .and_then(|size| size.checked_add(at + HEADER));
        let data = table
            .filter(|data| *data <= image.len())
            .ok_or(ImageError::Header)?;
        let (mut regions, mut end) = (Vec::new(), data);
        for number in 0..count {
            let record = at + HEADER + number * REGION;
            let get = |field: usize| word(image, record + 8 * field);
            let place = |field| get(field).and_then(|value| usize::try_from(value).ok());
            let bytes = place(2).zip(place(1)).and_then(|(offset, size)| {
                let start = data.checked_add(offset)?;
                image.get(start..start.checked_add(size)?)
            });
            let bytes = bytes.ok_or(ImageError::Region(number))?;
            let paddr = get(0).ok_or(ImageError::Region(number))?;
            end = end.max(data + place(2).unwrap_or(0) + bytes.len());
            regions.push(Region { paddr, bytes });
        }
        Ok(Self {
            loader: &image[..at],
            size: field(1)?,
            kernel_entry: field(2)?,
            initialiser: field(3)?..field(4)?,
            offset: field(5)?,
            initialiser_entry: field(6)?,
            regions,
            rest: &image[end..],
            rest_at: end,
        })
    }

    /// The regions of the initialiser; all others are the kernel's.
    pub fn initialiser_regions(&self) -> impl Iterator<Item = &Region<'a>> {
        self.regions
            .iter()
            .filter(|region| self.initialiser.contains(&region.paddr))
    }

    /// The regions of the kernel.
    pub fn kernel_regions(&self) -> impl Iterator<Item = &Region<'a>> {
        self.regions
            .iter()
            .filter(|region| !self.initialiser.contains(&region.paddr))
    }

    /// `len` bytes at a virtual address of the initialiser.
    #[must_use]
    pub fn at(&self, vaddr: u64, len: u64) -> Option<&'a [u8]> {
        let paddr = vaddr.wrapping_add(self.offset);
        self.initialiser_regions().find_map(|region| {
            let start = usize::try_from(paddr.checked_sub(region.paddr)?).ok()?;
            region
                .bytes
                .get(start..start.checked_add(usize::try_from(len).ok()?)?)
        })
    }

    /// The table of the initialiser's segments: its virtual address and entries of type, address, size.
    fn phdrs(&self) -> Option<(u64, Vec<[u64; 3]>)> {
        let tables = self
            .initialiser_regions()
            .filter(|region| region.bytes.len() % PHDR == 0);
        let mut read = tables.filter_map(|region| {
            let entries = region.bytes.chunks_exact(PHDR).map(|entry| {
                Some([
                    u64::from(half(entry, 0)?),
                    word(entry, 16)?,
                    word(entry, 32)?,
                ])
            });
            Some((
                region.paddr.wrapping_sub(self.offset),
                entries.collect::<Option<Vec<_>>>()?,
            ))
        });
        read.find(|(_, entries)| entries.iter().any(|[kind, ..]| *kind == PT_SPEC))
    }

    fn segment(&self, kind: u64) -> Option<&'a [u8]> {
        let (_, entries) = self.phdrs()?;
        let [_, vaddr, size] = entries.into_iter().find(|[found, ..]| *found == kind)?;
        self.at(vaddr, size)
    }

    /// The distribution that the initialiser obeys.
    ///
    /// # Errors
    /// When it is not there or damaged.
    pub fn distribution(&self) -> Result<Embedded, ImageError> {
        let spec = self.segment(PT_SPEC).ok_or(ImageError::Phdrs)?;
        let frames = self.segment(PT_FRAMES).ok_or(ImageError::Phdrs)?;
        convert::convert(archive::Spec::read(spec)?, frames)
    }

    /// Physical addresses that the kernel takes, and that others may use once the system runs no more.
    #[must_use]
    pub fn occupied(&self) -> Vec<Area> {
        let regions = self.kernel_regions().map(|region| Area {
            name: "the kernel's image".to_owned(),
            base: region.paddr,
            size: region.bytes.len() as u64,
        });
        let size = self.initialiser.end.saturating_sub(self.initialiser.start);
        let initialiser = Area {
            name: "the initialiser".to_owned(),
            base: self.initialiser.start,
            size,
        };
        regions.chain([initialiser]).collect()
    }

    /// Differences between the kernel in the image and `kernel`.
    #[must_use]
    pub fn compare_kernel(&self, kernel: &Elf) -> Vec<String> {
        let mut lines = Vec::new();
        if self.kernel_entry != kernel.entry {
            lines.push(format!(
                "entered at {:#x}, not {:#x}",
                self.kernel_entry, kernel.entry
            ));
        }
        let regions: Vec<&Region<'_>> = self.kernel_regions().collect();
        if regions.len() != kernel.segments.len() {
            lines.push(format!(
                "{} regions, {} segments",
                regions.len(),
                kernel.segments.len()
            ));
        }
        for (region, segment) in regions.iter().zip(&kernel.segments) {
            lines.extend(compare_segment(region, segment.paddr, segment, &[]));
        }
        lines
    }

    /// What the initialiser's variables about its table of segments must hold.
    fn table_place(&self) -> [(&'static str, Option<u64>); 2] {
        let table = self.phdrs();
        let at = table.as_ref().map(|(vaddr, _)| *vaddr);
        let count = table.map(|(_, entries)| entries.len() as u64);
        [
            ("sel4_phdrs_patched__vaddr", at),
            ("sel4_phdrs_patched__phnum", count),
        ]
    }

    /// Differences between the initialiser in the image and `initialiser`, but what the tool sets: the
    /// place of the table of segments.
    #[must_use]
    pub fn compare_initialiser(&self, initialiser: &Elf) -> Vec<String> {
        let mut lines = Vec::new();
        if self.initialiser_entry != initialiser.entry {
            let (is, should) = (self.initialiser_entry, initialiser.entry);
            lines.push(format!("entered at {is:#x}, not {should:#x}"));
        }
        let mut set = Vec::new();
        for (name, expected) in self.table_place() {
            let Some(symbol) = initialiser.symbol(name) else {
                lines.push(format!("the SDK's initialiser has no {name}"));
                continue;
            };
            set.push(symbol.vaddr..symbol.vaddr + symbol.size);
            let value = self.at(symbol.vaddr, symbol.size).map(|bytes| {
                bytes
                    .iter()
                    .rev()
                    .fold(0, |value, byte| value << 8 | u64::from(*byte))
            });
            if value != expected || expected.is_none() {
                lines.push(format!("{name} is {value:x?}, should be {expected:x?}"));
            }
        }
        let regions: Vec<&Region<'_>> = self.initialiser_regions().collect();
        for (number, segment) in initialiser.segments.iter().enumerate() {
            match regions.get(number) {
                Some(region) => {
                    let paddr = segment.vaddr.wrapping_add(self.offset);
                    lines.extend(compare_segment(region, paddr, segment, &set));
                }
                None => lines.push(format!("segment {number} is missing")),
            }
        }
        lines
    }

    /// Differences between the loader in the image and `loader`, but its page tables and the branch to
    /// our instructions.
    #[must_use]
    pub fn compare_loader(&self, loader: &Elf, branch: bool) -> Vec<String> {
        let Some(segment) = loader.segments.first() else {
            return vec!["the SDK's loader has no segment".to_owned()];
        };
        let tables = loader
            .symbols
            .iter()
            .filter(|symbol| symbol.name.starts_with("boot_lvl"));
        let mut set: Vec<_> = tables
            .map(|s| s.vaddr..s.vaddr.saturating_add(s.size))
            .collect();
        if branch {
            let at = segment.vaddr + traps::DISPLACED_AT as u64;
            set.push(at..at + 4);
        }
        let region = Region {
            paddr: segment.vaddr,
            bytes: self.loader,
        };
        compare_segment(&region, segment.vaddr, segment, &set)
    }
}

/// Where the header is: it starts with its mark and says how much follows from there on.
fn header(image: &[u8]) -> Option<usize> {
    (0..image.len()).step_by(8).find(|at| {
        word(image, *at) == Some(MAGIC)
            && word(image, at + 8) == u64::try_from(image.len() - at).ok()
    })
}

/// Differences between a region and a segment, but at the virtual addresses in `set`.
fn compare_segment(
    region: &Region<'_>,
    paddr: u64,
    segment: &Segment,
    set: &[std::ops::Range<u64>],
) -> Vec<String> {
    let at = segment.vaddr;
    let mut lines = Vec::new();
    if region.paddr != paddr {
        lines.push(format!(
            "segment {at:#x} is at {:#x}, not {paddr:#x}",
            region.paddr
        ));
    }
    let len = region.bytes.len() as u64;
    if len != segment.size {
        lines.push(format!(
            "segment {at:#x} has {len:#x} bytes, not {:#x}",
            segment.size
        ));
    }
    let zeros = std::iter::repeat(&0);
    let pairs = region
        .bytes
        .iter()
        .zip(segment.data.iter().chain(zeros))
        .zip(at..);
    let differs = |((a, b), vaddr): &((&u8, &u8), u64)| {
        a != b && !set.iter().any(|range| range.contains(vaddr))
    };
    if let Some((_, vaddr)) = pairs.clone().find(differs) {
        let count = pairs.filter(differs).count();
        lines.push(format!(
            "segment {at:#x}: {count} bytes differ, the first at {vaddr:#x}"
        ));
    }
    lines
}
