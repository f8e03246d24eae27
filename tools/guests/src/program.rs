// SPDX-License-Identifier: BSD-2-Clause
//! Programs of this tree, built with cargo: bare-metal ones, flattened into a raw image, and those
//! that go into a guest's initramfs.

use crate::recipe::Build;
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, elf};
use std::path::{Path, PathBuf};
use std::process::Command;

/// No program of ours comes near this; a larger one has a segment far away from the others.
const LARGEST_IMAGE: u64 = 16 << 20;

/// Why a program cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// Cargo could not be started.
    #[error("cannot run cargo in {dir}: {source}", dir = dir.display())]
    NoCargo {
        /// The program's folder.
        dir: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Cargo failed.
    #[error("building the guest in {dir} failed:\n{stderr}", dir = dir.display())]
    Failed {
        /// The program's folder.
        dir: PathBuf,
        /// What cargo printed.
        stderr: String,
    },
    /// The result could not be read.
    #[error("{path}: {source}", path = path.display())]
    Read {
        /// The executable.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The result cannot be a raw image.
    #[error("{path}: {reason}", path = path.display())]
    Unusable {
        /// The executable.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

/// Builds the program in `dir` below `target_dir`; the image starts at the lowest loaded address.
///
/// # Errors
/// [`ProgramError`] with cargo's output, or what is wrong with the executable.
pub fn image(dir: &Path, recipe: &Build, target_dir: &Path) -> Result<Vec<u8>, ProgramError> {
    let (path, elf) = build(dir, recipe, target_dir)?;
    flatten(&elf).map_err(|reason| ProgramError::Unusable { path, reason })
}

/// Builds the program in `dir` below `target_dir`: a static executable for Linux.
///
/// # Errors
/// [`ProgramError`] with cargo's output, or what is wrong with the executable.
pub fn executable(dir: &Path, recipe: &Build, target_dir: &Path) -> Result<Vec<u8>, ProgramError> {
    let (path, elf) = build(dir, recipe, target_dir)?;
    match check_static(&elf) {
        Ok(()) => Ok(elf),
        Err(reason) => Err(ProgramError::Unusable { path, reason }),
    }
}

/// Where the built program is, and its bytes.
fn build(
    dir: &Path,
    recipe: &Build,
    target_dir: &Path,
) -> Result<(PathBuf, Vec<u8>), ProgramError> {
    // Cargo runs in another folder, where a relative path would mean another place.
    let target_dir = std::path::absolute(target_dir).map_err(|source| ProgramError::Read {
        path: target_dir.to_path_buf(),
        source,
    })?;
    // RUSTFLAGS would replace the folder's own configuration.
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--quiet", "--release", "--locked", "--bin"])
        .args([&recipe.binary, "--target", &recipe.target])
        .current_dir(dir)
        .env("CARGO_TARGET_DIR", &target_dir)
        .env_remove("RUSTFLAGS")
        .output()
        .map_err(|source| ProgramError::NoCargo {
            dir: dir.to_path_buf(),
            source,
        })?;
    if !output.status.success() {
        return Err(ProgramError::Failed {
            dir: dir.to_path_buf(),
            stderr: String::from_utf8_lossy(&output.stderr).trim_end().into(),
        });
    }
    let folder = target_dir.join(&recipe.target).join("release");
    let path = folder.join(&recipe.binary);
    match std::fs::read(&path) {
        Ok(elf) => Ok((path, elf)),
        Err(source) => Err(ProgramError::Read { path, source }),
    }
}

/// A guest has no dynamic linker.
fn check_static(file: &[u8]) -> Result<(), String> {
    let text = |error: object::Error| error.to_string();
    let header = elf::FileHeader64::<Endianness>::parse(file).map_err(text)?;
    let endian = header.endian().map_err(text)?;
    let segments = header.program_headers(endian, file).map_err(text)?;
    if segments
        .iter()
        .any(|segment| segment.p_type(endian) == elf::PT_INTERP)
    {
        return Err("it is not static: it wants a dynamic linker".into());
    }
    Ok(())
}

/// The bytes that the executable's segments load, by physical address, gaps filled with zeros.
/// What follows the last loaded byte is the program's own to clear.
fn flatten(file: &[u8]) -> Result<Vec<u8>, String> {
    let text = |error: object::Error| error.to_string();
    let header = elf::FileHeader64::<Endianness>::parse(file).map_err(text)?;
    let endian = header.endian().map_err(text)?;
    let segments: Vec<(u64, &[u8])> = header
        .program_headers(endian, file)
        .map_err(text)?
        .iter()
        .filter(|segment| segment.p_type(endian) == elf::PT_LOAD)
        .map(|segment| {
            let data = segment.data(endian, file);
            let data = data.map_err(|()| "a segment lies outside of the file".to_owned())?;
            Ok((segment.p_paddr(endian), data))
        })
        .filter(|segment| !matches!(segment, Ok((_, []))))
        .collect::<Result<_, String>>()?;
    let start = segments.iter().map(|(at, _)| *at).min();
    let start = start.ok_or("it loads nothing")?;
    let mut image = Vec::new();
    for (at, data) in segments {
        let (from, len) = (at - start, data.len());
        let from = usize::try_from(from).ok().filter(|_| from < LARGEST_IMAGE);
        let from = from.ok_or("its segments are too far apart for a raw image")?;
        if image.len() < from + len {
            image.resize(from + len, 0);
        }
        image[from..from + len].copy_from_slice(data);
    }
    if header.e_entry(endian) != start {
        return Err("a raw image is entered at its first byte, but its entry is elsewhere".into());
    }
    Ok(image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::write::elf::{FileHeader, ProgramHeader, Writer};

    /// An executable with one segment per (address, bytes).
    fn executable(entry: u64, segments: &[(u64, &[u8])]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut writer = Writer::new(Endianness::Little, true, &mut file);
        writer.reserve_file_header();
        writer.reserve_program_headers(u32::try_from(segments.len()).unwrap());
        let offsets: Vec<u64> = segments
            .iter()
            .map(|(_, data)| writer.reserve(data.len() as u64, 1))
            .collect();
        writer
            .write_file_header(&FileHeader {
                os_abi: elf::OsAbi(0),
                abi_version: 0,
                e_type: elf::ET_EXEC,
                e_machine: elf::EM_AARCH64,
                e_entry: entry,
                e_flags: elf::FileFlags(0),
            })
            .unwrap();
        writer.write_align_program_headers();
        for (offset, (address, data)) in offsets.iter().zip(segments) {
            writer.write_program_header(&ProgramHeader {
                p_type: elf::PT_LOAD,
                p_flags: elf::PF_R,
                p_offset: *offset,
                p_vaddr: *address,
                p_paddr: *address,
                p_filesz: data.len() as u64,
                p_memsz: data.len() as u64 + 64,
                p_align: 1,
            });
        }
        for (_, data) in segments {
            writer.write(data);
        }
        file
    }

    #[test]
    fn segments_are_placed_and_gaps_are_zero() {
        let file = executable(0x4008_0000, &[(0x4008_0004, b"data"), (0x4008_0000, b"co")]);
        assert_eq!(flatten(&file).unwrap(), b"co\0\0data");
    }

    #[test]
    fn a_program_that_wants_a_dynamic_linker_is_refused() {
        let mut file = executable(0x1000, &[(0x1000, b"code")]);
        assert_eq!(check_static(&file), Ok(()));
        // The type of the first segment, behind the file header of 64 bytes.
        file[64..68].copy_from_slice(&elf::PT_INTERP.0.to_le_bytes());
        assert!(check_static(&file).unwrap_err().contains("not static"));
        assert!(check_static(b"no ELF").is_err());
    }

    #[test]
    fn a_segment_without_bytes_takes_no_room() {
        let file = executable(0x1000, &[(0x1000, b"code"), (0x8000, b"")]);
        assert_eq!(flatten(&file).unwrap(), b"code");
    }

    #[test]
    fn what_cannot_be_a_raw_image_is_refused() {
        for (file, reason) in [
            (
                executable(0x1004, &[(0x1000, b"code")]),
                "entry is elsewhere",
            ),
            (
                executable(0, &[(0, b"a"), (1 << 40, b"b")]),
                "too far apart",
            ),
            (executable(0, &[]), "loads nothing"),
        ] {
            let error = flatten(&file).unwrap_err();
            assert!(error.contains(reason), "{error}");
        }
        assert!(flatten(b"no ELF").is_err());
    }
}
