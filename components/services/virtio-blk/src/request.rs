// SPDX-License-Identifier: BSD-2-Clause
//! Requests as the driver writes them (5.2.6): fetched once, checked, then used.
//!
//! Nothing here depends on where the driver cut its buffers (2.7.4): the header is the first 16
//! readable bytes, the status the last writable one.

use blk::{Features as Can, Info, MAX_SEGMENTS, Op, SECTOR_SIZE, Segment};
use heapless::Vec;
use virtio::blk::Status;
use virtio::blk::{FLAG_UNMAP, Features, HEADER_SIZE, Header, ID_BYTES, RANGE_SIZE, Range, Type};
use virtq::{Chain, Cursor};
use zerocopy::IntoBytes;

use crate::disk::CHAIN_MAX;
use crate::pending::Entry;

/// Segments of a request.
pub(crate) type Segments = Vec<Segment, MAX_SEGMENTS>;

/// What requests are checked against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    /// The disk.
    pub(crate) info: &'a Info,
    /// What the driver negotiated.
    pub(crate) negotiated: Features,
}

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Request<'a> {
    /// Read or write `bytes` bytes.
    Data {
        op: Op,
        sector: u64,
        data: Cursor<'a>,
        bytes: usize,
    },
    /// Flush, discard, or write zeroes to `sectors` sectors.
    Range { op: Op, sector: u64, sectors: u32 },
    /// Write the serial number, of which there is room for `bytes` bytes.
    Identify { data: Cursor<'a>, bytes: usize },
}

/// A request that can be answered, because there is a byte for the status.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parsed<'a> {
    /// Its type as the driver wrote it.
    pub(crate) wire: u32,
    /// How it will be answered.
    pub(crate) entry: Entry,
    /// What is to be done, or the status to refuse it with.
    pub(crate) body: Result<Request<'a>, Status>,
}

/// Reads a request. `None`: there is no byte for the status (H-34).
pub(crate) fn parse<'a>(chain: &'a Chain<CHAIN_MAX>, rules: &Rules<'_>) -> Option<Parsed<'a>> {
    let last = chain.writable().last()?;
    let status = last.cell::<u8>(last.len().checked_sub(1)?).ok()?;
    let data_in = chain.writer().remaining().checked_sub(1)?;
    let mut reader = chain.reader();
    let header = header(chain, &mut reader);
    let (wire, body) = match header {
        Some(header) => {
            let wire = header.request_type.get();
            (wire, body(chain, reader, &header, data_in, rules))
        }
        None => (u32::MAX, Err(Status::IoErr)),
    };
    let written = match &body {
        Ok(Request::Data { op: Op::Read, .. }) => data_in + 1,
        Ok(Request::Identify { bytes, .. }) if *bytes < data_in => *bytes,
        Ok(Request::Identify { .. }) => data_in + 1,
        _ => status_only(data_in),
    };
    let entry = Entry {
        status,
        // The chain's total fits 32 bits.
        written: u32::try_from(written).unwrap_or(0),
        written_failed: u32::try_from(status_only(data_in)).unwrap_or(0),
        writes: matches!(&body, Ok(request) if request.writes()),
    };
    Some(Parsed { wire, entry, body })
}

/// Bytes written from the start on (2.7.8.2) if only the status is: none if data comes before it.
const fn status_only(data_in: usize) -> usize {
    if data_in == 0 { 1 } else { 0 }
}

/// Fetches the header, after which the reader is at the data.
fn header(chain: &Chain<CHAIN_MAX>, reader: &mut Cursor<'_>) -> Option<Header> {
    // As drivers do it: a buffer of its own, aligned.
    if let Some(first) = chain.readable().first()
        && first.len() >= HEADER_SIZE
        && let (Ok(low), Ok(high)) = (first.load::<u64>(0), first.load::<u64>(8))
    {
        reader.skip(HEADER_SIZE);
        return Some(zerocopy::transmute!([low, high]));
    }
    let mut header = Header::default();
    let count = reader.read(header.as_mut_bytes());
    (count == HEADER_SIZE).then_some(header)
}

fn body<'a>(
    chain: &'a Chain<CHAIN_MAX>,
    reader: Cursor<'a>,
    header: &Header,
    data_in: usize,
    rules: &Rules<'_>,
) -> Result<Request<'a>, Status> {
    let sector = header.sector.get();
    let negotiated = |feature| {
        let has = rules.negotiated.contains(feature);
        if has { Ok(()) } else { Err(Status::Unsupp) }
    };
    // Whatever is unknown is unsupported (5.2.6.2).
    match Type::from_wire(header.request_type.get()).ok_or(Status::Unsupp)? {
        Type::In => data(rules, Op::Read, sector, chain.writer(), data_in),
        Type::Out => {
            writable(rules)?;
            let bytes = reader.remaining();
            data(rules, Op::Write, sector, reader, bytes)
        }
        Type::Flush => Ok(Request::Range {
            op: Op::Flush,
            sector: 0,
            sectors: 0,
        }),
        Type::GetId => Ok(Request::Identify {
            data: chain.writer(),
            bytes: data_in.min(ID_BYTES),
        }),
        Type::Discard => {
            negotiated(Features::DISCARD)?;
            discard(reader, rules)
        }
        Type::WriteZeroes => {
            negotiated(Features::WRITE_ZEROES)?;
            write_zeroes(reader, rules)
        }
        Type::GetLifetime | Type::SecureErase => Err(Status::Unsupp),
    }
}

