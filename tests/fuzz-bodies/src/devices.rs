// SPDX-License-Identifier: BSD-2-Clause
//! Every emulated device behind the bus, and the distributor with the list registers that it fills.

use bus::{Access, Bus, Device, IoError, IrqLine, Policy, Width, Window, fuzz};
use guest::Span;
use guest::machine::{GICD, GICD_SIZE, PRIMECELL_SIZE, RAM_BASE, RTC, UART, VIRTIO, VIRTIO_STRIDE};
use pl011_emu::Pl011;
use pl031_emu::Pl031;
use shm::{Region, Rw, fake};
use vgic::{Injection, LIST_REGS, Vgic};
use virtio_mmio::Transport;

use crate::memory::lie;
use crate::script::Script;

/// vCPUs of the guest, and of the distributor at most.
const CPUS: usize = 4;
/// First of the numbers that neutralise a list register (1020 to 1023 are special).
const FILLERS: u16 = 1016;

/// The devices of a guest.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "four of them")]
enum Model {
    Uart(Pl011),
    Rtc(Pl031),
    Virtio(Transport),
    Gic(Vgic),
}

impl Model {
    fn device(&mut self) -> &mut dyn Device {
        match self {
            Self::Uart(device) => device,
            Self::Rtc(device) => device,
            Self::Virtio(device) => device,
            Self::Gic(device) => device,
        }
    }
}

impl Device for Model {
    fn read(&mut self, access: Access) -> Result<u64, IoError> {
        self.device().read(access)
    }

    fn write(&mut self, access: Access, value: u64) -> Result<(), IoError> {
        self.device().write(access, value)
    }

    fn irq(&self) -> IrqLine {
        match self {
            Self::Uart(device) => device.irq(),
            Self::Rtc(device) => device.irq(),
            Self::Virtio(device) => device.irq(),
            Self::Gic(_) => IrqLine::from_level(false),
        }
    }
}

/// What the hardware has in its list registers.
type Hardware = [[Option<u16>; LIST_REGS]; CPUS];

struct Machine {
    bus: Bus<Model, 4>,
    answers: Region<Rw>,
    hardware: Hardware,
    now: u64,
    /// Accesses that no register took.
    refused: u64,
}

/// Windows of the devices, in the order of their slots.
const WINDOWS: [Window; 4] = [
    window(UART.get(), PRIMECELL_SIZE),
    window(RTC.get(), PRIMECELL_SIZE),
    window(VIRTIO.get(), VIRTIO_STRIDE),
    window(GICD.get(), GICD_SIZE),
];

const fn window(base: u64, size: u64) -> Window {
    Window { base, size }
}

#[expect(clippy::expect_used, reason = "test support")]
impl Machine {
    fn new(script: &mut Script<'_>) -> Self {
        let policies = [Policy::Ignore, Policy::AbortUnmapped, Policy::AbortAll];
        let mut bus = Bus::new(policies[script.below(policies.len())]);
        let [orders, answers] = [fake::region(0x1000), fake::region(0x1000)];
        let record = vio::Transport::new(orders, answers.read_only()).expect("a page is enough");
        let span = Span::new(RAM_BASE, 0x1_0000).expect("RAM has bytes");
        let offer = vio::Offer {
            device: virtio::device::NET,
            features: u64::MAX,
            queues: 3,
            queue_max: 16,
            config_len: 20,
        };
        let backend = vio::Backend::new(orders.read_only(), answers, offer, &[7; 20]);
        backend.expect("a page is enough");
        let models = [
            Model::Uart(Pl011::new()),
            Model::Rtc(Pl031::new(0, 0)),
            Model::Virtio(Transport::new(record, virtio::device::NET, &[span])),
            Model::Gic(Vgic::new(1 + script.below(CPUS))),
        ];
        for (window, model) in WINDOWS.into_iter().zip(models) {
            bus.insert(window, model).expect("disjoint windows");
        }
        Self {
            bus,
            answers,
            hardware: Hardware::default(),
            now: 0,
            refused: 0,
        }
    }

    /// A guest's access: what no register takes is counted, each once.
    fn access(&mut self, gpa: u64, width: Width, vcpu: usize, store: Option<u64>) {
        let done = match store {
            Some(value) => self.bus.write(gpa, width, vcpu, value),
            None => self.bus.read(gpa, width, vcpu),
        };
        match done {
            Ok(done) => {
                assert!(done.value <= width.mask(), "{gpa:#x} read {done:?}");
                self.refused += u64::from(done.ignored.is_some());
            }
            Err(abort) => {
                assert_eq!(abort.gpa, gpa);
                self.refused += 1;
            }
        }
        assert_eq!(self.bus.counters().total(), self.refused, "not counted");
        self.serve();
    }

