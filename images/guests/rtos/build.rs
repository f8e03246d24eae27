// SPDX-License-Identifier: BSD-2-Clause
//! Links the bare-metal image with the runtime's section layout at our load address.

fn main() {
    println!("cargo::rerun-if-changed=memory.ld");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("none") {
        let here = env!("CARGO_MANIFEST_DIR");
        println!("cargo::rustc-link-arg-bins=-Timage.ld");
        println!("cargo::rustc-link-arg-bins=-T{here}/memory.ld");
    }
}
