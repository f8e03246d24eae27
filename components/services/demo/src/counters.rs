// SPDX-License-Identifier: BSD-2-Clause
//! Counters: shows what other domains counted, by the traces that it may read.
//!
//! The key `c` on its console prints every counter that is not zero, a line each. It maps traces
//! read-only and is told nothing else, so that looking changes nothing of what is looked at.

use pd::{Component, Handler, Notify, Setup, SetupError, Unexpected};
use record::Entry;
use serial::{Console, LINE_BYTES};
use shm::{Region, Ro};
use trace::View;
use units::ChannelSet;

/// Most traces.
const MAX_TRACES: usize = 16;

/// Longest name of a domain, of a kind of event.
const NAME_BYTES: usize = 32;

/// End of the roles of its regions; the domain's name is before it.
const SUFFIX: &str = ".trace";

#[derive(Debug)]
struct Watched {
    name: heapless::String<NAME_BYTES>,
    trace: Region<Ro>,
}

/// The next counter to print.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    trace: usize,
    kind: u32,
}

/// The reader of traces.
#[derive(Debug)]
pub struct Counters {
    console: Console,
    watched: heapless::Vec<Watched, MAX_TRACES>,
    cursor: Option<Cursor>,
}

impl Component for Counters {
    /// Wants the link `console` and for each domain NAME that it shows the region `NAME.trace`, to
    /// be read.
    fn create(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        Ok(Self {
            watched: watched(setup)?,
            console: Console::open(setup)?,
            cursor: None,
        })
    }
}

fn watched(setup: &mut Setup<'_>) -> Result<heapless::Vec<Watched, MAX_TRACES>, SetupError> {
    let mut all = heapless::Vec::new();
    for (role, entry) in setup.record().entries() {
        let (Entry::Region(entry), Some(domain)) = (entry, role.as_str().strip_suffix(SUFFIX))
        else {
            continue;
        };
        let trace = setup.map_ro(role.as_str(), &entry)?;
        // A role has at most 32 bytes.
        let mut name = heapless::String::new();
        let _ = name.push_str(domain);
        all.push(Watched { name, trace })
            .map_err(|_| SetupError::invalid(role.as_str(), "there are more than sixteen"))?;
    }
    Ok(all)
}

impl Counters {
    /// Takes what was typed; `c` begins from the first counter.
    fn keys(&mut self) {
        let mut bytes = [0; 16];
        // More keys than that in one activation are nobody's: the peer wakes again for the rest.
        for _ in 0..4 {
            let read = self.console.stream().read(&mut bytes);
            if bytes.iter().take(read).any(|byte| *byte == b'c') {
                self.cursor = Some(Cursor { trace: 0, kind: 0 });
            }
            if read == 0 && !self.console.stream().wait_for_bytes() {
                break;
            }
        }
    }

    /// Prints as long as there is room; the rest follows when the console has taken some.
    fn print(&mut self, kernel: &mut impl Notify) {
        while let Some(at) = self.cursor {
            let room = LINE_BYTES.saturating_add(1);
            if self.console.stream().room() < room && !self.console.stream().wait_for_room(room) {
                break;
            }
            self.cursor = self.step(at, kernel);
        }
        self.console.stream().flush(kernel);
    }

    /// Prints the counter at `at`, if anything was counted; where the next one is.
    fn step(&mut self, at: Cursor, kernel: &mut impl Notify) -> Option<Cursor> {
        let Some(Watched { name, trace }) = self.watched.get(at.trace) else {
            self.console.line(kernel, format_args!("counters: end"));
            return None;
        };
        let next = Some(Cursor {
            trace: at.trace.saturating_add(1),
            kind: 0,
        });
        let view = match View::new(trace) {
            Ok(view) => view,
            Err(error) => {
                self.console
                    .line(kernel, format_args!("counters: {name}: {error}"));
                return next;
            }
        };
        let Some(count) = view.counter(at.kind) else {
            return next;
        };
        let mut buffer = [0; NAME_BYTES];
        let kind = view.name(at.kind, &mut buffer).unwrap_or("?");
        if count > 0 {
            self.console
                .line(kernel, format_args!("counters: {name} {kind} {count}"));
        }
        Some(Cursor {
            kind: at.kind.saturating_add(1),
            ..at
        })
    }
}

