// SPDX-License-Identifier: BSD-2-Clause
//! Passes the link script of protection domains: the SDK's own makes data executable under lld.

fn main() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../common/pd.ld");
    println!("cargo:rerun-if-changed={script}");
    println!("cargo:rustc-link-arg-bins=-T{script}");
}
