// SPDX-License-Identifier: BSD-2-Clause
//! A scripted guest on a fake kernel: what becomes of each exit, and in how many kernel calls.

mod config;
mod fake;

use fake::*;
use pd::{FaultReply, VcpuReg, label};
use proptest::prelude::*;

use crate::{Count, State};

const NOT_SUPPORTED: u64 = u64::MAX;

#[test]
fn a_guest_starts_in_the_architectural_reset_state() {
    let mut guest = Guest::unstarted(2, 1);
    assert_eq!(guest.vmm.state(), State::Created);
    pd::Handler::init(&mut guest.vmm, &mut guest.kernel);
    assert_eq!(guest.vmm.state(), State::Running);
    assert!(guest.runs(0) && !guest.runs(1));
    let thread = &guest.kernel.threads[0];
    assert_eq!(thread.context[..4], [ENTRY, 0, 0x3c5, RAM]);
    assert!(thread.context[4..].iter().all(|word| *word == 0));
    for (number, value) in thread.regs.iter().enumerate() {
        let expected = match number as u64 {
            0 => 0x34d5_8820,
            16 => 0x8000_0000,
            _ => 0,
        };
        assert_eq!(*value, expected, "register {number}");
    }
}

// Shows BH-18.
#[test]
fn a_bad_image_is_refused_before_its_first_instruction() {
    let mut guest = Guest::unstarted(1, 0);
    pd::Handler::init(&mut guest.vmm, &mut guest.kernel);
    assert_eq!(guest.vmm.state(), State::Refused);
    assert_eq!(guest.ops(), []);
    assert_eq!(
        guest.kernel.printed,
        "VMM|guest refused: the image has SHA-256 aa, the build recorded bb\n"
    );
    guest.vmm.reset(&mut guest.kernel);
    assert_eq!(guest.vmm.state(), State::Refused);
    guest.notify(DEVICE_CHANNEL);
    assert_eq!(guest.wfi(0), FaultReply::Hold);
    assert_eq!(guest.vmm.stats().of(Count::StrayFault), 1);
}

#[test]
fn a_store_reads_up_to_its_register_and_writes_the_pc() {
    let mut guest = Guest::new(1);
    let pc = guest.pc(0);
    *guest.x(0, 5) = 0x1_2345;
    guest.access(0, DEVICE, 2, 5, true);
    assert_eq!(guest.ops(), [Op::Read(9), Op::Write(1, true)]);
    assert_eq!(guest.probe().value, 0x2345);
    assert_eq!((guest.pc(0), *guest.x(0, 5)), (pc + 4, 0x1_2345));
    guest.access(0, DEVICE, 4, 31, true);
    assert_eq!(guest.ops(), [Op::Write(1, true)], "str wzr");
    assert_eq!(guest.probe().value, 0);
    guest.check();
}

#[test]
fn a_kick_is_deferred_to_the_receive() {
    let mut guest = Guest::new(1);
    guest.store(0, DEVICE, 1);
    let expected = [Op::Read(5), Op::NotifyDeferred, Op::Write(1, true)];
    assert_eq!(guest.ops(), expected);
}

/// Three kernel entries with the fault and the receive's: the value does not matter, so nobody asks.
#[test]
fn a_doorbell_is_rung_without_reading_a_register() {
    let mut guest = Guest::new(1);
    let pc = guest.pc(0);
    guest.access(0, DEVICE + BELL, 4, 5, true);
    assert_eq!(guest.ops(), [Op::NotifyDeferred, Op::Write(1, true)]);
    assert_eq!(guest.pc(0), pc + 4);
    guest.check();
}

/// Kicks, interrupts to itself and timer expiries without end: each costs a fixed number of kernel calls
/// and at most one notification, so that the guest uses up its own time and leaves nothing behind.
#[test]
fn h_42_storms_cost_the_same_from_the_first_to_the_last() {
    let mut guest = Guest::new(1);
    guest.enable_interrupts();
    let mut round = || {
        let mut costs = Vec::new();
        guest.store(0, DEVICE, 1);
        costs.push(guest.ops());
        guest.store(0, GICD + 0xf00, 2 << 24 | 3);
        costs.push(guest.ops());
        guest.timer_expires(0);
        costs.push(guest.ops());
        for register in 0..4 {
            guest.eoi(0, register);
            costs.push(guest.ops());
        }
        guest.check();
        costs
    };
    round();
    let usual = round();
    for cost in &usual {
        assert!(cost.len() <= 3, "{cost:?}");
        let notifications = cost.iter().filter(|op| **op == Op::NotifyDeferred);
        assert!(notifications.count() <= 1);
    }
    for number in 0..10_000 {
        assert_eq!(round(), usual, "round {number}");
    }
}

