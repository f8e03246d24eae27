// SPDX-License-Identifier: BSD-2-Clause
//! Heap-backed regions for host tests.
//!
//! The memory is leaked, so a region stays valid for the rest of the process however it is copied.
//! A test that makes regions without end does so in [`scoped`], which hands them out again.
//!
//! Every access through a region is counted per thread, which makes two things testable without a
//! clock or a second thread: that work is bounded ([`bounded`]), and that nothing is fetched twice
//! ([`meanwhile`]).

use core::ptr::NonNull;
use std::boxed::Box;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::thread_local;
use std::vec;
use std::vec::Vec;

use crate::region::{Access, Region, Ro, Rw};

/// `len` zero bytes of heap memory at an address that is a multiple of eight.
#[must_use]
pub fn region(len: usize) -> Region<Rw> {
    pooled(len).unwrap_or_else(|| {
        let fresh = leak(len);
        POOL.with_borrow_mut(|pool| pool.lend(fresh));
        fresh
    })
}

/// The two views of one memory: the writer's and the reader's.
#[must_use]
pub fn shared(len: usize) -> (Region<Rw>, Region<Ro>) {
    let writer = region(len);
    (writer, writer.read_only())
}

/// A read-only region that holds `bytes`.
#[must_use]
pub fn filled(bytes: &[u8]) -> Region<Ro> {
    let writer = region(bytes.len());
    // The length is the region's own, so the copy cannot be out of bounds.
    let _ = writer.copy_out(0, bytes);
    writer.read_only()
}

fn leak<A: Access>(len: usize) -> Region<A> {
    let words: &'static mut [u64] = Box::leak(vec![0_u64; len.div_ceil(8)].into_boxed_slice());
    let base = NonNull::from(words).cast();
    // SAFETY: the allocation is leaked, covers `len` bytes, and the only reference to it ended when
    // it became `base`; `len` bytes of a Vec never exceed isize::MAX.
    unsafe { Region::from_raw(base, len) }
}

/// Regions of one thread that are in no scope any more.
#[derive(Default)]
struct Pool {
    free: BTreeMap<usize, Vec<Region<Rw>>>,
    /// Handed out since the outermost scope began; `None` outside of scopes.
    lent: Option<Vec<Region<Rw>>>,
}

impl Pool {
    fn lend(&mut self, region: Region<Rw>) {
        if let Some(lent) = &mut self.lent {
            lent.push(region);
        }
    }
}

thread_local! {
    static POOL: RefCell<Pool> = RefCell::default();
}

/// A region of an earlier scope, zeroed.
fn pooled(len: usize) -> Option<Region<Rw>> {
    let region = POOL.with_borrow_mut(|pool| {
        let lent = pool.lent.as_mut()?;
        let region = pool.free.get_mut(&len)?.pop()?;
        lent.push(region);
        Some(region)
    })?;
    region.fill(0, len, 0).ok()?;
    Some(region)
}

/// Runs `body`, after which the regions that it made are there for the next scope of this thread. One
/// that outlives the scope stays valid, but shows what others write.
pub fn scoped<R>(body: impl FnOnce() -> R) -> R {
    struct Outermost;
    impl Drop for Outermost {
        fn drop(&mut self) {
            POOL.with_borrow_mut(|pool| {
                for region in pool.lent.take().into_iter().flatten() {
                    pool.free.entry(region.len()).or_default().push(region);
                }
            });
        }
    }
    let began = POOL.with_borrow_mut(|pool| {
        let outermost = pool.lent.is_none();
        outermost.then(|| pool.lent = Some(Vec::new())).is_some()
    });
    let _end = began.then_some(Outermost);
    body()
}

/// Something that happens at a certain access.
type Mischief = Box<dyn FnOnce()>;

/// What a thread's accesses are counted by.
struct Meter {
    used: Cell<u64>,
    limit: Cell<u64>,
    /// When the next mischief is due.
    due: Cell<u64>,
    mischief: RefCell<Vec<(u64, Mischief)>>,
}

thread_local! {
    static METER: Meter = const {
        Meter {
            used: Cell::new(0),
            limit: Cell::new(u64::MAX),
            due: Cell::new(u64::MAX),
            mischief: RefCell::new(Vec::new()),
        }
    };
}

/// Accesses of this thread so far, in words.
#[must_use]
pub fn accesses() -> u64 {
    METER.with(|meter| meter.used.get())
}

/// Runs `body`, which may access regions `limit` times.
///
/// # Panics
///
/// In the access beyond.
pub fn bounded<R>(limit: u64, body: impl FnOnce() -> R) -> R {
    struct Before(u64);
    impl Drop for Before {
        fn drop(&mut self) {
            METER.with(|meter| meter.limit.set(self.0));
        }
    }
    let _end = METER.with(|meter| {
        let own = meter.used.get().saturating_add(limit);
        Before(meter.limit.replace(own.min(meter.limit.get())))
    });
    body()
}

/// Has `mischief` happen after `accesses` more accesses of this thread, as if another one had run
/// just then: between a check and a use, for instance.
pub fn meanwhile(accesses: u64, mischief: impl FnOnce() + 'static) {
    METER.with(|meter| {
        let due = meter.used.get().saturating_add(accesses);
        let mut waiting = meter.mischief.borrow_mut();
        waiting.push((due, Box::new(mischief)));
        meter.due.set(meter.due.get().min(due));
    });
}

/// Forgets what [`meanwhile`] was told and has not happened.
pub fn calm() {
    METER.with(|meter| {
        meter.due.set(u64::MAX);
        meter.mischief.borrow_mut().clear();
    });
}

/// Counts accesses to `words` words.
pub(crate) fn count(words: usize) {
    let due = METER.with(|meter| {
        let used = meter.used.get() + words as u64;
        meter.used.set(used);
        assert!(used <= meter.limit.get(), "work without bound");
        used > meter.due.get()
    });
    if due {
        happen();
    }
}

/// Does what is due.
#[cold]
fn happen() {
    let due = METER.with(|meter| {
        let mut waiting = meter.mischief.borrow_mut();
        let used = meter.used.get();
        let (due, later): (Vec<_>, Vec<_>) = waiting.drain(..).partition(|(at, _)| *at < used);
        let next = later.iter().map(|(at, _)| *at).min();
        meter.due.set(next.unwrap_or(u64::MAX));
        *waiting = later;
        due
    });
    for (_, mischief) in due {
        mischief();
    }
}
