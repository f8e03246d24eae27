// SPDX-License-Identifier: BSD-2-Clause
//! Calls to firmware by the SMC calling convention (SMCCC 1.1, DEN0028), which the VMM answers.

use crate::psci::{self, Psci};

/// `NOT_SUPPORTED`, sign-extended to 64 bits (DEN0028 §7.1).
pub const NOT_SUPPORTED: u64 = u64::MAX;
/// `SUCCESS`.
pub const SUCCESS: u64 = 0;

/// `SMCCC_VERSION`.
const VERSION: u32 = 0x8000_0000;
/// `SMCCC_ARCH_FEATURES`.
const ARCH_FEATURES: u32 = 0x8000_0001;
/// Version 1.1: major in bits 31:16.
const VERSION_1_1: u64 = 1 << 16 | 1;

/// Answers the call in `args` (`x0` to `x3`) of vCPU `cpu`. Total: an unknown function is
/// [`NOT_SUPPORTED`], never an abort or a stop (hostile-guest.md H-40).
pub fn call(psci: &mut Psci, cpu: usize, args: &[u64; 4]) -> psci::Outcome {
    let [function, argument, ..] = *args;
    // W0 carries the function identifier (DEN0028 §3.1); the upper half is ignored.
    #[expect(clippy::cast_possible_truncation, reason = "the identifier is in W0")]
    let (function, argument) = (function as u32, argument as u32);
    match function {
        VERSION => psci::Outcome::Return(VERSION_1_1),
        ARCH_FEATURES => psci::Outcome::Return(match argument {
            VERSION | ARCH_FEATURES => SUCCESS,
            _ => NOT_SUPPORTED,
        }),
        _ => psci.call(cpu, args),
    }
}
