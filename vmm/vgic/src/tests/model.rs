// SPDX-License-Identifier: BSD-2-Clause
//! The distributor and its scheduler against a model that is slow, obvious, and knows the state of
//! the list registers, which the crate under test does not.

use std::collections::BTreeMap;

use bus::{Access, Device, Width};
use proptest::prelude::*;

use crate::{Injection, LIST_REGS, Vgic};

const CPUS: usize = 2;
/// Interrupts that the actions use: two SGIs, the timer, and some SPIs over two words.
const INTIDS: [u16; 9] = [0, 5, 27, 32, 33, 47, 63, 64, 70];

/// What the hardware has in a list register.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lr {
    Invalid,
    Pending(u16, u8),
    Active(u16, u8),
}

#[derive(Clone, Debug, Default)]
struct Irq {
    enabled: bool,
    latch: bool,
    line: bool,
    edge: bool,
    active: bool,
    in_lr: bool,
    priority: u8,
    target: u8,
    sources: [bool; CPUS],
}

impl Irq {
    fn pending(&self) -> bool {
        self.latch || (self.line && !self.edge) || self.sources.contains(&true)
    }
}

/// A private interrupt is known by its CPU, a shared one by CPU 0.
type Key = (usize, u16);

fn key(cpu: usize, intid: u16) -> Key {
    (if intid < 32 { cpu } else { 0 }, intid)
}

struct Model {
    on: bool,
    irqs: BTreeMap<Key, Irq>,
    /// What the distributor has put where and not given up.
    owned: [[Option<u16>; LIST_REGS]; CPUS],
    hardware: [[Lr; LIST_REGS]; CPUS],
}

#[derive(Clone, Debug)]
enum Action {
    Control(bool),
    Enable(usize, u16, bool),
    Pend(usize, u16, bool),
    Activate(usize, u16),
    Deactivate(usize, u16),
    Priority(usize, u16, u8),
    Target(u16, u8),
    Edge(u16, bool),
    Sgi(usize, u16, u8),
    Line(usize, u16, bool),
    Pulse(usize, u16),
    Inject(usize),
    Acknowledge(usize),
    Eoi(usize),
}

fn action() -> impl Strategy<Value = Action> {
    let cpu = 0..CPUS;
    let intid = || proptest::sample::select(&INTIDS[..]);
    let input = || proptest::sample::select(&INTIDS[2..]);
    let spi = || proptest::sample::select(&INTIDS[3..]);
    prop_oneof![
        1 => any::<bool>().prop_map(Action::Control),
        6 => (cpu.clone(), input(), any::<bool>()).prop_map(|(c, i, b)| Action::Enable(c, i, b)),
        2 => (cpu.clone(), intid(), any::<bool>()).prop_map(|(c, i, b)| Action::Pend(c, i, b)),
        1 => (cpu.clone(), intid()).prop_map(|(c, i)| Action::Activate(c, i)),
        1 => (cpu.clone(), intid()).prop_map(|(c, i)| Action::Deactivate(c, i)),
        4 => (cpu.clone(), intid(), any::<u8>()).prop_map(|(c, i, p)| Action::Priority(c, i, p)),
        2 => (spi(), 0_u8..4).prop_map(|(i, t)| Action::Target(i, t)),
        1 => (spi(), any::<bool>()).prop_map(|(i, b)| Action::Edge(i, b)),
        2 => (cpu.clone(), 0_u16..6, 0_u8..4).prop_map(|(c, i, t)| Action::Sgi(c, i, t)),
        6 => (cpu.clone(), input(), any::<bool>()).prop_map(|(c, i, b)| Action::Line(c, i, b)),
        3 => (cpu.clone(), input()).prop_map(|(c, i)| Action::Pulse(c, i)),
        6 => cpu.clone().prop_map(Action::Inject),
        6 => cpu.clone().prop_map(Action::Acknowledge),
        5 => cpu.prop_map(Action::Eoi),
    ]
}

