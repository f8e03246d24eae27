// SPDX-License-Identifier: BSD-2-Clause
//! Programs: the loadable segments and symbols of an ELF file, read without anybody's help.

use serde::Serialize;

/// A program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elf {
    /// First instruction.
    pub entry: u64,
    /// Loadable segments, in the order of the file.
    pub segments: Vec<Segment>,
    /// Named variables and functions.
    pub symbols: Vec<Symbol>,
}

/// A loadable segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// First virtual address.
    pub vaddr: u64,
    /// First physical address; differs for kernels only.
    pub paddr: u64,
    /// What the file has; zeros follow up to [`Segment::size`].
    pub data: Vec<u8>,
    /// Bytes in memory.
    pub size: u64,
    /// Rights.
    pub flags: Flags,
}

/// Rights of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Flags {
    /// Readable.
    pub read: bool,
    /// Writable.
    pub write: bool,
    /// Executable.
    pub execute: bool,
}

/// A symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// Its address.
    pub vaddr: u64,
    /// Bytes.
    pub size: u64,
}

/// Why a file is no program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// Another format.
    #[error("not a 64-bit little-endian ELF file for AArch64")]
    Format,
    /// A table or a segment is not in the file.
    #[error("cut short, or with offsets that lead nowhere")]
    Truncated,
}

/// `e_ident`: magic, 64 bits, little endian.
const IDENT: &[u8] = b"\x7fELF\x02\x01";
const MACHINE_AARCH64: u64 = 183;
const PT_LOAD: u64 = 1;
const SHT_SYMTAB: u64 = 2;

impl Elf {
    /// Reads a file.
    ///
    /// # Errors
    /// When it is no ELF file for AArch64 or its tables lead outside of it.
    pub fn parse(file: &[u8]) -> Result<Self, ElfError> {
        if !file.starts_with(IDENT) || number(file, 18, 2)? != MACHINE_AARCH64 {
            return Err(ElfError::Format);
        }
        Ok(Self {
            entry: number(file, 24, 8)?,
            segments: segments(file)?,
            symbols: symbols(file)?,
        })
    }

    /// The symbol called `name`.
    #[must_use]
    pub fn symbol(&self, name: &str) -> Option<&Symbol> {
        self.symbols.iter().find(|symbol| symbol.name == name)
    }

    /// `len` bytes at `vaddr`, zeros where the file has none.
    #[must_use]
    pub fn bytes(&self, vaddr: u64, len: u64) -> Option<Vec<u8>> {
        let end = vaddr.checked_add(len)?;
        let inside = |s: &&Segment| s.vaddr <= vaddr && end <= s.vaddr.saturating_add(s.size);
        let segment = self.segments.iter().find(inside)?;
        segment.bytes(vaddr - segment.vaddr, end - segment.vaddr)
    }
}

impl Segment {
    /// The bytes from offset `start` to `end` of its memory; none if it is not that long.
    #[must_use]
    pub fn bytes(&self, start: u64, end: u64) -> Option<Vec<u8>> {
        if start > end || end > self.size {
            return None;
        }
        let clamp = |at: u64| {
            usize::try_from(at)
                .unwrap_or(usize::MAX)
                .min(self.data.len())
        };
        let mut bytes = self.data.get(clamp(start)..clamp(end))?.to_vec();
        bytes.resize(usize::try_from(end - start).ok()?, 0);
        Some(bytes)
    }
}

