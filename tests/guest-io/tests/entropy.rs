// SPDX-License-Identifier: BSD-2-Clause
//! The entropy driver of the `virtio-drivers` crate on our transport and backend.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::cell::RefCell;
use std::rc::Rc;

use guest_io::entropy_device::EntropyMachine;
use guest_io::memory::Guest;
use guest_io::registers::Registers;
use proptest::prelude::*;
use virtio_drivers::device::rng::VirtIORng;

type Driver = VirtIORng<Guest, Registers<EntropyMachine>>;

fn start() -> (Rc<RefCell<EntropyMachine>>, Driver) {
    let machine = Rc::new(RefCell::new(EntropyMachine::new()));
    let driver = Driver::new(Registers::new(machine.clone())).unwrap();
    (machine, driver)
}

/// The numbers of the grains in `bytes`, whole ones.
fn numbers(bytes: &[u8]) -> Vec<u64> {
    let words = bytes.chunks_exact(8).step_by(4);
    words
        .map(|word| u64::from_le_bytes(word.try_into().unwrap()))
        .collect()
}

// Shows AV-39.
#[test]
fn clause_5_4_6_a_request_gets_some_bytes() {
    let (machine, mut driver) = start();
    let mut bytes = [0; 64];
    assert_eq!(driver.request_entropy(&mut bytes), Ok(64));
    assert_eq!(numbers(&bytes), [1, 2]);
    assert_eq!(driver.request_entropy(&mut bytes), Ok(64));
    assert_eq!(numbers(&bytes), [3, 4], "others than before");
    assert_eq!(machine.borrow().anomalies(), 0);
}

#[test]
fn h_38_a_huge_request_gets_a_bounded_answer() {
    let (_, mut driver) = start();
    let mut bytes = vec![0; 1 << 20];
    assert_eq!(driver.request_entropy(&mut bytes), Ok(256));
    assert!(bytes[256..].iter().all(|byte| *byte == 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    /// No grain is seen twice, whatever dies in between.
    #[test]
    fn no_byte_twice(steps in proptest::collection::vec((0_u8..6, 1_usize..20), 1..40)) {
        let (machine, mut driver) = start();
        let mut last = 0;
        for (step, grains) in steps {
            match step {
                0 => machine.borrow_mut().restart_backend(),
                1 => {
                    drop(driver);
                    driver = Driver::new(Registers::new(machine.clone())).unwrap();
                }
                _ => {
                    let mut bytes = vec![0; grains * 32];
                    let count = driver.request_entropy(&mut bytes).unwrap();
                    prop_assert!(count > 0);
                    for number in numbers(&bytes[..count]) {
                        prop_assert!(number > last);
                        last = number;
                    }
                }
            }
        }
        prop_assert_eq!(machine.borrow().anomalies(), 0);
    }
}
