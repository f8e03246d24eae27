// SPDX-License-Identifier: BSD-2-Clause
//! Invocations of kernel objects (sel4-abi §5), marshalled over bare system calls.

use pd::{KernelError, MAX_WORDS, MessageInfo};

use crate::syscalls::{Outgoing, Received, Syscalls};

/// Words of a thread's user context, in seL4's order.
pub(crate) const CONTEXT_WORDS: usize = pd::context::COUNT;

/// Words before the context in a message that writes it.
const HEAD_WORDS: usize = 2;

/// Invokes `label` on `dest` with `args`; words beyond the fourth travel in the IPC buffer.
pub(crate) fn invoke<S: Syscalls>(
    sys: &mut S,
    dest: u64,
    label: u64,
    args: &[u64],
) -> Result<Received, KernelError> {
    let mut words = [0; MAX_WORDS];
    for (index, arg) in args.iter().enumerate() {
        match words.get_mut(index) {
            Some(word) => *word = *arg,
            None => sys.set_message_word(index, *arg),
        }
    }
    let answer = sys.call(Outgoing {
        dest,
        info: MessageInfo::new(label, args.len()),
        words,
    });
    KernelError::check(answer.info, &answer.words)?;
    Ok(answer)
}

/// Reads the first words of a thread's context.
pub(crate) fn read_registers<S: Syscalls>(
    sys: &mut S,
    tcb: u64,
    into: &mut [u64],
) -> Result<(), KernelError> {
    let label = sys.labels().tcb_read_registers;
    let answer = invoke(sys, tcb, label, &[0, into.len() as u64])?;
    for (index, word) in into.iter_mut().enumerate() {
        *word = match answer.words.get(index) {
            Some(fast) => *fast,
            None => sys.message_word(index),
        };
    }
    Ok(())
}

/// Writes the first words of a thread's context; with `resume` the thread is restarted. More words
/// than a context has are refused here as the kernel would.
pub(crate) fn write_registers<S: Syscalls>(
    sys: &mut S,
    tcb: u64,
    from: &[u64],
    resume: bool,
) -> Result<(), KernelError> {
    const TOO_MANY: KernelError = KernelError::Range {
        min: 1,
        max: CONTEXT_WORDS as u64,
    };
    if from.len() > CONTEXT_WORDS {
        return Err(TOO_MANY);
    }
    // Most writes are of a few registers: those travel in registers too, and nothing is copied.
    for (index, word) in from.iter().enumerate().skip(MAX_WORDS - HEAD_WORDS) {
        sys.set_message_word(HEAD_WORDS + index, *word);
    }
    let mut words = [u64::from(resume), from.len() as u64, 0, 0];
    for (to, word) in words.iter_mut().skip(HEAD_WORDS).zip(from) {
        *to = *word;
    }
    let label = sys.labels().tcb_write_registers;
    let answer = sys.call(Outgoing {
        dest: tcb,
        info: MessageInfo::new(label, HEAD_WORDS + from.len()),
        words,
    });
    KernelError::check(answer.info, &answer.words)
}
