// SPDX-License-Identifier: BSD-2-Clause
//! Faults in, restarts and lines out.

use pd::fake::{FakeKernel, World};
use pd::{Child, Clock, Fault, FaultReply, Handler, KernelError, MessageInfo, Notify, label};
use proptest::prelude::*;
use record::ChildEntry;
use serial::fake::FakeLink;
use serial::{Console, Stream};
use units::{ChannelId, ChildId};

use crate::policy::Policy;
use crate::{Counters, Supervised, Supervisor};

#[derive(Default)]
struct Kernel {
    now: u64,
    restarts: Vec<(u8, u64)>,
    stopped: Vec<u8>,
    refuse: bool,
}

impl Notify for Kernel {
    fn notify(&mut self, _: ChannelId) {}
    fn notify_deferred(&mut self, _: ChannelId) {}
}

impl Clock for Kernel {
    fn now(&self) -> u64 {
        self.now
    }
    fn frequency(&self) -> u64 {
        1
    }
}

impl Child for Kernel {
    fn child_restart(&mut self, id: ChildId, entry: u64) -> Result<(), KernelError> {
        if self.refuse {
            return Err(KernelError::InvalidCapability { index: 0 });
        }
        self.restarts.push((id.get(), entry));
        Ok(())
    }
    fn child_stop(&mut self, id: ChildId) -> Result<(), KernelError> {
        self.stopped.push(id.get());
        Ok(())
    }
    fn child_read_registers(&mut self, _: ChildId, _: &mut [u64]) -> Result<(), KernelError> {
        Ok(())
    }
    fn child_write_registers(&mut self, _: ChildId, _: &[u64], _: bool) -> Result<(), KernelError> {
        Ok(())
    }
}

fn child(id: u64) -> ChildId {
    ChildId::new(id).unwrap()
}

fn vm_fault(words: &[u64; 4]) -> Fault<'_> {
    Fault::new(MessageInfo::new(label::VM_FAULT, 4), words)
}

const fn access_of(address: u64) -> [u64; 4] {
    [0x20_0123, address, 0, 0x9200_0045]
}

struct Bench {
    supervisor: Supervisor,
    mux: Stream,
    kernel: Kernel,
}

impl Bench {
    fn new(restarts: usize, window: u64) -> Self {
        let link = FakeLink::new(4096);
        let channel = ChannelId::new(0).unwrap();
        let mut supervisor = Supervisor::new(Console::new(link.first(channel)));
        let entry = ChildEntry {
            id: child(3),
            entry: 0x20_0000,
        };
        let policy = Policy { restarts, window };
        assert!(supervisor.add(Supervised::new("crasher", entry, policy)));
        Self {
            supervisor,
            mux: link.second(channel),
            kernel: Kernel::default(),
        }
    }

    fn fault(&mut self, id: u64, fault: &Fault<'_>) -> FaultReply {
        self.supervisor.fault(&mut self.kernel, child(id), fault)
    }

    fn printed(&mut self) -> String {
        let mut bytes = [0; 4096];
        let read = self.mux.read(&mut bytes);
        String::from_utf8(bytes[..read].to_vec()).unwrap()
    }
}

// Shows BH-13.
#[test]
fn a_child_is_restarted_as_often_as_its_policy_says_and_then_held() {
    let mut bench = Bench::new(2, 0);
    for _ in 0..4 {
        assert_eq!(
            bench.fault(3, &vm_fault(&access_of(0xbad0_0000))),
            FaultReply::Hold
        );
    }
    assert_eq!(bench.kernel.restarts, [(3, 0x20_0000); 2]);
    assert_eq!(bench.kernel.stopped, [3; 2], "no fault is left pending");
    let text = bench.printed();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[..4],
        [
            "supervisor: crasher restarted (1/2) after VMFault at 0xbad00000, ip 0x200123",
            "supervisor: crasher restarted (2/2) after VMFault at 0xbad00000, ip 0x200123",
            "supervisor: crasher stopped by VMFault at 0xbad00000, ip 0x200123",
            "supervisor: crasher held after 2 restarts",
        ]
    );
    assert_eq!(
        bench.supervisor.counters(),
        Counters {
            faults: 4,
            restarts: 2,
            holds: 2,
            ..Counters::default()
        }
    );
}

