// SPDX-License-Identifier: BSD-2-Clause
//! The VMM of a whole guest under faults that no guest should be able to cause, a kernel that
//! refuses, and a backend that lies.

use std::sync::OnceLock;

use boot::Digest;
use guest::machine::{GICD, RTC, UART, VIRTIO};
use pd::fake::{FakeKernel, KernelCall, World};
use pd::{Fault, FaultReply, Handler, KernelError, MessageInfo, VcpuReg, label};
use serial::Stream;
use serial::fake::FakeLink;
use shm::{Region, Rw, fake};
use units::{ChannelId, ChannelSet, ChildId, VcpuId};
use vmm::{Count, GuestVmm, State};

use crate::memory::{Ram, bounded, lie};
use crate::script::Script;

const RAM_SIZE: usize = 0x9_0000;
/// Kernel ids of the vCPUs.
const VCPUS: [u8; 3] = [7, 8, 9];
const CONSOLE: u64 = 1;
const TIMER: u64 = 2;
const DEVICE: u64 = 3;
/// Bytes of the kernel image and of the device tree.
const PART: usize = 64;
/// Kernel calls of one activation: a restart of the guest is the longest.
const CALLS: usize = 120;

/// The VMM and what is around it.
struct Machine {
    vmm: GuestVmm,
    kernel: FakeKernel,
    ram: Ram,
    far: Stream,
    peers: [Region<Rw>; 2],
}

fn digest() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let zeroes = fake::region(PART);
        Digest::of(&zeroes, PART).map_or_else(|_| String::new(), |digest| digest.to_string())
    })
}

#[expect(clippy::expect_used, reason = "test support")]
impl Machine {
    fn new() -> Self {
        let ram = Ram::new(RAM_SIZE);
        let console = FakeLink::new(256);
        let [image, dtb, orders, answers] = [(); 4].map(|()| fake::region(0x1000));
        let mut world = World::new();
        world
            .region_rw("ram", ram.region())
            .region_ro("image", image)
            .value("image.size", PART as u64)
            .text("image.sha256", digest())
            .region_ro("dtb", dtb)
            .value("dtb.size", PART as u64)
            .text("dtb.sha256", digest())
            .region_rw("console.out", console.memory.first)
            .region_ro("console.in", console.memory.second)
            .channel("console", CONSOLE)
            .region_rw("virtio1.orders", orders)
            .region_ro("virtio1.answers", answers)
            .channel("virtio1", DEVICE)
            .value("virtio1.type", u64::from(virtio::device::BLOCK))
            .channel("timer", TIMER);
        for (role, id) in ["vcpu0", "vcpu1", "vcpu2"].into_iter().zip(VCPUS) {
            world.vcpu(role, id.into());
        }
        let offer = vio::Offer {
            device: virtio::device::BLOCK,
            features: u64::MAX,
            queues: 1,
            queue_max: 16,
            config_len: 8,
        };
        let backend = vio::Backend::new(orders.read_only(), answers, offer, &[5]);
        backend.expect("a page is enough");
        let mut kernel = FakeKernel::new();
        kernel.answer_with(|_, _| pd::Message::new(0));
        let mut machine = Self {
            vmm: world.create().expect("the record is complete"),
            kernel,
            ram,
            far: console.second(ChannelId::new(0).expect("below 62")),
            peers: [answers, console.memory.second],
        };
        machine.vmm.init(&mut machine.kernel);
        assert_eq!(machine.vmm.state(), State::Running, "it does not start");
        machine.kernel.take_calls();
        machine
    }

    fn counted(&self) -> u64 {
        COUNTS.iter().map(|count| self.vmm.stats().of(*count)).sum()
    }

    /// A fault arrives: something is counted or the guest is at an end; it is answered at most once.
    fn fault(&mut self, script: &mut Script<'_>) {
        let id = if script.chance(32) {
            script.byte() % 62
        } else {
            VCPUS[script.below(3)]
        };
        let Some(child) = ChildId::new(id.into()) else {
            return;
        };
        let (label, words) = message(script);
        let fault = Fault::new(MessageInfo::new(label, words.len()), &words);
        let before = (self.counted(), self.vmm.state());
        let (vmm, kernel) = (&mut self.vmm, &mut self.kernel);
        let reply = bounded(|| vmm.fault(kernel, child, &fault));
        let after = (self.counted(), self.vmm.state());
        assert_ne!(before, after, "fault {label} {words:x?} came to nothing");
        let calls = self.calls();
        let resumes = calls.iter().filter(|call| resumes(call, id)).count();
        let replies = usize::from(reply != FaultReply::Hold);
        assert!(
            resumes + replies <= 1,
            "answered twice: {calls:?}, {reply:?}"
        );
        if self.vmm.state() != State::Running {
            assert_eq!(replies, 0, "it goes on after its end");
        }
    }

    fn notify(&mut self, script: &mut Script<'_>) {
        let bits = match script.byte() {
            kind @ 0..192 => u64::from(kind & 15),
            _ => script.long() >> 2,
        };
        let (vmm, kernel) = (&mut self.vmm, &mut self.kernel);
        bounded(|| vmm.notified(kernel, ChannelSet::from_badge(bits)));
        self.calls();
    }

