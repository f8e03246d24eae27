// SPDX-License-Identifier: BSD-2-Clause
//! Tests by clause, and against the values observed on seL4 (sel4-abi.md §13).

use bus::Width;
use proptest::prelude::*;

use crate::data_abort::DataAbort;
use crate::esr::Exception;
use crate::exception::{Entry, Kind};
use crate::psci::{self, Outcome, Psci};
use crate::regs::{CONTEXT_WORDS, Frame, count_for, index_of};
use crate::smccc::{self, NOT_SUPPORTED};
use crate::sysreg::{self, Sysreg, SysregAccess};
use crate::timer::{Due, due};

const RAM: u64 = 0x4000_0000;
const INVALID_PARAMETERS: u64 = (-2_i64).cast_unsigned();
const ALREADY_ON: u64 = (-4_i64).cast_unsigned();
const INVALID_ADDRESS: u64 = (-9_i64).cast_unsigned();

fn data_abort(esr: u64) -> DataAbort {
    match Exception::decode(esr) {
        Exception::DataAbort(abort) => abort,
        other => panic!("{esr:#x} is {other:?}"),
    }
}

#[test]
fn syndromes_seen_on_sel4() {
    let DataAbort::Load(load) = data_abort(0x93c0_8006) else {
        panic!("ldr x0 is a load");
    };
    assert_eq!((load.width, load.rt), (Width::Double, 0));
    let DataAbort::Store(store) = data_abort(0x9380_0046) else {
        panic!("str w0 is a store");
    };
    assert_eq!((store.width, store.rt), (Width::Word, 0));
    assert_eq!(
        data_abort(0x93c1_8045),
        data_abort(0x93c1_8046),
        "the fault status does not matter"
    );
    assert_eq!(Exception::decode(0x07e0_0000), Exception::Wfi);
    assert_eq!(Exception::decode(0x07e0_0001), Exception::Wfe);
    assert_eq!(
        Exception::decode(0x5e00_0003),
        Exception::Smc { immediate: 3 }
    );
    assert_eq!(Exception::decode(0x8200_000f), Exception::InstructionAbort);
    assert_eq!(
        Exception::decode(0x1fe0_0000),
        Exception::Other { class: 7 }
    );
}

#[test]
fn what_the_syndrome_does_not_describe_is_opaque_h02() {
    for (esr, write) in [
        (0x9200_0046, true),  // ISV = 0: a store pair
        (0x9200_0006, false), // ISV = 0: a load pair
        (0x93c0_8186, false), // S1PTW and CM with ISV
        (0x93c0_8146, true),  // dc civac
    ] {
        assert_eq!(data_abort(esr), DataAbort::Opaque { write }, "{esr:#x}");
    }
}

#[test]
fn loads_extend_as_sse_and_sf_say() {
    let load = |esr| match data_abort(esr) {
        DataAbort::Load(load) => load,
        other => panic!("{other:?}"),
    };
    let base = 0x9300_0006;
    let (sse, sf, half) = (1 << 21, 1 << 15, 1 << 22);
    assert_eq!(load(base).extend(0x1_fff0), 0xf0, "ldrb");
    assert_eq!(load(base | sse).extend(0xf0), 0xffff_fff0, "ldrsb w");
    assert_eq!(
        load(base | sse | sf).extend(0xf0),
        (-16_i64).cast_unsigned()
    );
    assert_eq!(load(base | sse | sf).extend(0x70), 0x70);
    assert_eq!(load(base | half | sse).extend(0x8000), 0xffff_8000);
    let word = base | 2 << 22;
    assert_eq!(load(word | sse | sf).extend(1 << 31), 0xffff_ffff_8000_0000);
    assert_eq!(load(base | 3 << 22).extend(u64::MAX), u64::MAX);
}

#[test]
fn register_order_of_sel4_5_4() {
    let order = [
        0, 1, 2, 3, 4, 5, 6, 7, 8, 16, 17, 18, 29, 30, 9, 10, 11, 12, 13, 14, 15, 19, 20, 21, 22,
        23, 24, 25, 26, 27, 28,
    ];
    for (at, register) in order.into_iter().enumerate() {
        assert_eq!(index_of(register), Some(at + 3), "x{register}");
    }
    assert_eq!((index_of(31), count_for(31)), (None, 0));
    assert_eq!((count_for(0), count_for(8), count_for(28)), (4, 12, 34));
}

