// SPDX-License-Identifier: BSD-2-Clause
//! The table over trees that do not exist. Their identifiers are of a family that no real list has.

use tidy::{File, Tree};

use super::*;

const LIST: &str = r#"title = "what is asked for"

[[requirement]]
id = "ZQ-01"
source = "us"
text = "one, \"two\""
level = "must"
status = "offered"

[[requirement]]
id = "ZQ-02"
source = "us"
text = "two"
level = "must"
status = "not-offered"
remark = "no"

[[requirement]]
id = "ZQ-03"
source = "us"
text = "three"
level = "may"
status = "deviates"
remark = "almost"

[[requirement]]
id = "ZQ-04"
source = "us"
text = "four"
level = "must"
status = "offered"
"#;

const LIBRARY: &str = "\
//! Answers ZQ-01.

#[cfg(test)]
mod other;

/// Remembers (ZQ-03).
fn keep() {}

#[cfg(test)]
mod tests {
    // A remark: ZQ-04.
    fn helper() {}

    #[test]
    fn zq_01_holds() {}

    /// Half of ZQ-03.
    #[test]
    #[ignore]
    fn half() {} // and ZQ-04 is next

    proptest! {
        #[test]
        fn zq_03_to_zq_04_hold(x in 0..3u8) { f(\"ZQ-02 // ZQ-02\"); }
    }
}
";

fn tree(files: &[(&str, &str)]) -> Tree {
    let mut tree = Tree::default();
    for (path, text) in files {
        tree.files.push(File {
            path: (*path).to_owned(),
            text: (*text).to_owned(),
        });
    }
    tree.files.sort_by(|a, b| a.path.cmp(&b.path));
    tree
}

fn traced(files: &[(&str, &str)]) -> Trace {
    let mut all = vec![("tests/requirements/list.toml", LIST)];
    all.extend(files);
    trace_tree(&tree(&all))
}

fn places(places: &[Place]) -> Vec<String> {
    let show = |place: &Place| format!("{}:{}", place.file, place.line);
    places.iter().map(show).collect()
}

fn tests_of(row: &Row) -> Vec<&str> {
    row.tests.iter().map(|test| test.name.as_str()).collect()
}

fn messages(trace: &Trace) -> Vec<String> {
    trace.problems.iter().map(Problem::to_string).collect()
}

#[test]
fn code_tests_and_notes_are_told_apart() {
    let trace = traced(&[
        ("a/src/lib.rs", LIBRARY),
        ("a/README.md", "About ZQ-04."),
        ("tests/boot/up.toml", "# ZQ-01 on a board\n"),
        ("system.xml", "<!-- ZQ-04 -->"),
        ("a/data.bin", "ZQ-01"),
    ]);
    let [one, two, three, four] = &trace.rows[..] else {
        panic!("{:?}", trace.rows);
    };
    assert_eq!(places(&one.code), ["a/src/lib.rs:1"]);
    assert_eq!(tests_of(one), ["zq_01_holds", "boot/up"]);
    assert!(two.code.is_empty() && two.tests.is_empty() && two.notes.is_empty());
    assert_eq!(places(&three.code), ["a/src/lib.rs:6"]);
    assert_eq!(tests_of(three), ["half", "zq_03_to_zq_04_hold"]);
    assert_eq!(places(&four.code), ["system.xml:1"]);
    assert_eq!(tests_of(four), ["half", "zq_03_to_zq_04_hold"]);
    assert_eq!(places(&four.notes), ["a/README.md:1", "a/src/lib.rs:11"]);
    assert_eq!(messages(&trace), [""; 0]);
}

#[test]
fn files_of_tests_hold_no_code() {
    let module =
        "#[cfg(test)]\nmod fuzz;\nmod real;\n#[cfg(test)]\n#[path = \"x\"]\npub(crate) mod more;";
    let trace = traced(&[
        ("a/src/lib.rs", module),
        ("a/src/fuzz.rs", "// ZQ-01"),
        ("a/src/more.rs", "// ZQ-01\n"),
        ("a/src/real.rs", "#[cfg(test)]\nmod deep;\n"),
        ("a/src/real/deep.rs", "// ZQ-01\nfn f() {}"),
        ("a/tests/all.rs", "// ZQ-01\nfn f() {}"),
    ]);
    assert!(trace.rows[0].code.is_empty(), "{:?}", trace.rows[0].code);
    assert_eq!(
        places(&trace.rows[0].notes),
        ["a/src/real/deep.rs:1", "a/tests/all.rs:1"]
    );
}

#[test]
fn a_test_is_listed_once_per_requirement() {
    let twice = "// ZQ-01 first\n// ZQ-01 again\n#[test]\nfn zq_01_it() {}\n";
    let trace = traced(&[("a/tests/all.rs", twice)]);
    assert_eq!(tests_of(&trace.rows[0]), ["zq_01_it"]);
    assert_eq!(trace.rows[0].tests[0].place.line, 1);
}

#[test]
fn unknown_identifiers_are_problems_with_their_place() {
    let source = "// ZQ-09 and SHA-256\n#[test]\nfn zq_77_x() {}\n";
    let trace = traced(&[("a/tests/all.rs", source)]);
    assert!(
        messages(&trace)
            .contains(&"a/tests/all.rs:1: ZQ-09: there is no such requirement".to_owned())
    );
    assert!(
        messages(&trace)
            .contains(&"a/tests/all.rs:3: ZQ-77: there is no such requirement".to_owned())
    );
}

#[test]
fn gaps_are_accepted_by_name_only_and_no_longer_than_they_last() {
    let accepted = |id: &str, lacks: &str| {
        format!("[[accepted]]\nid = \"{id}\"\nlacks = \"{lacks}\"\nreason = \"because\"\n")
    };
    let code = (
        "a/src/lib.rs",
        "// ZQ-01\nfn f() {}\n#[test]\nfn zq_01() {}\n",
    );
    let path = "tests/requirements/accepted.toml";
    assert_eq!(
        messages(&traced(&[code])),
        [
            "tests/requirements/accepted.toml: ZQ-04 is offered, and no code names it",
            "tests/requirements/accepted.toml: ZQ-04 is offered, and no test names it",
        ]
    );
    let list = accepted("ZQ-04", "test") + &accepted("ZQ-04", "code");
    let trace = traced(&[code, (path, &list)]);
    assert_eq!(messages(&trace), [""; 0]);
    assert_eq!(trace.orphans.len(), 2);
    assert!(
        trace
            .orphans
            .iter()
            .all(|o| o.accepted.as_deref() == Some("because"))
    );
    let list = list + &accepted("ZQ-01", "test") + &accepted("ZQ-04", "test");
    assert_eq!(
        messages(&traced(&[code, (path, &list)])),
        [
            "tests/requirements/accepted.toml: ZQ-01 lacks nothing of this kind any more: remove it here",
            "tests/requirements/accepted.toml:2: ZQ-04: listed twice",
        ]
    );
}

#[test]
fn lists_are_read_strictly() {
    for (text, message) in [
        (
            LIST.replace("ZQ-02", "ZQ-2"),
            "list.toml:11: ZQ-2: not an identifier",
        ),
        (
            LIST.replace("ZQ-02", "ZX-02"),
            "list.toml:11: ZX-02: another family",
        ),
        (
            LIST.replace("ZQ-02", "ZQ-01"),
            "list.toml:4: ZQ-01: identifiers are in ascending order",
        ),
        (
            LIST.replace("almost", ""),
            "list.toml:19: ZQ-03: say in a remark",
        ),
        (
            LIST.replace("\"two\"\nl", "\"\"\nl"),
            "list.toml:11: ZQ-02: text and source",
        ),
        (
            LIST.replace("may", "may\"\nextra = \""),
            "list.toml:23: unknown field `extra`",
        ),
        (
            LIST.replace("not-offered", "none"),
            "list.toml:15: unknown variant `none`",
        ),
        (LIST.replace("title", "name"), "list.toml:1: "),
    ] {
        let trace = trace_tree(&tree(&[("tests/requirements/list.toml", &text)]));
        let found = messages(&trace);
        let expected = format!("tests/requirements/{message}");
        assert!(
            found.iter().any(|m| m.starts_with(&expected)),
            "{message}: {found:?}"
        );
    }
}

#[test]
fn a_family_is_in_one_file() {
    let trace = traced(&[("tests/requirements/more.toml", LIST)]);
    assert_eq!(
        messages(&trace)[0],
        "tests/requirements/accepted.toml: ZQ-01 is offered, and no code names it"
    );
    assert!(messages(&trace).contains(
        &"tests/requirements/more.toml: identifiers ZQ-… are already those of tests/requirements/list.toml"
            .to_owned()
    ));
}

// Shows AV-01.
#[test]
fn the_matrix_says_what_can_be_said() {
    let trace = traced(&[("a/src/lib.rs", "#[test]\nfn zq_01() {}\n")]);
    let matrix = trace.matrix("ZQ");
    let verdicts: Vec<_> = matrix
        .iter()
        .map(|row| row.conformance.to_string())
        .collect();
    assert_eq!(verdicts, ["pass", "not offered", "deviates", "unproven"]);
    assert!(trace.matrix("Z").is_empty());
    assert_eq!(
        trace.matrix_csv("ZQ").lines().nth(1),
        Some("ZQ-01,us,\"one, \"\"two\"\"\",must,pass,,zq_01")
    );
}

#[test]
fn the_table_is_the_same_twice_and_complete() {
    let files = [
        ("a/src/lib.rs", LIBRARY),
        ("tests/boot/up.toml", "# ZQ-01\n"),
    ];
    let (first, second) = (traced(&files), traced(&files));
    assert_eq!(first.to_json().unwrap(), second.to_json().unwrap());
    let json: serde_json::Value = serde_json::from_str(&first.to_json().unwrap()).unwrap();
    assert_eq!(json["rows"][0]["id"], "ZQ-01");
    assert_eq!(json["rows"][0]["tests"][0]["name"], "zq_01_holds");
    assert_eq!(json["totals"]["offered"], 2);
    let mut text = String::new();
    first.write_human(&mut text).unwrap();
    for part in [
        "ZQ: what is asked for",
        "  ZQ-01  offered      one, \"two\"",
        "         test  boot/up (tests/boot/up.toml:1)",
        "  ZQ-03  deviates     almost",
        "ZQ-04 has no code: not accepted",
        "4 requirements: 2 offered (2 with tests, 1 with code that names them), 1 deviate, 1 not offered",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}
