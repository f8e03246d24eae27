// SPDX-License-Identifier: BSD-2-Clause
//! A system from a distribution: capability spaces and address spaces are walked as the kernel does.

use std::collections::{BTreeMap, BTreeSet};

use super::{Channel, Held, Irq, Mapping, ObjectInfo, Role, System, Thread, Time, monitor};
use crate::spec::{Cap, Content, Data, Frame, Object, Slot, Spec, Tcb, tcb_slot};

impl System {
    /// Reads a distribution. What is broken in it is listed in [`System::defects`].
    #[must_use]
    pub fn from_spec(spec: &Spec) -> Self {
        let mut reader = Reader {
            spec,
            defects: Vec::new(),
        };
        let mut threads: Vec<Thread> = spec
            .objects
            .iter()
            .enumerate()
            .filter_map(|(index, object)| match &object.object {
                Object::Tcb(tcb) => Some(reader.thread(index, tcb)),
                _ => None,
            })
            .collect();
        let mut objects = objects(spec);
        mark_passive(&mut threads);
        let missing = monitor::missing(&mut threads, &mut objects);
        threads.extend(missing);
        threads.sort_by(|a, b| a.name.cmp(&b.name));
        let irqs = spec
            .irqs
            .iter()
            .map(|entry| reader.irq(entry.irq, entry.handler))
            .collect();
        reader.check_slots();
        reader.check_names();
        let schedule = spec.domain_schedule.iter().flatten();
        Self {
            objects,
            threads,
            irqs,
            domains: schedule
                .map(|entry| (entry.domain, entry.duration))
                .collect(),
            defects: reader.defects,
        }
    }
}

struct Reader<'a> {
    spec: &'a Spec,
    defects: Vec<String>,
}

/// Bits of a capability address, and of a virtual address that page tables translate.
const WORD: u32 = 64;
const PAGE_BITS: u32 = 12;

