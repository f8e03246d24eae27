// SPDX-License-Identifier: BSD-2-Clause
//! The console driver of the `virtio-drivers` crate on our transport and backend.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::cell::RefCell;
use std::fmt::Write;
use std::rc::Rc;

use guest_io::console::{ConsoleMachine, SCREEN};
use guest_io::memory::{self, Guest};
use guest_io::registers::Registers;
use proptest::prelude::*;
use virtio_drivers::device::console::VirtIOConsole;
use virtio_drivers::transport::{DeviceType, Transport};

type Driver = VirtIOConsole<Guest, Registers<ConsoleMachine>>;

fn start() -> (Rc<RefCell<ConsoleMachine>>, Driver) {
    let machine = Rc::new(RefCell::new(ConsoleMachine::new()));
    let driver = Driver::new(Registers::new(machine.clone())).unwrap();
    (machine, driver)
}

// Shows AV-43.
#[test]
fn the_driver_finds_a_console_and_its_size() {
    let machine = Rc::new(RefCell::new(ConsoleMachine::new()));
    assert_eq!(
        Registers::new(machine.clone()).device_type(),
        DeviceType::Console
    );
    let driver = Driver::new(Registers::new(machine.clone())).unwrap();
    let size = driver.size().unwrap().unwrap();
    assert_eq!((size.columns, size.rows), SCREEN);
    assert_eq!(
        machine.borrow().anomalies(),
        0,
        "a well-behaved driver is never refused"
    );
}

// Shows AV-43.
#[test]
fn what_the_driver_sends_is_shown() {
    let (machine, mut driver) = start();
    driver.send(b'>').unwrap();
    writeln!(driver, " {}", "x".repeat(5000)).unwrap();
    let expected = format!("> {}\n", "x".repeat(5000));
    assert_eq!(machine.borrow_mut().take_output(), expected.as_bytes());
    assert_eq!(memory::shared(), 1, "only the receive buffer is still out");
}

#[test]
fn what_is_typed_is_received() {
    let (machine, mut driver) = start();
    assert_eq!(driver.recv(true).unwrap(), None);
    assert_eq!(machine.borrow_mut().type_in(b"ls\n"), 3);
    assert!(machine.borrow().interrupts());
    assert!(driver.ack_interrupt().unwrap());
    assert!(!machine.borrow().interrupts());
    let mut typed = Vec::new();
    while let Some(byte) = driver.recv(true).unwrap() {
        typed.push(byte);
    }
    assert_eq!(typed, b"ls\n");
}

#[test]
fn clause_2_4_a_driver_that_comes_back_resets_the_device() {
    let (machine, mut driver) = start();
    for round in 0..200 {
        driver.send(b'a').unwrap();
        drop(driver);
        driver = Driver::new(Registers::new(machine.clone())).unwrap();
        assert_eq!(machine.borrow().anomalies(), 0, "round {round}");
    }
    driver.send(b'b').unwrap();
    let output = machine.borrow_mut().take_output();
    assert_eq!((output.len(), output.last()), (201, Some(&b'b')));
}

#[test]
fn r6_the_driver_does_not_notice_that_the_backend_died() {
    let (machine, mut driver) = start();
    driver.send_bytes(b"before ").unwrap();
    machine.borrow_mut().restart_backend();
    driver.send_bytes(b"after").unwrap();
    assert_eq!(machine.borrow_mut().take_output(), b"before after");
    machine.borrow_mut().type_in(b"!");
    assert_eq!(driver.recv(true).unwrap(), Some(b'!'));
}

/// One thing that happens to the machine.
#[derive(Clone, Debug)]
enum Step {
    Send(Vec<u8>),
    Type(Vec<u8>),
    Receive(usize),
    RestartBackend,
    RestartDriver,
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = |most| proptest::collection::vec(any::<u8>(), 1..most);
    prop_oneof![
        4 => bytes(3000).prop_map(Step::Send),
        4 => bytes(60).prop_map(Step::Type),
        4 => (1_usize..80).prop_map(Step::Receive),
        1 => Just(Step::RestartBackend),
        1 => Just(Step::RestartDriver),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    /// Whatever happens, both directions carry every byte once and in order.
    #[test]
    fn both_directions_are_streams(steps in proptest::collection::vec(step(), 1..30)) {
        let (machine, mut driver) = start();
        let (mut sent, mut typed, mut received) = (Vec::new(), Vec::new(), Vec::new());
        let receive = |driver: &mut Driver, most: usize, received: &mut Vec<u8>| {
            for _ in 0..most {
                let Some(byte) = driver.recv(true).unwrap() else { return };
                received.push(byte);
            }
        };
        for step in steps {
            match step {
                Step::Send(bytes) => {
                    driver.send_bytes(&bytes).unwrap();
                    sent.extend(bytes);
                }
                Step::Type(bytes) => {
                    let count = machine.borrow_mut().type_in(&bytes);
                    typed.extend_from_slice(&bytes[..count]);
                }
                Step::Receive(most) => receive(&mut driver, most, &mut received),
                Step::RestartBackend => machine.borrow_mut().restart_backend(),
                Step::RestartDriver => {
                    // A driver that goes takes along what it had received and not yet handed out.
                    receive(&mut driver, usize::MAX, &mut received);
                    drop(driver);
                    driver = Driver::new(Registers::new(machine.clone())).unwrap();
                }
            }
        }
        receive(&mut driver, usize::MAX, &mut received);
        prop_assert_eq!(machine.borrow_mut().take_output(), sent);
        prop_assert_eq!(received, typed);
        prop_assert_eq!(machine.borrow().anomalies(), 0);
    }
}
