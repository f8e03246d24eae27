// SPDX-License-Identifier: BSD-2-Clause
//! Runs the fuzz body briefly.

use guest_io::hostile::{STEP, run};
use proptest::prelude::*;

#[test]
fn a_guest_that_does_nothing() {
    run(&[]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    // Shows BH-23.
    #[test]
    fn whatever_the_guest_does(script in proptest::collection::vec(any::<u8>(), 0..STEP * 120)) {
        run(&script);
    }
}
