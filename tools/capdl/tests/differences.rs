// SPDX-License-Identifier: BSD-2-Clause
//! What the comparison of two distributions says, difference by difference.

use serde_json::{Value, json};

/// Two objects, one of which refers to the other, and a page.
fn spec() -> Value {
    json!({
        "objects": [
            { "name": "ntfn_a", "object": "Notification" },
            { "name": "cnode_a", "object": { "CNode": { "size_bits": 9, "slots": [
                { "slot": 1, "cap": { "Notification": { "object": 0, "badge": 5 } } },
                { "slot": 3, "cap": { "Tcb": { "object": 1 } } },
            ] } } },
            { "name": "frame_mr_m_000000000", "object": { "Frame": { "paddr": 4096, "slots": [] } } },
        ],
        "irqs": [{ "irq": 33, "handler": 0 }],
        "number": 7,
    })
}

fn differences(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let mut theirs = spec();
    change(&mut theirs);
    capdl::compare(&spec(), &theirs, &[])
}

#[test]
fn equal_distributions_do_not_differ() {
    assert_eq!(differences(|_| {}), Vec::<String>::new());
}

#[test]
fn the_order_of_objects_and_slots_does_not_count() {
    let found = differences(|it| {
        let objects = it["objects"].as_array_mut().unwrap();
        objects.swap(0, 2);
        let slots = it["objects"][1]["object"]["CNode"]["slots"].as_array_mut();
        slots.unwrap().reverse();
        it["objects"][1]["object"]["CNode"]["slots"][1]["cap"]["Notification"]["object"] = json!(2);
        it["irqs"][0]["handler"] = json!(2);
    });
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn each_difference_is_said_with_its_place() {
    for (change, says) in [
        (
            (|it: &mut Value| it["objects"][0]["name"] = json!("ntfn_b")) as fn(&mut Value),
            &[
                "<irqs>: [{\"handler\":\"ntfn_a\",\"irq\":33}] in ours, [{\"handler\":\"ntfn_b\",\"irq\":33}] in theirs",
                "cnode_a.CNode.slots.1.Notification.object: \"ntfn_a\" in ours, \"ntfn_b\" in theirs",
                "ntfn_a: only in ours",
                "ntfn_b: only in theirs",
            ][..],
        ),
        (
            |it| {
                it["objects"][1]["object"]["CNode"]["slots"][0]["cap"]["Notification"]["badge"] =
                    json!(6)
            },
            &["cnode_a.CNode.slots.1.Notification.badge: 5 in ours, 6 in theirs"],
        ),
        (
            |it| it["objects"][1]["object"]["CNode"]["slots"][1]["slot"] = json!(4),
            &[
                "cnode_a.CNode.slots.3: {\"Tcb\":{\"object\":\"cnode_a\"}} only in ours",
                "cnode_a.CNode.slots.4: {\"Tcb\":{\"object\":\"cnode_a\"}} only in theirs",
            ],
        ),
        (
            |it| it["objects"][1]["object"]["CNode"]["slots"][1]["slot"] = json!(1),
            &[
                "cnode_a.CNode.slots.1.Notification: {\"badge\":5,\"object\":\"ntfn_a\"} only in ours",
                "cnode_a.CNode.slots.1.Tcb: {\"object\":\"cnode_a\"} only in theirs",
                "cnode_a.CNode.slots.1 (twice): {\"Notification\":{\"badge\":5,\"object\":\"ntfn_a\"}} only in theirs",
                "cnode_a.CNode.slots.3: {\"Tcb\":{\"object\":\"cnode_a\"}} only in ours",
            ],
        ),
        (
            |it| it["objects"][2]["object"]["Frame"]["paddr"] = json!(8192),
            &["frame_mr_m_000000000.Frame.paddr: 4096 in ours, 8192 in theirs"],
        ),
        (
            |it| it["number"] = json!("x".repeat(200)),
            &["<number>: 7 in ours, \"XX\u{2026} in theirs"],
        ),
    ] {
        let wanted: Vec<String> = says
            .iter()
            .map(|line| line.replace("XX", &"x".repeat(119)))
            .collect();
        let found = differences(change);
        let mut sorted = wanted.clone();
        sorted.sort();
        let mut got = found.clone();
        got.sort();
        assert_eq!(got, sorted);
    }
}

#[test]
fn an_object_that_is_there_twice_is_a_difference() {
    let found = differences(|it| {
        let again = it["objects"][0].clone();
        it["objects"].as_array_mut().unwrap().push(again);
    });
    assert_eq!(found, ["ntfn_a (twice): only in theirs"]);
}

/// Only of the regions that are said to float, and only addresses of their pages.
#[test]
fn pages_of_floating_regions_may_be_anywhere() {
    let mut theirs = spec();
    theirs["objects"][2]["object"]["Frame"]["paddr"] = json!(8192);
    let with = |floating: &[&str]| capdl::compare(&spec(), &theirs, floating).len();
    assert_eq!(with(&["m"]), 0);
    assert_eq!(with(&["x", "m"]), 0);
    assert_eq!(with(&[""]), 1);
    assert_eq!(with(&["m_0"]), 1);
    assert_eq!(with(&["n"]), 1);
    theirs["objects"][2]["object"]["Frame"]["size_bits"] = json!(12);
    assert_eq!(
        capdl::compare(&spec(), &theirs, &["m"]),
        ["frame_mr_m_000000000.Frame.size_bits: 12 only in theirs"]
    );
}

#[test]
fn contents_as_bytes_equal_contents_as_digest() {
    let with = |bytes: Value| json!({ "contents": { "bytes": bytes } });
    let digest = json!({
        "len": 3,
        "sha256": "039058c6f2c0cb492c533b0a4d14ef77cc0f78abccced5287d84a1a2011cfb81",
    });
    let (ours, theirs) = (with(digest), with(json!([1, 2, 3])));
    assert_eq!(capdl::compare(&ours, &theirs, &[]), Vec::<String>::new());
    for other in [json!([1, 2, 4]), json!([1, 2]), json!([1, 2, 300])] {
        assert!(!capdl::compare(&ours, &with(other), &[]).is_empty());
    }
}