#[test]
fn a_load_writes_its_register_and_no_other() {
    let mut guest = Guest::new(1);
    guest.probe().value = 0xaabb_ccdd;
    let before = guest.kernel.threads[0].context;
    guest.access(0, DEVICE, 1, 3, false);
    assert_eq!(guest.ops(), [Op::Read(7), Op::Write(7, true)]);
    let mut expected = before;
    expected[0] += 4;
    expected[6] = 0xdd;
    assert_eq!(guest.kernel.threads[0].context, expected);
    guest.access(0, DEVICE, 4, 31, false);
    assert_eq!(guest.ops(), [Op::Write(1, true)], "ldr wzr");
}

#[test]
fn the_distributor_is_on_the_bus() {
    let mut guest = Guest::new(2);
    assert_eq!(guest.load(0, GICD + 4), 1 << 5 | 7);
    guest.store(0, GICD + 0x104, 6);
    assert_eq!(guest.load(0, GICD + 0x104), 6);
    assert_eq!(guest.load(0, GICD + 0xfff0), 0);
    guest.access(0, GICD + 2, 4, 0, true);
    assert_eq!(guest.vmm.stats().of(Count::Ignored), 2);
}

#[test]
fn a_device_interrupt_is_injected_and_sampled_again_at_its_eoi() {
    let mut guest = Guest::new(1);
    guest.enable_interrupts();
    guest.probe().raised_by_peer = true;
    guest.notify(DEVICE_CHANNEL);
    assert_eq!(guest.ops(), [Op::Inject(33)]);
    assert_eq!(guest.eoi(0, 0), FaultReply::Resume);
    assert_eq!(guest.ops(), [Op::Inject(33)], "nobody lowered the line");
    guest.store(0, DEVICE + 4, 0);
    guest.ops();
    assert_eq!(guest.eoi(0, 0), FaultReply::Resume);
    assert_eq!(guest.ops(), []);
    assert_eq!(guest.eoi(0, 0), FaultReply::Resume);
    assert_eq!(guest.eoi(0, u64::MAX), FaultReply::Resume);
    assert_eq!(guest.vmm.stats().of(Count::StrayMaintenance), 2);
}

#[test]
fn a_tick_is_one_injection_and_one_acknowledgement() {
    let mut guest = Guest::new(1);
    guest.enable_interrupts();
    assert_eq!(guest.timer_expires(0), FaultReply::Resume);
    assert_eq!(guest.ops(), [Op::Inject(27)]);
    assert_eq!(guest.eoi(0, 0), FaultReply::Resume);
    assert_eq!(guest.ops(), [Op::AckVppi]);
}

#[test]
fn a_tick_while_disabled_is_delivered_when_enabled() {
    let mut guest = Guest::new(1);
    assert_eq!(guest.timer_expires(0), FaultReply::Resume);
    guest.store(0, GICD, 1);
    guest.ops();
    guest.store(0, GICD + 0x100, 1 << 27);
    let expected = [Op::Read(5), Op::Inject(27), Op::Write(1, true)];
    assert_eq!(guest.ops(), expected, "before the guest goes on");
}

// Shows BH-19.
#[test]
fn wfi_blocks_until_the_timer_is_due() {
    let mut guest = Guest::new(1);
    guest.enable_interrupts();
    let pc = guest.pc(0);
    guest.kernel.threads[0].regs[VcpuReg::CntvCtlEl0 as usize] = 1;
    guest.kernel.threads[0].regs[VcpuReg::CntvCvalEl0 as usize] = 5000;
    assert_eq!(guest.wfi(0), FaultReply::Hold);
    let expected = [Op::ReadReg(VcpuReg::CntvCvalEl0), Op::Timer(5000)];
    assert_eq!(guest.ops(), expected);
    guest.check();
    guest.kernel.now = 4999;
    guest.notify(TIMER_CHANNEL);
    assert_eq!(guest.ops(), [Op::Timer(5000)], "early: asked again");
    guest.kernel.now = 5000;
    guest.notify(TIMER_CHANNEL);
    assert_eq!(guest.ops(), [Op::Resume]);
    assert_eq!(guest.pc(0), pc, "wfi is executed again and falls through");
    guest.check();
    guest.notify(TIMER_CHANNEL);
    assert_eq!(guest.ops(), [], "spurious");
}