    /// What the VMM does after an access.
    fn serve(&mut self) {
        let now = self.now;
        for (_, model) in self.bus.devices_mut() {
            match model {
                Model::Uart(uart) => while uart.take_tx().is_some() {},
                Model::Rtc(rtc) => {
                    rtc.advance_to(now);
                    let alarm = rtc.next_alarm();
                    assert!(alarm.is_none_or(|at| at >= now), "an alarm in the past");
                }
                Model::Virtio(transport) => {
                    transport.take_signal();
                    transport.on_backend();
                }
                Model::Gic(_) => {}
            }
        }
    }

    fn with_gic<R>(&mut self, act: impl FnOnce(&mut Vgic, &mut Hardware) -> R) -> Option<R> {
        let hardware = &mut self.hardware;
        let gic = self.bus.devices_mut().find_map(|(_, model)| match model {
            Model::Gic(gic) => Some(gic),
            _ => None,
        });
        gic.map(|gic| act(gic, hardware))
    }

    /// The distributor as a guest's driver sets it up: few scripts get that far by chance.
    fn let_interrupts_through(&mut self, script: &mut Script<'_>) {
        let seed = script.byte();
        let mut write = |offset, value| {
            self.access(GICD.get() + offset, Width::Word, 0, Some(value));
        };
        write(0, 3);
        for word in 0..8 {
            write(0x100 + word * 4, u64::MAX >> 32);
        }
        for word in 0..64 {
            write(
                0x400 + word * 4,
                (word * u64::from(seed) * 0x0101_0307) & 0xf0f0_f0f0,
            );
            write(0x800 + word * 4, 0xffff_ffff >> (seed & 31));
        }
    }

    /// Something that a device, the kernel or time does.
    fn surroundings(&mut self, script: &mut Script<'_>) {
        let [cpu, kind] = script.array();
        // Mostly the vCPU that takes what may go anywhere.
        let cpu = usize::from(if kind & 0x40 == 0 { 0 } else { cpu % 6 });
        let intid = script.half() & if kind & 0x80 == 0 { 0x7f } else { u16::MAX };
        match kind & 15 {
            0 => self.now = self.now.saturating_add(script.odd()),
            1 => lie(script, &[self.answers]),
            2 => self.type_in(script.bytes(40)),
            3 => {
                self.with_gic(|gic, _| gic.cpu_on(cpu));
            }
            4 => {
                // The kernel stops its thread, but its list registers stay.
                self.with_gic(|gic, _| gic.cpu_off(cpu));
            }
            5 => {
                self.with_gic(|gic, _| gic.pulse(cpu, intid));
            }
            6 => {
                let lr = script.below(LIST_REGS + 2);
                self.with_gic(|gic, hardware| end(gic, hardware, cpu, lr));
            }
            7 => {
                self.with_gic(|gic, _| gic.refused(cpu, script.byte()));
            }
            8..=10 => {
                let level = script.chance(2);
                self.with_gic(|gic, _| gic.set_level(cpu, intid, level));
            }
            11 if script.chance(8) => self.reset(),
            _ => {
                let refuse = script.byte();
                self.with_gic(|gic, hardware| refill(gic, hardware, cpu, refuse));
            }
        }
        self.serve();
    }

    fn type_in(&mut self, bytes: &[u8]) {
        for (_, model) in self.bus.devices_mut() {
            if let Model::Uart(uart) = model {
                let room = uart.rx_room();
                let taken = bytes.iter().filter(|byte| uart.push_rx(**byte).is_ok());
                assert_eq!(taken.count(), room.min(bytes.len()), "room that is none");
            }
        }
    }

    fn reset(&mut self) {
        self.with_gic(|gic, _| gic.reset());
        for (_, model) in self.bus.devices_mut() {
            if let Model::Virtio(transport) = model {
                transport.reset();
            }
        }
    }
}

/// The guest ends what is in a list register.
fn end(gic: &mut Vgic, hardware: &mut Hardware, cpu: usize, lr: usize) {
    let held = hardware.get_mut(cpu).and_then(|lrs| lrs.get_mut(lr));
    let held = held.and_then(Option::take);
    let ended = gic.end_of_interrupt(cpu, lr);
    // What the distributor believes to be there is there, unless it gave it up.
    assert!(ended.is_none() || ended == held, "{ended:?} is {held:?}");
}

