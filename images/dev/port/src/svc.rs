// SPDX-License-Identifier: BSD-2-Clause
//! seL4's MCS system calls on AArch64 as bare `svc` (sel4-abi §1.1, §1.2, §2.2).
//!
//! The number is a negative 64-bit integer in x7, MR0..3 are x2..x5, the kernel preserves every
//! register it does not define as a result. MR4 and up are in the IPC buffer; the kernel moves
//! them, a stub never copies MR0..3 there.

use core::arch::asm;
use core::ops::Range;

use pd::{MAX_WORDS, MessageInfo};
use runtime::syscalls::{CacheOp, Labels, Outgoing, Received, Syscalls, Words};

use crate::labels;

/// The page of the IPC buffer, fixed by the ABI.
const IPC_BUFFER: usize = 0xff_ffff_f000;

/// Words of the message in the IPC buffer.
const MESSAGE_WORDS: usize = 120;

/// System-call numbers (x7).
#[derive(Debug, Clone, Copy)]
#[repr(i64)]
enum Number {
    Call = -1,
    ReplyRecv = -2,
    NbSendRecv = -3,
    Send = -5,
    Recv = -7,
    DebugPutChar = -12,
}

/// Registers of one system call, in and out alike.
struct Frame {
    x0: u64,
    info: u64,
    words: Words,
    x6: u64,
    x8: u64,
}

/// The development kernel's system calls. There is one thread and one IPC buffer per domain, so
/// [`Svc::new`] is for the runtime alone.
#[derive(Debug)]
pub struct Svc(());

impl Svc {
    pub(crate) const fn new() -> Self {
        Self(())
    }
}

fn trap(number: Number, frame: &mut Frame) {
    // SAFETY: `svc` with a defined number. The kernel writes x0..x5 at most, all declared, and the
    // IPC buffer, which no Rust reference covers; without `nomem` the compiler assumes that other
    // memory changed too, which is what a peer's shared memory may do meanwhile.
    unsafe {
        asm!(
            "svc #0",
            inlateout("x0") frame.x0,
            inlateout("x1") frame.info,
            inlateout("x2") frame.words[0],
            inlateout("x3") frame.words[1],
            inlateout("x4") frame.words[2],
            inlateout("x5") frame.words[3],
            in("x6") frame.x6,
            in("x7") number as i64,
            in("x8") frame.x8,
            options(nostack),
        );
    }
}

fn received(frame: &Frame) -> Received {
    Received {
        badge: frame.x0,
        info: MessageInfo::from_raw(frame.info),
        words: frame.words,
    }
}

/// Address of word `index` of the message (offset 8 in the IPC buffer), if it is one that travels
/// through the buffer.
fn buffer_word(index: usize) -> Option<*mut u64> {
    (MAX_WORDS..MESSAGE_WORDS)
        .contains(&index)
        .then(|| core::ptr::without_provenance_mut(IPC_BUFFER + 8 + 8 * index))
}

impl Syscalls for Svc {
    fn recv(&mut self, src: u64, reply: u64) -> Received {
        let mut frame = Frame {
            x0: src,
            info: 0,
            words: [0; MAX_WORDS],
            x6: reply,
            x8: 0,
        };
        trap(Number::Recv, &mut frame);
        received(&frame)
    }

    fn reply_recv(&mut self, src: u64, info: MessageInfo, words: Words, reply: u64) -> Received {
        let mut frame = Frame {
            x0: src,
            info: info.raw(),
            words,
            x6: reply,
            x8: 0,
        };
        trap(Number::ReplyRecv, &mut frame);
        received(&frame)
    }

    fn nb_send_recv(&mut self, out: Outgoing, src: u64, reply: u64) -> Received {
        let mut frame = Frame {
            x0: src,
            info: out.info.raw(),
            words: out.words,
            x6: reply,
            x8: out.dest,
        };
        trap(Number::NbSendRecv, &mut frame);
        received(&frame)
    }

    fn send(&mut self, out: Outgoing) {
        let mut frame = Frame {
            x0: out.dest,
            info: out.info.raw(),
            words: out.words,
            x6: 0,
            x8: 0,
        };
        trap(Number::Send, &mut frame);
    }

    fn call(&mut self, out: Outgoing) -> Received {
        let mut frame = Frame {
            x0: out.dest,
            info: out.info.raw(),
            words: out.words,
            x6: 0,
            x8: 0,
        };
        trap(Number::Call, &mut frame);
        received(&frame)
    }

    fn message_word(&self, index: usize) -> u64 {
        buffer_word(index).map_or(0, |word| {
            // SAFETY: inside the IPC buffer page, which the kernel maps read-write for this
            // thread; 8-byte aligned; no Rust reference points there.
            unsafe { word.read_volatile() }
        })
    }

    fn set_message_word(&mut self, index: usize, value: u64) {
        if let Some(word) = buffer_word(index) {
            // SAFETY: as in `message_word`.
            unsafe { word.write_volatile(value) };
        }
    }

    fn labels(&self) -> &'static Labels {
        &labels::CHOSEN
    }

    fn has_console(&self) -> bool {
        // A kernel built like seL4's release configuration answers console calls with a fault.
        !cfg!(feature = "labels-release")
    }

    fn debug_write(&mut self, bytes: &[u8]) {
        if !self.has_console() {
            return;
        }
        for byte in bytes {
            let mut frame = Frame {
                x0: u64::from(*byte),
                info: 0,
                words: [0; MAX_WORDS],
                x6: 0,
                x8: 0,
            };
            trap(Number::DebugPutChar, &mut frame);
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
