// SPDX-License-Identifier: BSD-2-Clause
//! A kernel with vCPUs that count every call, and a guest that is played by the test.

use std::fmt;

use arm::regs::{CONTEXT_WORDS, index_of};
use bus::{Access, Device, IoError, IrqLine, Policy, Window};
use guest::placement::Entry;
use pd::{
    Call, Clock, DebugOut, Fault, FaultReply, Handler, KernelError, Message, MessageInfo, Notify,
    Vcpu, VcpuReg, VirtualIrq, label,
};
use units::{ChannelId, ChildId, VcpuId};

use crate::cpu::Run;
use crate::{CpuSet, Loader, Machine, Model, Vmm, Wake};

pub(super) const RAM: u64 = 0x4000_0000;
pub(super) const ENTRY: u64 = RAM + 0x20_0000;
pub(super) const DEVICE: u64 = 0x0900_0000;
/// Offset in it of a doorbell.
pub(super) const BELL: u64 = 8;
pub(super) const DEVICE_INTID: u16 = 33;
pub(super) const GICD: u64 = 0x0800_0000;
pub(super) const DEVICE_CHANNEL: u64 = 3;
pub(super) const TIMER_CHANNEL: u64 = 5;
/// Kernel ids of vCPUs are not their indices.
const FIRST_VCPU: u8 = 10;

pub(super) fn channel(id: u64) -> ChannelId {
    ChannelId::new(id).unwrap()
}

/// One kernel call of the VMM.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Op {
    Read(usize),
    Write(usize, bool),
    Resume,
    Stop,
    ReadReg(VcpuReg),
    WriteReg,
    Inject(u16),
    AckVppi,
    Timer(u64),
    NotifyDeferred,
}

#[derive(Clone, Debug)]
pub(super) struct Thread {
    pub(super) context: [u64; CONTEXT_WORDS],
    pub(super) regs: [u64; VcpuReg::COUNT],
    pub(super) running: bool,
}

/// The kernel.
pub(super) struct Kernel {
    pub(super) threads: Vec<Thread>,
    pub(super) ops: Vec<Op>,
    pub(super) now: u64,
    pub(super) printed: String,
    /// Calls until all further ones are refused.
    pub(super) fail_after: Option<u32>,
}

