// SPDX-License-Identifier: BSD-2-Clause
//! What a kernel port has to offer: the system calls of sel4-abi §1 and a few CPU instructions.

use core::ops::Range;

use pd::{MAX_WORDS, MessageInfo};

/// MR0..3, the words that travel in registers.
pub type Words = [u64; MAX_WORDS];

/// What a receive or a call returned. After a notification only `badge` means anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Received {
    /// Badge of the capability the sender used.
    pub badge: u64,
    /// The message word.
    pub info: MessageInfo,
    /// MR0..3; words at and beyond the message's length are meaningless.
    pub words: Words,
}

/// One message to send: where to, the message word, MR0..3.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outgoing {
    /// Capability address of the destination.
    pub dest: u64,
    /// The message word.
    pub info: MessageInfo,
    /// MR0..3.
    pub words: Words,
}

impl Outgoing {
    /// A message without words: a signal, or an invocation without arguments.
    #[must_use]
    pub const fn bare(dest: u64, label: u64) -> Self {
        Self {
            dest,
            info: MessageInfo::new(label, 0),
            words: [0; MAX_WORDS],
        }
    }
}

/// seL4's MCS system calls, plus the EL0 instructions a domain may execute.
pub trait Syscalls {
    /// Waits on `src`.
    fn recv(&mut self, src: u64, reply: u64) -> Received;
    /// Replies through `reply` with the message, then waits on `src`.
    fn reply_recv(&mut self, src: u64, info: MessageInfo, words: Words, reply: u64) -> Received;
    /// Sends without blocking, then waits on `src`.
    fn nb_send_recv(&mut self, out: Outgoing, src: u64, reply: u64) -> Received;
    /// Sends.
    fn send(&mut self, out: Outgoing);
    /// Sends and waits for the answer.
    fn call(&mut self, out: Outgoing) -> Received;
    /// Word `index` (4..120) of the message in the IPC buffer; 0 outside.
    fn message_word(&self, index: usize) -> u64;
    /// Reads the words from `first` on (4..120) of the message in the IPC buffer; 0 outside.
    fn message_words(&self, first: usize, into: &mut [u64]) {
        for (index, word) in (first..).zip(into) {
            *word = self.message_word(index);
        }
    }
    /// Sets the words from `first` on (4..120) of the message in the IPC buffer; ignored outside.
    fn set_message_words(&mut self, first: usize, from: &[u64]) {
        for (index, word) in (first..).zip(from) {
            self.set_message_word(index, *word);
        }
    }
    /// Sets word `index` (4..120) of the message in the IPC buffer; ignored outside.
    fn set_message_word(&mut self, index: usize, value: u64);
    /// The invocation labels of the kernel configuration this image is built for.
    fn labels(&self) -> &'static Labels;
    /// Whether the kernel prints: debug configurations.
    fn has_console(&self) -> bool;
    /// Writes to the kernel's debug console; does nothing where the kernel has none.
    fn debug_write(&mut self, bytes: &[u8]);
    /// CNTPCT_EL0, in ticks.
    fn ticks(&self) -> u64;
    /// CNTFRQ_EL0, in ticks per second.
    fn frequency(&self) -> u64;
    /// Sets CNTP_CVAL_EL0 and turns the EL1 physical timer on, or off for `None`. Only for the domain
    /// that owns the timer's interrupt.
    fn set_timer(&mut self, deadline: Option<u64>);
    /// Maintains the data cache (and for [`CacheOp::Unify`] the instruction cache) over virtual
    /// addresses of this domain.
    fn cache(&mut self, op: CacheOp, range: Range<u64>);
}

/// A cache maintenance operation by virtual address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheOp {
    /// Write dirty lines back to the point of coherency.
    Clean,
    /// Write back, then drop lines: EL0 has no plain invalidate instruction.
    CleanInvalidate,
    /// Make written instructions visible to instruction fetch.
    Unify,
}

/// Invocation labels, which differ between seL4's debug and release configurations (sel4-abi
/// §5.1): a port fills them from its kernel's table, never from memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Labels {
    /// `TCBReadRegisters`
    pub tcb_read_registers: u64,
    /// `TCBWriteRegisters`
    pub tcb_write_registers: u64,
    /// `TCBSuspend`
    pub tcb_suspend: u64,
    /// `TCBResume`
    pub tcb_resume: u64,
    /// `IRQAckIRQ`
    pub irq_ack: u64,
    /// `ARMVCPUInjectIRQ`
    pub vcpu_inject_irq: u64,
    /// `ARMVCPUReadReg`
    pub vcpu_read_reg: u64,
    /// `ARMVCPUWriteReg`
    pub vcpu_write_reg: u64,
    /// `ARMVCPUAckVPPI`
    pub vcpu_ack_vppi: u64,
    /// `ARMVSpaceInvalidate_Data`
    pub vspace_invalidate_data: u64,
}
