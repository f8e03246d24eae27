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
    let answer = request_registers(sys, tcb, into.len())?;
    for (to, fast) in into.iter_mut().zip(answer.words) {
        *to = fast;
    }
    sys.message_words(MAX_WORDS, into.get_mut(MAX_WORDS..).unwrap_or_default());
    Ok(())
}

/// Reads the word at `position` of a thread's context.
pub(crate) fn read_register<S: Syscalls>(
    sys: &mut S,
    tcb: u64,
    position: usize,
) -> Result<u64, KernelError> {
    let answer = request_registers(sys, tcb, position + 1)?;
    Ok(match answer.words.get(position) {
        Some(fast) => *fast,
        None => sys.message_word(position),
    })
}

/// Asks for the first `count` words of a thread's context.
fn request_registers<S: Syscalls>(
    sys: &mut S,
    tcb: u64,
    count: usize,
) -> Result<Received, KernelError> {
    let answer = sys.call(Outgoing {
        dest: tcb,
        info: MessageInfo::new(sys.labels().tcb_read_registers, 2),
        words: [0, count as u64, 0, 0],
    });
    KernelError::check(answer.info, &answer.words)?;
    Ok(answer)
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
    let rest = from.get(MAX_WORDS - HEAD_WORDS..).unwrap_or_default();
    sys.set_message_words(MAX_WORDS, rest);
    let word = |index: usize| from.get(index).copied().unwrap_or(0);
    let words = [u64::from(resume), from.len() as u64, word(0), word(1)];
    let label = sys.labels().tcb_write_registers;
    let answer = sys.call(Outgoing {
        dest: tcb,
        info: MessageInfo::new(label, HEAD_WORDS + from.len()),
        words,
    });
    KernelError::check(answer.info, &answer.words)
}
