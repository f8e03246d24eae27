// SPDX-License-Identifier: BSD-2-Clause
//! How values are written: units, ranges, names, paths and addresses, to their limits.

#![expect(clippy::panic, reason = "what a helper panics at fails its test")]

use layout::value::{Kind, Value, show_size, show_time};

/// The value in `text`, or why it is none.
fn read(kind: Kind, text: &str) -> Result<Value, String> {
    kind.read(text).map_err(|problem| problem.message)
}

fn number(kind: Kind, text: &str) -> u64 {
    match read(kind, text) {
        Ok(Value::Number(number)) => number,
        other => panic!("{text}: {other:?}"),
    }
}

fn refused(kind: Kind, text: &str) -> String {
    match read(kind, text) {
        Err(message) => message,
        Ok(value) => panic!("{text}: {value:?}"),
    }
}

#[test]
fn sizes_and_times_have_units() {
    let size = Kind::Size(0, u64::MAX);
    for (text, value) in [
        ("7", 7),
        ("0x1_0", 16),
        ("0xfG", 15 << 30),
        ("1K", 1 << 10),
        ("2_0M", 20 << 20),
        ("3G", 3 << 30),
        ("17179869183G", 17_179_869_183 << 30),
    ] {
        assert_eq!(number(size, text), value, "{text}");
    }
    let time = Kind::Time(0, u64::MAX);
    for (text, value) in [("7us", 7), ("2ms", 2000), ("3s", 3_000_000)] {
        assert_eq!(number(time, text), value, "{text}");
    }
    // In bytes per second, rounded up.
    for (text, value) in [
        ("1bit/s", 1),
        ("8bit/s", 1),
        ("9bit/s", 2),
        ("1kbit/s", 125),
        ("1Mbit/s", 125_000),
        ("2Gbit/s", 250_000_000),
        ("5B/s", 5),
    ] {
        assert_eq!(number(Kind::Rate, text), value, "{text}");
    }
}

#[test]
fn what_is_no_number_is_said() {
    let size = Kind::Size(0, u64::MAX);
    let none = "does not begin with a number";
    for text in ["", "K", "_1", "-1", " 1", "0x", "0x_", "x1"] {
        assert_eq!(refused(size, text), none, "{text}");
    }
    assert_eq!(
        refused(size, "1T"),
        "has the unknown unit `T`; known: K, M, G"
    );
    assert_eq!(
        refused(size, "1g0"),
        "has the unknown unit `g0`; known: K, M, G"
    );
    let time = Kind::Time(0, 9);
    assert_eq!(refused(time, "1"), "has no unit; write us, ms, s");
    let plain = Kind::Number(0, 9);
    assert_eq!(refused(plain, "1K"), "ends in `K`, but has no unit");
    assert_eq!(refused(plain, "1a"), "ends in `a`, but has no unit");
    for text in ["17179869184G", "18446744073709551616"] {
        assert_eq!(refused(size, text), "does not fit 64 bits", "{text}");
    }
}

#[test]
fn ranges_include_both_ends() {
    let size = Kind::Size(0x1000, 2 << 20);
    assert_eq!((number(size, "4K"), number(size, "2M")), (0x1000, 2 << 20));
    for text in ["4095", "2097153"] {
        assert_eq!(refused(size, text), "is not between 4K and 2M");
    }
    let time = Kind::Time(20, 1_000_000);
    assert_eq!((number(time, "20us"), number(time, "1s")), (20, 1_000_000));
    for text in ["19us", "1000001us"] {
        assert_eq!(refused(time, text), "is not between 20us and 1s");
    }
    let plain = Kind::Number(1, 8);
    assert_eq!((number(plain, "1"), number(plain, "8")), (1, 8));
    for text in ["0", "9"] {
        assert_eq!(refused(plain, text), "is not between 1 and 8");
    }
}

