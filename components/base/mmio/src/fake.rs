// SPDX-License-Identifier: BSD-2-Clause
//! Register banks in plain memory.
