// SPDX-License-Identifier: BSD-2-Clause
//! The runtime's system calls on rust-sel4.

use core::ops::Range;

use pd::{MAX_WORDS, MessageInfo};
use runtime::syscalls::{CacheOp, Labels, Outgoing, Received, Syscalls, Words};
use sel4::sys::invocation_label as label;
use sel4::{Cap, MessageInfoBuilder, cap_type::Unspecified};
use sel4_config::{sel4_cfg_bool, sel4_cfg_if};

/// Labels of the kernel that the SDK's headers describe. They differ between its configurations,
/// so they are taken from there and an image belongs to one configuration.
static LABELS: Labels = Labels {
    tcb_read_registers: label::TCBReadRegisters as u64,
    tcb_write_registers: label::TCBWriteRegisters as u64,
    tcb_suspend: label::TCBSuspend as u64,
    tcb_resume: label::TCBResume as u64,
    irq_ack: label::IRQAckIRQ as u64,
    vcpu_inject_irq: label::ARMVCPUInjectIRQ as u64,
    vcpu_read_reg: label::ARMVCPUReadReg as u64,
    vcpu_write_reg: label::ARMVCPUWriteReg as u64,
    vcpu_ack_vppi: label::ARMVCPUAckVPPI as u64,
    vspace_invalidate_data: label::ARMVSpaceInvalidate_Data as u64,
};

/// seL4's system calls for the domain's only thread.
#[derive(Debug)]
pub struct Sel4(());

impl Sel4 {
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

fn cap(cptr: u64) -> Cap<Unspecified> {
    Cap::from_bits(cptr)
}

fn reply_cap(cptr: u64) -> sel4::cap::Reply {
    Cap::from_bits(cptr)
}

fn outgoing(info: MessageInfo) -> sel4::MessageInfo {
    MessageInfoBuilder::default()
        .label(info.label())
        .length(info.len())
        .build()
}

fn incoming(info: &sel4::MessageInfo, badge: u64, words: Words) -> Received {
    Received {
        badge,
        info: MessageInfo::new(info.label(), info.length()),
        words,
    }
}

/// rust-sel4 moves MR0..3 between registers and the IPC buffer in the calls that have no variant
/// with explicit words.
fn put_fast(words: Words) {
    sel4::with_ipc_buffer_mut(|buffer| {
        for (to, from) in buffer.msg_regs_mut().iter_mut().zip(words) {
            *to = from;
        }
    });
}

fn take_fast() -> Words {
    let mut words = [0; MAX_WORDS];
    sel4::with_ipc_buffer(|buffer| {
        for (to, from) in words.iter_mut().zip(buffer.msg_regs()) {
            *to = *from;
        }
    });
    words
}

impl Syscalls for Sel4 {
    fn recv(&mut self, src: u64, reply: u64) -> Received {
        let got = cap(src).recv_with_mrs(reply_cap(reply));
        incoming(&got.info, got.badge, got.msg)
    }

    fn reply_recv(&mut self, src: u64, info: MessageInfo, words: Words, reply: u64) -> Received {
        put_fast(words);
        let (info, badge) = cap(src).reply_recv(outgoing(info), reply_cap(reply));
        incoming(&info, badge, take_fast())
    }

    fn nb_send_recv(&mut self, out: Outgoing, src: u64, reply: u64) -> Received {
        put_fast(out.words);
        let (info, badge) =
            cap(out.dest).nb_send_recv(outgoing(out.info), cap(src), reply_cap(reply));
        incoming(&info, badge, take_fast())
    }

    fn send(&mut self, out: Outgoing) {
        cap(out.dest).send_with_mrs(outgoing(out.info), out.words);
    }

    fn call(&mut self, out: Outgoing) -> Received {
        let got = cap(out.dest).call_with_mrs(outgoing(out.info), out.words);
        incoming(&got.info, 0, got.msg)
    }

    fn message_word(&self, index: usize) -> u64 {
        sel4::with_ipc_buffer(|buffer| buffer.msg_regs().get(index).copied().unwrap_or(0))
    }

    fn set_message_word(&mut self, index: usize, value: u64) {
        sel4::with_ipc_buffer_mut(|buffer| {
            if let Some(word) = buffer.msg_regs_mut().get_mut(index) {
                *word = value;
            }
        });
    }

    fn labels(&self) -> &'static Labels {
        &LABELS
    }

    fn has_console(&self) -> bool {
        sel4_cfg_bool!(PRINTING)
    }

    fn debug_write(&mut self, bytes: &[u8]) {
        sel4_cfg_if! {
            if #[sel4_cfg(PRINTING)] {
                for byte in bytes {
                    sel4::debug_put_char(*byte);
                }
            } else {
                // This kernel has no console.
                let _ = bytes;
            }
        }
    }

    fn ticks(&self) -> u64 {
        common::cpu::ticks()
    }

    fn frequency(&self) -> u64 {
        common::cpu::frequency()
    }

    fn set_timer(&mut self, deadline: Option<u64>) {
        common::cpu::set_timer(deadline);
    }

    fn cache(&mut self, op: CacheOp, range: Range<u64>) {
        common::cpu::cache(op, range);
    }
}
