// SPDX-License-Identifier: BSD-2-Clause
//! Rates, storms, full rings, fair shares, bounded work.

use std::cell::RefCell;

use pd::fake::KernelCall;
use pd::{Call, Clock, Handler, Message, Notify};
use units::{ChannelId, ChannelSet};

use super::rig::{BROADCAST, Rig, SECOND, SLOTS, TIMER, frame, guest, mac, uplink};
use crate::{Event, What};

/// Bytes per second that arrive at port 1 in `seconds`, while port 0 always has something to send.
/// The burst that a bucket begins with is used up first.
fn measure(rig: &mut Rig, len: usize, seconds: u64) -> u64 {
    let sent = frame(mac(2), mac(1), len - 14);
    let step = |rig: &mut Rig, ticks: u64| {
        while rig.queue(0, &sent) {}
        rig.kernel.advance(ticks);
        rig.run();
        rig.drain(1).len() as u64 * len as u64
    };
    for _ in 0..100 {
        step(rig, SECOND / 1000);
    }
    let bytes: u64 = (0..seconds * 1000).map(|_| step(rig, SECOND / 1000)).sum();
    bytes / seconds
}

fn within_5_percent(measured: u64, rate: u64) -> bool {
    measured.abs_diff(rate) * 20 <= rate
}

// Shows BH-28.
#[test]
fn a_policed_rate_is_kept_within_5_percent() {
    // A millisecond of the sender's brings at most a ring of 64 frames.
    let cases = [
        (20_000, 64, 20),
        (20_000, 1514, 20),
        (1_000_000, 64, 2),
        (1_000_000, 1514, 2),
        (30_000_000, 1514, 2),
    ];
    for (rate, len, seconds) in cases {
        let mut rig = Rig::new(&[guest("a", 1).value("rate", rate), guest("b", 2)]);
        let measured = measure(&mut rig, len, seconds);
        assert!(within_5_percent(measured, rate), "{rate} {len}: {measured}");
        assert!(rig.count(0, What::OverRate) > 0);
    }
}

/// Runs a rig on its own timer: the far end refills its ring only when it is woken.
fn shaped(rate: u64, len: usize, seconds: u64) -> u64 {
    let mut rig = Rig::with(&[guest("a", 1).value("rate", rate), guest("b", 2)], true);
    let sent = frame(mac(2), mac(1), len - 14);
    let end = rig.kernel.now() + seconds * SECOND;
    let mut bytes = 0;
    let mut wakes = 0_u64;
    rig.kernel.take_calls();
    while rig.kernel.now() < end {
        while rig.queue(0, &sent) {}
        rig.run();
        bytes += rig.drain(1).len() as u64 * len as u64;
        let calls = rig.kernel.take_calls();
        let deadline = calls.iter().rev().find_map(|call| match call {
            KernelCall::Call(_, message) => message.word(0),
            _ => None,
        });
        let Some(deadline) = deadline else {
            // Within its burst.
            continue;
        };
        let now = rig.kernel.now();
        assert!(deadline > now);
        rig.kernel.advance(deadline - now);
        wakes += 1;
        let timer: ChannelSet = [ChannelId::new(TIMER).unwrap()].into_iter().collect();
        rig.switch.notified(&mut rig.kernel, timer);
        bytes += rig.drain(1).len() as u64 * len as u64;
    }
    assert_eq!(rig.count(0, What::OverRate), 0, "nothing is dropped");
    assert!(
        wakes * len as u64 * 4 < bytes,
        "several frames per wake-up: {wakes}"
    );
    bytes / seconds
}

// Shows BH-28.
#[test]
fn a_shaped_rate_is_kept_within_5_percent_without_a_loss() {
    for (rate, len) in [
        (1_000_000, 1514),
        (1_000_000, 64),
        (10_000_000, 1514),
        (100_000_000, 1514),
    ] {
        let measured = shaped(rate, len, 2);
        assert!(within_5_percent(measured, rate), "{rate} {len}: {measured}");
    }
}

#[test]
fn ports_below_their_rate_do_not_wait_for_others() {
    let mut rig = Rig::with(
        &[
            guest("a", 1).value("rate", 10_000),
            guest("b", 2),
            uplink("net"),
        ],
        true,
    );
    while rig.queue(0, &frame(mac(9), mac(1), 1000)) {}
    rig.run();
    let passed = rig.drain(2).len();
    assert!(passed < 10, "{passed}");
    for len in 0..20 {
        rig.send(1, &frame(mac(9), mac(2), len));
        assert_eq!(rig.drain(2).len(), 1);
    }
    assert!(
        !rig.peers[0].tx.arm(SLOTS),
        "its frames are where they were"
    );
}

#[test]
fn without_its_timer_the_switch_polices() {
    let mut rig = Rig::with(&[guest("a", 1).value("rate", 10_000), guest("b", 2)], true);
    rig.kernel
        .answer_with(|_, _| Message::new(timer::BAD_REQUEST));
    while rig.queue(0, &frame(mac(2), mac(1), 1000)) {}
    rig.run();
    assert_eq!(rig.counted(Event::TimerRefused), 1);
    assert!(rig.count(0, What::OverRate) > 50);
    assert!(rig.peers[0].tx.arm(SLOTS), "nothing waits");
}

