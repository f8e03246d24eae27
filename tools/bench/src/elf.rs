// SPDX-License-Identifier: BSD-2-Clause
//! What is read from executables: code pages, and where a kernel and its vectors lie.

use std::path::Path;

use host::{Failure, Outcome};
use object::read::elf::{FileHeader, ProgramHeader};
use object::{Endianness, Object as _, ObjectSymbol as _, elf};

const PAGE: u64 = 4096;
/// The vector table in our development kernel and in seL4.
const VECTORS: [&str; 2] = ["kernel_vectors", "arm_vector_table"];

/// A segment that is loaded.
struct Segment<'a> {
    vaddr: u64,
    paddr: u64,
    size: u64,
    is_code: bool,
    data: &'a [u8],
}

/// What seL4 does for its callers, by the function that does it: what entries were for. A kernel that
/// has no such function is not asked.
const WORK: [(&str, &str); 11] = [
    ("fault-data", "c_handle_data_fault"),
    ("fault-trap", "c_handle_vcpu_fault"),
    ("fault-timer", "VPPIEvent"),
    ("fault-maintenance", "VGICMaintenance"),
    ("registers-read", "decodeReadRegisters"),
    ("registers-write", "decodeWriteRegisters"),
    ("vcpu-read", "decodeVCPUReadReg"),
    ("vcpu-inject", "decodeVCPUInjectIRQ"),
    ("vcpu-ack", "decodeVCPUAckVPPI"),
    ("irq-ack", "decodeIRQHandlerInvocation"),
    ("signal", "sendSignal"),
];

/// A kernel's place in physical memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kernel {
    /// First address.
    pub(crate) start: u64,
    /// First address behind.
    pub(crate) end: u64,
    /// The exception vectors.
    pub(crate) vectors: u64,
    /// Functions that say what entries were for, by a short name.
    pub(crate) work: Vec<(&'static str, u64)>,
}

impl Kernel {
    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        let bytes = read(path)?;
        Self::parse(&bytes).map_err(|reason| unusable(path, &reason))
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let segments = segments(bytes)?;
        let start = segments.iter().map(|segment| segment.paddr).min();
        let end = segments.iter().map(|segment| segment.paddr + segment.size);
        let (Some(start), Some(end)) = (start, end.max()) else {
            return Err("it loads nothing".into());
        };
        let file = object::File::parse(bytes).map_err(|e| e.to_string())?;
        let place = |name: &str| {
            let address = file.symbol_by_name(name)?.address();
            physical(&segments, address)
        };
        let vectors = VECTORS.iter().find_map(|name| place(name));
        let work = WORK.iter().copied();
        Ok(Self {
            start,
            end,
            vectors: vectors.ok_or("it has no symbol for its exception vectors, or no segment")?,
            work: work
                .filter_map(|(name, symbol)| Some((name, place(symbol)?)))
                .collect(),
        })
    }
}

/// Where a virtual address is loaded.
fn physical(segments: &[Segment<'_>], address: u64) -> Option<u64> {
    let holds =
        |segment: &&Segment<'_>| (segment.vaddr..segment.vaddr + segment.size).contains(&address);
    let holder = segments.iter().find(holds)?;
    Some(address - holder.vaddr + holder.paddr)
}

/// The code pages of an executable, one behind the other, as a loader makes them: what a segment
/// does not fill is zero.
pub(crate) fn code_pages(path: &Path) -> Outcome<Vec<u8>> {
    let bytes = read(path)?;
    pages_of(&bytes).map_err(|reason| unusable(path, &reason))
}

fn pages_of(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut pages = Vec::new();
    for segment in segments(bytes)?.iter().filter(|segment| segment.is_code) {
        let lead = usize::try_from(segment.vaddr % PAGE).map_err(|e| e.to_string())?;
        pages.resize(pages.len() + lead, 0);
        pages.extend_from_slice(segment.data);
        let page = usize::try_from(PAGE).map_err(|e| e.to_string())?;
        pages.resize(pages.len().next_multiple_of(page), 0);
    }
    match pages.is_empty() {
        true => Err("it has no code".into()),
        false => Ok(pages),
    }
}

fn segments(bytes: &[u8]) -> Result<Vec<Segment<'_>>, String> {
    let text = |error: object::Error| error.to_string();
    let header = elf::FileHeader64::<Endianness>::parse(bytes).map_err(text)?;
    let endian = header.endian().map_err(text)?;
    let headers = header.program_headers(endian, bytes).map_err(text)?;
    let loads = headers
        .iter()
        .filter(|segment| segment.p_type(endian) == elf::PT_LOAD && segment.p_memsz(endian) > 0);
    loads
        .map(|segment| {
            let data = segment.data(endian, bytes);
            Ok(Segment {
                vaddr: segment.p_vaddr(endian),
                paddr: segment.p_paddr(endian),
                size: segment.p_memsz(endian),
                is_code: segment.p_flags(endian).0 & elf::PF_X.0 != 0,
                data: data.map_err(|()| "a segment lies outside of the file".to_owned())?,
            })
        })
        .collect()
}

fn read(path: &Path) -> Outcome<Vec<u8>> {
    std::fs::read(path).map_err(|e| Failure::io("read", path, &e))
}

fn unusable(path: &Path, reason: &str) -> Failure {
    Failure::input(format!("{}: {reason}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_pages_of_this_test_are_whole() {
        let bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let pages = pages_of(&bytes).unwrap();
        assert!(pages.len() > 10_000 && pages.len().is_multiple_of(4096));
        assert!(
            Kernel::parse(&bytes)
                .unwrap_err()
                .contains("exception vectors")
        );
        assert!(pages_of(b"no ELF file").is_err());
    }
}
