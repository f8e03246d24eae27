// SPDX-License-Identifier: BSD-2-Clause
//! Where findings are shown: files that are one source, characters of several bytes, the order of places.

#[test]
fn one_error_is_counted_as_one() {
    let text = r#"<system><protection_domain name="a" priority="300"><program_image path="a"/></protection_domain></system>"#;
    let found = sdf::parse(text, "a").expect_err("a priority");
    assert_eq!(found.counts(), (1, 0));
}

/// Three files as one source: the second is empty, and the third begins behind both.
fn joined() -> sdf::Source {
    sdf::Source::joined(&[("one", "ab\nc"), ("two", ""), ("three", "xé\nz")])
}

#[test]
fn a_place_names_the_file_that_it_is_in() {
    let source = joined();
    assert_eq!(&*source.text, "ab\nc\n\nxé\nz");
    assert_eq!(&*source.name, "one");
    for (offset, place) in [
        (0, "one:1:1"),
        (3, "one:2:1"),
        (4, "one:2:2"),
        (5, "two:1:1"),
        (6, "three:1:1"),
        (7, "three:1:2"),
        // Inside of the two bytes of a character.
        (8, "three:1:2"),
        (9, "three:1:3"),
        (10, "three:2:1"),
        (11, "three:2:2"),
        (99, "three:2:2"),
    ] {
        assert_eq!(source.place(offset), place, "{offset}");
    }
    assert_eq!(sdf::Source::joined(&[]).place(0), ":1:1");
}

/// Findings about the third file, with another place in it and one in the first; spans may cut
/// characters and may end behind the text.
fn across() -> sdf::Diagnostics {
    let mut out = sdf::Diagnostics::new(joined());
    let rule = &sdf::rules::name::DUPLICATE;
    let item = sdf::Diagnostic::new(rule, sdf::Span::from(8..99), "twice").label("here");
    let item = item.also(sdf::Span::new(7, 8), "beside");
    let item = item.also(sdf::Span::new(3, 4), "elsewhere");
    out.push(item.help("do something"));
    out
}

#[test]
fn a_finding_shows_every_file_that_takes_part() {
    let text = across().to_string();
    assert_eq!(text, across().render(false));
    for part in [
        "error[name-duplicate]: twice",
        "--> three:1:2",
        "here",
        "beside",
        "::: one:2:1",
        "elsewhere",
        "help: do something",
    ] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
}

/// What is marked are whole characters, also where a span cuts one.
#[test]
fn marks_cover_whole_characters() {
    let marked = |start: usize, end: usize| {
        let mut out = sdf::Diagnostics::new(joined());
        let span = sdf::Span::new(start, end);
        let item = sdf::Diagnostic::new(&sdf::rules::name::DUPLICATE, span, "twice");
        out.push(item.label("here"));
        let text = out.render(false);
        let mark = text.lines().find(|line| line.contains("here"));
        mark.map(|line| line.matches('^').count())
    };
    assert_eq!(marked(6, 7), Some(1));
    assert_eq!(marked(6, 8), Some(2));
    assert_eq!(marked(6, 9), Some(2));
    assert_eq!(marked(8, 9), Some(1));
}

#[test]
fn json_counts_bytes_from_the_start_of_the_file() {
    let json = across().to_json();
    let item = &json["diagnostics"][0];
    assert_eq!(item["help"], "do something");
    assert_eq!(item["message"], "twice");
    assert_eq!(item["why"], sdf::rules::name::DUPLICATE.why);
    let [beside, elsewhere] = [&item["secondary"][0], &item["secondary"][1]];
    assert_eq!(
        (&beside["file"], &beside["start"], &beside["end"]),
        (&"three".into(), &1.into(), &2.into())
    );
    assert_eq!(
        (&elsewhere["file"], &elsewhere["start"], &elsewhere["end"]),
        (&"one".into(), &3.into(), &4.into())
    );
    assert_eq!(
        (&elsewhere["line"], &elsewhere["end_column"]),
        (&2.into(), &2.into())
    );
}

#[test]
fn findings_are_in_the_order_of_their_place_and_said_once() {
    let mut out = sdf::Diagnostics::new(joined());
    let (name, text) = (&sdf::rules::name::DUPLICATE, &sdf::rules::name::UNKNOWN);
    for (rule, start, message) in [
        (name, 3, "b"),
        (text, 0, "b"),
        (name, 0, "b"),
        (name, 0, "a"),
        (name, 3, "b"),
        (name, 0, "b"),
    ] {
        out.push(sdf::Diagnostic::new(
            rule,
            sdf::Span::new(start, 4),
            message,
        ));
    }
    out.sort();
    let found: Vec<_> = out
        .items
        .iter()
        .map(|item| (item.primary.span.start, item.rule.id, item.message.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            (0, "name-duplicate", "a"),
            (0, "name-duplicate", "b"),
            (0, "name-unknown", "b"),
            (3, "name-duplicate", "b"),
        ]
    );
    assert_eq!(out.counts(), (4, 0));
}
