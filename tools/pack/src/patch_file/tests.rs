// SPDX-License-Identifier: BSD-2-Clause
//! Setting variables in files made for the purpose.

use super::*;
use crate::made::Made;

#[test]
fn sets_initialised_variables_only() {
    let mut made = Made::program();
    made.symbols
        .extend([("twice", 0x20_1000, 8), ("twice", 0x20_1008, 8)]);
    let mut program = made.bytes();
    let symbols = program.clone();
    set(&mut program, &symbols, "number", 0x0102).unwrap();
    let changed: Vec<usize> = (0..program.len())
        .filter(|at| program[*at] != symbols[*at])
        .collect();
    assert_eq!(changed.len(), 8);
    assert_eq!(program[changed[0]..changed[0] + 3], [2, 1, 0]);
    assert_eq!(
        set(&mut program, &symbols, "in_bss", 1),
        Err(PatchError::Uninitialised)
    );
    assert_eq!(
        set(&mut program, &symbols, "twice", 1),
        Err(PatchError::Symbol)
    );
    assert_eq!(
        set(&mut program, &symbols, "microkit_name", 1),
        Err(PatchError::Symbol)
    );
    assert_eq!(
        set(&mut program, &symbols, "none", 1),
        Err(PatchError::Symbol)
    );
    assert_eq!(
        set(&mut [], &symbols, "number", 1),
        Err(PatchError::Malformed)
    );
}
