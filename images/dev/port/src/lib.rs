// SPDX-License-Identifier: BSD-2-Clause
//! Protection domain runtime on the development kernel: seL4's system calls as bare `svc`, the
//! variables that the system's builder patches, a panic handler, and Bulkhead's main loop.
//!
//! An ELF built with this crate is an ordinary Microkit one; it differs from the seL4 port's only
//! in where its entry and its invocation labels come from.
#![no_std]
#![expect(unsafe_code, reason = "UNSAFETY: the entry symbol")]

pub mod labels;
#[doc(hidden)]
pub mod panicking;
mod symbols;

pub use common::sha256::Instructions as Sha256;

/// The development kernel, built for one of its label sets.
#[derive(Debug)]
pub struct Dev(());

impl common::svc::Flavour for Dev {
    const LABELS: runtime::syscalls::Labels = labels::CHOSEN;
    const CONSOLE: bool = !cfg!(feature = "labels-release");
}

/// The development kernel's system calls.
pub type Svc = common::svc::Svc<Dev>;

/// Runs the protection domain whose logic is `C`.
pub fn run<C>() -> !
where
    C: runtime::Program<Svc>,
{
    let identity = runtime::Identity {
        irqs: common::symbols::irqs(),
        passive: symbols::passive(),
    };
    let record = common::record_bytes();
    let Err(error) =
        runtime::run::<C, Svc>(Svc::new(), identity, record, &mut common::Memory::new());
    panicking::stop(format_args!("cannot start: {error}"))
}

/// Makes the binary a protection domain whose logic is the given `pd::Component`.
#[macro_export]
macro_rules! protection_domain {
    ($component:ty) => {
        const _: () = {
            // SAFETY: the start code jumps to this name with a fresh stack, .data and .bss, and
            // nothing else defines it.
            #[unsafe(no_mangle)]
            extern "C" fn _start() -> ! {
                $crate::run::<$component>()
            }

            #[panic_handler]
            fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
                $crate::panicking::panic(info)
            }
        };
    };
}