/// Once, since from then on it is past.
#[test]
fn a_timer_that_is_off_wakes_a_waiting_guest_at_most_once() {
    let mut guest = Guest::new(1);
    guest.enable_interrupts();
    guest.kernel.threads[0].regs[VcpuReg::CntvCtlEl0 as usize] = 0;
    guest.kernel.threads[0].regs[VcpuReg::CntvCvalEl0 as usize] = 5000;
    assert_eq!(guest.wfi(0), FaultReply::Hold);
    guest.kernel.now = 5000;
    guest.ops();
    guest.notify(TIMER_CHANNEL);
    assert_eq!(guest.ops(), [Op::Resume]);
    assert_eq!(guest.wfi(0), FaultReply::Hold, "the guest looks again");
    let expected = [VcpuReg::CntvCvalEl0, VcpuReg::CntvCtlEl0].map(Op::ReadReg);
    assert_eq!(guest.ops(), expected, "and no alarm is set");
    guest.check();
}

// Shows BH-19.
#[test]
fn wfi_blocks_until_a_device_interrupts() {
    let mut guest = Guest::new(1);
    guest.enable_interrupts();
    guest.kernel.threads[0].regs[VcpuReg::CntvCtlEl0 as usize] = 0;
    assert_eq!(guest.wfi(0), FaultReply::Hold);
    assert_eq!(guest.ops().len(), 2, "no timer, no alarm");
    guest.notify(DEVICE_CHANNEL);
    assert_eq!(guest.ops(), [], "the device has nothing to say");
    guest.probe().raised_by_peer = true;
    guest.notify(DEVICE_CHANNEL);
    assert_eq!(guest.ops(), [Op::Inject(33), Op::Resume]);
    guest.check();
}

#[test]
fn wfi_does_not_block_when_something_is_due() {
    let mut guest = Guest::new(1);
    guest.enable_interrupts();
    guest.kernel.threads[0].regs[VcpuReg::CntvCtlEl0 as usize] = 1;
    guest.kernel.threads[0].regs[VcpuReg::CntvCvalEl0 as usize] = 999;
    assert_eq!(guest.wfi(0), FaultReply::Resume, "the timer is past");
    guest.timer_expires(0);
    guest.ops();
    let pc = guest.pc(0);
    guest.wfi(0);
    assert_eq!(guest.ops(), [Op::Read(1), Op::Write(1, true)], "in service");
    assert_eq!(guest.pc(0), pc + 4);
}

#[test]
fn a_device_that_is_busy_holds_the_vcpu_behind_its_store() {
    let mut guest = Guest::new(2);
    guest.enable_interrupts();
    let pc = guest.pc(0);
    guest.probe().busy = true;
    guest.store(0, DEVICE, 0);
    assert_eq!(guest.ops(), [Op::Read(5), Op::Write(1, false)]);
    assert_eq!((guest.pc(0), guest.runs(0)), (pc + 4, false));
    guest.notify(DEVICE_CHANNEL);
    guest.probe().raised_by_peer = true;
    guest.notify(DEVICE_CHANNEL);
    assert_eq!(guest.ops(), [Op::Inject(33)], "an interrupt does not help");
    guest.probe().busy = false;
    guest.notify(DEVICE_CHANNEL);
    assert_eq!(guest.ops(), [Op::Resume]);
    guest.check();
}

#[test]
fn a_reset_waits_for_backends_to_let_go_of_the_memory() {
    let mut guest = Guest::new(1);
    guest.probe().busy = true;
    guest.smc(0, [0x8400_0009, 0, 0, 0]);
    assert_eq!(guest.vmm.state(), State::Resetting);
    assert_eq!(guest.vmm.loader().loads, 1, "memory is not touched yet");
    guest.notify(DEVICE_CHANNEL);
    guest.check();
    assert_eq!(guest.vmm.state(), State::Resetting);
    guest.probe().busy = false;
    guest.notify(DEVICE_CHANNEL);
    assert_eq!(guest.vmm.state(), State::Running);
    assert_eq!(guest.vmm.loader().loads, 2);
    guest.check();
}