impl Kernel {
    fn call(&mut self, op: Op) -> Result<(), KernelError> {
        self.ops.push(op);
        match &mut self.fail_after {
            Some(0) => Err(KernelError::IllegalOperation),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn thread(&mut self, id: VcpuId) -> Result<&mut Thread, KernelError> {
        let index = usize::from(id.get()).checked_sub(FIRST_VCPU.into());
        let thread = index.and_then(|index| self.threads.get_mut(index));
        thread.ok_or(KernelError::InvalidCapability { index: 0 })
    }
}

impl Vcpu for Kernel {
    fn vcpu_restart(&mut self, _: VcpuId, _: u64) -> Result<(), KernelError> {
        unreachable!("the VMM writes registers instead")
    }

    fn vcpu_stop(&mut self, id: VcpuId) -> Result<(), KernelError> {
        self.call(Op::Stop)?;
        self.thread(id)?.running = false;
        Ok(())
    }

    fn vcpu_read_registers(&mut self, id: VcpuId, into: &mut [u64]) -> Result<(), KernelError> {
        self.call(Op::Read(into.len()))?;
        let thread = self.thread(id)?;
        let from = thread.context.get(..into.len());
        into.copy_from_slice(from.ok_or(KernelError::Range { min: 1, max: 36 })?);
        Ok(())
    }

    fn vcpu_write_registers(
        &mut self,
        id: VcpuId,
        from: &[u64],
        resume: bool,
    ) -> Result<(), KernelError> {
        self.call(Op::Write(from.len(), resume))?;
        let thread = self.thread(id)?;
        let into = thread.context.get_mut(..from.len());
        into.ok_or(KernelError::TruncatedMessage)?
            .copy_from_slice(from);
        thread.running |= resume;
        Ok(())
    }

    fn vcpu_resume(&mut self, id: VcpuId) -> Result<(), KernelError> {
        self.call(Op::Resume)?;
        self.thread(id)?.running = true;
        Ok(())
    }

    fn vcpu_read_reg(&mut self, id: VcpuId, reg: VcpuReg) -> Result<u64, KernelError> {
        self.call(Op::ReadReg(reg))?;
        Ok(self.thread(id)?.regs[reg as usize])
    }

    fn vcpu_write_reg(&mut self, id: VcpuId, reg: VcpuReg, value: u64) -> Result<(), KernelError> {
        self.call(Op::WriteReg)?;
        self.thread(id)?.regs[reg as usize] = value;
        Ok(())
    }

    fn vcpu_inject_irq(&mut self, id: VcpuId, irq: VirtualIrq) -> Result<(), KernelError> {
        self.call(Op::Inject(irq.virq()))?;
        self.thread(id)?;
        Ok(())
    }

    fn vcpu_ack_vppi(&mut self, id: VcpuId, irq: u64) -> Result<(), KernelError> {
        self.call(Op::AckVppi)?;
        assert_eq!(irq, 27);
        self.thread(id)?;
        Ok(())
    }
}

impl Clock for Kernel {
    fn now(&self) -> u64 {
        self.now
    }

    fn frequency(&self) -> u64 {
        62_500_000
    }
}

impl Call for Kernel {
    fn call(&mut self, ch: ChannelId, msg: &Message) -> Message {
        assert_eq!(ch, channel(TIMER_CHANNEL));
        let Some(timer::Request::SetDeadline(tick)) =
            timer::Request::decode(msg.label(), msg.words())
        else {
            panic!("{msg:?} is no request for a deadline");
        };
        match self.call(Op::Timer(tick)) {
            Ok(()) => Message::new(timer::OK),
            Err(_) => Message::new(timer::BAD_REQUEST),
        }
    }
}

impl Notify for Kernel {
    fn notify(&mut self, _: ChannelId) {
        unreachable!("nothing here is urgent")
    }

    fn notify_deferred(&mut self, _: ChannelId) {
        self.ops.push(Op::NotifyDeferred);
    }
}

impl DebugOut for Kernel {
    fn debug_write(&mut self, bytes: &[u8]) {
        self.printed.push_str(&String::from_utf8_lossy(bytes));
    }
}

/// A device with one register. Writing 1 to it makes it notify its peer; its interrupt is what the
/// peer says.
#[derive(Default)]
pub(super) struct Probe {
    pub(super) value: u64,
    pub(super) level: bool,
    pub(super) raised_by_peer: bool,
    pub(super) resets: u32,
    pub(super) ticks: u32,
    pub(super) busy: bool,
    pub(super) alarm: Option<u64>,
    kick: bool,
}

impl Device for Probe {
    fn read(&mut self, access: Access) -> Result<u64, IoError> {
        match access.offset {
            0 => Ok(self.value & access.width.mask()),
            _ => Err(IoError::NoRegister),
        }
    }

    fn write(&mut self, access: Access, value: u64) -> Result<(), IoError> {
        match access.offset {
            0 => {
                self.value = value;
                self.kick = value == 1;
                Ok(())
            }
            4 => {
                self.level = value != 0;
                Ok(())
            }
            BELL => {
                self.kick = true;
                Ok(())
            }
            _ => Err(IoError::NoRegister),
        }
    }

    fn ignores_value(&self, access: Access) -> bool {
        access.offset == BELL
    }

    fn irq(&self) -> IrqLine {
        IrqLine::from_level(self.level)
    }
}

impl<K: Notify> Model<K> for Probe {
    fn serve(&mut self, kernel: &mut K) {
        if core::mem::take(&mut self.kick) {
            kernel.notify_deferred(channel(DEVICE_CHANNEL));
        }
        self.level |= core::mem::take(&mut self.raised_by_peer);
    }

    fn listens_to(&self, ch: ChannelId) -> bool {
        ch == channel(DEVICE_CHANNEL)
    }

    fn tick(&mut self, _: &mut K) -> Option<u64> {
        self.ticks += 1;
        self.alarm
    }

    fn is_busy(&self) -> bool {
        self.busy
    }

    fn reset(&mut self) {
        *self = Self {
            resets: self.resets + 1,
            busy: self.busy,
            ..Self::default()
        };
    }
}

/// Images that are fine until they are not.
pub(super) struct Images {
    pub(super) loads: u32,
    pub(super) good: u32,
}

pub(super) struct Bad;

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the image has SHA-256 aa, the build recorded bb")
    }
}

impl<K> Loader<K> for Images {
    type Refusal = Bad;

    fn load(&mut self, _: &mut K) -> Result<Entry, Bad> {
        self.loads += 1;
        if self.loads > self.good {
            return Err(Bad);
        }
        Ok(Entry {
            pc: ENTRY,
            spsr: 0x3c5,
            x0: RAM,
        })
    }
}

/// A VMM on the fake kernel, with a guest that does what the test says.
pub(super) struct Guest {
    pub(super) vmm: Vmm<Probe, Images>,
    pub(super) kernel: Kernel,
}

impl Guest {
    /// A guest that was started, with its calls so far forgotten.
    pub(super) fn new(cpus: u64) -> Self {
        let mut guest = Self::unstarted(cpus, u32::MAX);
        guest.vmm.init(&mut guest.kernel);
        guest.kernel.ops.clear();
        guest
    }

