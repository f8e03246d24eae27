// SPDX-License-Identifier: BSD-2-Clause
//! Records of the payload. All integers are little endian and unaligned, so a record may lie anywhere.

use zerocopy::little_endian::{U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// First bytes of the payload.
pub const MAGIC: [u8; 8] = *b"BHDEVIMG";
/// Version of this layout; a kernel accepts exactly its own.
pub const VERSION: u32 = 1;

/// Physical address at which the image is loaded and entered.
pub const KERNEL_PADDR: u64 = 0x6000_0000;
/// Offset of the payload in the image file; everything below belongs to the kernel.
pub const PAYLOAD_OFFSET: u64 = 0x40_0000;
/// Physical address of the payload.
pub const PAYLOAD_PADDR: u64 = KERNEL_PADDR + PAYLOAD_OFFSET;
/// End (exclusive) of the RAM that the packer may use.
pub const RAM_END: u64 = 0xc000_0000;
/// User RAM begins at the end of the payload, rounded up to this.
pub const RAM_ALIGN: u64 = 0x20_0000;
/// Page size of mappings.
pub const PAGE: u64 = 0x1000;
/// End (exclusive) of every address space: 40-bit intermediate physical addresses.
pub const VADDR_END: u64 = 1 << 40;
/// Device pages that only the kernel may touch: GICD, GICC, GICH (one page each).
pub const KERNEL_DEVICE_PAGES: [u64; 3] = [0x0800_0000, 0x0801_0000, 0x0803_0000];

/// "No such object" in an index field.
pub const NONE: u32 = u32::MAX;

/// `Header::label_set`: invocation labels and debug calls of the SDK's debug kernel.
pub const LABELS_DEBUG: u32 = 0;
/// `Header::label_set`: invocation labels of the SDK's release kernel; no debug calls.
pub const LABELS_RELEASE: u32 = 1;

/// Largest number of threads.
pub const MAX_TCBS: u32 = 192;
/// Largest number of scheduling contexts, endpoints, notifications, reply objects (each).
pub const MAX_OBJECTS: u32 = 192;
/// Largest number of virtual CPUs.
pub const MAX_VCPUS: u32 = 64;
/// Largest number of address spaces.
pub const MAX_VSPACES: u32 = 128;
/// Largest number of capability spaces.
pub const MAX_CSPACES: u32 = 192;
/// Largest number of two-level capability spaces ([`CSPACE_PD`]).
pub const MAX_PD_CSPACES: u32 = 64;
/// Largest interrupt number (GIC INTID).
pub const MAX_IRQ: u32 = 159;
/// Slots of a PD's second-level CNode, and of a flat CSpace.
pub const CNODE_SLOTS: u32 = 512;
/// Slots of a PD's root CNode; slot 0 is the second-level CNode itself.
pub const ROOT_SLOTS: u32 = 64;
/// Bytes of a thread name.
pub const MAX_NAME: usize = 64;
/// Number of scheduling domains.
pub const DOMAINS: u32 = 16;
/// Largest number of entries of the domain schedule.
pub const MAX_DOMAIN_ENTRIES: u32 = 100;
/// Smallest budget in microseconds (seL4's minimum, sel4-abi §9.2).
pub const MIN_BUDGET_US: u64 = 20;

macro_rules! record {
    ($(#[$doc:meta])* $name:ident, $size:literal, { $($(#[$fdoc:meta])* $field:ident: $ty:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
        #[repr(C)]
        pub struct $name { $($(#[$fdoc])* pub $field: $ty,)* }
        const _: () = assert!(size_of::<$name>() == $size);
    };
}

record! {
    /// Where a table lies: `count` records from byte `offset` of the payload.
    Table, 8, {
        /// Byte offset from the start of the payload.
        offset: U32,
        /// Number of records.
        count: U32,
    }
}

record! {
    /// Start of the payload.
    Header, 128, {
        /// [`MAGIC`].
        magic: [u8; 8],
        /// [`VERSION`].
        version: U32,
        /// [`LABELS_DEBUG`] or [`LABELS_RELEASE`].
        label_set: U32,
        /// Bytes of the whole payload, header included.
        total_size: U64,
        /// [`crate::crc32`] of the payload after the header (bytes 128..total_size).
        crc32: U32,
        /// Endpoint that the kernel's monitor serves, or [`NONE`].
        monitor_endpoint: U32,
        /// Number of endpoints.
        endpoints: U32,
        /// Number of notifications.
        notifications: U32,
        /// Number of reply objects.
        replies: U32,
        /// Number of virtual CPUs.
        vcpus: U32,
        /// Index in `domains` at which the schedule starts.
        domain_start: U32,
        /// Zero.
        reserved: U32,
        /// [`Load`] records, ascending by `paddr`, disjoint.
        loads: Table,
        /// [`VSpace`] records.
        vspaces: Table,
        /// [`Mapping`] records, grouped by address space.
        mappings: Table,
        /// [`Tcb`] records: PDs in `pd_index` order, then virtual CPUs.
        tcbs: Table,
        /// [`SchedContext`] records.
        sched_contexts: Table,
        /// [`Irq`] records.
        irqs: Table,
        /// [`CSpace`] records.
        cspaces: Table,
        /// [`Slot`] records, grouped by capability space.
        slots: Table,
        /// [`DomainEntry`] records; empty means domain 0 for ever.
        domains: Table,
    }
}

record! {
    /// Bytes to place in user RAM: `file_size` bytes from the payload, then zeros up to `mem_size`.
    /// RAM that no record names keeps its contents (zero at power-on in QEMU).
    Load, 32, {
        /// Physical destination, inside user RAM.
        paddr: U64,
        /// Bytes to fill.
        mem_size: U64,
        /// Byte offset of the source from the start of the payload.
        file_offset: U64,
        /// Bytes to copy; at most `mem_size`.
        file_size: U64,
    }
}

record! {
    /// An address space: `count` mappings from `first_mapping`, ascending by `vaddr`, disjoint.
    VSpace, 8, {
        /// Index of the first [`Mapping`].
        first_mapping: U32,
        /// Number of mappings.
        count: U32,
    }
}

/// [`Mapping::flags`]: readable. A mapping without it is not accessible at all.
pub const MAP_READ: u64 = 1;
/// [`Mapping::flags`]: writable.
pub const MAP_WRITE: u64 = 2;
/// [`Mapping::flags`]: executable.
pub const MAP_EXECUTE: u64 = 4;
/// [`Mapping::flags`]: Normal write-back memory; otherwise Device-nGnRnE.
pub const MAP_CACHED: u64 = 8;

record! {
    /// A contiguous mapping; addresses and size are multiples of [`PAGE`].
    Mapping, 32, {
        /// Virtual address (guest-physical for a VM).
        vaddr: U64,
        /// Physical address.
        paddr: U64,
        /// Bytes.
        size: U64,
        /// `MAP_*` bits.
        flags: U64,
    }
}

/// [`Tcb::flags`]: FP and SIMD instructions fault.
pub const TCB_FPU_DISABLED: u32 = 1;
/// [`Tcb::flags`]: the kernel starts the thread at boot.
pub const TCB_RESUME: u32 = 2;
/// [`Tcb::flags`]: passive PD; the monitor moves its scheduling context to its notification on request.
pub const TCB_PASSIVE: u32 = 4;

record! {
    /// A thread.
    Tcb, 168, {
        /// Name, NUL padded.
        name: [u8; MAX_NAME],
        /// Entry address.
        entry: U64,
        /// Initial stack pointer.
        sp: U64,
        /// Initial SPSR; the kernel sanitises it.
        spsr: U64,
        /// Address of the IPC buffer in the thread's address space (0 for a VM).
        ipc_buffer_vaddr: U64,
        /// Physical address of the IPC buffer, 1 KiB aligned, in user RAM; 0 = no buffer.
        ipc_buffer_paddr: U64,
        /// Lowest stack address, for the monitor's overflow hint; 0 = unknown.
        stack_bottom: U64,
        /// Badge of the fault endpoint capability.
        fault_badge: U64,
        /// Index of the fault endpoint or [`NONE`].
        fault_endpoint: U32,
        /// Index of the address space.
        vspace: U32,
        /// Index of the capability space.
        cspace: U32,
        /// Index of the scheduling context or [`NONE`]; at most one thread per context.
        sched_context: U32,
        /// Index of the bound notification or [`NONE`]; at most one thread per notification.
        notification: U32,
        /// Index of the virtual CPU or [`NONE`]; at most one thread per virtual CPU.
        vcpu: U32,
        /// Priority 0..=255.
        priority: U32,
        /// Maximum controlled priority 0..=255.
        mcp: U32,
        /// Domain, below [`DOMAINS`].
        domain: U32,
        /// `TCB_*` bits.
        flags: U32,
        /// Threads are started in ascending order of this number; each goes to the head of its ready queue.
        start_order: U32,
        /// Zero.
        reserved: U32,
    }
}

record! {
    /// A scheduling context. `budget_us == period_us` means round robin.
    SchedContext, 24, {
        /// Microseconds per period, at least [`MIN_BUDGET_US`].
        budget_us: U64,
        /// Period in microseconds, at least the budget.
        period_us: U64,
        /// Badge, visible in timeout faults only.
        badge: U64,
    }
}

/// [`Irq::trigger`]: level sensitive.
pub const TRIGGER_LEVEL: u32 = 0;
/// [`Irq::trigger`]: edge triggered.
pub const TRIGGER_EDGE: u32 = 1;

record! {
    /// A hardware interrupt and the notification that it signals.
    Irq, 24, {
        /// GIC INTID, up to [`MAX_IRQ`], not 25..=27.
        irq: U32,
        /// [`TRIGGER_LEVEL`] or [`TRIGGER_EDGE`].
        trigger: U32,
        /// Index of the notification or [`NONE`].
        notification: U32,
        /// Zero.
        reserved: U32,
        /// Badge to signal.
        badge: U64,
    }
}

/// [`CSpace::kind`]: 64-slot root whose slot 0 leads to a 512-slot CNode (sel4-abi §3.1).
pub const CSPACE_PD: u32 = 0;
/// [`CSpace::kind`]: one 512-slot CNode behind a 55-bit guard (VMs).
pub const CSPACE_FLAT: u32 = 1;

record! {
    /// A capability space.
    CSpace, 24, {
        /// [`CSPACE_PD`] or [`CSPACE_FLAT`].
        kind: U32,
        /// Index of the first [`Slot`] of the 512-slot CNode.
        first_slot: U32,
        /// Number of its slots in use.
        count: U32,
        /// Index of the first [`Slot`] of the root CNode (slot indices 1..=63).
        first_root_slot: U32,
        /// Number of root slots in use; 0 for a flat space.
        root_count: U32,
        /// Zero.
        reserved: U32,
    }
}

/// [`Slot::kind`]: endpoint.
pub const CAP_ENDPOINT: u32 = 1;
/// [`Slot::kind`]: notification.
pub const CAP_NOTIFICATION: u32 = 2;
/// [`Slot::kind`]: reply object.
pub const CAP_REPLY: u32 = 3;
/// [`Slot::kind`]: thread; `object` indexes `tcbs`.
pub const CAP_TCB: u32 = 4;
/// [`Slot::kind`]: scheduling context.
pub const CAP_SCHED_CONTEXT: u32 = 5;
/// [`Slot::kind`]: IRQ handler; `object` indexes `irqs`.
pub const CAP_IRQ: u32 = 6;
/// [`Slot::kind`]: virtual CPU.
pub const CAP_VCPU: u32 = 7;
/// [`Slot::kind`]: address space.
pub const CAP_VSPACE: u32 = 8;
/// [`Slot::kind`]: secure monitor calls; `object` is 0.
pub const CAP_SMC: u32 = 9;

/// [`Slot::rights`]: write (send, signal).
pub const RIGHT_WRITE: u32 = 1;
/// [`Slot::rights`]: read (receive, wait).
pub const RIGHT_READ: u32 = 2;
/// [`Slot::rights`]: grant.
pub const RIGHT_GRANT: u32 = 4;
/// [`Slot::rights`]: grant reply.
pub const RIGHT_GRANT_REPLY: u32 = 8;

record! {
    /// A capability in a CNode.
    Slot, 24, {
        /// Slot number in its CNode.
        index: U32,
        /// `CAP_*`.
        kind: U32,
        /// `RIGHT_*` bits.
        rights: U32,
        /// Index of the object in its kind.
        object: U32,
        /// Badge.
        badge: U64,
    }
}

record! {
    /// One entry of the domain schedule.
    DomainEntry, 16, {
        /// Domain to run.
        domain: U32,
        /// Zero.
        reserved: U32,
        /// Timer ticks; 0 marks the end of the schedule (start over at `domain_start`).
        ticks: U64,
    }
}
