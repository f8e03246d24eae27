// SPDX-License-Identifier: BSD-2-Clause
//! Tests against a model of bytes at addresses.

use std::collections::BTreeMap;

use proptest::prelude::*;
use shm::fake;

use super::*;

fn two_ranges() -> GuestMem {
    let mem = GuestMem::new()
        .with(Gpa::new(0x4000_0000), fake::region(0x1000))
        .unwrap();
    mem.with(Gpa::new(0x4000_1000), fake::region(0x1000))
        .unwrap()
}

#[test]
fn h26_no_access_crosses_the_end_of_a_range() {
    let mem = two_ranges();
    assert!(mem.contains(Gpa::new(0x4000_0fff), 1));
    for (gpa, len) in [
        (0x4000_0fff, 2),
        (0x3fff_ffff, 2),
        (0x4000_2000, 0),
        (0x4000_1000, 0x1001),
        (0x4000_0000, u64::MAX),
        (u64::MAX, 2),
    ] {
        let refused = mem.slice(Gpa::new(gpa), len).unwrap_err();
        assert_eq!(
            refused,
            OutOfRange {
                gpa: Gpa::new(gpa),
                len
            }
        );
    }
    assert_eq!(mem.slice(Gpa::new(0x4000_1fff), 0).unwrap().len(), 0);
}

#[test]
fn ranges_are_disjoint_by_construction() {
    let mem = two_ranges();
    let with = |base| mem.with(Gpa::new(base), fake::region(0x1000)).unwrap_err();
    assert_eq!(with(0x4000_1fff), MapError::Overlap(Gpa::new(0x4000_1fff)));
    assert_eq!(with(0x3fff_f001), MapError::Overlap(Gpa::new(0x3fff_f001)));
    assert_eq!(
        with(u64::MAX - 0xffe),
        MapError::BadRange(Gpa::new(u64::MAX - 0xffe))
    );
    let empty = mem.with(Gpa::new(0), fake::region(0)).unwrap_err();
    assert_eq!(empty, MapError::BadRange(Gpa::new(0)));
    let full = mem.with(Gpa::new(0), fake::region(1)).unwrap();
    let full = full.with(Gpa::new(1), fake::region(1)).unwrap();
    assert_eq!(
        full.with(Gpa::new(2), fake::region(1)).unwrap_err(),
        MapError::Full
    );
}

#[test]
fn values_go_through_unaligned_and_cells_do_not() {
    let mem = two_ranges();
    let at = Gpa::new(0x4000_1003);
    mem.write_obj(at, &0x0102_0304_0506_0708_u64).unwrap();
    assert_eq!(mem.read_obj::<u64>(at).unwrap(), 0x0102_0304_0506_0708);
    assert_eq!(
        mem.read_obj::<u8>(Gpa::new(0x4000_1003)).unwrap(),
        8,
        "little endian"
    );
    assert!(mem.cell::<u32>(at).is_err());
    assert!(mem.cell::<u16>(Gpa::new(0x4000_1ffe)).is_ok());
    assert!(mem.cell::<u32>(Gpa::new(0x4000_1ffe)).is_err());
}

proptest! {
    /// Reads and writes agree with a map from addresses to bytes; a refused access changes
    /// nothing.
    #[test]
    fn agrees_with_a_model(
        steps in proptest::collection::vec((0x80_u64..0x180, 0_usize..0x60, any::<u8>()), 0..50),
    ) {
        let mem = GuestMem::new().with(Gpa::new(0x90), fake::region(0x40)).unwrap();
        let mem = mem.with(Gpa::new(0x100), fake::region(0x50)).unwrap();
        let mut model: BTreeMap<u64, u8> = (0x90..0xd0).chain(0x100..0x150).map(|at| (at, 0)).collect();
        for (gpa, len, byte) in steps {
            let addresses = gpa..gpa + len as u64;
            let one_range = (gpa < 0xd0) == (gpa + (len as u64).saturating_sub(1) < 0xd0);
            let inside = addresses.clone().all(|at| model.contains_key(&at))
                && model.contains_key(&gpa) && one_range;
            let data: Vec<u8> = (0..len).map(|at| byte.wrapping_add(at.to_le_bytes()[0])).collect();
            prop_assert_eq!(mem.copy_out(Gpa::new(gpa), &data).is_ok(), inside);
            if inside {
                model.extend(addresses.zip(data));
            }
            let mut all = [0; 0x50];
            mem.copy_in(Gpa::new(0x100), &mut all).unwrap();
            prop_assert!(all.iter().copied().eq(model.range(0x100..).map(|(_, byte)| *byte)));
        }
    }
}