impl Model {
    fn new() -> Self {
        let mut irqs: BTreeMap<Key, Irq> = BTreeMap::new();
        for intid in INTIDS.into_iter().chain(0..6) {
            for cpu in 0..CPUS {
                let sgi = intid < 16;
                let irq = Irq {
                    enabled: sgi,
                    edge: sgi,
                    ..Irq::default()
                };
                irqs.insert(key(cpu, intid), irq);
            }
        }
        Self {
            on: false,
            irqs,
            owned: [[None; LIST_REGS]; CPUS],
            hardware: [[Lr::Invalid; LIST_REGS]; CPUS],
        }
    }

    fn irq(&mut self, cpu: usize, intid: u16) -> &mut Irq {
        self.irqs.get_mut(&key(cpu, intid)).unwrap()
    }

    /// Priority and number of the interrupt that has to go next, and to which register it could.
    fn next(&self, cpu: usize) -> Option<(u8, u16)> {
        let best = self
            .irqs
            .iter()
            .filter(|((owner, intid), irq)| {
                let here = if *intid < 32 {
                    *owner == cpu
                } else {
                    irq.target != 0 && irq.target.trailing_zeros() as usize == cpu
                };
                here && self.on && irq.enabled && irq.pending() && !irq.in_lr && !irq.active
            })
            .map(|((_, intid), irq)| (irq.priority >> 3, *intid))
            .min()?;
        let owned: Vec<u16> = self.owned[cpu].iter().flatten().copied().collect();
        let outranks = self.hardware[cpu].iter().all(|lr| match lr {
            Lr::Pending(intid, priority) | Lr::Active(intid, priority) => {
                best.0 < *priority || !owned.contains(intid)
            }
            Lr::Invalid => true,
        });
        match LIST_REGS - owned.len() {
            0 => None,
            1 if !outranks => None,
            _ => Some(best),
        }
    }

    /// The distributor writes a list register: is it allowed to, and is it the right one?
    fn inject(&mut self, cpu: usize, injection: Injection) {
        let lr = usize::from(injection.lr);
        assert_eq!(self.owned[cpu][lr], None, "overwrote a live list register");
        let expected = self.next(cpu);
        if injection.virq >= 1016 {
            assert_eq!(expected, None, "a filler went before an interrupt");
            assert_eq!(injection.priority, 31);
            self.hardware[cpu][lr] = Lr::Pending(injection.virq, 31);
            return;
        }
        assert_eq!(expected, Some((injection.priority, injection.virq)));
        let doubled = self.hardware.iter().enumerate().any(|(other, lrs)| {
            lrs.iter().enumerate().any(|(at, held)| match held {
                Lr::Pending(intid, _) | Lr::Active(intid, _) => {
                    *intid == injection.virq
                        && (other, at) != (cpu, lr)
                        && (injection.virq >= 32 || other == cpu)
                        && self.owned[other][at] == Some(*intid)
                }
                Lr::Invalid => false,
            })
        });
        assert!(!doubled, "{} is in two list registers", injection.virq);
        self.hardware[cpu][lr] = Lr::Pending(injection.virq, injection.priority);
        self.owned[cpu][lr] = Some(injection.virq);
        let irq = self.irq(cpu, injection.virq);
        irq.in_lr = true;
        irq.latch = false;
        if let Some(source) = irq.sources.iter_mut().find(|source| **source) {
            *source = false;
        }
    }

    /// The guest acknowledges its most urgent interrupt, if that preempts what it is serving. One
    /// at the lowest priority is masked by any GICC_PMR a guest uses.
    fn acknowledge(&mut self, cpu: usize) -> Option<u16> {
        let running = self.hardware[cpu]
            .iter()
            .filter_map(|lr| match lr {
                Lr::Active(_, priority) => Some(*priority),
                _ => None,
            })
            .min()
            .unwrap_or(31);
        let best = self.hardware[cpu]
            .iter_mut()
            .filter(|lr| matches!(lr, Lr::Pending(_, priority) if *priority < running))
            .min_by_key(|lr| match lr {
                Lr::Pending(_, priority) => *priority,
                _ => u8::MAX,
            })?;
        let Lr::Pending(intid, priority) = *best else {
            return None;
        };
        *best = Lr::Active(intid, priority);
        Some(intid)
    }

