// SPDX-License-Identifier: BSD-2-Clause
//! The driver against a machine whose timer fires when its counter passes the compare value.

use super::*;
use pd::Clock;
use timer::{CANCEL, SET_DEADLINE};

const IRQ: u64 = 5;

#[derive(Default)]
struct Machine {
    now: u64,
    compare: Option<u64>,
    notified: Vec<u8>,
    acks: u32,
}

impl Clock for Machine {
    fn now(&self) -> u64 {
        self.now
    }
    fn frequency(&self) -> u64 {
        62_500_000
    }
}

impl PhysicalTimer for Machine {
    fn timer_set(&mut self, deadline: u64) {
        self.compare = Some(deadline);
    }
    fn timer_stop(&mut self) {
        self.compare = None;
    }
}

impl Notify for Machine {
    fn notify(&mut self, ch: ChannelId) {
        self.notified.push(ch.get());
    }
    fn notify_deferred(&mut self, ch: ChannelId) {
        self.notify(ch);
    }
}

impl Irq for Machine {
    fn irq_ack(&mut self, id: IrqId) {
        assert_eq!(id.get(), 5);
        self.acks += 1;
    }
    fn irq_ack_deferred(&mut self, id: IrqId) {
        self.irq_ack(id);
    }
}

fn client(raw: u64) -> ChannelId {
    ChannelId::new(raw).unwrap()
}

fn driver() -> (Driver, Machine) {
    let mut machine = Machine {
        compare: Some(3),
        ..Machine::default()
    };
    let mut driver = Driver::new(IrqId::new(IRQ).unwrap());
    driver.init(&mut machine);
    assert_eq!(machine.compare, None, "a timer left running is stopped");
    (driver, machine)
}

/// Lets time pass and, if the timer fires, delivers its interrupt.
fn run_until(driver: &mut Driver, machine: &mut Machine, now: u64) {
    machine.now = now;
    if machine.compare.is_some_and(|compare| compare <= now) {
        driver.notified(machine, ChannelSet::from_badge(1 << IRQ));
    }
}

#[test]
fn each_client_is_woken_once_at_its_deadline() {
    let (mut driver, mut machine) = driver();
    for (ch, at) in [(1, 300), (2, 100), (61, 200)] {
        let reply = driver.protected(&mut machine, client(ch), Message::with(SET_DEADLINE, [at]));
        assert_eq!(reply.label(), OK);
    }
    assert_eq!(machine.compare, Some(100));
    run_until(&mut driver, &mut machine, 99);
    assert!(machine.notified.is_empty());
    run_until(&mut driver, &mut machine, 250);
    assert_eq!(machine.notified, [2, 61]);
    assert_eq!((machine.compare, machine.acks), (Some(300), 1));
    run_until(&mut driver, &mut machine, 300);
    assert_eq!(machine.notified, [2, 61, 1]);
    assert_eq!(machine.compare, None);
}

#[test]
fn a_past_deadline_wakes_at_once_and_a_cancelled_one_never() {
    let (mut driver, mut machine) = driver();
    machine.now = 50;
    driver.protected(&mut machine, client(3), Message::with(SET_DEADLINE, [10]));
    assert_eq!(machine.notified, [3]);
    driver.protected(&mut machine, client(3), Message::with(SET_DEADLINE, [60]));
    driver.protected(&mut machine, client(3), Message::new(CANCEL));
    run_until(&mut driver, &mut machine, 1000);
    assert_eq!((machine.notified, machine.compare), (vec![3], None));
}

#[test]
fn unknown_requests_are_counted_and_change_nothing() {
    let (mut driver, mut machine) = driver();
    driver.protected(&mut machine, client(1), Message::with(SET_DEADLINE, [100]));
    for bad in [Message::new(SET_DEADLINE), Message::new(77)] {
        let reply = driver.protected(&mut machine, client(2), bad);
        assert_eq!(reply.label(), BAD_REQUEST);
    }
    assert_eq!((machine.compare, driver.unexpected_count()), (Some(100), 2));
}

#[test]
fn a_spurious_notification_neither_wakes_nor_acks() {
    let (mut driver, mut machine) = driver();
    driver.protected(&mut machine, client(1), Message::with(SET_DEADLINE, [100]));
    driver.notified(&mut machine, ChannelSet::from_badge(1 << 9));
    assert_eq!((machine.notified.len(), machine.acks), (0, 0));
    assert_eq!(machine.compare, Some(100));
}
