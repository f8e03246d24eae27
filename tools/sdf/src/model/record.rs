// SPDX-License-Identifier: BSD-2-Clause
//! Our `<record>` element.

use crate::span::{Span, Spanned};

/// Our `<record>`: what the PD is told about its surroundings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The start tag.
    pub span: Span,
    /// Entries in file order.
    pub entries: Vec<RecordEntry>,
    /// What the virtual machine of this protection domain boots, if the record says.
    pub guest: Option<Guest>,
}

/// `<guest>` in a `<record>`: what the virtual machine beside the record boots. The build places the
/// images, generates the device tree, and adds regions, mappings and entries for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guest {
    /// The start tag.
    pub span: Span,
    /// Name of the guest's recipe.
    pub image: Spanned<String>,
    /// Kernel command line.
    pub cmdline: Option<Spanned<String>>,
}

/// Role of the region that is a guest's RAM.
pub const GUEST_RAM_ROLE: &str = "ram";
/// Where guests see their RAM (QEMU's virt machine).
pub const GUEST_RAM_BASE: u64 = 0x4000_0000;

/// One entry of a `<record>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordEntry {
    /// The start tag.
    pub span: Span,
    /// Name the PD looks it up by, 1 to 32 bytes of ASCII; a role may repeat.
    pub role: Spanned<String>,
    /// What it stands for.
    pub target: RecordTarget,
}

/// What a record entry refers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordTarget {
    /// This PD's map of a memory region.
    Region {
        /// Name of the memory region.
        mr: Spanned<String>,
    },
    /// A memory region at a fixed physical address, mapped by this PD or not.
    Window {
        /// Name of the memory region.
        mr: Spanned<String>,
    },
    /// This PD's channel to another PD.
    Channel {
        /// Name of the other PD.
        pd: Spanned<String>,
        /// Which of several, counted from 0 in file order.
        n: Option<Spanned<u64>>,
    },
    /// One of this PD's interrupts.
    Irq {
        /// Interrupt number.
        irq: Spanned<u32>,
    },
    /// One of this PD's children.
    Child {
        /// Name of the child.
        pd: Spanned<String>,
    },
    /// One of this PD's vCPUs.
    Vcpu {
        /// Its id.
        id: Spanned<u8>,
    },
    /// A number.
    Value {
        /// The number.
        value: Spanned<u64>,
    },
    /// A text.
    Text {
        /// The text.
        value: Spanned<String>,
    },
}
