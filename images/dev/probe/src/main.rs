// SPDX-License-Identifier: BSD-2-Clause
//! Checks a kernel against the test vectors of the project's `sel4-abi.md` §13.
//!
//! One program runs as three protection domains. The parent makes its child and its guest do one thing at a time and
//! compares the message that the kernel sends; it prints a line per vector and a summary. It uses bare system calls
//! only, so that the same file runs on seL4 (with the `sel4` feature) and on the development kernel.
#![no_std]
#![no_main]
#![expect(
    unsafe_code,
    reason = "UNSAFETY: system calls, the UART and the guest's memory"
)]

mod child;
mod guest;
mod report;
mod svc;
mod time;

use core::sync::atomic::AtomicU8;

core::arch::global_asm!(include_str!("child.S"));
core::arch::global_asm!(include_str!("guest.S"));

macro_rules! patched {
    ($($name:ident: $size:literal,)*) => {$(
        #[unsafe(no_mangle)]
        #[unsafe(link_section = ".data.patched")]
        #[used]
        static $name: [AtomicU8; $size] = [const { AtomicU8::new(0) }; $size];
    )*};
}

patched! {
    microkit_name: 64,
    microkit_passive: 1,
    microkit_irqs: 8,
    microkit_notifications: 8,
    microkit_pps: 8,
    microkit_ioports: 8,
}

/// The parent: called by the entry code in the domain whose name begins with `p`.
#[unsafe(no_mangle)]
extern "C" fn parent_main() -> ! {
    let mut report = report::Report::new();
    child::run(&mut report);
    guest::run(&mut report);
    time::run(&mut report);
    report.finish();
    loop {
        svc::receive();
    }
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    report::print("FAIL probe panicked\n");
    loop {
        core::hint::spin_loop();
    }
}
