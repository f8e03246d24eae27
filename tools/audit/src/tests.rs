// SPDX-License-Identifier: BSD-2-Clause
//! What is found out about the sample, line by line.

mod images;
pub(crate) mod recorded;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::checks::Verdict;
use crate::flow::{Carrier, Edge, Statement};
use crate::report::{Facts, Image, Inputs, audit};
use crate::sample::{self, measured::as_emitted};
use crate::spec::{Cap, NamedObject, Object, Spec};

fn emitted() -> Inputs {
    let mut inputs = sample::inputs();
    as_emitted(&mut inputs);
    sample::rebuild(&mut inputs);
    inputs
}

/// Labels that each subject must share, by subject.
fn merges(inputs: &Inputs) -> BTreeMap<String, (Vec<String>, Vec<String>)> {
    let facts = Facts::gather(inputs).unwrap();
    let rows = facts.integrity.into_iter();
    rows.map(|row| {
        (
            row.subject,
            (row.merged_as_emitted, row.merged_with_least_rights),
        )
    })
    .collect()
}

/// The table of requirements.md 5.2: `safety` is the parent of `vmm`, which has the guest `g_0`. With
/// the rights of 2.3.0 all labels merge; with least rights they form a hierarchy.
// Shows BH-33.
#[test]
fn label_merges_are_those_measured_on_microkit_2_3_0() {
    let rows = merges(&emitted());
    let others = |name: &str| -> Vec<String> {
        let all = [
            "client", "driver", "g_0", "monitor", "safety", "timer", "vmm",
        ];
        all.iter()
            .filter(|it| **it != name)
            .map(|it| (*it).to_owned())
            .collect()
    };
    for (name, least) in [
        ("g_0", &[][..]),
        ("vmm", &["g_0"]),
        ("safety", &["g_0", "vmm"]),
        ("client", &[]),
        ("driver", &[]),
        ("timer", &[]),
        (
            "monitor",
            &["client", "driver", "g_0", "safety", "timer", "vmm"],
        ),
    ] {
        assert_eq!(rows[name].0, others(name), "{name} as emitted");
        assert_eq!(rows[name].1, least, "{name} with least rights");
    }
    // The sample itself has least rights, so that both columns are the same.
    for (name, (emitted, least)) in merges(&sample::inputs()) {
        assert_eq!(emitted, least, "{name}");
    }
}

/// The second half of that table: who may receive from whose endpoint.
#[test]
fn children_can_receive_what_their_parents_should() {
    let inputs = emitted();
    let facts = Facts::gather(&inputs).unwrap();
    let receives = |who: &str, what: &str| {
        facts.authority.iter().any(|grant| {
            let right = grant.right == crate::authority::Right::Receive;
            right && !grant.needed && (grant.subject.as_str(), grant.object.as_str()) == (who, what)
        })
    };
    assert!(receives("vmm", "ep_safety"));
    assert!(receives("g_0", "ep_vmm"));
    assert!(receives("safety", "ep_fault_monitor"));
    assert!(!receives("safety", "ep_safety"), "that one is needed");
    assert!(!receives("client", "ep_safety"));
    let excess = |from: &str, to: &str| {
        facts
            .flows
            .edges
            .iter()
            .any(|edge| edge.excess && edge.from == from && edge.to == to)
    };
    assert!(
        excess("driver", "client"),
        "the client can take the driver's faults"
    );
    let report = audit(&inputs).unwrap();
    assert!(
        report.passed,
        "what the platform does is no failure of the layout"
    );
    assert_eq!(report.counts.get(&Verdict::Fail), None);
}

#[test]
fn flows_have_directions() {
    let inputs = sample::inputs();
    let flows = Facts::gather(&inputs).unwrap().flows;
    let edge = |from: &str, to: &str, carrier, object: &str| Edge {
        from: from.to_owned(),
        to: to.to_owned(),
        carrier,
        object: object.to_owned(),
        excess: false,
    };
    for (wanted, there) in [
        (edge("driver", "client", Carrier::Memory, "out"), true),
        (edge("client", "driver", Carrier::Memory, "out"), false),
        (edge("client", "driver", Carrier::Memory, "in"), true),
        (
            edge("client", "driver", Carrier::Signal, "ntfn_driver"),
            true,
        ),
        (
            edge("client", "driver", Carrier::Signal, "ntfn_client"),
            false,
        ),
        (edge("client", "timer", Carrier::Call, "ep_timer"), true),
        (edge("timer", "client", Carrier::Call, "ep_timer"), true),
        (edge("g_0", "vmm", Carrier::Fault, "ep_vmm"), true),
        (edge("g_0", "vmm", Carrier::Memory, "ram"), true),
        (edge("vmm", "safety", Carrier::Fault, "ep_safety"), true),
        (edge("safety", "vmm", Carrier::Control, "tcb_vmm"), true),
    ] {
        assert_eq!(flows.edges.contains(&wanted), there, "{wanted:?}");
    }
    assert_eq!(flows.closure["g_0"], ["monitor", "safety", "vmm"]);
    assert_eq!(flows.closure["client"], ["driver", "monitor", "timer"]);
}

