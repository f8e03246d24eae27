// SPDX-License-Identifier: BSD-2-Clause
//! Facts of a program: entry, loadable segments, symbols.

use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::{Endianness, Object, ObjectSymbol, elf};
use std::collections::HashMap;

/// Largest memory image of one segment, in bytes; more is taken for a broken file.
const MAX_SEGMENT: u64 = 1 << 30;

/// A program.
#[derive(Debug, Clone)]
pub struct Elf {
    /// First instruction.
    pub entry: u64,
    /// `PT_LOAD` segments in file order, empty ones included.
    pub segments: Vec<Segment>,
    symbols: HashMap<String, Symbol>,
}

/// A loadable segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// First address.
    pub vaddr: u64,
    /// Bytes in memory; what exceeds `data` is zero.
    pub mem_size: u64,
    /// Contents, patched by [`crate::apply`]; at most `mem_size` bytes.
    pub data: Vec<u8>,
    /// May be read.
    pub read: bool,
    /// May be written.
    pub write: bool,
    /// May be executed.
    pub execute: bool,
}

impl Segment {
    /// First address above the segment.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.vaddr.saturating_add(self.mem_size)
    }

    /// Pages it touches: first address, and first address above.
    #[must_use]
    pub const fn pages(&self) -> (u64, u64) {
        let end = self.end().saturating_add(0xfff);
        (self.vaddr & !0xfff, end & !0xfff)
    }
}

/// A symbol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Symbol {
    /// Its address.
    pub address: u64,
    /// Its size in bytes.
    pub size: u64,
    /// How many symbols have this name.
    pub count: u32,
}

/// Why a file is no program for this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ElfError {
    /// Not a readable 64-bit little-endian ELF file.
    Malformed(String),
    /// For another machine.
    Machine(u16),
    /// Nothing to load.
    NoSegments,
    /// A segment is larger than any memory here, or wraps around the address space.
    Size(u64),
}

impl std::fmt::Display for ElfError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "it is no 64-bit little-endian ELF file: {why}"),
            Self::Machine(number) => write!(f, "it is for machine {number}, not AArch64"),
            Self::NoSegments => f.write_str("it has nothing to load"),
            Self::Size(vaddr) => write!(f, "its segment at {vaddr:#x} is too large"),
        }
    }
}

impl std::error::Error for ElfError {}

/// Why a symbol cannot be patched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SymbolError {
    /// There is none of this name.
    Missing,
    /// There are several.
    Several,
    /// It lies outside every segment.
    NotLoaded,
}

impl std::fmt::Display for SymbolError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Missing => "does not exist",
            Self::Several => "exists more than once",
            Self::NotLoaded => "lies outside every loaded segment",
        })
    }
}

impl std::error::Error for SymbolError {}

impl Elf {
    /// Reads a program from `bytes`, its symbols from `symbols` if that is given.
    ///
    /// # Errors
    /// When either is no ELF file for this machine, or nothing in it can be loaded.
    pub fn parse(bytes: &[u8], symbols: Option<&[u8]>) -> Result<Self, ElfError> {
        let file = open(bytes)?;
        let segments = segments(&file, bytes)?;
        if segments.iter().all(|segment| segment.mem_size == 0) {
            return Err(ElfError::NoSegments);
        }
        let symbols = match symbols {
            Some(other) => read_symbols(&open(other)?),
            None => read_symbols(&file),
        };
        Ok(Self {
            entry: file.entry(),
            segments,
            symbols,
        })
    }

    /// The symbol called `name`, if it can be patched.
    ///
    /// # Errors
    /// When there is none, more than one, or it is not loaded.
    pub fn symbol(&self, name: &str) -> Result<Symbol, SymbolError> {
        let symbol = self.symbols.get(name).ok_or(SymbolError::Missing)?;
        if symbol.count > 1 {
            return Err(SymbolError::Several);
        }
        match self.segment_of(symbol.address, symbol.size) {
            Some(_) => Ok(*symbol),
            None => Err(SymbolError::NotLoaded),
        }
    }

    /// Index of the segment that holds `size` bytes at `address`.
    fn segment_of(&self, address: u64, size: u64) -> Option<usize> {
        let end = address.checked_add(size)?;
        self.segments
            .iter()
            .position(|s| s.vaddr <= address && end <= s.end())
    }

    /// Overwrites memory at `address`; zero memory is materialised as needed.
    pub(crate) fn write(&mut self, address: u64, bytes: &[u8]) -> Result<(), SymbolError> {
        let size = u64::try_from(bytes.len()).map_err(|_| SymbolError::NotLoaded)?;
        let index = self
            .segment_of(address, size)
            .ok_or(SymbolError::NotLoaded)?;
        let segment = &mut self.segments[index];
        let start = usize::try_from(address - segment.vaddr).map_err(|_| SymbolError::NotLoaded)?;
        let end = start + bytes.len();
        if segment.data.len() < end {
            segment.data.resize(end, 0);
        }
        segment.data[start..end].copy_from_slice(bytes);
        Ok(())
    }
}

fn open(bytes: &[u8]) -> Result<ElfFile64<'_, Endianness>, ElfError> {
    let file = ElfFile64::<Endianness>::parse(bytes);
    let file = file.map_err(|error| ElfError::Malformed(error.to_string()))?;
    if file.endian() != Endianness::Little {
        return Err(ElfError::Malformed("it is big endian".to_owned()));
    }
    match file.elf_header().e_machine(file.endian()) {
        elf::EM_AARCH64 => Ok(file),
        other => Err(ElfError::Machine(other.0)),
    }
}

fn segments(file: &ElfFile64<'_, Endianness>, bytes: &[u8]) -> Result<Vec<Segment>, ElfError> {
    let endian = file.endian();
    let mut segments = Vec::new();
    for header in file.elf_program_headers() {
        if header.p_type(endian) != elf::PT_LOAD {
            continue;
        }
        let vaddr = header.p_vaddr(endian);
        let mem_size = header.p_memsz(endian);
        if mem_size > MAX_SEGMENT || vaddr.checked_add(mem_size).is_none() {
            return Err(ElfError::Size(vaddr));
        }
        if header.p_filesz(endian) > mem_size {
            return Err(ElfError::Size(vaddr));
        }
        let data = header.data(endian, bytes);
        let data =
            data.map_err(|()| ElfError::Malformed("a segment exceeds the file".to_owned()))?;
        let flags = header.p_flags(endian);
        segments.push(Segment {
            vaddr,
            mem_size,
            data: data.to_vec(),
            read: flags.0 & elf::PF_R.0 != 0,
            write: flags.0 & elf::PF_W.0 != 0,
            execute: flags.0 & elf::PF_X.0 != 0,
        });
    }
    Ok(segments)
}

fn read_symbols(file: &ElfFile64<'_, Endianness>) -> HashMap<String, Symbol> {
    let mut symbols: HashMap<String, Symbol> = HashMap::new();
    for symbol in file.symbols() {
        let Ok(name) = symbol.name() else { continue };
        if name.is_empty() {
            continue;
        }
        let new = Symbol {
            address: symbol.address(),
            size: symbol.size(),
            count: 0,
        };
        symbols.entry(name.to_owned()).or_insert(new).count += 1;
    }
    symbols
}
