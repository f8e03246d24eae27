// SPDX-License-Identifier: BSD-2-Clause
//! Tests of placement and of its check.

use proptest::prelude::*;

use super::*;

const MIB: u64 = 1 << 20;

fn linux(image_size: u64) -> [u8; 64] {
    let mut header = [0; 64];
    header[16..24].copy_from_slice(&image_size.to_le_bytes());
    header[56..60].copy_from_slice(b"ARM\x64");
    header
}

fn span(base: u64, size: u64) -> Span {
    Span::new(Gpa::new(base), size).unwrap()
}

#[test]
fn linux_with_an_initrd() {
    let start = linux(43 * MIB);
    let parts = Parts {
        image_start: &start,
        image: 42 * MIB,
        dtb: 4000,
        initrd: Some(9 * MIB),
    };
    let placed = Placement::plan(256 * MIB, parts).unwrap();
    assert_eq!(placed.dtb, span(0x4000_0000, 4000));
    assert_eq!(placed.image, span(0x4020_0000, 43 * MIB));
    assert_eq!(placed.initrd, Some(span(0x4000_0000 + 46 * MIB, 9 * MIB)));
    let entry = Entry {
        pc: 0x4020_0000,
        spsr: 0x3c5,
        x0: 0x4000_0000,
    };
    assert_eq!(placed.entry_state(), entry);
}

#[test]
fn firmware_finds_the_device_tree_at_the_base_of_ram() {
    let parts = Parts {
        image_start: &[0; 64],
        image: MIB,
        dtb: 0x8_0000,
        initrd: None,
    };
    let placed = Placement::plan(64 * MIB, parts).unwrap();
    assert_eq!(placed.dtb.base(), RAM_BASE);
    assert_eq!(placed.image, span(0x4008_0000, MIB));
    let parts = Parts {
        dtb: 0x8_0001,
        ..parts
    };
    let error = Placement::plan(64 * MIB, parts).unwrap_err();
    assert_eq!(error, PlacementError::Overlap(Part::Dtb, Part::Image));
}

#[test]
fn h44_what_does_not_fit_is_refused() {
    let start = linux(43 * MIB);
    let parts = Parts {
        image_start: &start,
        image: 42 * MIB,
        dtb: 4000,
        initrd: Some(9 * MIB),
    };
    let refused = |ram, parts| Placement::plan(ram, parts).unwrap_err();
    let outside = |error, wanted| match error {
        PlacementError::OutsideRam { part, .. } => assert_eq!(part, wanted),
        other => panic!("{other}"),
    };
    outside(refused(44 * MIB, parts), Part::Image);
    outside(refused(54 * MIB, parts), Part::Initrd);
    outside(
        refused(
            256 * MIB,
            Parts {
                initrd: Some(u64::MAX),
                ..parts
            },
        ),
        Part::Initrd,
    );
    let huge = linux(u64::MAX);
    outside(
        refused(
            256 * MIB,
            Parts {
                image_start: &huge,
                ..parts
            },
        ),
        Part::Image,
    );
    let none = Parts { dtb: 0, ..parts };
    assert_eq!(refused(256 * MIB, none), PlacementError::Empty(Part::Dtb));
    let large = Parts {
        dtb: 2 * MIB + 1,
        ..parts
    };
    assert_eq!(
        refused(256 * MIB, large),
        PlacementError::Overlap(Part::Dtb, Part::Image),
        "an Image 2 MiB up bounds the device tree first"
    );
}

#[test]
fn h44_a_bad_record_is_refused() {
    let good = Placement {
        ram: span(0x4000_0000, 64 * MIB),
        image: span(0x4020_0000, 4 * MIB),
        dtb: span(0x4000_0000, 4096),
        initrd: Some(span(0x4060_0000, MIB)),
        entry: Gpa::new(0x4020_0000),
    };
    assert_eq!(good.check(), Ok(()));
    let overlap = Placement {
        initrd: Some(span(0x405f_ffff, MIB)),
        ..good
    };
    assert_eq!(
        overlap.check(),
        Err(PlacementError::Overlap(Part::Image, Part::Initrd))
    );
    let entry = Placement {
        entry: Gpa::new(0x4060_0000),
        ..good
    };
    assert_eq!(
        entry.check(),
        Err(PlacementError::Entry(Gpa::new(0x4060_0000)))
    );
    let odd = Placement {
        entry: Gpa::new(0x4020_0002),
        ..good
    };
    assert!(matches!(odd.check(), Err(PlacementError::Entry(_))));
    let crossing = Placement {
        dtb: span(0x41ff_f000, 0x1001),
        ..good
    };
    assert!(matches!(
        crossing.check(),
        Err(PlacementError::DtbAlignment(_))
    ));
    let above = Placement {
        dtb: span(0x4400_0000, 8),
        ..good
    };
    assert!(matches!(
        above.check(),
        Err(PlacementError::OutsideRam {
            part: Part::Dtb,
            ..
        })
    ));
    let large = Placement {
        dtb: span(0x4100_0000, DTB_MAX + 8),
        ..good
    };
    assert!(matches!(large.check(), Err(PlacementError::DtbTooLarge(_))));
}

proptest! {
    #[test]
    fn whatever_is_planned_is_disjoint_and_in_ram(
        ram in 0..512 * MIB,
        raw: bool,
        text_offset in prop_oneof![Just(0), Just(0x8_0000_u64), 0..0x40_0000_u64],
        image in 0..64 * MIB,
        bss in 0..64 * MIB,
        dtb in 0..3 * MIB,
        initrd in proptest::option::of(0..64 * MIB),
    ) {
        let mut start = if raw { [0; 64] } else { linux(image + bss) };
        start[8..16].copy_from_slice(&text_offset.to_le_bytes());
        let parts = Parts { image_start: &start, image, dtb, initrd };
        if let Ok(placed) = Placement::plan(ram, parts) {
            let spans = [Some(placed.image), Some(placed.dtb), placed.initrd];
            let spans: Vec<Span> = spans.into_iter().flatten().collect();
            for (at, a) in spans.iter().enumerate() {
                prop_assert!(a.base() >= RAM_BASE && a.end().get() <= RAM_BASE.get() + ram);
                for b in &spans[at + 1..] {
                    prop_assert!(a.end() <= b.base() || b.end() <= a.base());
                }
            }
            prop_assert_eq!(placed.initrd.map(Span::size), initrd);
        }
    }
}
