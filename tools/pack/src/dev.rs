// SPDX-License-Identifier: BSD-2-Clause
//! The development kernel's image.
