// SPDX-License-Identifier: BSD-2-Clause
//! Setting variables in files made for the purpose.

use super::*;

/// One segment at 0x1000: 16 bytes of data, 16 of bss; symbols of 8 bytes at the given addresses.
pub(crate) fn file(symbols: &[(&str, u64)]) -> Vec<u8> {
    let mut names = vec![0];
    let mut symtab = vec![0; 24];
    for (name, address) in symbols {
        symtab.extend(u32::try_from(names.len()).unwrap().to_le_bytes());
        symtab.extend([0x11, 0, 1, 0]);
        symtab.extend([*address, 8].map(u64::to_le_bytes).concat());
        names.extend(name.bytes().chain([0]));
    }
    let data = [0xaa; 16];
    let at = |offset: usize| u64::try_from(64 + 56 + offset).unwrap();
    let (symtab_at, names_at) = (at(16), at(16 + symtab.len()));
    let sections_at = at(16 + symtab.len() + names.len());
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    file.extend([2_u16, 183].map(u16::to_le_bytes).concat());
    file.extend(1_u32.to_le_bytes());
    file.extend([0x1000, 64, sections_at].map(u64::to_le_bytes).concat());
    file.extend(0_u32.to_le_bytes());
    file.extend([64_u16, 56, 1, 64, 3, 2].map(u16::to_le_bytes).concat());
    file.extend([1_u32, 6].map(u32::to_le_bytes).concat());
    file.extend(
        [at(0), 0x1000, 0x1000, 16, 32, 0x1000]
            .map(u64::to_le_bytes)
            .concat(),
    );
    file.extend(data);
    file.extend(&symtab);
    file.extend(&names);
    let lengths = [0, symtab.len(), names.len()].map(|l| u64::try_from(l).unwrap());
    for (kind, start, length, link, each) in [
        (0_u32, 0, lengths[0], 0_u32, 0_u64),
        (2, symtab_at, lengths[1], 2, 24),
        (3, names_at, lengths[2], 0, 0),
    ] {
        file.extend([0, kind].map(u32::to_le_bytes).concat());
        file.extend([0, 0, start, length].map(u64::to_le_bytes).concat());
        file.extend([link, 1].map(u32::to_le_bytes).concat());
        file.extend([1, each].map(u64::to_le_bytes).concat());
    }
    file
}

#[test]
fn sets_initialised_variables_only() {
    let mut program = file(&[("x", 0x1008), ("bss", 0x1010), ("y", 0x1000), ("y", 0x1000)]);
    let symbols = program.clone();
    set(&mut program, &symbols, "x", 0x0102).unwrap();
    assert_eq!(program[64 + 56 + 7..64 + 56 + 11], [0xaa, 2, 1, 0]);
    let bss = set(&mut program, &symbols, "bss", 1);
    assert_eq!(bss, Err(PatchError::Uninitialised));
    assert_eq!(set(&mut program, &symbols, "y", 1), Err(PatchError::Symbol));
    assert_eq!(set(&mut program, &symbols, "z", 1), Err(PatchError::Symbol));
    assert_eq!(set(&mut [], &symbols, "x", 1), Err(PatchError::Malformed));
}
