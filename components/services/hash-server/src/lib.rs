// SPDX-License-Identifier: BSD-2-Clause
//! SHA-256 (FIPS 180-4) of what clients put into their buffers, with the core's instructions.
//!
//! | threat | answer |
//! |---|---|
//! | a client changes its buffer meanwhile | each byte is fetched once, and the digest is its own affair |
//! | a client asks for more than its buffer, or out of turn | refused; what was under way is given up |
//! | a client keeps the server busy | a call hashes one buffer at most, on the caller's time |
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod sha256;
#[cfg(test)]
mod tests;

pub use sha256::Compress;

use core::marker::PhantomData;

use hashing::{BAD_REQUEST, OK, Request};
use pd::{Component, Handler, Message, Setup, SetupError, Unexpected};
use record::Entry;
use shm::{Region, Ro};
use units::ChannelId;

use sha256::Hash;

/// Most clients.
pub const MAX_CLIENTS: usize = 8;
/// Bytes that are fetched at a time; on the stack.
const CHUNK: usize = 1024;

/// One client.
#[derive(Debug)]
struct Client {
    channel: ChannelId,
    buffer: Region<Ro>,
    /// What it has under way.
    hash: Option<Hash>,
}

/// The server, with `C` for the core's instructions.
#[derive(Debug)]
pub struct Server<C> {
    clients: heapless::Vec<Client, MAX_CLIENTS>,
    unexpected: u32,
    compress: PhantomData<C>,
}

impl<C> Component for Server<C> {
    /// Wants for each text `client` the channel of that name and the region `<name>.buffer`.
    fn create(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let mut server = Self {
            clients: heapless::Vec::new(),
            unexpected: 0,
            compress: PhantomData,
        };
        for entry in setup.record().with_role("client") {
            let Entry::Text(name) = entry else {
                return Err(SetupError::invalid(
                    "client",
                    "each client is a text, its role",
                ));
            };
            let mut buffer: heapless::String<32> = heapless::String::new();
            let fits = buffer.push_str(name).is_ok() && buffer.push_str(".buffer").is_ok();
            if !fits {
                return Err(SetupError::invalid(name, "is too long a name"));
            }
            let client = Client {
                channel: setup.channel(name)?,
                buffer: setup.region_ro(&buffer)?,
                hash: None,
            };
            let added = server.clients.push(client);
            added.map_err(|_| SetupError::invalid("client", "there are more than eight"))?;
        }
        Ok(server)
    }
}

impl<C> Server<C> {
    /// Events that the system description does not provide for, so far.
    #[must_use]
    pub const fn unexpected_count(&self) -> u32 {
        self.unexpected
    }
}

impl Client {
    /// Hashes one piece.
    fn hash<C: Compress>(&mut self, message: &Message) -> Option<Message> {
        let under_way = self.hash.take();
        let request = Request::decode(message, self.buffer.len())?;
        let mut hash = if request.is_first {
            Hash::new()
        } else {
            under_way?
        };
        let mut chunk = [0; CHUNK];
        for at in (0..request.len).step_by(CHUNK) {
            let chunk = chunk.get_mut(..CHUNK.min(request.len - at))?;
            self.buffer.copy_in(at, chunk).ok()?;
            hash.update::<C>(chunk);
        }
        if request.is_last {
            return Some(hashing::reply(&hash.finish::<C>()));
        }
        self.hash = Some(hash);
        Some(Message::new(OK))
    }
}

impl<C: Compress, K> Handler<K> for Server<C> {
    fn protected(&mut self, _: &mut K, channel: ChannelId, message: Message) -> Message {
        let client = self
            .clients
            .iter_mut()
            .find(|client| client.channel == channel);
        let Some(client) = client else {
            Handler::<K>::unexpected(self, Unexpected::Protected(channel));
            return Message::new(BAD_REQUEST);
        };
        let reply = client.hash::<C>(&message);
        reply.unwrap_or(Message::new(BAD_REQUEST))
    }

    fn unexpected(&mut self, _: Unexpected) {
        self.unexpected = self.unexpected.saturating_add(1);
    }
}
