// SPDX-License-Identifier: BSD-2-Clause
//! Binary files that our tools read: programs, loader images, device trees, capability
//! distributions.

use std::sync::OnceLock;

use audit::image::LoaderImage;
use audit::spec::Spec;
use layout::Devices;
use sdf::Board;

/// The checker of images and the maker of them, which share no code, on a program.
fn program(bytes: &[u8]) {
    let read = audit::elf::Elf::parse(bytes);
    let loaded = capdl::Elf::parse(bytes, None);
    let _ = capdl::Elf::parse(bytes, Some(bytes));
    if let Ok(elf) = &read {
        for segment in elf.segments.iter().take(16) {
            let most = segment.size.min(0x1000);
            let there = elf.bytes(segment.vaddr, most);
            assert!(there.is_none_or(|bytes| bytes.len() as u64 == most));
            let _ = elf.bytes(segment.vaddr.wrapping_sub(1), 2);
        }
        let _ = elf.symbol("");
    }
    if let (Ok(read), Ok(loaded)) = (&read, &loaded) {
        assert_eq!(read.entry, loaded.entry, "checker and maker differ");
    }
}

fn board() -> Option<&'static Board> {
    static CELL: OnceLock<Option<Board>> = OnceLock::new();
    let text = include_str!("../../../images/boards/qemu_virt_aarch64.toml");
    CELL.get_or_init(|| toml::from_str(text).ok()).as_ref()
}

/// Reads a file as whatever it could be.
///
/// # Panics
/// If a reader does.
pub fn run(bytes: &[u8]) {
    program(bytes);
    if let Ok(image) = LoaderImage::parse(bytes) {
        let loaded: usize = image.regions.iter().map(|region| region.bytes.len()).sum();
        let most = bytes.len().saturating_mul(image.regions.len());
        assert!(loaded <= most && image.rest_at <= bytes.len());
    }
    if let Ok(spec) = Spec::from_json(bytes) {
        // What was read is written, and reads as the same.
        let written = spec.to_json();
        let again = Spec::from_json(written.to_string().as_bytes());
        assert!(again.is_ok_and(|again| again.to_json() == written));
    }
    if let Some(board) = board() {
        let _ = Devices::read(board, bytes);
    }
}
