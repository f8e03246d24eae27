// SPDX-License-Identifier: BSD-2-Clause
//! Tests of messages, faults, dispatch, setup and the fakes.

use std::string::ToString;
use std::vec::Vec;

use proptest::prelude::*;
use units::{ChannelId, ChannelSet, ChildId, VcpuId};

use crate::*;

fn channel(id: u64) -> ChannelId {
    ChannelId::new(id).unwrap()
}

fn child(id: u64) -> ChildId {
    ChildId::new(id).unwrap()
}

fn decode(label: u64, words: &[u64]) -> FaultKind {
    Fault::new(MessageInfo::new(label, words.len()), words).decode()
}

#[test]
fn message_words_follow_the_abi() {
    // sel4-abi 4 [D]: hello.elf acknowledges with 0x1f000, label 31 without words.
    assert_eq!(MessageInfo::new(31, 0).raw(), 0x1f000);
    assert_eq!(MessageInfo::from_raw(0x2001).label(), 2);
    assert_eq!(MessageInfo::from_raw(0x2001).len(), 1);
    assert_eq!(MessageInfo::new(u64::MAX, 500).raw(), u64::MAX << 12 | 120);
    // Bits 11:7 count capabilities and are no part of length or label.
    assert_eq!(MessageInfo::from_raw(0xf80).len(), 0);
    assert!(MessageInfo::from_raw(0xf80).is_empty());
}

#[test]
fn messages_hold_up_to_four_words() {
    let message = Message::with(7, [1, 2]);
    assert_eq!((message.label(), message.words()), (7, &[1, 2][..]));
    assert_eq!((message.word(1), message.word(2)), (Some(2), None));
    assert_eq!(message.registers(), [1, 2, 0, 0]);
    assert_eq!(message.info().raw(), 7 << 12 | 2);
    assert_eq!(Message::from_words(0, &[9; 6]).words(), [9; 4]);
    assert_eq!(Message::new(u64::MAX).label(), LABEL_UNEXPECTED);
}

#[test]
fn errors_are_decoded() {
    let check = |label, words: &[u64]| KernelError::check(MessageInfo::new(label, 2), words);
    assert_eq!(check(0, &[]), Ok(()));
    assert_eq!(
        check(2, &[0]),
        Err(KernelError::InvalidCapability { index: 0 })
    );
    assert_eq!(
        check(4, &[1, 36]),
        Err(KernelError::Range { min: 1, max: 36 })
    );
    assert_eq!(check(8, &[]), Err(KernelError::DeleteFirst));
    assert_eq!(check(11, &[]), Err(KernelError::Unknown(11)));
    assert_eq!(
        KernelError::Range { min: 0, max: 3 }.to_string(),
        "value outside 0..=3"
    );
}

/// The messages that sel4-abi §13 records from the real kernel.
#[test]
fn faults_of_the_test_vectors_decode() {
    let ip = 0x20_0100;
    assert_eq!(
        decode(8, &[0x6234_f801]),
        FaultKind::Vcpu {
            syndrome: 0x6234_f801
        }
    );
    assert_eq!(
        decode(6, &[ip, 0xbad0_0000, 0, 0x93c1_8045]),
        FaultKind::Vm(VmFault {
            ip,
            address: 0xbad0_0000,
            prefetch: false,
            syndrome: 0x93c1_8045
        })
    );
    assert!(matches!(
        decode(6, &[ip, ip, 1, 0x8200_000f]),
        FaultKind::Vm(VmFault { prefetch: true, .. })
    ));
    assert_eq!(
        decode(4, &[ip, 3]),
        FaultKind::DebugException(DebugException {
            ip,
            reason: 3,
            trigger: None
        })
    );
    assert_eq!(
        decode(3, &[ip, 0xff, 0x6000_0040, 0x0200_0000, 0]),
        FaultKind::UserException(UserException {
            ip,
            sp: 0xff,
            spsr: 0x6000_0040,
            syndrome: 0x0200_0000,
            code: 0
        })
    );
    assert_eq!(
        decode(1, &[ip, 50, 1, 2, 0]),
        FaultKind::Cap(CapFault {
            ip,
            cptr: 50,
            receiving: true,
            failure: LookupFailure::MissingCapability { bits_left: 0 },
        })
    );
    assert_eq!(
        decode(1, &[ip, 1 << 40, 0, 4, 58, 0, 49]),
        FaultKind::Cap(CapFault {
            ip,
            cptr: 1 << 40,
            receiving: false,
            failure: LookupFailure::GuardMismatch {
                bits_left: 58,
                guard: 0,
                guard_bits: 49
            },
        })
    );
    assert_eq!(
        decode(7, &[0]),
        FaultKind::VgicMaintenance { index: Some(0) }
    );
    assert_eq!(
        decode(7, &[u64::MAX]),
        FaultKind::VgicMaintenance { index: None }
    );
    assert_eq!(decode(9, &[27]), FaultKind::VppiEvent { irq: 27 });
    assert_eq!(
        decode(5, &[0x100, 7]),
        FaultKind::Timeout {
            data: 0x100,
            consumed_us: 7
        }
    );
    assert_eq!(decode(0, &[]), FaultKind::Unknown { label: 0 });
    assert_eq!(
        decode(6, &[1, 2, 3]),
        FaultKind::Unknown { label: 6 },
        "too short"
    );
}

