// SPDX-License-Identifier: BSD-2-Clause
//! What a PD may ask of the kernel: one trait per facet.

use units::{ChannelId, ChildId, IrqId, PdVaddr, VcpuId};

use crate::error::KernelError;
use crate::message::Message;
use crate::vcpu::{VcpuReg, VirtualIrq};

/// Notifying peers.
pub trait Notify {
    /// Notifies the other end of `ch` at once. Never blocks; without the right it has no effect.
    fn notify(&mut self, ch: ChannelId);

    /// Notifies the other end of `ch` in the system call with which this PD next waits for an
    /// event: one kernel entry instead of two. A second deferred action executes the first at once.
    fn notify_deferred(&mut self, ch: ChannelId);
}

/// Protected procedure calls.
pub trait Call {
    /// Calls the PD at the other end of `ch` and waits for its answer. Without the right, the answer
    /// is the kernel's `InvalidCapability` (label 2); check the rights in the record first.
    fn call(&mut self, ch: ChannelId, msg: &Message) -> Message;
}

/// Interrupts.
pub trait Irq {
    /// Acknowledges an interrupt, so that it can be raised again.
    fn irq_ack(&mut self, id: IrqId);

    /// Acknowledges in the system call with which this PD next waits for an event; see
    /// [`Notify::notify_deferred`].
    fn irq_ack_deferred(&mut self, id: IrqId);
}

/// Control of child PDs. Register order is that of [`context`](crate::context).
pub trait Child {
    /// Starts the child at `entry` whatever it was doing; its pending fault is dropped.
    ///
    /// # Errors
    ///
    /// The kernel's refusal.
    fn child_restart(&mut self, id: ChildId, entry: u64) -> Result<(), KernelError>;

    /// Stops the child; its pending fault is dropped.
    ///
    /// # Errors
    ///
    /// The kernel's refusal.
    fn child_stop(&mut self, id: ChildId) -> Result<(), KernelError>;

    /// Reads the first `into.len()` registers (1 to 36), without stopping the child.
    ///
    /// # Errors
    ///
    /// The kernel's refusal; `into` is unspecified then.
    fn child_read_registers(&mut self, id: ChildId, into: &mut [u64]) -> Result<(), KernelError>;

    /// Writes the first `from.len()` registers (1 to 36) and, with `resume`, restarts the child.
    ///
    /// # Errors
    ///
    /// The kernel's refusal.
    fn child_write_registers(
        &mut self,
        id: ChildId,
        from: &[u64],
        resume: bool,
    ) -> Result<(), KernelError>;
}

/// Control of vCPUs: the thread, as for children, and the registers beside it.
pub trait Vcpu {
    /// Starts the vCPU's thread at `entry` whatever it was doing; its pending fault is dropped.
    ///
    /// # Errors
    ///
    /// The kernel's refusal.
    fn vcpu_restart(&mut self, id: VcpuId, entry: u64) -> Result<(), KernelError>;

    /// Stops the vCPU's thread; its pending fault is dropped.
    ///
    /// # Errors
    ///
    /// The kernel's refusal.
    fn vcpu_stop(&mut self, id: VcpuId) -> Result<(), KernelError>;

    /// Reads the first `into.len()` registers (1 to 36) of the thread context.
    ///
    /// # Errors
    ///
    /// The kernel's refusal; `into` is unspecified then.
    fn vcpu_read_registers(&mut self, id: VcpuId, into: &mut [u64]) -> Result<(), KernelError>;

    /// Reads the one register at `position` (0 to 35, [`crate::context`]) of the thread context. The
    /// kernel transfers all registers before it too; ports override this to fetch none of them.
    ///
    /// # Errors
    ///
    /// The kernel's refusal.
    fn vcpu_read_register(&mut self, id: VcpuId, position: usize) -> Result<u64, KernelError> {
        let mut words = [0; crate::context::COUNT];
        let prefix = words.get_mut(..=position).unwrap_or_default();
        self.vcpu_read_registers(id, prefix)?;
        Ok(prefix.last().copied().unwrap_or(0))
    }

    /// Writes the first `from.len()` registers (1 to 36) of the thread context and, with `resume`,
    /// restarts the thread.
    ///
    /// # Errors
    ///
    /// The kernel's refusal.
    fn vcpu_write_registers(
        &mut self,
        id: VcpuId,
        from: &[u64],
        resume: bool,
    ) -> Result<(), KernelError>;

