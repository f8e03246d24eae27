// SPDX-License-Identifier: BSD-2-Clause
//! Tests of lines, keys and the multiplexer between honest and hostile peers.

use pd::fake::{FakeKernel, World};
use pd::{Handler, Notify};
use proptest::prelude::*;
use serial::Stream;
use serial::fake::FakeLink;
use units::{ChannelId, ChannelSet};

use crate::screen::OUTPUT_BYTES;
use crate::{Client, ConsoleMux, Options};

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

// Shows BH-30, H-37.
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
fn backspace_is_made_visible_too() {
    assert_eq!(line(b"ab\x08c").0.text(), b"ab^Hc");
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

#[derive(Default)]
struct Bell(Vec<u8>);

impl Notify for Bell {
    fn notify(&mut self, ch: ChannelId) {
        self.0.push(ch.get());
    }
    fn notify_deferred(&mut self, ch: ChannelId) {
        self.0.push(ch.get());
    }
}

const PLAIN: Options = Options {
    colours: false,
    raw_focus: false,
};

/// A multiplexer, the driver's end of its UART and each client's end.
struct Bench {
    mux: ConsoleMux,
    uart: Stream,
    clients: Vec<Stream>,
    links: Vec<FakeLink>,
    bell: Bell,
    screen: Vec<u8>,
}

impl Bench {
    fn new(names: &[&str], options: Options, uart_bytes: usize) -> Self {
        let uart = FakeLink::new(uart_bytes);
        let channel = |id: usize| ChannelId::new(id as u64).unwrap();
        let mut mux = ConsoleMux::new(uart.first(channel(0)), options);
        let (mut clients, mut links) = (Vec::new(), Vec::new());
        for (index, name) in names.iter().enumerate() {
            let link = FakeLink::new(1024);
            let stream = link.first(channel(index + 1));
            assert!(mux.add(Client::new(name, stream)));
            clients.push(link.second(channel(index + 1)));
            links.push(link);
        }
        let mut bench = Self {
            mux,
            uart: uart.second(channel(0)),
            clients,
            links,
            bell: Bell::default(),
            screen: Vec::new(),
        };
        bench.mux.init(&mut bench.bell);
        bench.drain();
        bench.screen.clear();
        bench
    }

    fn activate(&mut self) {
        self.mux.notified(&mut self.bell, ChannelSet::from_badge(1));
    }

    /// The driver takes what is there and wakes the multiplexer for more, until all is shown.
    fn drain(&mut self) {
        loop {
            let mut bytes = [0; 4096];
            let read = self.uart.read(&mut bytes);
            self.screen.extend_from_slice(&bytes[..read]);
            self.uart.flush(&mut Bell::default());
            if read == 0 {
                return;
            }
            self.activate();
        }
    }

    fn write(&mut self, client: usize, bytes: &[u8]) {
        let written = self.clients[client].write(bytes);
        assert_eq!(written, bytes.len());
        self.clients[client].flush(&mut Bell::default());
    }

    /// Writes, lets the multiplexer run and answers what appeared on the terminal.
    fn show(&mut self, client: usize, bytes: &[u8]) -> String {
        self.write(client, bytes);
        self.activate();
        self.take()
    }

    fn press(&mut self, keys: &[u8]) -> String {
        assert_eq!(self.uart.write(keys), keys.len());
        self.uart.flush(&mut Bell::default());
        self.activate();
        self.take()
    }

    fn take(&mut self) -> String {
        self.drain();
        String::from_utf8_lossy(&std::mem::take(&mut self.screen)).into_owned()
    }

    fn typed(&mut self, client: usize) -> Vec<u8> {
        let mut bytes = [0; 1024];
        let read = self.clients[client].read(&mut bytes);
        self.clients[client].flush(&mut Bell::default());
        bytes[..read].to_vec()
    }
}

#[test]
fn each_line_stands_whole_under_its_label() {
    let mut bench = Bench::new(&["a", "b"], PLAIN, 2048);
    bench.write(0, b"one\nhalf");
    bench.write(1, b"two\nthree\nhidden");
    bench.activate();
    assert_eq!(
        bench.take(),
        "[b] two\r\n[a] one\r\n[b] three\r\n[a] half",
        "only the client in focus shows an unfinished line"
    );
    assert_eq!(bench.show(1, b" now\n"), "\r\n[b] hidden now\r\n");
    assert_eq!(bench.show(0, b" more\n"), "[a]  more\r\n");
}

#[test]
fn a_prompt_of_the_client_in_focus_stays_on_its_line() {
    let mut bench = Bench::new(&["a"], PLAIN, 2048);
    assert_eq!(bench.show(0, b"login: "), "[a] login: ");
    assert_eq!(bench.show(0, b"root"), "root");
    assert_eq!(bench.show(0, b"\r\n$ "), "\r\n[a] $ ");
}

// Shows BH-30, H-37.
#[test]
fn labels_have_colours_and_clients_cannot_forge_them() {
    let options = Options {
        colours: true,
        ..PLAIN
    };
    let mut bench = Bench::new(&["a", "b"], options, 2048);
    assert_eq!(
        bench.show(0, b"\r\x1b[2K\x1b[33m[b]\x1b[0m fine\n"),
        "\x1b[36m[a]\x1b[0m \r\n\x1b[36m[a]\x1b[0m ^[[2K^[[33m[b]^[[0m fine\r\n"
    );
    assert!(bench.show(1, b"x\n").starts_with("\x1b[33m[b]\x1b[0m x"));
}

#[test]
fn keys_go_to_the_client_in_focus() {
    let mut bench = Bench::new(&["a", "b"], PLAIN, 2048);
    bench.press(b"ls\r");
    assert_eq!(bench.press(b"\x012pwd"), "[console] keys go to b\r\n");
    bench.press(b"\x01a");
    assert_eq!(bench.typed(0), b"ls\r");
    assert_eq!(bench.typed(1), b"pwd\x01");
    assert!(bench.press(b"\x019").contains("does nothing"));
    let help = bench.press(b"\x01?");
    assert!(help.contains("Ctrl-A 1..9"), "{help}");
    assert!(help.contains("[console] 2 b, has the keys"), "{help}");
}

#[test]
fn raw_output_passes_through_until_somebody_else_speaks() {
    let mut bench = Bench::new(&["a", "b"], PLAIN, 2048);
    assert_eq!(bench.press(b"\x01r"), "[console] a is shown raw\r\n");
    assert_eq!(bench.show(0, b"\x1b[2Jfull screen"), "\x1b[2Jfull screen");
    assert_eq!(bench.show(1, b"beside\n"), "\r\n[b] beside\r\n");
    bench.press(b"\x01r");
    assert_eq!(bench.show(0, b"\x1b[2J\n"), "[a] ^[[2J\r\n");
}

#[test]
fn keys_without_room_are_counted() {
    let mut bench = Bench::new(&["a"], PLAIN, 2048);
    for _ in 0..8 {
        bench.press(&[b'k'; 200]);
    }
    assert_eq!(bench.typed(0).len(), 1024);
    assert_eq!(bench.mux.counters().keys_dropped, 8 * 200 - 1024);
}

// Shows BH-30, H-37.
#[test]
fn a_flooding_client_does_not_starve_another() {
    let mut bench = Bench::new(&["flood", "quiet"], PLAIN, 256);
    for _ in 0..20 {
        let line = [b'f'; 50];
        bench.clients[0].write(&line);
        bench.clients[0].write(b"\n");
    }
    bench.clients[0].flush(&mut Bell::default());
    bench.write(1, b"hear me\n");
    bench.activate();
    let screen = bench.take();
    let position = screen.find("hear me").unwrap();
    let lines_before = screen[..position].matches("[flood]").count();
    assert!(lines_before <= 2, "{lines_before} lines came first");
    assert_eq!(screen.matches("[flood]").count(), 20, "and none is lost");
}

#[test]
fn a_driver_that_takes_nothing_blocks_only_the_terminal() {
    let mut bench = Bench::new(&["a", "b"], PLAIN, 256);
    for _ in 0..3 {
        bench.clients[0].write(&[b'x'; 300]);
        bench.clients[0].flush(&mut Bell::default());
        bench.activate();
    }
    assert!(bench.uart.wait_for_bytes(), "a ring's worth waits");
    bench.write(1, b"still here\n");
    bench.activate();
    assert!(bench.take().contains("[b] still here"));
}

#[test]
fn ten_clients_are_one_too_many() {
    let mut bench = Bench::new(&["a"; 9], PLAIN, 2048);
    let link = FakeLink::new(64);
    let tenth = Client::new("j", link.first(ChannelId::new(40).unwrap()));
    assert!(!bench.mux.add(tenth));
}

/// Roles of a link, as the record spells them.
fn add_link(world: &mut World, [role, out, input]: [&'static str; 3], id: u64, link: &FakeLink) {
    world
        .region_rw(out, link.memory.first)
        .region_ro(input, link.memory.second)
        .channel(role, id);
}

fn world(uart: &FakeLink) -> World {
    let mut world = World::new();
    add_link(&mut world, ["uart", "uart.out", "uart.in"], 0, uart);
    let link = FakeLink::new(256);
    add_link(&mut world, ["ivi", "ivi.out", "ivi.in"], 1, &link);
    let link = FakeLink::new(256);
    add_link(&mut world, ["rtos", "rtos.out", "rtos.in"], 2, &link);
    world
        .text("client", "ivi")
        .text("client", "rtos")
        .value("focus", 2);
    world
}

#[test]
fn a_multiplexer_is_made_from_its_record_and_says_what_its_keys_do() {
    let uart = FakeLink::new(1024);
    let mut driver = uart.second(ChannelId::new(0).unwrap());
    let mut mux: ConsoleMux = world(&uart).create().unwrap();
    let mut kernel = FakeKernel::new();
    kernel.drive(&mut mux);
    let mut bytes = [0; 1024];
    let read = driver.read(&mut bytes);
    let screen = String::from_utf8_lossy(&bytes[..read]).into_owned();
    assert!(screen.contains("[console] 1 ivi\r\n"), "{screen}");
    assert!(
        screen.contains("[console] 2 rtos, has the keys"),
        "{screen}"
    );
    assert_eq!(kernel.notifications(ChannelId::new(0).unwrap()), 1);
}

#[test]
fn a_record_that_makes_no_sense_is_refused_by_name() {
    let error = |world: &mut World| world.create::<ConsoleMux>().unwrap_err().to_string();
    let uart = FakeLink::new(1024);
    assert_eq!(
        error(world(&uart).value("client", 3)),
        "'client': each client is a text, its role"
    );
    assert_eq!(
        error(world(&uart).text("client", "a client whose name is far too long")),
        "'a?client?whose?name?is?far?too?l': the link's role is too long"
    );
    assert_eq!(
        error(&mut world(&FakeLink::new(128))),
        "'uart': its ring is shorter than a line"
    );
    let mut crowd = world(&uart);
    for _ in 0..8 {
        crowd.text("client", "ivi");
    }
    assert_eq!(error(&mut crowd), "'client': there are more than nine");
}

proptest! {
    /// Clients that write anything into bytes and indices cannot make the terminal show a label
    /// that is not theirs, nor stop the multiplexer.
    #[test]
    fn hostile_clients_are_survived(
        acts in proptest::collection::vec((0_u8..5, any::<u32>(), any::<[u8; 12]>()), 0..40),
    ) {
        let mut bench = Bench::new(&["evil", "good"], PLAIN, 1024);
        let evil = bench.links[0].memory.hostile_second();
        for (act, value, bytes) in acts {
            match act {
                0 => evil.write_index(value),
                1 => evil.read_index(value),
                2 => evil.scribble(bytes[0]),
                3 => drop(bench.press(&bytes[..4])),
                _ => drop(bench.clients[0].write(&bytes)),
            }
            bench.clients[0].flush(&mut Bell::default());
            bench.activate();
            bench.drain();
        }
        bench.press(b"\x01\x01");
        bench.screen.clear();
        bench.write(1, b"\nfine\n");
        bench.activate();
        bench.drain();
        let screen = String::from_utf8_lossy(&bench.screen).into_owned();
        prop_assert!(screen.contains("fine\r\n"), "{screen:?}");
    }

    /// No rendering is longer than the room that is asked for.
    #[test]
    fn renderings_fit(name in "[a-z]{0,40}", text in proptest::collection::vec(32_u8..127, 0..200)) {
        let mut screen = crate::screen::Screen::new(true);
        let text = &text[..text.len().min(LINE_BYTES)];
        let _ = screen.raw(3, b"open");
        let out = screen.line(crate::screen::Speaker::Client(1), name.as_bytes(), text, true);
        prop_assert!(out.len() <= OUTPUT_BYTES);
        prop_assert!(out.ends_with(b"\r\n"), "nothing was cut");
    }
}
