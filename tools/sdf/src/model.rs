// SPDX-License-Identifier: BSD-2-Clause
//! The system description as data: what the file says, with a span on every value that can be wrong.
//!
//! Attributes keep their spelling's meaning, not their effect: a region without `page_size` holds
//! `None` here, and [`System::regions`] computes what the kernel will see.

mod query;
mod record;

pub use query::{Setvar, SetvarKind};
pub use record::{GUEST_RAM_BASE, GUEST_RAM_ROLE, Guest, Record, RecordEntry, RecordTarget};

use crate::span::{Source, Span, Spanned};

/// Highest channel, interrupt, child and vCPU id: bits 62 and 63 of a badge mean fault and call.
pub const MAX_ID: u8 = 61;
/// Highest priority of a protection domain or virtual machine; 255 is the monitor's.
pub const MAX_PRIORITY: u8 = 254;
/// Highest number of protection domains in one system.
pub const MAX_PDS: usize = 63;
/// Budget when none is given, in microseconds; the period is then the same.
pub const DEFAULT_BUDGET_US: u64 = 1000;
/// Smallest budget the kernel accepts, in microseconds (twice its worst-case kernel entry).
pub const MIN_BUDGET_US: u64 = 20;
/// Stack size when none is given, in bytes.
pub const DEFAULT_STACK_SIZE: u64 = 0x2000;
/// Number of kernel domains in the SDK's unicore kernels.
pub const MAX_DOMAINS: u8 = 16;
/// Entries of the kernel's domain schedule.
pub const MAX_SCHEDULE: usize = 100;

/// A whole system description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct System {
    /// The text all spans refer to.
    pub source: Source,
    /// `name` of the root element, our addition; Microkit ignores it.
    pub name: Option<Spanned<String>>,
    /// The domain schedule, if the system has one.
    pub domains: Option<Domains>,
    /// Every protection domain, in Microkit's numbering (`pd_index`): each root in file order,
    /// followed by its descendants, depth first.
    pub pds: Vec<ProtectionDomain>,
    /// Memory regions in file order.
    pub memory_regions: Vec<MemoryRegion>,
    /// Channels in file order.
    pub channels: Vec<Channel>,
}

/// A `<protection_domain>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectionDomain {
    /// The start tag.
    pub span: Span,
    /// Unique name, 1 to 63 bytes.
    pub name: Spanned<String>,
    /// Index of the parent in [`System::pds`].
    pub parent: Option<usize>,
    /// Id the parent knows this PD by (0..=61); present exactly for children.
    pub child_id: Option<Spanned<u8>>,
    /// Symbol in the *parent's* ELF that receives the child id.
    pub setvar_id: Option<Spanned<String>>,
    /// 0..=254.
    pub priority: Spanned<u8>,
    /// Microseconds per period.
    pub budget_us: Spanned<u64>,
    /// Microseconds, at least the budget.
    pub period_us: Spanned<u64>,
    /// Gives up its scheduling context after `init`.
    pub passive: Spanned<bool>,
    /// Bytes, a multiple of 4 KiB, 4 KiB to 16 MiB.
    pub stack_size: Spanned<u64>,
    /// Core the PD runs on.
    pub cpu: Spanned<u8>,
    /// May make secure monitor calls.
    pub smc: Spanned<bool>,
    /// May use floating point.
    pub fpu: Spanned<bool>,
    /// Name of the domain, exactly when the system has a domain schedule.
    pub domain: Option<Spanned<String>>,
    /// The program.
    pub image: ProgramImage,
    /// Mappings in file order.
    pub maps: Vec<Map>,
    /// Interrupts in file order.
    pub irqs: Vec<Irq>,
    /// `<setvar>` elements in file order.
    pub setvars: Vec<RegionPaddr>,
    /// The guest, if this PD is a virtual machine monitor.
    pub virtual_machine: Option<VirtualMachine>,
    /// Capabilities of other PDs placed in this one's root CNode.
    pub cspace: Vec<CapMap>,
    /// Our configuration record, if one is asked for.
    pub record: Option<Record>,
}

/// A `<program_image>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramImage {
    /// The start tag.
    pub span: Span,
    /// ELF to load, looked up in the search path.
    pub path: Spanned<String>,
    /// ELF to look symbols up in, when the loaded one is stripped.
    pub path_for_symbols: Option<Spanned<String>>,
}

/// Access rights of a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_structs, reason = "three bits, complete by nature")]
pub struct Perms {
    /// May be read.
    pub read: bool,
    /// May be written.
    pub write: bool,
    /// May be executed.
    pub execute: bool,
}

impl std::fmt::Display for Perms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (on, letter) in [(self.read, "r"), (self.write, "w"), (self.execute, "x")] {
            if on {
                f.write_str(letter)?;
            }
        }
        Ok(())
    }
}

/// A `<map>` of a protection domain or virtual machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Map {
    /// The start tag.
    pub span: Span,
    /// Name of the memory region.
    pub mr: Spanned<String>,
    /// First virtual (guest-physical, for a virtual machine) address.
    pub vaddr: Spanned<u64>,
    /// Rights, `rw` by default.
    pub perms: Spanned<Perms>,
    /// Normal write-back memory, else Device-nGnRnE.
    pub cached: Spanned<bool>,
    /// Symbol that receives `vaddr`.
    pub setvar_vaddr: Option<Spanned<String>>,
    /// Symbol that receives the region's size.
    pub setvar_size: Option<Spanned<String>>,
    /// Symbol that receives the length of the region's prefill file.
    pub setvar_prefill_size: Option<Spanned<String>>,
}