#[test]
fn a_window_lets_a_rare_fault_pass() {
    let mut bench = Bench::new(1, 100);
    for now in [0, 1000, 2000] {
        bench.kernel.now = now;
        bench.fault(3, &vm_fault(&access_of(0)));
    }
    assert_eq!(bench.kernel.restarts.len(), 3);
}

#[test]
fn a_stranger_is_held_and_counted() {
    let mut bench = Bench::new(1, 0);
    assert_eq!(bench.fault(4, &vm_fault(&access_of(0))), FaultReply::Hold);
    assert_eq!(bench.supervisor.counters().strangers, 1);
    assert!(bench.kernel.restarts.is_empty());
}

#[test]
fn a_refused_restart_is_reported() {
    let mut bench = Bench::new(1, 0);
    bench.kernel.refuse = true;
    bench.fault(3, &vm_fault(&access_of(0)));
    assert_eq!(
        bench.printed(),
        "supervisor: crasher cannot be restarted: invalid capability 0\n"
    );
}

#[test]
fn every_fault_has_a_name() {
    let words = [
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        9,
        10,
        11,
        12,
        (-100_i64).cast_unsigned(),
    ];
    let expected = [
        (1, "CapFault on 0x2, ip 0x1"),
        (2, "UnknownSyscall -100, ip 0x9"),
        (3, "UserException, ip 0x1"),
        (4, "DebugException, ip 0x1"),
        (5, "Timeout after 2 us"),
        (6, "VMFault at 0x2, ip 0x1"),
        (8, "VCPUFault, syndrome 0x1"),
        (77, "fault with unknown label 77"),
    ];
    for (label, text) in expected {
        let mut bench = Bench::new(1, 0);
        bench.fault(3, &Fault::new(MessageInfo::new(label, 13), &words));
        let printed = bench.printed();
        assert!(printed.ends_with(&format!("after {text}\n")), "{printed}");
    }
}

#[test]
fn a_supervisor_is_made_from_its_record() {
    let link = FakeLink::new(1024);
    let mut mux = link.second(ChannelId::new(0).unwrap());
    let mut supervisor: Supervisor = World::new()
        .region_rw("console.out", link.memory.first)
        .region_ro("console.in", link.memory.second)
        .channel("console", 0)
        .child("fragile", 7, 0x20_0000)
        .child("sturdy", 8, 0x40_0000)
        .value("fragile.restarts", 1)
        .create()
        .unwrap();
    let mut kernel = FakeKernel::new();
    for id in [7, 7, 8] {
        kernel.push_fault(child(id), label::USER_EXCEPTION, &[1, 2, 3, 4, 0]);
    }
    kernel.drive(&mut supervisor);
    let mut bytes = [0; 1024];
    let read = mux.read(&mut bytes);
    assert_eq!(
        String::from_utf8_lossy(&bytes[..read]),
        "supervisor: watching 2\n\
         supervisor: fragile restarted (1/1) after UserException, ip 0x1\n\
         supervisor: fragile stopped by UserException, ip 0x1\n\
         supervisor: fragile held after 1 restarts\n\
         supervisor: sturdy restarted (1/3) after UserException, ip 0x1\n"
    );
}

proptest! {
    /// A child can send any message as its fault: it is restarted at most as often as its policy
    /// says, and the supervisor lives on.
    #[test]
    fn forged_faults_are_survived(
        faults in proptest::collection::vec((any::<u64>(), 0_usize..130, any::<[u64; 13]>(), 0_u64..6), 0..30),
    ) {
        let mut bench = Bench::new(3, 0);
        for (label, length, words, id) in faults {
            let fault = Fault::new(MessageInfo::new(label, length), &words);
            prop_assert_eq!(bench.fault(id, &fault), FaultReply::Hold);
        }
        prop_assert!(bench.kernel.restarts.len() <= 3);
        prop_assert!(bench.kernel.restarts.iter().all(|r| *r == (3, 0x20_0000)));
    }
}
