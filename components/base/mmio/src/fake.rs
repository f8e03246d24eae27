// SPDX-License-Identifier: BSD-2-Clause
//! Register banks in plain memory that record every access in order.
//!
//! The feature `fake` replaces the access backend of `safe-mmio` for the whole test program: an
//! access within a [`Bank`] is recorded and answered by it, any other access is an ordinary volatile
//! one. So a driver is tested with the very register pointers it uses on the machine. A crate that
//! uses `safe-mmio` without this crate fails to link in such a build: depend on `mmio` instead.

use core::ptr::NonNull;
use std::boxed::Box;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::vec;
use std::vec::Vec;

use safe_mmio::MmioOps;

use crate::window::Window;

/// One recorded access.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// The driver read.
    Read {
        /// Byte offset within the bank.
        offset: usize,
        /// Bytes: 1, 2, 4 or 8.
        width: usize,
        /// What it got.
        value: u64,
    },
    /// The driver wrote.
    Write {
        /// Byte offset within the bank.
        offset: usize,
        /// Bytes: 1, 2, 4 or 8.
        width: usize,
        /// What it wrote.
        value: u64,
    },
}

impl Access {
    /// A read of 32 bits.
    #[must_use]
    pub const fn read32(offset: usize, value: u32) -> Self {
        Self::Read {
            offset,
            width: 4,
            value: value as u64,
        }
    }

    /// A write of 32 bits.
    #[must_use]
    pub const fn write32(offset: usize, value: u32) -> Self {
        Self::Write {
            offset,
            width: 4,
            value: value as u64,
        }
    }
}

/// Reacts to a write: gets the offset, the value and the registers, and may change these.
type OnWrite = Box<dyn FnMut(usize, u64, &mut [u8]) + Send>;

/// The state of a bank.
#[derive(Default)]
struct State {
    bytes: Vec<u8>,
    log: Vec<Access>,
    scripted: BTreeMap<usize, VecDeque<u64>>,
    stuck: Option<u8>,
    on_write: Option<OnWrite>,
}

/// All banks of the test program by address.
static BANKS: Mutex<BTreeMap<usize, Arc<Mutex<State>>>> = Mutex::new(BTreeMap::new());

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A fake device: registers that hold what was written, unless a test says otherwise.
#[derive(Clone)]
pub struct Bank {
    base: usize,
    state: Arc<Mutex<State>>,
}

impl core::fmt::Debug for Bank {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Bank({:#x}, {:#x} bytes)", self.base, self.len())
    }
}

impl Bank {
    /// A bank of `len` zero bytes at an address that is a multiple of eight. It lives as long as
    /// the test program.
    #[must_use]
    pub fn new(len: usize) -> Self {
        let memory: &'static mut [u64] = Box::leak(vec![0; len.div_ceil(8)].into_boxed_slice());
        let base = NonNull::from(memory).as_ptr().expose_provenance();
        let state = Arc::new(Mutex::new(State {
            bytes: vec![0; len],
            ..State::default()
        }));
        lock(&BANKS).insert(base, Arc::clone(&state));
        Self { base, state }
    }

    /// Bytes of the bank.
    #[must_use]
    pub fn len(&self) -> usize {
        lock(&self.state).bytes.len()
    }

    /// Whether the bank has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bank as a window. A second window stands for the same device after its driver restarted.
    #[must_use]
    pub fn window(&self) -> Window {
        let base = NonNull::new(core::ptr::with_exposed_provenance_mut::<u8>(self.base));
        // SAFETY: the memory is leaked and as long as the bank; it only lends its address, since
        // every access is answered from the state behind a lock, even through two windows.
        unsafe { Window::from_raw(base.unwrap_or(NonNull::dangling()), self.len()) }
    }

    /// Sets a register of 32 bits, as the device would.
    pub fn set32(&self, offset: usize, value: u32) {
        store(&mut lock(&self.state).bytes, offset, &value.to_le_bytes());
    }

