// SPDX-License-Identifier: BSD-2-Clause
//! Restarter: restarts its children one after the other, whatever they are doing.
//!
//! The key `r` on its console begins `rounds` rounds; in a round each child is restarted once,
//! `interval` milliseconds after the one before. A child that faults is reported and restarted at
//! once. Only that a message came under a child's badge is believed, not what it says.

use pd::{
    Call, Child, Clock, Component, Fault, FaultReply, Handler, Notify, Setup, SetupError,
    Unexpected,
};
use record::{ChildEntry, Entry};
use serial::Console;
use timer::Alarm;
use units::{ChannelSet, ChildId};

/// Most children.
const MAX_CHILDREN: usize = 16;

/// Longest child name in messages, in bytes.
const NAME_BYTES: usize = 32;

/// Milliseconds between two restarts where the record does not say.
const DEFAULT_INTERVAL: u64 = 200;

/// Rounds per key where the record does not say.
const DEFAULT_ROUNDS: u64 = 3;

/// Longest interval in milliseconds: its ticks fit 64 bits at any frequency of the counter.
const MAX_INTERVAL: u64 = 1 << 20;

/// Faults restarted per key: a child that cannot start must not keep the processor.
const MAX_FAULTS: u64 = 64;

#[derive(Debug)]
struct Restarted {
    name: heapless::String<NAME_BYTES>,
    entry: ChildEntry,
    /// Restarts by interval, not those after a fault.
    restarts: u64,
}

/// The parent that restarts by the clock.
#[derive(Debug)]
pub struct Restarter {
    console: Console,
    alarm: Alarm,
    children: heapless::Vec<Restarted, MAX_CHILDREN>,
    /// Milliseconds.
    interval: u64,
    rounds: u64,
    /// Restarts that are still to be made; 0 when idle.
    left: u64,
    /// Index of the child whose turn it is.
    next: usize,
    /// Tick of the next restart.
    due: u64,
    /// Since the last key.
    faults: u64,
    refused: u64,
}

impl Component for Restarter {
    /// Wants the link `console`, the channel `timer` (may call), each child entry under its own
    /// name, and optionally the values `interval` (200 ms) and `rounds` (3).
    fn create(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let interval = setup.value_or("interval", DEFAULT_INTERVAL)?;
        if interval == 0 || interval > MAX_INTERVAL {
            return Err(SetupError::invalid("interval", "it is not 1 to 1048576 ms"));
        }
        let alarm = Alarm::open(setup)?;
        if !alarm.is_available() {
            return Err(SetupError::invalid("timer", "there is none"));
        }
        Ok(Self {
            children: children(setup)?,
            console: Console::open(setup)?,
            alarm,
            interval,
            rounds: setup.value_or("rounds", DEFAULT_ROUNDS)?,
            left: 0,
            next: 0,
            due: 0,
            faults: 0,
            refused: 0,
        })
    }
}

fn children(setup: &Setup<'_>) -> Result<heapless::Vec<Restarted, MAX_CHILDREN>, SetupError> {
    let mut children = heapless::Vec::new();
    for (role, entry) in setup.record().entries() {
        let Entry::Child(entry) = entry else {
            continue;
        };
        // A role has at most 32 bytes.
        let mut name = heapless::String::new();
        let _ = name.push_str(role.as_str());
        let child = Restarted {
            name,
            entry,
            restarts: 0,
        };
        children
            .push(child)
            .map_err(|_| SetupError::invalid(role.as_str(), "there are more than sixteen"))?;
    }
    Ok(children)
}

impl Restarter {
    /// Takes what was typed; whether `r` was among it.
    fn key(&mut self, kernel: &mut impl Notify) -> bool {
        let mut bytes = [0; 16];
        let mut seen = false;
        let stream = self.console.stream();
        // More keys than that in one activation are nobody's: the peer wakes again for the rest.
        for _ in 0..4 {
            let read = stream.read(&mut bytes);
            seen |= bytes.iter().take(read).any(|byte| *byte == b'r');
            if read == 0 && !stream.wait_for_bytes() {
                break;
            }
        }
        stream.flush(kernel);
        seen
    }

    fn begin(&mut self, kernel: &mut (impl Clock + Notify)) {
        let children = self.children.len();
        let (rounds, interval) = (self.rounds, self.interval);
        self.left = rounds.saturating_mul(children as u64);
        self.next = 0;
        (self.faults, self.refused) = (0, 0);
        for child in &mut self.children {
            child.restarts = 0;
        }
        self.due = kernel.now().saturating_add(self.ticks(kernel));
        self.console.line(
            kernel,
            format_args!("restarter: {rounds} rounds of {children} children, every {interval} ms"),
        );
    }

