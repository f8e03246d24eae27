// SPDX-License-Identifier: BSD-2-Clause
//! Tests by clause of IHI 0048B, and of the scheduling rules of the crate's documentation.

mod model;

use bus::{Access, Device, IoError, Width};
use proptest::prelude::*;

use super::*;

fn vgic(cpus: usize) -> Vgic {
    let mut vgic = Vgic::new(cpus);
    for cpu in 1..cpus {
        vgic.cpu_on(cpu);
    }
    write(&mut vgic, 0, 0x000, 1);
    vgic
}

fn write(vgic: &mut Vgic, cpu: usize, at: u64, value: u32) {
    let access = Access::new(at, Width::Word).by(cpu);
    vgic.write(access, value.into()).unwrap();
}

fn write_byte(vgic: &mut Vgic, cpu: usize, at: u64, value: u8) {
    let access = Access::new(at, Width::Byte).by(cpu);
    vgic.write(access, value.into()).unwrap();
}

fn read(vgic: &mut Vgic, cpu: usize, at: u64) -> u32 {
    let access = Access::new(at, Width::Word).by(cpu);
    vgic.read(access).unwrap().try_into().unwrap()
}

fn enable(vgic: &mut Vgic, cpu: usize, intid: u16) {
    let at = 0x100 + u64::from(intid / 32) * 4;
    write(vgic, cpu, at, bit_of(intid));
}

fn set_priority(vgic: &mut Vgic, intid: u16, priority: u8) {
    write_byte(vgic, 0, 0x400 + u64::from(intid), priority);
}

/// Numbers of the injections that are due, in order.
fn injected(vgic: &mut Vgic, cpu: usize) -> Vec<u16> {
    core::iter::from_fn(|| vgic.next_injection(cpu))
        .map(|injection| injection.virq)
        .collect()
}

#[test]
fn reset_state_of_the_registers() {
    let mut one = Vgic::new(1);
    assert_eq!(read(&mut one, 0, 0x004), 7, "TYPER: 256 lines, 1 CPU");
    let mut four = Vgic::new(9);
    assert_eq!(four.cpus(), 4);
    assert_eq!(read(&mut four, 0, 0x004), 3 << 5 | 7);
    assert_eq!(read(&mut four, 0, 0x000), 0, "CTLR");
    assert_eq!(read(&mut four, 0, 0x100), 0xffff, "SGIs are enabled");
    assert_eq!(read(&mut four, 0, 0xc00), 0xaaaa_aaaa, "SGIs are edges");
    assert_eq!(read(&mut four, 0, 0xc04), 0, "PPIs are levels");
    assert_eq!(read(&mut four, 2, 0x800), 0x0404_0404, "own target");
    assert_eq!(read(&mut one, 0, 0x800), 0, "4.3.12: uniprocessor");
    assert_eq!(read(&mut four, 0, 0xfe8) >> 4 & 15, 2, "GICv2");
}

#[test]
fn priorities_have_five_bits_and_byte_access_3_3() {
    let mut vgic = vgic(1);
    write(&mut vgic, 0, 0x420, 0xffa7_0301);
    assert_eq!(read(&mut vgic, 0, 0x420), 0xf8a0_0000);
    write_byte(&mut vgic, 0, 0x421, 0x88);
    let byte = Access::new(0x421, Width::Byte);
    assert_eq!(vgic.read(byte), Ok(0x88));
    assert_eq!(vgic.read(Access::new(0x420, Width::Half)), Ok(0x8800));
}

#[test]
fn refused_accesses_4_1_4() {
    let mut vgic = vgic(1);
    let mut w = |at, width| vgic.write(Access::new(at, width), 1);
    assert_eq!(w(0x104, Width::Byte), Err(IoError::Width));
    assert_eq!(w(0x104, Width::Half), Err(IoError::Width));
    assert_eq!(w(0x104, Width::Double), Err(IoError::Width));
    assert_eq!(w(0x106, Width::Word), Err(IoError::Misaligned));
    assert_eq!(w(0x004, Width::Word), Err(IoError::ReadOnly));
    assert_eq!(w(0xd00, Width::Word), Err(IoError::NoRegister));
    let double = Access::new(0x100, Width::Double);
    assert_eq!(vgic.read(double), Err(IoError::Width));
    let sgir = Access::new(0xf00, Width::Word);
    assert_eq!(vgic.read(sgir), Err(IoError::WriteOnly));
    assert_eq!(read(&mut vgic, 0, 0x104), 0, "nothing was written");
}

// Shows BH-20.
#[test]
fn an_edge_while_disabled_is_kept_4_3_5() {
    let mut vgic = vgic(1);
    write(&mut vgic, 0, 0xc08, 2 << 2);
    vgic.set_level(0, 33, true);
    vgic.set_level(0, 33, false);
    assert_eq!(injected(&mut vgic, 0), []);
    assert_eq!(read(&mut vgic, 0, 0x204), 2);
    enable(&mut vgic, 0, 33);
    assert_eq!(injected(&mut vgic, 0), [33]);
    assert_eq!(read(&mut vgic, 0, 0x204), 0);
    assert_eq!(read(&mut vgic, 0, 0x304), 2);
}

