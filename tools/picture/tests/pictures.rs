// SPDX-License-Identifier: BSD-2-Clause
//! Every picture is well-formed XML that shows every name, whatever the names and however odd the data.
#![expect(
    clippy::unwrap_used,
    reason = "a picture that is no XML fails the test"
)]

use picture::{
    Flow, Flows, Graph, Layer, Link, LinkKind, MemoryMap, Node, NodeKind, Range, RangeKind,
    Schedule, Thread, Verdict,
};
use proptest::collection::vec;
use proptest::prelude::*;

const LAYERS: [Layer; 6] = [
    Layer::Guest,
    Layer::Monitor,
    Layer::Backend,
    Layer::Service,
    Layer::Driver,
    Layer::Device,
];
const LINKS: [LinkKind; 5] = [
    LinkKind::Memory,
    LinkKind::Notify,
    LinkKind::Call,
    LinkKind::Interrupt,
    LinkKind::Control,
];
const VERDICTS: [Verdict; 5] = [
    Verdict::Allowed,
    Verdict::Found,
    Verdict::Forbidden,
    Verdict::Missing,
    Verdict::Prevented,
];

/// What a name is shown as: XML has no control characters, and a line has no line breaks.
fn shown(name: &str) -> String {
    let one = |c: char| match c {
        '\t' | '\n' | '\r' => ' ',
        c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => '\u{fffd}',
        c => c,
    };
    name.chars().map(one).collect()
}

fn texts(svg: &str) -> Vec<String> {
    let document = roxmltree::Document::parse(svg).unwrap();
    let texts = document
        .descendants()
        .filter(|node| node.has_tag_name("text"));
    texts
        .map(|node| node.text().unwrap_or("").to_owned())
        .collect()
}

/// Names that look like markup, and others.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("</text><script>&amp;'\"]]>".to_owned()),
        "[a-z_]{1,12}",
        ".{1,10}",
        any::<char>().prop_map(String::from),
    ]
}

prop_compose! {
    fn graphs()(
        nodes in vec((name(), vec(name(), 0..3), 0..4_usize, 0..6_usize, proptest::option::of(0..3_u8)), 0..14),
        links in vec((0..16_usize, 0..16_usize, 0..5_usize, name()), 0..60),
        title in name(),
    ) -> Graph {
        let kinds = [NodeKind::Guest, NodeKind::Domain, NodeKind::Memory, NodeKind::Device];
        Graph {
            title,
            nodes: nodes.into_iter().enumerate().map(|(id, (label, notes, kind, layer, group))| Node {
                id: id.to_string(),
                label,
                notes,
                kind: kinds[kind],
                layer: LAYERS[layer],
                group: group.map(|group| format!("g{group}")),
            }).collect(),
            links: links.into_iter().map(|(from, to, kind, object)| Link {
                from: from.to_string(),
                to: to.to_string(),
                kind: LINKS[kind],
                object,
            }).collect(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn parts_are_all_named(graph in graphs()) {
        let svg = picture::graph(&graph);
        prop_assert_eq!(&svg, &picture::graph(&graph), "the same twice");
        let texts = texts(&svg);
        for node in &graph.nodes {
            prop_assert!(texts.contains(&shown(&node.label)), "{:?}", node.label);
        }
    }

    #[test]
    fn wires_never_run_through_boxes(graph in graphs()) {
        let svg = picture::graph(&graph);
        let document = roxmltree::Document::parse(&svg).unwrap();
        let number = |node: &roxmltree::Node<'_, '_>, name: &str| -> i64 { node.attribute(name).unwrap().parse().unwrap() };
        let class = |node: &roxmltree::Node<'_, '_>| node.attribute("class").unwrap_or("").to_owned();
        let boxes: Vec<_> = document.descendants()
            .filter(|node| node.has_tag_name("rect") && ["guest", "box", "memory", "device"].contains(&&*class(node)))
            .map(|node| (number(&node, "x"), number(&node, "y"), number(&node, "width"), number(&node, "height")))
            .collect();
        prop_assert_eq!(boxes.len(), graph.nodes.len());
        for (n, a) in boxes.iter().enumerate() {
            for b in &boxes[n + 1..] {
                let apart = a.0 + a.2 <= b.0 || b.0 + b.2 <= a.0 || a.1 + a.3 <= b.1 || b.1 + b.3 <= a.1;
                prop_assert!(apart, "{a:?} lies on {b:?}");
            }
        }
        for wire in document.descendants().filter(|node| class(node).starts_with("wire ")) {
            let points: Vec<(i64, i64)> = wire.attribute("points").unwrap().split(' ').map(|point| {
                let (x, y) = point.split_once(',').unwrap();
                (x.parse().unwrap(), y.parse().unwrap())
            }).collect();
            for pair in points.windows(2) {
                let [(x1, y1), (x2, y2)] = [pair[0], pair[1]];
                prop_assert!(x1 == x2 || y1 == y2, "right angles");
                for (x, y, w, h) in &boxes {
                    let crosses = x1.min(x2) < x + w && x1.max(x2) > *x && y1.min(y2) < y + h && y1.max(y2) > *y;
                    prop_assert!(!crosses, "{pair:?} crosses {:?}", (x, y, w, h));
                }
            }
        }
    }

    #[test]
    fn memory_of_any_size_is_drawn(
        ranges in vec((proptest::option::of(any::<u64>()), any::<u64>(), name(), 0..4_usize, vec((name(), name()), 0..3)), 0..12),
    ) {
        let kinds = [RangeKind::Board, RangeKind::Reserved, RangeKind::Device, RangeKind::Region];
        let map = MemoryMap {
            title: "memory".to_owned(),
            ranges: ranges.into_iter().map(|(base, size, name, kind, users)| Range { base, size, name, kind: kinds[kind], users }).collect(),
        };
        let svg = picture::memory(&map);
        let all = texts(&svg).join(" ");
        for range in map.ranges.iter().filter(|range| range.size > 0 && !range.name.contains(' ')) {
            prop_assert!(all.contains(&shown(&range.name)), "{:?}", range.name);
        }
    }

    #[test]
    fn any_schedule_is_drawn(
        threads in vec((name(), 0..3_u64, any::<u64>(), any::<u64>(), any::<u64>(), any::<(bool, bool)>(), proptest::option::of(name())), 0..12),
    ) {
        let schedule = Schedule {
            title: "time".to_owned(),
            threads: threads.into_iter().map(|(name, core, priority, budget_us, period_us, (passive, vcpu), domain)| Thread {
                name, core, priority, budget_us, period_us, passive, vcpu, domain,
            }).collect(),
        };
        let texts = texts(&picture::schedule(&schedule));
        for thread in &schedule.threads {
            prop_assert!(texts.contains(&shown(&thread.name)), "{:?}", thread.name);
        }
    }

    #[test]
    fn any_flows_are_drawn(
        subjects in vec((name(), name()), 0..8),
        flows in vec((0..8_usize, 0..8_usize, 0..5_usize, vec(name(), 0..3)), 0..20),
    ) {
        let called = |n: usize| subjects.get(n).map_or_else(|| "nobody at all".to_owned(), |(name, _)| name.clone());
        let flows = Flows {
            title: "flows".to_owned(),
            flows: flows.into_iter().map(|(from, to, verdict, by)| Flow {
                from: called(from), to: called(to), verdict: VERDICTS[verdict], by,
            }).collect(),
            subjects,
        };
        let texts = texts(&picture::flows(&flows));
        for (name, _) in &flows.subjects {
            prop_assert!(texts.contains(&shown(name)), "{name:?}");
        }
    }
}
