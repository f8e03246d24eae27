// SPDX-License-Identifier: BSD-2-Clause
//! Makes the images of one guest by hand: `cargo run -p guests --example prepare RECIPE CACHE`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    let (Some(recipe), Some(cache)) = (args.next(), args.next()) else {
        eprintln!("usage: prepare RECIPE_DIR CACHE_DIR");
        return ExitCode::from(2);
    };
    match guests::prepare(recipe.as_ref(), cache.as_ref(), &mut |line| {
        println!("{line}")
    }) {
        Ok(guest) => {
            println!("{guest:#?}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