#[test]
fn a_frame_never_reaches_beyond_its_length() {
    let mut frame = Frame::new(count_for(1));
    assert_eq!(frame.words().len(), 5);
    frame.set_gpr(1, 7);
    frame.set_gpr(2, 8);
    frame.set_gpr(31, 9);
    assert_eq!((frame.gpr(1), frame.gpr(2), frame.gpr(31)), (7, 0, 0));
    assert_eq!(frame.words(), [0, 0, 0, 0, 7]);
    assert_eq!(Frame::new(99).words_mut().len(), CONTEXT_WORDS);
}

fn sysreg(esr: u64) -> SysregAccess {
    match Exception::decode(esr) {
        Exception::Sysreg(access) => access,
        other => panic!("{esr:#x} is {other:?}"),
    }
}

// Shows H-41.
#[test]
fn trapped_debug_and_pmu_registers_seen_on_sel4_6_9() {
    for (esr, register, rt, write) in [
        (0x6228_07e0, Sysreg::new(2, 0, 1, 0, 4), 31, true), // OSLAR_EL1
        (0x6224_0044, Sysreg::new(2, 0, 0, 2, 2), 2, true),  // MDSCR_EL1
        (0x6224_0045, Sysreg::new(2, 0, 0, 2, 2), 2, false),
        (0x6228_0020, Sysreg::new(2, 0, 0, 0, 4), 1, true), // DBGBVR0_EL1
        (0x622a_0060, Sysreg::new(2, 0, 0, 0, 5), 3, true), // DBGBCR0_EL1
        (0x6230_e418, Sysreg::new(3, 3, 9, 12, 0), 0, true), // PMCR_EL0
        (0x6230_e419, Sysreg::new(3, 3, 9, 12, 0), 0, false),
    ] {
        let access = sysreg(esr);
        assert_eq!(
            (access.register, access.write),
            (register, write),
            "{esr:#x}"
        );
        if rt != 2 {
            assert_eq!(access.rt, rt, "{esr:#x}");
        }
        let expected = if write {
            sysreg::Outcome::Ignored
        } else {
            sysreg::Outcome::Read(0)
        };
        assert_eq!(access.emulate(), expected, "{esr:#x}");
    }
}

// Shows H-41.
#[test]
fn other_registers() {
    let read = |register| SysregAccess {
        register,
        rt: 0,
        write: false,
    };
    let lock = read(Sysreg::OSLSR_EL1).emulate();
    assert_eq!(lock, sysreg::Outcome::Read(8), "implemented, unlocked");
    for pmu in [
        Sysreg::new(3, 0, 9, 14, 1),  // PMINTENSET_EL1
        Sysreg::new(3, 3, 14, 8, 0),  // PMEVCNTR0_EL0
        Sysreg::new(3, 3, 14, 15, 7), // PMCCFILTR_EL0
    ] {
        assert_eq!(read(pmu).emulate(), sysreg::Outcome::Read(0));
    }
    for absent in [
        Sysreg::new(2, 1, 0, 0, 1),   // TRCTRACEIDR
        Sysreg::new(3, 0, 12, 11, 5), // ICC_SGI1R_EL1
        Sysreg::new(3, 3, 14, 2, 1),  // CNTP_CTL_EL0
        Sysreg::new(1, 0, 7, 6, 2),   // DC ISW
    ] {
        assert_eq!(read(absent).emulate(), sysreg::Outcome::Undefined);
    }
}

