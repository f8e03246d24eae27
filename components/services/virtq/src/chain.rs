// SPDX-License-Identifier: BSD-2-Clause
//! A request's buffers, checked, and cursors over them.

use heapless::Vec;
use shm::{Region, Rw};
use thiserror::Error;

/// Why a request cannot be done, although the queue is sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum ChainError {
    /// A buffer is not in guest memory in full (H-26).
    #[error("a buffer is outside guest memory")]
    Address,
    /// A buffer has no bytes (H-25).
    #[error("a buffer is empty")]
    Empty,
    /// All buffers together have more than 2^32 - 1 bytes (2.7.5.2, H-25).
    #[error("the chain has more than 2^32 - 1 bytes")]
    Length,
    /// A device-readable buffer comes after a device-writable one (2.7.4.2, H-28).
    #[error("a readable buffer follows a writable one")]
    Order,
    /// More buffers than the device takes, although not more than the queue has entries.
    #[error("the chain has more buffers than the device takes")]
    Buffers,
}

impl ChainError {
    /// All errors.
    pub const ALL: [Self; 5] = [
        Self::Address,
        Self::Empty,
        Self::Length,
        Self::Order,
        Self::Buffers,
    ];
}

/// Most buffers of a [`Chain`] unless it says otherwise.
pub const CHAIN_BUFFERS: usize = 64;

/// A request: the buffers that the device reads, then those that it writes. All lie in guest
/// memory, whose content may still change at any time.
///
/// At most `N` buffers, of 16 bytes each: a device keeps one chain, preferably not on the stack.
#[derive(Clone, Debug, Default)]
pub struct Chain<const N: usize = CHAIN_BUFFERS> {
    head: u16,
    buffers: Vec<Region<Rw>, N>,
    readable: usize,
    total: u32,
    tail: Option<Region<Rw>>,
}

impl<const N: usize> Chain<N> {
    /// Room for a request.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            head: 0,
            buffers: Vec::new(),
            readable: 0,
            total: 0,
            tail: None,
        }
    }

    /// Forgets the last request.
    pub(crate) fn start(&mut self, head: u16) {
        self.buffers.clear();
        (self.head, self.readable, self.total) = (head, 0, 0);
        self.tail = None;
    }

    /// Adds what the next descriptor names.
    pub(crate) fn push(
        &mut self,
        buffer: Result<Region<Rw>, ChainError>,
        writable: bool,
    ) -> Result<(), ChainError> {
        self.tail = buffer.ok().filter(|_| writable);
        let buffer = buffer?;
        if !writable && self.readable < self.buffers.len() {
            return Err(ChainError::Order);
        }
        let len = u32::try_from(buffer.len()).map_err(|_| ChainError::Length)?;
        self.total = self.total.checked_add(len).ok_or(ChainError::Length)?;
        self.buffers.push(buffer).map_err(|_| ChainError::Buffers)?;
        if !writable {
            self.readable = self.buffers.len();
        }
        Ok(())
    }

    /// The last buffer if the device may write it, also of a request that is bad for another
    /// reason: where devices such as block devices put their status.
    #[must_use]
    pub const fn tail(&self) -> Option<&Region<Rw>> {
        self.tail.as_ref()
    }

    /// Head of the descriptor chain: what [`crate::Queue::complete`] wants.
    #[must_use]
    pub const fn head(&self) -> u16 {
        self.head
    }

    /// The buffers that the device reads.
    #[must_use]
    pub fn readable(&self) -> &[Region<Rw>] {
        self.buffers.get(..self.readable).unwrap_or_default()
    }

    /// The buffers that the device writes.
    #[must_use]
    pub fn writable(&self) -> &[Region<Rw>] {
        self.buffers.get(self.readable..).unwrap_or_default()
    }

    /// A cursor at the start of the readable bytes.
    #[must_use]
    pub fn reader(&self) -> Cursor<'_> {
        Cursor {
            buffers: self.readable(),
            offset: 0,
        }
    }

    /// A cursor at the start of the writable bytes.
    #[must_use]
    pub fn writer(&self) -> Cursor<'_> {
        Cursor {
            buffers: self.writable(),
            offset: 0,
        }
    }
}

/// A position in a list of buffers, taken piece by piece. The driver's framing has no meaning
/// (2.7.4): pieces are cut where the user wants them.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    buffers: &'a [Region<Rw>],
    offset: usize,
}

impl Cursor<'_> {
    /// Bytes that are left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        // The chain's total fits 32 bits.
        self.buffers
            .iter()
            .map(Region::len)
            .sum::<usize>()
            .saturating_sub(self.offset)
    }

    /// Takes the next piece: what is left of the present buffer, at most `most` bytes. `None` at
    /// the end, or for `most` 0.
    pub fn next(&mut self, most: usize) -> Option<Region<Rw>> {
        let (first, rest) = self.buffers.split_first()?;
        let len = first.len().saturating_sub(self.offset).min(most);
        let piece = first
            .sub(self.offset, len)
            .ok()
            .filter(|piece| !piece.is_empty())?;
        self.offset += len;
        if self.offset >= first.len() {
            self.buffers = rest;
            self.offset = 0;
        }
        Some(piece)
    }

    /// Goes on by `count` bytes; stops at the end.
    pub fn skip(&mut self, mut count: usize) {
        while let Some(piece) = self.next(count) {
            count -= piece.len();
        }
    }

    /// Copies bytes out of the buffers; how many there were.
    pub fn read(&mut self, into: &mut [u8]) -> usize {
        let mut done = 0;
        while let Some(piece) = self.next(into.len() - done) {
            let end = done + piece.len();
            if into
                .get_mut(done..end)
                .is_none_or(|part| piece.copy_in(0, part).is_err())
            {
                break;
            }
            done = end;
        }
        done
    }

    /// Copies bytes into the buffers; how many there was room for.
    pub fn write(&mut self, from: &[u8]) -> usize {
        let mut done = 0;
        while let Some(piece) = self.next(from.len() - done) {
            let end = done + piece.len();
            if from
                .get(done..end)
                .is_none_or(|part| piece.copy_out(0, part).is_err())
            {
                break;
            }
            done = end;
        }
        done
    }
}