#[test]
fn quantities_are_shown_in_the_largest_unit_that_divides_them() {
    for (bytes, text) in [
        (0, "0"),
        (1, "1"),
        (1023, "1023"),
        (1024, "1K"),
        (1536, "1536"),
        (3 << 20, "3M"),
        ((1 << 30) + (1 << 20), "1025M"),
        (4 << 30, "4G"),
    ] {
        assert_eq!(show_size(bytes), text);
    }
    for (us, text) in [
        (0, "0us"),
        (999, "999us"),
        (1000, "1ms"),
        (1500, "1500us"),
        (2_000_000, "2s"),
    ] {
        assert_eq!(show_time(us), text);
    }
}

#[test]
fn names_are_short_and_begin_with_a_letter() {
    let longest = "a".repeat(40);
    for text in ["a", "Z9_.-", &longest] {
        assert_eq!(read(Kind::Name, text), Ok(Value::Text(text.to_owned())));
    }
    let longer = "a".repeat(41);
    for text in ["", "9a", "_a", "a b", "\u{e9}", "a\u{e9}", &longer] {
        assert!(
            refused(Kind::Ref, text).starts_with("is no name: "),
            "{text}"
        );
    }
    let both = Ok(Value::Texts(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(read(Kind::Refs, " a  b "), both);
    assert_eq!(refused(Kind::Refs, "  "), "names nothing");
    assert!(refused(Kind::Refs, "a 9").starts_with("is no name: "));
    assert_eq!(refused(Kind::Text, ""), "is empty");
    assert_eq!(read(Kind::Text, " "), Ok(Value::Text(" ".to_owned())));
}

#[test]
fn paths_stay_below_their_folder() {
    for text in ["a", "a/b.c", "9_-/x"] {
        assert_eq!(read(Kind::Path, text), Ok(Value::Text(text.to_owned())));
    }
    for text in ["", "/a", "a/", "a//b", "..", "a/../b", ".a", "a/.b", "a b"] {
        let problem = Kind::Path.read(text).err();
        assert_eq!(problem.map(|it| it.rule.id), Some("file-escape"), "{text}");
    }
}

#[test]
fn an_ethernet_address_is_that_of_one_station() {
    assert_eq!(
        read(Kind::Mac, "52:54:00:AB:cd:09"),
        Ok(Value::Text("52:54:00:ab:cd:09".to_owned()))
    );
    assert!(read(Kind::Mac, "00:00:00:00:00:01").is_ok());
    for text in [
        "52:54:00:ab:cd",
        "52:54:00:ab:cd:09:01",
        "52:54:00:ab:cd:9",
        "52:54:00:ab:cd:0g",
        "52-54-00-ab-cd-09",
        "",
    ] {
        assert_eq!(
            refused(Kind::Mac, text),
            "is not six pairs of hexadecimal digits",
            "{text}"
        );
    }
    for text in [
        "53:54:00:ab:cd:09",
        "00:00:00:00:00:00",
        "ff:ff:ff:ff:ff:ff",
    ] {
        assert!(
            refused(Kind::Mac, text).starts_with("is not the address of one station"),
            "{text}"
        );
    }
}

#[test]
fn a_choice_is_one_of_its_words() {
    let kind = Kind::Choice(&["ro", "rw"]);
    assert_eq!(read(kind, "rw"), Ok(Value::Text("rw".to_owned())));
    assert_eq!(refused(kind, "w"), "is none of: ro, rw");
}

/// The reference page says of each kind what is accepted.
#[test]
fn kinds_describe_themselves() {
    for (kind, says) in [
        (Kind::Name, "name"),
        (Kind::Ref, "name of something declared"),
        (Kind::Refs, "names, separated by spaces"),
        (Kind::Text, "text"),
        (Kind::Path, "file, relative to the file it stands in"),
        (Kind::Size(0x1000, 1 << 30), "bytes, K, M or G; 4K to 1G"),
        (Kind::Time(20, 1000), "us, ms or s; 20us to 1ms"),
        (Kind::Rate, "bit/s, kbit/s, Mbit/s, Gbit/s or B/s"),
        (Kind::Number(1, 8), "number, 1 to 8"),
        (Kind::Number(1, u64::MAX), "number from 1"),
        (Kind::Mac, "Ethernet address of one station"),
        (Kind::Choice(&["a", "b"]), "a, b"),
    ] {
        assert_eq!(kind.describe(), says);
    }
}
