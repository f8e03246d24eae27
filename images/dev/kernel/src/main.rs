// SPDX-License-Identifier: BSD-2-Clause
//! Development kernel for QEMU `virt`: boot code, vectors and hardware access at EL2.
//!
//! Decisions are in `components/devkernel`; this crate gives it a machine. UNVERIFIED, for development only.
//! Built for `aarch64-unknown-none-softfloat`, so that the kernel never touches a thread's FP registers.
#![no_std]
#![no_main]
#![expect(
    unsafe_code,
    reason = "UNSAFETY: this is the machine: system registers, device registers, page tables, physical memory"
)]

mod cell;
mod fpu;
mod gic;
mod hardware;
mod memory;
mod payload;
mod regime;
mod registers;
mod uart;

use cell::BootCell;
use core::fmt::Write;
use devkernel::Kernel;
use devkernel::context::Context;
use hardware::Hardware;

core::arch::global_asm!(include_str!("boot.S"));
core::arch::global_asm!(include_str!("vectors.S"));

// The vectors address these fields by offset.
const _: () = {
    assert!(core::mem::offset_of!(Context, sp) == 248);
    assert!(core::mem::offset_of!(Context, elr) == 256);
    assert!(core::mem::offset_of!(Context, tpidr) == 272);
};

static KERNEL: BootCell<Kernel<'static, Hardware>> = BootCell::new();

/// Called once by the boot code; returns the registers of the first thread.
#[unsafe(no_mangle)]
extern "C" fn kernel_boot() -> *mut Context {
    memory::enable_mmu();
    let _ = writeln!(
        uart::Uart,
        "Bulkhead development kernel {}: UNVERIFIED, for development only",
        env!("CARGO_PKG_VERSION")
    );
    if cfg!(target_feature = "neon") {
        let _ = writeln!(
            uart::Uart,
            "KERNEL|ERROR: built for hard float, would corrupt threads; build for aarch64-unknown-none-softfloat"
        );
        halt();
    }
    regime::init();
    gic::init();
    match payload::start() {
        Ok(kernel) => {
            // SAFETY: the boot code runs once, before any exception, so nothing else uses the cell.
            let kernel = unsafe { KERNEL.set(kernel) };
            kernel.start();
            resume(kernel)
        }
        Err(error) => {
            let _ = writeln!(
                uart::Uart,
                "KERNEL|ERROR: cannot start the image: {error:?}"
            );
            halt()
        }
    }
}

/// A synchronous exception of a thread, whose registers the vector has saved.
#[unsafe(no_mangle)]
extern "C" fn kernel_sync(esr: u64, far: u64) -> *mut Context {
    // SAFETY: exceptions are masked in the kernel, so this is the only user of the cell until it returns.
    let kernel = unsafe { KERNEL.get() };
    kernel.enter_sync(esr, far);
    resume(kernel)
}

/// An interrupt taken from a thread, whose registers the vector has saved.
#[unsafe(no_mangle)]
extern "C" fn kernel_irq() -> *mut Context {
    // SAFETY: as in `kernel_sync`.
    let kernel = unsafe { KERNEL.get() };
    take_interrupt(kernel);
    resume(kernel)
}

/// An exception that has no handler: a fault of the kernel itself, FIQ, SError or AArch32.
#[unsafe(no_mangle)]
extern "C" fn kernel_fatal(kind: u64, esr: u64, elr: u64, far: u64) -> ! {
    let _ = writeln!(
        uart::Uart,
        "KERNEL|ERROR: unexpected exception {kind}: esr {esr:#x} elr {elr:#x} far {far:#x}"
    );
    halt()
}

fn take_interrupt(kernel: &mut Kernel<'static, Hardware>) {
    if let Some(irq) = gic::acknowledge() {
        kernel.enter_irq(irq);
        gic::complete(irq);
    }
}

/// Registers of the thread to run; waits for interrupts while there is none.
fn resume(kernel: &mut Kernel<'static, Hardware>) -> *mut Context {
    loop {
        if let Some(context) = kernel.current_context() {
            return context;
        }
        registers::wait_for_interrupt();
        take_interrupt(kernel);
    }
}

fn halt() -> ! {
    loop {
        registers::wait_for_interrupt();
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    let _ = writeln!(uart::Uart, "KERNEL|ERROR: {info}");
    halt()
}
