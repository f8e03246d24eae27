// SPDX-License-Identifier: BSD-2-Clause
//! Small payloads, read.

use super::*;

fn table() -> dev::Table {
    dev::Table {
        offset: 0.into(),
        count: 0.into(),
    }
}

fn header() -> dev::Header {
    dev::Header {
        magic: dev::MAGIC,
        version: dev::VERSION.into(),
        crc32: 0.into(),
        label_set: 0.into(),
        total_size: 0.into(),
        monitor_endpoint: 1.into(),
        endpoints: 2.into(),
        notifications: 1.into(),
        replies: 1.into(),
        vcpus: 0.into(),
        domain_start: 0.into(),
        reserved: 0.into(),
        loads: table(),
        vspaces: table(),
        mappings: table(),
        tcbs: table(),
        sched_contexts: table(),
        irqs: table(),
        cspaces: table(),
        slots: table(),
        domains: table(),
    }
}

fn tcb(name: u8, space: u32, flags: u32) -> dev::Tcb {
    let mut label = [0; dev::MAX_NAME];
    label[0] = name;
    dev::Tcb {
        name: label,
        entry: 0x20_0000.into(),
        sp: 0x80_0000.into(),
        spsr: 0.into(),
        ipc_buffer_vaddr: 0x5000.into(),
        ipc_buffer_paddr: 0x7000_1000.into(),
        stack_bottom: 0.into(),
        fault_badge: u64::from(space + 1).into(),
        fault_endpoint: 1.into(),
        vspace: space.into(),
        cspace: space.into(),
        sched_context: space.into(),
        notification: if space == 0 { 0 } else { NONE }.into(),
        vcpu: NONE.into(),
        priority: 100.into(),
        mcp: 101.into(),
        domain: 0.into(),
        flags: flags.into(),
        start_order: 0.into(),
        reserved: 0.into(),
    }
}

fn map(vaddr: u64, paddr: u64, size: u64, flags: u64) -> dev::Mapping {
    dev::Mapping {
        vaddr: vaddr.into(),
        paddr: paddr.into(),
        size: size.into(),
        flags: flags.into(),
    }
}

fn slot(index: u32, kind: u32, rights: u32, object: u32, badge: u64) -> dev::Slot {
    dev::Slot {
        index: index.into(),
        kind: kind.into(),
        rights: rights.into(),
        object: object.into(),
        badge: badge.into(),
    }
}

fn cspace(first: u32, count: u32, roots: u32) -> dev::CSpace {
    dev::CSpace {
        kind: dev::CSPACE_PD.into(),
        first_slot: first.into(),
        count: count.into(),
        first_root_slot: (first + count).into(),
        root_count: roots.into(),
        reserved: 0.into(),
    }
}

fn vspace(first: u32, count: u32) -> dev::VSpace {
    dev::VSpace {
        first_mapping: first.into(),
        count: count.into(),
    }
}

fn time(budget: u64, badge: u64) -> dev::SchedContext {
    dev::SchedContext {
        budget_us: budget.into(),
        period_us: 1000.into(),
        badge: badge.into(),
    }
}

fn irq(number: u32, trigger: u32, notification: u32) -> dev::Irq {
    dev::Irq {
        irq: number.into(),
        trigger: trigger.into(),
        notification: notification.into(),
        reserved: 0.into(),
        badge: 4.into(),
    }
}

