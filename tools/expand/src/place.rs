// SPDX-License-Identifier: BSD-2-Clause
//! Where the parts of a guest go: in the guest, in regions, in the VMM's address space and record.

use crate::{Expanded, Images, role};
use guest::Span;
use guest::machine::RAM_BASE;
use guest::placement::{IMAGE_START, Parts as Sizes, Placement};
use sdf::Files;
use sdf::lower::{Hole, free_hole};
use sdf::model::{Guest, Map, MemoryRegion, PageSize, Perms, RecordEntry, RecordTarget};
use sdf::span::Spanned;
use sha2::{Digest, Sha256};

/// Pristine images are mapped from here on, above every program.
const IMAGES_FROM: u64 = 0x1000_0000;
const PAGE: u64 = 0x1000;

/// What the tool makes for a guest whose parts have their places.
pub(crate) struct Parts {
    pub(crate) dtb: Vec<u8>,
}

/// Places everything and generates the final device tree.
pub(crate) fn parts(mut machine: dtb::Guest, images: &Images) -> Result<Parts, String> {
    let text = |error: dtb::DtbError| error.to_string();
    let initrd = images.initrd.as_ref().map(|initrd| len(initrd));
    // The size of the tree does not depend on addresses, so any one serves to find it.
    machine.initrd = initrd.and_then(|size| Span::new(RAM_BASE, size));
    let size = len(&dtb::build(&machine).map_err(text)?);
    let start = images.kernel.len().min(IMAGE_START);
    let sizes = Sizes {
        image_start: &images.kernel[..start],
        image: len(&images.kernel),
        dtb: size,
        initrd,
    };
    let ram = machine.ram.size();
    let placement = Placement::plan(ram, sizes).map_err(|error| error.to_string())?;
    machine.initrd = placement.initrd;
    Ok(Parts {
        dtb: dtb::build(&machine).map_err(text)?,
    })
}

fn len(bytes: &[u8]) -> u64 {
    u64::try_from(bytes.len()).unwrap_or(u64::MAX)
}

/// A region that holds a pristine part.
struct Pristine<'a> {
    role: &'static str,
    region: String,
    bytes: &'a [u8],
}

fn pristine<'a>(
    vm: &str,
    guest: &Guest,
    images: &'a Images,
    parts: &'a Parts,
) -> Vec<Pristine<'a>> {
    let shared = |part: &str| format!("{}_{part}", guest.image.value);
    let mut all = vec![
        Pristine {
            role: role::IMAGE,
            region: shared("image"),
            bytes: &images.kernel,
        },
        Pristine {
            role: role::DTB,
            region: format!("{vm}_dtb"),
            bytes: &parts.dtb,
        },
    ];
    if let Some(initrd) = &images.initrd {
        all.push(Pristine {
            role: role::INITRD,
            region: shared("initrd"),
            bytes: initrd,
        });
    }
    all
}

/// Adds the regions that are not there yet, this VMM's mappings, and the entries that name them.
pub(crate) fn add_regions(
    expanded: &mut Expanded,
    index: usize,
    guest: &Guest,
    images: &Images,
    parts: &Parts,
    files: &dyn Files,
) -> Result<(), String> {
    let vm = expanded.system.pds[index]
        .virtual_machine
        .as_ref()
        .map(|vm| vm.name.value.clone());
    for part in pristine(&vm.unwrap_or_default(), guest, images, parts) {
        let size = len(part.bytes).next_multiple_of(PAGE);
        let path = format!("{}.bin", part.region);
        let name = |text: &str| Spanned::new(text.to_owned(), guest.span);
        if !expanded.files.contains_key(&path) {
            if expanded.system.memory_region(&part.region).is_some() {
                return Err(format!("a region is called `{}` already", part.region));
            }
            expanded.files.insert(path.clone(), part.bytes.to_vec());
            let region = region(guest, &part.region, size, &path);
            expanded.system.memory_regions.push(region);
        }
        let vaddr = hole(expanded, index, size, files)?;
        let pd = &mut expanded.system.pds[index];
        pd.maps.push(read_only(&part.region, vaddr, guest));
        let target = RecordTarget::Region {
            mr: name(&part.region),
        };
        let entry = RecordEntry {
            span: guest.span,
            role: name(part.role),
            target,
        };
        pd.record
            .iter_mut()
            .for_each(|record| record.entries.push(entry.clone()));
    }
    Ok(())
}

/// The region of a part, whose contents are in the file at `path`.
fn region(guest: &Guest, name: &str, size: u64, path: &str) -> MemoryRegion {
    let at = |text: &str| Spanned::new(text.to_owned(), guest.span);
    MemoryRegion {
        span: guest.span,
        name: at(name),
        size: Some(Spanned::new(size, guest.span)),
        // An initialiser maps such pages out of the image, where it would have to inflate larger ones:
        // 22 instructions for each byte of a kernel.
        page_size: Some(Spanned::new(PageSize::Small, guest.span)),
        phys_addr: None,
        prefill_path: Some(at(path)),
        prefill_bootinfo: None,
    }
}

fn hole(expanded: &Expanded, index: usize, size: u64, files: &dyn Files) -> Result<u64, String> {
    // The regions that were added say their size, so their files need not be known here.
    let system = &expanded.system;
    let hole = Hole {
        from: IMAGES_FROM,
        size,
        align: PAGE,
    };
    free_hole(system, &system.pds[index], hole, files)
        .ok_or_else(|| format!("the monitor has no {size:#x} free bytes of address space"))
}

fn read_only(region: &str, vaddr: u64, guest: &Guest) -> Map {
    Map {
        span: guest.span,
        mr: Spanned::new(region.to_owned(), guest.span),
        vaddr: Spanned::new(vaddr, guest.span),
        perms: Spanned::new(
            Perms {
                read: true,
                write: false,
                execute: false,
            },
            guest.span,
        ),
        cached: Spanned::new(true, guest.span),
        setvar_vaddr: None,
        setvar_size: None,
        setvar_prefill_size: None,
    }
}

/// The entries about sizes and digests.
pub(crate) fn entries(guest: &Guest, images: &Images, parts: &Parts) -> Vec<RecordEntry> {
    let spanned = |text: String| Spanned::new(text, guest.span);
    let entry = |role: String, target| RecordEntry {
        span: guest.span,
        role: spanned(role),
        target,
    };
    let mut all = Vec::new();
    for part in pristine("", guest, images, parts) {
        let (name, size) = (part.role, Spanned::new(len(part.bytes), guest.span));
        all.push(entry(
            format!("{name}{}", role::SIZE),
            RecordTarget::Value { value: size },
        ));
        let value = spanned(hex(part.bytes));
        all.push(entry(
            format!("{name}{}", role::SHA256),
            RecordTarget::Text { value },
        ));
    }
    all
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
