// SPDX-License-Identifier: BSD-2-Clause
//! Setting a variable in an ELF file, for the few values that `microkit` 2.3.0 gets wrong.

use object::read::elf::{ElfFile64, ProgramHeader};
use object::{LittleEndian, Object, ObjectSymbol, elf};

/// Why a variable cannot be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatchError {
    /// Not a usable file.
    #[error("the file is not a usable ELF file")]
    Malformed,
    /// No such symbol of eight bytes, or several.
    #[error("there is not exactly one symbol of that name with eight bytes")]
    Symbol,
    /// The symbol is not in the file.
    #[error("the variable has no initialised data: give it an initial value other than zero")]
    Uninitialised,
}

/// Writes `value` to the variable `name` of `file`; the symbol is looked up in `symbols`.
pub(crate) fn set(
    file: &mut [u8],
    symbols: &[u8],
    name: &str,
    value: u64,
) -> Result<(), PatchError> {
    let address = address(symbols, name)?;
    let offset = offset(file, address)?;
    file.get_mut(offset..offset + 8)
        .ok_or(PatchError::Malformed)?
        .copy_from_slice(&value.to_le_bytes());
    Ok(())
}

fn parse(file: &[u8]) -> Result<ElfFile64<'_, LittleEndian>, PatchError> {
    ElfFile64::parse(file).map_err(|_| PatchError::Malformed)
}

fn address(symbols: &[u8], name: &str) -> Result<u64, PatchError> {
    let elf = parse(symbols)?;
    let mut found = elf.symbols().filter(|symbol| symbol.name() == Ok(name));
    match (found.next(), found.next()) {
        (Some(symbol), None) if symbol.size() == 8 => Ok(symbol.address()),
        _ => Err(PatchError::Symbol),
    }
}

/// Where the eight bytes at `address` are in the file.
fn offset(file: &[u8], address: u64) -> Result<usize, PatchError> {
    let parsed = parse(file)?;
    let endian = parsed.endian();
    let loads = parsed
        .elf_program_headers()
        .iter()
        .filter(|ph| ph.p_type(endian) == elf::PT_LOAD);
    for header in loads {
        let Some(inside) = address.checked_sub(header.p_vaddr(endian)) else {
            continue;
        };
        if inside
            .checked_add(8)
            .is_some_and(|end| end <= header.p_filesz(endian))
        {
            let offset = header.p_offset(endian).checked_add(inside);
            return offset
                .and_then(|offset| usize::try_from(offset).ok())
                .ok_or(PatchError::Malformed);
        }
    }
    Err(PatchError::Uninitialised)
}

#[cfg(test)]
mod tests;