#[test]
fn a_level_is_sampled_again_at_its_eoi() {
    let mut vgic = vgic(1);
    enable(&mut vgic, 0, 40);
    vgic.set_level(0, 40, true);
    assert_eq!(injected(&mut vgic, 0), [40]);
    assert_eq!(vgic.end_of_interrupt(0, 0), Some(40));
    assert_eq!(injected(&mut vgic, 0), [40], "still asserted");
    vgic.set_level(0, 40, false);
    assert_eq!(vgic.end_of_interrupt(0, 0), Some(40));
    assert_eq!(injected(&mut vgic, 0), []);
    assert_eq!(vgic.end_of_interrupt(0, 0), None, "a stray report");
    assert_eq!(vgic.end_of_interrupt(0, 99), None);
    assert_eq!(vgic.end_of_interrupt(7, 0), None);
}

#[test]
fn a_second_edge_in_service_is_delivered_after_it_3_2_4() {
    let mut vgic = vgic(1);
    enable(&mut vgic, 0, 50);
    vgic.pulse(0, 50);
    assert_eq!(injected(&mut vgic, 0), [50]);
    vgic.pulse(0, 50);
    assert_eq!(injected(&mut vgic, 0), []);
    assert_eq!(vgic.end_of_interrupt(0, 0), Some(50));
    assert_eq!(injected(&mut vgic, 0), [50]);
}

// Shows BH-20.
#[test]
fn overflow_goes_by_priority_and_keeps_the_last_register() {
    let mut vgic = vgic(1);
    for intid in 32..40 {
        enable(&mut vgic, 0, intid);
        set_priority(&mut vgic, intid, 0xa0);
        vgic.set_level(0, intid, true);
    }
    assert_eq!(injected(&mut vgic, 0), [32, 33, 34]);
    set_priority(&mut vgic, 39, 0x98);
    assert_eq!(injected(&mut vgic, 0), [39], "the reserved register");
    vgic.set_level(0, 33, false);
    assert_eq!(vgic.end_of_interrupt(0, 1), Some(33));
    assert_eq!(injected(&mut vgic, 0), [], "one free again: reserved");
    vgic.set_level(0, 39, false);
    assert_eq!(vgic.end_of_interrupt(0, 3), Some(39));
    assert_eq!(
        injected(&mut vgic, 0),
        [35],
        "equal priority: lowest number"
    );
}

#[test]
fn sgis_reach_their_targets_once_per_source_4_3_15() {
    let mut vgic = vgic(3);
    write(&mut vgic, 1, 0xf00, 1 << 24 | 5);
    write(&mut vgic, 2, 0xf00, 0xff << 16 | 5);
    write(&mut vgic, 0, 0xf00, 2 << 24 | 6);
    write(&mut vgic, 0, 0xf00, 3 << 24 | 7);
    assert_eq!(
        read(&mut vgic, 0, 0xf14),
        0x0001_0600,
        "from CPUs 1, 2 and itself"
    );
    assert_eq!(read(&mut vgic, 0, 0xf24), 0x0001_0600);
    assert_eq!(injected(&mut vgic, 0), [5, 6]);
    assert_eq!(read(&mut vgic, 0, 0xf14), 0x0004 << 8);
    assert_eq!(injected(&mut vgic, 1), [5]);
    assert_eq!(injected(&mut vgic, 2), [5]);
    assert_eq!(vgic.end_of_interrupt(0, 0), Some(5));
    assert_eq!(injected(&mut vgic, 0), [5], "the second source");
    assert_eq!(vgic.end_of_interrupt(0, 0), Some(5));
    assert_eq!(injected(&mut vgic, 0), []);
}

#[test]
fn sgi_pending_bytes_4_3_16() {
    let mut vgic = vgic(2);
    write(&mut vgic, 1, 0xf20, 0x0000_ff02);
    assert_eq!(read(&mut vgic, 1, 0xf10), 0x0302, "absent CPUs do not pend");
    assert_eq!(read(&mut vgic, 0, 0xf10), 0, "banked");
    assert_eq!(read(&mut vgic, 1, 0x200), 3);
    write(&mut vgic, 1, 0x280, !0);
    assert_eq!(read(&mut vgic, 1, 0x200), 3, "4.3.8: not by ICPENDR");
    write_byte(&mut vgic, 1, 0xf11, 0x01);
    write_byte(&mut vgic, 1, 0xf10, 0xff);
    assert_eq!(injected(&mut vgic, 1), [1]);
}

#[test]
fn disabled_groups_are_not_forwarded_4_3_1() {
    let mut vgic = vgic(1);
    write(&mut vgic, 0, 0x084, 1);
    enable(&mut vgic, 0, 32);
    vgic.set_level(0, 32, true);
    assert_eq!(injected(&mut vgic, 0), []);
    write(&mut vgic, 0, 0x000, 2);
    let injection = vgic.next_injection(0).unwrap();
    assert_eq!((injection.virq, injection.group), (32, 1));
}

