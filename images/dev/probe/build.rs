// SPDX-License-Identifier: BSD-2-Clause
//! Links the probe as a Microkit protection domain.

fn main() {
    let directory = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo::rustc-link-arg-bins=-T{directory}/probe.ld");
    println!("cargo::rustc-link-arg-bins=-zmax-page-size=4096");
    println!("cargo::rustc-link-arg-bins=--build-id=none");
    println!("cargo::rerun-if-changed=probe.ld");
    println!("cargo::rerun-if-changed=src/child.S");
    println!("cargo::rerun-if-changed=src/guest.S");
}
