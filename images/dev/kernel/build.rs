// SPDX-License-Identifier: BSD-2-Clause
//! Links the kernel at its load address.

fn main() {
    let directory = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo::rustc-link-arg-bins=-T{directory}/kernel.ld");
    println!("cargo::rustc-link-arg-bins=-zmax-page-size=4096");
    println!("cargo::rustc-link-arg-bins=--build-id=none");
    println!("cargo::rerun-if-changed=kernel.ld");
    println!("cargo::rerun-if-changed=src/boot.S");
    println!("cargo::rerun-if-changed=src/vectors.S");
}