    /// The kernel calls of an activation, of which there are not too many.
    fn calls(&mut self) -> Vec<KernelCall> {
        let calls = self.kernel.take_calls();
        assert!(calls.len() <= CALLS, "work without bound: {calls:?}");
        calls
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.byte() % 16 {
            0 => self.notify(script),
            1 => {
                self.kernel.advance(script.odd());
                self.notify(script);
            }
            2 => lie(script, &self.peers),
            3 => self
                .kernel
                .fail_nth(script.below(6), KernelError::IllegalOperation),
            4 => {
                self.far.write(script.bytes(40));
                self.far.flush(&mut FakeKernel::new());
                self.notify(script);
            }
            5 => {
                let mut bytes = [0; 64];
                self.far.read(&mut bytes);
            }
            6 => {
                let registers = [
                    VcpuReg::CntvCtlEl0,
                    VcpuReg::CntvCvalEl0,
                    VcpuReg::CntvoffEl2,
                    VcpuReg::SctlrEl1,
                    VcpuReg::VbarEl1,
                ];
                let register = registers[script.below(registers.len())];
                let id = VcpuId::new(VCPUS[script.below(3)].into());
                let value = script.odd();
                if let Some(id) = id {
                    self.kernel.set_vcpu_register(id, register, value);
                }
            }
            7 | 8 => {
                let registers = self.kernel.thread(VCPUS[script.below(3)]);
                registers[script.below(pd::context::COUNT)] = script.odd();
            }
            9 | 10 => self.call_firmware(script),
            _ => self.fault(script),
        }
    }

    /// Registers as for a call to firmware; the fault comes with the next step, or here.
    fn call_firmware(&mut self, script: &mut Script<'_>) {
        const FUNCTIONS: [u64; 14] = [
            0x8400_0000,
            0x8400_0002,
            0x8400_0003,
            0xc400_0003,
            0x8400_0004,
            0x8400_0008,
            0x8400_0009,
            0x8400_000a,
            0xc400_0001,
            0xc400_0004,
            0x8000_0000,
            0x8000_0001,
            0x8600_ff01,
            0xc400_0012,
        ];
        let id = VCPUS[script.below(3)];
        let thread = self.kernel.thread(id);
        for register in 1..4 {
            thread[arm::regs::X0 + register] = script.odd();
        }
        let function = FUNCTIONS[script.below(FUNCTIONS.len())];
        thread[arm::regs::X0] = function.wrapping_add(script.chance(8).into());
        let words = [0x5e00_0000 | u64::from(script.chance(16))];
        let fault = Fault::new(MessageInfo::new(label::VCPU_FAULT, 1), &words);
        let (vmm, kernel) = (&mut self.vmm, &mut self.kernel);
        if let Some(child) = ChildId::new(id.into()) {
            bounded(|| vmm.fault(kernel, child, &fault));
        }
        self.calls();
    }
}

/// Whether `call` lets thread `id` go on.
fn resumes(call: &KernelCall, id: u8) -> bool {
    match call {
        KernelCall::WriteRegisters { thread, resume, .. } => *thread == id && *resume,
        KernelCall::Restart { thread, .. } => *thread == id,
        _ => false,
    }
}

/// A fault message: mostly one that seL4 could send.
fn message(script: &mut Script<'_>) -> (u64, Vec<u64>) {
    match script.byte() % 16 {
        0..=6 => {
            let bases = [GICD, UART, RTC, VIRTIO].map(units::Gpa::get);
            let gpa = match script.byte() {
                kind @ 0..224 => bases[usize::from(kind & 3)] + u64::from(script.half() & 0xfff),
                _ => script.odd(),
            };
            let [kind, low] = script.array();
            let syndrome = 0x9300_0000 | u64::from(kind) << 16 | u64::from(low) & 0x40;
            let syndrome = syndrome | u64::from(low & 1) << 15 | u64::from(low >> 1 & 1) << 21;
            let syndrome = if low & 0x30 == 0x30 {
                script.long()
            } else {
                syndrome
            };
            let prefetch = u64::from(low & 0x8c == 0x8c);
            (label::VM_FAULT, vec![script.odd(), gpa, prefetch, syndrome])
        }
        7..=9 => {
            let classes: [u64; 8] = [0x01, 0x17, 0x18, 0x24, 0x20, 0x07, 0x00, 0x19];
            let class = classes[script.below(classes.len())];
            let rest = script.long() & 0x03ff_ffff;
            (label::VCPU_FAULT, vec![class << 26 | rest])
        }
        10 | 11 => (label::VGIC_MAINTENANCE, vec![script.odd() & 0xff]),
        12 => (label::VPPI_EVENT, vec![27]),
        13 => (label::UNKNOWN_SYSCALL, words(script, 13)),
        14 => (label::CAP_FAULT, words(script, 7)),
        _ => {
            let count = script.below(16);
            (u64::from(script.byte() % 12), words(script, count))
        }
    }
}

fn words(script: &mut Script<'_>, count: usize) -> Vec<u64> {
    (0..count).map(|_| script.odd()).collect()
}

/// All that a VMM counts.
const COUNTS: [Count; Count::Len as usize] = [
    Count::Store,
    Count::Load,
    Count::Ignored,
    Count::Aborted,
    Count::Wfi,
    Count::Wfe,
    Count::Smc,
    Count::Hvc,
    Count::Sysreg,
    Count::Undefined,
    Count::Eoi,
    Count::StrayMaintenance,
    Count::Timer,
    Count::Injected,
    Count::Refused,
    Count::Woken,
    Count::Armed,
    Count::StrayFault,
    Count::StrayEvent,
    Count::Start,
];

/// Runs a script of faults.
///
/// # Panics
/// If anybody gets away with anything.
pub fn run(bytes: &[u8]) {
    // Not in the pool of any script.
    digest();
    fake::scoped(|| {
        let mut machine = Machine::new();
        let mut script = Script::new(bytes);
        while script.goes_on() {
            machine.step(&mut script);
        }
        assert!(machine.ram.is_intact(), "memory outside RAM was written");
    });
}