    /// The guest ends its most urgent active interrupt; maintenance reports the register.
    fn eoi(&mut self, cpu: usize, vgic: &mut Vgic) {
        let Some(lr) = (0..LIST_REGS)
            .filter(|lr| matches!(self.hardware[cpu][*lr], Lr::Active(..)))
            .min_by_key(|lr| match self.hardware[cpu][*lr] {
                Lr::Active(_, priority) => priority,
                _ => u8::MAX,
            })
        else {
            return;
        };
        self.hardware[cpu][lr] = Lr::Invalid;
        let intid = self.owned[cpu][lr].take();
        assert_eq!(vgic.end_of_interrupt(cpu, lr), intid);
        if let Some(intid) = intid {
            self.irq(cpu, intid).in_lr = false;
        }
    }

    fn deactivate(&mut self, cpu: usize, intid: u16) {
        let irq = self.irq(cpu, intid);
        irq.active = false;
        irq.in_lr = false;
        for (owner, lrs) in self.owned.iter_mut().enumerate() {
            for lr in lrs.iter_mut() {
                if *lr == Some(intid) && (intid >= 32 || owner == cpu) {
                    *lr = None;
                }
            }
        }
    }

    /// Every register the model knows must read as it says.
    fn compare(&self, vgic: &mut Vgic) {
        for ((cpu, intid), irq) in &self.irqs {
            let mut bit = |block: u64| {
                let at = Access::new(block + u64::from(intid / 32) * 4, Width::Word).by(*cpu);
                vgic.read(at).unwrap() >> (intid % 32) & 1 == 1
            };
            assert_eq!(bit(0x100), irq.enabled, "enabled {intid}");
            assert_eq!(bit(0x280), irq.pending(), "pending {intid}");
            assert_eq!(bit(0x300), irq.in_lr || irq.active, "active {intid}");
            let at = Access::new(0x400 + u64::from(*intid), Width::Byte).by(*cpu);
            assert_eq!(vgic.read(at).unwrap(), u64::from(irq.priority));
        }
    }
}

fn write(vgic: &mut Vgic, cpu: usize, at: u64, value: u32) {
    let access = Access::new(at, Width::Word).by(cpu);
    vgic.write(access, value.into()).unwrap();
}

fn write_bit(vgic: &mut Vgic, cpu: usize, block: u64, intid: u16) {
    let at = block + u64::from(intid / 32) * 4;
    write(vgic, cpu, at, 1 << (intid % 32));
}

fn write_byte(vgic: &mut Vgic, cpu: usize, at: u64, value: u8) {
    let access = Access::new(at, Width::Byte).by(cpu);
    vgic.write(access, value.into()).unwrap();
}