/// Two threads, `a` and `b`: the second page of `a` is that of `b`, and `a` may signal itself.
fn with_sample(judge: impl FnOnce(&System)) {
    let image = Image {
        bytes: &[],
        header: &header(),
        loads: &[],
        vspaces: &[vspace(0, 1), vspace(1, 1)],
        mappings: &[
            map(0x1000, 0x7000_0000, 0x2000, dev::MAP_READ | dev::MAP_WRITE),
            map(
                0x5000,
                0x7000_1000,
                0x1000,
                dev::MAP_READ | dev::MAP_EXECUTE | dev::MAP_CACHED,
            ),
        ],
        tcbs: &[
            tcb(b'a', 0, dev::TCB_RESUME),
            tcb(b'b', 1, dev::TCB_PASSIVE),
        ],
        sched_contexts: &[time(100, 7), time(100, 8)],
        irqs: &[irq(33, dev::TRIGGER_EDGE, 0)],
        cspaces: &[cspace(0, 2, 1), cspace(3, 0, 0)],
        slots: &[
            slot(4, dev::CAP_REPLY, 0, 0, 0),
            slot(10, dev::CAP_NOTIFICATION, dev::RIGHT_WRITE, 0, 2),
            slot(3, dev::CAP_SCHED_CONTEXT, 0, 1, 0),
        ],
        domains: &[],
    };
    judge(&System::from_payload(&image));
}

#[test]
fn mappings_are_cut_where_others_begin() {
    with_sample(|system| {
        let parts = |thread: usize| -> Vec<_> {
            let mappings = system.threads[thread].mappings.iter();
            mappings
                .map(|m| {
                    (
                        m.vaddr, m.size, m.paddr, m.read, m.write, m.execute, m.cached,
                    )
                })
                .collect()
        };
        assert_eq!(
            parts(0),
            [
                (0x1000, 0x1000, Some(0x7000_0000), true, true, false, false),
                (0x2000, 0x1000, Some(0x7000_1000), true, true, false, false),
            ]
        );
        assert_eq!(
            parts(1),
            [(0x5000, 0x1000, Some(0x7000_1000), true, false, true, true)]
        );
        let [a, b] = [&system.threads[0], &system.threads[1]];
        assert_eq!(a.mappings[1].frame, b.mappings[0].frame);
        assert_ne!(a.mappings[0].frame, b.mappings[0].frame);
        assert_eq!(b.ipc_buffer, Some(b.mappings[0].frame));
    });
}

#[test]
fn threads_hold_what_the_tables_say() {
    with_sample(|system| {
        let [a, b, monitor] = &system.threads[..] else {
            panic!("{:?}", system.threads);
        };
        let held: Vec<_> = a.caps.iter().map(|h| (h.cptr, h.kind, h.badge)).collect();
        let root = 3 << crate::system::cptr::ROOT_SHIFT;
        assert_eq!(
            held,
            [
                (4, Kind::Reply, 0),
                (10, Kind::Notification, 2),
                (root, Kind::SchedContext, 0)
            ]
        );
        let [own, others] = [a, b].map(|thread| thread.time.as_ref().unwrap());
        assert_eq!((own.budget, own.period, own.badge), (100, 1000, 7));
        assert_eq!(a.caps[2].object, others.object);
        assert_eq!(a.bound.as_ref().unwrap().object, a.caps[1].object);
        assert!(b.bound.is_none() && b.caps.is_empty());
        assert_eq!(
            (a.starts, a.passive, b.starts, b.passive),
            (true, false, false, true)
        );
        assert_eq!((a.priority, a.max_priority, a.role), (100, 101, Role::Pd));
        let controlled: Vec<_> = monitor.caps.iter().skip(2).map(|h| h.object).collect();
        assert_eq!(controlled, [a.tcb, b.tcb]);
        let faults = b.fault.as_ref().unwrap();
        assert_eq!((faults.object, faults.badge), (monitor.caps[0].object, 2));
        let irq = &system.irqs[0];
        assert_eq!((irq.number, irq.edge), (33, true));
        assert_eq!(irq.notification.as_ref().unwrap().object, a.caps[1].object);
    });
}

