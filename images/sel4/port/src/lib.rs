// SPDX-License-Identifier: BSD-2-Clause
//! Protection domain runtime on seL4, over rust-sel4: its entry, panic handling and patched
//! symbols, with Bulkhead's start code in front (fresh `.data` at every start) and Bulkhead's main
//! loop behind.
#![no_std]

mod sys;

pub use common::sha256::Instructions as Sha256;
pub use sel4_microkit;

pub use sys::Sel4;

/// Runs the protection domain whose logic is `C`.
#[expect(clippy::panic, reason = "stops a domain whose system is built wrong")]
pub fn run<C>() -> !
where
    C: runtime::Program<Sel4>,
{
    let identity = runtime::Identity {
        irqs: common::symbols::irqs(),
        passive: sel4_microkit::pd_is_passive(),
    };
    let record = common::record_bytes();
    let Err(error) =
        runtime::run::<C, Sel4>(Sel4::new(), identity, record, &mut common::Memory::new());
    panic!("cannot start: {error}")
}

/// Makes the binary a protection domain whose logic is the given `pd::Component`.
#[macro_export]
macro_rules! protection_domain {
    ($component:ty) => {
        fn bulkhead_init() -> $crate::sel4_microkit::NullHandler {
            $crate::run::<$component>()
        }

        $crate::sel4_microkit::_private::declare_protection_domain! {
            init = bulkhead_init
        }
    };
}