#[test]
fn exception_entry_d1_3() {
    let entry = Entry::new(Kind::Undefined, 0x8_0010, 0x3c5, 0xffff_0800);
    let expected = Entry {
        pc: 0xffff_0a00,
        pstate: 0x3c5,
        elr: 0x8_0010,
        spsr: 0x3c5,
        esr: 0x0200_0000,
    };
    assert_eq!(entry, expected);
    let from_user = Entry::new(Kind::ExternalAbort { write: true }, 4, 0, 0);
    assert_eq!((from_user.pc, from_user.esr), (0x400, 0x9200_0450));
    let kernel = Entry::new(Kind::ExternalAbort { write: false }, 4, 4, 0);
    assert_eq!((kernel.pc, kernel.esr), (0, 0x9600_0410));
    let fetch = Entry::new(Kind::ExternalFetchAbort, 4, 5, 0);
    assert_eq!((fetch.pc, fetch.esr), (0x200, 0x8600_0410));
    let aarch32 = Entry::new(Kind::Undefined, 4, 0x10, 0);
    assert_eq!(aarch32.pc, 0x600);
}

#[test]
fn timer_condition_d11_2_4() {
    assert_eq!(due(0, 10, 20), Due::Never, "disabled");
    assert_eq!(due(3, 10, 20), Due::Never, "masked");
    assert_eq!(due(1, 20, 20), Due::Now);
    assert_eq!(due(5, 10, 20), Due::Now, "ISTATUS does not matter");
    assert_eq!(due(1, 21, 20), Due::At(21));
}

fn returned(psci: &mut Psci, args: [u64; 4]) -> u64 {
    match smccc::call(psci, 0, &args) {
        Outcome::Return(value) => value,
        other => panic!("{args:x?} gave {other:?}"),
    }
}

// Shows AV-34.
#[test]
fn versions_and_features() {
    let mut psci = Psci::new(2, RAM, 0x1000);
    for (args, expected) in [
        ([0x8000_0000, 0, 0, 0], 0x1_0001),                // SMCCC_VERSION
        ([0x8000_0001, 0x8000_0001, 0, 0], 0),             // ARCH_FEATURES of itself
        ([0x8000_0001, 0x8000_8000, 0, 0], NOT_SUPPORTED), // ARCH_WORKAROUND_1
        ([0x8400_0000, 0, 0, 0], 0x1_0001),                // PSCI_VERSION
        ([0xdead_0000_8400_0000, 0, 0, 0], 0x1_0001),      // W0 only
        ([0x8400_000a, 0x8000_0000, 0, 0], 0),             // PSCI_FEATURES: SMCCC_VERSION
        ([0x8400_000a, 0xc400_0003, 0, 0], 0),             // CPU_ON
        ([0x8400_000a, 0xc400_0001, 0, 0], 2),             // CPU_SUSPEND: extended format
        ([0x8400_000a, 0xc400_000e, 0, 0], NOT_SUPPORTED), // SYSTEM_SUSPEND
        ([0x8400_000a, 0x1234, 0, 0], NOT_SUPPORTED),
        ([0x8400_0006, 0, 0, 0], 2), // MIGRATE_INFO_TYPE
        ([0x8400_0005, u64::MAX, 0, 0], NOT_SUPPORTED), // MIGRATE, with bad arguments
        ([0x8400_0050, 0, 0, 0], NOT_SUPPORTED), // TRNG_VERSION
        ([0, 0, 0, 0], NOT_SUPPORTED),
    ] {
        assert_eq!(returned(&mut psci, args), expected, "{args:x?}");
    }
}