    /// A guest whose images are good for `good` starts.
    pub(super) fn unstarted(cpus: u64, good: u32) -> Self {
        let ids: Vec<_> = (0..cpus)
            .map(|cpu| VcpuId::new(u64::from(FIRST_VCPU) + cpu).unwrap())
            .collect();
        let mut machine = Machine::new(Policy::default());
        let window = Window {
            base: DEVICE,
            size: 0x1000,
        };
        machine
            .attach_clock(window, Probe::default(), DEVICE_INTID)
            .unwrap();
        let wake = Wake::new(Some(channel(TIMER_CHANNEL)));
        let images = Images { loads: 0, good };
        let set = CpuSet::new(ids[0], &ids[1..]);
        let thread = Thread {
            context: [0xdead; CONTEXT_WORDS],
            regs: [0xbeef; VcpuReg::COUNT],
            running: false,
        };
        Self {
            vmm: Vmm::new(set, machine, wake, (RAM, 0x1000_0000), images),
            kernel: Kernel {
                threads: vec![thread; ids.len()],
                ops: Vec::new(),
                now: 1000,
                printed: String::new(),
                fail_after: None,
            },
        }
    }

    /// The kernel calls since the last time.
    pub(super) fn ops(&mut self) -> Vec<Op> {
        core::mem::take(&mut self.kernel.ops)
    }

    pub(super) fn probe(&mut self) -> &mut Probe {
        self.vmm.machine_mut().models_mut().next().unwrap()
    }

    pub(super) fn x(&mut self, cpu: usize, register: u8) -> &mut u64 {
        &mut self.kernel.threads[cpu].context[index_of(register).unwrap()]
    }

    pub(super) fn pc(&self, cpu: usize) -> u64 {
        self.kernel.threads[cpu].context[0]
    }

    pub(super) fn runs(&self, cpu: usize) -> bool {
        self.kernel.threads[cpu].running
    }

    pub(super) fn fault(&mut self, cpu: usize, label: u64, words: &[u64]) -> FaultReply {
        self.kernel.threads[cpu].running = false;
        let info = MessageInfo::new(label, words.len());
        let id = ChildId::new(u64::from(FIRST_VCPU) + cpu as u64).unwrap();
        let fault = Fault::new(info, words);
        let reply = self.vmm.fault(&mut self.kernel, id, &fault);
        self.kernel.threads[cpu].running |= reply != FaultReply::Hold;
        reply
    }

    /// A load or store of `width` bytes; `rt` 31 is `wzr`.
    pub(super) fn access(&mut self, cpu: usize, gpa: u64, width: u64, rt: u8, write: bool) {
        let sas = u64::from(width.trailing_zeros());
        let syndrome =
            0x9300_0000 | sas << 22 | u64::from(rt) << 16 | u64::from(write) << 6 | 1 << 15;
        let words = [self.pc(cpu), gpa, 0, syndrome];
        self.fault(cpu, label::VM_FAULT, &words);
    }

    pub(super) fn store(&mut self, cpu: usize, gpa: u64, value: u64) {
        *self.x(cpu, 1) = value;
        self.access(cpu, gpa, 4, 1, true);
    }

    pub(super) fn load(&mut self, cpu: usize, gpa: u64) -> u64 {
        self.access(cpu, gpa, 4, 2, false);
        *self.x(cpu, 2)
    }

    pub(super) fn trap(&mut self, cpu: usize, syndrome: u64) -> FaultReply {
        self.fault(cpu, label::VCPU_FAULT, &[syndrome])
    }

    pub(super) fn wfi(&mut self, cpu: usize) -> FaultReply {
        self.trap(cpu, 0x07e0_0000)
    }

    pub(super) fn smc(&mut self, cpu: usize, args: [u64; 4]) -> u64 {
        for (register, value) in (0..).zip(args) {
            *self.x(cpu, register) = value;
        }
        self.trap(cpu, 0x5e00_0000);
        *self.x(cpu, 0)
    }

    pub(super) fn eoi(&mut self, cpu: usize, lr: u64) -> FaultReply {
        self.fault(cpu, label::VGIC_MAINTENANCE, &[lr])
    }

    pub(super) fn timer_expires(&mut self, cpu: usize) -> FaultReply {
        self.fault(cpu, label::VPPI_EVENT, &[27])
    }

    pub(super) fn notify(&mut self, id: u64) {
        let set = units::ChannelSet::from_badge(1 << id);
        self.vmm.notified(&mut self.kernel, set);
    }

    /// Enables the distributor, the timer and the device's interrupt for all CPUs.
    pub(super) fn enable_interrupts(&mut self) {
        self.store(0, GICD, 1);
        self.store(0, GICD + 0x104, 1 << (DEVICE_INTID % 32));
        if self.kernel.threads.len() > 1 {
            self.store(0, GICD + 0x820, 0x0101_0101);
        }
        self.store(0, GICD + 0x100, 1 << 27);
        self.ops();
    }

    /// A vCPU runs in the kernel exactly if the VMM thinks so.
    pub(super) fn check(&self) {
        for (cpu, thread) in self.kernel.threads.iter().enumerate() {
            let run = self.vmm.cpus.run(cpu);
            assert_eq!(thread.running, run == Run::Running, "vCPU {cpu}: {run:?}");
        }
    }
}
