// SPDX-License-Identifier: BSD-2-Clause
//! Results on the UART, which both configurations can use.

use crate::svc::Message;
use core::fmt::{self, Write};

/// Where the system file maps the PL011.
const UART: usize = 0x300_0000;
const FLAGS: usize = UART + 0x18;
const TRANSMIT_FULL: u32 = 1 << 5;

struct Uart;

impl Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                put(b'\r');
            }
            put(byte);
        }
        Ok(())
    }
}

fn put(byte: u8) {
    // SAFETY: registers of the PL011, mapped for the parent by the system file.
    while unsafe { (FLAGS as *const u32).read_volatile() } & TRANSMIT_FULL != 0 {}
    // SAFETY: as above.
    unsafe { (UART as *mut u32).write_volatile(u32::from(byte)) };
}

/// Prints text.
pub(crate) fn print(text: &str) {
    // Uart::write_str never fails.
    let _ = Uart.write_str(text);
}

/// Counts results.
pub(crate) struct Report {
    passed: u32,
    failed: u32,
}

impl Report {
    pub(crate) const fn new() -> Self {
        Self {
            passed: 0,
            failed: 0,
        }
    }

    /// One vector: `expected` and `got` as lists of numbers.
    pub(crate) fn check(&mut self, name: &str, expected: &[u64], got: &[u64]) {
        if expected == got {
            self.passed += 1;
            let _ = writeln!(Uart, "PASS {name}");
        } else {
            self.failed += 1;
            let _ = writeln!(Uart, "FAIL {name} expected {expected:x?} got {got:x?}");
        }
    }

    /// A message: badge, label and all its words.
    pub(crate) fn message(
        &mut self,
        name: &str,
        badge: u64,
        label: u64,
        words: &[u64],
        got: &Message,
    ) {
        let mut expected = [0; 16];
        let mut seen = [0; 16];
        expected[..3].copy_from_slice(&[badge, label, words.len() as u64]);
        seen[..3].copy_from_slice(&[got.badge, got.label(), got.length() as u64]);
        let count = got.length().min(got.words.len());
        expected[3..3 + words.len()].copy_from_slice(words);
        seen[3..3 + count].copy_from_slice(&got.words[..count]);
        let used = 3 + words.len().max(count);
        self.check(name, &expected[..used], &seen[..used]);
    }

    /// The summary line.
    pub(crate) fn finish(&self) {
        let _ = writeln!(
            Uart,
            "probe: {} passed, {} failed",
            self.passed, self.failed
        );
    }
}