#[test]
fn faults_are_no_calls() {
    let flows = Facts::gather(&sample::inputs()).unwrap().flows;
    let of = |carrier| {
        flows
            .edges
            .iter()
            .filter(move |edge| edge.carrier == carrier)
    };
    let to_monitor = |edge: &&Edge| edge.from == "client" && edge.object == "ep_fault_monitor";
    assert_eq!(of(Carrier::Call).filter(to_monitor).count(), 0);
    assert_ne!(of(Carrier::Fault).filter(to_monitor).count(), 0);
}

/// P2 and P5 are about meetings that a subject takes part in, and name the other one.
#[test]
fn meetings_are_with_others() {
    let rows = Facts::gather(&emitted()).unwrap().integrity;
    let mut count = 0;
    for row in &rows {
        let own = format!(": {}", row.subject);
        for line in row.p2_grant_receive.iter().chain(&row.p5_call_grant) {
            assert!(!line.ends_with(&own), "{}: {line}", row.subject);
            count += 1;
        }
    }
    assert!(count > 4, "{count}");
    let of = |name: &str| rows.iter().find(|row| row.subject == name).unwrap();
    assert_eq!(of("g_0").p5_call_grant, ["ep_vmm: vmm"]);
    assert_eq!(
        of("timer").p5_call_grant.last().unwrap(),
        "ep_timer: client"
    );
}

#[test]
fn regions_are_named_by_their_pages() {
    use crate::memory::region_name;
    assert_eq!(region_name("frame_mr_in_000000001"), "in");
    assert_eq!(region_name("frame_stack_000000001"), "stack");
    assert_eq!(region_name("frame_mr_in_00000001x"), "in_00000001x");
    assert_eq!(region_name("frame_mr_in_01"), "in_01");
    assert_eq!(region_name("in"), "in");
}

#[test]
fn a_policy_names_the_way_and_who_keeps_apart() {
    let mut inputs = sample::inputs();
    let statement = |from: &str, to: &str| Statement {
        from: from.to_owned(),
        to: to.to_owned(),
    };
    inputs.policy.deny = vec![statement("timer", "driver"), statement("driver", "timer")];
    let judged = Facts::gather(&inputs).unwrap().policy.denied;
    assert!(!judged[0].holds);
    assert_eq!(
        judged[0].way,
        ["timer", "call ep_timer", "client", "memory in", "driver"]
    );
    inputs.policy.separators.push("client".to_owned());
    let judged = Facts::gather(&inputs).unwrap().policy.denied;
    assert!(judged.iter().all(|judged| judged.holds), "{judged:?}");
    assert_eq!(judged[0].kept_apart_by, ["client"]);
}

#[test]
fn the_time_table_is_that_worked_by_hand() {
    let inputs = sample::inputs();
    let schedule = Facts::gather(&inputs).unwrap().schedule;
    let rows: Vec<_> = schedule
        .slices
        .iter()
        .map(|s| {
            (
                s.thread.as_str(),
                s.priority,
                s.share,
                s.response,
                s.passive,
            )
        })
        .collect();
    // All periods are 10 ms, so that each response is the sum of the budgets from the top.
    assert_eq!(
        rows,
        [
            ("monitor", 255, Some(100_000), None, false),
            ("safety", 200, Some(50_000), Some(500), false),
            ("timer", 190, Some(50_000), None, true),
            ("driver", 180, Some(50_000), Some(1000), false),
            ("client", 150, Some(100_000), Some(2000), false),
            ("vmm", 101, Some(200_000), Some(4000), false),
            ("g_0", 100, Some(300_000), Some(7000), false),
        ]
    );
    assert_eq!(schedule.cores.len(), 1);
    assert_eq!(schedule.cores[0].share, 700_000);
    assert!(schedule.cores[0].unlimited.is_empty());
}

