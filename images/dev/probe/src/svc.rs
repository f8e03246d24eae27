// SPDX-License-Identifier: BSD-2-Clause
//! System calls and invocations, as few as the probe needs.

use core::arch::asm;

const IPC_BUFFER: usize = 0xff_ffff_f000;
const CALL: i64 = -1;
const REPLY_RECV: i64 = -2;
const SEND: i64 = -5;
const RECV: i64 = -7;
const YIELD: i64 = -11;
/// Own endpoint.
const INPUT: u64 = 1;
/// Own reply object.
const REPLY: u64 = 4;

/// Whether the expectations are those of the SDK's release configuration.
pub(crate) const RELEASE: bool = cfg!(feature = "labels-release");

/// Invocation labels: (debug, release) of sel4-abi §5.1.
pub(crate) const READ_REGISTERS: u64 = 2;
pub(crate) const WRITE_REGISTERS: u64 = 3;
pub(crate) const SUSPEND: u64 = 12;
pub(crate) const IRQ_ACK: u64 = if RELEASE { 27 } else { 31 };
pub(crate) const SC_CONSUMED: u64 = if RELEASE { 37 } else { 41 };
pub(crate) const VCPU_INJECT: u64 = if RELEASE { 56 } else { 60 };
pub(crate) const VCPU_READ: u64 = if RELEASE { 57 } else { 61 };
pub(crate) const VCPU_WRITE: u64 = if RELEASE { 58 } else { 62 };
pub(crate) const VCPU_ACK: u64 = if RELEASE { 59 } else { 63 };

/// Most words that the probe looks at.
pub(crate) const WORDS: usize = 13;

/// A received message or a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) badge: u64,
    pub(crate) info: u64,
    pub(crate) words: [u64; WORDS],
}

impl Message {
    pub(crate) fn label(&self) -> u64 {
        self.info >> 12
    }

    pub(crate) fn length(&self) -> usize {
        usize::try_from(self.info & 0x7f).unwrap_or(0)
    }
}

fn buffer(index: usize) -> *mut u64 {
    (IPC_BUFFER + 8 + index * 8) as *mut u64
}

/// One system call with `words` as its message; the registers it needs besides are `x0` and `x6`.
fn trap(number: i64, x0: u64, info: u64, x6: u64, words: &[u64]) -> Message {
    let word = |index: usize| words.get(index).copied().unwrap_or(0);
    for (index, word) in words.iter().enumerate().skip(4) {
        // SAFETY: the IPC buffer is mapped read-write for this thread alone; the message fits in it.
        unsafe { buffer(index).write_volatile(*word) };
    }
    let (mut badge, mut tag) = (x0, info);
    let (mut a, mut b, mut c, mut d) = (word(0), word(1), word(2), word(3));
    // SAFETY: the kernel changes x0..x5 at most, and the IPC buffer, to which there is no reference.
    unsafe {
        asm!(
            "svc #0",
            inout("x0") badge, inout("x1") tag, inout("x2") a, inout("x3") b, inout("x4") c, inout("x5") d,
            in("x6") x6, in("x7") number, options(nostack),
        );
    }
    let mut message = Message {
        badge,
        info: tag,
        words: [0; WORDS],
    };
    message.words[..4].copy_from_slice(&[a, b, c, d]);
    for (index, word) in message.words.iter_mut().enumerate().skip(4) {
        // SAFETY: as above.
        *word = unsafe { buffer(index).read_volatile() };
    }
    message
}

/// Invokes `cptr` and returns the reply.
pub(crate) fn invoke(cptr: u64, label: u64, words: &[u64]) -> Message {
    trap(CALL, cptr, label << 12 | words.len() as u64, 0, words)
}

/// Signals a notification.
pub(crate) fn signal(cptr: u64) {
    trap(SEND, cptr, 0, 0, &[]);
}

/// Waits for a message or signal.
pub(crate) fn receive() -> Message {
    trap(RECV, INPUT, 0, REPLY, &[])
}

/// Answers the last message and waits for the next.
pub(crate) fn reply_receive(words: &[u64]) -> Message {
    trap(REPLY_RECV, INPUT, words.len() as u64, REPLY, words)
}

/// Lets other threads of the same priority run.
pub(crate) fn yield_now() {
    trap(YIELD, 0, 0, 0, &[]);
}

/// Continues `tcb` at `context` (pc, sp, spsr, x0, …), like libsel4 with 36 words after the two arguments.
pub(crate) fn write_registers(tcb: u64, resume: bool, context: &[u64]) -> Message {
    let mut words = [0; 38];
    words[0] = u64::from(resume);
    words[1] = context.len() as u64;
    for (to, from) in words[2..].iter_mut().zip(context) {
        *to = *from;
    }
    invoke(tcb, WRITE_REGISTERS, &words)
}