#[test]
fn a_clock_is_told_the_time_and_wakes_by_itself() {
    let mut guest = Guest::new(1);
    guest.enable_interrupts();
    guest.probe().alarm = Some(3000);
    guest.load(0, DEVICE);
    assert_eq!(guest.probe().ticks, 2, "before and after");
    assert!(guest.ops().contains(&Op::Timer(3000)));
    guest.kernel.threads[0].regs[VcpuReg::CntvCtlEl0 as usize] = 0;
    guest.wfi(0);
    guest.ops();
    guest.probe().raised_by_peer = true;
    guest.probe().alarm = None;
    guest.kernel.now = 3000;
    guest.notify(TIMER_CHANNEL);
    assert_eq!(guest.ops(), [Op::Inject(33), Op::Resume]);
}

#[test]
fn a_guest_without_a_timer_interrupt_is_not_woken_by_its_timer() {
    let mut guest = Guest::new(1);
    assert_eq!(guest.wfi(0), FaultReply::Hold);
    assert_eq!(guest.ops(), []);
}

#[test]
fn without_a_timer_driver_wfi_spins() {
    let mut guest = Guest::new(1);
    guest.enable_interrupts();
    guest.kernel.threads[0].regs[VcpuReg::CntvCtlEl0 as usize] = 1;
    guest.kernel.threads[0].regs[VcpuReg::CntvCvalEl0 as usize] = 5000;
    guest.kernel.fail_after = Some(1);
    assert_eq!(
        guest.wfi(0),
        FaultReply::Hold,
        "the driver refuses this one"
    );
    guest.kernel.fail_after = None;
    guest.ops();
    guest.probe().raised_by_peer = true;
    guest.notify(DEVICE_CHANNEL);
    guest.store(0, DEVICE + 4, 0);
    guest.eoi(0, 0);
    guest.ops();
    guest.wfi(0);
    assert_eq!(guest.ops(), [Op::Read(1), Op::Write(1, true)]);
}

#[test]
fn wfe_is_skipped_and_never_blocks() {
    let mut guest = Guest::new(1);
    let pc = guest.pc(0);
    guest.trap(0, 0x07e0_0001);
    assert_eq!((guest.pc(0), guest.runs(0)), (pc + 4, true));
}

#[test]
fn calls_return_in_x0_only() {
    let mut guest = Guest::new(1);
    let pc = guest.pc(0);
    assert_eq!(guest.smc(0, [0x8400_0000, 2, 3, 4]), 0x1_0001);
    assert_eq!(guest.ops(), [Op::Read(7), Op::Write(4, true)]);
    assert_eq!((*guest.x(0, 1), *guest.x(0, 3)), (2, 4));
    assert_eq!(guest.pc(0), pc + 4);
    assert_eq!(guest.smc(0, [0x8600_ff01, 0, 0, 0]), NOT_SUPPORTED);
    *guest.x(0, 0) = 0x8400_0000;
    guest.trap(0, 0x5e00_0001);
    assert_eq!(*guest.x(0, 0), NOT_SUPPORTED, "smc #1");
}

// Shows BH-21.
#[test]
fn a_second_cpu_comes_and_goes() {
    let mut guest = Guest::new(2);
    guest.enable_interrupts();
    assert_eq!(guest.smc(0, [0xc400_0003, 1, ENTRY, 42]), 0);
    assert!(guest.runs(0) && guest.runs(1));
    assert_eq!(guest.kernel.threads[1].context[..4], [ENTRY, 0, 0x3c5, 42]);
    let mpidr = guest.kernel.threads[1].regs[VcpuReg::VmpidrEl2 as usize];
    assert_eq!(mpidr, 0x8000_0001);
    guest.ops();
    // An SGI from CPU 0 wakes CPU 1 from its wfi.
    guest.wfi(1);
    assert!(!guest.runs(1));
    guest.ops();
    guest.store(0, GICD + 0xf00, 1 << 17 | 4);
    let expected = [Op::Read(5), Op::Inject(4), Op::Resume, Op::Write(1, true)];
    assert_eq!(guest.ops(), expected);
    guest.check();
    // Switched off inside the handler, with its timer pending as well.
    guest.store(1, GICD + 0x100, 1 << 27);
    guest.timer_expires(1);
    guest.ops();
    guest.smc(1, [0x8400_0002, 0, 0, 0]);
    assert_eq!(guest.ops(), [Op::Read(7), Op::Stop, Op::AckVppi]);
    guest.check();
    assert_eq!(guest.vmm.state(), State::Running);
    assert_eq!(guest.smc(0, [0xc400_0003, 1, ENTRY, 43]), 0);
    let ops = guest.ops();
    assert!(ops.contains(&Op::Inject(1016)), "what it left: {ops:?}");
    guest.check();
}