#[test]
fn the_memory_map_tells_devices_and_sharing() {
    let inputs = sample::inputs();
    let memory = Facts::gather(&inputs).unwrap().memory;
    let find = |region: &str| {
        memory
            .iter()
            .find(|extent| extent.region == region)
            .unwrap()
    };
    let uart = find("uart");
    assert_eq!(
        (uart.paddr, uart.device, uart.is_shared()),
        (Some(0x900_0000), true, false)
    );
    let ram = find("ram");
    assert_eq!(
        (ram.size, ram.device, ram.is_shared(), ram.is_guests()),
        (0x20_0000, false, true, true)
    );
    assert_eq!(ram.dma, ["disk"], "nothing confines the disk");
    assert!(uart.dma.is_empty());
    let out = find("out");
    let users: Vec<_> = out
        .uses
        .iter()
        .map(|one| (one.subject.as_str(), one.write))
        .collect();
    assert_eq!(users, [("client", false), ("driver", true)]);
    let fixed: Vec<_> = memory.iter().filter_map(|extent| extent.paddr).collect();
    assert_eq!(fixed, [0x900_0000, 0x4000_0000]);
}

#[test]
fn channels_and_interrupts_have_their_ends() {
    let inputs = sample::inputs();
    let facts = Facts::gather(&inputs).unwrap();
    let rows: Vec<_> = facts
        .channels
        .iter()
        .map(|row| {
            let end =
                |end: &crate::channels::End| (end.pd.clone(), end.id, end.notifies, end.calls);
            (end(&row.a), end(&row.b))
        })
        .collect();
    let end = |pd: &str, id, notifies, calls| (pd.to_owned(), id, notifies, calls);
    assert_eq!(
        rows,
        [
            (end("client", 1, true, false), end("driver", 2, true, false)),
            (end("client", 3, false, true), end("timer", 4, false, false)),
        ]
    );
    let irq = &facts.interrupts[0];
    assert_eq!((irq.number, irq.id, irq.edge), (33, Some(0), false));
    assert_eq!(
        (irq.handlers.as_slice(), irq.receiver.as_deref()),
        (&["driver".to_owned()][..], Some("driver"))
    );
}

#[test]
fn what_was_set_in_programs_is_listed() {
    let report = audit(&sample::inputs()).unwrap();
    let settings: Vec<_> = report
        .settings
        .iter()
        .map(|s| (s.pd.as_str(), s.symbol.as_str(), s.value))
        .collect();
    assert_eq!(settings, [("driver", "bulkhead_record", 0x3000_0000)]);
    assert_eq!(report.hashes.len(), 7);
    let again = audit(&sample::inputs()).unwrap();
    let text = |report| serde_json::to_string(report).unwrap();
    assert_eq!(
        text(&report),
        text(&again),
        "the same input gives the same report"
    );
}

/// Many copies of the sample side by side, each object under a name of its own.
fn copies(count: usize) -> Spec {
    let one = sample::inputs().spec.unwrap();
    let mut all = Spec::default();
    for number in 0..count {
        let base = all.objects.len();
        for named in &one.objects {
            let mut object = named.object.clone();
            for slot in object.slots_mut().into_iter().flatten() {
                shift(&mut slot.cap, base);
            }
            let name = named.name.as_ref().map(|name| format!("{name}_{number}"));
            all.objects.push(NamedObject { name, object });
        }
    }
    all
}

fn shift(cap: &mut Cap, by: usize) {
    match cap {
        Cap::Endpoint { object, .. }
        | Cap::Notification { object, .. }
        | Cap::CNode { object, .. }
        | Cap::Frame { object, .. }
        | Cap::PageTable { object }
        | Cap::Tcb { object }
        | Cap::Reply { object }
        | Cap::VCpu { object }
        | Cap::SchedContext { object }
        | Cap::ArmIrqHandler { object }
        | Cap::ArmSmc { object } => *object += by,
    }
}

/// 20 guests, 120 protection domains, 480 regions and thousands of pages.
#[test]
fn a_large_system_takes_no_time() {
    let mut spec = copies(20);
    let big = spec.find("frame_mr_out_000000000_0").unwrap();
    assert!(matches!(spec.objects[big].object, Object::Frame(_)));
    spec.root_objects = 0..spec.objects.len();
    let inputs = Inputs {
        spec: Some(spec),
        platform: sample::inputs().platform,
        ..Inputs::default()
    };
    let start = Instant::now();
    let report = audit(&inputs).unwrap();
    assert_eq!(report.system.threads.len(), 20 * 7);
    assert!(
        start.elapsed() < Duration::from_secs(2),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn nothing_cannot_be_audited() {
    assert!(audit(&Inputs::default()).is_err());
    let dev = Inputs {
        image: Some(Image::Dev(vec![0; 16])),
        ..Inputs::default()
    };
    assert!(audit(&dev).unwrap_err().to_string().contains("refuse"));
}