fn apply(model: &mut Model, vgic: &mut Vgic, action: &Action) {
    match *action {
        Action::Control(on) => {
            model.on = on;
            write(vgic, 1, 0, on.into());
        }
        Action::Enable(cpu, intid, on) => {
            model.irq(cpu, intid).enabled = on;
            write_bit(vgic, cpu, if on { 0x100 } else { 0x180 }, intid);
        }
        Action::Pend(cpu, intid, on) => {
            if intid >= 16 {
                model.irq(cpu, intid).latch = on;
            }
            write_bit(vgic, cpu, if on { 0x200 } else { 0x280 }, intid);
        }
        Action::Activate(cpu, intid) => {
            let irq = model.irq(cpu, intid);
            irq.active |= !irq.in_lr;
            write_bit(vgic, cpu, 0x300, intid);
        }
        Action::Deactivate(cpu, intid) => {
            model.deactivate(cpu, intid);
            write_bit(vgic, cpu, 0x380, intid);
        }
        Action::Priority(cpu, intid, priority) => {
            // A level that every GICC_PMR masks would never be acknowledged.
            let priority = priority & 0xf0;
            model.irq(cpu, intid).priority = priority;
            write_byte(vgic, cpu, 0x400 + u64::from(intid), priority);
        }
        Action::Target(intid, target) => {
            model.irq(0, intid).target = target;
            write_byte(vgic, 1, 0x800 + u64::from(intid), target);
        }
        Action::Edge(intid, edge) => configure(model, vgic, intid, edge),
        Action::Sgi(cpu, intid, targets) => {
            for target in (0..CPUS).filter(|target| targets & 1 << target != 0) {
                model.irq(target, intid).sources[cpu] = true;
            }
            write(
                vgic,
                cpu,
                0xf00,
                u32::from(targets) << 16 | u32::from(intid),
            );
        }
        Action::Line(cpu, intid, level) => {
            let irq = model.irq(cpu, intid);
            irq.latch |= irq.edge && level && !irq.line;
            irq.line = level;
            vgic.set_level(cpu, intid, level);
        }
        Action::Pulse(cpu, intid) => {
            model.irq(cpu, intid).latch = true;
            vgic.pulse(cpu, intid);
        }
        Action::Inject(cpu) => inject_all(model, vgic, cpu),
        Action::Acknowledge(cpu) => drop(model.acknowledge(cpu)),
        Action::Eoi(cpu) => model.eoi(cpu, vgic),
    }
}

fn configure(model: &mut Model, vgic: &mut Vgic, intid: u16, edge: bool) {
    model.irq(0, intid).edge = edge;
    let at = 0xc00 + u64::from(intid / 16) * 4;
    let shift = intid % 16 * 2 + 1;
    let word = vgic.read(Access::new(at, Width::Word)).unwrap();
    let word = u32::try_from(word).unwrap();
    let word = word & !(1 << shift) | u32::from(edge) << shift;
    write(vgic, 0, at, word);
}

fn inject_all(model: &mut Model, vgic: &mut Vgic, cpu: usize) {
    while let Some(injection) = vgic.next_injection(cpu) {
        model.inject(cpu, injection);
    }
    assert_eq!(model.next(cpu), None, "something deliverable was left out");
}

/// Lets the guest serve everything; devices drop their line when served.
fn drain(model: &mut Model, vgic: &mut Vgic) {
    apply(model, vgic, &Action::Control(true));
    for intid in INTIDS.into_iter().chain(0..6) {
        for cpu in 0..CPUS {
            if intid >= 16 {
                apply(model, vgic, &Action::Enable(cpu, intid, true));
            }
            let held = model.irq(cpu, intid).active;
            if held {
                apply(model, vgic, &Action::Deactivate(cpu, intid));
            }
        }
        if intid >= 32 {
            apply(model, vgic, &Action::Target(intid, 2));
        }
    }
    for _ in 0..400 {
        for cpu in 0..CPUS {
            inject_all(model, vgic, cpu);
            if let Some(intid) = model.acknowledge(cpu)
                && intid >= 16
            {
                apply(model, vgic, &Action::Line(cpu, intid, false));
            }
            model.eoi(cpu, vgic);
        }
    }
    for (key, irq) in &model.irqs {
        assert!(!irq.pending() && !irq.in_lr, "{key:?} was lost: {irq:?}");
    }
}

proptest! {
    // Shows BH-20.
    #[test]
    fn agrees_with_the_model(actions in proptest::collection::vec(action(), 1..150)) {
        let mut vgic = Vgic::new(CPUS);
        vgic.cpu_on(1);
        let mut model = Model::new();
        for action in &actions {
            apply(&mut model, &mut vgic, action);
            model.compare(&mut vgic);
        }
        drain(&mut model, &mut vgic);
    }
}
