// SPDX-License-Identifier: BSD-2-Clause
//! Images read back, plans refused, tables damaged.

use std::fs;
use std::process::Command;

use host::Ui;
use proptest::prelude::*;

use crate::{ALIGNMENT, DEFAULT_SIZE, Partition, Plan, PlanError, SectorSize, create, read};

fn partition(label: &str, size: u64) -> Partition {
    Partition {
        label: label.to_owned(),
        size,
    }
}

fn plan(sectors: SectorSize) -> Plan {
    let partitions = vec![
        partition("ivi", 16 << 20),
        partition("gateway", (12 << 20) + 1),
    ];
    Plan::new(partitions, sectors).unwrap()
}

#[test]
fn plans_that_cannot_be_are_named() {
    let make = |partitions| Plan::new(partitions, SectorSize::B512).unwrap_err();
    assert_eq!(make(vec![]), PlanError::Empty);
    let many = (0..129)
        .map(|n| partition(&n.to_string(), DEFAULT_SIZE))
        .collect();
    assert_eq!(make(many), PlanError::TooMany(129));
    let twice = vec![partition("a", DEFAULT_SIZE), partition("a", DEFAULT_SIZE)];
    assert_eq!(make(twice), PlanError::Twice("a".to_owned()));
    let long = "x".repeat(37);
    assert_eq!(
        make(vec![partition(&long, DEFAULT_SIZE)]),
        PlanError::Name(long.clone())
    );
    assert_eq!(
        make(vec![partition("", DEFAULT_SIZE)]),
        PlanError::Name(String::new())
    );
    for size in [0, (8 << 20) - 1, (1 << 44) + 1, u64::MAX] {
        assert_eq!(
            make(vec![partition("a", size)]),
            PlanError::Size("a".to_owned(), size)
        );
    }
}

/// UEFI specification, 5.3: the table is found, with its checksums, and says what was planned; the
/// file systems are found clean by their own checker.
#[test]
fn an_image_reads_back_as_planned() {
    for sectors in [SectorSize::B512, SectorSize::B4096] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a disk,img");
        create(&Ui::silent(), &plan(sectors), &path).unwrap();
        let table = read(&path).unwrap();
        assert_eq!(table.sectors, sectors);
        let found: Vec<_> = table
            .partitions
            .iter()
            .map(|p| (p.label.as_str(), p.offset, p.size))
            .collect();
        let expected = [
            ("ivi", ALIGNMENT, 16 << 20),
            ("gateway", 17 << 20, 13 << 20),
        ];
        assert_eq!(found, expected);
        assert_eq!(fs::metadata(&path).unwrap().len(), 31 << 20);
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "something was left behind"
        );
        for (_, offset, _) in expected {
            let place = format!("{}?offset={offset}", path.display());
            let checked = Command::new("e2fsck")
                .args(["-f", "-n", &place])
                .output()
                .unwrap();
            assert!(
                checked.status.success(),
                "{}",
                String::from_utf8_lossy(&checked.stdout)
            );
        }
        let wanted = ["gateway", "cluster"].map(str::to_owned);
        assert_eq!(table.lacks(&wanted), ["cluster"]);
    }
}

#[test]
fn two_images_of_one_plan_are_equal() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str| {
        let path = folder.path().join(name);
        create(&Ui::silent(), &plan(SectorSize::B512), &path).unwrap();
        fs::read(path).unwrap()
    };
    assert!(make("one") == make("two"));
}

#[test]
fn a_file_without_a_table_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    fs::write(&path, vec![0; 8192]).unwrap();
    let text = read(&path).unwrap_err().to_string();
    assert!(
        text.contains("no valid GPT") && text.contains("disk create"),
        "{text}"
    );
}

/// A damaged entry or header is not believed.
#[test]
fn a_table_with_a_flipped_bit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x");
    create(&Ui::silent(), &plan(SectorSize::B512), &path).unwrap();
    let good = fs::read(&path).unwrap();
    for offset in [512, 512 + 16, 512 + 80, 1024 + 32, 1024 + 56] {
        let mut bad = good[..1 << 16].to_vec();
        bad.extend_from_slice(&good[1 << 16..]);
        bad[offset] ^= 1;
        fs::write(&path, &bad).unwrap();
        assert!(read(&path).is_err(), "offset {offset}");
    }
}

proptest! {
    #[test]
    fn placed_partitions_are_aligned_and_do_not_overlap(sizes in prop::collection::vec(8u64 << 20..1 << 40, 1..20)) {
        let partitions = sizes.iter().enumerate().map(|(n, size)| partition(&n.to_string(), *size)).collect();
        let plan = Plan::new(partitions, SectorSize::B4096).unwrap();
        let mut next = ALIGNMENT;
        for ((partition, offset, size), wanted) in plan.placed().zip(&sizes) {
            prop_assert_eq!(offset, next);
            prop_assert_eq!(offset % ALIGNMENT, 0);
            prop_assert!(size >= *wanted && size < wanted + ALIGNMENT && partition.size == *wanted);
            next = offset + size;
        }
        prop_assert_eq!(plan.size(), next + ALIGNMENT);
    }

    /// Whatever a file holds, reading it ends without a panic.
    #[test]
    fn any_bytes_are_read_or_refused(noise in prop::collection::vec(any::<(u16, u8)>(), 1..40)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        let mut bytes = vec![0; 1 << 16];
        bytes[512..520].copy_from_slice(b"EFI PART");
        for (offset, value) in noise {
            bytes[usize::from(offset)] = value;
        }
        fs::write(&path, &bytes).unwrap();
        prop_assert!(read(&path).is_err());
    }
}
