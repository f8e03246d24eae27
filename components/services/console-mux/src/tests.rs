// SPDX-License-Identifier: BSD-2-Clause
//! Tests of lines and keys.

use proptest::prelude::*;

use crate::focus::{Key, Keyboard, PREFIX};
use crate::line::{LINE_BYTES, Line, State};

fn line(bytes: &[u8]) -> (Line, State) {
    let mut line = Line::new();
    for byte in bytes {
        line.push(*byte);
    }
    let state = line.state();
    (line, state)
}

#[test]
fn a_line_feed_ends_a_line_and_a_carriage_return_before_it_is_part_of_it() {
    let (first, state) = line(b"hello\n");
    assert_eq!((first.text(), state), (&b"hello"[..], State::Complete));

    let (mut line, state) = line(b"hello\r");
    assert_eq!(state, State::Complete);
    line.clear();
    assert_eq!(line.push(b'\n'), State::Open, "the second half of \\r\\n");
    assert_eq!(line.text(), b"");
    assert_eq!(line.push(b'\n'), State::Complete, "an empty line");
}

#[test]
fn escape_sequences_are_made_visible() {
    let (forged, _) = line(b"\x1b[2K\r");
    assert_eq!(forged.text(), b"^[[2K");
    let (controls, _) = line(b"a\x07\x00\x7f");
    assert_eq!(controls.text(), b"a^G^@^?");
}

#[test]
fn utf8_passes_and_c1_controls_do_not() {
    let umlaut = "gr\u{fc}\u{df} \u{20ac} \u{1f600}";
    assert_eq!(line(umlaut.as_bytes()).0.text(), umlaut.as_bytes());
    // U+009B is CSI to a terminal that honours C1 controls.
    assert!(!line("\u{9b}2J".as_bytes()).0.text().contains(&0x9b));
    assert_eq!(line(b"\x9b\x9b2J").0.text(), b"??2J", "raw 8-bit CSI");
}

#[test]
fn backspace_erases_within_the_line_only() {
    assert_eq!(line(b"ab\x08c").0.text(), b"ac");
    assert_eq!(line(b"\x08\x08x").0.text(), b"x");
}

#[test]
fn keys_follow_the_prefix() {
    let mut keys = Keyboard::new(3);
    assert_eq!(keys.key(b'x'), Key::Byte(b'x'));
    for (byte, key) in [
        (b'2', Key::Focus(1)),
        (b'n', Key::Focus(2)),
        (b'n', Key::Focus(0)),
        (b'4', Key::Unknown(b'4')),
        (b'9', Key::Unknown(b'9')),
        (b'0', Key::Unknown(b'0')),
        (b'a', Key::Byte(PREFIX)),
        (PREFIX, Key::Byte(PREFIX)),
        (b'?', Key::Help),
        (b'r', Key::ToggleRaw),
    ] {
        assert_eq!(keys.key(PREFIX), Key::Nothing);
        assert_eq!(keys.key(byte), key, "Ctrl-A {}", char::from(byte));
    }
    assert_eq!(keys.key(b'1'), Key::Byte(b'1'), "the prefix is used up");
    assert_eq!(keys.focus(), 0);
}

#[test]
fn a_keyboard_without_clients_selects_nothing() {
    let mut keys = Keyboard::new(0);
    keys.set_focus(0);
    assert_eq!(
        (keys.key(PREFIX), keys.key(b'n')),
        (Key::Nothing, Key::Nothing)
    );
    assert_eq!(
        (keys.key(PREFIX), keys.key(b'1')),
        (Key::Nothing, Key::Unknown(b'1'))
    );
}

proptest! {
    /// Whatever a client sends, a line is bounded and holds no control but tab.
    #[test]
    fn lines_are_bounded_and_harmless(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut line = Line::new();
        for byte in bytes {
            if line.push(byte) == State::Complete {
                prop_assert!(line.text().len() <= LINE_BYTES);
                line.clear();
            }
            let text = line.text();
            prop_assert!(text.len() <= LINE_BYTES);
            prop_assert!(text.iter().all(|b| *b == b'\t' || (0x20..0x7f).contains(b) || *b >= 0x80));
            let decoded = String::from_utf8_lossy(text).into_owned();
            prop_assert!(!decoded.chars().any(|c| c.is_control() && c != '\t'));
        }
    }
}
