// SPDX-License-Identifier: BSD-2-Clause
//! Tests on a fake machine.
