// SPDX-License-Identifier: BSD-2-Clause
//! Prints what a layout stands for: `cargo run -p layout --example flatten -- FILE [BOARD]`.

use std::path::Path;

fn main() {
    let mut args = std::env::args().skip(1);
    let file = args.next().unwrap_or_else(|| "system.xml".to_owned());
    let board = args
        .next()
        .unwrap_or_else(|| "qemu_virt_aarch64".to_owned());
    let boards = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../images/boards");
    let text = |path: &Path| std::fs::read_to_string(path).unwrap_or_default();
    let data = toml::from_str(&text(&boards.join(format!("{board}.toml")))).ok();
    let tree = std::fs::read(boards.join(format!("{board}.dtb"))).ok();
    let folder = Path::new(&file).parent().unwrap_or(Path::new(""));
    let checked = layout::check(layout::Input {
        name: &file,
        text: &text(Path::new(&file)),
        board: data.as_ref(),
        device_tree: tree.as_deref(),
        tree: &layout::Folder(folder.to_path_buf()),
        files: &sdf::NoFiles,
    });
    eprint!("{}", checked.diagnostics);
    if let Some(system) = checked.system {
        print!("{}", sdf::write(&system));
    }
}
