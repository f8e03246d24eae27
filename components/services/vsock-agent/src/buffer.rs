// SPDX-License-Identifier: BSD-2-Clause
//! A connection's bytes: a ring of fixed size.

use core::fmt;

use shm::{Region, Ro, Rw};

use crate::BUFFER;

/// Bytes that wait to be sent.
pub(crate) struct Buffer {
    bytes: [u8; BUFFER],
    start: usize,
    len: usize,
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} bytes)", self.len)
    }
}

impl Buffer {
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; BUFFER],
            start: 0,
            len: 0,
        }
    }

    /// Bytes that wait.
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Forgets everything.
    pub(crate) const fn clear(&mut self) {
        self.len = 0;
    }

    /// Appends all of `from`; `false` where it does not fit.
    pub(crate) fn append(&mut self, from: &Region<Ro>) -> bool {
        if from.len() > BUFFER.saturating_sub(self.len) {
            return false;
        }
        let at = self.start.wrapping_add(self.len) % BUFFER;
        let (head, tail) = self.bytes.split_at_mut(at);
        let first = from.len().min(tail.len());
        let rest = from.len().saturating_sub(first);
        let copied = tail
            .get_mut(..first)
            .is_some_and(|to| from.copy_in(0, to).is_ok())
            && head
                .get_mut(..rest)
                .is_some_and(|to| from.copy_in(first, to).is_ok());
        if copied {
            self.len = self.len.saturating_add(from.len());
        }
        copied
    }

    /// Copies the first `to.len()` bytes out; `false` where there are fewer.
    pub(crate) fn copy_to(&self, to: &Region<Rw>) -> bool {
        let (head, tail) = self.bytes.split_at(self.start);
        let first = to.len().min(tail.len());
        let rest = to.len().saturating_sub(first);
        to.len() <= self.len
            && tail
                .get(..first)
                .is_some_and(|from| to.copy_out(0, from).is_ok())
            && head
                .get(..rest)
                .is_some_and(|from| to.copy_out(first, from).is_ok())
    }

    /// Drops the first `count` bytes.
    pub(crate) fn consume(&mut self, count: usize) {
        let count = count.min(self.len);
        self.start = self.start.wrapping_add(count) % BUFFER;
        self.len = self.len.saturating_sub(count);
    }
}

impl fmt::Write for Buffer {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            let at = self.start.wrapping_add(self.len) % BUFFER;
            let slot = self.bytes.get_mut(at).filter(|_| self.len < BUFFER);
            *slot.ok_or(fmt::Error)? = byte;
            self.len = self.len.saturating_add(1);
        }
        Ok(())
    }
}
