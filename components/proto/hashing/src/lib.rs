// SPDX-License-Identifier: BSD-2-Clause
//! The conversation between a hash server and a client that wants the SHA-256 of some memory.
//!
//! A core's SHA-256 instructions use the FP registers, and a domain that may use those makes seL4
//! switch them at every change of threads. So one server has them, and monitors of virtual machines,
//! which change places with their guests all the time, do without and ask.
//!
//! The client copies what is to be hashed into a buffer that the server may read, piece by piece, and
//! asks by a protected procedure call for each; the server is passive. The reply to the last piece is
//! the digest.
//!
//! | label | words | reply label | reply words |
//! |---|---|---|---|
//! | [`HASH`] | bytes in the buffer, flags [`FIRST`], [`LAST`] | [`OK`] | after the last piece: the digest, four words |
//! | anything else, too many bytes, a piece that is not the last and not whole blocks of 64 bytes | | [`BAD_REQUEST`] | none |
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use pd::{Call, Message};
use shm::{Access, Region, Rw};
use units::ChannelId;

/// Request: hash what is in the buffer.
pub const HASH: u64 = 1;
/// Flag: this is the first piece.
pub const FIRST: u64 = 1;
/// Flag: this is the last piece.
pub const LAST: u64 = 2;

/// Reply: done.
pub const OK: u64 = 0;
/// Reply: the request is none, and whatever was under way is given up.
pub const BAD_REQUEST: u64 = 1;

/// Bytes of a block of SHA-256.
pub const BLOCK: usize = 64;
/// Bytes of a digest.
pub const DIGEST: usize = 32;

/// A request, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Bytes in the buffer.
    pub len: usize,
    /// Whether this is the first piece.
    pub is_first: bool,
    /// Whether this is the last piece.
    pub is_last: bool,
}

impl Request {
    /// Decodes a message to a server whose buffer has `capacity` bytes.
    #[must_use]
    pub fn decode(message: &Message, capacity: usize) -> Option<Self> {
        let [len, flags] = *message.words() else {
            return None;
        };
        if message.label() != HASH || flags & !(FIRST | LAST) != 0 {
            return None;
        }
        let request = Self {
            len: usize::try_from(len).ok().filter(|len| *len <= capacity)?,
            is_first: flags & FIRST != 0,
            is_last: flags & LAST != 0,
        };
        (request.is_last || request.len.is_multiple_of(BLOCK)).then_some(request)
    }
}

/// The reply that carries `digest`.
#[must_use]
pub fn reply(digest: &[u8; DIGEST]) -> Message {
    let (words, _) = digest.as_chunks::<8>();
    let mut values = [0; 4];
    for (value, word) in values.iter_mut().zip(words) {
        *value = u64::from_be_bytes(*word);
    }
    Message::with(OK, values)
}

/// The digest in a reply.
fn digest(reply: &Message) -> Option<[u8; DIGEST]> {
    let words: [u64; 4] = reply.words().try_into().ok()?;
    let mut digest = [0; DIGEST];
    for (to, word) in digest.as_chunks_mut::<8>().0.iter_mut().zip(words) {
        *to = word.to_be_bytes();
    }
    (reply.label() == OK).then_some(digest)
}

/// The client's end.
#[derive(Debug)]
pub struct Client {
    channel: ChannelId,
    buffer: Region<Rw>,
}

impl Client {
    /// A client of the server at the other end of `channel`, which reads `buffer`.
    #[must_use]
    pub const fn new(channel: ChannelId, buffer: Region<Rw>) -> Self {
        Self { channel, buffer }
    }

    /// The SHA-256 of the first `len` bytes of `memory`, each fetched once. `None` if the memory is
    /// shorter, or the server does not play along.
    pub fn sha256<K: Call, A: Access>(
        &self,
        kernel: &mut K,
        memory: &Region<A>,
        len: usize,
    ) -> Option<[u8; DIGEST]> {
        let piece = self.buffer.len() & !(BLOCK - 1);
        if piece == 0 {
            return None;
        }
        let mut at = 0;
        loop {
            let count = piece.min(len.checked_sub(at)?);
            memory.copy_to(at, &self.buffer, 0, count).ok()?;
            let first = if at == 0 { FIRST } else { 0 };
            at = at.checked_add(count)?;
            let last = if at == len { LAST } else { 0 };
            let request = Message::with(HASH, [count as u64, first | last]);
            let reply = kernel.call(self.channel, &request);
            if last != 0 {
                return digest(&reply);
            }
            if reply.label() != OK {
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_decode_and_anything_else_is_refused() {
        let decode =
            |label, words: &[u64]| Request::decode(&Message::from_words(label, words), 128);
        let request = Request {
            len: 64,
            is_first: true,
            is_last: false,
        };
        assert_eq!(decode(HASH, &[64, FIRST]), Some(request));
        assert!(decode(HASH, &[128, 0]).is_some() && decode(HASH, &[3, LAST]).is_some());
        for (label, words) in [
            (HASH, &[129, LAST][..]),
            (HASH, &[u64::MAX, LAST]),
            (HASH, &[3, FIRST]),
            (HASH, &[64, 4]),
            (HASH, &[64]),
            (2, &[64, FIRST]),
        ] {
            assert_eq!(decode(label, words), None, "{label} {words:?}");
        }
    }

    #[test]
    fn a_digest_survives_its_message() {
        let bytes = core::array::from_fn(|index| u8::try_from(index * 7).unwrap());
        assert_eq!(digest(&reply(&bytes)), Some(bytes));
        assert_eq!(digest(&Message::new(OK)), None);
        assert_eq!(digest(&Message::unexpected()), None);
    }
}