#[test]
fn cpu_suspend_returns_after_the_wait() {
    let mut guest = Guest::new(1);
    guest.enable_interrupts();
    let pc = guest.pc(0);
    guest.smc(0, [0xc400_0001, 0, ENTRY, 0]);
    assert!(!guest.runs(0));
    guest.probe().raised_by_peer = true;
    guest.notify(DEVICE_CHANNEL);
    guest.check();
    assert_eq!((guest.pc(0), *guest.x(0, 0)), (pc + 4, 0));
}

#[test]
fn the_guest_powers_off() {
    let mut guest = Guest::new(2);
    guest.smc(0, [0xc400_0003, 1, ENTRY, 42]);
    guest.smc(1, [0x8400_0008, 0, 0, 0]);
    assert_eq!(guest.vmm.state(), State::Off);
    guest.check();
    guest.notify(DEVICE_CHANNEL);
    guest.vmm.reset(&mut guest.kernel);
    assert_eq!(guest.vmm.state(), State::Running);
    guest.check();
}

#[test]
fn the_last_cpu_going_off_ends_the_guest() {
    let mut guest = Guest::new(1);
    guest.smc(0, [0x8400_0002, 0, 0, 0]);
    assert_eq!(guest.vmm.state(), State::Off);
    guest.check();
}

// Shows BH-17.
#[test]
fn reboot_starts_again_from_the_pristine_images() {
    let mut guest = Guest::new(2);
    guest.enable_interrupts();
    guest.smc(0, [0xc400_0003, 1, ENTRY, 42]);
    guest.timer_expires(0);
    guest.ops();
    guest.smc(0, [0x8400_0009, 0, 0, 0]);
    assert_eq!(guest.vmm.state(), State::Running);
    assert_eq!(guest.vmm.loader().loads, 2);
    assert_eq!(guest.probe().resets, 1);
    let ops = guest.ops();
    assert!(ops.contains(&Op::AckVppi), "the timer must fire again");
    assert!(
        ops.contains(&Op::Inject(1016)),
        "list register 0 was in use"
    );
    assert_eq!(guest.pc(0), ENTRY);
    assert_eq!(*guest.x(0, 0), RAM);
    assert!(guest.runs(0) && !guest.runs(1));
    guest.check();
    assert_eq!(guest.load(0, GICD + 0x104), 0, "the distributor is reset");
    assert_eq!(guest.smc(0, [0xc400_0004, 1, 0, 0]), 1, "CPU 1 is off");
}

#[test]
fn a_reboot_from_damaged_images_is_refused() {
    let mut guest = Guest::unstarted(1, 1);
    pd::Handler::init(&mut guest.vmm, &mut guest.kernel);
    guest.smc(0, [0x8400_0009, 0, 0, 0]);
    assert_eq!(guest.vmm.state(), State::Refused);
    guest.check();
}

#[test]
fn hypercalls_are_answered_by_one_write() {
    let mut guest = Guest::new(1);
    let pc = guest.pc(0);
    let words = |x0, x1| [x0, x1, 2, 3, 4, 5, 6, 7, pc, 0, pc + 4, 0x3c5, 7];
    let reply = guest.fault(0, label::UNKNOWN_SYSCALL, &words(0x8400_0000, 1));
    assert_eq!(reply, FaultReply::Hold);
    assert_eq!(guest.ops(), [Op::Write(4, true)]);
    assert_eq!((guest.pc(0), *guest.x(0, 0)), (pc + 4, 0x1_0001));
    guest.fault(0, label::UNKNOWN_SYSCALL, &words(0x1234, 1));
    assert_eq!(*guest.x(0, 0), NOT_SUPPORTED);
    guest.fault(0, label::UNKNOWN_SYSCALL, &words(0x8400_0008, 1));
    assert_eq!(guest.vmm.state(), State::Off);
}