impl<K: Notify> Handler<K> for Counters {
    fn init(&mut self, kernel: &mut K) {
        let traces = self.watched.len();
        self.console.line(
            kernel,
            format_args!("counters: {traces} traces, c shows them"),
        );
        self.notified(kernel, ChannelSet::EMPTY);
    }

    fn notified(&mut self, kernel: &mut K, _: ChannelSet) {
        self.keys();
        self.print(kernel);
    }

    fn unexpected(&mut self, _: Unexpected) {}
}

#[cfg(test)]
mod tests {
    use pd::fake::{FakeKernel, World};
    use serial::Stream;
    use serial::fake::FakeLink;
    use trace::Trace;
    use units::ChannelId;

    use super::*;

    trace::events! {
        enum Seen {
            Quiet,
            Spoofed { source: u64 },
            Full,
        }
    }

    /// A console link of `size` bytes and a domain with its trace, beside one that never started.
    fn start(size: usize) -> (Counters, Stream, Trace<Seen>, FakeKernel) {
        let link = FakeLink::new(size);
        let memory = shm::fake::region(4096);
        let trace = Trace::attach(memory).unwrap();
        let counters = World::new()
            .region_rw("console.out", link.memory.first)
            .region_ro("console.in", link.memory.second)
            .channel("console", 0)
            .region_ro("switch.trace", memory)
            .region_ro("dead.trace", shm::fake::region(4096))
            .create()
            .unwrap();
        let mux = link.second(ChannelId::new(0).unwrap());
        (counters, mux, trace, FakeKernel::new())
    }

    fn printed(mux: &mut Stream, kernel: &mut FakeKernel) -> String {
        let mut bytes = [0; 4096];
        let read = mux.read(&mut bytes);
        mux.flush(kernel);
        String::from_utf8(bytes[..read].to_vec()).unwrap()
    }

    const ALL: &str = "counters: switch Spoofed 3\n\
         counters: switch Full 1\n\
         counters: dead: no trace: magic number is 0x00000000\n\
         counters: end\n";

    fn count(trace: &mut Trace<Seen>) {
        for source in 0..3 {
            trace.record(Seen::Spoofed { source }, source);
        }
        trace.count(Seen::Full);
        assert_ne!(Seen::Quiet, Seen::Full);
    }

    #[test]
    fn the_key_shows_what_was_counted_and_nothing_that_was_not() {
        let (mut counters, mut mux, mut trace, mut kernel) = start(4096);
        counters.init(&mut kernel);
        assert_eq!(
            printed(&mut mux, &mut kernel),
            "counters: 2 traces, c shows them\n"
        );
        count(&mut trace);
        mux.write(b"xyz");
        mux.flush(&mut kernel);
        counters.notified(&mut kernel, ChannelSet::EMPTY);
        assert_eq!(printed(&mut mux, &mut kernel), "");
        mux.write(b"c");
        mux.flush(&mut kernel);
        counters.notified(&mut kernel, ChannelSet::EMPTY);
        assert_eq!(printed(&mut mux, &mut kernel), ALL);
    }

    #[test]
    fn what_has_no_room_on_the_console_waits() {
        let (mut counters, mut mux, mut trace, mut kernel) = start(512);
        count(&mut trace);
        let mut shown = String::new();
        mux.write(b"c");
        mux.flush(&mut kernel);
        counters.init(&mut kernel);
        for _ in 0..8 {
            shown += &printed(&mut mux, &mut kernel);
            counters.notified(&mut kernel, ChannelSet::EMPTY);
        }
        assert_eq!(shown, format!("counters: 2 traces, c shows them\n{ALL}"));
        assert_eq!(counters.console.counters().dropped, 0);
    }
}
