// SPDX-License-Identifier: BSD-2-Clause
//! How findings are shown.

#![expect(clippy::expect_used, reason = "what a helper panics at fails its test")]

const TEXT: &str = "<system>\n  <memory_region name=\"m\" size=\"0x1000\"/>\n  \
                    <memory_region name=\"m\" size=\"0x1000\"/>\n</system>\n";

fn findings() -> sdf::Diagnostics {
    sdf::parse(TEXT, "dir/a.system").expect_err("two regions of one name")
}

// Shows BH-11.
#[test]
fn text_shows_place_rule_reason_and_help() {
    let text = findings().render(false);
    for part in [
        "error[name-duplicate]: two memory regions are called `m`",
        "dir/a.system:3:24",
        "first one",
        "note: A reference by name would have two meanings",
        "help: rename one of them",
    ] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    assert!(!text.contains('\u{1b}'));
    assert!(findings().render(true).contains('\u{1b}'));
}

#[test]
fn json_carries_the_same() {
    let json = findings().to_json();
    assert_eq!(json["version"], 1);
    assert_eq!(json["file"], "dir/a.system");
    let items = json["diagnostics"].as_array().expect("a list");
    let item = items
        .iter()
        .find(|item| item["rule"] == "name-duplicate")
        .expect("reported");
    assert_eq!(item["severity"], "error");
    assert_eq!(item["primary"]["line"], 3);
    assert_eq!(item["primary"]["column"], 24);
    assert_eq!(item["secondary"][0]["line"], 2);
    assert_eq!(item["secondary"][0]["label"], "first one");
}

#[test]
fn columns_count_characters() {
    let text = "<system><!-- ééé --><x/></system>";
    let findings = sdf::parse(text, "a").expect_err("an unknown element");
    assert!(
        findings.brief().contains("\na:1:21: error[xml-element]"),
        "{}",
        findings.brief()
    );
}

#[test]
fn counts_tell_errors_from_warnings() {
    assert_eq!(findings().counts(), (2, 2));
}

#[test]
fn of_very_many_findings_each_is_named() {
    let text = format!("<system>\n{}</system>", "<bogus/>\n".repeat(20_000));
    let shown = sdf::parse(&text, "a.system").expect_err("unknown elements");
    let shown = shown.render(false);
    assert_eq!(shown.matches("cannot contain <bogus>").count(), 20_000);
    assert!(shown.contains("more, in short:\n"));
    let last = "a.system:20001:1: error[xml-element]: <system> cannot contain <bogus>\n";
    assert!(shown.ends_with(last));
}

#[test]
fn lines_and_columns_count_from_the_file_that_they_are_in() {
    let source = sdf::Source::joined(&[("a", "x\ny"), ("b", "\né1\n"), ("c", "")]);
    for (offset, place) in [
        (0, "a:1:1"),
        (2, "a:2:1"),
        (3, "a:2:2"),
        (4, "b:1:1"),
        (5, "b:2:1"),
        (7, "b:2:2"),
        (9, "b:3:1"),
        (10, "c:1:1"),
        (99, "c:1:1"),
    ] {
        assert_eq!(source.place(offset), place, "offset {offset}");
    }
}
