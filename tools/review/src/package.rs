// SPDX-License-Identifier: BSD-2-Clause
//! The package as files: its list of hashes, its archive.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use audit::digest::Digest;
use serde::Serialize;

/// Name of the list of hashes.
pub const MANIFEST: &str = "64-manifest.sha256";

/// Files by name, in order. Names have no folders.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Package {
    /// The files.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Package {
    /// Adds a file.
    pub fn put(&mut self, name: &str, contents: impl Into<Vec<u8>>) {
        self.files.insert(name.to_owned(), contents.into());
    }

    /// Adds `value` as JSON.
    pub(crate) fn put_json(&mut self, name: &str, value: &impl Serialize) {
        self.put(name, pretty(value));
    }

    /// The text of a file.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.files.get(name)?).ok()
    }

    /// One line per file but the list itself, as `sha256sum` writes and checks them.
    #[must_use]
    pub fn manifest(&self) -> String {
        let mut out = String::new();
        for (name, bytes) in self.files.iter().filter(|(name, _)| *name != MANIFEST) {
            // Writing to a String cannot fail.
            writeln!(out, "{}  {name}", Digest::of(bytes).sha256).unwrap_or_default();
        }
        out
    }

    /// The list of hashes is made last.
    pub(crate) fn seal(&mut self) {
        let manifest = self.manifest();
        self.put(MANIFEST, manifest);
    }

    /// A POSIX.1-1988 (ustar) archive with all files in `folder`: no times, no owners, in order of names.
    #[must_use]
    pub fn archive(&self, folder: &str) -> Vec<u8> {
        let mut out = Vec::new();
        for (name, bytes) in &self.files {
            out.extend_from_slice(&header(&format!("{folder}/{name}"), bytes.len()));
            out.extend_from_slice(bytes);
            out.resize(out.len().next_multiple_of(BLOCK), 0);
        }
        out.resize(out.len() + 2 * BLOCK, 0);
        out
    }
}

const BLOCK: usize = 512;

/// A header block: name at 0, mode at 100, uid 108, gid 116, size 124, time 136, checksum 148, type 156,
/// magic 257.
fn header(name: &str, size: usize) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut field = |at: usize, text: &str| {
        for (cell, byte) in block.iter_mut().skip(at).zip(text.bytes()) {
            *cell = byte;
        }
    };
    field(0, name.get(..99).unwrap_or(name));
    field(100, "0000644\0");
    field(108, "0000000\0");
    field(116, "0000000\0");
    field(124, &format!("{size:011o}\0"));
    field(136, "00000000000\0");
    field(148, "        ");
    field(156, "0");
    field(257, "ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    for (cell, byte) in block
        .iter_mut()
        .skip(148)
        .zip(format!("{sum:06o}\0 ").bytes())
    {
        *cell = byte;
    }
    block
}

/// JSON for people and for comparison, with a line feed at the end.
pub(crate) fn pretty(value: &impl Serialize) -> String {
    // Our types have no maps with keys other than text, and nothing that fails to serialise.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_lists_all_but_itself_with_sha256() {
        let mut package = Package::default();
        package.put("b", "");
        package.put("a", "abc");
        package.seal();
        let manifest = package.text(MANIFEST).unwrap();
        assert_eq!(
            manifest,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  a\n\
             e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  b\n"
        );
    }

    #[test]
    fn the_archive_is_blocks_with_a_checksum_that_holds() {
        let mut package = Package::default();
        package.put("a", "abc");
        let tar = package.archive("review");
        assert_eq!(tar.len(), 4 * BLOCK);
        let text = std::str::from_utf8(&tar[148..154]).unwrap();
        let stored = u32::from_str_radix(text, 8).unwrap();
        let mut head = tar[..BLOCK].to_vec();
        head[148..156].fill(b' ');
        assert_eq!(stored, head.iter().map(|b| u32::from(*b)).sum::<u32>());
        assert_eq!(&tar[..10], b"review/a\0\0");
        assert_eq!(&tar[BLOCK..BLOCK + 4], b"abc\0");
    }
}
