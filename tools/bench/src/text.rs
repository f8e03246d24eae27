// SPDX-License-Identifier: BSD-2-Clause
//! Sizes of executables: what of a protection domain is code, constants and data.

use std::fmt;
use std::path::{Path, PathBuf};

use host::{Failure, Outcome};
use object::{Object as _, ObjectSection as _, SectionFlags, SectionKind, elf};

/// The size of one executable's parts, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Size {
    /// Code.
    pub text: u64,
    /// Constants.
    pub rodata: u64,
    /// Initialised data.
    pub data: u64,
    /// Zeroed data, stacks included.
    pub bss: u64,
}

/// Reads the sizes of the executable at `path`.
///
/// # Errors
/// [`Failure`] when the file cannot be read or is no ELF file.
pub fn size(path: &Path) -> Outcome<Size> {
    let bytes = std::fs::read(path).map_err(|e| Failure::io("read", path, &e))?;
    size_of(&bytes).map_err(|e| Failure::input(format!("{}: {e}", path.display())))
}

fn size_of(bytes: &[u8]) -> Result<Size, object::Error> {
    let file = object::File::parse(bytes)?;
    let mut size = Size::default();
    for section in file.sections() {
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else {
            continue;
        };
        let has = |flag: elf::SectionFlags| sh_flags.0 & flag.0 != 0;
        let part = match section.kind() {
            _ if !has(elf::SHF_ALLOC) => continue,
            SectionKind::UninitializedData => &mut size.bss,
            _ if has(elf::SHF_EXECINSTR) => &mut size.text,
            _ if has(elf::SHF_WRITE) => &mut size.data,
            _ => &mut size.rodata,
        };
        *part += section.size();
    }
    Ok(size)
}

/// A table of the executables' sizes, in the order given.
///
/// # Errors
/// [`Failure`] for the first file that cannot be read.
pub fn table(paths: &[PathBuf]) -> Outcome<String> {
    let mut text = format!(
        "{:24}{:>10}{:>10}{:>10}{:>10}\n",
        "bytes", "text", "rodata", "data", "bss"
    );
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        text += &format!("{name:24}{}\n", size(path)?);
    }
    Ok(text)
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            text,
            rodata,
            data,
            bss,
        } = self;
        write!(f, "{text:>10}{rodata:>10}{data:>10}{bss:>10}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_test_itself_has_code_and_constants() {
        let path = std::env::current_exe().unwrap();
        let size = size(&path).unwrap();
        assert!(size.text > 10_000 && size.rodata > 1_000, "{size:?}");
        assert!(table(&[path]).unwrap().lines().count() == 2);
        assert!(super::size(Path::new("/nonexistent")).is_err());
        assert!(size_of(b"no ELF file").is_err());
    }
}
