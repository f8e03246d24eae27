// SPDX-License-Identifier: BSD-2-Clause
//! seL4's MCS system calls on AArch64 as bare `svc` (sel4-abi §1.1, §1.2, §2.2).
//!
//! The number is a negative 64-bit integer in x7, MR0..3 are x2..x5, the kernel preserves every
//! register it does not define as a result. MR4 and up are in the IPC buffer; the kernel moves
//! them, a stub never copies MR0..3 there.

use core::arch::asm;
use core::marker::PhantomData;
use core::ops::Range;

use pd::{MAX_WORDS, MessageInfo};
use runtime::syscalls::{CacheOp, Labels, Outgoing, Received, Syscalls, Words};

/// What differs between kernels and their configurations.
pub trait Flavour {
    /// The kernel's invocation labels.
    const LABELS: Labels;
    /// Whether the kernel prints: debug configurations. One that does not answers console calls
    /// with a fault.
    const CONSOLE: bool;
}

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

/// The system calls of a kernel of flavour `F`. There is one thread and one IPC buffer per domain,
/// so [`Svc::new`] is for the ports alone.
#[derive(Debug)]
pub struct Svc<F>(PhantomData<F>);

impl<F> Svc<F> {
    /// The domain's system calls.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "made once, by the port")]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

#[inline(always)]
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

/// Address of the `len` words from `first` on, if all of them travel through the buffer.
fn buffer_words(first: usize, len: usize) -> Option<*mut u64> {
    let fits = len <= MESSAGE_WORDS && first <= MESSAGE_WORDS - len;
    buffer_word(first).filter(|_| fits)
}

impl<F: Flavour> Syscalls for Svc<F> {
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

    fn message_words(&self, first: usize, into: &mut [u64]) {
        let Some(start) = buffer_words(first, into.len()) else {
            return into.fill(0);
        };
        for (index, word) in into.iter_mut().enumerate() {
            // SAFETY: as in `message_word`; all of the words are in the buffer.
            *word = unsafe { start.add(index).read_volatile() };
        }
    }

    fn set_message_words(&mut self, first: usize, from: &[u64]) {
        let Some(start) = buffer_words(first, from.len()) else {
            return;
        };
        for (index, word) in from.iter().enumerate() {
            // SAFETY: as in `message_words`.
            unsafe { start.add(index).write_volatile(*word) };
        }
    }

    fn labels(&self) -> &'static Labels {
        &F::LABELS
    }

    fn has_console(&self) -> bool {
        F::CONSOLE
    }

    fn debug_write(&mut self, bytes: &[u8]) {
        if !F::CONSOLE {
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
        crate::cpu::ticks()
    }

    fn frequency(&self) -> u64 {
        crate::cpu::frequency()
    }

    fn set_timer(&mut self, deadline: Option<u64>) {
        crate::cpu::set_timer(deadline);
    }

    fn cache(&mut self, op: CacheOp, range: Range<u64>) {
        crate::cpu::cache(op, range);
    }
}
