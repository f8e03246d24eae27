// SPDX-License-Identifier: BSD-2-Clause
//! The machine before and beyond the program: address space, exception vectors, PSCI.

use core::fmt;

use aarch64_paging::descriptor::El1Attributes as Attributes;
use aarch64_paging::mair::{Mair, MairAttribute, NormalMemory};
use aarch64_rt::{
    ExceptionHandlers, InitialPagetable, RegisterStateRef, exception_handlers, initial_pagetable,
};
use dtoolkit::fdt::Fdt;
use dtoolkit::{Node as _, Property as _};
use smccc::{Hvc, Smc, psci};

/// The first byte of RAM.
const RAM: u64 = 0x4000_0000;
/// A device tree lies within the first 1 GiB of RAM, which is what is mapped.
const RAM_END: u64 = 0x8000_0000;

const DEVICE: Attributes = Attributes::VALID
    .union(Attributes::ATTRIBUTE_INDEX_0)
    .union(Attributes::ACCESSED)
    .union(Attributes::UXN);

const MEMORY: Attributes = Attributes::VALID
    .union(Attributes::ATTRIBUTE_INDEX_1)
    .union(Attributes::INNER_SHAREABLE)
    .union(Attributes::ACCESSED)
    .union(Attributes::NON_GLOBAL);

const MAIR: Mair = Mair::EMPTY
    .with_attribute(0, MairAttribute::DEVICE_NGNRE)
    .with_attribute(
        1,
        MairAttribute::normal(
            NormalMemory::WriteBackNonTransientReadWriteAllocate,
            NormalMemory::WriteBackNonTransientReadWriteAllocate,
        ),
    );

initial_pagetable!(
    {
        let mut identity = [0; 512];
        identity[0] = DEVICE.bits();
        identity[1] = MEMORY.bits() | 0x4000_0000;
        InitialPagetable(identity)
    },
    MAIR.0
);

struct Exceptions;

impl ExceptionHandlers for Exceptions {
    extern "C" fn irq_current(_: RegisterStateRef<'_>) {
        crate::board::interrupt();
    }
}

exception_handlers!(Exceptions);

/// How PSCI is called: Bulkhead and machines with EL2 take SMC, QEMU without EL2 takes HVC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Power {
    /// By SMC, also where no device tree says otherwise.
    Smc,
    /// By HVC.
    Hvc,
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Smc => "SMC",
            Self::Hvc => "HVC",
        })
    }
}

impl Power {
    /// Reads `/psci/method` of the device tree at `address`, if there is one.
    pub(crate) fn from_device_tree(address: u64) -> Self {
        match device_tree(address).is_some_and(|tree| uses_hvc(&tree)) {
            true => Self::Hvc,
            false => Self::Smc,
        }
    }

    /// Reboots this machine.
    pub(crate) fn reset(self) {
        // A call that returns has failed; the program then goes on, and its keys still work.
        let _ = match self {
            Self::Smc => psci::system_reset::<Smc>(),
            Self::Hvc => psci::system_reset::<Hvc>(),
        };
    }

    /// Switches this machine off.
    pub(crate) fn off(self) {
        let _ = match self {
            Self::Smc => psci::system_off::<Smc>(),
            Self::Hvc => psci::system_off::<Hvc>(),
        };
    }
}

fn uses_hvc(tree: &Fdt<'_>) -> bool {
    tree.find_node("/psci")
        .and_then(|node| Some(node.property("method")?.value() == b"hvc\0"))
        .unwrap_or(false)
}

fn device_tree(address: u64) -> Option<Fdt<'static>> {
    if !(RAM..RAM_END).contains(&address) || !address.is_multiple_of(8) {
        return None;
    }
    // SAFETY: The address is in mapped RAM. What lies there is checked by the parser, starting
    // with magic and size; the loader that put it there has stopped, and we never write to it.
    #[expect(unsafe_code, reason = "UNSAFETY: the boot protocol passes an address")]
    unsafe {
        Fdt::from_raw(address as *const u8).ok()
    }
}
