// SPDX-License-Identifier: BSD-2-Clause
//! Virtual CPUs: switching, registers, list registers and events.

use super::*;
use crate::vcpu::field;

const BADGE: u64 = 1 << 62 | 2;
const VCPU: u64 = 332;
const ESR_HVC: u64 = 0x16 << 26;

/// VMM 0 waiting, guest 1 running on virtual CPU 0.
fn machine() -> Rig {
    let guest = Thread {
        fault_to: Some((0, BADGE)),
        vcpu: true,
        ..thread(10)
    };
    let mut spec = standard(&[thread(20), guest]);
    spec.caps.push((0, 268, devimage::CAP_TCB, 1, 0));
    spec.caps.push((0, 332, devimage::CAP_VCPU, 0, 0));
    let mut rig = rig(&spec);
    rig.recv();
    assert!(rig.core.vcpu_active);
    rig
}

fn event(rig: &Rig) -> (u64, u64) {
    assert_eq!((rig.running(), rig.x(0)[0]), (Some(0), BADGE));
    (rig.x(0)[1] >> 12, rig.x(0)[2])
}

fn invoke(rig: &mut Rig, label: u64, words: &[u64]) -> [u64; 3] {
    let mut x = [VCPU, info(label, words.len() as u64), 0, 0];
    x[2..2 + words.len()].copy_from_slice(words);
    rig.svc(CALL, &x, 0, 0);
    [rig.x(0)[1], rig.x(0)[2], rig.x(0)[3]]
}

#[test]
fn the_guest_regime_ends_when_the_vmm_runs_and_returns_with_the_guest() {
    let mut rig = machine();
    assert_eq!(
        (rig.machine.hcr, rig.machine.registers[field::SCTLR]),
        (1, 0x34d5_8820)
    );
    rig.machine.registers[field::CNTV_CTL] = 5;
    rig.machine.registers[2] = 0xabc;
    rig.enter_sync(0x5e00_0003, 0);
    assert_eq!(event(&rig), (8, 0x5e00_0003));
    assert!(!rig.core.vcpu_active);
    assert_eq!(
        (rig.machine.hcr, rig.machine.masked.get(&27)),
        (0, Some(&true))
    );
    // TTBR0 stays in the hardware; the timer's state is in memory.
    rig.machine.registers[2] = 0xdef;
    assert_eq!(invoke(&mut rig, 61, &[2])[1], 0xdef);
    assert_eq!(invoke(&mut rig, 61, &[20])[1], 5);
    rig.svc(REPLY_RECV, &[1, 0], 4, 0);
    assert_eq!(
        (rig.running(), rig.machine.registers[field::CNTV_CTL]),
        (Some(1), 5)
    );
    assert_eq!(
        (rig.machine.hcr, rig.machine.masked.get(&27)),
        (1, Some(&false))
    );
}

#[test]
fn two_guests_keep_their_registers_apart() {
    let guest = Thread {
        vcpu: true,
        ..thread(10)
    };
    let mut rig = rig(&standard(&[guest, guest]));
    let first = rig.running().unwrap();
    rig.machine.registers[2] = 0x111;
    rig.machine.list[3] = 7;
    rig.svc(YIELD, &[], 0, 0);
    assert_eq!(rig.running(), Some(1 - first));
    assert_eq!((rig.machine.registers[2], rig.machine.list[3]), (0, 0));
    rig.machine.registers[2] = 0x222;
    rig.svc(YIELD, &[], 0, 0);
    assert_eq!((rig.machine.registers[2], rig.machine.list[3]), (0x111, 7));
}

