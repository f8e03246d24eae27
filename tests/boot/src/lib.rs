// SPDX-License-Identifier: BSD-2-Clause
//! Boot transcripts of real images in QEMU.

#![forbid(unsafe_code)]
