// SPDX-License-Identifier: BSD-2-Clause
//! See [`fuzz_bodies::rings::run`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| fuzz_bodies::rings::run(bytes));