/// Whether the distributor says that an interrupt is in a list register or active.
fn is_active(gic: &mut Vgic, cpu: usize, intid: u16) -> bool {
    let at = 0x300 + u64::from(intid / 32) * 4;
    let word = gic.read(Access::new(at, Width::Word).by(cpu)).unwrap_or(0);
    word >> (intid % 32) & 1 != 0
}

/// The list registers of a vCPU are filled, unless the kernel refuses.
fn refill(gic: &mut Vgic, hardware: &mut Hardware, cpu: usize, refuse: u8) {
    let mut written = 0;
    while let Some(injection) = gic.next_injection(cpu) {
        assert!(cpu < gic.cpus(), "there is no vCPU {cpu}");
        written += 1;
        assert!(written <= 2 * LIST_REGS, "list registers without end");
        let Injection { lr, virq, .. } = injection;
        assert!(usize::from(lr) < LIST_REGS && virq < 1020, "{injection:?}");
        assert!(injection.priority < 32 && injection.group < 2);
        // One bit per write: some of them the kernel refuses.
        if refuse & 0x80 != 0 && refuse >> (written % 7) & 1 != 0 {
            gic.refused(cpu, lr);
            continue;
        }
        take(gic, hardware, cpu, injection);
    }
}

/// The hardware takes an interrupt into a list register, which may not hold another one.
fn take(gic: &mut Vgic, hardware: &mut Hardware, cpu: usize, injection: Injection) {
    let (lr, virq) = (usize::from(injection.lr), injection.virq);
    let Some(held) = hardware[cpu][lr].replace(virq) else {
        return forget(hardware, cpu, lr, virq);
    };
    let given_up = held >= FILLERS || held == virq || !is_active(gic, cpu, held);
    assert!(given_up, "{held} was overwritten by {virq}");
    forget(hardware, cpu, lr, virq);
}

/// Other list registers that once held `virq` are stale: the distributor gave them up.
fn forget(hardware: &mut Hardware, cpu: usize, lr: usize, virq: u16) {
    for (owner, lrs) in hardware.iter_mut().enumerate() {
        for (at, held) in lrs.iter_mut().enumerate() {
            let other = (owner, at) != (cpu, lr) && (virq >= 32 || owner == cpu);
            if other && *held == Some(virq) {
                *held = None;
            }
        }
    }
}

/// Drives all devices of a guest, by the bus and by themselves.
///
/// # Panics
/// If anybody gets away with anything.
pub fn run(bytes: &[u8]) {
    fake::scoped(|| {
        let mut script = Script::new(bytes);
        let mut machine = Machine::new(&mut script);
        while script.goes_on() {
            let kind = script.byte();
            let vcpu = script.below(CPUS + 1);
            match kind % 8 {
                0..=3 => {
                    let window = WINDOWS[usize::from(kind >> 3 & 3)];
                    let offset = u64::from(script.half());
                    let tame = if kind & 0x20 == 0 {
                        offset & 0xffc
                    } else {
                        offset
                    };
                    let width = if kind & 0x40 == 0 { 2 } else { script.byte() };
                    let width = Width::from_sas(u64::from(width));
                    let store = (kind & 1 == 0).then(|| script.odd());
                    machine.access(window.base + tame, width, vcpu, store);
                }
                4 => {
                    let width = Width::from_sas(u64::from(script.byte()));
                    let (gpa, value) = (script.odd(), script.odd());
                    machine.access(gpa, width, vcpu, (kind & 8 != 0).then_some(value));
                }
                5 if kind & 0x80 != 0 => machine.let_interrupts_through(&mut script),
                5 => alone(&mut machine, &mut script, usize::from(kind >> 3)),
                _ => machine.surroundings(&mut script),
            }
        }
    });
}

/// A device by itself, held against what all devices promise.
fn alone(machine: &mut Machine, script: &mut Script<'_>, which: usize) {
    let steps = script.bytes(8 * fuzz::STEP);
    let size = WINDOWS[which % WINDOWS.len()].size;
    let found = machine.bus.devices_mut().nth(which % WINDOWS.len());
    let Some((_, model)) = found else {
        return;
    };
    let broken = fuzz::drive(model, size, steps, |_, _| {});
    assert!(broken.is_ok(), "{broken:?}");
    machine.serve();
}