#[test]
fn a_broadcast_storm_is_cut_to_its_limit() {
    let mut rig = Rig::new(&[
        guest("a", 1).value("storm", 100),
        guest("b", 2),
        guest("c", 3),
    ]);
    let mut arrived = 0;
    for _ in 0..3000 {
        rig.kernel.advance(SECOND / 1000);
        assert!(rig.queue(0, &frame(BROADCAST, mac(1), 50)));
        assert!(rig.queue(0, &frame(mac(3), mac(1), 50)));
        rig.run();
        arrived += rig.drain(1).len();
        assert_eq!(
            rig.drain(2).iter().filter(|frame| frame[0] == 2).count(),
            1,
            "unicast passes"
        );
    }
    assert!((300..=325).contains(&arrived), "{arrived}");
    assert_eq!(rig.count(0, What::Storm), 3000 - arrived as u64);
}

#[test]
fn h_36_a_full_ring_loses_its_own_frames_only() {
    let mut rig = Rig::new(&[guest("a", 1), guest("dead", 2), guest("c", 3)]);
    for _ in 0..200 {
        rig.send(0, &frame(mac(2), mac(1), 50));
        rig.send(0, &frame(mac(3), mac(1), 50));
        rig.send(0, &frame(BROADCAST, mac(1), 50));
        assert_eq!(rig.drain(2).len(), 2);
    }
    assert!(rig.count(1, What::Full) >= 400 - u64::from(SLOTS));
    assert_eq!(rig.count(2, What::Full), 0);
}

/// TI-4, TI-6: a port that floods a slow one does not take the share of another.
// Shows BH-28, H-42.
#[test]
fn ti_4_a_flood_does_not_take_anothers_share() {
    let mut rig = Rig::new(&[guest("flood", 1), guest("b", 2), uplink("slow")]);
    let (mut of_b, mut sent) = (0, 0);
    for round in 0..500 {
        while rig.queue(0, &frame(mac(9), mac(1), 1400)) {}
        // Six frames per round leave through the slow port; b wants two of them.
        if round % 2 == 0 {
            for _ in 0..4 {
                assert!(rig.queue(1, &frame(mac(9), mac(2), 100)));
                sent += 1;
            }
        }
        rig.run();
        for _ in 0..6 {
            let frame = rig.receive(2);
            of_b += usize::from(frame.is_some_and(|frame| frame[11] == 2));
        }
    }
    let waiting = rig.drain(2).iter().filter(|frame| frame[11] == 2).count();
    assert_eq!(of_b + waiting, sent, "b lost nothing");
    assert!(rig.count(2, What::Full) > 10_000, "the flood did");
}

/// TI-3: two ports that both send all they can get the same number of slots. Turns are by bytes, so
/// where sizes differ that many frames are only nearly the same.
// Shows BH-28.
#[test]
fn ti_3_two_floods_share_evenly() {
    for (first, second, percent) in [(1400, 1400, 45), (60, 1400, 40)] {
        let mut rig = Rig::new(&[guest("a", 1), guest("b", 2), uplink("slow")]);
        let mut frames = [0_u64; 2];
        for _ in 0..2000 {
            while rig.queue(0, &frame(mac(9), mac(1), first)) {}
            while rig.queue(1, &frame(mac(9), mac(2), second)) {}
            rig.run();
            for _ in 0..8 {
                if let Some(frame) = rig.receive(2) {
                    frames[usize::from(frame[11]) - 1] += 1;
                }
            }
        }
        let total = frames[0] + frames[1];
        assert!(
            frames.iter().all(|share| share * 100 >= total * percent),
            "{frames:?}"
        );
    }
}

/// A kernel during whose calls a peer sends more, as on another core.
struct Busy {
    peer: RefCell<frames::Port>,
    left: RefCell<usize>,
    deadline: Option<u64>,
}

impl Busy {
    fn refill(&self) {
        let (mut left, mut peer) = (self.left.borrow_mut(), self.peer.borrow_mut());
        while *left > 0 {
            if peer
                .tx
                .send(&frame(mac(2), mac(1), 50), frames::Meta::default())
            {
                *left -= 1;
            } else if !peer.tx.arm(1) {
                break;
            }
        }
        let _ = peer.tx.publish();
    }
}

impl Clock for Busy {
    fn now(&self) -> u64 {
        self.refill();
        1
    }
    fn frequency(&self) -> u64 {
        SECOND
    }
}

impl Notify for Busy {
    fn notify(&mut self, _: ChannelId) {
        self.refill();
    }
    fn notify_deferred(&mut self, _: ChannelId) {
        self.refill();
    }
}

impl Call for Busy {
    fn call(&mut self, _: ChannelId, message: &Message) -> Message {
        self.deadline = message.word(0);
        Message::new(timer::OK)
    }
}

#[test]
fn h_36_an_activation_ends_however_much_is_sent() {
    let mut rig = Rig::with(&[guest("a", 1), guest("b", 2)], true);
    let peer = rig.peers.remove(0);
    let mut kernel = Busy {
        peer: RefCell::new(peer),
        left: RefCell::new(10_000),
        deadline: None,
    };
    let all: ChannelSet = [ChannelId::new(0).unwrap()].into_iter().collect();
    rig.switch.notified(&mut kernel, all);
    assert_eq!(kernel.deadline, Some(0), "asks to be called back at once");
    assert_eq!(rig.counted(Event::Yielded), 1);
    let done = rig.count(0, What::Received);
    assert!((100..2000).contains(&done), "{done}");
    // Called back, it goes on until all is done.
    let timer: ChannelSet = [ChannelId::new(TIMER).unwrap()].into_iter().collect();
    for _ in 0..100 {
        rig.switch.notified(&mut kernel, timer);
    }
    assert_eq!(rig.count(0, What::Received), 10_000);
}