// Shows AV-34.
#[test]
fn cpu_on_and_off_5_1_3_5_1_4() {
    let mut psci = Psci::new(2, RAM, 0x1000);
    let on = |cpu, entry| [0xc400_0003, cpu, entry, 77];
    assert_eq!(returned(&mut psci, on(0, RAM)), ALREADY_ON);
    for bad in [2, 0x100, 1 << 32, 1 << 24, u64::MAX] {
        assert_eq!(
            returned(&mut psci, on(bad, RAM)),
            INVALID_PARAMETERS,
            "{bad:#x}"
        );
    }
    for bad in [0, RAM - 4, RAM + 0x1000, RAM + 2, u64::MAX - 3] {
        assert_eq!(returned(&mut psci, on(1, bad)), INVALID_ADDRESS, "{bad:#x}");
    }
    let info = [0xc400_0004, 1, 0, 0];
    assert_eq!(returned(&mut psci, info), 1, "off");
    let started = Outcome::CpuOn {
        cpu: 1,
        entry: RAM + 0xffc,
        context: 77,
    };
    assert_eq!(psci.call(0, &on(1, RAM + 0xffc)), started);
    assert_eq!(returned(&mut psci, info), 0, "on");
    assert_eq!(returned(&mut psci, on(1, RAM)), ALREADY_ON);
    let off = [0x8400_0002, 0, 0, 0];
    assert_eq!(psci.call(1, &off), Outcome::CpuOff);
    assert_eq!(returned(&mut psci, info), 1);
    assert_eq!(psci.call(0, &off), Outcome::CpuOff);
    let cluster = [0xc400_0004, 0xff, 1, 0];
    assert_eq!(returned(&mut psci, cluster), 1, "nobody is on");
    psci.reset();
    assert_eq!(returned(&mut psci, cluster), 0);
    let elsewhere = [0xc400_0004, 0x100, 1, 0];
    assert_eq!(returned(&mut psci, elsewhere), INVALID_PARAMETERS);
    assert_eq!(
        returned(&mut psci, [0xc400_0004, 0, 4, 0]),
        INVALID_PARAMETERS
    );
}

// Shows AV-34.
#[test]
fn system_calls_5_1_9_to_5_1_12() {
    let mut psci = Psci::new(1, RAM, 0x1000);
    let mut call = |args| psci.call(0, &args);
    assert_eq!(call([0x8400_0008, 0, 0, 0]), Outcome::SystemOff);
    assert_eq!(call([0x8400_0009, 0, 0, 0]), Outcome::SystemReset);
    assert_eq!(call([0xc400_0012, 0, 0, 0]), Outcome::SystemReset);
    let invalid = Outcome::Return(INVALID_PARAMETERS);
    assert_eq!(call([0xc400_0012, 1, 0, 0]), invalid);
    assert_eq!(call([0xc400_0012, 0x8000_0000, 0, 0]), invalid);
    assert_eq!(call([0xc400_0001, 0, 0, 0]), Outcome::Standby);
    assert_eq!(call([0xc400_0001, 0x4000_0000, 0, 0]), Outcome::Standby);
    assert_eq!(call([0xc400_0001, 1 << 31, 0, 0]), invalid);
}

#[test]
fn mpidr_of_a_vcpu() {
    assert_eq!(psci::mpidr(0), 0x8000_0000);
    assert_eq!(psci::mpidr(3), 0x8000_0003);
}

proptest! {
    /// Any call of any vCPU, existing or not, is answered, and the powered set stays in bounds.
    #[test]
    fn any_call_is_answered_h40(
        calls in proptest::collection::vec((0_usize..6, any::<u8>(), any::<[u64; 3]>()), 0..50),
    ) {
        let mut psci = Psci::new(3, RAM, 0x1000_0000);
        for (cpu, id, [a, b, c]) in calls {
            let base = if id & 0x80 == 0 { 0x8400_0000 } else { 0xc400_0000 };
            let args = [base + u64::from(id & 0x1f), a % 5, RAM + b % 0x2000_0000, c];
            match smccc::call(&mut psci, cpu, &args) {
                Outcome::CpuOn { cpu, entry, context } => {
                    prop_assert!(cpu < 3 && psci.is_on(cpu) && context == c || args[0] >> 30 & 1 == 0);
                    prop_assert!((RAM..RAM + 0x1000_0000).contains(&entry));
                }
                Outcome::CpuOff => prop_assert!(!psci.is_on(cpu)),
                _ => {}
            }
            prop_assert!(!psci.is_on(3));
        }
    }

    #[test]
    fn decoding_is_total(esr in any::<u64>(), value in any::<u64>()) {
        match Exception::decode(esr) {
            Exception::DataAbort(DataAbort::Load(load)) => {
                let low = load.width.mask();
                prop_assert_eq!(load.extend(value) & low, value & low);
                prop_assert!(load.rt < 32);
            }
            Exception::Sysreg(access) => {
                let outcome = access.emulate();
                prop_assert!(!access.write || !matches!(outcome, sysreg::Outcome::Read(_)));
            }
            _ => {}
        }
    }
}
