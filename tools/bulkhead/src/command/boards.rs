// SPDX-License-Identifier: BSD-2-Clause
//! `boards`: what images can be built for.

use host::Outcome;
use serde::Serialize;

use crate::board;
use crate::cli::Format;
use crate::context::Context;

#[derive(Serialize)]
struct Row {
    name: String,
    description: String,
    development_kernel: bool,
    sdk_configs: Vec<String>,
}

/// Lists the boards.
pub(crate) fn run(context: &Context) -> Outcome<()> {
    let sdk = context.sdk()?;
    let in_sdk = sdk.as_ref().map(host::sdk::Sdk::boards).unwrap_or_default();
    let mut rows = Vec::new();
    for name in board::names(&context.root)? {
        let board = board::load(&context.root, &name)?;
        let prefix = format!("{name}/");
        let configs = in_sdk.iter().filter_map(|pair| pair.strip_prefix(&prefix));
        rows.push(Row {
            development_kernel: board.qemu.is_some(),
            sdk_configs: configs.map(str::to_owned).collect(),
            description: board.description,
            name,
        });
    }
    match context.format {
        Format::Json => out!("{}", serde_json::json!({ "version": 1, "boards": rows })),
        Format::Human => rows.iter().for_each(print_row),
    }
    Ok(())
}

fn print_row(row: &Row) {
    let mut kernels = Vec::new();
    if row.development_kernel {
        kernels.push("dev".to_owned());
    }
    if row.sdk_configs.is_empty() {
        kernels.push("sel4 (needs an SDK)".to_owned());
    } else {
        kernels.push(format!("sel4 ({})", row.sdk_configs.join(", ")));
    }
    out!(
        "{:20} {}; kernels: {}",
        row.name,
        row.description,
        kernels.join(", ")
    );
}
