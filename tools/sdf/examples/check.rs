// SPDX-License-Identifier: BSD-2-Clause
//! Checks system files: `cargo run -p sdf --example check -- FILE…`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for path in std::env::args().skip(1) {
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let files = sdf::SearchPath {
                    dirs: vec![".".into()],
                };
                let checked = sdf::check(&text, &path, None, &files);
                print!("{}", checked.diagnostics.render(false));
                let (errors, warnings) = checked.diagnostics.counts();
                println!("{path}: {errors} errors, {warnings} warnings");
                if checked.system.is_none() {
                    code = ExitCode::FAILURE;
                }
            }
            Err(error) => {
                eprintln!("{path}: {error}");
                code = ExitCode::from(2);
            }
        }
    }
    code
}