    /// A register of 32 bits as it stands, without recording a read.
    #[must_use]
    pub fn get32(&self, offset: usize) -> u32 {
        let mut value = [0; 4];
        load(&lock(&self.state).bytes, offset, &mut value);
        u32::from_le_bytes(value)
    }

    /// Answers the next reads at `offset` with these values, one each, then as before.
    pub fn script(&self, offset: usize, values: &[u64]) {
        lock(&self.state)
            .scripted
            .entry(offset)
            .or_default()
            .extend(values);
    }

    /// From now on every read answers this byte throughout: 0xff is a device that is gone, any
    /// other value one that hangs. `None` ends that.
    pub fn stick(&self, byte: Option<u8>) {
        lock(&self.state).stuck = byte;
    }

    /// Calls `react` after every write with its offset, its value and all registers.
    pub fn on_write(&self, react: impl FnMut(usize, u64, &mut [u8]) + Send + 'static) {
        lock(&self.state).on_write = Some(Box::new(react));
    }

    /// Takes the accesses so far, in order.
    #[must_use]
    pub fn take_log(&self) -> Vec<Access> {
        std::mem::take(&mut lock(&self.state).log)
    }
}

impl State {
    fn read<const N: usize>(&mut self, offset: usize) -> [u8; N] {
        let mut bytes = [0; N];
        load(&self.bytes, offset, &mut bytes);
        let scripted = self.scripted.get_mut(&offset).and_then(VecDeque::pop_front);
        if let Some(value) = scripted {
            for (to, from) in bytes.iter_mut().zip(value.to_le_bytes()) {
                *to = from;
            }
        }
        if let Some(byte) = self.stuck {
            bytes = [byte; N];
        }
        self.log.push(Access::Read {
            offset,
            width: N,
            value: widen(&bytes),
        });
        bytes
    }

    fn write<const N: usize>(&mut self, offset: usize, bytes: [u8; N]) {
        let value = widen(&bytes);
        store(&mut self.bytes, offset, &bytes);
        self.log.push(Access::Write {
            offset,
            width: N,
            value,
        });
        if let Some(react) = &mut self.on_write {
            react(offset, value, &mut self.bytes);
        }
    }
}

fn load(bytes: &[u8], offset: usize, into: &mut [u8]) {
    for (to, from) in into.iter_mut().zip(bytes.iter().skip(offset)) {
        *to = *from;
    }
}

fn store(bytes: &mut [u8], offset: usize, from: &[u8]) {
    for (to, from) in bytes.iter_mut().skip(offset).zip(from) {
        *to = *from;
    }
}

fn widen(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// The bank at an address, and the offset within it.
fn find(address: usize) -> Option<(Arc<Mutex<State>>, usize)> {
    let banks = lock(&BANKS);
    let (base, state) = banks.range(..=address).next_back()?;
    let offset = address - base;
    (offset < lock(state).bytes.len()).then(|| (Arc::clone(state), offset))
}

struct FakeOps;

/// Implements the accesses of one width.
macro_rules! accesses {
    ($($int:ty, $read:ident, $write:ident;)*) => {$(
        unsafe fn $read(src: *const $int) -> $int {
            match find(src.addr()) {
                Some((state, offset)) => <$int>::from_le_bytes(lock(&state).read(offset)),
                // SAFETY: the caller vouches for the pointer; no bank claims it.
                None => unsafe { src.read_volatile() },
            }
        }

        unsafe fn $write(dst: *mut $int, value: $int) {
            match find(dst.addr()) {
                Some((state, offset)) => lock(&state).write(offset, value.to_le_bytes()),
                // SAFETY: the caller vouches for the pointer; no bank claims it.
                None => unsafe { dst.write_volatile(value) },
            }
        }
    )*};
}

impl MmioOps for FakeOps {
    accesses! {
        u8, read_u8, write_u8;
        u16, read_u16, write_u16;
        u32, read_u32, write_u32;
        u64, read_u64, write_u64;
    }
}

safe_mmio::set_mmio_ops!(FakeOps);
