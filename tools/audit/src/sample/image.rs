// SPDX-License-Identifier: BSD-2-Clause
//! An image of the sample, laid out as the SDK's tool does.

use std::collections::BTreeMap;

use super::archive::archive;
use crate::elf::{Elf, Flags, Segment, Symbol};
use crate::report::Sel4Image;
use crate::spec::Spec;
use crate::system::System;

const KERNEL: u64 = 0x6000_0000;
const KERNEL_ENTRY: u64 = 0x80_6000_0000;
/// Physical and virtual address of the initialiser.
const INITIALISER: (u64, u64) = (0x6010_0000, 0x20_0000);
/// Bytes of a page.
pub(super) const PAGE: usize = 0x1000;
const MAGIC: u64 = 0x5e14_dead_14de_5ead;

/// Makes an image, and the programs that it is made of.
pub(super) fn make(spec: &Spec, system: &System, programs: &BTreeMap<String, Elf>) -> Sel4Image {
    let (archive, frames) = archive(spec, system, programs);
    let kernel = elf(
        KERNEL_ENTRY,
        vec![(KERNEL_ENTRY, KERNEL, vec![0x4b; 48], 64)],
        &[],
    );
    let phdrs = [
        ("sel4_phdrs_patched__vaddr", 0),
        ("sel4_phdrs_patched__phnum", 8),
    ];
    let symbols = phdrs.map(|(name, at)| (name, INITIALISER.1 + at, if at == 0 { 8 } else { 2 }));
    let start = (INITIALISER.1, INITIALISER.1, vec![0; 32], 64);
    let initialiser = elf(INITIALISER.1 + 16, vec![start], &symbols);
    let mut code = vec![0xd503_201f_u32; 16];
    code[2] = 0x9100_003f;
    let code: Vec<u8> = code.into_iter().flat_map(u32::to_le_bytes).collect();
    let loader = elf(
        0x7000_0000,
        vec![(0x7000_0000, 0x7000_0000, code, 128)],
        &[("boot_lvl0_lower", 0x7000_0040, 64)],
    );
    Sel4Image {
        bytes: file(&archive, &frames),
        kernel: Some(kernel),
        initialiser: Some(initialiser),
        loader: Some(loader),
        needs_traps: false,
    }
}

fn elf(entry: u64, segments: Vec<(u64, u64, Vec<u8>, u64)>, symbols: &[(&str, u64, u64)]) -> Elf {
    let flags = Flags {
        read: true,
        write: true,
        execute: true,
    };
    let segment = |(vaddr, paddr, data, size)| Segment {
        vaddr,
        paddr,
        data,
        size,
        flags,
    };
    let symbol = |(name, vaddr, size): &(&str, u64, u64)| Symbol {
        name: (*name).to_owned(),
        vaddr: *vaddr,
        size: *size,
    };
    Elf {
        entry,
        segments: segments.into_iter().map(segment).collect(),
        symbols: symbols.iter().map(symbol).collect(),
    }
}

fn words(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// The file: loader, header, regions.
fn file(archive: &[u8], frames: &[u8]) -> Vec<u8> {
    let (paddr, vaddr) = INITIALISER;
    let pages = |len: usize| (len.div_ceil(PAGE) * PAGE) as u64;
    let spec_at = vaddr + 0x1000;
    let frames_at = spec_at + pages(archive.len());
    let table_at = frames_at + pages(frames.len());
    let table = [
        (1, vaddr, 64),
        (0x64c3_4003_u64, spec_at, archive.len()),
        (0x64c3_4004, frames_at, frames.len()),
    ];
    let entry = |(kind, at, len): &(u64, u64, usize)| {
        words(&[*kind, 0, *at, *at, *len as u64, *len as u64, 0])
    };
    // Where the table is and how many entries it has; then nothing.
    let start = words(&[table_at, 3, 0, 0, 0, 0, 0, 0]);
    let kernel = [vec![0x4b; 48], vec![0; 16]].concat();
    let regions = [
        (KERNEL, kernel),
        (paddr, start),
        (spec_at - vaddr + paddr, archive.to_vec()),
        (frames_at - vaddr + paddr, frames.to_vec()),
        (
            table_at - vaddr + paddr,
            table.iter().flat_map(entry).collect(),
        ),
    ];
    let mut out = loader();
    let lens = regions.iter().map(|(_, bytes)| 32 + bytes.len() as u64);
    let size = 64 + lens.sum::<u64>();
    let end = table_at - vaddr + paddr + 0x1000;
    out.extend(words(&[MAGIC, size, KERNEL_ENTRY, paddr, end]));
    out.extend(words(&[paddr - vaddr, vaddr + 16, 5]));
    put_regions(&mut out, &regions);
    out
}

/// The regions' records, then their bytes.
fn put_regions(out: &mut Vec<u8>, regions: &[(u64, Vec<u8>)]) {
    let mut offset = 0;
    for (at, bytes) in regions {
        out.extend(words(&[*at, bytes.len() as u64, offset, 1]));
        offset += bytes.len() as u64;
    }
    regions.iter().for_each(|(_, bytes)| out.extend(bytes));
}

/// The loader with the page tables that the tool makes.
fn loader() -> Vec<u8> {
    let mut code = vec![0xd503_201f_u32; 32];
    code[2] = 0x9100_003f;
    code[16..].fill(0x1234_5678);
    code.into_iter().flat_map(u32::to_le_bytes).collect()
}