/// How an interrupt line signals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// Asserted until the device is served.
    Level,
    /// One event per rising edge.
    Edge,
}

/// An `<irq>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Irq {
    /// The start tag.
    pub span: Span,
    /// GIC interrupt number (SPI n is n + 32).
    pub irq: Spanned<u32>,
    /// Id the PD knows it by, in the same space as channel ids.
    pub id: Spanned<u8>,
    /// Level by default.
    pub trigger: Spanned<Trigger>,
    /// Symbol that receives `id`.
    pub setvar_id: Option<Spanned<String>>,
}

/// A `<setvar symbol=… region_paddr=…>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionPaddr {
    /// The start tag.
    pub span: Span,
    /// Symbol that receives the address.
    pub symbol: Spanned<String>,
    /// Memory region whose physical address it receives.
    pub region: Spanned<String>,
}

/// A `<virtual_machine>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualMachine {
    /// The start tag.
    pub span: Span,
    /// Unique among virtual machines.
    pub name: Spanned<String>,
    /// 0..=254.
    pub priority: Spanned<u8>,
    /// Microseconds per period.
    pub budget_us: Spanned<u64>,
    /// Microseconds, at least the budget.
    pub period_us: Spanned<u64>,
    /// At least one.
    pub vcpus: Vec<Vcpu>,
    /// Guest-physical memory.
    pub maps: Vec<Map>,
}

/// A `<vcpu>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vcpu {
    /// The start tag.
    pub span: Span,
    /// Id the monitor knows it by, in the same space as child ids.
    pub id: Spanned<u8>,
    /// Core; the monitor's when absent.
    pub cpu: Option<Spanned<u8>>,
    /// Symbol in the monitor's ELF that receives `id`.
    pub setvar_id: Option<Spanned<String>>,
}

/// Which capability a `<cspace>` entry grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapKind {
    /// The thread control block.
    Tcb,
    /// The scheduling context.
    Sc,
    /// The address space root.
    VSpace,
}

/// An entry of `<cspace>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CapMap {
    /// The start tag.
    pub span: Span,
    /// Object kind.
    pub kind: CapKind,
    /// Root CNode slot, 1..=63.
    pub slot: Spanned<u8>,
    /// PD whose object it is.
    pub pd: Spanned<String>,
}

/// Page sizes of the architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PageSize {
    /// 4 KiB.
    Small,
    /// 2 MiB.
    Large,
}

impl PageSize {
    /// Size in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Small => 0x1000,
            Self::Large => 0x20_0000,
        }
    }
}

/// Kinds of boot information a region can be filled with.
pub const BOOT_INFO: [&str; 6] = [
    "x86_vbe",
    "x86_mbmmap",
    "x86_acpi_rsdp",
    "x86_framebuffer",
    "x86_tsc_freq",
    "fdt",
];

/// A `<memory_region>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryRegion {
    /// The start tag.
    pub span: Span,
    /// Unique name.
    pub name: Spanned<String>,
    /// Bytes; absent only with a prefill, then its length rounded up to pages.
    pub size: Option<Spanned<u64>>,
    /// Explicit page size; otherwise the largest that fits.
    pub page_size: Option<Spanned<PageSize>>,
    /// Fixed physical address.
    pub phys_addr: Option<Spanned<u64>>,
    /// File the region is filled with at build time.
    pub prefill_path: Option<Spanned<String>>,
    /// Boot information the region is filled with at boot; one of [`BOOT_INFO`].
    pub prefill_bootinfo: Option<Spanned<String>>,
}

/// A `<channel>` with its two ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// The start tag.
    pub span: Span,
    /// Ends in file order.
    pub ends: [ChannelEnd; 2],
}

/// An `<end>` of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelEnd {
    /// The start tag.
    pub span: Span,
    /// Name of the PD.
    pub pd: Spanned<String>,
    /// Id this PD knows the channel by.
    pub id: Spanned<u8>,
    /// This end may call the other.
    pub pp: Spanned<bool>,
    /// This end may notify the other.
    pub notify: Spanned<bool>,
    /// Symbol in this PD's ELF that receives `id`.
    pub setvar_id: Option<Spanned<String>>,
}

/// The `<domains>` element.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domains {
    /// The start tag.
    pub span: Span,
    /// Declared domains in file order, ids assigned.
    pub domains: Vec<Domain>,
    /// First schedule entry to run.
    pub start_index: Option<Spanned<u64>>,
    /// Kernel schedule index of the first entry.
    pub index_shift: Option<Spanned<u64>>,
    /// Entries in order.
    pub schedule: Vec<ScheduleEntry>,
}

/// A `<domain>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// The start tag.
    pub span: Span,
    /// Unique name.
    pub name: Spanned<String>,
    /// 0..=15; the lowest free one when the file gives none.
    pub id: Spanned<u8>,
    /// Whether the file gave the id.
    pub explicit: bool,
}

/// A `<schedule_entry>` or `<schedule_end_marker>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ScheduleEntry {
    /// Run `domain` for `duration`.
    Run {
        /// Name of the domain.
        domain: Spanned<String>,
        /// How long.
        duration: Spanned<Duration>,
    },
    /// Go back to the schedule's start.
    End(Span),
}

/// Length of a schedule entry, never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duration {
    /// Microseconds.
    Us(u64),
    /// Ticks of the kernel timer.
    Ticks(u64),
}