    fn ticks(&self, kernel: &impl Clock) -> u64 {
        kernel.frequency().saturating_mul(self.interval) / 1000
    }

    /// Restarts the child whose turn it is, if its time has come.
    fn turn<K: Call + Child + Clock + Notify>(&mut self, kernel: &mut K) {
        if self.left > 0 && kernel.now() >= self.due {
            self.restart_next(kernel);
            self.due = kernel.now().saturating_add(self.ticks(kernel));
            self.left = self.left.saturating_sub(1);
            if self.left == 0 {
                self.report(kernel);
            }
        }
        if self.left > 0 && !self.alarm.set(kernel, self.due) {
            self.left = 0;
            self.console
                .line(kernel, format_args!("restarter: the timer refuses"));
        }
    }

    fn restart_next(&mut self, kernel: &mut (impl Child + Notify)) {
        let Some(child) = self.children.get_mut(self.next) else {
            return;
        };
        let id = child.entry.id;
        let result = kernel.child_restart(id, child.entry.entry);
        child.restarts = child.restarts.saturating_add(1);
        let (name, nth) = (&child.name, child.restarts);
        match result {
            Ok(()) => self
                .console
                .line(kernel, format_args!("restarter: {name} restart {nth}")),
            Err(error) => {
                self.refused = self.refused.saturating_add(1);
                self.console
                    .line(kernel, format_args!("restarter: {name} refused: {error}"));
            }
        }
        self.next = self.next.saturating_add(1);
        if self.next >= self.children.len() {
            self.next = 0;
        }
    }

    fn report(&mut self, kernel: &mut impl Notify) {
        let restarts = self.children.iter().map(|child| child.restarts);
        let restarts = restarts.fold(0, u64::saturating_add);
        let (faults, refused) = (self.faults, self.refused);
        self.console.line(
            kernel,
            format_args!(
                "restarter: done, {restarts} restarts, {refused} refused, {faults} faults"
            ),
        );
    }
}

impl<K: Call + Child + Clock + Notify> Handler<K> for Restarter {
    fn init(&mut self, kernel: &mut K) {
        let children = self.children.len();
        self.console.line(
            kernel,
            format_args!("restarter: {children} children, r restarts them"),
        );
        if self.key(kernel) {
            self.begin(kernel);
            self.turn(kernel);
        }
    }

    fn notified(&mut self, kernel: &mut K, mut channels: ChannelSet) {
        self.alarm.take_fired(&mut channels);
        if self.key(kernel) {
            self.begin(kernel);
        }
        self.turn(kernel);
    }

    fn fault(&mut self, kernel: &mut K, id: ChildId, fault: &Fault<'_>) -> FaultReply {
        self.faults = self.faults.saturating_add(1);
        let child = self.children.iter().find(|child| child.entry.id == id);
        let Some(child) = child.filter(|_| self.faults <= MAX_FAULTS) else {
            // Stopped, so that no fault stays pending; a kernel that refuses leaves it waiting.
            let _ = kernel.child_stop(id);
            let id = id.get();
            self.console
                .line(kernel, format_args!("restarter: child {id} held"));
            return FaultReply::Hold;
        };
        let name = &child.name;
        let kind = fault.decode();
        self.console
            .line(kernel, format_args!("restarter: {name} faulted: {kind:x?}"));
        if kernel.child_restart(id, child.entry.entry).is_err() {
            self.refused = self.refused.saturating_add(1);
        }
        FaultReply::Hold
    }

    fn unexpected(&mut self, _: Unexpected) {}
}

#[cfg(test)]
mod tests {
    use pd::fake::{FakeKernel, KernelCall, World};
    use pd::{Clock, KernelError, Message, label};
    use serial::Stream;
    use serial::fake::FakeLink;
    use units::{ChannelId, ChannelSet};

    use super::*;

    const CONSOLE: u64 = 0;
    const TIMER: u64 = 1;

    struct Bench {
        restarter: Restarter,
        mux: Stream,
        kernel: FakeKernel,
    }

    fn channel(id: u64) -> ChannelId {
        ChannelId::new(id).unwrap()
    }

