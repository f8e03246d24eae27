// SPDX-License-Identifier: BSD-2-Clause
//! The requirements of this repository: every tag names one, and every one that is offered is tested.

use std::path::Path;

// Shows BH-34.
#[test]
fn every_tag_is_known_and_every_gap_is_accepted() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let trace = traceability::trace(&root).unwrap();
    let problems: Vec<_> = trace.problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems, Vec::<String>::new());
    assert!(trace.totals.offered > 50, "{}", trace.totals);
}
