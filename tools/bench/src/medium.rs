// SPDX-License-Identifier: BSD-2-Clause
//! The disk of an image: its partition table is a file's, its one partition is nobody's.
//!
//! QEMU completes what a file holds in another thread, in real time, of which no virtual clock
//! knows: counts vary by 15 % then. Its null device completes at once, but has no partition table.
//! So the disk is an overlay (QEMU's docs/interop/qcow2.rst) whose clusters of the partition are in
//! the null device as external data file, and all others in the image below.

use std::ops::Range;
use std::path::Path;

use host::Outcome;
use host::qemu::option_value;

/// Bytes of a cluster, as a power of two.
const CLUSTER_BITS: u32 = 16;
const CLUSTER: u64 = 1 << CLUSTER_BITS;
/// Entries of the one table of clusters, of eight bytes each.
const ENTRIES: u64 = CLUSTER / 8;
/// "Refcount is exactly one": set for every cluster of an external data file.
const COPIED: u64 = 1 << 63;
/// Incompatible feature: external data file.
const DATA_FILE: u64 = 1 << 2;
/// Clusters of the file: header, refcount table, refcount block, L1 table, L2 table.
const CLUSTERS: u64 = 5;

/// Bytes of the largest disk.
pub const DISK_MOST: u64 = ENTRIES * CLUSTER;

/// Writes to `overlay` what makes a disk of the image `disk` of `size` bytes, at most
/// [`DISK_MOST`], whose bytes of `partition`, whole clusters of 64 KiB, hold nothing. QEMU's
/// `-blockdev` nodes for it, of which the last is the disk and called `{id}`.
///
/// # Errors
/// [`host::Failure`] when the file cannot be written.
pub fn disk_without(
    disk: &Path,
    size: u64,
    partition: &Range<u64>,
    overlay: &Path,
) -> Outcome<Vec<String>> {
    host::output::write(overlay, &qcow2(size, partition))?;
    let (disk, overlay) = (option_value(disk), option_value(overlay));
    Ok(vec![
        format!("driver=null-co,node-name={{id}}-null,size={size},read-zeroes=off"),
        format!("driver=file,node-name={{id}}-table,filename={disk},read-only=on"),
        // No flush reaches a file: it would take real time.
        format!(
            "driver=qcow2,node-name={{id}},file.driver=file,file.filename={overlay},\
             data-file={{id}}-null,backing={{id}}-table,cache.no-flush=on"
        ),
    ])
}

fn qcow2(size: u64, partition: &Range<u64>) -> Vec<u8> {
    let halves = |value: u64| [value >> 32, value & 0xffff_ffff].map(half);
    let words = [
        // Magic, version, no name of a file below.
        &[0x5146_49fb, 3, 0, 0, 0, CLUSTER_BITS][..],
        &halves(size),
        // No encryption; L1 table of one entry, refcount table of one cluster, no snapshots.
        &[0, 1],
        &halves(3 * CLUSTER),
        &halves(CLUSTER),
        &[1, 0, 0, 0],
        // Features: incompatible, compatible, cleared by who does not know them.
        &halves(DATA_FILE),
        &[0, 0, 0, 0],
        // Refcounts of 2^4 bits, bytes of this header, no extensions.
        &[4, 104, 0, 0],
    ];
    let header = words.concat().into_iter().flat_map(u32::to_be_bytes);
    let header: Vec<u8> = header.collect();
    let counts: Vec<u8> = (0..CLUSTERS).flat_map(|_| 1_u16.to_be_bytes()).collect();
    let entry = |cluster: u64| match cluster * CLUSTER {
        at if partition.contains(&at) => at | COPIED,
        _ => 0,
    };
    let entries: Vec<u8> = (0..ENTRIES).flat_map(|i| entry(i).to_be_bytes()).collect();
    let pointer = |cluster: u64, flags: u64| ((cluster * CLUSTER) | flags).to_be_bytes().to_vec();
    [header, pointer(2, 0), counts, pointer(4, COPIED), entries]
        .into_iter()
        .flat_map(padded)
        .collect()
}

fn half(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(1 << CLUSTER_BITS, 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(bytes: &[u8], at: usize) -> u64 {
        u64::from_be_bytes(bytes[at..at + 8].try_into().unwrap())
    }

    #[test]
    fn the_partition_is_the_null_devices() {
        let file = qcow2(4 << 20, &(1 << 20..3 << 20));
        assert_eq!(file.len(), 5 << 16);
        assert_eq!((number(&file, 24), number(&file, 72)), (4 << 20, 4));
        assert_eq!((number(&file, 40), number(&file, 48)), (3 << 16, 1 << 16));
        assert_eq!(number(&file, 1 << 16), 2 << 16);
        assert_eq!(number(&file, 3 << 16), (4 << 16) | COPIED);
        let entry = |cluster: usize| number(&file, (4 << 16) + cluster * 8);
        assert_eq!(
            [15, 16, 47, 48].map(entry),
            [0, (1 << 20) | COPIED, 0x2f_0000 | COPIED, 0]
        );
    }

    #[test]
    fn names_with_commas_are_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let overlay = dir.path().join("a,b");
        let nodes = disk_without(Path::new("/d"), 1 << 20, &(0..0), &overlay).unwrap();
        assert!(
            nodes[2].contains("a,,b,data-file={id}-null"),
            "{}",
            nodes[2]
        );
    }
}