#[test]
fn system_calls_of_a_guest_fail_h40() {
    let mut guest = Guest::new(1);
    let pc = guest.pc(0);
    guest.fault(0, label::CAP_FAULT, &[pc, 1 << 40, 1, 4, 64, 0, 55]);
    assert_eq!((guest.pc(0), *guest.x(0, 0)), (pc + 4, NOT_SUPPORTED));
    assert!(guest.runs(0));
}

#[test]
fn what_cannot_be_emulated_is_an_abort_h02() {
    let mut guest = Guest::new(1);
    guest.kernel.threads[0].regs[VcpuReg::VbarEl1 as usize] = 0xffff_0000;
    let pc = guest.pc(0);
    let pair = 0x9200_0046;
    guest.fault(0, label::VM_FAULT, &[pc, DEVICE, 0, pair]);
    assert_eq!(guest.pc(0), 0xffff_0200);
    let regs = guest.kernel.threads[0].regs;
    assert_eq!(regs[VcpuReg::ElrEl1 as usize], pc);
    assert_eq!(regs[VcpuReg::EsrEl1 as usize], 0x9600_0450);
    assert_eq!(regs[VcpuReg::SpsrEl1 as usize], 0x3c5);
    guest.load(0, 0x1234_0000);
    assert_eq!(guest.pc(0), 0xffff_0200, "nothing is there");
    assert_eq!(guest.vmm.stats().of(Count::Aborted), 2);
    guest.check();
}

#[test]
fn a_guest_that_executes_nothing_is_stopped_h43() {
    let mut guest = Guest::new(1);
    for _ in 0..7 {
        guest.fault(0, label::VM_FAULT, &[0x200, 0x200, 1, 0x8200_0006]);
        assert!(guest.runs(0));
    }
    guest.fault(0, label::VM_FAULT, &[0x200, 0x200, 1, 0x8200_0006]);
    assert_eq!(guest.vmm.state(), State::Crashed);
    let expected =
        "VMM|guest stopped: vCPU 0: no memory to execute at pc 0x200 (guest-physical 0x200)\n";
    assert_eq!(guest.kernel.printed, expected);
    guest.check();
}

// Shows H-41.
#[test]
fn debug_registers_are_raz_wi_and_others_undefined() {
    let mut guest = Guest::new(1);
    let pc = guest.pc(0);
    guest.trap(0, 0x6228_07e0);
    assert_eq!(guest.ops(), [Op::Read(1), Op::Write(1, true)], "OSLAR_EL1");
    *guest.x(0, 2) = 7;
    guest.trap(0, 0x6224_0045);
    assert_eq!(*guest.x(0, 2), 0, "MDSCR_EL1");
    assert_eq!(guest.pc(0), pc + 8);
    guest.trap(0, 0x623a_3016);
    assert_eq!(guest.pc(0), 0x200, "ICC_SGI1R_EL1");
    assert_eq!(guest.vmm.stats().of(Count::Undefined), 1);
}

#[test]
fn a_kernel_that_refuses_stops_the_guest() {
    let mut guest = Guest::new(1);
    guest.kernel.fail_after = Some(1);
    guest.store(0, DEVICE, 7);
    assert_eq!(guest.vmm.state(), State::Crashed);
    assert!(guest.kernel.printed.contains("the kernel refused"));
}

#[test]
fn a_list_register_that_the_kernel_refuses_costs_nothing_but_itself() {
    let mut guest = Guest::new(1);
    guest.enable_interrupts();
    guest.kernel.fail_after = Some(0);
    guest.timer_expires(0);
    assert_eq!(guest.vmm.stats().of(Count::Refused), 4);
    guest.kernel.fail_after = None;
    guest.eoi(0, 2);
    assert_eq!(guest.ops().last(), Some(&Op::Inject(27)), "not lost");
}