#[test]
fn a_data_abort_is_told_from_a_fetch_and_from_other_faults() {
    let words = [0x100, 0x0800_0000, 0, 0x9380_0004];
    let fault = |label, words| Fault::new(MessageInfo::new(label, 4), words);
    let abort = fault(label::VM_FAULT, &words).data_abort().unwrap();
    assert_eq!(FaultKind::Vm(abort), decode(label::VM_FAULT, &words));
    let fetch = [0x100, 0x0800_0000, 1, 0x8200_0004];
    assert_eq!(fault(label::VM_FAULT, &fetch).data_abort(), None);
    assert_eq!(fault(label::VCPU_FAULT, &words).data_abort(), None);
    let short = Fault::new(MessageInfo::new(label::VM_FAULT, 3), &words);
    assert_eq!(short.data_abort(), None);
}

#[test]
fn an_unknown_syscall_is_decoded() {
    let number = (-100_i64).cast_unsigned();
    let words = [
        1,
        2,
        3,
        0,
        0,
        0,
        7,
        number,
        0x100,
        0xff00,
        0x104,
        0x6000_0040,
        number,
    ];
    let FaultKind::UnknownSyscall(syscall) = decode(2, &words) else {
        panic!("label 2 with 13 words is an unknown system call");
    };
    assert_eq!(
        (syscall.ip, syscall.next_pc, syscall.number),
        (0x100, 0x104, number)
    );
    assert_eq!(syscall.registers, [1, 2, 3, 0, 0, 0, 7, number]);
    assert_eq!((syscall.sp, syscall.spsr), (0xff00, 0x6000_0040));
}

#[test]
fn badges_decode() {
    assert_eq!(BadgeKind::of(0), BadgeKind::Notified(ChannelSet::EMPTY));
    assert_eq!(BadgeKind::of(1 << 63 | 5), BadgeKind::Protected(channel(5)));
    assert_eq!(BadgeKind::of(1 << 62 | 61), BadgeKind::Fault(child(61)));
    assert_eq!(BadgeKind::of(1 << 63 | 62), BadgeKind::Invalid);
    assert_eq!(BadgeKind::of(1 << 62 | 0xff), BadgeKind::Invalid);
    assert_eq!(
        BadgeKind::of(0b101),
        BadgeKind::Notified(ChannelSet::from_badge(0b101))
    );
}

#[test]
fn register_positions_are_a_permutation() {
    let mut seen: Vec<usize> = (0..31).map(|n| context::general(n).unwrap()).collect();
    assert_eq!(
        (seen[0], seen[8], seen[16], seen[29], seen[9], seen[19]),
        (3, 11, 12, 15, 17, 24)
    );
    seen.extend([context::PC, context::SP, context::SPSR]);
    seen.extend([context::TPIDR_EL0, context::TPIDRRO_EL0]);
    seen.sort_unstable();
    assert_eq!(seen, (0..context::COUNT).collect::<Vec<_>>());
    assert_eq!(context::general(31), None);
}

#[test]
fn virtual_interrupts_are_checked_and_encoded() {
    let irq = VirtualIrq::new(40, 31, 1, 3).unwrap();
    assert_eq!(irq.encode(), 40 | 31 << 16 | 1 << 24 | 3 << 32);
    assert_eq!((irq.virq(), irq.index()), (40, 3));
    assert_eq!(
        VirtualIrq::new(1024, 0, 0, 0),
        Err(VirtualIrqError::Number(1024))
    );
    assert_eq!(
        VirtualIrq::new(0, 32, 0, 0),
        Err(VirtualIrqError::Priority(32))
    );
    assert_eq!(VirtualIrq::new(0, 0, 2, 0), Err(VirtualIrqError::Group(2)));
    assert_eq!(
        VirtualIrq::new(0, 0, 0, 64),
        Err(VirtualIrqError::Index(64))
    );
    assert_eq!(VcpuReg::VmpidrEl2.number(), 16);
    assert_eq!(VcpuReg::CntkctlEl1.number() + 1, VcpuReg::COUNT as u64);
}

