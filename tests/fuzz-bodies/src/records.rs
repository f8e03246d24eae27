// SPDX-License-Identifier: BSD-2-Clause
//! What one program writes and another reads: configuration records, traces, the development
//! kernel's payload.

use devimage::{Header, Image, MAGIC, VERSION, crc32};
use record::{Builder, ChannelEntry, ChannelRights, Entry, Record, encoded_len};
use trace::View;
use units::{ChannelId, VcpuId};
use zerocopy::FromBytes;

use crate::script::Script;

const ROLES: [&str; 6] = [
    "vmm",
    "a.out",
    "port",
    "x",
    "",
    "a-role-of-thirty-two-characters.",
];

/// Everything that a record can be asked.
fn ask(record: &Record<'_>) {
    for entry in record.entries().take(4096) {
        drop(format!("{entry:?}"));
    }
    for role in ROLES {
        let found = record.with_role(role).count();
        let single = [
            record.region(role).is_ok(),
            record.channel(role).is_ok(),
            record.irq(role).is_ok(),
            record.child(role).is_ok(),
            record.vcpu(role).is_ok(),
            record.value(role).is_ok(),
            record.text(role).is_ok(),
            record.window(role).is_ok(),
        ];
        let kinds = single.into_iter().filter(|found| *found).count();
        assert!(kinds <= found, "{role} is found, but is not there");
    }
}

fn entry<'a>(script: &mut Script<'a>) -> Option<Entry<'a>> {
    Some(match script.byte() % 4 {
        0 => Entry::Value(script.odd()),
        1 => Entry::Text(core::str::from_utf8(script.bytes(20)).ok()?),
        2 => Entry::Vcpu(VcpuId::new(script.byte().into())?),
        _ => Entry::Channel(ChannelEntry {
            id: ChannelId::new(script.byte().into())?,
            rights: ChannelRights {
                notify: true,
                call: script.chance(2),
            },
        }),
    })
}

/// A record that was built is read back as it was meant, and with any byte changed it is refused.
fn build(script: &mut Script<'_>) {
    let mut entries = Vec::new();
    while script.goes_on() && entries.len() < 20 {
        let role = ROLES[script.below(4)];
        entries.extend(entry(script).map(|entry| (role, entry)));
    }
    let text = |entry: &Entry<'_>| {
        if let Entry::Text(text) = entry {
            text.len()
        } else {
            0
        }
    };
    let texts = entries.iter().map(|(_, entry)| text(entry)).sum();
    let mut bytes = vec![0; encoded_len(entries.len(), texts)];
    let mut builder = Builder::new(&mut bytes);
    for (role, entry) in &entries {
        if builder.add(role, entry).is_err() {
            return;
        }
    }
    let finished = builder.finish();
    assert!(finished.is_ok(), "{finished:?}");
    let Ok(record) = Record::parse(&bytes) else {
        unreachable!("what was built does not read");
    };
    assert_eq!(record.entries().count(), entries.len());
    ask(&record);
    let len = bytes.len();
    if let Some(byte) = bytes.get_mut(usize::from(script.half()) % len.max(1)) {
        *byte ^= 1 << (script.byte() & 7);
    }
    assert!(
        Record::parse(&bytes).is_err(),
        "a changed record is believed"
    );
}

/// A trace of a program that crashed, or lies.
fn trace(bytes: &[u8]) {
    let Ok(view) = View::new(bytes) else {
        return;
    };
    let mut buffer = [0; 32];
    for kind in (0..view.kinds()).take(64) {
        let _ = (view.counter(kind), view.name(kind, &mut buffer));
    }
    let events = view.events().take(10_000).count();
    let _ = (events, view.total(), view.generation());
}

/// A payload of the development kernel, also with the fields put right that few bytes get right by
/// chance. One that is believed says where everything is.
fn payload(bytes: &[u8]) {
    let _ = Image::declared_size(bytes);
    let mut bytes = bytes.to_vec();
    for put_right in [false, true] {
        if put_right && !seal(&mut bytes) {
            return;
        }
        let Ok(image) = Image::parse(&bytes) else {
            continue;
        };
        assert!(image.bytes.len() <= bytes.len());
        for load in image.loads {
            let len = image.load_bytes(load).len() as u64;
            assert_eq!(len, load.file_size.get(), "a load that is not in the file");
        }
    }
}

/// Magic, version, size and checksum as they have to be; whether there is room for them.
fn seal(bytes: &mut [u8]) -> bool {
    let len = bytes.len() as u64;
    let Ok((header, body)) = Header::mut_from_prefix(bytes) else {
        return false;
    };
    header.magic = MAGIC;
    header.version = VERSION.into();
    header.total_size = len.into();
    header.crc32 = crc32(body).into();
    true
}

/// Reads records, traces and payloads.
///
/// # Panics
/// If one is believed that should not be.
pub fn run(bytes: &[u8]) {
    if let Ok(record) = Record::parse(bytes) {
        ask(&record);
    }
    trace(bytes);
    payload(bytes);
    build(&mut Script::new(bytes));
}
