// SPDX-License-Identifier: BSD-2-Clause
//! Tests named after what ARM DDI 0224 or a guest driver relies on.

use bus::{Access, Width, fuzz};
use proptest::prelude::*;

use super::*;

const NOON: u32 = 1_795_262_400;

fn read(rtc: &mut Pl031, offset: u64) -> u64 {
    rtc.read(Access::new(offset, Width::Word)).unwrap()
}

fn write(rtc: &mut Pl031, offset: u64, value: u32) {
    rtc.write(Access::new(offset, Width::Word), u64::from(value))
        .unwrap();
}

// Shows AV-03.
#[test]
fn identification_is_what_rtc_pl031_matches() {
    let mut rtc = Pl031::new(0, 0);
    let ids: Vec<u64> = (0xfe0..=0xffc)
        .step_by(4)
        .map(|at| read(&mut rtc, at))
        .collect();
    assert_eq!(ids, [0x31, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1]);
    let peripheral = ids[..4].iter().rev().fold(0, |id, byte| id << 8 | byte);
    // Linux: id 0x00041031, mask 0x000fffff.
    assert_eq!(peripheral & 0x000f_ffff, 0x0004_1031);
}

// Shows AV-48.
#[test]
fn the_clock_counts_and_can_be_set() {
    let mut rtc = Pl031::new(100, NOON);
    assert_eq!(read(&mut rtc, RTCDR), u64::from(NOON));
    rtc.advance_to(160);
    assert_eq!(read(&mut rtc, RTCDR), u64::from(NOON) + 60);
    write(&mut rtc, RTCLR, 1000);
    assert_eq!(read(&mut rtc, RTCDR), 1000);
    rtc.advance_to(161);
    assert_eq!(read(&mut rtc, RTCDR), 1001);
    assert_eq!(
        read(&mut rtc, RTCLR),
        1000,
        "RTCLR reads the last value written"
    );
    write(&mut rtc, RTCCR, 0);
    assert_eq!(read(&mut rtc, RTCCR), 1, "the clock cannot be stopped");
    rtc.advance_to(7);
    assert_eq!(read(&mut rtc, RTCDR), 1001, "time does not go back");
}

#[test]
fn the_alarm_is_met_even_when_the_owner_comes_late() {
    let mut rtc = Pl031::new(0, 1000);
    write(&mut rtc, RTCMR, 1010);
    assert_eq!(rtc.next_alarm(), None, "masked");
    write(&mut rtc, RTCIMSC, 1);
    assert_eq!(rtc.next_alarm(), Some(10));
    rtc.advance_to(9);
    assert_eq!(rtc.irq(), IrqLine::Low);
    rtc.advance_to(500);
    assert_eq!(rtc.irq(), IrqLine::High);
    assert_eq!(read(&mut rtc, RTCMIS), 1);
    write(&mut rtc, RTCIMSC, 0);
    assert_eq!(rtc.irq(), IrqLine::Low);
    assert_eq!((read(&mut rtc, RTCRIS), read(&mut rtc, RTCMIS)), (1, 0));
    write(&mut rtc, RTCICR, 1);
    assert_eq!(read(&mut rtc, RTCRIS), 0);
}

#[test]
fn the_counter_wraps_after_2_to_the_32() {
    let mut rtc = Pl031::new(0, u32::MAX);
    write(&mut rtc, RTCIMSC, 1);
    write(&mut rtc, RTCMR, 1);
    rtc.advance_to(1);
    assert_eq!(read(&mut rtc, RTCDR), 0);
    assert_eq!(rtc.irq(), IrqLine::Low);
    rtc.advance_to(2);
    assert_eq!(rtc.irq(), IrqLine::High);
}

#[test]
fn odd_accesses_are_refused() {
    let mut rtc = Pl031::new(0, 0);
    assert_eq!(
        rtc.read(Access::new(RTCICR, Width::Word)),
        Err(IoError::WriteOnly)
    );
    assert_eq!(
        rtc.read(Access::new(RTCDR, Width::Double)),
        Err(IoError::Width)
    );
    assert_eq!(
        rtc.read(Access::new(0x20, Width::Word)),
        Err(IoError::NoRegister)
    );
    assert_eq!(
        rtc.write(Access::new(RTCDR, Width::Word), 0),
        Err(IoError::ReadOnly)
    );
    fuzz::sweep(&mut rtc, WINDOW, &[0, u64::MAX], |_, _| {}).unwrap();
}

proptest! {
    /// The line rises exactly at the time that `next_alarm` tells.
    #[test]
    fn next_alarm_is_exact(wall: u32, alarm: u32, step in 1_u64..1 << 33) {
        let mut rtc = Pl031::new(5, wall);
        write(&mut rtc, RTCIMSC, 1);
        write(&mut rtc, RTCMR, alarm);
        if let Some(at) = rtc.next_alarm() {
            let mut early = rtc;
            early.advance_to(at - 1);
            prop_assert_eq!(early.irq(), IrqLine::Low);
            rtc.advance_to(at + step);
        }
        prop_assert_eq!(rtc.irq(), IrqLine::High);
    }

    #[test]
    fn arbitrary_accesses(script in proptest::collection::vec(any::<u8>(), 0..fuzz::STEP * 100)) {
        let mut rtc = Pl031::new(0, NOON);
        let mut now = 0;
        fuzz::drive(&mut rtc, 0x24, &script, |rtc, access| {
            now += access.offset;
            rtc.advance_to(now);
            assert_eq!(rtc.irq().is_high(), read(rtc, RTCMIS) == 1);
        }).unwrap();
    }
}
