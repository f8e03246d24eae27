// SPDX-License-Identifier: BSD-2-Clause
//! Arguments of `disk`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::SystemArgs;

/// Arguments of `disk`.
#[derive(Args, Clone)]
pub(crate) struct DiskArgs {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: DiskCommand,
}

/// What to do with a disk image.
#[derive(Subcommand, Clone)]
pub(crate) enum DiskCommand {
    /// Make an image with the partitions that a system names.
    Create(DiskCreateArgs),
    /// Show the partitions of an image.
    Show(DiskShowArgs),
}

/// Arguments of `disk create`.
#[derive(Args, Clone)]
pub(crate) struct DiskCreateArgs {
    /// The system whose guests use it.
    #[command(flatten)]
    pub(crate) system: SystemArgs,
    /// The image [default: target/bulkhead/disks/<system>.img].
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Size of each partition in bytes, or with K, M, G, T.
    #[arg(long, value_name = "SIZE", value_parser = parse_size, default_value = "256M")]
    pub(crate) size: u64,
    /// Bytes of a logical block.
    #[arg(long, value_enum, default_value = "512")]
    pub(crate) sector_size: SectorSize,
    /// Replace an image that is there already.
    #[arg(long)]
    pub(crate) force: bool,
}

/// Bytes of a disk's logical block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SectorSize {
    /// 512 bytes.
    #[value(name = "512")]
    B512,
    /// 4096 bytes.
    #[value(name = "4096")]
    B4096,
}

impl From<SectorSize> for ::disk::SectorSize {
    fn from(size: SectorSize) -> Self {
        match size {
            SectorSize::B512 => Self::B512,
            SectorSize::B4096 => Self::B4096,
        }
    }
}

fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let shift = match &text[digits.len()..] {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        other => return Err(format!("unknown unit `{other}`: K, M, G or T")),
    };
    let count: u64 = digits.parse().map_err(|_| "not a number".to_owned())?;
    count
        .checked_mul(1 << shift)
        .ok_or_else(|| "too large".to_owned())
}

/// Arguments of `disk show`.
#[derive(Args, Clone)]
pub(crate) struct DiskShowArgs {
    /// The image.
    pub(crate) file: PathBuf,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_and_bounds() {
        assert_eq!(parse_size("256M"), Ok(256 << 20));
        assert_eq!(parse_size("512"), Ok(512));
        for wrong in ["", "M", "1m", "1KB", "99999999999T", "-1", "1.5G", "µ"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }
}