    fn bench(rounds: u64) -> Bench {
        let link = FakeLink::new(4096);
        let mux = link.second(channel(CONSOLE));
        let restarter = World::new()
            .region_rw("console.out", link.memory.first)
            .region_ro("console.in", link.memory.second)
            .channel("console", CONSOLE)
            .channel("timer", TIMER)
            .child("blk", 3, 0x20_0000)
            .child("net", 4, 0x20_1000)
            .value("interval", 100)
            .value("rounds", rounds)
            .create()
            .unwrap();
        let mut kernel = FakeKernel::new();
        kernel.answer_with(|_, _| Message::new(timer::OK));
        Bench {
            restarter,
            mux,
            kernel,
        }
    }

    impl Bench {
        fn type_keys(&mut self, keys: &[u8]) {
            self.mux.write(keys);
            self.mux.flush(&mut self.kernel);
            self.notify(CONSOLE);
        }

        fn notify(&mut self, id: u64) {
            let mut channels = ChannelSet::EMPTY;
            channels.insert(channel(id));
            self.restarter.notified(&mut self.kernel, channels);
        }

        /// Lets an interval pass; the timer fires.
        fn interval(&mut self) {
            self.kernel.advance(self.kernel.frequency() / 10);
            self.notify(TIMER);
        }

        fn restarts(&mut self) -> Vec<(u8, u64)> {
            let calls = self.kernel.take_calls();
            let restart = |call| match call {
                KernelCall::Restart { thread, entry } => Some((thread, entry)),
                _ => None,
            };
            calls.into_iter().filter_map(restart).collect()
        }

        fn printed(&mut self) -> String {
            let mut bytes = [0; 4096];
            let read = self.mux.read(&mut bytes);
            String::from_utf8(bytes[..read].to_vec()).unwrap()
        }
    }

    #[test]
    fn each_child_is_restarted_in_turn_and_then_it_is_over() {
        let mut bench = bench(2);
        bench.restarter.init(&mut bench.kernel);
        bench.interval();
        assert_eq!(bench.restarts(), [], "nobody asked");
        bench.type_keys(b"xr");
        assert_eq!(bench.restarts(), [], "not before an interval has passed");
        for expected in [(3, 0x20_0000), (4, 0x20_1000)].repeat(2) {
            bench.interval();
            assert_eq!(bench.restarts(), [expected]);
        }
        bench.interval();
        assert_eq!(bench.restarts(), []);
        assert_eq!(
            bench.printed(),
            "restarter: 2 children, r restarts them\n\
             restarter: 2 rounds of 2 children, every 100 ms\n\
             restarter: blk restart 1\n\
             restarter: net restart 1\n\
             restarter: blk restart 2\n\
             restarter: net restart 2\n\
             restarter: done, 4 restarts, 0 refused, 0 faults\n"
        );
    }

    #[test]
    fn an_early_notification_restarts_nobody() {
        let mut bench = bench(1);
        bench.type_keys(b"r");
        bench.kernel.advance(1);
        bench.notify(TIMER);
        assert_eq!(bench.restarts(), []);
        bench.interval();
        assert_eq!(bench.restarts(), [(3, 0x20_0000)]);
    }

    #[test]
    fn a_fault_is_told_and_restarted_a_bounded_number_of_times() {
        let mut bench = bench(1);
        for _ in 0..MAX_FAULTS + 3 {
            bench.kernel.push_fault(
                ChildId::new(4).unwrap(),
                label::USER_EXCEPTION,
                &[1, 2, 3, 4, 0],
            );
        }
        let mut kernel = core::mem::take(&mut bench.kernel);
        kernel.drive(&mut bench.restarter);
        bench.kernel = kernel;
        assert_eq!(bench.restarts(), vec![(4, 0x20_1000); 64]);
        let printed = bench.printed();
        assert!(
            printed.contains("restarter: net faulted: UserException"),
            "{printed}"
        );
    }

    #[test]
    fn a_refused_restart_is_counted() {
        let mut bench = bench(1);
        bench.type_keys(b"r");
        bench
            .kernel
            .fail_nth(0, KernelError::InvalidCapability { index: 0 });
        bench.interval();
        bench.interval();
        let printed = bench.printed();
        assert!(printed.contains("blk refused"), "{printed}");
        assert!(
            printed.contains("done, 2 restarts, 1 refused, 0 faults"),
            "{printed}"
        );
    }

    #[test]
    fn an_interval_that_is_none_and_a_missing_timer_are_refused() {
        let link = FakeLink::new(64);
        let mut world = World::new();
        world
            .region_rw("console.out", link.memory.first)
            .region_ro("console.in", link.memory.second)
            .channel("console", CONSOLE);
        assert!(world.create::<Restarter>().is_err(), "no timer");
        world.channel("timer", TIMER).value("interval", 0);
        assert!(world.create::<Restarter>().is_err());
    }
}