impl Reader<'_> {
    fn thread(&mut self, index: usize, tcb: &Tcb) -> Thread {
        let name = self.spec.name(index);
        let bound = |slot| tcb.slots.iter().find(|s| s.slot == slot).map(|s| s.cap);
        let vspace = bound(tcb_slot::VSPACE).map(|cap| cap.object());
        let fault = bound(tcb_slot::FAULT_EP).and_then(channel);
        let vcpu = bound(tcb_slot::VCPU).map(|cap| cap.object());
        let mut thread = Thread {
            name: name.strip_prefix("tcb_").unwrap_or(&name).to_owned(),
            role: role(vcpu.is_some(), fault.is_some()),
            tcb: index,
            vspace,
            tables: Vec::new(),
            caps: Vec::new(),
            mappings: Vec::new(),
            fault,
            bound: bound(tcb_slot::NOTIFICATION).and_then(channel),
            vcpu,
            ipc_buffer: bound(tcb_slot::IPC_BUFFER).map(|cap| cap.object()),
            ipc_buffer_vaddr: tcb.extra.ipc_buffer_addr,
            time: bound(tcb_slot::SCHED_CONTEXT).and_then(|cap| self.time(cap.object())),
            priority: tcb.extra.prio,
            max_priority: tcb.extra.max_prio,
            core: tcb.extra.affinity,
            domain: tcb.extra.domain.unwrap_or(0),
            passive: false,
            starts: tcb.extra.resume,
            entry: tcb.extra.ip,
            stack: tcb.extra.sp,
        };
        self.walk(&mut thread, bound(tcb_slot::CSPACE));
        thread
    }

    /// Adds what is in a thread's spaces.
    fn walk(&mut self, thread: &mut Thread, cspace: Option<Cap>) {
        let name = thread.name.clone();
        match cspace {
            Some(cap) => self.cspace(thread, &cap, Position::default()),
            None => self.defects.push(format!("{name} has no capability space")),
        }
        match thread.vspace {
            Some(root) => self.vspace(thread, root, 1, 0),
            None => self.defects.push(format!("{name} has no address space")),
        }
        thread.caps.sort_by_key(|held| held.cptr);
        thread.mappings.sort_by_key(|mapping| mapping.vaddr);
    }

    fn note(&mut self, name: &str, what: &str) {
        self.defects.push(format!("{name}: {what}"));
    }

    fn time(&mut self, object: usize) -> Option<Time> {
        match &self.spec.objects.get(object)?.object {
            Object::SchedContext(context) => Some(Time {
                object,
                budget: context.extra.budget,
                period: context.extra.period,
                badge: context.extra.badge,
            }),
            _ => None,
        }
    }

    /// Adds what the table that `cap` designates holds, as the kernel resolves addresses: guard, then
    /// the index.
    fn cspace(&mut self, thread: &mut Thread, cap: &Cap, above: Position) {
        let Cap::CNode {
            object,
            guard,
            guard_size,
        } = *cap
        else {
            return self.note(&thread.name, "no table where one belongs");
        };
        let Some(Object::CNode(cnode)) = self.spec.resolve(cap) else {
            return; // reported by `check_slots`
        };
        if thread.tables.contains(&object) {
            return self.note(&self.spec.name(object), "is reached twice");
        }
        thread.tables.push(object);
        let Some(guarded) = above.append(guard, guard_size.into()) else {
            return self.note(&thread.name, "addresses too long");
        };
        for slot in &cnode.slots {
            let Some(place) = guarded.append(slot.slot.into(), cnode.size_bits.into()) else {
                let what = format!("slot {} cannot be addressed", slot.slot);
                self.note(&self.spec.name(object), &what);
                continue;
            };
            if matches!(slot.cap, Cap::CNode { .. }) && place.bits < WORD {
                self.cspace(thread, &slot.cap, place);
            } else {
                thread.caps.push(held(place.cptr(), &slot.cap));
            }
        }
    }

    /// Adds the pages below a table of `level`, whose first address is `base`.
    fn vspace(&mut self, thread: &mut Thread, table: usize, level: u8, base: u64) {
        let Some(Object::PageTable(contents)) = self.spec.objects.get(table).map(|o| &o.object)
        else {
            return;
        };
        let name = self.spec.name(table);
        if thread.tables.contains(&table) {
            return self
                .defects
                .push(format!("{}: reaches {name} twice", thread.name));
        }
        thread.tables.push(table);
        if contents.level != Some(level) || contents.is_root != (level == 1) {
            self.defects
                .push(format!("{name}: not a table of level {level}"));
        }
        let bits = PAGE_BITS + 9 * u32::from(3 - level);
        for slot in &contents.slots {
            let vaddr = base + (u64::from(slot.slot) << bits);
            match (&slot.cap, self.spec.resolve(&slot.cap)) {
                (Cap::PageTable { object }, Some(_)) if level < 3 => {
                    self.vspace(thread, *object, level + 1, vaddr);
                }
                (Cap::Frame { .. }, Some(Object::Frame(frame)))
                    if u32::from(frame.size_bits) == bits =>
                {
                    thread.mappings.push(mapping(vaddr, slot, frame));
                }
                _ => {
                    let what = self.spec.name(slot.cap.object());
                    let at = slot.slot;
                    self.defects
                        .push(format!("{name}: slot {at}: {what} does not fit there"));
                }
            }
        }
    }

    fn irq(&mut self, number: u64, object: usize) -> Irq {
        let info = match self.spec.objects.get(object).map(|o| &o.object) {
            Some(Object::ArmIrq(irq)) => Some(irq),
            _ => {
                self.defects
                    .push(format!("interrupt {number} has no object"));
                None
            }
        };
        Irq {
            number,
            object,
            notification: info.and_then(|irq| channel(irq.slots.first()?.cap)),
            edge: info.is_some_and(|irq| irq.extra.trigger != 0),
            core: info.map_or(0, |irq| irq.extra.target),
        }
    }

    /// Every slot exists, is filled once, and leads to an object of the right kind.
    fn check_slots(&mut self) {
        for (index, object) in self.spec.objects.iter().enumerate() {
            let (name, capacity) = (self.spec.name(index), object.object.capacity());
            let mut filled = BTreeSet::new();
            for slot in object.object.slots() {
                let at = slot.slot;
                if at >= capacity {
                    self.defects.push(format!(
                        "{name}: slot {at} of {capacity}: the kernel would take slot {} instead",
                        at % capacity.max(1)
                    ));
                }
                if !filled.insert(at) {
                    self.defects
                        .push(format!("{name}: slot {at} is filled twice"));
                }
                if self.spec.resolve(&slot.cap).is_none() {
                    let (kind, what) = (slot.cap.kind(), self.spec.name(slot.cap.object()));
                    self.defects.push(format!(
                        "{name}: slot {at} should lead to a {kind:?}, but to {what}"
                    ));
                }
            }
        }
    }

    fn check_names(&mut self) {
        let mut seen = BTreeMap::new();
        for (index, object) in self.spec.objects.iter().enumerate() {
            match &object.name {
                None => self.defects.push(format!("object {index} has no name")),
                Some(name) => *seen.entry(name).or_insert(0) += 1,
            }
        }
        let twice = seen.iter().filter(|(_, count)| **count > 1);
        self.defects
            .extend(twice.map(|(name, _)| format!("{name} is the name of several objects")));
    }
}