#[test]
fn a_displaced_deferred_action_is_handed_out() {
    let mut slot = DeferredSlot::EMPTY;
    let (first, second) = (
        Deferred::Notify(channel(1)),
        Deferred::IrqAck(channel(2).as_irq()),
    );
    assert_eq!(slot.put(first), None);
    assert_eq!(slot.put(first), None, "once is enough");
    assert_eq!(slot.put(second), Some(first));
    assert_eq!((slot.take(), slot.take()), (Some(second), None));
}

/// Takes no events at all and keeps what the defaults report.
#[derive(Default)]
struct Deaf(Vec<Unexpected>);

impl<K> Handler<K> for Deaf {
    fn unexpected(&mut self, event: Unexpected) {
        self.0.push(event);
    }
}

#[test]
fn defaults_answer_safely_and_report() {
    let mut kernel = fake::FakeKernel::new();
    kernel.push_notification(ChannelSet::from_badge(4));
    kernel.push_notification(ChannelSet::EMPTY);
    kernel.push_call(channel(3), &Message::new(1));
    kernel.push_fault(child(2), label::VM_FAULT, &[0; 4]);
    kernel.push_event(1 << 63 | 63, MessageInfo::new(0, 0), &[]);
    kernel.push_event(1 << 62 | 63, MessageInfo::new(0, 0), &[]);
    let mut deaf = Deaf::default();
    let unexpected = Reply::Message(Message::unexpected());
    assert_eq!(
        kernel.drive(&mut deaf),
        [
            Reply::None,
            Reply::None,
            unexpected,
            Reply::None,
            unexpected,
            Reply::None
        ]
    );
    assert_eq!(
        deaf.0,
        [
            Unexpected::Notified(ChannelSet::from_badge(4)),
            Unexpected::Protected(channel(3)),
            Unexpected::Fault(child(2)),
            Unexpected::Badge(1 << 63 | 63),
            Unexpected::Badge(1 << 62 | 63),
        ]
    );
    assert_eq!(kernel.calls(), [fake::KernelCall::Start]);
}

/// Echoes calls, restarts children, passes notifications on.
struct Echo {
    out: ChannelId,
    child: ChildId,
    memory: shm::Region<shm::Rw>,
}

impl Component for Echo {
    fn create(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        if setup.value_or("limit", 5)? > 9 {
            return Err(SetupError::invalid("limit", "must be at most 9"));
        }
        Ok(Self {
            out: setup.channel("out")?,
            child: setup.child("kid")?,
            memory: setup.region_rw("memory")?,
        })
    }
}

impl<K: Notify + Irq + Child> Handler<K> for Echo {
    fn notified(&mut self, kernel: &mut K, _: ChannelSet) {
        let _ = self.memory.store::<u8>(0, 1);
        kernel.irq_ack_deferred(self.out.as_irq());
        kernel.notify_deferred(self.out);
    }

    fn protected(&mut self, _: &mut K, _: ChannelId, message: Message) -> Message {
        message
    }

    fn fault(&mut self, kernel: &mut K, child: ChildId, _: &Fault<'_>) -> FaultReply {
        if child == self.child && kernel.child_restart(child, 0x40).is_ok() {
            return FaultReply::Hold;
        }
        FaultReply::Resume
    }
}

fn echo_world() -> fake::World {
    let mut world = fake::World::new();
    world
        .channel("out", 1)
        .child("kid", 2, 0x40)
        .region_rw("memory", shm::fake::region(8));
    world
}

#[test]
fn the_kernel_records_fails_and_interrupts() {
    let mut echo: Echo = echo_world().create().unwrap();
    let mut kernel = fake::FakeKernel::new();
    kernel.push_call(channel(4), &Message::with(8, [1, 2, 3]));
    kernel.push_notification(ChannelSet::from_badge(1));
    kernel.push_fault(child(2), label::VCPU_FAULT, &[5]);
    kernel.push_fault(child(2), label::VCPU_FAULT, &[6]);
    kernel.fail_nth(1, KernelError::IllegalOperation);
    let replies = kernel.drive(&mut echo);
    assert_eq!(replies[0], Reply::Message(Message::with(8, [1, 2, 3])));
    assert_eq!(replies[2], Reply::None, "restarted");
    assert_eq!(replies[3], Reply::Resume, "the restart was refused");
    assert_eq!(
        (
            kernel.notifications(echo.out),
            kernel.acknowledgements(echo.out.as_irq())
        ),
        (1, 1)
    );
    let order: Vec<_> = kernel.take_calls();
    let ack = Deferred::IrqAck(echo.out.as_irq());
    assert!(
        order.contains(&fake::KernelCall::RunDeferred(ack)),
        "displaced, not lost"
    );
    assert!(order.contains(&fake::KernelCall::RunDeferred(Deferred::Notify(echo.out))));
    assert_eq!(kernel.thread(2)[context::PC], 0x40);

    kernel.spurious(ChannelSet::from_badge(1 << 9));
    kernel.push_call(channel(4), &Message::new(0));
    assert_eq!(kernel.drive_on(&mut echo).len(), 1);
    assert_eq!(
        kernel.notifications(echo.out),
        1,
        "the spurious one reached the handler"
    );
}

