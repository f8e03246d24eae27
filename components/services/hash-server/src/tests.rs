// SPDX-License-Identifier: BSD-2-Clause
//! The server behind its client, against the registry's SHA-256.

use hashing::{FIRST, HASH, LAST};
use pd::{Call, fake};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};
use shm::Rw;

use super::*;

/// The registry's compression function.
struct Soft;

impl Compress for Soft {
    fn compress(state: &mut [u32; 8], blocks: &[[u8; 64]]) {
        sha2::block_api::compress256(state, blocks);
    }
}

/// A server with one client, whose calls arrive directly.
struct Rig {
    server: Server<Soft>,
    buffer: Region<Rw>,
}

impl Rig {
    fn new(size: usize) -> Self {
        let buffer = shm::fake::region(size);
        let mut world = fake::World::new();
        world
            .text("client", "vm")
            .channel("vm", 3)
            .region_ro("vm.buffer", buffer);
        Self {
            server: world.create().unwrap(),
            buffer,
        }
    }

    fn ask(&mut self, words: &[u64]) -> Message {
        self.call(
            ChannelId::new(3).unwrap(),
            &Message::from_words(HASH, words),
        )
    }
}

impl Call for Rig {
    fn call(&mut self, channel: ChannelId, message: &Message) -> Message {
        Handler::<()>::protected(&mut self.server, &mut (), channel, *message)
    }
}

fn client(rig: &Rig) -> hashing::Client {
    hashing::Client::new(ChannelId::new(3).unwrap(), rig.buffer)
}

#[test]
fn what_is_out_of_turn_or_too_long_is_refused() {
    let mut rig = Rig::new(256);
    assert_eq!(
        rig.ask(&[64, 0]).label(),
        BAD_REQUEST,
        "nothing is under way"
    );
    assert_eq!(rig.ask(&[64, FIRST]).label(), OK);
    assert_eq!(rig.ask(&[257, LAST]).label(), BAD_REQUEST);
    assert_eq!(rig.ask(&[0, LAST]).label(), BAD_REQUEST, "it was given up");
    let stranger = ChannelId::new(4).unwrap();
    let answer = rig.call(stranger, &Message::with(HASH, [0, FIRST | LAST]));
    assert_eq!(
        (answer.label(), rig.server.unexpected_count()),
        (BAD_REQUEST, 1)
    );
}

#[test]
fn memory_that_is_too_short_has_no_digest() {
    let mut rig = Rig::new(256);
    let memory = shm::fake::region(8);
    assert_eq!(client(&rig).sha256(&mut rig, &memory, 9), None);
}

proptest! {
    #[test]
    fn digests_are_those_of_sha256(
        bytes in proptest::collection::vec(any::<u8>(), 0..3000),
        size in prop_oneof![Just(64_usize), Just(100), Just(2048), Just(4096)],
    ) {
        let mut rig = Rig::new(size);
        let memory = shm::fake::filled(&bytes);
        let digest = client(&rig).sha256(&mut rig, &memory, bytes.len());
        prop_assert_eq!(digest, Some(Sha256::digest(&bytes).into()));
    }
}
