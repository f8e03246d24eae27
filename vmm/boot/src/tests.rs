// SPDX-License-Identifier: BSD-2-Clause
//! Boots on heap memory; every single-bit corruption is refused.

use guest::Span;
use guest::machine::RAM_BASE;
use guest::placement::{Part, Parts, Placement, PlacementError};
use guest_mem::GuestMem;
use proptest::prelude::*;
use shm::{Region, Rw, fake};
use units::Gpa;

use super::*;

const RAM: usize = 4 << 20;

/// A raw image, a device tree and an initrd with writable views of their regions.
struct Fixture {
    guest: Guest,
    mem: GuestMem,
    regions: [Region<Rw>; 3],
}

fn source(bytes: &[u8]) -> (Source, Region<Rw>) {
    // Padded, as a region is to pages.
    let region = fake::region(bytes.len() + 100);
    region.copy_out(0, bytes).unwrap();
    let digest = Digest::of(&region, bytes.len()).unwrap();
    (
        Source {
            region: region.read_only(),
            len: bytes.len(),
            digest,
        },
        region,
    )
}

fn fixture() -> Fixture {
    let (image, a) = source(&[0x11; 3000]);
    let (dtb, b) = source(&[0x22; 600]);
    let (initrd, c) = source(&[0x33; 777]);
    let parts = Parts {
        image_start: &[0x11; 64],
        image: 3000,
        dtb: 600,
        initrd: Some(777),
    };
    let placement = Placement::plan(RAM as u64, parts).unwrap();
    let mem = GuestMem::new().with(RAM_BASE, fake::region(RAM)).unwrap();
    let guest = Guest {
        placement,
        image,
        dtb,
        initrd: Some(initrd),
    };
    Fixture {
        guest,
        mem,
        regions: [a, b, c],
    }
}

fn bytes(mem: &GuestMem, span: Span) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(span.size()).unwrap()];
    mem.copy_in(span.base(), &mut bytes).unwrap();
    bytes
}

#[test]
fn digests_are_those_of_sha256sum() {
    let of = |bytes: &[u8]| {
        Digest::of(&fake::filled(bytes), bytes.len())
            .unwrap()
            .to_string()
    };
    assert_eq!(
        of(b""),
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    );
    assert_eq!(
        of(b"abc"),
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    );
    let million = vec![b'a'; 1_000_000];
    assert_eq!(
        of(&million),
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
    );
}

#[test]
fn hex_is_read_back() {
    let digest = Digest::of(&fake::filled(b"abc"), 3).unwrap();
    assert_eq!(Digest::from_hex(&digest.to_string()), Ok(digest));
    assert_eq!(
        Digest::from_hex(&digest.to_string().to_uppercase()),
        Ok(digest)
    );
    for bad in [
        "",
        "ab",
        &"0".repeat(63),
        &"0".repeat(65),
        &"g".repeat(64),
        &"é".repeat(32),
    ] {
        assert_eq!(Digest::from_hex(bad), Err(DigestError));
    }
}

#[test]
fn a_boot_puts_every_part_in_place() {
    let Fixture { guest, mem, .. } = fixture();
    let entry = guest.boot(&mem, &mut Software).unwrap();
    assert_eq!((entry.pc, entry.x0), (0x4008_0000, 0x4000_0000));
    assert_eq!(bytes(&mem, guest.placement.image), [0x11; 3000]);
    assert_eq!(bytes(&mem, guest.placement.dtb), [0x22; 600]);
    assert_eq!(bytes(&mem, guest.placement.initrd.unwrap()), [0x33; 777]);
}

// Shows BH-17.
#[test]
fn a_reset_starts_from_the_pristine_image() {
    let Fixture { guest, mem, .. } = fixture();
    guest.boot(&mem, &mut Software).unwrap();
    mem.fill(RAM_BASE, RAM as u64, 0xff).unwrap();
    guest.boot(&mem, &mut Software).unwrap();
    assert_eq!(bytes(&mem, guest.placement.image), [0x11; 3000]);
}

#[test]
fn h44_bad_records_are_refused_and_nothing_is_copied() {
    let Fixture { guest, mem, .. } = fixture();
    let refused = |guest: Guest| {
        let refusal = guest.boot(&mem, &mut Software).unwrap_err();
        assert_eq!(bytes(&mem, guest.placement.ram), vec![0; RAM]);
        refusal
    };
    let short = Source {
        len: 3101,
        ..guest.image
    };
    let image = Span::new(guest.placement.image.base(), 3101).unwrap();
    let placement = Placement {
        image,
        ..guest.placement
    };
    assert_eq!(
        refused(Guest {
            image: short,
            placement,
            ..guest
        }),
        Refusal::Truncated(Part::Image)
    );
    let longer = Source {
        len: 601,
        ..guest.dtb
    };
    assert!(matches!(
        refused(Guest {
            dtb: longer,
            ..guest
        }),
        Refusal::Size {
            part: Part::Dtb,
            ..
        }
    ));
    assert_eq!(
        refused(Guest {
            initrd: None,
            ..guest
        }),
        Refusal::Initrd
    );
    let entry = Gpa::new(0x4008_0004);
    let placement = Placement {
        entry,
        ..guest.placement
    };
    assert_eq!(
        refused(Guest { placement, ..guest }),
        PlacementError::Entry(entry).into()
    );
}

#[test]
fn parts_outside_mapped_memory_are_refused() {
    let Fixture { guest, .. } = fixture();
    let small = GuestMem::new()
        .with(RAM_BASE, fake::region(0x8_0000))
        .unwrap();
    assert_eq!(
        guest.boot(&small, &mut Software),
        Err(Refusal::NotMapped(Part::Image))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    // Shows BH-18.
    #[test]
    fn a_corrupted_part_is_refused_by_name_with_both_digests(
        which in 0_usize..3, at in 0_usize..600, bit in 0_u32..8,
    ) {
        let Fixture { guest, mem, regions } = fixture();
        let byte: u8 = regions[which].load(at).unwrap();
        regions[which].store(at, byte ^ 1 << bit).unwrap();
        let refusal = guest.boot(&mem, &mut Software).unwrap_err();
        let Refusal::Digest { part, expected, actual } = refusal else {
            return Err(TestCaseError::fail(refusal.to_string()));
        };
        prop_assert_eq!(part, [Part::Image, Part::Dtb, Part::Initrd][which]);
        prop_assert_ne!(expected, actual);
        let text = refusal.to_string();
        prop_assert!(text.contains(&expected.to_string()) && text.contains(&actual.to_string()));
    }
}