/// A little-endian number of `len` bytes at `at`.
fn number(file: &[u8], at: usize, len: usize) -> Result<u64, ElfError> {
    let end = at.checked_add(len).ok_or(ElfError::Truncated)?;
    let bytes = file.get(at..end).ok_or(ElfError::Truncated)?;
    Ok(bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn place(file: &[u8], at: usize, len: usize) -> Result<usize, ElfError> {
    usize::try_from(number(file, at, len)?).map_err(|_| ElfError::Truncated)
}

/// Bytes of an entry of the program header table, and of the section header table.
const PHDR: usize = 56;
const SHDR: usize = 64;

/// Offsets of the records of a table of `count` records of `each` bytes, at least `least`, which are
/// all in the file.
fn records(
    file: &[u8],
    start: usize,
    (each, least): (usize, usize),
    count: usize,
) -> Result<Vec<usize>, ElfError> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let len = each.checked_mul(count).filter(|_| each >= least);
    slice(file, start, len.ok_or(ElfError::Truncated)?)?;
    Ok((0..count).map(|index| start + index * each).collect())
}

fn slice(file: &[u8], start: usize, len: usize) -> Result<&[u8], ElfError> {
    let end = start.checked_add(len).ok_or(ElfError::Truncated)?;
    file.get(start..end).ok_or(ElfError::Truncated)
}

fn segments(file: &[u8]) -> Result<Vec<Segment>, ElfError> {
    let mut segments = Vec::new();
    let (start, each) = (place(file, 32, 8)?, place(file, 54, 2)?);
    for at in records(file, start, (each, PHDR), place(file, 56, 2)?)? {
        if number(file, at, 4)? != PT_LOAD {
            continue;
        }
        let flags = number(file, at + 4, 4)?;
        let data = slice(file, place(file, at + 8, 8)?, place(file, at + 32, 8)?)?.to_vec();
        let size = number(file, at + 40, 8)?;
        if u64::try_from(data.len()).map_or(true, |len| len > size) {
            return Err(ElfError::Truncated);
        }
        segments.push(Segment {
            vaddr: number(file, at + 16, 8)?,
            paddr: number(file, at + 24, 8)?,
            data,
            size,
            flags: Flags {
                read: flags & 4 != 0,
                write: flags & 2 != 0,
                execute: flags & 1 != 0,
            },
        });
    }
    Ok(segments)
}

fn symbols(file: &[u8]) -> Result<Vec<Symbol>, ElfError> {
    let (start, each) = (place(file, 40, 8)?, place(file, 58, 2)?);
    let sections = records(file, start, (each, SHDR), place(file, 60, 2)?)?;
    let mut symbols = Vec::new();
    for at in &sections {
        if number(file, at + 4, 4)? != SHT_SYMTAB {
            continue;
        }
        let names = sections
            .get(place(file, at + 40, 4)?)
            .ok_or(ElfError::Truncated)?;
        let names = slice(
            file,
            place(file, names + 24, 8)?,
            place(file, names + 32, 8)?,
        )?;
        let table = slice(file, place(file, at + 24, 8)?, place(file, at + 32, 8)?)?;
        for symbol in table.chunks_exact(24) {
            let name = names
                .get(place(symbol, 0, 4)?..)
                .ok_or(ElfError::Truncated)?;
            let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
            // An undefined symbol names something elsewhere.
            if !name.is_empty() && number(symbol, 6, 2)? != 0 {
                symbols.push(Symbol {
                    name: String::from_utf8_lossy(name).into_owned(),
                    vaddr: number(symbol, 8, 8)?,
                    size: number(symbol, 16, 8)?,
                });
            }
        }
    }
    Ok(symbols)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Appends little-endian numbers of `len` bytes.
    fn put(file: &mut Vec<u8>, len: usize, numbers: &[u64]) {
        for number in numbers {
            file.extend(&number.to_le_bytes()[..len]);
        }
    }

    /// A program: 8 bytes of code, 4 of data in 16 of memory, a note, and symbols `x` and `gone`.
    fn file() -> Vec<u8> {
        let mut file = IDENT.to_vec();
        file.resize(16, 0);
        put(&mut file, 2, &[2, 183]);
        put(&mut file, 4, &[1]);
        put(&mut file, 8, &[0x20_0004, 64, 320]);
        put(&mut file, 4, &[0]);
        put(&mut file, 2, &[64, 56, 3, 64, 3, 2]);
        for (kind, flags, offset, vaddr, paddr, len, size) in [
            (1, 5, 232, 0x20_0000, 0x60_0000, 8, 8),
            (4, 4, 232, 0, 0, 8, 8),
            (1, 6, 240, 0x20_1000, 0x20_1000, 4, 16),
        ] {
            put(&mut file, 4, &[kind, flags]);
            put(&mut file, 8, &[offset, vaddr, paddr, len, size, 0x1000]);
        }
        file.extend([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        file.extend([0; 24]);
        for (name, section, vaddr) in [(1, 1, 0x20_1002), (3, 0, 0)] {
            put(&mut file, 4, &[name]);
            put(&mut file, 1, &[0x11, 0]);
            put(&mut file, 2, &[section]);
            put(&mut file, 8, &[vaddr, 4]);
        }
        file.truncate(244 + 72);
        put(&mut file, 4, &[0]);
        for (kind, offset, len, link) in [(0, 0, 0, 0), (2, 244, 72, 2), (3, 512, 8, 0)] {
            put(&mut file, 4, &[0, kind]);
            put(&mut file, 8, &[0, 0, offset, len]);
            put(&mut file, 4, &[link, 0]);
            put(&mut file, 8, &[8, 24]);
        }
        file.extend(b"\0x\0gone\0");
        file
    }

    #[test]
    fn segments_and_symbols_are_read() {
        let elf = Elf::parse(&file()).unwrap();
        assert_eq!(elf.entry, 0x20_0004);
        let rows: Vec<_> = elf
            .segments
            .iter()
            .map(|s| (s.vaddr, s.paddr, s.data.clone(), s.size))
            .collect();
        assert_eq!(
            rows,
            [
                (0x20_0000, 0x60_0000, vec![1, 2, 3, 4, 5, 6, 7, 8], 8),
                (0x20_1000, 0x20_1000, vec![9, 10, 11, 12], 16),
            ]
        );
        let flags = |read, write, execute| Flags {
            read,
            write,
            execute,
        };
        assert_eq!(elf.segments[0].flags, flags(true, false, true));
        assert_eq!(elf.segments[1].flags, flags(true, true, false));
        let symbol = elf.symbol("x").unwrap();
        assert_eq!((symbol.vaddr, symbol.size), (0x20_1002, 4));
        assert!(elf.symbol("gone").is_none(), "it is not defined here");
    }

    #[test]
    fn memory_is_the_file_and_then_zeros() {
        let elf = Elf::parse(&file()).unwrap();
        assert_eq!(elf.bytes(0x20_1002, 4), Some(vec![11, 12, 0, 0]));
        assert_eq!(elf.bytes(0x20_1008, 8), Some(vec![0; 8]));
        assert_eq!(elf.bytes(0x20_1008, 9), None);
        assert_eq!(elf.bytes(0x1f_ffff, 1), None);
        assert_eq!(elf.bytes(u64::MAX, 2), None);
        assert_eq!(elf.segments[1].bytes(3, 2), None);
        assert_eq!(elf.segments[1].bytes(8, 17), None);
        assert_eq!(elf.segments[1].bytes(16, 16), Some(Vec::new()));
    }

    #[test]
    fn damaged_files_are_refused() {
        let good = file();
        for (at, value) in [(0, 0), (4, 1), (5, 2), (18, 62)] {
            let mut bad = good.clone();
            bad[at] = value;
            assert_eq!(Elf::parse(&bad), Err(ElfError::Format), "{at}");
        }
        for len in 0..good.len() {
            assert!(Elf::parse(&good[..len]).is_err(), "{len}");
        }
        // Anything but a panic is fine for a byte that is wrong.
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 0xff;
            drop(Elf::parse(&bad));
        }
        // Tables at the end of the address space, and of records too short to be any.
        for (at, value) in [
            (32, [0xff; 8]),
            (40, [0xff; 8]),
            (40, 0_u64.wrapping_sub(40).to_le_bytes()),
        ] {
            let mut bad = good.clone();
            bad[at..at + 8].copy_from_slice(&value);
            bad[58] = 8;
            assert_eq!(Elf::parse(&bad), Err(ElfError::Truncated), "{at}");
        }
        let mut bad = good.clone();
        bad[64 + 40] = 7;
        assert_eq!(
            Elf::parse(&bad),
            Err(ElfError::Truncated),
            "more in the file than in memory"
        );
    }
}
