// SPDX-License-Identifier: BSD-2-Clause
//! Boot tests are the `*.toml` scripts beside this crate; `cargo bulkhead test` runs them.

#![forbid(unsafe_code)]