#[test]
fn injection_fills_a_list_register() {
    let mut rig = machine();
    rig.enter_sync(0x07e0_0000, 0);
    assert_eq!(
        invoke(&mut rig, 60, &[2 << 32 | 1 << 24 | 3 << 16 | 40])[0],
        0
    );
    assert_eq!(
        rig.machine.list[2],
        1 << 30 | 1 << 28 | 3 << 23 | 1 << 19 | 40
    );
    assert_eq!(invoke(&mut rig, 60, &[4 << 32 | 40]), [info(4, 2), 0, 3]);
    assert_eq!(invoke(&mut rig, 60, &[1024]), [info(4, 2), 0, 1023]);
    assert_eq!(invoke(&mut rig, 60, &[32 << 16])[2], 31);
    assert_eq!(invoke(&mut rig, 60, &[2 << 24])[2], 1);
    assert_eq!(invoke(&mut rig, 61, &[24]), [info(1, 1), 1, 0]);
    assert_eq!(invoke(&mut rig, 63, &[26])[0], info(1, 1));
    assert_eq!(invoke(&mut rig, 63, &[160])[0], info(4, 2));
}

#[test]
fn the_virtual_timer_is_reported_once_until_it_is_acknowledged() {
    let mut rig = machine();
    rig.enter_irq(27);
    assert_eq!(event(&rig), (9, 27));
    rig.svc(REPLY_RECV, &[1, 0], 4, 0);
    assert_eq!(
        (rig.running(), rig.machine.masked.get(&27)),
        (Some(1), Some(&true))
    );
    rig.enter_sync(0x07e0_0000, 0);
    invoke(&mut rig, 63, &[27]);
    rig.svc(REPLY_RECV, &[1, 0], 4, 0);
    assert_eq!(rig.machine.masked.get(&27), Some(&false));
}

#[test]
fn a_maintenance_interrupt_names_its_list_register() {
    let mut rig = machine();
    rig.machine.list[1] = 1 << 19;
    rig.machine.maintenance = Some(Maintenance {
        eoi: true,
        registers: 0b10,
    });
    rig.enter_irq(25);
    assert_eq!(event(&rig), (7, 1));
    assert_eq!(rig.machine.list[1], 0);
    rig.svc(REPLY_RECV, &[1, 0], 4, 0);
    rig.machine.maintenance = Some(Maintenance {
        eoi: false,
        registers: 0,
    });
    rig.enter_irq(25);
    assert_eq!(event(&rig), (7, u64::MAX));
}

#[test]
fn aborts_report_the_intermediate_physical_address() {
    let mut rig = machine();
    rig.enter_sync(0x93c0_8006, 0x1234);
    assert_eq!(rig.x(0)[2..6], [0x20_0000, 0x10_1234, 0, 0x93c0_8006]);
    rig.svc(REPLY_RECV, &[1, 0], 4, 0);
    rig.enter_sync(0x8200_0006, 0);
    assert_eq!(rig.x(0)[2..6], [0x20_0000, 0x30_0000, 1, 0x8200_0006]);
}

#[test]
fn a_hypercall_is_a_system_call_of_the_guest() {
    let mut rig = machine();
    let context = rig.current_context().unwrap();
    context.x[0] = u64::from(b'G');
    context.x[7] = (-12_i64).cast_unsigned();
    context.elr += 4;
    rig.enter_sync(ESR_HVC, 0);
    assert!(rig.printed().ends_with('G'));
    assert_eq!(rig.running(), Some(1));
    rig.current_context().unwrap().x[7] = 0;
    rig.enter_sync(ESR_HVC, 0);
    assert_eq!(event(&rig).0, 2);
}

#[test]
fn a_guest_may_choose_its_exception_level() {
    let mut rig = machine();
    rig.enter_sync(0x07e0_0000, 0);
    rig.svc(CALL, &[268, info(3, 5), 0, 3, 0x4000_0000, 0], 0, 0);
    for (asked, got) in [
        (0x3c5, 0x3c5),
        (0x3c9, 0x40),
        (0x3c4, 0x3c4),
        (0xf000_03cd, 0xf000_0040),
    ] {
        rig.set_message_word(id(0), 4, asked);
        rig.svc(CALL, &[268, info(3, 5), 0, 3, 0x4000_0000, 0], 0, 0);
        assert_eq!(rig.tcbs[id(1)].context.spsr, got, "{asked:#x}");
    }
}