fn discard<'a>(reader: Cursor<'_>, rules: &Rules<'_>) -> Result<Request<'a>, Status> {
    writable(rules)?;
    let range = range(reader)?;
    // 5.2.6.2: UNSUPP for any flag of a discard.
    if range.flags.get() != 0 {
        return Err(Status::Unsupp);
    }
    within(rules, Op::Discard, &range, rules.info.max_discard)
}

fn write_zeroes<'a>(reader: Cursor<'_>, rules: &Rules<'_>) -> Result<Request<'a>, Status> {
    writable(rules)?;
    let range = range(reader)?;
    let flags = range.flags.get();
    if flags & !FLAG_UNMAP != 0 {
        return Err(Status::Unsupp);
    }
    let can = rules.info.features.contains(Can::UNMAP);
    let unmap = can && flags & FLAG_UNMAP != 0;
    let op = Op::WriteZeroes { unmap };
    within(rules, op, &range, rules.info.max_write_zeroes)
}

/// 5.2.6.2: IOERR for a write to a read-only disk.
fn writable(rules: &Rules<'_>) -> Result<(), Status> {
    if rules.info.features.contains(Can::READ_ONLY) {
        return Err(Status::IoErr);
    }
    Ok(())
}

/// H-34: whole blocks, on the disk.
fn data<'a>(
    rules: &Rules<'_>,
    op: Op,
    sector: u64,
    data: Cursor<'a>,
    bytes: usize,
) -> Result<Request<'a>, Status> {
    let len = bytes as u64;
    if !len.is_multiple_of(SECTOR_SIZE) || !rules.info.contains(sector, len / SECTOR_SIZE) {
        return Err(Status::IoErr);
    }
    Ok(Request::Data {
        op,
        sector,
        data,
        bytes,
    })
}

/// The only range that a request may have: max_discard_seg and max_write_zeroes_seg are 1.
fn range(mut reader: Cursor<'_>) -> Result<Range, Status> {
    let mut range = Range::default();
    if reader.remaining() != RANGE_SIZE || reader.read(range.as_mut_bytes()) != RANGE_SIZE {
        return Err(Status::IoErr);
    }
    Ok(range)
}

fn within<'a>(rules: &Rules<'_>, op: Op, range: &Range, most: u32) -> Result<Request<'a>, Status> {
    let (sector, sectors) = (range.sector.get(), range.num_sectors.get());
    if sectors > most || !rules.info.contains(sector, sectors.into()) {
        return Err(Status::IoErr);
    }
    Ok(Request::Range {
        op,
        sector,
        sectors,
    })
}

impl Request<'_> {
    /// Whether success has to be made stable where the cache is off.
    const fn writes(&self) -> bool {
        match self {
            Self::Data { op, .. } | Self::Range { op, .. } => {
                matches!(op, Op::Write | Op::WriteZeroes { .. })
            }
            Self::Identify { .. } => false,
        }
    }
}

/// Collects where the data is, as offsets from `base`; neighbours become one segment.
///
/// # Errors
/// IOERR where that takes more segments than the disk takes.
pub(crate) fn gather(
    mut data: Cursor<'_>,
    bytes: usize,
    base: u64,
    info: &Info,
    into: &mut Segments,
) -> Result<(), Status> {
    into.clear();
    let most = usize::try_from(info.max_segment_size).unwrap_or(usize::MAX);
    let mut left = bytes;
    while let Some(piece) = data.next(left.min(most)) {
        left -= piece.len();
        // In the guest's memory, which begins at `base`; its length fits 32 bits.
        let offset = piece.address().wrapping_sub(base);
        let len = u32::try_from(piece.len()).map_err(|_| Status::IoErr)?;
        if let Some(last) = into.last_mut()
            && last.offset + u64::from(last.len) == offset
            && let Some(joined) = last.len.checked_add(len)
            && joined <= info.max_segment_size
        {
            last.len = joined;
            continue;
        }
        into.push(Segment { offset, len })
            .map_err(|_| Status::IoErr)?;
    }
    if into.len() > usize::from(info.max_segments) {
        return Err(Status::IoErr);
    }
    Ok(())
}
