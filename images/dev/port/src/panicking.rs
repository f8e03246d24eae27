// SPDX-License-Identifier: BSD-2-Clause
//! What a panic does: say so on the kernel's console, then stop with a fault, so that the parent
//! or the monitor learns of it.

use core::fmt;
use core::panic::PanicInfo;

use runtime::syscalls::Syscalls;

use crate::Svc;
use crate::symbols;

/// Prints the domain's name and where and why it panicked, then faults.
pub fn panic(info: &PanicInfo<'_>) -> ! {
    stop(format_args!("{info}"))
}

/// Prints the domain's name and `text`, then faults.
pub fn stop(text: fmt::Arguments<'_>) -> ! {
    let mut svc = Svc::new();
    for byte in symbols::name() {
        svc.debug_write(&[byte]);
    }
    runtime::print(&mut svc, format_args!(": {text}\n"));
    loop {
        // SAFETY: a breakpoint instruction: the kernel stops this thread with a fault.
        unsafe { core::arch::asm!("brk #1", options(nomem, nostack)) };
    }
}
