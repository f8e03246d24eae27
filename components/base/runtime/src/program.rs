// SPDX-License-Identifier: BSD-2-Clause
//! From a record to a running protection domain.

use core::fmt::{self, Write};

use pd::{Component, Handler, Mapper, Setup, SetupError};
use record::Record;

use crate::kernel::Kernel;
use crate::syscalls::Syscalls;

/// What the system's builder patched into the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Identity {
    /// The domain's IRQs, a bit per channel id.
    pub irqs: u64,
    /// Whether it is a passive server.
    pub passive: bool,
}

/// Logic that can run on the kernel `S`: a component that handles events with every facet.
pub trait Program<S: Syscalls>: Component + Handler<Kernel<S>> {}

impl<S: Syscalls, C: Component + Handler<Kernel<S>>> Program<S> for C {}

/// Creates the domain's logic from `record` and runs it for ever.
///
/// `Err` means that the system is built wrong: say so on the kernel's console and stop.
///
/// # Errors
///
/// [`SetupError`] where the record is invalid or lacks what the logic needs.
pub fn run<C, S>(
    sys: S,
    identity: Identity,
    record: &[u8],
    mapper: &mut dyn Mapper,
) -> Result<core::convert::Infallible, SetupError>
where
    S: Syscalls,
    C: Program<S>,
{
    // Used where it lies: a domain's logic is kilobytes, and each move would be a copy on its stack.
    let mut program = create::<C>(record, mapper);
    match &mut program {
        Ok(program) => pd::run(program, &mut Kernel::new(sys, identity)),
        Err(error) => Err(*error),
    }
}

/// Apart from [`run`], so that what it takes of the stack is free again for the handlers.
#[inline(never)]
fn create<C: Component>(record: &[u8], mapper: &mut dyn Mapper) -> Result<C, SetupError> {
    C::create(&mut Setup::new(Record::parse(record)?, mapper))
}

/// Prints formatted text to the kernel's debug console.
pub fn print<S: Syscalls>(sys: &mut S, text: fmt::Arguments<'_>) {
    struct Console<'a, S>(&'a mut S);
    impl<S: Syscalls> Write for Console<'_, S> {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.debug_write(text.as_bytes());
            Ok(())
        }
    }
    // The console never fails; a `Display` that does prints less.
    let _ = Console(sys).write_fmt(text);
}
