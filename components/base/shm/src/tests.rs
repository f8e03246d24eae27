// SPDX-License-Identifier: BSD-2-Clause
//! Tests of regions, cells, copies and untrusted values.

use std::vec::Vec;

use proptest::prelude::*;

use crate::fake;
use crate::{OutOfBounds, Untrusted};

#[test]
fn accesses_past_the_end_are_refused() {
    let region = fake::region(16);
    assert!(region.load::<u64>(8).is_ok());
    let error = OutOfBounds {
        offset: 9,
        len: 8,
        region: 16,
    };
    assert_eq!(region.copy_in(9, &mut [0; 8]), Err(error));
    assert_eq!(region.copy_out(9, &[0; 8]), Err(error));
    assert_eq!(region.load::<u8>(16).ok(), None);
    assert!(
        region.copy_in(16, &mut []).is_ok(),
        "an empty access at the end fits"
    );
    assert!(region.copy_in(17, &mut []).is_err());
    assert!(region.sub(usize::MAX, 2).is_err(), "no wrap-around");
    assert!(region.fill(1, 16, 0).is_err());
    assert!(region.split_at(17).is_err());
}

#[test]
fn misaligned_cells_are_refused() {
    let region = fake::region(32);
    assert!(region.cell::<u32>(2).is_err());
    assert!(region.cell::<u16>(2).is_ok());
    assert!(region.cell::<u8>(3).is_ok());
    let inner = region.sub(4, 16).unwrap();
    assert!(
        inner.cell::<u64>(0).is_err(),
        "alignment is of the address, not of the offset"
    );
    assert!(inner.cell::<u64>(4).is_ok());
}

#[test]
fn views_share_memory() {
    let (writer, reader) = fake::shared(64);
    writer.store_release::<u32>(4, 0xdead_beef).unwrap();
    assert_eq!(reader.load_acquire::<u32>(4), Ok(0xdead_beef));
    assert_eq!(reader.load::<u16>(6), Ok(0xdead), "little endian");
    let cell = writer.cell::<u64>(8).unwrap();
    cell.store(7);
    assert_eq!(cell.read_only().load(), 7);
    writer.write(20, &0x0102_0304_u32).unwrap();
    assert_eq!(reader.read::<[u8; 4]>(20), Ok([4, 3, 2, 1]));
    let (head, tail) = reader.split_at(20).unwrap();
    assert_eq!((head.len(), tail.len()), (20, 44));
    assert_eq!(tail.load::<u8>(0), Ok(4));
}

// Shows BH-03.
#[test]
fn untrusted_values_need_a_check() {
    assert_eq!(Untrusted::new(5).below(5), None);
    assert_eq!(Untrusted::new(5).at_most(5), Some(5));
    let parsed: Result<u8, &str> =
        Untrusted::new(300_u32).validate(|v| u8::try_from(v).map_err(|_| "too large"));
    assert_eq!(parsed, Err("too large"));
    assert_eq!(Untrusted::new('x').unchecked(), 'x');
}

proptest! {
    /// Copies move exactly the named bytes for every alignment of either side.
    #[test]
    fn copies_are_exact(
        data in proptest::collection::vec(any::<u8>(), 0..80),
        offset in 0_usize..24,
        skew in 0_usize..8,
        other in 0_usize..24,
    ) {
        let region = fake::region(128);
        region.fill(0, 128, 0xa5).unwrap();
        let mut skewed: Vec<u8> = std::vec![0; skew];
        skewed.extend_from_slice(&data);
        region.copy_out(offset, &skewed[skew..]).unwrap();

        let mut whole = [0_u8; 128];
        region.copy_in(0, &mut whole).unwrap();
        let mut expected = [0xa5_u8; 128];
        expected[offset..offset + data.len()].copy_from_slice(&data);
        prop_assert_eq!(whole, expected);

        let mut back: Vec<u8> = std::vec![0; skew + data.len()];
        region.copy_in(offset, &mut back[skew..]).unwrap();
        prop_assert_eq!(&back[skew..], &data[..]);

        let target = fake::region(128);
        region.copy_to(offset, &target, other, data.len()).unwrap();
        target.copy_in(0, &mut whole).unwrap();
        let mut moved = [0_u8; 128];
        moved[other..other + data.len()].copy_from_slice(&data);
        prop_assert_eq!(whole, moved);
    }

    /// `fill` writes its range and nothing else.
    #[test]
    fn fills_are_exact(offset in 0_usize..40, len in 0_usize..40) {
        let region = fake::region(80);
        region.fill(offset, len, 0x3c).unwrap();
        let mut whole = [0_u8; 80];
        region.copy_in(0, &mut whole).unwrap();
        for (at, byte) in whole.iter().enumerate() {
            prop_assert_eq!(*byte == 0x3c, (offset..offset + len).contains(&at));
        }
    }
}

#[test]
fn a_scope_hands_out_its_memory_again_and_zeroed() {
    let make = || {
        let region = fake::region(24);
        assert_eq!(region.load::<u64>(16), Ok(0));
        region.store(16, 7_u64).unwrap();
        region.address()
    };
    let first = fake::scoped(make);
    assert_eq!(fake::scoped(make), first);
    let both = fake::scoped(|| [fake::scoped(make), make()]);
    assert_ne!(both[0], both[1], "an inner scope ends with the outer one");
    assert_ne!(make(), first, "outside of scopes nothing is shared");
}

#[test]
fn something_happens_between_two_accesses() {
    let region = fake::region(8);
    fake::meanwhile(1, move || region.store(0, 9_u32).unwrap());
    assert_eq!(region.load::<u32>(0), Ok(0));
    assert_eq!(region.load::<u32>(0), Ok(9));
    fake::meanwhile(0, || unreachable!("forgotten"));
    fake::calm();
    assert_eq!(region.load::<u32>(0), Ok(9));
}

#[test]
#[should_panic(expected = "work without bound")]
fn accesses_are_counted() {
    let region = fake::region(64);
    let before = fake::accesses();
    let _ = region.fill(0, 64, 1);
    assert_eq!(fake::accesses() - before, 9);
    fake::bounded(3, || {
        loop {
            let _ = region.load::<u8>(0);
        }
    });
}