#[test]
fn the_kernel_lies_about_registers() {
    let mut kernel = fake::FakeKernel::new();
    let id = VcpuId::new(0).unwrap();
    kernel.vcpu_write_registers(id, &[1, 2, 3], false).unwrap();
    kernel.vcpu_write_reg(id, VcpuReg::VbarEl1, 8).unwrap();
    let mut into = [0; 3];
    kernel.vcpu_read_registers(id, &mut into).unwrap();
    assert_eq!(into, [1, 2, 3]);
    kernel.lie_about_registers(u64::MAX);
    kernel.vcpu_read_registers(id, &mut into).unwrap();
    assert_eq!(into, [!1, !2, !3]);
    assert_eq!(kernel.vcpu_read_reg(id, VcpuReg::VbarEl1), Ok(!8));
    assert!(kernel.vcpu_read_registers(id, &mut []).is_err());
    assert!(kernel.vcpu_write_registers(id, &[0; 37], true).is_err());
}

// Shows BH-06.
#[test]
fn setup_says_what_is_missing_or_wrong() {
    let create = |world: &mut fake::World| {
        world
            .create::<Echo>()
            .map(drop)
            .map_err(|error| error.to_string())
    };
    assert_eq!(create(&mut echo_world()), Ok(()));
    assert_eq!(
        create(&mut fake::World::new()),
        Err("record has no channel with role 'out'".into())
    );
    assert_eq!(
        create(echo_world().value("limit", 10)),
        Err("'limit': must be at most 9".into())
    );
    let mut read_only = fake::World::new();
    read_only
        .channel("out", 1)
        .child("kid", 2, 0)
        .region_ro("memory", shm::fake::region(8));
    assert_eq!(
        create(&mut read_only),
        Err("region 'memory': the page rights do not allow the access".into())
    );
    let mut device = fake::World::new();
    let bank = mmio::fake::Bank::new(8);
    device
        .channel("out", 1)
        .child("kid", 2, 0)
        .registers("memory", bank.window());
    assert_eq!(
        create(&mut device),
        Err("region 'memory': the memory attributes do not suit the use".into())
    );
}

#[test]
fn registers_have_one_owner() {
    let mut world = fake::World::new();
    let bank = mmio::fake::Bank::new(8);
    world.registers("regs", bank.window());
    let bytes = world.record();
    let record = record::Record::parse(&bytes).unwrap();
    let mut setup = Setup::new(record, &mut world);
    let error = setup.region_ro("regs").map(drop).unwrap_err();
    assert!(matches!(
        error,
        SetupError::Map {
            error: MapError::Attributes,
            ..
        }
    ));
    assert!(setup.registers::<[u32; 2]>("regs").is_ok());
    let error = setup.registers::<[u32; 2]>("regs").map(drop).unwrap_err();
    assert!(matches!(
        error,
        SetupError::Map {
            error: MapError::Claimed,
            ..
        }
    ));
}

proptest! {
    /// No message from a child, whatever its badge, length and words, breaks dispatch.
    #[test]
    fn dispatch_is_total(
        badge in any::<u64>(),
        top in 0_u64..4,
        info in any::<u64>(),
        words in proptest::array::uniform13(any::<u64>()),
    ) {
        let event = Event {
            badge: badge & (u64::MAX >> 2) | top << 62,
            info: MessageInfo::from_raw(info),
            words,
        };
        let reply = dispatch(&mut Deaf::default(), &mut (), &event);
        let sent = reply.parts().map_or(0, |(info, words)| {
            assert_eq!(info.len(), words.len());
            words.len()
        });
        prop_assert!(sent <= 12);
    }

    /// Decoding is total, and whatever has a known label and full length is not `Unknown`.
    #[test]
    fn decoding_is_total(
        label in 0_usize..12,
        words in proptest::collection::vec(any::<u64>(), 0..20),
    ) {
        let known = match decode(label as u64, &words) {
            FaultKind::Unknown { label: reported } => {
                prop_assert_eq!(reported, label as u64);
                false
            }
            _ => true,
        };
        let needed = [usize::MAX, 4, 13, 5, 2, 2, 4, 1, 1, 1];
        let needed = needed.get(label).copied().unwrap_or(usize::MAX);
        prop_assert_eq!(known, words.len() >= needed);
    }
}
