// SPDX-License-Identifier: BSD-2-Clause
//! What a guest's kernel reads out of the blob, and what dtc says about it.

use std::io::Write as _;
use std::process::Command;

use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::{Node as _, Property as _};
use guest::placement::{Parts, Placement};
use proptest::prelude::*;
use units::Gpa;

use super::*;

fn linux() -> Guest {
    Guest {
        model: "bulkhead,guest".into(),
        ram: Span::new(machine::RAM_BASE, 256 << 20).unwrap(),
        vcpus: 2,
        cpu: "arm,cortex-a53".into(),
        gic: Gic::V2,
        uart: true,
        rtc: true,
        virtio: vec![0, 3],
        bootargs: Some("console=hvc0 earlycon".into()),
        initrd: Span::new(Gpa::new(0x4400_0000), 0x12_3456),
        rng_seed: Some([7; 32]),
    }
}

fn firmware() -> Guest {
    Guest {
        vcpus: 1,
        virtio: vec![],
        bootargs: None,
        initrd: None,
        rng_seed: None,
        ..linux()
    }
}

fn node<'a>(fdt: &Fdt<'a>, path: &str) -> FdtNode<'a> {
    fdt.find_node(path)
        .unwrap_or_else(|| panic!("no node {path}"))
}

fn value(fdt: &Fdt<'_>, path: &str, property: &str) -> Vec<u8> {
    let node = node(fdt, path);
    let found = node
        .property(property)
        .unwrap_or_else(|| panic!("no {property} in {path}"));
    found.value().to_vec()
}

fn cells(bytes: &[u8]) -> Vec<u32> {
    bytes
        .chunks_exact(4)
        .map(|cell| u32::from_be_bytes(cell.try_into().unwrap()))
        .collect()
}

// Shows AV-06.
#[test]
fn the_guest_finds_its_machine() {
    let blob = build(&linux()).unwrap();
    let fdt = Fdt::new(&blob).unwrap();
    let text = |path, property| value(&fdt, path, property);
    assert_eq!(text("/chosen", "bootargs"), b"console=hvc0 earlycon\0");
    assert_eq!(text("/chosen", "stdout-path"), b"/pl011@9000000\0");
    assert_eq!(text("/aliases", "serial0"), b"/pl011@9000000\0");
    assert_eq!(text("/psci", "method"), b"smc\0");
    assert_eq!(
        cells(&text("/chosen", "linux,initrd-start")),
        [0, 0x4400_0000]
    );
    assert_eq!(
        cells(&text("/chosen", "linux,initrd-end")),
        [0, 0x4412_3456]
    );
    assert_eq!(
        cells(&text("/memory@40000000", "reg")),
        [0, 0x4000_0000, 0, 0x1000_0000]
    );
    let gic = "/interrupt-controller@8000000";
    assert_eq!(
        cells(&text(gic, "reg")),
        [0, 0x0800_0000, 0, 0x1_0000, 0, 0x0801_0000, 0, 0x2000]
    );
    assert_eq!(cells(&text("/timer", "interrupts"))[6..9], [1, 11, 0x304]);
    assert_eq!(cells(&text("/pl011@9000000", "interrupts")), [0, 1, 4]);
    assert_eq!(cells(&text("/pl031@9010000", "interrupts")), [0, 2, 4]);
    assert_eq!(
        cells(&text("/virtio_mmio@a000600", "interrupts")),
        [0, 19, 4]
    );
    assert_eq!(cells(&text("/cpus/cpu@1", "reg")), [1]);
    assert!(fdt.find_node("/cpus/cpu@2").is_none());
    assert!(fdt.find_node("/virtio_mmio@a000200").is_none());
}

#[test]
fn gicv3_has_one_redistributor_per_vcpu() {
    let blob = build(&Guest {
        gic: Gic::V3,
        vcpus: 4,
        ..linux()
    })
    .unwrap();
    let fdt = Fdt::new(&blob).unwrap();
    let reg = cells(&value(&fdt, "/interrupt-controller@8000000", "reg"));
    assert_eq!(reg[4..], [0, 0x080a_0000, 0, 0x8_0000]);
}

#[test]
fn the_size_does_not_depend_on_addresses() {
    let there = Span::new(Gpa::new(0x7fff_f000_0000), 1);
    let moved = Guest {
        initrd: there,
        ..linux()
    };
    assert_eq!(build(&moved).unwrap().len(), build(&linux()).unwrap().len());
    let parts = Parts {
        image_start: &[0; 64],
        image: 100,
        dtb: build(&firmware()).unwrap().len() as u64,
        initrd: None,
    };
    Placement::plan(1 << 20, parts).unwrap();
}

#[test]
fn impossible_guests_are_refused() {
    let refused = |guest| build(&guest).unwrap_err();
    assert!(matches!(
        refused(Guest {
            vcpus: 0,
            ..linux()
        }),
        DtbError::Vcpus(0)
    ));
    assert!(matches!(
        refused(Guest {
            vcpus: 5,
            ..linux()
        }),
        DtbError::Vcpus(5)
    ));
    let slots = |virtio| refused(Guest { virtio, ..linux() });
    assert!(matches!(slots(vec![32]), DtbError::VirtioSlot(32)));
    assert!(matches!(slots(vec![1, 2, 1]), DtbError::VirtioSlot(1)));
    let nul = Guest {
        bootargs: Some("a\0b".into()),
        ..linux()
    };
    assert!(matches!(refused(nul), DtbError::Nul(_)));
}

/// `dtc` accepts the blob and has nothing to warn about. Skipped, and said so, without dtc.
// Shows AV-06.
#[test]
fn dtc_has_no_complaint() {
    for guest in [
        linux(),
        firmware(),
        Guest {
            gic: Gic::V3,
            ..linux()
        },
    ] {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&build(&guest).unwrap()).unwrap();
        let dtc = Command::new("dtc")
            .args(["-I", "dtb", "-O", "dts"])
            .arg(file.path())
            .output();
        let Ok(output) = dtc else {
            eprintln!("skipped: no dtc on this machine");
            return;
        };
        assert!(output.status.success());
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    }
}

proptest! {
    #[test]
    fn whatever_is_built_is_a_valid_blob(
        vcpus in 1..=4_u32,
        uart: bool,
        rtc: bool,
        virtio in proptest::collection::btree_set(0..32_u32, 0..8),
        bootargs in proptest::option::of("[ -~]{0,200}"),
        v3: bool,
    ) {
        let gic = if v3 { Gic::V3 } else { Gic::V2 };
        let virtio: Vec<u32> = virtio.into_iter().collect();
        let guest = Guest { vcpus, uart, rtc, virtio, bootargs, gic, ..linux() };
        let blob = build(&guest).unwrap();
        prop_assert_eq!(&blob, &build(&guest).unwrap());
        let fdt = Fdt::new(&blob).unwrap();
        let count = fdt.root().children().filter(|node| node.name().starts_with("virtio_mmio")).count();
        prop_assert_eq!(count, guest.virtio.len());
        prop_assert_eq!(fdt.find_node("/pl011@9000000").is_some(), uart);
    }
}
