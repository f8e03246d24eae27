// SPDX-License-Identifier: BSD-2-Clause
//! Streams with honest, restarting and hostile peers.

use std::vec::Vec;

use pd::Notify;
use proptest::prelude::*;
use units::ChannelId;

use crate::fake::FakeLink;
use crate::{Console, LINE_BYTES, Stream, ring_capacity};

#[derive(Default)]
struct Bell(usize);

impl Notify for Bell {
    fn notify(&mut self, _: ChannelId) {
        self.0 += 1;
    }
    fn notify_deferred(&mut self, _: ChannelId) {
        self.0 += 1;
    }
}

fn channel() -> ChannelId {
    ChannelId::new(3).unwrap()
}

fn pair(capacity: usize) -> (FakeLink, Stream, Stream) {
    let link = FakeLink::new(capacity);
    (link, link.first(channel()), link.second(channel()))
}

fn read_all(stream: &mut Stream) -> Vec<u8> {
    let mut bytes = [0; 512];
    let mut all = Vec::new();
    loop {
        let read = stream.read(&mut bytes);
        if read == 0 {
            return all;
        }
        all.extend_from_slice(&bytes[..read]);
    }
}

#[test]
fn capacity_is_the_power_of_two_that_fits_behind_the_header() {
    assert_eq!(ring_capacity(0x1000), Some(2048));
    assert_eq!(ring_capacity(0x2000), Some(4096));
    assert_eq!(ring_capacity(spsc::HEADER_SIZE + 1), Some(1));
    assert_eq!(ring_capacity(spsc::HEADER_SIZE), None);
    assert_eq!(ring_capacity(0), None);
}

#[test]
fn a_sleeping_peer_is_notified_once() {
    let (_, mut a, mut b) = pair(64);
    let mut bell = Bell::default();
    assert!(!b.wait_for_bytes());
    a.write(b"x");
    a.flush(&mut bell);
    a.write(b"y");
    a.flush(&mut bell);
    assert_eq!(bell.0, 1, "the peer is awake after the first");
    assert_eq!(read_all(&mut b), b"xy");
    a.write(b"z");
    a.flush(&mut bell);
    assert!(b.wait_for_bytes(), "arrived before it went to sleep");
}

#[test]
fn a_full_ring_takes_nothing_until_the_reader_gives_room_back() {
    let (_, mut a, mut b) = pair(16);
    let mut bell = Bell::default();
    assert_eq!(a.write(&[7; 20]), 16);
    a.flush(&mut bell);
    assert_eq!(a.room(), 0);
    a.write_all_or_drop(b"lost");
    assert_eq!(a.counters().dropped, 4);
    assert!(!a.wait_for_room(10));
    let before = bell.0;
    assert_eq!(b.read(&mut [0; 9]), 9);
    b.flush(&mut bell);
    assert_eq!(bell.0, before, "nine bytes are not the ten it waits for");
    assert_eq!(b.read(&mut [0; 1]), 1);
    b.flush(&mut bell);
    assert_eq!(bell.0, before + 1);
    assert_eq!(a.room(), 10);
}

#[test]
fn a_line_is_printed_whole_or_not_at_all() {
    let (_, a, mut b) = pair(256);
    let mut bell = Bell::default();
    let mut console = Console::new(a);
    console.line(&mut bell, format_args!("{}", "a".repeat(LINE_BYTES + 5)));
    assert_eq!(console.counters().dropped, 5, "cut");
    console.line(&mut bell, format_args!("{}", "b".repeat(LINE_BYTES)));
    assert_eq!(console.counters().dropped, 5 + LINE_BYTES as u64 + 1);
    let text = read_all(&mut b);
    assert_eq!(text.len(), LINE_BYTES + 1);
    assert!(text.ends_with(b"a\n"));
}

#[test]
fn a_restarted_client_goes_on_where_it_was() {
    let (link, mut a, mut b) = pair(32);
    let mut bell = Bell::default();
    a.write(b"before ");
    a.flush(&mut bell);
    let mut again = link.first(channel());
    again.write(b"after");
    again.flush(&mut bell);
    assert_eq!(read_all(&mut b), b"before after");
    assert_eq!(b.counters().peer_faults, 0);
}

#[test]
fn an_impossible_write_index_is_counted_and_skipped() {
    let (link, mut a, _) = pair(32);
    let peer = link.memory.hostile_second();
    peer.write_index(1000);
    assert_eq!(a.read(&mut [0; 8]), 0);
    assert_eq!(a.counters().peer_faults, 1);
    peer.write_index(1003);
    assert_eq!(a.read(&mut [0; 8]), 3, "goes on at the peer's index");
}

#[test]
fn an_impossible_read_index_leaves_no_room() {
    let (link, mut a, _) = pair(32);
    a.write(b"12345678");
    link.memory.hostile_second().read_index(u32::MAX);
    a.flush(&mut Bell::default());
    assert_eq!(a.room(), 0);
    assert_eq!(a.write(&[0; 32]), 0);
    assert!(a.counters().peer_faults > 0);
}

proptest! {
    /// Bytes come out as they went in, whatever the sizes of the pieces.
    #[test]
    fn streams_keep_bytes_in_order(
        pieces in proptest::collection::vec((any::<u8>(), 1_usize..40, 1_usize..40), 1..60),
    ) {
        let (_, mut a, mut b) = pair(32);
        let mut bell = Bell::default();
        let (mut sent, mut received) = (Vec::new(), Vec::new());
        for (value, write, read) in pieces {
            let piece: Vec<u8> = (0..write).map(|at| value.wrapping_add(at.to_le_bytes()[0])).collect();
            let written = a.write(&piece);
            sent.extend_from_slice(&piece[..written]);
            a.flush(&mut bell);
            let mut into = [0; 40];
            let got = b.read(&mut into[..read]);
            received.extend_from_slice(&into[..got]);
            b.flush(&mut bell);
        }
        received.extend(read_all(&mut b));
        prop_assert_eq!(sent, received);
    }

    /// A peer may write anything anywhere at any time: no panic, no more than the ring at once.
    // Shows BH-05.
    #[test]
    fn any_peer_is_survived(
        acts in proptest::collection::vec((0_u8..6, any::<u32>()), 0..60),
    ) {
        let (link, mut a, _) = pair(32);
        let peer = link.memory.hostile_second();
        let mut bell = Bell::default();
        for (act, value) in acts {
            match act {
                0 => peer.write_index(value),
                1 => peer.read_index(value),
                2 => peer.scribble(value.to_le_bytes()[0]),
                3 => prop_assert!(a.read(&mut [0; 64]) <= 32),
                4 => prop_assert!(a.write(&[1; 64]) <= 32),
                _ => {
                    let _ = a.wait_for_bytes();
                    let _ = a.wait_for_room(value as usize);
                }
            }
            a.flush(&mut bell);
            prop_assert!(a.room() <= 32);
        }
    }
}