/// A slot of each kind, with rights that differ.
fn one_of_each() -> Vec<dev::Slot> {
    let (read, write) = (dev::RIGHT_READ, dev::RIGHT_WRITE);
    let (grant, reply) = (dev::RIGHT_GRANT, dev::RIGHT_GRANT_REPLY);
    vec![
        slot(1, dev::CAP_ENDPOINT, read, 0, 0),
        slot(2, dev::CAP_ENDPOINT, write | reply, 1, 5),
        slot(4, dev::CAP_REPLY, 0, 0, 0),
        slot(11, dev::CAP_NOTIFICATION, write | grant, 1, 2),
        slot(138, dev::CAP_IRQ, 0, 1, 0),
        slot(202, dev::CAP_TCB, 0, 2, 0),
        slot(330, dev::CAP_VCPU, 0, 0, 0),
        slot(3, dev::CAP_VSPACE, 0, 0, 0),
        slot(7, dev::CAP_SMC, 0, 0, 0),
        slot(9, 99, 0, 0, 0),
        slot(5, dev::CAP_SCHED_CONTEXT, 0, 1, 0),
    ]
}

/// A protection domain that has everything, a passive one without notification, and a guest: the page
/// in the middle of the first one's memory is the second one's, too, and of another it can only write.
#[test]
fn a_payload_is_read_as_recorded() {
    let (read, write) = (dev::MAP_READ, dev::MAP_WRITE);
    let mut guest = tcb(b'g', 2, 0);
    guest.vcpu = 0.into();
    guest.domain = 3.into();
    guest.ipc_buffer_paddr = 0.into();
    guest.fault_endpoint = 0.into();
    let mut passive = tcb(b'b', 1, dev::TCB_PASSIVE);
    passive.fault_endpoint = NONE.into();
    passive.sched_context = NONE.into();
    let entry = |domain: u32, ticks: u64| dev::DomainEntry {
        ticks: ticks.into(),
        domain: domain.into(),
        reserved: 0.into(),
    };
    let image = Image {
        bytes: &[],
        header: &header(),
        loads: &[],
        vspaces: &[vspace(0, 2), vspace(2, 1), vspace(3, 1)],
        mappings: &[
            map(0x1000, 0x7000_0000, 0x4000, read | write),
            map(0x9000, 0x7001_0000, 0x1000, write | dev::MAP_EXECUTE),
            map(0x5000, 0x7000_1000, 0x1000, read | dev::MAP_CACHED),
            map(0x4000_0000, 0x7000_2000, 0x1000, read | dev::MAP_EXECUTE),
        ],
        tcbs: &[tcb(b'a', 0, dev::TCB_RESUME), passive, guest],
        sched_contexts: &[time(100, 7), time(200, 8), time(300, 9)],
        irqs: &[irq(33, dev::TRIGGER_EDGE, 0), irq(40, 0, NONE)],
        cspaces: &[cspace(0, 10, 1), cspace(11, 0, 0), cspace(11, 0, 0)],
        slots: &one_of_each(),
        domains: &[entry(0, 5), entry(3, 7), entry(0, 0)],
    };
    let system = serde_json::to_value(System::from_payload(&image)).unwrap();
    crate::tests::recorded::compare("payload.txt", &crate::tests::recorded::rows(&system));
}

#[test]
fn a_kernel_without_monitor_has_none() {
    let mut header = header();
    header.monitor_endpoint = NONE.into();
    let image = Image {
        bytes: &[],
        header: &header,
        loads: &[],
        vspaces: &[vspace(0, 0)],
        mappings: &[],
        tcbs: &[tcb(b'a', 0, dev::TCB_RESUME)],
        sched_contexts: &[time(100, 7)],
        irqs: &[],
        cspaces: &[],
        slots: &[],
        domains: &[],
    };
    let system = System::from_payload(&image);
    assert_eq!(system.threads.len(), 1);
    assert!(system.monitor().is_none() && system.threads[0].caps.is_empty());
}

#[test]
fn a_name_may_fill_its_place() {
    let mut thread = tcb(b'a', 0, 0);
    thread.name = [b'n'; dev::MAX_NAME];
    assert_eq!(name_of(&thread), "n".repeat(dev::MAX_NAME));
}
