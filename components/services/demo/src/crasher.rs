// SPDX-License-Identifier: BSD-2-Clause
//! Crasher: faults on purpose, each time in another way, and shows that it starts afresh.

use core::sync::atomic::{AtomicU64, Ordering};

use pd::{Component, Handler, Notify, Setup, SetupError};
use serial::Console;
use shm::{Cell, Rw};
use units::ChannelSet;

/// What a variable of `.data` holds at every start.
const DATA_VALUE: u64 = 41;

static IN_DATA: AtomicU64 = AtomicU64::new(DATA_VALUE);
static IN_BSS: AtomicU64 = AtomicU64::new(0);

/// A way to fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A store to an address that is not mapped.
    UnmappedStore(u64),
    /// A store to the program's own text.
    TextStore,
    /// An instruction that does not exist.
    Undefined,
    /// A branch into the stack.
    StackExecution,
}

/// Something that can go wrong. Only unsafe code can do it, so it comes with the image.
pub trait Accident: Default {
    /// Commits the fault. Does not come back unless the kernel fails to notice.
    fn happen(&mut self, kind: Kind);
}

/// A program with a fault of the kind that its number of lives says.
#[derive(Debug)]
pub struct Crasher<A> {
    console: Console,
    /// Starts so far, in memory that outlives a restart.
    lives: Cell<u64, Rw>,
    hole: u64,
    accident: A,
}

impl<A: Accident> Component for Crasher<A> {
    /// Wants the link `console`, a writable region `lives` that is its own, and the value `hole`,
    /// an address that is not mapped.
    fn create(setup: &mut Setup<'_>) -> Result<Self, SetupError> {
        let console = Console::open(setup)?;
        let lives = setup
            .region_rw("lives")?
            .cell(0)
            .map_err(|_| SetupError::invalid("lives", "it is too short for a counter"))?;
        let hole = setup.value("hole")?;
        Ok(Self::new(console, lives, hole))
    }
}

impl<A: Accident> Crasher<A> {
    pub(crate) fn new(console: Console, lives: Cell<u64, Rw>, hole: u64) -> Self {
        Self {
            console,
            lives,
            hole,
            accident: A::default(),
        }
    }

    /// What goes wrong in life `life`, counted from 1.
    const fn kind(&self, life: u64) -> Kind {
        match life % 4 {
            1 => Kind::UnmappedStore(self.hole),
            2 => Kind::TextStore,
            3 => Kind::Undefined,
            _ => Kind::StackExecution,
        }
    }
}

impl<A: Accident, K: Notify> Handler<K> for Crasher<A> {
    fn init(&mut self, kernel: &mut K) {
        let life = self.lives.load().wrapping_add(1);
        self.lives.store(life);
        let (data, bss) = (
            IN_DATA.fetch_add(1, Ordering::Relaxed),
            IN_BSS.fetch_add(1, Ordering::Relaxed),
        );
        let fresh = if data == DATA_VALUE && bss == 0 {
            "fresh"
        } else {
            "stale"
        };
        self.console.line(
            kernel,
            format_args!("crasher: life {life}, .data {data}, .bss {bss}: {fresh}"),
        );
        self.accident.happen(self.kind(life));
        self.console.line(
            kernel,
            format_args!("crasher: life {life} survived its fault"),
        );
    }

    fn notified(&mut self, _: &mut K, _: ChannelSet) {
        // Room on the console; nothing waits for it.
    }
}
