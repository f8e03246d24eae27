// SPDX-License-Identifier: BSD-2-Clause
//! Looking at and signalling processes that we started.

use std::fs;

use rustix::process::{Pid, Signal, kill_process};

use crate::failure::{Failure, Outcome};

/// Sends the signal called `name` (`INT`, `TERM` or `KILL`) to process `id`.
pub fn signal(id: u32, name: &str) -> Outcome<()> {
    let signal = match name {
        "INT" => Signal::INT,
        "TERM" => Signal::TERM,
        _ => Signal::KILL,
    };
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| Failure::environment(format!("{id} is no process")))?;
    // A process that has just ended needs no signal.
    kill_process(pid, signal).unwrap_or_default();
    Ok(())
}

/// Parent and state of a process.
fn stat(id: u32) -> Option<(u32, char)> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name in parentheses may hold anything.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((fields.next()?.parse().ok()?, state))
}

/// The children of process `parent`, sorted.
pub fn children(parent: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut children: Vec<u32> = ids
        .filter(|id| stat(*id).is_some_and(|(of, _)| of == parent))
        .collect();
    children.sort_unstable();
    children
}

/// Whether process `id` exists and has not ended.
pub fn is_running(id: u32) -> bool {
    stat(id).is_some_and(|(_, state)| state != 'Z' && state != 'X')
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn children_are_seen_until_they_end() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let id = child.id();
        assert!(children(std::process::id()).contains(&id) && is_running(id));
        signal(id, "KILL").unwrap();
        child.wait().unwrap();
        assert!(!is_running(id));
    }
}