    /// Takes the vCPU off a fault that is going to be left without an answer. The kernel does that by
    /// itself at the next receive, so there is nothing to do, except that kernels with a console
    /// complain there about each one: their ports stop the thread.
    ///
    /// # Errors
    ///
    /// The kernel's refusal.
    fn vcpu_hold(&mut self, id: VcpuId) -> Result<(), KernelError> {
        let _ = id;
        Ok(())
    }

    /// Lets the vCPU's thread, stopped or held at a fault, go on where it is. Ports override this
    /// with the kernel's own call (`TCBResume`), which costs one entry instead of two.
    ///
    /// # Errors
    ///
    /// The kernel's refusal.
    fn vcpu_resume(&mut self, id: VcpuId) -> Result<(), KernelError> {
        let mut pc = [0];
        self.vcpu_read_registers(id, &mut pc)?;
        self.vcpu_write_registers(id, &pc, true)
    }

    /// Reads a vCPU register.
    ///
    /// # Errors
    ///
    /// The kernel's refusal.
    fn vcpu_read_reg(&mut self, id: VcpuId, reg: VcpuReg) -> Result<u64, KernelError>;

    /// Writes a vCPU register.
    ///
    /// # Errors
    ///
    /// The kernel's refusal.
    fn vcpu_write_reg(&mut self, id: VcpuId, reg: VcpuReg, value: u64) -> Result<(), KernelError>;

    /// Makes a virtual interrupt pending in a list register, overwriting what was pending there.
    /// Each end of interrupt comes back as a `VgicMaintenance` fault.
    ///
    /// # Errors
    ///
    /// `Range` for a list register the machine lacks, `DeleteFirst` where it is active. The kernel
    /// usually misses an active one: keep an own account of list registers.
    fn vcpu_inject_irq(&mut self, id: VcpuId, irq: VirtualIrq) -> Result<(), KernelError>;

    /// Lets the virtual timer interrupt `irq` (27) fire again.
    ///
    /// # Errors
    ///
    /// The kernel's refusal.
    fn vcpu_ack_vppi(&mut self, id: VcpuId, irq: u64) -> Result<(), KernelError>;
}

/// Time.
pub trait Clock {
    /// Ticks of the physical counter (`CNTPCT_EL0`).
    fn now(&self) -> u64;

    /// Ticks per second (`CNTFRQ_EL0`).
    fn frequency(&self) -> u64;
}

/// The EL1 physical timer (`CNTP_*_EL0`), on boards whose kernel leaves it to user level: one
/// compare register for the whole core, so one PD, the timer driver, owns it with its interrupt.
///
/// Not part of [`Kernel`]: a handler that asks for it says that it is a driver.
pub trait PhysicalTimer: Clock {
    /// Raises the timer's interrupt when the counter reaches `deadline` (absolute ticks), at once
    /// if it has.
    fn timer_set(&mut self, deadline: u64);

    /// Turns the timer off; its interrupt line drops.
    fn timer_stop(&mut self);
}

/// The kernel's debug console. Prints nothing on kernels without one.
pub trait DebugOut {
    /// Prints bytes. Slow, unbuffered, without ordering towards the system's console.
    fn debug_write(&mut self, bytes: &[u8]);
}

/// Cache maintenance by virtual address, for memory that others access uncached: devices, or guests
/// with their caches off. Ranges are rounded outwards to cache lines.
pub trait Cache {
    /// Writes dirty lines back to memory.
    ///
    /// # Errors
    ///
    /// The kernel's refusal.
    fn cache_clean(&mut self, start: PdVaddr, len: usize) -> Result<(), KernelError>;

    /// Drops lines, so that the next read comes from memory. Bytes outside the range that share a
    /// line with it are dropped too.
    ///
    /// # Errors
    ///
    /// The kernel's refusal.
    fn cache_invalidate(&mut self, start: PdVaddr, len: usize) -> Result<(), KernelError>;

    /// Writes back and drops lines.
    ///
    /// # Errors
    ///
    /// The kernel's refusal.
    fn cache_clean_invalidate(&mut self, start: PdVaddr, len: usize) -> Result<(), KernelError>;

    /// Makes written instructions visible to instruction fetch.
    ///
    /// # Errors
    ///
    /// The kernel's refusal.
    fn cache_unify(&mut self, start: PdVaddr, len: usize) -> Result<(), KernelError>;
}

/// Every facet at once: what a port offers. Handlers bound themselves by facets instead.
pub trait Kernel: Notify + Call + Irq + Child + Vcpu + Clock + DebugOut + Cache {}

impl<T: Notify + Call + Irq + Child + Vcpu + Clock + DebugOut + Cache> Kernel for T {}