#[test]
fn an_interrupt_made_active_waits_for_its_deactivation_4_3_9() {
    let mut vgic = vgic(1);
    enable(&mut vgic, 0, 45);
    write(&mut vgic, 0, 0x304, 1 << 13);
    vgic.set_level(0, 45, true);
    assert_eq!(injected(&mut vgic, 0), []);
    write(&mut vgic, 0, 0x384, 1 << 13);
    assert_eq!(injected(&mut vgic, 0), [45]);
}

#[test]
fn deactivation_at_the_distributor_frees_a_list_register() {
    let mut vgic = vgic(1);
    enable(&mut vgic, 0, 27);
    vgic.set_level(0, 27, true);
    assert_eq!(injected(&mut vgic, 0), [27]);
    vgic.set_level(0, 27, false);
    write(&mut vgic, 0, 0x380, 1 << 27);
    let filler = vgic.next_injection(0).unwrap();
    let expected = Injection {
        lr: 0,
        virq: 1016,
        priority: 31,
        group: 1,
    };
    assert_eq!(filler, expected);
    assert_eq!(vgic.next_injection(0), None);
    vgic.set_level(0, 27, true);
    assert_eq!(injected(&mut vgic, 0), [27]);
}

#[test]
fn a_shared_interrupt_goes_to_one_cpu_and_moves_when_it_leaves_2_3_3() {
    let mut vgic = vgic(2);
    enable(&mut vgic, 0, 60);
    write(&mut vgic, 0, 0xc0c, !0);
    vgic.pulse(0, 60);
    assert_eq!(
        (injected(&mut vgic, 0), injected(&mut vgic, 1)),
        (vec![], vec![])
    );
    write_byte(&mut vgic, 0, 0x800 + 60, 0xff);
    assert_eq!(read(&mut vgic, 0, 0x83c), 3, "only present CPUs");
    assert_eq!(injected(&mut vgic, 1), []);
    assert_eq!(injected(&mut vgic, 0), [60]);
    vgic.cpu_off(0);
    assert_eq!(injected(&mut vgic, 0), []);
    assert_eq!(injected(&mut vgic, 1), [60], "pending again, elsewhere");
    vgic.cpu_on(0);
    assert_eq!(injected(&mut vgic, 0), [1016], "what was left behind");
}

#[test]
fn a_refused_register_is_left_alone_and_nothing_is_lost() {
    let mut vgic = vgic(2);
    write(&mut vgic, 1, 0xf00, 1 << 16 | 3);
    let first = vgic.next_injection(0).unwrap();
    vgic.refused(0, first.lr);
    assert_eq!(read(&mut vgic, 0, 0xf10), 0x0200_0000);
    let second = vgic.next_injection(0).unwrap();
    assert_eq!(second.virq, 3);
    assert_ne!(second.lr, first.lr);
    assert_eq!(vgic.end_of_interrupt(0, first.lr.into()), None);
    vgic.refused(0, 9);
    vgic.refused(9, 0);
}

#[test]
fn reset_gives_up_what_is_in_list_registers() {
    let mut vgic = vgic(1);
    enable(&mut vgic, 0, 32);
    vgic.set_level(0, 32, true);
    assert_eq!(injected(&mut vgic, 0), [32]);
    assert!(vgic.in_flight(0));
    vgic.reset();
    assert!(!vgic.in_flight(0));
    assert!(!vgic.level(0, 32) && !vgic.is_enabled(0, 32));
    assert_eq!(vgic.attention(), 1);
    assert_eq!(injected(&mut vgic, 0), [1016]);
    assert_eq!(vgic.attention(), 0);
}

#[test]
fn inputs_that_do_not_exist_are_ignored() {
    let mut vgic = vgic(1);
    for (cpu, intid) in [(0, 3), (0, 256), (0, 0xffff), (1, 27), (99, 16)] {
        vgic.set_level(cpu, intid, true);
        vgic.pulse(cpu, intid);
        assert!(!vgic.level(cpu, intid), "{cpu} {intid}");
    }
    assert_eq!(injected(&mut vgic, 0), []);
}

#[test]
fn every_offset_in_every_width_by_every_cpu_h39() {
    for cpus in [1, 4] {
        let mut vgic = vgic(cpus);
        for value in [0, u64::MAX, 0x1234_5678] {
            bus::fuzz::sweep(&mut vgic, WINDOW, &[value], |_, _| ()).unwrap();
            for cpu in 0..5 {
                while vgic.next_injection(cpu).is_some() {}
            }
        }
    }
}

proptest! {
    #[test]
    fn any_script_of_accesses_h39(bytes in proptest::collection::vec(any::<u8>(), 0..1300)) {
        let mut vgic = vgic(3);
        let outcome = bus::fuzz::drive(&mut vgic, WINDOW, &bytes, |vgic, access| {
            let taken = injected(vgic, access.vcpu);
            assert!(taken.len() <= LIST_REGS);
            let lr = usize::try_from(access.offset).unwrap_or(0) % LIST_REGS;
            vgic.end_of_interrupt(access.vcpu, lr);
        });
        prop_assert!(outcome.is_ok(), "{outcome:?}");
    }
}
