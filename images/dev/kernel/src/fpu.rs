// SPDX-License-Identifier: BSD-2-Clause
//! FP and SIMD registers of threads that are not running.

use core::cell::UnsafeCell;
use devkernel::ids::{Id as _, TcbId};

/// q0..q31, FPCR, FPSR; the assembly depends on this layout.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct FpState([u64; 66]);

struct Area(UnsafeCell<[FpState; devimage::MAX_TCBS as usize]>);

// SAFETY: used by one processor, only inside `switch`, which runs with exceptions masked.
unsafe impl Sync for Area {}

static AREA: Area = Area(UnsafeCell::new(
    [FpState([0; 66]); devimage::MAX_TCBS as usize],
));

unsafe extern "C" {
    /// Saves the registers to the 528 bytes at `state`.
    fn fpu_save(state: *mut FpState);
    /// Loads the registers from the 528 bytes at `state`.
    fn fpu_load(state: *const FpState);
}

fn slot(id: TcbId) -> *mut FpState {
    let area = AREA.0.get().cast::<FpState>();
    area.wrapping_add(id.index().min(devimage::MAX_TCBS as usize - 1))
}

/// Saves the registers of `from` and loads those of `to`. FP instructions must not trap.
pub(crate) fn switch(from: Option<TcbId>, to: TcbId) {
    // SAFETY: `slot` is inside the area; the kernel itself uses no FP register (soft-float target).
    unsafe {
        if let Some(from) = from {
            fpu_save(slot(from));
        }
        fpu_load(slot(to));
    }
}
