// SPDX-License-Identifier: BSD-2-Clause
//! The faults that safe Rust cannot commit, for the domain that faults on purpose.

use core::arch::asm;

use demo::{Accident, Kind};

/// Commits them on the CPU that this domain runs on.
#[derive(Debug, Default)]
pub struct Accidents;

impl Accident for Accidents {
    fn happen(&mut self, kind: Kind) {
        match kind {
            // SAFETY: nothing is mapped there, so the store faults and writes nothing.
            Kind::UnmappedStore(address) => unsafe {
                asm!("str xzr, [{}]", in(reg) address, options(nostack));
            },
            // SAFETY: text is not writable, so the store faults and writes nothing.
            Kind::TextStore => unsafe {
                asm!("adr {0}, .", "str xzr, [{0}]", out(reg) _, options(nostack));
            },
            // SAFETY: the encoding is permanently undefined: it faults and does nothing.
            Kind::Undefined => unsafe { asm!("udf #0", options(nomem, nostack)) },
            // SAFETY: the stack is never executable, so the branch faults at its target.
            Kind::StackExecution => unsafe {
                asm!("mov {0}, sp", "br {0}", out(reg) _, options(nostack));
            },
        }
    }
}
