// SPDX-License-Identifier: BSD-2-Clause
//! Debug console on the PL011 that QEMU `virt` provides. A driver PD may own the same device; output interleaves.

use core::fmt;

const BASE: usize = 0x0900_0000;
const DATA: usize = 0x00;
const FLAGS: usize = 0x18;
const TRANSMIT_FULL: u32 = 1 << 5;

/// Writes one byte; a newline is sent as CR LF, as seL4 does.
pub(crate) fn put_byte(byte: u8) {
    if byte == b'\n' {
        put_raw(b'\r');
    }
    put_raw(byte);
}

fn put_raw(byte: u8) {
    let (data, flags) = ((BASE + DATA) as *mut u32, (BASE + FLAGS) as *const u32);
    // SAFETY: registers of the PL011, identity-mapped as device memory; the line empties by itself.
    while unsafe { flags.read_volatile() } & TRANSMIT_FULL != 0 {}
    // SAFETY: as above.
    unsafe { data.write_volatile(u32::from(byte)) };
}

/// The console as a formatter target.
pub(crate) struct Uart;

impl fmt::Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(put_byte);
        Ok(())
    }
}
