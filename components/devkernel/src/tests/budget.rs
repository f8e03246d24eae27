// SPDX-License-Identifier: BSD-2-Clause
//! Budgets: replenishments alone, and threads that are throttled by them.

use super::*;
use crate::refill::Refills;
use proptest::prelude::*;

const MIN: u64 = 20;

// Shows AV-46, BH-09.
#[test]
fn a_thread_gets_its_budget_once_per_period() {
    let spec = standard(&[
        Thread {
            budget: 100,
            period: 1000,
            ..thread(20)
        },
        thread(10),
    ]);
    let mut rig = rig(&spec);
    let mut used = 0;
    for _ in 0..100_000 {
        used += u64::from(rig.running() == Some(0));
        rig.pass(1);
    }
    assert!((9_700..=10_100).contains(&used), "{used}");
}

// Shows BH-09.
#[test]
fn time_spent_waiting_is_not_saved_up() {
    let spec = standard(&[
        Thread {
            budget: 100,
            period: 1000,
            ..thread(20)
        },
        thread(10),
    ]);
    let mut rig = rig(&spec);
    rig.recv();
    rig.pass(10_000);
    let notification = rig.tcbs[id(0)].notification.unwrap();
    rig.update_time();
    rig.signal(notification, 1);
    rig.leave();
    let mut used = 0;
    for _ in 0..990 {
        used += u64::from(rig.running() == Some(0));
        rig.pass(1);
    }
    assert!((70..=100).contains(&used), "{used}");
}

#[test]
fn equal_priorities_share_by_slices() {
    let mut rig = rig(&standard(&[thread(10), thread(10), thread(10)]));
    let mut used = [0_u64; 3];
    for _ in 0..30_000 {
        used[rig.running().unwrap()] += 1;
        rig.pass(1);
    }
    assert!(
        used.iter().all(|ticks| (9_000..=11_000).contains(ticks)),
        "{used:?}"
    );
}

#[test]
fn a_default_thread_alone_is_never_throttled() {
    let mut rig = rig(&standard(&[thread(10)]));
    for _ in 0..10_000 {
        assert_eq!(rig.running(), Some(0));
        rig.pass(1);
    }
}

#[test]
fn yield_passes_the_processor_on() {
    let mut rig = rig(&standard(&[thread(10), thread(10)]));
    let first = rig.running().unwrap();
    rig.svc(YIELD, &[], 0, 0);
    assert_eq!(rig.running(), Some(1 - first));
    rig.svc(YIELD, &[], 0, 0);
    assert_eq!(rig.running(), Some(first));
}

#[test]
fn a_system_call_without_budget_is_repeated_later() {
    let spec = standard(&[Thread {
        budget: 100,
        period: 1000,
        ..thread(10)
    }]);
    let mut rig = rig(&spec);
    rig.machine.time.set(90);
    rig.svc(CALL, &[50, 0], 0, 0);
    assert_eq!((rig.running(), rig.x(0)[1]), (None, 0));
    rig.pass(1_000);
    assert_eq!(rig.running(), Some(0));
    assert_eq!(rig.tcbs[id(0)].context.elr, 0x20_0000);
}

#[test]
fn consumed_time_is_reported_once() {
    let mut spec = standard(&[thread(20), thread(10)]);
    spec.caps.push((0, 1005, devimage::CAP_SCHED_CONTEXT, 1, 0));
    let mut rig = rig(&spec);
    rig.recv();
    rig.pass(300);
    let notification = rig.tcbs[id(0)].notification.unwrap();
    rig.update_time();
    rig.signal(notification, 1);
    rig.leave();
    rig.svc(CALL, &[5 << 58, info(41, 0)], 0, 0);
    assert_eq!(rig.x(0)[..3], [0, 1, 300]);
    rig.svc(CALL, &[5 << 58, info(41, 0)], 0, 0);
    assert_eq!(rig.x(0)[2], 0);
}

#[test]
fn domains_take_turns() {
    let mut spec = standard(&[thread(10), thread(20)]);
    spec.domains = vec![(0, 3000), (1, 1000), (0, 0)];
    let image = image(&spec);
    let mut tcbs = image.tcbs.to_vec();
    tcbs[1].domain = 1.into();
    let image = devimage::Image {
        tcbs: Vec::leak(tcbs),
        ..image
    };
    let mut rig = Kernel::new(Fake::default(), &image, storage(), FREQUENCY).unwrap();
    rig.start();
    let mut used = [0_u64; 2];
    for _ in 0..40_000 {
        used[rig.running().unwrap()] += 1;
        rig.pass(1);
    }
    assert!((9_500..=10_500).contains(&used[1]), "{used:?}");
}

proptest! {
    /// However a context is used, its refills keep their sum, and it never gets more than budget per period.
    #[test]
    fn refills_keep_the_budget(
        budget in MIN..500_u64,
        extra in 1..2000_u64,
        steps in prop::collection::vec((0..400_u64, 0..800_u64, any::<bool>()), 1..60),
    ) {
        let period = budget + extra;
        let mut refills = Refills::new(budget, period, 0);
        let mut now = 0;
        let mut spent: Vec<(u64, u64)> = Vec::new();
        for (usage, idle, blocks) in steps {
            now += idle;
            if !refills.ready(now) || !refills.sufficient(0, MIN) {
                continue;
            }
            if blocks || idle > 0 {
                refills.unblock(now);
            }
            let usage = usage.min(refills.head.amount);
            now += usage;
            if refills.sufficient(usage, MIN) {
                refills.commit(usage, MIN);
            } else {
                refills.expire(usage, MIN);
            }
            spent.push((now, usage));
            prop_assert_eq!(refills.sum(), budget);
            prop_assert!(refills.head.amount >= MIN);
            let overlap = |(at, used): &(u64, u64)| at.saturating_sub((at - used).max(now.saturating_sub(period)));
            let window: u64 = spent.iter().map(overlap).sum();
            prop_assert!(window <= budget, "{} in one period of {}", window, budget);
            if let Some(tail) = refills.tail {
                prop_assert!(tail.time >= refills.head.time);
            }
        }
        let total: u64 = spent.iter().map(|(_, used)| used).sum();
        prop_assert!(total <= budget * (now / period + 2));
    }
}
