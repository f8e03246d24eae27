// SPDX-License-Identifier: BSD-2-Clause
//! Counters of what a guest did and what was done for it.

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Count {
    /// Stores to emulated registers.
    Store,
    /// Loads from emulated registers.
    Load,
    /// Accesses that no register took: read as zero, write ignored.
    Ignored,
    /// Loads, stores and fetches answered by an external abort.
    Aborted,
    /// Trapped `wfi`.
    Wfi,
    /// Trapped `wfe`.
    Wfe,
    /// Calls by `smc`.
    Smc,
    /// Calls by `hvc`, and system calls of seL4 that a guest made with it.
    Hvc,
    /// Trapped system registers.
    Sysreg,
    /// Exceptions of unknown cause that the guest was given.
    Undefined,
    /// Ends of interrupts.
    Eoi,
    /// Maintenance without a list register that the ledger knows.
    StrayMaintenance,
    /// Expiries of the virtual timer.
    Timer,
    /// List registers written.
    Injected,
    /// List registers that the kernel would not write.
    Refused,
    /// vCPUs woken from `wfi`.
    Woken,
    /// Wake-ups armed at the timer driver.
    Armed,
    /// Faults of vCPUs that should not run.
    StrayFault,
    /// Notifications and calls that nobody expected.
    StrayEvent,
    /// Starts of the guest.
    Start,
    /// Number of counters.
    #[doc(hidden)]
    Len,
}

/// Saturating counters, one per [`Count`].
#[derive(Clone, Debug, Default)]
pub struct Stats {
    counts: [u64; Count::Len as usize],
}

impl Stats {
    /// Counts one `what`.
    pub fn count(&mut self, what: Count) {
        if let Some(count) = self.counts.get_mut(what as usize) {
            *count = count.saturating_add(1);
        }
    }

    /// How often `what` happened.
    #[must_use]
    pub fn of(&self, what: Count) -> u64 {
        self.counts.get(what as usize).copied().unwrap_or(0)
    }
}