/// What happens to a VMM.
#[derive(Clone, Debug)]
enum Event {
    Fault(usize, u64, Vec<u64>),
    Access(usize, u64, u64, u8, bool),
    Smc(usize, u64, u64, u64),
    Trap(usize, u64),
    Expire(usize),
    Eoi(usize, u64),
    Notify(u64),
    Raise,
    Busy(bool),
    Time(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let cpu = 0_usize..3;
    let address = prop_oneof![
        (0_u64..0x1000).prop_map(|offset| GICD + offset),
        Just(DEVICE),
        Just(DEVICE + 4),
        any::<u64>(),
    ];
    prop_oneof![
        1 => (cpu.clone(), 0_u64..11, proptest::collection::vec(any::<u64>(), 0..14))
            .prop_map(|(cpu, label, words)| Event::Fault(cpu, label, words)),
        8 => (cpu.clone(), address, 0_u32..4, 0_u8..32, any::<bool>())
            .prop_map(|(cpu, gpa, sas, rt, write)| Event::Access(cpu, gpa, 1 << sas, rt, write)),
        3 => (cpu.clone(), 0_u64..0x20, 0_u64..4, 0_u64..0x100)
            .prop_map(|(cpu, id, a, b)| Event::Smc(cpu, 0xc400_0000 + id, a, ENTRY + b)),
        4 => cpu.clone().prop_map(|cpu| Event::Trap(cpu, 0x07e0_0000)),
        1 => (cpu.clone(), any::<u32>()).prop_map(|(cpu, esr)| Event::Trap(cpu, esr.into())),
        4 => cpu.clone().prop_map(Event::Expire),
        4 => (cpu, 0_u64..5).prop_map(|(cpu, lr)| Event::Eoi(cpu, lr)),
        3 => (0_u64..8).prop_map(Event::Notify),
        2 => Just(Event::Raise),
        1 => any::<bool>().prop_map(Event::Busy),
        1 => (0_u64..100).prop_map(Event::Time),
    ]
}

fn apply(guest: &mut Guest, event: &Event) {
    let alive = |guest: &Guest, cpu: usize| guest.runs(cpu);
    match event {
        Event::Fault(cpu, label, words) if alive(guest, *cpu) => {
            guest.fault(*cpu, *label, words);
        }
        Event::Access(cpu, gpa, width, rt, write) if alive(guest, *cpu) => {
            guest.access(*cpu, *gpa, *width, *rt, *write);
        }
        Event::Smc(cpu, id, a, b) if alive(guest, *cpu) => {
            guest.smc(*cpu, [*id, *a, *b, 0]);
        }
        Event::Trap(cpu, syndrome) if alive(guest, *cpu) => {
            guest.trap(*cpu, *syndrome);
        }
        Event::Expire(cpu) if alive(guest, *cpu) => {
            guest.timer_expires(*cpu);
        }
        Event::Eoi(cpu, lr) if alive(guest, *cpu) => {
            guest.eoi(*cpu, *lr);
        }
        Event::Notify(id) => guest.notify(*id),
        Event::Raise => guest.probe().raised_by_peer = true,
        Event::Busy(busy) => guest.probe().busy = *busy,
        Event::Time(ticks) => guest.kernel.now += ticks,
        _ => {}
    }
}

proptest! {
    /// Whatever a guest and its peers do: no panic, a bounded number of kernel calls, and the VMM
    /// never loses track of which vCPU runs.
    // Shows BH-23.
    #[test]
    fn any_sequence_of_events(events in proptest::collection::vec(event(), 1..120)) {
        let mut guest = Guest::new(3);
        guest.enable_interrupts();
        for event in &events {
            apply(&mut guest, event);
            guest.check();
            prop_assert!(guest.ops().len() <= 60, "{event:?}");
            if guest.vmm.state() != State::Running {
                guest.vmm.reset(&mut guest.kernel);
                guest.ops();
            }
        }
    }

    /// The same on a kernel that starts to refuse everything at some point: no panic.
    #[test]
    fn any_sequence_of_events_on_a_failing_kernel(
        events in proptest::collection::vec(event(), 1..60),
        calls in 0_u32..100,
    ) {
        let mut guest = Guest::new(3);
        guest.kernel.fail_after = Some(calls);
        for event in &events {
            apply(&mut guest, event);
        }
    }
}

#[test]
fn lifecycle_steps() {
    use State::*;
    let all = [Created, Verified, Refused, Running, Resetting, Off, Crashed];
    let allowed: Vec<_> = all
        .into_iter()
        .flat_map(|from| all.map(|to| (from, to)))
        .filter(|(from, to)| from.may_become(*to))
        .collect();
    let expected = [
        (Created, Verified),
        (Created, Refused),
        (Verified, Refused),
        (Verified, Running),
        (Running, Resetting),
        (Running, Off),
        (Running, Crashed),
        (Resetting, Verified),
        (Resetting, Refused),
        (Off, Resetting),
        (Crashed, Resetting),
    ];
    assert_eq!(allowed, expected);
}