/// Bits of a capability address, from the top.
#[derive(Clone, Copy, Default)]
struct Position {
    value: u64,
    bits: u32,
}

impl Position {
    /// With `bits` more, if `value` fits and the address does not get too long.
    fn append(self, value: u64, bits: u32) -> Option<Self> {
        let total = self.bits.checked_add(bits).filter(|total| *total <= WORD)?;
        let shifted = self.value.checked_shl(bits).unwrap_or(0);
        let fits = bits == WORD || value >> bits == 0;
        fits.then_some(Self {
            value: shifted | value,
            bits: total,
        })
    }

    /// The address whose remaining bits are zero.
    fn cptr(self) -> u64 {
        self.value.checked_shl(WORD - self.bits).unwrap_or(0)
    }
}

fn objects(spec: &Spec) -> Vec<ObjectInfo> {
    let object = |index| ObjectInfo {
        name: spec.name(index),
        kind: spec.objects[index].object.kind(),
    };
    (0..spec.objects.len()).map(object).collect()
}

/// The monitor has the time of those from whom it takes it.
fn mark_passive(threads: &mut [Thread]) {
    let monitors = threads.iter().filter(|thread| thread.role == Role::Monitor);
    let held: BTreeSet<usize> = monitors
        .flat_map(|m| &m.caps)
        .map(|held| held.object)
        .collect();
    for thread in threads.iter_mut().filter(|thread| thread.role == Role::Pd) {
        thread.passive = thread.time.is_some_and(|time| held.contains(&time.object));
    }
}

fn role(has_vcpu: bool, has_handler: bool) -> Role {
    match (has_vcpu, has_handler) {
        (true, _) => Role::Vcpu,
        (false, true) => Role::Pd,
        (false, false) => Role::Monitor,
    }
}

fn channel(cap: Cap) -> Option<Channel> {
    match cap {
        Cap::Endpoint {
            object,
            badge,
            rights,
        }
        | Cap::Notification {
            object,
            badge,
            rights,
        } => Some(Channel {
            object,
            badge,
            rights,
        }),
        _ => None,
    }
}

fn held(cptr: u64, cap: &Cap) -> Held {
    let (badge, rights) = match cap {
        Cap::Endpoint { badge, rights, .. } | Cap::Notification { badge, rights, .. } => {
            (*badge, *rights)
        }
        Cap::Frame { rights, .. } => (0, *rights),
        _ => (0, crate::spec::Rights::default()),
    };
    Held {
        cptr,
        object: cap.object(),
        kind: cap.kind(),
        badge,
        rights,
    }
}

fn mapping(vaddr: u64, slot: &Slot, frame: &Frame) -> Mapping {
    let (rights, cached, executable) = match slot.cap {
        Cap::Frame {
            rights,
            cached,
            executable,
            ..
        } => (rights, cached, executable),
        _ => Default::default(),
    };
    let programs = frame
        .init
        .entries
        .iter()
        .filter_map(|entry| match &entry.content {
            Content::Data(Data::ElfContent(content)) => Some(content.elf_id),
            _ => None,
        });
    Mapping {
        vaddr,
        size: 1 << frame.size_bits,
        paddr: frame.paddr,
        frame: slot.cap.object(),
        program: programs.min(),
        read: rights.read,
        // Write-only pages are not accessible at all (sel4-abi.md 8).
        write: rights.read && rights.write,
        execute: rights.read && executable,
        cached,
    }
}
