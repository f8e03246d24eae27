// SPDX-License-Identifier: BSD-2-Clause
//! Guest memory as the driver under test sees it.
//!
//! Each thread, thus each test, has a guest of its own. Memory is handed out once and never
//! reused, which keeps a driver's stale pointers harmless.
#![expect(
    unsafe_code,
    reason = "UNSAFETY: `virtio_drivers::Hal` is an unsafe trait, and its drivers use raw pointers"
)]

use core::ptr::NonNull;
use std::cell::{Cell, RefCell};
use std::vec;

use guest::machine::RAM_BASE;
use shm::{Region, Rw, fake};
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};

/// Bytes of guest memory.
pub const SIZE: usize = 64 << 20;

thread_local! {
    static RAM: Region<Rw> = fake::region(SIZE);
    static NEXT: Cell<usize> = const { Cell::new(0) };
    static SHARED: RefCell<vec::Vec<(PhysAddr, usize)>> = const { RefCell::new(vec![]) };
}

/// This thread's guest memory.
#[must_use]
pub fn ram() -> Region<Rw> {
    RAM.with(|ram| *ram)
}

/// Buffers that the driver shares with the device right now.
#[must_use]
pub fn shared() -> usize {
    SHARED.with_borrow(vec::Vec::len)
}

/// Offset of `len` fresh bytes that start at a page of the guest.
fn allocate(len: usize) -> Option<usize> {
    let at = NEXT.get();
    let end = at
        .checked_add(len.next_multiple_of(PAGE_SIZE))
        .filter(|end| *end <= SIZE)?;
    NEXT.set(end);
    Some(at)
}

fn gpa(offset: usize) -> PhysAddr {
    RAM_BASE.get() + offset as u64
}

fn offset(gpa: PhysAddr) -> usize {
    usize::try_from(gpa - RAM_BASE.get()).unwrap_or(SIZE)
}

/// The guest's side of memory: identity on addresses, bounce buffers for what is shared.
#[derive(Debug)]
pub enum Guest {}

// SAFETY: `dma_alloc` hands out pages of this thread's memory once each, zeroed and aligned; the
// memory is leaked, so they stay valid. Device and driver run on the same thread, never at once.
unsafe impl Hal for Guest {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        // Heap memory is aligned to 8 only: skip to the next page of the host.
        let Some(at) = allocate((pages + 1) * PAGE_SIZE) else {
            return (0, NonNull::dangling());
        };
        let address = usize::try_from(ram().address()).unwrap_or(0) + at;
        let skip = address.next_multiple_of(PAGE_SIZE) - address;
        let pointer = core::ptr::with_exposed_provenance_mut(address + skip);
        let Some(pointer) = NonNull::new(pointer) else {
            return (0, NonNull::dangling());
        };
        (gpa(at + skip), pointer)
    }

    unsafe fn dma_dealloc(_: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        0
    }

    unsafe fn mmio_phys_to_virt(_: PhysAddr, _: usize) -> NonNull<u8> {
        NonNull::dangling()
    }

    unsafe fn share(buffer: NonNull<[u8]>, direction: BufferDirection) -> PhysAddr {
        let Some(at) = allocate(buffer.len()) else {
            return 0;
        };
        if direction != BufferDirection::DeviceToDriver {
            // SAFETY: the caller vouches for the buffer, which nobody else accesses now.
            let bytes = unsafe { buffer.as_ref() };
            let _ = ram().copy_out(at, bytes);
        }
        SHARED.with_borrow_mut(|shared| shared.push((gpa(at), buffer.len())));
        gpa(at)
    }

    unsafe fn unshare(paddr: PhysAddr, mut buffer: NonNull<[u8]>, direction: BufferDirection) {
        if direction != BufferDirection::DriverToDevice {
            // SAFETY: the caller vouches for the buffer, which nobody else accesses now.
            let bytes = unsafe { buffer.as_mut() };
            let _ = ram().copy_in(offset(paddr), bytes);
        }
        SHARED.with_borrow_mut(|shared| shared.retain(|(at, _)| *at != paddr));
    }
}
